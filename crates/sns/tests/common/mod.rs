//! A server with SNS in it, and queues and delivery streams that only note what they get.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ropeway_core::effects::{FirehoseCommand, QueueDelivery, SqsCommand, StreamDelivery};
use ropeway_core::keys::Space;
use ropeway_core::seal::MasterKey;
use ropeway_core::{Actor, BoxFuture};
use ropeway_core::{Builder, Clock, Core, Fault, Ids, Machine, Time, Trace, Tx};
use ropeway_sns::{Signing, Sns, SnsActor};
use ropeway_store::MemoryStore;
use ropeway_wire::{AccessRequest, Cx, Error, Gate, Keys, Outgoing, Principal, Roles};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub const REGION: &str = "eu-central-1";
pub const ACCOUNT: &str = "123456789012";

/// Allows everything but the actions that it is told to deny; notes the policies that it is given.
#[derive(Default)]
pub struct TestGate {
    pub denied: Mutex<Vec<String>>,
    pub asked: Mutex<Vec<(String, String)>>,
    pub policies: Mutex<BTreeMap<String, String>>,
}

impl Gate for TestGate {
    fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), String> {
        self.asked.lock().unwrap().push((request.action.to_owned(), request.resource.to_owned()));
        match self.denied.lock().unwrap().iter().any(|denied| denied == request.action) {
            true => Err(format!("{} is denied", request.action)),
            false => Ok(()),
        }
    }

    fn set_resource_policy(&self, resource: &str, policy: Option<&str>) {
        let mut policies = self.policies.lock().unwrap();
        match policy {
            Some(policy) => policies.insert(resource.to_owned(), policy.to_owned()),
            None => policies.remove(resource),
        };
    }

    fn set_resource_owner(&self, _resource: &str, _account: Option<&str>) {}
}

/// Knows one role that trusts SNS.
pub struct TestRoles;

impl Roles for TestRoles {
    fn assume_for_service(
        &self,
        role: &str,
        service: &str,
        _session: &str,
        _keys: &Keys,
    ) -> Result<Principal, String> {
        match (role.ends_with(":role/delivery"), service) {
            (true, "sns.amazonaws.com") => Ok(Principal::service(service, ACCOUNT)),
            _ => Err("The role does not trust the service".to_owned()),
        }
    }
}

/// Takes all that is posted, and notes it.
struct Endpoints(UnboundedSender<http::Request<Bytes>>);

impl Outgoing for Endpoints {
    fn call(&self, request: http::Request<Bytes>) -> BoxFuture<'_, Result<http::Response<Bytes>, String>> {
        Box::pin(async move {
            drop(self.0.send(request));
            Ok(http::Response::new(Bytes::new()))
        })
    }
}

pub struct Queues(UnboundedSender<QueueDelivery>);

impl Machine for Queues {
    type Command = SqsCommand;
    type Output = ();
    type Error = Error;
    const SPACE: Space = Space::Sqs;

    async fn load(&mut self, _tx: &mut Tx) -> Result<(), Fault> {
        Ok(())
    }

    async fn apply(&mut self, tx: &mut Tx, command: SqsCommand) -> Result<(), Error> {
        let SqsCommand::Deliver(delivery) = command;
        if delivery.queue.ends_with("gone") {
            return Err(Error::new(400, "QueueDoesNotExist", "it is gone"));
        }
        // A row, so that the inbox is not all that the commit holds.
        tx.write(format!("q{}", tx.ids().uuid()).into(), &1u8)?;
        let sender = self.0.clone();
        tx.after_commit(move || drop(sender.send(delivery)));
        Ok(())
    }

    fn grows(_command: &SqsCommand) -> bool {
        false
    }
}

pub struct Streams(UnboundedSender<StreamDelivery>);

impl Machine for Streams {
    type Command = FirehoseCommand;
    type Output = ();
    type Error = Error;
    const SPACE: Space = Space::Firehose;

    async fn load(&mut self, _tx: &mut Tx) -> Result<(), Fault> {
        Ok(())
    }

    async fn apply(&mut self, tx: &mut Tx, command: FirehoseCommand) -> Result<(), Error> {
        let FirehoseCommand::Deliver(delivery) = command;
        if delivery.stream.ends_with("gone") {
            return Err(Error::new(400, "ResourceNotFoundException", "it is gone"));
        }
        let sender = self.0.clone();
        tx.after_commit(move || drop(sender.send(delivery)));
        Ok(())
    }

    fn grows(_command: &FirehoseCommand) -> bool {
        false
    }
}

pub struct World {
    pub store: MemoryStore,
    pub clock: Clock,
    pub core: Core,
    pub sns: Arc<Sns>,
    pub signing: Arc<Signing>,
    pub gate: Arc<TestGate>,
    pub queues: UnboundedReceiver<QueueDelivery>,
    pub streams: UnboundedReceiver<StreamDelivery>,
    pub posts: UnboundedReceiver<http::Request<Bytes>>,
    to_endpoints: UnboundedSender<http::Request<Bytes>>,
}

impl World {
    pub async fn new() -> World {
        World::over(MemoryStore::new(4), 1).await
    }

    pub async fn over(store: MemoryStore, seed: u64) -> World {
        let world = World::stopped(store, seed).await;
        world.start();
        world
    }

    /// Begins to deliver.
    pub fn start(&self) {
        let outgoing = Arc::new(Endpoints(self.to_endpoints.clone()));
        let actor = SnsActor::new(self.core.clone(), Arc::clone(&self.signing), outgoing);
        self.core.start_actors([(Space::Sns, Arc::new(actor) as Arc<dyn Actor>)].into());
    }

    /// Deliveries begin with [`World::start`].
    pub async fn stopped(store: MemoryStore, seed: u64) -> World {
        let gate = Arc::new(TestGate::default());
        let clock = Clock::frozen(Time::from_secs(1_700_000_000));
        let (to_queues, queues) = unbounded_channel();
        let (to_streams, streams) = unbounded_channel();
        let known = Arc::clone(&gate) as Arc<dyn Gate>;
        let ids = Ids::seeded(seed);
        let machine = ropeway_sns::machine(known, Arc::new(drop), &ids);
        let core = Builder::new(Arc::new(store.clone()), clock.clone(), ids)
            .machine(machine)
            .machine(move |_| Queues(to_queues.clone()))
            .machine(move |_| Streams(to_streams.clone()))
            .start(vec![tokio::runtime::Handle::current()])
            .await
            .unwrap();
        let signing = Arc::new(Signing::new(core.clone(), MasterKey::from_bytes([7; 32])));
        let sns = Arc::new(ropeway_sns::service(core.clone(), Arc::new(TestRoles), Arc::clone(&signing)));
        let (to_endpoints, posts) = unbounded_channel();
        World { store, clock, core, sns, signing, gate, queues, streams, posts, to_endpoints }
    }

    pub fn cx(&self) -> Cx {
        self.cx_of(ACCOUNT)
    }

    pub fn cx_of(&self, account: &str) -> Cx {
        let trace: Trace = "1-00000000-000000000000000000000001".into();
        let gate = Arc::clone(&self.gate) as Arc<dyn Gate>;
        let mut cx = Cx::from_within(gate, Principal::root(account), REGION, &trace, self.clock.now());
        cx.endpoint = "http://localhost:4566".to_owned();
        cx
    }

    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

pub fn queue(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
}

pub fn topic(name: &str) -> String {
    format!("arn:aws:sns:{REGION}:{ACCOUNT}:{name}")
}

pub fn map(entries: &[(&str, &str)]) -> Option<BTreeMap<String, String>> {
    Some(entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}
