//! What goes: the rows of removed groups and streams, and what has expired. Always in steps.

use ropeway_core::keys::Space;
use ropeway_core::{Fault, Time, Tx};

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

/// Leaves it to later steps to remove what a group or a stream had.
pub fn begin(tx: &mut Tx, rows: &GroupRows, stream: Option<u64>) -> Result<(), Fault> {
    let shard = tx.shard();
    let command = Command::Clean { rows: rows.clone(), stream };
    tx.send("logs-clean", Space::Logs, shard, &command)
}

/// One step.
pub async fn clean(tx: &mut Tx, rows: &GroupRows, stream: Option<u64>) -> Result<(), Fault> {
    let mut more = remove(tx, rows, stream, |_| true).await?.more;
    // Of a group the streams go after the events, when there is room in the step.
    if stream.is_none() && !more {
        let page = tx.scan_prefix(&rows.streams(""), None, AT_ONCE).await?;
        for (key, row) in page.rows {
            let stream: Stream = postcard::from_bytes(&row)?;
            tx.delete(rows.recent(stream.last_event(), &stream.name));
            tx.delete(key);
        }
        more = page.more;
    }
    if more { begin(tx, rows, stream) } else { Ok(()) }
}

/// What a step came to.
struct Removed {
    /// There are more chunks that it did not look at.
    more: bool,
    /// Bytes of the events that are gone.
    bytes: u64,
}

/// Removes chunks from the earliest on, as long as they are to go.
async fn remove(
    tx: &mut Tx,
    rows: &GroupRows,
    stream: Option<u64>,
    goes: impl Fn(&Head) -> bool,
) -> Result<Removed, Fault> {
    let page = tx.scan_prefix(&rows.chunks(stream), None, AT_ONCE).await?;
    let (mut removed, mut count) = (Removed { more: page.more, bytes: 0 }, 0);
    for (key, row) in page.rows {
        let head: Head = postcard::from_bytes(&row)?;
        if count > 0 && count + head.parts + 2 > ROWS_AT_ONCE {
            removed.more = true;
            break;
        }
        if !goes(&head) {
            continue;
        }
        count += head.parts + 2;
        removed.bytes += head.bytes;
        let place = keys::chunk_place(&key).ok_or_else(|| Fault::Damaged("a chunk's key".to_owned()))?;
        tx.delete(rows.chunk(None, place));
        tx.delete(rows.chunk(Some(head.stream_id), place));
        for part in 0..head.parts {
            tx.delete(rows.body(place.1, part));
        }
    }
    if stream.is_some() && removed.bytes > 0 && tx.get(&rows.stats()).await?.is_some() {
        let mut stats = stats(tx, rows).await?;
        stats.bytes = stats.bytes.saturating_sub(removed.bytes);
        tx.write(rows.stats(), &stats)?;
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
    let horizon = group.horizon(tx.now());
    let removed = remove(tx, &rows, None, |head| head.last < horizon).await?;
    let mut stats = stats(tx, &rows).await?;
    stats.bytes = stats.bytes.saturating_sub(removed.bytes);
    if removed.bytes > 0 && removed.more {
        return tx.write(rows.stats(), &stats);
    }
    let due = match (group.retention, earliest(tx, &rows).await?) {
        (Some(days), Some(earliest)) => {
            let expires = Time(earliest).plus_millis(i64::from(days) * DAY);
            Some(expires.max(tx.now().plus_millis(PAUSE)))
        }
        _ => None,
    };
    schedule(tx, &name, &rows, &mut stats, due)
}

/// When the earliest chunk ends.
async fn earliest(tx: &Tx, rows: &GroupRows) -> Result<Option<i64>, Fault> {
    let page = tx.scan_prefix(&rows.chunks(None), None, 1).await?;
    let Some((_, row)) = page.rows.first() else { return Ok(None) };
    Ok(Some(postcard::from_bytes::<Head>(row)?.last))
}
