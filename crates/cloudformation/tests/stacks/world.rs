//! A server in a test: SQS and SNS as they are, and calls of theirs that fail or never return.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ropeway_api::cloudformation::*;
use ropeway_api::{cloudformation, iam, s3, sns, sqs};
use ropeway_core::keys::Space;
use ropeway_core::seal::MasterKey;
use ropeway_core::{Actor, BoxFuture, Builder, Clock, Core, Ids, Time};
use ropeway_store::blobs::BlobStore;
use ropeway_store::{MemoryStore, Store};
use ropeway_wire::{
    AccessRequest, Answer, Call, Cx, Dispatch, Error, Gate, Input, Keys, LocalAnswer, LocalCall, Principal,
    Roles, Services,
};
use tokio::runtime::Handle;

pub const ACCOUNT: &str = "000000000000";

/// Lets everybody do everything, except for what is denied by action.
#[derive(Default)]
pub struct Guard(Mutex<Vec<String>>);

impl Gate for Guard {
    fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), String> {
        let denied = self.0.lock().unwrap().iter().any(|action| action == request.action);
        if denied { Err(format!("not authorized to perform: {}", request.action)) } else { Ok(()) }
    }

    fn set_resource_policy(&self, _: &str, _: Option<&str>) {}

    fn set_resource_owner(&self, _: &str, _: Option<&str>) {}
}

impl Roles for Guard {
    fn assume_for_service(&self, role: &str, _: &str, _: &str, _: &Keys) -> Result<Principal, String> {
        Ok(Principal { arn: role.to_owned(), ..Principal::root(ACCOUNT) })
    }
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is refused.
    Refuse,
    /// It fails, and would succeed later.
    Throttle,
    /// It never gets there, and no answer comes.
    LoseCall,
    /// It gets there, and no answer comes.
    LoseAnswer,
}

#[derive(Default)]
pub struct Script {
    faults: Mutex<BTreeMap<usize, Fault>>,
    log: Mutex<Vec<String>>,
    lost: tokio::sync::Notify,
}

impl Script {
    /// The n-th call from now on, from 0.
    pub fn fault(&self, n: usize, fault: Fault) {
        let from = self.log.lock().unwrap().len();
        self.faults.lock().unwrap().insert(from + n, fault);
    }

    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Until a call or its answer has been lost.
    pub async fn lost(&self) {
        self.lost.notified().await;
    }

    fn next(&self, call: &str) -> Option<Fault> {
        let mut log = self.log.lock().unwrap();
        log.push(call.to_owned());
        self.faults.lock().unwrap().remove(&(log.len() - 1))
    }
}

struct Wire {
    inner: Arc<dyn Dispatch>,
    script: Arc<Script>,
}

impl Dispatch for Wire {
    fn service(&self) -> &'static ropeway_wire::schema::Service {
        self.inner.service()
    }

    fn call(&self, call: Call) -> BoxFuture<'static, Answer> {
        self.inner.call(call)
    }

    fn call_local(&self, call: LocalCall) -> BoxFuture<'static, LocalAnswer> {
        let fault = self.script.next(call.operation.name);
        let (inner, script) = (Arc::clone(&self.inner), Arc::clone(&self.script));
        Box::pin(async move {
            match fault {
                None => inner.call_local(call).await,
                Some(Fault::Refuse) => Err(Error::new(400, "InvalidParameterValue", "as the test wants it")),
                Some(Fault::Throttle) => Err(Error::new(503, "ThrottlingException", "Rate exceeded")),
                Some(Fault::LoseCall) => {
                    script.lost.notify_one();
                    std::future::pending().await
                }
                Some(Fault::LoseAnswer) => {
                    let _ = inner.call_local(call).await;
                    script.lost.notify_one();
                    std::future::pending().await
                }
            }
        })
    }
}

pub struct World {
    store: MemoryStore,
    pub clock: Clock,
    ids: Ids,
    pub services: Arc<Services>,
    pub script: Arc<Script>,
    pub guard: Arc<Guard>,
    pub cfn: ropeway_cloudformation::CloudFormation,
    pub cx: Cx,
    /// Where objects' bodies are.
    _folder: tempfile::TempDir,
}

impl World {
    pub async fn new() -> World {
        let ids = Ids::seeded(1);
        World::over(MemoryStore::new(4), Clock::frozen(Time::from_secs(1_800_000_000)), ids).await
    }

    /// Another process over the same store.
    pub async fn again(&self) -> World {
        World::over(self.store.clone(), self.clock.clone(), self.ids.clone()).await
    }

    async fn over(store: MemoryStore, clock: Clock, ids: Ids) -> World {
        let guard = Arc::new(Guard::default());
        let gate: Arc<dyn Gate> = guard.clone();
        let options = ropeway_sqs::Options { strict_delays: false, ..ropeway_sqs::Options::default() };
        let setup =
            ropeway_sqs::Setup { gate: gate.clone(), master: MasterKey::from_bytes([7; 32]), options };
        let access = Arc::new(ropeway_iam::Access::new(&setup.master, clock.clone()));
        let folder = tempfile::tempdir().unwrap();
        let blobs = Arc::new(BlobStore::open_local(folder.path()).unwrap());
        let shared: Arc<dyn Store> = Arc::new(store.clone());
        let buckets = ropeway_s3::Live::default();
        let core = Builder::new(shared, clock.clone(), ids.clone())
            .machine(ropeway_sqs::machine(setup.clone()))
            .machine(ropeway_sns::machine(gate.clone(), Arc::new(drop), &ids))
            .machine(ropeway_s3::machine(gate.clone(), buckets.clone()))
            .machine(access.machines())
            .machine(ropeway_cloudformation::machine())
            .start(vec![Handle::current()])
            .await
            .unwrap();
        let services = Arc::new(Services::default());
        let script = Arc::new(Script::default());
        let wire = |inner: Arc<dyn Dispatch>| -> Arc<dyn Dispatch> {
            Arc::new(Wire { inner, script: Arc::clone(&script) })
        };
        let s3_service = ropeway_s3::S3Service::new(
            core.clone(),
            buckets,
            blobs,
            &setup.master,
            Arc::clone(&services),
            ropeway_s3::Options::default(),
        );
        let iam_service = ropeway_iam::IamService::new(core.clone(), access);
        let signing = Arc::new(ropeway_sns::Signing::new(core.clone(), setup.master.clone()));
        let sqs_service = ropeway_sqs::SqsService::new(core.clone(), setup);
        let sns_service = ropeway_sns::service(core.clone(), guard.clone(), signing);
        services.set(vec![
            wire(Arc::new(sqs::SqsDispatch(Arc::new(sqs_service)))),
            wire(Arc::new(sns::SnsDispatch(Arc::new(sns_service)))),
            wire(Arc::new(s3::S3Dispatch(Arc::new(s3_service)))),
            wire(Arc::new(iam::IamDispatch(Arc::new(iam_service)))),
        ]);
        let deployer = ropeway_cloudformation::actor(core.clone(), surroundings(&services, &gate, &guard));
        core.start_actors([(Space::CloudFormation, Arc::new(deployer) as Arc<dyn Actor>)].into());
        let trace = Arc::from("1-00000000-000000000000000000000000");
        let mut cx = Cx::from_within(gate, Principal::root(ACCOUNT), "us-east-1", &trace, clock.now());
        cx.endpoint = "http://localhost:4566".to_owned();
        let cfn = make(&core, &services);
        World { store, clock, ids, services, script, guard, cfn, cx, _folder: folder }
    }

    pub fn deny(&self, action: &str) {
        self.guard.0.lock().unwrap().push(action.to_owned());
    }

    pub fn allow_all(&self) {
        self.guard.0.lock().unwrap().clear();
    }

    /// An operation of any service, by the services' own path.
    pub async fn call<I: Input>(&self, input: I) -> Result<I::Output, Error> {
        self.services.call(self.cx.clone(), input).await
    }

    pub async fn create(&self, name: &str, template: &str) -> Result<String, Error> {
        let input = CreateStackInput {
            stack_name: name.to_owned(),
            template_body: Some(template.to_owned()),
            ..CreateStackInput::default()
        };
        self.create_with(input).await
    }

    pub async fn create_with(&self, input: CreateStackInput) -> Result<String, Error> {
        Ok(self.cfn.create_stack(&self.cx, input).await?.stack_id.unwrap())
    }

    pub async fn update(&self, name: &str, template: &str) -> Result<(), Error> {
        let input = UpdateStackInput {
            stack_name: name.to_owned(),
            template_body: Some(template.to_owned()),
            ..UpdateStackInput::default()
        };
        self.cfn.update_stack(&self.cx, input).await.map(drop)
    }

    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        let input = DeleteStackInput { stack_name: name.to_owned(), ..DeleteStackInput::default() };
        self.cfn.delete_stack(&self.cx, input).await.map(drop)
    }

    pub async fn stack(&self, name: &str) -> Result<Stack, Error> {
        let input = DescribeStacksInput { stack_name: Some(name.to_owned()), next_token: None };
        Ok(self.cfn.describe_stacks(&self.cx, input).await?.stacks.unwrap().remove(0))
    }

    /// Until the stack's operation is over; time passes whenever nothing else happens.
    pub async fn settled(&self, id: &str) -> Stack {
        for turn in 1..200_000 {
            let stack = self.stack(id).await.unwrap();
            if !stack.stack_status.ends_with("_IN_PROGRESS") {
                return stack;
            }
            tokio::task::yield_now().await;
            if turn % 500 == 0 {
                self.clock.advance(Duration::from_secs(1));
            }
        }
        panic!("the operation does not end: {:?}, calls {:?}", self.events(id).await, self.script.log());
    }

    /// Logical id and status of every event, the oldest first.
    pub async fn events(&self, id: &str) -> Vec<(String, String)> {
        let events = self.all_events(id).await;
        events.into_iter().map(|e| (e.logical_resource_id.unwrap(), e.resource_status.unwrap())).collect()
    }

    pub async fn all_events(&self, id: &str) -> Vec<StackEvent> {
        let mut events = Vec::new();
        let mut next_token = None;
        loop {
            let input = DescribeStackEventsInput { stack_name: id.to_owned(), next_token };
            let page = self.cfn.describe_stack_events(&self.cx, input).await.unwrap();
            events.extend(page.stack_events.unwrap());
            next_token = page.next_token;
            if next_token.is_none() {
                events.reverse();
                return events;
            }
        }
    }

    pub async fn resources(&self, id: &str) -> BTreeMap<String, StackResource> {
        let input = DescribeStackResourcesInput { stack_name: Some(id.to_owned()), ..Default::default() };
        let found =
            self.cfn.describe_stack_resources(&self.cx, input).await.unwrap().stack_resources.unwrap();
        found.into_iter().map(|resource| (resource.logical_resource_id.clone(), resource)).collect()
    }

    /// Names of every queue, topic and subscription that there is.
    pub async fn inventory(&self) -> Vec<String> {
        let queues = self.call(sqs::ListQueuesInput::default()).await.unwrap().queue_urls.unwrap_or_default();
        let topics = self.call(sns::ListTopicsInput::default()).await.unwrap().topics.unwrap_or_default();
        let subscriptions = self.call(sns::ListSubscriptionsInput::default()).await.unwrap();
        let mut all: Vec<String> =
            queues.iter().map(|url| url.rsplit('/').next().unwrap().to_owned()).collect();
        all.extend(topics.into_iter().map(|topic| topic.topic_arn.unwrap()));
        let subscriptions = subscriptions.subscriptions.unwrap_or_default();
        all.extend(
            subscriptions.into_iter().map(|s| format!("{} -> {}", s.topic_arn.unwrap(), s.endpoint.unwrap())),
        );
        all.sort();
        all
    }

    pub async fn queue(&self, name: &str) -> BTreeMap<String, String> {
        let input = sqs::GetQueueAttributesInput {
            queue_url: format!("http://localhost:4566/{ACCOUNT}/{name}"),
            attribute_names: Some(vec!["All".to_owned()]),
        };
        self.call(input).await.unwrap().attributes.unwrap()
    }
}

fn surroundings(
    services: &Arc<Services>,
    gate: &Arc<dyn Gate>,
    guard: &Arc<Guard>,
) -> ropeway_cloudformation::Surroundings {
    ropeway_cloudformation::Surroundings {
        services: Arc::clone(services),
        gate: Arc::clone(gate),
        roles: guard.clone(),
        addresses: ropeway_cloudformation::Addresses { local: "http://localhost:4566".to_owned() },
    }
}

fn make(core: &Core, services: &Arc<Services>) -> ropeway_cloudformation::CloudFormation {
    ropeway_cloudformation::service(core.clone(), Arc::clone(services))
}

/// The operations, without naming the trait in every test.
pub use cloudformation::Cloudformation as _;

pub fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}
