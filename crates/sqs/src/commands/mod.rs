//! State changes: what a shard's machine is asked, and how it answers.

mod delete;
mod deliver;
mod hot;
mod moves;
mod policy;
mod queue;
mod queues;
mod ready;
mod receive;
mod send;
mod sweep;
mod timers;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use ropeway_api::sqs::error;
use ropeway_core::effects::QueueDelivery;
use ropeway_core::keys::{Scope, Space};
use ropeway_core::{Fault, Machine, MachineError, Settled, ShardId, Time, Tx};
use ropeway_wire::Error;
use serde::{Deserialize, Serialize};

use crate::message::Head;
use crate::receipt::Receipt;
use crate::settings::Settings;
use crate::{Setup, limits};

pub use hot::FlightRow;
pub use moves::{Task, TaskStatus};
pub use queue::Queue;
use sweep::Sweep;
use timers::Budget;

/// What is asked of the queue machine of a shard. Variants and fields are only added at the end: what
/// stands in outboxes has this form. Queues are named by their ARNs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// A message from another service: [`ropeway_core::effects::SqsCommand::Deliver`].
    Deliver(QueueDelivery),
    /// A message from another queue.
    MoveIn(Box<Moved>),
    /// Makes a queue.
    Create(Create),
    /// Reads a queue's settings and counts.
    Describe {
        /// the queue
        queue: String,
    },
    /// Deletes a queue with all its messages.
    Delete {
        /// the queue
        queue: String,
    },
    /// Sets attributes, by their names in the API.
    SetAttributes {
        /// the queue
        queue: String,
        /// names and values
        attributes: BTreeMap<String, String>,
    },
    /// Adds tags, and removes others.
    ChangeTags {
        /// the queue
        queue: String,
        /// tags to set
        set: BTreeMap<String, String>,
        /// keys of tags to remove
        remove: Vec<String>,
    },
    /// Adds a statement to the policy.
    AddPermission {
        /// the queue
        queue: String,
        /// the statement's id
        label: String,
        /// whom it lets in
        accounts: Vec<String>,
        /// names of operations
        actions: Vec<String>,
    },
    /// Removes a statement from the policy.
    RemovePermission {
        /// the queue
        queue: String,
        /// the statement's id
        label: String,
    },
    /// Removes every message.
    Purge {
        /// the queue
        queue: String,
    },
    /// Stores messages.
    Send(Send),
    /// Hands out messages.
    Receive(Receive),
    /// Deletes messages that were received.
    DeleteMessages {
        /// the queue
        queue: String,
        /// which
        receipts: Vec<Receipt>,
    },
    /// Changes until when messages are in flight.
    ChangeVisibility {
        /// the queue
        queue: String,
        /// which, and seconds from now
        changes: Vec<(Receipt, u32)>,
    },
    /// Starts a message-move task.
    StartMove {
        /// the queue to empty
        queue: String,
        /// where to; `None`: where each message came from
        destination: Option<String>,
        /// messages per second
        rate: Option<u32>,
    },
    /// Ends a message-move task.
    CancelMove {
        /// the queue that is being emptied
        queue: String,
        /// the task's id
        task: String,
    },
    /// Reads the newest message-move tasks.
    ListMoves {
        /// the queue to empty
        queue: String,
    },
}

/// Makes a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Create {
    /// Account and region.
    pub scope: Scope,
    /// The name.
    pub name: String,
    /// The attributes that were given, by their names in the API.
    pub attributes: BTreeMap<String, String>,
    /// The tags.
    pub tags: BTreeMap<String, String>,
}

/// Stores messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Send {
    /// The queue.
    pub queue: String,
    /// The sender's unique id.
    pub sender: String,
    /// The messages.
    pub entries: Vec<SendEntry>,
}

/// A message to store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendEntry {
    /// The binary form of [`crate::message::Content`].
    pub content: Bytes,
    /// Bytes of body and attributes, as SQS counts them.
    pub size: u32,
    /// Seconds; `None`: the queue's.
    pub delay: Option<u32>,
    /// The group.
    pub group: Option<String>,
    /// The deduplication id that the sender gave.
    pub dedup: Option<String>,
    /// SHA-256 of the body in hexadecimal, for a FIFO queue's message without a deduplication id.
    pub content_id: Option<String>,
    /// The X-Ray header.
    pub trace_header: Option<String>,
}

/// Hands out messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receive {
    /// The queue.
    pub queue: String,
    /// At most so many.
    pub max: u32,
    /// Seconds in flight; `None`: the queue's.
    pub visibility: Option<u32>,
    /// `ReceiveRequestAttemptId`.
    pub attempt: Option<String>,
}

/// A message on its way from one queue to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// ARN of the queue that gets it.
    pub to: String,
    /// ARN of the queue that it leaves.
    pub from: String,
    /// Number of the queue that it leaves: if that is another one by now, it is not taken back.
    pub from_number: u32,
    /// Its sequence number there.
    pub seq: u64,
    /// Number of the move task; `None`: it was received too often.
    pub task: Option<u64>,
    /// Its head.
    pub head: Head,
    /// Its content, as it is stored.
    pub content: Bytes,
    /// How it had been received last, if it was.
    pub flight: Option<FlightRow>,
}

/// What a command answers.
#[derive(Debug)]
pub enum Output {
    /// Nothing.
    Done,
    /// A queue was made, or was there already.
    Created {
        /// it is new
        new: bool,
    },
    /// [`Command::Describe`]
    Described(Box<Description>),
    /// [`Command::Send`]: one for each entry.
    Sent(Vec<Result<Sent, Error>>),
    /// [`Command::Receive`]
    Received(Received),
    /// One for each entry of a batch.
    Entries(Vec<Result<(), Error>>),
    /// A task.
    Task(Task),
    /// [`Command::ListMoves`], the newest first.
    Tasks(Vec<Task>),
}

/// A queue's settings and counts.
#[derive(Debug, Clone)]
pub struct Description {
    /// The settings.
    pub settings: Settings,
    /// The tags.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created: Time,
    /// When its settings were last changed.
    pub modified: Time,
    /// Visible messages.
    pub visible: u64,
    /// Messages in flight.
    pub in_flight: u64,
    /// Delayed messages.
    pub delayed: u64,
}

/// A message that was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The message's id.
    pub id: [u8; 16],
    /// Its sequence number.
    pub seq: u64,
}

/// What a receive found.
#[derive(Debug)]
pub struct Received {
    /// The messages.
    pub messages: Vec<ReceivedMessage>,
    /// The queue's `ReceiveMessageWaitTimeSeconds`.
    pub wait: u32,
    /// As many messages are in flight as may be.
    pub over_limit: bool,
}

/// A message that is handed out.
#[derive(Debug, Clone)]
pub struct ReceivedMessage {
    /// Its head.
    pub head: Head,
    /// Its content, as it is stored.
    pub content: Bytes,
    /// The receipt.
    pub receipt: Receipt,
    /// How often it was received, this time included.
    pub count: u32,
    /// When it was first received.
    pub first: Time,
}

/// Why a command failed.
#[derive(Debug)]
pub enum SqsError {
    /// An error of SQS's own.
    Service(Error),
    /// Below the service.
    Fault(Fault),
}

impl From<Error> for SqsError {
    fn from(error: Error) -> Self {
        SqsError::Service(error)
    }
}

impl From<Fault> for SqsError {
    fn from(fault: Fault) -> Self {
        SqsError::Fault(fault)
    }
}

impl From<SqsError> for Error {
    fn from(error: SqsError) -> Self {
        match error {
            SqsError::Service(error) => error,
            SqsError::Fault(Fault::Overloaded) => {
                error::request_throttled("The request was denied due to request throttling.")
            }
            SqsError::Fault(fault) => fault.into(),
        }
    }
}

impl std::fmt::Display for SqsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SqsError::Service(error) => error.fmt(f),
            SqsError::Fault(fault) => fault.fmt(f),
        }
    }
}

impl MachineError for SqsError {
    fn is_transient(&self) -> bool {
        match self {
            SqsError::Service(error) => error.is_transient(),
            SqsError::Fault(_) => true,
        }
    }
}

/// The queues of one shard.
pub struct SqsMachine {
    setup: Setup,
    queues: BTreeMap<u32, Queue>,
    by_arn: HashMap<String, u32>,
    next_number: u32,
    /// When each queue has something to do.
    agenda: BTreeSet<(Time, u32)>,
    /// Queues whose counters changed since the last commit.
    dirty: BTreeSet<u32>,
    /// Rows to be removed, by the number of the queue whose they are.
    sweeps: BTreeMap<u32, Sweep>,
}

impl SqsMachine {
    /// The machine of a shard.
    pub fn new(_shard: ShardId, setup: Setup) -> Self {
        SqsMachine {
            setup,
            queues: BTreeMap::new(),
            by_arn: HashMap::new(),
            next_number: 1,
            agenda: BTreeSet::new(),
            dirty: BTreeSet::new(),
            sweeps: BTreeMap::new(),
        }
    }

    /// A queue that exists, its state in memory built. Its first use is a turn as well: what became due
    /// while nobody looked is done before the command sees the queue.
    async fn queue(&mut self, tx: &mut Tx, arn: &str) -> Result<&mut Queue, SqsError> {
        let number = self.by_arn.get(arn).ok_or_else(limits::no_queue)?;
        let queue = self.queues.get_mut(number).ok_or_else(limits::no_queue)?;
        let first_use = queue.hot.is_none();
        queue.open(tx, &self.setup).await?;
        if first_use {
            queue.on_time(tx, &mut Budget::within_a_command()).await?;
        }
        Ok(queue)
    }

    /// Takes note of what a queue has to write and to do, after it was changed.
    fn touched(&mut self, number: u32) {
        let Some(queue) = self.queues.get_mut(&number) else { return };
        if queue.hot.as_mut().is_some_and(|hot| std::mem::take(&mut hot.dirty)) {
            self.dirty.insert(number);
        }
        let due = queue.next_due();
        // An entry that comes too early costs one look; moving it with every message would cost more.
        if due.is_some_and(|due| queue.due.is_none_or(|noted| due < noted)) {
            if let Some(noted) = queue.due {
                self.agenda.remove(&(noted, number));
            }
            queue.due = due;
            self.agenda.extend(due.map(|due| (due, number)));
        }
    }

    async fn run(&mut self, tx: &mut Tx, command: Command) -> Result<Output, SqsError> {
        match command {
            Command::Create(create) => self.create(tx, create).await,
            Command::Delete { queue } => self.delete(tx, &queue),
            Command::Purge { queue } => self.purge(tx, &queue).await,
            Command::Deliver(delivery) => {
                let setup = self.setup.clone();
                self.queue(tx, &delivery.queue).await?.deliver(tx, &setup, delivery).await
            }
            Command::MoveIn(moved) => {
                let queue = self.queue(tx, &moved.to).await?;
                queue.move_in(tx, *moved)
            }
            Command::Describe { queue } => Ok(self.queue(tx, &queue).await?.describe()),
            Command::SetAttributes { queue, attributes } => {
                let setup = self.setup.clone();
                self.queue(tx, &queue).await?.set_attributes(tx, &setup, &attributes)
            }
            Command::ChangeTags { queue, set, remove } => {
                self.queue(tx, &queue).await?.change_tags(tx, set, &remove)
            }
            Command::AddPermission { queue, label, accounts, actions } => {
                let setup = self.setup.clone();
                self.queue(tx, &queue).await?.add_permission(tx, &setup, &label, &accounts, &actions)
            }
            Command::RemovePermission { queue, label } => {
                let setup = self.setup.clone();
                self.queue(tx, &queue).await?.remove_permission(tx, &setup, &label)
            }
            Command::Send(send) => self.queue(tx, &send.queue).await?.send(tx, send).await,
            Command::Receive(receive) => self.queue(tx, &receive.queue).await?.receive(tx, &receive).await,
            Command::DeleteMessages { queue, receipts } => {
                self.queue(tx, &queue).await?.delete_messages(tx, &receipts).await
            }
            Command::ChangeVisibility { queue, changes } => {
                self.queue(tx, &queue).await?.change_visibility(tx, &changes).await
            }
            Command::StartMove { queue, destination, rate } => {
                self.queue(tx, &queue).await?.start_move(tx, destination, rate)
            }
            Command::CancelMove { queue, task } => self.queue(tx, &queue).await?.cancel_move(tx, &task),
            Command::ListMoves { queue } => Ok(self.queue(tx, &queue).await?.list_moves()),
        }
    }
}

impl Command {
    /// The ARN of the queue that it is about; a new one has none yet.
    fn queue(&self) -> Option<&str> {
        match self {
            Command::Create(_) => None,
            Command::Deliver(delivery) => Some(&delivery.queue),
            Command::MoveIn(moved) => Some(&moved.to),
            Command::Send(send) => Some(&send.queue),
            Command::Receive(receive) => Some(&receive.queue),
            Command::Describe { queue }
            | Command::Delete { queue }
            | Command::SetAttributes { queue, .. }
            | Command::ChangeTags { queue, .. }
            | Command::AddPermission { queue, .. }
            | Command::RemovePermission { queue, .. }
            | Command::Purge { queue }
            | Command::DeleteMessages { queue, .. }
            | Command::ChangeVisibility { queue, .. }
            | Command::StartMove { queue, .. }
            | Command::CancelMove { queue, .. }
            | Command::ListMoves { queue } => Some(queue),
        }
    }
}

impl Machine for SqsMachine {
    type Command = Command;
    type Output = Output;
    type Error = SqsError;
    const SPACE: Space = Space::Sqs;

    async fn load(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        self.load_queues(tx).await?;
        self.load_sweeps(tx).await
    }

    async fn apply(&mut self, tx: &mut Tx, command: Command) -> Result<Output, SqsError> {
        let number = command.queue().and_then(|arn| self.by_arn.get(arn)).copied();
        let queue = number.and_then(|number| self.queues.get(&number));
        let first_use = queue.is_some_and(|queue| queue.hot.is_none());
        let result = self.run(tx, command).await;
        let Some(number) = number else { return result };
        if first_use && result.is_err() {
            // What the first use has written is dropped with the command, so its memory is, too.
            self.queues.entry(number).and_modify(|queue| queue.hot = None);
        }
        self.touched(number);
        result
    }

    fn grows(command: &Command) -> bool {
        matches!(
            command,
            Command::Deliver(_)
                | Command::MoveIn(_)
                | Command::Create(_)
                | Command::Send(_)
                | Command::SetAttributes { .. }
                | Command::AddPermission { .. }
        )
    }

    fn next_due(&self) -> Option<Time> {
        let queue = self.agenda.first().map(|(due, _)| *due);
        let sweep = self.sweeps.values().map(Sweep::due).min();
        queue.into_iter().chain(sweep).min()
    }

    async fn on_time(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        self.queues_on_time(tx).await?;
        self.sweeps_on_time(tx).await
    }

    fn before_commit(&mut self, tx: &mut Tx) {
        for number in std::mem::take(&mut self.dirty) {
            if let Some(queue) = self.queues.get_mut(&number) {
                queue.write_counters(tx);
            }
        }
    }

    async fn settled(&mut self, tx: &mut Tx, settled: Settled<'_>) -> Result<(), Fault> {
        self.move_settled(tx, settled).await
    }
}
