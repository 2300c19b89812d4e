//! SQS's part of the key catalogue: kinds of rows within [`Space::Sqs`].
//!
//! Every key goes on with account and region. A queue's rows are named by its number, which is unique
//! in its shard and never comes again; a message's key is 20 bytes long.

use bytes::Bytes;
use ropeway_core::Time;
use ropeway_core::keys::{KeyBuilder, Scope, Space};

/// The kind of a row; never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// `name` → settings, tags, times, number.
    Queue = 0,
    /// `queue` → what changes with every message.
    Counters = 1,
    /// `queue, sequence` → the message, or its first part.
    Message = 2,
    /// `queue, sequence, part` → what did not fit into the message's row.
    Part = 3,
    /// `queue, sequence` → how often and until when it was received; stays when it is visible again.
    Flight = 4,
    /// `queue, moment, sequence` → nothing: a message that is delayed.
    Delayed = 5,
    /// `queue, group or nothing, id` → the message that was sent under this deduplication id.
    Dedup = 6,
    /// `queue, attempt id` → what a receive attempt was given.
    Attempt = 7,
    /// `queue, moment, number` → the key of a row that is worth nothing from that moment on.
    Cleanup = 8,
    /// `queue, sent, sequence` → nothing: a message that is older than its sequence number says.
    Carried = 9,
    /// `queue, number` → a message-move task.
    Task = 10,
    /// `queue` → how far the rows of a purge or of a deleted queue are gone.
    Sweep = 11,
    /// nothing → the number of the shard's next queue; the one row without account and region.
    Numbers = 12,
}

/// Kinds of rows that belong to one queue's messages and die with the queue.
pub const SWEPT: [Kind; 10] = [
    Kind::Message,
    Kind::Part,
    Kind::Flight,
    Kind::Delayed,
    Kind::Dedup,
    Kind::Attempt,
    Kind::Cleanup,
    Kind::Carried,
    Kind::Task,
    Kind::Counters,
];

/// Prefix of every row of a kind, of all accounts and regions.
pub fn all(kind: Kind) -> Bytes {
    KeyBuilder::unscoped(Space::Sqs, kind as u8).build()
}

/// A queue's own row.
pub fn queue(scope: &Scope, name: &str) -> Bytes {
    KeyBuilder::new(Space::Sqs, Kind::Queue as u8, scope).text(name).build()
}

/// Where a queue's rows are: its scope and number.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// Account and region.
    pub scope: Scope,
    /// The queue's number.
    pub queue: u32,
}

impl Place {
    fn key(&self, kind: Kind) -> KeyBuilder {
        KeyBuilder::new(Space::Sqs, kind as u8, &self.scope).number32(self.queue)
    }

    /// Prefix of the queue's rows of a kind; the key itself of [`Kind::Counters`] and [`Kind::Sweep`].
    pub fn all(&self, kind: Kind) -> Bytes {
        self.key(kind).build()
    }

    /// A row of a message: [`Kind::Message`], [`Kind::Flight`]; or a [`Kind::Task`] by its number.
    pub fn at(&self, kind: Kind, seq: u64) -> Bytes {
        self.key(kind).number(seq).build()
    }

    /// A further part of a message.
    pub fn part(&self, seq: u64, part: u16) -> Bytes {
        self.key(Kind::Part).number(seq).number32(u32::from(part)).build()
    }

    /// A row of an index by time: [`Kind::Delayed`], [`Kind::Cleanup`], [`Kind::Carried`].
    pub fn timed(&self, kind: Kind, time: Time, seq: u64) -> Bytes {
        self.key(kind).time(time).number(seq).build()
    }

    /// The row of a deduplication id.
    pub fn dedup(&self, group: &str, id: &str) -> Bytes {
        self.key(Kind::Dedup).text(group).text(id).build()
    }

    /// The row of a receive attempt.
    pub fn attempt(&self, id: &str) -> Bytes {
        self.key(Kind::Attempt).text(id).build()
    }
}

/// Time and number of an index row's key: its last 16 bytes.
pub fn time_and_number(key: &[u8]) -> Option<(Time, u64)> {
    let (_, tail) = key.split_at_checked(key.len().checked_sub(16)?)?;
    let (time, number) = tail.split_at_checked(8)?;
    let millis = u64::from_be_bytes(time.try_into().ok()?);
    Some((Time(i64::try_from(millis).ok()?), u64::from_be_bytes(number.try_into().ok()?)))
}

/// The sequence number in a [`Kind::Part`] row's key.
pub fn part_of(key: &[u8]) -> Option<u64> {
    ropeway_core::keys::last_number(key.get(..key.len().checked_sub(4)?)?)
}

/// The queue's number in a [`Kind::Task`] row's key.
pub fn queue_of_task(key: &[u8]) -> Option<u32> {
    let (rest, _) = key.split_at_checked(key.len().checked_sub(8)?)?;
    Some(u32::from_be_bytes(*rest.last_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_messages_key_is_short_and_sorts_by_sequence() {
        let place = Place { scope: Scope::new("000000000000", "eu-west-1"), queue: 7 };
        let key = place.at(Kind::Message, 1);
        assert_eq!(key.len(), 20, "the engine holds keys up to 20 bytes inline");
        assert!(key < place.at(Kind::Message, 256));
        let timed = place.timed(Kind::Delayed, Time(77), 9);
        assert_eq!(time_and_number(&timed), Some((Time(77), 9)));
    }
}
