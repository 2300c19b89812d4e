//! Operations: wire input → command or read → output.

mod access;
mod attributes;
mod bucket;
mod copy;
mod cors;
mod delete;
mod destinations;
mod get;
mod lifecycle;
mod list;
mod listed;
mod lock;
mod logging;
mod multipart;
mod notification;
mod payment;
mod put;
mod settings;
mod sse;
mod tagging;
mod unset;
mod versions;
mod website;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ropeway_api::s3::{self, S3};
use ropeway_wire::{ByteStream, Cx, Error, Keys};

use crate::S3Service;
use crate::checksum::Algorithm;
use crate::commands::{WriteIf, bucket_arn};
use crate::error;
use crate::model::Attributes;
use crate::vault::Expected;

/// The largest body of one request, in bytes.
pub(crate) const MAX_BODY: u64 = 5 * 1024 * 1024 * 1024;
/// User metadata at most, in bytes of names and values.
const MAX_METADATA: usize = 2048;
/// The system's own metadata at most, in bytes: what S3 allows a request's headers.
const MAX_ATTRIBUTES: usize = 8192;
/// Encryption under keys of S3's own.
pub(crate) const AES256: &str = "AES256";
/// Encryption under the key `aws/s3` of KMS.
pub(crate) const KMS: &str = "aws:kms";

/// Calls an operation. Where who asks may have to pay for it, they must be ready to; it is said whether they are
/// charged where the operation's answer has a place for it.
macro_rules! run {
    ($service:ident, $cx:ident, $input:ident, $operation:path) => {
        $operation($service, $cx, $input).await
    };
    ($service:ident, $cx:ident, $input:ident, $operation:path, paid) => {{
        $service.charge($cx, &$input.bucket, $input.request_payer.as_deref())?;
        $operation($service, $cx, $input).await
    }};
    ($service:ident, $cx:ident, $input:ident, $operation:path, charged) => {{
        let charged = $service.charge($cx, &$input.bucket, $input.request_payer.as_deref())?;
        let mut output = $operation($service, $cx, $input).await?;
        output.request_charged = charged.or(output.request_charged);
        Ok(output)
    }};
}

macro_rules! delegate {
    ($($operation:ident: $input:ident -> $output:ident in $module:ident $($pays:ident)?,)*) => {
        impl S3 for S3Service {
            $(async fn $operation(&self, cx: &Cx, input: s3::$input) -> Result<s3::$output, Error> {
                run!(self, cx, input, $module::$operation $(, $pays)?)
            })*
        }
    };
}

delegate! {
    abort_multipart_upload: AbortMultipartUploadInput -> AbortMultipartUploadOutput in multipart charged,
    complete_multipart_upload: CompleteMultipartUploadInput -> CompleteMultipartUploadOutput in multipart charged,
    copy_object: CopyObjectInput -> CopyObjectOutput in copy charged,
    create_bucket: CreateBucketInput -> CreateBucketOutput in bucket,
    create_multipart_upload: CreateMultipartUploadInput -> CreateMultipartUploadOutput in multipart charged,
    delete_bucket: DeleteBucketInput -> DeleteBucketOutput in bucket,
    delete_bucket_analytics_configuration: DeleteBucketAnalyticsConfigurationInput -> DeleteBucketAnalyticsConfigurationOutput in unset,
    delete_bucket_cors: DeleteBucketCorsInput -> DeleteBucketCorsOutput in cors,
    delete_bucket_encryption: DeleteBucketEncryptionInput -> DeleteBucketEncryptionOutput in settings,
    delete_bucket_intelligent_tiering_configuration: DeleteBucketIntelligentTieringConfigurationInput -> DeleteBucketIntelligentTieringConfigurationOutput in unset,
    delete_bucket_inventory_configuration: DeleteBucketInventoryConfigurationInput -> DeleteBucketInventoryConfigurationOutput in unset,
    delete_bucket_lifecycle: DeleteBucketLifecycleInput -> DeleteBucketLifecycleOutput in lifecycle,
    delete_bucket_metadata_configuration: DeleteBucketMetadataConfigurationInput -> DeleteBucketMetadataConfigurationOutput in unset,
    delete_bucket_metadata_table_configuration: DeleteBucketMetadataTableConfigurationInput -> DeleteBucketMetadataTableConfigurationOutput in unset,
    delete_bucket_metrics_configuration: DeleteBucketMetricsConfigurationInput -> DeleteBucketMetricsConfigurationOutput in unset,
    delete_bucket_ownership_controls: DeleteBucketOwnershipControlsInput -> DeleteBucketOwnershipControlsOutput in access,
    delete_bucket_policy: DeleteBucketPolicyInput -> DeleteBucketPolicyOutput in settings,
    delete_bucket_replication: DeleteBucketReplicationInput -> DeleteBucketReplicationOutput in unset,
    delete_bucket_tagging: DeleteBucketTaggingInput -> DeleteBucketTaggingOutput in tagging,
    delete_bucket_website: DeleteBucketWebsiteInput -> DeleteBucketWebsiteOutput in website,
    delete_object: DeleteObjectInput -> DeleteObjectOutput in delete charged,
    delete_object_tagging: DeleteObjectTaggingInput -> DeleteObjectTaggingOutput in tagging,
    delete_objects: DeleteObjectsInput -> DeleteObjectsOutput in delete charged,
    delete_public_access_block: DeletePublicAccessBlockInput -> DeletePublicAccessBlockOutput in access,
    get_bucket_abac: GetBucketAbacInput -> GetBucketAbacOutput in unset,
    get_bucket_accelerate_configuration: GetBucketAccelerateConfigurationInput -> GetBucketAccelerateConfigurationOutput in unset charged,
    get_bucket_acl: GetBucketAclInput -> GetBucketAclOutput in access,
    get_bucket_analytics_configuration: GetBucketAnalyticsConfigurationInput -> GetBucketAnalyticsConfigurationOutput in unset,
    get_bucket_cors: GetBucketCorsInput -> GetBucketCorsOutput in cors,
    get_bucket_encryption: GetBucketEncryptionInput -> GetBucketEncryptionOutput in settings,
    get_bucket_intelligent_tiering_configuration: GetBucketIntelligentTieringConfigurationInput -> GetBucketIntelligentTieringConfigurationOutput in unset,
    get_bucket_inventory_configuration: GetBucketInventoryConfigurationInput -> GetBucketInventoryConfigurationOutput in unset,
    get_bucket_lifecycle_configuration: GetBucketLifecycleConfigurationInput -> GetBucketLifecycleConfigurationOutput in lifecycle,
    get_bucket_location: GetBucketLocationInput -> GetBucketLocationOutput in bucket,
    get_bucket_logging: GetBucketLoggingInput -> GetBucketLoggingOutput in logging,
    get_bucket_metadata_configuration: GetBucketMetadataConfigurationInput -> GetBucketMetadataConfigurationOutput in unset,
    get_bucket_metadata_table_configuration: GetBucketMetadataTableConfigurationInput -> GetBucketMetadataTableConfigurationOutput in unset,
    get_bucket_metrics_configuration: GetBucketMetricsConfigurationInput -> GetBucketMetricsConfigurationOutput in unset,
    get_bucket_notification_configuration: GetBucketNotificationConfigurationInput -> GetBucketNotificationConfigurationOutput in notification,
    get_bucket_ownership_controls: GetBucketOwnershipControlsInput -> GetBucketOwnershipControlsOutput in access,
    get_bucket_policy: GetBucketPolicyInput -> GetBucketPolicyOutput in settings,
    get_bucket_policy_status: GetBucketPolicyStatusInput -> GetBucketPolicyStatusOutput in access,
    get_bucket_replication: GetBucketReplicationInput -> GetBucketReplicationOutput in unset,
    get_bucket_request_payment: GetBucketRequestPaymentInput -> GetBucketRequestPaymentOutput in payment,
    get_bucket_tagging: GetBucketTaggingInput -> GetBucketTaggingOutput in tagging,
    get_bucket_versioning: GetBucketVersioningInput -> GetBucketVersioningOutput in settings,
    get_bucket_website: GetBucketWebsiteInput -> GetBucketWebsiteOutput in website,
    get_object: GetObjectInput -> GetObjectOutput in get charged,
    get_object_acl: GetObjectAclInput -> GetObjectAclOutput in access charged,
    get_object_attributes: GetObjectAttributesInput -> GetObjectAttributesOutput in attributes charged,
    get_object_legal_hold: GetObjectLegalHoldInput -> GetObjectLegalHoldOutput in lock paid,
    get_object_lock_configuration: GetObjectLockConfigurationInput -> GetObjectLockConfigurationOutput in lock,
    get_object_retention: GetObjectRetentionInput -> GetObjectRetentionOutput in lock paid,
    get_object_tagging: GetObjectTaggingInput -> GetObjectTaggingOutput in tagging paid,
    get_public_access_block: GetPublicAccessBlockInput -> GetPublicAccessBlockOutput in access,
    head_bucket: HeadBucketInput -> HeadBucketOutput in bucket,
    head_object: HeadObjectInput -> HeadObjectOutput in get charged,
    list_bucket_analytics_configurations: ListBucketAnalyticsConfigurationsInput -> ListBucketAnalyticsConfigurationsOutput in unset,
    list_bucket_intelligent_tiering_configurations: ListBucketIntelligentTieringConfigurationsInput -> ListBucketIntelligentTieringConfigurationsOutput in unset,
    list_bucket_inventory_configurations: ListBucketInventoryConfigurationsInput -> ListBucketInventoryConfigurationsOutput in unset,
    list_bucket_metrics_configurations: ListBucketMetricsConfigurationsInput -> ListBucketMetricsConfigurationsOutput in unset,
    list_buckets: ListBucketsInput -> ListBucketsOutput in bucket,
    list_multipart_uploads: ListMultipartUploadsInput -> ListMultipartUploadsOutput in list charged,
    list_object_versions: ListObjectVersionsInput -> ListObjectVersionsOutput in versions charged,
    list_objects: ListObjectsInput -> ListObjectsOutput in list charged,
    list_objects_v2: ListObjectsV2Input -> ListObjectsV2Output in list charged,
    list_parts: ListPartsInput -> ListPartsOutput in multipart charged,
    put_bucket_acl: PutBucketAclInput -> PutBucketAclOutput in access,
    put_bucket_cors: PutBucketCorsInput -> PutBucketCorsOutput in cors,
    put_bucket_encryption: PutBucketEncryptionInput -> PutBucketEncryptionOutput in settings,
    put_bucket_lifecycle_configuration: PutBucketLifecycleConfigurationInput -> PutBucketLifecycleConfigurationOutput in lifecycle,
    put_bucket_logging: PutBucketLoggingInput -> PutBucketLoggingOutput in logging,
    put_bucket_notification_configuration: PutBucketNotificationConfigurationInput -> PutBucketNotificationConfigurationOutput in notification,
    put_bucket_ownership_controls: PutBucketOwnershipControlsInput -> PutBucketOwnershipControlsOutput in access,
    put_bucket_policy: PutBucketPolicyInput -> PutBucketPolicyOutput in settings,
    put_bucket_request_payment: PutBucketRequestPaymentInput -> PutBucketRequestPaymentOutput in payment,
    put_bucket_tagging: PutBucketTaggingInput -> PutBucketTaggingOutput in tagging,
    put_bucket_versioning: PutBucketVersioningInput -> PutBucketVersioningOutput in settings,
    put_bucket_website: PutBucketWebsiteInput -> PutBucketWebsiteOutput in website,
    put_object: PutObjectInput -> PutObjectOutput in put charged,
    put_object_acl: PutObjectAclInput -> PutObjectAclOutput in access charged,
    put_object_legal_hold: PutObjectLegalHoldInput -> PutObjectLegalHoldOutput in lock charged,
    put_object_lock_configuration: PutObjectLockConfigurationInput -> PutObjectLockConfigurationOutput in lock charged,
    put_object_retention: PutObjectRetentionInput -> PutObjectRetentionOutput in lock charged,
    put_object_tagging: PutObjectTaggingInput -> PutObjectTaggingOutput in tagging paid,
    put_public_access_block: PutPublicAccessBlockInput -> PutPublicAccessBlockOutput in access,
    upload_part: UploadPartInput -> UploadPartOutput in multipart charged,
    upload_part_copy: UploadPartCopyInput -> UploadPartCopyOutput in multipart charged,
}

pub(crate) use website::none as no_website;

fn object_arn(bucket: &str, key: &str) -> String {
    format!("{}/{key}", bucket_arn(bucket))
}

/// One more permission that an operation needs.
fn authorize(cx: &Cx, action: &str, resource: &str) -> Result<(), Error> {
    cx.authorize(&s3::SERVICE, action, resource, &Keys::default())
}

/// Storage class: the one there is.
fn check_class(storage_class: Option<&str>) -> Result<(), Error> {
    const OTHERS: [&str; 7] = [
        "REDUCED_REDUNDANCY",
        "STANDARD_IA",
        "ONEZONE_IA",
        "INTELLIGENT_TIERING",
        "GLACIER",
        "GLACIER_IR",
        "DEEP_ARCHIVE",
    ];
    match storage_class {
        None | Some("STANDARD") => Ok(()),
        Some(other) if OTHERS.contains(&other) => Err(error::not_implemented("x-amz-storage-class", other)),
        Some(_) => {
            Err(Error::new(400, "InvalidStorageClass", "The storage class you specified is not valid"))
        }
    }
}

/// The error for another encryption than those there are.
fn encryption_refused(parameter: &str, algorithm: &str) -> Error {
    match algorithm {
        "aws:kms:dsse" | "aws:fsx" | "aws:backup" => error::not_implemented(parameter, algorithm),
        _ => {
            error::invalid_argument(parameter, algorithm, "The encryption method specified is not supported")
        }
    }
}

/// Checks the sizes, and takes out what belongs to the request and not to the object.
pub(crate) fn attributes(mut found: Attributes) -> Result<Attributes, Error> {
    let metadata: usize = found.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if metadata > MAX_METADATA {
        return Err(Error::new(
            400,
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
        )
        .with_member("Size", metadata.to_string())
        .with_member("MaxSizeAllowed", MAX_METADATA.to_string()));
    }
    let encoding = found.content_encoding.take().map(|encoding| {
        let own = encoding.split(',').map(str::trim).filter(|one| !one.eq_ignore_ascii_case("aws-chunked"));
        own.filter(|one| !one.is_empty()).collect::<Vec<_>>().join(",")
    });
    found.content_encoding = encoding.filter(|encoding| !encoding.is_empty());
    website::check_redirect(found.redirect.as_deref())?;
    let texts = [
        &found.content_type,
        &found.cache_control,
        &found.content_disposition,
        &found.content_encoding,
        &found.content_language,
        &found.expires,
    ];
    if texts.into_iter().flatten().map(String::len).sum::<usize>() > MAX_ATTRIBUTES {
        return Err(Error::new(
            400,
            "RequestHeaderSectionTooLarge",
            "Your request header section exceeds the maximum allowed request header section size.",
        )
        .with_member("MaxSizeAllowed", MAX_ATTRIBUTES.to_string()));
    }
    Ok(found)
}

/// The conditions of a write: user guide, "Add preconditions to S3 operations with conditional requests". Who
/// names an ETag must be allowed to read it. Values that S3 does not take it answers 501 for
/// (localstack/localstack, tests/aws/services/s3/test_s3_api.py, `TestS3ObjectWritePrecondition`).
fn write_if(
    cx: &Cx,
    (bucket, key): (&str, &str),
    if_match: Option<String>,
    if_none_match: Option<&str>,
) -> Result<WriteIf, Error> {
    let refused = |header: &str, why: &str| {
        let message = "A header you provided implies functionality that is not implemented";
        Err(Error::new(501, "NotImplemented", message)
            .with_member("Header", header)
            .with_member("additionalMessage", why))
    };
    let value = |header: &str| format!("We don't accept the provided value of {header} header for this API");
    match (if_match, if_none_match) {
        (Some(_), Some(_)) => {
            let why = "Multiple conditional request headers present in the request";
            refused("If-Match,If-None-Match", why)
        }
        (None, Some("*")) => Ok(WriteIf { matches: None, absent: true }),
        (None, Some(_)) => refused("If-None-Match", &value("If-None-Match")),
        (Some(any), None) if any == "*" => refused("If-Match", &value("If-Match")),
        (Some(tag), None) => {
            authorize(cx, "s3:GetObject", &object_arn(bucket, key))?;
            Ok(WriteIf { matches: Some(tag), absent: false })
        }
        (None, None) => Ok(WriteIf::default()),
    }
}

/// The MD5 of `Content-MD5`.
///
/// # Errors
/// 400 `InvalidDigest`.
fn content_md5(header: Option<&str>) -> Result<Option<[u8; 16]>, Error> {
    let Some(header) = header else { return Ok(None) };
    let decoded = STANDARD.decode(header).ok().and_then(|bytes| bytes.try_into().ok());
    decoded.map(Some).ok_or_else(|| {
        Error::new(400, "InvalidDigest", "The Content-MD5 you specified was invalid.")
            .with_member("Content-MD5", header)
    })
}

/// What a request says of its body.
struct Said<'r> {
    length: Option<i64>,
    md5: Option<&'r str>,
    checksum: Option<(Algorithm, String)>,
    algorithm: Option<&'r str>,
}

impl Said<'_> {
    /// What the body must be, and a checksum to keep: `keep`, or the one that is checked, or a
    /// CRC-64/NVME, as S3 computes where none is given.
    fn expected(self, body: &ByteStream, keep: Option<Algorithm>) -> Result<Expected, Error> {
        let said = self.length.and_then(|length| u64::try_from(length).ok());
        let length = body.length().or(said);
        if length.is_none() && !body.is_self_delimited() {
            let message = "You must provide the Content-Length HTTP header.";
            return Err(Error::new(411, "MissingContentLength", message));
        }
        if let Some(length) = length.filter(|length| *length > MAX_BODY) {
            return Err(error::entity_too_large(length, MAX_BODY));
        }
        let md5 = content_md5(self.md5)?;
        let checksum = match self.checksum {
            Some((algorithm, value)) => {
                algorithm.check_form(&value)?;
                Some((algorithm, Some(value)))
            }
            None => announced(body)?.map(|algorithm| (algorithm, None)),
        };
        match (self.algorithm.map(Algorithm::parse).transpose()?, &checksum) {
            (Some(_), None) => {
                return Err(error::invalid_request(
                    "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.",
                ));
            }
            (Some(named), Some((given, _))) if named != *given => {
                return Err(error::invalid_request(
                    "Value for x-amz-sdk-checksum-algorithm header is invalid.",
                ));
            }
            _ => {}
        }
        let checked = checksum.as_ref().map(|(algorithm, _)| *algorithm);
        let keep = keep.unwrap_or(checked.unwrap_or(Algorithm::Crc64Nvme));
        let keep = (checked != Some(keep)).then_some(keep);
        Ok(Expected { length, md5, checksum, keep, customer: None })
    }
}

/// The algorithm of a checksum that will follow the body.
fn announced(body: &ByteStream) -> Result<Option<Algorithm>, Error> {
    let mut names =
        body.trailers().announced().iter().filter_map(|name| name.strip_prefix("x-amz-checksum-"));
    names.next().map(Algorithm::parse).transpose()
}
