//! `AWS::CloudTrail`.
//!
//! Source of the table: the CloudFormation template reference, AWS CloudTrail.

use ropeway_api::cloudtrail::{
    AddTagsInput, CreateTrailInput, DeleteTrailInput, GetTrailInput, PutEventSelectorsInput, RemoveTagsInput,
    StartLoggingInput, StopLoggingInput, Trail as Told, UpdateTrailInput,
};
use ropeway_wire::{BoxFuture, Error};
use serde_json::{Value as Json, json};

use super::{
    Failure, Made, Provider, Subject, TAGS, after_creation, property, tag_changes, tag_list, tags, unless,
};
use crate::template::{Kind, Naming, Property, ResourceType};

const STRING: Kind = Kind::String;
const TEXTS: Kind = Kind::List(&STRING);
const MISSING: &[&str] = &["TrailNotFoundException"];
const BASIC: &str = "EventSelectors";
const ADVANCED: &str = "AdvancedEventSelectors";

const DATA_RESOURCE: &[Property] =
    &[Property::new("Type", STRING).required(), Property::new("Values", TEXTS)];
const SELECTOR: &[Property] = &[
    Property::new("DataResources", Kind::List(&Kind::Structure(DATA_RESOURCE))),
    Property::new("ExcludeManagementEventSources", TEXTS),
    Property::new("IncludeManagementEvents", Kind::Boolean),
    Property::new("ReadWriteType", STRING),
];
const FIELD: &[Property] = &[
    Property::new("EndsWith", TEXTS),
    Property::new("Equals", TEXTS),
    Property::new("Field", STRING).required(),
    Property::new("NotEndsWith", TEXTS),
    Property::new("NotEquals", TEXTS),
    Property::new("NotStartsWith", TEXTS),
    Property::new("StartsWith", TEXTS),
];
const ADVANCED_SELECTOR: &[Property] = &[
    Property::new("FieldSelectors", Kind::List(&Kind::Structure(FIELD))).required(),
    Property::new("Name", STRING),
];

static TRAIL: ResourceType = ResourceType::new(
    "AWS::CloudTrail::Trail",
    &[
        Property::new(ADVANCED, Kind::List(&Kind::Structure(ADVANCED_SELECTOR))),
        Property::new("EnableLogFileValidation", Kind::Boolean),
        Property::new(BASIC, Kind::List(&Kind::Structure(SELECTOR))),
        Property::new("IncludeGlobalServiceEvents", Kind::Boolean),
        Property::new("IsLogging", Kind::Boolean).required(),
        Property::new("IsMultiRegionTrail", Kind::Boolean),
        Property::new("S3BucketName", STRING).required(),
        Property::new("S3KeyPrefix", STRING),
        Property::new("SnsTopicName", STRING),
        TAGS,
        Property::new("TrailName", STRING).replacement(),
    ],
)
.attributes(&["Arn", "SnsTopicArn"])
.naming(Naming::new(128))
.system_tags();

/// Properties that `CreateTrail` and `UpdateTrail` take as they are, and what they are without them.
const SETTINGS: &[&str] = &[
    "EnableLogFileValidation",
    "IncludeGlobalServiceEvents",
    "IsMultiRegionTrail",
    "S3BucketName",
    "S3KeyPrefix",
    "SnsTopicName",
];

fn without(name: &str) -> Json {
    match name {
        "IncludeGlobalServiceEvents" => json!(true),
        "EnableLogFileValidation" | "IsMultiRegionTrail" => json!(false),
        _ => json!(""),
    }
}

/// `AWS::CloudTrail::Trail`
pub struct Trail;

impl Trail {
    async fn find(subject: &Subject<'_>, name: &str) -> Result<Option<Told>, Error> {
        let found = subject.call::<GetTrailInput>(json!({ "Name": name })).await;
        Ok(unless(found, MISSING)?.and_then(|found| found.trail))
    }

    async fn made(subject: &Subject<'_>, name: &str) -> Result<Made, Error> {
        let missing = || Error::new(400, "NotFound", format!("{name} does not exist"));
        let found = Self::find(subject, name).await?.ok_or_else(missing)?;
        let (arn, topic) = (found.trail_arn.unwrap_or_default(), found.sns_topic_arn.unwrap_or_default());
        Ok(Made::new(name, &[("Arn", &arn), ("SnsTopicArn", &topic)]))
    }

    /// The selectors that the properties name; those that a trail has of its own where they name none.
    fn selectors(properties: &Json) -> (&'static str, Json) {
        match (property(properties, ADVANCED), property(properties, BASIC)) {
            (Json::Null, Json::Null) => (BASIC, json!([{ "ReadWriteType": "All" }])),
            (Json::Null, basic) => (BASIC, basic.clone()),
            (advanced, _) => (ADVANCED, advanced.clone()),
        }
    }

    /// Everything but the trail itself and its tags.
    async fn set(subject: &Subject<'_>, name: &str, old: Option<&Json>) -> Result<(), Error> {
        let new = subject.properties;
        let none = json!({});
        let wanted = Self::selectors(new);
        if wanted != Self::selectors(old.unwrap_or(&none)) {
            let input = super::object([("TrailName", json!(name)), (wanted.0, wanted.1)]);
            subject.call::<PutEventSelectorsInput>(input).await?;
        }
        let input = json!({ "Name": name });
        match property(new, "IsLogging") {
            Json::Bool(true) => subject.call::<StartLoggingInput>(input).await.map(drop),
            _ => subject.call::<StopLoggingInput>(input).await.map(drop),
        }
    }
}

impl Provider for Trail {
    fn resource_type(&self) -> &'static ResourceType {
        &TRAIL
    }

    fn name_property(&self) -> Option<&'static str> {
        Some("TrailName")
    }

    fn exists<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move { Ok(Self::find(subject, subject.name).await?.is_some()) })
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let name = subject.name;
            let mut input =
                super::object([("Name", json!(name)), ("TagsList", tag_list(&tags(subject.properties)))]);
            if let Some(input) = input.as_object_mut() {
                let given = SETTINGS.iter().map(|name| (*name, subject.property(name)));
                let given = given.filter(|(_, value)| !value.is_null());
                input.extend(given.map(|(name, value)| (name.to_owned(), value.clone())));
            }
            unless(subject.call::<CreateTrailInput>(input).await, &["TrailAlreadyExistsException"])?;
            after_creation(name, Self::set(subject, name, None).await)?;
            after_creation(name, Self::made(subject, name).await)
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let (name, new) = (subject.physical_id, subject.properties);
            let mut input = super::object([("Name", json!(name))]);
            for setting in SETTINGS {
                let (before, after) = (property(old, setting), property(new, setting));
                if before != after
                    && let Some(input) = input.as_object_mut()
                {
                    let value = if after.is_null() { without(setting) } else { after.clone() };
                    input.insert((*setting).to_owned(), value);
                }
            }
            subject.call::<UpdateTrailInput>(input).await?;
            Self::set(subject, name, Some(old)).await?;
            let made = Self::made(subject, name).await?;
            let arn = Self::find(subject, name).await?.and_then(|trail| trail.trail_arn).unwrap_or_default();
            let (set, gone) = tag_changes(old, new);
            if !gone.is_empty() {
                let keys: Vec<Json> = gone.iter().map(|key| json!({ "Key": key })).collect();
                subject.call::<RemoveTagsInput>(json!({ "ResourceId": arn, "TagsList": keys })).await?;
            }
            if !set.is_empty() {
                let input = json!({ "ResourceId": arn, "TagsList": tag_list(&set) });
                subject.call::<AddTagsInput>(input).await?;
            }
            Ok(made)
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let input = json!({ "Name": subject.physical_id });
            unless(subject.call::<DeleteTrailInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}
