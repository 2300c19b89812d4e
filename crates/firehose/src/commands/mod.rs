//! The machine: streams, their records and buffers, as pure functions of rows and command.

mod records;
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use ropeway_core::effects::StreamDelivery;
use ropeway_core::keys::Space;
use ropeway_core::seal::{MasterKey, SealKey};
use ropeway_core::{Fault, Machine, Settled, Time, Tx};
use ropeway_wire::{Error, Gate, Roles};
use serde::{Deserialize, Serialize};

use crate::keys::{self, StreamName};
use crate::model::{Buffer, Destination, Endpoint, Flush, Stream, Way};
use crate::prefix::Prefixes;
use crate::process::Plan;

/// Buffers that one step of [`Machine::on_time`] closes at most.
const CLOSED_AT_ONCE: usize = 64;

/// What can be asked of the machine. New variants and fields come last; the first is
/// [`ropeway_core::effects::FirehoseCommand`]'s.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Command {
    /// A record from a service.
    Deliver(StreamDelivery),
    /// Removes records that are delivered, or whose stream is no more. Comes by the outbox.
    Clean {
        /// the stream
        stream: StreamName,
        /// its id
        id: u64,
        /// number of the first record
        from: u64,
        /// number behind the last record
        to: u64,
    },
    /// Makes a stream.
    Create {
        /// its name
        stream: StreamName,
        /// where its records go
        destination: Destination,
        /// tags
        tags: BTreeMap<String, String>,
        /// whether records are sealed
        sealed: bool,
        /// the HTTP endpoint that they go to before that
        endpoint: Option<Box<Endpoint>>,
    },
    /// Removes a stream with the records that it still has.
    Delete {
        /// its name
        stream: StreamName,
    },
    /// Reads a stream.
    Read {
        /// its name
        stream: StreamName,
    },
    /// Changes a stream's destination.
    Update {
        /// its name
        stream: StreamName,
        /// the version that the change is meant for
        version: u64,
        /// the destination as it is to be
        destination: Destination,
        /// the HTTP endpoint as it is to be
        endpoint: Option<Box<Endpoint>>,
    },
    /// Changes a stream's tags.
    Tag {
        /// its name
        stream: StreamName,
        /// tags to add or replace
        add: BTreeMap<String, String>,
        /// keys of tags to remove
        remove: Vec<String>,
    },
    /// Takes records: all of them, or none.
    Put {
        /// the stream
        stream: StreamName,
        /// the records
        records: Vec<Bytes>,
        /// whether they are a log subscription's
        of_logs: bool,
    },
    /// Reads pieces of records, for the delivery of a flush.
    Fetch {
        /// the stream
        stream: StreamName,
        /// its id
        id: u64,
        /// only pieces behind this record's piece; `None`: from the first record on
        after: Option<(u64, u32)>,
        /// number of the first record
        from: u64,
        /// number behind the last record
        to: u64,
        /// at most so many
        limit: u32,
    },
    /// Says whether records are sealed from now on.
    Seal {
        /// the stream
        stream: StreamName,
        /// whether
        sealed: bool,
    },
}

/// What a command answers.
#[derive(Debug, Clone)]
pub enum Output {
    /// nothing
    Nothing,
    /// the stream
    Stream(Box<Stream>),
    /// pieces of records
    Pieces(Vec<Piece>),
    /// records were taken, and sealed or not
    Taken {
        /// sealed
        sealed: bool,
    },
}

/// A piece of a record.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Number of the record.
    pub record: u64,
    /// Number of the piece.
    pub piece: u32,
    /// When the record was accepted.
    pub accepted: Time,
    /// Whether its bytes are sealed.
    pub sealed: bool,
    /// The bytes.
    pub bytes: Bytes,
}

/// A stream, as memory has it.
struct Live {
    stream: Stream,
    ways: BTreeMap<Way, Filling>,
    /// What seals its records, if they are sealed.
    key: Option<SealKey>,
    /// It decompresses what log subscriptions put, and takes nothing else.
    of_logs: bool,
}

/// One of a stream's ways, as memory has it.
struct Filling {
    buffer: Buffer,
    /// What tells records of one object from those of the next; `None`: time doesn't.
    prefixes: Option<Prefixes>,
    delimited: bool,
}

impl Live {
    /// A stream with the buffers that it has; ways without one begin with an empty one. A buffer without a way counts
    /// on: the way may come back while its former records are still there.
    fn new(stream: Stream, mut buffers: BTreeMap<Way, Buffer>, master: &MasterKey) -> Result<Live, Fault> {
        let (mut ways, mut of_logs) = (BTreeMap::new(), false);
        for way in Way::ALL {
            let buffer = buffers.remove(&way);
            let (endpoint, to) = (stream.endpoint_of(way), stream.to(way));
            if to.is_none() && buffer.is_none() {
                continue;
            }
            let processing = match endpoint {
                Some(endpoint) => endpoint.processing.as_ref(),
                None => to.and_then(|to| to.processing.as_ref()),
            };
            let plan = Plan::parse(processing).map_err(|why| Fault::Damaged(why.message))?;
            of_logs |= plan.decompressed;
            let by_time = to.filter(|_| endpoint.is_none());
            let prefixes = by_time.map(crate::destination::prefixes).transpose().map_err(Fault::Damaged)?;
            let buffer = buffer.unwrap_or_default();
            ways.insert(way, Filling { buffer, prefixes, delimited: plan.delimited });
        }
        let key = stream.sealed.then(|| stream.name.seal_key(master));
        Ok(Live { stream, ways, key, of_logs })
    }

    /// When the open buffer of a way is to be closed.
    fn due(&self, way: Way) -> Option<Time> {
        let open = self.ways.get(&way)?.buffer.open.as_ref()?;
        Some(open.opened.plus_secs(i64::from(self.stream.hints(way)?.1)))
    }

    /// When which of its buffers are to be closed.
    fn dues<'a>(&'a self, name: &'a StreamName) -> impl Iterator<Item = (Time, StreamName, Way)> + 'a {
        Way::ALL.into_iter().filter_map(|way| Some((self.due(way)?, name.clone(), way)))
    }
}

/// Firehose's state in one shard. A command changes it only once nothing can fail any more.
pub struct FirehoseMachine {
    gate: Arc<dyn Gate>,
    roles: Arc<dyn Roles>,
    master: MasterKey,
    streams: BTreeMap<StreamName, Live>,
    due: BTreeSet<(Time, StreamName, Way)>,
}

impl FirehoseMachine {
    pub(crate) fn new(gate: Arc<dyn Gate>, roles: Arc<dyn Roles>, master: MasterKey) -> Self {
        FirehoseMachine { gate, roles, master, streams: BTreeMap::new(), due: BTreeSet::new() }
    }

    fn live(&self, name: &StreamName) -> Result<&Live, Error> {
        self.streams.get(name).ok_or_else(|| streams::not_found(name))
    }

    /// Replaces what memory has of a stream.
    fn set(&mut self, name: &StreamName, live: Option<Live>) {
        for due in self.streams.get(name).into_iter().flat_map(|live| live.dues(name)) {
            self.due.remove(&due);
        }
        match live {
            Some(live) => {
                self.due.extend(live.dues(name));
                self.streams.insert(name.clone(), live);
            }
            None => drop(self.streams.remove(name)),
        }
    }

    fn set_buffer(&mut self, name: &StreamName, way: Way, buffer: Buffer) {
        if let Some(mut live) = self.streams.remove(name) {
            for due in live.dues(name) {
                self.due.remove(&due);
            }
            if let Some(filling) = live.ways.get_mut(&way) {
                filling.buffer = buffer;
            }
            self.set(name, Some(live));
        }
    }
}

impl Machine for FirehoseMachine {
    type Command = Command;
    type Output = Output;
    type Error = Error;
    const SPACE: Space = Space::Firehose;

    async fn load(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        let prefix = keys::all_streams();
        let mut after = None;
        loop {
            let page = tx.scan_prefix(&prefix, after.as_ref(), 256).await?;
            for (_, row) in &page.rows {
                let mut stream: Stream = postcard::from_bytes(row)?;
                let name = stream.name.clone();
                stream.endpoint = tx.read(&name.endpoint()).await?;
                let mut buffers = BTreeMap::new();
                for way in Way::ALL {
                    buffers.extend(tx.read(&name.buffer(way)).await?.map(|buffer| (way, buffer)));
                }
                self.set(&name, Some(Live::new(stream, buffers, &self.master)?));
            }
            after = page.rows.last().map(|(key, _)| key.clone());
            if !page.more || after.is_none() {
                return Ok(());
            }
        }
    }

    async fn apply(&mut self, tx: &mut Tx, command: Command) -> Result<Output, Error> {
        match command {
            Command::Deliver(delivery) => self.deliver(tx, delivery),
            Command::Clean { stream, id, from, to } => {
                records::clean(tx, &stream, id, (from, to)).await?;
                Ok(Output::Nothing)
            }
            Command::Create { stream, destination, tags, sealed, endpoint } => {
                let made = Stream {
                    name: stream,
                    id: tx.ids().number(),
                    created: tx.now(),
                    updated: None,
                    version: 1,
                    destination,
                    tags,
                    backup_id: tx.ids().number(),
                    sealed,
                    endpoint,
                };
                self.create(tx, made)
            }
            Command::Delete { stream } => self.delete(tx, stream),
            Command::Read { stream } => {
                self.live(&stream).map(|live| Output::Stream(Box::new(live.stream.clone())))
            }
            Command::Update { stream, version, destination, endpoint } => {
                self.update(tx, stream, version, (destination, endpoint))
            }
            Command::Tag { stream, add, remove } => self.tag(tx, stream, add, &remove),
            Command::Put { stream, records, of_logs } => {
                let sealed = self.put(tx, &stream, &records, of_logs)?;
                Ok(Output::Taken { sealed })
            }
            Command::Seal { stream, sealed } => self.seal(tx, &stream, sealed),
            Command::Fetch { stream, id, after, from, to, limit } => {
                let live = self.live(&stream)?;
                if live.stream.way_of(id).is_none() {
                    return Err(streams::not_found(&stream));
                }
                records::fetch(tx, &stream, id, after, (from, to), limit).await
            }
        }
    }

    fn grows(command: &Command) -> bool {
        matches!(
            command,
            Command::Create { .. } | Command::Update { .. } | Command::Tag { .. } | Command::Put { .. }
        )
    }

    fn next_due(&self) -> Option<Time> {
        self.due.first().map(|(due, ..)| *due)
    }

    /// Closes the buffers whose time has come.
    async fn on_time(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        let now = tx.now();
        let come = self.due.iter().take_while(|(due, ..)| *due <= now).take(CLOSED_AT_ONCE);
        let mut closed = Vec::new();
        for (_, name, way) in come {
            let Some(live) = self.streams.get(name) else { continue };
            let Some(filling) = live.ways.get(way) else { continue };
            let mut buffer = filling.buffer.clone();
            records::close(tx, live, *way, &mut buffer)?;
            tx.write(name.buffer(*way), &buffer)?;
            closed.push((name.clone(), *way, buffer));
        }
        for (name, way, buffer) in closed {
            self.set_buffer(&name, way, buffer);
        }
        Ok(())
    }

    /// A flush came to its end: its records go.
    async fn settled(&mut self, tx: &mut Tx, settled: Settled<'_>) -> Result<(), Fault> {
        if !settled.lane.starts_with("arn:aws:firehose:") {
            if let Err(why) = settled.result {
                tracing::error!(
                    lane = settled.lane,
                    why,
                    "an order of the streams' own was refused for good"
                );
            }
            return Ok(());
        }
        let flush: Flush = postcard::from_bytes(settled.payload)?;
        if let Err(why) = settled.result {
            tracing::error!(
                stream = settled.lane,
                name = flush.name,
                bytes = flush.bytes,
                why,
                "records were not delivered and are dropped"
            );
        }
        records::clean(tx, &flush.stream, flush.id, (flush.from, flush.to)).await?;
        let Some(live) = self.streams.get(&flush.stream) else { return Ok(()) };
        let Some(way) = live.stream.way_of(flush.id) else { return Ok(()) };
        let Some(filling) = live.ways.get(&way) else { return Ok(()) };
        let mut buffer = filling.buffer.clone();
        buffer.waiting = buffer.waiting.saturating_sub(flush.bytes);
        tx.write(flush.stream.buffer(way), &buffer)?;
        self.set_buffer(&flush.stream, way, buffer);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ropeway_core::effects::FirehoseCommand;

    use super::*;

    #[test]
    fn effects_have_the_commands_form() {
        let delivery = StreamDelivery {
            stream: "arn:aws:firehose:r:1:deliverystream/s".to_owned(),
            principal: "sns.amazonaws.com".to_owned(),
            role: "arn:aws:iam::1:role/r".to_owned(),
            source_arn: "arn:aws:sns:r:1:t".to_owned(),
            source_account: "1".to_owned(),
            data: Bytes::from_static(b"data"),
        };
        let effect = postcard::to_stdvec(&FirehoseCommand::Deliver(delivery.clone())).unwrap();
        let command = postcard::to_stdvec(&Command::Deliver(delivery)).unwrap();
        assert_eq!(effect, command);
    }
}
