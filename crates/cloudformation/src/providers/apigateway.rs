//! `AWS::ApiGateway`: REST APIs, their resources, deployments and stages.
//!
//! Source of the tables: the CloudFormation template reference, Amazon API Gateway.

use std::collections::BTreeMap;

use ropeway_api::apigateway::{
    CreateDeploymentInput, CreateResourceInput, CreateRestApiInput, CreateStageInput, DeleteDeploymentInput,
    DeleteResourceInput, DeleteRestApiInput, DeleteStageInput, GetResourcesInput, GetRestApiInput,
    GetRestApisInput, GetStageInput, PutRestApiInput, RestApi as Found, TagResourceInput, UntagResourceInput,
    UpdateAccountInput, UpdateDeploymentInput, UpdateRestApiInput, UpdateStageInput,
};
use ropeway_wire::{BoxFuture, Error};
use serde_json::{Value as Json, json};

use super::documents::document;
use super::{
    Failure, Made, Provider, Subject, TAGS, after_creation, object, property, tag_changes, tags, text, texts,
    unless,
};
use crate::template::{Kind, Naming, Property, ResourceType};

const STRING: Kind = Kind::String;
const STRINGS: Kind = Kind::List(&STRING);
const TEXTS: Kind = Kind::Map(&STRING);
pub(super) const MISSING: &[&str] = &["NotFoundException"];
pub(super) const THERE: &[&str] = &["ConflictException"];

static REST_API: ResourceType = ResourceType::new(
    "AWS::ApiGateway::RestApi",
    &[
        Property::new("ApiKeySourceType", STRING),
        Property::new("BinaryMediaTypes", STRINGS),
        Property::new("Body", Kind::Json),
        Property::new(
            "BodyS3Location",
            Kind::Structure(&[
                Property::new("Bucket", STRING),
                Property::new("ETag", STRING),
                Property::new("Key", STRING),
                Property::new("Version", STRING),
            ]),
        ),
        Property::new("CloneFrom", STRING).replacement(),
        Property::new("Description", STRING),
        Property::new("DisableExecuteApiEndpoint", Kind::Boolean),
        Property::new(
            "EndpointConfiguration",
            Kind::Structure(&[Property::new("IpAddressType", STRING), Property::new("Types", STRINGS)]),
        ),
        Property::new("FailOnWarnings", Kind::Boolean),
        Property::new("MinimumCompressionSize", Kind::Integer),
        Property::new("Mode", STRING),
        Property::new("Name", STRING),
        Property::new("Parameters", TEXTS),
        Property::new("Policy", Kind::Json),
        TAGS,
    ],
)
.attributes(&["RestApiId", "RootResourceId"])
.naming(Naming::new(255))
.system_tags();

static RESOURCE: ResourceType = ResourceType::new(
    "AWS::ApiGateway::Resource",
    &[
        Property::new("ParentId", STRING).required().replacement(),
        Property::new("PathPart", STRING).required().replacement(),
        Property::new("RestApiId", STRING).required().replacement(),
    ],
)
.attributes(&["ResourceId"]);

static DEPLOYMENT: ResourceType = ResourceType::new(
    "AWS::ApiGateway::Deployment",
    &[
        Property::new("Description", STRING),
        Property::new("RestApiId", STRING).required().replacement(),
        Property::new(
            "StageDescription",
            Kind::Structure(&[Property::new("Description", STRING), Property::new("Variables", TEXTS)]),
        )
        .replacement(),
        Property::new("StageName", STRING).replacement(),
    ],
)
.attributes(&["DeploymentId"]);

static STAGE: ResourceType = ResourceType::new(
    "AWS::ApiGateway::Stage",
    &[
        Property::new(
            "AccessLogSetting",
            Kind::Structure(&[Property::new("DestinationArn", STRING), Property::new("Format", STRING)]),
        ),
        Property::new("CacheClusterEnabled", Kind::Boolean),
        Property::new("DeploymentId", STRING).required(),
        Property::new("Description", STRING),
        Property::new(
            "MethodSettings",
            Kind::List(&Kind::Structure(&[
                Property::new("CachingEnabled", Kind::Boolean),
                Property::new("DataTraceEnabled", Kind::Boolean),
                Property::new("HttpMethod", STRING),
                Property::new("LoggingLevel", STRING),
                Property::new("MetricsEnabled", Kind::Boolean),
                Property::new("ResourcePath", STRING),
                Property::new("ThrottlingBurstLimit", Kind::Integer),
                Property::new("ThrottlingRateLimit", Kind::Double),
            ])),
        ),
        Property::new("RestApiId", STRING).required().replacement(),
        Property::new("StageName", STRING).replacement(),
        TAGS,
        Property::new("TracingEnabled", Kind::Boolean),
        Property::new("Variables", TEXTS),
    ],
)
.naming(Naming::new(128))
.system_tags();

static ACCOUNT: ResourceType =
    ResourceType::new("AWS::ApiGateway::Account", &[Property::new("CloudWatchRoleArn", STRING)])
        .attributes(&["Id"])
        .naming(Naming::new(128));

/// A patch operation.
pub(super) fn patch(op: &str, path: &str, value: &Json) -> Json {
    object([
        ("op", json!(op)),
        ("path", json!(path)),
        ("value", if value.is_null() { Json::Null } else { json!(text(value)) }),
    ])
}

/// A part of a patch's path.
pub(super) fn escape(part: &str) -> String {
    part.replace('~', "~0").replace('/', "~1")
}

/// The tags that CloudFormation adds to what it makes, by which it finds it again.
pub(super) fn own_tags(subject: &Subject<'_>) -> BTreeMap<String, String> {
    let stack = subject.stack;
    BTreeMap::from([
        ("aws:cloudformation:logical-id".to_owned(), subject.logical_id.to_owned()),
        ("aws:cloudformation:stack-id".to_owned(), stack.arn()),
        ("aws:cloudformation:stack-name".to_owned(), stack.name.clone()),
        // Tells a replacement from what it replaces: a name is made for each.
        ("aws:cloudformation:ropeway-name".to_owned(), subject.name.to_owned()),
    ])
}

/// The template's tags and CloudFormation's own.
pub(super) fn all_tags(subject: &Subject<'_>) -> BTreeMap<String, String> {
    let mut all = tags(subject.properties);
    all.extend(own_tags(subject));
    all
}

/// Whether tags are those of this resource.
pub(super) fn is_own(subject: &Subject<'_>, tags: Option<&BTreeMap<String, String>>) -> bool {
    tags.is_some_and(|tags| own_tags(subject).iter().all(|(key, value)| tags.get(key) == Some(value)))
}

/// Changes the tags of what an ARN's path names.
pub(super) async fn retag(subject: &Subject<'_>, path: &str, old: &Json) -> Result<(), Error> {
    let arn = format!("arn:aws:apigateway:{}::/{path}", subject.cx.region);
    let (set, gone) = tag_changes(old, subject.properties);
    if !gone.is_empty() {
        subject.call::<UntagResourceInput>(json!({ "resourceArn": arn, "tagKeys": gone })).await?;
    }
    if !set.is_empty() {
        subject.call::<TagResourceInput>(json!({ "resourceArn": arn, "tags": set })).await?;
    }
    Ok(())
}

/// `AWS::ApiGateway::RestApi`
pub struct RestApi;

impl RestApi {
    async fn find(subject: &Subject<'_>) -> Result<Option<String>, Error> {
        let mut position: Option<String> = None;
        loop {
            let input = object([("limit", json!(500)), ("position", json!(position))]);
            let page = subject.call::<GetRestApisInput>(input).await?;
            let mut apis = page.items.unwrap_or_default().into_iter();
            if let Some(found) = apis.find(|api| is_own(subject, api.tags.as_ref())) {
                return Ok(found.id);
            }
            position = page.position;
            if position.is_none() {
                return Ok(None);
            }
        }
    }

    /// The name: the template's, or the document's title, or a generated one.
    fn title(subject: &Subject<'_>) -> Json {
        let title = property(property(subject.property("Body"), "info"), "title");
        [subject.property("Name"), title]
            .into_iter()
            .find(|name| !name.is_null())
            .cloned()
            .unwrap_or(json!(subject.name))
    }

    fn made(id: &str, found: &Found) -> Made {
        let root = found.root_resource_id.clone().unwrap_or_default();
        Made::new(id, &[("RestApiId", id), ("RootResourceId", &root)])
    }

    /// Imports the document, then sets what the other properties say.
    async fn settle(subject: &Subject<'_>, id: &str, old: &Json) -> Result<Made, Error> {
        if let Some(body) = document(subject).await? {
            let parameters = subject.property("Parameters").as_object();
            let parameters = parameters.map(|map| map.iter().map(|(k, v)| (k.clone(), text(v))).collect());
            let input = PutRestApiInput {
                rest_api_id: id.to_owned(),
                mode: Some(subject.property("Mode").as_str().unwrap_or("overwrite").to_owned()),
                parameters,
                body: body.into_bytes().into(),
                ..PutRestApiInput::default()
            };
            subject.services.call(subject.cx.clone(), input).await?;
        }
        let before = subject.call::<GetRestApiInput>(json!({ "restApiId": id })).await?;
        let patches = Self::patches(subject, &before, old);
        let input = json!({ "restApiId": id, "patchOperations": patches });
        Ok(Self::made(id, &subject.call::<UpdateRestApiInput>(input).await?))
    }

    fn patches(subject: &Subject<'_>, before: &Found, old: &Json) -> Vec<Json> {
        // A document in S3 has named the API as it was imported.
        let is_named = subject.property("BodyS3Location").is_null() || !subject.property("Name").is_null();
        let mut out = Vec::new();
        if is_named {
            out.push(patch("replace", "/name", &Self::title(subject)));
        }
        let mut set = |name: &str, path: &str| {
            let value = subject.property(name);
            if !value.is_null() {
                out.push(patch("replace", path, value));
            }
        };
        set("Description", "/description");
        set("ApiKeySourceType", "/apiKeySource");
        set("MinimumCompressionSize", "/minimumCompressionSize");
        set("DisableExecuteApiEndpoint", "/disableExecuteApiEndpoint");
        set("Policy", "/policy");
        let endpoint = subject.property("EndpointConfiguration");
        if let (Some(kind), Some(now)) = (
            texts(property(endpoint, "Types")).first(),
            before.endpoint_configuration.as_ref().and_then(|one| one.types.as_ref()?.first()),
        ) {
            out.push(patch("replace", &format!("/endpointConfiguration/types/{now}"), &json!(kind)));
        }
        if !property(endpoint, "IpAddressType").is_null() {
            out.push(patch(
                "replace",
                "/endpointConfiguration/ipAddressType",
                property(endpoint, "IpAddressType"),
            ));
        }
        let wanted = texts(subject.property("BinaryMediaTypes"));
        let there = before.binary_media_types.clone().unwrap_or_default();
        for kind in wanted.iter().filter(|kind| !there.contains(kind)) {
            out.push(patch("add", &format!("/binaryMediaTypes/{}", escape(kind)), &Json::Null));
        }
        for kind in texts(property(old, "BinaryMediaTypes")) {
            if !wanted.contains(&kind) && there.contains(&kind) {
                out.push(patch("remove", &format!("/binaryMediaTypes/{}", escape(&kind)), &Json::Null));
            }
        }
        out
    }
}

impl Provider for RestApi {
    fn resource_type(&self) -> &'static ResourceType {
        &REST_API
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let id = match Self::find(subject).await? {
                Some(id) => id,
                None => {
                    let input = object([
                        ("name", Self::title(subject)),
                        ("cloneFrom", subject.property("CloneFrom").clone()),
                        ("tags", json!(all_tags(subject))),
                    ]);
                    subject.call::<CreateRestApiInput>(input).await?.id.unwrap_or_default()
                }
            };
            after_creation(&id, Self::settle(subject, &id, &Json::Null).await)
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let id = subject.physical_id;
            let made = Self::settle(subject, id, old).await?;
            retag(subject, &format!("restapis/{id}"), old).await?;
            Ok(made)
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let input = json!({ "restApiId": subject.physical_id });
            unless(subject.call::<DeleteRestApiInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}

/// `AWS::ApiGateway::Resource`
pub struct Resource;

impl Resource {
    async fn find(subject: &Subject<'_>) -> Result<Option<String>, Error> {
        let input = json!({ "restApiId": subject.property("RestApiId"), "limit": 500 });
        let found = subject.call::<GetResourcesInput>(input).await?.items.unwrap_or_default();
        let (parent, part) = (text(subject.property("ParentId")), text(subject.property("PathPart")));
        let same = |one: &ropeway_api::apigateway::Resource| {
            one.parent_id.as_ref() == Some(&parent) && one.path_part.as_ref() == Some(&part)
        };
        Ok(found.into_iter().find(same).and_then(|one| one.id))
    }
}

impl Provider for Resource {
    fn resource_type(&self) -> &'static ResourceType {
        &RESOURCE
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let input = json!({
                "restApiId": subject.property("RestApiId"),
                "parentId": subject.property("ParentId"),
                "pathPart": subject.property("PathPart"),
            });
            let made = unless(subject.call::<CreateResourceInput>(input).await, THERE)?;
            let id = match made.and_then(|made| made.id) {
                Some(id) => id,
                None => Self::find(subject).await?.ok_or_else(|| Error::internal("a resource vanished"))?,
            };
            Ok(Made::new(&id, &[("ResourceId", &id)]))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, _: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move { Ok(Made::new(subject.physical_id, &[("ResourceId", subject.physical_id)])) })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let input =
                json!({ "restApiId": subject.property("RestApiId"), "resourceId": subject.physical_id });
            unless(subject.call::<DeleteResourceInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}

/// `AWS::ApiGateway::Deployment`. A deployment has no name that its creation could go by: after a crash in the
/// middle of it, one that nobody uses may be left.
pub struct Deployment;

impl Provider for Deployment {
    fn resource_type(&self) -> &'static ResourceType {
        &DEPLOYMENT
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let stage = subject.property("StageDescription");
            let input = object([
                ("restApiId", subject.property("RestApiId").clone()),
                ("description", subject.property("Description").clone()),
                ("stageName", subject.property("StageName").clone()),
                ("stageDescription", property(stage, "Description").clone()),
                ("variables", property(stage, "Variables").clone()),
            ]);
            let id = subject.call::<CreateDeploymentInput>(input).await?.id.unwrap_or_default();
            Ok(Made::new(&id, &[("DeploymentId", &id)]))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, _: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let id = subject.physical_id;
            let description = subject.property("Description");
            let patches = [patch("replace", "/description", description)];
            let input = json!({
                "restApiId": subject.property("RestApiId"), "deploymentId": id, "patchOperations": patches,
            });
            subject.call::<UpdateDeploymentInput>(input).await?;
            Ok(Made::new(id, &[("DeploymentId", id)]))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let api = subject.property("RestApiId");
            let name = subject.property("StageName");
            if !name.is_null() {
                // The stage that was made with it goes with it, unless it serves another one by now.
                let at = json!({ "restApiId": api, "stageName": name });
                let stage = unless(subject.call::<GetStageInput>(at.clone()).await, MISSING)?;
                let serves = stage.and_then(|stage| stage.deployment_id);
                if serves.as_deref() == Some(subject.physical_id) {
                    unless(subject.call::<DeleteStageInput>(at).await, MISSING)?;
                }
            }
            let input = json!({ "restApiId": api, "deploymentId": subject.physical_id });
            unless(subject.call::<DeleteDeploymentInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}

/// `AWS::ApiGateway::Stage`
pub struct Stage;

impl Stage {
    /// What is to be patched so that a stage is as the properties say; `old` were its properties before.
    fn patches(subject: &Subject<'_>, old: &Json) -> Vec<Json> {
        let mut out = vec![patch("replace", "/deploymentId", subject.property("DeploymentId"))];
        out.push(patch("replace", "/description", subject.property("Description")));
        for (property, path) in
            [("TracingEnabled", "/tracingEnabled"), ("CacheClusterEnabled", "/cacheClusterEnabled")]
        {
            let value = subject.property(property);
            if !value.is_null() {
                out.push(patch("replace", path, value));
            }
        }
        let log = subject.property("AccessLogSetting");
        for (name, path) in [("DestinationArn", "destinationArn"), ("Format", "format")] {
            let value = self::property(log, name);
            let op = if value.is_null() { "remove" } else { "replace" };
            out.push(patch(op, &format!("/accessLogSettings/{path}"), value));
        }
        let names = |properties: &Json| -> BTreeMap<String, Json> {
            let variables = property(properties, "Variables").as_object();
            variables.map(|map| map.clone().into_iter().collect()).unwrap_or_default()
        };
        let (before, now) = (names(old), names(subject.properties));
        for gone in before.keys().filter(|name| !now.contains_key(*name)) {
            out.push(patch("remove", &format!("/variables/{gone}"), &Json::Null));
        }
        for (name, value) in &now {
            out.push(patch("replace", &format!("/variables/{name}"), value));
        }
        let settings = |properties: &Json| {
            property(properties, "MethodSettings").as_array().cloned().unwrap_or_default()
        };
        for setting in settings(old) {
            out.push(patch("remove", &Self::place(&setting), &Json::Null));
        }
        for setting in settings(subject.properties) {
            let place = Self::place(&setting);
            for (property, path) in [
                ("ThrottlingBurstLimit", "throttling/burstLimit"),
                ("ThrottlingRateLimit", "throttling/rateLimit"),
                ("LoggingLevel", "logging/loglevel"),
                ("DataTraceEnabled", "logging/dataTrace"),
                ("MetricsEnabled", "metrics/enabled"),
                ("CachingEnabled", "caching/enabled"),
            ] {
                let value = self::property(&setting, property);
                if !value.is_null() {
                    out.push(patch("replace", &format!("{place}/{path}"), value));
                }
            }
        }
        out
    }

    /// The path of a method's settings. A template writes a resource's path as it is, or with `/` as `~1`.
    fn place(setting: &Json) -> String {
        let path = property(setting, "ResourcePath").as_str().unwrap_or("/*").to_owned();
        let path = path.strip_prefix('/').unwrap_or(&path).replace("~1", "/");
        let verb = property(setting, "HttpMethod").as_str().unwrap_or("*").to_owned();
        let path = if path == "*" { path } else { format!("~1{}", escape(path.trim_start_matches('/'))) };
        format!("/{path}/{verb}")
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
            let at = json!({ "restApiId": subject.property("RestApiId"), "stageName": name });
            let input = object([
                ("restApiId", subject.property("RestApiId").clone()),
                ("stageName", json!(name)),
                ("deploymentId", subject.property("DeploymentId").clone()),
                ("tags", json!(all_tags(subject))),
            ]);
            if let Err(error) = subject.call::<CreateStageInput>(input).await {
                let there = unless(subject.call::<GetStageInput>(at).await, MISSING)?;
                if !is_own(subject, there.and_then(|stage| stage.tags).as_ref()) {
                    return Err(error.into());
                }
            }
            self.update(subject, &Json::Null).await.map_err(|failure| match failure {
                Failure::Refused(error) => Failure::Partial(name.to_owned(), error),
                other => other,
            })
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let (name, api) = (subject.name, subject.property("RestApiId"));
            let input = json!({ "restApiId": api, "stageName": name, "patchOperations": Self::patches(subject, old) });
            subject.call::<UpdateStageInput>(input).await?;
            if !old.is_null() {
                retag(subject, &format!("restapis/{}/stages/{name}", text(api)), old).await?;
            }
            Ok(Made::new(name, &[]))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let input =
                json!({ "restApiId": subject.property("RestApiId"), "stageName": subject.physical_id });
            unless(subject.call::<DeleteStageInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}

/// `AWS::ApiGateway::Account`. There is one of an account in a region: its deletion leaves what is set.
pub struct Account;

impl Account {
    async fn set(subject: &Subject<'_>) -> Result<Made, Failure> {
        let role = subject.property("CloudWatchRoleArn");
        let patches = [patch("replace", "/cloudwatchRoleArn", role)];
        subject.call::<UpdateAccountInput>(json!({ "patchOperations": patches })).await?;
        Ok(Made::new(subject.name, &[("Id", subject.name)]))
    }
}

impl Provider for Account {
    fn resource_type(&self) -> &'static ResourceType {
        &ACCOUNT
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(Self::set(subject))
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, _: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(Self::set(subject))
    }

    fn delete<'a>(&'a self, _: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }
}
