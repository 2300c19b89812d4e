//! The machine: a shard's stacks and, in one shard of each account and region, the exports.
//!
//! Commands change rows and decide nothing that needs a template: the operations and the
//! [deployer](crate::runner) evaluate, outside of the shard's loop, and record what they did.

mod asks;
mod change_sets;
mod exports;
mod read;
mod record;
mod retention;
mod stacks;

pub use asks::signalled;
pub use stacks::is_updatable;

use std::collections::{BTreeMap, BTreeSet};

use ropeway_core::keys::{Scope, Space};
use ropeway_core::{Fault, Machine, ShardId, Time, Tx};
use ropeway_wire::Error;
use serde::{Deserialize, Serialize};

use crate::keys::StackKey;
use crate::model::{
    Answer, Ask, ChangeSet, Definition, Event, Export, Nesting, Operation, Output as StackOutput, Phase,
    Resource, Signal, Signals, Stack,
};

/// The machine of a shard.
pub struct Stacks {
    /// When the next deleted stack is forgotten.
    next_expiry: Option<Time>,
}

impl Stacks {
    /// The machine of a shard.
    pub fn new(_shard: ShardId) -> Self {
        Self { next_expiry: None }
    }
}

/// What can be asked of the machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Command {
    /// Makes a stack and begins its creation.
    Create(Box<Stack>, Box<Definition>, Box<Operation>),
    /// Begins an update of the stack as it was with so many events.
    Update(StackKey, u64, Box<Definition>, Box<Operation>, Option<String>),
    /// Begins a deletion.
    Delete(StackKey, Box<Operation>),
    /// Goes on with a failed rollback.
    ContinueRollback(StackKey, Box<Operation>),
    /// Gives an update up; its events carry the client's token from then on.
    CancelUpdate(StackKey, Option<String>),
    /// Switches protection against deletion.
    Protect(StackKey, bool),
    /// Adds a change set, and the stack that it would make, unless that is there.
    AddChangeSet(StackKey, Option<Box<Stack>>, Box<ChangeSet>, Box<Definition>),
    /// Begins what a change set says.
    Execute(StackKey, String, Box<Operation>, bool),
    /// Removes a change set.
    RemoveChangeSet(StackKey, String),
    /// Notes what an operation did, in one commit.
    Record(StackKey, String, Vec<Change>),
    /// Makes these the exports of a stack.
    SetExports(StackKey, BTreeMap<String, String>),
    /// Reads an export's value for a stack, which holds it from now on.
    Import(StackKey, String),
    /// Lets go of the exports that a stack imported, except for these.
    SetImports(StackKey, BTreeSet<String>),
    /// The stack that has a name.
    Find(Scope, String),
    /// A stack and what it is made of.
    Describe(StackKey),
    /// All that its operation needs.
    Load(StackKey),
    /// Its resources.
    Resources(StackKey),
    /// Its events, the newest first: so many of those before a number.
    Events(StackKey, u64, u32),
    /// Its change sets.
    ChangeSets(StackKey),
    /// What a change set would make of it.
    Planned(StackKey, String),
    /// Exports: those behind a name, so many.
    Exports(Scope, Option<String>, u32),
    /// An export's value.
    Export(Scope, String),
    /// The stacks that import an export: those behind one, so many.
    Imports(Scope, String, Option<String>, u32),
    /// Asks about a resource (logical id), unless that (what it is about) has been asked: an answer may take so many
    /// seconds.
    Ask(StackKey, String, String, i64),
    /// A request of this id was handed over.
    Sent(StackKey, String, String),
    /// An answer about a resource: to the request of this id, by one who knows its token.
    Answer(StackKey, String, String, String, Answer),
    /// Makes a handle (logical id, name) that can be signalled.
    Handle(StackKey, String, String),
    /// A signal to a handle, by one who knows its token: with its unique id, if it has one.
    Signal(StackKey, String, String, Option<String>, Signal),
    /// What has been signalled to a handle.
    Signals(StackKey, String),
    /// A parent's word: the update that waits for it stays (true), or is rolled back.
    Release(StackKey, bool),
    /// Gives the stack a policy.
    SetPolicy(StackKey, String),
    /// Makes a function a macro of this name; none: it is one no longer.
    SetMacro(StackKey, String, String, Option<String>),
    /// The function of a macro.
    Macro(Scope, String),
    /// A signal to a resource (logical id): its unique id, and whether it tells of a success.
    SignalResource(StackKey, String, String, bool),
    /// Notes what the nested ones of a change set (name) are.
    NestChangeSet(StackKey, String, Box<Nesting>),
    /// A change set whose nested ones are made, or have failed.
    SettleChangeSet(StackKey, Box<ChangeSet>),
    /// Begins what the change set (name) of a nested stack says, of which more is known by now.
    ExecuteNested(StackKey, String, Box<Definition>, Box<Operation>),
}

/// Something that an operation did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Change {
    /// A resource is now this.
    Put(Box<Resource>),
    /// A resource is no longer the stack's.
    Remove(String),
    /// Something happened to a resource: its time and id are filled in.
    Event(Box<Event>),
    /// The stack has another status.
    Status(String, Option<String>),
    /// The operation goes on with this.
    Phase(Phase),
    /// What was planned is deployed: with these outputs and imports.
    Deploy(Vec<StackOutput>, BTreeSet<String>),
    /// The operation is over. True: the stack is deleted.
    Finish(bool),
    /// What was deployed is kept, in case the parent takes the update back.
    Hold,
}

/// What a command answers.
#[derive(Debug)]
pub enum Output {
    /// It is done.
    Done,
    /// It is done, or was before with the same token: on this stack.
    Started(StackKey),
    /// The stack of a name.
    Found(Option<StackKey>),
    /// A stack.
    Stack(Box<(Stack, Definition)>),
    /// A stack with its operation; none if no operation is under way.
    Snapshot(Option<Box<Snapshot>>),
    /// What was done is noted.
    Recorded {
        /// The operation shall be given up.
        cancelled: bool,
    },
    /// Another operation has taken over; nothing is noted.
    Stale,
    /// Resources, by logical id.
    Resources(BTreeMap<String, Resource>),
    /// Events with their numbers, and whether there are more.
    Events(Vec<(u64, Event)>, bool),
    /// Change sets, by name.
    ChangeSets(BTreeMap<String, ChangeSet>),
    /// What a change set would make of a stack.
    Planned(Box<Definition>),
    /// Exports, and whether there are more.
    Exports(Vec<(String, Export)>, bool),
    /// An export's value; none if there is no such export.
    Value(Option<String>),
    /// Stacks' ARNs, and whether there are more.
    Imports(Vec<String>, bool),
    /// A request.
    Asked(Box<Ask>),
    /// A handle and its signals.
    Signals(Signals),
}

/// What an operation works on.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The stack.
    pub stack: Stack,
    /// The operation.
    pub operation: Operation,
    /// What the stack was made of when it was last whole.
    pub deployed: Definition,
    /// What the operation makes of it.
    pub planned: Definition,
    /// Its resources.
    pub resources: BTreeMap<String, Resource>,
}

/// What the actor gets: whose operation to go on with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// The stack.
    pub stack: StackKey,
    /// The operation's id.
    pub operation: String,
}

impl Machine for Stacks {
    type Command = Command;
    type Output = Output;
    type Error = Error;
    const SPACE: Space = Space::CloudFormation;

    async fn load(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        self.next_expiry = retention::next(tx).await?;
        Ok(())
    }

    async fn apply(&mut self, tx: &mut Tx, command: Command) -> Result<Output, Error> {
        match command {
            Command::Create(stack, definition, operation) => {
                stacks::create(tx, *stack, &definition, *operation).await
            }
            Command::Update(key, seen, definition, operation, role) => {
                stacks::update(tx, &key, seen, &definition, *operation, role).await
            }
            Command::Delete(key, operation) => stacks::delete(tx, &key, *operation).await,
            Command::ContinueRollback(key, operation) => {
                stacks::continue_rollback(tx, &key, *operation).await
            }
            Command::CancelUpdate(key, token) => stacks::cancel(tx, &key, token).await,
            Command::Protect(key, on) => stacks::protect(tx, &key, on).await,
            Command::AddChangeSet(key, stack, set, definition) => {
                change_sets::add(tx, &key, stack, *set, &definition).await
            }
            Command::Execute(key, name, operation, disable) => {
                change_sets::execute(tx, &key, &name, *operation, disable).await
            }
            Command::NestChangeSet(key, name, nesting) => change_sets::nest(tx, &key, &name, *nesting).await,
            Command::SettleChangeSet(key, set) => change_sets::settle(tx, &key, *set).await,
            Command::ExecuteNested(key, name, definition, operation) => {
                change_sets::execute_nested(tx, &key, &name, &definition, *operation).await
            }
            Command::RemoveChangeSet(key, name) => change_sets::remove(tx, &key, &name).await,
            Command::Record(key, operation, changes) => {
                let output = record::record(tx, &key, &operation, changes).await?;
                self.next_expiry = retention::next(tx).await?;
                Ok(output)
            }
            Command::Release(key, stays) => stacks::release(tx, &key, stays).await,
            Command::SetPolicy(key, policy) => stacks::set_policy(tx, &key, policy).await,
            Command::SetMacro(key, id, name, function) => {
                exports::set_macro(tx, (key, id), &name, function).await
            }
            Command::SetExports(key, values) => exports::set(tx, &key, values).await,
            Command::Import(key, name) => exports::import(tx, &key, &name).await,
            Command::SetImports(key, kept) => exports::set_imports(tx, &key, &kept).await,
            Command::Ask(key, id, about, secs) => asks::ask(tx, &key, &id, about, secs).await,
            Command::Sent(key, id, request) => asks::sent(tx, &key, &id, &request).await,
            Command::Answer(key, id, request, token, answer) => {
                asks::answer(tx, &key, &id, &asks::Given { request, token, answer }).await
            }
            Command::Handle(key, id, name) => asks::handle(tx, &key, &id, name).await,
            Command::Signal(key, id, token, unique, signal) => {
                asks::signal(tx, &key, &id, &token, unique, signal).await
            }
            Command::SignalResource(key, id, unique, success) => {
                asks::signal_resource(tx, &key, &id, unique, success).await
            }
            read => read::read(tx, read).await,
        }
    }

    fn grows(command: &Command) -> bool {
        matches!(
            command,
            Command::Create(..) | Command::Update(..) | Command::AddChangeSet(..) | Command::Execute(..)
        )
    }

    fn next_due(&self) -> Option<Time> {
        self.next_expiry
    }

    async fn on_time(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        retention::forget(tx).await?;
        self.next_expiry = retention::next(tx).await?;
        Ok(())
    }
}
