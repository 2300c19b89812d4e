//! ListObjectVersions.

use ropeway_api::s3::{
    CommonPrefix, DeleteMarkerEntry, ListObjectVersionsInput, ListObjectVersionsOutput, ObjectVersion,
};
use ropeway_wire::{Cx, Error};

use super::list::{Names, STANDARD, after_marker, owner, page_size};
use crate::commands::{Command, Entry, Listing, Output, Query, VersionMarker};
use crate::model::{Bucket, Version, VersionId};
use crate::names::{check_key, quoted, which};
use crate::{S3Service, error, target};

/// Where a listing goes on: behind a common prefix, or behind a key or one of its versions.
fn markers(input: &ListObjectVersionsInput, query: &mut Query) -> Result<Option<VersionMarker>, Error> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let version = given(&input.version_id_marker);
    let Some(key) = given(&input.key_marker) else {
        return match version {
            None => Ok(None),
            Some(version) => Err(error::invalid_argument(
                "version-id-marker",
                &version,
                "A version-id marker cannot be specified without a key marker.",
            )),
        };
    };
    check_key(&key)?;
    query.after = after_marker(Some(&key), &query.prefix, query.delimiter.as_deref()).filter(|at| at.whole);
    let version = version.map(|version| which(Some(&version))).transpose()?;
    Ok(Some(VersionMarker { key, version }))
}

pub(super) async fn list_object_versions(
    service: &S3Service,
    cx: &Cx,
    input: ListObjectVersionsInput,
) -> Result<ListObjectVersionsOutput, Error> {
    let names = Names::of(input.encoding_type.as_deref())?;
    let max_keys = page_size("max-keys", input.max_keys)?;
    let prefix = input.prefix.clone().unwrap_or_default();
    check_key(&prefix)?;
    let delimiter = input.delimiter.clone();
    let mut query = Query { prefix, delimiter, after: None, limit: max_keys as u32 };
    let from = markers(&input, &mut query)?;
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let submitted = service.submit(cx, &input.bucket, Command::ListVersions { target, query, from });
    let (listing, bucket) = answer!(submitted, Output::Listing(listing, bucket) => (listing, bucket));
    let mut output = ListObjectVersionsOutput {
        is_truncated: Some(listing.next.is_some()),
        key_marker: Some(names.write(input.key_marker.as_deref().unwrap_or_default())),
        version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
        name: Some(input.bucket),
        prefix: Some(names.write(input.prefix.as_deref().unwrap_or_default())),
        delimiter: names.maybe(input.delimiter.as_ref()),
        max_keys: Some(max_keys),
        encoding_type: input.encoding_type,
        ..ListObjectVersionsOutput::default()
    };
    match listing.next.as_ref().and(listing.entries.last()) {
        Some(Entry::Version(key, version, _)) => {
            output.next_key_marker = Some(names.write(key));
            output.next_version_id_marker = Some(VersionId::text(version.id()));
        }
        Some(Entry::Prefix(prefix)) => output.next_key_marker = Some(names.write(prefix)),
        _ => {}
    }
    show(&mut output, listing, names, &bucket);
    Ok(output)
}

fn show(output: &mut ListObjectVersionsOutput, listing: Listing, names: Names, bucket: &Bucket) {
    let (mut versions, mut markers, mut prefixes) = (Vec::new(), Vec::new(), Vec::new());
    for entry in listing.entries {
        match entry {
            Entry::Version(key, Version::Object(object), latest) => versions.push(ObjectVersion {
                e_tag: Some(quoted(&object.etag)),
                checksum_algorithm: object.checksum.as_ref().map(|sum| vec![sum.algorithm.name().to_owned()]),
                checksum_type: object.checksum.as_ref().map(|sum| sum.span.name().to_owned()),
                size: Some(object.size as i64),
                storage_class: Some(STANDARD.to_owned()),
                key: Some(names.write(&key)),
                version_id: Some(VersionId::text(object.version)),
                is_latest: Some(latest),
                last_modified: Some(object.modified),
                owner: Some(owner(bucket.owner_of(&object))),
                ..ObjectVersion::default()
            }),
            Entry::Version(key, Version::Marker(marker), latest) => markers.push(DeleteMarkerEntry {
                owner: Some(owner(&bucket.account)),
                key: Some(names.write(&key)),
                version_id: Some(VersionId::text(marker.version)),
                is_latest: Some(latest),
                last_modified: Some(marker.modified),
            }),
            Entry::Prefix(prefix) => prefixes.push(CommonPrefix { prefix: Some(names.write(&prefix)) }),
            Entry::Object(..) | Entry::Upload(..) => {}
        }
    }
    output.versions = Some(versions);
    output.delete_markers = Some(markers);
    output.common_prefixes = Some(prefixes);
}
