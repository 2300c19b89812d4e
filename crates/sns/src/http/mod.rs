//! Subscriptions by HTTP and HTTPS: what is posted to their endpoints, and when it is posted again.
//!
//! Sources: <https://docs.aws.amazon.com/sns/latest/dg/sns-http-https-endpoint-as-subscriber.html>,
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>,
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html>.

mod actor;
pub mod policy;
mod signer;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ropeway_core::Time;
use ropeway_core::effects::{AttributeValue, MessageAttribute};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::keys::TopicName;

pub use actor::SnsActor;
pub use signer::{Certificates, SignerRow, Signing, signer_key};

/// What names of lanes to endpoints begin with.
pub const LANE: &str = "http/";
/// Lanes of a subscription: so many messages are under way at once.
const LANES: u64 = 16;

/// A message to an endpoint: what the actor gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// The topic.
    pub topic: TopicName,
    /// Its generation.
    pub generation: u64,
    /// The subscription's id.
    pub subscription: String,
    /// Where to.
    pub endpoint: String,
    /// Asks for a confirmation with this token; a notification otherwise.
    pub token: Option<String>,
    /// The message's id.
    pub id: String,
    /// When it was published.
    pub at: Time,
    /// The message.
    pub message: String,
    /// Its subject.
    pub subject: Option<String>,
    /// Its attributes.
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// What links in it begin with.
    pub base_url: String,
    /// Without the JSON around it.
    pub raw: bool,
    /// `headerContentType`
    pub content_type: Option<String>,
    /// `SignatureVersion` is 2
    pub sha256: bool,
    /// How often it was tried.
    pub tried: u32,
}

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// The endpoint has taken it.
    pub taken: bool,
    /// It never will.
    pub permanent: bool,
    /// What was answered, or why there was no answer.
    pub why: String,
}

impl Post {
    /// The lane that it goes by.
    pub fn lane(&self) -> String {
        let number =
            self.id.bytes().fold(0u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        format!("{LANE}{}/{}", self.subscription, number % LANES)
    }

    fn subscribe_url(&self) -> Option<String> {
        let token = self.token.as_ref()?;
        let (base, arn) = (&self.base_url, self.topic.arn());
        Some(format!("{base}/?Action=ConfirmSubscription&Version=2010-03-31&TopicArn={arn}&Token={token}"))
    }

    /// `Type`
    pub fn kind(&self) -> &'static str {
        if self.token.is_some() { "SubscriptionConfirmation" } else { "Notification" }
    }

    /// What is signed.
    pub fn signed_text(&self) -> String {
        let (arn, at, url) = (self.topic.arn(), timestamp(self.at), self.subscribe_url());
        let fields = [
            ("Message", Some(self.message.as_str())),
            ("MessageId", Some(self.id.as_str())),
            ("Subject", self.subject.as_deref().filter(|_| self.token.is_none())),
            ("SubscribeURL", url.as_deref()),
            ("Timestamp", Some(at.as_str())),
            ("Token", self.token.as_deref()),
            ("TopicArn", Some(arn.as_str())),
            ("Type", Some(self.kind())),
        ];
        let there = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
        there.map(|(name, value)| format!("{name}\n{value}\n")).collect()
    }

    /// The body, with a signature and where its certificate is.
    pub fn body(&self, signature: Option<(&str, &str)>) -> String {
        if self.raw && self.token.is_none() {
            return self.message.clone();
        }
        let arn = self.topic.arn();
        let mut out = Map::new();
        let mut put = |name: &str, value: &str| out.insert(name.to_owned(), json!(value));
        put("Type", self.kind());
        put("MessageId", &self.id);
        if let Some(token) = &self.token {
            put("Token", token);
        }
        put("TopicArn", &arn);
        if let Some(subject) = &self.subject {
            put("Subject", subject);
        }
        put("Message", &self.message);
        if let Some(url) = self.subscribe_url() {
            put("SubscribeURL", &url);
        }
        put("Timestamp", &timestamp(self.at));
        if let Some((signature, certificate)) = signature {
            put("SignatureVersion", if self.sha256 { "2" } else { "1" });
            put("Signature", signature);
            put("SigningCertURL", certificate);
        }
        if self.token.is_none() {
            let base = &self.base_url;
            let url = format!(
                "{base}/?Action=Unsubscribe&Version=2010-03-31&SubscriptionArn={arn}:{}",
                self.subscription
            );
            put("UnsubscribeURL", &url);
        }
        if !self.attributes.is_empty() {
            let shown = self.attributes.iter().map(|(name, attribute)| {
                let value = match &attribute.value {
                    AttributeValue::Text(text) => text.clone(),
                    AttributeValue::Binary(bytes) => BASE64.encode(bytes),
                };
                (name.clone(), json!({ "Type": attribute.data_type, "Value": value }))
            });
            out.insert("MessageAttributes".to_owned(), Json::Object(shown.collect()));
        }
        Json::Object(out).to_string()
    }
}

fn timestamp(at: Time) -> String {
    let at = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
