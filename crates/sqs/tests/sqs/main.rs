//! SQS over a core in memory, with a clock that moves only when told to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod attributes;
mod basics;
mod crash;
mod dead_letter;
mod deliver;
mod fifo;
mod model;
mod moves;
mod storage;
mod timers;
mod wire;
mod world;
