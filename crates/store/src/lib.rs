//! The store: shards of ordered keys, committed atomically and durably.
//!
//! A shard is the unit of atomicity, order, lease and placement. Its owner is its only writer, so
//! an engine needs no more than a fenced, blind, atomic batch and ordered reads.

use std::fmt;
use std::future::Future;
use std::ops::Bound;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

pub mod blobs;
#[cfg(feature = "crashtools")]
pub mod crash;
pub mod embedded;
mod files;
pub mod memory;
mod page;
#[cfg(feature = "suite")]
pub mod suite;

pub use embedded::{EmbeddedStore, OpenError};
pub use files::make_dir;
pub use memory::{MemoryStore, Scanned};

/// A future that a trait object returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A shard's number, below [`Store::shards`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

/// Number of a commit in its shard: contiguous, stored in the same batch as the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(pub u64);

/// Limits that keep every engine open.
pub const MAX_KEY_BYTES: usize = 2048;
/// Largest value; larger ones go in chunks or to the blob store.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;
/// Most operations in a batch.
pub const MAX_BATCH_OPS: usize = 2000;
/// Most bytes of keys and values in a batch.
pub const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Most bytes of keys and values in a page of a scan.
pub const MAX_PAGE_BYTES: usize = 1024 * 1024;

/// One blind write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Sets a key's value.
    Put(Bytes, Bytes),
    /// Removes a key; nothing happens if it isn't there.
    Delete(Bytes),
}

impl Op {
    /// The key that it writes.
    pub fn key(&self) -> &Bytes {
        match self {
            Op::Put(key, _) | Op::Delete(key) => key,
        }
    }
}

/// Writes that become visible and durable together, applied in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The writes.
    pub ops: Vec<Op>,
}

/// Why a commit did not happen, or may not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitError {
    /// Another owner has the shard.
    Fenced,
    /// Nothing was written; may be tried again.
    Retry(String),
    /// It is not known whether it was written: reopen the shard and compare [`Shard::last_seq`].
    Unknown(String),
    /// Nothing more can be written; the process should end.
    Fatal(String),
}

/// Why a read failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError(pub String);

/// Called once the batch is durable, or has failed; on the engine's own thread, so it must not block.
/// Where there is no such thread (the store is closed, or in memory) it is called before
/// [`Shard::commit`] returns.
pub type Done = Box<dyn FnOnce(Result<Seq, CommitError>) + Send>;

/// A range of keys to read.
#[derive(Debug, Clone)]
pub struct Range {
    /// Where it begins.
    pub from: Bound<Bytes>,
    /// Where it ends.
    pub to: Bound<Bytes>,
    /// From the end to the beginning.
    pub reverse: bool,
}

/// Some rows, in key order (or its reverse).
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The rows.
    pub rows: Vec<(Bytes, Bytes)>,
    /// There may be rows behind the last one.
    pub more: bool,
}

/// Whether there is room for more data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Everything may be written.
    Enough,
    /// Free space is below the reserve: only deletes may be written.
    DeletesOnly,
}

/// The right to write a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The shard.
    pub shard: ShardId,
    /// Grows by one whenever a shard changes hands; older owners are fenced.
    pub epoch: u64,
}

/// A set of shards on durable ground.
pub trait Store: Send + Sync {
    /// Number of shards, set when the store was made.
    fn shards(&self) -> u16;
    /// Makes `node` the owner of a shard, for as long as it renews.
    fn acquire(&self, shard: ShardId, node: &str) -> BoxFuture<'_, Result<Lease, CommitError>>;
    /// Keeps a lease.
    fn renew<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), CommitError>>;
    /// Gives a lease back.
    fn release(&self, lease: Lease) -> BoxFuture<'_, Result<(), CommitError>>;
    /// Opens a shard for its owner.
    fn open(&self, lease: Lease) -> BoxFuture<'_, Result<Arc<dyn Shard>, CommitError>>;
    /// Whether there is room for more data.
    fn room(&self) -> Room;
    /// Finishes what is under way, syncs, and closes; later commits fail.
    fn close(&self) -> BoxFuture<'_, Result<(), CommitError>>;
}

/// One open shard.
pub trait Shard: Send + Sync {
    /// Commits a batch after all those of earlier calls. A batch past the limits of this module
    /// fails with [`CommitError::Fatal`] before anything is written.
    ///
    /// Once a batch has failed, so do all later ones of this handle, with the same error: they were
    /// made on top of it. Open the shard again to go on. Opening waits for what earlier handles
    /// have under way, and fences them.
    fn commit(&self, batch: Batch, done: Done);
    /// Whether so much waits for the disk that no new work should be taken on. A caller that goes on
    /// all the same is refused with [`CommitError::Retry`] at twice as much.
    fn busy(&self) -> bool;
    /// Reads keys. Batches after [`Shard::shown_seq`] may or may not show.
    fn get<'a>(&'a self, keys: &'a [Bytes]) -> BoxFuture<'a, Result<Vec<Option<Bytes>>, ReadError>>;
    /// Reads a page of at most `limit` rows and [`MAX_PAGE_BYTES`].
    fn scan(&self, range: Range, limit: usize) -> BoxFuture<'_, Result<Page, ReadError>>;
    /// Number of the newest durable commit.
    fn last_seq(&self) -> Seq;
    /// Number of the newest commit that reads show for sure: [`Shard::last_seq`], or soon the same. On
    /// opening it is the same.
    fn shown_seq(&self) -> Seq;
    /// Waits until reads show everything that is durable now.
    fn settle(&self) -> BoxFuture<'_, Result<(), ReadError>>;
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommitError::Fenced => write!(f, "another owner has the shard"),
            CommitError::Retry(why) => write!(f, "not written: {why}"),
            CommitError::Unknown(why) => write!(f, "not known whether it was written: {why}"),
            CommitError::Fatal(why) => write!(f, "the store has failed: {why}"),
        }
    }
}

impl std::error::Error for CommitError {}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read failed: {}", self.0)
    }
}

impl std::error::Error for ReadError {}
