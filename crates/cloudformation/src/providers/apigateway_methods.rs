//! `AWS::ApiGateway`: methods, and what they refer to.
//!
//! Source of the tables: the CloudFormation template reference, Amazon API Gateway.

use ropeway_api::apigateway::{
    CreateAuthorizerInput, CreateModelInput, CreateRequestValidatorInput, DeleteAuthorizerInput,
    DeleteGatewayResponseInput, DeleteMethodInput, DeleteModelInput, DeleteRequestValidatorInput,
    GetAuthorizersInput, GetRequestValidatorsInput, PutGatewayResponseInput, PutIntegrationInput,
    PutIntegrationResponseInput, PutMethodInput, PutMethodResponseInput, UpdateAuthorizerInput,
    UpdateModelInput, UpdateRequestValidatorInput,
};
use ropeway_wire::{BoxFuture, Error};
use serde_json::{Map, Value as Json, json};

use super::apigateway::{MISSING, THERE, patch};
use super::{Failure, Made, Provider, Subject, after_creation, object, property, text, unless};
use crate::template::{Kind, Naming, Property, ResourceType};

const STRING: Kind = Kind::String;
const TEXTS: Kind = Kind::Map(&STRING);
const FLAGS: Kind = Kind::Map(&Kind::Boolean);
const API: Property = Property::new("RestApiId", STRING).required().replacement();

static METHOD: ResourceType = ResourceType::new(
    "AWS::ApiGateway::Method",
    &[
        Property::new("ApiKeyRequired", Kind::Boolean),
        Property::new("AuthorizationType", STRING),
        Property::new("AuthorizerId", STRING),
        Property::new("HttpMethod", STRING).required().replacement(),
        Property::new(
            "Integration",
            Kind::Structure(&[
                Property::new("ConnectionType", STRING),
                Property::new("ContentHandling", STRING),
                Property::new("Credentials", STRING),
                Property::new("IntegrationHttpMethod", STRING),
                Property::new(
                    "IntegrationResponses",
                    Kind::List(&Kind::Structure(&[
                        Property::new("ContentHandling", STRING),
                        Property::new("ResponseParameters", TEXTS),
                        Property::new("ResponseTemplates", TEXTS),
                        Property::new("SelectionPattern", STRING),
                        Property::new("StatusCode", STRING).required(),
                    ])),
                ),
                Property::new("PassthroughBehavior", STRING),
                Property::new("RequestParameters", TEXTS),
                Property::new("RequestTemplates", TEXTS),
                Property::new("TimeoutInMillis", Kind::Integer),
                Property::new("Type", STRING).required(),
                Property::new("Uri", STRING),
            ]),
        ),
        Property::new(
            "MethodResponses",
            Kind::List(&Kind::Structure(&[
                Property::new("ResponseModels", TEXTS),
                Property::new("ResponseParameters", FLAGS),
                Property::new("StatusCode", STRING).required(),
            ])),
        ),
        Property::new("OperationName", STRING),
        Property::new("RequestModels", TEXTS),
        Property::new("RequestParameters", FLAGS),
        Property::new("RequestValidatorId", STRING),
        Property::new("ResourceId", STRING).required().replacement(),
        API,
    ],
);

static MODEL: ResourceType = ResourceType::new(
    "AWS::ApiGateway::Model",
    &[
        Property::new("ContentType", STRING).replacement(),
        Property::new("Description", STRING),
        Property::new("Name", STRING).replacement(),
        API,
        Property::new("Schema", Kind::Json),
    ],
)
.naming(Naming::new(128));

static VALIDATOR: ResourceType = ResourceType::new(
    "AWS::ApiGateway::RequestValidator",
    &[
        Property::new("Name", STRING).replacement(),
        API,
        Property::new("ValidateRequestBody", Kind::Boolean),
        Property::new("ValidateRequestParameters", Kind::Boolean),
    ],
)
.attributes(&["RequestValidatorId"])
.naming(Naming::new(255));

static RESPONSE: ResourceType = ResourceType::new(
    "AWS::ApiGateway::GatewayResponse",
    &[
        Property::new("ResponseParameters", TEXTS),
        Property::new("ResponseTemplates", TEXTS),
        Property::new("ResponseType", STRING).required().replacement(),
        API,
        Property::new("StatusCode", STRING),
    ],
)
.attributes(&["Id"]);

static AUTHORIZER: ResourceType = ResourceType::new(
    "AWS::ApiGateway::Authorizer",
    &[
        Property::new("AuthType", STRING),
        Property::new("AuthorizerCredentials", STRING),
        Property::new("AuthorizerResultTtlInSeconds", Kind::Integer),
        Property::new("AuthorizerUri", STRING),
        Property::new("IdentitySource", STRING),
        Property::new("IdentityValidationExpression", STRING),
        Property::new("Name", STRING).required(),
        API,
        Property::new("Type", STRING).required(),
    ],
)
.attributes(&["AuthorizerId"]);

/// Members by the operations' names: theirs begin with small letters.
fn lowered(json: &Json) -> Map<String, Json> {
    let lower = |name: &String| {
        let mut letters = name.chars();
        let first = letters.next().map(|letter| letter.to_ascii_lowercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    json.as_object().into_iter().flatten().map(|(name, value)| (lower(name), value.clone())).collect()
}

fn list(json: &Json) -> impl Iterator<Item = &Json> {
    json.as_array().into_iter().flatten()
}

/// `AWS::ApiGateway::Method`
pub struct Method;

impl Method {
    /// Makes the method anew, with all that it has.
    async fn set(subject: &Subject<'_>) -> Result<(), Error> {
        let at = lowered(&object([
            ("RestApiId", subject.property("RestApiId").clone()),
            ("ResourceId", subject.property("ResourceId").clone()),
            ("HttpMethod", subject.property("HttpMethod").clone()),
        ]));
        let with = |more: Map<String, Json>| {
            let mut all = at.clone();
            all.extend(more);
            Json::Object(all)
        };
        unless(subject.call::<DeleteMethodInput>(with(Map::new())).await, MISSING)?;
        let mut method = lowered(subject.properties);
        for name in ["integration", "methodResponses", "restApiId", "resourceId", "httpMethod"] {
            method.remove(name);
        }
        method.entry("authorizationType").or_insert(json!("NONE"));
        subject.call::<PutMethodInput>(with(method)).await?;
        for response in list(subject.property("MethodResponses")) {
            subject.call::<PutMethodResponseInput>(with(lowered(response))).await?;
        }
        let given = subject.property("Integration");
        if given.is_null() {
            return Ok(());
        }
        subject.services.call(subject.cx.clone(), Self::integration(subject, given)).await?;
        for response in list(property(given, "IntegrationResponses")) {
            subject.call::<PutIntegrationResponseInput>(with(lowered(response))).await?;
        }
        Ok(())
    }

    /// The integration. In JSON, its own verb and the method's would have one name.
    fn integration(subject: &Subject<'_>, given: &Json) -> PutIntegrationInput {
        let of = |name| Some(property(given, name)).filter(|value| !value.is_null()).map(text);
        let texts = |name| {
            let members = property(given, name).as_object();
            members.map(|map| map.iter().map(|(key, value)| (key.clone(), text(value))).collect())
        };
        PutIntegrationInput {
            rest_api_id: text(subject.property("RestApiId")),
            resource_id: text(subject.property("ResourceId")),
            http_method: text(subject.property("HttpMethod")),
            type_: text(property(given, "Type")),
            integration_http_method: of("IntegrationHttpMethod"),
            uri: of("Uri"),
            connection_type: of("ConnectionType"),
            credentials: of("Credentials"),
            request_parameters: texts("RequestParameters"),
            request_templates: texts("RequestTemplates"),
            passthrough_behavior: of("PassthroughBehavior"),
            content_handling: of("ContentHandling"),
            timeout_in_millis: property(given, "TimeoutInMillis").as_i64(),
            ..PutIntegrationInput::default()
        }
    }

    fn id(subject: &Subject<'_>) -> String {
        let of = |name| text(subject.property(name));
        format!("{}|{}|{}", of("RestApiId"), of("ResourceId"), of("HttpMethod"))
    }
}

impl Provider for Method {
    fn resource_type(&self) -> &'static ResourceType {
        &METHOD
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let id = Self::id(subject);
            after_creation(&id, Self::set(subject).await)?;
            Ok(Made::new(id, &[]))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, _: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            Self::set(subject).await?;
            Ok(Made::new(subject.physical_id, &[]))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let input = json!({
                "restApiId": subject.property("RestApiId"),
                "resourceId": subject.property("ResourceId"),
                "httpMethod": subject.property("HttpMethod"),
            });
            unless(subject.call::<DeleteMethodInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}

/// `AWS::ApiGateway::Model`
pub struct Model;

impl Provider for Model {
    fn resource_type(&self) -> &'static ResourceType {
        &MODEL
    }

    fn name_property(&self) -> Option<&'static str> {
        Some("Name")
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            // A model's name has letters and digits only; generated names have dashes.
            let name: String = subject.name.chars().filter(char::is_ascii_alphanumeric).collect();
            let kind = subject.property("ContentType").as_str().unwrap_or("application/json");
            let schema = subject.property("Schema");
            let input = object([
                ("restApiId", subject.property("RestApiId").clone()),
                ("name", json!(name)),
                ("contentType", json!(kind)),
                ("description", subject.property("Description").clone()),
                ("schema", if schema.is_null() { Json::Null } else { json!(text(schema)) }),
            ]);
            unless(subject.call::<CreateModelInput>(input).await, THERE)?;
            Ok(Made::new(name, &[]))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, _: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let schema = json!(text(subject.property("Schema")));
            let patches = [
                patch("replace", "/description", subject.property("Description")),
                patch("replace", "/schema", &schema),
            ];
            let (api, name) = (subject.property("RestApiId"), subject.physical_id);
            let input = json!({ "restApiId": api, "modelName": name, "patchOperations": patches });
            subject.call::<UpdateModelInput>(input).await?;
            Ok(Made::new(name, &[]))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let input =
                json!({ "restApiId": subject.property("RestApiId"), "modelName": subject.physical_id });
            unless(subject.call::<DeleteModelInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}

/// `AWS::ApiGateway::RequestValidator`
pub struct RequestValidator;

impl Provider for RequestValidator {
    fn resource_type(&self) -> &'static ResourceType {
        &VALIDATOR
    }

    fn name_property(&self) -> Option<&'static str> {
        Some("Name")
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let api = subject.property("RestApiId");
            let input = json!({ "restApiId": api, "limit": 500 });
            let all = subject.call::<GetRequestValidatorsInput>(input).await?.items.unwrap_or_default();
            let known = all.into_iter().find(|one| one.name.as_deref() == Some(subject.name));
            let id = match known.and_then(|one| one.id) {
                Some(id) => id,
                None => {
                    let input = object([
                        ("restApiId", api.clone()),
                        ("name", json!(subject.name)),
                        ("validateRequestBody", subject.property("ValidateRequestBody").clone()),
                        ("validateRequestParameters", subject.property("ValidateRequestParameters").clone()),
                    ]);
                    subject.call::<CreateRequestValidatorInput>(input).await?.id.unwrap_or_default()
                }
            };
            Ok(Made::new(&id, &[("RequestValidatorId", &id)]))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, _: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let flag = |name| json!(subject.property(name) == &Json::Bool(true));
            let patches = [
                patch("replace", "/validateRequestBody", &flag("ValidateRequestBody")),
                patch("replace", "/validateRequestParameters", &flag("ValidateRequestParameters")),
            ];
            let (api, id) = (subject.property("RestApiId"), subject.physical_id);
            let input = json!({ "restApiId": api, "requestValidatorId": id, "patchOperations": patches });
            subject.call::<UpdateRequestValidatorInput>(input).await?;
            Ok(Made::new(id, &[("RequestValidatorId", id)]))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let (api, id) = (subject.property("RestApiId"), subject.physical_id);
            let input = json!({ "restApiId": api, "requestValidatorId": id });
            unless(subject.call::<DeleteRequestValidatorInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}

/// `AWS::ApiGateway::GatewayResponse`
pub struct GatewayResponse;

impl GatewayResponse {
    async fn set(subject: &Subject<'_>) -> Result<Made, Failure> {
        let input = Json::Object(lowered(subject.properties));
        subject.call::<PutGatewayResponseInput>(input).await?;
        let id =
            format!("{}|{}", text(subject.property("RestApiId")), text(subject.property("ResponseType")));
        Ok(Made::new(&id, &[("Id", &id)]))
    }
}

impl Provider for GatewayResponse {
    fn resource_type(&self) -> &'static ResourceType {
        &RESPONSE
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(Self::set(subject))
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, _: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(Self::set(subject))
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let (api, kind) = (subject.property("RestApiId"), subject.property("ResponseType"));
            let input = json!({ "restApiId": api, "responseType": kind });
            unless(subject.call::<DeleteGatewayResponseInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}

/// `AWS::ApiGateway::Authorizer`
pub struct Authorizer;

impl Provider for Authorizer {
    fn resource_type(&self) -> &'static ResourceType {
        &AUTHORIZER
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let input = json!({ "restApiId": subject.property("RestApiId"), "limit": 500 });
            let all = subject.call::<GetAuthorizersInput>(input).await?.items.unwrap_or_default();
            // Names of authorizers are an API's own, and the API is the stack's or its author's.
            let name = text(subject.property("Name"));
            let known = all.into_iter().find(|one| one.name.as_ref() == Some(&name));
            let id = match known.and_then(|one| one.id) {
                Some(id) => id,
                None => {
                    let input = Json::Object(lowered(subject.properties));
                    subject.call::<CreateAuthorizerInput>(input).await?.id.unwrap_or_default()
                }
            };
            Ok(Made::new(&id, &[("AuthorizerId", &id)]))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let mut patches = Vec::new();
            for (name, value) in lowered(subject.properties) {
                if name != "restApiId" {
                    patches.push(patch("replace", &format!("/{name}"), &value));
                }
            }
            let now = lowered(subject.properties);
            for (name, _) in lowered(old).into_iter().filter(|(name, _)| !now.contains_key(name)) {
                patches.push(patch("remove", &format!("/{name}"), &Json::Null));
            }
            let (api, id) = (subject.property("RestApiId"), subject.physical_id);
            let input = json!({ "restApiId": api, "authorizerId": id, "patchOperations": patches });
            subject.call::<UpdateAuthorizerInput>(input).await?;
            Ok(Made::new(id, &[("AuthorizerId", id)]))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let (api, id) = (subject.property("RestApiId"), subject.physical_id);
            let input = json!({ "restApiId": api, "authorizerId": id });
            unless(subject.call::<DeleteAuthorizerInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}
