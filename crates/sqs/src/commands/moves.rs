//! Messages go from one queue to another: to a dead-letter queue, and back by a move task.
//!
//! A message leaves in the commit that removes it here, as an effect in the outbox, and arrives exactly
//! once. If the other queue refuses it, it comes back to its old place.

use bytes::Bytes;
use ropeway_api::sqs::error;
use ropeway_core::keys::Space;
use ropeway_core::{Fault, Settled, Time, Tx};
use serde::{Deserialize, Serialize};

use super::hot::FlightRow;
use super::queue::Queue;
use super::send::new_id;
use super::timers::Budget;
use super::{Command, Moved, Output, SqsError, SqsMachine};
use crate::keys::{self, Kind};
use crate::message::{self, Head};
use crate::{address, limits};

/// A queue whose dead-letter queue refused a message keeps its messages for so long, in seconds.
const PAUSE_SECS: i64 = 60;
/// Messages that a task moves in one step.
const STEP: usize = 50;

/// A message that is about to leave.
pub struct Leaving {
    /// ARN of the queue that gets it.
    pub to: String,
    /// Number of the move task, if one moves it.
    pub task: Option<u64>,
    /// Its sequence number.
    pub seq: u64,
    /// Its head.
    pub head: Head,
    /// Its content, as it is stored.
    pub content: Bytes,
    /// How it was received last.
    pub flight: Option<FlightRow>,
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskStatus {
    /// It moves messages.
    Running,
    /// It has moved all of them.
    Completed,
    /// It was cancelled.
    Cancelled,
    /// A message could not be moved.
    Failed,
}

/// A message-move task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its number in its queue.
    pub number: u64,
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub status: TaskStatus,
    /// Where messages go; `None`: where each came from.
    pub destination: Option<String>,
    /// Messages per second, if that was asked for.
    pub rate: Option<u32>,
    /// When it was started.
    pub started: Time,
    /// Messages that there were to move when it was started.
    pub to_move: u64,
    /// Only messages below are moved: those that came before the task.
    pub below: u64,
    /// Messages that have left.
    pub left: u64,
    /// Messages that have arrived.
    pub moved: u64,
    /// Messages that came back.
    pub refused: u64,
    /// Nothing more is to leave.
    pub drained: bool,
    /// Why it failed.
    pub failure: Option<String>,
}

impl Task {
    /// It still moves messages.
    pub fn is_running(&self) -> bool {
        self.status == TaskStatus::Running
    }

    fn settle(&mut self) {
        if self.is_running() && self.drained && self.left == self.moved + self.refused {
            self.status = TaskStatus::Completed;
        }
    }

    fn fail(&mut self, why: &str) {
        if self.is_running() {
            self.status = TaskStatus::Failed;
            self.failure = Some(why.to_owned());
        }
    }
}

impl Queue {
    /// Writes a message's departure.
    pub(super) fn send_off(&self, tx: &mut Tx, leaving: &Leaving) -> Result<(), Fault> {
        let moved = Moved {
            to: leaving.to.clone(),
            from: self.arn.to_string(),
            from_number: self.row.number,
            seq: leaving.seq,
            task: leaving.task,
            head: leaving.head.clone(),
            content: leaving.content.clone(),
            flight: leaving.flight.clone(),
        };
        let shard = tx.shard_of(&leaving.to);
        tx.send(&leaving.to, Space::Sqs, shard, &Command::MoveIn(Box::new(moved)))?;
        self.erase(tx, leaving.seq, leaving.head.extent(), leaving.flight.is_some());
        Ok(())
    }

    /// Takes a message from another queue.
    ///
    /// To a dead-letter queue it comes with its id, and in a standard queue with its age; a move task
    /// makes it a new message (Developer Guide, "Using dead-letter queues", "Redrive").
    pub(super) fn move_in(&mut self, tx: &mut Tx, moved: Moved) -> Result<Output, SqsError> {
        let Moved { from, task, mut head, content, .. } = moved;
        let fifo = self.row.settings.fifo;
        if fifo && head.group.is_none() {
            return Err(limits::missing_parameter("MessageGroupId").into());
        }
        let now = tx.now();
        head.delayed = None;
        head.carried = task.is_none() && !fifo && head.sent < now;
        head.source = task.is_none().then_some(from);
        if task.is_some() {
            head.id = new_id(tx);
        }
        if !head.carried {
            head.sent = now;
        }
        let (expiry, place) = (self.expiry(now), self.place.clone());
        let seq = self.hot()?.counters.next_seq;
        message::write(tx, &place, seq, &mut head, &content)?;
        if head.carried {
            tx.put(place.timed(Kind::Carried, head.sent, seq), Bytes::new());
        }
        let hot = self.hot()?;
        hot.counters.next_seq += 1;
        hot.counters.total += 1;
        hot.dirty = true;
        hot.arrived(seq, head.group.as_deref());
        hot.head_due = hot.head_due.or(Some(expiry));
        if head.carried {
            hot.carried = Some(hot.carried.map_or(head.sent, |sent| sent.min(head.sent)));
        }
        self.wake(tx, 1);
        Ok(Output::Done)
    }

    /// Puts a message back that was refused.
    fn take_back(&mut self, tx: &mut Tx, moved: Moved) -> Result<(), Fault> {
        let Moved { seq, mut head, content, flight, .. } = moved;
        if seq < self.hot()?.counters.floor {
            return Ok(());
        }
        let (place, expiry) = (self.place.clone(), self.expiry(head.sent));
        message::write(tx, &place, seq, &mut head, &content)?;
        if head.carried {
            tx.put(place.timed(Kind::Carried, head.sent, seq), Bytes::new());
        }
        if let Some(row) = &flight {
            tx.write(place.at(Kind::Flight, seq), row)?;
        }
        let hot = self.hot()?;
        hot.counters.total += 1;
        hot.dirty = true;
        hot.returned += u64::from(flight.is_some());
        hot.head_due = Some(hot.head_due.map_or(expiry, |due| due.min(expiry)));
        if head.carried {
            hot.carried = Some(hot.carried.map_or(head.sent, |sent| sent.min(head.sent)));
        }
        let group = hot.ready.group(head.group.as_deref());
        hot.appeared(seq, group);
        hot.ready.forget(group);
        self.wake(tx, 1);
        Ok(())
    }

    fn write_task(&self, tx: &mut Tx, task: &Task) -> Result<(), Fault> {
        tx.write(self.place.at(Kind::Task, task.number), task)
    }

    /// Starts a task.
    pub(super) fn start_move(
        &mut self,
        tx: &mut Tx,
        destination: Option<String>,
        rate: Option<u32>,
    ) -> Result<Output, SqsError> {
        let hot = self.hot()?;
        if hot.tasks.iter().any(Task::is_running) {
            return Err(error::unsupported_operation(
                "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
            )
            .into());
        }
        let task = Task {
            number: hot.tasks.last().map_or(0, |task| task.number + 1),
            id: tx.ids().uuid(),
            status: TaskStatus::Running,
            destination,
            rate,
            started: tx.now(),
            to_move: hot.visible(),
            below: hot.counters.next_seq,
            left: 0,
            moved: 0,
            refused: 0,
            drained: false,
            failure: None,
        };
        let oldest = (hot.tasks.len() >= limits::MOVE_TASKS).then(|| hot.tasks.remove(0));
        hot.tasks.push(task.clone());
        hot.task_due = Some(tx.now());
        self.write_task(tx, &task)?;
        if let Some(oldest) = oldest {
            tx.delete(self.place.at(Kind::Task, oldest.number));
        }
        Ok(Output::Task(task))
    }

    /// Cancels a task; what it has moved stays moved.
    pub(super) fn cancel_move(&mut self, tx: &mut Tx, id: &str) -> Result<Output, SqsError> {
        let hot = self.hot()?;
        let task = hot.tasks.iter_mut().find(|task| task.id == id).ok_or_else(|| {
            error::resource_not_found_exception(
                "The resource that you specified for the TaskHandle parameter doesn't exist.",
            )
        })?;
        if !task.is_running() {
            return Err(error::unsupported_operation("Only active tasks can be cancelled.").into());
        }
        task.status = TaskStatus::Cancelled;
        hot.task_due = None;
        let task = task.clone();
        self.write_task(tx, &task)?;
        Ok(Output::Task(task))
    }

    /// The newest tasks, the newest first.
    pub(super) fn list_moves(&self) -> Output {
        let tasks = self.hot.iter().flat_map(|hot| hot.tasks.iter().rev());
        Output::Tasks(tasks.take(limits::MOVE_TASKS).cloned().collect())
    }

    /// One step of the running task.
    pub(super) async fn run_task(&mut self, tx: &mut Tx, budget: &mut Budget) -> Result<(), Fault> {
        let hot = self.hot()?;
        let Some(due) = hot.task_due.filter(|due| *due <= tx.now() && budget.is_left()) else {
            return Ok(());
        };
        let Some(mut task) = hot.tasks.iter().find(|task| task.is_running()).cloned() else {
            hot.task_due = None;
            return Ok(());
        };
        let rate = task.rate.unwrap_or(limits::MOVE_RATE).max(1);
        let most = (rate as usize / 10).clamp(1, STEP);
        let left = self.move_some(tx, &mut task, most, budget).await?;
        task.drained |= left == 0;
        task.left += left as u64;
        task.settle();
        self.write_task(tx, &task)?;
        let pause = left as i64 * 1000 / i64::from(rate);
        let go_on = task.is_running() && !task.drained;
        let hot = self.hot()?;
        hot.task_due = go_on.then(|| due.plus_millis(pause));
        if let Some(place) = hot.tasks.iter_mut().find(|known| known.number == task.number) {
            *place = task;
        }
        Ok(())
    }

    /// Sends messages off; says how many.
    async fn move_some(
        &mut self,
        tx: &mut Tx,
        task: &mut Task,
        most: usize,
        budget: &mut Budget,
    ) -> Result<usize, Fault> {
        let place = self.place.clone();
        let mut left = 0;
        while left < most && budget.is_left() && task.is_running() {
            let hot = self.hot()?;
            let Some((seq, group)) = hot.ready.pick(1).pop() else {
                if hot.refill(tx, &place).await? {
                    continue;
                }
                break;
            };
            if seq >= task.below {
                hot.ready.insert(seq, group);
                break;
            }
            let missing = || Fault::Damaged(format!("message {seq} of a queue is missing"));
            let (head, content) = message::read(tx, &place, seq).await?.ok_or_else(missing)?;
            let flight: Option<FlightRow> = tx.read(&place.at(Kind::Flight, seq)).await?;
            let hot = self.hot()?;
            let Some(to) = task.destination.clone().or_else(|| head.source.clone()) else {
                hot.ready.insert(seq, group);
                task.fail("CouldNotDetermineMessageSource");
                break;
            };
            hot.ready.forget(group);
            hot.returned = hot.returned.saturating_sub(u64::from(flight.is_some()));
            hot.counters.total = hot.counters.total.saturating_sub(1);
            hot.dirty = true;
            budget.rows = budget.rows.saturating_sub(3 + usize::from(head.parts));
            budget.bytes = budget.bytes.saturating_sub(content.len());
            self.send_off(tx, &Leaving { to, task: Some(task.number), seq, head, content, flight })?;
            left += 1;
        }
        Ok(left)
    }
}

impl SqsMachine {
    /// Queues with a running task get their turn at once.
    pub(super) async fn load_tasks(&mut self, tx: &Tx) -> Result<(), Fault> {
        let prefix = keys::all(Kind::Task);
        let mut after = None;
        loop {
            let page = tx.scan_prefix(&prefix, after.as_ref(), 1000).await?;
            for (key, row) in &page.rows {
                let task: Task = postcard::from_bytes(row)?;
                let number = keys::queue_of_task(key);
                if let Some(number) = number.filter(|_| task.is_running())
                    && let Some(queue) = self.queues.get_mut(&number)
                {
                    queue.due.replace(tx.now()).map(|due| self.agenda.remove(&(due, number)));
                    self.agenda.insert((tx.now(), number));
                }
            }
            after = page.rows.last().map(|(key, _)| key.clone());
            if !page.more || after.is_none() {
                return Ok(());
            }
        }
    }

    /// A message arrived at the other queue, or comes back.
    pub(super) async fn move_settled(&mut self, tx: &mut Tx, settled: Settled<'_>) -> Result<(), Fault> {
        if address::parse_arn(settled.lane).is_none() {
            return Ok(());
        }
        let Command::MoveIn(moved) = postcard::from_bytes(settled.payload)? else { return Ok(()) };
        let number = moved.from_number;
        let Some(queue) = self.queues.get_mut(&number) else { return Ok(()) };
        queue.open(tx, &self.setup).await?;
        let (task, now) = (moved.task, tx.now());
        let why = settled.result.err();
        if let Some(why) = why {
            tracing::warn!(from = %queue.arn, to = %moved.to, why, "a message comes back");
            queue.take_back(tx, *moved)?;
        }
        match task {
            Some(task) => queue.task_settled(tx, task, why)?,
            None if why.is_some() => queue.hot()?.redrive_paused = now.plus_secs(PAUSE_SECS),
            None => {}
        }
        self.touched(number);
        Ok(())
    }
}

impl Queue {
    fn task_settled(&mut self, tx: &mut Tx, number: u64, why: Option<&str>) -> Result<(), Fault> {
        let Some(task) = self.hot()?.tasks.iter_mut().find(|task| task.number == number) else {
            return Ok(());
        };
        match why {
            None => task.moved += 1,
            Some(why) => {
                task.refused += 1;
                task.fail(why);
            }
        }
        task.settle();
        let task = task.clone();
        self.write_task(tx, &task)
    }
}
