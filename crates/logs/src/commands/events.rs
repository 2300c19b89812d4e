//! Events: taken.

use bytes::Bytes;
use ropeway_core::Tx;
use ropeway_wire::Error;

use super::{LogsMachine, Output, clean, filters, group, stats, stream};
use crate::chunk::NewChunk;
use crate::keys::{GroupName, GroupRows};
use crate::model::{DAY, Extent, Head, Stream};
use crate::subscription;

/// Bytes of events in one row.
const PART_BYTES: usize = 60 * 1024;

impl LogsMachine {
    /// Takes events into a stream, and leaves them to the group's filters.
    pub(super) async fn put(
        &mut self,
        tx: &mut Tx,
        name: &GroupName,
        to: &str,
        chunks: Vec<NewChunk>,
    ) -> Result<Output, Error> {
        let (group, rows) = group(tx, name).await?;
        let mut stream = stream(tx, &rows, to).await?;
        let mut stats = stats(tx, &rows).await?;
        let before = stream.last_event();
        let mut written = Vec::new();
        for chunk in chunks {
            let number = stats.next;
            stats.next += 1;
            stats.bytes += chunk.bytes;
            stats.longest = stats.longest.max(chunk.last - chunk.first);
            stats.gone_to = stats.gone_to.min(chunk.first);
            let at = (chunk.first, chunk.last);
            written.push((number, write(tx, &rows, &stream, number, chunk)?));
            extend(&mut stream, at, tx);
        }
        if group.filters > 0 {
            for filter in filters::all(tx, &rows).await? {
                subscription::forward(tx, &group, &stream, filter, &written)?;
            }
        }
        tx.delete(rows.recent(before, &stream.name));
        tx.put(rows.recent(stream.last_event(), &stream.name), Bytes::new());
        tx.write(rows.stream(&stream.name), &stream)?;
        let first = stream.events.as_ref().map_or(0, |events| events.first);
        let due = group
            .retention
            .filter(|_| stats.due.is_none())
            .map(|days| ropeway_core::Time(first).plus_millis(i64::from(days) * DAY).max(tx.now()));
        match due {
            Some(due) => clean::schedule(tx, name, &rows, &mut stats, Some(due))?,
            None => tx.write(rows.stats(), &stats)?,
        }
        self.expect(due);
        Ok(Output::Nothing)
    }
}

fn extend(stream: &mut Stream, (first, last): (i64, i64), tx: &Tx) {
    let ingested = tx.now();
    stream.events = Some(match &stream.events {
        None => Extent { first, last, ingested },
        Some(events) => Extent { first: events.first.min(first), last: events.last.max(last), ingested },
    });
}

/// Writes a chunk; gives the number of rows that its events take.
fn write(tx: &mut Tx, rows: &GroupRows, stream: &Stream, number: u64, chunk: NewChunk) -> Result<u32, Error> {
    let mut parts = 0;
    for part in chunk.body.chunks(PART_BYTES) {
        tx.put(rows.body(number, parts), chunk.body.slice_ref(part));
        parts += 1;
    }
    let head = Head {
        stream: stream.name.clone(),
        stream_id: stream.id,
        last: chunk.last,
        ingested: tx.now(),
        bytes: chunk.bytes,
        parts,
    };
    for of in [None, Some(stream.id)] {
        tx.write(rows.chunk(of, (chunk.first, number)), &head)?;
    }
    Ok(parts)
}
