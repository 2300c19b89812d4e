//! HTTP APIs (API Gateway v2): routes, integrations, authorizers, stages and what serves them.
//!
//! What they share with REST APIs: the machine, the call of functions and endpoints, throttles, access logs.
//!
//! What holds at any time:
//! - A stage serves the snapshot of one deployment. One with auto-deploy gets a new deployment in the commit of every
//!   change; of deployments that were made so, those that no stage serves any more are removed.
//! - WebSocket APIs are refused by name.

mod changes;
mod checks;
mod commands;
mod errors;
mod export;
mod model;
mod openapi;
mod ops;
mod parts;
mod plane;
mod render;

pub use commands::{Command, apply};
pub use model::{Definition, HttpApi};
#[cfg(fuzzing)]
pub use openapi::fuzz_import;
pub use plane::{Issuers, ServedApi};
