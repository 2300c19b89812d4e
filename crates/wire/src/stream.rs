//! Bodies that are not held in memory.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::Stream;

use crate::Error;
use crate::sigv4::Trailers;

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// A body as it arrives or leaves, chunk by chunk.
///
/// It can be taken once; a clone is another handle to the same body.
#[derive(Clone, Default)]
pub struct ByteStream {
    chunks: Arc<Mutex<Option<Chunks>>>,
    length: Option<u64>,
    self_delimited: bool,
    trailers: Trailers,
}

impl ByteStream {
    /// A body of the given chunks, and its length in bytes where that is known beforehand.
    pub fn new(
        chunks: impl Stream<Item = Result<Bytes, Error>> + Send + 'static,
        length: Option<u64>,
    ) -> Self {
        ByteStream {
            chunks: Arc::new(Mutex::new(Some(Box::pin(chunks)))),
            length,
            self_delimited: false,
            trailers: Trailers::default(),
        }
    }

    /// The same body, which tells by itself where it ends and breaks off with an error if it is cut short: its length
    /// need not be known beforehand.
    #[must_use]
    pub fn self_delimited(mut self) -> Self {
        self.self_delimited = true;
        self
    }

    /// Whether the length need not be known beforehand.
    pub fn is_self_delimited(&self) -> bool {
        self.self_delimited
    }

    /// The same body, whose trailing headers come by `trailers`.
    #[must_use]
    pub fn with_trailers(mut self, trailers: Trailers) -> Self {
        self.trailers = trailers;
        self
    }

    /// The trailing headers: there once the last chunk has been read.
    pub fn trailers(&self) -> &Trailers {
        &self.trailers
    }

    /// Length in bytes, where it is known before the end.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Takes the chunks; `None` the second time, and for a body that was never there.
    pub fn take(&self) -> Option<Chunks> {
        self.chunks.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
    }
}

impl From<Bytes> for ByteStream {
    fn from(bytes: Bytes) -> Self {
        let length = bytes.len() as u64;
        ByteStream::new(futures_util::stream::once(std::future::ready(Ok(bytes))), Some(length))
    }
}

impl std::fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ByteStream").field("length", &self.length).finish_non_exhaustive()
    }
}
