//! Who may reach a bucket, beside its policy: the block of public access, ownership, access control lists.

use ropeway_api::s3::{
    self, AccessControlPolicy, DeleteBucketOwnershipControlsInput, DeleteBucketOwnershipControlsOutput,
    DeletePublicAccessBlockInput, DeletePublicAccessBlockOutput, GetBucketAclInput, GetBucketAclOutput,
    GetBucketOwnershipControlsInput, GetBucketOwnershipControlsOutput, GetBucketPolicyStatusInput,
    GetBucketPolicyStatusOutput, GetObjectAclInput, GetObjectAclOutput, GetPublicAccessBlockInput,
    GetPublicAccessBlockOutput, Owner, OwnershipControls, OwnershipControlsRule, PolicyStatus,
    PublicAccessBlockConfiguration, PutBucketAclInput, PutBucketAclOutput, PutBucketOwnershipControlsInput,
    PutBucketOwnershipControlsOutput, PutObjectAclInput, PutObjectAclOutput, PutPublicAccessBlockInput,
    PutPublicAccessBlockOutput,
};
use ropeway_wire::{Cx, Error, Keys, Listed, canonical_id};

use super::listed::Asking;
use super::settings::{check_said, no_such_policy};
use super::{authorize, object_arn};
use crate::acl::{self, Acl, Asked, GrantHeaders, Grantee, Of, Permission};
use crate::commands::{Command, Output, Setting, Target};
use crate::model::{Block, Bucket, Object, Ownership, Which};
use crate::names::{check_key, which};
use crate::notification::Cause;
use crate::{S3Service, error, policy, target};

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
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let ownership = service.bucket(cx, target).await?.ownership.ok_or_else(|| {
        let message = "The bucket ownership controls were not found";
        Error::new(404, "OwnershipControlsNotFoundError", message).with_member("BucketName", &input.bucket)
    })?;
    let rules = vec![OwnershipControlsRule { object_ownership: ownership.name().to_owned() }];
    Ok(GetBucketOwnershipControlsOutput { ownership_controls: Some(OwnershipControls { rules }) })
}

/// Reads an ownership that is asked for.
pub(super) fn ownership(parameter: &str, name: &str) -> Result<Ownership, Error> {
    let found = Ownership::parse(name);
    found.ok_or_else(|| error::invalid_argument(parameter, name, "Invalid object ownership"))
}

pub(super) async fn put_bucket_ownership_controls(
    service: &S3Service,
    cx: &Cx,
    input: PutBucketOwnershipControlsInput,
) -> Result<PutBucketOwnershipControlsOutput, Error> {
    check_said(input.content_md5.as_deref(), input.checksum_algorithm.as_deref())?;
    let mut rules = input.ownership_controls.rules.into_iter();
    let (Some(rule), None) = (rules.next(), rules.next()) else { return Err(error::malformed_xml()) };
    let ownership = ownership("ObjectOwnership", &rule.object_ownership)?;
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    service.configure(cx, target, Setting::Ownership(Some(ownership))).await?;
    Ok(PutBucketOwnershipControlsOutput::default())
}

/// Without controls, a bucket is as before there were any: who writes an object owns it.
pub(super) async fn delete_bucket_ownership_controls(
    service: &S3Service,
    cx: &Cx,
    input: DeleteBucketOwnershipControlsInput,
) -> Result<DeleteBucketOwnershipControlsOutput, Error> {
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    service.configure(cx, target, Setting::Ownership(None)).await?;
    Ok(DeleteBucketOwnershipControlsOutput::default())
}

/// The access control list that a new object is to have. Who asks for one must be allowed to set it (API
/// reference, `PutObject`): by the bucket's policy, or, as the one who will own the object, by policies of
/// their own account (user guide, "Example 3: Bucket owner granting permissions to objects it does not own").
pub(super) fn asked_of_object(
    cx: &Cx,
    (bucket, key): (&str, &str),
    canned: Option<&str>,
    headers: &GrantHeaders<'_>,
) -> Result<Asked, Error> {
    let asked = Asked::read(canned, headers, Of::Object)?;
    if asked != Asked::Nothing {
        let (action, arn, keys) = ("s3:PutObjectAcl", object_arn(bucket, key), Keys::default());
        let own = Listed { granted: true, owner: Some(&cx.principal.account) };
        authorize(cx, action, &arn)
            .or_else(|_| cx.authorize_listed(&s3::SERVICE, action, &arn, &keys, own))?;
    }
    Ok(asked)
}

fn shown(owner: &str, acl: Acl) -> (Owner, Vec<s3::Grant>) {
    let grants = acl.0.into_iter().map(|grant| {
        let grantee = match grant.grantee {
            Grantee::Account(id) => {
                s3::Grantee { id: Some(id), type_: "CanonicalUser".to_owned(), ..s3::Grantee::default() }
            }
            Grantee::Group(group) => s3::Grantee {
                uri: Some(group.uri().to_owned()),
                type_: "Group".to_owned(),
                ..s3::Grantee::default()
            },
        };
        s3::Grant { grantee: Some(grantee), permission: Some(grant.permission.name().to_owned()) }
    });
    (Owner { id: Some(canonical_id(owner)), ..Owner::default() }, grants.collect())
}

pub(super) async fn get_bucket_acl(
    service: &S3Service,
    cx: &Cx,
    input: GetBucketAclInput,
) -> Result<GetBucketAclOutput, Error> {
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = service.bucket(cx, target).await?;
    let (owner, grants) = shown(&bucket.account, bucket.own_acl());
    Ok(GetBucketAclOutput { owner: Some(owner), grants: Some(grants) })
}

impl S3Service {
    /// An object whose list is to be read or set, by one who may.
    async fn listed(
        &self,
        cx: &Cx,
        target: Target,
        (key, which): (&str, Which),
        asking: &Asking,
    ) -> Result<(Object, Bucket), Error> {
        let name = target.bucket.clone();
        let command = Command::Get { target, key: key.to_owned(), with_body: false, which };
        let submitted =
            async { self.submit(cx, &name, command).await.map_err(|error| asking.otherwise(error)) };
        let (object, bucket) = answer!(submitted, Output::Object(object, _, bucket) => (*object, bucket));
        asking.decide(cx, &bucket, &object)?;
        Ok((object, bucket))
    }
}

pub(super) async fn get_object_acl(
    service: &S3Service,
    cx: &Cx,
    input: GetObjectAclInput,
) -> Result<GetObjectAclOutput, Error> {
    let asking = Asking::of(cx, &input, Permission::ReadAcp);
    check_key(&input.key)?;
    let which = which(input.version_id.as_deref())?;
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let (object, bucket) = service.listed(cx, target, (&input.key, which), &asking).await?;
    let (owner, grants) = shown(bucket.owner_of(&object), bucket.acl_of(&object));
    Ok(GetObjectAclOutput { owner: Some(owner), grants: Some(grants), ..GetObjectAclOutput::default() })
}

/// The list that a request's body has, of something that `owner` owns.
fn list_of_body(policy: AccessControlPolicy, owner: &str) -> Result<Acl, Error> {
    let named = policy.owner.and_then(|owner| owner.id).ok_or_else(acl::malformed)?;
    if named != canonical_id(owner) {
        return Err(error::access_denied());
    }
    let grants = policy.grants.unwrap_or_default();
    acl::check_count(grants.len())?;
    let grants = grants.into_iter().map(|grant| {
        let (grantee, permission) = grant.grantee.zip(grant.permission).ok_or_else(acl::malformed)?;
        let permission = Permission::parse(&permission).ok_or_else(acl::malformed)?;
        let grantee = match grantee.type_.as_str() {
            "CanonicalUser" => acl::account(grantee.id.as_deref().unwrap_or_default())?,
            "Group" => acl::group(grantee.uri.as_deref().unwrap_or_default())?,
            "AmazonCustomerByEmail" if grantee.email_address.is_some() => return Err(acl::email_refused()),
            _ => return Err(acl::malformed()),
        };
        Ok(acl::Grant { grantee, permission })
    });
    grants.collect::<Result<_, Error>>().map(Acl)
}

/// What a request asks a list to be, by its headers or its body.
fn asked_list(
    canned: Option<&str>,
    headers: &GrantHeaders<'_>,
    body: Option<AccessControlPolicy>,
    (owner, of): (&str, Of),
) -> Result<Asked, Error> {
    match (Asked::read(canned, headers, of)?, body) {
        (Asked::Nothing, None) => {
            Err(Error::new(400, "MissingSecurityHeader", "Your request was missing a required header")
                .with_member("MissingHeaderName", "x-amz-acl"))
        }
        (Asked::Nothing, Some(body)) => list_of_body(body, owner).map(Asked::Grants),
        (_, Some(_)) => Err(Error::new(400, "UnexpectedContent", "This request does not support content")),
        (asked, None) => Ok(asked),
    }
}

pub(super) async fn put_bucket_acl(
    service: &S3Service,
    cx: &Cx,
    input: PutBucketAclInput,
) -> Result<PutBucketAclOutput, Error> {
    check_said(input.content_md5.as_deref(), input.checksum_algorithm.as_deref())?;
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = service.bucket(cx, target.clone()).await?;
    let grants = grants!(input, input.grant_write.as_deref());
    let of = (bucket.account.as_str(), Of::Bucket);
    let asked = asked_list(input.acl.as_deref(), &grants, input.access_control_policy, of);
    service.configure(cx, target, Setting::Acl(unless_disabled(&bucket, asked)?)).await?;
    Ok(PutBucketAclOutput::default())
}

/// Where there are no lists, whatever else is wrong with one does not matter.
fn unless_disabled(bucket: &Bucket, asked: Result<Asked, Error>) -> Result<Asked, Error> {
    match asked {
        Err(error) if !bucket.has_lists() && error.code != "MissingSecurityHeader" => Err(error::no_lists()),
        Ok(asked) if !bucket.has_lists() && !asked.fits_no_lists(&canonical_id(&bucket.account)) => {
            Err(error::no_lists())
        }
        asked => asked,
    }
}

pub(super) async fn put_object_acl(
    service: &S3Service,
    cx: &Cx,
    input: PutObjectAclInput,
) -> Result<PutObjectAclOutput, Error> {
    let asking = Asking::of(cx, &input, Permission::WriteAcp);
    check_said(input.content_md5.as_deref(), input.checksum_algorithm.as_deref())?;
    check_key(&input.key)?;
    let which = which(input.version_id.as_deref())?;
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let (object, bucket) = service.listed(cx, target.clone(), (&input.key, which), &asking).await?;
    let grants = grants!(input, input.grant_write.as_deref());
    let owner = bucket.owner_of(&object);
    let asked = asked_list(input.acl.as_deref(), &grants, input.access_control_policy, (owner, Of::Object));
    let asked = unless_disabled(&bucket, asked)?;
    if !bucket.has_lists() {
        return Ok(PutObjectAclOutput::default());
    }
    let acl = asked.list(&canonical_id(owner), &canonical_id(&bucket.account));
    let command = Command::ListObject { target, key: input.key, which, acl, cause: Cause::of(cx) };
    service.submit(cx, &input.bucket, command).await?;
    Ok(PutObjectAclOutput::default())
}
