//! A server in a test: store, core, service, and short forms of the operations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ropeway_api::sqs::*;
use ropeway_core::seal::MasterKey;
use ropeway_core::{Builder, Clock, Core, Ids, Time, Trace};
use ropeway_sqs::{Options, Setup, SqsService};
use ropeway_store::{MemoryStore, Store};
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

pub struct World {
    pub store: Arc<dyn Store>,
    pub clock: Clock,
    pub ids: Ids,
    pub options: Options,
    pub gate: Arc<PolicyGate>,
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
        World::over(Arc::new(MemoryStore::new(4)), options).await
    }

    pub async fn over(store: Arc<dyn Store>, options: Options) -> World {
        World::build(store, Clock::frozen(START), Ids::seeded(1), options).await
    }

    async fn build(store: Arc<dyn Store>, clock: Clock, ids: Ids, options: Options) -> World {
        let gate = Arc::new(PolicyGate::default());
        let setup = Setup { gate: gate.clone(), master: MasterKey::from_bytes([7; 32]), options };
        let core = Builder::new(store.clone(), clock.clone(), ids.clone())
            .machine(ropeway_sqs::machine(setup.clone()))
            .start(vec![Handle::current()])
            .await
            .unwrap();
        core.start_actors(BTreeMap::new());
        let principal = Principal::root(ACCOUNT);
        let trace: Trace = Arc::from("1-00000000-000000000000000000000000");
        let mut cx = Cx::from_within(gate.clone(), principal, "us-east-1", &trace, clock.now());
        cx.endpoint = "http://localhost:4566".to_owned();
        let sqs = SqsService::new(core.clone(), setup);
        World { store, clock, ids, options, gate, core, sqs, cx }
    }

    /// Stops the server and starts it over the same store.
    pub async fn restart(self) -> World {
        let World { store, clock, ids, options, core, .. } = self;
        core.stop().await.unwrap();
        World::build(store, clock, ids, options).await
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
