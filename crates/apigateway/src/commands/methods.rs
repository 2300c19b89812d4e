//! Methods and the responses that they declare.

use ropeway_wire::Error;

use super::resources;
use crate::errors::{authorizer_wanted, bad, conflict, no_method, no_response};
use crate::model::{Api, Definition, Method, MethodResponse};
use crate::patch::{NO_CONTENT_TYPE, NO_PARAMETER, Patch};

/// The verbs that there are.
pub const VERBS: [&str; 8] = ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY"];

/// The method of a resource and a verb.
pub fn at<'a>(api: &'a mut Api, resource: &str, verb: &str) -> Result<&'a mut Method, Error> {
    resources::at(api, resource)?.methods.get_mut(verb).ok_or_else(no_method)
}

/// The response of a method.
pub fn response_at<'a>(
    api: &'a mut Api,
    resource: &str,
    verb: &str,
    status: &str,
) -> Result<&'a mut MethodResponse, Error> {
    at(api, resource, verb)?.responses.get_mut(status).ok_or_else(no_response)
}

/// What must hold of a method.
pub fn check(api: &mut Api, resource: &str, verb: &str) -> Result<(), Error> {
    let method = at(api, resource, verb)?.clone();
    check_method(&api.definition, &method)
}

/// What must hold of a method of a definition; called for imports too.
pub fn check_method(definition: &Definition, method: &Method) -> Result<(), Error> {
    match method.authorization_type.as_str() {
        "NONE" | "AWS_IAM" => {}
        "CUSTOM" => {
            let id = method.authorizer_id.as_deref().unwrap_or_default();
            if !definition.authorizers.contains_key(id) {
                return Err(authorizer_wanted());
            }
        }
        "COGNITO_USER_POOLS" => {
            return Err(crate::errors::unimplemented("Authorization by COGNITO_USER_POOLS"));
        }
        _ => {
            return Err(bad("Invalid authorization type specified. Must be one of: \
                            [NONE, AWS_IAM, CUSTOM, COGNITO_USER_POOLS]"));
        }
    }
    if let Some(id) = &method.request_validator_id
        && !definition.validators.contains_key(id)
    {
        return Err(bad("Invalid Request Validator identifier specified"));
    }
    let models =
        method.request_models.values().chain(method.responses.values().flat_map(|r| r.models.values()));
    for model in models {
        if !definition.models.contains_key(model) {
            return Err(bad(format!("Invalid model identifier specified: {model}")));
        }
    }
    check_parameters(method)
}

fn check_parameters(method: &Method) -> Result<(), Error> {
    let mut seen = std::collections::BTreeSet::new();
    for name in method.request_parameters.keys() {
        let rest = name.strip_prefix("method.request.");
        let parsed = rest.and_then(|rest| rest.split_once('.'));
        let Some((kind, parameter)) = parsed.filter(|(_, parameter)| !parameter.is_empty()) else {
            return Err(bad(format!(
                "Invalid mapping expression specified: Validation Result: warnings : [], \
                                    errors : [Invalid mapping expression specified: {name}]"
            )));
        };
        if !["path", "querystring", "header", "multivaluequerystring", "multivalueheader"].contains(&kind) {
            return Err(bad(format!(
                "Invalid mapping expression specified: Validation Result: warnings : [], \
                                    errors : [Invalid mapping expression specified: {name}]"
            )));
        }
        if !seen.insert(parameter) {
            return Err(bad("Parameter names must be unique across querystring, header and path"));
        }
    }
    Ok(())
}

pub fn put(api: &mut Api, resource: &str, verb: &str, mut method: Method) -> Result<(), Error> {
    let found = resources::at(api, resource)?;
    if !VERBS.contains(&verb) {
        return Err(bad(format!("Invalid HttpMethod specified. Valid options are {}", VERBS.join(","))));
    }
    if found.methods.contains_key(verb) {
        return Err(conflict("Method already exists for this resource"));
    }
    if method.authorization_type != "CUSTOM" {
        method.authorizer_id = None;
    }
    found.methods.insert(verb.to_owned(), method);
    check(api, resource, verb)
}

pub fn patch(api: &mut Api, resource: &str, verb: &str, patch: &Patch) -> Result<(), Error> {
    let method = at(api, resource, verb)?;
    let parts = patch.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["requestParameters", name] => {
            return patch.entry(&mut method.request_parameters, name, NO_PARAMETER, Patch::flag);
        }
        ["requestModels", kind] => {
            return patch.text_entry(&mut method.request_models, kind, NO_CONTENT_TYPE);
        }
        _ => {}
    }
    let replace = |patch: &Patch| patch.only(&["replace"]);
    match parts.as_slice() {
        ["authorizationType"] => {
            replace(patch)?;
            method.authorization_type = patch.text();
            if method.authorization_type != "CUSTOM" {
                method.authorizer_id = None;
            }
        }
        ["authorizerId"] => {
            replace(patch)?;
            // Without a type that wants one, AWS passes over it.
            method.authorizer_id = patch.optional().filter(|_| method.authorization_type == "CUSTOM");
        }
        ["apiKeyRequired"] => {
            replace(patch)?;
            method.api_key_required = patch.flag();
        }
        ["operationName"] => {
            replace(patch)?;
            method.operation_name = patch.optional();
        }
        ["requestValidatorId"] => {
            replace(patch)?;
            method.request_validator_id = patch.optional();
        }
        _ => return Err(patch.invalid()),
    }
    Ok(())
}

pub fn remove(api: &mut Api, resource: &str, verb: &str) -> Result<(), Error> {
    resources::at(api, resource)?.methods.remove(verb).map(drop).ok_or_else(no_method)
}

pub fn put_response(
    api: &mut Api,
    resource: &str,
    verb: &str,
    status: &str,
    response: MethodResponse,
) -> Result<(), Error> {
    let method = at(api, resource, verb)?;
    if method.responses.contains_key(status) {
        return Err(conflict("Response already exists for this resource"));
    }
    check_headers(response.parameters.keys())?;
    method.responses.insert(status.to_owned(), response);
    check(api, resource, verb)
}

fn check_headers<'a>(names: impl Iterator<Item = &'a String>) -> Result<(), Error> {
    for name in names {
        let header = name.strip_prefix("method.response.header.").unwrap_or_default();
        if header.is_empty() {
            return Err(bad(format!(
                "Invalid mapping expression specified: Validation Result: warnings : [], \
                                    errors : [Invalid mapping expression specified: {name}]"
            )));
        }
    }
    Ok(())
}

pub fn patch_response(
    api: &mut Api,
    resource: &str,
    verb: &str,
    status: &str,
    patch: &Patch,
) -> Result<(), Error> {
    let response = response_at(api, resource, verb, status)?;
    let parts = patch.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["responseParameters", name] => {
            patch.entry(&mut response.parameters, name, NO_PARAMETER, Patch::flag)?;
            check_headers(response.parameters.keys())
        }
        ["responseModels", kind] => {
            patch.text_entry(&mut response.models, kind, NO_CONTENT_TYPE)?;
            check(api, resource, verb)
        }
        _ => Err(patch.invalid()),
    }
}

pub fn remove_response(api: &mut Api, resource: &str, verb: &str, status: &str) -> Result<(), Error> {
    at(api, resource, verb)?.responses.remove(status).map(drop).ok_or_else(no_response)
}
