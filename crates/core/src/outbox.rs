//! The outbox: effects on other machines and on the outside, written in the commit of their cause.
//!
//! A lane is one source shard's row of deliveries towards one destination, in order; a lane that
//! is stuck holds up nobody else. Its dispatcher takes what is durable, delivers it, and removes it
//! by a command of its own. A receiving machine remembers the last sequence number of each lane, so
//! that between machines an effect is applied exactly once; an actor may see one again after a crash.
//!
//! Rows are the truth. What lanes hold in memory is bounded over the whole shard, and only spares reads.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::keys::{self, KeyBuilder, Space};
use crate::tx::{Trace, Tx};
use crate::{Fault, ShardId, Time};

/// Deliveries of a lane that wait at most; past it, its senders are throttled. Those that were there
/// before the last start count only once they are read.
pub const MAX_LANE: usize = 100_000;
/// Most bytes of a delivery's payload: a command or an actor's order, in its binary form.
pub const MAX_PAYLOAD_BYTES: usize = 1536 * 1024;
/// Most bytes of a lane's name.
pub const MAX_LANE_NAME_BYTES: usize = 1024;
/// Most bytes of the trace that a delivery carries.
const MAX_TRACE_BYTES: usize = 1024;
/// Deliveries of a lane that are held in memory; the rest is read from rows.
const IN_MEMORY: usize = 1024;
/// Bytes of all deliveries that a shard's lanes hold in memory.
const IN_MEMORY_BYTES: usize = 1024 * 1024;
/// Deliveries in one step.
const MAX_STEP: usize = 256;
/// Bytes of payloads in one step, unless the first delivery alone has more.
const MAX_STEP_BYTES: usize = 256 * 1024;
/// Rows that are read at once.
const PAGE: usize = 64;
/// Bytes of a payload in one row.
const PART_BYTES: usize = 60 * 1024;
/// Kind of row within [`Space::Outbox`]: lane, sequence number → a delivery.
const DELIVERY: u8 = 0;
/// Kind of row within [`Space::Outbox`]: lane, sequence number, part → more of a payload.
const PART: u8 = 1;

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
    /// When its cause was applied.
    pub posted: Time,
    /// The payload; in the row only what has room there.
    pub payload: Bytes,
    /// Number of rows with the rest of the payload.
    pub parts: u32,
}

/// A delivery and its sequence number in its lane.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub seq: u64,
    pub delivery: Delivery,
}

impl Item {
    /// What it takes in memory, about.
    fn bytes(&self) -> usize {
        size_of::<Item>() + self.delivery.payload.len() + self.delivery.trace.len()
    }
}

/// How a delivery ended: its number, and the receiver's answer or its refusal.
pub(crate) type Ended = (u64, Result<Bytes, String>);

#[derive(Debug, Default)]
struct Lane {
    /// The first ones, as far as there is memory for them: the rows are what counts.
    items: VecDeque<Item>,
    pending: usize,
    /// Some of its rows are not in `items`: those behind the last one there.
    spilled: bool,
    /// Every row up to here is gone.
    settled_to: u64,
}

/// A change of the lanes that takes place if its command succeeds.
#[derive(Debug)]
enum Change {
    Posted(String, Item),
    Settled(String, u64),
}

/// A shard's lanes.
#[derive(Debug)]
pub(crate) struct Lanes {
    lanes: BTreeMap<String, Lane>,
    staged: Vec<Change>,
    /// Bytes of all that the lanes hold.
    held: usize,
    /// The dispatcher of each lane that has one: it outlives what is known of the lane, so that
    /// there are never two.
    dispatchers: BTreeMap<String, u64>,
    next_dispatcher: u64,
    idle: Vec<(String, u64)>,
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
            held: 0,
            dispatchers: BTreeMap::new(),
            next_dispatcher: 0,
            idle: Vec::new(),
            batch,
            next: 0,
            sender: Space::Server,
        }
    }

    /// Forgets the lanes, but not who works on them.
    pub fn reset(&mut self, batch: u64) {
        let fresh = Lanes::new(batch);
        let before = std::mem::replace(self, fresh);
        self.dispatchers = before.dispatchers;
        self.next_dispatcher = before.next_dispatcher;
        // Nobody has been started for these.
        for (name, _) in before.idle {
            self.dispatchers.remove(&name);
        }
    }

    /// A number that never comes twice in a shard, and only grows.
    pub fn sequence(&mut self) -> Result<u64, Fault> {
        if self.next >= 1 << 20 {
            return Err(Fault::Overloaded);
        }
        let number = (self.batch << 20) | self.next;
        self.next += 1;
        Ok(number)
    }

    /// Stages a delivery; gives its rows.
    pub fn post(
        &mut self,
        lane: &str,
        target: Target,
        trace: &Trace,
        posted: Time,
        payload: Vec<u8>,
    ) -> Result<Vec<(Bytes, Bytes)>, Fault> {
        let waiting = self.lanes.get(lane).map_or(0, |l| l.pending);
        if waiting + self.staged.len() >= MAX_LANE {
            return Err(Fault::Overloaded);
        }
        check_sizes(lane, trace, &payload)?;
        let seq = self.sequence()?;
        let payload = Bytes::from(payload);
        let first = payload.slice(..payload.len().min(PART_BYTES));
        let rest = payload.slice(first.len()..);
        let mut rows: Vec<(Bytes, Bytes)> = (0..)
            .zip(rest.chunks(PART_BYTES))
            .map(|(part, chunk)| (part_key(lane, seq, part), rest.slice_ref(chunk)))
            .collect();
        let parts = rows.len() as u32;
        let trace = trace.to_string();
        let mut delivery = Delivery { from: self.sender, target, trace, posted, payload: first, parts };
        rows.push((row_key(lane, seq), Bytes::from(postcard::to_stdvec(&delivery)?)));
        delivery.payload = payload;
        self.staged.push(Change::Posted(lane.to_owned(), Item { seq, delivery }));
        Ok(rows)
    }

    /// The command succeeded: what it changed takes place.
    pub fn keep(&mut self) {
        for change in std::mem::take(&mut self.staged) {
            match change {
                Change::Posted(name, item) => self.posted(name, item),
                Change::Settled(name, seq) => self.settled(&name, seq),
            }
        }
    }

    fn posted(&mut self, name: String, item: Item) {
        if !self.dispatchers.contains_key(&name) {
            self.start_dispatcher(&name);
        }
        let lane = self.lanes.entry(name).or_default();
        lane.pending += 1;
        let bytes = item.bytes();
        if lane.spilled || lane.items.len() >= IN_MEMORY || self.held + bytes > IN_MEMORY_BYTES {
            lane.spilled = true;
        } else {
            self.held += bytes;
            lane.items.push_back(item);
        }
    }

    fn settled(&mut self, name: &str, seq: u64) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        lane.settled_to = lane.settled_to.max(seq);
        lane.pending = lane.pending.saturating_sub(1);
        if let Some(item) = lane.items.pop_front_if(|first| first.seq == seq) {
            self.held = self.held.saturating_sub(item.bytes());
        }
    }

    pub fn drop_staged(&mut self) {
        self.staged.clear();
    }

    pub fn next_batch(&mut self) {
        self.batch += 1;
        self.next = 0;
    }

    fn start_dispatcher(&mut self, name: &str) {
        self.next_dispatcher += 1;
        self.dispatchers.insert(name.to_owned(), self.next_dispatcher);
        self.idle.push((name.to_owned(), self.next_dispatcher));
    }

    /// Lanes that need a dispatcher, and its number.
    pub fn take_idle(&mut self) -> Vec<(String, u64)> {
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
            if !tx.lanes.dispatchers.contains_key(&name) {
                tx.lanes.start_dispatcher(&name);
            }
            from = keys::after_prefix(&lane_prefix(&name));
            tx.lanes.lanes.insert(name, Lane { pending: 1, spilled: true, ..Lane::default() });
            if from.is_none() {
                return Ok(());
            }
        }
    }

    /// The next deliveries of a lane, all to one target; none: its dispatcher ends.
    pub async fn take(tx: &mut Tx, name: &str, dispatcher: u64) -> Result<Vec<Item>, Fault> {
        if tx.lanes.dispatchers.get(name) != Some(&dispatcher) {
            return Ok(Vec::new());
        }
        let lane = tx.lanes.lanes.get(name);
        let items = match lane {
            Some(lane) if lane.items.is_empty() && lane.spilled => Self::refill(tx, name).await?,
            Some(lane) => step(&lane.items),
            None => Vec::new(),
        };
        if items.is_empty() {
            tx.lanes.lanes.remove(name);
            tx.lanes.dispatchers.remove(name);
        }
        Ok(items)
    }

    /// Reads the next deliveries from rows, and keeps them if there is memory for them.
    async fn refill(tx: &mut Tx, name: &str) -> Result<Vec<Item>, Fault> {
        let settled_to = tx.lanes.lanes.get(name).map_or(0, |lane| lane.settled_to);
        let mut after = row_key(name, settled_to);
        let (mut items, mut bytes, mut more) = (VecDeque::new(), 0, true);
        while more && items.len() < MAX_STEP && bytes < MAX_STEP_BYTES {
            let page = tx.scan_prefix(&lane_prefix(name), Some(&after), PAGE).await?;
            more = page.more;
            for (key, value) in page.rows {
                let item = read_item(tx, name, &key, &value).await?;
                bytes += item.bytes();
                items.push_back(item);
                after = key;
                if bytes >= MAX_STEP_BYTES {
                    more = true;
                    break;
                }
            }
        }
        let next = step(&items);
        if let Some(lane) = tx.lanes.lanes.get_mut(name) {
            lane.pending = lane.pending.max(items.len());
            if tx.lanes.held + bytes <= IN_MEMORY_BYTES {
                tx.lanes.held += bytes;
                lane.spilled = more;
                lane.items = items;
            }
        }
        Ok(next)
    }

    /// A delivery that has not been settled.
    pub async fn find(tx: &Tx, name: &str, seq: u64) -> Result<Option<Delivery>, Fault> {
        let front = tx.lanes.lanes.get(name).and_then(|lane| lane.items.front());
        if let Some(item) = front.filter(|item| item.seq == seq) {
            return Ok(Some(item.delivery.clone()));
        }
        let key = row_key(name, seq);
        match tx.get(&key).await? {
            Some(row) => Ok(Some(read_item(tx, name, &key, &row).await?.delivery)),
            None => Ok(None),
        }
    }

    /// Removes a delivery that has come to its end.
    pub fn settle(tx: &mut Tx, name: &str, seq: u64, delivery: &Delivery) {
        tx.delete(row_key(name, seq));
        for part in 0..delivery.parts {
            tx.delete(part_key(name, seq, part));
        }
        tx.lanes.staged.push(Change::Settled(name.to_owned(), seq));
    }
}

fn check_sizes(lane: &str, trace: &str, payload: &[u8]) -> Result<(), Fault> {
    let sizes = [
        ("the name of a lane", lane.len(), MAX_LANE_NAME_BYTES),
        ("a trace", trace.len(), MAX_TRACE_BYTES),
        ("a delivery", payload.len(), MAX_PAYLOAD_BYTES),
    ];
    match sizes.iter().find(|(_, size, most)| size > most) {
        Some((what, size, most)) => Err(Fault::Damaged(format!("{what} of {size} bytes; at most {most}"))),
        None => Ok(()),
    }
}

/// What of a lane goes in one step: some deliveries to a machine, or one to an actor.
fn step(items: &VecDeque<Item>) -> Vec<Item> {
    let Some(target) = items.front().map(|item| item.delivery.target) else { return Vec::new() };
    let most = if matches!(target, Target::Actor { .. }) { 1 } else { MAX_STEP };
    let mut bytes = 0;
    let fitting = items.iter().take(most).take_while(|item| {
        let first = bytes == 0;
        bytes += item.delivery.payload.len() + 1;
        item.delivery.target == target && (first || bytes <= MAX_STEP_BYTES)
    });
    fitting.cloned().collect()
}

async fn read_item(tx: &Tx, lane: &str, key: &[u8], row: &[u8]) -> Result<Item, Fault> {
    let damaged = || Fault::Damaged("a delivery's row".to_owned());
    let seq = keys::last_number(key).ok_or_else(damaged)?;
    let mut delivery: Delivery = postcard::from_bytes(row)?;
    if delivery.parts > 0 {
        let mut payload = delivery.payload.to_vec();
        for part in 0..delivery.parts {
            payload.extend(tx.get(&part_key(lane, seq, part)).await?.ok_or_else(damaged)?);
        }
        delivery.payload = Bytes::from(payload);
    }
    Ok(Item { seq, delivery })
}

fn lane_prefix(lane: &str) -> Bytes {
    KeyBuilder::unscoped(Space::Outbox, DELIVERY).text(lane).build()
}

fn row_key(lane: &str, seq: u64) -> Bytes {
    KeyBuilder::unscoped(Space::Outbox, DELIVERY).text(lane).number(seq).build()
}

fn part_key(lane: &str, seq: u64, part: u32) -> Bytes {
    KeyBuilder::unscoped(Space::Outbox, PART).text(lane).number(seq).number32(part).build()
}

fn lane_of(key: &[u8]) -> Option<String> {
    keys::read_text(key.get(2..)?).map(|(name, _)| name)
}

/// Key of what a receiver remembers of a lane.
pub(crate) fn inbox_key(from: ShardId, lane: &str) -> Bytes {
    KeyBuilder::unscoped(Space::Inbox, 0).number32(u32::from(from.0)).text(lane).build()
}
