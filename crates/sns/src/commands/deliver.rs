//! Deliveries: what a subscription's queue or stream gets, and what becomes of what it refuses.

use std::collections::BTreeMap;

use ropeway_core::effects::{
    FirehoseCommand, FunctionDelivery, LambdaCommand, QueueDelivery, SqsCommand, StreamDelivery,
};
use ropeway_core::keys::Space;
use ropeway_core::{Fault, ShardId, Time, Tx};
use serde::Serialize;

use super::{endpoints, postcard_from, topics, trace_header};
use crate::envelope::{Envelope, Kind};
use crate::feedback::{self, Note};
use crate::fifo::{Place, SUFFIX};
use crate::keys::TopicName;
use crate::model::{More, Protocol, Publication, Subscription, TopicLatest};
use crate::signed::{self, Signed};

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
    /// What it has behind that.
    pub latest: &'a TopicLatest,
    /// The topic's generation.
    pub generation: u64,
    /// Its signatures, where there are any.
    pub signed: Option<&'a Signed>,
    /// It was published before, and comes from the archive.
    pub replayed: bool,
}

impl Message<'_> {
    /// Whether there is the signature that a subscription needs, if it needs one.
    pub fn is_ready_for(&self, to: &Subscription) -> bool {
        let there = self.signed.and_then(|signed| signed.signature(self.publication, to.protocol));
        there.is_some() || !self.is_signed(to)
    }

    /// FIFO topics sign nothing: see [`crate::envelope`].
    fn is_signed(&self, to: &Subscription) -> bool {
        self.place.is_none() && signed::is_signed(to)
    }

    /// What a subscription gets; `None`: it has an envelope, for which there is no signature yet.
    fn body(&self, topic: &TopicName, to: &Subscription) -> Option<String> {
        let message = self.publication.message_for(to.protocol);
        if to.settings.raw {
            return Some(message.to_owned());
        }
        let signature = match self.is_signed(to) {
            true => Some(self.signed?.signature(self.publication, to.protocol)?),
            false => None,
        };
        let topic = topic.arn();
        let envelope = Envelope {
            topic: &topic,
            subscription: &to.id,
            kind: Kind::Notification,
            id: &self.id,
            at: self.at,
            sequence: self.place.map(|place| place.sequence),
            subject: self.publication.subject.as_deref(),
            message,
            attributes: &self.publication.attributes,
            base_url: &self.publication.base_url,
            replayed: self.replayed,
        };
        Some(match to.protocol {
            Protocol::Lambda => envelope.event(signature),
            _ => envelope.json(signature),
        })
    }
}

/// Leaves a delivery to the outbox.
pub(super) fn deliver(
    tx: &mut Tx,
    topic: &TopicName,
    to: &Subscription,
    message: &Message<'_>,
) -> Result<(), Fault> {
    if to.protocol.is_http() {
        return endpoints::send(tx, topic, to, message);
    }
    let body = message.body(topic, to);
    let body = body.ok_or_else(|| Fault::Damaged(format!("message {} is not signed", message.id)))?;
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
            send(tx, to, message, Space::Lambda, shard, &command)
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
            send(tx, to, message, Space::Sqs, shard, &command)
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
            send(tx, to, message, Space::Firehose, shard, &command)
        }
    }
}

/// Leaves a command to the outbox. Behind it travels what is to be told at its end; the receiver passes over that.
fn send(
    tx: &mut Tx,
    to: &Subscription,
    message: &Message<'_>,
    space: Space,
    shard: ShardId,
    command: &impl Serialize,
) -> Result<(), Fault> {
    if !feedback::is_wanted(&message.latest.feedback, to.protocol) {
        return tx.send(&to.endpoint, space, shard, command);
    }
    let note = Note::new(&message.id, message.at, message.publication, to.protocol);
    tx.send(&to.endpoint, space, shard, &(command, note))
}

/// The ARN whose shard an endpoint is in: a function's is that of its ARN without a qualifier.
fn without_qualifier(endpoint: &str, protocol: Protocol) -> &str {
    match endpoint.match_indices(':').nth(6) {
        Some((at, _)) if protocol == Protocol::Lambda => endpoint.get(..at).unwrap_or(endpoint),
        _ => endpoint,
    }
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
