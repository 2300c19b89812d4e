//! A server with Lambda in it, a runner that only pretends, and queues that remember what they were sent.

mod events;
mod model;
mod queues;
mod states;
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ropeway_api::lambda::{
    CreateFunctionInput, Environment, FunctionCode, InvokeInput, InvokeOutput, Lambda as _,
};
use ropeway_api::sqs::{
    self, DeleteMessageBatchInput, DeleteMessageBatchOutput, GetQueueAttributesOutput, Message,
    ReceiveMessageInput, ReceiveMessageOutput, SendMessageInput, SendMessageOutput,
};
use ropeway_core::functions::{Answer, FunctionSpec, Functions, Invocation, Invoked, NotRun};
use ropeway_core::keys::Space;
use ropeway_core::seal::MasterKey;
use ropeway_core::{Actor, Builder, Clock, Ids, Time, Trace};
use ropeway_store::MemoryStore;
use ropeway_store::blobs::BlobStore;
use ropeway_wire::schema::Service;
use ropeway_wire::{
    AccessRequest, BoxFuture, Call, Cx, Dispatch, Error, Gate, Keys, LocalAnswer, LocalCall, Principal,
    PrincipalKind, Roles, Services,
};
use tokio::sync::Notify;

use crate::commands::{Command, Output};
use crate::keys::FunctionName;
use crate::{Concurrency, Lambda, LambdaActor, Parts, machine};

pub const REGION: &str = "eu-central-1";
pub const ACCOUNT: &str = "123456789012";
pub const ROLE: &str = "arn:aws:iam::123456789012:role/functions";

/// Lets everything pass but the actions that it is told to deny; remembers resource policies.
#[derive(Default)]
pub struct TestGate {
    pub denied: Mutex<Vec<String>>,
    pub policies: Mutex<BTreeMap<String, String>>,
}

impl Gate for TestGate {
    fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), String> {
        match self.denied.lock().unwrap().iter().any(|denied| denied == request.action) {
            true => Err(format!("{} is denied", request.action)),
            false => Ok(()),
        }
    }

    fn set_resource_policy(&self, resource: &str, policy: Option<&str>) {
        let mut policies = self.policies.lock().unwrap();
        match policy {
            Some(policy) => drop(policies.insert(resource.to_owned(), policy.to_owned())),
            None => drop(policies.remove(resource)),
        }
    }

    fn set_resource_owner(&self, _resource: &str, _account: Option<&str>) {}
}

/// Knows one role.
struct TestRoles;

impl Roles for TestRoles {
    fn assume_for_service(
        &self,
        role: &str,
        _service: &str,
        session: &str,
        _keys: &Keys,
    ) -> Result<Principal, String> {
        if role != ROLE {
            return Err("no such role".to_owned());
        }
        let mut principal = Principal::root(ACCOUNT);
        principal.kind = PrincipalKind::AssumedRole { role: role.to_owned() };
        principal.arn = format!("{role}/{session}");
        Ok(principal)
    }
}

/// Runs nothing: what an event says is what becomes of it.
#[derive(Default)]
pub struct Pretender {
    pub ran: Mutex<Vec<(String, Invocation)>>,
    pub happened: Notify,
    pub release: Notify,
    pub now_running: Mutex<(usize, usize)>,
    /// What the runtime brings is not at hand; told again, it cannot be had.
    pub away: AtomicBool,
    /// Ends a fetch.
    pub fetched: Notify,
}

impl Functions for Pretender {
    fn check(&self, runtime: &str, _architecture: &str) -> Result<(), NotRun> {
        match runtime {
            "python3.12" => Ok(()),
            other => Err(NotRun::NoRuntime(format!("{other} is not here"))),
        }
    }

    fn is_ready(&self, _runtime: &str) -> bool {
        !self.away.load(Ordering::Relaxed)
    }

    fn make_ready(&self, runtime: String) -> BoxFuture<'_, Result<(), NotRun>> {
        Box::pin(async move {
            match self.fetched.notified().await {
                () if self.away.load(Ordering::Relaxed) => {
                    Err(NotRun::NoRuntime(format!("{runtime}: nowhere")))
                }
                () => Ok(()),
            }
        })
    }

    fn inspect(&self, archive: Bytes) -> BoxFuture<'_, Result<(), NotRun>> {
        Box::pin(async move {
            match archive.starts_with(b"PK") {
                true => Ok(()),
                false => Err(NotRun::BadPackage("no archive".to_owned())),
            }
        })
    }

    fn invoke(
        &self,
        function: Arc<FunctionSpec>,
        mut invocation: Invocation,
    ) -> BoxFuture<'_, Result<Invoked, NotRun>> {
        Box::pin(async move {
            let _place = invocation.place.take();
            let payload = invocation.payload.clone();
            {
                let mut now = self.now_running.lock().unwrap();
                now.0 += 1;
                now.1 = now.1.max(now.0);
            }
            self.ran.lock().unwrap().push((function.version.clone(), invocation));
            self.happened.notify_waiters();
            let says = |word: &[u8]| payload.windows(word.len()).any(|bytes| bytes == word);
            if says(b"hold") {
                self.release.notified().await;
            }
            self.now_running.lock().unwrap().0 -= 1;
            if says(b"nowhere") {
                return Err(NotRun::NoRoom("full".to_owned()));
            }
            let failed = says(b"fail");
            let payload = if failed {
                Bytes::from_static(b"{\"errorMessage\":\"failed\",\"errorType\":\"E\"}")
            } else {
                payload
            };
            Ok(Invoked { failed, payload: Answer::Whole(payload), log_tail: Bytes::new() })
        })
    }

    fn provision(&self, _function: Arc<FunctionSpec>, _count: u32) -> BoxFuture<'_, Result<(), NotRun>> {
        Box::pin(async { Ok(()) })
    }

    fn retire(&self, _arn: &str, _keep: &[String]) {}
}

/// Remembers what was sent and deleted, and hands out what waits.
#[derive(Default)]
pub struct Queues {
    pub sent: Mutex<Vec<SendMessageInput>>,
    pub waiting: Mutex<VecDeque<String>>,
    pub deleted: Mutex<Vec<String>>,
    pub happened: Notify,
}

impl Queues {
    /// Hands out messages, whose bodies are their ids and handles too.
    async fn receive(&self, input: ReceiveMessageInput) -> ReceiveMessageOutput {
        loop {
            let happened = self.happened.notified();
            let most = input.max_number_of_messages.unwrap() as usize;
            let messages: Vec<Message> = {
                let mut waiting = self.waiting.lock().unwrap();
                let some = waiting.len().min(most);
                let message = |body: String| Message {
                    message_id: Some(body.clone()),
                    receipt_handle: Some(body.clone()),
                    body: Some(body),
                    ..Message::default()
                };
                waiting.drain(..some).map(message).collect()
            };
            if !messages.is_empty() {
                return ReceiveMessageOutput { messages: Some(messages) };
            }
            happened.await;
        }
    }

    /// Puts messages into the queue.
    pub fn put(&self, bodies: impl Iterator<Item = String>) {
        self.waiting.lock().unwrap().extend(bodies);
        self.happened.notify_waiters();
    }
}

struct TestSqs(Arc<Queues>);

impl Dispatch for TestSqs {
    fn service(&self) -> &'static Service {
        &sqs::SERVICE
    }

    fn call(&self, _call: Call) -> BoxFuture<'static, ropeway_wire::Answer> {
        panic!("nobody calls from without")
    }

    fn call_local(&self, call: LocalCall) -> BoxFuture<'static, LocalAnswer> {
        let queues = Arc::clone(&self.0);
        Box::pin(async move {
            let answer: Box<dyn std::any::Any + Send> = match call.operation.name {
                "SendMessage" => {
                    queues.sent.lock().unwrap().push(*call.input.downcast::<SendMessageInput>().unwrap());
                    queues.happened.notify_waiters();
                    Box::new(SendMessageOutput::default())
                }
                "ReceiveMessage" => Box::new(queues.receive(*call.input.downcast().unwrap()).await),
                "DeleteMessageBatch" => {
                    let input = *call.input.downcast::<DeleteMessageBatchInput>().unwrap();
                    let handles = input.entries.into_iter().map(|entry| entry.receipt_handle);
                    queues.deleted.lock().unwrap().extend(handles);
                    queues.happened.notify_waiters();
                    Box::new(DeleteMessageBatchOutput::default())
                }
                _ => {
                    let timeout = ("VisibilityTimeout".to_owned(), "30".to_owned());
                    Box::new(GetQueueAttributesOutput { attributes: Some(BTreeMap::from([timeout])) })
                }
            };
            Ok(answer)
        })
    }
}

pub struct World {
    pub clock: Clock,
    pub lambda: Arc<Lambda>,
    pub gate: Arc<TestGate>,
    pub runner: Arc<Pretender>,
    pub queues: Arc<Queues>,
    pub concurrency: Concurrency,
    _blobs: Option<tempfile::TempDir>,
}

impl World {
    pub async fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let mut world = World::over(MemoryStore::new(4), dir.path(), 1).await;
        world._blobs = Some(dir);
        world
    }

    pub async fn over(store: MemoryStore, blobs: &std::path::Path, seed: u64) -> World {
        let gate = Arc::new(TestGate::default());
        let known = Arc::clone(&gate) as Arc<dyn Gate>;
        let clock = Clock::frozen(Time::from_secs(1_800_000_000));
        let master = MasterKey::from_bytes([5; 32]);
        let concurrency = Concurrency::default();
        let core = Builder::new(Arc::new(store), clock.clone(), Ids::seeded(seed))
            .machine(machine(Arc::clone(&known), master.clone(), concurrency.clone()))
            .start(vec![tokio::runtime::Handle::current()])
            .await
            .unwrap();
        let (runner, queues) = (Arc::new(Pretender::default()), Arc::new(Queues::default()));
        let services = Arc::new(Services::default());
        services.set(vec![Arc::new(TestSqs(Arc::clone(&queues)))]);
        let lambda = Arc::new(Lambda::new(Parts {
            core: core.clone(),
            blobs: Arc::new(BlobStore::open_local(blobs).unwrap()),
            master,
            concurrency: concurrency.clone(),
            gate: known,
            roles: Arc::new(TestRoles),
            services,
            functions: Arc::clone(&runner) as Arc<dyn Functions>,
        }));
        let actor: Arc<dyn Actor> = Arc::new(LambdaActor::new(&lambda));
        core.start_actors(BTreeMap::from([(Space::Lambda, actor)]));
        World { clock, lambda, gate, runner, queues, concurrency, _blobs: None }
    }

    pub fn cx(&self) -> Cx {
        let trace: Trace = "1-00000000-000000000000000000000001".into();
        let gate = Arc::clone(&self.gate) as Arc<dyn Gate>;
        Cx::from_within(gate, Principal::root(ACCOUNT), REGION, &trace, self.clock.now())
    }

    pub async fn create(&self, name: &str) -> Result<(), Error> {
        let input = CreateFunctionInput {
            function_name: name.to_owned(),
            runtime: Some("python3.12".to_owned()),
            handler: Some("index.handler".to_owned()),
            role: ROLE.to_owned(),
            code: FunctionCode { zip_file: Some(Bytes::from_static(b"PK code")), ..FunctionCode::default() },
            environment: Some(Environment {
                variables: Some(BTreeMap::from([("SECRET".to_owned(), "very secret".to_owned())])),
            }),
            ..CreateFunctionInput::default()
        };
        self.lambda.create_function(&self.cx(), input).await.map(drop)
    }

    pub async fn invoke(&self, kind: &str, payload: &str) -> Result<InvokeOutput, Error> {
        let input = InvokeInput {
            function_name: "f".to_owned(),
            invocation_type: Some(kind.to_owned()),
            payload: Some(Bytes::copy_from_slice(payload.as_bytes())),
            ..InvokeInput::default()
        };
        self.lambda.invoke(&self.cx(), input).await
    }

    pub fn advance(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }

    /// Waits until the runner was asked `count` times.
    pub async fn ran(&self, count: usize) -> Vec<(String, Invocation)> {
        loop {
            let happened = self.runner.happened.notified();
            let ran = self.runner.ran.lock().unwrap().clone();
            if ran.len() >= count {
                return ran;
            }
            happened.await;
        }
    }

    /// Waits until the runner was asked `count` times, and what became of the last event is written down.
    pub async fn tried(&self, count: usize) -> Vec<(String, Invocation)> {
        let ran = self.ran(count).await;
        let (name, trace) = (FunctionName::new(ACCOUNT, REGION, "f"), self.cx().trace);
        let engine = &self.lambda.engine;
        let generation = engine.read(&trace, &name, None).await.unwrap().function.generation;
        loop {
            let command = Command::ReadEvent { function: name.clone(), generation, slot: 0 };
            if let Output::Event(None) = engine.submit(&trace, &name, command).await.unwrap() {
                return ran;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits until `count` messages were deleted.
    pub async fn deleted(&self, count: usize) -> Vec<String> {
        loop {
            let happened = self.queues.happened.notified();
            let deleted = self.queues.deleted.lock().unwrap().clone();
            if deleted.len() >= count {
                return deleted;
            }
            happened.await;
        }
    }

    /// Waits until queues were sent `count` messages.
    pub async fn sent(&self, count: usize) -> Vec<SendMessageInput> {
        loop {
            let happened = self.queues.happened.notified();
            let sent = self.queues.sent.lock().unwrap().clone();
            if sent.len() >= count {
                return sent;
            }
            happened.await;
        }
    }
}
