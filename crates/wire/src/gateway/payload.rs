//! Payload format 2.0: requests as functions get them from HTTP APIs and function URLs, and their answers as HTTP.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads>

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use percent_encoding::percent_decode_str;
use ropeway_core::Time;
use serde_json::{Value as Json, json};

use super::SiteRequest;
use crate::call::Answer;
use crate::protocol::ResponseBody;

/// Headers that are the server's own to set.
const OWN: [&str; 4] = ["connection", "content-length", "transfer-encoding", "keep-alive"];

/// Headers by their names in lower case, several of a name joined; cookies apart.
pub fn headers(request: &SiteRequest) -> (BTreeMap<String, String>, Vec<String>) {
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    let mut cookies = Vec::new();
    for (name, value) in &request.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        if name == http::header::COOKIE {
            cookies.extend(value.split("; ").map(str::to_owned));
            continue;
        }
        out.entry(name.as_str().to_owned())
            .and_modify(|all| {
                all.push(',');
                all.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    (out, cookies)
}

/// A query string's names and values, decoded: `+` is a space.
pub fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (decoded(&name.replace('+', " ")), decoded(&value.replace('+', " ")))).collect()
}

/// Parameters by name, several of a name joined by commas.
pub fn query(query: &str) -> BTreeMap<String, String> {
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in pairs(query) {
        out.entry(name)
            .and_modify(|all| {
                all.push(',');
                all.push_str(&value);
            })
            .or_insert(value);
    }
    out
}

/// A text without percent-encoding.
pub fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// A body as an event holds it: text, or base64 (true) if it is none, or of a type that is none.
pub fn body(body: &Bytes, content_type: &str) -> (String, bool) {
    match std::str::from_utf8(body).ok().filter(|_| is_text(content_type)) {
        Some(text) => (text.to_owned(), false),
        None => (BASE64.encode(body), true),
    }
}

/// Media types whose bodies functions get as text.
fn is_text(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("text/")
        || ["application/json", "application/javascript", "application/xml"].contains(&kind.as_str())
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
}

/// `authorizer.iam` of a request context: who signed.
pub fn iam(principal: &crate::Principal) -> Json {
    json!({
        "accessKey": principal.access_key,
        "accountId": principal.account,
        "callerId": principal.id,
        "cognitoIdentity": null,
        "principalOrgId": null,
        "userArn": principal.arn,
        "userId": principal.id,
    })
}

/// `12/Mar/2020:19:03:58 +0000`
pub fn time(at: Time) -> String {
    let at = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or(jiff::Timestamp::MAX);
    at.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

/// A function's answer as HTTP: one with a status says how it is to look, all else is the body itself. `None` if it
/// cannot be understood.
pub fn answer(payload: &Bytes) -> Option<Answer> {
    let json: Json = serde_json::from_slice(payload).ok()?;
    if json.get("statusCode").is_none() {
        let body = match &json {
            Json::String(text) => Bytes::copy_from_slice(text.as_bytes()),
            _ => payload.clone(),
        };
        let mut out = http::Response::new(ResponseBody::Bytes(body));
        put(out.headers_mut(), "content-type", "application/json");
        return Some(out);
    }
    let (status, headers) = head(&json)?;
    let body = match json.get("body") {
        None | Some(Json::Null) => Bytes::new(),
        Some(Json::String(text)) if json.get("isBase64Encoded") == Some(&Json::Bool(true)) => {
            Bytes::from(BASE64.decode(text).ok()?)
        }
        Some(Json::String(text)) => Bytes::copy_from_slice(text.as_bytes()),
        Some(other) => Bytes::from(other.to_string()),
    };
    let mut out = http::Response::new(ResponseBody::Bytes(body));
    *out.status_mut() = status;
    *out.headers_mut() = headers;
    out.headers_mut()
        .entry(http::header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("application/json"));
    Some(out)
}

/// Status, headers and cookies of an answer.
pub fn head(said: &Json) -> Option<(StatusCode, HeaderMap)> {
    let status = match said.get("statusCode") {
        None => Some(200),
        Some(Json::String(text)) => text.parse().ok(),
        Some(number) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
    };
    let status = status.filter(|status| (200..600).contains(status))?;
    let status = StatusCode::from_u16(status).ok()?;
    let mut headers = HeaderMap::new();
    for (name, value) in said.get("headers").and_then(Json::as_object).into_iter().flatten() {
        match value {
            Json::String(text) => put(&mut headers, name, text),
            other => put(&mut headers, name, &other.to_string()),
        }
    }
    for cookie in said.get("cookies").and_then(Json::as_array).into_iter().flatten() {
        if let Some(Ok(cookie)) = cookie.as_str().map(HeaderValue::from_str) {
            headers.append(http::header::SET_COOKIE, cookie);
        }
    }
    Some((status, headers))
}

/// Whether a header, in lower case, is the server's own to set.
pub fn is_own(name: &str) -> bool {
    OWN.contains(&name)
}

/// Sets a header, unless it is the server's own to set, or none that HTTP has.
pub fn put(headers: &mut HeaderMap, name: &str, value: &str) {
    let lower = name.to_ascii_lowercase();
    if is_own(&lower) {
        return;
    }
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(lower.as_bytes()), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}
