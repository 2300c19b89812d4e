//! Bodies on their way out.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use ropeway_core::Fault;
use ropeway_core::seal::SealKey;
use ropeway_store::blobs::{BlobError, BlobId};

use super::{CHUNK, SEALED_CHUNK, TAG, Vault, nonce, sealed_size};
use crate::customer::CustomerKey;
use crate::model::Sealed;

/// Why a body cannot be read.
#[derive(Debug)]
pub enum ReadFailure {
    /// It is no longer there: its object has been replaced or deleted meanwhile.
    Gone,
    /// The store or the bytes failed.
    Failed(String),
}

impl From<Fault> for ReadFailure {
    fn from(fault: Fault) -> Self {
        ReadFailure::Failed(fault.to_string())
    }
}

impl From<BlobError> for ReadFailure {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::NotFound(_) => ReadFailure::Gone,
            other => ReadFailure::Failed(other.to_string()),
        }
    }
}

/// Opens the chunks of a blob as its sealed bytes come.
struct Opener {
    pieces: BoxStream<'static, Result<Bytes, BlobError>>,
    buffer: BytesMut,
    key: SealKey,
    chunk: u64,
    /// Bytes of the first chunk that were not asked for.
    skip: usize,
    /// Bytes that are still to be given.
    left: u64,
    /// Sealed bytes that are still to come.
    sealed_left: u64,
}

impl Opener {
    async fn next(&mut self) -> Result<Option<Bytes>, ReadFailure> {
        if self.left == 0 {
            return Ok(None);
        }
        let wanted = usize::try_from(self.sealed_left).unwrap_or(usize::MAX).min(SEALED_CHUNK);
        while self.buffer.len() < wanted {
            let piece = self.pieces.next().await.ok_or_else(|| ReadFailure::Failed("cut short".into()))??;
            self.buffer.extend_from_slice(&piece);
        }
        let mut chunk = self.buffer.split_to(wanted);
        self.sealed_left -= wanted as u64;
        let length = self.key.open_in_place(nonce(self.chunk), b"", &mut chunk)?;
        chunk.truncate(length);
        let mut plain = chunk.freeze();
        self.chunk += 1;
        if self.skip > plain.len() {
            return Err(ReadFailure::Failed("a chunk that is too short".to_owned()));
        }
        let mut plain = plain.split_off(std::mem::take(&mut self.skip));
        plain.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= plain.len() as u64;
        Ok(Some(plain))
    }
}

impl Vault {
    /// Opens part of a body that is in rows.
    pub fn open_inline(
        &self,
        sealed: &Sealed,
        bytes: &[u8],
        range: Range<u64>,
        customer: Option<&CustomerKey>,
    ) -> Result<Bytes, ReadFailure> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let key = SealKey::from_bytes(self.raw_key(sealed, customer)?);
        let plain = Bytes::from(key.open_with(nonce(0), b"", bytes)?);
        let (start, end) = (usize::try_from(range.start), usize::try_from(range.end));
        match (start, end) {
            (Ok(start), Ok(end)) if start <= end && end <= plain.len() => Ok(plain.slice(start..end)),
            _ => Err(ReadFailure::Failed("a body that is too short".to_owned())),
        }
    }

    /// Opens part of a body that is a blob, as a stream in constant memory. Once it is open, the
    /// blob may be deleted.
    pub async fn open_blob(
        &self,
        sealed: &Sealed,
        range: Range<u64>,
        customer: Option<&CustomerKey>,
    ) -> Result<impl Stream<Item = Result<Bytes, ReadFailure>> + Send + use<>, ReadFailure> {
        let chunk = CHUNK as u64;
        let first = range.start / chunk;
        let sealed_start = first * SEALED_CHUNK as u64;
        let sealed_end = (range.end.div_ceil(chunk) * SEALED_CHUNK as u64).min(sealed_size(sealed.size));
        let key = SealKey::from_bytes(self.raw_key(sealed, customer)?);
        let pieces = self.blobs.read(BlobId(sealed.id), sealed_start..sealed_end).await?;
        let opener = Opener {
            pieces,
            buffer: BytesMut::with_capacity(SEALED_CHUNK + TAG),
            key,
            chunk: first,
            skip: usize::try_from(range.start % chunk).unwrap_or_default(),
            left: range.end.saturating_sub(range.start),
            sealed_left: sealed_end.saturating_sub(sealed_start),
        };
        Ok(stream::try_unfold(opener, |mut opener| async move {
            Ok(opener.next().await?.map(|bytes| (bytes, opener)))
        }))
    }
}
