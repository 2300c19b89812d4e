//! Tags of buckets and objects.

use ropeway_api::s3::{
    self, DeleteBucketTaggingInput, DeleteBucketTaggingOutput, DeleteObjectTaggingInput,
    DeleteObjectTaggingOutput, GetBucketTaggingInput, GetBucketTaggingOutput, GetObjectTaggingInput,
    GetObjectTaggingOutput, PutBucketTaggingInput, PutBucketTaggingOutput, PutObjectTaggingInput,
    PutObjectTaggingOutput,
};
use ropeway_wire::{Cx, Error};

use super::settings::check_said;
use crate::commands::{Command, Output};
use crate::model::Tag;
use crate::names::{BUCKET_TAGS, OBJECT_TAGS, check_tags, which};
use crate::notification::{Cause, Event};
use crate::{S3Service, target};

pub(super) fn tags_of(tags: Vec<s3::Tag>) -> Vec<Tag> {
    tags.into_iter().map(|tag| Tag { key: tag.key, value: tag.value }).collect()
}

pub(super) fn shown(tags: Vec<Tag>) -> Vec<s3::Tag> {
    tags.into_iter().map(|tag| s3::Tag { key: tag.key, value: tag.value }).collect()
}

pub(super) async fn get_bucket_tagging(
    service: &S3Service,
    cx: &Cx,
    input: GetBucketTaggingInput,
) -> Result<GetBucketTaggingOutput, Error> {
    let command = Command::GetTags(target(cx, &input.bucket, input.expected_bucket_owner.as_ref()));
    let tags = answer!(service.submit(cx, &input.bucket, command), Output::Tags(tags) => tags);
    if tags.is_empty() {
        return Err(Error::new(404, "NoSuchTagSet", "The TagSet does not exist")
            .with_member("BucketName", &input.bucket));
    }
    Ok(GetBucketTaggingOutput { tag_set: shown(tags) })
}

pub(super) async fn put_bucket_tagging(
    service: &S3Service,
    cx: &Cx,
    input: PutBucketTaggingInput,
) -> Result<PutBucketTaggingOutput, Error> {
    check_said(input.content_md5.as_deref(), input.checksum_algorithm.as_deref())?;
    let tags = tags_of(input.tagging.tag_set);
    check_tags(&tags, BUCKET_TAGS)?;
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    service.submit(cx, &input.bucket, Command::SetTags(target, tags, cx.system_tags)).await?;
    Ok(PutBucketTaggingOutput::default())
}

pub(super) async fn delete_bucket_tagging(
    service: &S3Service,
    cx: &Cx,
    input: DeleteBucketTaggingInput,
) -> Result<DeleteBucketTaggingOutput, Error> {
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    service.submit(cx, &input.bucket, Command::SetTags(target, Vec::new(), cx.system_tags)).await?;
    Ok(DeleteBucketTaggingOutput::default())
}

pub(super) async fn get_object_tagging(
    service: &S3Service,
    cx: &Cx,
    input: GetObjectTaggingInput,
) -> Result<GetObjectTaggingOutput, Error> {
    let which = which(input.version_id.as_deref())?;
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let command = Command::Get { target, key: input.key, with_body: false, which };
    let submitted = service.submit(cx, &input.bucket, command);
    let (object, bucket) = answer!(submitted, Output::Object(object, _, bucket) => (object, bucket));
    let version_id = bucket.shown_version(object.version);
    Ok(GetObjectTaggingOutput { tag_set: shown(object.tags), version_id })
}

pub(super) async fn put_object_tagging(
    service: &S3Service,
    cx: &Cx,
    input: PutObjectTaggingInput,
) -> Result<PutObjectTaggingOutput, Error> {
    check_said(input.content_md5.as_deref(), input.checksum_algorithm.as_deref())?;
    let which = which(input.version_id.as_deref())?;
    let tags = tags_of(input.tagging.tag_set);
    check_tags(&tags, OBJECT_TAGS)?;
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let (event, cause) = (Event::TaggingPut, Cause::of(cx));
    let command = Command::TagObject { target, key: input.key, tags, event, cause, which };
    let submitted = service.submit(cx, &input.bucket, command);
    Ok(PutObjectTaggingOutput { version_id: answer!(submitted, Output::Version(version) => version) })
}

pub(super) async fn delete_object_tagging(
    service: &S3Service,
    cx: &Cx,
    input: DeleteObjectTaggingInput,
) -> Result<DeleteObjectTaggingOutput, Error> {
    let which = which(input.version_id.as_deref())?;
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let (event, cause) = (Event::TaggingDelete, Cause::of(cx));
    let command = Command::TagObject { target, key: input.key, tags: Vec::new(), event, cause, which };
    let submitted = service.submit(cx, &input.bucket, command);
    Ok(DeleteObjectTaggingOutput { version_id: answer!(submitted, Output::Version(version) => version) })
}
