//! IAM's part of the key catalogue: after space, kind and scope (the account; no region).
//!
//! Names stand in lower case, since IAM holds names apart without regard to case; what belongs to a user,
//! role or group is keyed by its unique id, which a change of name does not touch.

use bytes::Bytes;
use ropeway_core::keys::{KeyBuilder, Scope, Space};

use crate::model::Kind;

const ENTITY: u8 = 0x01;
const INLINE: u8 = 0x02;
const ATTACHED: u8 = 0x03;
const POLICY: u8 = 0x04;
const VERSION: u8 = 0x05;
const NAME_OF: u8 = 0x06;
const GROUPS_OF: u8 = 0x07;
const MEMBERS_OF: u8 = 0x08;
const ACCESS_KEY: u8 = 0x09;
const COUNTS: u8 = 0x0a;
const AWS_POLICY: u8 = 0x0b;

fn key(kind: u8, account: &str) -> KeyBuilder {
    KeyBuilder::new(Space::Iam, kind, &Scope::new(account, ""))
}

/// As names stand in keys.
pub fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// All users, roles or groups, by name.
pub fn entities(account: &str, kind: Kind) -> Bytes {
    key(ENTITY, account).raw(&[kind as u8]).build()
}

/// A user, role or group: [`Entity`](crate::model::Entity).
pub fn entity(account: &str, kind: Kind, name: &str) -> Bytes {
    key(ENTITY, account).raw(&[kind as u8]).text(&fold(name)).build()
}

/// The inline policies of an entity, by name.
pub fn inlines(account: &str, id: &str) -> Bytes {
    key(INLINE, account).text(id).build()
}

/// An inline policy: [`Inline`](crate::model::Inline).
pub fn inline(account: &str, id: &str, name: &str) -> Bytes {
    key(INLINE, account).text(id).text(&fold(name)).build()
}

/// The managed policies attached to an entity, by name.
pub fn attachments(account: &str, id: &str) -> Bytes {
    key(ATTACHED, account).text(id).build()
}

/// A managed policy attached to an entity: its ARN.
pub fn attachment(account: &str, id: &str, policy: &str) -> Bytes {
    key(ATTACHED, account).text(id).text(&fold(policy)).build()
}

/// All managed policies, by name.
pub fn policies(account: &str) -> Bytes {
    key(POLICY, account).build()
}

/// A managed policy: [`ManagedPolicy`](crate::model::ManagedPolicy).
pub fn policy(account: &str, name: &str) -> Bytes {
    key(POLICY, account).text(&fold(name)).build()
}

/// A managed policy of AWS's, with how often the account uses it: [`ManagedPolicy`](crate::model::ManagedPolicy).
pub fn aws_policy(account: &str, name: &str) -> Bytes {
    key(AWS_POLICY, account).text(name).build()
}

/// The versions of a managed policy, by number.
pub fn versions(account: &str, id: &str) -> Bytes {
    key(VERSION, account).text(id).build()
}

/// A version of a managed policy: [`Version`](crate::model::Version).
pub fn version(account: &str, id: &str, number: u32) -> Bytes {
    key(VERSION, account).text(id).number32(number).build()
}

/// The name of the user or group with a unique id.
pub fn name_of(account: &str, id: &str) -> Bytes {
    key(NAME_OF, account).text(id).build()
}

/// The groups of a user, by id.
pub fn groups_of(account: &str, user: &str) -> Bytes {
    key(GROUPS_OF, account).text(user).build()
}

/// A group of a user; no value.
pub fn group_of(account: &str, user: &str, group: &str) -> Bytes {
    key(GROUPS_OF, account).text(user).text(group).build()
}

/// The users of a group, by id.
pub fn members_of(account: &str, group: &str) -> Bytes {
    key(MEMBERS_OF, account).text(group).build()
}

/// A user of a group; no value.
pub fn member_of(account: &str, group: &str, user: &str) -> Bytes {
    key(MEMBERS_OF, account).text(group).text(user).build()
}

/// The access keys of a user or root, by id.
pub fn access_keys(account: &str, owner: &str) -> Bytes {
    key(ACCESS_KEY, account).text(owner).build()
}

/// An access key: [`AccessKey`](crate::model::AccessKey).
pub fn access_key(account: &str, owner: &str, id: &str) -> Bytes {
    key(ACCESS_KEY, account).text(owner).text(id).build()
}

/// How many there are: [`Counts`](crate::model::Counts).
pub fn counts(account: &str) -> Bytes {
    key(COUNTS, account).build()
}

/// The rows of every account in the shard that are read at start: policies, entities, access keys.
pub fn at_start() -> [Bytes; 3] {
    [POLICY, ENTITY, ACCESS_KEY].map(|kind| KeyBuilder::unscoped(Space::Iam, kind).build())
}

/// The text that stands behind a prefix and ends the key.
pub fn text_behind<'k>(prefix: &[u8], key: &'k [u8]) -> Option<&'k str> {
    std::str::from_utf8(key.strip_prefix(prefix)?.strip_suffix(&[0])?).ok()
}
