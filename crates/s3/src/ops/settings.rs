//! Policies and encryption rules of buckets.

use ropeway_api::s3::{
    BlockedEncryptionTypes, DeleteBucketEncryptionInput, DeleteBucketEncryptionOutput,
    DeleteBucketPolicyInput, DeleteBucketPolicyOutput, GetBucketEncryptionInput, GetBucketEncryptionOutput,
    GetBucketPolicyInput, GetBucketPolicyOutput, GetBucketVersioningInput, GetBucketVersioningOutput,
    PutBucketEncryptionInput, PutBucketEncryptionOutput, PutBucketPolicyInput, PutBucketPolicyOutput,
    PutBucketVersioningInput, PutBucketVersioningOutput, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use ropeway_wire::{Cx, Error};

use super::{AES256, KMS, content_md5, encryption_refused};
use crate::checksum::Algorithm;
use crate::commands::{Command, Output, Setting};
use crate::model::{Encryption, Versioning};
use crate::{S3Service, error, policy, target};

/// What `BlockedEncryptionTypes` calls keys that customers keep.
const CUSTOMER_KEYS: &str = "SSE-C";
/// That nothing is blocked.
const NO_TYPE: &str = "NONE";

/// Checks the form of what a request says of a body that is no stream; the generic path compares it.
pub(super) fn check_said(md5: Option<&str>, algorithm: Option<&str>) -> Result<(), Error> {
    content_md5(md5)?;
    algorithm.map(Algorithm::parse).transpose().map(|_| ())
}

pub(super) fn no_such_policy(bucket: &str) -> Error {
    Error::new(404, "NoSuchBucketPolicy", "The bucket policy does not exist")
        .with_member("BucketName", bucket)
}

pub(super) async fn get_bucket_policy(
    service: &S3Service,
    cx: &Cx,
    input: GetBucketPolicyInput,
) -> Result<GetBucketPolicyOutput, Error> {
    let command = Command::GetPolicy(target(cx, &input.bucket, input.expected_bucket_owner.as_ref()));
    let policy = answer!(service.submit(cx, &input.bucket, command), Output::Policy(policy) => policy);
    let policy = policy.ok_or_else(|| no_such_policy(&input.bucket))?;
    Ok(GetBucketPolicyOutput { policy: Some(policy) })
}

pub(super) async fn put_bucket_policy(
    service: &S3Service,
    cx: &Cx,
    input: PutBucketPolicyInput,
) -> Result<PutBucketPolicyOutput, Error> {
    check_said(input.content_md5.as_deref(), input.checksum_algorithm.as_deref())?;
    policy::check(&input.policy, &input.bucket)?;
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    service.submit(cx, &input.bucket, Command::SetPolicy(target, Some(input.policy))).await?;
    Ok(PutBucketPolicyOutput::default())
}

pub(super) async fn delete_bucket_policy(
    service: &S3Service,
    cx: &Cx,
    input: DeleteBucketPolicyInput,
) -> Result<DeleteBucketPolicyOutput, Error> {
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    service.submit(cx, &input.bucket, Command::SetPolicy(target, None)).await?;
    Ok(DeleteBucketPolicyOutput::default())
}

pub(super) async fn get_bucket_versioning(
    service: &S3Service,
    cx: &Cx,
    input: GetBucketVersioningInput,
) -> Result<GetBucketVersioningOutput, Error> {
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let status = service.bucket(cx, target).await?.versioning.map(|versioning| match versioning {
        Versioning::Enabled => "Enabled".to_owned(),
        Versioning::Suspended => "Suspended".to_owned(),
    });
    Ok(GetBucketVersioningOutput { status, ..GetBucketVersioningOutput::default() })
}

pub(super) async fn put_bucket_versioning(
    service: &S3Service,
    cx: &Cx,
    input: PutBucketVersioningInput,
) -> Result<PutBucketVersioningOutput, Error> {
    check_said(input.content_md5.as_deref(), input.checksum_algorithm.as_deref())?;
    match input.versioning_configuration.mfa_delete.as_deref() {
        None | Some("Disabled") => {}
        Some("Enabled") => return Err(error::not_implemented("MfaDelete", "Enabled")),
        Some(_) => return Err(error::malformed_xml()),
    }
    let state = match input.versioning_configuration.status.as_deref() {
        Some("Enabled") => Versioning::Enabled,
        Some("Suspended") => Versioning::Suspended,
        Some(_) => return Err(error::malformed_xml()),
        None => {
            return Err(Error::new(
                400,
                "IllegalVersioningConfigurationException",
                "The Versioning element must be specified",
            ));
        }
    };
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    service.configure(cx, target, Setting::Versioning(state)).await?;
    Ok(PutBucketVersioningOutput::default())
}

pub(super) async fn get_bucket_encryption(
    service: &S3Service,
    cx: &Cx,
    input: GetBucketEncryptionInput,
) -> Result<GetBucketEncryptionOutput, Error> {
    // Without a rule of its own, a bucket has S3's: every object is encrypted with SSE-S3.
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let by_default = Encryption { kms: false, bucket_key: Some(false) };
    let bucket = service.bucket(cx, target).await?;
    let rule = bucket.encryption.unwrap_or(by_default);
    let bucket_key = rule.bucket_key;
    let blocked = if bucket.customer_keys { NO_TYPE } else { CUSTOMER_KEYS }.to_owned();
    let sse_algorithm = if rule.kms { KMS } else { AES256 }.to_owned();
    let by_default = ServerSideEncryptionByDefault { sse_algorithm };
    let rule = ServerSideEncryptionRule {
        apply_server_side_encryption_by_default: Some(by_default),
        bucket_key_enabled: bucket_key,
        blocked_encryption_types: Some(BlockedEncryptionTypes { encryption_type: Some(vec![blocked]) }),
    };
    Ok(GetBucketEncryptionOutput {
        server_side_encryption_configuration: Some(ServerSideEncryptionConfiguration { rules: vec![rule] }),
    })
}

pub(super) async fn put_bucket_encryption(
    service: &S3Service,
    cx: &Cx,
    input: PutBucketEncryptionInput,
) -> Result<PutBucketEncryptionOutput, Error> {
    check_said(input.content_md5.as_deref(), input.checksum_algorithm.as_deref())?;
    let mut rules = input.server_side_encryption_configuration.rules.into_iter();
    let (Some(rule), None) = (rules.next(), rules.next()) else { return Err(error::malformed_xml()) };
    let customer_keys = rule.blocked_encryption_types.and_then(|types| types.encryption_type);
    let customer_keys = match customer_keys.unwrap_or_default().as_slice() {
        [] => None,
        [one] if one == CUSTOMER_KEYS => Some(false),
        [one] if one == NO_TYPE => Some(true),
        _ => return Err(error::malformed_xml()),
    };
    let by_default = rule.apply_server_side_encryption_by_default;
    if by_default.is_none() && customer_keys.is_none() {
        return Err(error::malformed_xml());
    }
    let kms = match by_default.as_ref().map_or(AES256, |rule| rule.sse_algorithm.as_str()) {
        AES256 => false,
        KMS => true,
        other => return Err(encryption_refused("SSEAlgorithm", other)),
    };
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let rule = Encryption { kms, bucket_key: rule.bucket_key_enabled.or(Some(false)) };
    service.configure(cx, target, Setting::Encryption(Some(rule), customer_keys)).await?;
    Ok(PutBucketEncryptionOutput::default())
}

pub(super) async fn delete_bucket_encryption(
    service: &S3Service,
    cx: &Cx,
    input: DeleteBucketEncryptionInput,
) -> Result<DeleteBucketEncryptionOutput, Error> {
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    service.configure(cx, target, Setting::Encryption(None, None)).await?;
    Ok(DeleteBucketEncryptionOutput::default())
}
