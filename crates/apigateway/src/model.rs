//! Rows: a REST API as it is edited, what a deployment freezes of it, and what belongs to the account.

use std::collections::BTreeMap;

use ropeway_core::Time;
use ropeway_core::keys::Scope;
use serde::{Deserialize, Serialize};

use crate::keys::ApiName;

/// Names and values.
pub type Texts = BTreeMap<String, String>;

/// A REST API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Api {
    /// What names it.
    pub name: ApiName,
    /// When it was made.
    pub created: Time,
    /// What is set for it.
    pub settings: Settings,
    /// The id of the resource `/`.
    pub root: String,
    /// What the next deployment freezes.
    pub definition: Definition,
    /// Deployments by id.
    pub deployments: BTreeMap<String, Deployment>,
    /// Stages by name.
    pub stages: BTreeMap<String, Stage>,
}

/// What is set for an API and belongs to no deployment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// `name`
    pub name: String,
    /// `description`
    pub description: Option<String>,
    /// `version`
    pub version: Option<String>,
    /// `endpointConfiguration.types`: one of EDGE, REGIONAL, PRIVATE
    pub endpoint_type: String,
    /// `endpointConfiguration.ipAddressType`
    pub ip_address_type: String,
    /// `disableExecuteApiEndpoint`
    pub disable_endpoint: bool,
    /// Tags.
    pub tags: Texts,
}

/// What a deployment freezes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// `apiKeySource`: HEADER or AUTHORIZER
    pub api_key_source: String,
    /// `binaryMediaTypes`
    pub binary_media_types: Vec<String>,
    /// `minimumCompressionSize`, in bytes
    pub minimum_compression: Option<u32>,
    /// The resource policy, JSON.
    pub policy: Option<String>,
    /// Resources by id.
    pub resources: BTreeMap<String, Resource>,
    /// Models by name.
    pub models: BTreeMap<String, Model>,
    /// Request validators by id.
    pub validators: BTreeMap<String, Validator>,
    /// Authorisers by id.
    pub authorizers: BTreeMap<String, Authorizer>,
    /// Gateway responses that are not the default, by type.
    pub gateway_responses: BTreeMap<String, GatewayResponse>,
}

/// A resource: a place in the tree of paths.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// The parent's id; `None` for the root.
    pub parent: Option<String>,
    /// The last part of its path; empty for the root.
    pub part: String,
    /// Methods by verb, `ANY` included.
    pub methods: BTreeMap<String, Method>,
}

/// A method.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Method {
    /// NONE, AWS_IAM or CUSTOM
    pub authorization_type: String,
    /// The authoriser, if it is CUSTOM.
    pub authorizer_id: Option<String>,
    /// `authorizationScopes`
    pub authorization_scopes: Vec<String>,
    /// `apiKeyRequired`
    pub api_key_required: bool,
    /// `operationName`
    pub operation_name: Option<String>,
    /// `method.request.….…`: whether it is required
    pub request_parameters: BTreeMap<String, bool>,
    /// Models by content type.
    pub request_models: Texts,
    /// `requestValidatorId`
    pub request_validator_id: Option<String>,
    /// Responses by status.
    pub responses: BTreeMap<String, MethodResponse>,
    /// What it calls.
    pub integration: Option<Integration>,
}

/// A response that a method declares.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MethodResponse {
    /// `method.response.header.…`: whether it is required
    pub parameters: BTreeMap<String, bool>,
    /// Models by content type.
    pub models: Texts,
}

/// What a method calls.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Integration {
    /// AWS, AWS_PROXY, HTTP, HTTP_PROXY or MOCK
    pub kind: String,
    /// The verb of the call.
    pub http_method: Option<String>,
    /// The address.
    pub uri: Option<String>,
    /// The role that the call is made as.
    pub credentials: Option<String>,
    /// `integration.request.….…`: where it comes from
    pub request_parameters: Texts,
    /// Mapping templates by content type.
    pub request_templates: Texts,
    /// WHEN_NO_MATCH, WHEN_NO_TEMPLATES or NEVER
    pub passthrough: String,
    /// CONVERT_TO_BINARY or CONVERT_TO_TEXT
    pub content_handling: Option<String>,
    /// Milliseconds that the call may take: 50 to 29,000.
    pub timeout_millis: u32,
    /// The id of the resource that it was made for: what AWS calls its cache's namespace.
    pub namespace: String,
    /// Responses by status.
    pub responses: BTreeMap<String, IntegrationResponse>,
}

/// How an answer of the integration becomes one of the method's responses.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct IntegrationResponse {
    /// Which answers it is for; `None` or empty: those that no other is for.
    pub selection_pattern: Option<String>,
    /// `method.response.header.…`: where it comes from
    pub parameters: Texts,
    /// Mapping templates by content type.
    pub templates: Texts,
    /// CONVERT_TO_BINARY or CONVERT_TO_TEXT
    pub content_handling: Option<String>,
}

/// A model: the schema of a body.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// The id.
    pub id: String,
    /// `description`
    pub description: Option<String>,
    /// JSON Schema, draft 4.
    pub schema: Option<String>,
    /// `contentType`
    pub content_type: String,
}

/// What of a request is validated.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Validator {
    /// `name`
    pub name: Option<String>,
    /// `validateRequestBody`
    pub body: bool,
    /// `validateRequestParameters`
    pub parameters: bool,
}

/// A Lambda authoriser.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Authorizer {
    /// `name`
    pub name: String,
    /// TOKEN or REQUEST
    pub kind: String,
    /// `authType`: as importers write it
    pub auth_type: Option<String>,
    /// `authorizerUri`
    pub uri: String,
    /// The role that the function is called as.
    pub credentials: Option<String>,
    /// `identitySource`
    pub identity_source: Option<String>,
    /// `identityValidationExpression`: of a TOKEN authoriser
    pub validation: Option<String>,
    /// Seconds that an answer is good for: 0 to 3,600.
    pub ttl_secs: u32,
}

/// What a refusal looks like.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GatewayResponse {
    /// `statusCode`; `None`: the type's own.
    pub status: Option<String>,
    /// `gatewayresponse.header.…`: where it comes from
    pub parameters: Texts,
    /// Templates by content type.
    pub templates: Texts,
}

/// A deployment; what it froze has rows of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// `description`
    pub description: Option<String>,
    /// When it was made.
    pub created: Time,
}

/// A stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// The deployment that it serves.
    pub deployment: String,
    /// `description`
    pub description: Option<String>,
    /// Stage variables.
    pub variables: Texts,
    /// Settings of methods, by `<path>/<verb>` with `/` written `~1`, or `*/*`.
    pub method_settings: BTreeMap<String, MethodSettings>,
    /// Tags.
    pub tags: Texts,
    /// When it was made.
    pub created: Time,
    /// When it was changed last.
    pub updated: Time,
    /// `accessLogSettings.destinationArn`: a log group's
    pub log_destination: Option<String>,
    /// `accessLogSettings.format`
    pub log_format: Option<String>,
    /// `documentationVersion`
    pub documentation_version: Option<String>,
}

/// What is set for methods of a stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MethodSettings {
    /// Requests that may come at once; `None`: as the account's.
    pub burst: Option<u32>,
    /// Requests a second; `None`: as the account's.
    pub rate: Option<f64>,
    /// What of executions is logged.
    pub logging: Logging,
    /// Whether requests and answers are logged whole.
    pub data_trace: bool,
}

/// What of executions is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Logging {
    /// nothing
    #[default]
    Off,
    /// what failed
    Error,
    /// everything
    Info,
}

/// What is set for an account in a region.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// `cloudwatchRoleArn`
    pub role: Option<String>,
}

/// An API key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ApiKey {
    /// The id.
    pub id: String,
    /// The secret itself: 20 to 128 characters.
    pub value: String,
    /// `name`
    pub name: Option<String>,
    /// `description`
    pub description: Option<String>,
    /// `customerId`
    pub customer: Option<String>,
    /// `enabled`
    pub enabled: bool,
    /// When it was made.
    pub created: Time,
    /// When it was changed last.
    pub updated: Time,
    /// Tags.
    pub tags: Texts,
}

/// A rate and what may come at once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Throttle {
    /// `burstLimit`
    pub burst: Option<u32>,
    /// `rateLimit`, a second
    pub rate: Option<f64>,
}

/// How many requests a period allows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Quota {
    /// `limit`
    pub limit: u32,
    /// `offset`: requests that count as made in the first period
    pub offset: u32,
    /// DAY, WEEK or MONTH
    pub period: String,
}

/// A stage that a plan is for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PlanStage {
    /// The API's id.
    pub api: String,
    /// The stage's name.
    pub stage: String,
    /// Throttles of methods: `<path>/<verb>`.
    pub throttle: BTreeMap<String, Throttle>,
}

/// A usage plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The id.
    pub id: String,
    /// `name`
    pub name: String,
    /// `description`
    pub description: Option<String>,
    /// `productCode`
    pub product: Option<String>,
    /// `apiStages`
    pub stages: Vec<PlanStage>,
    /// `throttle`
    pub throttle: Option<Throttle>,
    /// `quota`
    pub quota: Option<Quota>,
    /// Ids of its keys.
    pub keys: Vec<String>,
    /// Tags.
    pub tags: Texts,
}

/// A custom domain name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Domain {
    /// The name, in small letters; `*.example.com` for all that end so.
    pub name: String,
    /// Whose it is, and where.
    pub scope: Scope,
    /// What its address of API Gateway's begins with.
    pub id: String,
    /// REGIONAL or EDGE
    pub endpoint_type: String,
    /// `endpointConfiguration.ipAddressType`
    pub ip_address_type: String,
    /// The certificate's ARN.
    pub certificate: String,
    /// What the certificate is called.
    pub certificate_name: Option<String>,
    /// When the certificate was named.
    pub certified: Time,
    /// Tags.
    pub tags: Texts,
    /// What is served, by base path: without slashes around it, empty for `(none)`.
    pub mappings: BTreeMap<String, Mapping>,
}

/// What a custom domain name serves behind a base path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mapping {
    /// The mapping's id.
    pub id: String,
    /// The API's id.
    pub api: String,
    /// The stage; `None`: the path names it behind the base path.
    pub stage: Option<String>,
}

impl Definition {
    /// The path of a resource: `/`, `/pets/{id}`.
    pub fn path(&self, id: &str) -> String {
        let mut parts = Vec::new();
        let mut at = self.resources.get(id);
        // A tree, so that there are no more steps than resources.
        for _ in 0..=self.resources.len() {
            let Some(resource) = at else { break };
            let Some(parent) = &resource.parent else { break };
            parts.push(resource.part.as_str());
            at = self.resources.get(parent);
        }
        parts.reverse();
        format!("/{}", parts.join("/"))
    }

    /// The resource of a path.
    pub fn at(&self, path: &str) -> Option<&str> {
        self.resources.keys().find(|id| self.path(id) == path).map(String::as_str)
    }

    /// The children of a resource.
    pub fn children<'a>(&'a self, id: &'a str) -> impl Iterator<Item = (&'a String, &'a Resource)> {
        self.resources.iter().filter(move |(_, resource)| resource.parent.as_deref() == Some(id))
    }
}
