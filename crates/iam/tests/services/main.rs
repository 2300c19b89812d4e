//! IAM and STS as a whole, over a store in memory.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at what it does not expect")]

mod authorisation;
mod policies;
mod resources;
mod roles;
mod secrets;
mod simulate;
mod users;
mod world;
