//! Changes of a shard's buckets, and looks at them: functions of state and command.

mod bucket;
mod jobs;
mod list;
mod multipart;
mod notify;
mod object;
mod versions;

use std::sync::Arc;

use bytes::Bytes;
use ropeway_core::keys::Space;
use ropeway_core::{Fault, Machine, Settled, Time, Tx};
use ropeway_wire::{Error, Gate};
use serde::{Deserialize, Serialize};

use crate::error::S3Error;
use crate::model::{Bucket, Encryption, ManifestPart, Object, Sealed, Tag, Upload, Versioning, Which};
use crate::notification::{Cause, Event, Rule};

pub use bucket::bucket_arn;
pub(crate) use bucket::list_of;
pub use list::{Entry, Listing, Position, Query};
pub(crate) use multipart::type_mismatch;
pub use multipart::{Completion, FoundPart, PartList, ToComplete};
pub use notify::MAX_RULES;
pub use object::{Removed, ToDelete, WriteIf};
pub use versions::VersionMarker;

/// The lane of blobs that are to be deleted; its payload is a list of ids.
pub const BLOBS_LANE: &str = "s3/blobs";

/// The bucket that a request is about, and what the request takes it to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    /// The bucket's name.
    pub bucket: String,
    /// The account that must own it.
    pub owner: Option<String>,
    /// The region that the request was sent to; `None` where any will do.
    pub region: Option<String>,
}

/// An upload's id: unique, and in the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadId {
    /// When the upload began.
    pub initiated: Time,
    /// A random number.
    pub id: u128,
}

impl UploadId {
    /// The id as clients see it.
    pub fn text(self) -> String {
        format!("{:016x}{:032x}", self.initiated.millis(), self.id)
    }

    /// The rest of the upload's row key within its bucket.
    pub fn row(self, key: &str) -> Vec<u8> {
        let time = self.initiated.millis().max(0).to_be_bytes();
        [key.as_bytes(), &[0], &time, &self.id.to_be_bytes()].concat()
    }

    /// Reads an id; `None` if it is none.
    pub fn parse(text: &str) -> Option<UploadId> {
        let (time, id) = text.split_at_checked(16)?;
        let initiated = Time(i64::from_str_radix(time, 16).ok()?);
        let found = UploadId { initiated, id: u128::from_str_radix(id, 16).ok()? };
        (found.text() == text).then_some(found)
    }
}

/// What can be asked of the machine. Variants and fields are only ever added at the end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Command {
    /// Makes a bucket.
    CreateBucket { name: String, account: String, region: String, tags: Vec<Tag> },
    /// Removes an empty bucket; aborts some of its uploads, as long as it has any.
    DeleteBucket(Target),
    /// Reads a bucket.
    HeadBucket(Target),
    /// Sets or removes the policy.
    SetPolicy(Target, Option<String>),
    /// Reads the policy.
    GetPolicy(Target),
    /// Sets the tags; none removes them.
    SetTags(Target, Vec<Tag>),
    /// Reads the tags.
    GetTags(Target),
    /// Sets or removes the encryption rule.
    SetEncryption(Target, Option<Encryption>),
    /// Reads the encryption rule.
    GetEncryption(Target),
    /// Writes an object; its body is in the blob store already, or comes along.
    Put {
        target: Target,
        key: String,
        object: Box<Object>,
        inline: Option<Bytes>,
        only_if: WriteIf,
        event: Event,
        cause: Cause,
    },
    /// Reads an object, with its body's sealed bytes if they are in rows and asked for.
    Get { target: Target, key: String, with_body: bool, which: Which },
    /// Removes objects.
    Delete { target: Target, keys: Vec<ToDelete>, cause: Cause },
    /// Sets an object's tags.
    TagObject { target: Target, key: String, tags: Vec<Tag>, event: Event, cause: Cause, which: Which },
    /// Lists objects.
    List { target: Target, query: Query },
    /// Begins an upload in parts.
    CreateUpload { target: Target, key: String, upload: Box<Upload> },
    /// Reads an upload.
    GetUpload { target: Target, key: String, id: UploadId },
    /// Writes a part.
    PutPart {
        target: Target,
        key: String,
        id: UploadId,
        number: u32,
        part: Box<crate::model::Part>,
        inline: Option<Bytes>,
    },
    /// Makes the object of the parts.
    Complete(Box<ToComplete>),
    /// Ends an upload without an object.
    Abort { target: Target, key: String, id: UploadId },
    /// Lists an upload's parts.
    ListParts { target: Target, key: String, id: UploadId, after: u32, limit: u32 },
    /// Lists uploads.
    ListUploads { target: Target, query: Query },
    /// Reads a row of an object's manifest.
    ReadManifest { upload: u128, index: u32 },
    /// Reads the sealed bytes of a body in rows.
    ReadInline(Sealed),
    /// Says which of these blobs no row names.
    Unnamed(Vec<u128>),
    /// Sets the notification configurations; with a cause, after a test message to each queue and topic.
    SetNotification { target: Target, rules: Vec<Rule>, test: Option<Cause> },
    /// Reads the notification configurations.
    GetNotification(Target),
    /// Enables versioning, or suspends it.
    SetVersioning(Target, Versioning),
    /// Lists versions of objects.
    ListVersions { target: Target, query: Query, from: Option<VersionMarker> },
}

/// What a command answers.
#[derive(Debug)]
pub enum Output {
    /// It is done.
    Done,
    /// Some of it is done: the same command again.
    More,
    /// A bucket.
    Bucket(Bucket),
    /// A policy, if there is one.
    Policy(Option<String>),
    /// Tags.
    Tags(Vec<Tag>),
    /// An encryption rule, if there is one.
    Encryption(Option<Encryption>),
    /// An object, its body's sealed bytes, and its bucket.
    Object(Box<Object>, Option<Bytes>, Bucket),
    /// How each deletion went.
    Deleted(Vec<Result<Removed, Error>>),
    /// A page of a listing, and the bucket.
    Listing(Listing, Bucket),
    /// An upload that has begun.
    UploadBegun(UploadId),
    /// An upload.
    Upload(Box<Upload>),
    /// A page of an upload's parts.
    Parts(Box<PartList>),
    /// The object that an upload became.
    Completed(Box<Object>, Bucket),
    /// A row of a manifest; `None` if it is gone.
    Manifest(Option<Vec<ManifestPart>>),
    /// Sealed bytes; `None` if they are gone.
    Inline(Option<Bytes>),
    /// Ids.
    Ids(Vec<u128>),
    /// Notification configurations.
    Notification(Vec<Rule>),
    /// It is done, to this version; `None` where objects never had versions.
    Version(Option<String>),
}

/// The buckets of a shard.
pub struct S3Machine {
    gate: Arc<dyn Gate>,
    jobs: jobs::Jobs,
    notifications: notify::Cache,
}

impl S3Machine {
    /// The machine of a shard; bucket policies go to `gate`.
    pub fn new(gate: Arc<dyn Gate>) -> Self {
        S3Machine { gate, jobs: jobs::Jobs::default(), notifications: notify::Cache::default() }
    }
}

impl Machine for S3Machine {
    type Command = Command;
    type Output = Output;
    type Error = S3Error;
    const SPACE: Space = Space::S3;

    async fn load(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        self.notifications.clear();
        self.tell_all(tx).await?;
        self.jobs.load(tx).await
    }

    async fn apply(&mut self, tx: &mut Tx, command: Command) -> Result<Output, S3Error> {
        use Command as C;
        match command {
            C::CreateBucket { name, account, region, tags } => {
                self.create_bucket(tx, &name, account, region, &tags).await
            }
            C::DeleteBucket(target) => self.delete_bucket(tx, &target).await,
            C::HeadBucket(target) => bucket::find(tx, &target).await.map(Output::Bucket),
            C::SetPolicy(target, policy) => self.set_policy(tx, &target, policy).await,
            C::GetPolicy(target) => bucket::get_policy(tx, &target).await,
            C::SetTags(target, tags) => bucket::set_tags(tx, &target, &tags).await,
            C::GetTags(target) => bucket::get_tags(tx, &target).await,
            C::SetEncryption(target, rule) => bucket::set_encryption(tx, &target, rule.as_ref()).await,
            C::GetEncryption(target) => bucket::get_encryption(tx, &target).await,
            C::Put { target, key, object, inline, only_if, event, cause } => {
                let how = object::Placing { only_if: &only_if, event, cause: &cause };
                self.put(tx, &target, &key, *object, inline, &how).await
            }
            C::Get { target, key, with_body, which } => {
                object::get(tx, &target, &key, with_body, which).await
            }
            C::Delete { target, keys, cause } => self.delete(tx, &target, &keys, &cause).await,
            C::TagObject { target, key, tags, event, cause, which } => {
                self.tag(tx, &target, (&key, which), tags, event, &cause).await
            }
            C::List { target, query } => list::objects(tx, &target, &query).await,
            C::CreateUpload { target, key, upload } => multipart::create(tx, &target, &key, &upload).await,
            C::GetUpload { target, key, id } => multipart::get(tx, &target, &key, id).await,
            C::PutPart { target, key, id, number, part, inline } => {
                multipart::put_part(tx, &target, &key, id, number, *part, inline).await
            }
            C::Complete(what) => self.complete(tx, *what).await,
            C::Abort { target, key, id } => self.abort(tx, &target, &key, id).await,
            C::ListParts { target, key, id, after, limit } => {
                multipart::list_parts(tx, &target, &key, id, after, limit).await
            }
            C::ListUploads { target, query } => list::uploads(tx, &target, &query).await,
            C::ReadManifest { upload, index } => multipart::read_manifest(tx, upload, index).await,
            C::ReadInline(sealed) => Ok(Output::Inline(object::read_inline(tx, &sealed).await?)),
            C::Unnamed(ids) => object::unnamed(tx, ids).await,
            C::SetNotification { target, rules, test } => {
                self.set_notification(tx, &target, &rules, test.as_ref()).await
            }
            C::GetNotification(target) => notify::get(tx, &target).await,
            C::SetVersioning(target, state) => bucket::set_versioning(tx, &target, state).await,
            C::ListVersions { target, query, from } => {
                versions::list(tx, &target, &query, from.as_ref()).await
            }
        }
    }

    fn grows(command: &Command) -> bool {
        matches!(
            command,
            Command::CreateBucket { .. }
                | Command::SetPolicy(_, Some(_))
                | Command::SetTags(..)
                | Command::SetEncryption(_, Some(_))
                | Command::Put { .. }
                | Command::TagObject { .. }
                | Command::CreateUpload { .. }
                | Command::PutPart { .. }
                | Command::Complete(_)
                | Command::SetNotification { .. }
                | Command::SetVersioning(..)
        )
    }

    fn next_due(&self) -> Option<Time> {
        self.jobs.next_due()
    }

    async fn on_time(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        self.jobs.step(tx).await
    }

    async fn settled(&mut self, _tx: &mut Tx, settled: Settled<'_>) -> Result<(), Fault> {
        notify::settled(settled);
        Ok(())
    }
}
