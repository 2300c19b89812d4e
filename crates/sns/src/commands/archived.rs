//! The archive of FIFO topics: what is published goes in, and what is too old, or of a topic without archive, out.

use bytes::Bytes;
use ropeway_core::keys::{KeyBuilder, Space, after_prefix, last_number};
use ropeway_core::{Fault, Time, Tx};
use ropeway_store::Range as Keys;
use serde::{Deserialize, Serialize};
use std::ops::Bound;

use super::deliver::Message;
use super::{SnsMachine, Work, endpoints, steps, topics};
use crate::archive::Archive;
use crate::fifo::{Place, next_sequence};
use crate::keys::TopicName;
use crate::model::Topic;

/// A message of an archive: scope, topic name, generation, sequence number → [`Archived`].
const ARCHIVED: u8 = 13;
/// When to look for what is too old: time, number ([`Archive::watch`]) → topic, generation.
const WATCH: u8 = 14;
/// Messages that one step removes: each has up to eight rows.
const AT_ONCE: usize = 100;
/// How long the end of messages waits for a replay's, in seconds: what is held back for one must not go.
const PAUSE: i64 = 60;
/// How long it is at most until an archive is looked through again, in seconds.
const DAY: i64 = 24 * 60 * 60;

/// A message of an archive; the publication is kept under its number, as those of works are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Archived {
    pub number: u64,
    pub pieces: u32,
    pub id: String,
    pub at: Time,
    pub deduplication_id: String,
}

fn key(name: &TopicName, generation: u64) -> KeyBuilder {
    KeyBuilder::new(Space::Sns, ARCHIVED, &name.scope).text(&name.name).number(generation)
}

/// Keeps a message.
pub(super) fn add(tx: &mut Tx, name: &TopicName, place: &Place, message: &Message<'_>) -> Result<(), Fault> {
    let number = tx.ids().number();
    let row = Archived {
        number,
        pieces: steps::keep(tx, number, message.publication)?,
        id: message.id.clone(),
        at: message.at,
        deduplication_id: place.deduplication_id.clone(),
    };
    tx.write(key(name, message.generation).number(place.sequence).build(), &row)
}

/// Messages from a sequence number on, and whether there are more.
pub(super) async fn page(
    tx: &Tx,
    name: &TopicName,
    generation: u64,
    from: u64,
    limit: usize,
) -> Result<(Vec<(u64, Archived)>, bool), Fault> {
    let to = after_prefix(&key(name, generation).build()).map_or(Bound::Unbounded, Bound::Excluded);
    let from = Bound::Included(key(name, generation).number(from).build());
    let page = tx.scan(Keys { from, to, reverse: false }, limit).await?;
    let mut out = Vec::new();
    for (key, row) in page.rows {
        let sequence = last_number(&key).ok_or_else(|| Fault::Damaged("an archive's key".to_owned()))?;
        out.push((sequence, postcard::from_bytes(&row)?));
    }
    Ok((out, page.more))
}

fn remove(tx: &mut Tx, name: &TopicName, generation: u64, sequence: u64, of: &Archived) {
    steps::forget(tx, of.number, of.pieces);
    tx.delete(key(name, generation).number(sequence).build());
}

/// Removes some of an archive's messages before a sequence number; says whether there are more.
pub(super) async fn remove_some(
    tx: &mut Tx,
    name: &TopicName,
    generation: u64,
    until: u64,
) -> Result<bool, Fault> {
    let (found, more) = page(tx, name, generation, 0, AT_ONCE).await?;
    let mut all = true;
    for (sequence, row) in found {
        all = sequence < until;
        if !all {
            break;
        }
        remove(tx, name, generation, sequence, &row);
    }
    Ok(all && more)
}

/// Leaves it to steps to remove an archive's messages before a sequence number.
pub(super) fn drop_before(tx: &mut Tx, name: &TopicName, generation: u64, until: u64) -> Result<(), Fault> {
    steps::begin(tx, &Work::DropArchive { topic: name.clone(), generation, until })
}

/// A subscription's messages are no longer held back; the topic is for the caller to write.
pub(super) fn release(tx: &mut Tx, name: &TopicName, topic: &mut Topic) -> Result<(), Fault> {
    let Some(archive) = topic.archive.as_mut() else { return Ok(()) };
    archive.replays = archive.replays.saturating_sub(1);
    if archive.replays > 0 {
        return Ok(());
    }
    if archive.days.is_none() {
        topic.archive = None;
        let until = next_sequence(tx)?;
        return drop_before(tx, name, topic.generation, until);
    }
    if std::mem::take(&mut archive.stale) {
        let until = archive.from;
        return drop_before(tx, name, topic.generation, until);
    }
    Ok(())
}

/// When the first archive is to be looked through, of those that are there at start.
pub(super) async fn first_watch(tx: &Tx) -> Result<Option<Time>, Fault> {
    Ok(watches(tx, None).await?.first().map(|(_, at, _)| *at))
}

/// The first two watches from a moment on: key, moment, and the rest of the row.
async fn watches(tx: &Tx, from: Option<Time>) -> Result<Vec<(Bytes, Time, Bytes)>, Fault> {
    let prefix = KeyBuilder::unscoped(Space::Sns, WATCH).build();
    let begin = from.map(|from| KeyBuilder::unscoped(Space::Sns, WATCH).time(from).build());
    let rows = tx.scan_prefix(&prefix, begin.as_ref(), 2).await?.rows;
    rows.into_iter().map(|(key, row)| Ok((key.clone(), endpoints::place_of(&key)?.0, row))).collect()
}

impl SnsMachine {
    /// Begins, changes or ends the archive of a topic, which is for the caller to write.
    pub(super) fn set_archive(
        &mut self,
        tx: &mut Tx,
        name: &TopicName,
        topic: &mut Topic,
        days: Option<u16>,
    ) -> Result<(), Fault> {
        let Some(days) = days else { return end_archive(tx, name, topic) };
        let (now, generation, watch) = (tx.now(), topic.generation, tx.ids().number());
        match topic.archive.as_mut() {
            Some(archive) if archive.days.is_some() => archive.days = Some(days),
            before => {
                let (replays, stale) = before.map_or((0, false), |before| (before.replays, before.stale));
                let from = next_sequence(tx)?;
                topic.archive = Some(Archive { days: Some(days), since: now, from, watch, replays, stale });
            }
        }
        if let Some(archive) = topic.archive.as_mut() {
            archive.watch = watch;
        }
        self.watch(tx, now, watch, name, generation)
    }

    /// Remembers when to look for what is too old.
    fn watch(
        &mut self,
        tx: &mut Tx,
        at: Time,
        number: u64,
        name: &TopicName,
        generation: u64,
    ) -> Result<(), Fault> {
        let key = KeyBuilder::unscoped(Space::Sns, WATCH).time(at).number(number).build();
        tx.write(key, &(name, generation))?;
        self.watch_at = Some(self.watch_at.map_or(at, |first| first.min(at)));
        Ok(())
    }

    /// Removes what is too old of the archive that it is time for.
    pub(super) async fn end_archived(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        let Some(from) = self.watch_at.filter(|at| *at <= tx.now()) else { return Ok(()) };
        let mut due = watches(tx, Some(from)).await?.into_iter();
        let first = due.next();
        self.watch_at = first.as_ref().map(|(_, at, _)| *at);
        let Some((row, at, of)) = first.filter(|(_, at, _)| *at <= tx.now()) else { return Ok(()) };
        self.watch_at = due.next().map(|(_, at, _)| at);
        let number = endpoints::place_of(&row)?.1;
        let (name, generation): (TopicName, u64) = postcard::from_bytes(&of)?;
        tx.delete(row);
        let topic = topics::read(tx, &name).await?.filter(|topic| topic.generation == generation);
        let archive = topic.and_then(|topic| topic.archive);
        let Some(archive) = archive.filter(|of| of.watch == number && of.days.is_some()) else {
            return Ok(());
        };
        let next = match archive.replays {
            0 => remove_old(tx, &name, generation, &archive).await?,
            _ => tx.now().plus_secs(PAUSE),
        };
        // Rows of before a change of the policy are no longer looked at: none of them stays for long.
        self.watch(tx, next.max(at).min(tx.now().plus_secs(DAY)), number, &name, generation)
    }
}

/// Removes some of what is too old; gives the moment at which there may be more.
async fn remove_old(
    tx: &mut Tx,
    name: &TopicName,
    generation: u64,
    archive: &Archive,
) -> Result<Time, Fault> {
    let (found, more) = page(tx, name, generation, 0, AT_ONCE).await?;
    for (sequence, row) in found {
        if archive.end_of(row.at) > tx.now() {
            return Ok(archive.end_of(row.at));
        }
        remove(tx, name, generation, sequence, &row);
    }
    // What is published from now on stays as long as that.
    Ok(if more { tx.now() } else { archive.end_of(tx.now()) })
}

/// Ends a topic's archive: what it has goes, but for what is held back for replays.
fn end_archive(tx: &mut Tx, name: &TopicName, topic: &mut Topic) -> Result<(), Fault> {
    let Some(archive) = topic.archive.as_mut().filter(|archive| archive.days.is_some()) else {
        return Ok(());
    };
    let until = next_sequence(tx)?;
    if archive.replays > 0 {
        archive.days = None;
        archive.from = until;
        archive.stale = true;
        return Ok(());
    }
    topic.archive = None;
    drop_before(tx, name, topic.generation, until)
}
