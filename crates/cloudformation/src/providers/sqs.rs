//! `AWS::SQS`.
//!
//! Source of the tables: the CloudFormation template reference, Amazon SQS.

use ropeway_api::sqs::{
    CreateQueueInput, DeleteQueueInput, GetQueueUrlInput, SetQueueAttributesInput, TagQueueInput,
    UntagQueueInput,
};
use ropeway_wire::resource::queue_url;
use ropeway_wire::{BoxFuture, Error};
use serde_json::{Value as Json, json};

use super::{Failure, Made, Provider, Subject, TAGS, property, tag_changes, tags, text, unless};
use crate::template::{Kind, Naming, Property, ResourceType};

const STRING: Kind = Kind::String;
/// What a queue that is not there answers.
pub(super) const MISSING: &[&str] = &["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"];

/// Properties that are attributes of the same name, and what they are without it. FIFO's have no value in
/// a standard queue.
const ATTRIBUTES: &[(&str, Option<&str>)] = &[
    ("DelaySeconds", Some("0")),
    ("MaximumMessageSize", Some("1048576")),
    ("MessageRetentionPeriod", Some("345600")),
    ("ReceiveMessageWaitTimeSeconds", Some("0")),
    ("RedrivePolicy", Some("")),
    ("RedriveAllowPolicy", Some("")),
    ("SqsManagedSseEnabled", Some("true")),
    ("VisibilityTimeout", Some("30")),
    ("FifoQueue", None),
    ("ContentBasedDeduplication", Some("false")),
    ("DeduplicationScope", Some("queue")),
    ("FifoThroughputLimit", Some("perQueue")),
];

static QUEUE: ResourceType = ResourceType::new(
    "AWS::SQS::Queue",
    &[
        Property::new("ContentBasedDeduplication", Kind::Boolean),
        Property::new("DeduplicationScope", STRING),
        Property::new("DelaySeconds", Kind::Integer),
        Property::new("FifoQueue", Kind::Boolean).replacement(),
        Property::new("FifoThroughputLimit", STRING),
        Property::new("MaximumMessageSize", Kind::Integer),
        Property::new("MessageRetentionPeriod", Kind::Integer),
        Property::new("QueueName", STRING).replacement(),
        Property::new("ReceiveMessageWaitTimeSeconds", Kind::Integer),
        Property::new("RedriveAllowPolicy", Kind::Json),
        Property::new("RedrivePolicy", Kind::Json),
        Property::new("SqsManagedSseEnabled", Kind::Boolean),
        TAGS,
        Property::new("VisibilityTimeout", Kind::Integer),
    ],
)
.attributes(&["Arn", "QueueName", "QueueUrl"])
.naming(Naming::new(80));

/// `AWS::SQS::Queue`
pub struct Queue;

impl Queue {
    fn made(subject: &Subject<'_>, url: &str) -> Made {
        let arn = queue_url(url, subject.cx);
        let name = url.rsplit('/').next().unwrap_or_default();
        Made::new(url, &[("Arn", &arn), ("QueueName", name), ("QueueUrl", url)])
    }

    /// The attributes that the properties set.
    fn attributes(properties: &Json) -> Json {
        let given = ATTRIBUTES.iter().map(|(name, _)| (*name, property(properties, name)));
        // A standard queue has no such attribute: `false` is how a template says so.
        let given = given
            .filter(|(_, value)| !value.is_null())
            .filter(|(name, value)| *name != "FifoQueue" || **value == json!(true));
        given.map(|(name, value)| (name.to_owned(), json!(text(value)))).collect()
    }

    /// The attributes that an update sets: new values, and what a property that is gone stood for.
    fn changes(old: &Json, new: &Json) -> Json {
        let changed = ATTRIBUTES.iter().filter(|(name, _)| property(old, name) != property(new, name));
        let value = |(name, without): &(&str, Option<&str>)| match property(new, name) {
            Json::Null => without.map(|without| json!(without)),
            value => Some(json!(text(value))),
        };
        changed.filter_map(|entry| Some((entry.0.to_owned(), value(entry)?))).collect()
    }
}

impl Provider for Queue {
    fn resource_type(&self) -> &'static ResourceType {
        &QUEUE
    }

    fn name_property(&self) -> Option<&'static str> {
        Some("QueueName")
    }

    fn suffix(&self, properties: &Json) -> &'static str {
        if property(properties, "FifoQueue") == &json!(true) { ".fifo" } else { "" }
    }

    fn exists<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move {
            let found = subject.call::<GetQueueUrlInput>(json!({ "QueueName": subject.name })).await;
            Ok(unless(found, MISSING)?.is_some())
        })
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let input = json!({
                "QueueName": subject.name,
                "Attributes": Self::attributes(subject.properties),
                "tags": tags(subject.properties),
            });
            match subject.call::<CreateQueueInput>(input).await {
                Ok(made) => Ok(Self::made(subject, &made.queue_url.unwrap_or_default())),
                // The name of a deleted queue is free again after a minute.
                Err(error) if error.code.contains("QueueDeletedRecently") => Err(Failure::Pending),
                Err(error) => Err(error.into()),
            }
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let url = subject.physical_id;
            let attributes = Self::changes(old, subject.properties);
            if attributes.as_object().is_some_and(|attributes| !attributes.is_empty()) {
                let input = json!({ "QueueUrl": url, "Attributes": attributes });
                subject.call::<SetQueueAttributesInput>(input).await?;
            }
            let (set, gone) = tag_changes(old, subject.properties);
            if !gone.is_empty() {
                subject.call::<UntagQueueInput>(json!({ "QueueUrl": url, "TagKeys": gone })).await?;
            }
            if !set.is_empty() {
                subject.call::<TagQueueInput>(json!({ "QueueUrl": url, "Tags": set })).await?;
            }
            Ok(Self::made(subject, url))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let input = json!({ "QueueUrl": subject.physical_id });
            unless(subject.call::<DeleteQueueInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}
