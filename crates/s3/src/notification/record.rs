//! What messages say: S3 user guide, "Event message structure".

use ropeway_core::Time;
use serde::Serialize;

use super::encoding::encode_key;
use super::{Cause, Event, customer_id};
use crate::commands::bucket_arn;
use crate::model::{Bucket, Object};

/// What a message tells of an object.
#[derive(Default)]
pub struct InEvent<'e> {
    /// The object, where there still is one.
    pub object: Option<&'e Object>,
    /// Its version, where objects have versions.
    pub version: Option<String>,
}

/// An event of an object.
pub struct Happened<'e> {
    /// What happened.
    pub event: Event,
    /// When.
    pub at: Time,
    /// The bucket's name.
    pub bucket: &'e str,
    /// The bucket.
    pub row: &'e Bucket,
    /// The object's key.
    pub key: &'e str,
    /// The object.
    pub object: &'e InEvent<'e>,
    /// Grows with each event of a key.
    pub sequence: u64,
    /// The request.
    pub cause: &'e Cause,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'e> {
    event_version: &'static str,
    event_source: &'static str,
    aws_region: &'e str,
    event_time: String,
    event_name: &'static str,
    user_identity: Identity<'e>,
    request_parameters: Parameters<'e>,
    response_elements: Elements<'e>,
    s3: S3<'e>,
}

#[derive(Serialize)]
struct Identity<'e> {
    #[serde(rename = "principalId")]
    principal_id: &'e str,
}

#[derive(Serialize)]
struct Parameters<'e> {
    #[serde(rename = "sourceIPAddress")]
    source_ip: &'e str,
}

#[derive(Serialize)]
struct Elements<'e> {
    #[serde(rename = "x-amz-request-id")]
    request_id: &'e str,
    #[serde(rename = "x-amz-id-2")]
    id_2: &'e str,
}

#[derive(Serialize)]
struct S3<'e> {
    #[serde(rename = "s3SchemaVersion")]
    version: &'static str,
    #[serde(rename = "configurationId")]
    configuration: &'e str,
    bucket: InBucket<'e>,
    object: Named<'e>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InBucket<'e> {
    name: &'e str,
    owner_identity: Identity<'e>,
    arn: String,
}

#[derive(Serialize)]
struct Named<'e> {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(rename = "eTag", skip_serializing_if = "Option::is_none")]
    etag: Option<&'e str>,
    #[serde(rename = "versionId", skip_serializing_if = "Option::is_none")]
    version: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequencer: Option<String>,
}

#[derive(Serialize)]
struct Records<'e> {
    #[serde(rename = "Records")]
    records: [Record<'e>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Test<'e> {
    service: &'static str,
    event: &'static str,
    time: String,
    bucket: &'e str,
    request_id: &'e str,
    host_id: &'e str,
}

/// The message of an event, for the configuration of this id.
pub fn message(of: &Happened<'_>, configuration: &str) -> serde_json::Result<String> {
    let tagging = matches!(of.event, Event::TaggingPut | Event::TaggingDelete);
    let owner = customer_id(&of.row.account);
    let record = Record {
        // 2.3 is the version of the events of tags, which have neither size nor sequencer.
        event_version: if tagging { "2.3" } else { "2.1" },
        event_source: "aws:s3",
        aws_region: &of.row.region,
        event_time: timestamp(of.at),
        event_name: of.event.name(),
        user_identity: Identity { principal_id: &of.cause.principal },
        request_parameters: Parameters { source_ip: &of.cause.source_ip },
        response_elements: Elements { request_id: &of.cause.request_id, id_2: &of.cause.request_id },
        s3: S3 {
            version: "1.0",
            configuration,
            bucket: InBucket {
                name: of.bucket,
                owner_identity: Identity { principal_id: &owner },
                arn: bucket_arn(of.bucket),
            },
            object: Named {
                key: encode_key(of.key),
                size: of.object.object.filter(|_| !tagging).map(|object| object.size),
                etag: of.object.object.map(|object| object.etag.as_str()),
                version: of.object.version.as_deref(),
                sequencer: (!tagging).then(|| format!("{:018X}", of.sequence)),
            },
        },
    };
    serde_json::to_string(&Records { records: [record] })
}

/// The message that a new configuration is tried with: S3 user guide, "Event notification types and
/// destinations".
pub fn test_message(bucket: &str, at: Time, cause: &Cause) -> serde_json::Result<String> {
    serde_json::to_string(&Test {
        service: "Amazon S3",
        event: "s3:TestEvent",
        time: timestamp(at),
        bucket,
        request_id: &cause.request_id,
        host_id: &cause.request_id,
    })
}

fn timestamp(at: Time) -> String {
    let moment = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or_default();
    moment.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
