//! Objects.

use bytes::{Bytes, BytesMut};
use ropeway_core::keys::Space;
use ropeway_core::{Fault, Tx};
use ropeway_store::MAX_VALUE_BYTES;
use ropeway_wire::{Error, canonical_id};
use serde::{Deserialize, Serialize};

use super::jobs::Jobs;
use super::versions::{self, Located};
use super::{BLOBS_LANE, LockChange, Output, S3Machine, Target, bucket};
use crate::acl::{Acl, Asked};
use crate::error::{self, S3Error};
use crate::keys;
use crate::model::{
    AskedSse, Body, Bucket, Job, Object, Sealed, Sse, Tag, Version, VersionId, Versioning, Which,
};
use crate::names::etags_match;
use crate::notification::record::InEvent;
use crate::notification::{Cause, Event};

/// The action of KMS that a write asks for.
pub(super) const GENERATE: &str = "kms:GenerateDataKey";

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
    /// The version.
    pub which: Which,
    /// By one who may pass over governance.
    pub bypass: bool,
}

impl ToDelete {
    fn only_if(&self) -> WriteIf {
        WriteIf { matches: self.matches.clone(), absent: false }
    }

    fn unlocked(&self, object: &Object, tx: &Tx) -> Result<(), Error> {
        if object.lock.holds(tx.now(), self.bypass) { Err(error::locked()) } else { Ok(()) }
    }
}

/// What a deletion did.
#[derive(Debug, Clone, Default)]
pub struct Removed {
    /// The version that was removed, or the delete marker's that was made; `None` where objects never had
    /// versions.
    pub version: Option<String>,
    /// It is a delete marker's.
    pub marker: bool,
}

impl Object {
    /// What a message tells of it.
    fn in_event(&self, bucket: &Bucket) -> InEvent<'_> {
        InEvent { object: Some(self), version: bucket.shown_version(self.version) }
    }
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
pub(super) fn drop_object(
    jobs: &mut Jobs,
    tx: &mut Tx,
    object: &Object,
    freed: &mut Vec<u128>,
) -> Result<(), Fault> {
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

/// The ETag of a body of this MD5.
fn etag(sse: &Sse, md5: &str, id: u128) -> Result<String, Fault> {
    let bytes = hex::decode(md5).ok().and_then(|bytes| bytes.try_into().ok());
    let md5 = bytes.ok_or_else(|| Fault::Damaged("an MD5 of another length".to_owned()))?;
    Ok(hex::encode(sse.etag(md5, id)))
}

impl S3Machine {
    pub(super) async fn put(
        &mut self,
        tx: &mut Tx,
        target: &Target,
        key: &str,
        (mut object, sse, acl): (Object, &AskedSse, &Asked),
        inline: Option<Bytes>,
        how: &Placing<'_>,
    ) -> Result<Output, S3Error> {
        let found = bucket::find(tx, target).await?;
        object.sse = found.sse(sse);
        object.lock = found.locked(object.lock, tx.now())?;
        (object.owner, object.acl) = found.owned(acl, &how.cause.account)?;
        found.check_key(object.sse, &how.cause.account, GENERATE)?;
        if let Body::Whole(sealed) = &object.body {
            object.etag = etag(&object.sse, &object.etag, sealed.id)?;
            add_body(tx, sealed, inline);
        }
        self.place(tx, (&target.bucket, found), key, object, how).await
    }

    /// Puts an object in the place of another one.
    pub(super) async fn place(
        &mut self,
        tx: &mut Tx,
        (name, bucket): (&str, Bucket),
        key: &str,
        mut object: Object,
        how: &Placing<'_>,
    ) -> Result<Output, S3Error> {
        let row = keys::object(name, key);
        let found: Option<Object> = tx.read(&row).await?;
        how.only_if.check(key, found.as_ref())?;
        self.make_room(tx, (name, &bucket), key, found).await?;
        object.version = match bucket.versioning {
            Some(Versioning::Enabled) => Some(versions::new_id(tx)?),
            _ => None,
        };
        object.modified = tx.now();
        tx.write(row, &object)?;
        self.notify(tx, (name, &bucket), key, how.event, &object.in_event(&bucket), how.cause).await?;
        Ok(Output::Object(Box::new(object), None, bucket))
    }

    /// Takes the current object out of its place: it becomes a version or is no more.
    async fn make_room(
        &mut self,
        tx: &mut Tx,
        (name, bucket): (&str, &Bucket),
        key: &str,
        found: Option<Object>,
    ) -> Result<(), Fault> {
        let mut freed = Vec::new();
        let replaced = |object: &Object| match bucket.versioning {
            None => true,
            Some(Versioning::Enabled) => false,
            Some(Versioning::Suspended) => object.version.is_none(),
        };
        match found {
            Some(found) if replaced(&found) => drop_object(&mut self.jobs, tx, &found, &mut freed)?,
            found => {
                if let Some(found) = found {
                    versions::shelve(tx, name, key, found)?;
                }
                if bucket.versioning == Some(Versioning::Suspended) {
                    versions::remove_null(&mut self.jobs, tx, name, key, &mut freed).await?;
                }
            }
        }
        free(tx, &freed)
    }

    /// Few enough keys in one command that they fit a batch. S3 tells of the deletion of a key that has
    /// no object too (localstack/localstack, test_s3_notifications_sqs.py, test_delete_objects).
    pub(super) async fn delete(
        &mut self,
        tx: &mut Tx,
        target: &Target,
        doomed: &[ToDelete],
        cause: &Cause,
    ) -> Result<Output, S3Error> {
        let of = bucket::find(tx, target).await?;
        let of = (target.bucket.as_str(), &of);
        let mut results = Vec::with_capacity(doomed.len());
        for one in doomed {
            let result = match one.which {
                Which::Current => {
                    let events = (Event::Delete, Event::MarkerCreated);
                    self.delete_current(tx, of, one, events, cause).await
                }
                Which::Version(id) => self.delete_version(tx, of, one, id, cause).await,
            };
            results.push(match result {
                Err(S3Error(error)) if error.status >= 500 => return Err(S3Error(error)),
                result => result.map_err(|error| error.0),
            });
        }
        Ok(Output::Deleted(results))
    }

    /// Removes an object; where there are versions, leaves a delete marker.
    /// The events: of a deletion, and of a delete marker.
    pub(super) async fn delete_current(
        &mut self,
        tx: &mut Tx,
        (name, bucket): (&str, &Bucket),
        one: &ToDelete,
        events: (Event, Event),
        cause: &Cause,
    ) -> Result<Removed, S3Error> {
        let row = keys::object(name, &one.key);
        let found: Option<Object> = tx.read(&row).await?;
        if found.is_none()
            && one.matches.is_some()
            && versions::is_hidden(tx, (name, bucket), &one.key).await?
        {
            // User guide, "How to perform conditional deletes": what a delete marker hides matches nothing.
            return Err(error::precondition_failed("If-Match").into());
        }
        one.only_if().check(&one.key, found.as_ref())?;
        if found.is_some() {
            tx.delete(row);
        }
        self.make_room(tx, (name, bucket), &one.key, found).await?;
        let version = match bucket.versioning {
            None => {
                let gone = InEvent::default();
                self.notify(tx, (name, bucket), &one.key, events.0, &gone, cause).await?;
                return Ok(Removed::default());
            }
            Some(Versioning::Enabled) => Some(versions::new_id(tx)?),
            Some(Versioning::Suspended) => None,
        };
        versions::mark(tx, name, &one.key, version)?;
        let version = bucket.shown_version(version);
        let gone = InEvent { version: version.clone(), ..InEvent::default() };
        self.notify(tx, (name, bucket), &one.key, events.1, &gone, cause).await?;
        Ok(Removed { version, marker: true })
    }

    /// Removes a version for good.
    async fn delete_version(
        &mut self,
        tx: &mut Tx,
        (name, bucket): (&str, &Bucket),
        one: &ToDelete,
        id: Option<VersionId>,
        cause: &Cause,
    ) -> Result<Removed, S3Error> {
        let text = VersionId::text(id);
        if bucket.versioning.is_none() && id.is_some() {
            return Err(error::invalid_version(&text).into());
        }
        let mut freed = Vec::new();
        let marker = match versions::locate(tx, name, &one.key, id).await? {
            Some(Located::Current(object)) => {
                one.only_if().check(&one.key, Some(&object))?;
                one.unlocked(&object, tx)?;
                drop_object(&mut self.jobs, tx, &object, &mut freed)?;
                tx.delete(keys::object(name, &one.key));
                versions::promote(tx, name, &one.key).await?;
                false
            }
            Some(Located::Older(sequence, version)) => {
                let object = match &version {
                    Version::Object(object) => Some(&**object),
                    Version::Marker(_) => None,
                };
                one.only_if().check(&one.key, object)?;
                object.map(|object| one.unlocked(object, tx)).transpose()?;
                let doomed = (sequence, &version);
                versions::remove(&mut self.jobs, tx, (name, &one.key), doomed, &mut freed)?;
                if tx.get(&keys::object(name, &one.key)).await?.is_none() {
                    versions::promote(tx, name, &one.key).await?;
                }
                object.is_none()
            }
            None => return Err(error::no_such_version(&one.key, &text).into()),
        };
        free(tx, &freed)?;
        let version = bucket.shown_version(id);
        let gone = InEvent { version: version.clone(), ..InEvent::default() };
        self.notify(tx, (name, bucket), &one.key, Event::Delete, &gone, cause).await?;
        Ok(Removed { version, marker })
    }

    pub(super) async fn tag(
        &mut self,
        tx: &mut Tx,
        target: &Target,
        (key, which): (&str, Which),
        tags: Vec<Tag>,
        event: Event,
        cause: &Cause,
    ) -> Result<Output, S3Error> {
        let name = &target.bucket;
        let (of, located) = versions::find(tx, target, key, which).await?;
        let object = change(tx, name, key, located, |object| object.tags = tags)?;
        self.notify(tx, (name, &of), key, event, &object.in_event(&of), cause).await?;
        Ok(Output::Version(of.shown_version(object.version)))
    }

    /// Sets an object's access control list.
    pub(super) async fn list_object(
        &mut self,
        tx: &mut Tx,
        target: &Target,
        (key, which): (&str, Which),
        acl: Acl,
        cause: &Cause,
    ) -> Result<Output, S3Error> {
        let name = &target.bucket;
        let (of, located) = versions::find(tx, target, key, which).await?;
        if !of.has_lists() {
            return Err(error::no_lists().into());
        }
        of.check_public(&acl)?;
        let mut changed = false;
        let object = change(tx, name, key, located, |object| {
            changed = of.acl_of(object) != acl;
            let private = Acl::private(&canonical_id(of.owner_of(object)));
            object.acl = (acl != private).then_some(acl);
        })?;
        if changed {
            self.notify(tx, (name, &of), key, Event::AclPut, &object.in_event(&of), cause).await?;
        }
        Ok(Output::Version(of.shown_version(object.version)))
    }
}

/// Writes an object again where it is.
fn change(
    tx: &mut Tx,
    bucket: &str,
    key: &str,
    located: Located,
    how: impl FnOnce(&mut Object),
) -> Result<Object, S3Error> {
    match located {
        Located::Current(mut object) => {
            how(&mut object);
            tx.write(keys::object(bucket, key), &object)?;
            Ok(*object)
        }
        Located::Older(sequence, Version::Object(mut object)) => {
            how(&mut object);
            tx.write(keys::version(bucket, key, sequence), &Version::Object(object.clone()))?;
            Ok(*object)
        }
        Located::Older(_, Version::Marker(_)) => Err(error::no_such_key(key).into()),
    }
}

/// Changes what a version is locked by.
pub(super) async fn lock(
    tx: &mut Tx,
    target: &Target,
    key: &str,
    which: Which,
    how: LockChange,
) -> Result<Output, S3Error> {
    let (of, located) = versions::find(tx, target, key, which).await?;
    if of.lock.is_none() {
        return Err(error::no_lock().into());
    }
    let now = tx.now();
    let mut refused = false;
    let object = change(tx, &target.bucket, key, located, |object| match how {
        LockChange::Hold(on) => object.lock.hold = Some(on),
        LockChange::Retention(new, bypass) if object.lock.admits(new, now, bypass) => {
            object.lock.retention = new;
        }
        LockChange::Retention(..) => refused = true,
    })?;
    if refused {
        return Err(error::locked().into());
    }
    Ok(Output::Version(of.shown_version(object.version)))
}

pub(super) async fn get(
    tx: &Tx,
    target: &Target,
    key: &str,
    with_body: bool,
    which: Which,
) -> Result<Output, S3Error> {
    let (bucket, located) = versions::find(tx, target, key, which).await?;
    let object = match located {
        Located::Current(object) | Located::Older(_, Version::Object(object)) => object,
        Located::Older(_, Version::Marker(_)) => return Err(error::no_such_key(key).into()),
    };
    let bytes = match &object.body {
        Body::Whole(sealed) if with_body && sealed.inline => read_inline(tx, sealed).await?,
        _ => None,
    };
    Ok(Output::Object(object, bytes, bucket))
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
