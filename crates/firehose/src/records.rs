//! Reads the records of a flush, page by page.

use bytes::{Bytes, BytesMut};
use ropeway_core::seal::{MasterKey, SealKey};
use ropeway_core::{Core, Fault, Time, Trace};
use ropeway_wire::Error;

use crate::commands::{Command, FirehoseMachine, Output};
use crate::keys;
use crate::model::Flush;

/// About how many bytes of records are read at once.
const PAGE_BYTES: u64 = 1024 * 1024;

/// A record that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub number: u64,
    /// When it was accepted.
    pub accepted: Time,
    /// What it says.
    pub data: Bytes,
}

/// Reads a flush's records.
pub struct Records {
    core: Core,
    key: SealKey,
    flush: Flush,
    after: Option<(u64, u32)>,
    /// The record whose pieces are being read: its number, when it was accepted, what it says so far.
    begun: Option<(u64, Time, BytesMut)>,
    ended: bool,
}

impl Records {
    /// Reads from the first record on.
    pub fn new(core: Core, master: &MasterKey, flush: Flush) -> Self {
        Records { core, key: flush.stream.seal_key(master), flush, after: None, begun: None, ended: false }
    }

    /// The next records; `None` at their end.
    pub async fn next(&mut self) -> Result<Option<Vec<Record>>, Error> {
        if self.ended {
            return Ok(None);
        }
        let flush = &self.flush;
        let average = (flush.bytes / (flush.to - flush.from).max(1)).max(1);
        let limit = (PAGE_BYTES / average).clamp(16, 1000);
        let command = Command::Fetch {
            stream: flush.stream.clone(),
            id: flush.id,
            after: self.after,
            from: flush.from,
            to: flush.to,
            limit: u32::try_from(limit).unwrap_or(16),
        };
        let shard = self.core.shard_of(&flush.stream.arn());
        let trace = Trace::from(flush.trace.as_str());
        let Output::Pieces(pieces) = self.core.submit::<FirehoseMachine>(shard, &trace, command).await?
        else {
            return Err(Fault::Damaged("another command's answer".to_owned()).into());
        };
        self.ended = pieces.is_empty();
        let mut out = Vec::new();
        for piece in pieces {
            self.after = Some((piece.record, piece.piece));
            let bytes = match piece.sealed {
                false => piece.bytes,
                true => {
                    let scope = &self.flush.stream.scope;
                    let row = keys::record(scope, self.flush.id, piece.record, piece.piece);
                    Bytes::from(self.key.open(&row, &piece.bytes)?)
                }
            };
            match &mut self.begun {
                Some((number, _, data)) if *number == piece.record => data.extend_from_slice(&bytes),
                _ => {
                    out.extend(self.whole());
                    self.begun = Some((piece.record, piece.accepted, BytesMut::from(&*bytes)));
                }
            }
        }
        if self.ended {
            out.extend(self.whole());
        }
        Ok(Some(out))
    }

    /// The record that has all of its pieces by now.
    fn whole(&mut self) -> Option<Record> {
        let (number, accepted, data) = self.begun.take()?;
        Some(Record { number, accepted, data: data.freeze() })
    }
}
