//! Amazon Data Firehose: delivery streams that take records directly and deliver them to S3 or to an HTTP endpoint.
//!
//! What the service promises:
//! - A record that was accepted is on disk, and stays there until the object that holds it is.
//! - It is delivered at least once. The key of an object is decided when its buffer is closed, in the
//!   same commit, so that a delivery that a crash cut short is made again under the same key.
//! - An object's records were accepted in one period of its prefix: a record for which the prefix says
//!   something else (after midnight, say) begins another object. The prefix speaks of the moment at which the
//!   object's first record was accepted.
//! - What processors do with records is done when they are delivered, and again if they are delivered again. A
//!   record that cannot be processed is delivered under the prefix of errors.
//! - With server-side encryption, records are sealed on disk by a key of the stream's own, derived from the
//!   master key; those that came before it was switched on stay as they are until they are delivered.
//! - What an HTTP endpoint doesn't take within the stream's time for retries is an object under the prefix of errors.
//! - With a backup, each record goes two ways, and stays on disk for each until it is there.
//!
//! What holds at any time:
//! - One shard owns a stream with its records: that of the stream's ARN.
//! - Every record row belongs to the stream's open buffer, or to a flush in the outbox, or to rows that
//!   are being removed. Removing goes by a command to oneself, in steps.
//! - A stream's deliveries are made one after the other (its lane), in the order of its records.

mod actor;
mod commands;
mod compression;
mod delimiter;
mod delivery;
mod destination;
mod endpoint;
mod keys;
mod log;
mod model;
mod ops;
#[cfg(not(fuzzing))]
mod prefix;
#[cfg(fuzzing)]
pub mod prefix;
mod process;
mod quota;
mod records;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use ropeway_core::seal::MasterKey;
use ropeway_core::{Core, ShardId};
use ropeway_wire::{Dispatch, Gate, Roles};

pub use actor::FirehoseActor;
pub use commands::FirehoseMachine;
pub use ops::Firehose;
pub use quota::Quota;

/// The machines' factory, for `ropeway_core::Builder::machine`. What other services put is judged by
/// `gate`, as the role that they act as, which `roles` knows; `master` seals records.
pub fn machine(
    gate: Arc<dyn Gate>,
    roles: Arc<dyn Roles>,
    master: MasterKey,
) -> impl Fn(ShardId) -> FirehoseMachine + Send + Sync + 'static {
    move |_| FirehoseMachine::new(Arc::clone(&gate), Arc::clone(&roles), master.clone())
}

/// The service, over a running core; `roles` tells whether it may act as a destination's role, `master` seals access
/// keys of endpoints, `quota` is what streams take of those who put records by themselves.
pub fn service(core: Core, roles: Arc<dyn Roles>, master: MasterKey, quota: Quota) -> Firehose {
    Firehose::new(core, roles, master, quota)
}

/// The operations, for the gateway. Made here, so that their code is generated with this crate's, beside other crates'.
pub fn dispatch(service: Arc<Firehose>) -> Arc<dyn Dispatch> {
    Arc::new(ropeway_api::firehose::FirehoseDispatch(service))
}
