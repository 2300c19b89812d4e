//! AWS CloudTrail: the audit log of every AWS API's calls, its history, and trails that deliver it into buckets.
//!
//! What the service promises:
//! - The event of a change that succeeded is on disk **before the change is answered**, but not in the change's own
//!   commit: the event tells what was answered, which is known only afterwards, and belongs to another shard. A crash
//!   between the two leaves a change without an event, of which no caller was told that it happened.
//! - Events of reads, and of calls that failed, are on disk within a second. More than 20,000 of them
//!   in that second are dropped, with a line in the log.
//! - An event that a trail takes stays on disk until the object that holds it is in the trail's bucket. It is delivered
//!   at least once, under a key that is decided in the commit that closes its file.
//! - Data events (S3 objects, invocations) are made only for trails that select them: without such a trail, a call costs one
//!   relaxed atomic load.
//!
//! What holds at any time:
//! - One shard owns an account's trails and history in a region, and the events that wait for delivery there, of trails
//!   of other regions too.
//! - The history has the management events of 90 days, the newest 500,000 in an account and region.
//! - An event is at most 44 KiB long: parameters and response elements that would make it longer are left
//!   out, as AWS does from 100 KB on.
//! - What CloudTrail itself does with a trail's bucket and topic is not recorded, or it would never end.

mod actor;
mod commands;
mod event;
mod keys;
mod model;
mod names;
mod ops;
mod recorder;
mod registry;
mod selectors;

use std::sync::Arc;

use ropeway_core::seal::MasterKey;
use ropeway_core::{Core, ShardId};
use ropeway_wire::{Dispatch, Gate, Services};

pub use actor::CloudTrailActor;
pub use commands::CloudTrailMachine;
pub use ops::CloudTrail;
pub use recorder::Recorder;
pub use registry::Registry;

/// The machines' factory, for `ropeway_core::Builder::machine`; they make their trails known to `registry`.
pub fn machine(registry: Arc<Registry>) -> impl Fn(ShardId) -> CloudTrailMachine + Send + Sync + 'static {
    move |_| CloudTrailMachine::new(Arc::clone(&registry))
}

/// What the service is made of, beside the core.
#[derive(Clone)]
pub struct Setup {
    /// The trails, as the machines know them.
    pub registry: Arc<Registry>,
    /// Puts objects and notifications.
    pub services: Arc<Services>,
    /// Asked whether CloudTrail may.
    pub gate: Arc<dyn Gate>,
    /// Seals the keys that digests are signed with.
    pub master: MasterKey,
}

/// The service, over a running core.
pub fn service(core: Core, setup: Setup) -> CloudTrail {
    CloudTrail::new(core, setup)
}

/// The operations, for the gateway. Made here, so that their code is generated with this crate's, beside other crates'.
pub fn dispatch(service: Arc<CloudTrail>) -> Arc<dyn Dispatch> {
    Arc::new(ropeway_api::cloudtrail::CloudtrailDispatch(service))
}
