//! Rows and what travels between operations and the machine.

use std::collections::BTreeMap;

use bytes::Bytes;
use ropeway_core::effects::{AttributeValue, MessageAttribute};
use ropeway_core::{Fault, Time, Tx};
use ropeway_store::MAX_VALUE_BYTES;
use serde::{Deserialize, Serialize};

use crate::archive::{Archive, Replaying};
use crate::fifo::Fifo;
use crate::filter::Scope;

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// Its ARN.
    pub arn: String,
    /// Tells it from topics that had its name before: see [`crate::keys::TopicName`].
    pub generation: u64,
    /// `DisplayName`.
    pub display_name: String,
    /// `Policy`, as JSON.
    pub policy: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Subscriptions that it has.
    pub subscriptions: u64,
    /// Subscriptions that it once had.
    pub deleted: u64,
    /// Subscriptions with a filter policy.
    pub filters: u32,
    /// `MaximumMessageSize`, in bytes, where it was set.
    pub max_bytes: Option<u32>,
    /// What rows have behind the rest.
    #[serde(skip)]
    pub more: More,
    /// What rows have behind that.
    #[serde(skip)]
    pub latest: TopicLatest,
    /// What rows have behind that: a FIFO topic's archive.
    #[serde(skip)]
    pub archive: Option<Archive>,
}

/// What a topic's row has at its end; older rows end before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicLatest {
    /// Subscriptions that have ended and may be taken up again.
    pub left: u64,
    /// `…FeedbackRoleArn` and `…SuccessFeedbackSampleRate`, as they were set.
    pub feedback: BTreeMap<String, String>,
}

/// What a topic's row has behind the rest since there are FIFO topics; older rows end before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct More {
    /// A FIFO topic's settings.
    pub fifo: Option<Fifo>,
    /// `SignatureVersion` is 2; it is 1 otherwise.
    pub sha256: bool,
    /// `DeliveryPolicy`, as JSON.
    pub delivery: Option<String>,
    /// Subscriptions that wait for their confirmation.
    pub pending: u64,
}

/// Largest message with its attributes where a topic does not say less, in bytes.
pub const MAX_BYTES: u32 = 256 * 1024;

impl Topic {
    /// The topic of a row.
    ///
    /// # Errors
    /// [`Fault::Damaged`] for a row that is none.
    pub fn from_row(row: &[u8]) -> Result<Topic, Fault> {
        let (topic, rest) = postcard::take_from_bytes::<Topic>(row)?;
        let (more, rest) = part(rest)?;
        let (latest, rest) = part(rest)?;
        let (archive, _) = part(rest)?;
        Ok(Topic { more, latest, archive, ..topic })
    }

    /// Writes the topic's row.
    ///
    /// # Errors
    /// [`Fault::Damaged`] for one that is too large for the store; nothing is written.
    pub fn write(&self, tx: &mut Tx, key: Bytes) -> Result<(), Fault> {
        put(tx, key, &(self, &self.more, &self.latest, &self.archive))
    }

    /// Largest message with its attributes, and all of a batch together, in bytes.
    pub fn max_bytes(&self) -> usize {
        self.max_bytes.unwrap_or(MAX_BYTES) as usize
    }
}

/// What a subscription's deliveries go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    /// A queue.
    Sqs,
    /// A delivery stream.
    Firehose,
    /// A function.
    Lambda,
    /// An endpoint by HTTP.
    Http,
    /// An endpoint by HTTPS.
    Https,
}

impl Protocol {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Sqs => "sqs",
            Protocol::Firehose => "firehose",
            Protocol::Lambda => "lambda",
            Protocol::Http => "http",
            Protocol::Https => "https",
        }
    }

    /// Whether it is one of the two that go outside.
    pub fn is_http(self) -> bool {
        matches!(self, Protocol::Http | Protocol::Https)
    }
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its id: what its ARN has behind its topic's.
    pub id: String,
    /// What its deliveries go to.
    pub protocol: Protocol,
    /// ARN of the queue, the stream or the function.
    pub endpoint: String,
    /// The account that subscribed.
    pub owner: String,
    /// ARN of the principal that subscribed.
    pub principal: String,
    /// What its owner set.
    pub settings: Settings,
    /// What rows have behind the rest.
    #[serde(skip)]
    pub more: SubscriptionMore,
    /// What rows have behind that: it has ended, and may be taken up again until [`SubscriptionMore::until`].
    #[serde(skip)]
    pub left: bool,
    /// What rows have behind that: replays of the topic's archive.
    #[serde(skip)]
    pub replaying: Replaying,
}

/// What a subscription's row has behind the rest since there are endpoints; older rows end before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionMore {
    /// The token by which it is, or was, to be confirmed.
    pub token: Option<String>,
    /// Until when it may be confirmed, while it is not.
    pub until: Option<Time>,
    /// Its confirmation was signed.
    pub authenticated: bool,
    /// `AuthenticateOnUnsubscribe`: only its owner may end it.
    pub to_be_left_by_owner: bool,
    /// `DeliveryPolicy`, which [`Settings`] has.
    delivery: Option<String>,
}

impl Subscription {
    /// The subscription of a row.
    ///
    /// # Errors
    /// [`Fault::Damaged`] for a row that is none.
    pub fn from_row(row: &[u8]) -> Result<Self, Fault> {
        let (mut found, rest) = postcard::take_from_bytes::<Subscription>(row)?;
        let (more, rest) = part::<SubscriptionMore>(rest)?;
        found.settings.delivery = more.delivery.clone();
        found.more = more;
        let (left, rest) = part(rest)?;
        found.left = left;
        found.replaying = part(rest)?.0;
        found.settings.replay = found.replaying.policy.clone();
        Ok(found)
    }

    /// Reads a subscription's row.
    ///
    /// # Errors
    /// As of [`Subscription::from_row`]; the store's own.
    pub async fn read(tx: &Tx, key: &Bytes) -> Result<Option<Self>, Fault> {
        tx.get(key).await?.map(|row| Subscription::from_row(&row)).transpose()
    }

    /// Writes the subscription's row.
    ///
    /// # Errors
    /// [`Fault::Damaged`] for one that is too large for the store; nothing is written.
    pub fn write(&self, tx: &mut Tx, key: Bytes) -> Result<(), Fault> {
        let more = SubscriptionMore { delivery: self.settings.delivery.clone(), ..self.more.clone() };
        let replaying = Replaying { policy: self.settings.replay.clone(), ..self.replaying.clone() };
        put(tx, key, &(self, &more, self.left, &replaying))
    }

    /// It has not been confirmed yet, or has ended: it gets nothing.
    pub fn is_waiting(&self) -> bool {
        self.more.until.is_some()
    }

    /// It has not been confirmed yet.
    pub fn is_pending(&self) -> bool {
        self.is_waiting() && !self.left
    }
}

/// The next part of a row, which older rows may not have, and the rest.
fn part<T: serde::de::DeserializeOwned + Default>(rest: &[u8]) -> Result<(T, &[u8]), Fault> {
    if rest.is_empty() { Ok((T::default(), rest)) } else { Ok(postcard::take_from_bytes(rest)?) }
}

/// Writes a row of several parts.
fn put(tx: &mut Tx, key: Bytes, parts: &impl Serialize) -> Result<(), Fault> {
    let row = postcard::to_stdvec(parts)?;
    if row.len() > MAX_VALUE_BYTES {
        return Err(Fault::Damaged(format!("a row of {} bytes: too large", row.len())));
    }
    tx.put(key, Bytes::from(row));
    Ok(())
}

/// A subscription's attributes that its owner sets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// `RawMessageDelivery`
    pub raw: bool,
    /// `FilterPolicy`, as JSON
    pub filter: Option<String>,
    /// `FilterPolicyScope`
    pub scope: Scope,
    /// `RedrivePolicy`: the dead-letter queue's ARN
    pub dead_letters: Option<String>,
    /// `SubscriptionRoleArn`
    pub role: Option<String>,
    /// `DeliveryPolicy`, as JSON; rows have it in [`SubscriptionMore`].
    #[serde(skip)]
    pub delivery: Option<String>,
    /// `ReplayPolicy`, as JSON; rows have it in [`Subscription::replaying`].
    #[serde(skip)]
    pub replay: Option<String>,
}

/// A message on its way to a topic's subscriptions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// The topic's ARN.
    pub topic: String,
    /// The message, to protocols that have none of their own.
    pub message: String,
    /// Messages by protocol: `MessageStructure` `json`.
    pub by_protocol: BTreeMap<String, String>,
    /// The subject.
    pub subject: Option<String>,
    /// The message's attributes.
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// The group, for fair queues.
    pub group: Option<String>,
    /// The address that the publisher used.
    pub base_url: String,
    /// Bytes of the message as it was published, with its attributes.
    pub bytes: u32,
}

impl Publication {
    /// The message for a protocol.
    pub fn message_for(&self, protocol: Protocol) -> &str {
        self.by_protocol.get(protocol.name()).unwrap_or(&self.message)
    }

    /// The name of the text that a protocol gets, as `MessageStructure` `json` has it.
    pub fn text_for(&self, protocol: Protocol) -> &'static str {
        let name = protocol.name();
        if self.by_protocol.contains_key(name) { name } else { "default" }
    }

    /// About how many bytes a delivery has.
    pub fn delivery_bytes(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, attribute)| {
            let value = match &attribute.value {
                AttributeValue::Text(text) => text.len(),
                AttributeValue::Binary(bytes) => bytes.len() * 4 / 3,
            };
            name.len() + attribute.data_type.len() + value + 32
        });
        let message = self.by_protocol.values().chain([&self.message]).map(String::len).max().unwrap_or(0);
        1536 + message + attributes.sum::<usize>()
    }
}

/// A line of the directory's list of subscriptions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// What the deliveries go to.
    pub protocol: Protocol,
    /// ARN of the queue or the stream.
    pub endpoint: String,
    /// The account that subscribed.
    pub owner: String,
    /// What is behind the rest: where it stands. Older lines are of confirmed subscriptions.
    #[serde(skip)]
    pub state: State,
}

/// Where a subscription stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It gets messages.
    #[default]
    Confirmed,
    /// It has not been confirmed yet.
    Pending,
    /// It has ended, and may be taken up again.
    Deleted,
}

impl Listed {
    /// The line in its binary form.
    ///
    /// # Errors
    /// None that could be expected.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Fault> {
        Ok(postcard::to_stdvec(&(self, self.state))?)
    }

    /// The line of its binary form.
    ///
    /// # Errors
    /// [`Fault::Damaged`] for one that is none.
    pub fn from_bytes(line: &[u8]) -> Result<Self, Fault> {
        let (line, rest) = postcard::take_from_bytes::<Listed>(line)?;
        Ok(Listed { state: part(rest)?.0, ..line })
    }
}

impl From<&Subscription> for Listed {
    fn from(of: &Subscription) -> Self {
        let state = match (of.left, of.is_waiting()) {
            (true, _) => State::Deleted,
            (false, true) => State::Pending,
            (false, false) => State::Confirmed,
        };
        Listed { protocol: of.protocol, endpoint: of.endpoint.clone(), owner: of.owner.clone(), state }
    }
}
