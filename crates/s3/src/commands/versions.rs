//! Versions: where those are that are not current, and what takes their place.
//!
//! The current object lies where it lies in a bucket without versions, so that reads, writes and
//! listings of current objects cost the same. Older versions and delete markers have rows of their own.

use std::ops::Bound;

use bytes::Bytes;
use ropeway_core::{Fault, Tx, keys as core_keys};
use serde::{Deserialize, Serialize};

use super::jobs::Jobs;
use super::list::{Entry, Listing, Position, Query, Rows, common_prefix};
use super::object::drop_object;
use super::{Output, Target, bucket};
use crate::error::{self, S3Error};
use crate::keys;
use crate::model::{Bucket, Marker, Object, Version, VersionId, Which};

/// A version that was asked for.
pub(super) enum Located {
    /// The current object.
    Current(Box<Object>),
    /// Another one, of this sequence number.
    Older(u64, Version),
}

/// A new version's id.
pub(super) fn new_id(tx: &mut Tx) -> Result<VersionId, Fault> {
    let mut random = [0; 8];
    tx.ids().fill(&mut random);
    Ok(VersionId { sequence: tx.sequence()?, random: u64::from_be_bytes(random) })
}

/// Makes of the current object an older version; its row is overwritten or removed by the caller.
pub(super) fn shelve(tx: &mut Tx, bucket: &str, key: &str, object: Object) -> Result<(), Fault> {
    let sequence = sequence_of(tx, bucket, key, object.version)?;
    tx.write(keys::version(bucket, key, sequence), &Version::Object(Box::new(object)))
}

/// Leaves a delete marker.
pub(super) fn mark(tx: &mut Tx, bucket: &str, key: &str, version: Option<VersionId>) -> Result<(), Fault> {
    let sequence = sequence_of(tx, bucket, key, version)?;
    let marker = Marker { version, modified: tx.now() };
    tx.write(keys::version(bucket, key, sequence), &Version::Marker(marker))
}

/// The version `null` gets a number when it takes its place among the others.
fn sequence_of(tx: &mut Tx, bucket: &str, key: &str, version: Option<VersionId>) -> Result<u64, Fault> {
    match version {
        Some(id) => Ok(id.sequence),
        None => {
            let sequence = tx.sequence()?;
            tx.write(keys::null_version(bucket, key), &sequence)?;
            Ok(sequence)
        }
    }
}

/// Finds a version among those that are not current.
async fn older(
    tx: &Tx,
    bucket: &str,
    key: &str,
    id: Option<VersionId>,
) -> Result<Option<(u64, Version)>, Fault> {
    let sequence = match id {
        Some(id) => Some(id.sequence),
        None => tx.read(&keys::null_version(bucket, key)).await?,
    };
    let Some(sequence) = sequence else { return Ok(None) };
    let found: Option<Version> = tx.read(&keys::version(bucket, key, sequence)).await?;
    Ok(found.filter(|version| version.id() == id).map(|version| (sequence, version)))
}

/// Finds a version.
pub(super) async fn locate(
    tx: &Tx,
    bucket: &str,
    key: &str,
    id: Option<VersionId>,
) -> Result<Option<Located>, Fault> {
    let current: Option<Box<Object>> = tx.read(&keys::object(bucket, key)).await?;
    match current {
        Some(object) if object.version == id => Ok(Some(Located::Current(object))),
        _ => {
            Ok(older(tx, bucket, key, id).await?.map(|(sequence, version)| Located::Older(sequence, version)))
        }
    }
}

/// Removes the row of an older version, and what holds its bytes.
pub(super) fn remove(
    jobs: &mut Jobs,
    tx: &mut Tx,
    (bucket, key): (&str, &str),
    (sequence, version): (u64, &Version),
    freed: &mut Vec<u128>,
) -> Result<(), Fault> {
    tx.delete(keys::version(bucket, key, sequence));
    if version.id().is_none() {
        tx.delete(keys::null_version(bucket, key));
    }
    match version {
        Version::Object(object) => drop_object(jobs, tx, object, freed),
        Version::Marker(_) => Ok(()),
    }
}

/// Removes the version `null` from among those that are not current.
pub(super) async fn remove_null(
    jobs: &mut Jobs,
    tx: &mut Tx,
    bucket: &str,
    key: &str,
    freed: &mut Vec<u128>,
) -> Result<(), Fault> {
    match older(tx, bucket, key, None).await? {
        Some((sequence, version)) => remove(jobs, tx, (bucket, key), (sequence, &version), freed),
        None => Ok(()),
    }
}

/// The newest of the versions that have no place as the current object.
pub(super) async fn newest(tx: &Tx, bucket: &str, key: &str) -> Result<Option<(u64, Version)>, Fault> {
    let page = tx.scan_prefix(&keys::versions(bucket, key).build(), None, 1).await?;
    page.rows.first().map(|(row, value)| read(row, value)).transpose()
}

/// Whether a delete marker is the latest of a key without an object.
pub(super) async fn is_hidden(tx: &Tx, (name, bucket): (&str, &Bucket), key: &str) -> Result<bool, Fault> {
    let newest = if bucket.versioning.is_some() { newest(tx, name, key).await? } else { None };
    Ok(matches!(newest, Some((_, Version::Marker(_)))))
}

fn read(row: &[u8], value: &[u8]) -> Result<(u64, Version), Fault> {
    let sequence = keys::version_sequence(row).ok_or_else(|| Fault::Damaged("a version's key".to_owned()))?;
    Ok((sequence, postcard::from_bytes(value)?))
}

/// Where a key has no current object any more: makes the newest version current, unless it is a delete
/// marker.
pub(super) async fn promote(tx: &mut Tx, bucket: &str, key: &str) -> Result<(), Fault> {
    let Some((sequence, Version::Object(object))) = newest(tx, bucket, key).await? else { return Ok(()) };
    tx.delete(keys::version(bucket, key, sequence));
    if object.version.is_none() {
        tx.delete(keys::null_version(bucket, key));
    }
    tx.write(keys::object(bucket, key), &object)
}

/// Where a listing of versions goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionMarker {
    /// `key-marker`
    pub key: String,
    /// Behind this version of the key; otherwise behind the key.
    pub version: Option<Which>,
}

/// The objects and the versions of a bucket, in the order of keys.
struct Merged<'q> {
    bucket: &'q str,
    query: &'q Query,
    objects: Rows,
    object_base: Bytes,
    versions: Rows,
    version_base: Bytes,
    /// The key whose latest version has been told.
    told: Option<String>,
}

impl<'q> Merged<'q> {
    async fn new(
        tx: &Tx,
        bucket: &'q str,
        query: &'q Query,
        from: Option<&VersionMarker>,
    ) -> Result<Self, Fault> {
        let object_base = keys::objects(bucket).build();
        let version_base = keys::all_versions(bucket).build();
        let object_prefix = Bytes::from([&object_base, query.prefix.as_bytes()].concat());
        let version_prefix = open_prefix(bucket, &query.prefix);
        let mut told = None;
        let (mut objects, mut versions) = match (&query.after, from) {
            (Some(Position { row, .. }), _) => {
                let common = std::str::from_utf8(row).map_err(|e| Fault::Damaged(e.to_string()))?;
                (behind(&[&object_base, row.as_slice()].concat()), behind(&open_prefix(bucket, common)))
            }
            (None, Some(marker)) => {
                let versions = match marker.version {
                    Some(which) => {
                        told = Some(marker.key.clone());
                        behind_version(tx, bucket, &marker.key, which).await?
                    }
                    None => behind(&keys::versions(bucket, &marker.key).build()),
                };
                (Bound::Excluded(keys::object(bucket, &marker.key)), versions)
            }
            (None, None) => (Bound::Unbounded, Bound::Unbounded),
        };
        for (from, prefix) in [(&mut objects, &object_prefix), (&mut versions, &version_prefix)] {
            let before = match &*from {
                Bound::Included(key) | Bound::Excluded(key) => key < prefix,
                Bound::Unbounded => true,
            };
            if before {
                *from = Bound::Included(prefix.clone());
            }
        }
        Ok(Merged {
            bucket,
            query,
            objects: Rows::new(objects, &object_prefix, query),
            object_base,
            versions: Rows::new(versions, &version_prefix, query),
            version_base,
            told,
        })
    }

    /// The key that is next, and whether its current object is.
    async fn peek(&mut self, tx: &Tx) -> Result<Option<(String, bool)>, Fault> {
        let damaged = || Fault::Damaged("a key of an object's row".to_owned());
        let object = match self.objects.peek(tx).await? {
            Some((row, _)) => {
                let name = row.get(self.object_base.len()..).unwrap_or_default();
                Some(std::str::from_utf8(name).map_err(|_| damaged())?.to_owned())
            }
            None => None,
        };
        let version = match self.versions.peek(tx).await? {
            Some((row, _)) => {
                let rest = row.get(self.version_base.len()..).unwrap_or_default();
                Some(core_keys::read_text(rest).ok_or_else(damaged)?.0)
            }
            None => None,
        };
        Ok(match (object, version) {
            (Some(object), Some(version)) if version < object => Some((version, false)),
            (Some(object), _) => Some((object, true)),
            (None, version) => version.map(|version| (version, false)),
        })
    }

    fn take(&mut self, key: String, current: bool) -> Result<Option<Entry>, Fault> {
        let latest = self.told.as_ref() != Some(&key);
        self.told = Some(key.clone());
        let version = if current {
            let taken = self.objects.take();
            taken.map(|(_, value)| postcard::from_bytes(&value).map(Version::Object)).transpose()?
        } else {
            let taken = self.versions.take();
            taken.map(|(row, value)| read(&row, &value)).transpose()?.map(|(_, version)| version)
        };
        Ok(version.map(|version| Entry::Version(key, version, latest)))
    }

    fn skip(&mut self, prefix: &str) {
        self.objects.skip(&[&self.object_base, prefix.as_bytes()].concat());
        self.versions.skip(&open_prefix(self.bucket, prefix));
    }
}

/// What the keys of the versions of all objects begin with whose keys begin so.
fn open_prefix(bucket: &str, prefix: &str) -> Bytes {
    let closed = keys::versions(bucket, prefix).build();
    closed.slice(..closed.len().saturating_sub(1))
}

/// Behind all keys that begin so.
fn behind(prefix: &[u8]) -> Bound<Bytes> {
    core_keys::after_prefix(prefix).map_or(Bound::Excluded(Bytes::copy_from_slice(prefix)), Bound::Included)
}

/// Behind a version of a key. One that is not there any more is taken as the current one, so that
/// nothing is passed over, unless its id says where it was.
async fn behind_version(tx: &Tx, bucket: &str, key: &str, which: Which) -> Result<Bound<Bytes>, Fault> {
    let first = Bound::Included(keys::versions(bucket, key).build());
    let Which::Version(id) = which else { return Ok(first) };
    Ok(match (locate(tx, bucket, key, id).await?, id) {
        (Some(Located::Older(sequence, _)), _) | (None, Some(VersionId { sequence, .. })) => {
            Bound::Excluded(keys::version(bucket, key, sequence))
        }
        _ => first,
    })
}

/// Lists versions; `from` counts where the query names no position.
pub(super) async fn list(
    tx: &Tx,
    target: &Target,
    query: &Query,
    from: Option<&VersionMarker>,
) -> Result<Output, S3Error> {
    let found = bucket::find(tx, target).await?;
    let mut listing = Listing::default();
    if query.limit == 0 {
        return Ok(Output::Listing(listing, found));
    }
    let mut rows = Merged::new(tx, &target.bucket, query, from).await?;
    while let Some((key, current)) = rows.peek(tx).await? {
        let place = Position { row: key.as_bytes().to_vec(), whole: false };
        if listing.entries.len() == query.limit as usize {
            // That there is more; where, the last entry says.
            listing.next = Some(place);
            break;
        }
        match common_prefix(&key, rows.query).map(str::to_owned) {
            Some(prefix) => {
                rows.skip(&prefix);
                listing.entries.push(Entry::Prefix(prefix));
            }
            None => listing.entries.extend(rows.take(key, current)?),
        }
    }
    Ok(Output::Listing(listing, found))
}

/// What is at a key.
///
/// # Errors
/// 404 `NoSuchKey`, `NoSuchVersion`; 405 for a delete marker that is named; 400 for a version's id in a
/// bucket that never had versions.
pub(super) async fn find(
    tx: &Tx,
    target: &Target,
    key: &str,
    which: Which,
) -> Result<(Bucket, Located), S3Error> {
    let found = bucket::find(tx, target).await?;
    crate::names::check_key(key)?;
    let name = &target.bucket;
    let Which::Version(id) = which else {
        if let Some(object) = tx.read(&keys::object(name, key)).await? {
            return Ok((found, Located::Current(object)));
        }
        let newest = if found.versioning.is_some() { newest(tx, name, key).await? } else { None };
        return Err(match newest {
            Some((_, Version::Marker(marker))) => error::is_marker(key, &found, &marker, false),
            _ => error::no_such_key(key),
        }
        .into());
    };
    let text = VersionId::text(id);
    if found.versioning.is_none() && id.is_some() {
        return Err(error::invalid_version(&text).into());
    }
    match locate(tx, name, key, id).await? {
        Some(Located::Older(_, Version::Marker(marker))) => {
            Err(error::is_marker(key, &found, &marker, true).into())
        }
        Some(located) => Ok((found, located)),
        None => Err(error::no_such_version(key, &text).into()),
    }
}
