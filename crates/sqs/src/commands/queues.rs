//! Queues come, change and go.

use std::collections::BTreeMap;

use ropeway_api::sqs::error;
use ropeway_core::keys::{KeyBuilder, Scope, Space};
use ropeway_core::{Fault, Tx, directory};

use super::hot::{Counters, Hot};
use super::queue::{Queue, QueueRow};
use super::sweep::Sweep;
use super::{Create, Output, SqsError, SqsMachine};
use crate::keys::{self, Kind, Place};
use crate::settings::{SETTABLE, Settings};
use crate::{Setup, address, limits};

/// Rows read at once while loading.
const PAGE: usize = 1000;
/// A queue that nobody asks for is looked at so long after the start, for what is too old in it.
const IDLE_SECS: i64 = 60;

impl SqsMachine {
    /// Reads the queues' own rows; all else is read at a queue's first use.
    pub(super) async fn load_queues(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        self.next_number = tx.read(&numbers()).await?.unwrap_or(1);
        let prefix = keys::all(Kind::Queue);
        let mut after = None;
        loop {
            let page = tx.scan_prefix(&prefix, after.as_ref(), PAGE).await?;
            for (key, value) in &page.rows {
                self.load_queue(tx, key, postcard::from_bytes(value)?)?;
            }
            after = page.rows.last().map(|(key, _)| key.clone());
            if !page.more || after.is_none() {
                break;
            }
        }
        self.load_tasks(tx).await
    }

    fn load_queue(&mut self, tx: &Tx, key: &[u8], row: StoredQueue) -> Result<(), Fault> {
        let StoredQueue { scope, name, row } = row;
        if keys::queue(&scope, &name) != key {
            return Err(Fault::Damaged(format!("the row of queue {name} is not at its key")));
        }
        let mut queue = Queue::new(Place { scope, queue: row.number }, &name, row);
        publish_policy(&self.setup, &queue.arn, queue.row.settings.policy.as_deref());
        queue.due = Some(tx.now().plus_secs(IDLE_SECS + i64::from(queue.row.number) % IDLE_SECS));
        self.add(queue);
        Ok(())
    }

    fn add(&mut self, queue: Queue) {
        let number = queue.row.number;
        self.agenda.extend(queue.due.map(|due| (due, number)));
        self.by_arn.insert(queue.arn.to_string(), number);
        self.queues.insert(number, queue);
    }

    /// Makes a queue, or says that it is there with the same attributes.
    pub(super) async fn create(&mut self, tx: &mut Tx, create: Create) -> Result<Output, SqsError> {
        let Create { scope, name, attributes, tags } = create;
        let arn = address::arn(&scope, &name);
        if let Some(found) = self.by_arn.get(&arn).and_then(|number| self.queues.get(number)) {
            return same_attributes(&found.row.settings, &attributes)
                .map(|()| Output::Created { new: false });
        }
        if self.setup.options.strict_delays && self.was_deleted(&arn, tx.now()) {
            return Err(error::queue_deleted_recently(
                "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
            )
            .into());
        }
        let mut settings = Settings::new(address::is_fifo(&name));
        settings.set_all(&attributes)?;
        let number = self.next_number;
        let row = QueueRow { number, settings, tags, created: tx.now(), modified: tx.now() };
        let queue = Queue::new(Place { scope, queue: number }, &name, row);
        tx.write(numbers(), &(number + 1))?;
        queue.write_row(tx, &queue.row)?;
        directory::add_with(tx, &address::list_of_queues(&queue.place.scope), &name, &[])?;
        queue.list_as_source(tx, None, queue.row.settings.redrive.as_ref().map(|r| r.target.as_str()))?;
        queue.publish_after(tx, &self.setup, queue.row.settings.policy.clone());
        self.next_number = number + 1;
        self.add(queue);
        Ok(Output::Created { new: true })
    }

    /// Deletes a queue; its rows go in steps.
    pub(super) fn delete(&mut self, tx: &mut Tx, arn: &str) -> Result<Output, SqsError> {
        let number = *self.by_arn.get(arn).ok_or_else(limits::no_queue)?;
        let queue = self.queues.get(&number).ok_or_else(limits::no_queue)?;
        let sweep = Sweep::of_queue(queue.place.clone(), arn, tx.now());
        sweep.write(tx)?;
        tx.delete(keys::queue(&queue.place.scope, &queue.name));
        directory::remove_with(tx, &address::list_of_queues(&queue.place.scope), &queue.name)?;
        queue.list_as_source(tx, queue.row.settings.redrive.as_ref().map(|r| r.target.as_str()), None)?;
        queue.publish_after(tx, &self.setup, None);
        if let Some(due) = queue.due {
            self.agenda.remove(&(due, number));
        }
        self.by_arn.remove(arn);
        self.queues.remove(&number);
        self.dirty.remove(&number);
        self.sweeps.insert(number, sweep);
        Ok(Output::Done)
    }

    /// Empties a queue: it is empty at once, its rows go in steps.
    pub(super) async fn purge(&mut self, tx: &mut Tx, arn: &str) -> Result<Output, SqsError> {
        let queue = self.queue(tx, arn).await?;
        let now = tx.now();
        let counters = queue.hot()?.counters.clone();
        if counters.purged.is_some_and(|at| now < at.plus_secs(limits::PURGE_SECS)) {
            return Err(error::purge_queue_in_progress(format!(
                "Only one PurgeQueue operation on {} is allowed every {} seconds.",
                queue.name,
                limits::PURGE_SECS
            ))
            .into());
        }
        let floor = counters.next_seq;
        let sweep = Sweep::of_messages(queue.place.clone(), arn, floor);
        sweep.write(tx)?;
        let number = queue.row.number;
        let fifo = queue.row.settings.fifo;
        let hot = queue.hot()?;
        let counters =
            Counters { next_seq: floor, low: floor, floor, purged: Some(now), ..Counters::default() };
        let cleanup = hot.cleanup;
        let (tasks, task_due) = (std::mem::take(&mut hot.tasks), hot.task_due);
        let empty = Hot::empty(counters, hot.window, fifo);
        *hot = Hot { cleanup, tasks, task_due, ..empty };
        self.sweeps.insert(number, sweep);
        Ok(Output::Done)
    }
}

impl Queue {
    /// Sets attributes.
    pub fn set_attributes(
        &mut self,
        tx: &mut Tx,
        setup: &Setup,
        attributes: &BTreeMap<String, String>,
    ) -> Result<Output, SqsError> {
        let mut settings = self.row.settings.clone();
        settings.set_all(attributes)?;
        self.change_settings(tx, setup, settings)
    }

    /// Writes changed settings, and sees to what follows from them.
    pub(super) fn change_settings(
        &mut self,
        tx: &mut Tx,
        setup: &Setup,
        settings: Settings,
    ) -> Result<Output, SqsError> {
        let row = QueueRow { settings, modified: tx.now(), ..self.row.clone() };
        let target = |row: &QueueRow| row.settings.redrive.as_ref().map(|r| r.target.clone());
        self.write_row(tx, &row)?;
        self.list_as_source(tx, target(&self.row).as_deref(), target(&row).as_deref())?;
        if row.settings.policy != self.row.settings.policy {
            self.publish_after(tx, setup, row.settings.policy.clone());
        }
        let now = tx.now();
        let hot = self.hot()?;
        // The retention may have become shorter, and a redrive policy may name another queue.
        hot.head_due = (hot.counters.total > 0).then_some(now);
        hot.redrive_paused = ropeway_core::Time::default();
        if !row.settings.sealed {
            self.key = None;
        }
        self.row = row;
        Ok(Output::Done)
    }

    /// Writes the queue's own row.
    ///
    /// # Errors
    /// `InvalidParameterValue` if it does not fit into one: all tags at their longest, in letters of four bytes.
    pub(super) fn write_row(&self, tx: &mut Tx, row: &QueueRow) -> Result<(), SqsError> {
        let stored =
            StoredQueue { scope: self.place.scope.clone(), name: self.name.clone(), row: row.clone() };
        let bytes = postcard::to_stdvec(&stored).map_err(Fault::from)?;
        if bytes.len() > limits::QUEUE_ROW {
            let most = limits::QUEUE_ROW;
            return Err(limits::invalid_parameter(format!(
                "The attributes and tags of a queue come to {most} bytes at most."
            ))
            .into());
        }
        tx.put(keys::queue(&self.place.scope, &self.name), bytes.into());
        Ok(())
    }

    /// Keeps the list of a dead-letter queue's sources right when this queue's redrive policy changes.
    fn list_as_source(&self, tx: &mut Tx, before: Option<&str>, after: Option<&str>) -> Result<(), Fault> {
        if before == after {
            return Ok(());
        }
        if let Some(before) = before {
            directory::remove_with(tx, &address::list_of_sources(before), &self.arn)?;
        }
        if let Some(after) = after {
            directory::add_with(tx, &address::list_of_sources(after), &self.arn, &[])?;
        }
        Ok(())
    }

    /// Makes the policy known to the gate once it is durable.
    fn publish_after(&self, tx: &mut Tx, setup: &Setup, policy: Option<String>) {
        let (setup, arn) = (setup.clone(), self.arn.clone());
        tx.after_commit(move || publish_policy(&setup, &arn, policy.as_deref()));
    }
}

fn publish_policy(setup: &Setup, arn: &str, policy: Option<&str>) {
    setup.gate.set_resource_policy(arn, policy);
}

/// A queue's row, with the name that its key has in another form.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct StoredQueue {
    scope: Scope,
    name: String,
    row: QueueRow,
}

/// The row of the next queue's number: the shard's own.
fn numbers() -> bytes::Bytes {
    KeyBuilder::unscoped(Space::Sqs, Kind::Numbers as u8).build()
}

/// `CreateQueue` of a queue that exists is answered if the attributes that it names are the same.
fn same_attributes(settings: &Settings, attributes: &BTreeMap<String, String>) -> Result<(), SqsError> {
    let mut wanted = settings.clone();
    wanted.set_all(attributes)?;
    match SETTABLE.iter().find(|name| settings.get(name) != wanted.get(name)) {
        None => Ok(()),
        Some(name) => Err(error::queue_name_exists(format!(
            "A queue already exists with the same name and a different value for attribute {name}"
        ))
        .into()),
    }
}
