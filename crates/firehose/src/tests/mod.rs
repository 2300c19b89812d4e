//! A server with Firehose in it, and an S3 that keeps objects in memory.

mod delivery;
mod encryption;
mod endpoint;
mod processing;
mod streams;
mod subscriptions;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures_util::StreamExt as _;
use ropeway_api::firehose::{
    BufferingHints, CreateDeliveryStreamInput, ExtendedS3DestinationConfiguration, Firehose as _,
    ProcessingConfiguration, Processor, PutRecordInput, Record,
};
use ropeway_api::lambda::{self, InvokeInput, InvokeOutput};
use ropeway_api::logs::{self, PutLogEventsInput, PutLogEventsOutput};
use ropeway_api::s3::{self, PutObjectInput, PutObjectOutput};
use ropeway_core::keys::Space;
use ropeway_core::seal::MasterKey;
use ropeway_core::{Actor, Builder, Clock, Core, Ids, Time, Trace};
use ropeway_store::MemoryStore;
use ropeway_wire::schema::Service;
use ropeway_wire::{
    AccessRequest, Answer, BoxFuture, Call, Cx, Dispatch, Error, Gate, Keys, LocalAnswer, LocalCall,
    Outgoing, Principal, PrincipalKind, Roles, Services,
};
use serde_json::Value;
use tokio::sync::Notify;

use crate::commands::{Command, FirehoseMachine, Output};
use crate::keys::StreamName;
use crate::model::Stream;
use crate::ops::Firehose;
use crate::{FirehoseActor, Quota, machine, service};

pub const REGION: &str = "eu-central-1";
pub const ACCOUNT: &str = "123456789012";
pub const ROLE: &str = "arn:aws:iam::123456789012:role/delivery";
/// 2026-02-07T23:59:00Z
pub const START: i64 = 1_770_508_740;

/// Lets everything pass but the actions that it is told to deny.
#[derive(Default)]
pub struct TestGate {
    pub denied: Mutex<Vec<String>>,
    pub asked: Mutex<Vec<(String, String, String)>>,
}

impl Gate for TestGate {
    fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), String> {
        let asked =
            (request.cx.principal.arn.clone(), request.action.to_owned(), request.resource.to_owned());
        self.asked.lock().unwrap().push(asked);
        match self.denied.lock().unwrap().iter().any(|denied| denied == request.action) {
            true => Err(format!("{} is denied", request.action)),
            false => Ok(()),
        }
    }

    fn set_resource_policy(&self, _resource: &str, _policy: Option<&str>) {}

    fn set_resource_owner(&self, _resource: &str, _account: Option<&str>) {}
}

/// Knows one role that trusts Firehose and SNS.
pub struct TestRoles;

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

/// Objects by bucket and key, and what S3 is to answer.
#[derive(Default)]
pub struct Objects {
    pub objects: Mutex<BTreeMap<String, Bytes>>,
    pub inputs: Mutex<Vec<(String, String, Option<String>)>>,
    /// Refuse keys that begin so, with this status.
    pub refuse: Mutex<Option<(String, u16)>>,
    pub happened: Notify,
}

struct TestS3(Arc<Objects>);

impl Dispatch for TestS3 {
    fn service(&self) -> &'static Service {
        &s3::SERVICE
    }

    fn call(&self, _call: Call) -> BoxFuture<'static, Answer> {
        panic!("nobody calls from without")
    }

    fn call_local(&self, call: LocalCall) -> BoxFuture<'static, LocalAnswer> {
        let objects = Arc::clone(&self.0);
        Box::pin(async move {
            let input = *call.input.downcast::<PutObjectInput>().unwrap();
            call.cx.authorize(&s3::SERVICE, "s3:PutObject", &input.key, &Keys::default())?;
            let place = format!("{}/{}", input.bucket, input.key);
            objects.inputs.lock().unwrap().push((
                place.clone(),
                call.cx.principal.arn.clone(),
                input.content_encoding.clone(),
            ));
            let refused = objects.refuse.lock().unwrap().clone();
            if let Some((_, status)) = refused.filter(|(prefix, _)| input.key.starts_with(prefix.as_str())) {
                objects.happened.notify_one();
                return Err(Error::new(status, "Refused", "not now"));
            }
            let body = input.body.unwrap();
            let length = body.length().unwrap();
            let mut chunks = body.take().unwrap();
            let mut bytes = Vec::new();
            while let Some(chunk) = chunks.next().await {
                bytes.extend_from_slice(&chunk?);
            }
            assert_eq!(bytes.len() as u64, length, "the length that was said");
            objects.objects.lock().unwrap().insert(place, Bytes::from(bytes));
            objects.happened.notify_one();
            Ok(Box::new(PutObjectOutput::default()) as Box<dyn std::any::Any + Send>)
        })
    }
}

type Function = Box<dyn Fn(&Value) -> Result<InvokeOutput, Error> + Send>;

/// What functions are asked and answer, and what is logged.
pub struct Others {
    /// Requests, with who asked.
    pub invoked: Mutex<Vec<(String, Value)>>,
    /// What the function answers to a request.
    pub function: Mutex<Function>,
    pub logged: Mutex<Vec<PutLogEventsInput>>,
    pub happened: Notify,
}

struct TestLambda(Arc<Others>);

impl Dispatch for TestLambda {
    fn service(&self) -> &'static Service {
        &lambda::SERVICE
    }

    fn call(&self, _call: Call) -> BoxFuture<'static, Answer> {
        panic!("nobody calls from without")
    }

    fn call_local(&self, call: LocalCall) -> BoxFuture<'static, LocalAnswer> {
        let others = Arc::clone(&self.0);
        Box::pin(async move {
            let input = *call.input.downcast::<InvokeInput>().unwrap();
            call.cx.authorize(
                &lambda::SERVICE,
                "lambda:InvokeFunction",
                &input.function_name,
                &Keys::default(),
            )?;
            assert!(input.payload.as_ref().unwrap().len() <= 6_000_000);
            let request: Value = serde_json::from_slice(&input.payload.unwrap()).unwrap();
            others.invoked.lock().unwrap().push((call.cx.principal.arn.clone(), request.clone()));
            others.happened.notify_one();
            let answer = (others.function.lock().unwrap())(&request)?;
            Ok(Box::new(answer) as Box<dyn std::any::Any + Send>)
        })
    }
}

struct TestLogs(Arc<Others>);

impl Dispatch for TestLogs {
    fn service(&self) -> &'static Service {
        &logs::SERVICE
    }

    fn call(&self, _call: Call) -> BoxFuture<'static, Answer> {
        panic!("nobody calls from without")
    }

    fn call_local(&self, call: LocalCall) -> BoxFuture<'static, LocalAnswer> {
        let others = Arc::clone(&self.0);
        Box::pin(async move {
            let input = *call.input.downcast::<PutLogEventsInput>().unwrap();
            others.logged.lock().unwrap().push(input);
            Ok(Box::new(PutLogEventsOutput::default()) as Box<dyn std::any::Any + Send>)
        })
    }
}

/// An HTTP endpoint that notes what it is sent, and answers as it is told: `None` never comes.
#[derive(Default)]
pub struct TestEndpoint {
    pub got: Mutex<Vec<http::Request<Bytes>>>,
    pub answers: Mutex<VecDeque<Option<u16>>>,
    pub happened: Notify,
}

impl Outgoing for TestEndpoint {
    fn call(&self, request: http::Request<Bytes>) -> BoxFuture<'_, Result<http::Response<Bytes>, String>> {
        let id = request.headers()["x-amz-firehose-request-id"].to_str().unwrap().to_owned();
        self.got.lock().unwrap().push(request);
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or(Some(200));
        self.happened.notify_one();
        Box::pin(async move {
            let Some(status) = answer else { return std::future::pending().await };
            let body =
                serde_json::json!({ "requestId": id, "timestamp": 1, "errorMessage": "no" }).to_string();
            let answer = http::Response::builder().status(status).header("content-type", "application/json");
            Ok(answer.body(Bytes::from(body)).unwrap())
        })
    }
}

pub struct World {
    pub clock: Clock,
    pub core: Core,
    pub firehose: Firehose,
    pub gate: Arc<TestGate>,
    pub s3: Arc<Objects>,
    pub others: Arc<Others>,
    pub endpoint: Arc<TestEndpoint>,
}

impl World {
    pub async fn new() -> World {
        World::over(MemoryStore::new(4), START, 1).await
    }

    pub async fn over(store: MemoryStore, start: i64, seed: u64) -> World {
        let gate = Arc::new(TestGate::default());
        let known = Arc::clone(&gate) as Arc<dyn Gate>;
        let roles: Arc<dyn Roles> = Arc::new(TestRoles);
        let master = MasterKey::from_bytes([7; 32]);
        let clock = Clock::frozen(Time::from_secs(start));
        let core = Builder::new(Arc::new(store), clock.clone(), Ids::seeded(seed))
            .machine(machine(Arc::clone(&known), Arc::clone(&roles), master.clone()))
            .start(vec![tokio::runtime::Handle::current()])
            .await
            .unwrap();
        let s3 = Arc::new(Objects::default());
        let services = Arc::new(Services::default());
        let others = Arc::new(Others {
            invoked: Mutex::default(),
            function: Mutex::new(Box::new(|_| {
                Err(Error::new(404, "ResourceNotFoundException", "no function"))
            })),
            logged: Mutex::default(),
            happened: Notify::new(),
        });
        services.set(vec![
            Arc::new(TestS3(Arc::clone(&s3))),
            Arc::new(TestLambda(Arc::clone(&others))),
            Arc::new(TestLogs(Arc::clone(&others))),
        ]);
        let endpoint = Arc::new(TestEndpoint::default());
        let outgoing = Arc::clone(&endpoint) as Arc<dyn Outgoing>;
        let actor =
            FirehoseActor::new(core.clone(), services, known, Arc::clone(&roles), master.clone(), outgoing);
        core.start_actors(BTreeMap::from([(Space::Firehose, Arc::new(actor) as Arc<dyn Actor>)]));
        let firehose = service(core.clone(), roles, master, Quota::Unlimited);
        World { clock, core, firehose, gate, s3, others, endpoint }
    }

    pub fn cx(&self) -> Cx {
        let trace: Trace = "1-00000000-000000000000000000000001".into();
        let gate = Arc::clone(&self.gate) as Arc<dyn Gate>;
        Cx::from_within(gate, Principal::root(ACCOUNT), REGION, &trace, self.clock.now())
    }

    pub async fn create(&self, destination: ExtendedS3DestinationConfiguration) {
        let input = CreateDeliveryStreamInput {
            delivery_stream_name: "s".to_owned(),
            extended_s3_destination_configuration: Some(destination),
            ..Default::default()
        };
        self.firehose.create_delivery_stream(&self.cx(), input).await.unwrap();
    }

    /// Has the function answer each record by `each`: result, data, partition keys.
    pub fn transforms(&self, each: impl Fn(&str) -> (&'static str, String, Value) + Send + 'static) {
        *self.others.function.lock().unwrap() = Box::new(move |request| {
            let records = request["records"].as_array().unwrap().iter().map(|record| {
                let data = BASE64.decode(record["data"].as_str().unwrap()).unwrap();
                let (result, data, keys) = each(std::str::from_utf8(&data).unwrap());
                serde_json::json!({
                    "recordId": record["recordId"], "result": result, "data": BASE64.encode(data),
                    "metadata": { "partitionKeys": keys },
                })
            });
            let records = records.collect::<Vec<_>>();
            let payload = serde_json::json!({ "records": records }).to_string();
            Ok(InvokeOutput { payload: Some(payload.into()), ..InvokeOutput::default() })
        });
    }

    /// Waits until the function was asked `count` times.
    pub async fn invoked(&self, count: usize) {
        while self.others.invoked.lock().unwrap().len() < count {
            self.others.happened.notified().await;
        }
    }

    pub async fn put(&self, data: &str) -> Result<(), Error> {
        let record = Record { data: Bytes::copy_from_slice(data.as_bytes()) };
        let input = PutRecordInput { delivery_stream_name: "s".to_owned(), record };
        self.firehose.put_record(&self.cx(), input).await.map(drop)
    }

    pub fn advance(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }

    /// Waits until S3 was asked `count` times.
    pub async fn asked(&self, count: usize) {
        while self.s3.inputs.lock().unwrap().len() < count {
            self.s3.happened.notified().await;
        }
    }

    /// Waits until S3 has so many objects, and gives them.
    pub async fn objects(&self, count: usize) -> BTreeMap<String, Bytes> {
        loop {
            let objects = self.s3.objects.lock().unwrap().clone();
            if objects.len() >= count {
                return objects;
            }
            self.s3.happened.notified().await;
        }
    }

    /// Waits until the stream has no record left.
    pub async fn cleaned(&self, id: u64) {
        let stream = StreamName::new(ACCOUNT, REGION, "s");
        let shard = self.core.shard_of(&stream.arn());
        loop {
            let command =
                Command::Fetch { stream: stream.clone(), id, after: None, from: 0, to: u64::MAX, limit: 1 };
            let answer = self.core.submit::<FirehoseMachine>(shard, &self.cx().trace, command).await;
            match answer.unwrap() {
                Output::Pieces(pieces) if pieces.is_empty() => return,
                _ => tokio::task::yield_now().await,
            }
        }
    }

    pub async fn stream(&self) -> Stream {
        self.firehose.read(&self.cx(), &StreamName::new(ACCOUNT, REGION, "s")).await.unwrap()
    }
}

/// Minute-long buffers, a newline behind each record, one partition a day.
pub fn destination() -> ExtendedS3DestinationConfiguration {
    let processor = Processor { type_: "AppendDelimiterToRecord".to_owned(), parameters: None };
    ExtendedS3DestinationConfiguration {
        role_arn: ROLE.to_owned(),
        bucket_arn: "arn:aws:s3:::archive".to_owned(),
        prefix: Some("landing_date=!{timestamp:yyyy-MM-dd}/".to_owned()),
        error_output_prefix: Some("errors/!{firehose:error-output-type}/".to_owned()),
        buffering_hints: Some(BufferingHints { size_in_m_bs: Some(5), interval_in_seconds: Some(60) }),
        processing_configuration: Some(ProcessingConfiguration {
            enabled: Some(true),
            processors: Some(vec![processor]),
        }),
        ..Default::default()
    }
}
