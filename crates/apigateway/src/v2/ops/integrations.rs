//! CreateIntegration, GetIntegration, GetIntegrations, UpdateIntegration, DeleteIntegration.

use ropeway_api::apigatewayv2 as api;
use ropeway_wire::{Cx, Error};

use super::{ApiGateway, page, pass_role};
use crate::ops::unexpected;
use crate::v2::HttpApi;
use crate::v2::changes::{Change, Target};
use crate::v2::errors::{no, unimplemented};
use crate::v2::model::Integration;
use crate::v2::parts::IntegrationPart;
use crate::v2::render::integration_output;

fn at(api: &HttpApi, id: &str) -> Result<Integration, Error> {
    api.definition.integrations.get(id).cloned().ok_or_else(|| no("Integration", id))
}

fn no_link(connection: Option<&str>) -> Result<(), Error> {
    match connection {
        Some("VPC_LINK") => Err(unimplemented("The connection type VPC_LINK")),
        _ => Ok(()),
    }
}

/// What an input says of an integration: those of creating and updating one have it under the same names, but the one
/// must have a type.
macro_rules! part {
    ($cx:ident, $input:ident, $kind:expr) => {{
        pass_role($cx, $input.credentials_arn.as_deref())?;
        no_link($input.connection_type.as_deref())?;
        IntegrationPart {
            kind: $kind,
            subtype: $input.integration_subtype,
            uri: $input.integration_uri,
            method: $input.integration_method,
            payload: $input.payload_format_version,
            credentials: $input.credentials_arn,
            description: $input.description,
            request_parameters: $input.request_parameters.unwrap_or_default(),
            response_parameters: $input.response_parameters.unwrap_or_default(),
            timeout_millis: $input.timeout_in_millis,
        }
    }};
}

pub async fn create_integration(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::CreateIntegrationInput,
) -> Result<api::CreateIntegrationOutput, Error> {
    let part = part!(cx, input, Some(input.integration_type));
    let (api, made) =
        gateway.change_http(cx, &input.api_id, Change::Integration(None, Box::new(part))).await?;
    let id = made.ok_or_else(unexpected)?;
    let made = at(&api, &id)?;
    Ok(integration_output!(CreateIntegrationOutput, id, made))
}

pub async fn get_integration(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetIntegrationInput,
) -> Result<api::GetIntegrationOutput, Error> {
    let found = at(&gateway.own_http(cx, &input.api_id).await?, &input.integration_id)?;
    Ok(integration_output!(GetIntegrationOutput, input.integration_id, found))
}

pub async fn get_integrations(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetIntegrationsInput,
) -> Result<api::GetIntegrationsOutput, Error> {
    let all = gateway.own_http(cx, &input.api_id).await?.definition.integrations.into_iter();
    let all = all.map(|(id, one)| (id.clone(), integration_output!(Integration, id, one)));
    let (items, next_token) = page(all, input.next_token.as_deref(), input.max_results.as_deref())?;
    Ok(api::GetIntegrationsOutput { items, next_token })
}

pub async fn update_integration(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateIntegrationInput,
) -> Result<api::UpdateIntegrationOutput, Error> {
    let part = part!(cx, input, input.integration_type);
    let id = input.integration_id;
    let change = Change::Integration(Some(id.clone()), Box::new(part));
    let (api, _) = gateway.change_http(cx, &input.api_id, change).await?;
    let found = at(&api, &id)?;
    Ok(integration_output!(UpdateIntegrationOutput, id, found))
}

pub async fn delete_integration(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteIntegrationInput,
) -> Result<api::DeleteIntegrationOutput, Error> {
    gateway.remove_http(cx, &input.api_id, Target::Integration(input.integration_id)).await?;
    Ok(api::DeleteIntegrationOutput {})
}
