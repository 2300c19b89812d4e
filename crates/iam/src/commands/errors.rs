//! IAM's errors, in its words.

use ropeway_api::iam::error;
use ropeway_wire::Error;

use crate::model::Kind;

/// There is no such user, role or group.
pub fn no_entity(kind: Kind, name: &str) -> Error {
    error::no_such_entity_exception(format!("The {} with name {name} cannot be found.", kind.word()))
}

/// There is one of that name.
pub fn entity_exists(kind: Kind, name: &str) -> Error {
    error::entity_already_exists_exception(format!("{} with name {name} already exists.", kind.title()))
}

/// There is no such inline policy.
pub fn no_inline(kind: Kind, name: &str) -> Error {
    error::no_such_entity_exception(format!("The {} policy with name {name} cannot be found.", kind.word()))
}

/// There is no such managed policy.
pub fn no_policy(arn: &str) -> Error {
    error::no_such_entity_exception(format!("Policy {arn} was not found."))
}

/// It is AWS's, which its users cannot change.
pub fn not_own_policy() -> Error {
    Error::new(403, "AccessDenied", "Policy is outside your own account.")
}

/// There is no such managed policy to be attached.
pub fn not_attachable(arn: &str) -> Error {
    error::no_such_entity_exception(format!("Policy {arn} does not exist or is not attachable."))
}

/// There is no such managed policy to be a boundary.
pub fn no_boundary(arn: &str) -> Error {
    error::no_such_entity_exception(format!("Scope ARN: {arn} does not exist or is not attachable."))
}

/// There is no such version.
pub fn no_version(arn: &str, number: u32) -> Error {
    error::no_such_entity_exception(format!(
        "Policy {arn} version v{number} does not exist or is not attachable."
    ))
}

/// There is no such access key.
pub fn no_key(id: &str) -> Error {
    error::no_such_entity_exception(format!("The Access Key with id {id} cannot be found."))
}

/// Something still hangs on it.
pub fn conflict(what: &str) -> Error {
    error::delete_conflict_exception(format!("Cannot delete entity, must {what} first."))
}

/// More than the quota.
pub fn quota(name: &str, limit: impl std::fmt::Display) -> Error {
    error::limit_exceeded_exception(format!("Cannot exceed quota for {name}: {limit}"))
}
