//! The deployer: carries out the operations of stacks, step by step.
//!
//! One run works on one operation, from where its rows say that it is, until it is over. Each step is
//! committed before its call is made, with the name that the resource will have, and again with what came of it;
//! after a crash the operation's delivery comes again, and the run repeats at most the call that was under way.
//! A lane for each stack keeps two runs from working on the same one; a run whose operation has
//! been taken over by another notes nothing more and ends.

mod delete;
mod forward;
mod import;
mod lookup;
mod rollback;
mod secrets;
mod step;
mod tags;

pub(crate) use lookup::Deployed;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::select;
use ropeway_core::{Actor, BoxFuture, Core, Outcome, Trace};
use ropeway_wire::{Cx, Error, Gate, Keys, Principal, Roles, Services};

use crate::commands::{Change, Command, Output, Snapshot, Stacks, Work};
use crate::keys::{self, StackKey};
use crate::model::{Definition, NESTING, OperationKind, Phase, Resource};
use crate::ops::CloudFormation;
use crate::ops::nested_sets::nest;
use crate::responses::Addresses;
use crate::template::Environment;
use secrets::{concealed, secrets};

/// The host name under which CloudFormation assumes roles.
pub const HOST: &str = "cloudformation.amazonaws.com";

/// Performs the operations of stacks: the actor of [`ropeway_core::keys::Space::CloudFormation`].
pub struct Deployer {
    core: Core,
    services: Arc<Services>,
    gate: Arc<dyn Gate>,
    roles: Arc<dyn Roles>,
    addresses: Addresses,
}

/// What a deployer works with.
pub struct Surroundings {
    /// What it calls.
    pub services: Arc<Services>,
    /// Within what this allows.
    pub gate: Arc<dyn Gate>,
    /// The roles that it may assume.
    pub roles: Arc<dyn Roles>,
    /// What those outside answer to.
    pub addresses: Addresses,
}

impl Deployer {
    /// A deployer over a running core.
    pub fn new(core: Core, surroundings: Surroundings) -> Self {
        let Surroundings { services, gate, roles, addresses } = surroundings;
        Self { core, services, gate, roles, addresses }
    }

    async fn run(&self, work: Work) -> Outcome {
        if let Some(name) = work.operation.strip_prefix(NESTING) {
            return match self.nest(&work.stack, name).await {
                Err(error) if error.status >= 500 => self.wait(std::future::pending(), PAUSE).await,
                Err(error) => Outcome::Refused(error.message.to_string()),
                Ok(()) => Outcome::Done(bytes::Bytes::new()),
            };
        }
        // Named before the rows are read: what comes in between is not missed.
        let wake_up = self.core.signals().named(&work.stack.wake_up());
        let ended = match Run::open(self, work).await {
            Ok(Some(mut run)) => run.go().await,
            Ok(None) => Ok(()),
            Err(stop) => Err(stop),
        };
        match ended {
            Ok(()) | Err(Stop::Stale) => Outcome::Done(bytes::Bytes::new()),
            Err(Stop::Later(millis)) => self.wait(wake_up.notified(), millis).await,
            // Every failure is made one of the stack's before it gets here.
            Err(Stop::Failed(failed)) => Outcome::Refused(failed.reason),
        }
    }

    /// The operations, as they are called from within.
    fn service(&self) -> CloudFormation {
        CloudFormation::new(self.core.clone(), Arc::clone(&self.services))
    }

    /// Makes the change sets of a stack's nested stacks, as who asked for them.
    async fn nest(&self, stack: &StackKey, name: &str) -> Result<(), Error> {
        let trace: Trace = Arc::from("");
        let command = Command::ChangeSets(stack.clone());
        let found = self.core.submit::<Stacks>(stack.shard_in(&self.core), &trace, command).await?;
        let Output::ChangeSets(mut sets) = found else { return Err(crate::error::unexpected()) };
        let nesting = sets.remove(name).and_then(|set| set.nesting).unwrap_or_default();
        // It is gone, with its stack.
        let Some(caller) = nesting.caller else { return Ok(()) };
        let cx = self.cx(Principal::from(&caller), stack, &trace, &nesting.endpoint);
        nest(&self.service(), &cx, stack, name).await.map(drop)
    }

    /// Until there is word, or so many milliseconds have passed.
    async fn wait(&self, word: impl Future<Output = ()>, millis: i64) -> Outcome {
        let clock = self.core.clock();
        if !self.core.signals().is_closed() {
            select(Box::pin(word), Box::pin(clock.sleep_until(clock.now().plus_millis(millis)))).await;
        }
        Outcome::Retry(1)
    }
}

impl Actor for Deployer {
    fn act<'a>(&'a self, _lane: &'a str, payload: &'a [u8]) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match postcard::from_bytes(payload) {
                Ok(work) => self.run(work).await,
                Err(error) => Outcome::Refused(format!("damaged work: {error}")),
            }
        })
    }
}

/// Why a run stops before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Another operation has taken over.
    Stale,
    /// It goes on after so many milliseconds.
    Later(i64),
    /// The operation has failed.
    Failed(Failed),
}

/// Why an operation has failed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failed {
    /// The resources that it failed at.
    pub resources: Vec<String>,
    /// Why, if it is not a resource.
    pub reason: String,
}

impl Failed {
    pub fn because(reason: impl Into<String>) -> Self {
        Self { resources: Vec::new(), reason: reason.into() }
    }
}

impl From<crate::template::TemplateError> for Stop {
    fn from(error: crate::template::TemplateError) -> Self {
        Self::Failed(Failed::because(error.message()))
    }
}

/// Milliseconds until what failed for a passing reason is tried again.
const PAUSE: i64 = 500;

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        if error.status >= 500 { Self::Later(PAUSE) } else { Self::Failed(Failed::because(error.message)) }
    }
}

/// One operation being carried out.
pub(crate) struct Run<'a> {
    deployer: &'a Deployer,
    key: StackKey,
    trace: Trace,
    cx: Cx,
    snapshot: Snapshot,
    /// Exports that were read, by name.
    imports: BTreeMap<String, String>,
    /// Exports that do not exist.
    absent: BTreeSet<String>,
    /// Why the operation's role cannot be assumed.
    refused: Option<String>,
}

impl<'a> Run<'a> {
    /// Reads what there is to do; none: it is done.
    async fn open(deployer: &'a Deployer, work: Work) -> Result<Option<Self>, Stop> {
        let core = &deployer.core;
        let trace: Trace = Arc::from("");
        let command = Command::Load(work.stack.clone());
        let loaded = core.submit::<Stacks>(work.stack.shard_in(core), &trace, command).await;
        let Output::Snapshot(Some(snapshot)) = loaded? else { return Ok(None) };
        if snapshot.operation.id != work.operation {
            return Ok(None);
        }
        let trace: Trace = Arc::from(snapshot.operation.trace.as_str());
        let caller = Principal::from(&snapshot.operation.caller);
        let mut run = Self {
            deployer,
            cx: deployer.cx(caller, &work.stack, &trace, &snapshot.operation.endpoint),
            key: work.stack,
            trace,
            snapshot: *snapshot,
            imports: BTreeMap::new(),
            absent: BTreeSet::new(),
            refused: None,
        };
        run.assume_role();
        Ok(Some(run))
    }

    /// Acts as the operation's role from now on. A role that cannot be assumed (any more) fails the operation;
    /// whatever it calls nevertheless, it calls as one whom nothing is allowed.
    fn assume_role(&mut self) {
        let Some(role) = &self.snapshot.operation.role_arn else { return };
        let mut keys = Keys::default();
        keys.add("aws:SourceArn", &self.key.arn());
        keys.add("aws:SourceAccount", &self.key.scope.account);
        let session = "AWSCloudFormation";
        let principal = match self.deployer.roles.assume_for_service(role, HOST, session, &keys) {
            Ok(principal) => principal,
            Err(why) => {
                self.refused = Some(format!("Role {role} is invalid or cannot be assumed: {why}"));
                Principal::anonymous()
            }
        };
        let endpoint = &self.snapshot.operation.endpoint;
        self.cx = self.deployer.cx(principal, &self.key, &self.trace, endpoint);
    }

    /// Works until the operation is over.
    async fn go(&mut self) -> Result<(), Stop> {
        loop {
            let over = match self.snapshot.operation.phase {
                Phase::Forward => self.forward().await?,
                Phase::Cleanup => self.cleanup().await?,
                Phase::Rollback => self.rollback().await?,
                Phase::RollbackCleanup if self.imports_resources() => self.let_go().await?,
                Phase::RollbackCleanup => self.rollback_cleanup().await?,
                Phase::Delete => self.delete().await?,
                // The parent's word begins another delivery.
                Phase::Held => return Ok(()),
            };
            if over {
                return Ok(());
            }
        }
    }

    /// Applies a command in a shard of this name.
    async fn submit(&self, shard: &str, command: Command) -> Result<Output, Error> {
        let core = &self.deployer.core;
        core.submit::<Stacks>(core.shard_of(shard), &self.trace, command).await
    }

    /// Applies a command to the exports.
    async fn submit_exports(&self, command: Command) -> Result<Output, Error> {
        self.submit(&keys::exports_shard(&self.key.scope), command).await
    }

    /// Commits what was done.
    async fn record(&mut self, changes: Vec<Change>) -> Result<(), Stop> {
        let kept: Vec<Change> = changes
            .iter()
            .filter(|change| matches!(change, Change::Put(_) | Change::Remove(_) | Change::Phase(_)))
            .cloned()
            .collect();
        let secrets = secrets(&self.snapshot);
        let changes = changes.into_iter().map(|change| concealed(change, &secrets)).collect();
        let command = Command::Record(self.key.clone(), self.snapshot.operation.id.clone(), changes);
        let recorded = self.submit(&self.key.shard(), command).await.map_err(|error| {
            tracing::warn!(%error, stack = self.key.name, "a step of a stack's operation is repeated");
            Stop::Later(PAUSE)
        })?;
        let Output::Recorded { cancelled } = recorded else { return Err(Stop::Stale) };
        self.snapshot.operation.cancelled = cancelled;
        kept.into_iter().for_each(|change| self.remember(change));
        Ok(())
    }

    fn remember(&mut self, change: Change) {
        match change {
            Change::Put(resource) => {
                self.snapshot.resources.insert(resource.logical_id.clone(), *resource);
            }
            Change::Remove(id) => {
                self.snapshot.resources.remove(&id);
            }
            Change::Phase(phase) => self.snapshot.operation.phase = phase,
            _ => {}
        }
    }

    /// Whether the operation takes resources into the stack.
    fn imports_resources(&self) -> bool {
        self.snapshot.operation.kind == OperationKind::Import
    }

    fn resource(&self, id: &str) -> Option<&Resource> {
        self.snapshot.resources.get(id)
    }

    /// What the pseudo parameters give.
    fn environment(&self) -> Environment {
        environment(&self.key, &self.snapshot.planned)
    }
}

impl Deployer {
    fn cx(&self, principal: Principal, stack: &StackKey, trace: &Trace, endpoint: &str) -> Cx {
        let (gate, now) = (Arc::clone(&self.gate), self.core.clock().now());
        let account = stack.scope.account.clone();
        let cx = Cx::from_within(gate, principal, &stack.scope.region, trace, now);
        Cx { account, endpoint: endpoint.to_owned(), ..cx }
    }
}

/// What the pseudo parameters of a stack give.
pub(crate) fn environment(key: &StackKey, definition: &Definition) -> Environment {
    Environment {
        account_id: key.scope.account.clone(),
        region: key.scope.region.clone(),
        partition: "aws".to_owned(),
        url_suffix: "amazonaws.com".to_owned(),
        stack_id: key.arn(),
        stack_name: key.name.clone(),
        notification_arns: definition.notifications.clone(),
    }
}
