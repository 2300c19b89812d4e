//! Dispatchers: each works off one lane of the outbox.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use crate::host::Shared;
use crate::keys::Space;
use crate::outbox::{Ended, Item, Target};
use crate::tasks::{Deliver, Delivered, Settle, Take};
use crate::trail::Hop;
use crate::{Fault, Outcome, ShardId};

/// Shortest pause after a failure, in milliseconds.
const MIN_PAUSE: i64 = 50;
/// Longest pause between two tries, in milliseconds, unless an actor asks for a longer one.
const MAX_PAUSE: i64 = 10_000;
/// Steps of lanes at once whose deliveries are in memory.
pub(crate) const MAX_STEPS: usize = 256;

/// A lane's dispatcher.
pub(crate) struct Dispatcher {
    pub shared: Arc<Shared>,
    pub shard: ShardId,
    pub lane: String,
    pub number: u64,
    /// The last pause, in milliseconds; 0 while all goes well.
    pub pause: i64,
}

/// How a step went.
enum Step {
    /// There is nothing to deliver.
    Empty,
    /// Everything was delivered.
    Done,
    /// The next delivery could not be made: it is tried again.
    Stuck,
    /// The actor wants to be asked again after so many milliseconds.
    Later(i64),
}

impl Dispatcher {
    /// Works the lane off until it is empty or the server stops.
    pub async fn run(mut self) {
        loop {
            match self.step().await {
                Ok(Step::Empty) | Err(Fault::Stopping) => return,
                Ok(Step::Done) => self.pause = 0,
                Ok(Step::Stuck) => self.back_off().await,
                Ok(Step::Later(millis)) => self.sleep(millis).await,
                Err(fault) => {
                    tracing::warn!(lane = self.lane, %fault, "a delivery waits");
                    self.back_off().await;
                }
            }
        }
    }

    async fn back_off(&mut self) {
        self.pause = (self.pause * 2).clamp(MIN_PAUSE, MAX_PAUSE);
        self.sleep(self.pause).await;
    }

    async fn sleep(&self, millis: i64) {
        let clock = &self.shared.clock;
        clock.sleep_until(clock.now().plus_millis(millis)).await;
    }

    async fn step(&mut self) -> Result<Step, Fault> {
        // An actor may take long, and has one delivery; only what is quick and big is counted.
        let permit = self.shared.steps.acquire().await.map_err(|_| Fault::Stopping)?;
        let take = Take { lane: self.lane.clone(), dispatcher: self.number };
        let mut items = self.shared.run(self.shard, take).await?;
        let Some(first) = items.first() else { return Ok(Step::Empty) };
        let hops = self.hops(&items);
        let (results, step) = match first.delivery.target {
            Target::Machine { space, shard } => {
                let done = self.to_machine(space, ShardId(shard), items).await?;
                drop(permit);
                done
            }
            Target::Actor { space } => {
                drop(permit);
                self.to_actor(space, items.swap_remove(0)).await?
            }
        };
        if !results.is_empty() {
            self.pause = 0;
            let refusals: Vec<Option<String>> =
                results.iter().map(|(_, result)| result.as_ref().err().cloned()).collect();
            self.settle(results).await?;
            self.tell(hops, refusals);
        }
        Ok(step)
    }

    /// What there will be to tell of some deliveries.
    fn hops(&self, items: &[Item]) -> Vec<Hop> {
        if self.shared.witness.is_none() {
            return Vec::new();
        }
        let hop = |Item { delivery, .. }: &Item| Hop {
            trace: delivery.trace.clone(),
            from: delivery.from,
            to: match delivery.target {
                Target::Machine { space, .. } | Target::Actor { space } => space,
            },
            lane: self.lane.clone(),
            posted: delivery.posted,
            ended: delivery.posted,
            refused: None,
        };
        items.iter().map(hop).collect()
    }

    /// Tells of the first deliveries of a step, which came to their ends.
    fn tell(&self, hops: Vec<Hop>, refusals: Vec<Option<String>>) {
        let Some(witness) = &self.shared.witness else { return };
        let ended = self.shared.clock.now();
        for (hop, refused) in hops.into_iter().zip(refusals) {
            witness(Hop { ended, refused, ..hop });
        }
    }

    async fn to_machine(
        &self,
        space: Space,
        to: ShardId,
        items: Vec<Item>,
    ) -> Result<(Vec<Ended>, Step), Fault> {
        let room = self.shared.room();
        let job = Deliver { from: self.shard, lane: self.lane.clone(), space, room, items };
        let Delivered { ended, stopped_by } = self.shared.run(to, job).await?;
        let Some(fault) = stopped_by else { return Ok((ended, Step::Done)) };
        tracing::warn!(lane = self.lane, %fault, "a delivery is tried again");
        Ok((ended, Step::Stuck))
    }

    async fn to_actor(&self, space: Space, item: Item) -> Result<(Vec<Ended>, Step), Fault> {
        let missing = || Fault::Damaged(format!("no actor for {space:?}"));
        let actor = self.shared.actor(space).ok_or_else(missing)?;
        let act = AssertUnwindSafe(actor.act(&self.lane, &item.delivery.payload));
        // A panic leaves this delivery where it is, and everything else running.
        let Ok(outcome) = act.catch_unwind().await else {
            return Err(Fault::Damaged(format!("the actor for {space:?} panicked")));
        };
        Ok(match outcome {
            Outcome::Done(answer) => (vec![(item.seq, Ok(answer))], Step::Done),
            Outcome::Refused(why) => (vec![(item.seq, Err(why))], Step::Done),
            Outcome::Retry(millis) if millis > 0 => (Vec::new(), Step::Later(millis)),
            Outcome::Retry(_) => (Vec::new(), Step::Stuck),
        })
    }

    /// Removes what has come to its end. Tried until it succeeds: an actor's effect must not be
    /// performed again only because its end could not be written down at once.
    async fn settle(&mut self, mut results: Vec<Ended>) -> Result<(), Fault> {
        while !results.is_empty() {
            let job = Settle { lane: self.lane.clone(), results: results.clone() };
            match self.shared.run(self.shard, job).await {
                Ok(done) => drop(results.drain(..done.min(results.len()))),
                Err(Fault::Stopping) => return Err(Fault::Stopping),
                Err(fault) => {
                    tracing::warn!(lane = self.lane, %fault, "what was delivered is not settled yet");
                    self.back_off().await;
                }
            }
        }
        Ok(())
    }
}
