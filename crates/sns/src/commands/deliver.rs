//! Deliveries: what a subscription's queue or stream gets, and what becomes of what it refuses.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ropeway_core::effects::{
    AttributeValue, FirehoseCommand, FunctionDelivery, LambdaCommand, QueueDelivery, SqsCommand,
    StreamDelivery,
};
use ropeway_core::keys::Space;
use ropeway_core::{Fault, Time, Tx};
use serde_json::{Map, Value as Json, json};

use super::{endpoints, postcard_from, topics, trace_header};
use crate::fifo::{Place, SUFFIX};
use crate::keys::TopicName;
use crate::model::{More, Protocol, Publication, Subscription};

/// The principal that queue policies and roles' trust policies name.
pub const PRINCIPAL: &str = "sns.amazonaws.com";
/// Before the queue's ARN in the name of a lane to a dead-letter queue.
pub(super) const DEAD_LETTERS: &str = "dead-letters/";

/// A published message.
pub(super) struct Message<'a> {
    pub publication: &'a Publication,
    pub id: String,
    pub at: Time,
    /// Of a FIFO topic's.
    pub place: Option<&'a Place>,
    /// What the topic has beside the rest.
    pub more: &'a More,
    /// The topic's generation.
    pub generation: u64,
}

impl Message<'_> {
    /// About how many bytes a delivery has.
    pub fn size(&self) -> usize {
        let attributes = self.publication.attributes.iter().map(|(name, attribute)| {
            let value = match &attribute.value {
                AttributeValue::Text(text) => text.len(),
                AttributeValue::Binary(bytes) => bytes.len() * 4 / 3,
            };
            name.len() + attribute.data_type.len() + value + 32
        });
        let by_protocol = self.publication.by_protocol.values().map(String::len);
        let message = by_protocol.chain([self.publication.message.len()]).max().unwrap_or(0);
        1024 + message + attributes.sum::<usize>()
    }
}

/// Leaves a delivery to the outbox.
pub(super) fn deliver(
    tx: &mut Tx,
    topic: &TopicName,
    to: &Subscription,
    message: &Message<'_>,
) -> Result<(), Fault> {
    let text = message.publication.message_for(to.protocol);
    let body = match to.protocol {
        Protocol::Http | Protocol::Https => return endpoints::send(tx, topic, to, message, text),
        Protocol::Lambda => event(topic, to, message, text),
        _ if to.settings.raw => text.to_owned(),
        _ => envelope(topic, to, message, text),
    };
    let shard = tx.shard_of(without_qualifier(&to.endpoint, to.protocol));
    match to.protocol {
        // Above.
        Protocol::Http | Protocol::Https => Ok(()),
        Protocol::Lambda => {
            let command = LambdaCommand::Deliver(FunctionDelivery {
                function: to.endpoint.clone(),
                principal: PRINCIPAL.to_owned(),
                source_arn: topic.arn(),
                source_account: topic.scope.account.clone(),
                payload: body.into(),
                trace_header: trace_header(tx.trace()),
            });
            tx.send(&to.endpoint, Space::Lambda, shard, &command)
        }
        Protocol::Sqs => {
            // A FIFO topic tells standard queues nothing of groups; a standard topic does, for fair queues.
            let in_order = to.endpoint.ends_with(SUFFIX);
            let attributes = match to.settings.raw {
                true => message.publication.attributes.clone(),
                false => BTreeMap::new(),
            };
            let command = SqsCommand::Deliver(QueueDelivery {
                queue: to.endpoint.clone(),
                principal: PRINCIPAL.to_owned(),
                source_arn: topic.arn(),
                source_account: topic.scope.account.clone(),
                body,
                attributes,
                group: message.publication.group.clone().filter(|_| in_order || message.place.is_none()),
                deduplication_id: message
                    .place
                    .filter(|_| in_order)
                    .map(|place| place.deduplication_id.clone()),
                trace_header: trace_header(tx.trace()),
            });
            tx.send(&to.endpoint, Space::Sqs, shard, &command)
        }
        Protocol::Firehose => {
            let command = FirehoseCommand::Deliver(StreamDelivery {
                stream: to.endpoint.clone(),
                principal: PRINCIPAL.to_owned(),
                role: to.settings.role.clone().unwrap_or_default(),
                source_arn: topic.arn(),
                source_account: topic.scope.account.clone(),
                data: body.into(),
            });
            tx.send(&to.endpoint, Space::Firehose, shard, &command)
        }
    }
}

/// The ARN whose shard an endpoint is in: a function's is that of its ARN without a qualifier.
fn without_qualifier(endpoint: &str, protocol: Protocol) -> &str {
    match endpoint.match_indices(':').nth(6) {
        Some((at, _)) if protocol == Protocol::Lambda => endpoint.get(..at).unwrap_or(endpoint),
        _ => endpoint,
    }
}

/// A message as functions get it: <https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html>, less the
/// signature.
fn event(topic: &TopicName, to: &Subscription, message: &Message<'_>, text: &str) -> String {
    let (arn, base) = (topic.arn(), &message.publication.base_url);
    let attributes = message.publication.attributes.iter().map(|(name, attribute)| {
        (name.clone(), json!({ "Type": attribute.data_type, "Value": shown(&attribute.value) }))
    });
    let record = json!({
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": format!("{arn}:{}", to.id),
        "Sns": {
            "Type": "Notification",
            "MessageId": message.id,
            "TopicArn": arn,
            "Subject": message.publication.subject,
            "Message": text,
            "Timestamp": timestamp(message.at),
            "UnsubscribeUrl": format!("{base}/?Action=Unsubscribe&SubscriptionArn={arn}:{}", to.id),
            "MessageAttributes": Json::Object(attributes.collect()),
        },
    });
    json!({ "Records": [record] }).to_string()
}

/// An attribute's value as JSON carries it.
fn shown(value: &AttributeValue) -> String {
    match value {
        AttributeValue::Text(text) => text.clone(),
        AttributeValue::Binary(bytes) => BASE64.encode(bytes),
    }
}

/// The JSON around a message:
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>, less the signature.
fn envelope(topic: &TopicName, to: &Subscription, message: &Message<'_>, text: &str) -> String {
    let arn = topic.arn();
    let mut out = Map::new();
    let mut put = |name: &str, value: String| out.insert(name.to_owned(), Json::String(value));
    put("Type", "Notification".to_owned());
    put("MessageId", message.id.clone());
    if let Some(place) = message.place {
        put("SequenceNumber", place.sequence.to_string());
    }
    put("TopicArn", arn.clone());
    if let Some(subject) = &message.publication.subject {
        put("Subject", subject.clone());
    }
    put("Message", text.to_owned());
    put("Timestamp", timestamp(message.at));
    let base = &message.publication.base_url;
    put("UnsubscribeURL", format!("{base}/?Action=Unsubscribe&SubscriptionArn={arn}:{}", to.id));
    if !message.publication.attributes.is_empty() {
        let attributes = message.publication.attributes.iter().map(|(name, attribute)| {
            (name.clone(), json!({ "Type": attribute.data_type, "Value": shown(&attribute.value) }))
        });
        out.insert("MessageAttributes".to_owned(), Json::Object(attributes.collect()));
    }
    Json::Object(out).to_string()
}

fn timestamp(at: Time) -> String {
    let edge = if at.millis() < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    let at = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or(edge);
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// What a receiver refused for good goes to the subscription's dead-letter queue; without one it is
/// dropped, with a line in the log.
pub(super) async fn refused(tx: &mut Tx, lane: &str, payload: &[u8], why: &str) -> Result<(), Fault> {
    if lane.starts_with(DEAD_LETTERS) || !lane.starts_with("arn:") {
        tracing::error!(lane, why, "a delivery was refused for good and is lost");
        return Ok(());
    }
    let (delivery, protocol) = if lane.starts_with("arn:aws:firehose:") {
        let FirehoseCommand::Deliver(refused) = postcard_from(payload)?;
        (as_queue_delivery(refused), Protocol::Firehose)
    } else if lane.starts_with("arn:aws:lambda:") {
        let LambdaCommand::Deliver(refused) = postcard_from(payload)?;
        (of_function(refused), Protocol::Lambda)
    } else {
        let SqsCommand::Deliver(refused) = postcard_from(payload)?;
        (refused, Protocol::Sqs)
    };
    let queue = dead_letters(tx, &delivery.source_arn, protocol, &delivery.queue).await?;
    let Some(queue) = queue else {
        tracing::warn!(
            topic = delivery.source_arn,
            endpoint = lane,
            why,
            "a delivery was refused for good, and dropped: its subscription has no dead-letter queue"
        );
        return Ok(());
    };
    let shard = tx.shard_of(&queue);
    let lane = format!("{DEAD_LETTERS}{queue}");
    // A FIFO dead-letter queue keeps the group and the deduplication id.
    tx.send(&lane, Space::Sqs, shard, &SqsCommand::Deliver(QueueDelivery { queue, ..delivery }))
}

fn of_function(refused: FunctionDelivery) -> QueueDelivery {
    QueueDelivery {
        queue: refused.function,
        principal: refused.principal,
        source_arn: refused.source_arn,
        source_account: refused.source_account,
        body: String::from_utf8_lossy(&refused.payload).into_owned(),
        attributes: BTreeMap::new(),
        group: None,
        deduplication_id: None,
        trace_header: refused.trace_header,
    }
}

fn as_queue_delivery(refused: StreamDelivery) -> QueueDelivery {
    QueueDelivery {
        queue: refused.stream,
        principal: refused.principal,
        source_arn: refused.source_arn,
        source_account: refused.source_account,
        body: String::from_utf8_lossy(&refused.data).into_owned(),
        attributes: BTreeMap::new(),
        group: None,
        deduplication_id: None,
        trace_header: None,
    }
}

/// The dead-letter queue of the subscription that an endpoint has of a topic.
async fn dead_letters(
    tx: &Tx,
    topic: &str,
    protocol: Protocol,
    endpoint: &str,
) -> Result<Option<String>, Fault> {
    let Some(name) = TopicName::parse(topic) else { return Ok(None) };
    let Some(topic) = topics::read(tx, &name).await? else { return Ok(None) };
    let key = name.endpoint(topic.generation, protocol.name(), endpoint);
    let Some(id) = tx.read::<String>(&key).await? else { return Ok(None) };
    let found = Subscription::read(tx, &name.subscription(topic.generation, &id)).await?;
    Ok(found.and_then(|subscription| subscription.settings.dead_letters))
}
