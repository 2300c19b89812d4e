//! What the rows hold. The binary form is postcard: fields are only ever added at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ropeway_core::Time;
use ropeway_wire::{Principal, PrincipalKind, Session};
use serde::{Deserialize, Deserializer, Serialize};

use crate::keys::StackKey;
use crate::template::{Awaited, DeletionPolicy, ParameterValues};

/// The slot of what a stack is made of.
pub const DEPLOYED: &str = "deployed";
/// The slot of what the operation under way makes of it.
pub const PLANNED: &str = "planned";

/// The slot of what a stack was made of before an update that its parent has not yet confirmed.
pub const HELD: &str = "held";

/// What the actor's work names as its operation: the making of a change set's nested ones.
pub const NESTING: &str = "change-set/";

/// Name of a change set's slot.
pub fn change_set_slot(id: &str) -> String {
    format!("change-set/{id}")
}

/// A stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    /// Which.
    pub key: StackKey,
    /// Its status (`CREATE_COMPLETE`).
    pub status: String,
    /// Why it has this status.
    pub reason: Option<String>,
    /// When it was made.
    pub created: Time,
    /// When it was last updated.
    pub updated: Option<Time>,
    /// When it was deleted.
    pub deleted: Option<Time>,
    /// Whether a failed creation or update stays as it is.
    pub disable_rollback: bool,
    /// Minutes that its creation may take.
    pub timeout_minutes: Option<i64>,
    /// Whether deletion is refused.
    pub protected: bool,
    /// The role that its operations act as, unless they name another.
    pub role_arn: Option<String>,
    /// The change set that was executed last.
    pub change_set: Option<String>,
    /// The client's token of the last operation, and which kind it was.
    pub token: Option<(String, OperationKind)>,
    /// How many events it has had.
    pub events: u64,
    /// The stack of which it is a part. (Rows from before there were any end here.)
    #[serde(deserialize_with = "or_default")]
    pub parent: Option<StackKey>,
    /// The outermost stack of which it is a part.
    #[serde(deserialize_with = "or_default")]
    pub root: Option<StackKey>,
    /// How many stacks it lies in.
    #[serde(deserialize_with = "or_default")]
    pub depth: u32,
    /// Its stack policy.
    #[serde(deserialize_with = "or_default")]
    pub policy: Option<String>,
    /// Who is told of its events.
    #[serde(deserialize_with = "or_default")]
    pub told: Told,
}

/// Who is told of a stack's events.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// ARNs of topics.
    pub topics: Vec<String>,
    /// The address that links in messages begin with.
    pub endpoint: String,
}

/// A parameter's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParameterValue {
    /// The name.
    pub key: String,
    /// The value.
    pub value: String,
    /// Whether it is shown as asterisks.
    pub no_echo: bool,
}

/// What a stack is made of, and what came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// The template's text, after its transforms; empty if they failed.
    pub template: String,
    /// The template's description.
    pub description: Option<String>,
    /// Every parameter, defaults included.
    pub parameters: Vec<ParameterValue>,
    /// The stack's tags.
    pub tags: Vec<(String, String)>,
    /// What the caller has acknowledged.
    pub capabilities: Vec<String>,
    /// The outputs.
    pub outputs: Vec<Output>,
    /// The exports of other stacks that it imports.
    pub imports: BTreeSet<String>,
    /// The template that was given, if transforms made another of it. (Rows from before there were any end here.)
    #[serde(deserialize_with = "or_default")]
    pub original: Option<String>,
    /// ARNs of the topics that are told of the stack's events.
    #[serde(deserialize_with = "or_default")]
    pub notifications: Vec<String>,
}

/// Reads what may be missing at the end of a row.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(T::deserialize(from).unwrap_or_default())
}

impl Definition {
    /// The template as it was given.
    pub fn given(&self) -> &str {
        self.original.as_ref().unwrap_or(&self.template)
    }

    /// The parameters as the template engine takes them.
    pub fn values(&self) -> ParameterValues {
        self.parameters.iter().map(|p| (p.key.clone(), p.value.clone())).collect()
    }
}

/// An output of a stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Its name in the template.
    pub key: String,
    /// Its value.
    pub value: String,
    /// For people.
    pub description: Option<String>,
    /// The name under which other stacks import it.
    pub export_name: Option<String>,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperationKind {
    /// Makes a stack.
    Create,
    /// Changes one.
    Update,
    /// Deletes one.
    Delete,
    /// Goes on with a rollback that failed.
    ContinueRollback,
    /// Takes resources that are there into a stack.
    Import,
}

/// How far an operation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Resources are made and updated.
    Forward,
    /// What an update has left behind is deleted.
    Cleanup,
    /// What a failed update changed is put back.
    Rollback,
    /// What a failed update made is deleted.
    RollbackCleanup,
    /// Everything is deleted: a deletion, or what a failed creation left.
    Delete,
    /// The resources of a nested stack stand; its parent says whether they stay.
    Held,
}

/// What becomes of a stack whose creation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    /// It stays as it is.
    DoNothing,
    /// Its resources are deleted.
    Rollback,
    /// It is deleted.
    Delete,
}

/// The operation that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Its id, also the token of its calls.
    pub id: String,
    /// What it does.
    pub kind: OperationKind,
    /// How far it is.
    pub phase: Phase,
    /// What becomes of a failure.
    pub on_failure: OnFailure,
    /// When it is given up.
    pub deadline: Option<Time>,
    /// Who started it.
    pub caller: Caller,
    /// The role that it acts as; none: its caller.
    pub role_arn: Option<String>,
    /// The client's token.
    pub token: Option<String>,
    /// Logical ids that a deletion leaves.
    pub retain: Vec<String>,
    /// Logical ids that a rollback leaves as they are.
    pub skip: Vec<String>,
    /// It shall be given up: what the caller asked for.
    pub cancelled: bool,
    /// The address that the caller used.
    pub endpoint: String,
    /// The trace that it belongs to.
    pub trace: String,
    /// When its resources stand it waits for its parent's word. (Rows from before nested stacks end here.)
    #[serde(deserialize_with = "or_default")]
    pub held: bool,
    /// The stack policy that it obeys: the stack's, unless the request gives one for itself alone.
    #[serde(deserialize_with = "or_default")]
    pub policy: Option<String>,
    /// The stack's policy from now on, if the request gives one.
    #[serde(deserialize_with = "or_default")]
    pub new_policy: Option<String>,
    /// The resources that it takes into the stack: by logical id, what identifies each.
    #[serde(deserialize_with = "or_default")]
    pub imports: BTreeMap<String, String>,
    /// What it makes is deleted as it is rolled back, even if its policy is to be retained.
    #[serde(deserialize_with = "or_default")]
    pub retain_except_on_create: bool,
    /// A deletion leaves what cannot be deleted.
    #[serde(deserialize_with = "or_default")]
    pub forces: bool,
    /// The change sets of the nested stacks that it goes by, by logical id.
    #[serde(deserialize_with = "or_default")]
    pub nested: BTreeMap<String, Child>,
}

/// Who started an operation: a principal at rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Caller {
    account: String,
    arn: String,
    id: String,
    access_key: Option<String>,
    kind: CallerKind,
    session: Option<(Time, Option<String>, Vec<String>)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum CallerKind {
    Root,
    User,
    Role(String),
    Service,
    Anonymous,
}

impl From<&Principal> for Caller {
    fn from(principal: &Principal) -> Self {
        let session = principal.session.as_ref();
        Self {
            account: principal.account.clone(),
            arn: principal.arn.clone(),
            id: principal.id.clone(),
            access_key: principal.access_key.clone(),
            kind: match &principal.kind {
                PrincipalKind::Root => CallerKind::Root,
                PrincipalKind::User => CallerKind::User,
                PrincipalKind::AssumedRole { role } => CallerKind::Role(role.clone()),
                PrincipalKind::Service => CallerKind::Service,
                PrincipalKind::Anonymous => CallerKind::Anonymous,
            },
            session: session.map(|s| (s.issued, s.policy.clone(), s.policy_arns.clone())),
        }
    }
}

impl From<&Caller> for Principal {
    fn from(caller: &Caller) -> Self {
        let session = caller.session.clone();
        Self {
            account: caller.account.clone(),
            arn: caller.arn.clone(),
            id: caller.id.clone(),
            access_key: caller.access_key.clone(),
            kind: match &caller.kind {
                CallerKind::Root => PrincipalKind::Root,
                CallerKind::User => PrincipalKind::User,
                CallerKind::Role(role) => PrincipalKind::AssumedRole { role: role.clone() },
                CallerKind::Service => PrincipalKind::Service,
                CallerKind::Anonymous => PrincipalKind::Anonymous,
            },
            session: session.map(|(issued, policy, arns)| Arc::new(Session::new(issued, policy, arns))),
        }
    }
}

/// A resource of a stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Its name in the template.
    pub logical_id: String,
    /// `AWS::SQS::Queue`
    pub resource_type: String,
    /// Its status (`CREATE_COMPLETE`).
    pub status: String,
    /// Why it has this status.
    pub reason: Option<String>,
    /// When it got this status.
    pub updated: Time,
    /// What is there now, or being made.
    pub state: State,
    /// What was there when the stack was last whole.
    pub baseline: Baseline,
    /// What has been replaced and is still to be deleted.
    pub leftovers: Vec<State>,
    /// The operation that gave it its status.
    pub operation: String,
    /// How often the call under way has failed for reasons that may pass.
    pub attempts: u32,
    /// The sets of properties, as JSON, that may be in effect in part: those from before an update that is not
    /// over, and those of updates that failed. Empty when what is in effect is what the state says.
    pub in_effect: Vec<String>,
    /// The signals that its creation waits for. (Rows from before there were any end here.)
    #[serde(deserialize_with = "or_default")]
    pub awaits: Option<Awaited>,
}

/// What a resource was when its stack was last whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Baseline {
    /// What it is.
    Same,
    /// It was not.
    Absent,
    /// Something else.
    Was(Box<State>),
}

/// What a logical id stands for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Its name: the template's, or one that was made up before the creation began.
    pub name: String,
    /// Its physical id, once that is known.
    pub physical_id: Option<String>,
    /// Something of it may be there.
    pub exists: bool,
    /// The evaluated properties, as JSON.
    pub properties: String,
    /// What `Fn::GetAtt` gives.
    pub attributes: BTreeMap<String, String>,
    /// What becomes of it when it leaves the stack.
    pub deletion_policy: DeletionPolicy,
    /// What becomes of it when it is replaced.
    pub replace_policy: DeletionPolicy,
    /// The logical ids that it depends on.
    pub depends_on: BTreeSet<String>,
    /// The evaluated metadata, as JSON.
    pub metadata: Option<String>,
}

/// Something that happened to a stack or one of its resources.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Unique among the stack's.
    pub id: String,
    /// When.
    pub time: Time,
    /// The resource; the stack's own name for the stack.
    pub logical_id: String,
    /// Its physical id, as far as it is known.
    pub physical_id: String,
    /// Its type.
    pub resource_type: String,
    /// Its new status.
    pub status: String,
    /// Why.
    pub reason: Option<String>,
    /// Its properties, as JSON.
    pub properties: Option<String>,
    /// The client's token of the operation.
    pub token: Option<String>,
}

/// A change set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeSet {
    /// Its name.
    pub name: String,
    /// The random end of its ARN.
    pub id: String,
    /// Whether it makes the stack.
    pub creates: bool,
    /// For people.
    pub description: Option<String>,
    /// When it was made.
    pub created: Time,
    /// `CREATE_COMPLETE` or `FAILED`.
    pub status: String,
    /// Why.
    pub reason: Option<String>,
    /// `AVAILABLE`, `UNAVAILABLE`, …
    pub execution: String,
    /// The changes, as the JSON of the API's output.
    pub changes: String,
    /// The role that its execution acts as.
    pub role_arn: Option<String>,
    /// What becomes of a failure.
    pub on_failure: Option<OnFailure>,
    /// The client's token.
    pub token: Option<String>,
    /// The resources that it takes into the stack: by logical id, what identifies each. (Rows from before imports end here.)
    #[serde(deserialize_with = "or_default")]
    pub imports: BTreeMap<String, String>,
    /// Its place among those of nested stacks, if it includes them.
    #[serde(deserialize_with = "or_default")]
    pub nesting: Option<Nesting>,
}

/// A change set's place among those that were made with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Nesting {
    /// ARN of the change set of the stack that this one's stack is a part of.
    pub parent: Option<String>,
    /// ARN of the one that all were made with; none: this one.
    pub root: Option<String>,
    /// Those of the stack's own nested stacks, by logical id.
    pub children: BTreeMap<String, Child>,
    /// Whether it is settled what its children are.
    pub chosen: bool,
    /// Nothing changes but resources.
    pub same: bool,
    /// Who makes it.
    pub caller: Option<Caller>,
    /// The address that the caller used.
    pub endpoint: String,
}

/// A nested change set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Child {
    /// Whose it is.
    pub stack: StackKey,
    /// Its name.
    pub set: String,
    /// The random end of its ARN.
    pub id: String,
}

impl ChangeSet {
    /// The ARN.
    pub fn arn(&self, stack: &StackKey) -> String {
        let scope = &stack.scope;
        format!(
            "arn:aws:cloudformation:{}:{}:changeSet/{}/{}",
            scope.region, scope.account, self.name, self.id
        )
    }
}

/// An export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Export {
    /// The stack that exports it.
    pub stack: StackKey,
    /// The value.
    pub value: String,
}

/// What somebody outside of the server was asked about a resource, and what came of it. It is there before anybody is
/// asked, and the answer is durable before whoever gives it hears that it has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// What it is about: a request that comes again after a crash is the same.
    pub about: String,
    /// Its id.
    pub request_id: String,
    /// Who knows it may answer.
    pub token: String,
    /// When nobody waits for the answer any longer.
    pub deadline: Time,
    /// Whether it was handed over: it is not handed over again.
    pub sent: bool,
    /// The answer.
    pub answer: Option<Answer>,
}

/// What came as an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// A body.
    Body(String),
    /// A body longer than one may be.
    TooLong,
}

/// What has been signalled to a wait condition's handle.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Signals {
    /// The name of the handle: another one of the same logical id begins anew.
    pub name: String,
    /// Who knows it may signal.
    pub token: String,
    /// The signals, by their unique ids.
    pub received: BTreeMap<String, Signal>,
}

/// A macro: a function that transforms templates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Macro {
    /// The stack that has it, and its logical id there.
    pub owner: (StackKey, String),
    /// The function's name or ARN.
    pub function: String,
}

/// A signal to a wait condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// Whether it tells of a success.
    pub success: bool,
    /// Why.
    pub reason: String,
    /// Anything.
    pub data: String,
}

#[cfg(test)]
mod tests {
    use super::Definition;

    #[test]
    fn a_definition_from_before_transforms_is_read() {
        let definition = Definition { template: "{}".to_owned(), ..Definition::default() };
        let mut row = postcard::to_stdvec(&definition).unwrap();
        assert_eq!((row.pop(), row.pop()), (Some(0), Some(0)));
        assert_eq!(postcard::from_bytes::<Definition>(&row).unwrap(), definition);
    }
}
