//! Bodies of answers.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http_body::{Frame, SizeHint};

use super::activity::InFlight;
use crate::protocol::ResponseBody;
use crate::{ByteStream, Error};

/// An answer's body: all at once, or as it comes.
///
/// If a stream ends with an error, or before its length, the connection is cut, so that the client
/// cannot take the part for the whole.
#[derive(Default)]
pub struct Body {
    kind: Kind,
    /// The request that this answers; over when this is dropped.
    in_flight: Option<InFlight>,
}

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Full(Bytes),
    Stream {
        chunks: Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>,
        /// Bytes still to come, where that is known.
        left: Option<u64>,
    },
}

impl Body {
    /// Holds on to the request for as long as the answer is under way.
    pub(super) fn keep(&mut self, in_flight: InFlight) {
        self.in_flight = Some(in_flight);
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        let kind = if bytes.is_empty() { Kind::Empty } else { Kind::Full(bytes) };
        Body { kind, in_flight: None }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Body::from(Bytes::from(text))
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Body::from(Bytes::from_static(text.as_bytes()))
    }
}

impl From<ByteStream> for Body {
    fn from(stream: ByteStream) -> Self {
        let left = stream.length();
        let kind = stream.take().map_or(Kind::Empty, |chunks| Kind::Stream { chunks, left });
        Body { kind, in_flight: None }
    }
}

impl From<ResponseBody> for Body {
    fn from(body: ResponseBody) -> Self {
        match body {
            ResponseBody::Bytes(bytes) => bytes.into(),
            ResponseBody::Stream(stream) => stream.into(),
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("size", &http_body::Body::size_hint(self)).finish_non_exhaustive()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Kind::Stream { chunks, left } = &mut self.kind else {
            return Poll::Ready(match std::mem::take(&mut self.kind) {
                Kind::Full(bytes) => Some(Ok(Frame::data(bytes))),
                _ => None,
            });
        };
        let chunk = ready!(chunks.poll_next_unpin(cx));
        Poll::Ready(match chunk {
            Some(Ok(bytes)) => {
                *left = left.map(|left| left.saturating_sub(bytes.len() as u64));
                Some(Ok(Frame::data(bytes)))
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "an answer breaks off");
                Some(Err(error))
            }
            None => {
                self.kind = Kind::Empty;
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.kind, Kind::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stream { left, .. } => left.map(SizeHint::with_exact).unwrap_or_default(),
        }
    }
}
