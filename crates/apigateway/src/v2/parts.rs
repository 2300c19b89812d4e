//! What creations and updates say of an API's parts: what is not said stays as it is. Of maps, what is named is set,
//! and what is given empty is removed.

use std::collections::BTreeMap;

use ropeway_api::apigatewayv2 as api;
use serde::{Deserialize, Serialize};

use super::model::{Authorizer, Cors, HttpApi, Integration, Jwt, Route, Stage};
use crate::model::{Texts, Throttle};

/// Of an API.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ApiPart {
    /// `name`
    pub name: Option<String>,
    /// `description`
    pub description: Option<String>,
    /// `version`
    pub version: Option<String>,
    /// `ipAddressType`
    pub ip_address_type: Option<String>,
    /// `apiKeySelectionExpression`
    pub key_selection: Option<String>,
    /// `corsConfiguration`
    pub cors: Option<Cors>,
    /// `disableExecuteApiEndpoint`
    pub disable_endpoint: Option<bool>,
}

/// Of a route.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RoutePart {
    /// `routeKey`
    pub key: Option<String>,
    /// `target`: `integrations/<id>`
    pub target: Option<String>,
    /// `authorizationType`
    pub authorization: Option<String>,
    /// `authorizerId`
    pub authorizer: Option<String>,
    /// `authorizationScopes`
    pub scopes: Option<Vec<String>>,
    /// `operationName`
    pub operation_name: Option<String>,
}

/// Of an integration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct IntegrationPart {
    /// `integrationType`
    pub kind: Option<String>,
    /// `integrationSubtype`
    pub subtype: Option<String>,
    /// `integrationUri`
    pub uri: Option<String>,
    /// `integrationMethod`
    pub method: Option<String>,
    /// `payloadFormatVersion`
    pub payload: Option<String>,
    /// `credentialsArn`
    pub credentials: Option<String>,
    /// `description`
    pub description: Option<String>,
    /// `requestParameters`
    pub request_parameters: Texts,
    /// `responseParameters`
    pub response_parameters: BTreeMap<String, Texts>,
    /// `timeoutInMillis`
    pub timeout_millis: Option<i64>,
}

/// Of an authorizer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AuthorizerPart {
    /// `name`
    pub name: Option<String>,
    /// `authorizerType`
    pub kind: Option<String>,
    /// `identitySource`
    pub identity: Option<Vec<String>>,
    /// `jwtConfiguration`
    pub jwt: Option<Jwt>,
    /// `authorizerUri`
    pub uri: Option<String>,
    /// `authorizerCredentialsArn`
    pub credentials: Option<String>,
    /// `authorizerPayloadFormatVersion`
    pub payload: Option<String>,
    /// `enableSimpleResponses`
    pub simple: Option<bool>,
    /// `authorizerResultTtlInSeconds`
    pub ttl_secs: Option<i64>,
}

/// Of a stage.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct StagePart {
    /// `deploymentId`
    pub deployment: Option<String>,
    /// `autoDeploy`
    pub auto_deploy: Option<bool>,
    /// `description`
    pub description: Option<String>,
    /// `stageVariables`
    pub variables: Texts,
    /// `defaultRouteSettings`
    pub default_throttle: Option<Throttle>,
    /// `routeSettings`
    pub route_throttles: BTreeMap<String, Throttle>,
    /// `accessLogSettings`: destination and format
    pub log: Option<(Option<String>, Option<String>)>,
}

/// Sets what is said; what is said empty is nothing.
fn set(place: &mut Option<String>, said: Option<String>) {
    if let Some(said) = said {
        *place = Some(said).filter(|said| !said.is_empty());
    }
}

/// Sets what is said.
fn replace<T>(place: &mut T, said: Option<T>) {
    if let Some(said) = said {
        *place = said;
    }
}

/// Sets names to values; an empty one removes its name.
fn merge(place: &mut Texts, said: Texts) {
    for (name, value) in said {
        match value.is_empty() {
            true => place.remove(&name),
            false => place.insert(name, value),
        };
    }
}

impl ApiPart {
    /// Changes an API.
    pub fn apply(self, api: &mut HttpApi) {
        let settings = &mut api.settings;
        replace(&mut settings.name, self.name);
        set(&mut settings.description, self.description);
        set(&mut settings.version, self.version);
        replace(&mut settings.ip_address_type, self.ip_address_type);
        replace(&mut settings.key_selection, self.key_selection);
        if let Some(cors) = self.cors {
            api.definition.cors = Some(cors);
        }
        replace(&mut api.definition.disable_endpoint, self.disable_endpoint);
    }
}

impl RoutePart {
    /// Changes a route.
    pub fn apply(self, route: &mut Route) {
        replace(&mut route.key, self.key);
        if let Some(target) = self.target {
            let id = target.strip_prefix("integrations/").unwrap_or(&target).to_owned();
            route.integration = Some(id).filter(|id| !id.is_empty());
        }
        replace(&mut route.authorization, self.authorization);
        set(&mut route.authorizer, self.authorizer);
        replace(&mut route.scopes, self.scopes);
        set(&mut route.operation_name, self.operation_name);
    }
}

impl IntegrationPart {
    /// Changes an integration.
    pub fn apply(self, integration: &mut Integration) {
        replace(&mut integration.kind, self.kind);
        set(&mut integration.subtype, self.subtype);
        set(&mut integration.uri, self.uri);
        set(&mut integration.method, self.method);
        replace(&mut integration.payload, self.payload);
        set(&mut integration.credentials, self.credentials);
        set(&mut integration.description, self.description);
        merge(&mut integration.request_parameters, self.request_parameters);
        for (status, said) in self.response_parameters {
            let mut of = integration.response_parameters.remove(&status).unwrap_or_default();
            // An empty map removes all that the status has.
            if !said.is_empty() {
                merge(&mut of, said);
                integration.response_parameters.insert(status, of);
            }
        }
        let millis = self.timeout_millis.and_then(|millis| u32::try_from(millis).ok());
        replace(&mut integration.timeout_millis, millis);
    }
}

impl AuthorizerPart {
    /// Changes an authorizer.
    pub fn apply(self, authorizer: &mut Authorizer) {
        replace(&mut authorizer.name, self.name);
        replace(&mut authorizer.kind, self.kind);
        replace(&mut authorizer.identity, self.identity);
        if self.jwt.is_some() {
            authorizer.jwt = self.jwt;
        }
        set(&mut authorizer.uri, self.uri);
        set(&mut authorizer.credentials, self.credentials);
        set(&mut authorizer.payload, self.payload);
        authorizer.simple = self.simple.or(authorizer.simple);
        authorizer.ttl_secs = self.ttl_secs.and_then(|secs| u32::try_from(secs).ok()).or(authorizer.ttl_secs);
    }
}

impl StagePart {
    /// Changes a stage.
    pub fn apply(self, stage: &mut Stage) {
        if self.deployment.is_some() {
            stage.deployment = self.deployment;
        }
        replace(&mut stage.auto_deploy, self.auto_deploy);
        set(&mut stage.description, self.description);
        merge(&mut stage.variables, self.variables);
        replace(&mut stage.default_throttle, self.default_throttle);
        stage.route_throttles.extend(self.route_throttles);
        if let Some((destination, format)) = self.log {
            set(&mut stage.log_destination, destination);
            set(&mut stage.log_format, format);
        }
    }
}

/// What browsers are told.
pub fn cors(said: api::Cors) -> Cors {
    Cors {
        credentials: said.allow_credentials,
        headers: said.allow_headers,
        methods: said.allow_methods,
        origins: said.allow_origins,
        expose: said.expose_headers,
        max_age: said.max_age,
    }
}

/// Whose tokens are good.
pub fn jwt(said: api::JWTConfiguration) -> Jwt {
    Jwt { issuer: said.issuer, audience: said.audience.unwrap_or_default() }
}
