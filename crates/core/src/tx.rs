//! A machine's view of its shard while a command is applied.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use ropeway_store::{Batch, MAX_KEY_BYTES, MAX_VALUE_BYTES, Range, Shard};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::keys::{self, Space};
use crate::outbox::{Lanes, Target};
use crate::overlay::{Overlay, Writes, merge};
use crate::{Fault, Ids, ShardId, Signals, Time};

/// Names what a command belongs to: the trace id of the request that caused it, carried on by
/// every effect. The form is that of the X-Ray header's `Root`.
pub type Trace = Arc<str>;

/// Keys that one command, or one turn of a machine's timers, may write: it leaves room in its batch for
/// those before it, and for [`Machine::before_commit`](crate::Machine::before_commit).
pub const MAX_COMMAND_ROWS: usize = 1100;
/// Bytes of keys and values that one command may write.
pub const MAX_COMMAND_BYTES: usize = 2560 * 1024;
/// A batch takes no further command from so many keys on.
const FULL_ROWS: usize = 700;
/// A batch takes no further command from so many bytes on.
const FULL_BYTES: usize = 1024 * 1024;

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
    spoiled: Option<Fault>,
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
        let newest = store.last_seq();
        let lanes = Lanes::new(newest.0 + 1);
        Tx {
            shard,
            shards,
            store,
            overlay: Overlay::new(newest),
            staged: Writes::new(),
            after: Vec::new(),
            staged_after: 0,
            spoiled: None,
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
            Some(after) if after >= prefix => Bound::Excluded(after.clone()),
            _ => Bound::Included(prefix.clone()),
        };
        let to = keys::after_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded);
        self.scan(Range { from, to, reverse: false }, limit).await
    }

    /// Writes a key: at most [`MAX_KEY_BYTES`] and a value of [`MAX_VALUE_BYTES`]. A command that
    /// writes more than that, or more than [`MAX_COMMAND_ROWS`] and [`MAX_COMMAND_BYTES`], fails with
    /// all that is in its batch, and the shard is read again from the store: check before.
    pub fn put(&mut self, key: Bytes, value: Bytes) {
        self.staged.insert(key, Some(value));
    }

    /// Writes a row in its binary form.
    ///
    /// # Errors
    /// [`Fault::Damaged`] for a key or a row that is too large for the store; nothing is written.
    pub fn write<T: Serialize>(&mut self, key: Bytes, row: &T) -> Result<(), Fault> {
        let value = Bytes::from(postcard::to_stdvec(row)?);
        check_row(&key, Some(&value))?;
        self.put(key, value);
        Ok(())
    }

    /// Removes a key.
    pub fn delete(&mut self, key: Bytes) {
        self.staged.insert(key, None);
    }

    /// A number that is greater than every one that this shard gave before, also before a restart.
    ///
    /// # Errors
    /// [`Fault::Overloaded`] if the batch has given too many.
    pub fn sequence(&mut self) -> Result<u64, Fault> {
        self.lanes.sequence()
    }

    /// Sends a command to another machine, in this command's own commit: applied exactly once, in
    /// the lane's order, after it is durable.
    ///
    /// # Errors
    /// [`Fault::Overloaded`] if [`MAX_LANE`](crate::outbox::MAX_LANE) deliveries wait in the lane;
    /// [`Fault::Damaged`] if the command or the lane's name is larger than [`crate::outbox`] allows.
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
    ///
    /// # Errors
    /// As of [`Tx::send`].
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
        for (key, value) in self.lanes.post(lane, target, &self.trace, self.now, payload)? {
            self.put(key, value);
        }
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

    /// The command succeeded: its writes join the batch. If they are more than it may write, the
    /// whole batch is spoiled, since the machine already counts on them.
    pub(crate) fn keep(&mut self) -> Result<(), Fault> {
        if let Err(fault) = self.check_staged() {
            self.drop_staged();
            self.spoiled = Some(fault.clone());
            return Err(fault);
        }
        let staged = std::mem::take(&mut self.staged);
        self.overlay.stage(staged);
        self.staged_after = self.after.len();
        self.lanes.keep();
        Ok(())
    }

    fn check_staged(&self) -> Result<(), Fault> {
        let mut bytes = 0;
        for (key, value) in &self.staged {
            check_row(key, value.as_ref())?;
            bytes += key.len() + value.as_ref().map_or(0, Bytes::len);
        }
        let rows = self.staged.len();
        if rows > MAX_COMMAND_ROWS || bytes > MAX_COMMAND_BYTES {
            return Err(Fault::Damaged(format!("a command writes {rows} rows of {bytes} bytes: too much")));
        }
        Ok(())
    }

    /// Why the batch being made cannot be committed, if it cannot.
    pub(crate) fn spoiled(&self) -> Option<Fault> {
        self.spoiled.clone()
    }

    /// The command failed: its writes are dropped.
    pub(crate) fn drop_staged(&mut self) {
        self.staged.clear();
        self.after.truncate(self.staged_after);
        self.lanes.drop_staged();
    }

    /// The batch should take no further command.
    pub(crate) fn is_full(&self) -> bool {
        let (rows, bytes) = self.overlay.batch_size();
        rows >= FULL_ROWS || bytes >= FULL_BYTES
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

    /// Forgets the writes that the engine shows by now.
    pub(crate) fn retire(&mut self) {
        self.overlay.retire(self.store.shown_seq());
    }

    /// Forgets everything that is not in the store.
    pub(crate) fn reset(&mut self, store: Arc<dyn Shard>) {
        self.store = store;
        self.overlay = Overlay::new(self.store.last_seq());
        self.drop_staged();
        self.after.clear();
        self.staged_after = 0;
        self.spoiled = None;
        self.lanes.reset(self.store.last_seq().0 + 1);
    }
}

fn check_row(key: &Bytes, value: Option<&Bytes>) -> Result<(), Fault> {
    let (key, value) = (key.len(), value.map_or(0, Bytes::len));
    if key > MAX_KEY_BYTES || value > MAX_VALUE_BYTES {
        return Err(Fault::Damaged(format!("a row of {key} + {value} bytes: too large")));
    }
    Ok(())
}
