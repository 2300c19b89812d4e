//! State changes and reads of an account's IAM, as functions of its rows.

mod attachments;
mod entities;
pub(crate) mod errors;
mod inline;
mod keys;
mod members;
mod policies;
mod publish;
mod tags;

use std::sync::Arc;

use bytes::Bytes;
use ropeway_core::keys::Space;
use ropeway_core::{Fault, Machine, Tx};
use ropeway_wire::Error;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Access;
use crate::model::{AccessKey, Entity, Inline, Kind, ManagedPolicy, Owner, RoleParts, Tags, Version};

pub(crate) use inline::size;

/// IAM's state in one shard: the accounts that belong to it.
pub struct IamMachine {
    access: Arc<Access>,
}

/// A change of one account's IAM, or a look at it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Command {
    /// The account.
    pub account: String,
    /// What to do.
    pub what: What,
}

/// Where a page begins and how long it may be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Page {
    /// Behind this name, as it stands in the key.
    pub after: Option<String>,
    /// At most so many.
    pub limit: u32,
}

/// A user, role or group, by name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Name(pub Kind, pub String);

/// What can be done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum What {
    /// Makes a user, role or group.
    Create { name: Name, path: String, tags: Tags, boundary: Option<String>, role: Option<RoleParts> },
    /// Reads one.
    Get { name: Name },
    /// Lists them.
    List { kind: Kind, prefix: String, page: Page },
    /// Gives a user or group another name or path.
    Rename { name: Name, to: Option<String>, path: Option<String> },
    /// Removes one that nothing hangs on.
    Delete { name: Name },
    /// Changes a role.
    UpdateRole { name: String, description: Option<String>, max_session: Option<i64>, trust: Option<String> },
    /// Sets or removes a permissions boundary.
    SetBoundary { name: Name, boundary: Option<String> },
    /// Changes the tags of a user or role.
    Tag { name: Name, add: Tags, remove: Vec<String> },
    /// Sets an inline policy.
    PutInline { name: Name, policy: Inline },
    /// Reads an inline policy.
    GetInline { name: Name, policy: String },
    /// Lists inline policies.
    ListInline { name: Name, page: Page },
    /// Removes an inline policy.
    DeleteInline { name: Name, policy: String },
    /// Attaches a managed policy.
    Attach { name: Name, arn: String },
    /// Detaches a managed policy.
    Detach { name: Name, arn: String },
    /// Lists attached managed policies.
    ListAttached { name: Name, prefix: String, page: Page },
    /// Makes a managed policy.
    CreatePolicy { name: String, path: String, document: String, description: Option<String>, tags: Tags },
    /// Reads a managed policy.
    GetPolicy { arn: String },
    /// Lists managed policies.
    ListPolicies { filter: PolicyFilter, page: Page },
    /// Removes a managed policy that is attached nowhere.
    DeletePolicy { arn: String },
    /// Makes a version.
    CreateVersion { arn: String, document: String, default: bool },
    /// Reads a version.
    GetVersion { arn: String, number: u32 },
    /// Lists versions, the newest first.
    ListVersions { arn: String, page: Page },
    /// Chooses the version in force.
    SetDefault { arn: String, number: u32 },
    /// Removes a version that is not in force.
    DeleteVersion { arn: String, number: u32 },
    /// Changes the tags of a managed policy.
    TagPolicy { arn: String, add: Tags, remove: Vec<String> },
    /// Puts a user into a group.
    AddMember { group: String, user: String },
    /// Takes a user out of a group.
    RemoveMember { group: String, user: String },
    /// Reads a group and lists its users.
    ListMembers { group: String, page: Page },
    /// Lists the groups of a user.
    ListGroupsOf { user: String, page: Page },
    /// Makes an access key.
    AddKey { owner: Owner, id: String, sealed: Vec<u8> },
    /// Lists access keys.
    ListKeys { owner: Owner, page: Page },
    /// Switches an access key on or off.
    SetKey { owner: Owner, id: String, active: bool },
    /// Removes an access key.
    DeleteKey { owner: Owner, id: String },
    /// Makes the root's access key, unless it has one.
    EnsureRootKey { id: String, sealed: Vec<u8> },
}

/// Which managed policies to list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PolicyFilter {
    /// Those of the account.
    pub own: bool,
    /// Those of AWS.
    pub aws: bool,
    /// Path prefix.
    pub prefix: String,
    /// Only those that are attached to something.
    pub attached: bool,
    /// Only those that are used as a boundary (`true`) or as permissions (`false`).
    pub boundaries: Option<bool>,
}

/// A page of things.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    /// The things.
    pub items: Vec<T>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// What a command answers.
#[derive(Debug)]
pub enum Output {
    /// Nothing.
    Done,
    /// A user, role or group.
    Entity(Box<Entity>),
    /// Users, roles or groups.
    Entities(Listed<Entity>),
    /// A group and its users.
    Members(Box<Entity>, Listed<Entity>),
    /// An inline policy, and whose: in the letters that they were given.
    Inline(Inline, String),
    /// Names of inline policies.
    Names(Listed<String>),
    /// Names and ARNs of attached policies.
    Attached(Listed<(String, String)>),
    /// A managed policy.
    Policy(Box<ManagedPolicy>),
    /// Managed policies.
    Policies(Listed<ManagedPolicy>),
    /// A version.
    Version(Version),
    /// Versions.
    Versions(Listed<Version>),
    /// Access keys, and the name of their user (empty for root).
    Keys(Listed<AccessKey>, String),
}

/// Rows read at once where all of them are wanted.
const SCAN: usize = 500;

impl IamMachine {
    pub(crate) fn new(access: Arc<Access>) -> Self {
        IamMachine { access }
    }
}

impl Machine for IamMachine {
    type Command = Command;
    type Output = Output;
    type Error = Error;
    const SPACE: Space = Space::Iam;

    async fn load(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        self.load_all(tx).await
    }

    async fn apply(&mut self, tx: &mut Tx, command: Command) -> Result<Output, Error> {
        let mut account = Account { access: &self.access, tx, account: command.account };
        account.apply(command.what).await
    }

    fn grows(command: &Command) -> bool {
        use What::*;
        match command.what {
            Create { .. } | Rename { .. } | UpdateRole { .. } | SetBoundary { .. } | Tag { .. } => true,
            PutInline { .. } | Attach { .. } | AddMember { .. } => true,
            CreatePolicy { .. } | CreateVersion { .. } | SetDefault { .. } | TagPolicy { .. } => true,
            AddKey { .. } | SetKey { .. } | EnsureRootKey { .. } => true,
            Delete { .. } | DeleteInline { .. } | Detach { .. } | RemoveMember { .. } => false,
            DeletePolicy { .. } | DeleteVersion { .. } | DeleteKey { .. } => false,
            Get { .. } | List { .. } | GetInline { .. } | ListInline { .. } | ListAttached { .. } => false,
            GetPolicy { .. } | ListPolicies { .. } | GetVersion { .. } | ListVersions { .. } => false,
            ListMembers { .. } | ListGroupsOf { .. } | ListKeys { .. } => false,
        }
    }
}

/// One account, while a command is applied to it.
struct Account<'a> {
    access: &'a Arc<Access>,
    tx: &'a mut Tx,
    account: String,
}

type Answer = Result<Output, Error>;

impl Account<'_> {
    async fn apply(&mut self, what: What) -> Answer {
        use What::*;
        match what {
            Create { name, path, tags, boundary, role } => {
                self.create(name, path, tags, boundary, role).await
            }
            Get { name } => Ok(Output::Entity(Box::new(self.entity(&name).await?))),
            List { kind, prefix, page } => self.list(kind, &prefix, page).await,
            Rename { name, to, path } => self.rename(name, to, path).await,
            Delete { name } => self.delete(name).await,
            UpdateRole { name, description, max_session, trust } => {
                self.update_role(name, description, max_session, trust).await
            }
            SetBoundary { name, boundary } => self.set_boundary(name, boundary).await,
            Tag { name, add, remove } => self.tag(name, add, remove).await,
            PutInline { name, policy } => self.put_inline(name, policy).await,
            GetInline { name, policy } => self.get_inline(name, &policy).await,
            ListInline { name, page } => self.list_inline(name, page).await,
            DeleteInline { name, policy } => self.delete_inline(name, &policy).await,
            Attach { name, arn } => self.attach(name, &arn).await,
            Detach { name, arn } => self.detach(name, &arn).await,
            ListAttached { name, prefix, page } => self.list_attached(name, &prefix, page).await,
            other => self.apply_other(other).await,
        }
    }

    async fn apply_other(&mut self, what: What) -> Answer {
        use What::*;
        match what {
            CreatePolicy { name, path, document, description, tags } => {
                self.create_policy(name, path, document, description, tags).await
            }
            GetPolicy { arn } => Ok(Output::Policy(Box::new(self.policy(&arn).await?))),
            ListPolicies { filter, page } => self.list_policies(&filter, page).await,
            DeletePolicy { arn } => self.delete_policy(&arn).await,
            CreateVersion { arn, document, default } => self.create_version(&arn, document, default).await,
            GetVersion { arn, number } => self.get_version(&arn, number).await,
            ListVersions { arn, page } => self.list_versions(&arn, page).await,
            SetDefault { arn, number } => self.set_default(&arn, number).await,
            DeleteVersion { arn, number } => self.delete_version(&arn, number).await,
            TagPolicy { arn, add, remove } => self.tag_policy(&arn, add, remove).await,
            AddMember { group, user } => self.add_member(group, user).await,
            RemoveMember { group, user } => self.remove_member(group, user).await,
            ListMembers { group, page } => self.list_members(group, page).await,
            ListGroupsOf { user, page } => self.list_groups_of(user, page).await,
            AddKey { owner, id, sealed } => self.add_key(owner, id, sealed).await,
            ListKeys { owner, page } => self.list_keys(owner, page).await,
            SetKey { owner, id, active } => self.set_key(owner, &id, active).await,
            DeleteKey { owner, id } => self.delete_key(owner, &id).await,
            EnsureRootKey { id, sealed } => self.ensure_root_key(id, sealed).await,
            _ => Err(Error::internal("a command that is applied nowhere")),
        }
    }

    /// Every row of a prefix, read in steps.
    async fn all<T: DeserializeOwned>(&self, prefix: &Bytes) -> Result<Vec<T>, Fault> {
        all(self.tx, prefix).await
    }

    /// A page of the rows of a prefix that `wanted` takes. Keys end in the text that pages go by.
    async fn page<T: DeserializeOwned>(
        &self,
        prefix: &Bytes,
        page: &Page,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<Listed<T>, Fault> {
        let mut after = page.after.as_ref().map(|name| [prefix, name.as_bytes(), &[0]].concat().into());
        let limit = page.limit as usize;
        let mut out = Listed { items: Vec::new(), next: None };
        loop {
            let rows = self.tx.scan_prefix(prefix, after.as_ref(), limit + 1).await?;
            for (key, value) in &rows.rows {
                let item: T = postcard::from_bytes(value)?;
                if !wanted(&item) {
                    continue;
                }
                if out.items.len() == limit {
                    // The page goes on behind the last one taken.
                    return Ok(out);
                }
                out.items.push(item);
                out.next = crate::keys::text_behind(prefix, key).map(str::to_owned);
            }
            after = rows.rows.last().map(|(key, _)| key.clone());
            if !rows.more || after.is_none() {
                out.next = None;
                return Ok(out);
            }
        }
    }

    /// A new unique id.
    fn unique_id(&self, prefix: &str) -> String {
        unique_id(self.tx.ids(), prefix, UNIQUE_ID)
    }
}

/// Letters of unique ids and access key ids: base 32.
const ID_LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Characters of a unique id (`AIDACKCEVSQ6C2EXAMPLE`).
const UNIQUE_ID: usize = 21;

/// A random id that begins so and has so many characters.
pub(crate) fn unique_id(ids: &ropeway_core::Ids, prefix: &str, length: usize) -> String {
    format!("{prefix}{}", ids.text(ID_LETTERS, length.saturating_sub(prefix.len())))
}

/// Every row of a prefix, read in steps.
async fn all<T: DeserializeOwned>(tx: &Tx, prefix: &Bytes) -> Result<Vec<T>, Fault> {
    let mut out = Vec::new();
    let mut after: Option<Bytes> = None;
    loop {
        let rows = tx.scan_prefix(prefix, after.as_ref(), SCAN).await?;
        for (_, value) in &rows.rows {
            out.push(postcard::from_bytes(value)?);
        }
        after = rows.rows.last().map(|(key, _)| key.clone());
        if !rows.more || after.is_none() {
            return Ok(out);
        }
    }
}
