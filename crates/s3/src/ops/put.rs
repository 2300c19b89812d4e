//! PutObject.

use ropeway_api::s3::{PutObjectInput, PutObjectOutput};
use ropeway_wire::{Cx, Error};

use super::sse::check_customer_keys;
use super::{Said, authorize, check_class, object_arn, write_if};
use crate::acl::Asked;
use crate::checksum::{declared, show_checksum};
use crate::commands::{Command, Output, Target, WriteIf};
use crate::lock::Lock;
use crate::model::{AskedSse, Attributes, Body, Bucket, Object, Sse, Tag};
use crate::names::{check_key, quoted, tags_of_header};
use crate::notification::{Cause, Event};
use crate::vault::{CHUNK, Expected, Received};
use crate::{S3Service, error, target};

/// The type of an object whose writer says none.
pub(super) const DEFAULT_TYPE: &str = "binary/octet-stream";

pub(super) async fn put_object(
    service: &S3Service,
    cx: &Cx,
    mut input: PutObjectInput,
) -> Result<PutObjectOutput, Error> {
    check_key(&input.key)?;
    check_class(input.storage_class.as_deref())?;
    let acl = acl_of_object!(cx, input)?;
    let algorithm = input.server_side_encryption.as_deref();
    let (sse, customer) =
        service.asked_sse(cx, algorithm, input.bucket_key_enabled, &customer_headers!(input))?;
    let tags = match &input.tagging {
        Some(header) => {
            authorize(cx, "s3:PutObjectTagging", &object_arn(&input.bucket, &input.key))?;
            tags_of_header(header)?
        }
        None => Vec::new(),
    };
    let lock = lock_of!(cx, input)?;
    let attributes = attributes!(input)?;
    let object = (input.bucket.as_str(), input.key.as_str());
    let only_if = write_if(cx, object, input.if_match.take(), input.if_none_match.as_deref())?;
    let body = input.body.take().unwrap_or_else(|| bytes::Bytes::new().into());
    let checksum = declared!(input)?;
    let said = Said {
        length: input.content_length,
        md5: input.content_md5.as_deref(),
        checksum,
        algorithm: input.checksum_algorithm.as_deref(),
    };
    let expected = Expected { customer: customer.clone(), ..said.expected(&body, None)? };
    if lock != Lock::default() && expected.md5.is_none() && expected.checksum.is_none() {
        return Err(error::invalid_request(
            "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters",
        ));
    }
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    if expected.length.is_none_or(|length| length > CHUNK as u64) || customer.is_some() {
        // Before a large body is taken in vain; a small one costs less than the question.
        let bucket = service.bucket(cx, target.clone()).await?;
        check_customer_keys(cx, &bucket, customer.as_ref(), object)?;
    }
    let received = service.vault.receive(service.shard(&input.bucket), &body, &expected).await?;
    let event = Event::Put;
    let writing = Writing { target, key: input.key, attributes, tags, only_if, event, sse, lock, acl };
    let (object, expiration, bucket) = service.write(cx, writing, received).await?;
    let mut output = PutObjectOutput {
        expiration,
        e_tag: Some(quoted(&object.etag)),
        version_id: bucket.shown_version(object.version),
        ..PutObjectOutput::default()
    };
    show_encryption!(output, object.sse, &bucket, customer.as_ref());
    if let Some(checksum) = object.checksum {
        output.checksum_type = Some(checksum.span.name().to_owned());
        show_checksum!(output, checksum.algorithm, checksum.value);
    }
    Ok(output)
}

/// An object that is to be written, but for its body.
pub(super) struct Writing {
    pub target: Target,
    pub key: String,
    pub attributes: Attributes,
    pub tags: Vec<Tag>,
    pub only_if: WriteIf,
    pub event: Event,
    /// How it is to be encrypted.
    pub sse: AskedSse,
    /// What it is to be locked by.
    pub lock: Lock,
    /// The access control list that it is to have.
    pub acl: Asked,
}

impl S3Service {
    /// Writes an object whose body has been received; gives what is to be said of its expiry, too.
    pub(super) async fn write(
        &self,
        cx: &Cx,
        what: Writing,
        received: Received,
    ) -> Result<(Object, Option<String>, Bucket), Error> {
        let Received { sealed, inline, md5, checksum, pending: _until_answered } = received;
        let object = Object {
            size: sealed.size,
            etag: hex::encode(md5),
            modified: cx.now,
            attributes: what.attributes,
            checksum: Some(checksum),
            tags: what.tags,
            body: Body::Whole(sealed.clone()),
            version: None,
            sse: Sse::default(),
            lock: what.lock,
            owner: None,
            acl: None,
        };
        let (bucket, key) = (what.target.bucket.clone(), what.key.clone());
        let command = Command::Put {
            target: what.target,
            key: what.key,
            object: Box::new(object),
            inline,
            only_if: what.only_if,
            event: what.event,
            cause: Cause::of(cx),
            sse: what.sse,
            acl: what.acl,
        };
        match self.submit(cx, &bucket, command).await {
            Ok(Output::Object(object, _, found)) => {
                let expiration = self.expiration(&bucket, &key, &object);
                Ok((*object, expiration, found))
            }
            Ok(_) => Err(crate::error::internal("a command with another one's answer")),
            Err(error) => {
                // After a 5xx the row may be there all the same.
                if error.is_sender_fault() {
                    self.vault.discard(&sealed).await;
                }
                Err(error)
            }
        }
    }
}
