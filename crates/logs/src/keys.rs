//! The part of the key catalogue that is CloudWatch Logs'. The kinds never change.

use bytes::Bytes;
use ropeway_core::Time;
use ropeway_core::keys::{KeyBuilder, Scope, Space};

/// A log group: scope, name.
const GROUP: u8 = 1;
/// What of a log group changes with its events: scope, the group's id.
const STATS: u8 = 2;
/// A log stream: scope, the group's id, name.
const STREAM: u8 = 3;
/// The streams by their last event: scope, the group's id, time, name.
const RECENT: u8 = 4;
/// The chunks of a group by time: scope, the group's id, time of the first event, number.
const CHUNK: u8 = 5;
/// The chunks of a stream by time: scope, the group's id, the stream's id, time of the first event, number.
const STREAM_CHUNK: u8 = 6;
/// A part of a chunk's events: scope, the group's id, the chunk's number, number of the part.
const BODY: u8 = 7;
/// A subscription filter: scope, the group's id, name.
const FILTER: u8 = 8;
/// When a group's retention has something to do: time, account, region, name.
const DUE: u8 = 9;

/// What names a log group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct GroupName {
    /// Whose it is, and where.
    pub scope: Scope,
    /// The name.
    pub name: String,
}

impl GroupName {
    /// The log group of a name in an account and a region.
    pub fn new(account: &str, region: &str, name: &str) -> Self {
        GroupName { scope: Scope::new(account, region), name: name.to_owned() }
    }

    /// The log group of an ARN, with or without `:*` behind it.
    pub fn parse(arn: &str) -> Option<GroupName> {
        let mut parts = arn.strip_prefix("arn:aws:logs:")?.splitn(4, ':');
        let (region, account) = (parts.next()?, parts.next()?);
        let (kind, name) = (parts.next()?, parts.next()?);
        let name = name.strip_suffix(":*").unwrap_or(name);
        let sound = |text: &str| !text.is_empty() && !text.contains([':', '\0']);
        let all = kind == "log-group" && sound(region) && sound(account) && sound(name);
        all.then(|| GroupName::new(account, region, name))
    }

    /// The ARN, without `:*` behind it.
    pub fn arn(&self) -> String {
        format!("arn:aws:logs:{}:{}:log-group:{}", self.scope.region, self.scope.account, self.name)
    }

    /// The ARN of one of its streams; with an empty name, what policies are asked about the group itself.
    pub fn stream_arn(&self, stream: &str) -> String {
        format!("{}:log-stream:{stream}", self.arn())
    }

    /// Key of the group's row.
    pub fn key(&self) -> Bytes {
        KeyBuilder::new(Space::Logs, GROUP, &self.scope).text(&self.name).build()
    }

    /// The keys of what belongs to the group of this id.
    pub fn rows(&self, id: u64) -> GroupRows {
        GroupRows { scope: self.scope.clone(), id }
    }

    /// Key of the row that says when its retention is to be looked at.
    pub fn due(&self, at: Time) -> Bytes {
        let Scope { account, region } = &self.scope;
        KeyBuilder::unscoped(Space::Logs, DUE).time(at).text(account).text(region).text(&self.name).build()
    }
}

/// What the keys of all retention's rows begin with.
pub fn all_due() -> Bytes {
    KeyBuilder::unscoped(Space::Logs, DUE).build()
}

/// The moment in a key of [`GroupName::due`].
pub fn due_at(key: &[u8]) -> Option<Time> {
    let bytes = key.get(2..10)?.try_into().ok()?;
    i64::try_from(u64::from_be_bytes(bytes)).ok().map(Time)
}

/// Keys of what belongs to a log group: they go by its id, so that a group that is made again under the
/// same name has nothing of the former's.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct GroupRows {
    scope: Scope,
    id: u64,
}

impl GroupRows {
    fn key(&self, kind: u8) -> KeyBuilder {
        KeyBuilder::new(Space::Logs, kind, &self.scope).number(self.id)
    }

    /// Key of what changes with the group's events.
    pub fn stats(&self) -> Bytes {
        self.key(STATS).build()
    }

    /// What the keys of its streams begin with, or of those whose names begin so.
    pub fn streams(&self, prefix: &str) -> Bytes {
        let key = self.key(STREAM).text(prefix).build();
        // Without the byte that closes the name.
        key.slice(..key.len().saturating_sub(1))
    }

    /// Key of a stream.
    pub fn stream(&self, name: &str) -> Bytes {
        self.key(STREAM).text(name).build()
    }

    /// What the keys of its streams by their last event begin with.
    pub fn recents(&self) -> Bytes {
        self.key(RECENT).build()
    }

    /// Key of a stream by its last event.
    pub fn recent(&self, last: i64, name: &str) -> Bytes {
        self.key(RECENT).time(Time(last)).text(name).build()
    }

    /// What the keys of chunks begin with: of all, or of those of one stream.
    pub fn chunks(&self, stream: Option<u64>) -> Bytes {
        match stream {
            None => self.key(CHUNK).build(),
            Some(stream) => self.key(STREAM_CHUNK).number(stream).build(),
        }
    }

    /// Key of a chunk: among all, or among those of one stream.
    pub fn chunk(&self, stream: Option<u64>, place: (i64, u64)) -> Bytes {
        let key = match stream {
            None => self.key(CHUNK),
            Some(stream) => self.key(STREAM_CHUNK).number(stream),
        };
        key.time(Time(place.0)).number(place.1).build()
    }

    /// Key of a part of a chunk's events.
    pub fn body(&self, chunk: u64, part: u32) -> Bytes {
        self.key(BODY).number(chunk).number32(part).build()
    }

    /// What the keys of its subscription filters begin with.
    pub fn filters(&self) -> Bytes {
        self.key(FILTER).build()
    }

    /// Key of a subscription filter.
    pub fn filter(&self, name: &str) -> Bytes {
        self.key(FILTER).text(name).build()
    }
}

/// Time of the first event and number of the chunk that a key belongs to.
pub fn chunk_place(key: &[u8]) -> Option<(i64, u64)> {
    let (rest, number) = key.split_last_chunk::<8>()?;
    let (_, first) = rest.split_last_chunk::<8>()?;
    Some((i64::try_from(u64::from_be_bytes(*first)).ok()?, u64::from_be_bytes(*number)))
}

/// Name of the directory's list of an account's log groups in a region.
pub fn list(account: &str, region: &str) -> String {
    format!("logs/{account}/{region}/log-groups")
}
