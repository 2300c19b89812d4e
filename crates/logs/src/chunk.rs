//! Chunks: the events of a put, many of them in one row, sealed.
//!
//! The events of a chunk are in the order of their times and at most [`MAX_SPAN`] apart, so that a reader
//! who begins at some moment need not look far before it. They are packed (deflate) where that pays, and
//! sealed under a key of their log group.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use ropeway_core::seal::{MasterKey, SealKey};
use ropeway_core::{Fault, Ids};
use serde::{Deserialize, Serialize};

/// What a put counts for each event beside its message:
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html>.
pub const EVENT_OVERHEAD: usize = 26;
/// Bytes of events after which another chunk begins.
const CHUNK_BYTES: usize = 48 * 1024;
/// Milliseconds between the first and the last event of a chunk at most.
const MAX_SPAN: i64 = 10 * 60 * 1000;
/// Smaller chunks are not worth packing.
const PACKED_FROM: usize = 1024;
/// Most bytes that a chunk unpacks to: an event of 1 MiB and what surrounds it.
const MAX_UNPACKED: u64 = 2 * 1024 * 1024;
/// What the seal vouches for beside the bytes.
const CONTEXT: &[u8] = b"events";

/// A log event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Milliseconds since 1970-01-01 UTC, not negative.
    pub time: i64,
    /// The message.
    pub message: String,
}

impl Event {
    /// Its bytes, as `PutLogEvents` counts them.
    pub fn bytes(&self) -> usize {
        self.message.len() + EVENT_OVERHEAD
    }
}

/// A chunk to be stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewChunk {
    /// Time of the first event.
    pub first: i64,
    /// Time of the last event.
    pub last: i64,
    /// Bytes of the events, as `PutLogEvents` counts them.
    pub bytes: u64,
    /// The events, sealed.
    pub body: Bytes,
}

/// The key that seals a log group's events.
pub fn seal_key(master: &MasterKey, group_arn: &str) -> SealKey {
    master.derive(&format!("logs/{group_arn}"))
}

/// Makes chunks of events, which are in the order of their times.
pub fn chunks(key: &SealKey, ids: &Ids, events: Vec<Event>) -> Result<Vec<NewChunk>, Fault> {
    let mut out = Vec::new();
    let (mut open, mut bytes): (Vec<Event>, usize) = (Vec::new(), 0);
    for event in events {
        let fits = open.first().is_none_or(|first| {
            bytes + event.bytes() <= CHUNK_BYTES && event.time.saturating_sub(first.time) <= MAX_SPAN
        });
        if !fits {
            out.push(close(key, ids, &std::mem::take(&mut open), bytes)?);
            bytes = 0;
        }
        bytes += event.bytes();
        open.push(event);
    }
    if !open.is_empty() {
        out.push(close(key, ids, &open, bytes)?);
    }
    Ok(out)
}

fn close(key: &SealKey, ids: &Ids, events: &[Event], bytes: usize) -> Result<NewChunk, Fault> {
    let plain = postcard::to_stdvec(events)?;
    let packed = if plain.len() < PACKED_FROM { [&[0], &*plain].concat() } else { pack(&plain)? };
    let time = |event: Option<&Event>| event.map_or(0, |event| event.time);
    Ok(NewChunk {
        first: time(events.first()),
        last: time(events.last()),
        bytes: bytes as u64,
        body: Bytes::from(key.seal(ids, CONTEXT, &packed)?),
    })
}

/// Deflated, with a byte before it that says so.
fn pack(plain: &[u8]) -> Result<Vec<u8>, Fault> {
    let broken = |error: std::io::Error| Fault::Damaged(error.to_string());
    let mut encoder = DeflateEncoder::new(vec![1], Compression::fast());
    encoder.write_all(plain).map_err(broken)?;
    encoder.finish().map_err(broken)
}

/// The events of a chunk.
pub fn open(key: &SealKey, body: &[u8]) -> Result<Vec<Event>, Fault> {
    let packed = key.open(CONTEXT, body)?;
    match packed.split_first() {
        Some((0, plain)) => Ok(postcard::from_bytes(plain)?),
        Some((1, deflated)) => {
            let mut plain = Vec::new();
            let read = DeflateDecoder::new(deflated).take(MAX_UNPACKED).read_to_end(&mut plain);
            read.map_err(|error| Fault::Damaged(error.to_string()))?;
            Ok(postcard::from_bytes(&plain)?)
        }
        _ => Err(Fault::Damaged("a chunk of events of no known form".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn chunks_open_to_the_events(
            mut events in prop::collection::vec((0i64..100_000_000, ".{0,3}", 0usize..30_000), 1..40)
        ) {
            events.sort_by_key(|(time, ..)| *time);
            let events: Vec<Event> = events
                .into_iter()
                .map(|(time, text, times)| Event { time, message: text.repeat(times) })
                .collect();
            let key = seal_key(&MasterKey::from_bytes([3; 32]), "arn");
            let made = chunks(&key, &Ids::seeded(1), events.clone()).unwrap();
            let mut opened = Vec::new();
            for chunk in made {
                let inside = open(&key, &chunk.body).unwrap();
                prop_assert_eq!(chunk.first, inside.first().unwrap().time);
                prop_assert_eq!(chunk.last, inside.last().unwrap().time);
                prop_assert!(chunk.last - chunk.first <= MAX_SPAN);
                prop_assert_eq!(chunk.bytes, inside.iter().map(|e| e.bytes() as u64).sum::<u64>());
                opened.extend(inside);
            }
            prop_assert_eq!(opened, events);
        }
    }
}
