//! Amazon S3: general purpose buckets, encrypted with SSE-S3, under the key `aws/s3` or under customers' keys.
//!
//! What the service promises:
//! - A success answer means that the object is on disk: its body first, then the row that names it.
//! - An object is replaced as a whole: who reads it meanwhile gets the old one or the new one. A long
//!   read of a multipart object that is replaced may end early, with an error.
//! - Bodies stream in constant memory both ways, and are encrypted under a key of their own.
//! - A notification of a change is left in the change's own commit: both are on disk, or neither.
//!
//! Invariants:
//! - All rows of a bucket lie in the shard of `s3/<bucket>`, so that a listing is one scan.
//! - A blob has one row that names it ([`keys`]) in the shard that its id names, written in the same
//!   commit as whatever refers to it, and removed in the commit that hands the blob to the actor.
//! - Work larger than a batch (an upload's parts, an object's manifest) is a job row, advanced in steps.

#[macro_use]
mod macros;

mod acl;
mod bodies;
mod checksum;
mod collect;
mod commands;
mod conditions;
mod configuration;
mod customer;
mod error;
mod front;
mod keys;
mod lifecycle;
mod lock;
mod model;
mod names;
mod notification;
mod ops;
mod policy;
mod vault;
mod website;

use std::sync::Arc;

use ropeway_core::seal::MasterKey;
use ropeway_core::{Core, ShardId, Trace};
use ropeway_store::blobs::BlobStore;
use ropeway_wire::{Cx, Dispatch, Error, Gate, PrincipalKind, Services};

pub use collect::S3Actor;
pub use commands::S3Machine;
use commands::{Command, Output, Target};
pub use configuration::Live;
pub use error::S3Error;
pub use front::S3Front;
pub use front::form;
pub use front::log::AccessLogs;
use vault::Vault;
pub use website::Websites;

/// The service.
pub struct S3Service {
    core: Core,
    live: Live,
    vault: Vault,
    services: Arc<Services>,
    options: Options,
}

/// What the operator chose.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// The server is for development, reached by loopback alone: customers' keys may come without TLS.
    pub dev: bool,
    /// New buckets are as Amazon S3 made them before April 2023: with access control lists, without a block
    /// of public access or of customers' keys.
    pub classic_buckets: bool,
}

/// The machine of a shard, for [`ropeway_core::Builder::machine`]. What is configured for buckets is made known
/// in `live`.
pub fn machine(gate: Arc<dyn Gate>, live: Live) -> impl Fn(ShardId) -> S3Machine + Send + Sync + 'static {
    move |_| S3Machine::new(Arc::clone(&gate), live.clone())
}

/// The operations, for the gateway. Made here, so that their code is generated with this crate's, beside other crates'.
pub fn dispatch(service: Arc<S3Service>) -> Arc<dyn Dispatch> {
    Arc::new(ropeway_api::s3::S3Dispatch(service))
}

impl S3Service {
    /// The service over a core that has its [`machine`]s. Deletions of bodies wait until the core has
    /// started with its [`S3Actor`]. What is configured for buckets is looked up in `live`, where the machines make it
    /// known; destinations of notifications are looked for in `services`.
    pub fn new(
        core: Core,
        live: Live,
        blobs: Arc<BlobStore>,
        master: &MasterKey,
        services: Arc<Services>,
        options: Options,
    ) -> Self {
        let vault = Vault::new(blobs, master, core.ids().clone());
        S3Service { core, live, vault, services, options }
    }

    fn shard(&self, bucket: &str) -> ShardId {
        self.core.shard_of(&format!("s3/{bucket}"))
    }

    async fn submit(&self, cx: &Cx, bucket: &str, command: Command) -> Result<Output, Error> {
        self.submit_to(self.shard(bucket), &cx.trace, command).await
    }

    async fn submit_to(&self, shard: ShardId, trace: &Trace, command: Command) -> Result<Output, Error> {
        self.core.submit::<S3Machine>(shard, trace, command).await.map_err(Error::from)
    }
}

/// The bucket of a request. Calls from within reach a bucket in any region, and so does nobody: without a signature,
/// nothing says for which region a request is.
fn target(cx: &Cx, bucket: &str, owner: Option<&String>) -> Target {
    let says_region = cx.source_ip.is_some() && cx.principal.kind != PrincipalKind::Anonymous;
    Target {
        bucket: bucket.to_owned(),
        owner: owner.cloned(),
        region: says_region.then(|| cx.region.clone()),
    }
}

#[cfg(test)]
mod tests;
