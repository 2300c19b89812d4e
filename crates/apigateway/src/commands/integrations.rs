//! Integrations, and how their answers become responses.

use regex::Regex;
use ropeway_wire::Error;

use super::methods;
use crate::errors::{bad, no_integration, no_response, unimplemented};
use crate::mapping;
use crate::model::{Api, Integration, IntegrationResponse};
use crate::patch::{NO_CONTENT_TYPE, NO_PARAMETER, Patch};

/// Milliseconds that an integration may take:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>.
pub const TIMEOUT: std::ops::RangeInclusive<u32> = 50..=29_000;
/// Bytes of a mapping template (same source).
const MAX_TEMPLATE: usize = 300 * 1024;

/// The integration of a method.
fn at<'a>(api: &'a mut Api, resource: &str, verb: &str) -> Result<&'a mut Integration, Error> {
    methods::at(api, resource, verb)?.integration.as_mut().ok_or_else(no_integration)
}

/// The response of an integration.
pub fn response_at<'a>(
    api: &'a mut Api,
    resource: &str,
    verb: &str,
    status: &str,
) -> Result<&'a mut IntegrationResponse, Error> {
    at(api, resource, verb)?.responses.get_mut(status).ok_or_else(no_response)
}

/// Whether a text begins with a stage variable, which is known only when it is called.
fn is_late(text: &str) -> bool {
    text.contains("${stageVariables.")
}

/// What must hold of an integration; called for imports too.
pub fn check(integration: &Integration) -> Result<(), Error> {
    if !TIMEOUT.contains(&integration.timeout_millis) {
        return Err(bad("Timeout should be between 50 ms and 29000 ms"));
    }
    if !["WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"].contains(&integration.passthrough.as_str()) {
        return Err(bad("Invalid passthrough behavior specified"));
    }
    let handling = integration.content_handling.iter();
    handling.chain(integration.responses.values().filter_map(|r| r.content_handling.as_ref())).try_for_each(
        |handling| match handling.as_str() {
            "CONVERT_TO_BINARY" | "CONVERT_TO_TEXT" => Ok(()),
            _ => Err(bad("Invalid content handling strategy specified")),
        },
    )?;
    check_address(integration)?;
    check_templates(integration.request_templates.iter())?;
    for (target, source) in &integration.request_parameters {
        mapping::check_request(target, source)?;
    }
    Ok(())
}

fn check_templates<'a>(templates: impl Iterator<Item = (&'a String, &'a String)>) -> Result<(), Error> {
    for (kind, template) in templates {
        if !kind.contains('/') && kind != "$default" {
            return Err(bad(format!(
                "Validation Result: warnings : [], errors : [Invalid content type specified: {kind}]"
            )));
        }
        if template.len() > MAX_TEMPLATE {
            return Err(bad(format!(
                "Mapping template for content type {kind} exceeds the maximum size of 300 KB"
            )));
        }
        mapping::check_template(template)?;
    }
    Ok(())
}

fn check_address(integration: &Integration) -> Result<(), Error> {
    let kind = integration.kind.as_str();
    if kind == "MOCK" {
        return Ok(());
    }
    if integration.http_method.as_deref().unwrap_or_default().is_empty() {
        return Err(bad("Enumeration value for HttpMethod must be non-empty"));
    }
    let uri = integration.uri.as_deref().unwrap_or_default();
    match kind {
        "HTTP" | "HTTP_PROXY" => {
            let known = uri.starts_with("http://") || uri.starts_with("https://") || is_late(uri);
            let known = known && uri.parse::<http::Uri>().is_ok_and(|u| u.host().is_some()) || is_late(uri);
            let template = known || uri.starts_with("http") && uri.contains('{');
            if template { Ok(()) } else { Err(bad("Invalid HTTP endpoint specified for URI")) }
        }
        "AWS" | "AWS_PROXY" => check_arn(kind, uri),
        _ => Err(bad("Invalid integration type specified")),
    }
}

/// `arn:aws:apigateway:<region>:<service>:path/…` or `…:action/…`
fn check_arn(kind: &str, uri: &str) -> Result<(), Error> {
    let mut parts = uri.splitn(6, ':');
    let (arn, _, service) = (parts.next(), parts.next(), parts.next());
    let (_region, target, rest) = (parts.next(), parts.next(), parts.next());
    let (Some("arn"), Some("apigateway"), Some(target), Some(rest)) = (arn, service, target, rest) else {
        return Err(bad("Invalid ARN specified in the request"));
    };
    if !rest.starts_with("path/") && !rest.starts_with("action/") {
        return Err(bad("AWS ARN for integration must contain path or action"));
    }
    if target == "lambda" && mapping::function_of(uri).is_some() {
        return Ok(());
    }
    if kind == "AWS_PROXY" {
        return Err(bad("Integrations of type 'AWS_PROXY' currently only supports Lambda function and \
                        Firehose stream invocations."));
    }
    Err(unimplemented(&format!("An integration of the AWS service {target}")))
}

pub fn put(api: &mut Api, resource: &str, verb: &str, mut integration: Integration) -> Result<(), Error> {
    let method = methods::at(api, resource, verb)?;
    resource.clone_into(&mut integration.namespace);
    // What was there is replaced, its responses with it.
    check(&integration)?;
    method.integration = Some(integration);
    Ok(())
}

pub fn check_at(api: &mut Api, resource: &str, verb: &str) -> Result<(), Error> {
    check(at(api, resource, verb)?)
}

pub fn patch(api: &mut Api, resource: &str, verb: &str, patch: &Patch) -> Result<(), Error> {
    let integration = at(api, resource, verb)?;
    let parts = patch.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["requestParameters", name] => {
            return patch.text_entry(&mut integration.request_parameters, name, NO_PARAMETER);
        }
        ["requestTemplates", kind] => {
            return patch.text_entry(&mut integration.request_templates, kind, NO_CONTENT_TYPE);
        }
        ["connectionId" | "tlsConfig" | "cacheNamespace" | "cacheKeyParameters", ..] => {
            return Err(unimplemented(&patch.path));
        }
        _ => {}
    }
    let field = match parts.as_slice() {
        ["type"] => &mut integration.kind,
        ["passthroughBehavior"] => &mut integration.passthrough,
        ["httpMethod" | "uri" | "credentials" | "contentHandling" | "timeoutInMillis" | "connectionType"] => {
            return patch_optional(integration, patch, parts.first().copied().unwrap_or_default());
        }
        _ => return Err(patch.invalid()),
    };
    patch.only(&["replace"])?;
    *field = patch.text();
    Ok(())
}

fn patch_optional(integration: &mut Integration, patch: &Patch, field: &str) -> Result<(), Error> {
    patch.only(&["add", "replace", "remove"])?;
    let value = patch.optional().filter(|_| patch.op != "remove");
    match field {
        "httpMethod" => integration.http_method = value,
        "uri" => integration.uri = value,
        "credentials" => integration.credentials = value,
        "contentHandling" => integration.content_handling = value,
        "connectionType" if value.as_deref().is_some_and(|kind| kind != "INTERNET") => {
            return Err(unimplemented("The connection type VPC_LINK"));
        }
        "timeoutInMillis" => {
            let millis = value.map_or(Some(*TIMEOUT.end()), |value| value.parse().ok());
            integration.timeout_millis =
                millis.ok_or_else(|| bad("Timeout should be between 50 ms and 29000 ms"))?;
        }
        _ => {}
    }
    Ok(())
}

pub fn remove(api: &mut Api, resource: &str, verb: &str) -> Result<(), Error> {
    methods::at(api, resource, verb)?.integration.take().map(drop).ok_or_else(no_integration)
}

/// What must hold of a response: the headers that it sets are declared by the method's.
pub fn check_response(
    declared: Option<&crate::model::MethodResponse>,
    response: &IntegrationResponse,
) -> Result<(), Error> {
    for (target, source) in &response.parameters {
        mapping::check_response(target, source)?;
        if !declared.is_some_and(|declared| declared.parameters.contains_key(target)) {
            return Err(bad(format!("Invalid mapping expression parameter specified: {target}")));
        }
    }
    if let Some(pattern) = response.selection_pattern.as_deref()
        && Regex::new(pattern).is_err()
    {
        return Err(bad("Invalid selection pattern specified"));
    }
    check_templates(response.templates.iter())
}

pub fn put_response(
    api: &mut Api,
    resource: &str,
    verb: &str,
    status: &str,
    response: IntegrationResponse,
) -> Result<(), Error> {
    let method = methods::at(api, resource, verb)?;
    let declared = method.responses.get(status).cloned();
    let integration = method.integration.as_mut().ok_or_else(no_integration)?;
    let declared = declared.ok_or_else(no_response)?;
    check_response(Some(&declared), &response)?;
    integration.responses.insert(status.to_owned(), response);
    check(integration)
}

pub fn patch_response(
    api: &mut Api,
    resource: &str,
    verb: &str,
    status: &str,
    patch: &Patch,
) -> Result<(), Error> {
    let declared = methods::at(api, resource, verb)?.responses.get(status).cloned();
    let response = response_at(api, resource, verb, status)?;
    let parts = patch.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["responseParameters", name] => patch.text_entry(&mut response.parameters, name, NO_PARAMETER)?,
        ["responseTemplates", kind] => patch.text_entry(&mut response.templates, kind, NO_CONTENT_TYPE)?,
        ["selectionPattern"] => {
            patch.only(&["add", "replace", "remove"])?;
            response.selection_pattern = patch.value.clone().filter(|_| patch.op != "remove");
        }
        ["contentHandling"] => {
            patch.only(&["add", "replace", "remove"])?;
            response.content_handling = patch.optional().filter(|_| patch.op != "remove");
        }
        _ => return Err(patch.invalid()),
    }
    check_response(declared.as_ref(), response)?;
    check(at(api, resource, verb)?)
}

pub fn remove_response(api: &mut Api, resource: &str, verb: &str, status: &str) -> Result<(), Error> {
    at(api, resource, verb)?.responses.remove(status).map(drop).ok_or_else(no_response)
}
