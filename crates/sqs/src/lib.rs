//! Amazon SQS: queues, standard and FIFO.
//!
//! # What it promises
//! - A message that was answered for is on disk, and stays until it is deleted, too old, purged, or
//!   moved to another queue, which is one commit here and one delivery there.
//! - Standard queues deliver at least once, in nearly the order of sending; FIFO queues in the order of
//!   each group, and enqueue once per deduplication id within five minutes, restarts included.
//! - Sending, receiving and deleting cost the same with ten messages and with ten million.
//!
//! # How
//! A queue belongs to the shard of its ARN. `ops` turns a request into a command, with all
//! that can be computed outside of the shard's loop (checks, sums, decoding, opening what is sealed);
//! `commands` change the state; `keys` says what is stored; `limits` holds what SQS documents.
//!
//! # Invariants
//! - Rows are the truth. What a queue keeps in memory is a bounded window, rebuilt from rows at first
//!   use: every visible message below its cursor is in the window, later ones are in the store only.
//! - A message's sequence number never comes again in its queue, nor a queue's number in its shard.
//! - A command reads before it writes, and changes what is in memory last, when nothing can fail.
//! - No command and no turn of the timers writes more than a batch of the store holds.

mod address;
mod commands;
mod keys;
mod limits;
mod message;
mod ops;
mod receipt;
mod settings;

use std::sync::Arc;

use ropeway_core::seal::MasterKey;
use ropeway_core::{Core, ShardId};
use ropeway_wire::{Dispatch, Gate};

pub use commands::SqsMachine;

/// What the service and its machines need.
#[derive(Clone)]
pub struct Setup {
    /// Decides who may do what; is told the queues' policies.
    pub gate: Arc<dyn Gate>,
    /// Where the queues' keys come from.
    pub master: MasterKey,
    /// Options.
    pub options: Options,
}

/// Options of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// A deleted queue's name is taken for 60 seconds, as on AWS.
    pub strict_delays: bool,
    /// Messages of a standard queue whose order is held in memory.
    pub standard_window: usize,
    /// Messages of a FIFO queue that are looked through for free groups.
    pub fifo_window: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            strict_delays: true,
            standard_window: limits::STANDARD_WINDOW,
            fifo_window: limits::FIFO_WINDOW,
        }
    }
}

/// Makes the machines of the shards: for `ropeway_core::Builder::machine`.
pub fn machine(setup: Setup) -> impl Fn(ShardId) -> SqsMachine + Send + Sync + 'static {
    move |shard| SqsMachine::new(shard, setup.clone())
}

/// The operations, for the gateway. Made here, so that their code is generated with this crate's, beside other crates'.
pub fn dispatch(service: Arc<SqsService>) -> Arc<dyn Dispatch> {
    Arc::new(ropeway_api::sqs::SqsDispatch(service))
}

/// The operations of SQS.
pub struct SqsService {
    core: Core,
    setup: Setup,
}

impl SqsService {
    /// The service over a core whose shards have the machines of the same setup.
    pub fn new(core: Core, setup: Setup) -> Self {
        SqsService { core, setup }
    }
}
