//! What a queue keeps in memory: bounded windows on its rows, built at its first use.

use std::collections::{BTreeMap, BTreeSet};

use ropeway_core::{Fault, Time, Tx};
use serde::{Deserialize, Serialize};

use super::moves::Task;
use super::ready::{GroupId, Ready};
use crate::keys::{self, Kind, Place};
use crate::limits;
use crate::message::{self, Extent};

/// Rows read in one step of filling a window.
const STEP: usize = 128;

/// What changes with every message; one row for each queue, written once for each commit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// The next message's sequence number.
    pub next_seq: u64,
    /// No message lies below.
    pub low: u64,
    /// What lies below was purged, whether its rows are gone or not.
    pub floor: u64,
    /// Messages stored: visible, delayed and in flight.
    pub total: u64,
    /// Of those, the delayed ones.
    pub delayed: u64,
    /// When the queue was last purged.
    pub purged: Option<Time>,
}

/// A receive of a message: its row, and in memory while the message is in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlightRow {
    /// When it is visible again.
    pub visible_at: Time,
    /// When it was first received.
    pub first: Time,
    /// When it was last received: what the 12 hours of visibility count from.
    pub received: Time,
    /// How often it was received.
    pub count: u32,
    /// What the receipt handle says; new with each receive.
    pub nonce: u64,
    /// What must be known to remove the message.
    pub extent: Extent,
    /// The message's group.
    pub group: Option<String>,
}

/// The messages in flight.
#[derive(Debug, Default)]
pub struct Flights {
    by_seq: BTreeMap<u64, (FlightRow, GroupId)>,
    by_time: BTreeSet<(Time, u64)>,
}

impl Flights {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_seq.len()
    }

    /// One of them.
    pub fn get(&self, seq: u64) -> Option<&FlightRow> {
        self.by_seq.get(&seq).map(|(row, _)| row)
    }

    /// Adds one, or replaces it.
    pub fn insert(&mut self, seq: u64, row: FlightRow, group: GroupId) {
        self.remove(seq);
        self.by_time.insert((row.visible_at, seq));
        self.by_seq.insert(seq, (row, group));
    }

    /// Removes one.
    pub fn remove(&mut self, seq: u64) -> Option<(FlightRow, GroupId)> {
        let found = self.by_seq.remove(&seq)?;
        self.by_time.remove(&(found.0.visible_at, seq));
        Some(found)
    }

    /// The lowest sequence number.
    fn first(&self) -> Option<u64> {
        self.by_seq.keys().next().copied()
    }

    /// The next to be visible again.
    pub fn next(&self) -> Option<(Time, u64)> {
        self.by_time.first().copied()
    }
}

/// The first of the delayed messages, in the order in which they become visible.
#[derive(Debug, Default)]
pub struct Delayed {
    window: BTreeSet<(Time, u64)>,
    by_seq: BTreeSet<u64>,
    /// There are rows behind the window's last.
    more: bool,
    /// No delayed message lies below, while there is more than the window holds.
    floor: u64,
}

impl Delayed {
    /// The next one.
    pub fn first(&self) -> Option<(Time, u64)> {
        self.window.first().copied()
    }

    /// Adds one whose row was written.
    pub fn insert(&mut self, at: Time, seq: u64, most: usize) {
        if self.more && self.window.last().is_none_or(|last| (at, seq) > *last) {
            return;
        }
        self.window.insert((at, seq));
        self.by_seq.insert(seq);
        if self.window.len() > most {
            if !self.more {
                self.floor = self.by_seq.first().copied().unwrap_or_default();
            }
            self.more = true;
            if let Some((_, last)) = self.window.pop_last() {
                self.by_seq.remove(&last);
            }
        }
    }

    /// Takes the next one out.
    pub fn pop(&mut self) -> Option<(Time, u64)> {
        let first = self.window.pop_first()?;
        self.by_seq.remove(&first.1);
        Some(first)
    }

    /// Takes one out that is removed before it became visible.
    pub fn remove(&mut self, at: Time, seq: u64) {
        self.window.remove(&(at, seq));
        self.by_seq.remove(&seq);
    }

    /// Whether the window is empty and must be read on.
    pub fn is_drained(&self) -> bool {
        self.more && self.window.is_empty()
    }

    /// Reads the window from its rows, which begin with the first that is still there.
    pub async fn read(
        &mut self,
        tx: &Tx,
        place: &Place,
        after: Option<(Time, u64)>,
        floor: u64,
        most: usize,
    ) -> Result<(), Fault> {
        let after = after.map(|(at, seq)| place.timed(Kind::Delayed, at, seq));
        let page = tx.scan_prefix(&place.all(Kind::Delayed), after.as_ref(), most.max(1)).await?;
        self.more = page.more;
        for (key, _) in &page.rows {
            let (at, seq) = keys::time_and_number(key).ok_or_else(damaged_key)?;
            if seq >= floor {
                self.window.insert((at, seq));
                self.by_seq.insert(seq);
            }
        }
        Ok(())
    }

    /// No delayed message lies below.
    fn low(&self) -> u64 {
        let first = self.by_seq.first().copied().unwrap_or(u64::MAX);
        if self.more { first.min(self.floor) } else { first }
    }
}

pub fn damaged_key() -> Fault {
    Fault::Damaged("an index row's key".to_owned())
}

/// A queue's state in memory.
///
/// Every visible message below the cursor is in `ready`; those from the cursor on are in the store
/// only. `flights` is complete.
#[derive(Debug)]
pub struct Hot {
    /// The row of that name, as the next commit will write it.
    pub counters: Counters,
    /// The visible messages below the cursor.
    pub ready: Ready,
    /// The messages in flight.
    pub flights: Flights,
    /// The first of the delayed ones.
    pub delayed: Delayed,
    /// Where `ready` ends.
    pub cursor: u64,
    /// Visible messages that have a flight row.
    pub returned: u64,
    /// When the oldest message may be too old.
    pub head_due: Option<Time>,
    /// The earliest time in [`Kind::Carried`], or one before it.
    pub carried: Option<Time>,
    /// The earliest time in [`Kind::Cleanup`], or one before it.
    pub cleanup: Option<Time>,
    /// No message goes to the dead-letter queue before: it refused one.
    pub redrive_paused: Time,
    /// Messages whose order is held in memory.
    pub window: usize,
    /// It is a FIFO queue's.
    pub fifo: bool,
    /// `counters` differ from their row.
    pub dirty: bool,
    /// The newest move tasks, the newest last.
    pub tasks: Vec<Task>,
    /// When the running task may go on.
    pub task_due: Option<Time>,
}

impl Hot {
    /// The state of a queue without messages, but for the counters.
    pub fn empty(counters: Counters, window: usize, fifo: bool) -> Hot {
        Hot {
            cursor: counters.low.max(counters.floor),
            ready: Ready::new(fifo),
            flights: Flights::default(),
            delayed: Delayed { floor: counters.low, ..Delayed::default() },
            returned: 0,
            head_due: None,
            carried: None,
            cleanup: None,
            redrive_paused: Time::default(),
            window,
            fifo,
            dirty: true,
            tasks: Vec::new(),
            task_due: None,
            counters,
        }
    }

    /// Builds the state from a queue's rows.
    pub async fn build(tx: &Tx, place: &Place, fifo: bool, window: usize) -> Result<Hot, Fault> {
        let mut counters: Counters = tx.read(&place.all(Kind::Counters)).await?.unwrap_or_default();
        counters.next_seq = counters.next_seq.max(1);
        let mut hot = Hot::empty(counters, window, fifo);
        hot.dirty = false;
        hot.head_due = (hot.counters.total > 0).then(|| tx.now());
        hot.read_flights(tx, place).await?;
        if hot.counters.delayed > 0 {
            hot.delayed.read(tx, place, None, hot.counters.floor, window).await?;
        }
        hot.carried = first_time(tx, place, Kind::Carried, Time::default()).await?;
        hot.cleanup = first_time(tx, place, Kind::Cleanup, Time::default()).await?;
        for (_, row) in tx.scan_prefix(&place.all(Kind::Task), None, limits::MOVE_TASKS * 2).await?.rows {
            hot.tasks.push(postcard::from_bytes(&row)?);
        }
        hot.task_due = hot.tasks.iter().any(Task::is_running).then(|| tx.now());
        Ok(hot)
    }

    async fn read_flights(&mut self, tx: &Tx, place: &Place) -> Result<(), Fault> {
        let prefix = place.all(Kind::Flight);
        // The row before the floor need not exist: it only says where to begin.
        let mut after = self.counters.low.checked_sub(1).map(|seq| place.at(Kind::Flight, seq));
        loop {
            let page = tx.scan_prefix(&prefix, after.as_ref(), 1024).await?;
            for (key, value) in &page.rows {
                let seq = ropeway_core::keys::last_number(key).ok_or_else(damaged_key)?;
                let row: FlightRow = postcard::from_bytes(value)?;
                if seq < self.counters.floor {
                    continue;
                }
                if row.visible_at > tx.now() {
                    let group = self.ready.group(row.group.as_deref());
                    self.ready.took(group);
                    self.flights.insert(seq, row, group);
                } else {
                    self.returned += 1;
                }
            }
            after = page.rows.last().map(|(key, _)| key.clone());
            if !page.more || after.is_none() {
                return Ok(());
            }
        }
    }

    /// No message lies below.
    pub fn low(&self) -> u64 {
        let firsts = [self.ready.first(), self.flights.first()];
        firsts.into_iter().flatten().fold(self.cursor, u64::min).min(self.delayed.low())
    }

    /// Number of visible messages.
    pub fn visible(&self) -> u64 {
        self.counters.total.saturating_sub(self.counters.delayed).saturating_sub(self.flights.len() as u64)
    }

    /// A message that was just stored under the next sequence number is visible.
    pub fn arrived(&mut self, seq: u64, group: Option<&str>) {
        if self.cursor == seq && self.ready.len() < self.window {
            self.cursor = seq + 1;
            let group = self.ready.group(group);
            self.ready.insert(seq, group);
        }
    }

    /// A message that was just stored under the next sequence number is delayed.
    pub fn arrived_delayed(&mut self, seq: u64, at: Time) {
        if self.cursor == seq {
            self.cursor = seq + 1;
        }
        self.counters.delayed += 1;
        self.delayed.insert(at, seq, self.window);
    }

    /// A message is visible (again).
    pub fn appeared(&mut self, seq: u64, group: GroupId) {
        if seq < self.cursor {
            self.ready.insert(seq, group);
            self.trim();
        }
    }

    fn trim(&mut self) {
        while self.ready.len() > self.window {
            if let Some(seq) = self.ready.drop_last() {
                self.cursor = seq;
            }
        }
    }

    /// A message in flight is visible again.
    pub fn landed(&mut self, seq: u64) {
        if let Some((_, group)) = self.flights.remove(seq) {
            self.returned += 1;
            self.appeared(seq, group);
            self.ready.ended(group);
        }
    }

    /// Reads the window on from the cursor; false if nothing was added.
    pub async fn refill(&mut self, tx: &Tx, place: &Place) -> Result<bool, Fault> {
        while self.flights.get(self.cursor).is_some() {
            self.cursor += 1;
        }
        // A FIFO queue looks through so many messages for a free group, those in flight among them.
        let looked_through = if self.fifo && !self.ready.has_head() { self.flights.len() } else { 0 };
        let full = self.ready.len() + looked_through >= self.window;
        if full || self.cursor >= self.counters.next_seq {
            return Ok(false);
        }
        let step = STEP.min(self.window - self.ready.len());
        let after = self.cursor.checked_sub(1).map(|seq| place.at(Kind::Message, seq));
        let page = tx.scan_prefix(&place.all(Kind::Message), after.as_ref(), step).await?;
        let mut found = Vec::with_capacity(page.rows.len());
        for (key, row) in &page.rows {
            let seq = ropeway_core::keys::last_number(key).ok_or_else(damaged_key)?;
            found.push((seq, message::head(row)?));
        }
        self.cursor = match found.last() {
            Some((seq, _)) if page.more => seq + 1,
            _ => self.counters.next_seq,
        };
        for (seq, head) in found {
            if self.flights.get(seq).is_none() && !self.is_delayed(seq, head.delayed) {
                let group = self.ready.group(head.group.as_deref());
                self.ready.insert(seq, group);
            }
        }
        Ok(true)
    }

    /// Whether there may be a message to hand out.
    pub fn may_give(&self) -> bool {
        self.ready.has_head() || self.cursor < self.counters.next_seq
    }

    /// Delayed messages become visible strictly in the order of their places, so that what stands
    /// before the first place has become visible.
    pub fn is_delayed(&self, seq: u64, at: Option<Time>) -> bool {
        match (at, self.delayed.first()) {
            (Some(at), Some(first)) => (at, seq) >= first,
            (Some(_), None) => self.delayed.is_drained(),
            (None, _) => false,
        }
    }
}

/// The earliest time in an index, from a bound on.
pub async fn first_time(tx: &Tx, place: &Place, kind: Kind, from: Time) -> Result<Option<Time>, Fault> {
    let after = place.timed(kind, from, 0);
    let page = tx.scan_prefix(&place.all(kind), Some(&after), 1).await?;
    let Some((key, _)) = page.rows.first() else { return Ok(None) };
    Ok(Some(keys::time_and_number(key).ok_or_else(damaged_key)?.0))
}
