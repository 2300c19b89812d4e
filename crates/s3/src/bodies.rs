//! The bodies of objects, whatever they are made of, as streams.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use ropeway_core::{Core, ShardId, Trace};
use ropeway_wire::{ByteStream, Error};

use crate::commands::{Command, Output, S3Machine};
use crate::customer::CustomerKey;
use crate::error;
use crate::model::{Body, ManifestPart, Object, Parts, Sealed};
use crate::vault::{ReadFailure, Vault};

type Plain = BoxStream<'static, Result<Bytes, ReadFailure>>;

/// Reads the bodies of one shard's objects.
#[derive(Clone)]
pub struct Reader {
    pub core: Core,
    pub vault: Vault,
    pub shard: ShardId,
    pub trace: Trace,
    /// The customer's key that they are encrypted under.
    pub customer: Option<CustomerKey>,
}

impl Reader {
    async fn ask(&self, command: Command) -> Result<Output, ReadFailure> {
        let answer = self.core.submit::<S3Machine>(self.shard, &self.trace, command).await;
        answer.map_err(|failure| ReadFailure::Failed(failure.to_string()))
    }

    /// Part of an object, open: what is missing shows now. `inline` are its sealed bytes, if they
    /// were read with it.
    pub async fn open(
        &self,
        object: &Object,
        inline: Option<Bytes>,
        range: Range<u64>,
    ) -> Result<ByteStream, ReadFailure> {
        let length = range.end.saturating_sub(range.start);
        if length == 0 {
            return Ok(ByteStream::from(Bytes::new()));
        }
        let mut plain = match &object.body {
            Body::Whole(sealed) => self.whole(sealed, inline, range).await?,
            Body::Parts(parts) => self.walk(parts, range),
        };
        let first = plain.next().await.transpose()?.unwrap_or_default();
        let rest = plain
            .map(|item| item.map_err(|failure| error::internal(&format!("a body ended early: {failure:?}"))));
        let chunks = stream::once(std::future::ready(Ok::<_, Error>(first))).chain(rest);
        Ok(ByteStream::new(chunks, Some(length)))
    }

    /// Part of a body in one piece.
    async fn whole(
        &self,
        sealed: &Sealed,
        inline: Option<Bytes>,
        range: Range<u64>,
    ) -> Result<Plain, ReadFailure> {
        if !sealed.inline {
            return Ok(self.vault.open_blob(sealed, range, self.customer.as_ref()).await?.boxed());
        }
        let bytes = match inline {
            Some(bytes) => bytes,
            None => match self.ask(Command::ReadInline(sealed.clone())).await? {
                Output::Inline(Some(bytes)) => bytes,
                _ => return Err(ReadFailure::Gone),
            },
        };
        let plain = self.vault.open_inline(sealed, &bytes, range, self.customer.as_ref())?;
        Ok(stream::once(std::future::ready(Ok(plain))).boxed())
    }

    fn walk(&self, parts: &Parts, range: Range<u64>) -> Plain {
        let row = parts.starts.partition_point(|start| *start <= range.start).saturating_sub(1);
        let walk = Walk {
            reader: self.clone(),
            upload: parts.upload,
            row: row as u32,
            offset: parts.starts.get(row).copied().unwrap_or_default(),
            range,
            parts: VecDeque::new(),
            current: None,
        };
        stream::try_unfold(walk, |mut walk| async move { Ok(walk.next().await?.map(|bytes| (bytes, walk))) })
            .boxed()
    }

    /// The part of this number in a multipart object, and where in the object it lies.
    pub async fn part(
        &self,
        parts: &Parts,
        number: u32,
    ) -> Result<Option<(ManifestPart, Range<u64>)>, ReadFailure> {
        for (row, start) in (0..).zip(&parts.starts) {
            let mut offset = *start;
            for part in self.manifest(parts.upload, row).await? {
                let end = offset + part.body.size;
                if part.number == number {
                    return Ok(Some((part, offset..end)));
                }
                offset = end;
            }
        }
        Ok(None)
    }

    /// Parts of a multipart object behind a part number.
    pub async fn parts(
        &self,
        parts: &Parts,
        after: u32,
        limit: usize,
    ) -> Result<Vec<ManifestPart>, ReadFailure> {
        let mut found = Vec::new();
        for (row, _) in (0..).zip(&parts.starts) {
            let some = self.manifest(parts.upload, row).await?;
            found.extend(some.into_iter().filter(|part| part.number > after));
            if found.len() >= limit {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    async fn manifest(&self, upload: u128, index: u32) -> Result<Vec<ManifestPart>, ReadFailure> {
        match self.ask(Command::ReadManifest { upload, index }).await? {
            Output::Manifest(Some(parts)) if !parts.is_empty() => Ok(parts),
            _ => Err(ReadFailure::Gone),
        }
    }
}

/// Goes through the parts of an object.
struct Walk {
    reader: Reader,
    upload: u128,
    /// The manifest's row that is next.
    row: u32,
    /// Where in the object the next part begins.
    offset: u64,
    range: Range<u64>,
    parts: VecDeque<ManifestPart>,
    current: Option<Plain>,
}

impl Walk {
    async fn next(&mut self) -> Result<Option<Bytes>, ReadFailure> {
        loop {
            if let Some(current) = &mut self.current {
                match current.next().await {
                    Some(item) => return item.map(Some),
                    None => self.current = None,
                }
            }
            if self.offset >= self.range.end {
                return Ok(None);
            }
            match self.parts.pop_front() {
                Some(part) => self.enter(&part).await?,
                None => {
                    self.parts = self.reader.manifest(self.upload, self.row).await?.into();
                    self.row += 1;
                }
            }
        }
    }

    async fn enter(&mut self, part: &ManifestPart) -> Result<(), ReadFailure> {
        let (start, end) = (self.offset, self.offset + part.body.size);
        self.offset = end;
        let within = self.range.start.max(start)..self.range.end.min(end);
        if !within.is_empty() {
            let within = within.start - start..within.end - start;
            self.current = Some(self.reader.whole(&part.body, None, within).await?);
        }
        Ok(())
    }
}
