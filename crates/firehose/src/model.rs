//! Rows, and what travels by the outbox.

use std::collections::BTreeMap;

use ropeway_core::Time;
use serde::{Deserialize, Serialize};

use crate::compression::Compression;
use crate::keys::StreamName;

/// Id of a stream's one destination.
pub const DESTINATION_ID: &str = "destinationId-000000000001";

/// A delivery stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// What names it.
    pub name: StreamName,
    /// Tells it from streams that had its name before.
    pub id: u64,
    /// When it was made.
    pub created: Time,
    /// When its destination was changed last.
    pub updated: Option<Time>,
    /// Grows by one with each change of its destination.
    pub version: u64,
    /// Where its records go.
    pub destination: Destination,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Tells the records that wait for their backup from those that wait for their delivery.
    pub backup_id: u64,
    /// Whether records are sealed from now on.
    pub sealed: bool,
    /// The HTTP endpoint that its records go to; what it doesn't take goes to the destination. It has a row of its own.
    #[serde(skip)]
    pub endpoint: Option<Box<Endpoint>>,
}

/// Which of a stream's two ways a record goes: it is kept for each on its own, until it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Way {
    /// to the destination
    Main,
    /// as it came, to the backup
    Backup,
}

impl Way {
    /// Both.
    pub const ALL: [Way; 2] = [Way::Main, Way::Backup];
}

impl Stream {
    /// Where objects of a way go; `None`: there is no backup.
    pub fn to(&self, way: Way) -> Option<&Destination> {
        match (way, &self.endpoint) {
            (Way::Main, _) | (Way::Backup, Some(_)) => Some(&self.destination),
            (Way::Backup, None) => self.destination.backup.as_deref(),
        }
    }

    /// Whether records go a way from now on.
    pub fn takes(&self, way: Way) -> bool {
        match (way, &self.endpoint) {
            (Way::Main, _) => true,
            (Way::Backup, Some(endpoint)) => endpoint.all_data,
            (Way::Backup, None) => self.destination.backup.is_some(),
        }
    }

    /// The endpoint at the end of a way, if there is one.
    pub fn endpoint_of(&self, way: Way) -> Option<&Endpoint> {
        self.endpoint.as_deref().filter(|_| way == Way::Main)
    }

    /// MiB and seconds that a way's records are held for.
    pub fn hints(&self, way: Way) -> Option<(u32, u32)> {
        let of_objects = || self.to(way).map(|to| (to.mebibytes, to.seconds));
        self.endpoint_of(way).map(|endpoint| (endpoint.mebibytes, endpoint.seconds)).or_else(of_objects)
    }

    /// What tells a way's records from all others.
    pub fn records_id(&self, way: Way) -> u64 {
        match way {
            Way::Main => self.id,
            Way::Backup => self.backup_id,
        }
    }

    /// Tells the way of records.
    pub fn way_of(&self, records_id: u64) -> Option<Way> {
        Way::ALL.into_iter().find(|way| self.records_id(*way) == records_id)
    }
}

/// Where and how records are delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// `RoleARN`
    pub role: String,
    /// `BucketARN`
    pub bucket: String,
    /// `Prefix`
    pub prefix: Option<String>,
    /// `ErrorOutputPrefix`
    pub error_prefix: Option<String>,
    /// `SizeInMBs`: 1 to 128 MiB
    pub mebibytes: u32,
    /// `IntervalInSeconds`: 0 to 900
    pub seconds: u32,
    /// `CompressionFormat`
    pub compression: Compression,
    /// `ProcessingConfiguration`
    pub processing: Option<Processing>,
    /// `FileExtension`
    pub extension: String,
    /// `CustomTimeZone`
    pub time_zone: String,
    /// `DynamicPartitioningConfiguration`
    pub partitioning: Option<Partitioning>,
    /// `CloudWatchLoggingOptions`
    pub logging: Logging,
    /// Where records go as they came, if `S3BackupMode` is `Enabled`. It has no backup of its own.
    pub backup: Option<Box<Destination>>,
}

/// An HTTP endpoint, and how records are delivered to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// `Url`
    pub url: String,
    /// `Name`
    pub name: Option<String>,
    /// `AccessKey`, sealed
    pub access_key: Option<Vec<u8>>,
    /// `SizeInMBs`: 1 to 64 MiB
    pub mebibytes: u32,
    /// `IntervalInSeconds`: 0 to 900
    pub seconds: u32,
    /// `ContentEncoding` is `GZIP`
    pub gzip: bool,
    /// `CommonAttributes`: names and values
    pub attributes: Vec<(String, String)>,
    /// `RetryOptions`, in seconds: 0 to 7,200
    pub retry_seconds: u32,
    /// `S3BackupMode` is `AllData`: records go to the destination too, as they came
    pub all_data: bool,
    /// `ProcessingConfiguration`
    pub processing: Option<Processing>,
    /// `RoleARN`; `None`: the destination's counts
    pub role: Option<String>,
    /// `CloudWatchLoggingOptions`
    pub logging: Logging,
}

/// Processors, as they were given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processing {
    /// `Enabled`
    pub enabled: bool,
    /// `Processors`
    pub processors: Vec<Processor>,
}

/// A processor, as it was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processor {
    /// `Type`
    pub kind: String,
    /// `Parameters`; `None`: not even an empty list
    pub parameters: Option<Vec<(String, String)>>,
}

/// Objects by what their records say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partitioning {
    /// `Enabled`
    pub enabled: bool,
    /// `RetryOptions`, in seconds: 0 to 7,200
    pub retry_seconds: u32,
}

/// Where errors are logged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    /// `Enabled`
    pub enabled: bool,
    /// `LogGroupName`
    pub group: Option<String>,
    /// `LogStreamName`
    pub stream: Option<String>,
}

/// What of a stream changes with its records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buffer {
    /// Number of the next record.
    pub next: u64,
    /// Bytes that are not delivered yet, those of the open buffer included.
    pub waiting: u64,
    /// Records that no flush names yet.
    pub open: Option<Open>,
}

/// The records that will be the next object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Number of the first.
    pub from: u64,
    /// Bytes of all, with their delimiters.
    pub bytes: u64,
    /// When the first was accepted.
    pub opened: Time,
    /// What the prefix says of that moment, chance aside.
    pub partition: String,
    /// The trace of the first.
    pub trace: String,
}

/// Records to be delivered: what the actor gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flush {
    /// The stream.
    pub stream: StreamName,
    /// Tells its records from all others.
    pub id: u64,
    /// Number of the first record.
    pub from: u64,
    /// Number behind the last record.
    pub to: u64,
    /// Bytes of the records, with their delimiters.
    pub bytes: u64,
    /// When the first record was accepted.
    pub opened: Time,
    /// When they became this.
    pub closed: Time,
    /// The stream's version then.
    pub version: u64,
    /// What objects are called behind their prefix, without an extension.
    pub name: String,
    /// What is random in prefixes.
    pub random: String,
    /// How they are processed and where they go; the bucket and the role are asked for when they are delivered.
    pub destination: Destination,
    /// The trace of the first record.
    pub trace: String,
    /// The endpoint that they go to, if not to the destination. It stands behind the rest: older flushes end before it.
    #[serde(skip)]
    pub endpoint: Option<Box<Endpoint>>,
}

impl Flush {
    /// The flush of its binary form.
    ///
    /// # Errors
    /// If it is none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Flush, postcard::Error> {
        let (flush, rest) = postcard::take_from_bytes::<Flush>(bytes)?;
        let endpoint = if rest.is_empty() { None } else { postcard::from_bytes(rest)? };
        Ok(Flush { endpoint, ..flush })
    }

    /// What the binary form is of.
    pub fn whole(&self) -> (&Flush, &Option<Box<Endpoint>>) {
        (self, &self.endpoint)
    }

    /// What is done with the records.
    pub fn processing(&self) -> Option<&Processing> {
        match &self.endpoint {
            Some(endpoint) => endpoint.processing.as_ref(),
            None => self.destination.processing.as_ref(),
        }
    }
}
