//! ListObjects, ListObjectsV2 and ListMultipartUploads.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ropeway_api::s3::{
    self, CommonPrefix, Initiator, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectsInput,
    ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, MultipartUpload, Owner,
};
use ropeway_wire::{Cx, Error, canonical_id};

use crate::commands::{Command, Entry, Listing, Output, Position, Query, Target, UploadId};
use crate::model::{Bucket, Object};
use crate::names::{check_key, quoted};
use crate::{S3Service, error, target};

/// Entries on a page at most.
const MAX_PAGE: i64 = 1000;
pub(super) const STANDARD: &str = "STANDARD";

/// What stays as it is with `encoding-type=url`; a space becomes `+`, as S3 answers it (measured in
/// github.com/brekkylab/backlot issue 178; not documented).
const PLAIN: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/').remove(b'~');

/// How names are written in an answer.
#[derive(Clone, Copy)]
pub(super) struct Names {
    encoded: bool,
}

impl Names {
    pub(super) fn of(encoding: Option<&str>) -> Result<Self, Error> {
        match encoding {
            None => Ok(Names { encoded: false }),
            Some("url") => Ok(Names { encoded: true }),
            Some(other) => Err(error::invalid_argument(
                "encoding-type",
                other,
                "Invalid Encoding Method specified in Request",
            )),
        }
    }

    pub(super) fn write(self, name: &str) -> String {
        if self.encoded {
            utf8_percent_encode(name, PLAIN).to_string().replace("%20", "+")
        } else {
            name.to_owned()
        }
    }

    pub(super) fn maybe(self, name: Option<&String>) -> Option<String> {
        name.filter(|name| !name.is_empty()).map(|name| self.write(name))
    }
}

/// The page's size that is asked for.
pub(super) fn page_size(name: &str, asked: Option<i64>) -> Result<i64, Error> {
    match asked {
        None => Ok(MAX_PAGE),
        Some(asked) if (0..=i64::from(i32::MAX)).contains(&asked) => Ok(asked.min(MAX_PAGE)),
        Some(asked) => Err(error::invalid_argument(
            name,
            &asked.to_string(),
            format!("Argument {name} must be an integer between 0 and {}", i32::MAX),
        )),
    }
}

/// Behind a marker: behind the common prefix that it lies in, if there is one, which a page before
/// has told.
pub(super) fn after_marker(marker: Option<&str>, prefix: &str, delimiter: Option<&str>) -> Option<Position> {
    let marker = marker.filter(|marker| !marker.is_empty())?;
    let rest = marker.strip_prefix(prefix).zip(delimiter.filter(|delimiter| !delimiter.is_empty()));
    let common = rest
        .and_then(|(rest, delimiter)| marker.get(..prefix.len() + rest.find(delimiter)? + delimiter.len()));
    Some(match common {
        Some(common) => Position { row: common.as_bytes().to_vec(), whole: true },
        None => Position { row: marker.as_bytes().to_vec(), whole: false },
    })
}

/// An account as an owner.
pub(super) fn owner(account: &str) -> Owner {
    Owner { id: Some(canonical_id(account)), ..Owner::default() }
}

fn shown(key: &str, object: &Object, names: Names, owner: Option<Owner>) -> s3::Object {
    let checksum = object.checksum.as_ref();
    s3::Object {
        key: Some(names.write(key)),
        last_modified: Some(object.modified),
        e_tag: Some(quoted(&object.etag)),
        checksum_algorithm: checksum.map(|checksum| vec![checksum.algorithm.name().to_owned()]),
        checksum_type: checksum.map(|checksum| checksum.span.name().to_owned()),
        size: Some(object.size as i64),
        storage_class: Some(STANDARD.to_owned()),
        owner,
        ..s3::Object::default()
    }
}

/// Objects and common prefixes apart.
fn apart(listing: &Listing, names: Names, owners: Option<&Bucket>) -> (Vec<s3::Object>, Vec<CommonPrefix>) {
    let (mut objects, mut prefixes) = (Vec::new(), Vec::new());
    let bucket_owner = owners.map(|bucket| owner(&bucket.account));
    let owner_of = |object: &Object| match owners.map(|bucket| (bucket, bucket.owner_of(object))) {
        Some((bucket, account)) if account != bucket.account => Some(owner(account)),
        _ => bucket_owner.clone(),
    };
    for entry in &listing.entries {
        match entry {
            Entry::Object(key, object) => objects.push(shown(key, object, names, owner_of(object))),
            Entry::Prefix(prefix) => prefixes.push(CommonPrefix { prefix: Some(names.write(prefix)) }),
            Entry::Upload(..) | Entry::Version(..) => {}
        }
    }
    (objects, prefixes)
}

impl S3Service {
    async fn list(&self, cx: &Cx, target: Target, query: Query) -> Result<(Listing, Bucket), Error> {
        let bucket = target.bucket.clone();
        let submitted = self.submit(cx, &bucket, Command::List { target, query });
        Ok(answer!(submitted, Output::Listing(listing, bucket) => (listing, bucket)))
    }
}

pub(super) async fn list_objects(
    service: &S3Service,
    cx: &Cx,
    input: ListObjectsInput,
) -> Result<ListObjectsOutput, Error> {
    let names = Names::of(input.encoding_type.as_deref())?;
    let max_keys = page_size("max-keys", input.max_keys)?;
    let prefix = input.prefix.clone().unwrap_or_default();
    check_key(&prefix)?;
    let query = Query {
        after: after_marker(input.marker.as_deref(), &prefix, input.delimiter.as_deref()),
        prefix,
        delimiter: input.delimiter.clone(),
        limit: max_keys as u32,
    };
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let (listing, bucket) = service.list(cx, target, query).await?;
    let (contents, common_prefixes) = apart(&listing, names, Some(&bucket));
    // Told only with a delimiter: without one, the last key is the marker.
    let last = listing
        .next
        .as_ref()
        .and(listing.entries.last())
        .filter(|_| input.delimiter.as_ref().is_some_and(|d| !d.is_empty()));
    let next_marker = last.map(|entry| match entry {
        Entry::Object(name, _) | Entry::Upload(name, ..) | Entry::Version(name, ..) | Entry::Prefix(name) => {
            names.write(name)
        }
    });
    Ok(ListObjectsOutput {
        is_truncated: Some(listing.next.is_some()),
        marker: Some(names.write(input.marker.as_deref().unwrap_or_default())),
        next_marker,
        contents: Some(contents),
        name: Some(input.bucket),
        prefix: Some(names.write(input.prefix.as_deref().unwrap_or_default())),
        delimiter: names.maybe(input.delimiter.as_ref()),
        max_keys: Some(max_keys),
        common_prefixes: Some(common_prefixes),
        encoding_type: input.encoding_type,
        ..ListObjectsOutput::default()
    })
}

pub(super) async fn list_objects_v2(
    service: &S3Service,
    cx: &Cx,
    input: ListObjectsV2Input,
) -> Result<ListObjectsV2Output, Error> {
    let names = Names::of(input.encoding_type.as_deref())?;
    let max_keys = page_size("max-keys", input.max_keys)?;
    let start = input.start_after.as_ref().filter(|start| !start.is_empty());
    let after = match &input.continuation_token {
        Some(token) => Some(read_token(token)?),
        None => start.map(|start| Position { row: start.as_bytes().to_vec(), whole: false }),
    };
    let prefix = input.prefix.clone().unwrap_or_default();
    check_key(&prefix)?;
    let query = Query { prefix, delimiter: input.delimiter.clone(), after, limit: max_keys as u32 };
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let (listing, bucket) = service.list(cx, target, query).await?;
    let owners = input.fetch_owner.unwrap_or(false).then_some(&bucket);
    let (contents, common_prefixes) = apart(&listing, names, owners);
    Ok(ListObjectsV2Output {
        is_truncated: Some(listing.next.is_some()),
        contents: Some(contents),
        name: Some(input.bucket),
        prefix: Some(names.write(input.prefix.as_deref().unwrap_or_default())),
        delimiter: names.maybe(input.delimiter.as_ref()),
        max_keys: Some(max_keys),
        common_prefixes: Some(common_prefixes),
        encoding_type: input.encoding_type,
        key_count: Some(listing.entries.len() as i64),
        continuation_token: input.continuation_token,
        next_continuation_token: listing.next.as_ref().map(write_token).transpose()?,
        start_after: names.maybe(input.start_after.as_ref()),
        ..ListObjectsV2Output::default()
    })
}

/// Opaque: a position, in its binary form.
fn write_token(position: &Position) -> Result<String, Error> {
    let bytes = postcard::to_stdvec(position).map_err(|e| error::fault(e.into()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn read_token(token: &str) -> Result<Position, Error> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    bytes.and_then(|bytes| postcard::from_bytes(&bytes).ok()).ok_or_else(|| {
        error::invalid_argument("continuation-token", token, "The continuation token provided is incorrect")
    })
}

/// Behind an upload, or behind all uploads of a key.
fn after_upload(input: &ListMultipartUploadsInput, prefix: &str) -> Result<Option<Position>, Error> {
    let Some(key) = input.key_marker.as_deref().filter(|key| !key.is_empty()) else { return Ok(None) };
    if let Some(text) = input.upload_id_marker.as_deref().filter(|id| !id.is_empty()) {
        let id = UploadId::parse(text)
            .ok_or_else(|| error::invalid_argument("upload-id-marker", text, "Invalid uploadId marker"))?;
        return Ok(Some(Position { row: id.row(key), whole: false }));
    }
    Ok(after_marker(Some(key), prefix, input.delimiter.as_deref()).map(|position| {
        if position.whole { position } else { Position { row: [key.as_bytes(), &[0]].concat(), whole: true } }
    }))
}

pub(super) async fn list_multipart_uploads(
    service: &S3Service,
    cx: &Cx,
    input: ListMultipartUploadsInput,
) -> Result<ListMultipartUploadsOutput, Error> {
    let names = Names::of(input.encoding_type.as_deref())?;
    let max_uploads = page_size("max-uploads", input.max_uploads)?;
    let prefix = input.prefix.clone().unwrap_or_default();
    check_key(&prefix)?;
    let query = Query {
        after: after_upload(&input, &prefix)?,
        prefix,
        delimiter: input.delimiter.clone(),
        limit: max_uploads as u32,
    };
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let submitted = service.submit(cx, &input.bucket, Command::ListUploads { target, query });
    let (listing, bucket) = answer!(submitted, Output::Listing(listing, bucket) => (listing, bucket));
    let mut output = ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        key_marker: Some(names.write(input.key_marker.as_deref().unwrap_or_default())),
        upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
        prefix: Some(names.write(input.prefix.as_deref().unwrap_or_default())),
        delimiter: names.maybe(input.delimiter.as_ref()),
        max_uploads: Some(max_uploads),
        is_truncated: Some(listing.next.is_some()),
        encoding_type: input.encoding_type,
        ..ListMultipartUploadsOutput::default()
    };
    match listing.next.as_ref().and(listing.entries.last()) {
        Some(Entry::Upload(key, id, _)) => {
            output.next_key_marker = Some(names.write(key));
            output.next_upload_id_marker = Some(id.text());
        }
        Some(Entry::Prefix(prefix)) => output.next_key_marker = Some(names.write(prefix)),
        _ => {}
    }
    let (uploads, prefixes) = uploads_apart(listing, names, &bucket);
    output.uploads = Some(uploads);
    output.common_prefixes = Some(prefixes);
    Ok(output)
}

fn uploads_apart(
    listing: Listing,
    names: Names,
    bucket: &Bucket,
) -> (Vec<MultipartUpload>, Vec<CommonPrefix>) {
    let (mut uploads, mut prefixes) = (Vec::new(), Vec::new());
    for entry in listing.entries {
        match entry {
            Entry::Upload(key, id, upload) => uploads.push(MultipartUpload {
                upload_id: Some(id.text()),
                key: Some(names.write(&key)),
                initiated: Some(id.initiated),
                storage_class: Some(STANDARD.to_owned()),
                owner: Some(owner(upload.owner.as_deref().unwrap_or(&bucket.account))),
                initiator: Some(Initiator {
                    id: Some(upload.initiator.0.clone()),
                    display_name: Some(upload.initiator.1.clone()),
                }),
                checksum_algorithm: Some(upload.algorithm().name().to_owned()),
                checksum_type: Some(upload.span.name().to_owned()),
                ..MultipartUpload::default()
            }),
            Entry::Prefix(prefix) => prefixes.push(CommonPrefix { prefix: Some(names.write(&prefix)) }),
            Entry::Object(..) | Entry::Version(..) => {}
        }
    }
    (uploads, prefixes)
}
