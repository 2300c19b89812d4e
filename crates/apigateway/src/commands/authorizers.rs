//! Lambda authorisers.

use regex::Regex;
use ropeway_wire::Error;

use super::Moment;
use crate::errors::{bad, conflict, limit, no_authorizer, unimplemented};
use crate::mapping;
use crate::model::{Api, Authorizer};
use crate::patch::Patch;

/// Authorisers of an API: <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>.
pub const MOST: usize = 10;
/// Seconds that an authoriser's answer may be kept:
/// <https://docs.aws.amazon.com/apigateway/latest/api/API_CreateAuthorizer.html>.
pub const MAX_TTL: u32 = 3600;

fn at<'a>(api: &'a mut Api, id: &str) -> Result<&'a mut Authorizer, Error> {
    api.definition.authorizers.get_mut(id).ok_or_else(no_authorizer)
}

/// Checks an authoriser; called for imports too.
pub fn check(authorizer: &Authorizer) -> Result<(), Error> {
    match authorizer.kind.as_str() {
        "TOKEN" | "REQUEST" => {}
        kind @ ("COGNITO_USER_POOLS" | "JWT") => {
            return Err(unimplemented(&format!("An authorizer of the type {kind}")));
        }
        _ => return Err(bad("Invalid authorizer type specified")),
    }
    if mapping::function_of(&authorizer.uri).is_none() {
        return Err(bad(format!(
            "Invalid Authorizer URI: {}. Authorizer URI should be a valid API Gateway ARN \
                                that represents a Lambda function invocation.",
            authorizer.uri
        )));
    }
    if authorizer.ttl_secs > MAX_TTL {
        return Err(bad(format!("Authorizer result TTL must be between 0 and {MAX_TTL}")));
    }
    let source = authorizer.identity_source.as_deref().unwrap_or_default();
    if source.is_empty() && (authorizer.kind == "TOKEN" || authorizer.ttl_secs > 0) {
        return Err(bad("Identity source cannot be empty"));
    }
    for one in source.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        let sound = match mapping::parse(one, "method.request") {
            Some(mapping::Source::Named(mapping::Place::Header, _)) => true,
            Some(mapping::Source::Named(mapping::Place::Query, _))
            | Some(mapping::Source::Context(_) | mapping::Source::Variable(_)) => {
                authorizer.kind == "REQUEST"
            }
            _ => false,
        };
        if !sound {
            return Err(bad(format!("Invalid mapping expression specified: {one}")));
        }
    }
    if let Some(validation) = authorizer.validation.as_deref()
        && Regex::new(validation).is_err()
    {
        return Err(bad("Invalid identity validation expression specified"));
    }
    Ok(())
}

pub fn create(api: &mut Api, authorizer: Authorizer, moment: &Moment<'_>) -> Result<String, Error> {
    check(&authorizer)?;
    unique(api, None, &authorizer.name)?;
    if api.definition.authorizers.len() >= MOST {
        return Err(limit("Maximum number of Authorizers reached for this API"));
    }
    let id = moment.id(6);
    api.definition.authorizers.insert(id.clone(), authorizer);
    Ok(id)
}

fn unique(api: &Api, own: Option<&str>, name: &str) -> Result<(), Error> {
    let mut others = api.definition.authorizers.iter().filter(|(id, _)| Some(id.as_str()) != own);
    if others.any(|(_, other)| other.name == name) {
        return Err(bad(format!(
            "Authorizer name must be unique. Authorizer {name} already exists in this RestApi."
        )));
    }
    Ok(())
}

pub fn check_at(api: &mut Api, id: &str) -> Result<(), Error> {
    let authorizer = at(api, id)?.clone();
    unique(api, Some(id), &authorizer.name)?;
    check(&authorizer)
}

pub fn patch(api: &mut Api, id: &str, patch: &Patch) -> Result<(), Error> {
    let authorizer = at(api, id)?;
    patch.only(&["replace", "add", "remove"])?;
    let value = patch.optional().filter(|_| patch.op != "remove");
    match patch.path.trim_start_matches('/') {
        "name" => authorizer.name = value.ok_or_else(|| bad("Authorizer name cannot be blank"))?,
        "type" => authorizer.kind = value.unwrap_or_default(),
        "authType" => authorizer.auth_type = value,
        "authorizerUri" => authorizer.uri = value.unwrap_or_default(),
        "authorizerCredentials" => authorizer.credentials = value,
        "identitySource" => authorizer.identity_source = value,
        "identityValidationExpression" => authorizer.validation = value,
        "authorizerResultTtlInSeconds" => {
            let ttl = value.map_or(Some(300), |value| value.parse().ok());
            authorizer.ttl_secs =
                ttl.ok_or_else(|| bad(format!("Authorizer result TTL must be between 0 and {MAX_TTL}")))?;
        }
        path if path.starts_with("providerARNs") => {
            return Err(unimplemented("A Cognito user pool"));
        }
        _ => return Err(patch.invalid()),
    }
    Ok(())
}

pub fn remove(api: &mut Api, id: &str) -> Result<(), Error> {
    at(api, id)?;
    for (resource, found) in &api.definition.resources {
        for (verb, method) in &found.methods {
            if method.authorizer_id.as_deref() == Some(id) {
                let path = api.definition.path(resource);
                return Err(conflict(format!(
                    "Cannot delete authorizer '{id}', is referenced in method: {path}/{verb}"
                )));
            }
        }
    }
    api.definition.authorizers.remove(id);
    Ok(())
}
