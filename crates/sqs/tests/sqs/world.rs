//! A server in a test: store, core, service, and short forms of the operations.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ropeway_api::sqs::*;
use ropeway_core::keys::Space;
use ropeway_core::seal::MasterKey;
use ropeway_core::{Builder, Clock, Core, Fault, Ids, Machine, ShardId, Time, Trace, Tx};
use ropeway_sqs::{Options, Setup, SqsService};
use ropeway_store::{MemoryStore, Range, Store};
use ropeway_wire::{AccessRequest, Cx, Error, Gate, Principal, PrincipalKind};
use tokio::runtime::Handle;

/// Lets everybody do everything, but services only what a policy names them for.
#[derive(Default)]
pub struct PolicyGate(Mutex<BTreeMap<String, String>>);

impl Gate for PolicyGate {
    fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), String> {
        if request.cx.principal.kind != PrincipalKind::Service {
            return Ok(());
        }
        let policies = self.0.lock().unwrap();
        let policy = policies.get(request.resource).cloned().unwrap_or_default();
        let source = request.keys.iter().find(|(key, _)| *key == "aws:SourceArn").map(|(_, v)| v[0].clone());
        let allowed =
            policy.contains(&request.cx.principal.arn) && policy.contains(&source.unwrap_or_default());
        if allowed { Ok(()) } else { Err("no statement lets it in".to_owned()) }
    }

    fn set_resource_owner(&self, _resource: &str, _account: Option<&str>) {}

    fn set_resource_policy(&self, resource: &str, policy: Option<&str>) {
        let mut policies = self.0.lock().unwrap();
        match policy {
            Some(policy) => policies.insert(resource.to_owned(), policy.to_owned()),
            None => policies.remove(resource),
        };
    }
}

impl PolicyGate {
    pub fn policy(&self, resource: &str) -> Option<String> {
        self.0.lock().unwrap().get(resource).cloned()
    }
}

/// A machine that has nothing to do, where a test needs no other.
struct Nobody;

impl Machine for Nobody {
    type Command = ();
    type Output = ();
    type Error = Fault;
    const SPACE: Space = Space::Server;

    async fn load(&mut self, _: &mut Tx) -> Result<(), Fault> {
        Ok(())
    }

    async fn apply(&mut self, _: &mut Tx, (): ()) -> Result<(), Fault> {
        Ok(())
    }

    fn grows((): &()) -> bool {
        false
    }
}

pub struct World {
    pub store: Arc<dyn Store>,
    /// The same, if it is one in memory.
    memory: Option<MemoryStore>,
    pub clock: Clock,
    pub ids: Ids,
    pub options: Options,
    pub core: Core,
    pub sqs: SqsService,
    pub cx: Cx,
}

pub const ACCOUNT: &str = "000000000000";
pub const START: Time = Time::from_secs(1_800_000_000);

pub fn arn(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:{ACCOUNT}:{name}")
}

pub fn url(name: &str) -> String {
    format!("http://localhost:4566/{ACCOUNT}/{name}")
}

impl World {
    pub async fn new() -> World {
        World::with(Options { strict_delays: false, ..Options::default() }).await
    }

    pub async fn with(options: Options) -> World {
        World::over(MemoryStore::new(4), options).await
    }

    pub async fn over(store: MemoryStore, options: Options) -> World {
        let ids = Ids::seeded(1);
        let world = World::again(Arc::new(store.clone()), Clock::frozen(START), ids, options).await;
        World { memory: Some(store), ..world }
    }

    /// With one more service in the core.
    pub async fn with_machine<M: Machine>(
        options: Options,
        make: impl Fn(ShardId) -> M + Send + Sync + 'static,
    ) -> World {
        World::build(Arc::new(MemoryStore::new(4)), Clock::frozen(START), Ids::seeded(1), options, make).await
    }

    /// Another process over the same store.
    pub async fn again(store: Arc<dyn Store>, clock: Clock, ids: Ids, options: Options) -> World {
        World::build(store, clock, ids, options, |_| Nobody).await
    }

    async fn build<M: Machine>(
        store: Arc<dyn Store>,
        clock: Clock,
        ids: Ids,
        options: Options,
        other: impl Fn(ShardId) -> M + Send + Sync + 'static,
    ) -> World {
        let gate = Arc::new(PolicyGate::default());
        let setup = Setup { gate: gate.clone(), master: MasterKey::from_bytes([7; 32]), options };
        let core = Builder::new(store.clone(), clock.clone(), ids.clone())
            .machine(ropeway_sqs::machine(setup.clone()))
            .machine(other)
            .start(vec![Handle::current()])
            .await
            .unwrap();
        core.start_actors(BTreeMap::new());
        let principal = Principal::root(ACCOUNT);
        let trace: Trace = Arc::from("1-00000000-000000000000000000000000");
        let mut cx = Cx::from_within(gate.clone(), principal, "us-east-1", &trace, clock.now());
        cx.endpoint = "http://localhost:4566".to_owned();
        let sqs = SqsService::new(core.clone(), setup);
        World { store, memory: None, clock, ids, options, core, sqs, cx }
    }

    /// Every row of SQS's.
    pub async fn dump(&self) -> Vec<(Bytes, Bytes)> {
        self.settle().await;
        let mut out = Vec::new();
        for number in 0..self.store.shards() {
            let lease = self.store.acquire(ShardId(number), "dump").await.unwrap();
            let shard = self.store.open(lease).await.unwrap();
            let from = Bytes::copy_from_slice(&[Space::Sqs as u8]);
            let to = Bytes::copy_from_slice(&[Space::Sqs as u8 + 1]);
            let range = Range { from: Bound::Included(from), to: Bound::Excluded(to), reverse: false };
            let page = shard.scan(range, 100_000).await.unwrap();
            assert!(!page.more);
            out.extend(page.rows);
        }
        out
    }

    /// The kinds of SQS's rows, each once. The server can do nothing any more afterwards.
    pub async fn rows(&self) -> Vec<&'static str> {
        const KINDS: [&str; 13] = [
            "queue", "counters", "message", "part", "flight", "delayed", "dedup", "attempt", "cleanup",
            "carried", "task", "sweep", "numbers",
        ];
        let rows = self.dump().await;
        let kinds: BTreeSet<u8> = rows.iter().map(|(key, _)| key[1]).collect();
        kinds.into_iter().map(|kind| KINDS[usize::from(kind)]).collect()
    }

    /// Stops the server and starts it over the same store.
    pub async fn restart(self) -> World {
        let World { store, memory, clock, ids, options, core, .. } = self;
        core.stop().await.unwrap();
        if let Some(memory) = &memory {
            memory.crash(0);
        }
        World { memory, ..World::again(store, clock, ids, options).await }
    }

    pub fn advance(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }

    /// Lets the loops and dispatchers run until they have nothing more to do.
    pub async fn settle(&self) {
        for _ in 0..300 {
            tokio::task::yield_now().await;
        }
    }

    pub async fn create(&self, name: &str, attributes: &[(&str, &str)]) -> String {
        self.try_create(name, attributes).await.unwrap()
    }

    pub async fn try_create(&self, name: &str, attributes: &[(&str, &str)]) -> Result<String, Error> {
        let mut attributes: BTreeMap<String, String> = map(attributes);
        if name.ends_with(".fifo") {
            attributes.insert("FifoQueue".to_owned(), "true".to_owned());
        }
        let input =
            CreateQueueInput { queue_name: name.to_owned(), attributes: Some(attributes), tags: None };
        Ok(self.sqs.create_queue(&self.cx, input).await?.queue_url.unwrap())
    }

    pub async fn set(&self, name: &str, attributes: &[(&str, &str)]) -> Result<(), Error> {
        let input = SetQueueAttributesInput { queue_url: url(name), attributes: map(attributes) };
        self.sqs.set_queue_attributes(&self.cx, input).await.map(|_| ())
    }

    pub async fn attributes(&self, name: &str) -> BTreeMap<String, String> {
        let input =
            GetQueueAttributesInput { queue_url: url(name), attribute_names: Some(vec!["All".to_owned()]) };
        self.sqs.get_queue_attributes(&self.cx, input).await.unwrap().attributes.unwrap()
    }

    /// Visible, in flight, delayed.
    pub async fn counts(&self, name: &str) -> (u64, u64, u64) {
        let all = self.attributes(name).await;
        let count = |kind: &str| all[&format!("ApproximateNumberOfMessages{kind}")].parse().unwrap();
        (count(""), count("NotVisible"), count("Delayed"))
    }

    pub async fn send(&self, name: &str, body: &str) -> SendMessageOutput {
        self.sqs.send_message(&self.cx, message(name, body)).await.unwrap()
    }

    pub async fn try_send(&self, name: &str, body: &str) -> Result<SendMessageOutput, Error> {
        self.sqs.send_message(&self.cx, message(name, body)).await
    }

    pub async fn send_to_group(
        &self,
        name: &str,
        group: &str,
        dedup: Option<&str>,
        body: &str,
    ) -> SendMessageOutput {
        let input = SendMessageInput {
            message_group_id: Some(group.to_owned()),
            message_deduplication_id: dedup.map(str::to_owned),
            ..message(name, body)
        };
        self.sqs.send_message(&self.cx, input).await.unwrap()
    }

    pub async fn receive(&self, name: &str, max: i64) -> Vec<Message> {
        let input = ReceiveMessageInput { max_number_of_messages: Some(max), ..receive(name) };
        self.sqs.receive_message(&self.cx, input).await.unwrap().messages.unwrap_or_default()
    }

    /// The bodies of what a receive gives.
    pub async fn bodies(&self, name: &str, max: i64) -> Vec<String> {
        self.receive(name, max).await.into_iter().map(|message| message.body.unwrap()).collect()
    }

    pub async fn delete(&self, name: &str, handle: &str) -> Result<(), Error> {
        let input = DeleteMessageInput { queue_url: url(name), receipt_handle: handle.to_owned() };
        self.sqs.delete_message(&self.cx, input).await.map(|_| ())
    }

    pub async fn change(&self, name: &str, handle: &str, secs: i64) -> Result<(), Error> {
        let input = ChangeMessageVisibilityInput {
            queue_url: url(name),
            receipt_handle: handle.to_owned(),
            visibility_timeout: secs,
        };
        self.sqs.change_message_visibility(&self.cx, input).await.map(|_| ())
    }
}

pub fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub fn message(name: &str, body: &str) -> SendMessageInput {
    SendMessageInput { queue_url: url(name), message_body: body.to_owned(), ..SendMessageInput::default() }
}

/// A receive of one message with all that can be seen of it, without waiting.
pub fn receive(name: &str) -> ReceiveMessageInput {
    ReceiveMessageInput {
        queue_url: url(name),
        message_system_attribute_names: Some(vec!["All".to_owned()]),
        message_attribute_names: Some(vec!["All".to_owned()]),
        wait_time_seconds: Some(0),
        ..ReceiveMessageInput::default()
    }
}

pub fn handle(message: &Message) -> &str {
    message.receipt_handle.as_deref().unwrap()
}
