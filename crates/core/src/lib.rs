//! The core: clock, ids, shards (apply → commit → act), outbox, timers.

mod time;

pub use time::Time;
