//! Stacks over the services themselves: their lives, their failures, their crashes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at what should not be"
)]

mod change_sets;
mod crashes;
mod exports;
mod failures;
mod kinds;
mod lives;
mod transforms;
mod world;
