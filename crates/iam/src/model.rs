//! The rows: users, roles, groups, managed policies, access keys.

use std::collections::BTreeMap;

use ropeway_core::Time;
use serde::{Deserialize, Serialize};

/// What has identity-based policies. The numbers stand in keys and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Kind {
    /// A user.
    User = 1,
    /// A role.
    Role = 2,
    /// A group of users.
    Group = 3,
}

impl Kind {
    /// As in ARNs and messages (`user`).
    pub fn word(self) -> &'static str {
        match self {
            Kind::User => "user",
            Kind::Role => "role",
            Kind::Group => "group",
        }
    }

    /// As at the beginning of messages (`User`).
    pub fn title(self) -> &'static str {
        match self {
            Kind::User => "User",
            Kind::Role => "Role",
            Kind::Group => "Group",
        }
    }

    /// The first letters of unique ids ("IAM identifiers", IAM User Guide).
    pub fn id_prefix(self) -> &'static str {
        match self {
            Kind::User => "AIDA",
            Kind::Role => "AROA",
            Kind::Group => "AGPA",
        }
    }
}

/// Tags, by key.
pub type Tags = BTreeMap<String, String>;

/// A user, role or group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// What it is.
    pub kind: Kind,
    /// Whose.
    pub account: String,
    /// Its name, in the letters it was given.
    pub name: String,
    /// `/`, or `/a/b/`.
    pub path: String,
    /// `AIDA…`, `AROA…`, `AGPA…`.
    pub id: String,
    /// When it was made.
    pub created: Time,
    /// Its tags; groups have none.
    pub tags: Tags,
    /// ARN of its permissions boundary; groups have none.
    pub boundary: Option<String>,
    /// What a role has besides.
    pub role: Option<RoleParts>,
}

/// What a role has besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleParts {
    /// The trust policy.
    pub trust: String,
    /// The description.
    pub description: Option<String>,
    /// Longest session, in seconds.
    pub max_session: i64,
}

impl Entity {
    /// Its ARN.
    pub fn arn(&self) -> String {
        entity_arn(self.kind, &self.account, &self.path, &self.name)
    }
}

/// The ARN of a user, role or group.
pub fn entity_arn(kind: Kind, account: &str, path: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:{}{path}{name}", kind.word())
}

/// A customer-managed policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagedPolicy {
    /// Whose.
    pub account: String,
    /// Its name.
    pub name: String,
    /// `/`, or `/a/b/`.
    pub path: String,
    /// `ANPA…`.
    pub id: String,
    /// When it was made.
    pub created: Time,
    /// When its default version was last chosen.
    pub updated: Time,
    /// The description.
    pub description: Option<String>,
    /// Its tags.
    pub tags: Tags,
    /// Number of the default version.
    pub default: u32,
    /// Number of the next version.
    pub next: u32,
    /// Users, groups and roles that it is attached to.
    pub attachments: u32,
    /// Users and roles whose boundary it is.
    pub boundaries: u32,
}

impl ManagedPolicy {
    /// Its ARN.
    pub fn arn(&self) -> String {
        policy_arn(&self.account, &self.path, &self.name)
    }
}

/// The ARN of a managed policy.
pub fn policy_arn(account: &str, path: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:policy{path}{name}")
}

/// A version of a managed policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The number: `v1` is 1.
    pub number: u32,
    /// The document.
    pub document: String,
    /// When it was made.
    pub created: Time,
    /// It is the one in force.
    pub default: bool,
}

/// An inline policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inline {
    /// Its name.
    pub name: String,
    /// The document.
    pub document: String,
}

/// An access key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    /// Whose.
    pub account: String,
    /// Unique id of the user; the account for its root.
    pub owner: String,
    /// `AKIA…`.
    pub id: String,
    /// The secret, sealed; the context is the key's id.
    pub sealed: Vec<u8>,
    /// It may sign requests.
    pub active: bool,
    /// When it was made.
    pub created: Time,
}

/// Who owns an access key, as the caller names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    /// The account's root.
    Root,
    /// A user, by name.
    User(String),
}

/// How many there are in an account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Users.
    pub users: u32,
    /// Groups.
    pub groups: u32,
    /// Roles.
    pub roles: u32,
    /// Managed policies.
    pub policies: u32,
}

impl Counts {
    /// The count of a kind.
    pub fn of(&mut self, kind: Kind) -> &mut u32 {
        match kind {
            Kind::User => &mut self.users,
            Kind::Role => &mut self.roles,
            Kind::Group => &mut self.groups,
        }
    }
}
