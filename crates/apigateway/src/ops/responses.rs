//! PutGatewayResponse, GetGatewayResponse, GetGatewayResponses, UpdateGatewayResponse, DeleteGatewayResponse.

use ropeway_api::apigateway as api;
use ropeway_wire::{Cx, Error};

use super::{ApiGateway, page};
use crate::commands::{Change, TYPES, Target};
use crate::model::GatewayResponse;
use crate::render;

pub async fn put_gateway_response(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::PutGatewayResponseInput,
) -> Result<api::PutGatewayResponseOutput, Error> {
    let given = GatewayResponse {
        status: input.status_code,
        parameters: input.response_parameters.unwrap_or_default(),
        templates: input.response_templates.unwrap_or_default(),
    };
    let kind = input.response_type;
    let change = Change::GatewayResponse(kind.clone(), given);
    let (api, _) = gateway.change(cx, &input.rest_api_id, change).await?;
    Ok(render::gateway_response(&api.definition, &kind))
}

pub async fn get_gateway_response(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetGatewayResponseInput,
) -> Result<api::GetGatewayResponseOutput, Error> {
    let api = gateway.own(cx, &input.rest_api_id).await?;
    Ok(render::gateway_response(&api.definition, &input.response_type))
}

pub async fn get_gateway_responses(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetGatewayResponsesInput,
) -> Result<api::GetGatewayResponsesOutput, Error> {
    let api = gateway.own(cx, &input.rest_api_id).await?;
    let all =
        TYPES.iter().map(|(kind, _)| ((*kind).to_owned(), render::gateway_response(&api.definition, kind)));
    let (items, position) = page(all, input.position.as_deref(), input.limit)?;
    Ok(api::GetGatewayResponsesOutput { position, items: Some(items) })
}

pub async fn update_gateway_response(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateGatewayResponseInput,
) -> Result<api::UpdateGatewayResponseOutput, Error> {
    let target = Target::GatewayResponse(input.response_type.clone());
    let api = gateway.patch(cx, &input.rest_api_id, target, input.patch_operations).await?;
    Ok(render::gateway_response(&api.definition, &input.response_type))
}

pub async fn delete_gateway_response(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteGatewayResponseInput,
) -> Result<api::DeleteGatewayResponseOutput, Error> {
    let change = Change::Remove(Target::GatewayResponse(input.response_type));
    gateway.change(cx, &input.rest_api_id, change).await?;
    Ok(api::DeleteGatewayResponseOutput {})
}
