//! Publish, PublishBatch.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use ropeway_api::sns::{
    BatchResultErrorEntry, MessageAttributeValue, PublishBatchInput, PublishBatchOutput,
    PublishBatchRequestEntry, PublishBatchResultEntry, PublishInput, PublishOutput, SERVICE, error,
};
use ropeway_wire::{Cx, Error, Keys};
use serde_json::{Map, Value as Json};

use super::signatures::Ready;
use super::{Sns, attributes, topic_of, unexpected};
use crate::commands::{Command, Output};
use crate::fifo::{NO_DEDUPLICATION, NO_GROUP};
use crate::keys::TopicName;
use crate::model::{MAX_BYTES, Publication, Topic};
use crate::settings::{invalid, refused};

/// Most entries of a batch.
const MAX_ENTRIES: usize = 10;
/// The code of what is wrong with a message's attributes.
const ATTRIBUTES: &str = "ParameterValueInvalid";
/// Most characters of a subject.
const MAX_SUBJECT: usize = 100;

pub async fn publish(sns: &Sns, cx: &Cx, input: PublishInput) -> Result<PublishOutput, Error> {
    let arn = match (input.topic_arn, input.target_arn) {
        (Some(_), Some(_)) => return Err(invalid("Only one of TopicArn or TargetArn may be given")),
        (Some(arn), None) | (None, Some(arn)) => arn,
        (None, None) => {
            return Err(invalid("TopicArn or TargetArn Reason: no value for required parameter"));
        }
    };
    if arn.contains(":endpoint/") {
        return Err(refused("Publishing to an endpoint of a mobile application"));
    }
    cx.authorize(&SERVICE, "sns:Publish", &arn, &Keys::default())?;
    let topic = topic_of(cx, "TopicArn", &arn)?;
    let content = Content {
        message: input.message,
        subject: input.subject,
        structure: input.message_structure,
        attributes: input.message_attributes,
        group: input.message_group_id,
        deduplication_id: input.message_deduplication_id,
    };
    let ready = content.ready(sns, cx, &topic).await?;
    let (id, sequence) = sns.publish(cx, &topic, ready).await?;
    Ok(PublishOutput { message_id: Some(id), sequence_number: sequence.map(|number| number.to_string()) })
}

pub async fn publish_batch(
    sns: &Sns,
    cx: &Cx,
    input: PublishBatchInput,
) -> Result<PublishBatchOutput, Error> {
    let entries = input.publish_batch_request_entries;
    let topic = topic_of(cx, "TopicArn", &input.topic_arn)?;
    check_batch(&entries)?;
    // A topic that isn't there is the whole batch's error, not that of its entries.
    let read = Command::ReadTopic { topic: topic.clone() };
    let Output::Topic(found) = sns.submit(cx, &topic, read).await? else { return Err(unexpected()) };
    check_in_order(&found, &entries)?;
    if entries.iter().map(size).sum::<usize>() > found.max_bytes() {
        let why = "The length of all the messages put together is more than the limit.";
        return Err(error::batch_request_too_long_exception(why));
    }
    // All are signed, side by side, before the first is published: they keep their order.
    let ready = entries.into_iter().map(|entry| async {
        let (id, content) = Content::of(entry);
        (id, content.ready(sns, cx, &topic).await)
    });
    let ready = join_all(ready).await;
    // These, too: so AWS's answers were recorded by LocalStack's `test_publish_batch_exceptions` and
    // `test_empty_or_wrong_message_attributes`.
    let whole = |error: &&Error| {
        error.code == ATTRIBUTES || error.message.starts_with("Invalid parameter: Message Structure")
    };
    if let Some(error) = ready.iter().filter_map(|(_, ready)| ready.as_ref().err()).find(whole) {
        return Err(error.clone());
    }
    let results = ready.into_iter().map(|(id, ready)| async {
        match ready {
            Ok(ready) => (id, sns.publish(cx, &topic, ready).await),
            Err(error) => (id, Err(error)),
        }
    });
    let mut out = PublishBatchOutput { successful: Some(Vec::new()), failed: Some(Vec::new()) };
    for (id, result) in join_all(results).await {
        match result {
            Ok((message_id, sequence_number)) => {
                out.successful.get_or_insert_default().push(PublishBatchResultEntry {
                    id: Some(id),
                    message_id: Some(message_id),
                    sequence_number: sequence_number.map(|number| number.to_string()),
                })
            }
            Err(error) => out.failed.get_or_insert_default().push(BatchResultErrorEntry {
                id,
                sender_fault: error.is_sender_fault(),
                code: error.code.into_owned(),
                message: Some(error.message),
            }),
        }
    }
    Ok(out)
}

fn check_batch(entries: &[PublishBatchRequestEntry]) -> Result<(), Error> {
    if entries.is_empty() {
        let why = "The batch request doesn't contain any entries.";
        return Err(error::empty_batch_request_exception(why));
    }
    if entries.len() > MAX_ENTRIES {
        let why = "The batch request contains more entries than permissible.";
        return Err(error::too_many_entries_in_batch_request_exception(why));
    }
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if entries.iter().any(|e| e.id.is_empty() || e.id.len() > 80 || !e.id.chars().all(sound)) {
        let why = "The Id of a batch entry in a batch request doesn't abide by the specification.";
        return Err(error::invalid_batch_entry_id_exception(why));
    }
    let ids: BTreeSet<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
    if ids.len() < entries.len() {
        let why = "Two or more batch entries in the request have the same Id.";
        return Err(error::batch_entry_ids_not_distinct_exception(why));
    }
    Ok(())
}

/// What a FIFO topic's messages must have is the whole batch's error too.
fn check_in_order(topic: &Topic, entries: &[PublishBatchRequestEntry]) -> Result<(), Error> {
    let Some(fifo) = topic.more.fifo else { return Ok(()) };
    if entries.iter().any(|entry| entry.message_group_id.is_none()) {
        return Err(invalid(NO_GROUP));
    }
    if !fifo.by_content && entries.iter().any(|entry| entry.message_deduplication_id.is_none()) {
        return Err(invalid(NO_DEDUPLICATION));
    }
    Ok(())
}

/// Bytes that an entry counts for.
fn size(entry: &PublishBatchRequestEntry) -> usize {
    let attributes = entry.message_attributes.iter().flatten().map(|(name, value)| {
        let text = value.string_value.as_ref().map_or(0, String::len);
        let bytes = value.binary_value.as_ref().map_or(0, bytes::Bytes::len);
        name.len() + value.data_type.len() + text + bytes
    });
    entry.message.len() + attributes.sum::<usize>()
}

/// What is published, as it came.
struct Content {
    message: String,
    subject: Option<String>,
    structure: Option<String>,
    attributes: Option<BTreeMap<String, MessageAttributeValue>>,
    group: Option<String>,
    deduplication_id: Option<String>,
}

impl Content {
    /// A batch's entry: its name and the rest.
    fn of(entry: PublishBatchRequestEntry) -> (String, Self) {
        let content = Content {
            message: entry.message,
            subject: entry.subject,
            structure: entry.message_structure,
            attributes: entry.message_attributes,
            group: entry.message_group_id,
            deduplication_id: entry.message_deduplication_id,
        };
        (entry.id, content)
    }

    /// What is published, checked, and signed if need be.
    async fn ready(mut self, sns: &Sns, cx: &Cx, topic: &TopicName) -> Result<Ready, Error> {
        let deduplication_id = self.deduplication_id.take();
        if deduplication_id.as_deref().is_some_and(|id| !is_group(id)) {
            return Err(invalid(
                "MessageDeduplicationId Reason: MessageDeduplicationId can only include alphanumeric and punctuation characters. 1 to 128 in length",
            ));
        }
        let publication = self.checked(cx, topic)?;
        sns.ready(publication, deduplication_id).await
    }

    fn checked(self, cx: &Cx, topic: &TopicName) -> Result<Publication, Error> {
        if self.message.is_empty() {
            return Err(invalid("Empty message"));
        }
        let attributes = attributes::checked(self.attributes)?;
        let bytes = self.message.len() + attributes::size(&attributes);
        let bytes = u32::try_from(bytes).ok().filter(|bytes| *bytes <= MAX_BYTES);
        let bytes = bytes.ok_or_else(|| invalid("Message too long"))?;
        if self.subject.as_deref().is_some_and(|subject| !is_subject(subject)) {
            return Err(invalid("Subject"));
        }
        if self.group.as_deref().is_some_and(|group| !is_group(group)) {
            return Err(invalid(
                "MessageGroupId Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length",
            ));
        }
        let mut by_protocol = BTreeMap::new();
        let mut message = self.message;
        match self.structure.as_deref() {
            None => {}
            Some("json") => (message, by_protocol) = split(&message)?,
            Some(_) => return Err(invalid("MessageStructure")),
        }
        if !by_protocol.values().chain([&message]).all(|text| is_text(text)) {
            return Err(invalid(
                "Message Reason: valid characters are #x9 | #xA | #xD | [#x20 to #xD7FF] | [#xE000 to #xFFFD] | [#x10000 to #x10FFFF]",
            ));
        }
        Ok(Publication {
            topic: topic.arn(),
            message,
            by_protocol,
            subject: self.subject,
            attributes,
            group: self.group,
            base_url: cx.endpoint.clone(),
            bytes,
        })
    }
}

/// 1 to 100 printable ASCII characters that begin with a letter, a digit or punctuation.
fn is_subject(subject: &str) -> bool {
    let printable = subject.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    printable && (1..=MAX_SUBJECT).contains(&subject.len()) && !subject.starts_with(' ')
}

/// The characters that SNS takes: <https://aws.amazon.com/sns/faqs/>. The others would need six bytes
/// each in an envelope.
pub fn is_text(text: &str) -> bool {
    text.chars().all(
        |c| !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}'),
    )
}

fn is_group(group: &str) -> bool {
    (1..=128).contains(&group.len()) && group.chars().all(|c| c.is_ascii_graphic())
}

/// The default message and those of single protocols.
fn split(message: &str) -> Result<(String, BTreeMap<String, String>), Error> {
    let bad = |why: &str| invalid(format_args!("Message Structure - {why}"));
    let messages: Map<String, Json> =
        serde_json::from_str(message).map_err(|_| bad("JSON message body failed to parse"))?;
    let default = messages.get("default").and_then(Json::as_str);
    let default = default.ok_or_else(|| bad("No default entry in JSON message body"))?;
    // Of protocols that nothing can subscribe with here, nobody would get a message.
    let by_protocol = ["sqs", "firehose", "lambda", "http", "https"]
        .into_iter()
        .filter_map(|protocol| Some((protocol.to_owned(), messages.get(protocol)?.as_str()?.to_owned())));
    Ok((default.to_owned(), by_protocol.collect()))
}
