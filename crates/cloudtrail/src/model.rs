//! Rows, and what travels by the outbox.

use std::collections::BTreeMap;

use ropeway_core::Time;
use ropeway_core::keys::Scope;
use serde::{Deserialize, Serialize};

/// A trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// Account and home region.
    pub home: Scope,
    /// The name.
    pub name: String,
    /// Tells it from trails that had its name before.
    pub id: u64,
    /// What it is set to.
    pub settings: Settings,
    /// Which events it takes.
    pub selectors: Selectors,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// It takes events.
    pub logging: bool,
    /// When it began to, last.
    pub started: Option<Time>,
    /// When it ceased to, last.
    pub stopped: Option<Time>,
}

/// What `CreateTrail` and `UpdateTrail` set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// `S3BucketName`
    pub bucket: String,
    /// `S3KeyPrefix`
    pub prefix: Option<String>,
    /// ARN of the topic that is told of deliveries.
    pub topic: Option<String>,
    /// `IncludeGlobalServiceEvents`
    pub global: bool,
    /// `IsMultiRegionTrail`
    pub multi_region: bool,
    /// `EnableLogFileValidation`
    pub validation: bool,
}

impl Trail {
    /// The ARN.
    pub fn arn(&self) -> String {
        arn(&self.home, &self.name)
    }
}

/// The ARN of a trail.
pub fn arn(home: &Scope, name: &str) -> String {
    format!("arn:aws:cloudtrail:{}:{}:trail/{name}", home.region, home.account)
}

/// Which events a trail takes: those that any selector takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selectors {
    /// `EventSelectors`
    Basic(Vec<Basic>),
    /// `AdvancedEventSelectors`
    Advanced(Vec<Advanced>),
}

/// `EventSelector`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basic {
    /// Reads are taken.
    pub reads: bool,
    /// Changes are taken.
    pub writes: bool,
    /// Management events are taken.
    pub management: bool,
    /// `ExcludeManagementEventSources`
    pub exclude: Vec<String>,
    /// Types of resources and the beginnings of their ARNs whose data events are taken.
    pub data: Vec<(String, Vec<String>)>,
}

/// `AdvancedEventSelector`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advanced {
    /// `Name`
    pub name: Option<String>,
    /// All must hold.
    pub fields: Vec<Field>,
}

/// `AdvancedFieldSelector`: all lists that are not empty must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// `Field`
    pub field: String,
    /// `Equals`
    pub equals: Vec<String>,
    /// `StartsWith`
    pub starts: Vec<String>,
    /// `EndsWith`
    pub ends: Vec<String>,
    /// `NotEquals`
    pub not_equals: Vec<String>,
    /// `NotStartsWith`
    pub not_starts: Vec<String>,
    /// `NotEndsWith`
    pub not_ends: Vec<String>,
}

/// An event, as its row in the history has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// `eventID`
    pub id: String,
    /// `eventName`
    pub name: String,
    /// `eventSource`
    pub source: String,
    /// Who called, by name.
    pub user: String,
    /// The access key that signed the call.
    pub access_key: Option<String>,
    /// `readOnly`
    pub read_only: bool,
    /// Types and names of the resources.
    pub resources: Vec<(String, String)>,
    /// The record, as trails deliver it: JSON.
    pub json: String,
}

/// An event, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When the call came.
    pub at: Time,
    /// The event.
    pub event: Event,
    /// It belongs to the history.
    pub management: bool,
    /// Ids and ARNs of the trails that take it.
    pub trails: Vec<(u64, String)>,
}

/// What is known of a history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Number of the next event.
    pub next: u64,
    /// Events that are there.
    pub count: u64,
    /// When the oldest of them was, or a moment before.
    pub oldest: Option<Time>,
}

/// What waits for a trail in a region, and what came of what did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buffer {
    /// Number of the next event.
    pub next: u64,
    /// Number of the first event that no file has.
    pub from: u64,
    /// Bytes of those events.
    pub bytes: u64,
    /// When the first of them came.
    pub opened: Option<Time>,
    /// Bytes of all events that are not delivered.
    pub waiting: u64,
    /// The digests, where there are any.
    pub digests: Option<Digests>,
    /// The digest that was delivered last, if the next one goes on from it.
    pub previous: Option<Previous>,
    /// How deliveries of files went.
    pub files: Fared,
    /// How deliveries of digests went.
    pub digested: Fared,
    /// How notifications went.
    pub notified: Fared,
}

/// How deliveries went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fared {
    /// When the last was tried.
    pub tried: Option<Time>,
    /// When the last succeeded.
    pub done: Option<Time>,
    /// Why the last try failed.
    pub error: Option<String>,
}

/// The chain of a trail's digests in a region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// From when on the next one tells.
    pub from: Time,
    /// Files that were delivered since.
    pub files: Vec<File>,
}

/// A file that was delivered, as its digest tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its bucket.
    pub bucket: String,
    /// Its key.
    pub key: String,
    /// SHA-256 of what it says, uncompressed, in hexadecimal digits.
    pub hash: String,
    /// Times of its newest and oldest events.
    pub newest: String,
    /// See above.
    pub oldest: String,
}

/// A digest that was delivered, as the next one tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// Its bucket.
    pub bucket: String,
    /// Its key.
    pub key: String,
    /// SHA-256 of what it says, uncompressed, in hexadecimal digits.
    pub hash: String,
    /// Its signature, in hexadecimal digits.
    pub signature: String,
}

/// What the actor is to deliver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Account and region of the events.
    pub scope: Scope,
    /// The trail's ARN.
    pub arn: String,
    /// Its id.
    pub trail: u64,
    /// What.
    pub what: What,
}

/// What is delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// A file of events.
    File {
        /// Number of the first event.
        from: u64,
        /// Number behind the last.
        to: u64,
        /// Bytes of all.
        bytes: u64,
        /// When the file was closed.
        at: Time,
        /// The random part of its name.
        random: String,
    },
    /// A digest.
    Digest {
        /// From when on it tells.
        from: Time,
        /// Until when.
        to: Time,
        /// Of which files.
        files: Vec<File>,
    },
}

/// What the actor has delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivered {
    /// A file.
    File(File),
    /// A digest.
    Digest(Previous),
}

/// A key that digests are signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// From when on it is used.
    pub begins: Time,
    /// Until when.
    pub ends: Time,
    /// The private key (PKCS #8), sealed.
    pub sealed: Vec<u8>,
    /// The public key (PKCS #1).
    pub public: Vec<u8>,
}

impl Key {
    /// What names it in digests. AWS does not say what it is made of; clients compare it.
    pub fn fingerprint(&self) -> String {
        use sha2::Digest as _;
        let hash = sha2::Sha256::digest(&self.public);
        hex::encode(hash.get(..16).unwrap_or_default())
    }
}
