//! Changes of a shard's buckets, and looks at them: functions of state and command.

mod bucket;
mod configuration;
mod jobs;
mod lifecycle;
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

use crate::acl::{Acl, Asked};
use crate::configuration::{Configuration, Kind, Live};
use crate::error::S3Error;
use crate::lock::{ByDefault, Retention};
use crate::model::{
    AskedSse, Block, Bucket, Encryption, Job, ManifestPart, Object, Ownership, Sealed, Sse, Tag, Upload,
    Versioning, Which,
};
use crate::notification::{Cause, Event, Rule};

pub use bucket::bucket_arn;
pub(crate) use bucket::list_of;
pub use lifecycle::MAX_RULES as MAX_LIFECYCLE_RULES;
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

/// A setting of a bucket.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Setting {
    /// Enables versioning, or suspends it.
    Versioning(Versioning),
    /// Sets or removes the encryption rule; allows keys that customers keep, or refuses them.
    Encryption(Option<Encryption>, Option<bool>),
    /// Sets or removes the block of public access.
    Block(Option<Block>),
    /// Lets versions be locked, and says what they are retained by if nothing else is said.
    Lock(Option<ByDefault>),
    /// Says who owns objects, or nothing of it.
    Ownership(Option<Ownership>),
    /// Sets the access control list.
    Acl(Asked),
}

/// A bucket that is to be made.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ToMake {
    /// Its name.
    pub name: String,
    /// Its owner's account.
    pub account: String,
    /// Where it will be.
    pub region: String,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Whether versions can be locked.
    pub locks: bool,
    /// Who will own its objects.
    pub ownership: Option<Ownership>,
    /// Its access control list.
    pub acl: Option<Acl>,
    /// What public access will be blocked.
    pub block: Option<Block>,
    /// Whether keys that customers keep will be allowed.
    pub customer_keys: bool,
}

/// A change of what a version is locked by.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum LockChange {
    /// Its retention; by one who may pass over governance, or not.
    Retention(Option<Retention>, bool),
    /// Its legal hold.
    Hold(bool),
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
    CreateBucket(Box<ToMake>),
    /// Removes an empty bucket; aborts some of its uploads, as long as it has any.
    DeleteBucket(Target),
    /// Reads a bucket.
    HeadBucket(Target),
    /// Sets or removes the policy.
    SetPolicy(Target, Option<String>),
    /// Reads the policy.
    GetPolicy(Target),
    /// Sets the tags; none removes them. True: the system's own, too.
    SetTags(Target, Vec<Tag>, bool),
    /// Reads the tags.
    GetTags(Target),
    /// Writes an object; its body is in the blob store already, or comes along.
    Put {
        target: Target,
        key: String,
        object: Box<Object>,
        inline: Option<Bytes>,
        only_if: WriteIf,
        event: Event,
        cause: Cause,
        sse: AskedSse,
        acl: Asked,
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
    CreateUpload {
        target: Target,
        key: String,
        upload: Box<Upload>,
        sse: AskedSse,
        acl: Asked,
        account: String,
    },
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
    /// Changes a setting.
    Configure(Target, Setting),
    /// Lists versions of objects.
    ListVersions { target: Target, query: Query, from: Option<VersionMarker> },
    /// Sets the lifecycle rules; none removes them.
    SetLifecycle(Target, Vec<crate::lifecycle::Rule>),
    /// Reads the lifecycle rules.
    GetLifecycle(Target),
    /// Changes what a version is locked by.
    LockObject { target: Target, key: String, which: Which, change: LockChange },
    /// Sets a version's access control list.
    ListObject { target: Target, key: String, which: Which, acl: Acl, cause: Cause },
    /// Sets or removes a configuration.
    SetConfiguration(Target, Kind, Option<Configuration>),
    /// Reads a configuration.
    GetConfiguration(Target, Kind),
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
    /// An object, its body's sealed bytes, and its bucket.
    Object(Box<Object>, Option<Bytes>, Bucket),
    /// How each deletion went.
    Deleted(Vec<Result<Removed, Error>>),
    /// A page of a listing, and the bucket.
    Listing(Listing, Bucket),
    /// An upload that has begun, how its object will be encrypted, and the bucket.
    UploadBegun(UploadId, Sse, Bucket),
    /// An upload, and the bucket.
    Upload(Box<Upload>, Bucket),
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
    /// Lifecycle rules.
    Lifecycle(Vec<crate::lifecycle::Rule>),
    /// It is done, to this version; `None` where objects never had versions.
    Version(Option<String>),
    /// A configuration, if there is one.
    Configuration(Option<Configuration>),
}

/// The buckets of a shard.
pub struct S3Machine {
    gate: Arc<dyn Gate>,
    live: Live,
    jobs: jobs::Jobs,
    schedule: lifecycle::Schedule,
    notifications: notify::Cache,
}

impl S3Machine {
    /// The machine of a shard; bucket policies go to `gate`, configurations to `live`.
    pub fn new(gate: Arc<dyn Gate>, live: Live) -> Self {
        S3Machine {
            gate,
            live,
            jobs: jobs::Jobs::default(),
            schedule: lifecycle::Schedule::default(),
            notifications: notify::Cache::default(),
        }
    }
}

impl S3Machine {
    /// One step of what is not asked for by a request. After a failure (the outbox is full, a row cannot be
    /// read), not at once again.
    async fn step(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        if self.schedule.is_due(tx.now()) {
            self.schedule.begin(tx).await?;
            return self.jobs.load(tx).await;
        }
        let Some((key, job)) = self.jobs.first(tx).await? else { return Ok(()) };
        let left = match job {
            Job::Lifecycle(run) => self.run_lifecycle(tx, run).await?.map(Job::Lifecycle),
            job => jobs::advance(tx, job).await?,
        };
        match left {
            Some(job) => tx.write(key, &job),
            None => {
                tx.delete(key);
                Ok(())
            }
        }
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
        self.show_all(tx).await?;
        self.show_lifecycles(tx).await?;
        self.schedule.load(tx).await?;
        self.jobs.load(tx).await
    }

    async fn apply(&mut self, tx: &mut Tx, command: Command) -> Result<Output, S3Error> {
        use Command as C;
        match command {
            C::CreateBucket(what) => self.create_bucket(tx, *what).await,
            C::DeleteBucket(target) => self.delete_bucket(tx, &target).await,
            C::HeadBucket(target) => bucket::find(tx, &target).await.map(Output::Bucket),
            C::SetPolicy(target, policy) => self.set_policy(tx, &target, policy).await,
            C::GetPolicy(target) => bucket::get_policy(tx, &target).await,
            C::SetTags(target, tags, system) => bucket::set_tags(tx, &target, &tags, system).await,
            C::GetTags(target) => bucket::get_tags(tx, &target).await,
            C::Put { target, key, object, inline, only_if, event, cause, sse, acl } => {
                let how = object::Placing { only_if: &only_if, event, cause: &cause };
                self.put(tx, &target, &key, (*object, &sse, &acl), inline, &how).await
            }
            C::Get { target, key, with_body, which } => {
                object::get(tx, &target, &key, with_body, which).await
            }
            C::Delete { target, keys, cause } => self.delete(tx, &target, &keys, &cause).await,
            C::TagObject { target, key, tags, event, cause, which } => {
                self.tag(tx, &target, (&key, which), tags, event, &cause).await
            }
            C::List { target, query } => list::objects(tx, &target, &query).await,
            C::CreateUpload { target, key, upload, sse, acl, account } => {
                multipart::create(tx, &target, &key, *upload, (&sse, &acl, &account)).await
            }
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
            C::SetLifecycle(target, rules) => self.set_lifecycle(tx, &target, &rules).await,
            C::GetLifecycle(target) => lifecycle::get(tx, &target).await,
            C::LockObject { target, key, which, change } => {
                object::lock(tx, &target, &key, which, change).await
            }
            C::ListObject { target, key, which, acl, cause } => {
                self.list_object(tx, &target, (&key, which), acl, &cause).await
            }
            C::SetConfiguration(target, kind, configuration) => {
                self.set_configuration(tx, &target, kind, configuration).await
            }
            C::GetConfiguration(target, kind) => configuration::get(tx, &target, kind).await,
            C::Configure(target, setting) => self.configure(tx, &target, &setting).await,
            C::ListVersions { target, query, from } => {
                versions::list(tx, &target, &query, from.as_ref()).await
            }
        }
    }

    fn grows(command: &Command) -> bool {
        matches!(
            command,
            Command::CreateBucket(_)
                | Command::SetPolicy(_, Some(_))
                | Command::SetTags(..)
                | Command::Put { .. }
                | Command::TagObject { .. }
                | Command::CreateUpload { .. }
                | Command::PutPart { .. }
                | Command::Complete(_)
                | Command::SetNotification { .. }
                | Command::Configure(..)
                | Command::SetLifecycle(..)
                | Command::ListObject { .. }
                | Command::SetConfiguration(_, _, Some(_))
        )
    }

    fn next_due(&self) -> Option<Time> {
        let scheduled = self.schedule.next_due().map(|due| self.jobs.not_before(due));
        self.jobs.next_due().into_iter().chain(scheduled).min()
    }

    async fn on_time(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        let outcome = self.step(tx).await;
        if outcome.is_err() {
            self.jobs.pause(tx.now());
        }
        outcome
    }

    async fn settled(&mut self, _tx: &mut Tx, settled: Settled<'_>) -> Result<(), Fault> {
        notify::settled(settled);
        Ok(())
    }
}
