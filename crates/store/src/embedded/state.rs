//! What the committer, the watch, the store and its shards share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::OnFatal;
use super::engine::Engine;
use super::feed::Feed;
use super::queue::Queue;
use crate::{CommitError, ReadError, Room, Seq, ShardId};

/// Shared state of an open store.
pub(super) struct State {
    pub(super) queue: Queue,
    pub(super) feed: Feed,
    /// Newest durable commit of each shard.
    seqs: Vec<AtomicU64>,
    /// Newest commit of each shard that reads show.
    shown: Vec<AtomicU64>,
    /// Newest durable commit over all shards.
    commit: AtomicU64,
    /// Newest commit that the engine has.
    fed: AtomicU64,
    low: AtomicBool,
    failure: OnceLock<String>,
    on_fatal: OnFatal,
    /// Gone once closed, so that the directory can be opened again.
    engine: RwLock<Option<Arc<Engine>>>,
    dir: PathBuf,
    reserve_bytes: u64,
}

impl State {
    pub(super) fn new(
        engine: Arc<Engine>,
        seqs: &[u64],
        commit: u64,
        options: &super::Options,
        dir: PathBuf,
    ) -> State {
        State {
            queue: Queue::default(),
            feed: Feed::default(),
            shown: seqs.iter().copied().map(AtomicU64::new).collect(),
            fed: AtomicU64::new(commit),
            seqs: seqs.iter().copied().map(AtomicU64::new).collect(),
            commit: AtomicU64::new(commit),
            low: AtomicBool::new(false),
            failure: OnceLock::new(),
            on_fatal: options.on_fatal.clone(),
            engine: RwLock::new(Some(engine)),
            dir,
            reserve_bytes: options.reserve_bytes,
        }
    }

    pub(super) fn shards(&self) -> u16 {
        u16::try_from(self.seqs.len()).unwrap_or(u16::MAX)
    }

    pub(super) fn seq(&self, shard: ShardId) -> Seq {
        Seq(self.seqs.get(usize::from(shard.0)).map_or(0, |seq| seq.load(Ordering::Acquire)))
    }

    pub(super) fn set_seq(&self, shard: ShardId, seq: u64) {
        if let Some(of_shard) = self.seqs.get(usize::from(shard.0)) {
            of_shard.store(seq, Ordering::Release);
        }
    }

    pub(super) fn shown(&self, shard: ShardId) -> Seq {
        Seq(self.shown.get(usize::from(shard.0)).map_or(0, |seq| seq.load(Ordering::Acquire)))
    }

    pub(super) fn set_shown(&self, shard: ShardId, seq: u64) {
        if let Some(of_shard) = self.shown.get(usize::from(shard.0)) {
            of_shard.store(seq, Ordering::Release);
        }
    }

    pub(super) fn fed(&self) -> u64 {
        self.fed.load(Ordering::Acquire)
    }

    pub(super) fn set_fed(&self, commit: u64) {
        self.fed.store(commit, Ordering::Release);
    }

    pub(super) fn commit(&self) -> u64 {
        self.commit.load(Ordering::Acquire)
    }

    pub(super) fn set_commit(&self, commit: u64) {
        self.commit.store(commit, Ordering::Release);
    }

    pub(super) fn engine(&self) -> Result<Arc<Engine>, ReadError> {
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        engine.clone().ok_or_else(|| ReadError("the store is closed".into()))
    }

    pub(super) fn drop_engine(&self) {
        self.engine.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    pub(super) fn room(&self) -> Room {
        match self.low.load(Ordering::Relaxed) {
            false => Room::Enough,
            true => Room::DeletesOnly,
        }
    }

    /// Looks how much space is free. A failure to look is not a lack of room: the write will tell.
    pub(super) fn look_for_room(&self) {
        match rustix::fs::statvfs(&self.dir) {
            Ok(fs) => {
                let low = fs.f_bavail.saturating_mul(fs.f_frsize) < self.reserve_bytes;
                if self.low.swap(low, Ordering::Relaxed) != low {
                    tracing::warn!(dir = %self.dir.display(), low, reserve = self.reserve_bytes, "free space");
                }
            }
            Err(e) => tracing::warn!(dir = %self.dir.display(), "free space is unknown: {e}"),
        }
    }

    /// Why the store has failed, if it has.
    pub(super) fn failure(&self) -> Option<CommitError> {
        self.failure.get().cloned().map(CommitError::Fatal)
    }

    /// Notes that nothing more can be written.
    pub(super) fn fail(&self, why: &str) {
        if self.failure.set(why.to_owned()).is_ok() {
            tracing::error!("the store has failed: {why}");
            (self.on_fatal)(why);
        }
    }
}
