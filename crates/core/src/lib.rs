//! The core: what every service's state stands on.
//!
//! A [`Machine`] is one service's state in one shard. Its commands are applied one after the other
//! by the shard's loop, committed in batches, and answered once durable: apply → commit → act.
//! Effects on other machines and on the outside leave through the [outbox](outbox), written in the
//! commit of their cause. Clock, randomness and ids come from here and nowhere else.

mod clock;
pub mod directory;
mod dispatch;
pub mod effects;
mod fault;
mod flushing;
pub mod functions;
mod homes;
mod host;
mod ids;
pub mod keys;
pub mod log_lines;
mod machine;
mod machines;
pub mod outbox;
mod overlay;
pub mod seal;
mod shard;
mod signals;
pub mod signing;
mod tasks;
#[cfg(test)]
mod tests;
mod time;
mod trail;
mod tx;
mod vouched;

pub use clock::Clock;
pub use fault::Fault;
pub use flushing::flush_what_comes;
pub use host::{Builder, Core};
pub use ids::{Ids, format_uuid};
pub use machine::{Actor, Machine, MachineError, Outcome, Settled};
pub use ropeway_store::{BoxFuture, ShardId};
pub use signals::Signals;
pub use time::Time;
pub use trail::{Hop, Witness};
pub use tx::{MAX_COMMAND_BYTES, MAX_COMMAND_ROWS, Rows, Trace, Tx};
pub use vouched::{Vouched, Voucher};
