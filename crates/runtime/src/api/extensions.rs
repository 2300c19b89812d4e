//! The Extensions API: programs beside the runtime that are told of invocations and of the end.

use http::{HeaderMap, HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use ropeway_core::Time;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::session::{Event, Session, Shutdown, Work, wrong_state};
use super::{Reply, accepted, body, error_reply, header, json_reply};

/// The most extensions of a function ("Lambda quotas": 10, internal ones with them).
const MAX_EXTENSIONS: usize = 10;

/// An extension that has registered.
#[derive(Debug)]
pub(super) struct Extension {
    name: String,
    /// Runs as a program of its own, from `/opt/extensions`.
    external: bool,
    on_invoke: bool,
    on_shutdown: bool,
    /// It has asked for its next event since the last one.
    ready: bool,
    asked: Option<oneshot::Sender<Value>>,
    pending: Option<Value>,
}

#[derive(Deserialize)]
struct Registration {
    #[serde(default)]
    events: Vec<String>,
}

impl Extension {
    /// Tells of an invocation.
    pub(super) fn invoke(&mut self, work: &Work) {
        if !self.on_invoke {
            return;
        }
        let tracing = work.trace_header.as_ref();
        self.send(json!({
            "eventType": "INVOKE",
            "deadlineMs": work.deadline.millis(),
            "requestId": work.request_id,
            "invokedFunctionArn": work.invoked_arn,
            "tracing": { "type": "X-Amzn-Trace-Id", "value": tracing },
        }));
    }

    fn send(&mut self, event: Value) {
        self.ready = false;
        self.pending = match self.asked.take() {
            Some(asked) => asked.send(event).err(),
            None => Some(event),
        };
    }
}

impl Session {
    /// Whether so many external extensions have registered and all extensions wait for an event.
    pub fn extensions_ready(&self, external: usize) -> bool {
        let state = self.state();
        let registered = state.extensions.values().filter(|extension| extension.external).count();
        registered >= external && state.extensions.values().all(|extension| extension.ready)
    }

    /// How many external extensions have registered.
    pub fn extensions_registered(&self) -> usize {
        self.state().extensions.values().filter(|extension| extension.external).count()
    }

    /// Whether any has.
    pub fn has_extensions(&self) -> bool {
        !self.state().extensions.is_empty()
    }

    /// Tells the extensions that asked for it that all ends.
    pub fn shut_down(&self, why: Shutdown, deadline: Time) {
        let reason = match why {
            Shutdown::Spindown => "spindown",
            Shutdown::Timeout => "timeout",
            Shutdown::Failure => "failure",
        };
        let event =
            json!({ "eventType": "SHUTDOWN", "shutdownReason": reason, "deadlineMs": deadline.millis() });
        let mut state = self.state();
        let told = state.extensions.values_mut().filter(|extension| extension.on_shutdown);
        told.for_each(|extension| extension.send(event.clone()));
    }

    /// `POST …/extension/register`.
    pub(super) async fn register(&self, request: Request<Incoming>) -> Reply {
        let Some(name) = header(request.headers(), "lambda-extension-name").map(str::to_owned) else {
            return error_reply(
                StatusCode::FORBIDDEN,
                "Extension.InvalidExtensionName",
                "Invalid extension name",
            );
        };
        let features = header(request.headers(), "lambda-extension-accept-feature").unwrap_or_default();
        let account = features.split(',').any(|feature| feature.trim() == "accountId");
        let registration = match body(self, request.into_body()).await {
            Ok(bytes) => serde_json::from_slice::<Registration>(&bytes),
            Err(reply) => return reply,
        };
        let Ok(registration) = registration else {
            return error_reply(StatusCode::BAD_REQUEST, "InvalidRequestFormat", "Invalid request format");
        };
        let id = match self.enlist(name, &registration.events) {
            Ok(id) => id,
            Err(reply) => return reply,
        };
        self.tell(Event::ExtensionReady).await;
        let about = &self.function;
        let mut document = json!({ "functionName": about.name, "functionVersion": about.version });
        if let Some(document) = document.as_object_mut() {
            document.insert("handler".to_owned(), json!(about.handler.as_deref().unwrap_or_default()));
            if account {
                document.insert("accountId".to_owned(), json!(about.account));
            }
        }
        let mut reply = json_reply(StatusCode::OK, &document);
        if let Ok(id) = HeaderValue::from_str(&id) {
            reply.headers_mut().insert("lambda-extension-identifier", id);
        }
        reply
    }

    fn enlist(&self, name: String, events: &[String]) -> Result<String, Reply> {
        let external = self.function.external.contains(&name);
        let wants = |event: &str| events.iter().any(|one| one == event);
        let unknown = events.iter().find(|event| !matches!(event.as_str(), "INVOKE" | "SHUTDOWN"));
        if let Some(event) = unknown.or_else(|| events.iter().find(|event| !external && *event == "SHUTDOWN"))
        {
            let message = format!("{event}: ShutdownEventNotSupportedForInternalExtension or unknown event");
            return Err(error_reply(StatusCode::BAD_REQUEST, "Extension.InvalidEventType", &message));
        }
        let mut state = self.state();
        if state.extensions.len() >= MAX_EXTENSIONS {
            let message = format!("Extension limit {MAX_EXTENSIONS} reached");
            return Err(error_reply(StatusCode::FORBIDDEN, "Extension.TooManyExtensions", &message));
        }
        if state.extensions.values().any(|extension| extension.name == name) {
            return Err(wrong_state("the extension has registered before"));
        }
        let id = self.ids.uuid();
        let extension = Extension {
            name,
            external,
            on_invoke: wants("INVOKE"),
            on_shutdown: wants("SHUTDOWN"),
            ready: false,
            asked: None,
            pending: None,
        };
        state.extensions.insert(id.clone(), extension);
        Ok(id)
    }

    /// `GET …/extension/event/next`: waits for an event.
    pub(super) async fn next_event(&self, headers: &HeaderMap) -> Reply {
        let coming = {
            let mut state = self.state();
            let extension =
                header(headers, "lambda-extension-identifier").and_then(|id| state.extensions.get_mut(id));
            let Some(extension) = extension else { return unknown_extension() };
            let (sender, receiver) = oneshot::channel();
            match extension.pending.take() {
                Some(event) => drop(sender.send(event)),
                None => {
                    extension.ready = true;
                    extension.asked = Some(sender);
                }
            }
            receiver
        };
        self.tell(Event::ExtensionReady).await;
        let Ok(event) = coming.await else {
            return wrong_state("another request for the next event has come");
        };
        let mut reply = json_reply(StatusCode::OK, &event);
        if let Ok(id) = HeaderValue::from_str(&self.ids.uuid()) {
            reply.headers_mut().insert("lambda-extension-event-identifier", id);
        }
        reply
    }

    /// `POST …/extension/init/error` and `…/exit/error`.
    pub(super) async fn extension_failed(&self, request: Request<Incoming>) -> Reply {
        let kind = header(request.headers(), "lambda-extension-function-error-type").map(str::to_owned);
        let Some(kind) = kind else {
            let message = "Lambda-Extension-Function-Error-Type header is missing";
            return error_reply(StatusCode::FORBIDDEN, "Extension.MissingHeader", message);
        };
        let name = header(request.headers(), "lambda-extension-identifier")
            .and_then(|id| self.state().extensions.get(id).map(|extension| extension.name.clone()));
        let Some(name) = name else { return unknown_extension() };
        if let Err(reply) = body(self, request.into_body()).await {
            return reply;
        }
        self.tell(Event::ExtensionError(name, Some(kind))).await;
        accepted()
    }
}

fn unknown_extension() -> Reply {
    let kind = "Extension.UnknownExtensionIdentifier";
    error_reply(StatusCode::FORBIDDEN, kind, "Unknown extension identifier")
}
