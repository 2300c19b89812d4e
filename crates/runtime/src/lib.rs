//! Runs functions: their packages, processes and sandboxes.

pub mod runtimes;
