//! `AWS::Lambda`: event source mappings, and how asynchronous events are treated.
//!
//! Source of the tables: the CloudFormation template reference, AWS Lambda.

use ropeway_api::lambda::{
    CreateEventSourceMappingInput, DeleteEventSourceMappingInput, DeleteFunctionEventInvokeConfigInput,
    EventSourceMappingConfiguration, GetEventSourceMappingInput, ListEventSourceMappingsInput,
    PutFunctionEventInvokeConfigInput, TagResourceInput, UntagResourceInput, UpdateEventSourceMappingInput,
};
use ropeway_wire::{BoxFuture, Error};
use serde_json::{Value as Json, json};

use super::lambda::{MISSING, THERE};
use super::{Failure, Made, Provider, Subject, TAGS, object, property, tag_changes, tags, text, unless};
use crate::template::{Kind, Property, ResourceType};

const STRING: Kind = Kind::String;

static MAPPING: ResourceType = ResourceType::new(
    "AWS::Lambda::EventSourceMapping",
    &[
        Property::new("BatchSize", Kind::Integer),
        Property::new("Enabled", Kind::Boolean),
        Property::new("EventSourceArn", STRING).required().replacement(),
        Property::new(
            "FilterCriteria",
            Kind::Structure(&[Property::new(
                "Filters",
                Kind::List(&Kind::Structure(&[Property::new("Pattern", STRING)])),
            )]),
        ),
        Property::new("FunctionName", STRING).required().replacement(),
        Property::new("FunctionResponseTypes", Kind::List(&STRING)),
        Property::new("MaximumBatchingWindowInSeconds", Kind::Integer),
        Property::new(
            "ScalingConfig",
            Kind::Structure(&[Property::new("MaximumConcurrency", Kind::Integer)]),
        ),
        TAGS,
    ],
)
.attributes(&["EventSourceMappingArn", "Id"])
.system_tags();

/// Properties that an update changes, and what a mapping is without them.
fn settings(properties: &Json, update: bool) -> Json {
    let defaults = [
        ("BatchSize", json!(10)),
        ("Enabled", json!(true)),
        ("FilterCriteria", json!({})),
        ("FunctionResponseTypes", json!([])),
        ("MaximumBatchingWindowInSeconds", json!(0)),
        ("ScalingConfig", json!({})),
    ];
    let said = defaults.into_iter().filter_map(|(name, default)| match property(properties, name) {
        Json::Null => update.then(|| (name.to_owned(), default)),
        given => Some((name.to_owned(), given.clone())),
    });
    said.collect()
}

/// `AWS::Lambda::EventSourceMapping`
pub struct EventSourceMapping;

impl EventSourceMapping {
    fn made(mapping: &EventSourceMappingConfiguration) -> Made {
        let id = mapping.uuid.clone().unwrap_or_default();
        let arn = mapping.event_source_mapping_arn.clone().unwrap_or_default();
        Made::new(&id, &[("EventSourceMappingArn", &arn), ("Id", &id)])
    }

    /// The mapping of a queue to a function, of which there is one at most.
    async fn find(subject: &Subject<'_>) -> Result<Option<EventSourceMappingConfiguration>, Error> {
        let input = json!({
            "EventSourceArn": subject.property("EventSourceArn"),
            "FunctionName": subject.property("FunctionName"),
        });
        let found = subject.call::<ListEventSourceMappingsInput>(input).await?;
        Ok(found.event_source_mappings.unwrap_or_default().into_iter().next())
    }
}

impl Provider for EventSourceMapping {
    fn resource_type(&self) -> &'static ResourceType {
        &MAPPING
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let mut input = settings(subject.properties, false);
            let tags = tags(subject.properties);
            let more = object([
                ("EventSourceArn", subject.property("EventSourceArn").clone()),
                ("FunctionName", subject.property("FunctionName").clone()),
                ("Tags", if tags.is_empty() { Json::Null } else { json!(tags) }),
            ]);
            if let (Json::Object(input), Json::Object(more)) = (&mut input, more) {
                input.extend(more);
            }
            match subject.call::<CreateEventSourceMappingInput>(input).await {
                Ok(made) => Ok(Self::made(&made)),
                Err(error) if THERE.contains(&error.code.as_ref()) => match Self::find(subject).await? {
                    Some(found) => Ok(Self::made(&found)),
                    None => Err(error.into()),
                },
                Err(error) => Err(error.into()),
            }
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let mut input = settings(subject.properties, true);
            if let Json::Object(input) = &mut input {
                input.insert("UUID".to_owned(), json!(subject.physical_id));
            }
            let made = subject.call::<UpdateEventSourceMappingInput>(input).await?;
            let (set, gone) = tag_changes(old, subject.properties);
            let arn = made.event_source_mapping_arn.clone();
            if !gone.is_empty() {
                subject.call::<UntagResourceInput>(json!({ "Resource": arn, "TagKeys": gone })).await?;
            }
            if !set.is_empty() {
                subject.call::<TagResourceInput>(json!({ "Resource": arn, "Tags": set })).await?;
            }
            Ok(Self::made(&made))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let id = json!({ "UUID": subject.physical_id });
            unless(subject.call::<DeleteEventSourceMappingInput>(id.clone()).await, MISSING)?;
            // It is there until its poller has ended.
            match unless(subject.call::<GetEventSourceMappingInput>(id).await, MISSING)? {
                Some(_) => Err(Failure::Pending),
                None => Ok(()),
            }
        })
    }
}

const DESTINATION: Kind = Kind::Structure(&[Property::new("Destination", STRING).required()]);

static INVOKE_CONFIG: ResourceType = ResourceType::new(
    "AWS::Lambda::EventInvokeConfig",
    &[
        Property::new(
            "DestinationConfig",
            Kind::Structure(&[
                Property::new("OnFailure", DESTINATION),
                Property::new("OnSuccess", DESTINATION),
            ]),
        ),
        Property::new("FunctionName", STRING).required().replacement(),
        Property::new("MaximumEventAgeInSeconds", Kind::Integer),
        Property::new("MaximumRetryAttempts", Kind::Integer),
        Property::new("Qualifier", STRING).required().replacement(),
    ],
);

/// `AWS::Lambda::EventInvokeConfig`
pub struct EventInvokeConfig;

impl EventInvokeConfig {
    async fn put(subject: &Subject<'_>) -> Result<Made, Failure> {
        let input = object([
            ("FunctionName", subject.property("FunctionName").clone()),
            ("Qualifier", subject.property("Qualifier").clone()),
            ("MaximumEventAgeInSeconds", subject.property("MaximumEventAgeInSeconds").clone()),
            ("MaximumRetryAttempts", subject.property("MaximumRetryAttempts").clone()),
            ("DestinationConfig", subject.property("DestinationConfig").clone()),
        ]);
        subject.call::<PutFunctionEventInvokeConfigInput>(input).await?;
        let (function, qualifier) = (subject.property("FunctionName"), subject.property("Qualifier"));
        Ok(Made::new(format!("{}|{}", text(function), text(qualifier)), &[]))
    }
}

impl Provider for EventInvokeConfig {
    fn resource_type(&self) -> &'static ResourceType {
        &INVOKE_CONFIG
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(Self::put(subject))
    }

    fn update<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        _old: &'a Json,
    ) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(Self::put(subject))
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let input = json!({
                "FunctionName": subject.property("FunctionName"),
                "Qualifier": subject.property("Qualifier"),
            });
            unless(subject.call::<DeleteFunctionEventInvokeConfigInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}
