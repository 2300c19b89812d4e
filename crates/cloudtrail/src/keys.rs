//! The part of the key catalogue that is CloudTrail's. The kinds never change.

use bytes::Bytes;
use ropeway_core::Time;
use ropeway_core::keys::{KeyBuilder, Scope, Space};

/// A trail: scope of its home region, name.
const TRAIL: u8 = 1;
/// What is known of the history: scope.
const HISTORY: u8 = 2;
/// An event of the history: scope, time, number.
const EVENT: u8 = 3;
/// What waits for a trail in a region: scope, the trail's id.
const BUFFER: u8 = 4;
/// An event that waits for a trail: scope, the trail's id, number.
const LINE: u8 = 5;
/// A key that digests are signed with: scope, when its time begins.
const KEY: u8 = 6;

/// The shard's name of an account's audit log in a region.
pub fn journal(scope: &Scope) -> String {
    format!("cloudtrail/{}/{}", scope.account, scope.region)
}

/// Key of a trail's row.
pub fn trail(scope: &Scope, name: &str) -> Bytes {
    KeyBuilder::new(Space::CloudTrail, TRAIL, scope).text(name).build()
}

/// What the keys of all trails begin with, whatever their scope.
pub fn all_trails() -> Bytes {
    KeyBuilder::unscoped(Space::CloudTrail, TRAIL).build()
}

/// Key of the history's own row.
pub fn history(scope: &Scope) -> Bytes {
    KeyBuilder::new(Space::CloudTrail, HISTORY, scope).build()
}

/// What the keys of all histories begin with.
pub fn all_histories() -> Bytes {
    KeyBuilder::unscoped(Space::CloudTrail, HISTORY).build()
}

/// What the keys of a history's events begin with.
pub fn events(scope: &Scope) -> Bytes {
    KeyBuilder::new(Space::CloudTrail, EVENT, scope).build()
}

/// Key of an event in the history; those of a moment are in the order of their numbers.
pub fn event(scope: &Scope, at: Time, number: u64) -> Bytes {
    KeyBuilder::new(Space::CloudTrail, EVENT, scope).time(at).number(number).build()
}

/// Time and number of an event's key.
pub fn event_of(key: &[u8]) -> Option<(Time, u64)> {
    let (rest, number) = key.split_last_chunk::<8>()?;
    let (_, at) = rest.split_last_chunk::<8>()?;
    Some((Time(i64::try_from(u64::from_be_bytes(*at)).ok()?), u64::from_be_bytes(*number)))
}

/// Key of what waits for a trail.
pub fn buffer(scope: &Scope, trail: u64) -> Bytes {
    KeyBuilder::new(Space::CloudTrail, BUFFER, scope).number(trail).build()
}

/// What the keys of all buffers begin with.
pub fn all_buffers() -> Bytes {
    KeyBuilder::unscoped(Space::CloudTrail, BUFFER).build()
}

/// What the keys of a trail's waiting events begin with.
pub fn lines(scope: &Scope, trail: u64) -> Bytes {
    KeyBuilder::new(Space::CloudTrail, LINE, scope).number(trail).build()
}

/// Key of a waiting event.
pub fn line(scope: &Scope, trail: u64, number: u64) -> Bytes {
    KeyBuilder::new(Space::CloudTrail, LINE, scope).number(trail).number(number).build()
}

/// What the keys of an account's signing keys in a region begin with.
pub fn signing_keys(scope: &Scope) -> Bytes {
    KeyBuilder::new(Space::CloudTrail, KEY, scope).build()
}

/// Key of a signing key's row.
pub fn signing_key(scope: &Scope, begins: Time) -> Bytes {
    KeyBuilder::new(Space::CloudTrail, KEY, scope).time(begins).build()
}
