//! CloudFormation: stacks of resources, described by templates.
//!
//! What it promises:
//! - A stack operation that was acknowledged is carried out to its end, crashes notwithstanding: every
//!   step is committed before its call is made, with the name that the resource will have, and again with what came of it.
//! - What a template asks for and cannot be had (types, properties, sections, functions) is refused before anything is
//!   made, all of it in one message.
//! - A failed creation leaves nothing (unless it is told to), a failed update leaves what was there.
//! - Resources are made by calls of their services as the principal that started the operation, or as its
//!   role: nothing is allowed to a stack that its caller could not do.
//!
//! Invariants:
//! - One shard owns a stack with its resources, events and change sets; one shard owns the exports of an
//!   account and region, so that an export is never removed while it is imported.
//! - A stack has at most one operation; who records for it names it, and one that has been taken over records nothing.
//! - The [machine](commands::Stacks) evaluates no template: [operations](ops) and the [deployer](runner::Deployer) do, outside of the shard's loop.
//! - [`template`] is the language, as pure functions; [`providers`] hold a table and four calls for each type.
//!
//! Not there, and refused by name: stack sets, rollback triggers,
//! drift, registered types.

pub mod commands;
mod error;
pub mod keys;
pub mod model;
mod ops;
mod policy;
pub mod providers;
mod responses;
mod rows;
pub mod runner;
pub mod sam;
pub mod template;
mod transforms;

use std::sync::Arc;

use ropeway_core::{Core, ShardId};
use ropeway_wire::{Dispatch, Services};

pub use commands::Stacks;
pub use keys::StackKey;
pub use ops::{CloudControl, CloudFormation};
pub use responses::{Addresses, Responses};
pub use runner::{Deployer, Surroundings};

/// The machines' factory, for `ropeway_core::Builder::machine`.
pub fn machine() -> impl Fn(ShardId) -> Stacks + Send + Sync + 'static {
    Stacks::new
}

/// The service, over a running core; `services` are for templates that are kept in S3.
pub fn service(core: Core, services: Arc<Services>) -> CloudFormation {
    CloudFormation::new(core, services)
}

/// The operations, for the gateway. Made here, so that their code is generated with this crate's, beside other crates'.
pub fn dispatch(service: Arc<CloudFormation>) -> Arc<dyn Dispatch> {
    Arc::new(ropeway_api::cloudformation::CloudformationDispatch(service))
}

/// As [`dispatch`].
pub fn dispatch_cloud_control(service: Arc<CloudControl>) -> Arc<dyn Dispatch> {
    Arc::new(ropeway_api::cloudcontrol::CloudcontrolDispatch(service))
}

/// Cloud Control, which reads resources as its callers.
pub fn cloud_control(services: &Arc<Services>) -> CloudControl {
    CloudControl::new(Arc::clone(services))
}

/// The actor of `Space::CloudFormation`: calls services as the principals whose operations it carries out,
/// or as the roles that it may assume.
pub fn actor(core: Core, surroundings: Surroundings) -> Deployer {
    Deployer::new(core, surroundings)
}
