//! Bucket notifications: which events go where. What a message says is in [`record`].
//!
//! S3 user guide, "Amazon S3 Event Notifications".

mod encoding;
pub mod record;

use ropeway_wire::{Cx, PrincipalKind};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use encoding::decode_filter;

/// The principal that the destinations' policies name.
pub const PRINCIPAL: &str = "s3.amazonaws.com";
/// The address of a request from within, which came by no network.
const FROM_WITHIN: &str = "127.0.0.1";

/// The event types that can be asked for here.
const POSSIBLE: &[&str] = &[
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:LifecycleExpiration:*",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:ObjectTagging:*",
    "s3:ObjectTagging:Put",
    "s3:ObjectTagging:Delete",
    "s3:ObjectAcl:Put",
];

/// The event types of S3 that never happen here, since what they tell of is not implemented.
const NEVER: &[&str] = &[
    "s3:ReducedRedundancyLostObject",
    "s3:ObjectCreated:Post",
    "s3:ObjectRestore:*",
    "s3:ObjectRestore:Post",
    "s3:ObjectRestore:Completed",
    "s3:ObjectRestore:Delete",
    "s3:Replication:*",
    "s3:Replication:OperationFailedReplication",
    "s3:Replication:OperationNotTracked",
    "s3:Replication:OperationMissedThreshold",
    "s3:Replication:OperationReplicatedAfterThreshold",
    "s3:LifecycleTransition",
    "s3:IntelligentTiering",
    "s3:ObjectAnnotation:*",
    "s3:ObjectAnnotation:Put",
    "s3:ObjectAnnotation:Delete",
];

/// What may be said of an event type in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It happens here.
    Possible,
    /// S3 has it, Ropeway does not.
    Never,
    /// There is no such type.
    Unknown,
}

/// How an event type stands.
pub fn standing(name: &str) -> Standing {
    if POSSIBLE.contains(&name) {
        Standing::Possible
    } else if NEVER.contains(&name) {
        Standing::Never
    } else {
        Standing::Unknown
    }
}

/// What happened to an object. Variants are only ever added at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// PutObject
    Put,
    /// CopyObject
    Copy,
    /// CompleteMultipartUpload
    CompleteMultipartUpload,
    /// DeleteObject, DeleteObjects
    Delete,
    /// PutObjectTagging
    TaggingPut,
    /// DeleteObjectTagging
    TaggingDelete,
    /// DeleteObject, DeleteObjects: a delete marker
    MarkerCreated,
    /// A lifecycle rule
    Expired,
    /// A lifecycle rule: a delete marker
    ExpiredByMarker,
    /// PutObjectAcl
    AclPut,
}

impl Event {
    /// The name in a message; in configurations it has `s3:` before it.
    pub fn name(self) -> &'static str {
        match self {
            Event::Put => "ObjectCreated:Put",
            Event::AclPut => "ObjectAcl:Put",
            Event::Copy => "ObjectCreated:Copy",
            Event::CompleteMultipartUpload => "ObjectCreated:CompleteMultipartUpload",
            Event::Delete => "ObjectRemoved:Delete",
            Event::MarkerCreated => "ObjectRemoved:DeleteMarkerCreated",
            Event::Expired => "LifecycleExpiration:Delete",
            Event::ExpiredByMarker => "LifecycleExpiration:DeleteMarkerCreated",
            Event::TaggingPut => "ObjectTagging:Put",
            Event::TaggingDelete => "ObjectTagging:Delete",
        }
    }
}

/// The service that a destination belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A queue.
    Queue,
    /// A topic.
    Topic,
    /// A function.
    Function,
}

/// A rule of a filter on keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// True for a suffix, false for a prefix.
    pub suffix: bool,
    /// As it was given: form-encoded.
    pub value: String,
}

/// One configuration: which events of which keys go to a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Unique in its bucket.
    pub id: String,
    /// What the destination is.
    pub kind: Kind,
    /// The destination's ARN.
    pub destination: String,
    /// Event types, with or without `*` at the end.
    pub events: Vec<String>,
    /// At most one of each sort.
    pub filters: Vec<Filter>,
}

/// How two configurations are in each other's way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// They share an event type, and neither has a filter.
    Overlap(String, String),
    /// They share an event type, and some key passes the filters of both.
    Ambiguous,
}

/// Whether a type asked for takes in another one.
fn takes_in(asked: &str, event: &str) -> bool {
    asked == event || asked.strip_suffix('*').is_some_and(|start| event.starts_with(start))
}

/// Two event types that have events in common.
pub fn common<'e>(
    mut some: impl Iterator<Item = &'e String>,
    others: &'e [String],
) -> Option<(&'e str, &'e str)> {
    some.find_map(|a| {
        let b = others.iter().find(|b| takes_in(a, b) || takes_in(b, a))?;
        Some((a.as_str(), b.as_str()))
    })
}

impl Rule {
    /// What a key must begin or end with; S3 takes `+` for a space and `%XX` for any other byte.
    fn affix(&self, suffix: bool) -> String {
        let found = self.filters.iter().find(|filter| filter.suffix == suffix);
        found.map(|filter| decode_filter(&filter.value)).unwrap_or_default()
    }

    /// Whether an event of a key goes to the destination.
    pub fn takes(&self, event: Event, key: &str) -> bool {
        let asked_for =
            |asked: &String| asked.strip_prefix("s3:").is_some_and(|asked| takes_in(asked, event.name()));
        self.events.iter().any(asked_for)
            && key.starts_with(&self.affix(false))
            && key.ends_with(&self.affix(true))
    }

    /// Whether an event could go by both configurations, which S3 does not allow in a bucket.
    pub fn conflict(&self, other: &Rule) -> Option<Conflict> {
        let (mine, theirs) = common(self.events.iter(), &other.events)?;
        if self.filters.is_empty() && other.filters.is_empty() {
            return Some(Conflict::Overlap(mine.to_owned(), theirs.to_owned()));
        }
        let (a, b) = (self.affix(false), other.affix(false));
        let prefixes = a.starts_with(&b) || b.starts_with(&a);
        let (a, b) = (self.affix(true), other.affix(true));
        let suffixes = a.ends_with(&b) || b.ends_with(&a);
        (prefixes && suffixes).then_some(Conflict::Ambiguous)
    }
}

/// The request that caused an event. Fields are only ever added at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Its id.
    pub request_id: String,
    /// Who made it, as `userIdentity.principalId` names them.
    pub principal: String,
    /// Where it came from.
    pub source_ip: String,
    /// The address that the client used.
    pub endpoint: String,
    /// The account of who made it.
    pub account: String,
}

impl Cause {
    /// The cause that a request is.
    pub fn of(cx: &Cx) -> Self {
        let principal = match &cx.principal.kind {
            PrincipalKind::Root => customer_id(&cx.principal.account),
            PrincipalKind::Anonymous => "Anonymous".to_owned(),
            PrincipalKind::Service => cx.principal.arn.clone(),
            PrincipalKind::User | PrincipalKind::AssumedRole { .. } => format!("AWS:{}", cx.principal.id),
        };
        Cause {
            request_id: cx.request_id.clone(),
            principal,
            source_ip: cx.source_ip.map_or_else(|| FROM_WITHIN.to_owned(), |address| address.to_string()),
            endpoint: cx.endpoint.clone(),
            account: cx.principal.account.clone(),
        }
    }
}

/// The customer id of an account: `A` and 13 capitals and digits, as S3 names owners in events.
pub fn customer_id(account: &str) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digest = sha2::Sha256::digest(format!("customer/{account}"));
    let rest = digest.iter().take(13).filter_map(|byte| LETTERS.get(usize::from(byte % 32)));
    std::iter::once('A').chain(rest.map(|letter| char::from(*letter))).collect()
}

#[cfg(test)]
mod tests;
