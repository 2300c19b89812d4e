//! The rows of CloudFormation: its part of the key catalogue, in [`Space::CloudFormation`].
//!
//! All rows of a stack lie in the shard of its name, those of an account's exports in the shard of
//! the exports of its region. A row larger than a store's value is cut into parts (see [`crate::rows`]),
//! each under the row's key and its number. Numbers of kinds never change.

use ropeway_core::keys::{KeyBuilder, Scope, Space};
use ropeway_core::{ShardId, Time};
use serde::{Deserialize, Serialize};

/// Kinds of rows: the second byte of each key.
mod kind {
    /// name → the id of the stack that has it now.
    pub const NAME: u8 = 0;
    /// name, id → [`crate::model::Stack`].
    pub const STACK: u8 = 1;
    /// name, id, slot → [`crate::model::Definition`].
    pub const DEFINITION: u8 = 2;
    /// name, id → [`crate::model::Operation`].
    pub const OPERATION: u8 = 3;
    /// name, id, logical id → [`crate::model::Resource`].
    pub const RESOURCE: u8 = 4;
    /// name, id, number → [`crate::model::Event`].
    pub const EVENT: u8 = 5;
    /// name, id, change set's name → [`crate::model::ChangeSet`].
    pub const CHANGE_SET: u8 = 6;
    /// export's name → [`crate::model::Export`].
    pub const EXPORT: u8 = 7;
    /// export's name, importing stack's id → nothing.
    pub const IMPORT: u8 = 8;
    /// moment, account, region, name, id → nothing: when a deleted stack is forgotten.
    pub const EXPIRY: u8 = 9;
    /// name, id, logical id → [`crate::model::Ask`].
    pub const ASK: u8 = 10;
    /// name, id, logical id → [`crate::model::Signals`].
    pub const SIGNALS: u8 = 11;
    /// macro's name → [`crate::model::Macro`]; in the shard of the exports.
    pub const MACRO: u8 = 12;
}

/// Which stack: its account and region, its name, and the random end of its ARN.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StackKey {
    /// Account and region.
    pub scope: Scope,
    /// The name.
    pub name: String,
    /// The random end of the ARN.
    pub id: String,
}

/// Name of the shard that owns the stacks of a name.
pub fn stack_shard(scope: &Scope, name: &str) -> String {
    format!("cloudformation/{}/{}/{name}", scope.account, scope.region)
}

/// Name of the shard that owns the exports of an account and region. No stack's name has a slash.
pub fn exports_shard(scope: &Scope) -> String {
    format!("cloudformation/{}/{}/exports/", scope.account, scope.region)
}

/// The list of stacks of an account and region.
pub fn stacks_list(scope: &Scope) -> String {
    format!("cloudformation/{}/{}/stacks", scope.account, scope.region)
}

/// The list of change sets of an account and region: by the random end of their ARNs.
pub fn change_sets_list(scope: &Scope) -> String {
    format!("cloudformation/{}/{}/change-sets", scope.account, scope.region)
}

/// The stack's entry in the list of stacks: the newest comes first.
pub fn stacks_entry(created: Time, stack: &StackKey) -> String {
    let age = u64::MAX - created.millis().max(0).unsigned_abs();
    format!("{age:016x}/{}/{}", stack.name, stack.id)
}

/// Name and id of the stack of an entry in the list of stacks.
pub fn parse_stacks_entry(entry: &str, scope: &Scope) -> Option<StackKey> {
    let mut parts = entry.splitn(3, '/').skip(1);
    let (name, id) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    Some(StackKey { scope: scope.clone(), name, id })
}

/// The row that says which stack has a name.
pub fn name(scope: &Scope, name: &str) -> KeyBuilder {
    KeyBuilder::new(Space::CloudFormation, kind::NAME, scope).text(name)
}

/// An export's row.
pub fn export(scope: &Scope, name: &str) -> KeyBuilder {
    exports(scope).text(name)
}

/// Every export's row.
pub fn exports(scope: &Scope) -> KeyBuilder {
    KeyBuilder::new(Space::CloudFormation, kind::EXPORT, scope)
}

/// A macro's row.
pub fn transform(scope: &Scope, name: &str) -> KeyBuilder {
    KeyBuilder::new(Space::CloudFormation, kind::MACRO, scope).text(name)
}

/// Every import of an export.
pub fn imports(scope: &Scope, export: &str) -> KeyBuilder {
    all_imports(scope).text(export)
}

/// Every import of an account and region.
pub fn all_imports(scope: &Scope) -> KeyBuilder {
    KeyBuilder::new(Space::CloudFormation, kind::IMPORT, scope)
}

/// Every moment at which a deleted stack is forgotten.
pub fn expiries() -> KeyBuilder {
    KeyBuilder::unscoped(Space::CloudFormation, kind::EXPIRY)
}

/// A row that tells when a deleted stack is forgotten.
pub fn expiry(due: Time, stack: &StackKey) -> KeyBuilder {
    let StackKey { scope, name, id } = stack;
    expiries().time(due).text(&scope.account).text(&scope.region).text(name).text(id)
}

/// The moment and the stack of a row that [`expiry`] names.
pub fn parse_expiry(key: &[u8]) -> Option<(Time, StackKey)> {
    let (due, rest) = key.get(2..)?.split_at_checked(8)?;
    let due = Time(i64::try_from(u64::from_be_bytes(due.try_into().ok()?)).ok()?);
    let mut texts = rest.split(|byte| *byte == 0).map(|text| String::from_utf8(text.to_vec()).ok());
    let scope = Scope::new(texts.next()??, texts.next()??);
    Some((due, StackKey { scope, name: texts.next()??, id: texts.next()?? }))
}

impl StackKey {
    /// The ARN, which is the stack's id on the wire.
    pub fn arn(&self) -> String {
        let Scope { account, region } = &self.scope;
        format!("arn:aws:cloudformation:{region}:{account}:stack/{}/{}", self.name, self.id)
    }

    /// Reads a stack's ARN.
    pub fn parse(arn: &str) -> Option<Self> {
        let mut parts = arn.strip_prefix("arn:aws:cloudformation:")?.splitn(3, ':');
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        let (name, id) = resource.strip_prefix("stack/")?.split_once('/')?;
        let scope = Scope::new(account, region);
        Some(Self { scope, name: name.to_owned(), id: id.to_owned() })
    }

    /// Name of the shard that owns the stack.
    pub fn shard(&self) -> String {
        stack_shard(&self.scope, &self.name)
    }

    /// The shard that owns the stack.
    pub fn shard_in(&self, core: &ropeway_core::Core) -> ShardId {
        core.shard_of(&self.shard())
    }

    fn row(&self, kind: u8) -> KeyBuilder {
        KeyBuilder::new(Space::CloudFormation, kind, &self.scope).text(&self.name).text(&self.id)
    }

    /// The stack's own row.
    pub fn stack(&self) -> KeyBuilder {
        self.row(kind::STACK)
    }

    /// What it is or shall be made of.
    pub fn definition(&self, slot: &str) -> KeyBuilder {
        self.row(kind::DEFINITION).text(slot)
    }

    /// The operation that is under way.
    pub fn operation(&self) -> KeyBuilder {
        self.row(kind::OPERATION)
    }

    /// A resource.
    pub fn resource(&self, logical_id: &str) -> KeyBuilder {
        self.resources().text(logical_id)
    }

    /// Every resource.
    pub fn resources(&self) -> KeyBuilder {
        self.row(kind::RESOURCE)
    }

    /// An event.
    pub fn event(&self, number: u64) -> KeyBuilder {
        self.events().number(number)
    }

    /// Every event.
    pub fn events(&self) -> KeyBuilder {
        self.row(kind::EVENT)
    }

    /// What somebody outside was asked for a resource, and answered.
    pub fn ask(&self, logical_id: &str) -> KeyBuilder {
        self.row(kind::ASK).text(logical_id)
    }

    /// What has been signalled to a wait condition's handle.
    pub fn signals(&self, logical_id: &str) -> KeyBuilder {
        self.row(kind::SIGNALS).text(logical_id)
    }

    /// Name of the wake-up of whoever works on the stack: something that it may wait for has come.
    pub fn wake_up(&self) -> String {
        format!("cloudformation/{}", self.arn())
    }

    /// A change set.
    pub fn change_set(&self, name: &str) -> KeyBuilder {
        self.change_sets().text(name)
    }

    /// Every change set.
    pub fn change_sets(&self) -> KeyBuilder {
        self.row(kind::CHANGE_SET)
    }

    /// Every kind of row that a stack has, for when it is forgotten.
    pub fn everything(&self) -> impl Iterator<Item = KeyBuilder> {
        (kind::STACK..=kind::CHANGE_SET).chain([kind::ASK, kind::SIGNALS]).map(|kind| self.row(kind))
    }
}
