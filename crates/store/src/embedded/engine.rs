//! The rows in fjall: how they are keyed, read, and put into a commit.
//!
//! A row's key is its shard's number (2 bytes, big-endian) and the key that the caller gave. Keys
//! in a range set when the store was made are in the keyspace `bulk`, the others in `index`: rows of
//! unlike size and life are compacted apart. The store's own rows
//! are in `index` under the shard number 0xFFFF, which no shard has; the newest commit is in both.

use std::fs::File;
use std::ops::Bound;

use bytes::Bytes;
use fjall::{Database, Guard, Keyspace, PersistMode, Readable};

use super::BulkKeys;
use super::wal::Record;
use crate::page::PageBuilder;
use crate::{Page, Range, ReadError, ShardId};

/// In front of the store's own rows, where the shard's number is in others.
const OWN: [u8; 2] = [0xFF, 0xFF];

/// Number of the newest commit, over all shards. Written in every commit, in both keyspaces.
pub(super) const COMMIT_KEY: &[u8] = &[0xFF, 0xFF, b'c'];

/// `s` and the shard's number: its newest commit.
pub(super) fn seq_key(shard: u16) -> [u8; 5] {
    let [high, low] = shard.to_be_bytes();
    [0xFF, 0xFF, b's', high, low]
}

/// `e` and the shard's number: the epoch of its newest owner.
pub(super) fn epoch_key(shard: u16) -> [u8; 5] {
    let [high, low] = shard.to_be_bytes();
    [0xFF, 0xFF, b'e', high, low]
}

/// A part of a range: where it lies, and between which keys of the engine.
type Part<'a> = (&'a Keyspace, Bound<Vec<u8>>, Bound<Vec<u8>>);

/// The open database. The lock on the directory goes with it.
pub(super) struct Engine {
    pub(super) db: Database,
    pub(super) index: Keyspace,
    pub(super) bulk: Keyspace,
    pub(super) bulk_keys: BulkKeys,
    /// Whether anything is synced.
    pub(super) sync: bool,
    pub(super) _lock: File,
}

impl Engine {
    /// Writes commits, unsynced, as one.
    pub(super) fn write<'a>(&self, records: impl Iterator<Item = &'a Record>) -> fjall::Result<()> {
        let mut batch = self.db.batch();
        let mut commit = None;
        for record in records {
            commit = Some(record.commit());
            for (key, value) in record.writes() {
                let keyspace = self.keyspace_of(key);
                match value {
                    Some(value) => batch.insert(keyspace, key, value),
                    None => batch.remove(keyspace, key),
                }
            }
        }
        if let Some(commit) = commit {
            for keyspace in [&self.index, &self.bulk] {
                batch.insert(keyspace, COMMIT_KEY, commit.to_be_bytes());
            }
        }
        batch.commit()
    }

    /// The newest commit that is there whole. The engine writes each keyspace's tables by itself: after a loss of power
    /// one may have commits that the other has lost with the journal.
    pub(super) fn fed(&self) -> Result<u64, ReadError> {
        Ok(number(&self.index, COMMIT_KEY)?.min(number(&self.bulk, COMMIT_KEY)?))
    }

    /// Makes everything written so far survive a loss of power.
    pub(super) fn sync(&self, mode: PersistMode) -> fjall::Result<()> {
        self.db.persist(if self.sync { mode } else { PersistMode::Buffer })
    }

    /// Reads a number from one of the store's own rows; 0 if it isn't there.
    pub(super) fn number(&self, key: &[u8]) -> Result<u64, ReadError> {
        number(&self.index, key)
    }

    pub(super) fn get(&self, shard: ShardId, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, ReadError> {
        // Without a snapshot: what was fed shows, and of the rest nothing is promised.
        let mut scratch = Vec::new();
        keys.iter()
            .map(|key| {
                encode(shard, key, &mut scratch);
                let value = self.keyspace(key).get(&scratch).map_err(read_error)?;
                Ok(value.map(|value| Bytes::copy_from_slice(&value)))
            })
            .collect()
    }

    pub(super) fn scan(&self, shard: ShardId, range: &Range, limit: usize) -> Result<Page, ReadError> {
        let mut page = PageBuilder::new(limit);
        if range.is_empty() {
            return Ok(page.finish());
        }
        let snapshot = self.db.snapshot();
        let mut parts = self.parts(shard, range);
        if range.reverse {
            parts.reverse();
        }
        for (keyspace, from, to) in parts {
            let rows = snapshot.range(keyspace, (from, to));
            let full = match range.reverse {
                false => fill(&mut page, rows)?,
                true => fill(&mut page, rows.rev())?,
            };
            if full {
                break;
            }
        }
        Ok(page.finish())
    }

    /// Where a key lies that has its shard's number in front.
    fn keyspace_of(&self, key: &[u8]) -> &Keyspace {
        match key.split_first_chunk() {
            Some((&OWN, _)) | None => &self.index,
            Some((_, key)) => self.keyspace(key),
        }
    }

    fn keyspace(&self, key: &[u8]) -> &Keyspace {
        if self.bulk_keys.contains(key) { &self.bulk } else { &self.index }
    }

    /// A range as its parts in the two keyspaces, in key order, without those that are empty.
    fn parts(&self, shard: ShardId, range: &Range) -> Vec<Part<'_>> {
        let BulkKeys { begin, end } = &self.bulk_keys;
        let below = cut(range, None, Some(begin)).map(|part| (&self.index, part));
        let within = cut(range, Some(begin), end.as_ref()).map(|part| (&self.bulk, part));
        let above = end.as_ref().and_then(|end| cut(range, Some(end), None)).map(|part| (&self.index, part));
        let parts = [below, within, above].into_iter().flatten();
        parts.map(|(keyspace, part)| bounds(keyspace, shard, &part)).collect()
    }
}

fn number(keyspace: &Keyspace, key: &[u8]) -> Result<u64, ReadError> {
    let value = keyspace.get(key).map_err(read_error)?;
    let Some(value) = value else { return Ok(0) };
    let bytes = value.as_ref().try_into().map_err(|_| ReadError("a number is not 8 bytes long".into()))?;
    Ok(u64::from_be_bytes(bytes))
}

/// The part of a range that begins at `begin` and ends before `end`, unless it is empty.
fn cut(range: &Range, begin: Option<&Bytes>, end: Option<&Bytes>) -> Option<Range> {
    let mut part = range.clone();
    if let Some(begin) = begin
        && match &range.from {
            Bound::Unbounded => true,
            Bound::Included(from) | Bound::Excluded(from) => from < begin,
        }
    {
        part.from = Bound::Included(begin.clone());
    }
    if let Some(end) = end
        && match &range.to {
            Bound::Unbounded => true,
            Bound::Included(to) => to >= end,
            Bound::Excluded(to) => to > end,
        }
    {
        part.to = Bound::Excluded(end.clone());
    }
    (!part.is_empty()).then_some(part)
}

fn bounds<'a>(keyspace: &'a Keyspace, shard: ShardId, part: &Range) -> Part<'a> {
    let encoded = |key: &Bytes| {
        let mut out = Vec::new();
        encode(shard, key, &mut out);
        out
    };
    let from = match part.from.as_ref().map(encoded) {
        Bound::Unbounded => Bound::Included(shard.0.to_be_bytes().to_vec()),
        bound => bound,
    };
    let to = match part.to.as_ref().map(encoded) {
        // Shards end below 0xFFFF, so there is always a next one.
        Bound::Unbounded => Bound::Excluded(shard.0.saturating_add(1).to_be_bytes().to_vec()),
        bound => bound,
    };
    (keyspace, from, to)
}

fn encode(shard: ShardId, key: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&shard.0.to_be_bytes());
    out.extend_from_slice(key);
}

/// Adds rows until there are no more or the page is full, which it says.
fn fill(page: &mut PageBuilder, rows: impl Iterator<Item = Guard>) -> Result<bool, ReadError> {
    for row in rows {
        let (key, value) = row.into_inner().map_err(read_error)?;
        let key = Bytes::copy_from_slice(key.get(2..).unwrap_or_default());
        if !page.push(key, Bytes::copy_from_slice(&value)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn read_error(e: fjall::Error) -> ReadError {
    ReadError(e.to_string())
}
