//! The scenarios: what a connection does, and whether what arrived is what was sent.

use std::cell::RefCell;
use std::rc::Rc;

use base64::Engine;
use bytes::Bytes;
use md5::{Digest, Md5};
use serde_json::{Value, json};

use crate::client::Connection;
use crate::load::{Measured, Plan, Work, drive};
use crate::topics::{self, Fan};

/// A scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// The ceiling: an unsigned GET of a fixed answer of so many bytes.
    Fixed(usize),
    /// SendMessage of 256 bytes.
    Send,
    /// DeleteMessage of messages received before.
    Delete,
    /// Send, receive, delete: one message after the other.
    Cycle,
    /// Publish to a topic with such subscriptions.
    Publish(Fan),
    /// SendMessage of 256 bytes to a FIFO queue, each connection to a group of its own.
    SendInOrder,
    /// PutObject of so many bytes.
    Put(usize),
    /// GetObject of so many bytes.
    Get(usize),
    /// GetObject of so many bytes from the middle of 1 MiB.
    Range(usize),
    /// A synchronous Invoke of a function that is there, [`INVOKED`].
    Invoke,
}

/// The function that is invoked.
pub const INVOKED: &str = "bench-empty";

/// Names of the scenarios.
pub const ALL: &[(&str, Scenario)] = &[
    ("fixed", Scenario::Fixed(ANSWER)),
    ("send", Scenario::Send),
    ("delete", Scenario::Delete),
    ("cycle", Scenario::Cycle),
    ("publish", Scenario::Publish(Fan::Raw)),
    ("publish-enveloped", Scenario::Publish(Fan::Enveloped)),
    ("publish-one", Scenario::Publish(Fan::One)),
    ("publish-filtered", Scenario::Publish(Fan::Filtered)),
    ("send-fifo", Scenario::SendInOrder),
    ("put-1k", Scenario::Put(1024)),
    ("put-1m", Scenario::Put(1024 * 1024)),
    ("get-1m", Scenario::Get(1024 * 1024)),
    ("get-range", Scenario::Range(64 * 1024)),
    ("invoke", Scenario::Invoke),
];

/// Bytes of the object that ranges are of.
const RANGED: usize = 1024 * 1024;

/// Bytes of the fixed answer: of SendMessage's, about.
pub const ANSWER: usize = 200;

/// The scenario of a name.
pub fn find(name: &str) -> Result<Scenario, String> {
    let names: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
    let found = ALL.iter().find(|(n, _)| *n == name).map(|(_, scenario)| *scenario);
    found.ok_or_else(|| format!("there is no scenario {name}; they are {}", names.join(", ")))
}

/// What the connections of a scenario share.
struct Ground {
    queue: String,
    topic: String,
    bucket: String,
    number: RefCell<u64>,
}

/// Prepares, runs and verifies a scenario.
pub async fn run(
    scenario: Scenario,
    endpoint: &str,
    plan: &Plan,
    pid: Option<u32>,
) -> Result<Measured, String> {
    let ground = Rc::new(prepare(scenario, endpoint, plan).await?);
    let works = (0..plan.connections).map(|n| Worker::new(scenario, Rc::clone(&ground), n)).collect();
    let (measured, works) = drive(endpoint, plan, works, pid).await?;
    if measured.failures.is_empty() && matches!(scenario, Scenario::Send | Scenario::SendInOrder) {
        let sent: u64 = works.iter().map(|w| w.sent).sum();
        verify_count(endpoint, &ground.queue, sent).await?;
    }
    Ok(measured)
}

async fn prepare(scenario: Scenario, endpoint: &str, plan: &Plan) -> Result<Ground, String> {
    let mut connection = Connection::open(endpoint).await?;
    let unique = format!(
        "{}-{}",
        std::process::id(),
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(clock_bytes())
    );
    let name = format!("bench-{}", unique.replace('_', "-")).to_lowercase();
    let mut ground = Ground {
        queue: String::new(),
        topic: String::new(),
        bucket: name.clone(),
        number: RefCell::default(),
    };
    match scenario {
        Scenario::Fixed(_) | Scenario::Invoke => {}
        Scenario::Send | Scenario::Cycle => {
            ground.queue = make_queue(&mut connection, &name, json!({})).await?;
        }
        Scenario::SendInOrder => {
            let attributes = json!({ "FifoQueue": "true", "FifoThroughputLimit": "perMessageGroupId",
                "DeduplicationScope": "messageGroup" });
            ground.queue = make_queue(&mut connection, &format!("{name}.fifo"), attributes).await?;
        }
        Scenario::Delete => {
            ground.queue = make_queue(&mut connection, &name, json!({})).await?;
            // More than can be deleted in the time, at any rate seen so far.
            let wanted = 50_000 * plan.duration.as_secs().clamp(1, 10) as usize;
            fill(endpoint, &ground.queue, wanted, 256).await?;
        }
        Scenario::Publish(fan) => ground.topic = topics::make(&mut connection, &name, fan).await?,
        Scenario::Put(_) => make_bucket(&mut connection, &name).await?,
        Scenario::Get(_) | Scenario::Range(_) => {
            make_bucket(&mut connection, &name).await?;
            let size = if let Scenario::Get(size) = scenario { size } else { RANGED };
            let body = Bytes::from(vec![b'o'; size]);
            let (status, answer) =
                connection.send("s3", "PUT", &format!("/{name}/object"), SIGNED, body).await?;
            expect(status, &answer)?;
        }
    }
    Ok(ground)
}

/// Headers of S3 requests: the signer says the payload's hash itself.
const SIGNED: &[(&str, &str)] = &[];

fn clock_bytes() -> [u8; 8] {
    ropeway_core::Clock::real(0).machine_time().millis().to_be_bytes()
}

/// Success, or the answer as an error.
pub fn expect(status: u16, answer: &Bytes) -> Result<(), String> {
    if status < 300 { Ok(()) } else { Err(format!("{status} {}", String::from_utf8_lossy(answer))) }
}

fn whole(status: u16, answer: &Bytes, size: usize) -> Result<(), String> {
    if answer.len() == size { Ok(()) } else { Err(format!("{status}, {} bytes of {size}", answer.len())) }
}

/// Makes a bucket.
pub async fn make_bucket(connection: &mut Connection, name: &str) -> Result<(), String> {
    let (status, answer) = connection.send("s3", "PUT", &format!("/{name}"), SIGNED, Bytes::new()).await?;
    expect(status, &answer)
}

/// Makes a queue with these attributes beside its visibility timeout; gives its URL.
pub async fn make_queue(
    connection: &mut Connection,
    name: &str,
    mut attributes: Value,
) -> Result<String, String> {
    attributes["VisibilityTimeout"] = json!("43200");
    let body = json!({ "QueueName": name, "Attributes": attributes }).to_string();
    let answer = connection.json("AmazonSQS.CreateQueue", "sqs", body.into()).await?;
    let parsed: Value = serde_json::from_slice(&answer).map_err(|e| e.to_string())?;
    Ok(parsed["QueueUrl"].as_str().unwrap_or_default().to_owned())
}

/// Connections that fill a queue.
const FILLING: usize = 16;

/// Fills a queue with messages of so many bytes, ten at a time.
pub async fn fill(endpoint: &str, queue: &str, count: usize, bytes: usize) -> Result<(), String> {
    let batches = count.div_ceil(10);
    let entries: Vec<Value> =
        (0..10).map(|i| json!({ "Id": i.to_string(), "MessageBody": "m".repeat(bytes) })).collect();
    let body = Bytes::from(json!({ "QueueUrl": queue, "Entries": entries }).to_string());
    in_parallel(endpoint, FILLING, move |mut connection, n| {
        let body = body.clone();
        async move {
            for _ in (n..batches).step_by(FILLING) {
                connection.json("AmazonSQS.SendMessageBatch", "sqs", body.clone()).await?;
            }
            Ok(())
        }
    })
    .await
}

/// Runs `work` on so many connections at once, until each is done.
pub async fn in_parallel<F, Fut>(endpoint: &str, connections: usize, work: F) -> Result<(), String>
where
    F: Fn(Connection, usize) -> Fut,
    Fut: Future<Output = Result<(), String>> + 'static,
{
    let local = tokio::task::LocalSet::new();
    let mut tasks = Vec::new();
    for n in 0..connections {
        let connection = Connection::open(endpoint).await?;
        tasks.push(local.spawn_local(work(connection, n)));
    }
    local
        .run_until(async {
            for task in tasks {
                task.await.map_err(|e| e.to_string())??;
            }
            Ok(())
        })
        .await
}

async fn verify_count(endpoint: &str, queue: &str, sent: u64) -> Result<(), String> {
    let mut connection = Connection::open(endpoint).await?;
    let body = json!({ "QueueUrl": queue, "AttributeNames": ["ApproximateNumberOfMessages"] }).to_string();
    let answer = connection.json("AmazonSQS.GetQueueAttributes", "sqs", body.into()).await?;
    let parsed: Value = serde_json::from_slice(&answer).map_err(|e| e.to_string())?;
    let there = parsed["Attributes"]["ApproximateNumberOfMessages"].as_str().unwrap_or_default();
    if there == sent.to_string() {
        Ok(())
    } else {
        Err(format!("{sent} messages were acknowledged, {there} are there"))
    }
}

/// One connection's part in a scenario.
struct Worker {
    scenario: Scenario,
    ground: Rc<Ground>,
    number: usize,
    sent: u64,
    body: Bytes,
    handles: Vec<String>,
}

impl Worker {
    fn new(scenario: Scenario, ground: Rc<Ground>, number: usize) -> Self {
        let body = match scenario {
            Scenario::Send | Scenario::Cycle => {
                Bytes::from(json!({ "QueueUrl": ground.queue, "MessageBody": "m".repeat(256) }).to_string())
            }
            Scenario::Put(size) => Bytes::from(vec![b'o'; size]),
            _ => Bytes::new(),
        };
        Worker { scenario, ground, number, sent: 0, body, handles: Vec::new() }
    }

    async fn receive(&self, connection: &mut Connection, most: u32) -> Result<Vec<String>, String> {
        let body = json!({ "QueueUrl": self.ground.queue, "MaxNumberOfMessages": most }).to_string();
        let answer = connection.json("AmazonSQS.ReceiveMessage", "sqs", body.into()).await?;
        let parsed: Value = serde_json::from_slice(&answer).map_err(|e| e.to_string())?;
        let messages = parsed["Messages"].as_array().cloned().unwrap_or_default();
        let wrong = messages
            .iter()
            .any(|m| m["MD5OfBody"] != hex(&Md5::digest(m["Body"].as_str().unwrap_or_default())));
        if wrong {
            return Err("a message's body is not what its MD5 says".to_owned());
        }
        Ok(messages.iter().filter_map(|m| m["ReceiptHandle"].as_str().map(str::to_owned)).collect())
    }

    async fn delete(&self, connection: &mut Connection, handle: &str) -> Result<(), String> {
        let body = json!({ "QueueUrl": self.ground.queue, "ReceiptHandle": handle }).to_string();
        connection.json("AmazonSQS.DeleteMessage", "sqs", body.into()).await.map(|_| ())
    }

    async fn put(&self, connection: &mut Connection) -> Result<(), String> {
        let number = self.ground.number.replace_with(|n| *n + 1);
        let path = format!("/{}/{number:08}", self.ground.bucket);
        let (status, answer) = connection.send("s3", "PUT", &path, SIGNED, self.body.clone()).await?;
        expect(status, &answer)
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl Work for Worker {
    async fn prepare(&mut self, connection: &mut Connection) -> Result<(), String> {
        if self.scenario != Scenario::Delete {
            return Ok(());
        }
        // 120,000 messages may be in flight at once: each connection takes its share.
        for _ in 0..110_000 / 10 / 32 {
            let handles = self.receive(connection, 10).await?;
            if handles.is_empty() {
                break;
            }
            self.handles.extend(handles);
        }
        Ok(())
    }

    async fn step(&mut self, connection: &mut Connection) -> Result<bool, String> {
        match self.scenario {
            Scenario::Fixed(size) => {
                let (status, answer) = connection.get(&format!("/{size}")).await?;
                whole(status, &answer, size)?;
            }
            Scenario::Get(size) => {
                let path = format!("/{}/object", self.ground.bucket);
                let (status, answer) = connection.send("s3", "GET", &path, SIGNED, Bytes::new()).await?;
                whole(status, &answer, size)?;
            }
            Scenario::Range(size) => {
                let path = format!("/{}/object", self.ground.bucket);
                let first = (RANGED - size) / 2;
                let range = format!("bytes={first}-{}", first + size - 1);
                let headers = [("range", range.as_str())];
                let (status, answer) = connection.send("s3", "GET", &path, &headers, Bytes::new()).await?;
                whole(status, &answer, size)?;
            }
            Scenario::Send => {
                connection.json("AmazonSQS.SendMessage", "sqs", self.body.clone()).await?;
            }
            Scenario::Delete => {
                let Some(handle) = self.handles.pop() else { return Ok(false) };
                self.delete(connection, &handle).await?;
            }
            Scenario::Cycle => {
                connection.json("AmazonSQS.SendMessage", "sqs", self.body.clone()).await?;
                for handle in self.receive(connection, 1).await? {
                    self.delete(connection, &handle).await?;
                }
            }
            Scenario::SendInOrder => {
                let body = json!({ "QueueUrl": self.ground.queue, "MessageBody": "m".repeat(256),
                    "MessageGroupId": self.number.to_string(), "MessageDeduplicationId": self.sent.to_string() });
                connection.json("AmazonSQS.SendMessage", "sqs", body.to_string().into()).await?;
            }
            Scenario::Publish(fan) => {
                connection.query("sns", fan.form(&self.ground.topic, self.number)).await?;
            }
            Scenario::Put(_) => self.put(connection).await?,
            Scenario::Invoke => connection.invoke(INVOKED).await?,
        }
        self.sent += 1;
        Ok(true)
    }
}
