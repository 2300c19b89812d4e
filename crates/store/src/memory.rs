//! The engine in memory: deterministic, with injected faults, for unit tests and the simulator.
//!
//! Without further instructions a batch is applied, and its `Done` called, before
//! [`Shard::commit`] returns. A test may hold completions back ([`MemoryStore::hold`]), let them
//! happen ([`MemoryStore::sync`]), lose them ([`MemoryStore::crash`]) or make them fail
//! ([`MemoryStore::fail_commit`]).

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::page::PageBuilder;
use crate::{
    Batch, BoxFuture, CommitError, Done, Lease, Op, Page, Range, ReadError, Room, Seq, Shard, ShardId, Store,
};

/// A store in memory. Clones are the same store.
#[derive(Clone)]
pub struct MemoryStore {
    world: Arc<Mutex<World>>,
}

/// What scans have read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scanned {
    /// Number of scans.
    pub scans: usize,
    /// Rows that they gave.
    pub rows: usize,
}

struct World {
    shards: Vec<Rows>,
    /// Batches that were handed over and aren't durable.
    waiting: VecDeque<Waiting>,
    held: bool,
    /// By number of the commit, counted over all shards.
    faults: BTreeMap<u64, Fault>,
    commits: u64,
    scanned: Scanned,
    room: Room,
    busy: bool,
    failed: Option<CommitError>,
}

#[derive(Default)]
struct Rows {
    rows: BTreeMap<Bytes, Bytes>,
    seq: u64,
    epoch: u64,
    handle: u64,
    latch: Option<CommitError>,
}

struct Fault {
    error: CommitError,
    written: bool,
}

struct Waiting {
    shard: ShardId,
    handle: u64,
    batch: Batch,
    done: Done,
}

/// Calls that are to be made once the lock is released, since they may come back for more.
type Calls = Vec<(Done, Result<Seq, CommitError>)>;

impl MemoryStore {
    /// Makes an empty store.
    pub fn new(shards: u16) -> MemoryStore {
        let shards = (0..shards).map(|_| Rows::default()).collect();
        let world = World {
            shards,
            waiting: VecDeque::new(),
            held: false,
            faults: BTreeMap::new(),
            commits: 0,
            scanned: Scanned::default(),
            room: Room::Enough,
            busy: false,
            failed: None,
        };
        MemoryStore { world: Arc::new(Mutex::new(world)) }
    }

    /// Makes the `nth` commit from now on (1 is the next one) fail. `written` tells whether its data
    /// is there all the same, as it may be after [`CommitError::Unknown`] and
    /// [`CommitError::Fatal`]. After `Fatal` the store fails for good, until [`MemoryStore::crash`].
    pub fn fail_commit(&self, nth: u64, error: CommitError, written: bool) {
        let mut world = self.lock();
        let at = world.commits + nth;
        world.faults.insert(at, Fault { error, written });
    }

    /// From now on batches wait for [`MemoryStore::sync`].
    pub fn hold(&self) {
        self.lock().held = true;
    }

    /// Ends [`MemoryStore::hold`], and makes everything that waits durable.
    pub fn resume(&self) {
        self.lock().held = false;
        self.sync(usize::MAX);
    }

    /// Makes the oldest `n` of the waiting batches durable. Says how many there were.
    pub fn sync(&self, n: usize) -> usize {
        let mut synced = 0;
        while synced < n {
            let mut world = self.lock();
            let Some(waiting) = world.waiting.pop_front() else { break };
            let call = world.decide(waiting);
            drop(world);
            run(vec![call]);
            synced += 1;
        }
        synced
    }

    /// Number of batches that wait.
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// What all scans so far have read.
    pub fn scanned(&self) -> Scanned {
        self.lock().scanned
    }

    /// The process ends, and another one finds what was durable: the oldest `keep` of the waiting
    /// batches had reached the disk, the others are lost. Nobody is told. Every lease is void;
    /// faults and holding are over.
    pub fn crash(&self, keep: usize) {
        let mut world = self.lock();
        let waiting: Vec<Waiting> = world.waiting.drain(..).collect();
        world.faults.clear();
        world.failed = None;
        let mut unheard = Vec::new();
        for (at, waiting) in waiting.into_iter().enumerate() {
            unheard.push(if at < keep { world.decide(waiting).0 } else { waiting.done });
        }
        for shard in &mut world.shards {
            shard.epoch += 1;
            shard.handle += 1;
            shard.latch = None;
        }
        world.held = false;
        // Dropping may run code of the owner's, which may come back.
        drop(world);
        drop(unheard);
    }

    /// Sets what [`Store::room`] says.
    pub fn set_room(&self, room: Room) {
        self.lock().room = room;
    }

    /// Sets what [`Shard::busy`] says.
    pub fn set_busy(&self, busy: bool) {
        self.lock().busy = busy;
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    fn shard(&mut self, shard: ShardId) -> Result<&mut Rows, CommitError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let none = || CommitError::Fatal(format!("there is no shard {}", shard.0));
        self.shards.get_mut(usize::from(shard.0)).ok_or_else(none)
    }

    fn owned(&mut self, lease: &Lease) -> Result<&mut Rows, CommitError> {
        let shard = self.shard(lease.shard)?;
        if shard.epoch == lease.epoch { Ok(shard) } else { Err(CommitError::Fenced) }
    }

    /// Writes a batch, or fails it.
    fn decide(&mut self, waiting: Waiting) -> (Done, Result<Seq, CommitError>) {
        let Waiting { shard, handle, batch, done } = waiting;
        let result = self.write(shard, handle, batch);
        (done, result)
    }

    fn write(&mut self, shard: ShardId, handle: u64, batch: Batch) -> Result<Seq, CommitError> {
        let rows = self.shard(shard)?;
        if rows.handle != handle {
            return Err(CommitError::Fenced);
        }
        if let Some(latch) = &rows.latch {
            return Err(latch.clone());
        }
        if let Err(why) = batch.check() {
            let error = CommitError::Fatal(why);
            rows.latch = Some(error.clone());
            return Err(error);
        }
        self.commits += 1;
        let fault = self.faults.remove(&self.commits);
        let rows = self.shard(shard)?;
        if fault.as_ref().is_none_or(|fault| fault.written) {
            rows.apply(batch);
        }
        let Some(fault) = fault else { return Ok(Seq(rows.seq)) };
        rows.latch = Some(fault.error.clone());
        if let CommitError::Fatal(_) = fault.error {
            self.failed = Some(fault.error.clone());
        }
        Err(fault.error)
    }
}

impl Rows {
    fn apply(&mut self, batch: Batch) {
        self.seq += 1;
        for op in batch.ops {
            match op {
                Op::Put(key, value) => self.rows.insert(key, value),
                Op::Delete(key) => self.rows.remove(&key),
            };
        }
    }
}

fn run(calls: Calls) {
    for (done, result) in calls {
        done(result);
    }
}

impl Store for MemoryStore {
    fn shards(&self) -> u16 {
        u16::try_from(self.lock().shards.len()).unwrap_or(u16::MAX)
    }

    fn acquire(&self, shard: ShardId, _node: &str) -> BoxFuture<'_, Result<Lease, CommitError>> {
        Box::pin(async move {
            let mut world = self.lock();
            let rows = world.shard(shard)?;
            rows.epoch += 1;
            rows.handle += 1;
            Ok(Lease { shard, epoch: rows.epoch })
        })
    }

    fn renew<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), CommitError>> {
        Box::pin(async move { self.lock().owned(lease).map(|_| ()) })
    }

    fn release(&self, lease: Lease) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(async move { self.lock().owned(&lease).map(|rows| rows.handle += 1) })
    }

    /// Makes what earlier handles have waiting durable first, held or not: an opening waits for it.
    fn open(&self, lease: Lease) -> BoxFuture<'_, Result<Arc<dyn Shard>, CommitError>> {
        Box::pin(async move {
            self.sync(usize::MAX);
            let mut world = self.lock();
            let rows = world.owned(&lease)?;
            rows.handle += 1;
            rows.latch = None;
            let shard = MemoryShard { shard: lease.shard, handle: rows.handle, store: self.clone() };
            Ok(Arc::new(shard) as Arc<dyn Shard>)
        })
    }

    fn room(&self) -> Room {
        self.lock().room
    }

    fn close(&self) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(async move {
            self.sync(usize::MAX);
            let mut world = self.lock();
            match world.failed.replace(CommitError::Fatal("the store is closed".into())) {
                Some(failed) => Err(failed),
                None => Ok(()),
            }
        })
    }
}

struct MemoryShard {
    shard: ShardId,
    handle: u64,
    store: MemoryStore,
}

impl MemoryShard {
    fn rows<T>(&self, read: impl FnOnce(&Rows) -> T) -> Result<T, ReadError> {
        let mut world = self.store.lock();
        world.shard(self.shard).map(|rows| read(rows)).map_err(|e| ReadError(e.to_string()))
    }
}

impl Shard for MemoryShard {
    fn commit(&self, batch: Batch, done: Done) {
        let mut world = self.store.lock();
        let waiting = Waiting { shard: self.shard, handle: self.handle, batch, done };
        world.waiting.push_back(waiting);
        let held = world.held;
        drop(world);
        if !held {
            self.store.sync(usize::MAX);
        }
    }

    fn busy(&self) -> bool {
        self.store.lock().busy
    }

    fn get<'a>(&'a self, keys: &'a [Bytes]) -> BoxFuture<'a, Result<Vec<Option<Bytes>>, ReadError>> {
        let read = |rows: &Rows| keys.iter().map(|key| rows.rows.get(key).cloned()).collect();
        Box::pin(std::future::ready(self.rows(read)))
    }

    fn scan(&self, range: Range, limit: usize) -> BoxFuture<'_, Result<Page, ReadError>> {
        let read = |rows: &Rows| {
            let mut page = PageBuilder::new(limit);
            if range.is_empty() {
                return page.finish();
            }
            let found = rows.rows.range::<Bytes, _>((range.from, range.to));
            let mut add = |(key, value): (&Bytes, &Bytes)| page.push(key.clone(), value.clone());
            let _all = match range.reverse {
                false => found.into_iter().all(&mut add),
                true => found.rev().all(&mut add),
            };
            page.finish()
        };
        let page = self.rows(read);
        if let Ok(page) = &page {
            let mut world = self.store.lock();
            world.scanned.scans += 1;
            world.scanned.rows += page.rows.len();
        }
        Box::pin(std::future::ready(page))
    }

    fn last_seq(&self) -> Seq {
        Seq(self.rows(|rows| rows.seq).unwrap_or_default())
    }

    fn shown_seq(&self) -> Seq {
        self.last_seq()
    }

    fn settle(&self) -> BoxFuture<'_, Result<(), ReadError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
