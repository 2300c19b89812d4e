//! The engine on this machine's disk: fjall behind a write-ahead log of one group-committing thread.
//!
//! Batches of all shards wait in one bounded queue. The committer folds whatever waits into one record of
//! the log (`wal`), syncs it, and answers. Nothing is answered before its sync; after a
//! write or sync that failed, nothing is written any more and the process is to end: what happened
//! is settled at the next start. What is durable is then fed to fjall (`feed`), which syncs it now and then, after
//! which the log forgets it; at a start, fjall gets from the log what it lacks. What protects against
//! silence about damage is in the modules `journal` (checked before fjall opens) and `mark` (what is known
//! to be durable).

mod committer;
mod engine;
mod feed;
mod journal;
mod layout;
mod mark;
mod queue;
mod segments;
mod state;
mod wal;
mod watch;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use self::committer::Committer;
use self::engine::{Engine, epoch_key, seq_key};
use self::feed::{Feeder, Item};
use self::queue::{Answer, Request};
use self::state::State;
use self::watch::Watch;
use crate::{
    Batch, BoxFuture, CommitError, Done, Lease, Page, Range, ReadError, Room, Seq, Shard, ShardId, Store,
};

/// Reads of up to this many rows run on the caller's thread, where handing them over would cost
/// more than they do; longer ones go to the runtime's blocking threads.
const INLINE_ROWS: usize = 64;

/// Called once with the reason when nothing more can be written. The process should end then.
pub type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

/// How a store is opened. What is marked so counts only when it is made.
#[derive(Clone)]
pub struct Options {
    /// When made: number of shards, 1 to 65,534.
    pub shards: u16,
    /// When made: the keys that are kept apart from the others.
    pub bulk_keys: BulkKeys,
    /// When made: size of an in-memory table, in bytes. Of each of the two kinds of keys there is
    /// one that fills, and at most four that wait for being written.
    pub memtable_bytes: u64,
    /// Cache of data blocks, in bytes.
    pub cache_bytes: u64,
    /// Most bytes of journal, 64 MiB at least: what an opening has to read.
    pub journal_bytes: u64,
    /// Threads that flush and compact, 1 at least.
    pub workers: usize,
    /// With less free space than this, in bytes, [`Store::room`] is [`Room::DeletesOnly`].
    pub reserve_bytes: u64,
    /// How often the mark of what is durable is renewed: the time whose loss goes unseen if the
    /// disk loses synced data at a journal's end.
    pub mark_every: Duration,
    /// What to do when nothing more can be written.
    pub on_fatal: OnFatal,
    /// Whether commits are synced at all: the crash tests' proof that they would notice.
    #[cfg(feature = "crashtools")]
    pub sync: SyncPolicy,
}

/// A range of keys, the same in every shard, whose rows are kept apart from the others. It is for rows
/// that are many and short-lived, such as messages, so that compacting them leaves the others alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkKeys {
    /// The first key.
    pub begin: Bytes,
    /// The first key behind the range; without it the range has no end.
    pub end: Option<Bytes>,
}

impl BulkKeys {
    fn contains(&self, key: &[u8]) -> bool {
        key >= self.begin.as_ref() && self.end.as_ref().is_none_or(|end| key < end.as_ref())
    }
}

/// Whether commits are synced.
#[cfg(feature = "crashtools")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncPolicy {
    /// Every commit is on disk before it is answered.
    #[default]
    Always,
    /// Never: for showing that the crash tests see it.
    Never,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            shards: 256,
            bulk_keys: BulkKeys { begin: Bytes::from_static(&[0x80]), end: None },
            memtable_bytes: 6 * 1024 * 1024,
            cache_bytes: 6 * 1024 * 1024,
            journal_bytes: 128 * 1024 * 1024,
            workers: 2,
            reserve_bytes: 256 * 1024 * 1024,
            mark_every: Duration::from_secs(1),
            on_fatal: Arc::new(|_| {}),
            #[cfg(feature = "crashtools")]
            sync: SyncPolicy::Always,
        }
    }
}

impl Options {
    #[cfg(feature = "crashtools")]
    fn syncs(&self) -> bool {
        self.sync == SyncPolicy::Always
    }

    #[cfg(not(feature = "crashtools"))]
    fn syncs(&self) -> bool {
        true
    }
}

/// Why a store was not opened. Nothing in it has been changed then, but for what the engine does
/// before [`OpenError::Engine`].
#[derive(Debug)]
pub enum OpenError {
    /// A file or directory cannot be used.
    Io(PathBuf, io::Error),
    /// Another process has it open; the file is the lock.
    InUse(PathBuf),
    /// It was made by a version with another format.
    Format {
        /// The store's.
        found: u32,
        /// The one that this version reads and writes.
        expected: u32,
    },
    /// Files are missing, or don't hold what was written.
    Damaged(String),
    /// The newest commit that can be read is older than one that was durable.
    Lost {
        /// The newest that can be read.
        recovered: u64,
        /// One that was durable.
        durable: u64,
    },
    /// The engine refuses.
    Engine(fjall::Error),
}

impl OpenError {
    fn io(path: &Path, e: io::Error) -> OpenError {
        OpenError::Io(path.to_owned(), e)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Io(path, e) => write!(f, "{}: {e}", path.display()),
            OpenError::InUse(lock) => write!(f, "another process has the store open ({})", lock.display()),
            OpenError::Format { found, expected } => {
                write!(f, "the store has format {found}, and this version reads and writes format {expected}")
            }
            OpenError::Damaged(what) => write!(f, "the store is damaged: {what}"),
            OpenError::Lost { recovered, durable } => write!(
                f,
                "the store has lost acknowledged data: commit {durable} was durable, and the newest found is \
                 {recovered}"
            ),
            OpenError::Engine(e) => write!(f, "the store's engine does not open it: {e}"),
        }
    }
}

impl std::error::Error for OpenError {}

/// A store on this machine's disk. Dropping it finishes what waits and closes it.
pub struct EmbeddedStore {
    state: Arc<State>,
    committer: Mutex<Option<JoinHandle<()>>>,
}

impl EmbeddedStore {
    /// Opens the store in a directory, or makes it there. Blocks: reads up to
    /// [`Options::journal_bytes`] of journal.
    pub fn open(dir: &Path, options: Options) -> Result<EmbeddedStore, OpenError> {
        let layout::Opened { engine, format, mark, wal, commit } = layout::open(dir, &options)?;
        let numbers = |key: fn(u16) -> [u8; 5]| -> Result<Vec<u64>, OpenError> {
            let each = (0..format.shards).map(|shard| engine.number(&key(shard)));
            each.collect::<Result<_, _>>().map_err(|e| OpenError::Damaged(e.0))
        };
        let (epochs, seqs) = (numbers(epoch_key)?, numbers(seq_key)?);
        let engine = Arc::new(engine);
        let state = Arc::new(State::new(engine.clone(), &seqs, commit, &options, dir.to_owned()));
        let io = |e| OpenError::io(dir, e);
        let feeder = Feeder::start(engine.clone(), state.clone()).map_err(io)?;
        let watch =
            Watch::start(state.clone(), wal.segments().clone(), mark, options.mark_every).map_err(io)?;
        let committer = Committer::new(engine, state.clone(), &epochs, &seqs, wal, (feeder, watch));
        let committer = spawn("store-commit", move || committer.run()).map_err(io)?;
        Ok(EmbeddedStore { state, committer: Mutex::new(Some(committer)) })
    }

    async fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, CommitError> {
        let (answer, answered) = oneshot::channel();
        let closed = || self.state.failure().unwrap_or_else(closed);
        self.state.queue.push(request(answer)).map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }
}

impl Store for EmbeddedStore {
    fn shards(&self) -> u16 {
        self.state.shards()
    }

    /// There is one owner, this process; a new epoch fences its own older leases.
    fn acquire(&self, shard: ShardId, _node: &str) -> BoxFuture<'_, Result<Lease, CommitError>> {
        Box::pin(self.ask(move |answer| Request::Acquire(shard, answer)))
    }

    fn renew<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), CommitError>> {
        Box::pin(self.ask(|answer| Request::Renew(lease.clone(), answer)))
    }

    fn release(&self, lease: Lease) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(self.ask(|answer| Request::Release(lease, answer)))
    }

    fn open(&self, lease: Lease) -> BoxFuture<'_, Result<Arc<dyn Shard>, CommitError>> {
        Box::pin(async move {
            let shard = lease.shard;
            let handle = self.ask(|answer| Request::Open(lease, answer)).await?;
            Ok(Arc::new(EmbeddedShard { shard, handle, state: self.state.clone() }) as Arc<dyn Shard>)
        })
    }

    fn room(&self) -> Room {
        self.state.room()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(self.ask(Request::Close))
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.state.queue.close();
        let committer = self.committer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(_)) = committer.map(JoinHandle::join) {
            tracing::error!("the store's committer panicked");
        }
    }
}

struct EmbeddedShard {
    shard: ShardId,
    handle: u64,
    state: Arc<State>,
}

impl EmbeddedShard {
    /// Runs a read here if it is short or there is no runtime to hand it to.
    async fn read<T: Send + 'static>(
        &self,
        rows: usize,
        read: impl FnOnce(&Engine) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let engine = self.state.engine()?;
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if rows > INLINE_ROWS => {
                let read = runtime.spawn_blocking(move || read(&engine)).await;
                read.unwrap_or_else(|e| Err(ReadError(e.to_string())))
            }
            _ => read(&engine),
        }
    }
}

impl Shard for EmbeddedShard {
    fn commit(&self, batch: Batch, done: Done) {
        let request = Request::Commit { shard: self.shard, handle: self.handle, batch: Some(batch), done };
        if let Err(Request::Commit { done, .. }) = self.state.queue.push(request) {
            done(Err(self.state.failure().unwrap_or_else(closed)));
        }
    }

    fn busy(&self) -> bool {
        self.state.queue.busy()
    }

    fn get<'a>(&'a self, keys: &'a [Bytes]) -> BoxFuture<'a, Result<Vec<Option<Bytes>>, ReadError>> {
        let (shard, wanted) = (self.shard, keys.to_vec());
        Box::pin(self.read(keys.len(), move |engine| engine.get(shard, &wanted)))
    }

    fn scan(&self, range: Range, limit: usize) -> BoxFuture<'_, Result<Page, ReadError>> {
        let shard = self.shard;
        Box::pin(self.read(limit, move |engine| engine.scan(shard, &range, limit)))
    }

    fn last_seq(&self) -> Seq {
        self.state.seq(self.shard)
    }

    fn shown_seq(&self) -> Seq {
        self.state.shown(self.shard)
    }

    fn settle(&self) -> BoxFuture<'_, Result<(), ReadError>> {
        Box::pin(async {
            let (answer, answered) = oneshot::channel();
            // Who asked may be gone: then nobody waits for the answer.
            self.state.feed.push(Item::Then(Box::new(move |shown| drop(answer.send(shown)))));
            answered.await.unwrap_or_else(|_| Err(ReadError("the store is closed".into())))
        })
    }
}

fn closed() -> CommitError {
    CommitError::Fatal("the store is closed".into())
}

#[allow(
    clippy::disallowed_methods,
    reason = "the engine's own threads: they sync, which would stop a runtime's"
)]
fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run)
}
