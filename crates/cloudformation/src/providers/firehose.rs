//! `AWS::KinesisFirehose`.
//!
//! Source of the table: the CloudFormation template reference, Amazon Data Firehose.

use ropeway_api::firehose::{
    CreateDeliveryStreamInput, DeleteDeliveryStreamInput, DeliveryStreamDescription,
    DescribeDeliveryStreamInput, StartDeliveryStreamEncryptionInput, StopDeliveryStreamEncryptionInput,
    TagDeliveryStreamInput, UntagDeliveryStreamInput, UpdateDestinationInput,
};
use ropeway_wire::{BoxFuture, Error};
use serde_json::{Value as Json, json};

use super::{Failure, Made, Provider, Subject, TAGS, property, tag_changes, tag_list, tags, unless};
use crate::template::{Kind, Naming, Property, ResourceType};

const STRING: Kind = Kind::String;
const MISSING: &[&str] = &["ResourceNotFoundException"];
const EXTENDED: &str = "ExtendedS3DestinationConfiguration";
const ENCRYPTED: &str = "DeliveryStreamEncryptionConfigurationInput";
const PLAIN: &str = "S3DestinationConfiguration";
const ENDPOINT: &str = "HttpEndpointDestinationConfiguration";

const BUFFERING: Property = Property::new(
    "BufferingHints",
    Kind::Structure(&[
        Property::new("IntervalInSeconds", Kind::Integer),
        Property::new("SizeInMBs", Kind::Integer),
    ]),
);
const ENCRYPTION: Property =
    Property::new("EncryptionConfiguration", Kind::Structure(&[Property::new("NoEncryptionConfig", STRING)]));
const PARAMETER: &[Property] =
    &[Property::new("ParameterName", STRING).required(), Property::new("ParameterValue", STRING).required()];
const PROCESSOR: &[Property] = &[
    Property::new("Parameters", Kind::List(&Kind::Structure(PARAMETER))),
    Property::new("Type", STRING).required(),
];
const PROCESSING: Property = Property::new(
    "ProcessingConfiguration",
    Kind::Structure(&[
        Property::new("Enabled", Kind::Boolean),
        Property::new("Processors", Kind::List(&Kind::Structure(PROCESSOR))),
    ]),
);

const LOGGING: Property = Property::new(
    "CloudWatchLoggingOptions",
    Kind::Structure(&[
        Property::new("Enabled", Kind::Boolean),
        Property::new("LogGroupName", STRING),
        Property::new("LogStreamName", STRING),
    ]),
);
const RETRY: Property =
    Property::new("RetryOptions", Kind::Structure(&[Property::new("DurationInSeconds", Kind::Integer)]));
const PARTITIONING: Property = Property::new(
    "DynamicPartitioningConfiguration",
    Kind::Structure(&[Property::new("Enabled", Kind::Boolean), RETRY]),
);
const PLAIN_PROPERTIES: &[Property] = &[
    Property::new("BucketARN", STRING).required(),
    BUFFERING,
    LOGGING,
    Property::new("CompressionFormat", STRING),
    ENCRYPTION,
    Property::new("ErrorOutputPrefix", STRING),
    Property::new("Prefix", STRING),
    Property::new("RoleARN", STRING).required(),
];

const ATTRIBUTE: &[Property] =
    &[Property::new("AttributeName", STRING).required(), Property::new("AttributeValue", STRING).required()];
const ENDPOINT_PROPERTIES: &[Property] = &[
    BUFFERING,
    LOGGING,
    Property::new(
        "EndpointConfiguration",
        Kind::Structure(&[
            Property::new("AccessKey", STRING),
            Property::new("Name", STRING),
            Property::new("Url", STRING).required(),
        ]),
    )
    .required(),
    PROCESSING,
    Property::new(
        "RequestConfiguration",
        Kind::Structure(&[
            Property::new("CommonAttributes", Kind::List(&Kind::Structure(ATTRIBUTE))),
            Property::new("ContentEncoding", STRING),
        ]),
    ),
    RETRY,
    Property::new("RoleARN", STRING),
    Property::new("S3BackupMode", STRING),
    Property::new("S3Configuration", Kind::Structure(PLAIN_PROPERTIES)).required(),
];

static STREAM: ResourceType = ResourceType::new(
    "AWS::KinesisFirehose::DeliveryStream",
    &[
        Property::new(
            ENCRYPTED,
            Kind::Structure(&[Property::new("KeyARN", STRING), Property::new("KeyType", STRING).required()]),
        ),
        Property::new("DeliveryStreamName", STRING).replacement(),
        Property::new("DeliveryStreamType", STRING).replacement(),
        Property::new(
            EXTENDED,
            Kind::Structure(&[
                Property::new("BucketARN", STRING).required(),
                BUFFERING,
                LOGGING,
                Property::new("CompressionFormat", STRING),
                Property::new("CustomTimeZone", STRING),
                PARTITIONING,
                ENCRYPTION,
                Property::new("ErrorOutputPrefix", STRING),
                Property::new("FileExtension", STRING),
                Property::new("Prefix", STRING),
                PROCESSING,
                Property::new("RoleARN", STRING).required(),
                Property::new("S3BackupConfiguration", Kind::Structure(PLAIN_PROPERTIES)),
                Property::new("S3BackupMode", STRING),
            ]),
        ),
        Property::new(ENDPOINT, Kind::Structure(ENDPOINT_PROPERTIES)),
        Property::new(PLAIN, Kind::Structure(PLAIN_PROPERTIES)),
        TAGS,
    ],
)
.attributes(&["Arn"])
.naming(Naming::new(64));

/// What a destination is without a property; an update says it where the property is gone.
/// Source: the API reference of Amazon Data Firehose.
fn without(name: &str) -> Option<Json> {
    Some(match name {
        "Prefix" | "ErrorOutputPrefix" | "FileExtension" => json!(""),
        "CompressionFormat" => json!("UNCOMPRESSED"),
        "CustomTimeZone" => json!("UTC"),
        "BufferingHints" => json!({ "IntervalInSeconds": 300, "SizeInMBs": 5 }),
        "EncryptionConfiguration" => json!({ "NoEncryptionConfig": "NoEncryption" }),
        "ProcessingConfiguration" => json!({ "Enabled": false }),
        "CloudWatchLoggingOptions" => json!({ "Enabled": false }),
        "DynamicPartitioningConfiguration" => json!({ "Enabled": false }),
        "S3BackupMode" => json!("Disabled"),
        _ => return None,
    })
}

/// The same of an HTTP endpoint.
fn without_of_endpoint(name: &str) -> Option<Json> {
    Some(match name {
        "RequestConfiguration" => json!({ "CommonAttributes": [], "ContentEncoding": "NONE" }),
        "RetryOptions" => json!({ "DurationInSeconds": 300 }),
        "S3BackupMode" => json!("FailedDataOnly"),
        "AccessKey" => json!(""),
        other => return without(other),
    })
}

/// Tells off, in `new`, what it has no more of `old`.
fn tell_off(new: &mut Json, old: &Json, without: fn(&str) -> Option<Json>) {
    if let (Some(new), Some(old)) = (new.as_object_mut(), old.as_object()) {
        let gone: Vec<&String> = old.keys().filter(|name| !new.contains_key(*name)).collect();
        new.extend(gone.into_iter().filter_map(|name| Some((name.clone(), without(name)?))));
    }
}

/// Gives a property the name that an update has for it.
fn rename(of: &mut Json, from: &str, to: &str) {
    if let Some(of) = of.as_object_mut()
        && let Some(value) = of.remove(from)
    {
        of.insert(to.to_owned(), value);
    }
}

/// `AWS::KinesisFirehose::DeliveryStream`
pub struct DeliveryStream;

impl DeliveryStream {
    async fn describe(subject: &Subject<'_>, name: &str) -> Result<Option<DeliveryStreamDescription>, Error> {
        let found = subject.call::<DescribeDeliveryStreamInput>(json!({ "DeliveryStreamName": name })).await;
        Ok(unless(found, MISSING)?.map(|found| found.delivery_stream_description))
    }

    fn made(found: &DeliveryStreamDescription) -> Made {
        Made::new(&found.delivery_stream_name, &[("Arn", &found.delivery_stream_arn)])
    }

    /// Switches encryption on or off where that changes.
    async fn encrypt(subject: &Subject<'_>, new: &Json, old: &Json) -> Result<(), Error> {
        let wanted = property(new, ENCRYPTED);
        if wanted == property(old, ENCRYPTED) {
            return Ok(());
        }
        let mut input = json!({ "DeliveryStreamName": subject.physical_id });
        if wanted.is_null() {
            return subject.call::<StopDeliveryStreamEncryptionInput>(input).await.map(drop);
        }
        if let Some(input) = input.as_object_mut() {
            input.insert(ENCRYPTED.to_owned(), wanted.clone());
        }
        subject.call::<StartDeliveryStreamEncryptionInput>(input).await.map(drop)
    }

    /// The whole destination, its former properties told off, and which member of an update it is.
    fn destination(properties: &Json, old: &Json) -> (&'static str, Json) {
        if !property(properties, ENDPOINT).is_null() {
            return ("HttpEndpointDestinationUpdate", Self::endpoint(properties, old));
        }
        let of = |properties: &Json| match property(properties, EXTENDED) {
            Json::Null => property(properties, PLAIN).clone(),
            extended => extended.clone(),
        };
        let mut new = of(properties);
        tell_off(&mut new, &of(old), without);
        rename(&mut new, "S3BackupConfiguration", "S3BackupUpdate");
        ("ExtendedS3DestinationUpdate", new)
    }

    fn endpoint(properties: &Json, old: &Json) -> Json {
        let (mut new, old) = (property(properties, ENDPOINT).clone(), property(old, ENDPOINT));
        tell_off(&mut new, old, without_of_endpoint);
        for inner in ["EndpointConfiguration", "S3Configuration"] {
            if let Some(new) = new.get_mut(inner) {
                tell_off(new, property(old, inner), without_of_endpoint);
            }
        }
        rename(&mut new, "S3Configuration", "S3Update");
        new
    }
}

impl Provider for DeliveryStream {
    fn resource_type(&self) -> &'static ResourceType {
        &STREAM
    }

    fn name_property(&self) -> Option<&'static str> {
        Some("DeliveryStreamName")
    }

    fn exists<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move { Ok(Self::describe(subject, subject.name).await?.is_some()) })
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let tags = tags(subject.properties);
            let input = super::object([
                ("DeliveryStreamName", json!(subject.name)),
                ("DeliveryStreamType", subject.property("DeliveryStreamType").clone()),
                (ENCRYPTED, subject.property(ENCRYPTED).clone()),
                (EXTENDED, subject.property(EXTENDED).clone()),
                (ENDPOINT, subject.property(ENDPOINT).clone()),
                (PLAIN, subject.property(PLAIN).clone()),
                ("Tags", if tags.is_empty() { Json::Null } else { tag_list(&tags) }),
            ]);
            unless(subject.call::<CreateDeliveryStreamInput>(input).await, &["ResourceInUseException"])?;
            match Self::describe(subject, subject.name).await {
                Ok(Some(found)) if found.delivery_stream_status == "ACTIVE" => Ok(Self::made(&found)),
                Ok(Some(found)) if found.delivery_stream_status == "CREATING_FAILED" => {
                    let why = Error::new(400, "CREATING_FAILED", "The delivery stream could not be made");
                    Err(Failure::Partial(subject.name.to_owned(), why))
                }
                Ok(_) => Err(Failure::Pending),
                Err(error) => Err(Failure::Partial(subject.name.to_owned(), error)),
            }
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let (name, new) = (subject.physical_id, subject.properties);
            let found = Self::describe(subject, name).await?;
            let found = found.ok_or_else(|| Error::new(400, "NotFound", format!("{name} does not exist")))?;
            let (member, destination) = Self::destination(new, old);
            if destination != Self::destination(old, old).1 {
                let id = found.destinations.first().map(|destination| destination.destination_id.clone());
                let input = super::object([
                    ("DeliveryStreamName", json!(name)),
                    ("CurrentDeliveryStreamVersionId", json!(found.version_id)),
                    ("DestinationId", json!(id.unwrap_or_default())),
                    (member, destination),
                ]);
                subject.call::<UpdateDestinationInput>(input).await?;
            }
            Self::encrypt(subject, new, old).await?;
            let (set, gone) = tag_changes(old, new);
            if !gone.is_empty() {
                let input = json!({ "DeliveryStreamName": name, "TagKeys": gone });
                subject.call::<UntagDeliveryStreamInput>(input).await?;
            }
            if !set.is_empty() {
                let input = json!({ "DeliveryStreamName": name, "Tags": tag_list(&set) });
                subject.call::<TagDeliveryStreamInput>(input).await?;
            }
            Ok(Self::made(&found))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let name = subject.physical_id;
            let input = json!({ "DeliveryStreamName": name });
            let codes = [MISSING, &["ResourceInUseException"]].concat();
            unless(subject.call::<DeleteDeliveryStreamInput>(input).await, &codes)?;
            // What is being deleted still has its name.
            if Self::describe(subject, name).await?.is_some() { Err(Failure::Pending) } else { Ok(()) }
        })
    }
}
