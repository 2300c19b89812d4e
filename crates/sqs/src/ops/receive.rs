//! `ReceiveMessage`, with long polling.

use std::collections::{BTreeMap, BTreeSet};

use ropeway_api::sqs::{Message, MessageAttributeValue, ReceiveMessageInput, ReceiveMessageOutput, error};
use ropeway_core::Fault;
use ropeway_core::effects::{AttributeValue, MessageAttribute};
use ropeway_wire::{Cx, Error};

use super::{digest, incoming, send, unexpected};
use crate::commands::{Command, Output, Receive, Received, ReceivedMessage, SqsError};
use crate::limits::invalid_value;
use crate::settings::unknown_attribute;
use crate::{SqsService, address, limits, message};

/// The attributes of a message that SQS itself keeps.
const SYSTEM_ATTRIBUTES: [&str; 9] = [
    "AWSTraceHeader",
    "ApproximateFirstReceiveTimestamp",
    "ApproximateReceiveCount",
    "DeadLetterQueueSourceArn",
    "MessageDeduplicationId",
    "MessageGroupId",
    "SenderId",
    "SentTimestamp",
    "SequenceNumber",
];

/// What the client wants to see of each message.
struct Wanted {
    system: BTreeSet<String>,
    attributes: Vec<String>,
}

/// `ReceiveMessage`
pub async fn receive(
    service: &SqsService,
    cx: &Cx,
    input: ReceiveMessageInput,
) -> super::Result<ReceiveMessageOutput> {
    let arn = address::of_url(&input.queue_url, cx)?;
    let system = input.attribute_names.into_iter().chain(input.message_system_attribute_names).flatten();
    let wanted = Wanted {
        system: system_names(system)?,
        attributes: input.message_attribute_names.unwrap_or_default(),
    };
    incoming::check_id("ReceiveRequestAttemptId", input.receive_request_attempt_id.as_deref())?;
    let receive = Receive {
        queue: arn.clone(),
        max: max_messages(input.max_number_of_messages)?,
        visibility: input.visibility_timeout.map(visibility).transpose()?,
        attempt: input.receive_request_attempt_id,
    };
    let wait = input.wait_time_seconds.map(wait_time).transpose()?;
    let found = poll(service, cx, &arn, receive, wait).await?;
    let fifo = address::is_fifo(&arn);
    let messages = found.into_iter().map(|message| show(service, &arn, fifo, message, &wanted));
    let messages = messages.collect::<Result<Vec<_>, Error>>()?;
    Ok(ReceiveMessageOutput { messages: (!messages.is_empty()).then_some(messages) })
}

/// Receives; where there is nothing, waits until something comes or the time is over.
async fn poll(
    service: &SqsService,
    cx: &Cx,
    arn: &str,
    receive: Receive,
    wait: Option<u32>,
) -> super::Result<Vec<ReceivedMessage>> {
    let clock = service.core.clock();
    let began = clock.now();
    let first = attempt(service, cx, arn, &receive).await?;
    let wait = wait.unwrap_or(first.wait);
    if !first.messages.is_empty() {
        return Ok(first.messages);
    }
    if wait == 0 {
        // Long polls get no error, nor do FIFO queues (Developer Guide, "message quotas").
        if first.over_limit && !address::is_fifo(arn) {
            return Err(error::over_limit("Too many messages in flight."));
        }
        return Ok(Vec::new());
    }
    let deadline = began.plus_secs(i64::from(wait));
    let signal = service.core.signals().named(&address::signal(arn));
    loop {
        // Registered before the look, so that what comes in between is not missed.
        let notified = signal.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        match attempt(service, cx, arn, &receive).await {
            Ok(found) if !found.messages.is_empty() => return Ok(found.messages),
            Ok(_) => {}
            Err(SqsError::Fault(Fault::Stopping)) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
        if service.core.signals().is_closed() {
            return Ok(Vec::new());
        }
        tokio::select! {
            () = notified => {}
            () = clock.sleep_until(deadline) => return Ok(Vec::new()),
        }
    }
}

async fn attempt(service: &SqsService, cx: &Cx, arn: &str, receive: &Receive) -> Result<Received, SqsError> {
    match service.submit(cx, arn, Command::Receive(receive.clone())).await? {
        Output::Received(received) => Ok(received),
        other => Err(unexpected(&other).into()),
    }
}

fn max_messages(given: Option<i64>) -> Result<u32, Error> {
    let given = given.unwrap_or(1);
    u32::try_from(given)
        .ok()
        .filter(|n| (1..=limits::BATCH as u32).contains(n))
        .ok_or_else(|| invalid_value(given, "MaxNumberOfMessages", "Must be between 1 and 10, if provided."))
}

fn visibility(given: i64) -> Result<u32, Error> {
    let (_, most) = limits::VISIBILITY;
    u32::try_from(given).ok().filter(|secs| *secs <= most).ok_or_else(|| {
        invalid_value(given, "VisibilityTimeout", &format!("Must be between 0 and {most}, if provided."))
    })
}

fn wait_time(given: i64) -> Result<u32, Error> {
    let (_, most) = limits::WAIT;
    u32::try_from(given).ok().filter(|secs| *secs <= most).ok_or_else(|| {
        invalid_value(given, "WaitTimeSeconds", &format!("Must be >= 0 and <= {most}, if provided."))
    })
}

fn system_names(names: impl Iterator<Item = String>) -> Result<BTreeSet<String>, Error> {
    let mut out = BTreeSet::new();
    for name in names {
        if name == "All" {
            out.extend(SYSTEM_ATTRIBUTES.map(str::to_owned));
        } else if SYSTEM_ATTRIBUTES.contains(&name.as_str()) {
            out.insert(name);
        } else {
            return Err(unknown_attribute(&name));
        }
    }
    Ok(out)
}

/// A message as the client sees it.
fn show(
    service: &SqsService,
    arn: &str,
    fifo: bool,
    found: ReceivedMessage,
    wanted: &Wanted,
) -> Result<Message, Error> {
    let content = message::open(&service.setup.master, &found.head.seal, &found.content)?;
    let id = send::message_id(&found.head.id);
    tracing::debug!(queue = arn, message = %id, sent_by = %found.head.trace, "a message is handed out");
    let system = system_attributes(&found, fifo, wanted);
    let attributes: BTreeMap<_, _> =
        content.attributes.into_iter().filter(|(name, _)| wants(&wanted.attributes, name)).collect();
    Ok(Message {
        message_id: Some(id),
        receipt_handle: Some(found.receipt.handle(arn)),
        md5_of_body: Some(digest::of_body(&content.body)),
        body: Some(content.body),
        attributes: (!system.is_empty()).then_some(system),
        md5_of_message_attributes: digest::of_attributes(&attributes),
        message_attributes: (!attributes.is_empty())
            .then(|| attributes.into_iter().map(|(name, value)| (name, attribute_value(value))).collect()),
    })
}

/// Whether a client asked for an attribute: by its name, by `All` or `.*`, or by a prefix (`bar.*`).
fn wants(names: &[String], attribute: &str) -> bool {
    names.iter().any(|name| match name.strip_suffix(".*") {
        Some(prefix) => attribute.starts_with(prefix),
        None => name == "All" || name == attribute,
    })
}

fn attribute_value(attribute: MessageAttribute) -> MessageAttributeValue {
    let mut out =
        MessageAttributeValue { data_type: attribute.data_type, ..MessageAttributeValue::default() };
    match attribute.value {
        AttributeValue::Text(text) => out.string_value = Some(text),
        AttributeValue::Binary(bytes) => out.binary_value = Some(bytes),
    }
    out
}

fn system_attributes(found: &ReceivedMessage, fifo: bool, wanted: &Wanted) -> BTreeMap<String, String> {
    let head = &found.head;
    let value = |name: &str| match name {
        "AWSTraceHeader" => head.trace_header.clone(),
        "ApproximateFirstReceiveTimestamp" => Some(found.first.millis().to_string()),
        "ApproximateReceiveCount" => Some(found.count.to_string()),
        "DeadLetterQueueSourceArn" => head.source.clone(),
        "MessageDeduplicationId" => head.dedup.clone(),
        "MessageGroupId" => head.group.clone(),
        "SenderId" => Some(head.sender.clone()),
        "SentTimestamp" => Some(head.sent.millis().to_string()),
        "SequenceNumber" => fifo.then(|| send::sequence_number(found.receipt.seq)),
        _ => None,
    };
    wanted.system.iter().filter_map(|name| Some((name.clone(), value(name)?))).collect()
}
