//! The machine: trails, the history and what waits for trails, as pure functions of rows and command.

mod buffers;
mod history;
mod trails;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ropeway_core::keys::{Scope, Space};
use ropeway_core::{Fault, Machine, Settled, Time, Tx};
use ropeway_wire::Error;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::keys;
use crate::model::{Buffer, Entry, Event, History, Key, Order, Selectors, Settings, Trail};
use crate::registry::Registry;

pub use history::KEPT_SECS;
pub use trails::not_found;

/// What can be asked of the machine. New variants and fields come last.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Command {
    /// Takes events.
    Record {
        /// account and region of the events
        scope: Scope,
        /// the events
        entries: Vec<Entry>,
    },
    /// Makes a trail.
    Create(Box<Trail>),
    /// Changes a trail.
    Change {
        /// its ARN
        arn: String,
        /// how
        change: Change,
    },
    /// Removes a trail.
    Delete {
        /// its ARN
        arn: String,
    },
    /// Looks into the history, from the newest event on.
    Lookup {
        /// account and region
        scope: Scope,
        /// from when on
        from: Time,
        /// until when, this moment included
        to: Time,
        /// only events before this one
        before: Option<(Time, u64)>,
        /// what is looked for
        wanted: Wanted,
        /// events that are looked at
        limit: u32,
    },
    /// Reads what waits for a trail.
    Read {
        /// account and region of the events
        scope: Scope,
        /// the trail's id
        trail: u64,
    },
    /// Reads events that wait for a trail.
    Fetch {
        /// account and region of the events
        scope: Scope,
        /// the trail's id
        trail: u64,
        /// number of the first
        from: u64,
        /// number behind the last
        to: u64,
        /// events that are read
        limit: u32,
    },
    /// Notes why a delivery failed.
    Failed {
        /// account and region of the events
        scope: Scope,
        /// the trail's id
        trail: u64,
        /// a digest's, not a file's
        digest: bool,
        /// why
        error: String,
    },
    /// Notes how a notification went.
    Notified {
        /// account and region of the events
        scope: Scope,
        /// the trail's id
        trail: u64,
        /// why not
        error: Option<String>,
    },
    /// Removes events that were delivered. Comes by the outbox.
    Clean {
        /// account and region of the events
        scope: Scope,
        /// the trail's id
        trail: u64,
        /// number of the first
        from: u64,
        /// number behind the last
        to: u64,
    },
    /// Reads the keys that digests are signed with.
    Keys {
        /// account and region
        scope: Scope,
    },
    /// Adds such a key, unless there is one that is good for longer.
    AddKey {
        /// account and region
        scope: Scope,
        /// the key
        key: Key,
    },
}

/// A change of a trail.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Change {
    /// `UpdateTrail`
    Settings(Settings),
    /// `PutEventSelectors`
    Selectors(Selectors),
    /// `StartLogging`, `StopLogging`
    Logging(bool),
    /// `AddTags`
    Tag(BTreeMap<String, String>),
    /// `RemoveTags`
    Untag(Vec<String>),
}

/// What `LookupEvents` looks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Wanted {
    /// Every event.
    All,
    /// `EventId`
    Id(String),
    /// `EventName`
    Name(String),
    /// `ReadOnly`
    ReadOnly(String),
    /// `Username`
    User(String),
    /// `ResourceType`
    ResourceType(String),
    /// `ResourceName`
    ResourceName(String),
    /// `EventSource`
    Source(String),
    /// `AccessKeyId`
    AccessKey(String),
}

/// What a command answers.
pub enum Output {
    /// Nothing more.
    Nothing,
    /// A trail.
    Trail(Box<Trail>),
    /// Events of the history with their places, and where to go on if there may be more.
    Events(Vec<((Time, u64), Event)>, Option<(Time, u64)>),
    /// Numbers and texts of waiting events.
    Lines(Vec<(u64, Bytes)>),
    /// What waits for a trail.
    Buffer(Box<Buffer>),
    /// Keys, oldest first.
    Keys(Vec<Key>),
}

/// A buffer, and whose it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Live {
    arn: String,
    buffer: Buffer,
}

/// CloudTrail's state in one shard. A command changes it only once nothing can fail any more.
pub struct CloudTrailMachine {
    registry: Arc<Registry>,
    trails: BTreeMap<String, Trail>,
    histories: BTreeMap<Scope, History>,
    buffers: BTreeMap<(Scope, u64), Live>,
}

impl CloudTrailMachine {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        let (trails, histories, buffers) = Default::default();
        CloudTrailMachine { registry, trails, histories, buffers }
    }

    /// The trail that a buffer is of, if it is still there.
    fn trail_of(&self, live: &Live, id: u64) -> Option<Arc<Trail>> {
        self.registry.get(&live.arn).filter(|trail| trail.id == id)
    }
}

/// Rows of a kind, all of them.
async fn rows<T: DeserializeOwned>(tx: &Tx, prefix: Bytes) -> Result<Vec<T>, Fault> {
    let (mut out, mut after) = (Vec::new(), None);
    loop {
        let page = tx.scan_prefix(&prefix, after.as_ref(), 256).await?;
        for (_, row) in &page.rows {
            out.push(postcard::from_bytes(row)?);
        }
        after = page.rows.last().map(|(key, _)| key.clone());
        if !page.more || after.is_none() {
            return Ok(out);
        }
    }
}

impl Machine for CloudTrailMachine {
    type Command = Command;
    type Output = Output;
    type Error = Error;
    const SPACE: Space = Space::CloudTrail;

    async fn load(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        for trail in rows::<Trail>(tx, keys::all_trails()).await? {
            self.registry.set(&trail.arn(), Some(&trail));
            self.trails.insert(trail.arn(), trail);
        }
        for (scope, history) in rows(tx, keys::all_histories()).await? {
            self.histories.insert(scope, history);
        }
        for (scope, id, live) in rows(tx, keys::all_buffers()).await? {
            self.buffers.insert((scope, id), live);
        }
        Ok(())
    }

    async fn apply(&mut self, tx: &mut Tx, command: Command) -> Result<Output, Error> {
        match command {
            Command::Record { scope, entries } => self.record(tx, &scope, entries),
            Command::Create(trail) => self.create(tx, *trail),
            Command::Change { arn, change } => self.change(tx, &arn, change),
            Command::Delete { arn } => self.delete(tx, &arn),
            Command::Lookup { scope, from, to, before, wanted, limit } => {
                Ok(history::lookup(tx, &scope, (from, to), before, &wanted, limit).await?)
            }
            Command::Read { scope, trail } => {
                let found = self.buffers.get(&(scope, trail)).map(|live| live.buffer.clone());
                Ok(Output::Buffer(Box::new(found.unwrap_or_default())))
            }
            Command::Fetch { scope, trail, from, to, limit } => {
                Ok(buffers::fetch(tx, &scope, trail, (from, to), limit).await?)
            }
            Command::Failed { scope, trail, digest, error } => {
                let now = tx.now();
                self.note(tx, (scope, trail), |buffer| {
                    let fared = if digest { &mut buffer.digested } else { &mut buffer.files };
                    (fared.tried, fared.error) = (Some(now), Some(error));
                })
            }
            Command::Notified { scope, trail, error } => {
                let now = tx.now();
                self.note(tx, (scope, trail), |buffer| {
                    let fared = &mut buffer.notified;
                    fared.tried = Some(now);
                    fared.done = if error.is_none() { Some(now) } else { fared.done };
                    fared.error = error;
                })
            }
            Command::Clean { scope, trail, from, to } => {
                buffers::clean(tx, &scope, trail, (from, to)).await?;
                Ok(Output::Nothing)
            }
            Command::Keys { scope } => Ok(Output::Keys(rows(tx, keys::signing_keys(&scope)).await?)),
            Command::AddKey { scope, key } => {
                let all: Vec<Key> = rows(tx, keys::signing_keys(&scope)).await?;
                if all.iter().all(|other| other.ends < key.ends) {
                    tx.write(keys::signing_key(&scope, key.begins), &key)?;
                }
                Ok(Output::Nothing)
            }
        }
    }

    fn grows(command: &Command) -> bool {
        matches!(command, Command::Record { .. } | Command::Create(_) | Command::Change { .. })
    }

    fn next_due(&self) -> Option<Time> {
        let histories = self.histories.values().filter_map(history::due);
        let buffers = self.buffers.values().filter_map(|live| buffers::due(&live.buffer));
        histories.chain(buffers).min()
    }

    async fn on_time(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        self.expire(tx).await?;
        self.close_due(tx)
    }

    async fn settled(&mut self, tx: &mut Tx, settled: Settled<'_>) -> Result<(), Fault> {
        if !settled.lane.starts_with(buffers::LANE) {
            return Ok(());
        }
        let order: Order = postcard::from_bytes(settled.payload)?;
        self.delivered(tx, order, settled.result)
    }
}
