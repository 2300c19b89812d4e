//! Objects.

use bytes::{Bytes, BytesMut};
use ropeway_core::keys::Space;
use ropeway_core::{Fault, Tx};
use ropeway_store::MAX_VALUE_BYTES;
use ropeway_wire::Error;
use serde::{Deserialize, Serialize};

use super::jobs::Jobs;
use super::{BLOBS_LANE, Output, S3Machine, Target, bucket};
use crate::error::{self, S3Error};
use crate::keys;
use crate::model::{Body, Bucket, Job, Object, Sealed, Tag};
use crate::names::{check_key, etags_match};
use crate::notification::{Cause, Event};

/// Conditions of a write.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct WriteIf {
    /// `If-Match`: the object there has this ETag.
    pub matches: Option<String>,
    /// `If-None-Match: *`: there is none.
    pub absent: bool,
}

/// How an object comes to its place.
#[derive(Clone, Copy)]
pub(super) struct Placing<'p> {
    /// Conditions.
    pub only_if: &'p WriteIf,
    /// What it is to those who are notified.
    pub event: Event,
    /// The request.
    pub cause: &'p Cause,
}

/// An object to delete.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ToDelete {
    /// Its key.
    pub key: String,
    /// Only if it has this ETag.
    pub matches: Option<String>,
}

impl WriteIf {
    /// # Errors
    /// 412, or 404 `NoSuchKey` where an ETag is asked of an object that is not there.
    pub(super) fn check(&self, key: &str, found: Option<&Object>) -> Result<(), Error> {
        match (&self.matches, found) {
            (Some(_), None) => return Err(error::no_such_key(key)),
            (Some(wanted), Some(found)) if !etags_match(wanted, &found.etag) => {
                return Err(error::precondition_failed("If-Match"));
            }
            _ => {}
        }
        match found {
            Some(_) if self.absent => Err(error::precondition_failed("If-None-Match")),
            _ => Ok(()),
        }
    }
}

/// Writes the rows of a body.
pub(super) fn add_body(tx: &mut Tx, sealed: &Sealed, inline: Option<Bytes>) {
    match inline {
        Some(bytes) => {
            for (piece, chunk) in (0..).zip(bytes.chunks(MAX_VALUE_BYTES)) {
                tx.put(keys::body(sealed.id, piece), Bytes::copy_from_slice(chunk));
            }
        }
        None => tx.put(keys::blob(sealed.id), Bytes::new()),
    }
}

/// Removes the rows of a body; a blob goes to `freed`.
pub(super) fn drop_body(tx: &mut Tx, sealed: &Sealed, freed: &mut Vec<u128>) {
    if sealed.inline {
        for piece in 0..inline_pieces(sealed) {
            tx.delete(keys::body(sealed.id, piece));
        }
    } else {
        tx.delete(keys::blob(sealed.id));
        freed.push(sealed.id);
    }
}

/// Rows of a body that is kept in rows: its one chunk with what sealing added.
fn inline_pieces(sealed: &Sealed) -> u32 {
    match sealed.size {
        0 => 0,
        size if size as usize + 16 <= MAX_VALUE_BYTES => 1,
        _ => 2,
    }
}

/// Removes whatever holds an object's bytes.
fn drop_object(jobs: &mut Jobs, tx: &mut Tx, object: &Object, freed: &mut Vec<u128>) -> Result<(), Fault> {
    match &object.body {
        Body::Whole(sealed) => {
            drop_body(tx, sealed, freed);
            Ok(())
        }
        Body::Parts(parts) => jobs.add(tx, parts.upload, &Job::Manifest { upload: parts.upload, next: 0 }),
    }
}

/// Has blobs deleted once this command is durable.
pub(super) fn free(tx: &mut Tx, freed: &[u128]) -> Result<(), Fault> {
    if freed.is_empty() { Ok(()) } else { tx.send_to_actor(BLOBS_LANE, Space::S3, &freed) }
}

impl S3Machine {
    pub(super) async fn put(
        &mut self,
        tx: &mut Tx,
        target: &Target,
        key: &str,
        object: Object,
        inline: Option<Bytes>,
        how: &Placing<'_>,
    ) -> Result<Output, S3Error> {
        let found = bucket::find(tx, target).await?;
        if let Body::Whole(sealed) = &object.body {
            add_body(tx, sealed, inline);
        }
        self.place(tx, (&target.bucket, &found), key, object, how).await
    }

    /// Puts an object in the place of another one.
    pub(super) async fn place(
        &mut self,
        tx: &mut Tx,
        bucket: (&str, &Bucket),
        key: &str,
        mut object: Object,
        how: &Placing<'_>,
    ) -> Result<Output, S3Error> {
        let row = keys::object(bucket.0, key);
        let found: Option<Object> = tx.read(&row).await?;
        how.only_if.check(key, found.as_ref())?;
        if let Some(found) = &found {
            let mut freed = Vec::new();
            drop_object(&mut self.jobs, tx, found, &mut freed)?;
            free(tx, &freed)?;
        }
        object.modified = tx.now();
        tx.write(row, &object)?;
        self.notify(tx, bucket, key, how.event, Some(&object), how.cause).await?;
        Ok(Output::Object(Box::new(object), None))
    }

    /// At most 200 keys in one command, so that it fits a batch. S3 tells of the deletion of a key that has
    /// no object too (localstack/localstack, test_s3_notifications_sqs.py, test_delete_objects).
    pub(super) async fn delete(
        &mut self,
        tx: &mut Tx,
        target: &Target,
        doomed: &[ToDelete],
        cause: &Cause,
    ) -> Result<Output, S3Error> {
        let of = bucket::find(tx, target).await?;
        let mut results = Vec::with_capacity(doomed.len());
        let mut freed = Vec::new();
        for one in doomed {
            let row = keys::object(&target.bucket, &one.key);
            let found: Option<Object> = tx.read(&row).await?;
            let only_if = WriteIf { matches: one.matches.clone(), absent: false };
            let allowed = only_if.check(&one.key, found.as_ref());
            if let (Ok(()), Some(found)) = (&allowed, &found) {
                drop_object(&mut self.jobs, tx, found, &mut freed)?;
                tx.delete(row);
            }
            if allowed.is_ok() {
                self.notify(tx, (&target.bucket, &of), &one.key, Event::Delete, None, cause).await?;
            }
            results.push(allowed);
        }
        free(tx, &freed)?;
        Ok(Output::Deleted(results))
    }

    pub(super) async fn tag(
        &mut self,
        tx: &mut Tx,
        target: &Target,
        key: &str,
        tags: Vec<Tag>,
        event: Event,
        cause: &Cause,
    ) -> Result<Output, S3Error> {
        let of = bucket::find(tx, target).await?;
        let mut object = find(tx, target, key).await?;
        object.tags = tags;
        tx.write(keys::object(&target.bucket, key), &object)?;
        self.notify(tx, (&target.bucket, &of), key, event, Some(&object), cause).await?;
        Ok(Output::Done)
    }
}

/// The object at a key.
async fn find(tx: &Tx, target: &Target, key: &str) -> Result<Object, S3Error> {
    bucket::find(tx, target).await?;
    check_key(key)?;
    let found: Option<Object> = tx.read(&keys::object(&target.bucket, key)).await?;
    found.ok_or_else(|| error::no_such_key(key).into())
}

pub(super) async fn get(tx: &Tx, target: &Target, key: &str, with_body: bool) -> Result<Output, S3Error> {
    let object = find(tx, target, key).await?;
    let bytes = match &object.body {
        Body::Whole(sealed) if with_body && sealed.inline => read_inline(tx, sealed).await?,
        _ => None,
    };
    Ok(Output::Object(Box::new(object), bytes))
}

/// The sealed bytes of a body in rows; `None` if they are gone.
pub(super) async fn read_inline(tx: &Tx, sealed: &Sealed) -> Result<Option<Bytes>, Fault> {
    let mut out = BytesMut::new();
    for piece in 0..inline_pieces(sealed) {
        match tx.get(&keys::body(sealed.id, piece)).await? {
            Some(bytes) => out.extend_from_slice(&bytes),
            None => return Ok(None),
        }
    }
    Ok(Some(out.freeze()))
}

/// Those of the blobs that no row names.
pub(super) async fn unnamed(tx: &Tx, ids: Vec<u128>) -> Result<Output, S3Error> {
    let mut out = Vec::new();
    for id in ids {
        if tx.get(&keys::blob(id)).await?.is_none() {
            out.push(id);
        }
    }
    Ok(Output::Ids(out))
}
