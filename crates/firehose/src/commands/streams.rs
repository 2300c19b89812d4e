//! Streams: made, changed, removed.

use std::collections::BTreeMap;

use ropeway_api::firehose::error;
use ropeway_core::keys::Space;
use ropeway_core::{Fault, Tx, directory};
use ropeway_wire::Error;

use super::{Command, FirehoseMachine, Live, Output, records};
use crate::keys::{self, StreamName};
use crate::model::{Buffer, Destination, Endpoint, Stream, Way};

/// Most tags of a stream:
/// <https://docs.aws.amazon.com/firehose/latest/APIReference/API_TagDeliveryStream.html>.
const MAX_TAGS: usize = 50;
/// Most bytes of a stream's tags, keys and values: what its row has room for beside its destination.
const MAX_TAG_BYTES: usize = 40 * 1024;

/// The error for a stream that isn't there.
pub fn not_found(name: &StreamName) -> Error {
    let StreamName { scope, name } = name;
    error::resource_not_found_exception(format!("Firehose {name} under account {} not found.", scope.account))
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Error> {
    let bytes: usize = tags.iter().map(|(key, value)| key.len() + value.len()).sum();
    if tags.len() > MAX_TAGS || bytes > MAX_TAG_BYTES {
        let why = format!("A delivery stream may have {MAX_TAGS} tags at most, of {MAX_TAG_BYTES} bytes");
        return Err(error::limit_exceeded_exception(why));
    }
    Ok(())
}

/// Writes a stream's rows.
fn write(tx: &mut Tx, stream: &Stream) -> Result<(), Fault> {
    tx.write(stream.name.key(), stream)?;
    match &stream.endpoint {
        Some(endpoint) => tx.write(stream.name.endpoint(), endpoint)?,
        None => tx.delete(stream.name.endpoint()),
    }
    Ok(())
}

impl FirehoseMachine {
    pub(super) fn create(&mut self, tx: &mut Tx, stream: Stream) -> Result<Output, Error> {
        let name = stream.name.clone();
        if self.streams.contains_key(&name) {
            let why = format!("Firehose {} under accountId {} already exists", name.name, name.scope.account);
            return Err(error::resource_in_use_exception(why));
        }
        check_tags(&stream.tags)?;
        let live = Live::new(stream.clone(), BTreeMap::new(), &self.master)?;
        write(tx, &stream)?;
        tx.write(name.buffer(Way::Main), &Buffer::default())?;
        let list = keys::list(&name.scope.account, &name.scope.region);
        directory::add_with(tx, &list, &name.name, &[])?;
        self.set(&name, Some(live));
        Ok(Output::Stream(Box::new(stream)))
    }

    /// Removes a stream; its records follow in steps.
    pub(super) fn delete(&mut self, tx: &mut Tx, name: StreamName) -> Result<Output, Error> {
        let stream = self.live(&name)?.stream.clone();
        tx.delete(name.key());
        tx.delete(name.endpoint());
        let list = keys::list(&name.scope.account, &name.scope.region);
        directory::remove_with(tx, &list, &name.name)?;
        let shard = tx.shard();
        for way in Way::ALL {
            tx.delete(name.buffer(way));
            let id = stream.records_id(way);
            let clean = Command::Clean { stream: name.clone(), id, from: 0, to: u64::MAX };
            tx.send(&records::clean_lane(&name), Space::Firehose, shard, &clean)?;
        }
        self.set(&name, None);
        Ok(Output::Nothing)
    }

    /// Changes the destination. What was accepted before is delivered as it was to be then, but to
    /// the new bucket, as the new role.
    pub(super) fn update(
        &mut self,
        tx: &mut Tx,
        name: StreamName,
        version: u64,
        (destination, endpoint): (Destination, Option<Box<Endpoint>>),
    ) -> Result<Output, Error> {
        let live = self.live(&name)?;
        if live.stream.version != version {
            return Err(error::concurrent_modification_exception(format!(
                "Cannot update firehose: {} since the current version id: {} and specified version id: {version} do not match",
                name.name, live.stream.version
            )));
        }
        let mut buffers = BTreeMap::new();
        for (way, filling) in &live.ways {
            let mut buffer = filling.buffer.clone();
            records::close(tx, live, *way, &mut buffer)?;
            tx.write(name.buffer(*way), &buffer)?;
            buffers.insert(*way, buffer);
        }
        let (version, updated) = (version + 1, Some(tx.now()));
        let stream = Stream { destination, endpoint, version, updated, ..live.stream.clone() };
        write(tx, &stream)?;
        let live = Live::new(stream, buffers, &self.master)?;
        self.set(&name, Some(live));
        Ok(Output::Nothing)
    }

    /// Seals the records that come from now on, or doesn't. Those that are there stay as they are.
    pub(super) fn seal(&mut self, tx: &mut Tx, name: &StreamName, sealed: bool) -> Result<Output, Error> {
        let stream = Stream { sealed, ..self.live(name)?.stream.clone() };
        tx.write(name.key(), &stream)?;
        let key = sealed.then(|| name.seal_key(&self.master));
        if let Some(live) = self.streams.get_mut(name) {
            (live.stream, live.key) = (stream, key);
        }
        Ok(Output::Nothing)
    }

    pub(super) fn tag(
        &mut self,
        tx: &mut Tx,
        name: StreamName,
        add: BTreeMap<String, String>,
        remove: &[String],
    ) -> Result<Output, Error> {
        let live = self.live(&name)?;
        let mut stream = live.stream.clone();
        stream.tags.extend(add);
        stream.tags.retain(|key, _| !remove.contains(key));
        check_tags(&stream.tags)?;
        tx.write(name.key(), &stream)?;
        if let Some(live) = self.streams.get_mut(&name) {
            live.stream = stream;
        }
        Ok(Output::Nothing)
    }
}
