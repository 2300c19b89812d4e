//! The service over a store in memory, with destinations that remember what they got.

mod events;
mod expiry;
mod subscriptions;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ropeway_api::logs::{
    CreateLogGroupInput, CreateLogStreamInput, FilterLogEventsInput, GetLogEventsInput, InputLogEvent,
    Logs as _, LogsDispatch, PutLogEventsInput, PutLogEventsOutput,
};
use ropeway_core::effects::{FirehoseCommand, LambdaCommand};
use ropeway_core::keys::Space;
use ropeway_core::seal::MasterKey;
use ropeway_core::{Actor, Builder, Clock, Core, Fault, Ids, Machine, Time, Trace, Tx};
use ropeway_store::MemoryStore;
use ropeway_wire::{AccessRequest, Cx, Error, Gate, Keys, Principal, PrincipalKind, Roles, Services};
use tokio::sync::Notify;

use crate::commands::{Command, LogsMachine, Output};
use crate::keys::GroupName;
use crate::model::{Group, Stats};
use crate::ops::{Logs, Setup};
use crate::{LogsActor, machine, service};

pub const REGION: &str = "eu-central-1";
pub const ACCOUNT: &str = "123456789012";
pub const ROLE: &str = "arn:aws:iam::123456789012:role/r";
/// 2026-11-21T12:00:00Z
pub const START: i64 = 1_795_262_400_000;
pub const DAY: i64 = 24 * 60 * 60 * 1000;

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

/// Knows one role.
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

/// What destinations got.
#[derive(Default)]
pub struct Got {
    pub firehose: Mutex<Vec<FirehoseCommand>>,
    pub lambda: Mutex<Vec<LambdaCommand>>,
    pub came: Notify,
}

macro_rules! destination {
    ($name:ident, $command:ident, $space:expr, $list:ident) => {
        struct $name(Arc<Got>);

        impl Machine for $name {
            type Command = $command;
            type Output = ();
            type Error = Fault;
            const SPACE: Space = $space;

            async fn load(&mut self, _tx: &mut Tx) -> Result<(), Fault> {
                Ok(())
            }

            async fn apply(&mut self, _tx: &mut Tx, command: $command) -> Result<(), Fault> {
                self.0.$list.lock().unwrap().push(command);
                self.0.came.notify_one();
                Ok(())
            }

            fn grows(_command: &$command) -> bool {
                false
            }
        }
    };
}

destination!(TestStream, FirehoseCommand, Space::Firehose, firehose);
destination!(TestFunction, LambdaCommand, Space::Lambda, lambda);

pub struct World {
    pub clock: Clock,
    pub core: Core,
    pub logs: Arc<Logs>,
    pub gate: Arc<TestGate>,
    pub services: Arc<Services>,
    pub got: Arc<Got>,
}

impl World {
    pub async fn new() -> World {
        World::over(MemoryStore::new(4), 1).await
    }

    pub async fn over(store: MemoryStore, seed: u64) -> World {
        let (gate, got) = (Arc::new(TestGate::default()), Arc::new(Got::default()));
        let clock = Clock::frozen(Time(START));
        let (stream, function) = (Arc::clone(&got), Arc::clone(&got));
        let core = Builder::new(Arc::new(store), clock.clone(), Ids::seeded(seed))
            .machine(machine())
            .machine(move |_| TestStream(Arc::clone(&stream)))
            .machine(move |_| TestFunction(Arc::clone(&function)))
            .start(vec![tokio::runtime::Handle::current()])
            .await
            .unwrap();
        let master = MasterKey::from_bytes([1; 32]);
        let services = Arc::new(Services::default());
        let setup = Setup {
            gate: Arc::clone(&gate) as Arc<dyn Gate>,
            roles: Arc::new(TestRoles),
            master: master.clone(),
            services: Arc::clone(&services),
        };
        let logs = Arc::new(service(core.clone(), setup));
        services.set(vec![Arc::new(LogsDispatch(Arc::clone(&logs)))]);
        let actor = LogsActor::new(core.clone(), master);
        core.start_actors(BTreeMap::from([(Space::Logs, Arc::new(actor) as Arc<dyn Actor>)]));
        World { clock, core, logs, gate, services, got }
    }

    pub fn cx(&self) -> Cx {
        let trace: Trace = "1-00000000-000000000000000000000001".into();
        let gate = Arc::clone(&self.gate) as Arc<dyn Gate>;
        Cx::from_within(gate, Principal::root(ACCOUNT), REGION, &trace, self.clock.now())
    }

    /// A group `g` with these streams.
    pub async fn create(&self, streams: &[&str]) {
        let group = CreateLogGroupInput { log_group_name: "g".to_owned(), ..Default::default() };
        self.logs.create_log_group(&self.cx(), group).await.unwrap();
        for stream in streams {
            let input = CreateLogStreamInput {
                log_group_name: "g".to_owned(),
                log_stream_name: (*stream).to_owned(),
            };
            self.logs.create_log_stream(&self.cx(), input).await.unwrap();
        }
    }

    pub async fn put(&self, stream: &str, events: &[(i64, &str)]) -> Result<PutLogEventsOutput, Error> {
        let event = |(time, message): &(i64, &str)| InputLogEvent {
            timestamp: START + time,
            message: (*message).to_owned(),
        };
        let input = PutLogEventsInput {
            log_group_name: "g".to_owned(),
            log_stream_name: stream.to_owned(),
            log_events: events.iter().map(event).collect(),
            sequence_token: None,
        };
        self.logs.put_log_events(&self.cx(), input).await
    }

    pub async fn submit(&self, command: Command) -> Result<Output, Error> {
        let shard = self.core.shard_of(&group().arn());
        self.core.submit::<LogsMachine>(shard, &self.cx().trace, command).await
    }

    pub async fn read(&self) -> (Group, Stats) {
        match self.submit(Command::ReadGroup { group: group() }).await.unwrap() {
            Output::Group(group, stats) => (*group, stats),
            other => panic!("{other:?}"),
        }
    }

    /// How many of the first chunks of the group of an id are still there.
    pub async fn bodies(&self, id: u64) -> usize {
        let chunks = (0..200).map(|number| (number, 1)).collect();
        match self.submit(Command::ReadBodies { group: group(), id, chunks }).await.unwrap() {
            Output::Bodies(bodies) => bodies.len(),
            other => panic!("{other:?}"),
        }
    }

    /// Waits until so many chunks are left.
    pub async fn bodies_left(&self, id: u64, count: usize) {
        while self.bodies(id).await != count {
            tokio::task::yield_now().await;
        }
    }

    pub fn advance(&self, millis: i64) {
        self.clock.advance(Duration::from_millis(millis.unsigned_abs()));
    }

    /// Every message that matches, page by page.
    pub async fn filter(&self, pattern: &str) -> Vec<String> {
        let mut input = FilterLogEventsInput {
            log_group_name: Some("g".to_owned()),
            filter_pattern: Some(pattern.to_owned()),
            ..Default::default()
        };
        let mut out = Vec::new();
        loop {
            let page = self.logs.filter_log_events(&self.cx(), input.clone()).await.unwrap();
            out.extend(page.events.unwrap().into_iter().map(|event| event.message.unwrap()));
            input.next_token = page.next_token;
            if input.next_token.is_none() {
                return out;
            }
        }
    }
}

pub fn group() -> GroupName {
    GroupName::new(ACCOUNT, REGION, "g")
}

/// `GetLogEvents` of a stream.
pub fn get(stream: &str) -> GetLogEventsInput {
    GetLogEventsInput {
        log_group_name: Some("g".to_owned()),
        log_stream_name: stream.to_owned(),
        ..Default::default()
    }
}
