//! Records: taken into buffers, read for their delivery, removed.

use bytes::Bytes;
use ropeway_api::firehose::{SERVICE, error};
use ropeway_core::effects::StreamDelivery;
use ropeway_core::keys::Space;
use ropeway_core::{Fault, Time, Tx};
use ropeway_wire::{Cx, Error, Keys};

use super::{Command, FirehoseMachine, Live, Output, Piece};
use crate::delimiter;
use crate::keys::{self, StreamName};
use crate::model::{Buffer, Destination, Flush, Open, Way};
use crate::prefix::{self, object_name};

/// Bytes of a record in one row.
const PIECE_BYTES: usize = 60 * 1024;
/// What a piece begins with whose bytes stand there as they are, and one whose bytes are sealed.
const PLAIN: u8 = 0;
const SEALED: u8 = 1;
/// Bytes before those of the record: which of them, and when it was accepted.
const HEAD: usize = 9;
/// Bytes of a stream that may wait for their delivery; past them its writers are throttled.
const MAX_WAITING: u64 = 8 * 1024 * 1024 * 1024;
/// The principal of log subscriptions.
const LOGS: &str = "logs.amazonaws.com";
/// Rows that one step removes.
const CLEANED_AT_ONCE: usize = 400;
/// What random strings are made of.
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

impl FirehoseMachine {
    /// A record from a service, if the role that it acts as lets it.
    pub(super) fn deliver(&mut self, tx: &mut Tx, of: StreamDelivery) -> Result<Output, Error> {
        let missing = || error::resource_not_found_exception(format!("{} is no delivery stream", of.stream));
        let name = StreamName::parse(&of.stream).ok_or_else(missing)?;
        let mut source = Keys::default();
        source.add("aws:SourceArn", &of.source_arn);
        source.add("aws:SourceAccount", &of.source_account);
        let denied = |why: String| Error::new(SERVICE.denial.1, SERVICE.denial.0, why);
        let role =
            self.roles.assume_for_service(&of.role, &of.principal, "delivery", &source).map_err(denied)?;
        let gate = std::sync::Arc::clone(&self.gate);
        let cx = Cx::from_within(gate, role, &name.scope.region, tx.trace(), tx.now());
        cx.authorize(&SERVICE, "firehose:PutRecord", &of.stream, &Keys::default())?;
        self.put(tx, &name, &[of.data], of.principal == LOGS)?;
        Ok(Output::Nothing)
    }

    /// Takes records into the buffers of the stream's ways, and says whether they are sealed.
    pub(super) fn put(
        &mut self,
        tx: &mut Tx,
        name: &StreamName,
        records: &[Bytes],
        of_logs: bool,
    ) -> Result<bool, Error> {
        let live = self.live(name)?;
        if live.of_logs && !of_logs {
            let why = "Only requests from CloudWatch Logs are supported when CloudWatch Logs decompression is enabled.";
            return Err(error::invalid_source_exception(why));
        }
        if live.ways.values().any(|filling| filling.buffer.waiting > MAX_WAITING) {
            return Err(error::service_unavailable_exception("Slow down."));
        }
        let sealed = live.key.is_some();
        let mut buffers = Vec::new();
        for (way, filling) in live.ways.iter().filter(|(way, _)| live.stream.takes(**way)) {
            let mut buffer = filling.buffer.clone();
            fill(tx, live, *way, &mut buffer, records)?;
            tx.write(name.buffer(*way), &buffer)?;
            buffers.push((*way, buffer));
        }
        for (way, buffer) in buffers {
            self.set_buffer(name, way, buffer);
        }
        Ok(sealed)
    }
}

/// Takes records into a buffer, which is closed when it is full, and before a record of another partition.
fn fill(tx: &mut Tx, live: &Live, way: Way, buffer: &mut Buffer, records: &[Bytes]) -> Result<(), Fault> {
    let (Some(filling), Some((mebibytes, _))) = (live.ways.get(&way), live.stream.hints(way)) else {
        return Ok(());
    };
    let most = u64::from(mebibytes) * 1024 * 1024;
    let added = if filling.delimited { delimiter::BYTES.len() } else { 0 };
    let partition = filling.prefixes.as_ref().map(|by| by.object(tx.now(), "")).unwrap_or_default();
    for record in records {
        let bytes = (record.len() + added) as u64;
        let fits = |open: &Open| open.partition == partition && open.bytes + bytes <= most;
        if buffer.open.as_ref().is_some_and(|open| !fits(open)) {
            close(tx, live, way, buffer)?;
        }
        write(tx, live, live.stream.records_id(way), buffer.next, record)?;
        let open = buffer.open.get_or_insert_with(|| Open {
            from: buffer.next,
            bytes: 0,
            opened: tx.now(),
            partition: partition.clone(),
            trace: tx.trace().to_string(),
        });
        open.bytes += bytes;
        let full = open.bytes >= most;
        buffer.next += 1;
        buffer.waiting += bytes;
        if full {
            close(tx, live, way, buffer)?;
        }
    }
    Ok(())
}

/// Writes a record in pieces, each behind a byte that says whether it is sealed, and the moment at which it was
/// accepted. What is sealed opens under its own key alone.
fn write(tx: &mut Tx, live: &Live, id: u64, number: u64, record: &Bytes) -> Result<(), Fault> {
    let accepted = tx.now().millis().to_be_bytes();
    let mut start = 0;
    for piece in 0.. {
        let end = record.len().min(start + PIECE_BYTES);
        let (key, bytes) =
            (keys::record(&live.stream.name.scope, id, number, piece), record.slice(start..end));
        let value = match &live.key {
            None => [&[PLAIN][..], &accepted[..], &bytes].concat(),
            Some(seal) => [&[SEALED][..], &accepted[..], &seal.seal(tx.ids(), &key, &bytes)?].concat(),
        };
        tx.put(key, Bytes::from(value));
        start = end;
        if start >= record.len() {
            break;
        }
    }
    Ok(())
}

/// Closes an open buffer: leaves what it becomes to the actor.
pub(super) fn close(tx: &mut Tx, live: &Live, way: Way, buffer: &mut Buffer) -> Result<(), Fault> {
    let Some(destination) = live.stream.to(way) else { return Ok(()) };
    let Some(open) = buffer.open.take() else { return Ok(()) };
    let stream = &live.stream;
    let random = tx.ids().text(LETTERS, prefix::RANDOM);
    let name = object_name(&stream.name.name, stream.version, open.opened, &tx.ids().uuid());
    let flush = Flush {
        stream: stream.name.clone(),
        id: stream.records_id(way),
        from: open.from,
        to: buffer.next,
        bytes: open.bytes,
        opened: open.opened,
        closed: tx.now(),
        version: stream.version,
        name,
        random,
        destination: Destination { backup: None, ..destination.clone() },
        trace: open.trace,
        endpoint: stream.endpoint_of(way).cloned().map(Box::new),
    };
    let lane = match way {
        Way::Main => stream.name.arn(),
        Way::Backup => format!("{}/backup", stream.name.arn()),
    };
    tx.send_to_actor(&lane, Space::Firehose, &flush.whole())
}

/// Reads pieces of records.
pub(super) async fn fetch(
    tx: &Tx,
    name: &StreamName,
    id: u64,
    after: Option<(u64, u32)>,
    (from, to): (u64, u64),
    limit: u32,
) -> Result<Output, Error> {
    let after = match after {
        Some((record, piece)) => Some(keys::record(&name.scope, id, record, piece)),
        None => keys::before_record(&name.scope, id, from),
    };
    let page = tx.scan_prefix(&keys::records(&name.scope, id), after.as_ref(), limit as usize).await?;
    let mut pieces = Vec::new();
    for (key, value) in page.rows {
        let (record, piece) =
            keys::record_of(&key).ok_or_else(|| Fault::Damaged("a record's key".to_owned()))?;
        if record < to {
            let ([sealed, accepted @ ..], _) = value
                .split_first_chunk::<HEAD>()
                .ok_or_else(|| Fault::Damaged("a record's head".to_owned()))?;
            let (sealed, accepted) = (*sealed == SEALED, Time(i64::from_be_bytes(*accepted)));
            pieces.push(Piece { record, piece, accepted, sealed, bytes: value.slice(HEAD..) });
        }
    }
    Ok(Output::Pieces(pieces))
}

/// Name of the lane by which a stream's records are removed.
pub(super) fn clean_lane(name: &StreamName) -> String {
    format!("clean/{}", name.arn())
}

/// Removes records, the rest by the next step.
pub(super) async fn clean(
    tx: &mut Tx,
    name: &StreamName,
    id: u64,
    (from, to): (u64, u64),
) -> Result<(), Fault> {
    let after = keys::before_record(&name.scope, id, from);
    let prefix = keys::records(&name.scope, id);
    let page = tx.scan_prefix(&prefix, after.as_ref(), CLEANED_AT_ONCE).await?;
    let mut last = None;
    for (key, _) in page.rows {
        let (record, _) = keys::record_of(&key).ok_or_else(|| Fault::Damaged("a record's key".to_owned()))?;
        if record >= to {
            return Ok(());
        }
        last = Some(record);
        tx.delete(key);
    }
    let Some(from) = last.filter(|_| page.more) else { return Ok(()) };
    let shard = tx.shard();
    let next = Command::Clean { stream: name.clone(), id, from, to };
    tx.send(&clean_lane(name), Space::Firehose, shard, &next)
}
