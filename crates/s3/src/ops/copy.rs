//! CopyObject, and what UploadPartCopy shares with it.

use ropeway_api::s3::{CopyObjectInput, CopyObjectOutput, CopyObjectResult};
use ropeway_wire::{Cx, Error, Keys};

use super::get::{Found, Wanted};
use super::listed::Asking;
use super::put::Writing;
use super::sse::check_customer_keys;
use super::{MAX_BODY, authorize, check_class, object_arn, write_if};
use crate::acl::Permission;
use crate::checksum::{Algorithm, Span, show_checksum};
use crate::commands::Target;
use crate::conditions::ReadIf;
use crate::customer::CustomerKey;
use crate::model::{Attributes, Body, Bucket, Object, Tag, Which};
use crate::names::{check_key, copy_source, quoted, tags_of_header};
use crate::notification::Event;
use crate::vault::{Expected, Received};
use crate::{S3Service, error, target};

/// The source of a copy.
pub(super) struct Source {
    /// How it is read from now on.
    pub wanted: Wanted,
    pub found: Found,
    /// Whether the caller pays for reading it.
    pub charged: Option<String>,
}

impl S3Service {
    /// Looks a copy's source up, as its reader may.
    pub(super) async fn read_source(
        &self,
        cx: &Cx,
        header: &str,
        (owner, payer): (Option<&String>, Option<&str>),
        conditions: &ReadIf,
        customer: Option<CustomerKey>,
    ) -> Result<Source, Error> {
        let (bucket, key, which) = copy_source(header)?;
        let charged = self.charge(cx, &bucket, payer)?;
        let asking = reading(cx, &bucket, &key, which);
        // A copy is made in the region of its destination, from any.
        let wanted = Wanted {
            target: Target { region: None, ..target(cx, &bucket, owner) },
            key,
            which,
            conditions: ReadIf::default(),
            range: None,
            if_range: None,
            part: None,
            customer,
            asking,
        };
        let found = self.read(cx, &wanted, false).await?;
        conditions.check_source(&found.object)?;
        // What is read of it from now on is of the version that was found.
        let matches = Some(quoted(&found.object.etag));
        let which = if found.version.is_some() { Which::Version(found.object.version) } else { which };
        let wanted = Wanted { which, conditions: ReadIf { matches, ..ReadIf::default() }, ..wanted };
        Ok(Source { wanted, found, charged })
    }

    /// The bytes of an object, once more, for a row of another bucket's shard.
    async fn copy_body(
        &self,
        cx: &Cx,
        source: &Wanted,
        found: Found,
        algorithm: Option<Algorithm>,
        (to, customer): (&str, Option<CustomerKey>),
    ) -> Result<Received, Error> {
        let kept = found.object.checksum.clone().filter(|sum| sum.span == Span::FullObject);
        let kept = kept.filter(|sum| algorithm.is_none_or(|algorithm| algorithm == sum.algorithm));
        let md5 = hex::decode(&found.object.etag).ok().and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
        if let (Body::Whole(sealed), Some(checksum), Some(md5)) = (&found.object.body, kept, md5)
            && !sealed.inline
            && !found.object.sse.is_opaque()
            && customer.is_none()
        {
            let (sealed, pending) = self.vault.copy(sealed, self.shard(to)).await?;
            return Ok(Received { sealed, inline: None, md5, checksum, pending });
        }
        let keep = algorithm.or(found.object.checksum.as_ref().map(|sum| sum.algorithm));
        let expected = Expected {
            length: Some(found.object.size),
            md5: None,
            checksum: None,
            keep: Some(keep.unwrap_or(Algorithm::Crc64Nvme)),
            customer,
        };
        let found = self.read(cx, source, true).await?;
        self.vault.receive(self.shard(to), &found.body, &expected).await
    }
}

pub(super) async fn copy_object(
    service: &S3Service,
    cx: &Cx,
    mut input: CopyObjectInput,
) -> Result<CopyObjectOutput, Error> {
    check_key(&input.key)?;
    check_class(input.storage_class.as_deref())?;
    let acl = acl_of_object!(cx, input)?;
    let sse = input.server_side_encryption.as_deref();
    let (sse, customer) = service.asked_sse(cx, sse, input.bucket_key_enabled, &customer_headers!(input))?;
    let replace = directive("x-amz-metadata-directive", input.metadata_directive.as_deref())?;
    let retag = directive("x-amz-tagging-directive", input.tagging_directive.as_deref())?;
    let algorithm = input.checksum_algorithm.as_deref().map(Algorithm::parse).transpose()?;
    let object = (input.bucket.as_str(), input.key.as_str());
    let only_if = write_if(cx, object, input.if_match.take(), input.if_none_match.as_deref())?;
    let lock = lock_of!(cx, input)?;
    let own = attributes!(input)?;
    let conditions = source_if!(input);
    let whose = (input.expected_source_bucket_owner.as_ref(), input.request_payer.as_deref());
    let of_source = service.customer_key(cx, &source_headers!(input))?;
    let read = service.read_source(cx, &input.copy_source, whose, &conditions, of_source).await?;
    let Source { wanted: source, found, charged: request_charged } = read;
    let same = source.target.bucket == input.bucket && source.key == input.key && !copies_version(&input);
    let encrypts = input.server_side_encryption.is_some() || customer.is_some();
    let changes = replace || own.redirect.is_some() || input.storage_class.is_some() || encrypts;
    if same && !changes {
        return Err(error::invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    if found.object.size > MAX_BODY {
        return Err(error::invalid_request(format!(
            "The specified copy source is larger than the maximum allowable size for a copy source: {MAX_BODY}"
        )));
    }
    // Where an object redirects to is never copied.
    let redirect = own.redirect.clone();
    let attributes = if replace { own } else { found.object.attributes.clone() };
    let attributes = Attributes { redirect, ..attributes };
    let tags = copied_tags(cx, &input, &source, &found.object, retag)?;
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = service.bucket(cx, target.clone()).await?;
    check_customer_keys(cx, &bucket, customer.as_ref(), (&input.bucket, &input.key))?;
    let copy_source_version_id = found.version.clone();
    let to = (input.bucket.as_str(), customer.clone());
    let received = service.copy_body(cx, &source, found, algorithm, to).await?;
    let event = Event::Copy;
    let writing = Writing { target, key: input.key, attributes, tags, only_if, event, sse, lock, acl };
    let (object, expiration, bucket) = service.write(cx, writing, received).await?;
    let output = answer(object, &bucket, customer.as_ref());
    Ok(CopyObjectOutput { copy_source_version_id, expiration, request_charged, ..output })
}

/// Whether the caller may read an object.
pub(super) fn reading(cx: &Cx, bucket: &str, key: &str, which: Which) -> Asking {
    let action = if which == Which::Current { "s3:GetObject" } else { "s3:GetObjectVersion" };
    Asking::ask(cx, action, object_arn(bucket, key), Keys::default(), Permission::Read)
}

fn answer(object: Object, bucket: &Bucket, customer: Option<&CustomerKey>) -> CopyObjectOutput {
    let mut result = CopyObjectResult {
        e_tag: Some(quoted(&object.etag)),
        last_modified: Some(object.modified),
        ..CopyObjectResult::default()
    };
    if let Some(checksum) = object.checksum {
        result.checksum_type = Some(checksum.span.name().to_owned());
        show_checksum!(result, checksum.algorithm, checksum.value);
    }
    let mut output = CopyObjectOutput {
        copy_object_result: Some(result),
        version_id: bucket.shown_version(object.version),
        ..CopyObjectOutput::default()
    };
    show_encryption!(output, object.sse, bucket, customer);
    output
}

/// Whether the source is named with a version: such a copy over itself restores that version.
fn copies_version(input: &CopyObjectInput) -> bool {
    input.copy_source.contains("?versionId=")
}

/// The copy's tags: its own, or the source's, which then must be readable.
fn copied_tags(
    cx: &Cx,
    input: &CopyObjectInput,
    source: &Wanted,
    object: &Object,
    retag: bool,
) -> Result<Vec<Tag>, Error> {
    let tags = match &input.tagging {
        Some(header) if retag => tags_of_header(header)?,
        _ if retag => Vec::new(),
        _ => {
            if !object.tags.is_empty() {
                let versioned = copies_version(input);
                let action = if versioned { "s3:GetObjectVersionTagging" } else { "s3:GetObjectTagging" };
                authorize(cx, action, &object_arn(&source.target.bucket, &source.key))?;
            }
            object.tags.clone()
        }
    };
    if !tags.is_empty() {
        authorize(cx, "s3:PutObjectTagging", &object_arn(&input.bucket, &input.key))?;
    }
    Ok(tags)
}

/// True for `REPLACE`.
fn directive(header: &str, value: Option<&str>) -> Result<bool, Error> {
    match value {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => Err(error::invalid_argument(header, other, "Unknown directive.")),
    }
}
