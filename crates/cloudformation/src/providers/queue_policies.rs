//! `AWS::SQS::QueuePolicy` and `AWS::SQS::QueueInlinePolicy`: policies of queues that are there.

use ropeway_api::sqs::SetQueueAttributesInput;
use ropeway_wire::{BoxFuture, Error};
use serde_json::{Value as Json, json};

use super::sqs::MISSING;
use super::{Failure, Made, Provider, Subject, after_creation, property, texts, unless};
use crate::template::{Kind, Property, ResourceType};

static QUEUE_POLICY: ResourceType = ResourceType::new(
    "AWS::SQS::QueuePolicy",
    &[
        Property::new("PolicyDocument", Kind::Json).required(),
        Property::new("Queues", Kind::List(&Kind::String)).required(),
    ],
)
.attributes(&["Id"]);

static INLINE: ResourceType = ResourceType::new(
    "AWS::SQS::QueueInlinePolicy",
    &[
        Property::new("PolicyDocument", Kind::Json).required(),
        Property::new("Queue", Kind::String).required().replacement(),
    ],
);

async fn set(subject: &Subject<'_>, queue: &str, policy: &str) -> Result<(), Error> {
    let input = json!({ "QueueUrl": queue, "Attributes": { "Policy": policy } });
    subject.call::<SetQueueAttributesInput>(input).await.map(drop)
}

async fn set_all(subject: &Subject<'_>, queues: &[String]) -> Result<(), Error> {
    for queue in queues {
        set(subject, queue, &subject.property("PolicyDocument").to_string()).await?;
    }
    Ok(())
}

async fn clear(subject: &Subject<'_>, queues: &[String]) -> Result<(), Error> {
    for queue in queues {
        unless(set(subject, queue, "").await, MISSING)?;
    }
    Ok(())
}

/// `AWS::SQS::QueuePolicy`
pub struct QueuePolicy;

impl Provider for QueuePolicy {
    fn resource_type(&self) -> &'static ResourceType {
        &QUEUE_POLICY
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let queues = texts(subject.property("Queues"));
            after_creation(subject.name, set_all(subject, &queues).await)?;
            Ok(Made::new(subject.name, &[("Id", subject.name)]))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let queues = texts(subject.property("Queues"));
            set_all(subject, &queues).await?;
            let before = texts(property(old, "Queues"));
            let gone: Vec<String> = before.into_iter().filter(|queue| !queues.contains(queue)).collect();
            clear(subject, &gone).await?;
            Ok(Made::new(subject.physical_id, &[("Id", subject.physical_id)]))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { Ok(clear(subject, &texts(subject.property("Queues"))).await?) })
    }
}

/// `AWS::SQS::QueueInlinePolicy`: its physical id is the queue's.
pub struct QueueInlinePolicy;

impl Provider for QueueInlinePolicy {
    fn resource_type(&self) -> &'static ResourceType {
        &INLINE
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let queue = super::text(subject.property("Queue"));
            set(subject, &queue, &subject.property("PolicyDocument").to_string()).await?;
            Ok(Made::new(queue, &[]))
        })
    }

    fn update<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        _old: &'a Json,
    ) -> BoxFuture<'a, Result<Made, Failure>> {
        self.create(subject)
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { Ok(clear(subject, &[subject.physical_id.to_owned()]).await?) })
    }
}
