//! PutIntegration, GetIntegration, UpdateIntegration, DeleteIntegration, and the same of its responses.

use ropeway_api::apigateway as api;
use ropeway_wire::{Cx, Error};

use super::methods::find;
use super::{ApiGateway, checked, of_resource, pass_role};
use crate::commands::{Change, TIMEOUT, Target};
use crate::errors::{bad, no_integration, no_response, unimplemented};
use crate::model::{Api, Integration, IntegrationResponse};
use crate::render;

fn integration(api: &Api, resource: &str, verb: &str) -> Result<api::Integration, Error> {
    let found = find(api, resource, verb)?.integration.as_ref().ok_or_else(no_integration)?;
    Ok(render::integration(found))
}

fn response(api: &Api, resource: &str, verb: &str, status: &str) -> Result<api::IntegrationResponse, Error> {
    let found = find(api, resource, verb)?.integration.as_ref().ok_or_else(no_integration)?;
    let found = found.responses.get(status).ok_or_else(no_response)?;
    Ok(render::integration_response(status, found))
}

/// Who the integration is called as: a role of the caller's account, which they may hand over.
fn check_credentials(cx: &Cx, credentials: Option<&str>) -> Result<(), Error> {
    match credentials {
        None | Some("") => Ok(()),
        Some("arn:aws:iam::*:user/*") => {
            Err(unimplemented("The caller's own credentials for an integration"))
        }
        Some(role) => pass_role(cx, role),
    }
}

pub async fn put_integration(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::PutIntegrationInput,
) -> Result<api::PutIntegrationOutput, Error> {
    if input.connection_type.as_deref() == Some("VPC_LINK") {
        return Err(unimplemented("The connection type VPC_LINK"));
    }
    if input.response_transfer_mode.as_deref() == Some("STREAM") {
        return Err(unimplemented("The response transfer mode STREAM"));
    }
    check_credentials(cx, input.credentials.as_deref())?;
    let timeout = input.timeout_in_millis.unwrap_or(i64::from(*TIMEOUT.end()));
    let given = Integration {
        kind: input.type_,
        http_method: input.integration_http_method,
        uri: input.uri,
        credentials: input.credentials.filter(|role| !role.is_empty()),
        request_parameters: input.request_parameters.unwrap_or_default(),
        request_templates: input.request_templates.unwrap_or_default(),
        passthrough: input.passthrough_behavior.unwrap_or_else(|| "WHEN_NO_MATCH".to_owned()),
        content_handling: input.content_handling,
        timeout_millis: u32::try_from(timeout)
            .map_err(|_| bad("Timeout should be between 50 ms and 29000 ms"))?,
        ..Integration::default()
    };
    let (resource, verb) = (input.resource_id, input.http_method);
    let change = Change::Integration(resource.clone(), verb.clone(), Box::new(given));
    let (api, _) = gateway.change(cx, &input.rest_api_id, change).await.map_err(of_resource)?;
    integration(&api, &resource, &verb)
}

pub async fn get_integration(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetIntegrationInput,
) -> Result<api::GetIntegrationOutput, Error> {
    let api = gateway.own(cx, &input.rest_api_id).await.map_err(of_resource)?;
    integration(&api, &input.resource_id, &input.http_method)
}

pub async fn update_integration(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateIntegrationInput,
) -> Result<api::UpdateIntegrationOutput, Error> {
    let patches = checked(input.patch_operations)?;
    for patch in patches.iter().filter(|patch| patch.path == "/credentials" && patch.op != "remove") {
        check_credentials(cx, patch.value.as_deref())?;
    }
    let (resource, verb) = (input.resource_id, input.http_method);
    let change = Change::Patch(Target::Integration(resource.clone(), verb.clone()), patches);
    let (api, _) = gateway.change(cx, &input.rest_api_id, change).await.map_err(of_resource)?;
    integration(&api, &resource, &verb)
}

pub async fn delete_integration(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteIntegrationInput,
) -> Result<api::DeleteIntegrationOutput, Error> {
    let change = Change::Remove(Target::Integration(input.resource_id, input.http_method));
    gateway.change(cx, &input.rest_api_id, change).await.map_err(of_resource)?;
    Ok(api::DeleteIntegrationOutput {})
}

pub async fn put_integration_response(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::PutIntegrationResponseInput,
) -> Result<api::PutIntegrationResponseOutput, Error> {
    let given = IntegrationResponse {
        selection_pattern: input.selection_pattern,
        parameters: input.response_parameters.unwrap_or_default(),
        templates: input.response_templates.unwrap_or_default(),
        content_handling: input.content_handling,
    };
    let (resource, verb, status) = (input.resource_id, input.http_method, input.status_code);
    let change = Change::IntegrationResponse(resource.clone(), verb.clone(), status.clone(), given);
    let (api, _) = gateway.change(cx, &input.rest_api_id, change).await.map_err(of_resource)?;
    response(&api, &resource, &verb, &status)
}

pub async fn get_integration_response(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetIntegrationResponseInput,
) -> Result<api::GetIntegrationResponseOutput, Error> {
    let api = gateway.own(cx, &input.rest_api_id).await.map_err(of_resource)?;
    response(&api, &input.resource_id, &input.http_method, &input.status_code)
}

pub async fn update_integration_response(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateIntegrationResponseInput,
) -> Result<api::UpdateIntegrationResponseOutput, Error> {
    let (resource, verb, status) = (input.resource_id, input.http_method, input.status_code);
    let target = Target::IntegrationResponse(resource.clone(), verb.clone(), status.clone());
    let api =
        gateway.patch(cx, &input.rest_api_id, target, input.patch_operations).await.map_err(of_resource)?;
    response(&api, &resource, &verb, &status)
}

pub async fn delete_integration_response(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteIntegrationResponseInput,
) -> Result<api::DeleteIntegrationResponseOutput, Error> {
    let target = Target::IntegrationResponse(input.resource_id, input.http_method, input.status_code);
    gateway.change(cx, &input.rest_api_id, Change::Remove(target)).await.map_err(of_resource)?;
    Ok(api::DeleteIntegrationResponseOutput {})
}
