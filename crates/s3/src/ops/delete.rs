//! DeleteObject and DeleteObjects.

use ropeway_api::s3::{
    self, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject,
};
use ropeway_wire::{Cx, Error};

use super::{authorize, object_arn};
use crate::checksum::Algorithm;
use crate::commands::{Command, Output, ToDelete};
use crate::names::{check_key, check_version};
use crate::notification::Cause;
use crate::{S3Service, error, target};

/// Keys in one request at most.
const MAX_KEYS: usize = 1000;
/// Keys in one command: so many, with their bodies' rows, fit a batch.
const STEP: usize = 200;

pub(super) async fn delete_object(
    service: &S3Service,
    cx: &Cx,
    input: DeleteObjectInput,
) -> Result<DeleteObjectOutput, Error> {
    check_key(&input.key)?;
    check_version(&input.key, input.version_id.as_deref())?;
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let keys = vec![ToDelete { key: input.key, matches: input.if_match }];
    let command = Command::Delete { target, keys, cause: Cause::of(cx) };
    let results = answer!(service.submit(cx, &input.bucket, command), Output::Deleted(results) => results);
    results.into_iter().collect::<Result<(), Error>>()?;
    Ok(DeleteObjectOutput::default())
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
    let named = input.delete.objects;
    if named.is_empty() || named.len() > MAX_KEYS || named.iter().any(|one| !is_xml_text(&one.key)) {
        return Err(error::malformed_xml());
    }
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    service.submit(cx, &input.bucket, Command::HeadBucket(target.clone())).await?;
    let mut deleted = Vec::new();
    let mut errors = Vec::new();
    let mut allowed = Vec::new();
    for one in named {
        let check = check_key(&one.key)
            .and_then(|()| check_version(&one.key, one.version_id.as_deref()))
            .and_then(|()| authorize(cx, "s3:DeleteObject", &object_arn(&input.bucket, &one.key)));
        match check {
            Ok(()) => allowed.push(ToDelete { key: one.key, matches: one.e_tag }),
            Err(error) => errors.push(failed(one.key, one.version_id, &error)),
        }
    }
    for step in allowed.chunks(STEP) {
        let command = Command::Delete { target: target.clone(), keys: step.to_vec(), cause: Cause::of(cx) };
        let results = match service.submit(cx, &input.bucket, command).await {
            Ok(Output::Deleted(results)) => results,
            Ok(_) => return Err(error::internal("a command with another one's answer")),
            // The steps before are done: what is not is told key by key.
            Err(error) => step.iter().map(|_| Err(error.clone())).collect(),
        };
        for (one, result) in step.iter().zip(results) {
            match result {
                Ok(()) => {
                    deleted.push(DeletedObject { key: Some(one.key.clone()), ..DeletedObject::default() });
                }
                Err(error) => errors.push(failed(one.key.clone(), None, &error)),
            }
        }
    }
    let quiet = input.delete.quiet.unwrap_or(false);
    Ok(DeleteObjectsOutput {
        deleted: Some(deleted).filter(|_| !quiet),
        errors: Some(errors).filter(|errors| !errors.is_empty()),
        ..DeleteObjectsOutput::default()
    })
}

fn failed(key: String, version_id: Option<String>, error: &Error) -> s3::Error {
    s3::Error {
        key: Some(key),
        version_id,
        code: Some(error.code.to_string()),
        message: Some(error.message.clone()),
    }
}
