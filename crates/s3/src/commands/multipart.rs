//! Uploads in parts.

use std::collections::BTreeMap;

use bytes::Bytes;
use md5::{Digest as _, Md5};
use ropeway_core::{Fault, Tx};
use ropeway_wire::Error;
use ropeway_wire::checksum::mismatch;
use serde::{Deserialize, Serialize};

use super::jobs::{self, Jobs};
use super::object::{GENERATE, Placing, add_body, drop_body, free};
use super::{Output, S3Machine, Target, UploadId, WriteIf, bucket};
use crate::acl::Asked;
use crate::checksum::{self, Algorithm, Checksum};
use crate::error::{self, S3Error};
use crate::keys;
use crate::model::{AskedSse, Body, Bucket, Job, ManifestPart, Object, Part, Parts, Upload};
use crate::names::{check_key, etags_match};
use crate::notification::{Cause, Event};

/// The least that a part may hold, unless it is the last one, in bytes.
const MIN_PART: u64 = 5 * 1024 * 1024;
/// Parts in a row of a manifest.
const MANIFEST_ROW: usize = 256;
/// Parts that are read in one step.
const PAGE: usize = 1000;

/// What is to become an object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ToComplete {
    /// The bucket.
    pub target: Target,
    /// The object's key.
    pub key: String,
    /// The upload.
    pub id: UploadId,
    /// Its parts, in order.
    pub parts: Vec<Completion>,
    /// The checksum that the object must have.
    pub checksum: Option<(Algorithm, String)>,
    /// `x-amz-checksum-type`, which must be the upload's.
    pub span: Option<String>,
    /// The size that the object must have.
    pub size: Option<i64>,
    /// Conditions.
    pub only_if: WriteIf,
    /// The request.
    pub cause: Cause,
}

/// A part, as the client names it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Completion {
    /// Its number.
    pub number: u32,
    /// Its ETag.
    pub etag: String,
    /// Its checksum.
    pub checksum: Option<(Algorithm, String)>,
}

/// A part in a list.
#[derive(Debug, Clone)]
pub struct FoundPart {
    /// Its number.
    pub number: u32,
    /// The part.
    pub part: Part,
}

/// A page of an upload's parts.
#[derive(Debug, Clone)]
pub struct PartList {
    /// The upload.
    pub upload: Upload,
    /// The bucket.
    pub bucket: Bucket,
    /// In order.
    pub parts: Vec<FoundPart>,
    /// There are more.
    pub more: bool,
}

async fn find(tx: &Tx, target: &Target, key: &str, id: UploadId) -> Result<(Bucket, Upload, Bytes), S3Error> {
    let bucket = bucket::find(tx, target).await?;
    check_key(key)?;
    let row = keys::upload(&target.bucket, key, id.initiated, id.id);
    let upload: Option<Upload> = tx.read(&row).await?;
    let upload = upload.ok_or_else(|| error::no_such_upload(&id.text()))?;
    Ok((bucket, upload, row))
}

pub(super) async fn create(
    tx: &mut Tx,
    target: &Target,
    key: &str,
    mut upload: Upload,
    (sse, acl, account): (&AskedSse, &Asked, &str),
) -> Result<Output, S3Error> {
    let bucket = bucket::find(tx, target).await?;
    upload.sse = bucket.sse(sse);
    (upload.owner, upload.acl) = bucket.owned(acl, account)?;
    bucket.locked(upload.lock, tx.now())?;
    upload.existed = tx.get(&keys::object(&target.bucket, key)).await?.is_some();
    let mut random = [0; 16];
    tx.ids().fill(&mut random);
    let id = UploadId { initiated: tx.now(), id: u128::from_be_bytes(random) };
    tx.write(keys::upload(&target.bucket, key, id.initiated, id.id), &upload)?;
    Ok(Output::UploadBegun(id, upload.sse, bucket))
}

pub(super) async fn get(tx: &Tx, target: &Target, key: &str, id: UploadId) -> Result<Output, S3Error> {
    let (bucket, upload, _) = find(tx, target, key, id).await?;
    Ok(Output::Upload(Box::new(upload), bucket))
}

pub(super) async fn put_part(
    tx: &mut Tx,
    target: &Target,
    key: &str,
    id: UploadId,
    number: u32,
    mut part: Part,
    inline: Option<Bytes>,
) -> Result<Output, S3Error> {
    find(tx, target, key, id).await?;
    let row = keys::part(id.id, number);
    if let Some(found) = tx.read::<Part>(&row).await? {
        let mut freed = Vec::new();
        drop_body(tx, &found.body, &mut freed);
        free(tx, &freed)?;
    }
    part.modified = tx.now();
    add_body(tx, &part.body, inline);
    tx.write(row, &part)?;
    Ok(Output::Done)
}

pub(super) async fn list_parts(
    tx: &Tx,
    target: &Target,
    key: &str,
    id: UploadId,
    after: u32,
    limit: u32,
) -> Result<Output, S3Error> {
    let (bucket, upload, _) = find(tx, target, key, id).await?;
    let mut list = PartList { upload, bucket, parts: Vec::new(), more: false };
    if limit > 0 {
        let from = keys::part(id.id, after);
        let page = tx.scan_prefix(&keys::parts(id.id), Some(&from), limit as usize).await?;
        list.more = page.more;
        for (key, value) in &page.rows {
            let number = keys::part_number(key).ok_or_else(|| Fault::Damaged("a part's key".to_owned()))?;
            let part = postcard::from_bytes(value).map_err(Fault::from)?;
            list.parts.push(FoundPart { number, part });
        }
    }
    Ok(Output::Parts(Box::new(list)))
}

pub(super) async fn read_manifest(tx: &Tx, upload: u128, index: u32) -> Result<Output, S3Error> {
    Ok(Output::Manifest(tx.read(&keys::manifest(upload, index)).await?))
}

/// Has the rows of an upload's parts removed, and the bodies of those that were not taken.
pub(super) fn drop_parts(all: &mut Jobs, tx: &mut Tx, upload: u128, taken: Vec<u8>) -> Result<(), Fault> {
    all.add(tx, upload, &Job::Parts { upload, taken, after: 0 })
}

impl S3Machine {
    pub(super) async fn abort(
        &mut self,
        tx: &mut Tx,
        target: &Target,
        key: &str,
        id: UploadId,
    ) -> Result<Output, S3Error> {
        let (_, _, row) = find(tx, target, key, id).await?;
        tx.delete(row);
        drop_parts(&mut self.jobs, tx, id.id, Vec::new())?;
        Ok(Output::Done)
    }

    pub(super) async fn complete(&mut self, tx: &mut Tx, what: ToComplete) -> Result<Output, S3Error> {
        let (bucket, upload, row) = match find(tx, &what.target, &what.key, what.id).await {
            Err(error) if error.0.code == "NoSuchUpload" => return completed_before(tx, &what, error).await,
            found => found?,
        };
        bucket.check_key(upload.sse, &what.cause.account, GENERATE)?;
        if what.span.as_deref().is_some_and(|span| span != upload.span.name()) {
            let message = "The checksum type provided does not match the one of the upload.";
            return Err(Error::new(400, "BadDigest", message).into());
        }
        check_conflict(tx, &what, &upload).await?;
        let chosen = choose(&what, &upload, &all_parts(tx, what.id.id).await?)?;
        let size = chosen.iter().map(|(_, part)| part.body.size).sum();
        check_size(&what, size)?;
        let checksum = object_checksum(&what, &upload, &chosen)?;
        let etag = etag_of(chosen.iter().map(|(_, part)| part.md5));
        let mut taken = Vec::new();
        chosen.iter().for_each(|(number, _)| jobs::take(&mut taken, *number));
        let parts = write_manifest(tx, what.id.id, chosen)?;
        let object = Object {
            size,
            etag,
            modified: tx.now(),
            attributes: upload.attributes,
            checksum: Some(checksum),
            tags: upload.tags,
            body: Body::Parts(parts),
            version: None,
            sse: upload.sse,
            lock: bucket.locked(upload.lock, tx.now())?,
            owner: upload.owner,
            acl: upload.acl,
        };
        tx.delete(row);
        drop_parts(&mut self.jobs, tx, what.id.id, taken)?;
        let how =
            Placing { only_if: &what.only_if, event: Event::CompleteMultipartUpload, cause: &what.cause };
        match self.place(tx, (&what.target.bucket, bucket), &what.key, object, &how).await? {
            Output::Object(object, _, bucket) => Ok(Output::Completed(object, bucket)),
            other => Ok(other),
        }
    }
}

/// Where there is to be no object, the deletion of one during the upload is a conflict: user guide, "How to
/// prevent object overwrites with conditional writes"; as recorded by localstack/localstack,
/// tests/aws/services/s3/test_s3_api.py, `TestS3ObjectWritePrecondition`.
async fn check_conflict(tx: &Tx, what: &ToComplete, upload: &Upload) -> Result<(), S3Error> {
    let there = tx.get(&keys::object(&what.target.bucket, &what.key)).await?.is_some();
    if !what.only_if.absent || !upload.existed || there {
        return Ok(());
    }
    let message =
        "The conditional request cannot succeed due to a conflicting operation against this resource.";
    let error = Error::new(409, "ConditionalRequestConflict", message);
    Err(error.with_member("Condition", "If-None-Match").with_member("Key", &what.key).into())
}

/// The answer to a request that comes again: the object that the upload became, as long as it is
/// there. (S3 does so: github.com/minio/minio issue 13318, github.com/adobe/S3Mock issue 2586.)
async fn completed_before(tx: &Tx, what: &ToComplete, error: S3Error) -> Result<Output, S3Error> {
    let bucket = bucket::find(tx, &what.target).await?;
    let found: Option<Object> = tx.read(&keys::object(&what.target.bucket, &what.key)).await?;
    let md5s: Option<Vec<[u8; 16]>> = what
        .parts
        .iter()
        .map(|part| hex::decode(part.etag.trim_matches('"')).ok()?.try_into().ok())
        .collect();
    let etag = md5s.map(|md5s| etag_of(md5s.into_iter()));
    match found {
        Some(object)
            if matches!(&object.body, Body::Parts(parts) if parts.upload == what.id.id)
                && etag.as_ref() == Some(&object.etag) =>
        {
            Ok(Output::Completed(Box::new(object), bucket))
        }
        _ => Err(error),
    }
}

async fn all_parts(tx: &Tx, upload: u128) -> Result<BTreeMap<u32, Part>, Fault> {
    let mut out = BTreeMap::new();
    let mut after = None;
    loop {
        let page = tx.scan_prefix(&keys::parts(upload), after.as_ref(), PAGE).await?;
        for (key, value) in &page.rows {
            let number = keys::part_number(key).ok_or_else(|| Fault::Damaged("a part's key".to_owned()))?;
            out.insert(number, postcard::from_bytes(value)?);
        }
        after = page.rows.last().map(|(key, _)| key.clone());
        if !page.more || after.is_none() {
            return Ok(out);
        }
    }
}

/// The parts that the client names, if they are what it says.
fn choose(
    what: &ToComplete,
    upload: &Upload,
    parts: &BTreeMap<u32, Part>,
) -> Result<Vec<(u32, Part)>, Error> {
    if what.parts.windows(2).any(|two| matches!(two, [a, b] if a.number >= b.number)) {
        return Err(Error::new(
            400,
            "InvalidPartOrder",
            "The list of parts was not in ascending order. Parts must be ordered by part number.",
        )
        .with_member("UploadId", what.id.text()));
    }
    let mut chosen = Vec::with_capacity(what.parts.len());
    for named in &what.parts {
        let found = parts.get(&named.number).filter(|part| is_same(named, upload, part));
        let part = found.ok_or_else(|| invalid_part(what, named))?;
        chosen.push((named.number, part.clone()));
    }
    let all_but_last = chosen.len().saturating_sub(1);
    match chosen.iter().take(all_but_last).find(|(_, part)| part.body.size < MIN_PART) {
        Some((number, part)) => Err(too_small(*number, part)),
        None => Ok(chosen),
    }
}

fn too_small(number: u32, part: &Part) -> Error {
    Error::new(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
        .with_member("ProposedSize", part.body.size.to_string())
        .with_member("MinSizeAllowed", MIN_PART.to_string())
        .with_member("PartNumber", number.to_string())
        .with_member("ETag", hex::encode(part.md5))
}

fn is_same(named: &Completion, upload: &Upload, part: &Part) -> bool {
    let checksum_fits = named.checksum.as_ref().is_none_or(|(algorithm, value)| {
        // Where no algorithm was asked for, S3 keeps its own, and the client's has been checked on arrival.
        *algorithm != part.checksum.algorithm && upload.algorithm.is_none() || *value == part.checksum.value
    });
    etags_match(&named.etag, &hex::encode(part.md5)) && checksum_fits
}

fn invalid_part(what: &ToComplete, named: &Completion) -> Error {
    Error::new(
        400,
        "InvalidPart",
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
    )
    .with_member("UploadId", what.id.text())
    .with_member("PartNumber", named.number.to_string())
    .with_member("ETag", &named.etag)
}

fn check_size(what: &ToComplete, size: u64) -> Result<(), Error> {
    match what.size {
        Some(said) if u64::try_from(said) != Ok(size) => Err(error::invalid_request(format!(
            "The provided 'x-amz-mp-object-size' header value {said} does not match what was computed: {size}"
        ))),
        _ => Ok(()),
    }
}

fn object_checksum(what: &ToComplete, upload: &Upload, chosen: &[(u32, Part)]) -> Result<Checksum, Error> {
    let sums: Vec<(String, u64)> =
        chosen.iter().map(|(_, part)| (part.checksum.value.clone(), part.body.size)).collect();
    let computed = checksum::of_parts(upload.algorithm(), upload.span, &sums)
        .ok_or_else(|| error::internal("parts with checksums of another algorithm"))?;
    match &what.checksum {
        Some((algorithm, said)) if *algorithm == computed.algorithm => {
            let bare = computed.value.split_once('-').map_or(computed.value.as_str(), |(value, _)| value);
            if *said != computed.value && said != bare {
                return Err(mismatch(algorithm.name()));
            }
        }
        Some((algorithm, _)) => return Err(type_mismatch(computed.algorithm, *algorithm)),
        None => {}
    }
    Ok(computed)
}

/// The error for a checksum of another algorithm than the upload's.
pub(crate) fn type_mismatch(expected: Algorithm, actual: Algorithm) -> Error {
    error::invalid_request(format!(
        "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
        expected.name().to_ascii_lowercase(),
        actual.name().to_ascii_lowercase()
    ))
}

fn etag_of(parts: impl ExactSizeIterator<Item = [u8; 16]>) -> String {
    let count = parts.len();
    let mut hasher = Md5::new();
    parts.for_each(|md5| hasher.update(md5));
    format!("{}-{count}", hex::encode(hasher.finalize()))
}

fn write_manifest(tx: &mut Tx, upload: u128, chosen: Vec<(u32, Part)>) -> Result<Parts, Fault> {
    let mut parts = Parts { upload, count: 0, starts: Vec::new() };
    let mut offset = 0;
    for (index, some) in (0..).zip(chosen.chunks(MANIFEST_ROW)) {
        parts.starts.push(offset);
        let row: Vec<ManifestPart> = some
            .iter()
            .map(|(number, part)| ManifestPart {
                number: *number,
                body: part.body.clone(),
                checksum: Some(part.checksum.value.clone()),
            })
            .collect();
        parts.count += row.len() as u32;
        offset += row.iter().map(|part| part.body.size).sum::<u64>();
        tx.write(keys::manifest(upload, index), &row)?;
    }
    Ok(parts)
}
