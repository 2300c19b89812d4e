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
    /// `AppendDelimiterToRecord` is among the processors: with its parameters
    pub delimiter: Option<Vec<(String, String)>>,
    /// A `ProcessingConfiguration` was given that is not enabled.
    pub processing_off: bool,
    /// `FileExtension`
    pub extension: String,
    /// `CustomTimeZone`
    pub time_zone: String,
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

/// An object to be put: what the actor gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flush {
    /// The stream.
    pub stream: StreamName,
    /// Its id.
    pub id: u64,
    /// Number of the first record.
    pub from: u64,
    /// Number behind the last record.
    pub to: u64,
    /// Bytes of the records, with their delimiters.
    pub bytes: u64,
    /// When the first record was accepted.
    pub opened: Time,
    /// The object's key.
    pub key: String,
    /// Its key should S3 not take it under the other.
    pub error_key: String,
    /// How the object is compressed.
    pub compression: Compression,
    /// Whether a newline follows each record.
    pub delimited: bool,
    /// The trace of the first record.
    pub trace: String,
}
