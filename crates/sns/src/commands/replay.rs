//! Replays: what a topic's archive has goes to one subscription once more, in steps.
//!
//! While a replay goes on, what is published is held back from its subscription, and comes from the archive at the end of
//! the replay: so nothing overtakes. A replay that begins takes its place among the publications that go out in steps.

use ropeway_core::{Fault, Tx};
use ropeway_wire::Error;
use serde::{Deserialize, Serialize};

use super::deliver::{self, Message};
use super::{Compiled, INLINE_BYTES, SnsMachine, Work, archived, steps, topics};
use crate::archive::{Range, Run, Status, range as range_of};
use crate::fifo::{Place, next_sequence};
use crate::filter::Subject;
use crate::keys::{self, TopicName};
use crate::model::{Subscription, Topic};

/// Messages of the archive that one step looks at.
const STEP: usize = 100;

/// A replay, as far as it has come.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Replay {
    pub topic: TopicName,
    pub generation: u64,
    /// The subscription's id.
    pub subscription: String,
    /// What is replayed; `None`: only what was held back is delivered.
    pub range: Option<Range>,
    /// The next sequence number to look at.
    pub cursor: u64,
    /// What was held back begins here.
    pub live_from: u64,
    /// Not all that was meant is there any more.
    pub failed: bool,
}

/// What became of a step.
enum Sent {
    /// It was the last one.
    All,
    /// There is more.
    Some,
}

impl SnsMachine {
    /// Begins the replay that a subscription's settings say, or ends the one that goes on; both the topic and the
    /// subscription are for the caller to write.
    pub(super) async fn begin_replay(
        &mut self,
        tx: &mut Tx,
        name: &TopicName,
        topic: &mut Topic,
        of: &mut Subscription,
    ) -> Result<(), Error> {
        let range = of.settings.replay.as_deref().map(range_of).transpose()?.flatten();
        if let Some(range) = &range {
            range.check(topic.archive.as_ref(), tx.now())?;
        }
        of.replaying.status = range.is_some().then_some(Status::Pending);
        let before = of.replaying.run.take();
        let (Some(archive), true) = (topic.archive.as_mut(), range.is_some() || before.is_some()) else {
            return Ok(());
        };
        let live_from = match before {
            Some(run) => stop(tx, run).await?,
            None => {
                archive.replays += 1;
                next_sequence(tx)?
            }
        };
        let work = tx.ids().number();
        of.replaying.run = Some(Run { work, live_from });
        let replay = Replay {
            topic: name.clone(),
            generation: topic.generation,
            subscription: of.id.clone(),
            cursor: if range.is_some() { archive.from.min(live_from) } else { live_from },
            range,
            live_from,
            failed: false,
        };
        Ok(self.begin_in_order(tx, name, topic.generation, work, &Work::Replay(replay))?)
    }

    /// Does one step of a replay.
    pub(super) async fn replay_step(
        &mut self,
        tx: &mut Tx,
        number: u64,
        mut replay: Replay,
    ) -> Result<(), Fault> {
        let (name, generation) = (replay.topic.clone(), replay.generation);
        let topic = topics::read(tx, &name).await?.filter(|topic| topic.generation == generation);
        let key = name.subscription(generation, &replay.subscription);
        let is_mine = |of: &Subscription| of.replaying.run.is_some_and(|run| run.work == number);
        let to = Subscription::read(tx, &key).await?.filter(is_mine);
        let (Some(mut topic), Some(mut to)) = (topic, to) else {
            tx.delete(keys::work(number));
            return Ok(());
        };
        let begin = topic.archive.as_ref().map_or(u64::MAX, |archive| archive.from).min(replay.live_from);
        if replay.cursor < begin {
            replay.cursor = begin;
            replay.failed = true;
        }
        if to.replaying.status == Some(Status::Pending) {
            to.replaying.status = Some(Status::InProgress);
            to.write(tx, key.clone())?;
            self.forget(&name);
        }
        match send_some(tx, &topic, &to, &mut replay).await? {
            Sent::Some => steps::begin_as(tx, number, &Work::Replay(replay)),
            Sent::All => {
                tx.delete(keys::work(number));
                end(&mut to, &replay);
                archived::release(tx, &name, &mut topic)?;
                to.write(tx, key)?;
                topic.write(tx, name.key())?;
                self.forget(&name);
                Ok(())
            }
        }
    }
}

/// All was delivered, what was held back too.
fn end(of: &mut Subscription, replay: &Replay) {
    let ended = if replay.failed { Status::Failed } else { Status::Completed };
    of.replaying.status = of.replaying.status.map(|_| ended);
    of.replaying.run = None;
    of.replaying.through = of.replaying.through.max(replay.cursor.saturating_sub(1));
}

/// Stops a replay; gives the first sequence number of what was held back and not delivered.
async fn stop(tx: &mut Tx, run: Run) -> Result<u64, Fault> {
    let work: Option<Work> = tx.read(&keys::work(run.work)).await?;
    tx.delete(keys::work(run.work));
    Ok(match work {
        Some(Work::Replay(replay)) => replay.cursor.max(run.live_from),
        _ => run.live_from,
    })
}

/// Sends the next messages.
async fn send_some(
    tx: &mut Tx,
    topic: &Topic,
    to: &Subscription,
    replay: &mut Replay,
) -> Result<Sent, Fault> {
    let name = replay.topic.clone();
    let Compiled { filter, .. } = Compiled::new(to.clone())?;
    let (found, more) = archived::page(tx, &name, replay.generation, replay.cursor, STEP).await?;
    let mut bytes = 0;
    for (sequence, of) in found {
        if bytes >= INLINE_BYTES {
            return Ok(Sent::Some);
        }
        let replayed = sequence < replay.live_from;
        let is_meant = !replayed || replay.range.as_ref().is_some_and(|range| range.contains(of.at));
        if is_meant {
            let publication = steps::gather(tx, of.number, of.pieces).await?;
            let subject = Subject::new(&publication.attributes, &publication.message);
            if filter.as_ref().is_none_or(|filter| filter.matches(&subject)) {
                let place = Place { deduplication_id: of.deduplication_id, sequence };
                let message = Message {
                    publication: &publication,
                    id: of.id,
                    at: of.at,
                    place: Some(&place),
                    more: &topic.more,
                    latest: &topic.latest,
                    generation: replay.generation,
                    signed: None,
                    replayed,
                };
                deliver::deliver(tx, &name, to, &message)?;
                bytes += publication.delivery_bytes();
            }
        }
        replay.cursor = sequence + 1;
    }
    Ok(if more { Sent::Some } else { Sent::All })
}
