//! What a signature says about the body, and streams that hold it to that.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::request::Parts;
use sha2::{Digest, Sha256};

use super::chunked::{Chunked, Trailers};
use super::{Family, claim, errors};
use crate::{ByteStream, Error};

pub(super) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
pub(super) const CHUNKED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
pub(super) const CHUNKED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
pub(super) const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// What the signature says about the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// The hash of the whole body, which must be at hand to check the signature: every service but S3.
    Body,
    /// S3: the body's SHA-256, said in `x-amz-content-sha256`.
    Sha256([u8; 32]),
    /// S3: nothing (`UNSIGNED-PAYLOAD`).
    Unsigned,
    /// S3: the body comes in chunks, each of them signed.
    Chunked,
    /// S3: the same, with signed trailing headers.
    ChunkedTrailer,
    /// S3: the body comes in chunks that are not signed, with trailing headers.
    UnsignedTrailer,
}

impl Payload {
    /// The kind that a request with an `Authorization` header says.
    pub(super) fn of_header(parts: &Parts, family: Family) -> Result<Self, Error> {
        if !family.is_s3() {
            return Ok(Payload::Body);
        }
        match claim::header(parts, "x-amz-content-sha256") {
            Some(text) => Payload::parse(text),
            None => Err(Error::new(
                400,
                "InvalidRequest",
                "Missing required header for this request: x-amz-content-sha256",
            )),
        }
    }

    /// The kind that a pre-signed URL says; S3's are unsigned where nothing is said.
    pub(super) fn of_query(parts: &Parts, family: Family, parameter: Option<&str>) -> Result<Self, Error> {
        if !family.is_s3() {
            return Ok(Payload::Body);
        }
        match parameter.or_else(|| claim::header(parts, "x-amz-content-sha256")) {
            Some(text) => Payload::parse(text),
            None => Ok(Payload::Unsigned),
        }
    }

    fn parse(text: &str) -> Result<Self, Error> {
        let mut hash = [0; 32];
        Ok(match text {
            UNSIGNED => Payload::Unsigned,
            CHUNKED => Payload::Chunked,
            CHUNKED_TRAILER => Payload::ChunkedTrailer,
            UNSIGNED_TRAILER => Payload::UnsignedTrailer,
            _ if hex::decode_to_slice(text, &mut hash).is_ok() => Payload::Sha256(hash),
            _ => {
                return Err(Error::new(
                    400,
                    "InvalidArgument",
                    format!("x-amz-content-sha256 must be {UNSIGNED}, {UNSIGNED_TRAILER}, {CHUNKED}, {CHUNKED_TRAILER} or a valid sha256 value."),
                )
                .with_member("ArgumentName", "x-amz-content-sha256")
                .with_member("ArgumentValue", text));
            }
        })
    }

    /// As the canonical request has it; `None` for those that are a hash.
    pub(super) fn keyword(self) -> Option<&'static str> {
        match self {
            Payload::Body | Payload::Sha256(_) => None,
            Payload::Unsigned => Some(UNSIGNED),
            Payload::Chunked => Some(CHUNKED),
            Payload::ChunkedTrailer => Some(CHUNKED_TRAILER),
            Payload::UnsignedTrailer => Some(UNSIGNED_TRAILER),
        }
    }
}

/// The payload of a request without credentials: unsigned, but perhaps in chunks.
///
/// # Errors
/// 403 `AccessDenied` for a body whose chunks claim to be signed; what a bad length or a bad
/// `x-amz-content-sha256` gives.
pub fn open_anonymous(parts: &Parts, raw: ByteStream) -> Result<(ByteStream, Trailers), Error> {
    match claim::header(parts, "x-amz-content-sha256").map(Payload::parse).transpose()? {
        Some(Payload::Chunked | Payload::ChunkedTrailer) => Err(Family::S3.missing_credentials()),
        Some(Payload::UnsignedTrailer) => chunks(Chunked::unsigned(parts)?, raw),
        Some(Payload::Sha256(hash)) => Ok(hashed(raw, hash)),
        Some(Payload::Unsigned | Payload::Body) | None => Ok((raw, Trailers::default())),
    }
}

/// A body that must have this SHA-256.
pub(super) fn hashed(raw: ByteStream, claimed: [u8; 32]) -> (ByteStream, Trailers) {
    let length = raw.length();
    let inner = raw.take().unwrap_or_else(|| futures_util::stream::empty().boxed());
    let checked = Hashed { inner, hasher: Some(Sha256::new()), claimed };
    (ByteStream::new(checked, length), Trailers::default())
}

/// A body in chunks.
pub(super) fn chunks(decoder: Chunked, raw: ByteStream) -> Result<(ByteStream, Trailers), Error> {
    let inner = raw.take().unwrap_or_else(|| futures_util::stream::empty().boxed());
    let (length, trailers) = (decoder.length(), decoder.trailers());
    Ok((ByteStream::new(decoder.reading(inner), Some(length)), trailers))
}

/// Passes a body on and ends with an error if its hash is another one.
struct Hashed {
    inner: Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>,
    /// `None` after the end.
    hasher: Option<Sha256>,
    claimed: [u8; 32],
}

impl Stream for Hashed {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.hasher.is_none() {
            return Poll::Ready(None);
        }
        let item = ready!(self.inner.poll_next_unpin(cx));
        match (item, &mut self.hasher) {
            (Some(Ok(bytes)), Some(hasher)) => {
                hasher.update(&bytes);
                Poll::Ready(Some(Ok(bytes)))
            }
            (Some(Err(error)), hasher) => {
                *hasher = None;
                Poll::Ready(Some(Err(error)))
            }
            (_, hasher) => {
                let computed = hasher.take().map(|hasher| hasher.finalize().into());
                match computed {
                    Some(computed) if computed != self.claimed => {
                        Poll::Ready(Some(Err(errors::s3_body_mismatch(&self.claimed, &computed))))
                    }
                    _ => Poll::Ready(None),
                }
            }
        }
    }
}
