//! Buckets and their settings.

use std::sync::Arc;

use ropeway_core::{Fault, Tx, directory};
use ropeway_wire::Error;

use super::{Output, S3Machine, Setting, Target, ToMake, lifecycle, list, multipart, notify};
use crate::error::{self, S3Error};
use crate::model::{Bucket, Ownership, Tag, Versioning};
use crate::names::check_system_tags;
use crate::{keys, policy};

/// Rows that are read in one step at start.
const LOAD_PAGE: usize = 100;
/// Uploads that one step of a bucket's deletion aborts.
const ABORT_STEP: usize = 200;

/// The longest name of a bucket, in bytes.
const MAX_BUCKET_NAME: usize = 63;

/// A bucket's ARN.
pub fn bucket_arn(name: &str) -> String {
    format!("arn:aws:s3:::{name}")
}

/// The list of an account's buckets.
pub(crate) fn list_of(account: &str) -> String {
    format!("s3/{account}/buckets")
}

/// The bucket of a request.
///
/// # Errors
/// `NoSuchBucket`; 403 if another account owns it than expected; 301 `PermanentRedirect`, with
/// `x-amz-bucket-region`, if it is in another region.
pub(super) async fn find(tx: &Tx, target: &Target) -> Result<Bucket, S3Error> {
    let found: Option<Bucket> = match target.bucket.len() {
        0..=MAX_BUCKET_NAME => tx.read(&keys::bucket(&target.bucket)).await?,
        _ => None,
    };
    let bucket = found.ok_or_else(|| error::no_such_bucket(&target.bucket))?;
    if target.owner.as_ref().is_some_and(|owner| *owner != bucket.account) {
        return Err(error::access_denied().into());
    }
    if target.region.as_ref().is_some_and(|region| *region != bucket.region) {
        let message = "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.";
        let endpoint = format!("{}.s3.{}.amazonaws.com", target.bucket, bucket.region);
        return Err(Error::new(301, "PermanentRedirect", message)
            .with_member("Bucket", &target.bucket)
            .with_member("Endpoint", endpoint)
            .with_header("x-amz-bucket-region", bucket.region)
            .into());
    }
    Ok(bucket)
}

impl S3Machine {
    /// Tells the gate of every bucket's owner and policy.
    pub(super) async fn tell_all(&self, tx: &Tx) -> Result<(), Fault> {
        let (prefix, mut after) = (keys::buckets(), None);
        loop {
            let page = tx.scan_prefix(&prefix, after.as_ref(), LOAD_PAGE).await?;
            for (key, value) in &page.rows {
                let name = keys::bucket_of(key).ok_or_else(|| Fault::Damaged("a bucket's key".to_owned()))?;
                let bucket: Bucket = postcard::from_bytes(value)?;
                let arn = bucket_arn(name);
                self.gate.set_resource_owner(&arn, Some(&bucket.account));
                let policy = read_policy(tx, name).await?;
                if let Some(policy) = policy::effective(policy.as_deref(), name, &bucket) {
                    self.gate.set_resource_policy(&arn, Some(&policy));
                }
            }
            after = page.rows.last().map(|(key, _)| key.clone());
            if !page.more || after.is_none() {
                return Ok(());
            }
        }
    }

    /// S3 answers the owner's second request with the bucket in us-east-1, and with an error elsewhere.
    pub(super) async fn create_bucket(&self, tx: &mut Tx, what: ToMake) -> Result<Output, S3Error> {
        let ToMake { name, account, region, tags, locks, .. } = what;
        let (name, key) = (name.as_str(), keys::bucket(&name));
        if let Some(found) = tx.read::<Bucket>(&key).await? {
            return match found.account == account {
                true if found.region == "us-east-1" && region == "us-east-1" => Ok(Output::Bucket(found)),
                true => Err(Error::new(
                    409,
                    "BucketAlreadyOwnedByYou",
                    "Your previous request to create the named bucket succeeded and you already own it.",
                )
                .with_member("BucketName", name)
                .into()),
                false => Err(Error::new(
                    409,
                    "BucketAlreadyExists",
                    "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.",
                )
                .with_member("BucketName", name)
                .into()),
            };
        }
        let bucket = Bucket {
            account,
            region,
            created: tx.now(),
            versioning: locks.then_some(Versioning::Enabled),
            encryption: None,
            block: what.block,
            lock: locks.then_some(None),
            ownership: what.ownership,
            acl: what.acl,
            customer_keys: what.customer_keys,
        };
        tx.write(key, &bucket)?;
        if !tags.is_empty() {
            tx.write(keys::tags(name), &tags)?;
        }
        let entry = postcard::to_stdvec(&bucket).map_err(Fault::from)?;
        directory::add_with(tx, &list_of(&bucket.account), name, &entry)?;
        self.tell_owner(tx, name, Some(bucket.account.clone()));
        self.tell_policy(tx, name, policy::effective(None, name, &bucket));
        Ok(Output::Bucket(bucket))
    }

    pub(super) async fn delete_bucket(&mut self, tx: &mut Tx, target: &Target) -> Result<Output, S3Error> {
        let bucket = find(tx, target).await?;
        let name = &target.bucket;
        let (objects, versions) = (keys::objects(name).build(), keys::all_versions(name).build());
        let full = !tx.scan_prefix(&objects, None, 1).await?.rows.is_empty()
            || bucket.versioning.is_some() && !tx.scan_prefix(&versions, None, 1).await?.rows.is_empty();
        if full {
            return Err(Error::new(409, "BucketNotEmpty", "The bucket you tried to delete is not empty")
                .with_member("BucketName", name)
                .into());
        }
        let uploads = tx.scan_prefix(&keys::uploads(name).build(), None, ABORT_STEP).await?;
        for (key, _) in &uploads.rows {
            let id = list::upload_id(key).ok_or_else(|| Fault::Damaged("an upload's key".to_owned()))?;
            tx.delete(key.clone());
            multipart::drop_parts(&mut self.jobs, tx, id.id, Vec::new())?;
        }
        if uploads.more {
            return Ok(Output::More);
        }
        for key in [keys::bucket(name), keys::policy(name), keys::tags(name)] {
            tx.delete(key);
        }
        notify::clear(tx, name).await?;
        lifecycle::clear(tx, name).await?;
        self.clear_configurations(tx, name).await?;
        self.notifications.clear();
        directory::remove_with(tx, &list_of(&bucket.account), name)?;
        self.tell_policy(tx, name, None);
        self.tell_owner(tx, name, None);
        Ok(Output::Bucket(bucket))
    }

    pub(super) async fn set_policy(
        &self,
        tx: &mut Tx,
        target: &Target,
        policy: Option<String>,
    ) -> Result<Output, S3Error> {
        let bucket = find(tx, target).await?;
        let name = &target.bucket;
        let blocked = bucket.block.is_some_and(|block| block.policy);
        if policy.as_ref().is_some_and(|policy| blocked && policy::is_public(policy)) {
            return Err(error::blocked_policy(&bucket_arn(name)).into());
        }
        let key = keys::policy(name);
        match &policy {
            Some(policy) => tx.put(key, policy.clone().into()),
            None => tx.delete(key),
        }
        self.tell_policy(tx, name, policy::effective(policy.as_deref(), name, &bucket));
        Ok(Output::Done)
    }

    /// Changes what a bucket's row says of it.
    pub(super) async fn configure(
        &self,
        tx: &mut Tx,
        target: &Target,
        setting: &Setting,
    ) -> Result<Output, S3Error> {
        let mut bucket = find(tx, target).await?;
        let name = &target.bucket;
        match setting {
            Setting::Versioning(Versioning::Suspended) if bucket.lock.is_some() => {
                let message = "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.";
                return Err(error::bucket_state(message).into());
            }
            Setting::Versioning(state) => bucket.versioning = Some(*state),
            Setting::Lock(_) if bucket.versioning != Some(Versioning::Enabled) => {
                let message =
                    "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration";
                return Err(error::bucket_state(message).into());
            }
            Setting::Lock(by_default) => bucket.lock = Some(*by_default),
            Setting::Encryption(rule, customer_keys) => {
                bucket.encryption = *rule;
                bucket.customer_keys = customer_keys.unwrap_or(bucket.customer_keys);
            }
            Setting::Block(block) => bucket.block = *block,
            Setting::Ownership(Some(Ownership::Enforced)) if bucket.grants_others() => {
                return Err(error::lists_stand().into());
            }
            Setting::Ownership(ownership) => bucket.ownership = *ownership,
            Setting::Acl(asked) => {
                let list = bucket.owned(asked, &bucket.account)?.1;
                bucket.acl = if bucket.has_lists() { list } else { bucket.acl };
            }
        }
        tx.write(keys::bucket(name), &bucket)?;
        if matches!(setting, Setting::Block(_) | Setting::Ownership(_) | Setting::Acl(_)) {
            let policy = read_policy(tx, name).await?;
            self.tell_policy(tx, name, policy::effective(policy.as_deref(), name, &bucket));
        }
        Ok(Output::Done)
    }

    fn tell_policy(&self, tx: &mut Tx, bucket: &str, policy: Option<String>) {
        let (gate, arn) = (Arc::clone(&self.gate), bucket_arn(bucket));
        tx.after_commit(move || gate.set_resource_policy(&arn, policy.as_deref()));
    }

    fn tell_owner(&self, tx: &mut Tx, bucket: &str, account: Option<String>) {
        let (gate, arn) = (Arc::clone(&self.gate), bucket_arn(bucket));
        tx.after_commit(move || gate.set_resource_owner(&arn, account.as_deref()));
    }
}

/// A bucket's policy, as it was set.
async fn read_policy(tx: &Tx, bucket: &str) -> Result<Option<String>, Fault> {
    let policy = tx.get(&keys::policy(bucket)).await?;
    policy.map(|bytes| String::from_utf8(bytes.into())).transpose().map_err(|e| Fault::Damaged(e.to_string()))
}

pub(super) async fn get_policy(tx: &Tx, target: &Target) -> Result<Output, S3Error> {
    find(tx, target).await?;
    Ok(Output::Policy(read_policy(tx, &target.bucket).await?))
}

pub(super) async fn set_tags(
    tx: &mut Tx,
    target: &Target,
    tags: &[Tag],
    system: bool,
) -> Result<Output, S3Error> {
    find(tx, target).await?;
    let key = keys::tags(&target.bucket);
    if !system {
        let before: Vec<Tag> = tx.read(&key).await?.unwrap_or_default();
        check_system_tags(&before, tags)?;
    }
    if tags.is_empty() {
        tx.delete(key);
    } else {
        tx.write(key, &tags)?;
    }
    Ok(Output::Done)
}

pub(super) async fn get_tags(tx: &Tx, target: &Target) -> Result<Output, S3Error> {
    find(tx, target).await?;
    Ok(Output::Tags(tx.read(&keys::tags(&target.bucket)).await?.unwrap_or_default()))
}
