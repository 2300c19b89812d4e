//! S3's part of the key catalogue: rows of [`Space::S3`], by kind.
//!
//! Bucket names are global, so a row is found by its bucket's name and not by account and region,
//! which stand in the bucket's own row. All rows of a bucket lie in the shard of `s3/<bucket>`.

use bytes::Bytes;
use ropeway_core::Time;
use ropeway_core::keys::{KeyBuilder, Space, last_number};

/// bucket → [`crate::model::Bucket`]
const BUCKET: u8 = 0;
/// bucket, object key → [`crate::model::Object`]
const OBJECT: u8 = 1;
/// body id, piece → sealed bytes of a small body
const BODY: u8 = 2;
/// blob id → nothing: a row of this shard names the blob
const BLOB: u8 = 3;
/// bucket → its policy, as JSON
const POLICY: u8 = 4;
/// bucket → its tags
const TAGS: u8 = 5;
// 6 is not used.
/// bucket, object key, 0, time of initiation, upload id → [`crate::model::Upload`]
const UPLOAD: u8 = 7;
/// upload id, part number → [`crate::model::Part`]
const PART: u8 = 8;
/// upload id, index → some [`crate::model::ManifestPart`]s of a completed object
const MANIFEST: u8 = 9;
/// time, upload id, kind of job → [`crate::model::Job`]
const JOB: u8 = 10;
/// bucket, number → [`crate::notification::Rule`]
const NOTIFICATION: u8 = 11;
/// bucket, object key, sequence number (inverted) → [`crate::model::Version`]: the versions that are not
/// current, the newest first, and all delete markers. Where a key has rows here and no object, the newest
/// of them is a delete marker.
const VERSION: u8 = 12;
/// bucket, object key → the sequence number of the version `null`, if it is among those
const NULL_VERSION: u8 = 13;
/// bucket, number → [`crate::lifecycle::Rule`]
const LIFECYCLE: u8 = 14;
/// → the midnight whose lifecycle runs have begun in this shard
const LIFECYCLE_RUN: u8 = 15;
/// bucket, kind → [`crate::configuration::Configuration`]
const CONFIGURATION: u8 = 24;

/// Bytes behind the object key in an upload's key: a zero byte, the time, the id.
pub(crate) const UPLOAD_SUFFIX: usize = 1 + 8 + 16;

fn row(kind: u8) -> KeyBuilder {
    KeyBuilder::unscoped(Space::S3, kind)
}

pub(crate) fn bucket(name: &str) -> Bytes {
    row(BUCKET).text(name).build()
}

/// What the keys of all objects of a bucket begin with.
pub(crate) fn objects(bucket: &str) -> KeyBuilder {
    row(OBJECT).text(bucket)
}

pub(crate) fn object(bucket: &str, key: &str) -> Bytes {
    objects(bucket).raw(key.as_bytes()).build()
}

/// What the keys of all lifecycle rules begin with.
pub(crate) fn all_lifecycles() -> Bytes {
    row(LIFECYCLE).build()
}

/// What the keys of a bucket's lifecycle rules begin with.
pub(crate) fn lifecycles(bucket: &str) -> KeyBuilder {
    row(LIFECYCLE).text(bucket)
}

pub(crate) fn lifecycle(bucket: &str, number: u32) -> Bytes {
    lifecycles(bucket).number32(number).build()
}

pub(crate) fn lifecycle_run() -> Bytes {
    row(LIFECYCLE_RUN).build()
}

/// What the keys of all versions of a bucket begin with.
pub(crate) fn all_versions(bucket: &str) -> KeyBuilder {
    row(VERSION).text(bucket)
}

/// What the keys of all versions of an object begin with.
pub(crate) fn versions(bucket: &str, key: &str) -> KeyBuilder {
    all_versions(bucket).text(key)
}

pub(crate) fn version(bucket: &str, key: &str, sequence: u64) -> Bytes {
    versions(bucket, key).number(!sequence).build()
}

/// The sequence number in a version's key.
pub(crate) fn version_sequence(key: &[u8]) -> Option<u64> {
    last_number(key).map(|number| !number)
}

pub(crate) fn null_version(bucket: &str, key: &str) -> Bytes {
    row(NULL_VERSION).text(bucket).text(key).build()
}

pub(crate) fn body(id: u128, piece: u32) -> Bytes {
    row(BODY).raw(&id.to_be_bytes()).number32(piece).build()
}

pub(crate) fn blob(id: u128) -> Bytes {
    row(BLOB).raw(&id.to_be_bytes()).build()
}

/// What the keys of all buckets begin with.
pub(crate) fn buckets() -> Bytes {
    row(BUCKET).build()
}

pub(crate) fn policy(bucket: &str) -> Bytes {
    row(POLICY).text(bucket).build()
}

/// The bucket of a key that ends with its name.
pub(crate) fn bucket_of(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.get(2..)?.strip_suffix(&[0])?).ok()
}

pub(crate) fn tags(bucket: &str) -> Bytes {
    row(TAGS).text(bucket).build()
}

/// What the keys of all configurations begin with.
pub(crate) fn all_configurations() -> Bytes {
    row(CONFIGURATION).build()
}

/// What the keys of a bucket's configurations begin with.
pub(crate) fn configurations(bucket: &str) -> KeyBuilder {
    row(CONFIGURATION).text(bucket)
}

pub(crate) fn configuration(bucket: &str, kind: u8) -> Bytes {
    configurations(bucket).raw(&[kind]).build()
}

/// What the keys of a bucket's notification configurations begin with.
pub(crate) fn notifications(bucket: &str) -> KeyBuilder {
    row(NOTIFICATION).text(bucket)
}

pub(crate) fn notification(bucket: &str, number: u32) -> Bytes {
    notifications(bucket).number32(number).build()
}

/// What the keys of all uploads of a bucket begin with.
pub(crate) fn uploads(bucket: &str) -> KeyBuilder {
    row(UPLOAD).text(bucket)
}

pub(crate) fn upload(bucket: &str, key: &str, initiated: Time, id: u128) -> Bytes {
    uploads(bucket).raw(key.as_bytes()).raw(&[0]).time(initiated).raw(&id.to_be_bytes()).build()
}

pub(crate) fn parts(upload: u128) -> Bytes {
    row(PART).raw(&upload.to_be_bytes()).build()
}

pub(crate) fn part(upload: u128, number: u32) -> Bytes {
    row(PART).raw(&upload.to_be_bytes()).number32(number).build()
}

/// The part number in a part's key.
pub(crate) fn part_number(key: &[u8]) -> Option<u32> {
    let start = key.len().checked_sub(4)?;
    Some(u32::from_be_bytes(key.get(start..)?.try_into().ok()?))
}

pub(crate) fn manifest(upload: u128, index: u32) -> Bytes {
    row(MANIFEST).raw(&upload.to_be_bytes()).number32(index).build()
}

pub(crate) fn jobs() -> Bytes {
    row(JOB).build()
}

pub(crate) fn job(time: Time, upload: u128, kind: u8) -> Bytes {
    row(JOB).time(time).raw(&upload.to_be_bytes()).raw(&[kind]).build()
}
