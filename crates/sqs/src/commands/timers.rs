//! What becomes due: visibility that ends, delays that end, messages that are too old.

use bytes::Bytes;
use ropeway_core::{Fault, Time, Tx};

use super::SqsMachine;
use super::hot;
use super::queue::Queue;
use crate::keys::{self, Kind};
use crate::message::{self, Head};

/// Messages whose flight ends in one step: nothing is written for them.
const LANDINGS: usize = 1000;
/// Rows read in one step of an index or of the oldest messages.
const STEP: usize = 64;
/// A queue whose turn failed is tried again after so long, in milliseconds.
const RETRY_MILLIS: i64 = 1000;

/// What one turn may still do.
pub struct Budget {
    /// Rows to write.
    pub rows: usize,
    /// Bytes to move.
    pub bytes: usize,
}

impl Budget {
    /// Far less than a command may write.
    pub fn of_a_turn() -> Self {
        Budget { rows: 400, bytes: 1024 * 1024 }
    }

    /// A turn within a command, which writes as well: no messages are moved.
    pub fn within_a_command() -> Self {
        Budget { rows: 400, bytes: 0 }
    }

    /// Whether something may still be done.
    pub fn is_left(&self) -> bool {
        self.rows > 0 && self.bytes > 0
    }

    fn spend(&mut self, rows: usize) {
        self.rows = self.rows.saturating_sub(rows);
    }
}

impl SqsMachine {
    /// Gives those queues their turn that have something to do.
    pub(super) async fn queues_on_time(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        let mut budget = Budget::of_a_turn();
        let mut turns = Vec::new();
        while let Some((due, number)) = self.agenda.first().copied()
            && due <= tx.now()
            && budget.rows > 0
        {
            self.agenda.pop_first();
            turns.push(number);
            budget.spend(1);
            let Some(queue) = self.queues.get_mut(&number) else { continue };
            queue.due = None;
            let turn = match queue.open(tx, &self.setup).await {
                Ok(()) => queue.on_time(tx, &mut budget).await,
                Err(fault) => Err(fault),
            };
            if let Err(fault) = turn {
                self.undo(tx.now(), &turns);
                return Err(fault);
            }
            self.touched(number);
        }
        Ok(())
    }

    /// Nothing of a failed turn is kept. At its beginning all rows were as the memory has it, since
    /// turns come before a batch's commands: what was built from rows is dropped, and built anew.
    fn undo(&mut self, now: Time, turns: &[u32]) {
        for number in turns {
            self.dirty.remove(number);
            if let Some(queue) = self.queues.get_mut(number) {
                queue.hot = None;
                let again = now.plus_millis(RETRY_MILLIS);
                queue.due.replace(again).map(|due| self.agenda.remove(&(due, *number)));
                self.agenda.insert((again, *number));
            }
        }
    }
}

impl Queue {
    /// Does what has become due, as far as the budget goes.
    pub(super) async fn on_time(&mut self, tx: &mut Tx, budget: &mut Budget) -> Result<(), Fault> {
        let visible = self.land(tx.now())? + self.appear(tx, budget).await?;
        self.wake(tx, visible);
        self.expire_oldest(tx, budget).await?;
        self.expire_carried(tx, budget).await?;
        self.clean_up(tx, budget).await?;
        self.run_task(tx, budget).await
    }

    /// Messages whose visibility timeout is over are visible again.
    fn land(&mut self, now: Time) -> Result<usize, Fault> {
        let hot = self.hot()?;
        let mut landed = 0;
        while let Some((at, seq)) = hot.flights.next()
            && at <= now
            && landed < LANDINGS
        {
            hot.landed(seq);
            landed += 1;
        }
        Ok(landed)
    }

    /// Delayed messages become visible.
    async fn appear(&mut self, tx: &mut Tx, budget: &mut Budget) -> Result<usize, Fault> {
        let mut appeared = 0;
        while budget.rows > 0
            && let Some((at, seq)) = self.hot()?.delayed.first()
            && self.appears(at) <= tx.now()
        {
            let place = self.place.clone();
            let row = tx.get(&place.at(Kind::Message, seq)).await?;
            let head = row.map(|row| message::head(&row)).transpose()?;
            tx.delete(place.timed(Kind::Delayed, at, seq));
            budget.spend(1);
            let hot = self.hot()?;
            hot.delayed.pop();
            if let Some(head) = head {
                hot.counters.delayed = hot.counters.delayed.saturating_sub(1);
                hot.dirty = true;
                let group = hot.ready.group(head.group.as_deref());
                hot.appeared(seq, group);
                hot.ready.forget(group);
                appeared += 1;
            }
            if hot.delayed.is_drained() {
                let (floor, window) = (hot.counters.floor, hot.window);
                hot.delayed.read(tx, &place, Some((at, seq)), floor, window).await?;
            }
        }
        Ok(appeared)
    }

    /// Removes messages that are too old, from the oldest on.
    async fn expire_oldest(&mut self, tx: &mut Tx, budget: &mut Budget) -> Result<(), Fault> {
        if budget.rows == 0 || self.hot()?.head_due.is_none_or(|due| due > tx.now()) {
            return Ok(());
        }
        let prefix = self.place.all(Kind::Message);
        let after = self.hot()?.low().checked_sub(1).map(|seq| self.place.at(Kind::Message, seq));
        let page = tx.scan_prefix(&prefix, after.as_ref(), STEP).await?;
        for (key, row) in &page.rows {
            let seq = ropeway_core::keys::last_number(key).ok_or_else(hot::damaged_key)?;
            let head = message::head(row)?;
            let expiry = self.expiry(head.sent);
            if expiry > tx.now() {
                self.hot()?.head_due = Some(expiry);
                return Ok(());
            }
            if budget.rows == 0 {
                return Ok(());
            }
            self.expire(tx, seq, &head).await?;
            budget.spend(3 + usize::from(head.parts));
            // Everything up to here is gone: the next look begins behind it.
            let hot = self.hot()?;
            hot.cursor = hot.cursor.max(seq + 1);
        }
        if !page.more {
            self.hot()?.head_due = None;
        }
        Ok(())
    }

    /// Removes messages that are too old and were moved here, which are not in the order of their age.
    async fn expire_carried(&mut self, tx: &mut Tx, budget: &mut Budget) -> Result<(), Fault> {
        let Some(from) = self.hot()?.carried else { return Ok(()) };
        if budget.rows == 0 || self.expiry(from) > tx.now() {
            return Ok(());
        }
        let after = self.place.timed(Kind::Carried, from, 0);
        let page = tx.scan_prefix(&self.place.all(Kind::Carried), Some(&after), STEP).await?;
        for (key, _) in &page.rows {
            let (sent, seq) = keys::time_and_number(key).ok_or_else(hot::damaged_key)?;
            self.hot()?.carried = Some(sent);
            if self.expiry(sent) > tx.now() || budget.rows == 0 {
                return Ok(());
            }
            match tx.get(&self.place.at(Kind::Message, seq)).await? {
                Some(row) if seq >= self.hot()?.counters.floor => {
                    let head = message::head(&row)?;
                    budget.spend(3 + usize::from(head.parts));
                    self.expire(tx, seq, &head).await?;
                }
                _ => tx.delete(key.clone()),
            }
        }
        if !page.more {
            self.hot()?.carried = None;
        }
        Ok(())
    }

    /// Removes a message that is too old, wherever it stands.
    async fn expire(&mut self, tx: &mut Tx, seq: u64, head: &Head) -> Result<(), Fault> {
        let returned = match self.hot()?.returned {
            0 => false,
            _ => tx.get(&self.place.at(Kind::Flight, seq)).await?.is_some(),
        };
        self.erase(tx, seq, head.extent(), true);
        let place = self.place.clone();
        let hot = self.hot()?;
        hot.counters.total = hot.counters.total.saturating_sub(1);
        hot.dirty = true;
        if let Some((_, group)) = hot.flights.remove(seq) {
            hot.ready.ended(group);
        } else if let Some(at) = head.delayed.filter(|at| hot.is_delayed(seq, Some(*at))) {
            tx.delete(place.timed(Kind::Delayed, at, seq));
            hot.counters.delayed = hot.counters.delayed.saturating_sub(1);
            hot.delayed.remove(at, seq);
            if hot.delayed.is_drained() {
                hot.delayed.read(tx, &place, Some((at, seq)), hot.counters.floor, hot.window).await?;
            }
        } else {
            hot.ready.remove(seq);
            hot.returned = hot.returned.saturating_sub(u64::from(returned));
        }
        Ok(())
    }

    /// Removes deduplication ids and receive attempts that count no longer.
    async fn clean_up(&mut self, tx: &mut Tx, budget: &mut Budget) -> Result<(), Fault> {
        let Some(from) = self.hot()?.cleanup.filter(|from| *from <= tx.now() && budget.rows > 0) else {
            return Ok(());
        };
        let after = self.place.timed(Kind::Cleanup, from, 0);
        let page = tx.scan_prefix(&self.place.all(Kind::Cleanup), Some(&after), STEP).await?;
        for (key, target) in &page.rows {
            let (until, _) = keys::time_and_number(key).ok_or_else(hot::damaged_key)?;
            self.hot()?.cleanup = Some(until);
            if until > tx.now() {
                return Ok(());
            }
            budget.spend(2);
            tx.delete(key.clone());
            remove_if_over(tx, target).await?;
        }
        if !page.more {
            self.hot()?.cleanup = None;
        }
        Ok(())
    }
}

/// Removes a row that begins with a moment, if that is past: the row may have been written anew.
async fn remove_if_over(tx: &mut Tx, key: &Bytes) -> Result<(), Fault> {
    if let Some(row) = tx.get(key).await? {
        let (until, _) = postcard::take_from_bytes::<Time>(&row)?;
        if until <= tx.now() {
            tx.delete(key.clone());
        }
    }
    Ok(())
}
