//! IAM and STS: who callers are, and what they may do.
//!
//! What it promises:
//! - A change of a user, role, group, policy or access key is in force when its answer comes: the snapshots
//!   that [`Access`] decides by are swapped in the change's own commit, before the caller is told.
//! - Deciding ([`ropeway_wire::Gate`]) and looking keys up ([`ropeway_wire::Credentials`]) wait for nothing
//!   and take no lock.
//! - Secret access keys are stored sealed, and leave once, when they are made.
//! - Temporary credentials are the session itself, sealed into the session token: no row, no commit, valid
//!   across a restart, void with the role they came from.
//!
//! Invariants: an account's IAM lives in one shard ([`shard_name`]); rows refer to users, roles and groups
//! by their unique ids, so that a new one under an old name inherits nothing; a policy that can no longer be
//! read denies everything.
//!
//! Left out, and refused by name: AWS-managed policies beyond a list (`NoSuchEntity`), session tags, source identities, MFA,
//! federation, instance profiles, login profiles and service-linked roles.

mod access;
mod aws_managed;
mod commands;
mod keys;
pub mod limits;
mod model;
mod ops;
pub mod policy;
mod root;

use std::sync::Arc;

use ropeway_wire::Dispatch;

pub use access::{Access, Explained, Question};
pub use commands::IamMachine;
pub use ops::{IamService, StsService};
pub use root::{RootCredentials, ensure_root};

/// The name whose shard holds an account's IAM.
pub fn shard_name(account: &str) -> String {
    format!("iam/{account}")
}

/// The operations, for the gateway. Made here, so that their code is generated with this crate's, beside other crates'.
pub fn dispatch(service: Arc<IamService>) -> Arc<dyn Dispatch> {
    Arc::new(ropeway_api::iam::IamDispatch(service))
}

/// As [`dispatch`].
pub fn dispatch_sts(service: Arc<StsService>) -> Arc<dyn Dispatch> {
    Arc::new(ropeway_api::sts::StsDispatch(service))
}
