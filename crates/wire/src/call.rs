//! The generic path of every operation: decode, validate, authorise, call, encode.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use http::HeaderMap;
use ropeway_core::BoxFuture;

use crate::audit::{Audit, Watch};
use crate::gateway::ErrorCode;
use crate::protocol::{self, RequestBody, RequestParts, ResponseBody};
use crate::schema::{Operation, Protocol, Service};
use crate::{Cx, Decode, Encode, Error, Keys};

/// The HTTP answer of an operation.
pub type Answer = http::Response<ResponseBody>;

/// The answer of an operation called from within: its output structure.
pub type LocalAnswer = Result<Box<dyn Any + Send>, Error>;

/// An operation's input, as the generated API describes it.
pub trait Input: Decode + Encode + Send + 'static {
    /// What the operation answers.
    type Output: Encode + Send + 'static;
    /// The service.
    const SERVICE: &'static Service;
    /// The operation's name.
    const OPERATION: &'static str;
    /// The operation asks the gate itself: what is to be decided shows only once it has looked.
    const ASKS_ITSELF: bool = false;
    /// ARNs of the resources that the operation's action is asked for.
    fn resources(&self, cx: &Cx) -> Vec<String>;
    /// The IAM action, where what the input says makes it another one than the operation's.
    fn action(&self) -> Option<&'static str> {
        None
    }
    /// Condition keys that the input gives.
    fn keys(&self, keys: &mut Keys);
}

/// A request on its way to its operation.
pub struct Call {
    /// The service.
    pub service: &'static Service,
    /// The operation.
    pub operation: &'static Operation,
    /// The protocol that the request speaks.
    pub protocol: Protocol,
    /// Who calls.
    pub cx: Cx,
    /// The method.
    pub method: http::Method,
    /// The path, percent-encoded.
    pub path: String,
    /// The query string.
    pub query: Option<String>,
    /// The headers.
    pub headers: HeaderMap,
    /// Labels of the URI template, decoded.
    pub labels: Vec<(&'static str, String)>,
    /// The body.
    pub body: RequestBody,
    /// Who keeps the audit log, if it is kept.
    pub audit: Option<Arc<dyn Audit>>,
}

/// A call from within the server.
pub struct LocalCall {
    /// The operation.
    pub operation: &'static Operation,
    /// In whose name.
    pub cx: Cx,
    /// The input structure.
    pub input: Box<dyn Any + Send>,
    /// Who keeps the audit log, if it is kept.
    pub audit: Option<Arc<dyn Audit>>,
}

/// A service, its type forgotten.
pub trait Dispatch: Send + Sync {
    /// The service's constants.
    fn service(&self) -> &'static Service;
    /// Carries out a request.
    fn call(&self, call: Call) -> BoxFuture<'static, Answer>;
    /// Carries out a call from within.
    fn call_local(&self, call: LocalCall) -> BoxFuture<'static, LocalAnswer>;
}

/// A service's operations, by their names. Generated for each.
pub trait Operations: Send + Sync {
    /// The service's constants.
    fn service(&self) -> &'static Service;
    /// Carries out an operation.
    fn run(&self, asked: Asked) -> BoxFuture<'static, Done>;
}

/// A call of an operation, wherever it comes from.
pub enum Asked {
    /// From without.
    Request(Box<Call>),
    /// From within.
    Within(Box<LocalCall>),
}

/// An operation's output, its type forgotten.
pub trait Output: Encode + Any {}

impl<T: Encode + Any> Output for T {}

/// What came of an operation.
pub type Done = Result<Box<dyn Output + Send>, Error>;

impl<T: Operations> Dispatch for T {
    fn service(&self) -> &'static Service {
        Operations::service(self)
    }

    fn call(&self, call: Call) -> BoxFuture<'static, Answer> {
        let (service, operation, protocol) = (call.service, call.operation, call.protocol);
        let request_id = call.cx.request_id.clone();
        let path = call.path.clone();
        let head = call.method == http::Method::HEAD;
        let done = self.run(Asked::Request(Box::new(call)));
        Box::pin(async move {
            match done.await {
                Ok(output) => protocol::encode_output(service, operation, protocol, &*output, &request_id),
                Err(error) => error_answer(service, protocol, &error, &request_id, &path, head),
            }
        })
    }

    fn call_local(&self, call: LocalCall) -> BoxFuture<'static, LocalAnswer> {
        let done = self.run(Asked::Within(Box::new(call)));
        Box::pin(async move {
            let output: Box<dyn Any + Send> = done.await?;
            Ok(output)
        })
    }
}

impl Asked {
    /// The operation.
    pub fn operation(&self) -> &'static Operation {
        match self {
            Asked::Request(call) => call.operation,
            Asked::Within(call) => call.operation,
        }
    }

    /// Watches the call, if the audit log wants it.
    fn watch(&mut self, service: &'static Service) -> Option<Watch> {
        let (audit, operation, cx) = match self {
            Asked::Request(call) => (call.audit.take(), call.operation, &call.cx),
            Asked::Within(call) => (call.audit.take(), call.operation, &call.cx),
        };
        Watch::begin(audit, service, operation, cx)
    }

    fn input<I: Input>(self) -> Result<(Cx, I), Error> {
        match self {
            Asked::Request(call) => decode(*call),
            Asked::Within(call) => {
                let input = call.input.downcast::<I>();
                let input = input
                    .map_err(|_| Error::internal("a call from within with another operation's input"))?;
                protocol::check(I::SERVICE, call.operation, input.as_ref())?;
                Ok((call.cx, *input))
            }
        }
    }
}

/// Carries out one operation: what the generated code calls. The input of a call from within is validated and
/// authorised as a request's is; the audit log, if it watches, has the call before its answer.
pub async fn exec<I, F, Fut>(mut asked: Asked, run: F) -> Done
where
    I: Input,
    F: FnOnce(Cx, I) -> Fut + Send,
    Fut: Future<Output = Result<I::Output, Error>> + Send,
{
    let operation = asked.operation();
    let mut watch = asked.watch(I::SERVICE);
    let allowed = asked.input::<I>().and_then(|(cx, input)| {
        if let Some(watch) = &mut watch {
            watch.takes(&input, input.resources(&cx));
        }
        authorize(I::SERVICE, operation, &cx, &input)?;
        Ok((cx, input))
    });
    let done: Done = match allowed {
        Ok((cx, input)) => match run(cx, input).await {
            Ok(output) => Ok(Box::new(output)),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    match watch {
        Some(watch) => watch.end(done).await,
        None => done,
    }
}

fn decode<I: Input>(call: Call) -> Result<(Cx, I), Error> {
    let parts = RequestParts {
        method: &call.method,
        uri_path: &call.path,
        query: call.query.as_deref(),
        headers: &call.headers,
        labels: &call.labels,
        body: call.body,
    };
    let input = protocol::decode_input(call.service, call.operation, call.protocol, parts)?;
    Ok((call.cx, input))
}

/// What a call asks the gate.
pub struct Question {
    /// The action.
    pub action: &'static str,
    /// ARNs of the resources.
    pub resources: Vec<String>,
    /// The operation's condition keys.
    pub keys: Keys,
}

impl Question {
    /// What an input asks; `None` where anyone may call its operation.
    pub fn of<I: Input>(cx: &Cx, input: &I) -> Option<Self> {
        let operation = I::SERVICE.operations.iter().find(|operation| operation.name == I::OPERATION)?;
        Self::new(operation, cx, input)
    }

    fn new<I: Input>(operation: &Operation, cx: &Cx, input: &I) -> Option<Self> {
        let action = input.action().or(operation.action)?;
        let mut keys = Keys::default();
        input.keys(&mut keys);
        if let Some(source) = &cx.source {
            keys.add("aws:SourceArn", source);
            keys.add("aws:SourceAccount", &cx.account);
        }
        Some(Question { action, resources: input.resources(cx), keys })
    }
}

fn authorize<I: Input>(service: &Service, operation: &Operation, cx: &Cx, input: &I) -> Result<(), Error> {
    if I::ASKS_ITSELF {
        return Ok(());
    }
    let asked = Question::new(operation, cx, input);
    let Some(Question { action, resources, keys }) = asked else { return Ok(()) };
    resources.iter().try_for_each(|resource| cx.authorize(service, action, resource, &keys))
}

/// What came of an operation that is listed nowhere.
pub async fn unknown_operation(asked: Asked) -> Done {
    Err(Error::internal(format!("{} is listed but not dispatched", asked.operation().name)))
}

/// An error in the protocol's form; without a body where the request was a HEAD, or where nothing has changed.
pub fn error_answer(
    service: &'static Service,
    protocol: Protocol,
    error: &Error,
    request_id: &str,
    path: &str,
    head: bool,
) -> Answer {
    let mut answer = protocol::encode_error(service, protocol, error, request_id, Some(path));
    answer.extensions_mut().insert(ErrorCode(error.code.clone()));
    if head || error.status == 304 {
        *answer.body_mut() = ResponseBody::Bytes(bytes::Bytes::new());
    }
    answer
}

/// Every service of the server: for requests from without and calls from within.
#[derive(Default)]
pub struct Services {
    services: OnceLock<BTreeMap<&'static str, Arc<dyn Dispatch>>>,
    audit: OnceLock<Arc<dyn Audit>>,
}

impl Services {
    /// Sets the services, once, when all are made.
    pub fn set(&self, services: Vec<Arc<dyn Dispatch>>) {
        let by_id = services.into_iter().map(|service| (service.service().id, service)).collect();
        // A second call would be a fault of the wiring; the first one's services stay.
        let _ = self.services.set(by_id);
    }

    /// Has every call of an operation told, from now on.
    pub fn set_audit(&self, audit: Arc<dyn Audit>) {
        // As above: the first one stays.
        let _ = self.audit.set(audit);
    }

    /// Who keeps the audit log.
    pub fn audit(&self) -> Option<Arc<dyn Audit>> {
        self.audit.get().cloned()
    }

    /// The service of an id.
    pub fn get(&self, id: &str) -> Option<&Arc<dyn Dispatch>> {
        self.services.get()?.get(id)
    }

    /// Every service, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Dispatch>> {
        self.services.get().into_iter().flat_map(BTreeMap::values)
    }

    /// Calls an operation from within, as the principal of `cx`: the same validation and
    /// authorisation as for a request.
    pub async fn call<I: Input>(&self, cx: Cx, input: I) -> Result<I::Output, Error> {
        let refusal = || Error::internal(format!("{}:{} is not there", I::SERVICE.id, I::OPERATION));
        let dispatch = self.get(I::SERVICE.id).ok_or_else(refusal)?;
        let operation = I::SERVICE.operations.iter().find(|o| o.name == I::OPERATION).ok_or_else(refusal)?;
        let answer = dispatch
            .call_local(LocalCall { operation, cx, input: Box::new(input), audit: self.audit() })
            .await?;
        let output = answer.downcast::<I::Output>();
        output
            .map(|output| *output)
            .map_err(|_| Error::internal("a call from within with another operation's output"))
    }
}
