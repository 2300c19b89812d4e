//! Answers: what a proxy integration's function says, and what every answer has.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use ropeway_wire::Answer;
use ropeway_wire::protocol::ResponseBody;
use serde_json::Value as Json;

use super::hit::Hit;
use super::refusal::Refusal;

/// Headers that are the server's own to set.
const OWN: [&str; 5] = ["connection", "content-length", "transfer-encoding", "keep-alive", "upgrade"];
/// Headers that API Gateway sets under another name when an integration sets them:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html>.
const REMAPPED: [&str; 7] =
    ["authorization", "date", "server", "www-authenticate", "host", "user-agent", "content-md5"];

/// Adds a header, unless it is the server's own, or none that HTTP has.
pub fn put(headers: &mut HeaderMap, name: &str, value: &str) {
    let lower = name.to_ascii_lowercase();
    if OWN.contains(&lower.as_str()) {
        return;
    }
    let name = if REMAPPED.contains(&lower.as_str()) { format!("x-amzn-remapped-{lower}") } else { lower };
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
        headers.append(name, value);
    }
}

/// An answer of these parts.
pub fn made(status: u16, headers: HeaderMap, body: Bytes) -> Answer {
    let mut out = http::Response::new(ResponseBody::Bytes(body));
    *out.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    *out.headers_mut() = headers;
    out
}

/// Compresses an answer that is large enough, if the API says so and the client takes gzip.
pub fn compressed(hit: &Hit<'_>, mut answer: Answer) -> Answer {
    let least = hit.served.definition.minimum_compression.map(|least| least as usize);
    let encoded = answer.headers().contains_key(http::header::CONTENT_ENCODING);
    let takes = hit
        .header("accept-encoding")
        .is_some_and(|all| all.split(',').any(|one| one.trim().starts_with("gzip")));
    let (Some(least), true, false) = (least, takes, encoded) else { return answer };
    let ResponseBody::Bytes(body) = answer.body() else { return answer };
    if body.is_empty() || body.len() < least {
        return answer;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let Ok(small) = encoder.write_all(body).and_then(|()| encoder.finish()) else { return answer };
    *answer.body_mut() = ResponseBody::Bytes(Bytes::from(small));
    answer.headers_mut().insert(http::header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer
}

fn malformed() -> Refusal {
    Refusal::integration("Internal server error", 502).because("Malformed Lambda proxy response")
}

/// What a function answered, as HTTP. Anything but an object of the known members is malformed.
pub fn proxied(hit: &Hit<'_>, payload: &Bytes) -> Result<Answer, Refusal> {
    const MEMBERS: [&str; 5] = ["statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"];
    let said: Json = match payload.is_empty() {
        true => Json::Null,
        false => serde_json::from_slice(payload).map_err(|_| malformed())?,
    };
    let Json::Object(said) = said else { return Err(malformed()) };
    if said.keys().any(|name| !MEMBERS.contains(&name.as_str())) {
        return Err(malformed());
    }
    let status = match said.get("statusCode") {
        None | Some(Json::Null) => Some(200),
        Some(Json::String(text)) => text.parse().ok(),
        Some(Json::Number(number)) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
        Some(_) => None,
    };
    let status = status.filter(|status| (100..600).contains(status)).ok_or_else(malformed)?;
    let mut headers = HeaderMap::new();
    add_headers(&mut headers, said.get("headers"), said.get("multiValueHeaders"))?;
    let text = match said.get("body") {
        None | Some(Json::Null) => String::new(),
        Some(Json::String(text)) => text.clone(),
        Some(_) => return Err(malformed()),
    };
    let base64 = said.get("isBase64Encoded") == Some(&Json::Bool(true));
    let body = match base64 && hit.accepts_binary() {
        true => Bytes::from(BASE64.decode(&text).map_err(|_| malformed())?),
        false => Bytes::from(text),
    };
    if !headers.contains_key(http::header::CONTENT_TYPE) {
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(made(status, headers, body))
}

/// Both forms of headers; of a name and value in both, one stays.
fn add_headers(headers: &mut HeaderMap, single: Option<&Json>, multi: Option<&Json>) -> Result<(), Refusal> {
    let scalar = |value: &Json| match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        _ => None,
    };
    let mut pairs: Vec<(String, String)> = Vec::new();
    match multi {
        None | Some(Json::Null) => {}
        Some(Json::Object(map)) => {
            for (name, values) in map {
                let values = values.as_array().ok_or_else(malformed)?;
                for value in values {
                    pairs.push((name.clone(), scalar(value).ok_or_else(malformed)?));
                }
            }
        }
        Some(_) => return Err(malformed()),
    }
    match single {
        None | Some(Json::Null) => {}
        Some(Json::Object(map)) => {
            for (name, value) in map {
                if value.is_null() {
                    continue;
                }
                let value = scalar(value).ok_or_else(malformed)?;
                let there = |(n, v): &(String, String)| n.eq_ignore_ascii_case(name) && *v == value;
                if !pairs.iter().any(there) {
                    pairs.push((name.clone(), value));
                }
            }
        }
        Some(_) => return Err(malformed()),
    }
    for (name, value) in pairs {
        put(headers, &name, &value);
    }
    Ok(())
}
