//! A machine's view of its shard while a command is applied.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use ropeway_store::{Batch, Range, Shard};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::keys::{self, Space};
use crate::outbox::{Lanes, Target};
use crate::overlay::{Overlay, Writes, merge};
use crate::{Fault, Ids, ShardId, Signals, Time};

/// Names what a command belongs to: the trace id of the request that caused it, carried on by
/// every effect. The form is that of the X-Ray header's `Root`.
pub type Trace = Arc<str>;

/// A page of rows.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// Keys and values, in order.
    pub rows: Vec<(Bytes, Bytes)>,
    /// There may be more behind the last.
    pub more: bool,
}

type After = Box<dyn FnOnce() + Send + Sync>;

/// A transaction: reads see every earlier command's writes, and this one's.
pub struct Tx {
    shard: ShardId,
    shards: u16,
    store: Arc<dyn Shard>,
    overlay: Overlay,
    staged: Writes,
    after: Vec<After>,
    staged_after: usize,
    pub(crate) lanes: Lanes,
    pub(crate) now: Time,
    pub(crate) trace: Trace,
    ids: Ids,
    signals: Arc<Signals>,
}

impl Tx {
    pub(crate) fn new(
        shard: ShardId,
        shards: u16,
        store: Arc<dyn Shard>,
        ids: Ids,
        signals: Arc<Signals>,
    ) -> Self {
        let lanes = Lanes::new(store.last_seq().0 + 1);
        Tx {
            shard,
            shards,
            store,
            overlay: Overlay::default(),
            staged: Writes::new(),
            after: Vec::new(),
            staged_after: 0,
            lanes,
            now: Time::default(),
            trace: Arc::from(""),
            ids,
            signals,
        }
    }

    /// The moment of this command: the same for all that it does.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The trace that this command belongs to.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Randomness and ids.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// The shard that this is.
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// The shard that owns a name.
    pub fn shard_of(&self, name: &str) -> ShardId {
        keys::shard_of(name, self.shards)
    }

    /// Reads a key.
    pub async fn get(&self, key: &Bytes) -> Result<Option<Bytes>, Fault> {
        if let Some(value) = self.staged.get(key).or_else(|| self.overlay.get(key)) {
            return Ok(value.clone());
        }
        let found = self.store.get(std::slice::from_ref(key)).await?;
        Ok(found.into_iter().next().flatten())
    }

    /// Reads a row in its binary form.
    pub async fn read<T: DeserializeOwned>(&self, key: &Bytes) -> Result<Option<T>, Fault> {
        match self.get(key).await? {
            Some(value) => Ok(Some(postcard::from_bytes(&value)?)),
            None => Ok(None),
        }
    }

    /// Reads up to `limit` rows of a range, in order or in reverse.
    pub async fn scan(&self, mut range: Range, limit: usize) -> Result<Rows, Fault> {
        let mut writes = self.overlay.range(&range, &self.staged);
        let mut out = Rows::default();
        loop {
            let wanted = limit.saturating_sub(out.rows.len()).max(1);
            let page = self.store.scan(range.clone(), wanted).await?;
            let horizon = page.rows.last().map(|(key, _)| key.clone()).filter(|_| page.more);
            if page.more && horizon.is_none() {
                return Err(Fault::Store("an empty page that says there is more".to_owned()));
            }
            out.rows.extend(merge(page.rows, &writes, range.reverse, horizon.as_ref()));
            out.more = page.more;
            if out.rows.len() > limit {
                out.rows.truncate(limit);
                out.more = true;
            }
            let Some(horizon) = horizon else { return Ok(out) };
            if out.rows.len() >= limit {
                return Ok(out);
            }
            writes.retain(|key, _| if range.reverse { *key < horizon } else { *key > horizon });
            if range.reverse {
                range.to = Bound::Excluded(horizon);
            } else {
                range.from = Bound::Excluded(horizon);
            }
        }
    }

    /// Reads up to `limit` rows whose keys begin with `prefix`, those behind `after` only.
    pub async fn scan_prefix(
        &self,
        prefix: &Bytes,
        after: Option<&Bytes>,
        limit: usize,
    ) -> Result<Rows, Fault> {
        let from = match after {
            Some(after) if after > prefix => Bound::Excluded(after.clone()),
            _ => Bound::Included(prefix.clone()),
        };
        let to = keys::after_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded);
        self.scan(Range { from, to, reverse: false }, limit).await
    }

    /// Writes a key.
    pub fn put(&mut self, key: Bytes, value: Bytes) {
        self.staged.insert(key, Some(value));
    }

    /// Writes a row in its binary form.
    pub fn write<T: Serialize>(&mut self, key: Bytes, row: &T) -> Result<(), Fault> {
        self.put(key, Bytes::from(postcard::to_stdvec(row)?));
        Ok(())
    }

    /// Removes a key.
    pub fn delete(&mut self, key: Bytes) {
        self.staged.insert(key, None);
    }

    /// Sends a command to another machine, in this command's own commit: applied exactly once, in
    /// the lane's order, after it is durable.
    pub fn send<C: Serialize>(
        &mut self,
        lane: &str,
        space: Space,
        shard: ShardId,
        command: &C,
    ) -> Result<(), Fault> {
        let payload = postcard::to_stdvec(command)?;
        self.post(lane, Target::Machine { space, shard: shard.0 }, payload)
    }

    /// Leaves an effect to this service's actor: performed at least once, in the lane's order.
    pub fn send_to_actor<P: Serialize>(
        &mut self,
        lane: &str,
        space: Space,
        payload: &P,
    ) -> Result<(), Fault> {
        let payload = postcard::to_stdvec(payload)?;
        self.post(lane, Target::Actor { space }, payload)
    }

    fn post(&mut self, lane: &str, target: Target, payload: Vec<u8>) -> Result<(), Fault> {
        let (key, value) = self.lanes.post(lane, target, &self.trace, payload)?;
        self.put(key, value);
        Ok(())
    }

    /// Runs once this command is durable. It must not block, and is lost in a crash: only for what
    /// is rebuilt at start (snapshots, wake-ups).
    pub fn after_commit(&mut self, action: impl FnOnce() + Send + Sync + 'static) {
        self.after.push(Box::new(action));
    }

    /// Wakes up to `count` of those who wait for a name, once this command is durable.
    pub fn wake(&mut self, name: &str, count: usize) {
        let (signals, name) = (Arc::clone(&self.signals), name.to_owned());
        self.after_commit(move || signals.wake(&name, count));
    }

    /// The command succeeded: its writes join the batch.
    pub(crate) fn keep(&mut self) {
        let staged = std::mem::take(&mut self.staged);
        self.overlay.stage(staged);
        self.staged_after = self.after.len();
        self.lanes.keep();
    }

    /// The command failed: its writes are dropped.
    pub(crate) fn drop_staged(&mut self) {
        self.staged.clear();
        self.after.truncate(self.staged_after);
        self.lanes.drop_staged();
    }

    pub(crate) fn batch_size(&self) -> (usize, usize) {
        self.overlay.batch_size()
    }

    /// Closes the batch: its writes, and what runs once they are durable.
    pub(crate) fn close(&mut self) -> (Batch, Vec<After>) {
        self.staged_after = 0;
        self.lanes.next_batch();
        (self.overlay.close_batch(), std::mem::take(&mut self.after))
    }

    /// What runs at once, when a batch wrote nothing.
    pub(crate) fn take_after(&mut self) -> Vec<After> {
        self.staged_after = 0;
        std::mem::take(&mut self.after)
    }

    pub(crate) fn retire(&mut self) {
        self.overlay.retire();
    }

    /// Forgets everything that is not in the store.
    pub(crate) fn reset(&mut self, store: Arc<dyn Shard>) {
        self.store = store;
        self.overlay.clear();
        self.drop_staged();
        self.after.clear();
        self.staged_after = 0;
        self.lanes = Lanes::new(self.store.last_seq().0 + 1);
    }
}
