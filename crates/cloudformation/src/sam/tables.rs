//! The properties of SAM's resource and event types: which there are, which are honoured, and their kinds.
//!
//! Source: the SAM specification and the property types of the `aws-sam-translator` package.

use super::node::{Dict, Node};

/// What a property takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Anything: it goes into the generated resource, whose type says what it takes.
    Any,
    /// Text.
    Text,
    /// A mapping.
    Map,
    /// A list.
    List,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Integer,
    /// Text or a mapping.
    TextOrMap,
    /// `true`, `false` or a mapping.
    FlagOrMap,
    /// Text or a list of texts; no intrinsic function.
    TextOrTexts,
    /// A mapping of mappings.
    MapOfMaps,
    /// A list of texts and mappings.
    ListOfTextsOrMaps,
    /// Text, a mapping, or a list of them.
    Policies,
    /// A mapping that names a resource.
    Reference,
    /// Such a mapping, or a list of them.
    References,
    /// A list of texts.
    Texts,
    /// SAM has it and this transform does not.
    Refused,
}

/// A property of a type.
#[derive(Debug, Clone, Copy)]
pub struct Property {
    name: &'static str,
    shape: Shape,
    required: bool,
}

const fn p(name: &'static str, shape: Shape) -> Property {
    Property { name, shape, required: false }
}

const fn required(name: &'static str, shape: Shape) -> Property {
    Property { name, shape, required: true }
}

use Shape::*;

/// `AWS::Serverless::Function`.
pub const FUNCTION: &[Property] = &[
    p("FunctionName", TextOrMap),
    p("Handler", Any),
    p("Runtime", Any),
    p("CodeUri", Any),
    p("ImageUri", Refused),
    p("PackageType", Any),
    p("InlineCode", Any),
    p("DeadLetterQueue", Map),
    p("Description", Any),
    p("MemorySize", Any),
    p("Timeout", Any),
    p("VpcConfig", Any),
    p("Role", Text),
    p("AssumeRolePolicyDocument", Map),
    p("Policies", Policies),
    p("RolePath", Any),
    p("PermissionsBoundary", Text),
    p("Environment", MapOfMaps),
    p("Events", MapOfMaps),
    p("Tags", Map),
    p("PropagateTags", Flag),
    p("Tracing", TextOrMap),
    p("KmsKeyArn", Any),
    p("DeploymentPreference", Refused),
    p("ReservedConcurrentExecutions", Any),
    p("Layers", ListOfTextsOrMaps),
    p("EventInvokeConfig", Map),
    p("EphemeralStorage", Any),
    p("AutoPublishAlias", Text),
    p("AutoPublishCodeSha256", Text),
    p("AutoPublishAliasAllProperties", Any),
    p("VersionDescription", Any),
    p("ProvisionedConcurrencyConfig", Any),
    p("FileSystemConfigs", Any),
    p("ImageConfig", Refused),
    p("CodeSigningConfigArn", Any),
    p("Architectures", Any),
    p("SnapStart", Map),
    p("FunctionUrlConfig", Map),
    p("RuntimeManagementConfig", Any),
    p("LoggingConfig", Any),
    p("RecursiveLoop", Any),
    p("SourceKMSKeyArn", Any),
    p("VersionDeletionPolicy", Any),
    p("CapacityProviderConfig", Refused),
    p("FunctionScalingConfig", Refused),
    p("PublishToLatestPublished", Refused),
    p("TenancyConfig", Refused),
    p("DurableConfig", Refused),
];

/// `AWS::Serverless::Api`.
pub const API: &[Property] = &[
    p("__MANAGE_SWAGGER", Flag),
    p("Name", TextOrMap),
    required("StageName", TextOrMap),
    p("Tags", Map),
    p("PropagateTags", Flag),
    p("DefinitionBody", Map),
    p("DefinitionUri", TextOrMap),
    p("MergeDefinitions", Refused),
    p("CacheClusterEnabled", Flag),
    p("CacheClusterSize", Text),
    p("Variables", Map),
    p("EndpointConfiguration", TextOrMap),
    p("MethodSettings", List),
    p("BinaryMediaTypes", List),
    p("MinimumCompressionSize", Integer),
    p("Cors", TextOrMap),
    p("Auth", Map),
    p("GatewayResponses", Map),
    p("AccessLogSetting", Map),
    p("CanarySetting", Map),
    p("TracingEnabled", Flag),
    p("OpenApiVersion", Text),
    p("Models", Map),
    p("Domain", Map),
    p("FailOnWarnings", Flag),
    p("Description", Text),
    p("Mode", Text),
    p("DisableExecuteApiEndpoint", Flag),
    p("ApiKeySourceType", Text),
    p("AlwaysDeploy", Refused),
    p("Policy", TextOrMap),
    p("SecurityPolicy", Text),
    p("EndpointAccessMode", Text),
];

/// `AWS::Serverless::HttpApi`.
pub const HTTP_API: &[Property] = &[
    p("__MANAGE_SWAGGER", Flag),
    p("Name", Any),
    p("StageName", TextOrMap),
    p("Tags", Map),
    p("PropagateTags", Flag),
    p("DefinitionBody", Map),
    p("DefinitionUri", TextOrMap),
    p("StageVariables", Map),
    p("CorsConfiguration", FlagOrMap),
    p("AccessLogSettings", Map),
    p("DefaultRouteSettings", Map),
    p("Auth", Map),
    p("RouteSettings", Map),
    p("Domain", Map),
    p("FailOnWarnings", Flag),
    p("Description", Text),
    p("DisableExecuteApiEndpoint", Flag),
];

/// `AWS::Serverless::LayerVersion`.
pub const LAYER: &[Property] = &[
    p("LayerName", TextOrMap),
    p("Description", Text),
    p("PublishLambdaVersion", Flag),
    required("ContentUri", TextOrMap),
    p("CompatibleArchitectures", ListOfTextsOrMaps),
    p("CompatibleRuntimes", ListOfTextsOrMaps),
    p("LicenseInfo", Text),
    p("RetentionPolicy", Text),
];

/// `AWS::Serverless::Application`.
pub const APPLICATION: &[Property] = &[
    p("Location", TextOrMap),
    p("Parameters", Map),
    p("NotificationARNs", ListOfTextsOrMaps),
    p("Tags", Map),
    p("TimeoutInMinutes", Integer),
];

/// `AWS::Serverless::Connector`.
pub const CONNECTOR: &[Property] =
    &[required("Source", Reference), required("Destination", References), required("Permissions", Texts)];

/// The event `Api`.
pub const API_EVENT: &[Property] = &[
    required("Path", Text),
    required("Method", Text),
    required("RestApiId", Text),
    p("Stage", Text),
    p("Auth", Map),
    p("RequestModel", Map),
    p("RequestParameters", List),
    p("TimeoutInMillis", Integer),
    p("ResponseTransferMode", Text),
];

/// The event `HttpApi`.
pub const HTTP_API_EVENT: &[Property] = &[
    p("Path", Text),
    p("Method", Text),
    p("ApiId", Text),
    p("Stage", Text),
    p("Auth", Map),
    p("TimeoutInMillis", Integer),
    p("RouteSettings", Map),
    p("PayloadFormatVersion", Text),
];

/// The event `S3`.
pub const S3_EVENT: &[Property] =
    &[required("Bucket", Text), required("Events", TextOrTexts), p("Filter", MapOfMaps)];

/// The event `SNS`.
pub const SNS_EVENT: &[Property] = &[
    required("Topic", Text),
    p("Region", Text),
    p("FilterPolicy", Any),
    p("FilterPolicyScope", Any),
    p("SqsSubscription", FlagOrMap),
    p("RedrivePolicy", Map),
];

/// The event `CloudWatchLogs`.
pub const LOGS_EVENT: &[Property] = &[required("FilterPattern", Text), required("LogGroupName", Text)];

/// The event `SQS`: what every polled source takes, and the queue.
pub const SQS_EVENT: &[Property] = &[
    p("BatchSize", Integer),
    p("StartingPosition", Any),
    p("StartingPositionTimestamp", Any),
    p("Enabled", Flag),
    p("MaximumBatchingWindowInSeconds", Integer),
    p("MaximumRetryAttempts", Integer),
    p("BisectBatchOnFunctionError", Flag),
    p("MaximumRecordAgeInSeconds", Integer),
    p("DestinationConfig", Map),
    p("ParallelizationFactor", Integer),
    p("Topics", List),
    p("Queues", List),
    p("SourceAccessConfigurations", List),
    p("SecretsManagerKmsKeyId", Refused),
    p("TumblingWindowInSeconds", Integer),
    p("FunctionResponseTypes", List),
    p("KafkaBootstrapServers", Refused),
    p("FilterCriteria", Map),
    p("KmsKeyArn", Any),
    p("ConsumerGroupId", Refused),
    p("ScalingConfig", Map),
    p("ProvisionedPollerConfig", Map),
    p("SchemaRegistryConfig", Refused),
    p("MetricsConfig", Map),
    p("LoggingConfig", Map),
    required("Queue", Any),
];

/// What is wrong with the properties of a resource or event.
pub fn problems(properties: &Dict, table: &[Property], type_name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for key in properties.keys() {
        match table.iter().find(|property| property.name == key) {
            None => found.push(format!("property {key} not defined for resource of type {type_name}")),
            Some(Property { shape: Refused, .. }) => {
                found.push(format!("Property '{key}' of {type_name} is not supported."));
            }
            Some(_) => {}
        }
    }
    for property in table.iter().filter(|property| property.shape != Refused) {
        match properties.some(property.name) {
            None if property.required => {
                found.push(format!("Missing required property '{}'.", property.name));
            }
            None => {}
            Some(value) if property.shape.takes(value) => {}
            Some(_) => found.push(match property.shape {
                Text => format!("Property '{}' should be a string.", property.name),
                Map => format!("Property '{}' should be a map.", property.name),
                _ => format!("Type of property '{}' is invalid.", property.name),
            }),
        }
    }
    found
}

impl Shape {
    fn takes(self, value: &Node) -> bool {
        let text_or_map = |node: &Node| node.text().is_some() || node.dict().is_some();
        let only_member = value.dict().is_some_and(|dict| dict.len() == 1);
        match self {
            Any | Refused => true,
            TextOrTexts => {
                value.text().is_some() || value.list().is_some_and(|l| l.iter().all(|i| i.text().is_some()))
            }
            // An intrinsic function is as good as what it gives.
            _ if only_member => true,
            Text => value.text().is_some(),
            Map => value.dict().is_some(),
            List => value.list().is_some(),
            Flag => matches!(value, Node::Bool(_)),
            Integer => match value {
                Node::Number(text) => text.parse::<i64>().is_ok(),
                other => matches!(other, Node::Bool(_)),
            },
            TextOrMap => text_or_map(value),
            FlagOrMap => matches!(value, Node::Bool(_)) || value.dict().is_some(),
            MapOfMaps => value.dict().is_some_and(|d| d.members().all(|(_, v)| v.dict().is_some())),
            ListOfTextsOrMaps => value.list().is_some_and(|items| items.iter().all(text_or_map)),
            Reference => value.dict().is_some(),
            References => {
                value.dict().is_some()
                    || value.list().is_some_and(|items| items.iter().all(|item| item.dict().is_some()))
            }
            Texts => value.list().is_some_and(|items| items.iter().all(|item| item.text().is_some())),
            Policies => text_or_map(value) || value.list().is_some_and(|items| items.iter().all(text_or_map)),
        }
    }
}
