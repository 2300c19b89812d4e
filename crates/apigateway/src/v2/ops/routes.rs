//! CreateRoute, GetRoute, GetRoutes, UpdateRoute, DeleteRoute.

use ropeway_api::apigatewayv2 as api;
use ropeway_wire::{Cx, Error};

use super::{ApiGateway, page};
use crate::ops::unexpected;
use crate::v2::HttpApi;
use crate::v2::changes::{Change, Target};
use crate::v2::errors::{no, unimplemented};
use crate::v2::model::Route;
use crate::v2::parts::RoutePart;
use crate::v2::render::route_output;

fn at(api: &HttpApi, id: &str) -> Result<Route, Error> {
    api.definition.routes.get(id).cloned().ok_or_else(|| no("Route", id))
}

/// HTTP APIs have no API keys.
fn no_keys(required: Option<bool>) -> Result<(), Error> {
    match required {
        Some(true) => Err(unimplemented("apiKeyRequired, which is for WebSocket APIs alone,")),
        _ => Ok(()),
    }
}

pub async fn create_route(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::CreateRouteInput,
) -> Result<api::CreateRouteOutput, Error> {
    no_keys(input.api_key_required)?;
    let part = RoutePart {
        key: Some(input.route_key),
        target: input.target,
        authorization: input.authorization_type,
        authorizer: input.authorizer_id,
        scopes: input.authorization_scopes,
        operation_name: input.operation_name,
    };
    let (api, made) = gateway.change_http(cx, &input.api_id, Change::Route(None, Box::new(part))).await?;
    let id = made.ok_or_else(unexpected)?;
    let made = at(&api, &id)?;
    Ok(route_output!(CreateRouteOutput, id, made))
}

pub async fn get_route(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetRouteInput,
) -> Result<api::GetRouteOutput, Error> {
    let found = at(&gateway.own_http(cx, &input.api_id).await?, &input.route_id)?;
    Ok(route_output!(GetRouteOutput, input.route_id, found))
}

pub async fn get_routes(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetRoutesInput,
) -> Result<api::GetRoutesOutput, Error> {
    let all = gateway.own_http(cx, &input.api_id).await?.definition.routes.into_iter();
    let all = all.map(|(id, one)| (id.clone(), route_output!(Route, id, one)));
    let (items, next_token) = page(all, input.next_token.as_deref(), input.max_results.as_deref())?;
    Ok(api::GetRoutesOutput { items, next_token })
}

pub async fn update_route(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateRouteInput,
) -> Result<api::UpdateRouteOutput, Error> {
    no_keys(input.api_key_required)?;
    let part = RoutePart {
        key: input.route_key,
        target: input.target,
        authorization: input.authorization_type,
        authorizer: input.authorizer_id,
        scopes: input.authorization_scopes,
        operation_name: input.operation_name,
    };
    let id = input.route_id;
    let change = Change::Route(Some(id.clone()), Box::new(part));
    let (api, _) = gateway.change_http(cx, &input.api_id, change).await?;
    let found = at(&api, &id)?;
    Ok(route_output!(UpdateRouteOutput, id, found))
}

pub async fn delete_route(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteRouteInput,
) -> Result<api::DeleteRouteOutput, Error> {
    gateway.remove_http(cx, &input.api_id, Target::Route(input.route_id)).await?;
    Ok(api::DeleteRouteOutput {})
}
