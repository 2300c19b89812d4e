//! The pages that websites show for errors.

use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, StatusCode};
use quick_xml::escape::escape;
use ropeway_wire::gateway::ErrorCode;
use ropeway_wire::protocol::ResponseBody;
use ropeway_wire::{Answer, Error};

use crate::front;

/// What an error says, as items of a list.
fn items(error: &Error) -> String {
    let said = [("Code", &*error.code), ("Message", error.message.as_str())];
    let members = error.members.iter().map(|(name, value)| (*name, value.as_str()));
    let item = |(name, value): (&str, &str)| format!("<li>{name}: {}</li>\n", escape(value));
    said.into_iter().chain(members).map(item).collect()
}

/// The page of an error; with the error document that could not be shown, and why.
pub fn error(error: &Error, document: Option<&(String, Error)>, request_id: &str) -> Answer {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let title = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    let mut body = format!(
        "<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n<ul>\n{}<li>RequestId: {request_id}</li>\n<li>HostId: {request_id}</li>\n</ul>\n",
        items(error)
    );
    if let Some((key, why)) = document {
        let mut why = why.clone();
        if why.code == "NoSuchKey" {
            why.members.insert("Key", key.clone());
        }
        body.push_str(&format!(
            "<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n<ul>\n{}</ul>\n",
            items(&why)
        ));
    }
    body.push_str("<hr/>\n</body>\n</html>\n");
    let bodiless = status == StatusCode::NOT_MODIFIED;
    let body = if bodiless { bytes::Bytes::new() } else { body.into() };
    let mut answer = http::Response::new(ResponseBody::Bytes(body));
    *answer.status_mut() = status;
    front::name(&mut answer, request_id);
    if !bodiless {
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        name(&mut answer, error);
    }
    for (name, value) in &error.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

/// Says in an answer's headers which error it is.
pub fn name(answer: &mut Answer, error: &Error) {
    for (name, value) in [("x-amz-error-code", &*error.code), ("x-amz-error-message", error.message.as_str())]
    {
        if let Ok(value) = HeaderValue::from_str(value) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer.extensions_mut().insert(ErrorCode(error.code.clone()));
}
