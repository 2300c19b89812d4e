//! Amazon CloudWatch Logs: log groups, their streams and events, and filters that pass events on.
//!
//! What the service promises:
//! - An event that was accepted is on disk, and stays there until its group's retention, or whoever deletes
//!   its stream or group, takes it away. Reading gives no expired event, whenever its rows go.
//! - Events are read in the order of their times; of the same time, in the order in which they were put.
//! - What a subscription filter is to have of a put is left to the outbox in the put's own commit.
//! - What functions print and what APIs log is put as their roles, within a second; what is beyond the [`Sink`]'s bound is
//!   dropped, and a line in the stream says so.
//!
//! What holds at any time:
//! - One shard owns a group with all that it has: that of the group's ARN.
//! - Every chunk has a row among its group's, a row among its stream's, and its body. The time between
//!   its first and its last event is at most what the group's stats say.
//! - Rows of a group go by its id: what a deleted group leaves is never another's, and is removed by
//!   commands to oneself, in steps.

mod actor;
mod chunk;
mod commands;
mod keys;
mod model;
mod ops;
mod page;
mod pattern;
mod sink;
mod subscription;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use ropeway_core::{Core, ShardId};
use ropeway_wire::Dispatch;

pub use actor::LogsActor;
pub use commands::LogsMachine;
pub use ops::{Logs, Setup};
pub use sink::Sink;

/// The machines' factory, for `ropeway_core::Builder::machine`.
pub fn machine() -> impl Fn(ShardId) -> LogsMachine + Send + Sync + 'static {
    |_| LogsMachine::default()
}

/// The service, over a running core.
pub fn service(core: Core, setup: Setup) -> Logs {
    Logs::new(core, setup)
}

/// The operations, for the gateway. Made here, so that their code is generated with this crate's, beside other crates'.
pub fn dispatch(service: Arc<Logs>) -> Arc<dyn Dispatch> {
    Arc::new(ropeway_api::logs::LogsDispatch(service))
}
