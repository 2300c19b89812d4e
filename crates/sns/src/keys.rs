//! The part of the key catalogue that is SNS's. The kinds never change.

use bytes::Bytes;
use ropeway_core::keys::{KeyBuilder, Scope, Space};

use crate::fifo::SUFFIX;

/// A topic: scope, name.
const TOPIC: u8 = 1;
/// A subscription: scope, topic name, the topic's generation, id.
const SUBSCRIPTION: u8 = 2;
/// Subscription by its endpoint: scope, topic name, generation, protocol, endpoint.
const ENDPOINT: u8 = 3;
/// Work that goes on in steps: number.
const WORK: u8 = 4;
/// A piece of a publication that goes out in steps: number of the work, number of the piece.
const PIECE: u8 = 5;
/// The signatures of a publication that goes out in steps: number of the work.
const SIGNED: u8 = 11;

/// An ARN's parts that name a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct TopicName {
    /// Whose it is, and where.
    pub scope: Scope,
    /// The name.
    pub name: String,
}

impl TopicName {
    /// The topic of an ARN; `None` if it is no topic's.
    pub fn parse(arn: &str) -> Option<TopicName> {
        let mut parts = arn.split(':');
        let head = (parts.next()?, parts.next()?, parts.next()?);
        if head != ("arn", "aws", "sns") {
            return None;
        }
        let scope_region = parts.next()?;
        let account = parts.next()?;
        let name = parts.next()?;
        let sound = parts.next().is_none()
            && !scope_region.is_empty()
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && is_name(name);
        sound.then(|| TopicName { scope: Scope::new(account, scope_region), name: name.to_owned() })
    }

    /// Whether it is a FIFO topic's.
    pub fn is_fifo(&self) -> bool {
        self.name.ends_with(SUFFIX)
    }

    /// The ARN.
    pub fn arn(&self) -> String {
        format!("arn:aws:sns:{}:{}:{}", self.scope.region, self.scope.account, self.name)
    }

    /// Key of the topic's row.
    pub fn key(&self) -> Bytes {
        KeyBuilder::new(Space::Sns, TOPIC, &self.scope).text(&self.name).build()
    }

    fn at(&self, kind: u8, generation: u64) -> KeyBuilder {
        KeyBuilder::new(Space::Sns, kind, &self.scope).text(&self.name).number(generation)
    }

    /// What the keys of all its subscriptions begin with.
    pub fn subscriptions(&self, generation: u64) -> Bytes {
        self.at(SUBSCRIPTION, generation).build()
    }

    /// Key of a subscription.
    pub fn subscription(&self, generation: u64, id: &str) -> Bytes {
        self.at(SUBSCRIPTION, generation).text(id).build()
    }

    /// Key of the subscription's id under its endpoint.
    pub fn endpoint(&self, generation: u64, protocol: &str, endpoint: &str) -> Bytes {
        self.at(ENDPOINT, generation).text(protocol).text(endpoint).build()
    }
}

/// Whether a text may be a topic's name.
pub fn is_name(name: &str) -> bool {
    let plain = name.strip_suffix(SUFFIX).unwrap_or(name);
    (1..=256).contains(&name.len())
        && !plain.is_empty()
        && plain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// What the keys of all topics begin with, whatever their scope.
pub fn all_topics() -> Bytes {
    KeyBuilder::unscoped(Space::Sns, TOPIC).build()
}

/// Key of a piece of work.
pub fn work(number: u64) -> Bytes {
    KeyBuilder::unscoped(Space::Sns, WORK).number(number).build()
}

/// What the keys of a publication's pieces begin with.
pub fn pieces(work: u64) -> Bytes {
    KeyBuilder::unscoped(Space::Sns, PIECE).number(work).build()
}

/// Key of a piece of a publication.
pub fn piece(work: u64, number: u32) -> Bytes {
    KeyBuilder::unscoped(Space::Sns, PIECE).number(work).number32(number).build()
}

/// Key of the signatures of a publication that goes out in steps.
pub fn signed(work: u64) -> Bytes {
    KeyBuilder::unscoped(Space::Sns, SIGNED).number(work).build()
}

/// Topic ARN and id of a subscription's ARN.
pub fn parse_subscription(arn: &str) -> Option<(TopicName, &str)> {
    let (topic, id) = arn.rsplit_once(':')?;
    let sound = (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    Some((TopicName::parse(topic).filter(|_| sound)?, id))
}

/// Name of the directory's list of an account's topics in a region.
pub fn topics_list(account: &str, region: &str) -> String {
    format!("sns/{account}/{region}/topics")
}

/// Name of the directory's list of an account's subscriptions in a region.
pub fn subscriptions_list(account: &str, region: &str) -> String {
    format!("sns/{account}/{region}/subscriptions")
}
