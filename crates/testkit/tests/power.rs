//! Losses of power and failing calls, on the real server: everything acknowledged is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use ropeway_store::crash::{Call, Fault, Log, Shim, Unsynced, replay};
use ropeway_testkit::{Client, Server, Setting};
use serde_json::json;

/// Where things are: what is watched, the server's data in it, the log outside of it.
struct Ground {
    _dir: tempfile::TempDir,
    base: PathBuf,
    watched: PathBuf,
    log: PathBuf,
    shim: Shim,
}

impl Ground {
    fn new() -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let base = dir.path().canonicalize().unwrap();
        let watched = base.join("watched");
        std::fs::create_dir(&watched).unwrap();
        let shim = Shim::build(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
        Ground { log: base.join("log"), watched, base, shim, _dir: dir }
    }

    fn data(&self) -> PathBuf {
        self.watched.join("data")
    }

    fn recorded(&self, fault: Option<Fault>) -> Result<Server, String> {
        // The disk is small, and so must be the reserve.
        let setting =
            Setting { arguments: vec!["--reserve-mib".to_owned(), "1".to_owned()], ..Setting::default() };
        let mut command = Server::command(&self.data(), &setting);
        self.shim.record(&mut command, &self.watched, &self.log);
        if let Some(fault) = fault {
            self.shim.fail(&mut command, fault);
        }
        Server::spawn(command)
    }

    fn log_length(&self) -> u64 {
        std::fs::metadata(&self.log).map_or(0, |meta| meta.len())
    }
}

/// What was acknowledged: messages and objects, each with the log's length at that moment.
#[derive(Default)]
struct Acknowledged {
    messages: BTreeMap<String, u64>,
    objects: BTreeMap<String, (Vec<u8>, u64)>,
}

impl Acknowledged {
    fn add_message(&mut self, client: &Client, ground: &Ground, name: &str) -> bool {
        let url = "http://localhost/000000000000/power";
        match client.sqs("SendMessage", &json!({ "QueueUrl": url, "MessageBody": name })) {
            Ok((200, _)) => self.messages.insert(name.to_owned(), ground.log_length()).is_none(),
            _ => false,
        }
    }

    fn add_object(&mut self, client: &Client, ground: &Ground, name: &str, size: usize) {
        let body: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        if let Ok(reply) = client.send("s3", "PUT", &format!("/power/{name}"), &[], &body)
            && reply.status == 200
        {
            self.objects.insert(name.to_owned(), (body, ground.log_length()));
        }
    }

    /// Everything of it that a server does not have. `counts` says of a log's length whether what was
    /// acknowledged then must be there.
    fn missing_at(&self, endpoint: &str, counts: impl Fn(u64) -> bool) -> Vec<String> {
        let client = Client::new(endpoint);
        let there = messages(&client);
        let expected = self.messages.iter().filter(|(_, at)| counts(**at));
        let mut missing: Vec<String> =
            expected.map(|(name, _)| name.clone()).filter(|n| !there.contains(n)).collect();
        for (name, (body, _)) in self.objects.iter().filter(|(_, (_, at))| counts(*at)) {
            let reply = client.send("s3", "GET", &format!("/power/{name}"), &[], b"").unwrap();
            if reply.status != 200 || reply.body != *body {
                missing.push(format!("object {name}"));
            }
        }
        missing
    }
}

/// Every message of the queue.
fn messages(client: &Client) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    loop {
        let input = json!({ "QueueUrl": "http://localhost/000000000000/power", "MaxNumberOfMessages": 10, "VisibilityTimeout": 43200 });
        let Ok((200, output)) = client.sqs("ReceiveMessage", &input) else { return out };
        let found = output["Messages"].as_array().cloned().unwrap_or_default();
        if found.is_empty() {
            return out;
        }
        out.extend(found.iter().filter_map(|m| m["Body"].as_str().map(str::to_owned)));
    }
}

fn prepare(client: &Client) -> bool {
    let queue = client.sqs("CreateQueue", &json!({ "QueueName": "power" }));
    let bucket = client.send("s3", "PUT", "/power", &[], b"");
    matches!(queue, Ok((200, _))) && bucket.is_ok_and(|reply| reply.status == 200)
}

/// Runs a server and notes what it acknowledges.
fn recorded_run(ground: &Ground) -> (Acknowledged, Log) {
    let mut server = ground.recorded(None).unwrap();
    let client = Client::new(&server.endpoint);
    assert!(prepare(&client));
    let mut acknowledged = Acknowledged::default();
    for n in 0..40 {
        assert!(acknowledged.add_message(&client, ground, &format!("m{n}")));
        if n % 10 == 0 {
            acknowledged.add_object(&client, ground, &format!("small{n}"), 1000);
            acknowledged.add_object(&client, ground, &format!("large{n}"), 300_000);
        }
    }
    server.kill();
    assert_eq!(acknowledged.objects.len(), 8);
    (acknowledged, Log::read(&ground.log).unwrap())
}

#[test]
fn nothing_acknowledged_is_lost_with_the_power() {
    let ground = Ground::new();
    let (acknowledged, log) = recorded_run(&ground);
    let mut rng = StdRng::seed_from_u64(7);
    let end = log.events().len();
    let first = acknowledged.messages.values().map(|at| log.events_within(*at)).min().unwrap();
    let mut points: Vec<usize> = (0..7).map(|_| rng.random_range(first..end)).collect();
    points.push(end);
    for point in points {
        for unsynced in [Unsynced::Lost, Unsynced::Torn] {
            let into = rebuilt(&ground, &log, point, unsynced, &mut rng);
            let server = Server::start(&into.join("data"));
            let missing = acknowledged.missing_at(&server.endpoint, |at| log.events_within(at) <= point);
            assert_eq!(missing, Vec::<String>::new(), "power lost after event {point} of {end}");
        }
    }
}

fn rebuilt(ground: &Ground, log: &Log, point: usize, unsynced: Unsynced, rng: &mut StdRng) -> PathBuf {
    // A directory of its own each time: what a server that was just killed had begun may still be ending there.
    let into = tempfile::tempdir_in(&ground.base).unwrap().keep();
    replay(log, point, unsynced, &mut || rng.next_u64(), &ground.watched, &into).unwrap();
    into
}

/// A server is killed before each so-manieth of its syncs, from its first start on; the next one acknowledges more, and
/// then the power is lost: what the first had left in the kernel's memory must not have been built upon.
#[test]
fn nothing_acknowledged_after_a_kill_is_lost_with_the_power() {
    let mut rng = StdRng::seed_from_u64(11);
    let (mut nth, mut kills) = (1, 0);
    loop {
        let ground = Ground::new();
        let mut acknowledged = Acknowledged::default();
        if let Ok(mut server) = ground.recorded(Some(Fault { call: Call::Sync, nth, errno: KILL })) {
            use_for_a_while(&server, &ground, &mut acknowledged, "first");
            server.kill();
        }
        if !Log::read(&ground.log).unwrap().faulted() {
            assert!(kills > 10 && acknowledged.messages.len() == 6, "{kills}");
            return;
        }
        kills += 1;
        let mut server = ground.recorded(None).unwrap();
        use_for_a_while(&server, &ground, &mut acknowledged, "second");
        server.kill();
        let log = Log::read(&ground.log).unwrap();
        let into = rebuilt(&ground, &log, log.events().len(), Unsynced::Lost, &mut rng);
        let server = Server::start(&into.join("data"));
        let missing = acknowledged.missing_at(&server.endpoint, |_| true);
        assert_eq!(missing, Vec::<String>::new(), "killed before sync {nth}");
        // Every one at first, then in growing steps.
        nth += 1 + nth / 8;
    }
}

fn use_for_a_while(server: &Server, ground: &Ground, acknowledged: &mut Acknowledged, name: &str) {
    let client = Client::new(&server.endpoint);
    if prepare(&client) {
        for n in 0..6 {
            acknowledged.add_message(&client, ground, &format!("{name}{n}"));
        }
        acknowledged.add_object(&client, ground, name, 100_000);
    }
}

/// The same check, with every sync taken out of the record: it must notice.
#[test]
fn the_check_notices_when_nothing_is_synced() {
    let ground = Ground::new();
    let (acknowledged, log) = recorded_run(&ground);
    let log = log.without_syncs();
    let into = rebuilt(&ground, &log, log.events().len(), Unsynced::Lost, &mut StdRng::seed_from_u64(7));
    // Nothing is left, not even the master key: a server starts on an empty directory.
    let lost = match Server::spawn(Server::command(&into.join("data"), &Setting::default())) {
        Err(_) => true,
        Ok(server) => !acknowledged.missing_at(&server.endpoint, |_| true).is_empty(),
    };
    assert!(lost, "a disk without syncs kept everything: the check sees nothing");
}

/// Fails every so-manieth call; what was acknowledged until then must be there after a restart.
fn fail_in_turn(call: Call, errno: i32) {
    let mut nth = 1;
    let (mut faults, mut amid) = (0, 0);
    loop {
        let ground = Ground::new();
        let mut acknowledged = Acknowledged::default();
        // A server that does not start has acknowledged nothing; it says why and ends.
        if let Ok(mut server) = ground.recorded(Some(Fault { call, nth, errno })) {
            let client = Client::new(&server.endpoint);
            if prepare(&client) {
                for n in 0..30 {
                    acknowledged.add_message(&client, &ground, &format!("m{n}"));
                    if n % 15 == 0 {
                        acknowledged.add_object(&client, &ground, &format!("o{n}"), 200_000);
                    }
                }
            }
            server.kill();
        }
        let server = Server::start(&ground.data());
        assert_eq!(
            acknowledged.missing_at(&server.endpoint, |_| true),
            Vec::<String>::new(),
            "call {nth} failed with {errno}"
        );
        if !Log::read(&ground.log).unwrap().faulted() {
            assert_eq!(acknowledged.messages.len(), 30, "without a fault everything is acknowledged");
            assert!(
                faults > 5 && amid > 0,
                "{faults} faults, {amid} of them amid the messages: too few to tell"
            );
            return;
        }
        faults += 1;
        amid += usize::from(!acknowledged.messages.is_empty());
        // Every one at first, then in growing steps.
        nth += 1 + nth / 3;
    }
}

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
/// Instead of an error's number.
const KILL: i32 = 0;

#[test]
fn a_failed_sync_loses_nothing() {
    fail_in_turn(Call::Sync, EIO);
}

#[test]
fn a_failed_write_loses_nothing() {
    fail_in_turn(Call::Write, ENOSPC);
}
