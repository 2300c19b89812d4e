//! Bodies on their way in.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use md5::{Digest as _, Md5};
use ropeway_core::ShardId;
use ropeway_core::seal::SealKey;
use ropeway_store::blobs::{BlobId, BlobWriter};
use ropeway_wire::checksum::mismatch;
use ropeway_wire::{ByteStream, Error};

use super::{CHUNK, Pending, Vault, nonce};
use crate::checksum::{Algorithm, Checksum, Hasher, Span};
use crate::customer::CustomerKey;
use crate::error;
use crate::model::Sealed;

/// What a body must be.
#[derive(Debug, Clone)]
pub struct Expected {
    /// Its length in bytes; `None` for a body that tells by itself where it ends.
    pub length: Option<u64>,
    /// Its MD5, from `Content-MD5`.
    pub md5: Option<[u8; 16]>,
    /// Its checksum, and the value if that is known before its end; otherwise it comes in a trailing
    /// header.
    pub checksum: Option<(Algorithm, Option<String>)>,
    /// The checksum to keep, if it is not the one above.
    pub keep: Option<Algorithm>,
    /// The customer's key that it is to be encrypted under.
    pub customer: Option<CustomerKey>,
}

/// A body that has been received and, if it is a blob, synced.
pub struct Received {
    /// Where it is.
    pub sealed: Sealed,
    /// Its sealed bytes, if they go into rows.
    pub inline: Option<Bytes>,
    /// Its MD5.
    pub md5: [u8; 16],
    /// The checksum to keep.
    pub checksum: Checksum,
    /// Keeps the blob from being collected, until its row is there.
    pub pending: Pending,
}

/// Computes what is asked of a body.
struct Sums {
    md5: Md5,
    checked: Option<Hasher>,
    kept: Option<Hasher>,
}

impl Sums {
    fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        for hasher in [&mut self.checked, &mut self.kept].into_iter().flatten() {
            hasher.update(bytes);
        }
    }
}

/// Seals what comes, chunk by chunk.
struct Sealer<'v> {
    vault: &'v Vault,
    id: u128,
    key: SealKey,
    number: u64,
    size: u64,
    buffer: BytesMut,
    writer: Option<BlobWriter>,
}

impl Sealer<'_> {
    async fn push(&mut self, mut bytes: Bytes) -> Result<(), Error> {
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            if self.buffer.len() == CHUNK {
                self.flush().await?;
            }
            let take = bytes.len().min(CHUNK - self.buffer.len());
            self.buffer.extend_from_slice(&bytes.split_to(take));
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<Bytes, Error> {
        let sealed = self.key.seal_with(nonce(self.number), b"", &self.buffer).map_err(error::fault)?;
        self.number += 1;
        self.buffer.clear();
        Ok(Bytes::from(sealed))
    }

    async fn flush(&mut self) -> Result<(), Error> {
        let sealed = self.seal()?;
        let writer = self.writer.get_or_insert_with(|| self.vault.blobs.writer(BlobId(self.id)));
        writer.push(sealed).await.map_err(|e| error::blob(&e))
    }

    /// Finishes; gives the sealed bytes if they are to go into rows.
    async fn finish(&mut self) -> Result<Option<Bytes>, Error> {
        if self.writer.is_none() {
            return if self.buffer.is_empty() { Ok(Some(Bytes::new())) } else { self.seal().map(Some) };
        }
        self.flush().await?;
        if let Some(writer) = self.writer.take() {
            writer.finish().await.map_err(|e| error::blob(&e))?;
        }
        Ok(None)
    }

    /// Removes what was written; a failure to do so leaves it to the collection.
    async fn abort(&mut self) {
        if let Some(writer) = self.writer.take()
            && let Err(failure) = writer.abort().await
        {
            tracing::warn!(%failure, "an unfinished body is left to be collected");
        }
    }
}

impl Vault {
    /// Receives a body for a row of `shard`, checks it, and makes it durable if it is a blob. Takes
    /// constant memory.
    ///
    /// # Errors
    /// What the stream gives; 400 `IncompleteBody` for another length than expected; `BadDigest`.
    pub async fn receive(
        &self,
        shard: ShardId,
        body: &ByteStream,
        expected: &Expected,
    ) -> Result<Received, Error> {
        let id = self.new_id(shard);
        let (key, sealed_key) = self.new_key(id, expected.customer.as_ref()).map_err(error::fault)?;
        let pending = self.pend(id);
        let mut sealer =
            Sealer { vault: self, id, key, number: 0, size: 0, buffer: BytesMut::new(), writer: None };
        let mut sums = Sums {
            md5: Md5::new(),
            checked: expected.checksum.as_ref().map(|(algorithm, _)| Hasher::new(*algorithm)),
            kept: expected.keep.map(Hasher::new),
        };
        let outcome = async {
            take_all(&mut sealer, &mut sums, body, expected.length).await?;
            let checks = check(sums, body, expected)?;
            Ok((checks, sealer.finish().await?))
        };
        match outcome.await {
            Ok(((md5, checksum), inline)) => {
                let sealed = Sealed { id, inline: inline.is_some(), size: sealer.size, key: sealed_key };
                Ok(Received { sealed, inline, md5, checksum, pending })
            }
            Err(error) => {
                sealer.abort().await;
                Err(error)
            }
        }
    }

    /// Removes a body whose row was refused; a failure to do so leaves it to the collection.
    pub async fn discard(&self, sealed: &Sealed) {
        if !sealed.inline
            && let Err(failure) = self.blobs.delete(BlobId(sealed.id)).await
        {
            tracing::warn!(%failure, "a body without a row is left to be collected");
        }
    }
}

async fn take_all(
    sealer: &mut Sealer<'_>,
    sums: &mut Sums,
    body: &ByteStream,
    length: Option<u64>,
) -> Result<(), Error> {
    if let Some(mut chunks) = body.take() {
        while let Some(bytes) = chunks.next().await {
            let bytes = bytes?;
            let size = sealer.size + bytes.len() as u64;
            if length.is_some_and(|length| size > length) {
                return Err(incomplete());
            }
            sums.update(&bytes);
            sealer.push(bytes).await?;
        }
    }
    if length.is_none_or(|length| sealer.size == length) { Ok(()) } else { Err(incomplete()) }
}

/// Compares what was computed with what was said; gives the MD5 and the checksum to keep.
fn check(sums: Sums, body: &ByteStream, expected: &Expected) -> Result<([u8; 16], Checksum), Error> {
    let md5: [u8; 16] = sums.md5.finalize().into();
    if expected.md5.is_some_and(|said| said != md5) {
        return Err(mismatch("Content-MD5"));
    }
    let mut checked = None;
    if let (Some((algorithm, said)), Some(hasher)) = (&expected.checksum, sums.checked) {
        let trailing = body.trailers().get(&algorithm.header());
        let said = said.clone().or(trailing).ok_or_else(malformed_trailer)?;
        algorithm.check_form(&said)?;
        let value = hasher.finish();
        if value != said {
            return Err(mismatch(algorithm.name()));
        }
        checked = Some(Checksum { algorithm: *algorithm, value, span: Span::FullObject });
    }
    let kept = expected.keep.zip(sums.kept);
    let kept = kept.map(|(algorithm, hasher)| Checksum {
        algorithm,
        value: hasher.finish(),
        span: Span::FullObject,
    });
    let checksum = kept.or(checked).ok_or_else(|| error::internal("a body without a checksum"))?;
    Ok((md5, checksum))
}

fn incomplete() -> Error {
    Error::new(
        400,
        "IncompleteBody",
        "You did not provide the number of bytes specified by the Content-Length HTTP header.",
    )
}

fn malformed_trailer() -> Error {
    Error::new(
        400,
        "MalformedTrailerError",
        "The request contained trailing data that was not well-formed or did not conform to our published schema.",
    )
}
