//! Buckets: create, delete, head, list, locate.

use ropeway_api::s3::{
    self, CreateBucketInput, CreateBucketOutput, DeleteBucketInput, DeleteBucketOutput,
    GetBucketLocationInput, GetBucketLocationOutput, HeadBucketInput, HeadBucketOutput, ListBucketsInput,
    ListBucketsOutput, Owner,
};
use ropeway_core::directory::{self, Command as Directory};
use ropeway_wire::tags::is_system;
use ropeway_wire::{Cx, Error, canonical_id};

use super::access::ownership;
use super::tagging::tags_of;
use crate::acl::{Acl, Asked, Of};
use crate::commands::{Command, Output, ToMake, bucket_arn, list_of};
use crate::model::{Block, Bucket, Ownership};
use crate::names::{BUCKET_TAGS, check_new_bucket, check_system_tags, check_tags};
use crate::{S3Service, error, target};

/// The region that has no location constraint.
const DEFAULT_REGION: &str = "us-east-1";
/// Buckets on a page at most.
const MAX_BUCKETS: i64 = 10_000;
/// Names that are read from the directory in one step.
const STEP: u32 = 1000;

/// Where a bucket is made: at the endpoint's region, except that us-east-1's takes any.
fn location(cx: &Cx, constraint: Option<&str>) -> Result<String, Error> {
    let incompatible = |which: &str| {
        Error::new(
            400,
            "IllegalLocationConstraintException",
            format!(
                "The {which} location constraint is incompatible for the region specific endpoint this request was sent to."
            ),
        )
    };
    let constraint = constraint.map(|region| if region == "EU" { "eu-west-1" } else { region });
    match constraint.filter(|constraint| !constraint.is_empty()) {
        None if cx.region == DEFAULT_REGION => Ok(cx.region.clone()),
        None => Err(incompatible("unspecified")),
        Some(DEFAULT_REGION) if cx.region == DEFAULT_REGION => Err(Error::new(
            400,
            "InvalidLocationConstraint",
            "The specified location-constraint is not valid",
        )
        .with_member("LocationConstraint", DEFAULT_REGION)),
        Some(region) if cx.region == DEFAULT_REGION || cx.region == region => Ok(region.to_owned()),
        Some(region) => Err(incompatible(region)),
    }
}

/// Who may reach a new bucket. Since April 2023 its owner owns all objects and public access is blocked, since
/// April 2026 customers' keys are: user guide, "Default settings for new S3 buckets FAQ". Permissions and
/// errors: API reference, `CreateBucket`.
fn new_access(service: &S3Service, cx: &Cx, input: &CreateBucketInput) -> Result<ToMake, Error> {
    let arn = bucket_arn(&input.bucket);
    let grants = grants!(input, input.grant_write.as_deref());
    let asked = Asked::read(input.acl.as_deref(), &grants, Of::Bucket)?;
    if asked != Asked::Nothing {
        super::authorize(cx, "s3:PutBucketAcl", &arn)?;
    }
    let classic = service.options.classic_buckets;
    let ownership = match input.object_ownership.as_deref() {
        None if classic => None,
        None => Some(Ownership::Enforced),
        Some(name) => {
            super::authorize(cx, "s3:PutBucketOwnershipControls", &arn)?;
            Some(ownership("x-amz-object-ownership", name)?)
        }
    };
    let block = (!classic).then_some(Block::ALL);
    let owner = canonical_id(&cx.account);
    let acl = Some(asked.list(&owner, &owner)).filter(|acl| *acl != Acl::private(&owner));
    if acl.is_some() && ownership == Some(Ownership::Enforced) {
        return Err(error::lists_stand());
    }
    if block.is_some() && acl.as_ref().is_some_and(Acl::is_public) {
        let message = "Bucket cannot have public ACLs set with BlockPublicAccess enabled";
        return Err(Error::new(400, "InvalidBucketAclWithBlockPublicAccessError", message));
    }
    Ok(ToMake { ownership, acl, block, customer_keys: classic, ..ToMake::default() })
}

pub(super) async fn create_bucket(
    service: &S3Service,
    cx: &Cx,
    input: CreateBucketInput,
) -> Result<CreateBucketOutput, Error> {
    check_new_bucket(&input.bucket)?;
    let access = new_access(service, cx, &input)?;
    let configuration = input.create_bucket_configuration.unwrap_or_default();
    let region = location(cx, configuration.location_constraint.as_deref())?;
    let tags = tags_of(configuration.tags.unwrap_or_default());
    check_tags(&tags, BUCKET_TAGS)?;
    if !cx.system_tags {
        check_system_tags(&[], &tags)?;
    }
    // The system's own need no permission.
    if !tags.iter().all(|tag| is_system(&tag.key)) {
        super::authorize(cx, "s3:TagResource", &bucket_arn(&input.bucket))?;
    }
    let name = &input.bucket;
    let locks = input.object_lock_enabled_for_bucket == Some(true);
    if locks {
        super::authorize(cx, "s3:PutBucketVersioning", &bucket_arn(name))?;
        super::authorize(cx, "s3:PutBucketObjectLockConfiguration", &bucket_arn(name))?;
    }
    let (name, account) = (name.clone(), cx.account.clone());
    let what = Box::new(ToMake { name: name.clone(), account, region, tags, locks, ..access });
    let submitted = service.submit(cx, &input.bucket, Command::CreateBucket(what));
    let bucket = answer!(submitted, Output::Bucket(bucket) => bucket);
    let entry = Directory::Add {
        list: list_of(&bucket.account),
        name: name.clone(),
        value: postcard::to_stdvec(&bucket).map_err(|e| error::fault(e.into()))?,
    };
    directory::apply(&service.core, &cx.trace, entry).await.map_err(error::fault)?;
    Ok(CreateBucketOutput { location: Some(format!("/{name}")), bucket_arn: Some(bucket_arn(&name)) })
}

pub(super) async fn delete_bucket(
    service: &S3Service,
    cx: &Cx,
    input: DeleteBucketInput,
) -> Result<DeleteBucketOutput, Error> {
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let bucket = loop {
        match service.submit(cx, &input.bucket, Command::DeleteBucket(target.clone())).await? {
            Output::Bucket(bucket) => break bucket,
            Output::More => continue,
            _ => return Err(error::internal("a command with another one's answer")),
        }
    };
    let entry = Directory::Remove { list: list_of(&bucket.account), name: input.bucket };
    directory::apply(&service.core, &cx.trace, entry).await.map_err(error::fault)?;
    Ok(DeleteBucketOutput::default())
}

pub(super) async fn head_bucket(
    service: &S3Service,
    cx: &Cx,
    input: HeadBucketInput,
) -> Result<HeadBucketOutput, Error> {
    let command = Command::HeadBucket(target(cx, &input.bucket, input.expected_bucket_owner.as_ref()));
    let bucket = answer!(service.submit(cx, &input.bucket, command), Output::Bucket(bucket) => bucket);
    Ok(HeadBucketOutput {
        bucket_arn: Some(bucket_arn(&input.bucket)),
        bucket_region: Some(bucket.region),
        access_point_alias: Some(false),
        ..HeadBucketOutput::default()
    })
}

pub(super) async fn get_bucket_location(
    service: &S3Service,
    cx: &Cx,
    input: GetBucketLocationInput,
) -> Result<GetBucketLocationOutput, Error> {
    let mut target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    // Who asks for the region does not know it.
    target.region = None;
    let command = Command::HeadBucket(target);
    let bucket = answer!(service.submit(cx, &input.bucket, command), Output::Bucket(bucket) => bucket);
    let constraint = if bucket.region == DEFAULT_REGION { String::new() } else { bucket.region };
    Ok(GetBucketLocationOutput { location_constraint: Some(constraint) })
}

pub(super) async fn list_buckets(
    service: &S3Service,
    cx: &Cx,
    input: ListBucketsInput,
) -> Result<ListBucketsOutput, Error> {
    let limit = usize::try_from(input.max_buckets.unwrap_or(MAX_BUCKETS)).unwrap_or(1);
    let mut after = input.continuation_token.as_deref().map(read_token).transpose()?;
    let mut buckets: Vec<s3::Bucket> = Vec::new();
    let mut token = None;
    'pages: loop {
        let read = Directory::Read {
            list: list_of(&cx.account),
            prefix: input.prefix.clone().unwrap_or_default(),
            after: after.take(),
            limit: STEP,
        };
        let page = directory::apply(&service.core, &cx.trace, read).await.map_err(error::fault)?;
        for (name, value) in &page.names {
            let bucket: Bucket = postcard::from_bytes(value).map_err(|e| error::fault(e.into()))?;
            if input.bucket_region.as_ref().is_some_and(|region| *region != bucket.region) {
                continue;
            }
            if buckets.len() == limit {
                token = buckets.last().and_then(|last| last.name.as_deref()).map(write_token);
                break 'pages;
            }
            buckets.push(s3::Bucket {
                name: Some(name.clone()),
                creation_date: Some(bucket.created),
                bucket_region: Some(bucket.region),
                bucket_arn: Some(bucket_arn(name)),
            });
        }
        after = page.names.last().map(|(name, _)| name.clone());
        if !page.more || after.is_none() {
            break;
        }
    }
    Ok(ListBucketsOutput {
        buckets: Some(buckets),
        owner: Some(Owner { id: Some(canonical_id(&cx.account)), ..Owner::default() }),
        continuation_token: token,
        prefix: input.prefix,
    })
}

fn write_token(name: &str) -> String {
    hex::encode(name)
}

fn read_token(token: &str) -> Result<String, Error> {
    let name = hex::decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    name.ok_or_else(|| {
        error::invalid_argument("continuation-token", token, "The continuation token provided is incorrect")
    })
}
