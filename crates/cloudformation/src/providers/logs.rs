//! `AWS::Logs`.
//!
//! Source of the tables: the CloudFormation template reference, Amazon CloudWatch Logs.

use ropeway_api::logs::{
    CreateLogGroupInput, CreateLogStreamInput, DeleteLogGroupInput, DeleteLogStreamInput,
    DeleteRetentionPolicyInput, DeleteSubscriptionFilterInput, DescribeLogGroupsInput,
    DescribeLogStreamsInput, DescribeSubscriptionFiltersInput, PutLogGroupDeletionProtectionInput,
    PutRetentionPolicyInput, PutSubscriptionFilterInput, TagResourceInput, UntagResourceInput,
};
use ropeway_wire::{BoxFuture, Error};
use serde_json::{Value as Json, json};

use super::{
    Failure, Made, Provider, Subject, TAGS, after_creation, object, property, tag_changes, tags, unless,
};
use crate::template::{Kind, Naming, Property, ResourceType};

const STRING: Kind = Kind::String;
const MISSING: &[&str] = &["ResourceNotFoundException"];
const THERE: &[&str] = &["ResourceAlreadyExistsException"];

static GROUP: ResourceType = ResourceType::new(
    "AWS::Logs::LogGroup",
    &[
        Property::new("DeletionProtectionEnabled", Kind::Boolean),
        Property::new("LogGroupClass", STRING).replacement(),
        Property::new("LogGroupName", STRING).replacement(),
        Property::new("RetentionInDays", Kind::Integer),
        TAGS,
    ],
)
.attributes(&["Arn"])
.naming(Naming::new(512))
.system_tags();

static STREAM: ResourceType = ResourceType::new(
    "AWS::Logs::LogStream",
    &[
        Property::new("LogGroupName", STRING).required().replacement(),
        Property::new("LogStreamName", STRING).replacement(),
    ],
)
.naming(Naming::new(512));

static FILTER: ResourceType = ResourceType::new(
    "AWS::Logs::SubscriptionFilter",
    &[
        Property::new("DestinationArn", STRING).required(),
        Property::new("Distribution", STRING),
        Property::new("FilterName", STRING).replacement(),
        Property::new("FilterPattern", STRING).required(),
        Property::new("LogGroupName", STRING).required().replacement(),
        Property::new("RoleArn", STRING),
    ],
)
.naming(Naming::new(512));

/// `AWS::Logs::LogGroup`
pub struct LogGroup;

impl LogGroup {
    /// The ARN of the group, if it is there; it ends with `:*`.
    async fn find(subject: &Subject<'_>, name: &str) -> Result<Option<String>, Error> {
        let found = subject.call::<DescribeLogGroupsInput>(json!({ "logGroupIdentifiers": [name] })).await?;
        Ok(found.log_groups.unwrap_or_default().into_iter().find_map(|group| group.arn))
    }

    async fn made(subject: &Subject<'_>, name: &str) -> Result<Made, Error> {
        let arn = Self::find(subject, name).await?;
        let arn = arn.ok_or_else(|| Error::new(400, "NotFound", format!("{name} does not exist")))?;
        Ok(Made::new(name, &[("Arn", &arn)]))
    }

    async fn set_retention(subject: &Subject<'_>, name: &str) -> Result<(), Error> {
        match subject.property("RetentionInDays") {
            Json::Null => {
                let input = json!({ "logGroupName": name });
                subject.call::<DeleteRetentionPolicyInput>(input).await.map(drop)
            }
            days => {
                let input = json!({ "logGroupName": name, "retentionInDays": days });
                subject.call::<PutRetentionPolicyInput>(input).await.map(drop)
            }
        }
    }

    async fn set_tags(subject: &Subject<'_>, name: &str, old: &Json) -> Result<(), Error> {
        let (set, gone) = tag_changes(old, subject.properties);
        let arn = Self::find(subject, name).await?.unwrap_or_default();
        let arn = arn.trim_end_matches(":*");
        if !gone.is_empty() {
            let input = json!({ "resourceArn": arn, "tagKeys": gone });
            subject.call::<UntagResourceInput>(input).await?;
        }
        if !set.is_empty() {
            subject.call::<TagResourceInput>(json!({ "resourceArn": arn, "tags": set })).await?;
        }
        Ok(())
    }
}

impl Provider for LogGroup {
    fn resource_type(&self) -> &'static ResourceType {
        &GROUP
    }

    fn name_property(&self) -> Option<&'static str> {
        Some("LogGroupName")
    }

    fn exists<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move { Ok(Self::find(subject, subject.name).await?.is_some()) })
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let (name, tags) = (subject.name, tags(subject.properties));
            let input = object([
                ("logGroupName", json!(name)),
                ("logGroupClass", subject.property("LogGroupClass").clone()),
                ("deletionProtectionEnabled", subject.property("DeletionProtectionEnabled").clone()),
                ("tags", if tags.is_empty() { Json::Null } else { json!(tags) }),
            ]);
            unless(subject.call::<CreateLogGroupInput>(input).await, THERE)?;
            if !subject.property("RetentionInDays").is_null() {
                after_creation(name, Self::set_retention(subject, name).await)?;
            }
            after_creation(name, Self::made(subject, name).await)
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let name = subject.physical_id;
            let changed = |property: &str| self::property(old, property) != subject.property(property);
            if changed("RetentionInDays") {
                Self::set_retention(subject, name).await?;
            }
            if changed("DeletionProtectionEnabled") {
                let on = subject.property("DeletionProtectionEnabled") == &json!(true);
                let input = json!({ "logGroupIdentifier": name, "deletionProtectionEnabled": on });
                subject.call::<PutLogGroupDeletionProtectionInput>(input).await?;
            }
            Self::set_tags(subject, name, old).await?;
            Ok(Self::made(subject, name).await?)
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let input = json!({ "logGroupName": subject.physical_id });
            unless(subject.call::<DeleteLogGroupInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}

/// `AWS::Logs::LogStream`
pub struct LogStream;

impl Provider for LogStream {
    fn resource_type(&self) -> &'static ResourceType {
        &STREAM
    }

    fn name_property(&self) -> Option<&'static str> {
        Some("LogStreamName")
    }

    fn exists<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move {
            let input = json!({
                "logGroupName": subject.property("LogGroupName"), "logStreamNamePrefix": subject.name, "limit": 1,
            });
            // In the order of names, the one that is the prefix itself comes first.
            let found = unless(subject.call::<DescribeLogStreamsInput>(input).await, MISSING)?;
            let streams = found.and_then(|found| found.log_streams).unwrap_or_default();
            Ok(streams.iter().any(|stream| stream.log_stream_name.as_deref() == Some(subject.name)))
        })
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let input =
                json!({ "logGroupName": subject.property("LogGroupName"), "logStreamName": subject.name });
            unless(subject.call::<CreateLogStreamInput>(input).await, THERE)?;
            Ok(Made::new(subject.name, &[]))
        })
    }

    fn update<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        _old: &'a Json,
    ) -> BoxFuture<'a, Result<Made, Failure>> {
        // Both properties are its identity: a change makes another stream.
        Box::pin(async move { Ok(Made::new(subject.physical_id, &[])) })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let group = subject.property("LogGroupName");
            let input = json!({ "logGroupName": group, "logStreamName": subject.physical_id });
            unless(subject.call::<DeleteLogStreamInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}

/// `AWS::Logs::SubscriptionFilter`
pub struct SubscriptionFilter;

impl SubscriptionFilter {
    async fn put(subject: &Subject<'_>, name: &str) -> Result<Made, Error> {
        let input = object([
            ("logGroupName", subject.property("LogGroupName").clone()),
            ("filterName", json!(name)),
            ("filterPattern", subject.property("FilterPattern").clone()),
            ("destinationArn", subject.property("DestinationArn").clone()),
            ("roleArn", subject.property("RoleArn").clone()),
            ("distribution", subject.property("Distribution").clone()),
        ]);
        subject.call::<PutSubscriptionFilterInput>(input).await?;
        Ok(Made::new(name, &[]))
    }
}

impl Provider for SubscriptionFilter {
    fn resource_type(&self) -> &'static ResourceType {
        &FILTER
    }

    fn name_property(&self) -> Option<&'static str> {
        Some("FilterName")
    }

    fn exists<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move {
            let group = subject.property("LogGroupName");
            let input = json!({ "logGroupName": group, "filterNamePrefix": subject.name });
            let found = unless(subject.call::<DescribeSubscriptionFiltersInput>(input).await, MISSING)?;
            let filters = found.and_then(|found| found.subscription_filters).unwrap_or_default();
            Ok(filters.iter().any(|filter| filter.filter_name.as_deref() == Some(subject.name)))
        })
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move { Ok(Self::put(subject, subject.name).await?) })
    }

    fn update<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        _old: &'a Json,
    ) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move { Ok(Self::put(subject, subject.physical_id).await?) })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let group = subject.property("LogGroupName");
            let input = json!({ "logGroupName": group, "filterName": subject.physical_id });
            unless(subject.call::<DeleteSubscriptionFilterInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}
