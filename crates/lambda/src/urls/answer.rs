//! What a function answers, as HTTP:
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-response-payload>.

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, StatusCode};
use ropeway_core::functions::{Answer as Said, StreamFault, StreamedAnswer};
use ropeway_wire::gateway::payload;
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
        Said::Whole(payload) => payload::answer(&payload).ok_or_else(broken),
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
        payload::put(&mut headers, "content-type", content_type);
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
    let (status, headers) = payload::head(&prelude).ok_or_else(broken)?;
    Ok((status, headers, rest))
}
