//! Publishing: which subscriptions a message goes to.

use ropeway_core::{Fault, Tx};
use ropeway_wire::Error;
use sha2::{Digest as _, Sha256};

use super::deliver::{self, Message};
use super::{Cached, Compiled, INLINE_BYTES, Output, SnsMachine, Work, no_topic, steps};
use crate::fifo::{self, Fifo, Place, Remembered};
use crate::filter::Subject;
use crate::keys::TopicName;
use crate::model::Publication;
use crate::settings::invalid;

impl SnsMachine {
    /// Publishes: the deliveries are in this commit, or the work that makes them is.
    pub(super) async fn publish(
        &mut self,
        tx: &mut Tx,
        publication: Publication,
        deduplication_id: Option<String>,
    ) -> Result<Output, Error> {
        let name = TopicName::parse(&publication.topic).ok_or_else(no_topic)?;
        let fan = self.fan(tx, &name).await?;
        if publication.bytes as usize > fan.topic.max_bytes() {
            return Err(invalid("Message too long"));
        }
        if let Some(fifo) = fan.topic.more.fifo {
            return self.publish_in_order(tx, &name, &fan, fifo, publication, deduplication_id).await;
        }
        if deduplication_id.is_some() {
            return Err(invalid(
                "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type",
            ));
        }
        let message = Message {
            publication: &publication,
            id: tx.ids().uuid(),
            at: tx.now(),
            place: None,
            more: &fan.topic.more,
            generation: fan.topic.generation,
        };
        if !deliver_at_once(tx, &name, &fan, &message)? {
            let work = Work::Publish {
                topic: name,
                generation: fan.topic.generation,
                message_id: message.id.clone(),
                at: message.at,
                pieces: 0,
                after: None,
            };
            steps::begin_publish(tx, work, &publication)?;
        }
        Ok(Output::Published(message.id, None))
    }

    /// Publishes to a FIFO topic, unless the message was published in the last 5 minutes.
    async fn publish_in_order(
        &mut self,
        tx: &mut Tx,
        name: &TopicName,
        fan: &Cached,
        fifo: Fifo,
        publication: Publication,
        deduplication_id: Option<String>,
    ) -> Result<Output, Error> {
        let group = publication
            .group
            .as_deref()
            .ok_or_else(|| invalid("The MessageGroupId parameter is required for FIFO topics"))?;
        let content = || fifo.by_content.then(|| hex::encode(Sha256::digest(&publication.message)));
        let id = deduplication_id.or_else(content).ok_or_else(|| {
            invalid("The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
        })?;
        let generation = fan.topic.generation;
        let key = fifo::remembered(name, generation, if fifo.by_group { group } else { "" }, &id);
        if let Some(before) = tx.read::<Remembered>(&key).await?
            && before.until > tx.now()
        {
            return Ok(Output::Published(before.id, Some(before.sequence)));
        }
        let place = Place::next(tx, id)?;
        let message = Message {
            publication: &publication,
            id: tx.ids().uuid(),
            at: tx.now(),
            place: Some(&place),
            more: &fan.topic.more,
            generation,
        };
        let forget_at = fifo::remember(tx, key, &message.id, place.sequence)?;
        // Nothing overtakes what goes out in steps.
        let free = !self.in_steps.contains_key(name);
        if !(free && deliver_at_once(tx, name, fan, &message)?) {
            let work = Work::PublishInOrder {
                topic: name.clone(),
                generation,
                message_id: message.id.clone(),
                at: message.at,
                pieces: 0,
                after: None,
                place: place.clone(),
            };
            let number = steps::begin_publish(tx, work, &publication)?;
            fifo::wait(tx, name, generation, place.sequence, number)?;
            *self.in_steps.entry(name.clone()).or_default() += 1;
        }
        self.forget_at = Some(self.forget_at.map_or(forget_at, |at| at.min(forget_at)));
        Ok(Output::Published(message.id, Some(place.sequence)))
    }
}

/// Leaves a message's deliveries to the outbox, if they fit this commit.
fn deliver_at_once(
    tx: &mut Tx,
    name: &TopicName,
    fan: &Cached,
    message: &Message<'_>,
) -> Result<bool, Fault> {
    let Some(all) = &fan.fan else { return Ok(false) };
    let subject = Subject::new(&message.publication.attributes, &message.publication.message);
    let matching: Vec<&Compiled> =
        all.iter().filter(|one| one.filter.as_ref().is_none_or(|f| f.matches(&subject))).collect();
    if matching.len() > 1 && matching.len() * message.size() > INLINE_BYTES {
        return Ok(false);
    }
    for one in matching {
        deliver::deliver(tx, name, &one.subscription, message)?;
    }
    Ok(true)
}
