//! Makes what subscription filters' destinations get: reads events, filters them, compresses.

use std::collections::BTreeMap;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use ropeway_core::seal::MasterKey;
use ropeway_core::{Actor, BoxFuture, Core, Outcome, Trace};
use ropeway_wire::Error;
use serde::Serialize;

use crate::chunk::{self, Event};
use crate::commands::{Command, LogsMachine, Output};
use crate::model::Forward;
use crate::page::Place;
use crate::pattern::Pattern;
use crate::subscription::Destination;

/// Pause after an order that could not be carried out, in milliseconds.
const PAUSE: i64 = 1000;
/// How long an order that cannot be carried out is kept, in seconds: as long as AWS tries to deliver
/// (user guide, "Log group-level subscription filters").
const TRIED_FOR: i64 = 24 * 60 * 60;
/// Bytes of messages in one payload, unless the first message alone has more.
const PAYLOAD_BYTES: usize = 512 * 1024;
/// Larger payloads are dropped: no destination takes them.
const MAX_PAYLOAD_BYTES: usize = 1_400_000;

/// What a destination gets:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html>.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Data<'a> {
    /// `DATA_MESSAGE`, or `CONTROL_MESSAGE` for a probe.
    pub message_type: &'a str,
    /// The account.
    pub owner: &'a str,
    /// The group's name.
    pub log_group: &'a str,
    /// The stream's name.
    pub log_stream: &'a str,
    /// The filters that the events matched.
    pub subscription_filters: Vec<&'a str>,
    /// The events.
    pub log_events: Vec<Line>,
}

/// An event as a destination gets it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The event's id.
    pub id: String,
    /// Its time.
    pub timestamp: i64,
    /// The message.
    pub message: String,
    /// The fields that a space-delimited pattern takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extracted_fields: Option<BTreeMap<String, String>>,
}

impl Data<'_> {
    /// JSON, compressed with gzip.
    pub fn compressed(&self) -> std::io::Result<Vec<u8>> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&serde_json::to_vec(self)?)?;
        encoder.finish()
    }
}

/// What a destination of this kind gets of compressed data: a function gets JSON around its base64.
pub fn payload(destination: Destination, compressed: Vec<u8>) -> Bytes {
    match destination {
        Destination::Firehose => Bytes::from(compressed),
        Destination::Lambda => {
            let data = BASE64.encode(compressed);
            Bytes::from(format!(r#"{{"awslogs":{{"data":"{data}"}}}}"#))
        }
    }
}

/// The actor of `Space::Logs`.
pub struct LogsActor {
    core: Core,
    master: MasterKey,
}

impl LogsActor {
    /// An actor that reads what was sealed under `master`.
    pub fn new(core: Core, master: MasterKey) -> Self {
        LogsActor { core, master }
    }

    async fn make(&self, order: &Forward) -> Result<Vec<Bytes>, Error> {
        let arn = order.group.arn();
        let command =
            Command::ReadBodies { group: order.group.clone(), id: order.id, chunks: order.chunks.clone() };
        let (shard, trace) = (self.core.shard_of(&arn), Trace::from(""));
        let Output::Bodies(bodies) = self.core.submit::<LogsMachine>(shard, &trace, command).await? else {
            return Err(crate::ops::unexpected());
        };
        let pattern = Pattern::parse(&order.filter.pattern).map_err(Error::internal)?;
        let destination = Destination::of(&order.filter.destination)
            .ok_or_else(|| Error::internal("a filter without a destination"))?;
        let key = chunk::seal_key(&self.master, &arn);
        let mut lines = Vec::new();
        for (number, body) in bodies {
            for (at, event) in (0..).zip(chunk::open(&key, &body)?) {
                lines.extend(line(&pattern, Place { time: event.time, chunk: number, at }, event));
            }
        }
        groups(lines).into_iter().filter_map(|lines| part(order, destination, lines).transpose()).collect()
    }
}

/// An event, if the pattern wants it.
fn line(pattern: &Pattern, place: Place, event: Event) -> Option<Line> {
    let fields = pattern.extract(&event.message)?;
    Some(Line {
        id: place.id(),
        timestamp: event.time,
        message: event.message,
        extracted_fields: pattern.extracts().then_some(fields),
    })
}

/// Divides events so that each group makes a payload of bounded size.
fn groups(lines: Vec<Line>) -> Vec<Vec<Line>> {
    let mut out: Vec<Vec<Line>> = Vec::new();
    let mut bytes = 0;
    for line in lines {
        bytes += line.message.len();
        match out.last_mut() {
            Some(group) if bytes <= PAYLOAD_BYTES => group.push(line),
            _ => {
                bytes = line.message.len();
                out.push(vec![line]);
            }
        }
    }
    out
}

fn part(order: &Forward, destination: Destination, lines: Vec<Line>) -> Result<Option<Bytes>, Error> {
    let data = Data {
        message_type: "DATA_MESSAGE",
        owner: &order.group.scope.account,
        log_group: &order.group.name,
        log_stream: &order.stream,
        subscription_filters: vec![&order.filter.name],
        log_events: lines,
    };
    let compressed = data.compressed().map_err(|error| Error::internal(error.to_string()))?;
    let payload = payload(destination, compressed);
    if payload.len() > MAX_PAYLOAD_BYTES {
        let to = &order.filter.destination;
        tracing::error!(to, bytes = payload.len(), "an event is too large for its filter's destination");
        return Ok(None);
    }
    Ok(Some(payload))
}

impl Actor for LogsActor {
    fn act<'a>(&'a self, lane: &'a str, payload: &'a [u8]) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let order: Forward = match postcard::from_bytes(payload) {
                Ok(order) => order,
                Err(why) => return Outcome::Refused(format!("damaged order: {why}")),
            };
            match self.make(&order).await.and_then(|made| {
                postcard::to_stdvec(&made).map_err(|error| Error::internal(error.to_string()))
            }) {
                Ok(made) => Outcome::Done(Bytes::from(made)),
                Err(error) if self.core.clock().now() > order.at.plus_secs(TRIED_FOR) => {
                    Outcome::Refused(error.to_string())
                }
                Err(error) => {
                    tracing::warn!(lane, %error, "events wait to be passed on");
                    Outcome::Retry(PAUSE)
                }
            }
        })
    }
}
