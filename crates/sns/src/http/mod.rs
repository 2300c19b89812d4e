//! Subscriptions by HTTP and HTTPS: what is posted to their endpoints, and when it is posted again.
//!
//! Sources: <https://docs.aws.amazon.com/sns/latest/dg/sns-http-https-endpoint-as-subscriber.html>,
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>,
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html>.

mod actor;
pub mod policy;
mod signer;

use std::collections::BTreeMap;

use ropeway_core::Time;
use ropeway_core::effects::MessageAttribute;
use serde::{Deserialize, Serialize};

use crate::envelope::{Envelope, Kind, Signature};
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
    /// What orders have behind the rest.
    #[serde(skip)]
    pub more: PostMore,
}

/// What an order has behind the rest; older ones end before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostMore {
    /// The token undoes the end of the subscription.
    pub left: bool,
    /// `maxReceivesPerSecond`
    pub per_second: Option<u32>,
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
    /// The status of the answer.
    pub status: Option<u16>,
    /// How the answer begins.
    pub said: String,
    /// How it was signed.
    pub signature: Option<Signature>,
}

impl Post {
    /// The order of its binary form.
    ///
    /// # Errors
    /// If it is none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Post, postcard::Error> {
        let (post, rest) = postcard::take_from_bytes::<Post>(bytes)?;
        let more = if rest.is_empty() { PostMore::default() } else { postcard::from_bytes(rest)? };
        Ok(Post { more, ..post })
    }

    /// What the binary form is of.
    pub fn whole(&self) -> (&Post, &PostMore) {
        (self, &self.more)
    }

    /// What it is.
    pub fn kind(&self) -> Kind<'_> {
        match &self.token {
            None => Kind::Notification,
            Some(token) if self.more.left => Kind::Unsubscription(token),
            Some(token) => Kind::Subscription(token),
        }
    }

    /// The lane that it goes by.
    pub fn lane(&self) -> String {
        let number =
            self.id.bytes().fold(0u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        format!("{LANE}{}/{}", self.subscription, number % LANES)
    }

    /// What is posted, with what is around it.
    pub fn envelope<'a>(&'a self, topic: &'a str) -> Envelope<'a> {
        Envelope {
            topic,
            subscription: &self.subscription,
            kind: self.kind(),
            id: &self.id,
            at: self.at,
            sequence: None,
            subject: self.subject.as_deref(),
            message: &self.message,
            attributes: &self.attributes,
            base_url: &self.base_url,
            replayed: false,
        }
    }

    /// The message alone is posted, and nothing is signed.
    pub fn is_bare(&self) -> bool {
        self.raw && self.token.is_none()
    }

    /// The body, with its signature unless it [is bare](Post::is_bare).
    pub fn body(&self, signature: Option<&Signature>) -> String {
        let topic = self.topic.arn();
        signature
            .map_or_else(|| self.message.clone(), |signature| self.envelope(&topic).json(Some(signature)))
    }
}
