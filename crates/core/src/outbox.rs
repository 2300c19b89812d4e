//! The outbox: effects on other machines and on the outside, written in the commit of their cause.
//!
//! A lane is one source shard's row of deliveries towards one destination, in order; a lane that
//! is stuck holds up nobody else. A dispatcher takes what is durable, delivers it, and removes it
//! by a command of its own. A receiving machine remembers the last sequence number of each lane, so
//! that between machines an effect is applied exactly once; an actor may see one again after a crash.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::host::Shared;
use crate::keys::{self, KeyBuilder, Space};
use crate::shard::{Deliver, Delivered, Settle, Take};
use crate::tx::{Trace, Tx};
use crate::{Fault, Outcome, ShardId};

/// Deliveries of a lane that wait at most; past it, its senders are throttled.
pub const MAX_LANE: usize = 100_000;
/// Deliveries of a lane that are held in memory; the rest is read from rows.
const IN_MEMORY: usize = 1024;
/// Deliveries in one step.
const MAX_STEP: usize = 256;
/// Bytes of payloads in one step.
const MAX_STEP_BYTES: usize = 1024 * 1024;
/// Kind of row within [`Space::Outbox`]: a delivery.
const DELIVERY: u8 = 0;
/// Longest pause between two tries, in milliseconds.
const MAX_PAUSE: i64 = 10_000;

/// Where a delivery goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// A command of the machine of this space in this shard.
    Machine {
        /// whose machine
        space: Space,
        /// which shard
        shard: u16,
    },
    /// The actor of this space.
    Actor {
        /// whose actor
        space: Space,
    },
}

/// A delivery, as its row holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub from: Space,
    pub target: Target,
    pub trace: String,
    pub payload: Bytes,
}

/// A delivery and its sequence number in its lane.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub seq: u64,
    pub delivery: Delivery,
}

#[derive(Debug, Default)]
struct Lane {
    items: VecDeque<Item>,
    pending: usize,
    /// Some of its rows are not in `items`: those behind the last one taken.
    spilled: bool,
    /// A dispatcher works on it.
    running: bool,
    /// Every row up to here is gone.
    settled_to: u64,
}

/// A shard's lanes.
#[derive(Debug)]
pub(crate) struct Lanes {
    lanes: BTreeMap<String, Lane>,
    staged: Vec<(String, Item)>,
    idle: Vec<String>,
    /// Number of the batch being made and of the next delivery in it: together a sequence number
    /// that never comes twice in a shard.
    batch: u64,
    next: u64,
    pub(crate) sender: Space,
}

impl Lanes {
    pub fn new(batch: u64) -> Self {
        Lanes {
            lanes: BTreeMap::new(),
            staged: Vec::new(),
            idle: Vec::new(),
            batch,
            next: 0,
            sender: Space::Server,
        }
    }

    /// Stages a delivery; gives its row.
    pub fn post(
        &mut self,
        lane: &str,
        target: Target,
        trace: &Trace,
        payload: Vec<u8>,
    ) -> Result<(Bytes, Bytes), Fault> {
        let waiting = self.lanes.get(lane).map_or(0, |l| l.pending);
        if waiting + self.staged.len() >= MAX_LANE || self.next >= 1 << 20 {
            return Err(Fault::Overloaded);
        }
        let seq = (self.batch << 20) | self.next;
        self.next += 1;
        let delivery =
            Delivery { from: self.sender, target, trace: trace.to_string(), payload: Bytes::from(payload) };
        let row = Bytes::from(postcard::to_stdvec(&delivery)?);
        self.staged.push((lane.to_owned(), Item { seq, delivery }));
        Ok((row_key(lane, seq), row))
    }

    pub fn keep(&mut self) {
        for (name, item) in self.staged.drain(..) {
            let lane = self.lanes.entry(name.clone()).or_default();
            lane.pending += 1;
            if lane.spilled || lane.items.len() >= IN_MEMORY {
                lane.spilled = true;
            } else {
                lane.items.push_back(item);
            }
            if !lane.running {
                lane.running = true;
                self.idle.push(name);
            }
        }
    }

    pub fn drop_staged(&mut self) {
        self.staged.clear();
    }

    pub fn next_batch(&mut self) {
        self.batch += 1;
        self.next = 0;
    }

    /// Lanes that need a dispatcher.
    pub fn take_idle(&mut self) -> Vec<String> {
        std::mem::take(&mut self.idle)
    }

    /// Finds the lanes that have rows.
    pub async fn load(tx: &mut Tx) -> Result<(), Fault> {
        let prefix = KeyBuilder::unscoped(Space::Outbox, DELIVERY).build();
        let mut from = None;
        loop {
            let page = tx.scan_prefix(&prefix, from.as_ref(), 1).await?;
            let Some((key, _)) = page.rows.first() else { return Ok(()) };
            let name = lane_of(key).ok_or_else(|| Fault::Damaged("a lane's key".to_owned()))?;
            let lane = Lane { pending: 1, spilled: true, running: true, ..Lane::default() };
            tx.lanes.idle.push(name.clone());
            from = keys::after_prefix(&lane_prefix(&name));
            tx.lanes.lanes.insert(name, lane);
            if from.is_none() {
                return Ok(());
            }
        }
    }

    /// The next deliveries of a lane; none: its dispatcher ends.
    pub async fn take(tx: &mut Tx, name: &str) -> Result<Vec<Item>, Fault> {
        let Some(lane) = tx.lanes.lanes.get(name) else { return Ok(Vec::new()) };
        if lane.items.is_empty() && lane.spilled {
            Self::refill(tx, name).await?;
        }
        let Some(lane) = tx.lanes.lanes.get_mut(name) else { return Ok(Vec::new()) };
        if lane.items.is_empty() {
            tx.lanes.lanes.remove(name);
            return Ok(Vec::new());
        }
        let mut bytes = 0;
        let fitting = lane.items.iter().take(MAX_STEP).take_while(|item| {
            let first = bytes == 0;
            bytes += item.delivery.payload.len() + 1;
            first || bytes <= MAX_STEP_BYTES
        });
        Ok(fitting.cloned().collect())
    }

    async fn refill(tx: &mut Tx, name: &str) -> Result<(), Fault> {
        let after = tx.lanes.lanes.get(name).map(|lane| row_key(name, lane.settled_to));
        let page = tx.scan_prefix(&lane_prefix(name), after.as_ref(), IN_MEMORY).await?;
        let mut items = VecDeque::new();
        for (key, value) in &page.rows {
            let seq = keys::last_number(key).ok_or_else(|| Fault::Damaged("a delivery's key".to_owned()))?;
            items.push_back(Item { seq, delivery: postcard::from_bytes(value)? });
        }
        if let Some(lane) = tx.lanes.lanes.get_mut(name) {
            lane.spilled = page.more;
            lane.pending = lane.pending.max(items.len());
            lane.items = items;
        }
        Ok(())
    }

    /// Removes a delivery that has come to its end.
    pub fn settle(tx: &mut Tx, name: &str, seq: u64) -> Option<Delivery> {
        tx.delete(row_key(name, seq));
        let lane = tx.lanes.lanes.get_mut(name)?;
        lane.settled_to = lane.settled_to.max(seq);
        lane.pending = lane.pending.saturating_sub(1);
        let first = lane.items.front()?;
        if first.seq == seq { lane.items.pop_front().map(|item| item.delivery) } else { None }
    }
}

fn lane_prefix(lane: &str) -> Bytes {
    KeyBuilder::unscoped(Space::Outbox, DELIVERY).text(lane).build()
}

fn row_key(lane: &str, seq: u64) -> Bytes {
    KeyBuilder::unscoped(Space::Outbox, DELIVERY).text(lane).number(seq).build()
}

fn lane_of(key: &[u8]) -> Option<String> {
    let name = key.get(2..)?.split(|b| *b == 0).next()?;
    String::from_utf8(name.to_vec()).ok()
}

/// Key of the last sequence number that was taken from a lane.
pub(crate) fn inbox_key(from: ShardId, lane: &str) -> Bytes {
    KeyBuilder::unscoped(Space::Inbox, 0).number32(u32::from(from.0)).text(lane).build()
}

/// Works a lane off until it is empty or the server stops.
pub(crate) async fn dispatch(shared: Arc<Shared>, shard: ShardId, lane: String) {
    let mut pause: i64 = 25;
    loop {
        let step = step(&shared, shard, &lane).await;
        match step {
            Ok(Step::Empty) | Err(Fault::Stopping) => return,
            Ok(Step::Progress) => pause = 25,
            Ok(Step::Wait(at_least)) => {
                pause = (pause * 2).max(at_least).min(MAX_PAUSE.max(at_least));
                shared.clock.sleep_until(shared.clock.now().plus_millis(pause)).await;
            }
            Err(fault) => {
                tracing::warn!(lane, %fault, "a delivery waits");
                pause = (pause * 2).min(MAX_PAUSE);
                shared.clock.sleep_until(shared.clock.now().plus_millis(pause)).await;
            }
        }
    }
}

enum Step {
    Empty,
    Progress,
    Wait(i64),
}

async fn step(shared: &Arc<Shared>, shard: ShardId, lane: &str) -> Result<Step, Fault> {
    let items = shared.run(shard, Take { lane: lane.to_owned() }).await?;
    let Some(first) = items.first() else { return Ok(Step::Empty) };
    let target = first.delivery.target;
    let same = items.iter().take_while(|item| item.delivery.target == target).count();
    let items: Vec<Item> = items.into_iter().take(same).collect();
    let (results, wait) = match target {
        Target::Machine { space, shard: to } => {
            to_machine(shared, shard, lane, space, ShardId(to), items).await?
        }
        Target::Actor { space } => to_actor(shared, lane, space, items).await?,
    };
    if !results.is_empty() {
        shared.run(shard, Settle { lane: lane.to_owned(), results }).await?;
    }
    Ok(wait.map_or(Step::Progress, Step::Wait))
}

/// How a delivery ended: its number, and the receiver's answer or its refusal.
pub(crate) type Ended = (u64, Result<Bytes, String>);

async fn to_machine(
    shared: &Arc<Shared>,
    from: ShardId,
    lane: &str,
    space: Space,
    to: ShardId,
    items: Vec<Item>,
) -> Result<(Vec<Ended>, Option<i64>), Fault> {
    let job = Deliver { from, lane: lane.to_owned(), space, items };
    let Delivered { ended, stopped_by } = shared.run(to, job).await?;
    if let Some(fault) = &stopped_by {
        tracing::warn!(lane, %fault, "a delivery is tried again");
    }
    Ok((ended, stopped_by.map(|_| 0)))
}

async fn to_actor(
    shared: &Arc<Shared>,
    lane: &str,
    space: Space,
    items: Vec<Item>,
) -> Result<(Vec<Ended>, Option<i64>), Fault> {
    let actor = shared.actor(space).ok_or_else(|| Fault::Damaged(format!("no actor for {space:?}")))?;
    let Some(item) = items.into_iter().next() else { return Ok((Vec::new(), None)) };
    Ok(match actor.act(lane, &item.delivery.payload).await {
        Outcome::Done(answer) => (vec![(item.seq, Ok(answer))], None),
        Outcome::Refused(why) => (vec![(item.seq, Err(why))], None),
        Outcome::Retry(millis) => (Vec::new(), Some(millis)),
    })
}
