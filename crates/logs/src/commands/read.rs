//! Reads: streams in order, chunks of a range of time.

use std::ops::Bound;

use bytes::{Bytes, BytesMut};
use ropeway_core::keys::{after_prefix, read_text};
use ropeway_core::{Fault, Tx};
use ropeway_wire::Error;
use serde::{Deserialize, Serialize};

use super::{Output, group, stats, stream};
use crate::keys::{self, GroupName, GroupRows};
use crate::model::{Head, Stats, Stream};

/// Chunks that are looked at in one command.
const HEADS_AT_ONCE: usize = 256;
/// Bytes of events that one command gives, as far as whole chunks allow.
const BYTES_AT_ONCE: u64 = 1024 * 1024;

/// Which streams, and in which order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streams {
    /// Only those whose names begin so.
    pub prefix: String,
    /// In the order of their last events, not of their names.
    pub by_time: bool,
    /// The last comes first.
    pub descending: bool,
    /// Only those behind this one: the time of its last event, and its name.
    pub after: Option<(i64, String)>,
    /// At most so many.
    pub limit: u32,
}

/// Which of a group's events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Read {
    /// Those of all streams.
    All,
    /// Those of one stream.
    Stream(String),
    /// Those of these streams.
    Streams(Vec<String>),
    /// Those of the streams whose names begin so.
    Prefix(String),
}

/// A range of a group's chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Of which streams.
    pub read: Read,
    /// Only chunks with events at this moment or later.
    pub from: i64,
    /// Only chunks with events at this moment or earlier.
    pub to: i64,
    /// The latest first.
    pub reverse: bool,
    /// Only chunks behind this one.
    pub after: Option<(i64, u64)>,
}

/// Chunks, in the order of their first events.
#[derive(Debug, Clone, Default)]
pub struct Fetched {
    /// The group's events before this moment have expired.
    pub horizon: i64,
    /// The longest time between the first and the last event of any chunk.
    pub longest: i64,
    /// The chunks: time of the first event and number, what is known, events.
    pub chunks: Vec<((i64, u64), Head, Bytes)>,
    /// The last chunk that was looked at, if there are more behind it.
    pub next: Option<(i64, u64)>,
}

/// The rows of a prefix behind a key, in either direction.
fn range(prefix: &Bytes, after: Option<Bytes>, reverse: bool) -> ropeway_store::Range {
    let mut range = ropeway_store::Range {
        from: Bound::Included(prefix.clone()),
        to: after_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded),
        reverse,
    };
    // A key of elsewhere, from a caller who made up a token, leads to nothing of elsewhere.
    if let Some(after) = after.filter(|after| after.starts_with(prefix)) {
        *(if reverse { &mut range.to } else { &mut range.from }) = Bound::Excluded(after);
    }
    range
}

/// Reads streams in order.
pub async fn streams(tx: &Tx, name: &GroupName, of: Streams) -> Result<Output, Error> {
    let (_, rows) = group(tx, name).await?;
    let limit = of.limit as usize;
    if !of.by_time {
        let after = of.after.map(|(_, name)| rows.stream(&name));
        let page = tx.scan(range(&rows.streams(&of.prefix), after, of.descending), limit).await?;
        let found: Result<Vec<Stream>, _> =
            page.rows.iter().map(|(_, row)| postcard::from_bytes(row)).collect();
        return Ok(Output::Streams(found.map_err(Fault::from)?, page.more));
    }
    let prefix = rows.recents();
    let after = of.after.map(|(time, name)| rows.recent(time, &name));
    let page = tx.scan(range(&prefix, after, of.descending), limit).await?;
    let mut found = Vec::new();
    for (key, _) in page.rows {
        let name = key.get(prefix.len() + 8..).and_then(read_text);
        let (name, _) = name.ok_or_else(|| Fault::Damaged("a stream's key".to_owned()))?;
        found.push(stream(tx, &rows, &name).await?);
    }
    Ok(Output::Streams(found, page.more))
}

/// Reads chunks of a range of time.
pub async fn fetch(tx: &Tx, name: &GroupName, of: Range) -> Result<Output, Error> {
    let (group, rows) = group(tx, name).await?;
    let Stats { longest, gone_to, .. } = stats(tx, &rows).await?;
    let horizon = group.horizon(tx.now());
    let from = of.from.max(horizon);
    let one = match &of.read {
        Read::Stream(name) => Some(stream(tx, &rows, name).await?.id),
        Read::Streams(names) if of.after.is_none() => {
            for name in names {
                stream(tx, &rows, name).await?;
            }
            None
        }
        _ => None,
    };
    let mut out = Fetched { horizon, longest, ..Fetched::default() };
    let page =
        tx.scan(heads(&rows, one, from.saturating_sub(longest).max(gone_to), &of), HEADS_AT_ONCE).await?;
    let (mut bytes, mut more) = (0, page.more);
    for (key, row) in page.rows {
        if bytes >= BYTES_AT_ONCE {
            more = true;
            break;
        }
        let place = keys::chunk_place(&key).ok_or_else(|| Fault::Damaged("a chunk's key".to_owned()))?;
        let head: Head = postcard::from_bytes(&row).map_err(Fault::from)?;
        out.next = Some(place);
        if head.last < from || !wanted(&of.read, &head) {
            continue;
        }
        if let Some(body) = body(tx, &rows, place.1, head.parts).await? {
            bytes += head.bytes;
            out.chunks.push((place, head, body));
        }
    }
    out.next = out.next.filter(|_| more);
    Ok(Output::Fetched(out))
}

/// The range of rows in which the chunks are.
fn heads(rows: &GroupRows, stream: Option<u64>, from: i64, of: &Range) -> ropeway_store::Range {
    let mut range = ropeway_store::Range {
        from: Bound::Included(rows.chunk(stream, (from.max(0), 0))),
        to: Bound::Included(rows.chunk(stream, (of.to, u64::MAX))),
        reverse: of.reverse,
    };
    if let Some(after) = of.after {
        let after = Bound::Excluded(rows.chunk(stream, after));
        *(if of.reverse { &mut range.to } else { &mut range.from }) = after;
    }
    range
}

fn wanted(read: &Read, head: &Head) -> bool {
    match read {
        Read::All | Read::Stream(_) => true,
        Read::Streams(names) => names.contains(&head.stream),
        Read::Prefix(prefix) => head.stream.starts_with(prefix.as_str()),
    }
}

/// The sealed events of a chunk; `None` if it is no more.
async fn body(tx: &Tx, rows: &GroupRows, number: u64, parts: u32) -> Result<Option<Bytes>, Fault> {
    let Some(first) = tx.get(&rows.body(number, 0)).await? else { return Ok(None) };
    if parts == 1 {
        return Ok(Some(first));
    }
    let mut whole = BytesMut::from(&first[..]);
    for part in 1..parts {
        let Some(part) = tx.get(&rows.body(number, part)).await? else { return Ok(None) };
        whole.extend_from_slice(&part);
    }
    Ok(Some(whole.freeze()))
}

/// Reads the events of chunks.
pub async fn bodies(tx: &Tx, rows: &GroupRows, chunks: &[(u64, u32)]) -> Result<Output, Error> {
    let mut out = Vec::new();
    for (number, parts) in chunks {
        out.extend(body(tx, rows, *number, *parts).await?.map(|body| (*number, body)));
    }
    Ok(Output::Bodies(out))
}
