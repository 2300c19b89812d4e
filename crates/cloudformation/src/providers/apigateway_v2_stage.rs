//! `AWS::ApiGatewayV2::Stage`. Source of the table: the CloudFormation template reference, Amazon API Gateway V2.

use ropeway_api::apigatewayv2::{
    CreateStageInput, DeleteAccessLogSettingsInput, DeleteRouteSettingsInput, DeleteStageInput,
    GetStageInput, UpdateStageInput,
};
use ropeway_wire::{BoxFuture, Error};
use serde_json::{Value as Json, json};

use super::apigateway::{MISSING, is_own};
use super::apigateway_v2::{all_tags, call, retag, settled};
use super::{Failure, Made, Provider, Subject, property, text, unless};
use crate::template::{Kind, Naming, Property, ResourceType};

const STRING: Kind = Kind::String;
const SETTINGS: Kind = Kind::Structure(&[
    Property::new("DataTraceEnabled", Kind::Boolean),
    Property::new("DetailedMetricsEnabled", Kind::Boolean),
    Property::new("LoggingLevel", STRING),
    Property::new("ThrottlingBurstLimit", Kind::Integer),
    Property::new("ThrottlingRateLimit", Kind::Double),
]);

static STAGE: ResourceType = ResourceType::new(
    "AWS::ApiGatewayV2::Stage",
    &[
        Property::new(
            "AccessLogSettings",
            Kind::Structure(&[Property::new("DestinationArn", STRING), Property::new("Format", STRING)]),
        ),
        Property::new("ApiId", STRING).required().replacement(),
        Property::new("AutoDeploy", Kind::Boolean),
        Property::new("DefaultRouteSettings", SETTINGS),
        Property::new("DeploymentId", STRING),
        Property::new("Description", STRING),
        Property::new("RouteSettings", Kind::Map(&SETTINGS)),
        Property::new("StageName", STRING).required().replacement(),
        Property::new("StageVariables", Kind::Map(&STRING)),
        Property::new("Tags", Kind::Map(&STRING)),
    ],
)
.naming(Naming::new(128))
.system_tags();

/// `AWS::ApiGatewayV2::Stage`
pub struct Stage;

impl Stage {
    /// What an update took away, and no update of the API can.
    async fn take_away(subject: &Subject<'_>, old: &Json) -> Result<(), Error> {
        let at = json!({ "ApiId": subject.property("ApiId"), "StageName": subject.physical_id });
        let gone = |name: &str| !property(old, name).is_null() && subject.property(name).is_null();
        if gone("AccessLogSettings") {
            call::<DeleteAccessLogSettingsInput>(subject, at.clone()).await?;
        }
        let now = subject.property("RouteSettings");
        for key in property(old, "RouteSettings").as_object().into_iter().flatten().map(|(key, _)| key) {
            if property(now, key).is_null() {
                let mut at = at.clone();
                if let Some(at) = at.as_object_mut() {
                    at.insert("RouteKey".to_owned(), json!(key));
                }
                unless(call::<DeleteRouteSettingsInput>(subject, at).await, MISSING)?;
            }
        }
        Ok(())
    }
}

impl Provider for Stage {
    fn resource_type(&self) -> &'static ResourceType {
        &STAGE
    }

    fn name_property(&self) -> Option<&'static str> {
        Some("StageName")
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let name = subject.name;
            let input = settled(subject, &Json::Null, vec![("Tags", all_tags(subject))]);
            if let Err(error) = call::<CreateStageInput>(subject, input).await {
                let at = json!({ "ApiId": subject.property("ApiId"), "StageName": name });
                let there = unless(call::<GetStageInput>(subject, at).await, MISSING)?;
                if !is_own(subject, there.and_then(|stage| stage.tags).as_ref()) {
                    return Err(error.into());
                }
            }
            Ok(Made::new(name, &[]))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let (name, api) = (subject.physical_id, subject.property("ApiId"));
            Self::take_away(subject, old).await?;
            let mut more = Vec::new();
            if subject.property("DefaultRouteSettings").is_null() {
                more.push(("DefaultRouteSettings", json!({})));
            }
            if subject.property("DeploymentId").is_null() {
                more.push(("DeploymentId", Json::Null));
            }
            call::<UpdateStageInput>(subject, settled(subject, old, more)).await?;
            retag(subject, &format!("apis/{}/stages/{name}", text(api)), old).await?;
            Ok(Made::new(name, &[]))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let at = json!({ "ApiId": subject.property("ApiId"), "StageName": subject.physical_id });
            unless(call::<DeleteStageInput>(subject, at).await, MISSING)?;
            Ok(())
        })
    }
}
