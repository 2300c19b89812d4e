//! The machine: log groups, their streams, events and filters, as pure functions of rows and command.

mod clean;
mod events;
mod filters;
mod groups;
mod read;
mod streams;

use std::collections::BTreeMap;

use bytes::Bytes;
use ropeway_api::logs::error;
use ropeway_core::keys::Space;
use ropeway_core::{Fault, Machine, Settled, Time, Tx};
use ropeway_wire::Error;
use serde::{Deserialize, Serialize};

use crate::chunk::NewChunk;
use crate::keys::{self, GroupName, GroupRows};
use crate::model::{Filter, Group, Stats, Stream};
use crate::subscription;

pub use read::{Fetched, Range, Read, Streams};

/// What can be asked of the machine. New variants and fields come last.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Command {
    /// Removes chunks and streams of a group that is no more, or chunks of a stream that is no more.
    /// Comes by the outbox.
    Clean {
        /// the group
        rows: GroupRows,
        /// the stream; `None`: all of the group
        stream: Option<u64>,
        /// the last key that was removed: what goes on behind it need not pass what is gone
        after: Option<Bytes>,
    },
    /// Makes a log group.
    CreateGroup {
        /// its name
        group: GroupName,
        /// tags
        tags: BTreeMap<String, String>,
        /// `deletionProtectionEnabled`
        protected: bool,
    },
    /// Removes a log group with all that it has.
    DeleteGroup {
        /// its name
        group: GroupName,
    },
    /// Reads a log group.
    ReadGroup {
        /// its name
        group: GroupName,
    },
    /// Changes what is set for a group.
    SetGroup {
        /// its name
        group: GroupName,
        /// the change
        change: Change,
    },
    /// Makes a log stream.
    CreateStream {
        /// the group
        group: GroupName,
        /// the stream's name
        stream: String,
    },
    /// Removes a log stream with its events.
    DeleteStream {
        /// the group
        group: GroupName,
        /// the stream's name
        stream: String,
    },
    /// Reads streams in order.
    ReadStreams {
        /// the group
        group: GroupName,
        /// which, and in which order
        streams: Streams,
    },
    /// Takes events: all of them, or none.
    Put {
        /// the group
        group: GroupName,
        /// the stream's name
        stream: String,
        /// the events
        chunks: Vec<NewChunk>,
    },
    /// Reads chunks of events.
    Fetch {
        /// the group
        group: GroupName,
        /// which
        range: Range,
    },
    /// Makes or replaces a subscription filter.
    PutFilter {
        /// the group
        group: GroupName,
        /// the filter; its id and time are the machine's to give
        filter: Filter,
    },
    /// Removes a subscription filter.
    DeleteFilter {
        /// the group
        group: GroupName,
        /// the filter's name
        name: String,
    },
    /// Reads all subscription filters.
    ReadFilters {
        /// the group
        group: GroupName,
    },
    /// Reads the events of chunks, for the actor.
    ReadBodies {
        /// the group
        group: GroupName,
        /// its id
        id: u64,
        /// numbers of the chunks, and in how many rows the events of each are
        chunks: Vec<(u64, u32)>,
    },
}

/// A change of what is set for a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// `retentionInDays`
    Retention(Option<u32>),
    /// `deletionProtectionEnabled`
    Protection(bool),
    /// Tags to add or replace, and keys of tags to remove.
    Tags(BTreeMap<String, String>, Vec<String>),
}

/// What a command answers.
#[derive(Debug, Clone)]
pub enum Output {
    /// nothing
    Nothing,
    /// a group, and what changes with its events
    Group(Box<Group>, Stats),
    /// streams, and whether there are more
    Streams(Vec<Stream>, bool),
    /// chunks of events
    Fetched(Fetched),
    /// subscription filters, by name
    Filters(Vec<Filter>),
    /// the events of chunks, sealed, with the chunks' numbers; those that are no more are left out
    Bodies(Vec<(u64, Bytes)>),
}

/// The logs' state in one shard: all of it is in rows, but the moment of the next retention.
#[derive(Default)]
pub struct LogsMachine {
    /// At which retention has something to do, or earlier.
    next_due: Option<Time>,
}

/// The error for a group that isn't there.
pub fn no_group() -> Error {
    error::resource_not_found_exception("The specified log group does not exist.")
}

/// The error for a stream that isn't there.
pub fn no_stream() -> Error {
    error::resource_not_found_exception("The specified log stream does not exist.")
}

/// Reads a group and the keys of its rows.
async fn group(tx: &Tx, name: &GroupName) -> Result<(Group, GroupRows), Error> {
    let group: Group = tx.read(&name.key()).await?.ok_or_else(no_group)?;
    let rows = name.rows(group.id);
    Ok((group, rows))
}

async fn stats(tx: &Tx, rows: &GroupRows) -> Result<Stats, Fault> {
    Ok(tx.read(&rows.stats()).await?.unwrap_or_default())
}

async fn stream(tx: &Tx, rows: &GroupRows, name: &str) -> Result<Stream, Error> {
    tx.read(&rows.stream(name)).await?.ok_or_else(no_stream)
}

impl LogsMachine {
    /// Retention is to be looked at by then.
    fn expect(&mut self, due: Option<Time>) {
        self.next_due = self.next_due.into_iter().chain(due).min();
    }

    async fn find_next_due(&mut self, tx: &Tx) -> Result<(), Fault> {
        let page = tx.scan_prefix(&keys::all_due(), None, 1).await?;
        self.next_due = page.rows.first().and_then(|(key, _)| keys::due_at(key));
        Ok(())
    }
}

impl Machine for LogsMachine {
    type Command = Command;
    type Output = Output;
    type Error = Error;
    const SPACE: Space = Space::Logs;

    async fn load(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        self.find_next_due(tx).await
    }

    async fn apply(&mut self, tx: &mut Tx, command: Command) -> Result<Output, Error> {
        match command {
            Command::Clean { rows, stream, after } => {
                clean::clean(tx, &rows, stream, after).await?;
                Ok(Output::Nothing)
            }
            Command::CreateGroup { group, tags, protected } => {
                groups::create(tx, group, tags, protected).await
            }
            Command::DeleteGroup { group } => groups::delete(tx, &group).await,
            Command::ReadGroup { group: name } => {
                let (group, rows) = group(tx, &name).await?;
                Ok(Output::Group(Box::new(group), stats(tx, &rows).await?))
            }
            Command::SetGroup { group, change } => self.set(tx, &group, change).await,
            Command::CreateStream { group, stream } => streams::create(tx, &group, stream).await,
            Command::DeleteStream { group, stream } => streams::delete(tx, &group, &stream).await,
            Command::ReadStreams { group, streams } => read::streams(tx, &group, streams).await,
            Command::Put { group, stream, chunks } => self.put(tx, &group, &stream, chunks).await,
            Command::Fetch { group, range } => read::fetch(tx, &group, range).await,
            Command::PutFilter { group, filter } => filters::put(tx, &group, filter).await,
            Command::DeleteFilter { group, name } => filters::delete(tx, &group, &name).await,
            Command::ReadFilters { group: name } => {
                let (_, rows) = group(tx, &name).await?;
                Ok(Output::Filters(filters::all(tx, &rows).await?))
            }
            Command::ReadBodies { group, id, chunks } => read::bodies(tx, &group.rows(id), &chunks).await,
        }
    }

    fn grows(command: &Command) -> bool {
        matches!(
            command,
            Command::CreateGroup { .. }
                | Command::SetGroup { .. }
                | Command::CreateStream { .. }
                | Command::Put { .. }
                | Command::PutFilter { .. }
        )
    }

    fn next_due(&self) -> Option<Time> {
        self.next_due
    }

    /// Looks at the retention that is due first.
    async fn on_time(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        clean::expire(tx).await?;
        self.find_next_due(tx).await
    }

    /// What the actor made of events goes to the filter's destination.
    async fn settled(&mut self, tx: &mut Tx, settled: Settled<'_>) -> Result<(), Fault> {
        subscription::settled(tx, settled)
    }
}
