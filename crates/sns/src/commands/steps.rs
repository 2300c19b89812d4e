//! Work that is too much for one commit: a row that names it, and a command to oneself by the outbox
//! for every step, so that it is done exactly once and belongs to the trace of its cause.

use ropeway_core::keys::Space;
use ropeway_core::{Fault, Tx};

use super::deliver::{self, Message};
use super::{Command, Compiled, INLINE_BYTES, STEP, SnsMachine, Work, postcard_from, subscriptions, topics};
use crate::fifo;
use crate::filter::Subject;
use crate::keys::{self, TopicName};
use crate::model::{More, Publication, Subscription};

/// Bytes of a publication in one row.
const PIECE_BYTES: usize = 60 * 1024;

/// Begins a work.
pub(super) fn begin(tx: &mut Tx, work: &Work) -> Result<(), Fault> {
    let number = tx.ids().number();
    begin_as(tx, number, work)
}

/// Begins to send out a publication, which is kept beside the work.
pub(super) fn begin_publish(tx: &mut Tx, mut work: Work, publication: &Publication) -> Result<u64, Fault> {
    let number = tx.ids().number();
    let count = keep_pieces(tx, number, &postcard::to_stdvec(publication)?);
    if let Work::Publish { pieces, .. } | Work::PublishInOrder { pieces, .. } = &mut work {
        *pieces = count;
    }
    begin_as(tx, number, &work)?;
    Ok(number)
}

fn begin_as(tx: &mut Tx, number: u64, work: &Work) -> Result<(), Fault> {
    tx.write(keys::work(number), work)?;
    next(tx, number, work)
}

/// Leaves the next step to the outbox.
fn next(tx: &mut Tx, number: u64, work: &Work) -> Result<(), Fault> {
    let shard = tx.shard();
    let (topic, command) = match work {
        Work::Publish { topic, .. } | Work::Remove { topic, .. } => (topic, Command::Step { work: number }),
        Work::PublishInOrder { topic, generation, .. } => {
            (topic, Command::StepInOrder { topic: topic.clone(), generation: *generation })
        }
    };
    tx.send(&format!("steps/{}", topic.arn()), Space::Sns, shard, &command)
}

impl SnsMachine {
    /// Does one step.
    pub(super) async fn step(&mut self, tx: &mut Tx, number: u64) -> Result<(), Fault> {
        let Some(mut work) = tx.read::<Work>(&keys::work(number)).await? else { return Ok(()) };
        let more = match &mut work {
            Work::Remove { topic, generation } => remove(tx, topic, *generation).await?,
            Work::Publish { topic, generation, message_id, at, pieces, after } => {
                let publication = gather(tx, number, *pieces).await?;
                let more = more(tx, topic, *generation).await?;
                let message = Message {
                    publication: &publication,
                    id: message_id.clone(),
                    at: *at,
                    place: None,
                    more: &more,
                    generation: *generation,
                };
                *after = send_some(tx, topic, *generation, after.as_deref(), &message).await?;
                if after.is_none() {
                    (0..*pieces).for_each(|piece| tx.delete(keys::piece(number, piece)));
                }
                after.is_some()
            }
            Work::PublishInOrder { .. } => return Err(Fault::Damaged("a work out of its order".to_owned())),
        };
        if more {
            tx.write(keys::work(number), &work)?;
            next(tx, number, &work)
        } else {
            tx.delete(keys::work(number));
            Ok(())
        }
    }
}

impl SnsMachine {
    /// Does one step of the oldest publication of a FIFO topic that goes out in steps: none overtakes another. There are
    /// as many of these commands as there are steps.
    pub(super) async fn step_in_order(
        &mut self,
        tx: &mut Tx,
        topic: TopicName,
        generation: u64,
    ) -> Result<(), Fault> {
        let Some((turn, number)) = fifo::turn(tx, &topic, generation).await? else { return Ok(()) };
        let work = tx.read::<Work>(&keys::work(number)).await?;
        let Some(Work::PublishInOrder { message_id, at, pieces, after, place, .. }) = work else {
            return Err(Fault::Damaged(format!("no work {number}")));
        };
        let publication = gather(tx, number, pieces).await?;
        let more = more(tx, &topic, generation).await?;
        let message = Message {
            publication: &publication,
            id: message_id.clone(),
            at,
            place: Some(&place),
            more: &more,
            generation,
        };
        let after = send_some(tx, &topic, generation, after.as_deref(), &message).await?;
        if after.is_some() {
            let work = Work::PublishInOrder {
                topic,
                generation,
                message_id,
                at,
                pieces,
                after,
                place: place.clone(),
            };
            tx.write(keys::work(number), &work)?;
            return next(tx, number, &work);
        }
        (0..pieces).for_each(|piece| tx.delete(keys::piece(number, piece)));
        tx.delete(keys::work(number));
        tx.delete(turn);
        if let Some(count) = self.in_steps.get_mut(&topic) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.in_steps.remove(&topic);
            }
        }
        Ok(())
    }
}

/// What a topic has beside the rest; nothing, if it is no more.
async fn more(tx: &Tx, name: &TopicName, generation: u64) -> Result<More, Fault> {
    let topic = topics::read(tx, name).await?.filter(|topic| topic.generation == generation);
    Ok(topic.map(|topic| topic.more).unwrap_or_default())
}

/// Keeps bytes in rows; gives the number of rows.
pub(super) fn keep_pieces(tx: &mut Tx, number: u64, bytes: &[u8]) -> u32 {
    let mut count = 0;
    for piece in bytes.chunks(PIECE_BYTES) {
        tx.put(keys::piece(number, count), bytes::Bytes::copy_from_slice(piece));
        count += 1;
    }
    count
}

/// Puts bytes together again.
pub(super) async fn gather_pieces(tx: &Tx, number: u64, pieces: u32) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    for (_, piece) in tx.scan_prefix(&keys::pieces(number), None, pieces as usize).await?.rows {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Puts a publication together again.
async fn gather(tx: &Tx, number: u64, pieces: u32) -> Result<Publication, Fault> {
    postcard_from(&gather_pieces(tx, number, pieces).await?)
}

/// Sends a message to the next subscriptions; gives the last one's id, unless there are no more.
async fn send_some(
    tx: &mut Tx,
    topic: &TopicName,
    generation: u64,
    after: Option<&str>,
    message: &Message<'_>,
) -> Result<Option<String>, Fault> {
    let after = after.map(|id| topic.subscription(generation, id));
    let page = tx.scan_prefix(&topic.subscriptions(generation), after.as_ref(), STEP).await?;
    let mut bytes = 0;
    let mut rows = page.rows.iter().peekable();
    while let Some((_, row)) = rows.next() {
        let Compiled { subscription, filter } = Compiled::new(Subscription::from_row(row)?)?;
        let subject = Subject::new(&message.publication.attributes, &message.publication.message);
        if !subscription.is_pending() && filter.is_none_or(|filter| filter.matches(&subject)) {
            deliver::deliver(tx, topic, &subscription, message)?;
            bytes += message.size();
        }
        if (rows.peek().is_none() && page.more) || (rows.peek().is_some() && bytes >= INLINE_BYTES) {
            return Ok(Some(subscription.id));
        }
    }
    Ok(None)
}

/// Removes some of the subscriptions of a topic that is gone; says whether there are more.
async fn remove(tx: &mut Tx, topic: &TopicName, generation: u64) -> Result<bool, Fault> {
    let page = tx.scan_prefix(&topic.subscriptions(generation), None, STEP).await?;
    for (_, row) in &page.rows {
        let subscription = Subscription::from_row(row)?;
        subscriptions::remove_rows(tx, topic, generation, &subscription)?;
    }
    Ok(page.more)
}
