//! Rows: an HTTP API as it is edited, and what a deployment freezes of it.

use std::collections::BTreeMap;

use ropeway_core::Time;
use serde::{Deserialize, Serialize};

use crate::keys::ApiName;
use crate::model::{Deployment, Texts, Throttle};

/// The stage that has no name in paths.
pub const DEFAULT: &str = "$default";

/// The one `routeSelectionExpression` that there is.
pub const SELECTION: &str = "$request.method $request.path";

/// An HTTP API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpApi {
    /// What names it.
    pub name: ApiName,
    /// When it was made.
    pub created: Time,
    /// What is set for it.
    pub settings: Settings,
    /// What a deployment freezes.
    pub definition: Definition,
    /// By id; whether API Gateway made it.
    pub deployments: BTreeMap<String, (Deployment, bool)>,
    /// By name.
    pub stages: BTreeMap<String, Stage>,
}

/// What is set for an API, deployed or not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// `name`
    pub name: String,
    /// `description`
    pub description: Option<String>,
    /// `version`
    pub version: Option<String>,
    /// ipv4 or dualstack
    pub ip_address_type: String,
    /// `apiKeySelectionExpression`: HTTP APIs have no keys, and only show it.
    pub key_selection: String,
    /// Tags.
    pub tags: Texts,
}

/// What a deployment freezes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// By id.
    pub routes: BTreeMap<String, Route>,
    /// By id.
    pub integrations: BTreeMap<String, Integration>,
    /// By id.
    pub authorizers: BTreeMap<String, Authorizer>,
    /// `corsConfiguration`
    pub cors: Option<Cors>,
    /// `disableExecuteApiEndpoint`
    pub disable_endpoint: bool,
}

/// A route.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// `GET /pets/{id}` or `$default`
    pub key: String,
    /// The integration's id.
    pub integration: Option<String>,
    /// NONE, AWS_IAM, JWT or CUSTOM
    pub authorization: String,
    /// The authorizer's id.
    pub authorizer: Option<String>,
    /// `authorizationScopes`: one of these
    pub scopes: Vec<String>,
    /// `operationName`
    pub operation_name: Option<String>,
    /// A quick creation made it.
    pub managed: bool,
}

/// An integration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Integration {
    /// AWS_PROXY or HTTP_PROXY
    pub kind: String,
    /// `integrationSubtype`: `SQS-SendMessage`
    pub subtype: Option<String>,
    /// The function's ARN or the endpoint.
    pub uri: Option<String>,
    /// `integrationMethod`
    pub method: Option<String>,
    /// 1.0 or 2.0
    pub payload: String,
    /// The role it is called as.
    pub credentials: Option<String>,
    /// `description`
    pub description: Option<String>,
    /// Parameter mappings of requests, or parameters of the subtype.
    pub request_parameters: Texts,
    /// Parameter mappings of responses, by their status.
    pub response_parameters: BTreeMap<String, Texts>,
    /// `timeoutInMillis`: 50 to 30,000
    pub timeout_millis: u32,
    /// A quick creation made it.
    pub managed: bool,
}

/// An authorizer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Authorizer {
    /// `name`
    pub name: String,
    /// JWT or REQUEST
    pub kind: String,
    /// `identitySource`
    pub identity: Vec<String>,
    /// `jwtConfiguration`
    pub jwt: Option<Jwt>,
    /// `authorizerUri`
    pub uri: Option<String>,
    /// The role that the function is called as.
    pub credentials: Option<String>,
    /// 1.0 or 2.0
    pub payload: Option<String>,
    /// `enableSimpleResponses`
    pub simple: Option<bool>,
    /// Seconds that an answer is good for: 0 to 3,600.
    pub ttl_secs: Option<u32>,
}

/// Whose tokens are good.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Jwt {
    /// `issuer`
    pub issuer: Option<String>,
    /// `audience`: one of these
    pub audience: Vec<String>,
}

/// What browsers are told; `None`: nothing of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cors {
    /// `allowCredentials`
    pub credentials: Option<bool>,
    /// `allowHeaders`
    pub headers: Option<Vec<String>>,
    /// `allowMethods`
    pub methods: Option<Vec<String>>,
    /// `allowOrigins`
    pub origins: Option<Vec<String>>,
    /// `exposeHeaders`
    pub expose: Option<Vec<String>>,
    /// `maxAge`: −1 to 86,400 seconds
    pub max_age: Option<i64>,
}

/// A stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// The deployment that it serves.
    pub deployment: Option<String>,
    /// Every change of the API is deployed.
    pub auto_deploy: bool,
    /// `description`
    pub description: Option<String>,
    /// Stage variables.
    pub variables: Texts,
    /// `defaultRouteSettings`: its throttle
    pub default_throttle: Throttle,
    /// `routeSettings`: throttles by the routes' keys
    pub route_throttles: BTreeMap<String, Throttle>,
    /// `accessLogSettings.destinationArn`: a log group's
    pub log_destination: Option<String>,
    /// `accessLogSettings.format`
    pub log_format: Option<String>,
    /// Tags.
    pub tags: Texts,
    /// When it was made.
    pub created: Time,
    /// When it was changed last.
    pub updated: Time,
    /// `lastDeploymentStatusMessage`
    pub last_deployment: Option<String>,
    /// A quick creation made it.
    pub managed: bool,
}
