//! Uploads in parts.

use ropeway_api::s3::{
    self, AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CopyPartResult, CreateMultipartUploadInput, CreateMultipartUploadOutput,
    Initiator, ListPartsInput, ListPartsOutput, Owner, UploadPartCopyInput, UploadPartCopyOutput,
    UploadPartInput, UploadPartOutput,
};
use ropeway_core::Time;
use ropeway_wire::{Cx, Error, canonical_id};

use super::copy::Source;
use super::get::Wanted;
use super::sse::check_customer_keys;
use super::{MAX_BODY, Said, authorize, check_class, object_arn, write_if};
use crate::checksum::{self, Algorithm, declared, show_checksum};
use crate::commands::{
    Command, Completion, FoundPart, Output, PartList, Target, ToComplete, UploadId, type_mismatch,
};
use crate::conditions::copy_range;
use crate::customer::{CustomerKey, check_part};
use crate::model::{Bucket, Object, Part, Sse, Upload};
use crate::names::{check_key, quoted, tags_of_header};
use crate::notification::Cause;
use crate::vault::{Expected, Received};
use crate::{S3Service, error, target};

/// The highest part number.
const MAX_PART: u32 = 10_000;
/// Parts on a page at most.
const MAX_PAGE: i64 = 1000;

fn upload_id(text: &str) -> Result<UploadId, Error> {
    UploadId::parse(text).ok_or_else(|| error::no_such_upload(text))
}

fn part_number(number: i64) -> Result<u32, Error> {
    u32::try_from(number).ok().filter(|number| (1..=MAX_PART).contains(number)).ok_or_else(|| {
        let message = "Part number must be an integer between 1 and 10000, inclusive";
        error::invalid_argument("partNumber", &number.to_string(), message)
    })
}

pub(super) async fn create_multipart_upload(
    service: &S3Service,
    cx: &Cx,
    mut input: CreateMultipartUploadInput,
) -> Result<CreateMultipartUploadOutput, Error> {
    check_key(&input.key)?;
    check_class(input.storage_class.as_deref())?;
    let acl = acl_of_object!(cx, input)?;
    let sse = input.server_side_encryption.as_deref();
    let (sse, customer) = service.asked_sse(cx, sse, input.bucket_key_enabled, &customer_headers!(input))?;
    let tags = match &input.tagging {
        Some(header) => {
            authorize(cx, "s3:PutObjectTagging", &object_arn(&input.bucket, &input.key))?;
            tags_of_header(header)?
        }
        None => Vec::new(),
    };
    let algorithm = input.checksum_algorithm.as_deref().map(Algorithm::parse).transpose()?;
    if algorithm.is_none() && input.checksum_type.is_some() {
        let message =
            "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.";
        return Err(error::invalid_request(message));
    }
    let span = checksum::span(algorithm.unwrap_or(Algorithm::Crc64Nvme), input.checksum_type.as_deref())?;
    let lock = lock_of!(cx, input)?;
    let attributes = attributes!(input)?;
    let initiator = (cx.principal.arn.clone(), cx.principal.id.clone());
    let upload = Box::new(Upload {
        attributes,
        tags,
        algorithm,
        span,
        initiator,
        sse: Sse::default(),
        lock,
        owner: None,
        acl: None,
        existed: false,
    });
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    if customer.is_some() {
        let bucket = service.bucket(cx, target.clone()).await?;
        check_customer_keys(cx, &bucket, customer.as_ref(), (&input.bucket, &input.key))?;
    }
    let (key, account) = (input.key.clone(), cx.principal.account.clone());
    let command = Command::CreateUpload { target, key, upload, sse, acl, account };
    let submitted = service.submit(cx, &input.bucket, command);
    let (id, sse, bucket) = answer!(submitted, Output::UploadBegun(id, sse, bucket) => (id, sse, bucket));
    let (abort_date, abort_rule_id) = service.abortion(&input.bucket, &input.key, id.initiated);
    let mut output = CreateMultipartUploadOutput {
        abort_date,
        abort_rule_id,
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id.text()),
        checksum_algorithm: algorithm.map(|algorithm| algorithm.name().to_owned()),
        checksum_type: algorithm.map(|_| span.name().to_owned()),
        ..CreateMultipartUploadOutput::default()
    };
    show_encryption!(output, sse, &bucket, customer.as_ref());
    Ok(output)
}

/// The upload that a part goes to.
struct Destination {
    target: Target,
    key: String,
    id: UploadId,
    number: u32,
}

impl S3Service {
    async fn upload(&self, cx: &Cx, to: &Destination) -> Result<(Box<Upload>, Bucket), Error> {
        let command = Command::GetUpload { target: to.target.clone(), key: to.key.clone(), id: to.id };
        let submitted = self.submit(cx, &to.target.bucket, command);
        Ok(answer!(submitted, Output::Upload(upload, bucket) => (upload, bucket)))
    }

    /// Writes a part whose body has been received.
    async fn write_part(
        &self,
        cx: &Cx,
        to: Destination,
        received: Received,
        sse: Sse,
    ) -> Result<Part, Error> {
        let Received { sealed, inline, md5, checksum, pending: _until_answered } = received;
        let md5 = sse.etag(md5, sealed.id);
        let part = Part { md5, modified: Time::default(), checksum, body: sealed.clone() };
        let command = Command::PutPart {
            target: to.target.clone(),
            key: to.key,
            id: to.id,
            number: to.number,
            part: Box::new(part.clone()),
            inline,
        };
        match self.submit(cx, &to.target.bucket, command).await {
            Ok(_) => Ok(part),
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

pub(super) async fn upload_part(
    service: &S3Service,
    cx: &Cx,
    mut input: UploadPartInput,
) -> Result<UploadPartOutput, Error> {
    let to = Destination {
        target: target(cx, &input.bucket, input.expected_bucket_owner.as_ref()),
        id: upload_id(&input.upload_id)?,
        number: part_number(input.part_number)?,
        key: input.key.clone(),
    };
    let customer = service.customer_key(cx, &customer_headers!(input))?;
    let (upload, bucket) = service.upload(cx, &to).await?;
    check_part(upload.sse.customer.as_ref(), customer.as_ref())?;
    check_customer_keys(cx, &bucket, customer.as_ref(), (&input.bucket, &input.key))?;
    let body = input.body.take().unwrap_or_else(|| bytes::Bytes::new().into());
    let checksum = declared!(input)?;
    let said = Said {
        length: input.content_length,
        md5: input.content_md5.as_deref(),
        checksum,
        algorithm: input.checksum_algorithm.as_deref(),
    };
    let expected = Expected { customer: customer.clone(), ..said.expected(&body, Some(upload.algorithm()))? };
    if let (Some(wanted), Some((given, _))) = (upload.algorithm, &expected.checksum)
        && wanted != *given
    {
        return Err(type_mismatch(wanted, *given));
    }
    let received = service.vault.receive(service.shard(&input.bucket), &body, &expected).await?;
    let part = service.write_part(cx, to, received, upload.sse).await?;
    let mut output =
        UploadPartOutput { e_tag: Some(quoted(&hex::encode(part.md5))), ..UploadPartOutput::default() };
    show_encryption!(output, upload.sse, &bucket, customer.as_ref());
    show_checksum!(output, part.checksum.algorithm, part.checksum.value);
    Ok(output)
}

pub(super) async fn upload_part_copy(
    service: &S3Service,
    cx: &Cx,
    mut input: UploadPartCopyInput,
) -> Result<UploadPartCopyOutput, Error> {
    let to = Destination {
        target: target(cx, &input.bucket, input.expected_bucket_owner.as_ref()),
        id: upload_id(&input.upload_id)?,
        number: part_number(input.part_number)?,
        key: input.key.clone(),
    };
    let customer = service.customer_key(cx, &customer_headers!(input))?;
    let of_source = service.customer_key(cx, &source_headers!(input))?;
    let (upload, bucket) = service.upload(cx, &to).await?;
    check_part(upload.sse.customer.as_ref(), customer.as_ref())?;
    check_customer_keys(cx, &bucket, customer.as_ref(), (&input.bucket, &input.key))?;
    let conditions = source_if!(input);
    let whose = (input.expected_source_bucket_owner.as_ref(), input.request_payer.as_deref());
    let read = service.read_source(cx, &input.copy_source, whose, &conditions, of_source).await?;
    let Source { wanted: source, found, charged: request_charged } = read;
    let range = match &input.copy_source_range {
        Some(header) => copy_range(header, found.object.size)?,
        None => 0..found.object.size,
    };
    let length = range.end - range.start;
    if length > MAX_BODY {
        return Err(error::entity_too_large(length, MAX_BODY));
    }
    let range = (length > 0).then(|| format!("bytes={}-{}", range.start, range.end - 1));
    let wanted = Wanted { range, ..source };
    let found = service.read(cx, &wanted, true).await?;
    let (length, keep) = (Some(length), Some(upload.algorithm()));
    let expected = Expected { length, md5: None, checksum: None, keep, customer: customer.clone() };
    let received = service.vault.receive(service.shard(&input.bucket), &found.body, &expected).await?;
    let part = service.write_part(cx, to, received, upload.sse).await?;
    let mut result = CopyPartResult {
        e_tag: Some(quoted(&hex::encode(part.md5))),
        last_modified: Some(cx.now),
        ..CopyPartResult::default()
    };
    show_checksum!(result, part.checksum.algorithm, part.checksum.value);
    let mut output = UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: found.version,
        request_charged,
        ..UploadPartCopyOutput::default()
    };
    show_encryption!(output, upload.sse, &bucket, customer.as_ref());
    Ok(output)
}

/// Whether who completes an upload, or lists its parts, brings the key that it is encrypted under. It is
/// asked for only where a checksum algorithm was: API reference, `CompleteMultipartUpload`, `ListParts`.
///
/// # Errors
/// 400 `InvalidRequest`.
fn check_kept(upload: &Upload, customer: Option<&CustomerKey>) -> Result<(), Error> {
    match customer {
        None if upload.algorithm.is_none() => Ok(()),
        customer => check_part(upload.sse.customer.as_ref(), customer),
    }
}

fn completions(parts: Option<Vec<s3::CompletedPart>>) -> Result<Vec<Completion>, Error> {
    let parts = parts.filter(|parts| !parts.is_empty() && parts.len() <= MAX_PART as usize);
    let named = parts.ok_or_else(error::malformed_xml)?.into_iter().map(|mut part| {
        Ok(Completion {
            number: part_number(part.part_number.ok_or_else(error::malformed_xml)?)?,
            etag: part.e_tag.take().ok_or_else(error::malformed_xml)?,
            checksum: declared!(part)?,
        })
    });
    named.collect()
}

pub(super) async fn complete_multipart_upload(
    service: &S3Service,
    cx: &Cx,
    mut input: CompleteMultipartUploadInput,
) -> Result<CompleteMultipartUploadOutput, Error> {
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let (key, id) = (input.key.clone(), upload_id(&input.upload_id)?);
    let customer = service.customer_key(cx, &customer_headers!(input))?;
    let of = Command::GetUpload { target: target.clone(), key: key.clone(), id };
    match service.submit(cx, &input.bucket, of).await {
        Ok(Output::Upload(upload, _)) => check_kept(&upload, customer.as_ref())?,
        // What was completed before answers so again.
        Err(error) if error.code == "NoSuchUpload" => {}
        Ok(_) => return Err(error::internal("a command with another one's answer")),
        Err(error) => return Err(error),
    }
    let object = (input.bucket.as_str(), input.key.as_str());
    let what = ToComplete {
        target,
        key,
        id,
        parts: completions(input.multipart_upload.take().and_then(|upload| upload.parts))?,
        checksum: declared!(input)?,
        span: input.checksum_type.take(),
        size: input.mpu_object_size,
        only_if: write_if(cx, object, input.if_match.take(), input.if_none_match.as_deref())?,
        cause: Cause::of(cx),
    };
    let submitted = service.submit(cx, &input.bucket, Command::Complete(Box::new(what)));
    let (object, of): (Object, Bucket) =
        answer!(submitted, Output::Completed(object, bucket) => (*object, bucket));
    let mut output = CompleteMultipartUploadOutput {
        expiration: service.expiration(&input.bucket, &input.key, &object),
        location: Some(format!("{}/{}/{}", cx.endpoint, input.bucket, input.key)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        e_tag: Some(quoted(&object.etag)),
        version_id: of.shown_version(object.version),
        ..CompleteMultipartUploadOutput::default()
    };
    show_managed!(output, object.sse, &of);
    if let Some(checksum) = object.checksum {
        output.checksum_type = Some(checksum.span.name().to_owned());
        show_checksum!(output, checksum.algorithm, checksum.value);
    }
    Ok(output)
}

pub(super) async fn abort_multipart_upload(
    service: &S3Service,
    cx: &Cx,
    input: AbortMultipartUploadInput,
) -> Result<AbortMultipartUploadOutput, Error> {
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let id = upload_id(&input.upload_id)?;
    service.submit(cx, &input.bucket, Command::Abort { target, key: input.key, id }).await?;
    Ok(AbortMultipartUploadOutput::default())
}

pub(super) async fn list_parts(
    service: &S3Service,
    cx: &Cx,
    input: ListPartsInput,
) -> Result<ListPartsOutput, Error> {
    let limit = input.max_parts.unwrap_or(MAX_PAGE);
    let after = input.part_number_marker.unwrap_or(0);
    for (name, value) in [("max-parts", limit), ("part-number-marker", after)] {
        if !(0..=i64::from(i32::MAX)).contains(&value) {
            let message = format!("Argument {name} must be an integer between 0 and {}", i32::MAX);
            return Err(error::invalid_argument(name, &value.to_string(), message));
        }
    }
    let (id, limit) = (upload_id(&input.upload_id)?, limit.min(MAX_PAGE));
    let command = Command::ListParts {
        target: target(cx, &input.bucket, input.expected_bucket_owner.as_ref()),
        key: input.key.clone(),
        id,
        after: after as u32,
        limit: limit as u32,
    };
    let customer = service.customer_key(cx, &customer_headers!(input))?;
    let list = answer!(service.submit(cx, &input.bucket, command), Output::Parts(list) => *list);
    check_kept(&list.upload, customer.as_ref())?;
    let (abort_date, abort_rule_id) = service.abortion(&input.bucket, &input.key, id.initiated);
    Ok(ListPartsOutput { abort_date, abort_rule_id, ..shown_parts(input, list, after, limit) })
}

fn shown_parts(input: ListPartsInput, list: PartList, after: i64, limit: i64) -> ListPartsOutput {
    let last = list.parts.last().map(|found| i64::from(found.number));
    let upload = list.upload;
    let owner = canonical_id(upload.owner.as_deref().unwrap_or(&list.bucket.account));
    ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        part_number_marker: Some(after),
        next_part_number_marker: Some(last.unwrap_or(after)),
        max_parts: Some(limit),
        is_truncated: Some(list.more),
        parts: Some(list.parts.into_iter().map(shown_part).collect()),
        initiator: Some(Initiator {
            id: Some(upload.initiator.0.clone()),
            display_name: Some(upload.initiator.1.clone()),
        }),
        owner: Some(Owner { id: Some(owner), ..Owner::default() }),
        storage_class: Some("STANDARD".to_owned()),
        checksum_algorithm: Some(upload.algorithm().name().to_owned()),
        checksum_type: Some(upload.span.name().to_owned()),
        ..ListPartsOutput::default()
    }
}

fn shown_part(found: FoundPart) -> s3::Part {
    let FoundPart { number, part } = found;
    let mut shown = s3::Part {
        part_number: Some(i64::from(number)),
        last_modified: Some(part.modified),
        e_tag: Some(quoted(&hex::encode(part.md5))),
        size: Some(part.body.size as i64),
        ..s3::Part::default()
    };
    show_checksum!(shown, part.checksum.algorithm, part.checksum.value);
    shown
}
