//! What must hold of an HTTP API.

use ropeway_wire::Error;

use super::errors::{bad, no, unimplemented};
use super::model::{Authorizer, Cors, DEFAULT, Definition, HttpApi, Integration, Route, Stage};
use super::plane::{integrations, mapping};

/// Longest and default time that an integration may take, in milliseconds:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>.
const TIMEOUT: u32 = 30_000;
/// Verbs of route keys.
pub const VERBS: [&str; 8] = ["ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
/// Scopes of a route.
const MOST_SCOPES: usize = 10;
/// Audiences of an authorizer.
const MOST_AUDIENCES: usize = 50;

/// An integration before anything is said of it.
pub fn new_integration() -> Integration {
    Integration { payload: "1.0".to_owned(), timeout_millis: TIMEOUT, ..Integration::default() }
}

/// A route's key without the names of its variables: two routes of one are one route.
pub fn shape(key: &str) -> String {
    let part = |part: &str| match part.strip_prefix('{') {
        Some(name) if name.ends_with("+}") => "{+}".to_owned(),
        Some(_) => "{}".to_owned(),
        None => part.to_owned(),
    };
    key.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// The verb and the path of a route's key; `None`: `$default`.
fn key_parts(key: &str) -> Result<Option<(&str, &str)>, Error> {
    if key == DEFAULT {
        return Ok(None);
    }
    let parts = key.split_once(' ').filter(|(verb, path)| VERBS.contains(verb) && path.starts_with('/'));
    parts.map(Some).ok_or_else(|| {
        bad("The provided route key is not formatted properly for HTTP protocol. Format should be \
             \"<HTTP METHOD> /<RESOURCE PATH>\" or \"$default\"")
    })
}

fn route_key(key: &str) -> Result<(), Error> {
    let Some((_, path)) = key_parts(key)? else { return Ok(()) };
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    for (index, part) in parts.iter().enumerate() {
        let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        let Some(name) = name else {
            if part.contains(['{', '}', '?', '#']) {
                return Err(bad(format!("Invalid path part {part} of the route key {key}")));
            }
            continue;
        };
        let greedy = name.ends_with('+');
        let name = name.strip_suffix('+').unwrap_or(name);
        let sound = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || !name.chars().all(sound) || (greedy && index + 1 != parts.len()) {
            return Err(bad(format!("Invalid path variable {part} of the route key {key}")));
        }
    }
    Ok(())
}

fn route(definition: &Definition, route: &Route) -> Result<(), Error> {
    route_key(&route.key)?;
    if let Some(id) = route.integration.as_ref().filter(|id| !definition.integrations.contains_key(*id)) {
        return Err(no("Integration", id));
    }
    let wanted = match route.authorization.as_str() {
        "NONE" | "AWS_IAM" => None,
        "JWT" => Some("JWT"),
        "CUSTOM" => Some("REQUEST"),
        other => return Err(bad(format!("Invalid authorization type {other}"))),
    };
    match (wanted, &route.authorizer) {
        (None, _) if !route.scopes.is_empty() => {
            return Err(bad("Authorization scopes are only for routes with a JWT authorizer"));
        }
        (None, None) => {}
        (None, Some(_)) => {
            return Err(bad(format!(
                "An authorizer is not for the authorization type {}",
                route.authorization
            )));
        }
        (Some(_), None) => {
            return Err(bad("Authorizer ID is required for the authorization types JWT and CUSTOM"));
        }
        (Some(kind), Some(id)) => {
            let found = definition.authorizers.get(id).ok_or_else(|| no("Authorizer", id))?;
            if found.kind != kind {
                return Err(bad(format!(
                    "Authorizer {id} is not of the type that {} needs",
                    route.authorization
                )));
            }
        }
    }
    match route.scopes.len() > MOST_SCOPES {
        true => Err(bad(format!("A route has at most {MOST_SCOPES} authorization scopes"))),
        false => Ok(()),
    }
}

fn endpoint(uri: Option<&str>) -> Result<(), Error> {
    let parsed: Option<http::Uri> = uri.and_then(|uri| uri.replace(['{', '}', '$', '+'], "x").parse().ok());
    let sound =
        parsed.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some());
    match sound {
        true => Ok(()),
        false => Err(bad("Invalid HTTP endpoint specified for URI")),
    }
}

/// The ARN of a function, or its invocation's.
pub fn is_function(uri: &str) -> bool {
    uri.starts_with("arn:aws:lambda:") && uri.contains(":function:")
        || crate::mapping::function_of(uri).is_some()
}

fn integration(of: &Integration) -> Result<(), Error> {
    match (of.kind.as_str(), &of.subtype) {
        ("AWS_PROXY", Some(subtype)) => {
            integrations::check(subtype, &of.request_parameters)?;
            if of.credentials.is_none() || of.uri.is_some() || of.payload != "1.0" {
                return Err(bad(format!(
                    "The integration {subtype} takes a credentialsArn, no URI, and the payload format version 1.0"
                )));
            }
        }
        ("AWS_PROXY", None) => {
            if !of.uri.as_deref().is_some_and(is_function) {
                return Err(bad("Invalid function ARN or invalid uri"));
            }
            if !matches!(of.payload.as_str(), "1.0" | "2.0") {
                return Err(bad("PayloadFormatVersion must be 1.0 or 2.0"));
            }
            of.request_parameters.iter().try_for_each(|(key, value)| mapping::check_request(key, value))?;
        }
        ("HTTP_PROXY", None) => {
            endpoint(of.uri.as_deref())?;
            if of.payload != "1.0" {
                return Err(bad("PayloadFormatVersion of an HTTP_PROXY integration must be 1.0"));
            }
            if !of.method.as_deref().is_some_and(|verb| VERBS.contains(&verb)) {
                return Err(bad(
                    "HttpMethod must be set to one of the supported methods for HTTP_PROXY integrations",
                ));
            }
            of.request_parameters.iter().try_for_each(|(key, value)| mapping::check_request(key, value))?;
        }
        (kind, _) => {
            return Err(bad(format!(
                "The integration type {kind} is not supported for HTTP APIs, or takes no subtype"
            )));
        }
    }
    for (status, parameters) in &of.response_parameters {
        if !status.parse::<u16>().is_ok_and(|status| (200..600).contains(&status)) {
            return Err(bad(format!("Invalid status code {status} of response parameters")));
        }
        parameters.iter().try_for_each(|(key, value)| mapping::check_response(key, value))?;
    }
    Ok(())
}

fn authorizer(of: &Authorizer) -> Result<(), Error> {
    if of.identity.iter().any(|source| !mapping::is_identity(source)) {
        return Err(bad("Invalid identity source: it is $request.header.name, $request.querystring.name, \
                        $context.name or $stageVariables.name"));
    }
    match of.kind.as_str() {
        "JWT" => {
            let jwt = of.jwt.as_ref().ok_or_else(|| bad("A JWT authorizer needs a jwtConfiguration"))?;
            if of.identity.len() != 1 {
                return Err(bad("A JWT authorizer has one identity source"));
            }
            endpoint(jwt.issuer.as_deref()).map_err(|_| bad("Invalid issuer: it is a URL"))?;
            if jwt.audience.is_empty() || jwt.audience.len() > MOST_AUDIENCES {
                return Err(bad(format!("A JWT authorizer has 1 to {MOST_AUDIENCES} audiences")));
            }
            match of.uri.is_some() || of.credentials.is_some() || of.simple.is_some() || of.payload.is_some()
            {
                true => Err(bad("authorizerUri, authorizerCredentialsArn, enableSimpleResponses and \
                                 authorizerPayloadFormatVersion are for REQUEST authorizers alone")),
                false => Ok(()),
            }
        }
        "REQUEST" => {
            if of.jwt.is_some() {
                return Err(bad("jwtConfiguration is for JWT authorizers alone"));
            }
            if of.uri.as_deref().and_then(crate::mapping::function_of).is_none() {
                return Err(bad(
                    "Authorizer Uri should be a valid API Gateway ARN that represents a Lambda function invocation.",
                ));
            }
            match (of.payload.as_deref(), of.simple) {
                (Some("2.0"), _) | (Some("1.0"), None | Some(false)) => {}
                (Some("1.0"), Some(true)) => {
                    return Err(bad("Simple responses need the payload format version 2.0"));
                }
                _ => {
                    return Err(bad(
                        "AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer",
                    ));
                }
            }
            match of.ttl_secs.unwrap_or(0) > 0 && of.identity.is_empty() {
                true => Err(bad("Caching needs an identity source")),
                false => Ok(()),
            }
        }
        other => Err(bad(format!("Invalid authorizer type {other}"))),
    }
}

fn cors(of: &Cors) -> Result<(), Error> {
    let has = |list: &Option<Vec<String>>, one: &str| list.iter().flatten().any(|entry| entry == one);
    if of.credentials == Some(true) && has(&of.origins, "*") {
        return Err(bad("Unable to set allow-credentials when allow-origins is \"*\""));
    }
    for origin in of.origins.iter().flatten() {
        let sound = origin == "*"
            || origin.split_once("://").is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty());
        if !sound {
            return Err(bad(format!(
                "Invalid format for origin {origin}: it is \"*\" or begins with a scheme"
            )));
        }
    }
    match of.methods.iter().flatten().find(|verb| *verb != "*" && !VERBS.contains(&verb.as_str())) {
        Some(verb) => Err(bad(format!("Invalid method {verb} of the CORS configuration"))),
        None => Ok(()),
    }
}

/// Checks what a deployment would freeze.
pub fn definition(definition: &Definition) -> Result<(), Error> {
    definition.integrations.values().try_for_each(integration)?;
    definition.authorizers.values().try_for_each(authorizer)?;
    definition.routes.values().try_for_each(|one| route(definition, one))?;
    definition.cors.as_ref().map_or(Ok(()), cors)
}

/// Checks what is set for an API.
pub fn settings(api: &HttpApi) -> Result<(), Error> {
    let settings = &api.settings;
    if settings.name.is_empty() || settings.name.chars().count() > 128 {
        return Err(bad("API name must have 1 to 128 characters"));
    }
    if settings.description.as_ref().is_some_and(|text| text.chars().count() > 1024) {
        return Err(bad("A description has at most 1024 characters"));
    }
    match settings.version.as_ref().is_some_and(|text| text.chars().count() > 64) {
        true => Err(bad("A version has at most 64 characters")),
        false => Ok(()),
    }
}

/// Checks a stage's name.
pub fn stage_name(name: &str) -> Result<(), Error> {
    let sound = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    match name == DEFAULT || (sound && (1..=128).contains(&name.len())) {
        true => Ok(()),
        false => Err(bad("Stage name only allows a-zA-Z0-9_-, or $default")),
    }
}

/// Checks a stage.
pub fn stage(definition: &Definition, stage: &Stage) -> Result<(), Error> {
    crate::commands::check_variables(&stage.variables)?;
    for key in stage.route_throttles.keys() {
        if !definition.routes.values().any(|route| route.key == *key) {
            return Err(no("RouteKey", key));
        }
    }
    match (&stage.log_destination, &stage.log_format) {
        (None, None) => Ok(()),
        (Some(arn), Some(_)) if arn.starts_with("arn:aws:logs:") && arn.contains(":log-group:") => Ok(()),
        (Some(arn), Some(_)) if arn.starts_with("arn:aws:firehose:") => {
            Err(unimplemented("An access log to a delivery stream"))
        }
        (Some(arn), Some(_)) => {
            Err(bad(format!("Invalid ARN specified in the request. ARNs must be of a log group: {arn}")))
        }
        _ => Err(bad("Access log settings need a destinationArn and a format")),
    }
}
