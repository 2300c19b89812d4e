//! What receivers get around a message, and the text that is signed of it.
//!
//! Sources: <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>,
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html>. What FIFO topics send has a sequence number, and nothing
//! of signatures: so AWS's answers were recorded in August 2025 by LocalStack's `tests/aws/services/sns/test_sns.py`
//! (`test_message_to_fifo_sqs`, `test_fifo_topic_to_regular_sqs`).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ropeway_core::Time;
use ropeway_core::effects::{AttributeValue, MessageAttribute};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

/// A signature, as receivers are told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// `SignatureVersion` is 2; it is 1 otherwise.
    pub sha256: bool,
    /// The signature in base 64.
    pub text: String,
    /// Path of the certificate that it is checked by.
    pub certificate: String,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// What was published.
    Notification,
    /// The question whether the endpoint wants to be subscribed, with the token that says so.
    Subscription(&'a str),
    /// The end of a subscription, with the token that undoes it.
    Unsubscription(&'a str),
}

impl<'a> Kind<'a> {
    /// `Type`
    pub fn name(self) -> &'static str {
        match self {
            Kind::Notification => "Notification",
            Kind::Subscription(_) => "SubscriptionConfirmation",
            Kind::Unsubscription(_) => "UnsubscribeConfirmation",
        }
    }

    fn token(self) -> Option<&'a str> {
        match self {
            Kind::Notification => None,
            Kind::Subscription(token) | Kind::Unsubscription(token) => Some(token),
        }
    }
}

/// A message as one subscription gets it.
pub struct Envelope<'a> {
    /// The topic's ARN.
    pub topic: &'a str,
    /// The subscription's id.
    pub subscription: &'a str,
    /// What it is.
    pub kind: Kind<'a>,
    /// The message's id.
    pub id: &'a str,
    /// When it was published.
    pub at: Time,
    /// Its sequence number in a FIFO topic.
    pub sequence: Option<u64>,
    /// The subject.
    pub subject: Option<&'a str>,
    /// The message.
    pub message: &'a str,
    /// Its attributes.
    pub attributes: &'a BTreeMap<String, MessageAttribute>,
    /// What links in it begin with.
    pub base_url: &'a str,
    /// It comes from the archive of a FIFO topic.
    pub replayed: bool,
}

impl Envelope<'_> {
    fn subscribe_url(&self) -> Option<String> {
        let (base, topic, token) = (self.base_url, self.topic, self.kind.token()?);
        Some(format!("{base}/?Action=ConfirmSubscription&Version=2010-03-31&TopicArn={topic}&Token={token}"))
    }

    fn unsubscribe_url(&self) -> String {
        let Envelope { base_url, topic, subscription, .. } = self;
        format!("{base_url}/?Action=Unsubscribe&Version=2010-03-31&SubscriptionArn={topic}:{subscription}")
    }

    /// What is signed: of notifications, the same for all of a topic's subscriptions.
    pub fn signed_text(&self) -> String {
        let (at, url) = (timestamp(self.at), self.subscribe_url());
        let fields = [
            ("Message", Some(self.message)),
            ("MessageId", Some(self.id)),
            ("Subject", self.subject.filter(|_| self.kind == Kind::Notification)),
            ("SubscribeURL", url.as_deref()),
            ("Timestamp", Some(&*at)),
            ("Token", self.kind.token()),
            ("TopicArn", Some(self.topic)),
            ("Type", Some(self.kind.name())),
        ];
        let there = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
        there.map(|(name, value)| format!("{name}\n{value}\n")).collect()
    }

    /// The JSON that endpoints, queues and delivery streams get.
    pub fn json(&self, signature: Option<&Signature>) -> String {
        Json::Object(self.fields(signature, "URL")).to_string()
    }

    /// The event that functions get: they spell links in another way, and are told of what there is not.
    pub fn event(&self, signature: Option<&Signature>) -> String {
        let mut sns = self.fields(signature, "Url");
        sns.entry("Subject").or_insert(Json::Null);
        sns.entry("MessageAttributes").or_insert_with(|| json!({}));
        let record = json!({
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": format!("{}:{}", self.topic, self.subscription),
            "Sns": sns,
        });
        json!({ "Records": [record] }).to_string()
    }

    /// All that is told; names of links end with `url`.
    fn fields(&self, signature: Option<&Signature>, url: &str) -> Map<String, Json> {
        let mut out = Map::new();
        let mut put = |name: &str, value: &str| out.insert(name.to_owned(), json!(value));
        put("Type", self.kind.name());
        put("MessageId", self.id);
        if let Some(token) = self.kind.token() {
            put("Token", token);
        }
        if let Some(sequence) = self.sequence {
            put("SequenceNumber", &sequence.to_string());
        }
        put("TopicArn", self.topic);
        if let Some(subject) = self.subject {
            put("Subject", subject);
        }
        put("Message", self.message);
        put("Timestamp", &timestamp(self.at));
        if let Some(signature) = signature {
            put("SignatureVersion", if signature.sha256 { "2" } else { "1" });
            put("Signature", &signature.text);
            put(&format!("SigningCert{url}"), &format!("{}{}", self.base_url, signature.certificate));
        }
        match self.subscribe_url() {
            Some(address) => put(&format!("Subscribe{url}"), &address),
            None => put(&format!("Unsubscribe{url}"), &self.unsubscribe_url()),
        };
        if self.replayed {
            out.insert("Replayed".to_owned(), json!("true"));
        }
        if !self.attributes.is_empty() {
            let shown = self.attributes.iter().map(|(name, attribute)| {
                (name.clone(), json!({ "Type": attribute.data_type, "Value": shown(&attribute.value) }))
            });
            out.insert("MessageAttributes".to_owned(), Json::Object(shown.collect()));
        }
        out
    }
}

/// An attribute's value as JSON carries it.
fn shown(value: &AttributeValue) -> String {
    match value {
        AttributeValue::Text(text) => text.clone(),
        AttributeValue::Binary(bytes) => BASE64.encode(bytes),
    }
}

/// A moment as receivers and attributes have it.
pub fn timestamp(at: Time) -> String {
    let edge = if at.millis() < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    let at = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or(edge);
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
