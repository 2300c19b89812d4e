//! Polls a mapping's queue, and hands batches to the function.
//!
//! One task polls a queue: it receives while fewer batches are being handled than may be, so that
//! what it does not get to stays in the queue. A batch that fails is left alone: its messages
//! come back when their visibility ends, and the queue's own redrive policy counts them out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use ropeway_api::sqs;
use ropeway_core::functions::Answer;
use ropeway_core::{Outcome, Time, Trace};
use ropeway_wire::{Cx, Error};
use serde_json::{Value as Json, json};

use crate::commands::{Command, Output, Passing, active_signal, check_active, mapping_signal};
use crate::engine::{Call, Engine, unexpected};
use crate::keys::FunctionName;
use crate::limits;
use crate::model::{Mapping, MappingState};
use crate::pattern::Pattern;

/// Seconds that a receive waits for messages.
const WAIT: i64 = 20;
/// Messages that one receive asks for.
const RECEIVED: usize = 10;
/// Batches that a mapping's function handles at once at first, and the most ever:
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html>.
const AT_FIRST: usize = 5;
const AT_MOST: usize = 1250;
/// Pause after a failed receive, in seconds.
const PAUSE: i64 = 5;
/// What a message takes in an event beside its body, in bytes, about.
const AROUND: usize = 1024;

/// The URL of a queue, as SQS reads it: account and name count.
pub fn queue_url(arn: &str) -> String {
    let mut words = arn.rsplit(':');
    let (name, account) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    format!("https://sqs.localhost/{account}/{name}")
}

/// What polls one mapping.
struct Poller<'a> {
    engine: &'a Engine,
    name: &'a FunctionName,
    generation: u64,
    id: &'a str,
    trace: Trace,
    /// A receive has messages in hand, which are to be handled whatever becomes of the mapping.
    holding: AtomicBool,
    /// No more is to be received.
    ending: AtomicBool,
}

/// A mapping, as it is polled now.
struct Polled {
    mapping: Mapping,
    patterns: Vec<Pattern>,
}

/// What came of a task of the poller's.
enum Done {
    /// A receive: messages, and when they become visible again at the latest.
    Received(Result<Vec<sqs::Message>, Error>, Time),
    /// A batch was handled.
    Handled(Fared),
    /// A pause is over.
    Paused,
}

/// How a batch fared.
#[derive(Clone, Copy, PartialEq)]
enum Fared {
    Well,
    Badly,
    Throttled,
}

/// Polls until the mapping says otherwise.
pub async fn run(engine: &Engine, name: &FunctionName, generation: u64, id: &str) -> Outcome {
    let trace = Trace::from(format!("mapping-{id}"));
    let (holding, ending) = (AtomicBool::new(false), AtomicBool::new(false));
    let poller = Poller { engine, name, generation, id, trace, holding, ending };
    match poller.run().await {
        Ok(true) => Outcome::Done(Bytes::new()),
        Ok(false) => Outcome::Retry(1_000),
        Err(error) if error.status == 404 => Outcome::Done(Bytes::new()),
        Err(error) => {
            tracing::warn!(mapping = id, %error, "a mapping is not polled");
            Outcome::Retry(1_000)
        }
    }
}

/// The end of a future that is there, which is taken away then; of none: never.
async fn next_of(future: &mut Option<BoxFuture<'_, Done>>) -> Done {
    let Some(running) = future else { return std::future::pending().await };
    let done = running.await;
    *future = None;
    done
}

impl Poller<'_> {
    /// True: the mapping is not to be polled any more; false: the server stops.
    async fn run(&self) -> Result<bool, Error> {
        let signals = Arc::clone(self.engine.parts.core.signals());
        let changed = signals.named(&mapping_signal(self.id));
        let mut tasks: FuturesUnordered<BoxFuture<'_, Done>> = FuturesUnordered::new();
        let mut receiving: Option<BoxFuture<'_, Done>> = None;
        let mut polled = self.read().await?;
        let (mut handling, mut most) = (0, AT_FIRST);
        loop {
            let polls = polled.as_ref().is_some_and(|p| p.mapping.state.polls());
            if signals.is_closed() {
                return Ok(false);
            }
            self.ending.store(!polls, Ordering::Relaxed);
            if !polls && !self.holding.load(Ordering::Relaxed) {
                // A message that comes at this very moment is as one whose consumer has ended: it comes again.
                receiving = None;
            }
            if !polls && tasks.is_empty() && receiving.is_none() {
                return self.end().await.map(|()| true);
            }
            let limit = polled.as_ref().and_then(|p| p.mapping.concurrency).map_or(AT_MOST, |c| c as usize);
            if let Some(now) =
                polled.as_ref().filter(|_| polls && receiving.is_none() && handling < most.min(limit))
            {
                receiving = Some(self.receive(Arc::clone(now)).boxed());
            }
            let done = tokio::select! {
                Some(done) = tasks.next() => done,
                done = next_of(&mut receiving) => done,
                () = changed.notified() => {
                    polled = self.read().await?;
                    continue;
                }
            };
            match done {
                Done::Paused => {}
                Done::Received(Err(error), _) => {
                    tracing::warn!(mapping = self.id, %error, "messages were not received");
                    self.say(Passing::Result(format!("PROBLEM: {}", error.message))).await;
                    receiving = Some(self.pause().boxed());
                }
                Done::Received(Ok(messages), until) => {
                    if let Some(now) = polled.as_ref().filter(|_| !messages.is_empty()) {
                        handling += 1;
                        tasks.push(self.handle(Arc::clone(now), messages, until).boxed());
                    }
                }
                Done::Handled(fared) => {
                    most = match fared {
                        Fared::Throttled => (most / 2).max(1),
                        _ if handling >= most => (most + 1).min(AT_MOST),
                        _ => most,
                    };
                    handling -= 1;
                    let result = if fared == Fared::Well { "OK" } else { "PROBLEM: Function call failed" };
                    self.say(Passing::Result(result.to_owned())).await;
                }
            }
        }
    }

    fn command(&self, passing: Passing) -> Command {
        let (function, id) = (self.name.clone(), self.id.to_owned());
        Command::PassMapping { function, generation: self.generation, id, passing }
    }

    /// Tells the mapping's row something that may also be lost.
    async fn say(&self, passing: Passing) {
        if let Err(error) = self.engine.submit(&self.trace, self.name, self.command(passing)).await {
            tracing::debug!(mapping = self.id, %error, "a mapping's row was not written");
        }
    }

    /// The mapping as it is now; `None` if it is gone. One that is to be polled becomes `Enabled`.
    async fn read(&self) -> Result<Option<Arc<Polled>>, Error> {
        let command = self.command(Passing::Polls);
        let mapping = match self.engine.submit(&self.trace, self.name, command).await {
            Ok(Output::Mapping(mapping, _)) => *mapping,
            Ok(_) => return Err(unexpected()),
            Err(error) if error.status == 404 => return Ok(None),
            Err(error) => return Err(error),
        };
        let patterns: Result<Vec<Pattern>, String> =
            mapping.filters.iter().map(|pattern| Pattern::parse(pattern)).collect();
        let patterns = patterns.map_err(ropeway_core::Fault::Damaged)?;
        debug_assert!(!mapping.state.polls() || mapping.state == MappingState::Enabled);
        Ok(Some(Arc::new(Polled { mapping, patterns })))
    }

    async fn end(&self) -> Result<(), Error> {
        match self.engine.submit(&self.trace, self.name, self.command(Passing::Ended)).await {
            Err(error) if error.status != 404 => Err(error),
            _ => Ok(()),
        }
    }

    async fn pause(&self) -> Done {
        let clock = self.engine.parts.core.clock();
        clock.sleep_until(clock.now().plus_secs(PAUSE)).await;
        Done::Paused
    }

    /// The function's role, as SQS sees it.
    async fn as_role(&self, polled: &Polled) -> Result<Cx, Error> {
        let found = self.engine.read(&self.trace, self.name, polled.mapping.qualifier.as_deref()).await?;
        let role = self.engine.assume(self.name, &found.version.config.role);
        let role = role.map_err(|why| Error::new(403, "AccessDeniedException", why))?;
        Ok(self.engine.cx_of(self.name, role, &self.trace))
    }

    /// Receives a batch: what is there at once, or what comes within the window.
    async fn receive(&self, polled: Arc<Polled>) -> Done {
        let clock = self.engine.parts.core.clock();
        let mapping = &polled.mapping;
        let (mut messages, mut bytes) = (Vec::new(), 0);
        let mut closes: Option<Time> = None;
        let mut visible = clock.now();
        self.holding.store(false, Ordering::Relaxed);
        if let Err(error) = self.wait_until_active(mapping).await {
            return Done::Received(Err(error), visible);
        }
        loop {
            let left = closes.map_or(WAIT, |at| (at.secs() - clock.now().secs()).min(WAIT));
            let wanted = (mapping.batch as usize).saturating_sub(messages.len()).min(RECEIVED);
            let asked = clock.now();
            let got = match self.receive_some(&polled, wanted, left.max(0)).await {
                Ok(got) => got,
                Err(error) if messages.is_empty() => return Done::Received(Err(error), visible),
                Err(_) => break,
            };
            if messages.is_empty() {
                // The visibility timeout of a message begins when it is received.
                visible = asked;
                closes = (!got.is_empty()).then(|| clock.now().plus_secs(i64::from(mapping.window)));
            }
            self.holding.fetch_or(!got.is_empty(), Ordering::Relaxed);
            bytes += got.iter().map(size).sum::<usize>();
            messages.extend(got);
            let full = messages.len() >= mapping.batch as usize || bytes >= limits::SYNC_PAYLOAD;
            let Some(at) = closes else { break };
            if full || clock.now() >= at || self.ending.load(Ordering::Relaxed) {
                break;
            }
        }
        Done::Received(Ok(messages), visible)
    }

    /// Waits until the function can be invoked: what was received sooner would only lie in flight.
    async fn wait_until_active(&self, mapping: &Mapping) -> Result<(), Error> {
        let active = self.engine.parts.core.signals().named(&active_signal(self.name));
        loop {
            let changed = active.notified();
            let found = self.engine.read(&self.trace, self.name, mapping.qualifier.as_deref()).await?;
            if check_active(found.preparation.as_ref()).is_ok() {
                // Another mapping of the function may wait too.
                active.notify_one();
                return Ok(());
            }
            changed.await;
        }
    }

    async fn receive_some(
        &self,
        polled: &Polled,
        count: usize,
        wait: i64,
    ) -> Result<Vec<sqs::Message>, Error> {
        let input = sqs::ReceiveMessageInput {
            queue_url: queue_url(&polled.mapping.source),
            message_system_attribute_names: Some(vec!["All".to_owned()]),
            message_attribute_names: Some(vec!["All".to_owned()]),
            max_number_of_messages: i64::try_from(count.max(1)).ok(),
            wait_time_seconds: Some(wait),
            ..sqs::ReceiveMessageInput::default()
        };
        let cx = self.as_role(polled).await?;
        let received = self.engine.parts.services.call(cx, input).await?;
        Ok(received.messages.unwrap_or_default())
    }

    /// Filters messages, hands them to the function in batches that it takes, and deletes what is done.
    async fn handle(&self, polled: Arc<Polled>, messages: Vec<sqs::Message>, received: Time) -> Done {
        let records: Vec<(sqs::Message, Json)> = messages
            .into_iter()
            .map(|message| {
                let record = self.record(&polled.mapping, &message);
                (message, record)
            })
            .collect();
        let (wanted, unwanted): (Vec<_>, Vec<_>) =
            records.into_iter().partition(|(_, record)| passes(&polled.patterns, record));
        let mut done: Vec<sqs::Message> = unwanted.into_iter().map(|(message, _)| message).collect();
        let mut fared = Fared::Well;
        let mut batch: Vec<(sqs::Message, Json)> = Vec::new();
        let mut bytes = 0;
        for one in wanted.into_iter().map(Some).chain([None]) {
            let more = one.as_ref().map_or(0, |(message, _)| size(message));
            let close = one.is_none() || bytes + more > limits::SYNC_PAYLOAD;
            if close && !batch.is_empty() {
                let (handled, how) = self.invoke(&polled, std::mem::take(&mut batch), received).await;
                done.extend(handled);
                if how != Fared::Well {
                    fared = how;
                }
                bytes = 0;
            }
            bytes += more;
            batch.extend(one);
        }
        if let Err(error) = self.delete(&polled, done).await {
            tracing::warn!(mapping = self.id, %error, "handled messages were not deleted, and come again");
        }
        Done::Handled(fared)
    }

    /// Invokes the function with a batch; gives what it has handled.
    async fn invoke(
        &self,
        polled: &Polled,
        batch: Vec<(sqs::Message, Json)>,
        received: Time,
    ) -> (Vec<sqs::Message>, Fared) {
        let records: Vec<&Json> = batch.iter().map(|(_, record)| record).collect();
        let payload = Bytes::from(json!({ "Records": records }).to_string());
        let core = &self.engine.parts.core;
        let mut pause = 1;
        let ran = loop {
            let call = Call {
                name: self.name,
                qualifier: polled.mapping.qualifier.as_deref(),
                request_id: core.ids().uuid(),
                payload: payload.clone(),
                client_context: None,
                trace_header: trace_header(&batch),
                trace: self.trace.clone(),
            };
            match self.engine.run(call).await {
                Ok(ran) => break ran,
                // Tried again for about as long as the messages are sure to be invisible.
                Err(error) if error.status == 429 => {
                    let at = core.clock().now().plus_secs(pause);
                    if at > received.plus_secs(20) || core.signals().is_closed() {
                        return (Vec::new(), Fared::Throttled);
                    }
                    core.clock().sleep_until(at).await;
                    pause *= 2;
                }
                Err(error) => {
                    tracing::warn!(mapping = self.id, %error, "a batch did not reach the function");
                    return (Vec::new(), Fared::Badly);
                }
            }
        };
        if ran.invoked.failed {
            return (Vec::new(), Fared::Badly);
        }
        let messages: Vec<sqs::Message> = batch.into_iter().map(|(message, _)| message).collect();
        let Answer::Whole(answer) = ran.invoked.payload else { return (messages, Fared::Well) };
        if !polled.mapping.partial {
            return (messages, Fared::Well);
        }
        match failures(&answer, &messages) {
            Some(failed) => {
                let how = if failed.is_empty() { Fared::Well } else { Fared::Badly };
                let ok = |message: &sqs::Message| {
                    !message.message_id.as_ref().is_some_and(|id| failed.contains(id))
                };
                (messages.into_iter().filter(ok).collect(), how)
            }
            None => (Vec::new(), Fared::Badly),
        }
    }

    async fn delete(&self, polled: &Polled, messages: Vec<sqs::Message>) -> Result<(), Error> {
        if messages.is_empty() {
            return Ok(());
        }
        let cx = self.as_role(polled).await?;
        for some in messages.chunks(RECEIVED) {
            let entries = some.iter().enumerate().map(|(n, message)| sqs::DeleteMessageBatchRequestEntry {
                id: n.to_string(),
                receipt_handle: message.receipt_handle.clone().unwrap_or_default(),
            });
            let input = sqs::DeleteMessageBatchInput {
                queue_url: queue_url(&polled.mapping.source),
                entries: entries.collect(),
            };
            let answer = self.engine.parts.services.call(cx.clone(), input).await?;
            for failed in answer.failed {
                tracing::warn!(mapping = self.id, why = failed.message, "a handled message was not deleted");
            }
        }
        Ok(())
    }

    /// A message as functions get it: <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>.
    fn record(&self, mapping: &Mapping, message: &sqs::Message) -> Json {
        let attributes: BTreeMap<&String, Json> = message
            .message_attributes
            .iter()
            .flatten()
            .map(|(name, value)| (name, attribute(value)))
            .collect();
        let mut record = json!({
            "messageId": message.message_id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "attributes": message.attributes.clone().unwrap_or_default(),
            "messageAttributes": attributes,
            "md5OfBody": message.md5_of_body,
            "eventSource": "aws:sqs",
            "eventSourceARN": mapping.source,
            "awsRegion": self.name.scope.region,
        });
        if let (Some(sum), Json::Object(record)) = (&message.md5_of_message_attributes, &mut record) {
            record.insert("md5OfMessageAttributes".to_owned(), json!(sum));
        }
        record
    }
}

fn attribute(value: &sqs::MessageAttributeValue) -> Json {
    use base64::Engine as _;
    let mut out = json!({ "stringListValues": [], "binaryListValues": [], "dataType": value.data_type });
    if let Json::Object(out) = &mut out {
        if let Some(text) = &value.string_value {
            out.insert("stringValue".to_owned(), json!(text));
        }
        if let Some(bytes) = &value.binary_value {
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            out.insert("binaryValue".to_owned(), json!(text));
        }
    }
    out
}

/// About how many bytes of an event a message takes: its body may need escapes.
fn size(message: &sqs::Message) -> usize {
    let body = message.body.as_deref().unwrap_or_default();
    let escapes = body.bytes().filter(|b| matches!(b, b'"' | b'\\' | ..0x20)).count();
    let attributes: usize = message
        .message_attributes
        .iter()
        .flatten()
        .map(|(name, value)| {
            let text = value.string_value.as_ref().map_or(0, String::len);
            name.len() + text + value.binary_value.as_ref().map_or(0, Bytes::len) * 4 / 3 + 128
        })
        .sum();
    body.len() + 5 * escapes + attributes + AROUND
}

/// Whether one of the patterns matches a record, its body read as JSON where it is JSON.
fn passes(patterns: &[Pattern], record: &Json) -> bool {
    if patterns.is_empty() {
        return true;
    }
    let mut event = record.clone();
    if let Some(body) = record.get("body").and_then(Json::as_str)
        && let Ok(parsed @ (Json::Object(_) | Json::Array(_))) = serde_json::from_str::<Json>(body)
        && let Json::Object(event) = &mut event
    {
        event.insert("body".to_owned(), parsed);
    }
    patterns.iter().any(|pattern| pattern.matches(&event))
}

/// The trace that a batch's messages name, if it is one.
fn trace_header(batch: &[(sqs::Message, Json)]) -> Option<String> {
    let (first, _) = batch.first()?;
    first.attributes.as_ref()?.get("AWSTraceHeader").cloned()
}

/// The messages that a function says have failed; `None` if what it says makes the whole batch fail:
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>.
fn failures(answer: &Bytes, messages: &[sqs::Message]) -> Option<Vec<String>> {
    let answer: Json = serde_json::from_slice(answer).ok()?;
    let list = match answer {
        Json::Null => return Some(Vec::new()),
        Json::Object(answer) => match answer.get("batchItemFailures") {
            None | Some(Json::Null) => return Some(Vec::new()),
            Some(list) => list.as_array()?.clone(),
        },
        _ => return None,
    };
    let mut failed = Vec::new();
    for item in list {
        let id = item.get("itemIdentifier")?.as_str().filter(|id| !id.is_empty())?;
        messages.iter().find(|message| message.message_id.as_deref() == Some(id))?;
        failed.push(id.to_owned());
    }
    Some(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str) -> sqs::Message {
        sqs::Message { message_id: Some(id.to_owned()), ..sqs::Message::default() }
    }

    #[test]
    fn what_a_function_says_of_its_batch() {
        let messages = [message("a"), message("b")];
        let said = |answer: &str| failures(&Bytes::copy_from_slice(answer.as_bytes()), &messages);
        for whole in ["null", "{}", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#] {
            assert_eq!(said(whole), Some(Vec::new()), "{whole}");
        }
        assert_eq!(said(r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#), Some(vec!["b".to_owned()]));
        for none in [
            "nonsense",
            "\"text\"",
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"id":"a"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"c"}]}"#,
        ] {
            assert_eq!(said(none), None, "{none}");
        }
    }

    #[test]
    fn filters_see_the_body_as_json_where_it_is() {
        let pattern = |text: &str| vec![Pattern::parse(text).unwrap()];
        let json_body = json!({ "body": "{\"a\":1}" });
        assert!(passes(&pattern(r#"{"body":{"a":[1]}}"#), &json_body));
        assert!(!passes(&pattern(r#"{"body":{"a":[2]}}"#), &json_body));
        let text_body = json!({ "body": "hello" });
        assert!(passes(&pattern(r#"{"body":["hello"]}"#), &text_body));
        assert!(!passes(&pattern(r#"{"body":{"a":[1]}}"#), &text_body));
        assert!(passes(&[], &text_body));
    }
}
