//! A queue: its row, and what it keeps in memory once it is used.

use std::collections::BTreeMap;
use std::sync::Arc;

use ropeway_core::seal::SealKey;
use ropeway_core::{Fault, Time, Tx};
use serde::{Deserialize, Serialize};

use super::hot::Hot;
use super::{Description, Output, SqsError};
use crate::keys::{Kind, Place};
use crate::message;
use crate::settings::Settings;
use crate::{Setup, address, limits};

/// A queue's own row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRow {
    /// The queue's number in its shard.
    pub number: u32,
    /// The settings.
    pub settings: Settings,
    /// The tags.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created: Time,
    /// When its settings were last changed.
    pub modified: Time,
}

/// A queue.
pub struct Queue {
    pub(super) place: Place,
    pub(super) name: String,
    pub(super) arn: Arc<str>,
    pub(super) row: QueueRow,
    pub(super) hot: Option<Hot>,
    pub(super) key: Option<SealKey>,
    /// Its entry in the agenda.
    pub(super) due: Option<Time>,
}

impl Queue {
    /// A queue from its row.
    pub fn new(place: Place, name: &str, row: QueueRow) -> Self {
        Queue {
            arn: Arc::from(address::arn(&place.scope, name)),
            name: name.to_owned(),
            place,
            row,
            hot: None,
            key: None,
            due: None,
        }
    }

    /// Builds what is kept in memory, at first use.
    pub async fn open(&mut self, tx: &Tx, setup: &Setup) -> Result<(), Fault> {
        if self.hot.is_none() {
            let fifo = self.row.settings.fifo;
            let window = if fifo { setup.options.fifo_window } else { setup.options.standard_window };
            self.hot = Some(Hot::build(tx, &self.place, fifo, window).await?);
        }
        if self.key.is_none() && self.row.settings.sealed {
            self.key = Some(message::seal_key(&setup.master, &self.arn));
        }
        Ok(())
    }

    /// What is kept in memory; [`Queue::open`] comes before everything that asks for it.
    pub(super) fn hot(&mut self) -> Result<&mut Hot, Fault> {
        self.hot.as_mut().ok_or_else(|| Fault::Damaged("a queue was used before it was opened".to_owned()))
    }

    /// The moment at which a message that was sent at `sent` is too old.
    pub(super) fn expiry(&self, sent: Time) -> Time {
        sent.plus_secs(i64::from(self.row.settings.retention))
    }

    /// The moment at which a delayed message becomes visible. A change of a FIFO queue's delay concerns
    /// the messages that it holds, too, so that their place is the moment they were sent.
    pub(super) fn appears(&self, at: Time) -> Time {
        if self.row.settings.fifo { at.plus_secs(i64::from(self.row.settings.delay)) } else { at }
    }

    /// The next moment at which there is something to do.
    pub fn next_due(&self) -> Option<Time> {
        let Some(hot) = &self.hot else { return self.due };
        let flight = hot.flights.next().map(|(at, _)| at);
        let delayed = hot.delayed.first().map(|(at, _)| self.appears(at));
        let carried = hot.carried.map(|sent| self.expiry(sent));
        let moments = [flight, delayed, hot.head_due, carried, hot.cleanup, hot.task_due];
        moments.into_iter().flatten().min()
    }

    /// Writes the counters: before a commit.
    pub fn write_counters(&mut self, tx: &mut Tx) {
        let Some(hot) = &mut self.hot else { return };
        hot.counters.low = hot.low();
        if let Err(fault) = tx.write(self.place.all(Kind::Counters), &hot.counters) {
            tracing::error!(queue = %self.arn, %fault, "a queue's counters were not written");
        }
    }

    /// Settings and counts.
    pub fn describe(&self) -> Output {
        let hot = self.hot.as_ref();
        Output::Described(Box::new(Description {
            settings: self.row.settings.clone(),
            tags: self.row.tags.clone(),
            created: self.row.created,
            modified: self.row.modified,
            visible: hot.map_or(0, Hot::visible),
            in_flight: hot.map_or(0, |hot| hot.flights.len() as u64),
            delayed: hot.map_or(0, |hot| hot.counters.delayed),
        }))
    }

    /// Changes tags.
    pub fn change_tags(
        &mut self,
        tx: &mut Tx,
        set: BTreeMap<String, String>,
        remove: &[String],
    ) -> Result<Output, SqsError> {
        let mut row = self.row.clone();
        row.tags.extend(set);
        for key in remove {
            row.tags.remove(key);
        }
        if row.tags.len() > limits::TAGS {
            let most = limits::TAGS;
            return Err(limits::invalid_parameter(format!(
                "Too many tags added for queue {}, the limit is {most}.",
                self.name
            ))
            .into());
        }
        self.write_row(tx, &row)?;
        self.row = row;
        Ok(Output::Done)
    }
}
