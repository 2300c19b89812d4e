//! `AWS::ApiGatewayV2`: HTTP APIs, their routes, integrations, authorizers, deployments and stages.
//!
//! Source of the tables: the CloudFormation template reference, Amazon API Gateway V2.

use ropeway_api::apigatewayv2::{
    Api as Found, CreateApiInput, CreateAuthorizerInput, CreateDeploymentInput, CreateIntegrationInput,
    CreateRouteInput, DeleteApiInput, DeleteAuthorizerInput, DeleteCorsConfigurationInput,
    DeleteDeploymentInput, DeleteIntegrationInput, DeleteRouteInput, GetApiInput, GetApisInput,
    GetAuthorizersInput, GetRoutesInput, ReimportApiInput, TagResourceInput, UntagResourceInput,
    UpdateApiInput, UpdateAuthorizerInput, UpdateDeploymentInput, UpdateIntegrationInput, UpdateRouteInput,
};
use ropeway_wire::schema::{Kind as Shape, Member};
use ropeway_wire::{BoxFuture, Error, Input};
use serde_json::{Map, Value as Json, json};

use super::apigateway::{MISSING, is_own, own_tags};
use super::documents::document;
use super::{Failure, Made, Provider, Subject, after_creation, object, property, text, unless};
use crate::template::{Kind, Naming, Property, ResourceType};

const STRING: Kind = Kind::String;
const STRINGS: Kind = Kind::List(&STRING);
const TEXTS: Kind = Kind::Map(&STRING);

static API: ResourceType = ResourceType::new(
    "AWS::ApiGatewayV2::Api",
    &[
        Property::new("ApiKeySelectionExpression", STRING),
        Property::new("BasePath", STRING),
        Property::new("Body", Kind::Json),
        Property::new(
            "BodyS3Location",
            Kind::Structure(&[
                Property::new("Bucket", STRING),
                Property::new("Key", STRING),
                Property::new("Version", STRING),
            ]),
        ),
        Property::new("CorsConfiguration", Kind::Structure(CORS)),
        Property::new("CredentialsArn", STRING),
        Property::new("Description", STRING),
        Property::new("DisableExecuteApiEndpoint", Kind::Boolean),
        Property::new("FailOnWarnings", Kind::Boolean),
        Property::new("IpAddressType", STRING),
        Property::new("Name", STRING),
        Property::new("ProtocolType", STRING).replacement(),
        Property::new("RouteKey", STRING),
        Property::new("RouteSelectionExpression", STRING),
        Property::new("Tags", TEXTS),
        Property::new("Target", STRING),
        Property::new("Version", STRING),
    ],
)
.attributes(&["ApiEndpoint", "ApiId"])
.naming(Naming::new(128))
.system_tags();

const CORS: &[Property] = &[
    Property::new("AllowCredentials", Kind::Boolean),
    Property::new("AllowHeaders", STRINGS),
    Property::new("AllowMethods", STRINGS),
    Property::new("AllowOrigins", STRINGS),
    Property::new("ExposeHeaders", STRINGS),
    Property::new("MaxAge", Kind::Integer),
];

static ROUTE: ResourceType = ResourceType::new(
    "AWS::ApiGatewayV2::Route",
    &[
        Property::new("ApiId", STRING).required().replacement(),
        Property::new("ApiKeyRequired", Kind::Boolean),
        Property::new("AuthorizationScopes", STRINGS),
        Property::new("AuthorizationType", STRING),
        Property::new("AuthorizerId", STRING),
        Property::new("OperationName", STRING),
        Property::new("RouteKey", STRING).required(),
        Property::new("Target", STRING),
    ],
)
.attributes(&["RouteId"]);

static INTEGRATION: ResourceType = ResourceType::new(
    "AWS::ApiGatewayV2::Integration",
    &[
        Property::new("ApiId", STRING).required().replacement(),
        Property::new("ConnectionType", STRING),
        Property::new("CredentialsArn", STRING),
        Property::new("Description", STRING),
        Property::new("IntegrationMethod", STRING),
        Property::new("IntegrationSubtype", STRING),
        Property::new("IntegrationType", STRING).required(),
        Property::new("IntegrationUri", STRING),
        Property::new("PayloadFormatVersion", STRING),
        Property::new("RequestParameters", TEXTS),
        Property::new("ResponseParameters", Kind::Json),
        Property::new("TimeoutInMillis", Kind::Integer),
    ],
)
.attributes(&["IntegrationId"]);

static AUTHORIZER: ResourceType = ResourceType::new(
    "AWS::ApiGatewayV2::Authorizer",
    &[
        Property::new("ApiId", STRING).required().replacement(),
        Property::new("AuthorizerCredentialsArn", STRING),
        Property::new("AuthorizerPayloadFormatVersion", STRING),
        Property::new("AuthorizerResultTtlInSeconds", Kind::Integer),
        Property::new("AuthorizerType", STRING).required(),
        Property::new("AuthorizerUri", STRING),
        Property::new("EnableSimpleResponses", Kind::Boolean),
        Property::new("IdentitySource", STRINGS),
        Property::new(
            "JwtConfiguration",
            Kind::Structure(&[Property::new("Audience", STRINGS), Property::new("Issuer", STRING)]),
        ),
        Property::new("Name", STRING).required(),
    ],
)
.attributes(&["AuthorizerId"]);

static DEPLOYMENT: ResourceType = ResourceType::new(
    "AWS::ApiGatewayV2::Deployment",
    &[
        Property::new("ApiId", STRING).required().replacement(),
        Property::new("Description", STRING),
        Property::new("StageName", STRING),
    ],
)
.attributes(&["DeploymentId"]);

/// Properties under the names that an operation's JSON has.
fn renamed(json: &Json, member: &Member) -> Json {
    match (&member.schema.kind, json) {
        (Shape::Structure { members, .. }, Json::Object(given)) => {
            let known = members.iter().filter_map(|member| Some((member, given.get(member.name)?)));
            known.map(|(member, value)| (member.json_name.to_owned(), renamed(value, member))).collect()
        }
        (Shape::List { element }, Json::Array(all)) => all.iter().map(|one| renamed(one, element)).collect(),
        (Shape::Map { value, .. }, Json::Object(all)) => {
            all.iter().map(|(key, one)| (key.clone(), renamed(one, value))).collect()
        }
        // A map of texts may have been written with numbers.
        (Shape::String, Json::Number(_) | Json::Bool(_)) => Json::String(json.to_string()),
        _ => json.clone(),
    }
}

/// Calls an operation; its input is given by the names that templates have too.
pub(super) async fn call<I: Input>(subject: &Subject<'_>, input: Json) -> Result<I::Output, Error> {
    let operation = I::SERVICE.operations.iter().find(|operation| operation.name == I::OPERATION);
    let operation = operation.ok_or_else(|| Error::internal(format!("{} is not listed", I::OPERATION)))?;
    subject.call::<I>(renamed(&input, &operation.input)).await
}

/// The properties with what is added to them; what an update took away is there as nothing: an empty text, an empty
/// list, and for each name of a map that is gone an empty text.
pub(super) fn settled(subject: &Subject<'_>, old: &Json, more: Vec<(&str, Json)>) -> Json {
    let mut out: Map<String, Json> = subject.properties.as_object().cloned().unwrap_or_default();
    for (name, before) in old.as_object().into_iter().flatten() {
        let now = out.get(name).cloned().unwrap_or_default();
        match (before, &now) {
            (Json::String(_), Json::Null) => drop(out.insert(name.clone(), json!(""))),
            (Json::Array(_), Json::Null) => drop(out.insert(name.clone(), json!([]))),
            (Json::Bool(_), Json::Null) => drop(out.insert(name.clone(), json!(false))),
            (Json::Object(before), Json::Null | Json::Object(_)) if is_map(name) => {
                let mut all = now.as_object().cloned().unwrap_or_default();
                for gone in before.keys() {
                    let nothing = if name == "ResponseParameters" { json!({}) } else { json!("") };
                    all.entry(gone.clone()).or_insert(nothing);
                }
                out.insert(name.clone(), Json::Object(all));
            }
            _ => {}
        }
    }
    out.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
    out.retain(|_, value| !value.is_null());
    Json::Object(out)
}

fn is_map(name: &str) -> bool {
    ["RequestParameters", "ResponseParameters", "StageVariables"].contains(&name)
}

/// Tags of the template and CloudFormation's own.
pub(super) fn all_tags(subject: &Subject<'_>) -> Json {
    let mut all: Map<String, Json> = subject.property("Tags").as_object().cloned().unwrap_or_default();
    all.extend(own_tags(subject).into_iter().map(|(key, value)| (key, json!(value))));
    Json::Object(all)
}

/// Changes the tags of what an ARN's path names.
pub(super) async fn retag(subject: &Subject<'_>, path: &str, old: &Json) -> Result<(), Error> {
    let arn = format!("arn:aws:apigateway:{}::/{path}", subject.cx.region);
    let empty = Map::new();
    let before = property(old, "Tags").as_object().unwrap_or(&empty);
    let now = subject.property("Tags").as_object().unwrap_or(&empty);
    let gone: Vec<&String> = before.keys().filter(|key| !now.contains_key(*key)).collect();
    if !gone.is_empty() {
        call::<UntagResourceInput>(subject, json!({ "ResourceArn": arn, "TagKeys": gone })).await?;
    }
    if !now.is_empty() {
        call::<TagResourceInput>(subject, json!({ "ResourceArn": arn, "Tags": now })).await?;
    }
    Ok(())
}

/// `AWS::ApiGatewayV2::Api`
pub struct Api;

impl Api {
    async fn find(subject: &Subject<'_>) -> Result<Option<Found>, Error> {
        let mut token = Json::Null;
        loop {
            let input = object([("MaxResults", json!("500")), ("NextToken", token)]);
            let page = call::<GetApisInput>(subject, input).await?;
            let mut apis = page.items.unwrap_or_default().into_iter();
            if let Some(found) = apis.find(|api| is_own(subject, api.tags.as_ref())) {
                return Ok(Some(found));
            }
            match page.next_token {
                Some(next) => token = json!(next),
                None => return Ok(None),
            }
        }
    }

    async fn make(subject: &Subject<'_>) -> Result<String, Error> {
        if let Some(found) = Self::find(subject).await? {
            return Ok(found.api_id.unwrap_or_default());
        }
        let tags = all_tags(subject);
        let name = subject.property("Name");
        let name = if name.is_null() { json!(subject.name) } else { name.clone() };
        let protocol = subject.property("ProtocolType");
        let protocol = if protocol.is_null() { json!("HTTP") } else { protocol.clone() };
        let more = vec![("Name", name), ("ProtocolType", protocol), ("Tags", tags)];
        let input = settled(subject, &Json::Null, more);
        Ok(call::<CreateApiInput>(subject, input).await?.api_id.unwrap_or_default())
    }

    /// Imports the document, then sets what the other properties say.
    async fn settle(subject: &Subject<'_>, id: &str, old: &Json) -> Result<Made, Error> {
        if let Some(body) = document(subject).await? {
            let base = subject.property("BasePath").clone();
            let input = object([("ApiId", json!(id)), ("Body", json!(body)), ("Basepath", base)]);
            call::<ReimportApiInput>(subject, input).await?;
        }
        let cors_gone = !property(old, "CorsConfiguration").is_null();
        if cors_gone && subject.property("CorsConfiguration").is_null() {
            call::<DeleteCorsConfigurationInput>(subject, json!({ "ApiId": id })).await?;
        }
        let name = subject.property("Name");
        let named_by_document = ["Body", "BodyS3Location"].iter().any(|one| !subject.property(one).is_null());
        let name = match name.is_null() && !named_by_document {
            true => json!(subject.name),
            false => name.clone(),
        };
        let mut input = settled(subject, old, vec![("ApiId", json!(id)), ("Name", name)]);
        if let (true, Json::Object(input)) = (old.is_null(), &mut input) {
            // What a creation made of a target is there.
            for made in ["Target", "RouteKey", "CredentialsArn"] {
                input.remove(made);
            }
        }
        call::<UpdateApiInput>(subject, input).await?;
        let found = call::<GetApiInput>(subject, json!({ "ApiId": id })).await?;
        let endpoint = found.api_endpoint.unwrap_or_default();
        Ok(Made::new(id, &[("ApiEndpoint", &endpoint), ("ApiId", id)]))
    }
}

impl Provider for Api {
    fn resource_type(&self) -> &'static ResourceType {
        &API
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let id = Self::make(subject).await?;
            after_creation(&id, Self::settle(subject, &id, &Json::Null).await)
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let id = subject.physical_id;
            let made = Self::settle(subject, id, old).await?;
            retag(subject, &format!("apis/{id}"), old).await?;
            Ok(made)
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            unless(call::<DeleteApiInput>(subject, json!({ "ApiId": subject.physical_id })).await, MISSING)?;
            Ok(())
        })
    }
}

/// What a part of an API leaves: its id, as `Ref` and as an attribute.
fn made(attribute: &str, id: &str) -> Made {
    Made::new(id, &[(attribute, id)])
}

/// Where a part of an API is.
fn at(subject: &Subject<'_>, id: &str) -> Json {
    json!({ "ApiId": subject.property("ApiId"), id: subject.physical_id })
}

/// `AWS::ApiGatewayV2::Route`
pub struct Route;

impl Route {
    /// The id of the route of this key.
    async fn find(subject: &Subject<'_>) -> Result<Option<String>, Error> {
        let input = json!({ "ApiId": subject.property("ApiId"), "MaxResults": "500" });
        let found = call::<GetRoutesInput>(subject, input).await?.items.unwrap_or_default();
        let key = text(subject.property("RouteKey"));
        Ok(found.into_iter().find(|route| route.route_key == key).and_then(|route| route.route_id))
    }
}

impl Provider for Route {
    fn resource_type(&self) -> &'static ResourceType {
        &ROUTE
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let id = match Self::find(subject).await? {
                Some(id) => {
                    let input = settled(subject, &Json::Null, vec![("RouteId", json!(id))]);
                    call::<UpdateRouteInput>(subject, input).await?;
                    Some(id)
                }
                None => {
                    let input = settled(subject, &Json::Null, Vec::new());
                    call::<CreateRouteInput>(subject, input).await?.route_id
                }
            };
            Ok(made("RouteId", &id.unwrap_or_default()))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let mut more = vec![("RouteId", json!(subject.physical_id))];
            if subject.property("AuthorizationType").is_null() {
                more.push(("AuthorizationType", json!("NONE")));
            }
            call::<UpdateRouteInput>(subject, settled(subject, old, more)).await?;
            Ok(made("RouteId", subject.physical_id))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            unless(call::<DeleteRouteInput>(subject, at(subject, "RouteId")).await, MISSING)?;
            Ok(())
        })
    }
}

/// `AWS::ApiGatewayV2::Integration`. An integration has no name that its creation could go by: after a crash in the
/// middle of it, one that nobody uses may be left.
pub struct Integration;

/// `{"200": {"ResponseParameters": [{"Source": "…", "Destination": "…"}]}}`, as the API has it.
fn responses(said: &Json) -> Json {
    let Some(all) = said.as_object() else { return said.clone() };
    let one = |said: &Json| match property(said, "ResponseParameters").as_array() {
        None => said.clone(),
        Some(list) => {
            let pairs = list
                .iter()
                .map(|pair| (text(property(pair, "Destination")), json!(text(property(pair, "Source")))));
            pairs.collect()
        }
    };
    all.iter().map(|(status, said)| (status.clone(), one(said))).collect()
}

impl Integration {
    fn input(subject: &Subject<'_>, old: &Json, more: Vec<(&str, Json)>) -> Json {
        let mut input = settled(subject, old, more);
        if let Some(said) = input.get_mut("ResponseParameters") {
            *said = responses(said);
        }
        input
    }
}

impl Provider for Integration {
    fn resource_type(&self) -> &'static ResourceType {
        &INTEGRATION
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let input = Self::input(subject, &Json::Null, Vec::new());
            let id = call::<CreateIntegrationInput>(subject, input).await?.integration_id;
            Ok(made("IntegrationId", &id.unwrap_or_default()))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let id = subject.physical_id;
            let input = Self::input(subject, old, vec![("IntegrationId", json!(id))]);
            call::<UpdateIntegrationInput>(subject, input).await?;
            Ok(made("IntegrationId", id))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            unless(call::<DeleteIntegrationInput>(subject, at(subject, "IntegrationId")).await, MISSING)?;
            Ok(())
        })
    }
}

/// `AWS::ApiGatewayV2::Authorizer`
pub struct Authorizer;

impl Authorizer {
    /// The id of the authorizer of this name.
    async fn find(subject: &Subject<'_>) -> Result<Option<String>, Error> {
        let input = json!({ "ApiId": subject.property("ApiId"), "MaxResults": "500" });
        let found = call::<GetAuthorizersInput>(subject, input).await?.items.unwrap_or_default();
        let name = text(subject.property("Name"));
        Ok(found.into_iter().find(|one| one.name == name).and_then(|one| one.authorizer_id))
    }
}

impl Provider for Authorizer {
    fn resource_type(&self) -> &'static ResourceType {
        &AUTHORIZER
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let id = match Self::find(subject).await? {
                Some(id) => {
                    let input = settled(subject, &Json::Null, vec![("AuthorizerId", json!(id))]);
                    call::<UpdateAuthorizerInput>(subject, input).await?;
                    Some(id)
                }
                None => {
                    let sources = subject.property("IdentitySource");
                    let sources = if sources.is_null() { json!([]) } else { sources.clone() };
                    let input = settled(subject, &Json::Null, vec![("IdentitySource", sources)]);
                    call::<CreateAuthorizerInput>(subject, input).await?.authorizer_id
                }
            };
            Ok(made("AuthorizerId", &id.unwrap_or_default()))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let id = subject.physical_id;
            let input = settled(subject, old, vec![("AuthorizerId", json!(id))]);
            call::<UpdateAuthorizerInput>(subject, input).await?;
            Ok(made("AuthorizerId", id))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            unless(call::<DeleteAuthorizerInput>(subject, at(subject, "AuthorizerId")).await, MISSING)?;
            Ok(())
        })
    }
}

/// `AWS::ApiGatewayV2::Deployment`. As with an integration, a crash in the middle of its creation may leave one that
/// nobody uses.
pub struct Deployment;

impl Provider for Deployment {
    fn resource_type(&self) -> &'static ResourceType {
        &DEPLOYMENT
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let input = settled(subject, &Json::Null, Vec::new());
            let id = call::<CreateDeploymentInput>(subject, input).await?.deployment_id;
            Ok(made("DeploymentId", &id.unwrap_or_default()))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let id = subject.physical_id;
            let input = settled(subject, old, vec![("DeploymentId", json!(id))]);
            call::<UpdateDeploymentInput>(subject, input).await?;
            Ok(made("DeploymentId", id))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            unless(call::<DeleteDeploymentInput>(subject, at(subject, "DeploymentId")).await, MISSING)?;
            Ok(())
        })
    }
}
