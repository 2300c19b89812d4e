//! The actor: handles events, sends what became of them, polls queues, provisions.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ropeway_api::{lambda, s3, sns, sqs};
use ropeway_core::functions::{Answer, NotRun};
use ropeway_core::{Actor, BoxFuture, Outcome, Trace};
use ropeway_wire::{ByteStream, Cx, Error};

use crate::commands::{Command, LambdaMachine, Output};
use crate::engine::{Call, Engine, unexpected};
use crate::keys::FunctionName;
use crate::model::{Handled, Order, Sending};
use crate::ops::Lambda;
use crate::{limits, poller, record};

/// Pause after a failure that is not the effect's own, in milliseconds.
const PAUSE: i64 = 1_000;
/// Bytes of an answer that go into a record; of a larger one the record says nothing.
const PASSED_ON: usize = 256 * 1024;

/// The actor of `Space::Lambda`.
pub struct LambdaActor {
    engine: Engine,
}

impl LambdaActor {
    /// The actor of a service.
    pub fn new(service: &Lambda) -> Self {
        LambdaActor { engine: service.engine.clone() }
    }

    async fn handle(&self, function: FunctionName, generation: u64, slot: u32) -> Result<Handled, Error> {
        let trace = Trace::from("");
        let command = Command::ReadEvent { function: function.clone(), generation, slot };
        let Output::Event(at_hand) = self.engine.submit(&trace, &function, command).await? else {
            return Err(unexpected());
        };
        let Some(at_hand) = at_hand else { return Ok(Handled::Gone) };
        let payload = LambdaMachine::open_payload(&self.engine.parts.master, &function, &at_hand)?;
        let event = at_hand.event;
        let call = Call {
            name: &function,
            qualifier: event.qualifier.as_deref(),
            request_id: event.request_id,
            payload,
            client_context: event.client_context,
            trace_header: event.trace_header,
            trace: Trace::from(event.trace.as_str()),
        };
        let (found, version) = match self.engine.choose(&call).await {
            Ok(chosen) => chosen,
            Err(error) if error.status == 404 => return Ok(Handled::Gone),
            Err(error) => return Err(error),
        };
        match self.engine.run_version(call, &version).await {
            Ok(ran) => {
                let payload = match ran.invoked.payload {
                    Answer::Whole(payload) => payload,
                    Answer::Stream(stream) => drain(stream.pieces).await,
                };
                let payload = Some(payload).filter(|payload| payload.len() <= PASSED_ON);
                Ok(Handled::Ran { failed: ran.invoked.failed, version: ran.version, payload })
            }
            Err(error) if error.status == 429 && found.function.reserved == Some(0) => Ok(Handled::Barred),
            Err(error) => Ok(Handled::Missed(error.to_string())),
        }
    }

    async fn send(&self, sending: &Sending) -> Result<(), Error> {
        let role = self.engine.assume(&sending.function, &sending.role);
        let role = role.map_err(|why| Error::new(403, "AccessDenied", why))?;
        let trace = Trace::from(sending.trace.as_str());
        let cx = self.engine.cx_of(&sending.function, role, &trace);
        let service = sending.to.split(':').nth(2).unwrap_or_default();
        match service {
            "sqs" => self.send_to_queue(cx, sending).await,
            "sns" => self.send_to_topic(cx, sending).await,
            "s3" => self.put(cx, sending).await,
            "lambda" => {
                let input = lambda::InvokeInput {
                    function_name: sending.to.clone(),
                    invocation_type: Some("Event".to_owned()),
                    payload: Some(sending.body.clone()),
                    ..lambda::InvokeInput::default()
                };
                self.engine.parts.services.call(cx, input).await.map(drop)
            }
            other => Err(Error::new(400, "InvalidParameterValue", format!("{other} is no destination"))),
        }
    }

    async fn send_to_queue(&self, cx: Cx, sending: &Sending) -> Result<(), Error> {
        let attributes: BTreeMap<String, sqs::MessageAttributeValue> = sending
            .attributes
            .iter()
            .map(|(name, number, value)| {
                let value = sqs::MessageAttributeValue {
                    string_value: Some(value.clone()),
                    data_type: data_type(*number),
                    ..sqs::MessageAttributeValue::default()
                };
                (name.clone(), value)
            })
            .collect();
        let input = sqs::SendMessageInput {
            queue_url: poller::queue_url(&sending.to),
            message_body: String::from_utf8_lossy(&sending.body).into_owned(),
            message_attributes: (!attributes.is_empty()).then_some(attributes),
            ..sqs::SendMessageInput::default()
        };
        self.engine.parts.services.call(cx, input).await.map(drop)
    }

    async fn send_to_topic(&self, cx: Cx, sending: &Sending) -> Result<(), Error> {
        let attributes: BTreeMap<String, sns::MessageAttributeValue> = sending
            .attributes
            .iter()
            .map(|(name, number, value)| {
                let value = sns::MessageAttributeValue {
                    string_value: Some(value.clone()),
                    data_type: data_type(*number),
                    ..sns::MessageAttributeValue::default()
                };
                (name.clone(), value)
            })
            .collect();
        let input = sns::PublishInput {
            topic_arn: Some(sending.to.clone()),
            message: String::from_utf8_lossy(&sending.body).into_owned(),
            message_attributes: (!attributes.is_empty()).then_some(attributes),
            ..sns::PublishInput::default()
        };
        self.engine.parts.services.call(cx, input).await.map(drop)
    }

    /// `aws/lambda/async/<function>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<UUID>`, as AWS names records in S3.
    async fn put(&self, cx: Cx, sending: &Sending) -> Result<(), Error> {
        let at = record::timestamp(sending.at);
        let (day, time) = at.split_once('T').unwrap_or((&at, ""));
        let time = time.get(..8).unwrap_or_default().replace(':', ".");
        let key = format!(
            "aws/lambda/async/{}/{}/{day}T{time}-{}",
            sending.function.name,
            day.replace('-', "/"),
            self.engine.parts.core.ids().uuid()
        );
        let input = s3::PutObjectInput {
            bucket: sending.to.rsplit(':').next().unwrap_or_default().to_owned(),
            key,
            content_length: i64::try_from(sending.body.len()).ok(),
            content_type: Some("application/json".to_owned()),
            body: Some(ByteStream::from(sending.body.clone())),
            ..s3::PutObjectInput::default()
        };
        self.engine.parts.services.call(cx, input).await.map(drop)
    }

    /// Has as many processes of the version started as a row says, and of the one before none unless its
    /// own row says so.
    async fn provision(&self, name: &FunctionName, qualifier: &str, before: &str) -> Result<(), Error> {
        let trace = Trace::from("");
        let functions = &self.engine.parts.functions;
        let command =
            Command::Provision { function: name.clone(), qualifier: qualifier.to_owned(), requested: None };
        let wanted = match self.engine.submit(&trace, name, command).await {
            Ok(Output::Provisioned(row)) => row.map_or(0, |row| row.requested),
            Ok(_) => return Err(unexpected()),
            Err(error) if error.status == 404 => 0,
            Err(error) => return Err(error),
        };
        let now = self.engine.read(&trace, name, Some(qualifier)).await.ok();
        if let Some(found) = &now {
            let spec = Arc::new(self.engine.spec(name, &found.version)?);
            functions.provision(spec, wanted).await.map_err(|why| Error::internal(format!("{why:?}")))?;
        }
        if now.is_none_or(|found| found.version.version != before)
            && !before.is_empty()
            && let Ok(old) = self.engine.read(&trace, name, Some(before)).await
        {
            let spec = Arc::new(self.engine.spec(name, &old.version)?);
            functions.provision(spec, 0).await.map_err(|why| Error::internal(format!("{why:?}")))?;
        }
        Ok(())
    }

    async fn follow(&self, order: Order) -> Outcome {
        match order {
            Order::Event { function, generation, slot } => {
                match self.handle(function, generation, slot).await.map(|h| postcard::to_stdvec(&h)) {
                    Ok(Ok(bytes)) => Outcome::Done(Bytes::from(bytes)),
                    Ok(Err(why)) => Outcome::Refused(why.to_string()),
                    Err(error) => later("an event waits", &error),
                }
            }
            Order::Send(sending) => match self.send(&sending).await {
                Ok(()) => Outcome::Done(Bytes::new()),
                Err(error) if error.is_sender_fault() && error.status != 429 => {
                    tracing::warn!(to = sending.to, %error, "what became of an event was not taken");
                    Outcome::Refused(error.to_string())
                }
                Err(error) => later("what became of an event waits", &error),
            },
            Order::Poll { function, generation, id } => {
                poller::run(&self.engine, &function, generation, &id).await
            }
            Order::Prepare { runtime, .. } => match self.engine.parts.functions.make_ready(runtime).await {
                Ok(()) => Outcome::Done(Bytes::new()),
                Err(NotRun::Stopping) => Outcome::Retry(PAUSE),
                Err(NotRun::NoRuntime(why) | NotRun::NoRoom(why)) => Outcome::Refused(why),
                Err(other) => Outcome::Refused(format!("{other:?}")),
            },
            Order::Provision { function, qualifier, before } => {
                match self.provision(&function, &qualifier, &before).await {
                    Ok(()) => Outcome::Done(Bytes::new()),
                    Err(error) if error.is_sender_fault() => Outcome::Refused(error.to_string()),
                    Err(error) => later("provisioned processes wait", &error),
                }
            }
        }
    }
}

impl Actor for LambdaActor {
    fn act<'a>(&'a self, _lane: &'a str, payload: &'a [u8]) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match postcard::from_bytes(payload) {
                Ok(order) => self.follow(order).await,
                Err(why) => Outcome::Refused(format!("a damaged order: {why}")),
            }
        })
    }
}

/// An answer that streams, read to its end: nobody waits for it.
async fn drain(
    mut pieces: tokio::sync::mpsc::Receiver<Result<Bytes, ropeway_core::functions::StreamFault>>,
) -> Bytes {
    let mut out = Vec::new();
    while let Some(Ok(piece)) = pieces.recv().await {
        if out.len() <= limits::SYNC_PAYLOAD {
            out.extend_from_slice(&piece);
        }
    }
    Bytes::from(out)
}

fn data_type(number: bool) -> String {
    if number { "Number" } else { "String" }.to_owned()
}

fn later(what: &str, error: &Error) -> Outcome {
    tracing::warn!(%error, "{what}");
    Outcome::Retry(PAUSE)
}
