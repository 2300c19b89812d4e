//! What a function answers, as HTTP:
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-response-payload>.

use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use ropeway_core::functions::{Answer as Said, StreamFault, StreamedAnswer};
use ropeway_wire::protocol::ResponseBody;
use ropeway_wire::{Answer, ByteStream, Error};
use serde_json::Value as Json;
use tokio::sync::mpsc::Receiver;

use crate::engine::Ran;
use crate::limits;

/// The media type of a streaming answer that begins with status and headers.
const WITH_PRELUDE: &str = "application/vnd.awslambda.http-integration-response";
/// Ends the prelude.
const DIVIDER: [u8; 8] = [0; 8];
/// Bytes of a prelude.
const PRELUDE: usize = 64 * 1024;

fn broken() -> Error {
    Error::new(502, "InternalServerErrorException", "Internal Server Error")
}

/// An invocation's answer.
pub async fn answer(ran: Ran, streams: bool) -> Result<Answer, Error> {
    if ran.invoked.failed {
        return Err(broken());
    }
    match ran.invoked.payload {
        Said::Whole(payload) => whole(&payload),
        Said::Stream(answer) if streams => {
            let StreamedAnswer { content_type, mut pieces } = answer;
            let (status, headers, first) = begin(&content_type, &mut pieces).await?;
            let rest = stream::unfold((pieces, Some(first)), |(mut pieces, first)| async {
                if let Some(first) = first.filter(|first| !first.is_empty()) {
                    return Some((Ok(first), (pieces, None)));
                }
                let piece = pieces.recv().await?.map_err(|fault| Error::internal(fault.details));
                Some((piece, (pieces, None)))
            });
            let mut out = http::Response::new(ResponseBody::Stream(ByteStream::new(rest, None)));
            *out.status_mut() = status;
            *out.headers_mut() = headers;
            Ok(out)
        }
        Said::Stream(answer) => {
            let StreamedAnswer { content_type, mut pieces } = answer;
            let (status, headers, first) = begin(&content_type, &mut pieces).await?;
            let mut body = first.to_vec();
            while let Some(piece) = pieces.recv().await {
                body.extend_from_slice(&piece.map_err(|_| broken())?);
                if body.len() > limits::SYNC_PAYLOAD {
                    return Err(broken());
                }
            }
            let mut out = http::Response::new(ResponseBody::Bytes(Bytes::from(body)));
            *out.status_mut() = status;
            *out.headers_mut() = headers;
            Ok(out)
        }
    }
}

type Begun = (StatusCode, HeaderMap, Bytes);

/// Status, headers and the first bytes of a streaming answer.
async fn begin(
    content_type: &str,
    pieces: &mut Receiver<Result<Bytes, StreamFault>>,
) -> Result<Begun, Error> {
    let mut headers = HeaderMap::new();
    if content_type != WITH_PRELUDE {
        put(&mut headers, "content-type", content_type);
        return Ok((StatusCode::OK, headers, Bytes::new()));
    }
    let mut seen = BytesMut::new();
    let end = loop {
        if let Some(at) = seen.windows(DIVIDER.len()).position(|bytes| bytes == DIVIDER) {
            break at;
        }
        match pieces.recv().await {
            Some(Ok(piece)) if seen.len() < PRELUDE => seen.extend_from_slice(&piece),
            _ => return Err(broken()),
        }
    };
    let rest = seen.split_off(end + DIVIDER.len()).freeze();
    let prelude: Json = serde_json::from_slice(seen.get(..end).unwrap_or_default()).map_err(|_| broken())?;
    let (status, headers) = head(&prelude)?;
    Ok((status, headers, rest))
}

/// An answer that is all there: one with a status says how it is to look, all else is the body itself.
fn whole(payload: &Bytes) -> Result<Answer, Error> {
    let json: Json = serde_json::from_slice(payload).map_err(|_| broken())?;
    if json.get("statusCode").is_none() {
        let body = match &json {
            Json::String(text) => Bytes::copy_from_slice(text.as_bytes()),
            _ => payload.clone(),
        };
        let mut out = http::Response::new(ResponseBody::Bytes(body));
        put(out.headers_mut(), "content-type", "application/json");
        return Ok(out);
    }
    let (status, headers) = head(&json)?;
    let body = match json.get("body") {
        None | Some(Json::Null) => Bytes::new(),
        Some(Json::String(text)) if json.get("isBase64Encoded") == Some(&Json::Bool(true)) => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| broken())?;
            Bytes::from(bytes)
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
    Ok(out)
}

/// Status, headers and cookies.
fn head(said: &Json) -> Result<(StatusCode, HeaderMap), Error> {
    let status = match said.get("statusCode") {
        None => Some(200),
        Some(Json::String(text)) => text.parse().ok(),
        Some(number) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
    };
    let status = status.filter(|status| (200..600).contains(status)).ok_or_else(broken)?;
    let status = StatusCode::from_u16(status).map_err(|_| broken())?;
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
    Ok((status, headers))
}

/// Sets a header, unless it is the server's own to set, or none that HTTP has.
fn put(headers: &mut HeaderMap, name: &str, value: &str) {
    const OWN: [&str; 4] = ["connection", "content-length", "transfer-encoding", "keep-alive"];
    let lower = name.to_ascii_lowercase();
    if OWN.contains(&lower.as_str()) {
        return;
    }
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(lower.as_bytes()), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}
