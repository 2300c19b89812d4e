//! Who may reach a bucket, beside its policy: the block of public access, ownership, access control lists.
//!
//! Buckets are as Amazon S3 makes them since April 2023: public access is blocked, and their owner owns all
//! objects, so that access control lists are disabled.

use ropeway_api::s3::{
    AccessControlPolicy, DeleteBucketOwnershipControlsInput, DeleteBucketOwnershipControlsOutput,
    DeletePublicAccessBlockInput, DeletePublicAccessBlockOutput, GetBucketAclInput, GetBucketAclOutput,
    GetBucketOwnershipControlsInput, GetBucketOwnershipControlsOutput, GetBucketPolicyStatusInput,
    GetBucketPolicyStatusOutput, GetObjectAclInput, GetObjectAclOutput, GetPublicAccessBlockInput,
    GetPublicAccessBlockOutput, Grant, Grantee, Owner, OwnershipControls, OwnershipControlsRule,
    PolicyStatus, PublicAccessBlockConfiguration, PutBucketAclInput, PutBucketAclOutput,
    PutBucketOwnershipControlsInput, PutBucketOwnershipControlsOutput, PutObjectAclInput, PutObjectAclOutput,
    PutPublicAccessBlockInput, PutPublicAccessBlockOutput,
};
use ropeway_wire::{Cx, Error};

use super::canonical_id;
use super::settings::{check_said, no_such_policy};
use crate::commands::{Command, Output, Setting, Target};
use crate::model::{Block, Bucket};
use crate::names::which;
use crate::{S3Service, error, policy, target};

const FULL_CONTROL: &str = "FULL_CONTROL";
const ENFORCED: &str = "BucketOwnerEnforced";

impl S3Service {
    /// The bucket of a request.
    pub(super) async fn bucket(&self, cx: &Cx, target: Target) -> Result<Bucket, Error> {
        let name = target.bucket.clone();
        Ok(answer!(self.submit(cx, &name, Command::HeadBucket(target)), Output::Bucket(bucket) => bucket))
    }

    /// Changes a setting of the bucket of a request.
    pub(super) async fn configure(&self, cx: &Cx, target: Target, setting: Setting) -> Result<(), Error> {
        let name = target.bucket.clone();
        self.submit(cx, &name, Command::Configure(target, setting)).await.map(drop)
    }
}

pub(super) async fn get_public_access_block(
    service: &S3Service,
    cx: &Cx,
    input: GetPublicAccessBlockInput,
) -> Result<GetPublicAccessBlockOutput, Error> {
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let block = service.bucket(cx, target).await?.block.ok_or_else(|| {
        let message = "The public access block configuration was not found";
        Error::new(404, "NoSuchPublicAccessBlockConfiguration", message)
            .with_member("BucketName", &input.bucket)
    })?;
    let configuration = PublicAccessBlockConfiguration {
        block_public_acls: Some(block.acls),
        ignore_public_acls: Some(block.ignore_acls),
        block_public_policy: Some(block.policy),
        restrict_public_buckets: Some(block.restrict),
    };
    Ok(GetPublicAccessBlockOutput { public_access_block_configuration: Some(configuration) })
}

pub(super) async fn put_public_access_block(
    service: &S3Service,
    cx: &Cx,
    input: PutPublicAccessBlockInput,
) -> Result<PutPublicAccessBlockOutput, Error> {
    check_said(input.content_md5.as_deref(), input.checksum_algorithm.as_deref())?;
    let given = input.public_access_block_configuration;
    let block = Block {
        acls: given.block_public_acls.unwrap_or(false),
        ignore_acls: given.ignore_public_acls.unwrap_or(false),
        policy: given.block_public_policy.unwrap_or(false),
        restrict: given.restrict_public_buckets.unwrap_or(false),
    };
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    service.configure(cx, target, Setting::Block(Some(block))).await?;
    Ok(PutPublicAccessBlockOutput::default())
}

pub(super) async fn delete_public_access_block(
    service: &S3Service,
    cx: &Cx,
    input: DeletePublicAccessBlockInput,
) -> Result<DeletePublicAccessBlockOutput, Error> {
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    service.configure(cx, target, Setting::Block(None)).await?;
    Ok(DeletePublicAccessBlockOutput::default())
}

pub(super) async fn get_bucket_policy_status(
    service: &S3Service,
    cx: &Cx,
    input: GetBucketPolicyStatusInput,
) -> Result<GetBucketPolicyStatusOutput, Error> {
    let command = Command::GetPolicy(target(cx, &input.bucket, input.expected_bucket_owner.as_ref()));
    let found = answer!(service.submit(cx, &input.bucket, command), Output::Policy(policy) => policy);
    let found = found.ok_or_else(|| no_such_policy(&input.bucket))?;
    let status = PolicyStatus { is_public: Some(policy::is_public(&found)) };
    Ok(GetBucketPolicyStatusOutput { policy_status: Some(status) })
}

pub(super) async fn get_bucket_ownership_controls(
    service: &S3Service,
    cx: &Cx,
    input: GetBucketOwnershipControlsInput,
) -> Result<GetBucketOwnershipControlsOutput, Error> {
    service.bucket(cx, target(cx, &input.bucket, input.expected_bucket_owner.as_ref())).await?;
    let rules = vec![OwnershipControlsRule { object_ownership: ENFORCED.to_owned() }];
    Ok(GetBucketOwnershipControlsOutput { ownership_controls: Some(OwnershipControls { rules }) })
}

/// Checks an ownership that is asked for.
pub(super) fn check_ownership(parameter: &str, ownership: &str) -> Result<(), Error> {
    match ownership {
        ENFORCED => Ok(()),
        "BucketOwnerPreferred" | "ObjectWriter" => Err(error::not_implemented(parameter, ownership)),
        other => Err(error::invalid_argument(parameter, other, "Invalid object ownership")),
    }
}

pub(super) async fn put_bucket_ownership_controls(
    service: &S3Service,
    cx: &Cx,
    input: PutBucketOwnershipControlsInput,
) -> Result<PutBucketOwnershipControlsOutput, Error> {
    check_said(input.content_md5.as_deref(), input.checksum_algorithm.as_deref())?;
    let mut rules = input.ownership_controls.rules.into_iter();
    let (Some(rule), None) = (rules.next(), rules.next()) else { return Err(error::malformed_xml()) };
    check_ownership("ObjectOwnership", &rule.object_ownership)?;
    service.bucket(cx, target(cx, &input.bucket, input.expected_bucket_owner.as_ref())).await?;
    Ok(PutBucketOwnershipControlsOutput::default())
}

/// Without controls, a bucket would have access control lists.
pub(super) async fn delete_bucket_ownership_controls(
    service: &S3Service,
    cx: &Cx,
    input: DeleteBucketOwnershipControlsInput,
) -> Result<DeleteBucketOwnershipControlsOutput, Error> {
    service.bucket(cx, target(cx, &input.bucket, input.expected_bucket_owner.as_ref())).await?;
    Err(error::not_implemented("DeleteBucketOwnershipControls", "of a bucket, whose owner owns all objects"))
}

/// The list that buckets and objects of an owner who owns everything show.
fn shown(bucket: &Bucket) -> (Owner, Vec<Grant>) {
    let id = canonical_id(&bucket.account);
    let grantee = Grantee { id: Some(id.clone()), type_: "CanonicalUser".to_owned(), ..Grantee::default() };
    let grant = Grant { grantee: Some(grantee), permission: Some(FULL_CONTROL.to_owned()) };
    (Owner { id: Some(id), ..Owner::default() }, vec![grant])
}

pub(super) async fn get_bucket_acl(
    service: &S3Service,
    cx: &Cx,
    input: GetBucketAclInput,
) -> Result<GetBucketAclOutput, Error> {
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let (owner, grants) = shown(&service.bucket(cx, target).await?);
    Ok(GetBucketAclOutput { owner: Some(owner), grants: Some(grants) })
}

pub(super) async fn get_object_acl(
    service: &S3Service,
    cx: &Cx,
    input: GetObjectAclInput,
) -> Result<GetObjectAclOutput, Error> {
    let command = Command::Get {
        target: target(cx, &input.bucket, input.expected_bucket_owner.as_ref()),
        key: input.key,
        with_body: false,
        which: which(input.version_id.as_deref())?,
    };
    let submitted = service.submit(cx, &input.bucket, command);
    let (owner, grants) = shown(&answer!(submitted, Output::Object(_, _, bucket) => bucket));
    Ok(GetObjectAclOutput { owner: Some(owner), grants: Some(grants), ..GetObjectAclOutput::default() })
}

/// What a request asks an access control list to be.
struct Asked<'i> {
    canned: Option<&'i str>,
    policy: Option<&'i AccessControlPolicy>,
    /// The `x-amz-grant-*` headers.
    granted: bool,
}

impl Asked<'_> {
    /// Where access control lists are disabled, only the one that there is may be set: user guide,
    /// "Controlling ownership of objects and disabling ACLs for your bucket".
    fn check(&self, bucket: &Bucket) -> Result<(), Error> {
        let id = canonical_id(&bucket.account);
        let same = |policy: &AccessControlPolicy| match policy.grants.as_deref() {
            Some([Grant { grantee: Some(grantee), permission: Some(permission) }]) => {
                let alone = grantee.uri.is_none() && grantee.email_address.is_none();
                alone && grantee.id.as_ref() == Some(&id) && permission == FULL_CONTROL
            }
            _ => false,
        };
        match (self.canned, self.policy, self.granted) {
            (None, None, false) => {
                Err(Error::new(400, "MissingSecurityHeader", "Your request was missing a required header")
                    .with_member("MissingHeaderName", "x-amz-acl"))
            }
            (Some("bucket-owner-full-control"), None, false) => Ok(()),
            (None, Some(policy), false) if same(policy) => Ok(()),
            _ => super::check_acl(Some("")),
        }
    }
}

macro_rules! asked {
    ($input:expr) => {
        Asked {
            canned: $input.acl.as_deref(),
            policy: $input.access_control_policy.as_ref(),
            granted: $input.grant_full_control.is_some()
                || $input.grant_read.is_some()
                || $input.grant_read_acp.is_some()
                || $input.grant_write.is_some()
                || $input.grant_write_acp.is_some(),
        }
    };
}

pub(super) async fn put_bucket_acl(
    service: &S3Service,
    cx: &Cx,
    input: PutBucketAclInput,
) -> Result<PutBucketAclOutput, Error> {
    check_said(input.content_md5.as_deref(), input.checksum_algorithm.as_deref())?;
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    asked!(input).check(&service.bucket(cx, target).await?)?;
    Ok(PutBucketAclOutput::default())
}

pub(super) async fn put_object_acl(
    service: &S3Service,
    cx: &Cx,
    input: PutObjectAclInput,
) -> Result<PutObjectAclOutput, Error> {
    check_said(input.content_md5.as_deref(), input.checksum_algorithm.as_deref())?;
    let command = Command::Get {
        target: target(cx, &input.bucket, input.expected_bucket_owner.as_ref()),
        key: input.key.clone(),
        with_body: false,
        which: which(input.version_id.as_deref())?,
    };
    let submitted = service.submit(cx, &input.bucket, command);
    asked!(input).check(&answer!(submitted, Output::Object(_, _, bucket) => bucket))?;
    Ok(PutObjectAclOutput::default())
}
