//! The rows of purged and deleted queues go in steps of bounded size.

use bytes::Bytes;
use ropeway_core::{Fault, Time, Tx};
use serde::{Deserialize, Serialize};

use super::SqsMachine;
use crate::keys::{self, Kind, Place};
use crate::limits;

/// Rows removed in one step.
const STEP: usize = 200;

/// What is to be removed, and how far that has come; the row says so, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    place: Place,
    arn: String,
    /// Only messages below; `None`: everything, the queue was deleted.
    floor: Option<u64>,
    /// When the queue was deleted: its name is taken for a while.
    deleted: Option<Time>,
    /// Which of [`keys::SWEPT`] is being removed.
    step: usize,
    /// The last key that was looked at.
    after: Option<Vec<u8>>,
}

impl Sweep {
    /// Removes everything of a deleted queue.
    pub fn of_queue(place: Place, arn: &str, now: Time) -> Self {
        Sweep { place, arn: arn.to_owned(), floor: None, deleted: Some(now), step: 0, after: None }
    }

    /// Removes the messages of a queue below a sequence number.
    pub fn of_messages(place: Place, arn: &str, floor: u64) -> Self {
        Sweep { place, arn: arn.to_owned(), floor: Some(floor), deleted: None, step: 0, after: None }
    }

    /// Writes the row.
    pub fn write(&self, tx: &mut Tx) -> Result<(), Fault> {
        tx.write(self.place.all(Kind::Sweep), self)
    }

    /// When there is something to do.
    pub fn due(&self) -> Time {
        match self.deleted {
            Some(at) if self.kind().is_none() => at.plus_secs(limits::DELETED_SECS),
            _ => Time::default(),
        }
    }

    /// The kind of rows that is being removed; `None`: all are gone.
    fn kind(&self) -> Option<Kind> {
        keys::SWEPT.get(self.step).copied()
    }

    /// Whether a row is to be removed.
    fn takes(&self, kind: Kind, key: &[u8]) -> Result<bool, Fault> {
        let Some(floor) = self.floor else { return Ok(true) };
        let seq = match kind {
            Kind::Message | Kind::Flight | Kind::Delayed | Kind::Carried => {
                ropeway_core::keys::last_number(key)
            }
            Kind::Part => keys::part_of(key),
            _ => return Ok(false),
        };
        Ok(seq.ok_or_else(|| Fault::Damaged("a swept row's key".to_owned()))? < floor)
    }

    /// Removes some rows.
    async fn advance(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        let Some(kind) = self.kind() else { return Ok(()) };
        let prefix = self.place.all(kind);
        let after = self.after.take().map(Bytes::from);
        let page = tx.scan_prefix(&prefix, after.as_ref(), STEP).await?;
        let by_seq = matches!(kind, Kind::Message | Kind::Part | Kind::Flight);
        let mut over = !page.more;
        for (key, _) in &page.rows {
            if self.takes(kind, key)? {
                tx.delete(key.clone());
            } else if by_seq {
                over = true;
                break;
            }
        }
        match page.rows.last() {
            Some((key, _)) if !over => self.after = Some(key.to_vec()),
            _ => self.step += 1,
        }
        Ok(())
    }
}

impl SqsMachine {
    /// Goes on with what a crash or a stop interrupted.
    pub(super) async fn load_sweeps(&mut self, tx: &Tx) -> Result<(), Fault> {
        let prefix = keys::all(Kind::Sweep);
        let mut after = None;
        loop {
            let page = tx.scan_prefix(&prefix, after.as_ref(), STEP).await?;
            for (_, row) in &page.rows {
                let sweep: Sweep = postcard::from_bytes(row)?;
                self.sweeps.insert(sweep.place.queue, sweep);
            }
            after = page.rows.last().map(|(key, _)| key.clone());
            if !page.more || after.is_none() {
                return Ok(());
            }
        }
    }

    /// Whether a queue was deleted so short a time ago that its name is still taken.
    pub(super) fn was_deleted(&self, arn: &str, now: Time) -> bool {
        let recent = |at: Time| now < at.plus_secs(limits::DELETED_SECS);
        self.sweeps.values().any(|sweep| sweep.arn == arn && sweep.deleted.is_some_and(recent))
    }

    /// One step of one sweep.
    pub(super) async fn sweeps_on_time(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        let now = tx.now();
        let Some((number, sweep)) = self.sweeps.iter().find(|(_, sweep)| sweep.due() <= now) else {
            return Ok(());
        };
        let (number, mut sweep) = (*number, sweep.clone());
        sweep.advance(tx).await?;
        if sweep.kind().is_none() && sweep.deleted.is_none_or(|at| at.plus_secs(limits::DELETED_SECS) <= now)
        {
            tx.delete(sweep.place.all(Kind::Sweep));
            self.sweeps.remove(&number);
        } else {
            sweep.write(tx)?;
            self.sweeps.insert(number, sweep);
        }
        Ok(())
    }
}
