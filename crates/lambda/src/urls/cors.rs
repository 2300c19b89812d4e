//! CORS of function URLs: what the configuration says replaces what the function says.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use ropeway_wire::Answer;
use ropeway_wire::gateway::SiteRequest;
use ropeway_wire::protocol::ResponseBody;

use crate::model::CorsRow;

/// A browser's question whether it may ask.
pub fn is_preflight(request: &SiteRequest) -> bool {
    request.method == http::Method::OPTIONS && request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The origin as the answer names it, if it is one of those that may ask.
fn allowed<'a>(row: &CorsRow, origin: Option<&'a str>) -> Option<&'a str> {
    let origins = row.origins.as_deref().unwrap_or_default();
    let origin = origin?;
    let all = origins.iter().any(|one| one == "*");
    match all || origins.iter().any(|one| one == origin) {
        // Credentials are never for everybody: a browser wants its origin named.
        true if all && row.credentials != Some(true) => Some("*"),
        true => Some(origin),
        false => None,
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn set_list(headers: &mut HeaderMap, name: HeaderName, list: Option<&Vec<String>>) {
    if let Some(list) = list.filter(|list| !list.is_empty()) {
        set(headers, name, &list.join(","));
    }
}

/// Adds what an answer says to browsers.
pub fn add(row: &CorsRow, origin: Option<&str>, headers: &mut HeaderMap) {
    let Some(origin) = allowed(row, origin) else { return };
    set(headers, ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if origin != "*" {
        set(headers, VARY, "Origin");
    }
    if row.credentials == Some(true) {
        set(headers, ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    set_list(headers, ACCESS_CONTROL_EXPOSE_HEADERS, row.expose.as_ref());
}

/// The answer to a browser's question.
pub fn preflight(row: &CorsRow, origin: Option<&str>) -> Answer {
    let mut answer = http::Response::new(ResponseBody::Bytes(Bytes::new()));
    let headers = answer.headers_mut();
    add(row, origin, headers);
    if allowed(row, origin).is_some() {
        set_list(headers, ACCESS_CONTROL_ALLOW_METHODS, row.methods.as_ref());
        set_list(headers, ACCESS_CONTROL_ALLOW_HEADERS, row.headers.as_ref());
        if let Some(age) = row.max_age {
            set(headers, ACCESS_CONTROL_MAX_AGE, &age.to_string());
        }
    }
    answer
}
