//! Functions, run: each test has a runner of its own, and the fixture as the function.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod api;
mod hostile;
mod invoke;
mod languages;
mod network;
mod pool;
mod world;
