//! Signed publications: the text is the same for all of a topic's subscriptions, and so is the signature.

use std::collections::{BTreeMap, BTreeSet};

use ropeway_core::Time;
use serde::{Deserialize, Serialize};

use crate::commands::Command;
use crate::envelope::{Envelope, Kind, Signature};
use crate::model::{Protocol, Publication, Subscription};

/// What names of lanes to what signs begin with.
pub const LANE: &str = "sign/";
/// Protocols whose messages are signed with their publication; those to endpoints are signed as they are posted.
pub const PROTOCOLS: [Protocol; 3] = [Protocol::Sqs, Protocol::Firehose, Protocol::Lambda];

/// Which signatures a publication needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// By SHA-256: `SignatureVersion` 2.
    pub sha256: bool,
    /// What it goes to.
    pub protocols: BTreeSet<Protocol>,
}

/// What a signed publication has that others get from the machine, and its signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The message's id.
    pub id: String,
    /// When it was published.
    pub at: Time,
    /// By SHA-256: `SignatureVersion` 2.
    pub sha256: bool,
    /// By the names of the publication's texts ([`Publication::text_for`]).
    pub signatures: BTreeMap<String, Signature>,
}

impl Signed {
    /// The signature of what a protocol gets.
    pub fn signature(&self, publication: &Publication, protocol: Protocol) -> Option<&Signature> {
        self.signatures.get(publication.text_for(protocol))
    }
}

/// Whether what a subscription of a standard topic gets is signed with the publication.
pub fn is_signed(to: &Subscription) -> bool {
    PROTOCOLS.contains(&to.protocol) && !to.settings.raw
}

/// What is to be signed of a publication, by the names of its texts.
pub fn texts(publication: &Publication, wanted: &Wanted, id: &str, at: Time) -> BTreeMap<String, String> {
    let text = |protocol: &Protocol| {
        let envelope = Envelope {
            topic: &publication.topic,
            subscription: "",
            kind: Kind::Notification,
            id,
            at,
            sequence: None,
            subject: publication.subject.as_deref(),
            message: publication.message_for(*protocol),
            attributes: &publication.attributes,
            base_url: &publication.base_url,
            replayed: false,
        };
        (publication.text_for(*protocol).to_owned(), envelope.signed_text())
    };
    wanted.protocols.iter().map(text).collect()
}

/// A publication that goes out in steps is to be signed: what the actor gets. It gives a [`Signed`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// The publication.
    pub publication: Publication,
    /// The message's id.
    pub id: String,
    /// When it was published.
    pub at: Time,
    /// What is needed.
    pub wanted: Wanted,
    /// Number of the work.
    pub work: u64,
    /// The step that follows.
    pub step: Command,
}
