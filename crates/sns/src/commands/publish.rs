//! Publishing: which subscriptions a message goes to.

use std::collections::BTreeSet;

use ropeway_core::Tx;
use ropeway_wire::Error;
use sha2::{Digest as _, Sha256};

use super::deliver::{self, Message};
use super::{Cached, Compiled, INLINE_BYTES, Output, Published, SnsMachine, Work, archived, no_topic, steps};
use crate::fifo::{self, Fifo, NO_DEDUPLICATION, NO_GROUP, Place, Remembered};
use crate::filter::Subject;
use crate::keys::TopicName;
use crate::model::{Protocol, Publication};
use crate::settings::invalid;
use crate::signed::{self, Signed, Wanted};

impl SnsMachine {
    /// Publishes: the deliveries are in this commit, or the work that makes them is. Where a receiver needs a signature
    /// that there is not, the message is given back.
    pub(super) async fn publish(
        &mut self,
        tx: &mut Tx,
        publication: Publication,
        deduplication_id: Option<String>,
        signed: Option<Signed>,
    ) -> Result<Output, Error> {
        let name = TopicName::parse(&publication.topic).ok_or_else(no_topic)?;
        let fan = self.fan(tx, &name).await?;
        if publication.bytes as usize > fan.topic.max_bytes() {
            return Err(invalid("Message too long"));
        }
        if let Some(fifo) = fan.topic.more.fifo {
            let id = deduplication_id;
            return self.publish_in_order(tx, &name, &fan, fifo, &publication, id).await;
        }
        if deduplication_id.is_some() {
            return Err(invalid(
                "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type",
            ));
        }
        let Some(matching) = at_once(&fan, &publication, None) else {
            return self.publish_in_steps(tx, name, &publication, signed.as_ref()).await;
        };
        let needed = needed(&fan, &matching);
        if let Some(wanted) = needed.as_ref().filter(|wanted| !has(signed.as_ref(), wanted, &publication)) {
            return Ok(Output::Unsigned(Box::new(publication), wanted.clone()));
        }
        let message = message(tx, &fan, &publication, None, signed.as_ref());
        for one in matching {
            deliver::deliver(tx, &name, &one.subscription, &message)?;
        }
        Ok(Output::Published(Published { id: message.id, sequence: None, needed }))
    }

    /// Publishes to a standard topic by work that goes on in steps.
    pub(super) async fn publish_in_steps(
        &mut self,
        tx: &mut Tx,
        name: TopicName,
        publication: &Publication,
        signed: Option<&Signed>,
    ) -> Result<Output, Error> {
        let fan = self.fan(tx, &name).await?;
        let message = message(tx, &fan, publication, None, signed);
        let work = Work::Publish {
            topic: name,
            generation: message.generation,
            message_id: message.id.clone(),
            at: message.at,
            pieces: 0,
            after: None,
        };
        steps::begin_publish(tx, work, publication, signed)?;
        Ok(Output::Published(Published { id: message.id, sequence: None, needed: None }))
    }

    /// Publishes to a FIFO topic, unless the message was published in the last 5 minutes.
    async fn publish_in_order(
        &mut self,
        tx: &mut Tx,
        name: &TopicName,
        fan: &Cached,
        fifo: Fifo,
        publication: &Publication,
        deduplication_id: Option<String>,
    ) -> Result<Output, Error> {
        let group = publication.group.as_deref().ok_or_else(|| invalid(NO_GROUP))?;
        let content = || fifo.by_content.then(|| hex::encode(Sha256::digest(&publication.message)));
        let id = deduplication_id.or_else(content).ok_or_else(|| invalid(NO_DEDUPLICATION))?;
        let generation = fan.topic.generation;
        let key = fifo::remembered(name, generation, if fifo.by_group { group } else { "" }, &id);
        if let Some(before) = tx.read::<Remembered>(&key).await?
            && before.until > tx.now()
        {
            let (id, sequence) = (before.id, Some(before.sequence));
            return Ok(Output::Published(Published { id, sequence, needed: None }));
        }
        let place = Place::next(tx, id)?;
        let matching = at_once(fan, publication, Some(&place));
        let message = message(tx, fan, publication, Some(&place), None);
        let forget_at = fifo::remember(tx, key, &message.id, place.sequence)?;
        if fan.topic.archive.is_some() {
            archived::add(tx, name, &place, &message)?;
        }
        // Nothing overtakes what goes out in steps.
        match matching.filter(|_| !self.in_steps.contains_key(name)) {
            Some(matching) => {
                for one in matching {
                    deliver::deliver(tx, name, &one.subscription, &message)?;
                }
            }
            None => {
                let work = Work::PublishInOrder {
                    topic: name.clone(),
                    generation,
                    message_id: message.id.clone(),
                    at: message.at,
                    pieces: 0,
                    after: None,
                    place: place.clone(),
                };
                let number = steps::begin_publish(tx, work, publication, None)?;
                fifo::wait(tx, name, generation, place.sequence, number)?;
                *self.in_steps.entry(name.clone()).or_default() += 1;
            }
        }
        self.forget_at = Some(self.forget_at.map_or(forget_at, |at| at.min(forget_at)));
        Ok(Output::Published(Published { id: message.id, sequence: Some(place.sequence), needed: None }))
    }
}

/// The message that a publication becomes: one that is signed has its id and its time already.
fn message<'a>(
    tx: &Tx,
    fan: &'a Cached,
    publication: &'a Publication,
    place: Option<&'a Place>,
    signed: Option<&'a Signed>,
) -> Message<'a> {
    Message {
        publication,
        id: signed.map_or_else(|| tx.ids().uuid(), |signed| signed.id.clone()),
        at: signed.map_or_else(|| tx.now(), |signed| signed.at),
        place,
        more: &fan.topic.more,
        latest: &fan.topic.latest,
        generation: fan.topic.generation,
        signed,
        replayed: false,
    }
}

/// The subscriptions that a message goes to, if its deliveries fit one commit.
fn at_once<'a>(
    fan: &'a Cached,
    publication: &Publication,
    place: Option<&Place>,
) -> Option<Vec<&'a Compiled>> {
    let is_held_back =
        |one: &Compiled| place.is_some_and(|place| one.subscription.replaying.has(place.sequence));
    let all = fan.fan.as_ref()?.iter().filter(|one| !is_held_back(one));
    let subject = Subject::new(&publication.attributes, &publication.message);
    let matching: Vec<&Compiled> =
        all.filter(|one| one.filter.as_ref().is_none_or(|f| f.matches(&subject))).collect();
    let fit = matching.len() <= 1 || matching.len() * publication.delivery_bytes() <= INLINE_BYTES;
    fit.then_some(matching)
}

/// The signatures that a message needs on its way to these subscriptions.
fn needed(fan: &Cached, matching: &[&Compiled]) -> Option<Wanted> {
    let to = matching.iter().map(|one| &one.subscription).filter(|to| signed::is_signed(to));
    let protocols: BTreeSet<Protocol> = to.map(|to| to.protocol).collect();
    (!protocols.is_empty()).then_some(Wanted { sha256: fan.topic.more.sha256, protocols })
}

/// Whether what is needed is there.
fn has(signed: Option<&Signed>, wanted: &Wanted, publication: &Publication) -> bool {
    signed.is_some_and(|signed| {
        let mut protocols = wanted.protocols.iter();
        signed.sha256 == wanted.sha256
            && protocols.all(|protocol| signed.signature(publication, *protocol).is_some())
    })
}
