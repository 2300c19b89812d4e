//! Which topics' messages are signed before they are published.
//!
//! The topic's shard knows who gets a message, and whether they need a signature; but it has no time to make one. So a
//! message is published as it is, and where it is given back for want of a signature, it is signed and published again.
//! What a topic's messages needed is remembered: the next one is signed at first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ropeway_core::Fault;
use ropeway_wire::{Cx, Error};

use super::{Sns, unexpected};
use crate::Signing;
use crate::commands::{Command, Output, Published};
use crate::keys::TopicName;
use crate::model::Publication;
use crate::signed::{Signed, Wanted};

/// Topics that are remembered.
const MAX_KNOWN: usize = 4096;
/// Messages in a row that were signed for nobody, after which a topic is forgotten.
const FOR_NOBODY: u8 = 16;
/// Tries to publish: after the second one, each finds that the topic has changed in between.
const TRIES: u32 = 8;

/// What signs, and what is known of topics.
pub struct Signatures {
    signing: Arc<Signing>,
    known: Mutex<BTreeMap<String, Known>>,
}

/// What a topic's messages needed.
struct Known {
    wanted: Wanted,
    for_nobody: u8,
}

/// A message that is ready to be published.
pub struct Ready {
    pub publication: Publication,
    pub deduplication_id: Option<String>,
    signed: Option<Signed>,
}

impl Signatures {
    pub fn new(signing: Arc<Signing>) -> Self {
        Signatures { signing, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, topic: &str) -> Option<Wanted> {
        self.known().get(topic).map(|known| known.wanted.clone())
    }

    /// Remembers what a message needed.
    fn learn(&self, topic: &str, needed: Wanted) {
        let mut all = self.known();
        if all.len() >= MAX_KNOWN && !all.contains_key(topic) {
            all.clear();
        }
        match all.get_mut(topic) {
            Some(known) => {
                known.for_nobody = 0;
                known.wanted.sha256 = needed.sha256;
                known.wanted.protocols.extend(needed.protocols);
            }
            None => drop(all.insert(topic.to_owned(), Known { wanted: needed, for_nobody: 0 })),
        }
    }

    /// A message was signed for nobody.
    fn unlearn(&self, topic: &str) {
        let mut all = self.known();
        let Some(known) = all.get_mut(topic) else { return };
        known.for_nobody += 1;
        if known.for_nobody >= FOR_NOBODY {
            all.remove(topic);
        }
    }
}

impl Sns {
    /// Signs a message, if the topic's needed that so far.
    pub(super) async fn ready(
        &self,
        publication: Publication,
        deduplication_id: Option<String>,
    ) -> Result<Ready, Error> {
        let signed = match self.signatures.of(&publication.topic) {
            Some(wanted) => Some(self.sign(&publication, &wanted).await?),
            None => None,
        };
        Ok(Ready { publication, deduplication_id, signed })
    }

    async fn sign(&self, publication: &Publication, wanted: &Wanted) -> Result<Signed, Error> {
        let (id, now) = (self.core.ids().uuid(), self.core.clock().now());
        self.signatures.signing.sign_publication(publication, wanted, id, now).await
    }

    /// Publishes a message; gives its id, and its sequence number in a FIFO topic. What is submitted first is published
    /// first: the entries of a batch keep their order.
    pub(super) async fn publish(
        &self,
        cx: &Cx,
        topic: &TopicName,
        ready: Ready,
    ) -> Result<(String, Option<u64>), Error> {
        let Ready { mut publication, deduplication_id, mut signed } = ready;
        for _ in 0..TRIES {
            let was_signed = signed.is_some();
            let arn = publication.topic.clone();
            let command = command(publication, deduplication_id.clone(), signed);
            match self.submit(cx, topic, command).await? {
                Output::Published(Published { id, sequence, needed }) => {
                    match needed {
                        Some(needed) => self.signatures.learn(&arn, needed),
                        None if was_signed => self.signatures.unlearn(&arn),
                        None => {}
                    }
                    return Ok((id, sequence));
                }
                Output::Unsigned(given_back, wanted) => {
                    signed = Some(self.sign(&given_back, &wanted).await?);
                    self.signatures.learn(&arn, wanted);
                    publication = *given_back;
                }
                _ => return Err(unexpected()),
            }
        }
        Err(Fault::Overloaded.into())
    }
}

fn command(publication: Publication, deduplication_id: Option<String>, signed: Option<Signed>) -> Command {
    match (signed, deduplication_id) {
        (Some(signed), deduplication_id) => Command::PublishSigned { publication, deduplication_id, signed },
        (None, Some(deduplication_id)) => Command::PublishOnce { publication, deduplication_id },
        (None, None) => Command::Publish(publication),
    }
}
