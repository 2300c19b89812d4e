//! Rows, and what travels by the outbox.

use std::collections::BTreeMap;

use ropeway_core::Time;
use serde::{Deserialize, Serialize};

use crate::keys::GroupName;

/// A log group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// What names it.
    pub name: GroupName,
    /// Tells it from groups that had its name before.
    pub id: u64,
    /// When it was made.
    pub created: Time,
    /// `retentionInDays`; `None`: for ever.
    pub retention: Option<u32>,
    /// `deletionProtectionEnabled`
    pub protected: bool,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// How many subscription filters it has.
    pub filters: u32,
}

impl Group {
    /// Events before this moment have expired, at `now`.
    pub fn horizon(&self, now: Time) -> i64 {
        self.retention.map_or(0, |days| (now.millis() - i64::from(days) * DAY).max(0))
    }
}

/// Milliseconds of a day.
pub const DAY: i64 = 24 * 60 * 60 * 1000;

/// What of a group changes with its events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Number of the next stream or chunk.
    pub next: u64,
    /// Bytes of all events, as `PutLogEvents` counts them.
    pub bytes: u64,
    /// The longest time between a chunk's first and last event, in milliseconds: how far before a
    /// moment a chunk may begin that has events of that moment.
    pub longest: i64,
    /// When its retention is to be looked at, if a row says so.
    pub due: Option<Time>,
    /// No chunk begins before this moment: where scans start, for rows that went slow them down.
    pub gone_to: i64,
}

/// A log stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// The name.
    pub name: String,
    /// Tells it from streams that had its name before, in its group.
    pub id: u64,
    /// When it was made.
    pub created: Time,
    /// Times of the first and the last of its events, and when the last were put.
    pub events: Option<Extent>,
}

impl Stream {
    /// The time that streams are ordered by: those without events come first.
    pub fn last_event(&self) -> i64 {
        self.events.as_ref().map_or(0, |events| events.last)
    }
}

/// From when to when a stream has events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Time of the earliest event.
    pub first: i64,
    /// Time of the latest event.
    pub last: i64,
    /// When events were put last.
    pub ingested: Time,
}

/// What is known of a chunk without its events. Its key has the time of the first event and its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The stream's name.
    pub stream: String,
    /// The stream's id.
    pub stream_id: u64,
    /// Time of the last event.
    pub last: i64,
    /// When it was put.
    pub ingested: Time,
    /// Bytes of its events, as `PutLogEvents` counts them.
    pub bytes: u64,
    /// In how many rows its events are.
    pub parts: u32,
}

/// A subscription filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// The name.
    pub name: String,
    /// Tells it from filters that had its name before, in its group.
    pub id: u64,
    /// `filterPattern`
    pub pattern: String,
    /// `destinationArn`
    pub destination: String,
    /// `roleArn`: needed for delivery streams.
    pub role: Option<String>,
    /// `distribution`
    pub distribution: String,
    /// When it was made.
    pub created: Time,
}

/// Events to be filtered for a destination: what the actor gets, in the commit that took the events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// The group.
    pub group: GroupName,
    /// Its id.
    pub id: u64,
    /// The stream's name.
    pub stream: String,
    /// The filter as it was when the events came.
    pub filter: Filter,
    /// Numbers of the chunks, and in how many rows the events of each are.
    pub chunks: Vec<(u64, u32)>,
    /// When the events came.
    pub at: Time,
}
