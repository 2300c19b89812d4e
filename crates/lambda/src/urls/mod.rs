//! Function URLs, and addresses of code: what Lambda serves beside its API.
//!
//! `<id>.lambda-url.<region>.<domain>` and `/_lambda-url/<id>/…` invoke a function; `/_lambda-code/<token>`
//! gives the archive that GetFunction and GetLayerVersion name, for ten minutes.

mod answer;
mod cors;
mod event;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use bytes::Bytes;
use http::StatusCode;
use ropeway_api::lambda::SERVICE;
use ropeway_core::{Fault, Time, Trace, directory};
use ropeway_wire::gateway::{Site, SiteRequest};
use ropeway_wire::protocol::ResponseBody;
use ropeway_wire::{Answer, BoxFuture, Cx, Error, Keys};

use crate::commands::{Command, Output};
use crate::engine::{Call, Engine, unexpected};
use crate::keys::{self, FunctionName};
use crate::limits;
use crate::model::{Code, Url};
use crate::ops::Lambda;

/// Between a URL's id and its region, in its host.
const LABEL: &str = ".lambda-url.";
/// Before a URL's id, in a path.
const PATH: &str = "/_lambda-url/";
/// Before a token, in a path.
const CODE: &str = "/_lambda-code/";
/// Seconds that an address of code is good for.
const CODE_SECS: i64 = 600;

/// The address of a function URL, beside the address that the client used for the API.
pub fn address(endpoint: &str, id: &str, region: &str) -> String {
    let (scheme, rest) = endpoint.split_once("://").unwrap_or(("http", ""));
    let port = rest.rsplit_once(':').map_or("", |(_, port)| port);
    let colon = if port.is_empty() { "" } else { ":" };
    format!("{scheme}://{id}{LABEL}{region}.localhost{colon}{port}/")
}

impl Engine {
    /// The URL of a function or of its alias.
    pub async fn url(
        &self,
        trace: &Trace,
        name: &FunctionName,
        qualifier: Option<&str>,
    ) -> Result<Option<Url>, Error> {
        let wanted = qualifier.unwrap_or_default();
        let mut after = None;
        loop {
            let command = Command::Urls { function: name.clone(), after, limit: 100 };
            let Output::Urls(rows, more) = self.submit(trace, name, command).await? else {
                return Err(unexpected());
            };
            after = rows.last().map(|(qualifier, _)| qualifier.clone());
            if let Some((_, url)) = rows.into_iter().find(|(qualifier, _)| qualifier == wanted) {
                return Ok(Some(url));
            }
            if !more {
                return Ok(None);
            }
        }
    }

    /// Makes a URL's function known at once: the outbox does so too, a moment later.
    pub async fn know_url(
        &self,
        trace: &Trace,
        name: &FunctionName,
        qualifier: Option<&str>,
        id: &str,
    ) -> Result<(), Error> {
        let value = postcard::to_stdvec(&(name, qualifier)).map_err(Fault::from)?;
        let line = directory::Command::Add { list: keys::url_list(id), name: id.to_owned(), value };
        directory::apply(&self.parts.core, trace, line).await?;
        Ok(())
    }

    /// An address that a package can be fetched from.
    pub fn location(&self, cx: &Cx, code: &Code) -> Result<String, Error> {
        let until = cx.now.plus_secs(CODE_SECS);
        let plain = postcard::to_stdvec(&(code, until)).map_err(Fault::from)?;
        let key = self.parts.master.derive("lambda/locations");
        let token = BASE64.encode(key.seal(self.parts.core.ids(), b"", &plain)?);
        Ok(format!("{}{CODE}{token}", cx.endpoint))
    }
}

/// Serves function URLs and code: a site of the gateway.
pub struct FunctionUrls {
    engine: Engine,
}

impl FunctionUrls {
    /// The site of a service.
    pub fn new(service: &Lambda) -> Self {
        FunctionUrls { engine: service.engine.clone() }
    }

    async fn code(&self, request: &SiteRequest) -> Result<Answer, Error> {
        let refusal = || Error::new(403, "AccessDenied", "Request has expired");
        let token = request.path.strip_prefix(CODE).and_then(|token| BASE64.decode(token).ok());
        let key = self.engine.parts.master.derive("lambda/locations");
        let plain = key.open(b"", &token.ok_or_else(refusal)?).map_err(|_| refusal())?;
        let (code, until): (Code, Time) = postcard::from_bytes(&plain).map_err(|_| refusal())?;
        if request.cx.now > until {
            return Err(refusal());
        }
        let archive = self.engine.vault.get(&code.sha256, code.size).await?;
        let mut answer = http::Response::new(ResponseBody::Bytes(archive));
        let kind = http::HeaderValue::from_static("application/zip");
        answer.headers_mut().insert(http::header::CONTENT_TYPE, kind);
        Ok(answer)
    }

    /// The function of an id.
    async fn find(&self, trace: &Trace, id: &str) -> Result<Option<(FunctionName, Option<String>)>, Error> {
        let command = directory::Command::Read {
            list: keys::url_list(id),
            prefix: id.to_owned(),
            after: None,
            limit: 1,
        };
        let found = directory::apply(&self.engine.parts.core, trace, command).await?;
        match found.names.into_iter().next() {
            Some((name, place)) if name == id => Ok(Some(postcard::from_bytes(&place).map_err(Fault::from)?)),
            _ => Ok(None),
        }
    }

    async fn invoke(&self, request: SiteRequest) -> Result<Answer, Error> {
        let (id, path) = parts(&request.host, &request.path).unwrap_or_default();
        let nobody = || Error::new(404, "ResourceNotFoundException", "Not Found");
        let found = self.find(&request.cx.trace, &id).await?;
        let (name, qualifier) = found.ok_or_else(nobody)?;
        let url = self.engine.url(&request.cx.trace, &name, qualifier.as_deref()).await?;
        let url = url.filter(|url| url.id == id).ok_or_else(nobody)?;
        let origin = request.headers.get("origin").and_then(|v| v.to_str().ok()).map(str::to_owned);
        if let (Some(row), true) = (&url.cors, cors::is_preflight(&request)) {
            return Ok(cors::preflight(row, origin.as_deref()));
        }
        let mut answer = match self.call(&request, &name, qualifier.as_deref(), &url, (&id, &path)).await {
            Ok(answer) => answer,
            Err(error) => failed(&error),
        };
        if let Some(row) = &url.cors {
            cors::add(row, origin.as_deref(), answer.headers_mut());
        }
        Ok(answer)
    }

    async fn call(
        &self,
        request: &SiteRequest,
        name: &FunctionName,
        qualifier: Option<&str>,
        url: &Url,
        (id, path): (&str, &str),
    ) -> Result<Answer, Error> {
        authorize(request, name, qualifier, url)?;
        if request.body.len() > limits::SYNC_PAYLOAD {
            return Err(Error::new(413, "RequestTooLargeException", "Request Entity Too Large"));
        }
        let event = event::event(request, id, path);
        let payload = Bytes::from(event.to_string());
        if payload.len() > limits::SYNC_PAYLOAD {
            return Err(Error::new(413, "RequestTooLargeException", "Request Entity Too Large"));
        }
        let call = Call {
            name,
            qualifier,
            request_id: request.cx.request_id.clone(),
            payload,
            client_context: None,
            trace_header: crate::ops::trace_header(&request.cx),
            trace: request.cx.trace.clone(),
        };
        let ran = self.engine.run(call).await?;
        answer::answer(ran, url.streams).await
    }
}

/// Who may call: with `NONE` whoever the function's policy lets, with `AWS_IAM` whoever signs too.
fn authorize(
    request: &SiteRequest,
    name: &FunctionName,
    qualifier: Option<&str>,
    url: &Url,
) -> Result<(), Error> {
    let forbidden = |_| Error::new(403, "AccessDeniedException", "Forbidden");
    let mut cx = request.cx.clone();
    if url.iam {
        match &request.signed {
            Some(Ok(service)) if service == SERVICE.signing_name => {}
            Some(Err(error)) => return Err(error.clone()),
            _ => return Err(Error::new(403, "AccessDeniedException", "Forbidden")),
        }
    } else {
        cx.principal = Arc::new(ropeway_wire::Principal::anonymous());
    }
    cx.region.clone_from(&name.scope.region);
    let resource = name.qualified(qualifier);
    let mut with = Keys::default();
    with.add("lambda:FunctionUrlAuthType", if url.iam { "AWS_IAM" } else { "NONE" });
    cx.authorize(&SERVICE, "lambda:InvokeFunctionUrl", &resource, &with).map_err(forbidden)?;
    // Both are needed since October 2025:
    // <https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html>.
    let mut with = Keys::default();
    with.add("lambda:InvokedViaFunctionUrl", "true");
    cx.authorize(&SERVICE, "lambda:InvokeFunction", &resource, &with).map_err(forbidden)
}

/// A URL's id and the path behind it, by host or by path.
fn parts(host: &str, path: &str) -> Option<(String, String)> {
    if let Some((id, _)) = host.split_once(LABEL) {
        return Some((id.to_owned(), path.to_owned()));
    }
    let rest = path.strip_prefix(PATH)?;
    let (id, path) = rest.split_once('/').unwrap_or((rest, ""));
    Some((id.to_owned(), format!("/{path}")))
}

/// `{"Message": …}`, as Lambda's front end answers.
fn failed(error: &Error) -> Answer {
    let mut body = serde_json::Map::new();
    body.insert("Message".to_owned(), error.message.clone().into());
    if let Some(reason) = error.members.get("Reason") {
        body.insert("Reason".to_owned(), reason.clone().into());
        body.insert("Type".to_owned(), "User".into());
    }
    let status = if error.status >= 500 { 502 } else { error.status };
    let text = serde_json::Value::Object(body).to_string();
    let mut answer = http::Response::new(ResponseBody::Bytes(Bytes::from(text)));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = answer.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    if let Ok(code) = http::HeaderValue::from_str(&error.code) {
        headers.insert("x-amzn-errortype", code);
    }
    answer
}

impl Site for FunctionUrls {
    fn owns(&self, host: &str, path: &str) -> bool {
        host.contains(LABEL) || path.starts_with(PATH) || path.starts_with(CODE)
    }

    fn answer(&self, request: SiteRequest) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            let request_id = request.cx.request_id.clone();
            let answered = match request.path.starts_with(CODE) {
                true => self.code(&request).await,
                false => self.invoke(request).await,
            };
            let mut answer = answered.unwrap_or_else(|error| failed(&error));
            if let Ok(id) = http::HeaderValue::from_str(&request_id) {
                answer.headers_mut().insert("x-amzn-requestid", id);
            }
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_by_host_and_by_path() {
        let some = |id: &str, path: &str| Some((id.to_owned(), path.to_owned()));
        assert_eq!(parts("abc.lambda-url.eu-west-1.localhost", "/a/b"), some("abc", "/a/b"));
        assert_eq!(parts("127.0.0.1", "/_lambda-url/abc/a"), some("abc", "/a"));
        assert_eq!(parts("127.0.0.1", "/_lambda-url/abc"), some("abc", "/"));
        assert_eq!(parts("127.0.0.1", "/abc"), None);
        assert_eq!(address("http://127.0.0.1:4566", "x", "r"), "http://x.lambda-url.r.localhost:4566/");
        assert_eq!(address("https://localhost", "x", "r"), "https://x.lambda-url.r.localhost/");
    }
}
