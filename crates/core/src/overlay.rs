//! Writes that the engine does not show yet.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use bytes::Bytes;
use ropeway_store::{Batch, Op, Range, Seq};

/// Keys and their new values; `None`: deleted.
pub(crate) type Writes = BTreeMap<Bytes, Option<Bytes>>;

/// The newest write of each key among the commits that do not show yet, and the batch being made.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    /// With the number of its commit.
    written: BTreeMap<Bytes, (u64, Option<Bytes>)>,
    /// The keys of each commit, the oldest first.
    commits: VecDeque<(u64, Vec<Bytes>)>,
    /// Number of the newest commit.
    newest: u64,
    batch: Writes,
    bytes: usize,
}

impl Overlay {
    /// Over an engine that shows everything up to a commit.
    pub fn new(newest: Seq) -> Self {
        Overlay { newest: newest.0, ..Overlay::default() }
    }

    /// What the newest write of a key says: `None` if no write here names it.
    pub fn get(&self, key: &Bytes) -> Option<&Option<Bytes>> {
        self.batch.get(key).or_else(|| self.written.get(key).map(|(_, value)| value))
    }

    /// Every write within a range, `staged` being the newest.
    pub fn range(&self, range: &Range, staged: &Writes) -> Writes {
        let mut out = Writes::new();
        if is_empty(range) {
            return out;
        }
        let bounds = || (range.from.clone(), range.to.clone());
        out.extend(self.written.range(bounds()).map(|(k, (_, v))| (k.clone(), v.clone())));
        for writes in [&self.batch, staged] {
            out.extend(writes.range(bounds()).map(|(k, v)| (k.clone(), v.clone())));
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

    /// Closes the batch, the next commit: its writes stay until [`Overlay::retire`].
    pub fn close_batch(&mut self) -> Batch {
        let writes = std::mem::take(&mut self.batch);
        self.bytes = 0;
        self.newest += 1;
        let mut ops = Vec::with_capacity(writes.len());
        let mut keys = Vec::with_capacity(writes.len());
        for (key, value) in writes {
            ops.push(match value.clone() {
                Some(value) => Op::Put(key.clone(), value),
                None => Op::Delete(key.clone()),
            });
            keys.push(key.clone());
            self.written.insert(key, (self.newest, value));
        }
        self.commits.push_back((self.newest, keys));
        Batch { ops }
    }

    /// Forgets the commits that the engine shows.
    pub fn retire(&mut self, shown: Seq) {
        while self.commits.front().is_some_and(|(number, _)| *number <= shown.0) {
            let Some((number, keys)) = self.commits.pop_front() else { return };
            for key in keys {
                // A later commit may have written it again.
                if self.written.get(&key).is_some_and(|(of, _)| *of == number) {
                    self.written.remove(&key);
                }
            }
        }
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
    if writes.is_empty() {
        return rows;
    }
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
