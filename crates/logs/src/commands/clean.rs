//! What goes: the rows of removed groups and streams, and what has expired. Always in steps, each of which
//! begins where the one before it ended: a scan over rows that are gone is slow.

use std::ops::Bound;

use bytes::Bytes;
use ropeway_core::keys::{Space, after_prefix};
use ropeway_core::{Fault, Time, Tx};
use ropeway_store::Range;

use super::{Command, stats};
use crate::keys::{self, GroupName, GroupRows};
use crate::model::{DAY, Group, Head, Stats, Stream};

/// Chunks or streams that one step removes.
const AT_ONCE: usize = 100;
/// Rows that one step removes at most, unless the first chunk alone has more.
const ROWS_AT_ONCE: u32 = 600;
/// Retention looks at a group again after so long, or later, in milliseconds: what has expired is not
/// read any more, and needs no more than to be gone some time.
const PAUSE: i64 = 60 * 60 * 1000;

/// Leaves it to later steps to remove what a group or a stream had, behind a key.
pub fn clean_later(
    tx: &mut Tx,
    rows: &GroupRows,
    stream: Option<u64>,
    after: Option<Bytes>,
) -> Result<(), Fault> {
    let shard = tx.shard();
    let command = Command::Clean { rows: rows.clone(), stream, after };
    tx.send("logs-clean", Space::Logs, shard, &command)
}

/// One step: chunks first; of a group, then its streams.
pub async fn clean(
    tx: &mut Tx,
    rows: &GroupRows,
    stream: Option<u64>,
    after: Option<Bytes>,
) -> Result<(), Fault> {
    let (chunks, streams) = (rows.chunks(stream), rows.streams(""));
    if after.as_ref().is_none_or(|after| after.starts_with(&chunks)) {
        let from = after.map_or(Bound::Included(chunks), Bound::Excluded);
        let removed = remove(tx, rows, stream, from, |_| true).await?;
        if let Some(stream) = stream {
            settle_bytes(tx, rows, removed.bytes).await?;
            return if removed.more { clean_later(tx, rows, Some(stream), removed.last) } else { Ok(()) };
        }
        // Something of the streams' for the step behind the last of the chunks.
        let last = if removed.more { removed.last } else { Some(streams) };
        return clean_later(tx, rows, None, last);
    }
    let page = tx.scan_prefix(&streams, after.as_ref(), AT_ONCE).await?;
    let mut last = None;
    for (key, row) in page.rows {
        let stream: Stream = postcard::from_bytes(&row)?;
        tx.delete(rows.recent(stream.last_event(), &stream.name));
        tx.delete(key.clone());
        last = Some(key);
    }
    if page.more { clean_later(tx, rows, None, last) } else { Ok(()) }
}

/// The bytes of a stream's events that went are no longer the group's.
async fn settle_bytes(tx: &mut Tx, rows: &GroupRows, bytes: u64) -> Result<(), Fault> {
    let Some(mut stats) = tx.read::<Stats>(&rows.stats()).await? else { return Ok(()) };
    stats.bytes = stats.bytes.saturating_sub(bytes);
    tx.write(rows.stats(), &stats)
}

/// What a step came to.
#[derive(Default)]
struct Removed {
    /// There are more chunks that it did not look at.
    more: bool,
    /// Bytes of the events that are gone.
    bytes: u64,
    /// The last key that it looked at.
    last: Option<Bytes>,
    /// When the first chunk begins that stays, or else the last that went.
    begins: Option<i64>,
}

/// Removes chunks of a group or a stream that are to go, in their order.
async fn remove(
    tx: &mut Tx,
    rows: &GroupRows,
    stream: Option<u64>,
    from: Bound<Bytes>,
    goes: impl Fn(&Head) -> bool,
) -> Result<Removed, Fault> {
    let to = after_prefix(&rows.chunks(stream)).map_or(Bound::Unbounded, Bound::Excluded);
    let page = tx.scan(Range { from, to, reverse: false }, AT_ONCE).await?;
    let mut removed = Removed { more: page.more, ..Removed::default() };
    let (mut count, mut stays) = (0, false);
    for (key, row) in page.rows {
        let head: Head = postcard::from_bytes(&row)?;
        if count > 0 && count + head.parts + 2 > ROWS_AT_ONCE {
            removed.more = true;
            break;
        }
        let place = keys::chunk_place(&key).ok_or_else(|| Fault::Damaged("a chunk's key".to_owned()))?;
        removed.last = Some(key);
        if !stays {
            removed.begins = Some(place.0);
        }
        if !goes(&head) {
            stays = true;
            continue;
        }
        count += head.parts + 2;
        removed.bytes += head.bytes;
        tx.delete(rows.chunk(None, place));
        tx.delete(rows.chunk(Some(head.stream_id), place));
        for part in 0..head.parts {
            tx.delete(rows.body(place.1, part));
        }
    }
    Ok(removed)
}

/// Sets when a group's retention is to be looked at, and writes what changes with its events.
pub fn schedule(
    tx: &mut Tx,
    name: &GroupName,
    rows: &GroupRows,
    stats: &mut Stats,
    due: Option<Time>,
) -> Result<(), Fault> {
    if let Some(before) = stats.due {
        tx.delete(name.due(before));
    }
    stats.due = due;
    if let Some(due) = due {
        tx.write(name.due(due), name)?;
    }
    tx.write(rows.stats(), stats)
}

/// Removes expired events of the group whose retention is due first: a step of it.
pub async fn expire(tx: &mut Tx) -> Result<(), Fault> {
    let page = tx.scan_prefix(&keys::all_due(), None, 1).await?;
    let Some((key, row)) = page.rows.into_iter().next() else { return Ok(()) };
    if keys::due_at(&key).is_none_or(|due| due > tx.now()) {
        return Ok(());
    }
    let name: GroupName = postcard::from_bytes(&row)?;
    let Some(group) = tx.read::<Group>(&name.key()).await? else {
        tx.delete(key);
        return Ok(());
    };
    let rows = name.rows(group.id);
    let mut stats = stats(tx, &rows).await?;
    let horizon = group.horizon(tx.now());
    let from = Bound::Included(rows.chunk(None, (stats.gone_to, 0)));
    let removed = remove(tx, &rows, None, from, |head| head.last < horizon).await?;
    stats.bytes = stats.bytes.saturating_sub(removed.bytes);
    stats.gone_to = removed.begins.unwrap_or(stats.gone_to);
    if removed.bytes > 0 && removed.more {
        return tx.write(rows.stats(), &stats);
    }
    let due = match (group.retention, earliest(tx, &rows, stats.gone_to).await?) {
        (Some(days), Some(earliest)) => {
            let expires = Time(earliest).plus_millis(i64::from(days) * DAY);
            Some(expires.max(tx.now().plus_millis(PAUSE)))
        }
        _ => None,
    };
    schedule(tx, &name, &rows, &mut stats, due)
}

/// When the earliest chunk ends.
async fn earliest(tx: &Tx, rows: &GroupRows, gone_to: i64) -> Result<Option<i64>, Fault> {
    let from = Bound::Included(rows.chunk(None, (gone_to, 0)));
    let to = after_prefix(&rows.chunks(None)).map_or(Bound::Unbounded, Bound::Excluded);
    let page = tx.scan(Range { from, to, reverse: false }, 1).await?;
    let Some((_, row)) = page.rows.first() else { return Ok(None) };
    Ok(Some(postcard::from_bytes::<Head>(row)?.last))
}
