//! CORS, answered by the gateway: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html>.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use ropeway_wire::Answer;
use ropeway_wire::gateway::SiteRequest;

use crate::v2::model::Cors;

/// The origin of a request.
fn origin(request: &SiteRequest) -> Option<&str> {
    request.headers.get(ORIGIN)?.to_str().ok()
}

/// Whether an entry is for an origin: `*`, `https://*`, or the origin itself.
fn is_for(entry: &str, origin: &str) -> bool {
    match entry.strip_suffix('*') {
        Some(start) => origin.starts_with(start),
        None => entry.eq_ignore_ascii_case(origin),
    }
}

/// The origin as the answer names it, if it is one of those that may ask.
fn allowed<'o>(cors: &'o Cors, origin: &'o str) -> Option<&'o str> {
    let found = cors.origins.iter().flatten().find(|entry| is_for(entry, origin))?;
    Some(if found == "*" { "*" } else { origin })
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

/// Puts what the configuration says in the place of what the integration says.
pub fn add(cors: &Cors, request: &SiteRequest, headers: &mut HeaderMap) {
    for own in [
        ACCESS_CONTROL_ALLOW_CREDENTIALS,
        ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE,
    ] {
        headers.remove(own);
    }
    let Some(origin) = origin(request).and_then(|origin| allowed(cors, origin)) else { return };
    set(headers, ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if origin != "*" {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    if cors.credentials == Some(true) {
        set(headers, ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    set_list(headers, ACCESS_CONTROL_EXPOSE_HEADERS, cors.expose.as_ref());
}

/// The answer to a browser's question whether it may ask; `None` if it is no such question.
pub fn preflight(cors: &Cors, request: &SiteRequest) -> Option<Answer> {
    let asks = request.method == http::Method::OPTIONS
        && request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let origin = origin(request).filter(|_| asks)?;
    let mut headers = HeaderMap::new();
    add(cors, request, &mut headers);
    if allowed(cors, origin).is_some() {
        set_list(&mut headers, ACCESS_CONTROL_ALLOW_METHODS, cors.methods.as_ref());
        set_list(&mut headers, ACCESS_CONTROL_ALLOW_HEADERS, cors.headers.as_ref());
        if let Some(age) = cors.max_age {
            set(&mut headers, ACCESS_CONTROL_MAX_AGE, &age.to_string());
        }
    }
    Some(super::made(204, headers, Bytes::new()))
}
