//! DeleteObject and DeleteObjects.

use ropeway_api::s3::{
    self, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject,
};
use ropeway_wire::{Cx, Error};

use super::lock::bypass;
use super::{authorize, object_arn};
use crate::checksum::Algorithm;
use crate::commands::{Command, Output, Removed, Target, ToDelete};
use crate::model::{VersionId, Which};
use crate::names::{check_key, which};
use crate::notification::Cause;
use crate::{S3Service, error, target};

/// Keys in one request at most.
const MAX_KEYS: usize = 1000;
/// Keys in one command: so many, with their bodies' rows, fit a batch.
const STEP: usize = 200;
/// The same where there are versions, whose rows are written anew.
const VERSIONED_STEP: usize = 50;

pub(super) async fn delete_object(
    service: &S3Service,
    cx: &Cx,
    input: DeleteObjectInput,
) -> Result<DeleteObjectOutput, Error> {
    check_key(&input.key)?;
    let which = which(input.version_id.as_deref())?;
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    check_tag(cx, input.if_match.as_deref(), &input.bucket, &input.key)?;
    let asked = input.bypass_governance_retention;
    check_bypass(service, cx, asked, &target).await?;
    let bypass = bypass(cx, asked, &input.bucket, &input.key);
    let keys = vec![ToDelete { key: input.key, matches: input.if_match, which, bypass }];
    let command = Command::Delete { target, keys, cause: Cause::of(cx) };
    let results = answer!(service.submit(cx, &input.bucket, command), Output::Deleted(results) => results);
    let removed = match results.into_iter().next() {
        Some(Ok(removed)) => removed,
        // A version that is not there is deleted, as a key that is not there is.
        Some(Err(error)) if error.code == "NoSuchVersion" => {
            Removed { version: input.version_id, marker: false }
        }
        Some(Err(error)) => return Err(error),
        None => return Err(error::internal("a deletion without a result")),
    };
    Ok(DeleteObjectOutput {
        delete_marker: removed.marker.then_some(true),
        version_id: removed.version,
        ..DeleteObjectOutput::default()
    })
}

/// Who names an ETag must be allowed to read it: user guide, "How to perform conditional deletes".
fn check_tag(cx: &Cx, tag: Option<&str>, bucket: &str, key: &str) -> Result<(), Error> {
    match tag {
        None | Some("*") => Ok(()),
        Some(_) => authorize(cx, "s3:GetObject", &object_arn(bucket, key)),
    }
}

/// Only where there are locks is there something to pass over (localstack/localstack,
/// tests/aws/services/s3/test_s3.snapshot.json, `TestS3ObjectLockRetention`).
async fn check_bypass(
    service: &S3Service,
    cx: &Cx,
    asked: Option<bool>,
    target: &Target,
) -> Result<(), Error> {
    let Some(asked) = asked else { return Ok(()) };
    if service.bucket(cx, target.clone()).await?.lock.is_some() {
        return Ok(());
    }
    let message = "x-amz-bypass-governance-retention is only applicable to Object Lock enabled buckets.";
    Err(error::invalid_argument("x-amz-bypass-governance-retention", &asked.to_string(), message))
}

/// XML 1.0 has no way to write most control characters: S3 refuses a document that names them by
/// references (boto3 issue 2005).
fn is_xml_text(text: &str) -> bool {
    text.chars().all(
        |c| !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}'),
    )
}

pub(super) async fn delete_objects(
    service: &S3Service,
    cx: &Cx,
    input: DeleteObjectsInput,
) -> Result<DeleteObjectsOutput, Error> {
    input.checksum_algorithm.as_deref().map(Algorithm::parse).transpose()?;
    let named = input.delete.objects.unwrap_or_default();
    if named.is_empty() || named.len() > MAX_KEYS || named.iter().any(|one| !is_xml_text(&one.key)) {
        return Err(error::malformed_xml());
    }
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = service.bucket(cx, target.clone()).await?;
    check_bypass(service, cx, input.bypass_governance_retention, &target).await?;
    let mut outcome = Outcome::default();
    let mut allowed = Vec::new();
    for one in named {
        match allow(cx, &input.bucket, &one) {
            Ok(which) => {
                let bypass = bypass(cx, input.bypass_governance_retention, &input.bucket, &one.key);
                allowed.push(ToDelete { key: one.key, matches: one.e_tag, which, bypass });
            }
            Err(error) => outcome.failed(one.key, one.version_id, &error),
        }
    }
    let step = if bucket.versioning.is_some() { VERSIONED_STEP } else { STEP };
    for step in allowed.chunks(step) {
        let command = Command::Delete { target: target.clone(), keys: step.to_vec(), cause: Cause::of(cx) };
        let results = match service.submit(cx, &input.bucket, command).await {
            Ok(Output::Deleted(results)) => results,
            Ok(_) => return Err(error::internal("a command with another one's answer")),
            // The steps before are done: what is not is told key by key.
            Err(error) => step.iter().map(|_| Err(error.clone())).collect(),
        };
        for (one, result) in step.iter().zip(results) {
            match result {
                Ok(removed) => outcome.deleted.push(deleted(one, removed)),
                Err(error) => outcome.failed(one.key.clone(), named_version(one), &error),
            }
        }
    }
    let quiet = input.delete.quiet.unwrap_or(false);
    Ok(DeleteObjectsOutput {
        deleted: Some(outcome.deleted).filter(|_| !quiet),
        errors: Some(outcome.errors).filter(|errors| !errors.is_empty()),
        ..DeleteObjectsOutput::default()
    })
}

/// What came of the keys.
#[derive(Default)]
struct Outcome {
    deleted: Vec<DeletedObject>,
    errors: Vec<s3::Error>,
}

impl Outcome {
    fn failed(&mut self, key: String, version_id: Option<String>, error: &Error) {
        self.errors.push(s3::Error {
            key: Some(key),
            version_id,
            code: Some(error.code.to_string()),
            message: Some(error.message.clone()),
        });
    }
}

/// Checks that a key may be deleted.
fn allow(cx: &Cx, bucket: &str, one: &s3::ObjectIdentifier) -> Result<Which, Error> {
    check_key(&one.key)?;
    let which = which(one.version_id.as_deref())?;
    let action = if which == Which::Current { "s3:DeleteObject" } else { "s3:DeleteObjectVersion" };
    authorize(cx, action, &object_arn(bucket, &one.key))?;
    check_tag(cx, one.e_tag.as_deref(), bucket, &one.key)?;
    Ok(which)
}

fn named_version(one: &ToDelete) -> Option<String> {
    match one.which {
        Which::Current => None,
        Which::Version(id) => Some(VersionId::text(id)),
    }
}

fn deleted(one: &ToDelete, removed: Removed) -> DeletedObject {
    DeletedObject {
        key: Some(one.key.clone()),
        version_id: named_version(one),
        delete_marker: removed.marker.then_some(true),
        delete_marker_version_id: removed.version.filter(|_| removed.marker),
    }
}
