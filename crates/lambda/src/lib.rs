//! AWS Lambda: functions, their versions, aliases and layers; who may invoke them, and how often at once;
//! events that come asynchronously, by queues and by URL.
//!
//! What the service promises:
//! - An asynchronous event that was accepted (202) is on disk until it was handled, or until what became
//!   of it is at its destination. It is handled at least once.
//! - A message of a queue is deleted only once the function has handled it.
//!
//! What holds at any time:
//! - One shard owns a function with its versions, aliases, policies, events and mappings: that of its ARN
//!   without a qualifier.
//! - Every package that a row names is in the blob store; one that no row names is collected.
//! - How many invocations run is counted in memory; every invocation passes [`concurrency`].
//! - What runs code stands behind [`ropeway_core::functions::Functions`]; this crate starts no process.

mod actor;
mod collect;
mod commands;
mod concurrency;
mod engine;
mod errors;
mod host;
mod keys;
mod limits;
mod model;
mod ops;
mod pattern;
mod poller;
mod record;
#[cfg(test)]
mod tests;
mod urls;
mod vault;

use std::sync::Arc;

use ropeway_core::functions::Functions;
use ropeway_core::seal::MasterKey;
use ropeway_core::{Core, ShardId};
use ropeway_store::blobs::BlobStore;
use ropeway_wire::{Dispatch, Gate, Roles, Services};

pub use actor::LambdaActor;
pub use commands::LambdaMachine;
pub use concurrency::Concurrency;
pub use host::LambdaHost;
pub use ops::Lambda;
pub use urls::FunctionUrls;

/// What functions' host names are given as: the principal of trust policies.
pub const PRINCIPAL: &str = "lambda.amazonaws.com";

/// The machines' factory, for `ropeway_core::Builder::machine`. `concurrency` is the one that the service
/// counts with.
pub fn machine(
    gate: Arc<dyn Gate>,
    master: MasterKey,
    concurrency: Concurrency,
) -> impl Fn(ShardId) -> LambdaMachine + Send + Sync + 'static {
    move |_| LambdaMachine::new(Arc::clone(&gate), master.clone(), concurrency.clone())
}

/// The operations, for the gateway. Made here, so that their code is generated with this crate's, beside other crates'.
pub fn dispatch(service: Arc<Lambda>) -> Arc<dyn Dispatch> {
    Arc::new(ropeway_api::lambda::LambdaDispatch(service))
}

/// What the service is made of.
#[derive(Clone)]
pub struct Parts {
    /// The running core.
    pub core: Core,
    /// Keeps packages.
    pub blobs: Arc<BlobStore>,
    /// Seals packages, variables and events.
    pub master: MasterKey,
    /// Counts what runs: the machines' own.
    pub concurrency: Concurrency,
    /// Decides what is allowed.
    pub gate: Arc<dyn Gate>,
    /// Hands out roles.
    pub roles: Arc<dyn Roles>,
    /// Every service: packages in buckets, queues, destinations.
    pub services: Arc<Services>,
    /// Runs functions.
    pub functions: Arc<dyn Functions>,
}
