//! What FIFO topics have beside the others: what they remember of messages, and the order of what goes out in steps.
//!
//! Sources: <https://docs.aws.amazon.com/sns/latest/dg/sns-fifo-topics.html> and the pages below it.

use bytes::Bytes;
use ropeway_core::keys::{KeyBuilder, Space};
use ropeway_core::{Fault, Time, Tx};
use serde::{Deserialize, Serialize};

use crate::keys::TopicName;

/// What the names of FIFO topics end with.
pub const SUFFIX: &str = ".fifo";
/// What is said of a message without a group.
pub const NO_GROUP: &str = "The MessageGroupId parameter is required for FIFO topics";
/// What is said of a message without a deduplication id, where it does not come from the content.
pub const NO_DEDUPLICATION: &str = "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly";
/// How long a message is remembered by its deduplication id, in seconds.
const REMEMBERED_SECS: i64 = 5 * 60;
/// Rows that one step forgets.
const FORGOTTEN_AT_ONCE: usize = 300;
/// Sequence numbers have 20 digits, and begin here.
const FIRST_SEQUENCE: u64 = 10_000_000_000_000_000_000;

/// A message by its deduplication id: scope, topic name, generation, group (or nothing), id.
const REMEMBERED: u8 = 6;
/// The same by its end: time, number.
const FORGETTING: u8 = 7;
/// Publications that go out in steps: scope, topic name, generation, number.
const WAITING: u8 = 8;

/// What a FIFO topic is set to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fifo {
    /// `ContentBasedDeduplication`
    pub by_content: bool,
    /// `FifoThroughputScope` is `MessageGroup`: deduplication ids count within their group.
    pub by_group: bool,
}

/// A message's place in a FIFO topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The deduplication id, which FIFO queues get.
    pub deduplication_id: String,
    /// The number by which the topic's messages are in order.
    pub sequence: u64,
}

impl Place {
    /// The next message's place.
    pub fn next(tx: &mut Tx, deduplication_id: String) -> Result<Place, Fault> {
        Ok(Place { deduplication_id, sequence: next_sequence(tx)? })
    }
}

/// A sequence number behind those of all messages so far.
pub fn next_sequence(tx: &mut Tx) -> Result<u64, Fault> {
    Ok(FIRST_SEQUENCE.saturating_add(tx.sequence()?))
}

/// A message that was published before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Until when.
    pub until: Time,
    /// Its id.
    pub id: String,
    /// Its sequence number.
    pub sequence: u64,
}

/// Key of a message by its deduplication id.
pub fn remembered(name: &TopicName, generation: u64, group: &str, id: &str) -> Bytes {
    let key = KeyBuilder::new(Space::Sns, REMEMBERED, &name.scope).text(&name.name).number(generation);
    key.text(group).text(id).build()
}

/// Remembers a message; gives the moment at which it is to be forgotten.
pub fn remember(tx: &mut Tx, key: Bytes, id: &str, sequence: u64) -> Result<Time, Fault> {
    let until = tx.now().plus_secs(REMEMBERED_SECS);
    tx.write(key.clone(), &Remembered { until, id: id.to_owned(), sequence })?;
    tx.put(KeyBuilder::unscoped(Space::Sns, FORGETTING).time(until).number(sequence).build(), key);
    Ok(until)
}

/// When the first message is to be forgotten, of those that are there at start.
pub async fn first_to_forget(tx: &Tx) -> Result<Option<Time>, Fault> {
    let page = tx.scan_prefix(&KeyBuilder::unscoped(Space::Sns, FORGETTING).build(), None, 1).await?;
    page.rows.first().map(|(key, _)| end_of(key)).transpose()
}

fn end_of(key: &[u8]) -> Result<Time, Fault> {
    let damaged = || Fault::Damaged("the key of a message to be forgotten".to_owned());
    let bytes: [u8; 8] = key.get(2..10).and_then(|bytes| bytes.try_into().ok()).ok_or_else(damaged)?;
    i64::try_from(u64::from_be_bytes(bytes)).map(Time).map_err(|_| damaged())
}

/// Forgets messages whose time is over, from `from` on; gives the moment at which there is more to forget.
pub async fn forget(tx: &mut Tx, from: Time) -> Result<Option<Time>, Fault> {
    let prefix = KeyBuilder::unscoped(Space::Sns, FORGETTING).build();
    let begin = KeyBuilder::unscoped(Space::Sns, FORGETTING).time(from).build();
    let page = tx.scan_prefix(&prefix, Some(&begin), FORGOTTEN_AT_ONCE).await?;
    let now = tx.now();
    for (row, key) in page.rows {
        let end = end_of(&row)?;
        if end > now {
            return Ok(Some(end));
        }
        // The id may have been used again since.
        if tx.read::<Remembered>(&key).await?.is_some_and(|remembered| remembered.until <= now) {
            tx.delete(key);
        }
        tx.delete(row);
    }
    Ok(page.more.then_some(now))
}

/// What the keys of a topic's publications that go out in steps begin with.
fn waiting(name: &TopicName, generation: u64) -> KeyBuilder {
    KeyBuilder::new(Space::Sns, WAITING, &name.scope).text(&name.name).number(generation)
}

/// Puts a publication behind the others that go out in steps.
pub fn wait(tx: &mut Tx, name: &TopicName, generation: u64, sequence: u64, work: u64) -> Result<(), Fault> {
    tx.write(waiting(name, generation).number(sequence).build(), &(name, work))
}

/// The publication whose turn it is: its row, and the number of its work.
pub async fn turn(tx: &Tx, name: &TopicName, generation: u64) -> Result<Option<(Bytes, u64)>, Fault> {
    let page = tx.scan_prefix(&waiting(name, generation).build(), None, 1).await?;
    let Some((key, row)) = page.rows.into_iter().next() else { return Ok(None) };
    let (_, work): (TopicName, u64) = postcard::from_bytes(&row)?;
    Ok(Some((key, work)))
}

/// The topics of all publications that go out in steps, once for each.
pub async fn all_waiting(tx: &Tx) -> Result<Vec<TopicName>, Fault> {
    let prefix = KeyBuilder::unscoped(Space::Sns, WAITING).build();
    let (mut out, mut after) = (Vec::new(), None);
    loop {
        let page = tx.scan_prefix(&prefix, after.as_ref(), 256).await?;
        for (_, row) in &page.rows {
            out.push(postcard::from_bytes::<(TopicName, u64)>(row)?.0);
        }
        after = page.rows.last().map(|(key, _)| key.clone());
        if !page.more || after.is_none() {
            return Ok(out);
        }
    }
}
