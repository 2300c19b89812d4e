//! What functions print and what API Gateway logs, on its way to the log streams.
//!
//! Lines are held in memory, within bounds, and put at most once a second, as their writer: a function's role that may
//! not put them has no logs, as on AWS. Streams are made if they are missing, and groups where they are the writer's to
//! make, as the writer again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt as _;
use ropeway_api::logs::{CreateLogGroupInput, CreateLogStreamInput, InputLogEvent, PutLogEventsInput};
use ropeway_core::log_lines::{LogLines, LogWriter};
use ropeway_core::{Core, Time, Trace, flush_what_comes};
use ropeway_wire::{Cx, Error, Gate, Keys, Principal, Roles, Services};
use tokio::sync::{Mutex as AsyncMutex, Notify};

use crate::chunk::EVENT_OVERHEAD;
use crate::model::DAY;

/// Bytes of lines that wait or are being put, of all streams.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Bytes of lines of one stream that wait.
const MAX_STREAM_BYTES: usize = 4 * 1024 * 1024;
/// Bytes beyond these bounds for the platform's lines, of each stream: how an invocation ended is told
/// however much it printed.
const RESERVE_BYTES: usize = 64 * 1024;
/// How the platform's lines begin; those in JSON have their type early.
const PLATFORM: &[&str] = &["START RequestId: ", "END RequestId: ", "REPORT RequestId: ", "INIT_"];
const PLATFORM_TYPE: &str = "\"type\":\"platform.";
/// Streams with lines that wait.
const MAX_STREAMS: usize = 20_000;
/// Streams that are put to at once.
const AT_ONCE: usize = 16;
/// Time between two puts to a stream, in milliseconds.
const PAUSE: i64 = 1000;
/// Most bytes of a batch, counted as `PutLogEvents` does.
const BATCH_BYTES: usize = 1024 * 1024;
/// Most events of a batch.
const BATCH_EVENTS: usize = 10_000;
/// Longer lines become several events: as many bytes each.
const LINE_BYTES: usize = 256 * 1024;
/// Tries of a batch that the server had no room for, and the pause between them in milliseconds.
const TRIES: u32 = 4;
const TRY_PAUSE: i64 = 250;
/// The services in whose names roles are assumed.
const LAMBDA: &str = "lambda.amazonaws.com";
const API_GATEWAY: &str = "apigateway.amazonaws.com";
const SNS: &str = "sns.amazonaws.com";
/// The session's name of a role that API Gateway assumes.
const API_GATEWAY_SESSION: &str = "BackplaneAssumeRoleSession";
/// The same of one that SNS assumes.
const SNS_SESSION: &str = "sns-delivery-status";
/// What the names of role sessions may have beside letters and digits.
const SESSION_SYMBOLS: &str = "_+=,.@-";

/// A log stream, as lines name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Target {
    account: String,
    region: String,
    group: String,
    stream: String,
}

/// Lines of a stream that wait.
#[derive(Debug)]
struct Waiting {
    /// Whoever wrote last.
    writer: LogWriter,
    lines: Vec<(Time, String)>,
    bytes: usize,
    dropped: u64,
}

#[derive(Debug, Default)]
struct Queue {
    streams: BTreeMap<Target, Waiting>,
    /// Bytes of all lines that wait or are being put.
    bytes: usize,
}

/// Takes log lines. Clones are handles to the same.
#[derive(Clone)]
pub struct Sink(Arc<Shared>);

struct Shared {
    core: Core,
    services: Arc<Services>,
    gate: Arc<dyn Gate>,
    roles: Arc<dyn Roles>,
    queue: Mutex<Queue>,
    came: Notify,
    flushing: AsyncMutex<()>,
}

impl Sink {
    /// A sink that puts by `services`, asked for by `gate` as roles that `roles` knows. [`Sink::run`] does
    /// the work.
    pub fn new(core: Core, services: Arc<Services>, gate: Arc<dyn Gate>, roles: Arc<dyn Roles>) -> Self {
        let (queue, came, flushing) = (Mutex::default(), Notify::new(), AsyncMutex::new(()));
        Sink(Arc::new(Shared { core, services, gate, roles, queue, came, flushing }))
    }

    /// Takes lines. Those beyond the bounds are dropped, and counted: their stream will say how many.
    pub fn log(&self, lines: LogLines) {
        let LogLines { account, region, group, stream, lines, writer } = lines;
        let mut queue = self.queue();
        let target = Target { account, region, group, stream };
        let room = queue.streams.len() < MAX_STREAMS || queue.streams.contains_key(&target);
        if !room {
            tracing::error!(group = target.group, "log lines are dropped: too many streams wait");
            return;
        }
        let mut bytes = queue.bytes;
        let waiting = queue.streams.entry(target).or_insert_with(|| Waiting::new(writer.clone()));
        waiting.writer = writer;
        for (time, line) in lines {
            let size = line.len() + EVENT_OVERHEAD;
            let reserve = if is_platforms(&line) { RESERVE_BYTES } else { 0 };
            if waiting.bytes + size > MAX_STREAM_BYTES + reserve || bytes + size > MAX_BYTES + reserve {
                waiting.dropped += 1;
                continue;
            }
            waiting.bytes += size;
            bytes += size;
            waiting.lines.push((time, line));
        }
        queue.bytes = bytes;
        drop(queue);
        self.0.came.notify_one();
    }

    /// Puts what has come, at most once a second, until the core stops.
    pub async fn run(&self) {
        let Shared { core, came, .. } = &*self.0;
        flush_what_comes(core, "logs/sink", came, PAUSE, || self.flush()).await;
    }

    /// Puts what has come, now: also before the core stops.
    pub async fn flush(&self) {
        let _one = self.0.flushing.lock().await;
        let streams = std::mem::take(&mut self.queue().streams);
        futures_util::stream::iter(streams)
            .for_each_concurrent(AT_ONCE, |(target, waiting)| async move {
                let bytes = waiting.bytes;
                self.0.put(&target, waiting).await;
                let mut queue = self.queue();
                queue.bytes = queue.bytes.saturating_sub(bytes);
            })
            .await;
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn new(writer: LogWriter) -> Self {
        Waiting { writer, lines: Vec::new(), bytes: 0, dropped: 0 }
    }
}

impl Shared {
    async fn put(&self, target: &Target, waiting: Waiting) {
        let writer = waiting.writer.clone();
        let cx = match self.session(target, &writer) {
            Ok(cx) => cx,
            Err(why) => {
                tracing::debug!(?writer, why, "log lines are dropped: the role cannot be assumed");
                return;
            }
        };
        for batch in batches(events(waiting, self.core.clock().now())) {
            let Target { group, stream, .. } = target;
            match self.try_batch(&cx, target, batch, writer.makes_group()).await {
                Ok(()) => {}
                // A function's role that may not log is a way to have no logs; the gate has said which action it was.
                Err(error) if error.is_sender_fault() && matches!(writer, LogWriter::Function { .. }) => {
                    tracing::debug!(group, stream, %error, "log lines are dropped");
                }
                Err(error) => tracing::warn!(group, stream, %error, "log lines are dropped"),
            }
        }
    }

    /// The writer, with its role.
    fn session(&self, target: &Target, writer: &LogWriter) -> Result<Cx, String> {
        let mut keys = Keys::default();
        keys.add("aws:SourceAccount", &target.account);
        let principal: Principal = match writer {
            LogWriter::Function { role, function } => {
                keys.add("aws:SourceArn", function);
                self.roles.assume_for_service(role, LAMBDA, &session_name(function), &keys)?
            }
            LogWriter::ApiGateway { role, .. } => {
                self.roles.assume_for_service(role, API_GATEWAY, API_GATEWAY_SESSION, &keys)?
            }
            LogWriter::Sns { role, topic } => {
                keys.add("aws:SourceArn", topic);
                self.roles.assume_for_service(role, SNS, SNS_SESSION, &keys)?
            }
            LogWriter::Account => Principal::root(&target.account),
        };
        let (trace, now) = (Trace::from(""), self.core.clock().now());
        Ok(Cx::from_within(Arc::clone(&self.gate), principal, &target.region, &trace, now))
    }

    /// Puts a batch, a few times if the server is too busy.
    async fn try_batch(
        &self,
        cx: &Cx,
        target: &Target,
        batch: Vec<InputLogEvent>,
        makes_group: bool,
    ) -> Result<(), Error> {
        for _ in 1..TRIES {
            match self.put_batch(cx, target, batch.clone(), makes_group).await {
                Err(error) if !error.is_sender_fault() => tracing::debug!(%error, "log lines wait"),
                other => return other,
            }
            let clock = self.core.clock();
            clock.sleep_until(clock.now().plus_millis(TRY_PAUSE)).await;
        }
        self.put_batch(cx, target, batch, makes_group).await
    }

    /// Puts a batch; makes the stream if it is missing, and perhaps the group.
    async fn put_batch(
        &self,
        cx: &Cx,
        target: &Target,
        batch: Vec<InputLogEvent>,
        makes_group: bool,
    ) -> Result<(), Error> {
        let input = PutLogEventsInput {
            log_group_name: target.group.clone(),
            log_stream_name: target.stream.clone(),
            log_events: batch,
            sequence_token: None,
        };
        match self.services.call(cx.clone(), input.clone()).await {
            Err(error) if is_missing(&error) => {}
            other => return other.map(drop),
        }
        self.create(cx, target, makes_group).await?;
        self.services.call(cx.clone(), input).await.map(drop)
    }

    async fn create(&self, cx: &Cx, target: &Target, makes_group: bool) -> Result<(), Error> {
        let stream = CreateLogStreamInput {
            log_group_name: target.group.clone(),
            log_stream_name: target.stream.clone(),
        };
        match self.services.call(cx.clone(), stream.clone()).await {
            Err(error) if is_missing(&error) && makes_group => {}
            other => return unless_there(other),
        }
        let group =
            CreateLogGroupInput { log_group_name: target.group.clone(), ..CreateLogGroupInput::default() };
        unless_there(self.services.call(cx.clone(), group).await)?;
        unless_there(self.services.call(cx.clone(), stream).await)
    }
}

fn is_platforms(line: &str) -> bool {
    let beginning = line.get(..line.floor_char_boundary(100)).unwrap_or_default();
    PLATFORM.iter().any(|word| line.starts_with(word))
        || (line.starts_with('{') && beginning.contains(PLATFORM_TYPE))
}

fn is_missing(error: &Error) -> bool {
    error.code == "ResourceNotFoundException"
}

fn unless_there<T>(made: Result<T, Error>) -> Result<(), Error> {
    match made {
        Err(error) if error.code != "ResourceAlreadyExistsException" => Err(error),
        _ => Ok(()),
    }
}

/// The session is named after the function.
fn session_name(function: &str) -> String {
    let name = function.rsplit(':').next().unwrap_or_default();
    let sound = |next: &char| next.is_ascii_alphanumeric() || SESSION_SYMBOLS.contains(*next);
    let name: String = name.chars().filter(sound).take(64).collect();
    if name.len() < 2 { format!("{name}-logs") } else { name }
}

/// Lines as events, in the order of their times. Functions' end with a newline each, as Lambda's do.
fn events(waiting: Waiting, now: Time) -> Vec<InputLogEvent> {
    let end = if matches!(waiting.writer, LogWriter::Function { .. }) { "\n" } else { "" };
    let mut out = Vec::new();
    for (time, line) in waiting.lines {
        let timestamp = time.millis().max(0);
        let mut rest = line.as_str();
        while rest.len() > LINE_BYTES {
            let (piece, behind) = rest.split_at(rest.floor_char_boundary(LINE_BYTES));
            out.push(InputLogEvent { timestamp, message: piece.to_owned() });
            rest = behind;
        }
        out.push(InputLogEvent { timestamp, message: format!("{rest}{end}") });
    }
    if waiting.dropped > 0 {
        let message = format!(
            "[ropeway] {} log lines were dropped: they came faster than they were stored{end}",
            waiting.dropped
        );
        out.push(InputLogEvent { timestamp: now.millis(), message });
    }
    out.sort_by_key(|event| event.timestamp);
    out
}

/// Divides events into batches that `PutLogEvents` takes.
fn batches(events: Vec<InputLogEvent>) -> Vec<Vec<InputLogEvent>> {
    let mut out: Vec<Vec<InputLogEvent>> = Vec::new();
    let mut bytes = 0;
    for event in events {
        let size = event.message.len() + EVENT_OVERHEAD;
        bytes += size;
        let first =
            out.last().and_then(|batch| batch.first()).map_or(event.timestamp, |event| event.timestamp);
        match out.last_mut() {
            Some(batch)
                if bytes <= BATCH_BYTES
                    && batch.len() < BATCH_EVENTS
                    && event.timestamp.saturating_sub(first) <= DAY =>
            {
                batch.push(event);
            }
            _ => {
                bytes = size;
                out.push(vec![event]);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sessions_have_names_that_sts_takes() {
        assert_eq!(session_name("arn:aws:lambda:r:1:function:my-f"), "my-f");
        assert_eq!(session_name("arn:aws:lambda:r:1:function:f"), "f-logs");
        assert_eq!(session_name(&"x".repeat(100)).len(), 64);
    }

    proptest! {
        /// Batches keep to the limits of `PutLogEvents`, and lose nothing.
        #[test]
        fn batches_are_taken(lines in prop::collection::vec((0i64..200_000_000, 0usize..700_000), 0..12), dropped in 0u64..2) {
            let total: usize = lines.iter().map(|(_, length)| length + 1).sum();
            let waiting = Waiting {
                writer: LogWriter::Function { role: String::new(), function: String::new() },
                bytes: 0,
                lines: lines.into_iter().map(|(at, length)| (Time(at), "é".repeat(length / 2) + &"x".repeat(length % 2))).collect(),
                dropped,
            };
            let mut got = 0;
            for batch in batches(events(waiting, Time(100_000_000))) {
                prop_assert!(batch.len() <= BATCH_EVENTS);
                prop_assert!(batch.is_sorted_by_key(|event| event.timestamp));
                prop_assert!(batch.last().unwrap().timestamp - batch[0].timestamp <= DAY);
                prop_assert!(batch.iter().map(|e| e.message.len() + EVENT_OVERHEAD).sum::<usize>() <= BATCH_BYTES);
                prop_assert!(batch.iter().all(|event| !event.message.is_empty()));
                got += batch.iter().filter(|e| !e.message.starts_with('[')).map(|e| e.message.len()).sum::<usize>();
            }
            prop_assert_eq!(got, total);
        }
    }
}
