//! `AWS::ApiGateway`: API keys and usage plans.
//!
//! Source of the tables: the CloudFormation template reference, Amazon API Gateway.

use ropeway_api::apigateway::{
    CreateApiKeyInput, CreateUsagePlanInput, CreateUsagePlanKeyInput, DeleteApiKeyInput,
    DeleteUsagePlanInput, DeleteUsagePlanKeyInput, GetApiKeysInput, GetUsagePlansInput, UpdateApiKeyInput,
    UpdateUsagePlanInput,
};
use ropeway_wire::{BoxFuture, Error};
use serde_json::{Value as Json, json};

use super::apigateway::{MISSING, THERE, all_tags, escape, is_own, patch, retag};
use super::{Failure, Made, Provider, Subject, TAGS, object, property, text, unless};
use crate::template::{Kind, Naming, Property, ResourceType};

const STRING: Kind = Kind::String;
const THROTTLE: Kind =
    Kind::Structure(&[Property::new("BurstLimit", Kind::Integer), Property::new("RateLimit", Kind::Double)]);

static KEY: ResourceType = ResourceType::new(
    "AWS::ApiGateway::ApiKey",
    &[
        Property::new("CustomerId", STRING),
        Property::new("Description", STRING),
        Property::new("Enabled", Kind::Boolean),
        Property::new("GenerateDistinctId", Kind::Boolean).replacement(),
        Property::new("Name", STRING).replacement(),
        TAGS,
        Property::new("Value", STRING).replacement(),
    ],
)
.attributes(&["APIKeyId"])
.naming(Naming::new(255))
.system_tags();

static PLAN: ResourceType = ResourceType::new(
    "AWS::ApiGateway::UsagePlan",
    &[
        Property::new(
            "ApiStages",
            Kind::List(&Kind::Structure(&[
                Property::new("ApiId", STRING),
                Property::new("Stage", STRING),
                Property::new("Throttle", Kind::Map(&THROTTLE)),
            ])),
        ),
        Property::new("Description", STRING),
        Property::new(
            "Quota",
            Kind::Structure(&[
                Property::new("Limit", Kind::Integer),
                Property::new("Offset", Kind::Integer),
                Property::new("Period", STRING),
            ]),
        ),
        TAGS,
        Property::new("Throttle", THROTTLE),
        Property::new("UsagePlanName", STRING),
    ],
)
.attributes(&["Id"])
.naming(Naming::new(255))
.system_tags();

static PLAN_KEY: ResourceType = ResourceType::new(
    "AWS::ApiGateway::UsagePlanKey",
    &[
        Property::new("KeyId", STRING).required().replacement(),
        Property::new("KeyType", STRING).required().replacement(),
        Property::new("UsagePlanId", STRING).required().replacement(),
    ],
)
.attributes(&["Id"]);

/// `AWS::ApiGateway::ApiKey`
pub struct ApiKey;

impl ApiKey {
    async fn find(subject: &Subject<'_>) -> Result<Option<String>, Error> {
        let mut position: Option<String> = None;
        loop {
            let input = object([("limit", json!(500)), ("position", json!(position))]);
            let page = subject.call::<GetApiKeysInput>(input).await?;
            let mut keys = page.items.unwrap_or_default().into_iter();
            if let Some(found) = keys.find(|key| is_own(subject, key.tags.as_ref())) {
                return Ok(found.id);
            }
            position = page.position;
            if position.is_none() {
                return Ok(None);
            }
        }
    }
}

impl Provider for ApiKey {
    fn resource_type(&self) -> &'static ResourceType {
        &KEY
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let name = subject.property("Name");
            let input = object([
                ("name", if name.is_null() { json!(subject.name) } else { name.clone() }),
                ("description", subject.property("Description").clone()),
                ("customerId", subject.property("CustomerId").clone()),
                ("enabled", subject.property("Enabled").clone()),
                ("generateDistinctId", subject.property("GenerateDistinctId").clone()),
                ("value", subject.property("Value").clone()),
                ("tags", json!(all_tags(subject))),
            ]);
            let id = match Self::find(subject).await? {
                Some(id) => id,
                None => subject.call::<CreateApiKeyInput>(input).await?.id.unwrap_or_default(),
            };
            Ok(Made::new(&id, &[("APIKeyId", &id)]))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let id = subject.physical_id;
            let enabled = json!(subject.property("Enabled") == &Json::Bool(true));
            let patches = [
                patch("replace", "/enabled", &enabled),
                patch("replace", "/description", subject.property("Description")),
                patch("replace", "/customerId", subject.property("CustomerId")),
            ];
            subject.call::<UpdateApiKeyInput>(json!({ "apiKey": id, "patchOperations": patches })).await?;
            retag(subject, &format!("apikeys/{id}"), old).await?;
            Ok(Made::new(id, &[("APIKeyId", id)]))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let input = json!({ "apiKey": subject.physical_id });
            unless(subject.call::<DeleteApiKeyInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}

/// `AWS::ApiGateway::UsagePlan`
pub struct UsagePlan;

impl UsagePlan {
    fn name(subject: &Subject<'_>) -> Json {
        match subject.property("UsagePlanName") {
            Json::Null => json!(subject.name),
            name => name.clone(),
        }
    }

    async fn find(subject: &Subject<'_>) -> Result<Option<String>, Error> {
        let mut position: Option<String> = None;
        loop {
            let input = object([("limit", json!(500)), ("position", json!(position))]);
            let page = subject.call::<GetUsagePlansInput>(input).await?;
            let mut plans = page.items.unwrap_or_default().into_iter();
            if let Some(found) = plans.find(|plan| is_own(subject, plan.tags.as_ref())) {
                return Ok(found.id);
            }
            position = page.position;
            if position.is_none() {
                return Ok(None);
            }
        }
    }

    /// The stages of properties, as `<api>:<stage>`.
    fn stages(properties: &Json) -> Vec<(String, Json)> {
        let all = property(properties, "ApiStages").as_array().into_iter().flatten();
        let name =
            |stage: &Json| format!("{}:{}", text(property(stage, "ApiId")), text(property(stage, "Stage")));
        all.map(|stage| (name(stage), property(stage, "Throttle").clone())).collect()
    }

    /// What is to be patched so that a plan is as the properties say; `old` were its properties before.
    fn patches(subject: &Subject<'_>, old: &Json) -> Vec<Json> {
        let new = subject.properties;
        let mut out = vec![
            patch("replace", "/name", &Self::name(subject)),
            patch("replace", "/description", subject.property("Description")),
        ];
        for (group, members) in [
            ("Throttle", &[("BurstLimit", "burstLimit"), ("RateLimit", "rateLimit")][..]),
            ("Quota", &[("Limit", "limit"), ("Offset", "offset"), ("Period", "period")][..]),
        ] {
            let path = format!("/{}", group.to_ascii_lowercase());
            if !property(old, group).is_null() {
                out.push(patch("remove", &path, &Json::Null));
            }
            for (name, member) in members {
                let value = property(property(new, group), name);
                if !value.is_null() {
                    out.push(patch("replace", &format!("{path}/{member}"), value));
                }
            }
        }
        let (before, now) = (Self::stages(old), Self::stages(new));
        for (gone, _) in before.iter().filter(|(one, _)| !now.iter().any(|(other, _)| one == other)) {
            out.push(patch("remove", "/apiStages", &json!(gone)));
        }
        for (stage, throttles) in now {
            out.push(patch("add", "/apiStages", &json!(stage)));
            out.push(patch("remove", &format!("/apiStages/{stage}/throttle"), &Json::Null));
            for (method, limits) in throttles.as_object().into_iter().flatten() {
                let (path, verb) = method.trim_start_matches('/').rsplit_once('/').unwrap_or(("", method));
                let place = format!("/apiStages/{stage}/throttle/{}/{verb}", escape(path));
                for (name, member) in [("BurstLimit", "burstLimit"), ("RateLimit", "rateLimit")] {
                    let value = property(limits, name);
                    if !value.is_null() {
                        out.push(patch("replace", &format!("{place}/{member}"), value));
                    }
                }
            }
        }
        out
    }

    async fn settle(subject: &Subject<'_>, id: &str, old: &Json) -> Result<Made, Error> {
        let input = json!({ "usagePlanId": id, "patchOperations": Self::patches(subject, old) });
        subject.call::<UpdateUsagePlanInput>(input).await?;
        Ok(Made::new(id, &[("Id", id)]))
    }
}

impl Provider for UsagePlan {
    fn resource_type(&self) -> &'static ResourceType {
        &PLAN
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let id = match Self::find(subject).await? {
                Some(id) => id,
                None => {
                    let input = json!({ "name": Self::name(subject), "tags": all_tags(subject) });
                    subject.call::<CreateUsagePlanInput>(input).await?.id.unwrap_or_default()
                }
            };
            super::after_creation(&id, Self::settle(subject, &id, &Json::Null).await)
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let id = subject.physical_id;
            let made = Self::settle(subject, id, old).await?;
            retag(subject, &format!("usageplans/{id}"), old).await?;
            Ok(made)
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let id = subject.physical_id;
            let patches: Vec<Json> = Self::stages(subject.properties)
                .iter()
                .map(|(stage, _)| patch("remove", "/apiStages", &json!(stage)))
                .collect();
            let input = json!({ "usagePlanId": id, "patchOperations": patches });
            unless(subject.call::<UpdateUsagePlanInput>(input).await, MISSING)?;
            unless(subject.call::<DeleteUsagePlanInput>(json!({ "usagePlanId": id })).await, MISSING)?;
            Ok(())
        })
    }
}

/// `AWS::ApiGateway::UsagePlanKey`
pub struct UsagePlanKey;

impl Provider for UsagePlanKey {
    fn resource_type(&self) -> &'static ResourceType {
        &PLAN_KEY
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let (key, plan) = (subject.property("KeyId"), subject.property("UsagePlanId"));
            let input = json!({ "usagePlanId": plan, "keyId": key, "keyType": subject.property("KeyType") });
            unless(subject.call::<CreateUsagePlanKeyInput>(input).await, THERE)?;
            let id = format!("{}:{}", text(key), text(plan));
            Ok(Made::new(&id, &[("Id", &id)]))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, _: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move { Ok(Made::new(subject.physical_id, &[("Id", subject.physical_id)])) })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let (key, plan) = (subject.property("KeyId"), subject.property("UsagePlanId"));
            let input = json!({ "usagePlanId": plan, "keyId": key });
            unless(subject.call::<DeleteUsagePlanKeyInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}
