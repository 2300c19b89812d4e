//! Bodies of requests.

use std::io::Read as _;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http_body::Body;
use http_body_util::BodyExt as _;

use crate::{ByteStream, Error};

/// Reads a whole body of at most `limit` bytes, as it was sent (its content encoding is left alone,
/// because signatures are over it: see [`decoded`]).
///
/// # Errors
/// 413 `RequestEntityTooLarge` past the limit, at once where the length is said beforehand; 400
/// `IncompleteBody` if the connection breaks; 400 `RequestTimeout` if nothing comes for `stall`.
pub async fn read_body<B>(body: B, limit: usize, stall: Duration) -> Result<Bytes, Error>
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large(limit));
    }
    let mut body = std::pin::pin!(body);
    let mut all = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(bytes) = next(body.as_mut(), stall).await? {
        if all.len() + joined.len() + bytes.len() > limit {
            return Err(too_large(limit));
        }
        // Most bodies come in one piece, which needs no copy.
        if all.is_empty() && joined.is_empty() {
            all = bytes;
            continue;
        }
        joined.extend_from_slice(&std::mem::take(&mut all));
        joined.extend_from_slice(&bytes);
    }
    Ok(if joined.is_empty() { all } else { joined.freeze() })
}

/// A body as a stream, with the errors of [`read_body`].
pub fn incoming<B>(body: B, stall: Duration) -> ByteStream
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Display,
{
    let length = body.size_hint().exact();
    let chunks = futures_util::stream::unfold(Some(Box::pin(body)), move |state| async move {
        let mut body = state?;
        match next(body.as_mut(), stall).await {
            Ok(Some(bytes)) => Some((Ok(bytes), Some(body))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    ByteStream::new(chunks, length)
}

/// The next bytes of a body; trailers are passed over.
async fn next<B>(mut body: Pin<&mut B>, stall: Duration) -> Result<Option<Bytes>, Error>
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    loop {
        let frame = tokio::time::timeout(stall, body.frame()).await.map_err(|_| timed_out())?;
        match frame {
            None => return Ok(None),
            Some(Err(error)) => {
                tracing::debug!(%error, "a body broke off");
                return Err(incomplete());
            }
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

/// A whole body without its content encoding, of at most `limit` bytes: `gzip`, once. The chunks of
/// `aws-chunked` have been taken apart before.
///
/// # Errors
/// 413 `RequestEntityTooLarge` past the limit, 400 `SerializationException` for what is no gzip, 415
/// `UnsupportedMediaType` for another encoding.
pub fn decoded(headers: &HeaderMap, body: Bytes, limit: usize) -> Result<Bytes, Error> {
    let is = |name: &[u8], some: &[&str]| some.iter().any(|one| name.eq_ignore_ascii_case(one.as_bytes()));
    let named =
        headers.get_all(CONTENT_ENCODING).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    let mut encodings =
        named.map(<[u8]>::trim_ascii).filter(|name| !is(name, &["", "identity", "aws-chunked"]));
    let Some(name) = encodings.next() else { return Ok(body) };
    if encodings.next().is_some() || !is(name, &["gzip", "x-gzip"]) {
        let name = String::from_utf8_lossy(name);
        let message = format!("The content encoding '{name}' is not supported.");
        return Err(Error::new(415, "UnsupportedMediaType", message));
    }
    let mut out = Vec::new();
    let bound = (limit as u64).saturating_add(1);
    MultiGzDecoder::new(body.as_ref())
        .take(bound)
        .read_to_end(&mut out)
        .map_err(|_| Error::serialization("The body is not valid gzip."))?;
    if out.len() > limit { Err(too_large(limit)) } else { Ok(out.into()) }
}

fn too_large(limit: usize) -> Error {
    Error::new(413, "RequestEntityTooLarge", format!("Request must be smaller than {limit} bytes"))
}

fn incomplete() -> Error {
    Error::new(
        400,
        "IncompleteBody",
        "You did not provide the number of bytes specified by the Content-Length HTTP header.",
    )
}

fn timed_out() -> Error {
    Error::new(
        400,
        "RequestTimeout",
        "Your socket connection to the server was not read from or written to within the timeout period. Idle \
         connections will be closed.",
    )
}
