//! What waits for trails: files that are filled and closed, digests of those that were delivered.

use std::collections::BTreeMap;

use bytes::Bytes;
use ropeway_core::keys::{Scope, Space};
use ropeway_core::{Fault, Time, Tx};
use ropeway_wire::Error;

use super::{CloudTrailMachine, Command, Live, Output};
use crate::keys;
use crate::model::{Buffer, Delivered, Digests, Entry, Order, Trail, What};

/// How long a file is filled, in seconds: about every 5 minutes
/// (<https://docs.aws.amazon.com/awscloudtrail/latest/userguide/how-cloudtrail-works.html>).
const FILLED_SECS: i64 = 5 * 60;
/// Bytes of events in a file, about.
const FILE_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes of events that may wait for a trail in a region; past them the calls that make events are throttled.
const MAX_WAITING: u64 = 8 * 1024 * 1024 * 1024;
/// How long a digest tells, in seconds.
const DIGEST_SECS: i64 = 60 * 60;
/// Files in one digest; more are left to the next one.
const DIGEST_FILES: usize = 2000;
/// Buffers that one step closes.
const CLOSED_AT_ONCE: usize = 64;
/// Events that one step removes.
const CLEANED_AT_ONCE: usize = 400;
/// What the random part of a file's name is made of, and its length.
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const RANDOM: usize = 16;
/// What names of the lanes to the actor begin with.
pub const LANE: &str = "trail/";
/// And of those by which delivered events are removed.
const CLEAN: &str = "clean/";

/// Buffers as a command leaves them.
#[derive(Default)]
pub struct Changes(BTreeMap<(Scope, u64), Live>);

/// When there is something to close.
pub fn due(buffer: &Buffer) -> Option<Time> {
    let file = buffer.opened.map(|opened| opened.plus_secs(FILLED_SECS));
    let digest = buffer.digests.as_ref().map(|digests| digests.from.plus_secs(DIGEST_SECS));
    file.into_iter().chain(digest).min()
}

impl CloudTrailMachine {
    /// Takes an event for its trails.
    pub(super) fn append(
        &self,
        tx: &mut Tx,
        scope: &Scope,
        entry: &Entry,
        changes: &mut Changes,
    ) -> Result<(), Error> {
        for (id, arn) in &entry.trails {
            let place = (scope.clone(), *id);
            let now = tx.now();
            let mut live = match changes.0.remove(&place).or_else(|| self.buffers.get(&place).cloned()) {
                Some(live) => live,
                None => self.fresh(arn, *id, now),
            };
            let buffer = &mut live.buffer;
            if buffer.waiting > MAX_WAITING {
                return Err(Fault::Overloaded.into());
            }
            let json = Bytes::copy_from_slice(entry.event.json.as_bytes());
            let bytes = json.len() as u64 + 1;
            tx.put(keys::line(scope, *id, buffer.next), json);
            buffer.next += 1;
            buffer.bytes += bytes;
            buffer.waiting += bytes;
            buffer.opened.get_or_insert(now);
            if buffer.bytes >= FILE_BYTES {
                close(tx, &place, &mut live)?;
            }
            changes.0.insert(place, live);
        }
        Ok(())
    }

    fn fresh(&self, arn: &str, id: u64, now: Time) -> Live {
        let mut live = Live { arn: arn.to_owned(), buffer: Buffer::default() };
        if self.trail_of(&live, id).is_some_and(|trail| trail.settings.validation) {
            live.buffer.digests = Some(Digests { from: now, files: Vec::new() });
        }
        live
    }

    /// Writes changed buffers.
    pub(super) fn keep(&mut self, tx: &mut Tx, changes: Changes) -> Result<(), Fault> {
        for ((scope, id), live) in &changes.0 {
            tx.write(keys::buffer(scope, *id), &(scope, id, live))?;
        }
        self.buffers.extend(changes.0);
        Ok(())
    }

    /// Begins the chain of digests in the trail's home region, if it has none.
    pub(super) fn begin_digests(&mut self, tx: &mut Tx, trail: &Trail) -> Result<(), Fault> {
        let place = (trail.home.clone(), trail.id);
        let fresh = || Live { arn: trail.arn(), buffer: Buffer::default() };
        let mut live = self.buffers.get(&place).cloned().unwrap_or_else(fresh);
        if live.buffer.digests.is_some() {
            return Ok(());
        }
        live.buffer.digests = Some(Digests { from: tx.now(), files: Vec::new() });
        live.buffer.previous = None;
        self.keep(tx, Changes([(place, live)].into()))
    }

    /// Changes a buffer that is there.
    pub(super) fn note(
        &mut self,
        tx: &mut Tx,
        place: (Scope, u64),
        change: impl FnOnce(&mut Buffer),
    ) -> Result<Output, Error> {
        if let Some(mut live) = self.buffers.get(&place).cloned() {
            change(&mut live.buffer);
            self.keep(tx, Changes([(place, live)].into()))?;
        }
        Ok(Output::Nothing)
    }

    /// Closes the files and digests whose time has come.
    pub(super) fn close_due(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        let now = tx.now();
        let come = self.buffers.iter().filter(|(_, live)| due(&live.buffer).is_some_and(|due| due <= now));
        let mut changes = Changes::default();
        for (place, live) in come.take(CLOSED_AT_ONCE) {
            let mut live = live.clone();
            if live.buffer.opened.is_some_and(|opened| opened.plus_secs(FILLED_SECS) <= now) {
                close(tx, place, &mut live)?;
            }
            let trail = self.trail_of(&live, place.1);
            let goes_on = trail.is_some_and(|trail| trail.logging && trail.settings.validation);
            close_digest(tx, place, &mut live, goes_on)?;
            changes.0.insert(place.clone(), live);
        }
        self.keep(tx, changes)
    }

    /// A delivery came to its end.
    pub(super) fn delivered(
        &mut self,
        tx: &mut Tx,
        order: Order,
        result: Result<&[u8], &str>,
    ) -> Result<(), Fault> {
        let place = (order.scope.clone(), order.trail);
        if let What::File { from, to, .. } = order.what {
            let shard = tx.shard();
            let lane = format!("{CLEAN}{}/{}", order.trail, order.scope.region);
            let clean = Command::Clean { scope: order.scope.clone(), trail: order.trail, from, to };
            tx.send(&lane, Space::CloudTrail, shard, &clean)?;
        }
        let Some(mut live) = self.buffers.get(&place).cloned() else { return Ok(()) };
        let (buffer, now) = (&mut live.buffer, tx.now());
        if let What::File { bytes, .. } = order.what {
            buffer.waiting = buffer.waiting.saturating_sub(bytes);
        }
        let done = result.map(postcard::from_bytes::<Delivered>);
        let fared =
            if matches!(order.what, What::File { .. }) { &mut buffer.files } else { &mut buffer.digested };
        fared.tried = Some(now);
        match done {
            Ok(delivered) => {
                (fared.done, fared.error) = (Some(now), None);
                match delivered? {
                    Delivered::File(file) => {
                        buffer.digests.iter_mut().for_each(|d| d.files.push(file.clone()))
                    }
                    Delivered::Digest(digest) => buffer.previous = Some(digest),
                }
            }
            Err(why) => {
                tracing::error!(trail = order.arn, why, "a trail's file is given up");
                fared.error = Some(why.to_owned());
            }
        }
        if self.trail_of(&live, place.1).is_none() && live.buffer.waiting == 0 {
            tx.delete(keys::buffer(&place.0, place.1));
            self.buffers.remove(&place);
            return Ok(());
        }
        self.keep(tx, Changes([(place, live)].into()))
    }
}

fn send(tx: &mut Tx, (scope, id): &(Scope, u64), live: &Live, what: What) -> Result<(), Fault> {
    let order = Order { scope: scope.clone(), arn: live.arn.clone(), trail: *id, what };
    tx.send_to_actor(&format!("{LANE}{id}/{}", scope.region), Space::CloudTrail, &order)
}

/// Closes the open file: leaves it to the actor.
fn close(tx: &mut Tx, place: &(Scope, u64), live: &mut Live) -> Result<(), Fault> {
    let (at, random) = (tx.now(), tx.ids().text(LETTERS, RANDOM));
    let buffer = &mut live.buffer;
    let what = What::File { from: buffer.from, to: buffer.next, bytes: buffer.bytes, at, random };
    buffer.opened = None;
    buffer.bytes = 0;
    buffer.from = buffer.next;
    send(tx, place, live, what)
}

/// Closes the digest whose time has come. One tells of all hours that have passed while the server was away.
fn close_digest(tx: &mut Tx, place: &(Scope, u64), live: &mut Live, goes_on: bool) -> Result<(), Fault> {
    let Some(digests) = live.buffer.digests.take() else { return Ok(()) };
    let hours = (tx.now().secs() - digests.from.secs()) / DIGEST_SECS;
    if hours == 0 {
        live.buffer.digests = Some(digests);
        return Ok(());
    }
    let to = digests.from.plus_secs(hours * DIGEST_SECS);
    let mut files = digests.files;
    let rest = files.split_off(files.len().min(DIGEST_FILES));
    if goes_on {
        live.buffer.digests = Some(Digests { from: to, files: rest });
    }
    send(tx, place, live, What::Digest { from: digests.from, to, files })
}

/// Reads waiting events.
pub async fn fetch(
    tx: &Tx,
    scope: &Scope,
    trail: u64,
    (from, to): (u64, u64),
    limit: u32,
) -> Result<Output, Fault> {
    let after = from.checked_sub(1).map(|before| keys::line(scope, trail, before));
    let page = tx.scan_prefix(&keys::lines(scope, trail), after.as_ref(), limit as usize).await?;
    let mut lines = Vec::new();
    for (key, line) in page.rows {
        let number = ropeway_core::keys::last_number(&key);
        let number = number.ok_or_else(|| Fault::Damaged("a line's key".to_owned()))?;
        if number < to {
            lines.push((number, line));
        }
    }
    Ok(Output::Lines(lines))
}

/// Removes delivered events, the rest by the next step.
pub async fn clean(tx: &mut Tx, scope: &Scope, trail: u64, (from, to): (u64, u64)) -> Result<(), Fault> {
    let after = from.checked_sub(1).map(|before| keys::line(scope, trail, before));
    let page = tx.scan_prefix(&keys::lines(scope, trail), after.as_ref(), CLEANED_AT_ONCE).await?;
    let mut next = None;
    for (key, _) in page.rows {
        let number = ropeway_core::keys::last_number(&key);
        let number = number.ok_or_else(|| Fault::Damaged("a line's key".to_owned()))?;
        if number >= to {
            return Ok(());
        }
        next = Some(number + 1);
        tx.delete(key);
    }
    let Some(from) = next.filter(|_| page.more) else { return Ok(()) };
    let shard = tx.shard();
    let lane = format!("{CLEAN}{trail}/{}", scope.region);
    let rest = Command::Clean { scope: scope.clone(), trail, from, to };
    tx.send(&lane, Space::CloudTrail, shard, &rest)
}
