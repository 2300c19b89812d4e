//! Defaults for every resource of a type: the section `Globals`.

use super::node::{Dict, Node};
use super::problem::{Problem, Result};

const PREFIX: &str = "AWS::Serverless::";
/// The sections that SAM has.
const SECTIONS: [&str; 11] = [
    "Api",
    "CapacityProvider",
    "Function",
    "HttpApi",
    "LayerVersion",
    "MicrovmImage",
    "NetworkConnector",
    "SimpleTable",
    "StateMachine",
    "WebSocketApi",
    "WebFunction",
];

/// What functions may have in common.
const FUNCTION: &[&str] = &[
    "Handler",
    "Runtime",
    "CodeUri",
    "DeadLetterQueue",
    "Description",
    "MemorySize",
    "Timeout",
    "VpcConfig",
    "Environment",
    "Tags",
    "PropagateTags",
    "Tracing",
    "KmsKeyArn",
    "AutoPublishAlias",
    "AutoPublishAliasAllProperties",
    "Layers",
    "DeploymentPreference",
    "RolePath",
    "PermissionsBoundary",
    "ReservedConcurrentExecutions",
    "ProvisionedConcurrencyConfig",
    "AssumeRolePolicyDocument",
    "EventInvokeConfig",
    "FileSystemConfigs",
    "CodeSigningConfigArn",
    "Architectures",
    "SnapStart",
    "EphemeralStorage",
    "FunctionUrlConfig",
    "RuntimeManagementConfig",
    "LoggingConfig",
    "RecursiveLoop",
    "SourceKMSKeyArn",
    "TenancyConfig",
    "DurableConfig",
    "CapacityProviderConfig",
    "FunctionScalingConfig",
    "PublishToLatestPublished",
    "VersionDeletionPolicy",
];

/// What REST APIs may have in common.
const API: &[&str] = &[
    "Auth",
    "Name",
    "DefinitionUri",
    "CacheClusterEnabled",
    "CacheClusterSize",
    "MergeDefinitions",
    "Variables",
    "EndpointConfiguration",
    "MethodSettings",
    "BinaryMediaTypes",
    "MinimumCompressionSize",
    "Cors",
    "GatewayResponses",
    "AccessLogSetting",
    "CanarySetting",
    "TracingEnabled",
    "OpenApiVersion",
    "Domain",
    "AlwaysDeploy",
    "PropagateTags",
    "SecurityPolicy",
    "EndpointAccessMode",
];

/// What HTTP APIs may have in common.
const HTTP_API: &[&str] = &[
    "Auth",
    "AccessLogSettings",
    "StageVariables",
    "Tags",
    "CorsConfiguration",
    "DefaultRouteSettings",
    "Domain",
    "RouteSettings",
    "FailOnWarnings",
    "PropagateTags",
];

/// The properties that a section may have; none: this section is not there.
fn properties(section: &str) -> Option<&'static [&'static str]> {
    Some(match section {
        "Function" => FUNCTION,
        "Api" => API,
        "HttpApi" => HTTP_API,
        "LayerVersion" => &["PublishLambdaVersion"],
        _ => return None,
    })
}

/// Everything that is wrong with the section.
pub fn problems(globals: &Node) -> Vec<Problem> {
    let Some(globals) = globals.dict() else {
        return vec![Problem::Globals("It must be a non-empty dictionary".to_owned())];
    };
    let mut found = Vec::new();
    for (section, values) in globals.members() {
        let section = section.text;
        let Some(known) = properties(&section) else {
            let values = "'Api', 'Function', 'HttpApi', 'LayerVersion'";
            found.push(if SECTIONS.contains(&section.as_str()) {
                format!("The section '{section}' is not supported.")
            } else {
                format!("'{section}' is not supported. Must be one of the following values - [{values}]")
            });
            continue;
        };
        let Some(values) = values.dict() else {
            found.push("Value of ${section} must be a dictionary".to_owned());
            continue;
        };
        let unknown = values.keys().into_iter().filter(|key| !known.contains(key));
        found.extend(unknown.map(|key| {
            let list: Vec<String> = known.iter().map(|name| format!("'{name}'")).collect();
            format!(
                "'{key}' is not a supported property of '{section}'. Must be one of the following values - [{}]",
                list.join(", ")
            )
        }));
    }
    found.into_iter().map(Problem::Globals).collect()
}

/// A resource's properties over the defaults of its type.
pub fn merge(globals: &Dict, id: &str, resource: &Dict) -> Result<Option<Node>> {
    let kind = resource.get("Type").and_then(Node::text).unwrap_or_default();
    let section = kind.strip_prefix(PREFIX).unwrap_or_default();
    let Some(defaults) = globals.get(section).and_then(Node::dict) else { return Ok(None) };
    let defaults = match resource.truthy("IgnoreGlobals") {
        None => defaults.clone(),
        Some(Node::Text(all)) if all.text == "*" => Dict::new(),
        Some(Node::List(items)) => without(defaults, id, items)?,
        Some(_) => {
            let what = format!("Resource {id} has invalid resource attribute 'IgnoreGlobals'.");
            return Err(Problem::resource(id, what));
        }
    };
    let own = resource.get("Properties").and_then(Node::dict).cloned().unwrap_or_default();
    Ok(Some(members(&defaults, &own, section).into()))
}

fn without(defaults: &Dict, id: &str, ignored: &[Node]) -> Result<Dict> {
    let mut left = defaults.clone();
    for item in ignored {
        let name = item.text().unwrap_or_default();
        if left.remove(name).is_none() {
            return Err(Problem::resource(
                id,
                format!("Resource {id} has invalid resource attribute 'IgnoreGlobals' on item '{name}'."),
            ));
        }
    }
    Ok(left)
}

/// Mappings are merged, lists joined; of all else, and of functions, the resource's own holds.
fn members(defaults: &Dict, own: &Dict, path: &str) -> Dict {
    let mut merged = defaults.copied();
    for (key, value) in own.members() {
        let path = format!("{path}.{}", key.text);
        let value = match merged.get(&key.text) {
            Some(default) => both(default, value, &path),
            None => value.clone(),
        };
        merged.insert(key, value);
    }
    merged
}

fn both(default: &Node, own: &Node, path: &str) -> Node {
    match (default, own) {
        (Node::Dict(a), Node::Dict(b)) if a.intrinsic().is_none() && b.intrinsic().is_none() => {
            members(a, b, path).into()
        }
        // One architecture is not added to another.
        (Node::List(a), Node::List(b)) if path != "Function.Architectures" => {
            a.iter().chain(b).cloned().collect::<Vec<_>>().into()
        }
        _ => own.clone(),
    }
}
