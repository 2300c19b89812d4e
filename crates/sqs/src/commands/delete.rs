//! Messages that were received are deleted, or stay in flight for longer or less long.

use std::collections::BTreeSet;

use ropeway_api::sqs::error;
use ropeway_core::{Fault, Time, Tx};
use ropeway_wire::Error;

use super::hot::FlightRow;
use super::queue::Queue;
use super::{Output, SqsError};
use crate::keys::Kind;
use crate::limits;
use crate::receipt::Receipt;

/// Where a message is that a receipt speaks of.
enum Found {
    /// In flight.
    InFlight(FlightRow),
    /// Visible again since that receive.
    Visible(FlightRow),
    /// Received once more since.
    Newer,
    /// Deleted, purged, moved, or too old.
    Gone,
}

impl Queue {
    async fn find(&mut self, tx: &Tx, receipt: &Receipt) -> Result<Found, Fault> {
        let number = self.row.number;
        let hot = self.hot()?;
        if receipt.queue != number || receipt.seq < hot.counters.floor {
            return Ok(Found::Gone);
        }
        if let Some(row) = hot.flights.get(receipt.seq) {
            return Ok(if row.nonce == receipt.nonce { Found::InFlight(row.clone()) } else { Found::Newer });
        }
        if hot.returned == 0 {
            return Ok(Found::Gone);
        }
        let row: Option<FlightRow> = tx.read(&self.place.at(Kind::Flight, receipt.seq)).await?;
        Ok(match row {
            None => Found::Gone,
            Some(row) if row.nonce == receipt.nonce => Found::Visible(row),
            Some(_) => Found::Newer,
        })
    }

    /// Deletes messages. A receipt that is no longer the newest deletes nothing and is no error; that
    /// of a FIFO queue's message that is visible again is.
    pub async fn delete_messages(&mut self, tx: &mut Tx, receipts: &[Receipt]) -> Result<Output, SqsError> {
        // What can fail comes first: nothing is changed in memory before all was read.
        let mut found = Vec::with_capacity(receipts.len());
        for receipt in receipts {
            found.push(self.find(tx, receipt).await?);
        }
        let was_full = self.hot()?.flights.len() >= limits::IN_FLIGHT;
        let mut answers = Vec::with_capacity(receipts.len());
        let mut deleted = BTreeSet::new();
        for (receipt, found) in receipts.iter().zip(found) {
            let (row, visible) = match found {
                Found::InFlight(row) => (row, false),
                Found::Visible(_) if self.row.settings.fifo => {
                    answers.push(Err(self.expired(receipt)));
                    continue;
                }
                Found::Visible(row) => (row, true),
                Found::Newer | Found::Gone => {
                    answers.push(Ok(()));
                    continue;
                }
            };
            if deleted.insert(receipt.seq) {
                self.delete_message(tx, receipt.seq, &row, visible)?;
            }
            answers.push(Ok(()));
        }
        // A group may have become free, or there is room in flight again.
        let fifo = self.row.settings.fifo;
        if was_full || (fifo && self.hot()?.may_give()) {
            self.wake(tx, deleted.len());
        }
        Ok(Output::Entries(answers))
    }

    fn delete_message(&mut self, tx: &mut Tx, seq: u64, row: &FlightRow, visible: bool) -> Result<(), Fault> {
        self.erase(tx, seq, row.extent, true);
        let hot = self.hot()?;
        if visible {
            hot.ready.remove(seq);
            hot.returned = hot.returned.saturating_sub(1);
        } else if let Some((_, group)) = hot.flights.remove(seq) {
            hot.ready.ended(group);
        }
        hot.counters.total = hot.counters.total.saturating_sub(1);
        hot.dirty = true;
        Ok(())
    }

    fn expired(&self, receipt: &Receipt) -> Error {
        limits::invalid_value(receipt.handle(&self.arn), "ReceiptHandle", "The receipt handle has expired.")
    }

    /// Changes until when messages are in flight, in seconds from now.
    pub async fn change_visibility(
        &mut self,
        tx: &mut Tx,
        changes: &[(Receipt, u32)],
    ) -> Result<Output, SqsError> {
        let mut found = Vec::with_capacity(changes.len());
        for (receipt, _) in changes {
            found.push(self.find(tx, receipt).await?);
        }
        let mut answers = Vec::with_capacity(changes.len());
        for ((receipt, secs), found) in changes.iter().zip(found) {
            let change = self.check_change(tx, receipt, *secs, found);
            answers.push(match change {
                Ok((row, until)) => Ok(self.fly_until(tx, receipt.seq, row, until)?),
                Err(error) => Err(error),
            });
        }
        Ok(Output::Entries(answers))
    }

    fn check_change(
        &self,
        tx: &Tx,
        receipt: &Receipt,
        secs: u32,
        found: Found,
    ) -> Result<(FlightRow, Time), Error> {
        let row = match found {
            Found::InFlight(row) => row,
            Found::Visible(_) => {
                return Err(error::message_not_inflight("The specified message isn't in flight."));
            }
            Found::Newer | Found::Gone => {
                let reason = "Message does not exist or is not available for visibility timeout change.";
                return Err(limits::invalid_value(receipt.handle(&self.arn), "ReceiptHandle", reason));
            }
        };
        let until = tx.now().plus_secs(i64::from(secs));
        let most = limits::VISIBILITY.1;
        if until > row.received.plus_secs(i64::from(most)) {
            let reason =
                format!("Total VisibilityTimeout for the message is beyond the limit [{most} seconds].");
            return Err(limits::invalid_value(secs, "VisibilityTimeout", &reason));
        }
        Ok((row, until))
    }

    /// Sets until when a message in flight stays so; now: it is visible again.
    pub(super) fn fly_until(
        &mut self,
        tx: &mut Tx,
        seq: u64,
        row: FlightRow,
        until: Time,
    ) -> Result<(), Fault> {
        if self.hot()?.flights.get(seq).is_none() {
            // An earlier entry of the same batch has made it visible.
            return Ok(());
        }
        let row = FlightRow { visible_at: until, ..row };
        tx.write(self.place.at(Kind::Flight, seq), &row)?;
        let now = tx.now();
        let hot = self.hot()?;
        if until <= now {
            hot.landed(seq);
            self.wake(tx, 1);
        } else if let Some((_, group)) = hot.flights.remove(seq) {
            hot.flights.insert(seq, row, group);
        }
        Ok(())
    }
}
