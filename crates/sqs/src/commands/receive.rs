//! Messages are handed out.

use bytes::Bytes;
use ropeway_core::{Fault, Time, Tx};
use serde::{Deserialize, Serialize};

use super::hot::FlightRow;
use super::moves::Leaving;
use super::queue::Queue;
use super::ready::GroupId;
use super::{Output, Receive, Received, ReceivedMessage, SqsError};
use crate::keys::Kind;
use crate::limits;
use crate::message::{self, Extent, Head};
use crate::receipt::Receipt;

/// A receive moves no further message to a dead-letter queue once it has moved so many bytes: with one
/// more message it still fits into a commit.
const MOVED_BYTES: usize = 1024 * 1024;
/// Messages that one receive looks at, those that are too old or leave included.
const LOOKED_AT: usize = 100;

/// What a receive attempt was given: its row, which begins as [`Kind::Cleanup`] asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct AttemptRow {
    until: Time,
    receipts: Vec<Receipt>,
}

/// A message that was taken out of the window, and what is to become of it.
enum Fate {
    /// It is handed out.
    Give { head: Box<Head>, content: Bytes, before: Option<FlightRow> },
    /// It is too old.
    Drop { extent: Extent, returned: bool },
    /// It was received too often.
    Move { leaving: Box<Leaving>, returned: bool },
}

/// What a receive has decided on so far.
#[derive(Default)]
struct Picked {
    picked: Vec<(u64, GroupId)>,
    fates: Vec<Fate>,
    given: usize,
    moved_bytes: usize,
}

impl Queue {
    /// Hands out messages, none if there are none.
    pub async fn receive(&mut self, tx: &mut Tx, receive: &Receive) -> Result<Output, SqsError> {
        let visibility = receive.visibility.unwrap_or(self.row.settings.visibility);
        let until = tx.now().plus_secs(i64::from(visibility));
        let attempt = receive.attempt.as_deref().filter(|_| self.row.settings.fifo);
        let mut out = Received { messages: Vec::new(), wait: self.row.settings.wait, over_limit: false };
        if let Some(id) = attempt
            && let Some(messages) = self.repeat(tx, id, until).await?
        {
            out.messages = messages;
            return Ok(Output::Received(out));
        }
        let room = limits::IN_FLIGHT.saturating_sub(self.hot()?.flights.len());
        if room == 0 {
            out.over_limit = true;
            return Ok(Output::Received(out));
        }
        let most = usize::try_from(receive.max).unwrap_or(limits::BATCH).min(limits::BATCH).min(room);
        let mut picked = Picked::default();
        let staged = match self.pick(tx, most, &mut picked).await {
            Ok(()) => self.stage(tx, &picked, until),
            Err(fault) => Err(fault),
        };
        match staged {
            Ok(flights) => out.messages = self.hand_out(tx, picked, flights)?,
            Err(fault) => {
                self.give_back(picked.picked)?;
                return Err(fault.into());
            }
        }
        if let Some(id) = attempt.filter(|_| !out.messages.is_empty()) {
            self.remember_attempt(tx, id, &out.messages)?;
        }
        Ok(Output::Received(out))
    }

    /// Takes messages out of the window and decides on each.
    async fn pick(&mut self, tx: &Tx, most: usize, out: &mut Picked) -> Result<(), Fault> {
        let place = self.place.clone();
        while out.given < most && out.picked.len() < LOOKED_AT {
            let hot = self.hot()?;
            let mut taken = hot.ready.pick(most - out.given);
            if taken.is_empty() && !hot.refill(tx, &place).await? {
                return Ok(());
            }
            let mut decided = 0;
            for (seq, group) in &taken {
                if out.moved_bytes >= MOVED_BYTES {
                    break;
                }
                out.picked.push((*seq, *group));
                let fate = match self.decide(tx, *seq).await {
                    Ok(fate) => fate,
                    Err(fault) => {
                        self.give_back(taken.split_off(decided + 1))?;
                        return Err(fault);
                    }
                };
                decided += 1;
                match &fate {
                    Fate::Give { .. } => out.given += 1,
                    Fate::Drop { .. } => {}
                    Fate::Move { leaving, .. } => out.moved_bytes += leaving.content.len(),
                }
                out.fates.push(fate);
            }
            let left = taken.split_off(decided);
            if !left.is_empty() {
                return self.give_back(left);
            }
        }
        Ok(())
    }

    /// Puts messages back that were picked.
    fn give_back(&mut self, picked: Vec<(u64, GroupId)>) -> Result<(), Fault> {
        let hot = self.hot()?;
        picked.into_iter().for_each(|(seq, group)| hot.ready.insert(seq, group));
        Ok(())
    }

    async fn decide(&mut self, tx: &Tx, seq: u64) -> Result<Fate, Fault> {
        let missing = || Fault::Damaged(format!("message {seq} of a queue is missing"));
        let (head, content) = message::read(tx, &self.place, seq).await?.ok_or_else(missing)?;
        let before: Option<FlightRow> = match self.hot()?.returned {
            0 => None,
            _ => tx.read(&self.place.at(Kind::Flight, seq)).await?,
        };
        if self.expiry(head.sent) <= tx.now() {
            return Ok(Fate::Drop { extent: head.extent(), returned: before.is_some() });
        }
        let received = before.as_ref().map_or(0, |row| row.count);
        let paused = self.hot()?.redrive_paused > tx.now();
        match &self.row.settings.redrive {
            Some(redrive) if received >= redrive.max_receives && !paused => {
                let to = redrive.target.clone();
                let returned = before.is_some();
                let leaving = Leaving { to, task: None, seq, head, content, flight: before };
                Ok(Fate::Move { leaving: Box::new(leaving), returned })
            }
            _ => Ok(Fate::Give { head: Box::new(head), content, before }),
        }
    }

    /// Writes what was decided.
    fn stage(&self, tx: &mut Tx, picked: &Picked, until: Time) -> Result<Vec<FlightRow>, Fault> {
        let mut flights = Vec::with_capacity(picked.given);
        for ((seq, _), fate) in picked.picked.iter().zip(&picked.fates) {
            match fate {
                Fate::Give { head, before, .. } => {
                    let row = flight(tx, head, before.as_ref(), until);
                    tx.write(self.place.at(Kind::Flight, *seq), &row)?;
                    flights.push(row);
                }
                Fate::Drop { extent, returned } => self.erase(tx, *seq, *extent, *returned),
                Fate::Move { leaving, .. } => self.send_off(tx, leaving)?,
            }
        }
        Ok(flights)
    }

    /// Removes a message's rows.
    pub(super) fn erase(&self, tx: &mut Tx, seq: u64, extent: Extent, flew: bool) {
        message::remove(tx, &self.place, seq, extent);
        if flew {
            tx.delete(self.place.at(Kind::Flight, seq));
        }
    }

    /// Takes note of what was written.
    fn hand_out(
        &mut self,
        tx: &Tx,
        picked: Picked,
        flights: Vec<FlightRow>,
    ) -> Result<Vec<ReceivedMessage>, Fault> {
        let queue = self.row.number;
        let now = tx.now();
        let hot = self.hot()?;
        let mut out = Vec::with_capacity(picked.given);
        let mut flights = flights.into_iter();
        for ((seq, group), fate) in picked.picked.into_iter().zip(picked.fates) {
            match fate {
                Fate::Give { head, content, before } => {
                    let Some(row) = flights.next() else { break };
                    hot.returned = hot.returned.saturating_sub(u64::from(before.is_some()));
                    let receipt = Receipt { queue, seq, nonce: row.nonce };
                    let (count, first) = (row.count, row.first);
                    out.push(ReceivedMessage { head: *head, content, receipt, count, first });
                    if row.visible_at > now {
                        hot.ready.took(group);
                        hot.flights.insert(seq, row, group);
                    } else {
                        // Received for no time at all, it is visible again at once.
                        hot.returned += 1;
                        hot.appeared(seq, group);
                        hot.ready.forget(group);
                    }
                }
                Fate::Drop { returned, .. } | Fate::Move { returned, .. } => {
                    hot.returned = hot.returned.saturating_sub(u64::from(returned));
                    hot.counters.total = hot.counters.total.saturating_sub(1);
                    hot.dirty = true;
                    hot.ready.forget(group);
                }
            }
        }
        Ok(out)
    }

    /// Gives once more what a receive attempt was given, if all of it is still in flight as it was.
    async fn repeat(
        &mut self,
        tx: &mut Tx,
        attempt: &str,
        until: Time,
    ) -> Result<Option<Vec<ReceivedMessage>>, Fault> {
        let row: Option<AttemptRow> = tx.read(&self.place.attempt(attempt)).await?;
        let Some(row) = row.filter(|row| row.until > tx.now()) else { return Ok(None) };
        let mut out = Vec::with_capacity(row.receipts.len());
        for receipt in row.receipts {
            let flight =
                self.hot()?.flights.get(receipt.seq).filter(|row| row.nonce == receipt.nonce).cloned();
            let Some(flight) = flight else { return Ok(None) };
            let Some((head, content)) = message::read(tx, &self.place, receipt.seq).await? else {
                return Ok(None);
            };
            let (count, first) = (flight.count, flight.first);
            out.push((ReceivedMessage { head, content, receipt, count, first }, flight));
        }
        let mut messages = Vec::with_capacity(out.len());
        for (message, flight) in out {
            self.fly_until(tx, message.receipt.seq, flight, until)?;
            messages.push(message);
        }
        Ok(Some(messages))
    }

    fn remember_attempt(&mut self, tx: &mut Tx, id: &str, given: &[ReceivedMessage]) -> Result<(), Fault> {
        let until = tx.now().plus_millis(limits::DEDUPLICATION_MILLIS);
        let key = self.place.attempt(id);
        let receipts = given.iter().map(|message| message.receipt).collect();
        tx.write(key.clone(), &AttemptRow { until, receipts })?;
        tx.put(self.place.timed(Kind::Cleanup, until, tx.ids().number()), key);
        let hot = self.hot()?;
        hot.cleanup = hot.cleanup.or(Some(until));
        Ok(())
    }
}

/// The row of one more receive of a message.
fn flight(tx: &Tx, head: &Head, before: Option<&FlightRow>, until: Time) -> FlightRow {
    FlightRow {
        visible_at: until,
        first: before.map_or(tx.now(), |row| row.first),
        received: tx.now(),
        count: before.map_or(0, |row| row.count) + 1,
        nonce: tx.ids().number(),
        extent: head.extent(),
        group: head.group.clone(),
    }
}
