//! Writes that are not durable yet, over what the engine shows.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use bytes::Bytes;
use ropeway_store::{Batch, Op, Range};

/// Keys and their new values; `None`: deleted.
pub(crate) type Writes = BTreeMap<Bytes, Option<Bytes>>;

/// The writes of the commits under way, the oldest first, and of the batch being made.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    under_way: VecDeque<Writes>,
    batch: Writes,
    bytes: usize,
}

impl Overlay {
    /// What the newest write of a key says: `None` if no write here names it.
    pub fn get(&self, key: &Bytes) -> Option<&Option<Bytes>> {
        self.batch.get(key).or_else(|| self.under_way.iter().rev().find_map(|writes| writes.get(key)))
    }

    /// Every write within a range, `staged` being the newest.
    pub fn range(&self, range: &Range, staged: &Writes) -> Writes {
        let mut out = Writes::new();
        if is_empty(range) {
            return out;
        }
        for writes in self.under_way.iter().chain([&self.batch, staged]) {
            let found = writes.range((range.from.clone(), range.to.clone()));
            out.extend(found.map(|(k, v)| (k.clone(), v.clone())));
        }
        out
    }

    /// Adds a command's writes to the batch being made.
    pub fn stage(&mut self, writes: Writes) {
        self.bytes += writes.iter().map(|(k, v)| k.len() + v.as_ref().map_or(0, Bytes::len)).sum::<usize>();
        if self.batch.is_empty() {
            self.batch = writes;
        } else {
            self.batch.extend(writes);
        }
    }

    /// Number of keys in the batch being made, and bytes of what was staged in it.
    pub fn batch_size(&self) -> (usize, usize) {
        (self.batch.len(), self.bytes)
    }

    /// Closes the batch: it is under way until [`Overlay::retire`].
    pub fn close_batch(&mut self) -> Batch {
        let writes = std::mem::take(&mut self.batch);
        self.bytes = 0;
        let ops = writes.iter().map(|(key, value)| match value {
            Some(value) => Op::Put(key.clone(), value.clone()),
            None => Op::Delete(key.clone()),
        });
        let batch = Batch { ops: ops.collect() };
        self.under_way.push_back(writes);
        batch
    }

    /// Forgets the oldest commit: the engine shows it now.
    pub fn retire(&mut self) {
        self.under_way.pop_front();
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Overlay::default();
    }
}

fn is_empty(range: &Range) -> bool {
    let (Bound::Included(from) | Bound::Excluded(from)) = &range.from else { return false };
    match &range.to {
        Bound::Included(to) => from > to,
        Bound::Excluded(to) => from >= to,
        Bound::Unbounded => false,
    }
}

/// Lays writes over a page of rows, up to the page's horizon.
pub(crate) fn merge(
    rows: Vec<(Bytes, Bytes)>,
    writes: &Writes,
    reverse: bool,
    horizon: Option<&Bytes>,
) -> Vec<(Bytes, Bytes)> {
    let mut merged: BTreeMap<Bytes, Bytes> = rows.into_iter().collect();
    for (key, value) in writes {
        let beyond = horizon.is_some_and(|h| if reverse { key < h } else { key > h });
        if beyond {
            continue;
        }
        match value {
            Some(value) => merged.insert(key.clone(), value.clone()),
            None => merged.remove(key),
        };
    }
    if reverse { merged.into_iter().rev().collect() } else { merged.into_iter().collect() }
}
