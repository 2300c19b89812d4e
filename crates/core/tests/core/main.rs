//! The core as services meet it, over the store in memory: two toy machines, an actor, a frozen clock.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "the toys are tests too")]

mod faults;
mod history;
mod limits;
mod outbox;
mod shard;
mod stop;
mod timers;
mod world;
