//! Work that is too much for one commit: a row that names it, and a command to oneself by the outbox
//! for every step, so that it is done exactly once and belongs to the trace of its cause.

use ropeway_core::keys::Space;
use ropeway_core::{Fault, Tx};

use super::deliver::{self, Message};
use super::replay::Replay;
use super::{
    Command, Compiled, INLINE_BYTES, STEP, SnsMachine, Work, archived, postcard_from, subscriptions, topics,
};
use crate::fifo;
use crate::filter::Subject;
use crate::keys::{self, TopicName};
use crate::model::{More, Publication, Subscription, TopicLatest};
use crate::signed::{self, Order, Signed, Wanted};

/// Bytes of a publication in one row.
const PIECE_BYTES: usize = 60 * 1024;

/// Begins a work.
pub(super) fn begin(tx: &mut Tx, work: &Work) -> Result<(), Fault> {
    let number = tx.ids().number();
    begin_as(tx, number, work)
}

/// Begins to send out a publication, which is kept beside the work, with its signatures if it has them.
pub(super) fn begin_publish(
    tx: &mut Tx,
    mut work: Work,
    publication: &Publication,
    signed: Option<&Signed>,
) -> Result<u64, Fault> {
    let number = tx.ids().number();
    if let Some(signed) = signed {
        tx.write(keys::signed(number), signed)?;
    }
    let count = keep(tx, number, publication)?;
    if let Work::Publish { pieces, .. } | Work::PublishInOrder { pieces, .. } = &mut work {
        *pieces = count;
    }
    begin_as(tx, number, &work)?;
    Ok(number)
}

/// Keeps a publication; gives the number of its pieces.
pub(super) fn keep(tx: &mut Tx, number: u64, publication: &Publication) -> Result<u32, Fault> {
    Ok(keep_pieces(tx, number, &postcard::to_stdvec(publication)?))
}

/// Keeps a work as it is now, and leaves its next step to the outbox.
pub(super) fn begin_as(tx: &mut Tx, number: u64, work: &Work) -> Result<(), Fault> {
    tx.write(keys::work(number), work)?;
    next(tx, number, work)
}

/// Leaves the next step to the outbox.
fn next(tx: &mut Tx, number: u64, work: &Work) -> Result<(), Fault> {
    let (topic, command) = step_of(number, work);
    send_step(tx, topic, &command)
}

fn step_of(number: u64, work: &Work) -> (&TopicName, Command) {
    match work {
        Work::Publish { topic, .. }
        | Work::Remove { topic, .. }
        | Work::DropArchive { topic, .. }
        | Work::Replay(Replay { topic, .. }) => (topic, Command::Step { work: number }),
        Work::PublishInOrder { topic, generation, .. } => {
            (topic, Command::StepInOrder { topic: topic.clone(), generation: *generation })
        }
    }
}

fn send_step(tx: &mut Tx, topic: &TopicName, step: &Command) -> Result<(), Fault> {
    let shard = tx.shard();
    tx.send(&format!("steps/{}", topic.arn()), Space::Sns, shard, step)
}

/// Leaves the next step to the end of an order to sign the publication of a work.
fn order(tx: &mut Tx, number: u64, work: &Work, message: &Message<'_>) -> Result<(), Fault> {
    let (topic, step) = step_of(number, work);
    let order = Order {
        publication: message.publication.clone(),
        id: message.id.clone(),
        at: message.at,
        // A subscription may be made, or changed, between one step and another.
        wanted: Wanted { sha256: message.more.sha256, protocols: signed::PROTOCOLS.into() },
        work: number,
        step,
    };
    tx.send_to_actor(&format!("{}{}", signed::LANE, topic.arn()), Space::Sns, &order)
}

/// A publication was signed: it goes on.
pub(super) async fn signed(tx: &mut Tx, payload: &[u8], result: Result<&[u8], &str>) -> Result<(), Fault> {
    let answer = result.map_err(|why| Fault::Damaged(why.to_owned()))?;
    let Order { publication, work, step, .. } = postcard_from(payload)?;
    if tx.get(&keys::work(work)).await?.is_some() {
        tx.write(keys::signed(work), &postcard_from::<Signed>(answer)?)?;
    }
    let topic =
        TopicName::parse(&publication.topic).ok_or_else(|| Fault::Damaged("a topic's ARN".to_owned()))?;
    send_step(tx, &topic, &step)
}

/// What became of a step.
enum Sent {
    /// It was the last one.
    All,
    /// There are more subscriptions, behind that of this id.
    UpTo(String),
    /// Nothing was sent: there are subscriptions that need signatures.
    Unsigned,
}

impl SnsMachine {
    /// Does one step.
    pub(super) async fn step(&mut self, tx: &mut Tx, number: u64) -> Result<(), Fault> {
        let Some(mut work) = tx.read::<Work>(&keys::work(number)).await? else { return Ok(()) };
        match work.clone() {
            Work::Remove { topic, generation } => {
                if remove(tx, &topic, generation).await? {
                    return next(tx, number, &work);
                }
            }
            Work::Publish { topic, generation, message_id, at, pieces, after } => {
                let publication = gather(tx, number, pieces).await?;
                let (more, latest) = more(tx, &topic, generation).await?;
                let signed: Option<Signed> = tx.read(&keys::signed(number)).await?;
                let message = Message {
                    publication: &publication,
                    id: message_id,
                    at,
                    place: None,
                    more: &more,
                    latest: &latest,
                    generation,
                    signed: signed.as_ref(),
                    replayed: false,
                };
                match send_some(tx, &topic, generation, after.as_deref(), &message).await? {
                    Sent::Unsigned => return order(tx, number, &work, &message),
                    Sent::UpTo(id) => return go_on(tx, number, &mut work, id),
                    Sent::All => forget(tx, number, pieces),
                }
            }
            Work::DropArchive { topic, generation, until } => {
                if archived::remove_some(tx, &topic, generation, until).await? {
                    return next(tx, number, &work);
                }
            }
            Work::Replay(replay) => return self.replay_step(tx, number, replay).await,
            Work::PublishInOrder { .. } => return Err(Fault::Damaged("a work out of its order".to_owned())),
        }
        tx.delete(keys::work(number));
        Ok(())
    }
}

/// Goes on with a publication behind a subscription.
fn go_on(tx: &mut Tx, number: u64, work: &mut Work, id: String) -> Result<(), Fault> {
    if let Work::Publish { after, .. } | Work::PublishInOrder { after, .. } = work {
        *after = Some(id);
    }
    tx.write(keys::work(number), work)?;
    next(tx, number, work)
}

impl SnsMachine {
    /// Begins a work that must not overtake publications of its topic that go out in steps.
    pub(super) fn begin_in_order(
        &mut self,
        tx: &mut Tx,
        name: &TopicName,
        generation: u64,
        number: u64,
        work: &Work,
    ) -> Result<(), Fault> {
        let Some(count) = self.in_steps.get_mut(name) else { return begin_as(tx, number, work) };
        *count += 1;
        let sequence = fifo::next_sequence(tx)?;
        fifo::wait(tx, name, generation, sequence, number)?;
        tx.write(keys::work(number), work)?;
        send_step(tx, name, &Command::StepInOrder { topic: name.clone(), generation })
    }

    /// Does one step of the oldest publication of a FIFO topic that goes out in steps: none overtakes another. There are
    /// as many of these commands as there are steps.
    pub(super) async fn step_in_order(
        &mut self,
        tx: &mut Tx,
        topic: TopicName,
        generation: u64,
    ) -> Result<(), Fault> {
        let Some((turn, number)) = fifo::turn(tx, &topic, generation).await? else { return Ok(()) };
        let mut work = tx.read::<Work>(&keys::work(number)).await?;
        let Some(Work::PublishInOrder { message_id, at, pieces, after, place, .. }) = work.clone() else {
            // A replay whose turn has come, unless it was ended before.
            self.turn_is_over(tx, &topic, turn);
            return work.map_or(Ok(()), |work| next(tx, number, &work));
        };
        let publication = gather(tx, number, pieces).await?;
        let (more, latest) = more(tx, &topic, generation).await?;
        let message = Message {
            publication: &publication,
            id: message_id,
            at,
            place: Some(&place),
            more: &more,
            latest: &latest,
            generation,
            signed: None,
            replayed: false,
        };
        let sent = send_some(tx, &topic, generation, after.as_deref(), &message).await?;
        match (sent, &mut work) {
            (Sent::UpTo(id), Some(work)) => return go_on(tx, number, work, id),
            _ => forget(tx, number, pieces),
        }
        tx.delete(keys::work(number));
        self.turn_is_over(tx, &topic, turn);
        Ok(())
    }

    fn turn_is_over(&mut self, tx: &mut Tx, topic: &TopicName, turn: bytes::Bytes) {
        tx.delete(turn);
        if let Some(count) = self.in_steps.get_mut(topic) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.in_steps.remove(topic);
            }
        }
    }
}

/// What a topic has beside the rest; nothing, if it is no more.
async fn more(tx: &Tx, name: &TopicName, generation: u64) -> Result<(More, TopicLatest), Fault> {
    let topic = topics::read(tx, name).await?.filter(|topic| topic.generation == generation);
    Ok(topic.map(|topic| (topic.more, topic.latest)).unwrap_or_default())
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
pub(super) async fn gather(tx: &Tx, number: u64, pieces: u32) -> Result<Publication, Fault> {
    postcard_from(&gather_pieces(tx, number, pieces).await?)
}

/// Forgets a publication that has gone out.
pub(super) fn forget(tx: &mut Tx, number: u64, pieces: u32) {
    (0..pieces).for_each(|piece| tx.delete(keys::piece(number, piece)));
    tx.delete(keys::signed(number));
}

/// Sends a message to the next subscriptions.
async fn send_some(
    tx: &mut Tx,
    topic: &TopicName,
    generation: u64,
    after: Option<&str>,
    message: &Message<'_>,
) -> Result<Sent, Fault> {
    let after = after.map(|id| topic.subscription(generation, id));
    let page = tx.scan_prefix(&topic.subscriptions(generation), after.as_ref(), STEP).await?;
    let subject = Subject::new(&message.publication.attributes, &message.publication.message);
    let mut to = Vec::new();
    for (_, row) in &page.rows {
        let Compiled { subscription, filter } = Compiled::new(Subscription::from_row(row)?)?;
        let is_held_back = message.place.is_some_and(|place| subscription.replaying.has(place.sequence));
        let gets = !subscription.is_waiting()
            && !is_held_back
            && filter.is_none_or(|filter| filter.matches(&subject));
        if gets && !message.is_ready_for(&subscription) {
            return Ok(Sent::Unsigned);
        }
        to.push((subscription, gets));
    }
    let (count, mut bytes) = (to.len(), 0);
    for (nth, (subscription, gets)) in to.into_iter().enumerate() {
        if gets {
            deliver::deliver(tx, topic, &subscription, message)?;
            bytes += message.publication.delivery_bytes();
        }
        let is_last = nth + 1 == count;
        if (is_last && page.more) || (!is_last && bytes >= INLINE_BYTES) {
            return Ok(Sent::UpTo(subscription.id));
        }
    }
    Ok(Sent::All)
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
