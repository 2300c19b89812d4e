//! Function URLs: `FunctionUrlConfig`.

use super::function::Target;
use super::node::{Dict, Node};
use super::problem::Result;
use super::resource::{Resource, Source};

/// The URL of a function, and what lets everybody call it if it asks for no signature.
pub fn resources(source: &Source, config: &Node, target: &Target) -> Result<Vec<Resource>> {
    let Some(config) = config.dict() else { return Ok(Vec::new()) };
    if config.intrinsic().is_none() {
        check(source, config)?;
    }
    let id = &source.id.text;
    let mut url = Resource::new(format!("{id}Url"), "AWS::Lambda::Url", source.passed())
        .with_some("AuthType", config.get("AuthType"))
        .with("TargetFunctionArn", target.name.clone())
        .with_some("InvokeMode", config.get("InvokeMode"));
    url = url.with_some("Cors", config.truthy("Cors"));
    let mut resources = vec![url];
    if config.get("AuthType").and_then(Node::text) == Some("NONE") && config.intrinsic().is_none() {
        let permission = |suffix: &str, action: &str| {
            Resource::new(format!("{id}{suffix}"), "AWS::Lambda::Permission", source.passed())
                .with("Action", action)
                .with("FunctionName", target.name.clone())
                .with("Principal", "*")
        };
        resources.push(
            permission("UrlPublicPermissions", "lambda:InvokeFunctionUrl")
                .with("FunctionUrlAuthType", "NONE"),
        );
        resources.push(
            permission("URLInvokeAllowPublicAccess", "lambda:InvokeFunction")
                .with("InvokedViaFunctionUrl", true),
        );
    }
    Ok(resources)
}

fn check(source: &Source, config: &Dict) -> Result<()> {
    let kind = config.truthy("AuthType");
    let known = kind
        .is_some_and(|kind| kind.intrinsic().is_some() || matches!(kind.text(), Some("AWS_IAM" | "NONE")));
    if !known {
        return source.problem(
            "AuthType is required to configure function property `FunctionUrlConfig`. Please provide either AWS_IAM or NONE.",
        );
    }
    let Some(cors) = config.truthy("Cors").filter(|cors| cors.intrinsic().is_none()) else { return Ok(()) };
    for (name, value) in source.map(cors, "FunctionUrlConfig.Cors")?.members() {
        let (kind, takes): (&str, bool) = match name.text.as_str() {
            "AllowOrigins" | "AllowMethods" | "AllowHeaders" | "ExposeHeaders" => {
                ("list", value.list().is_some())
            }
            "AllowCredentials" => ("bool", matches!(value, Node::Bool(_))),
            "MaxAge" => ("int", matches!(value, Node::Number(_) | Node::Bool(_))),
            other => return source.problem(format!("{other} is not a valid property for configuring Cors.")),
        };
        if !takes && value.intrinsic().is_none() {
            return source.problem(format!("{} must be of type {kind}.", name.text));
        }
    }
    Ok(())
}
