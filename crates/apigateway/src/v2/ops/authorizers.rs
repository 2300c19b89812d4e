//! ResetAuthorizersCache, CreateAuthorizer, GetAuthorizer, GetAuthorizers, UpdateAuthorizer, DeleteAuthorizer.

use ropeway_api::apigatewayv2 as api;
use ropeway_wire::{Cx, Error};

use super::{ApiGateway, page, pass_role};
use crate::ops::unexpected;
use crate::v2::HttpApi;
use crate::v2::changes::{Change, Target};
use crate::v2::errors::no;
use crate::v2::model::Authorizer;
use crate::v2::parts::{self, AuthorizerPart};
use crate::v2::render::authorizer_output;

fn at(api: &HttpApi, id: &str) -> Result<Authorizer, Error> {
    api.definition.authorizers.get(id).cloned().ok_or_else(|| no("Authorizer", id))
}

pub async fn create_authorizer(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::CreateAuthorizerInput,
) -> Result<api::CreateAuthorizerOutput, Error> {
    pass_role(cx, input.authorizer_credentials_arn.as_deref())?;
    let part = AuthorizerPart {
        name: Some(input.name),
        kind: Some(input.authorizer_type),
        identity: Some(input.identity_source),
        jwt: input.jwt_configuration.map(parts::jwt),
        uri: input.authorizer_uri,
        credentials: input.authorizer_credentials_arn,
        payload: input.authorizer_payload_format_version,
        simple: input.enable_simple_responses,
        ttl_secs: input.authorizer_result_ttl_in_seconds,
    };
    let (api, made) =
        gateway.change_http(cx, &input.api_id, Change::Authorizer(None, Box::new(part))).await?;
    let id = made.ok_or_else(unexpected)?;
    let made = at(&api, &id)?;
    Ok(authorizer_output!(CreateAuthorizerOutput, id, made))
}

pub async fn get_authorizer(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetAuthorizerInput,
) -> Result<api::GetAuthorizerOutput, Error> {
    let found = at(&gateway.own_http(cx, &input.api_id).await?, &input.authorizer_id)?;
    Ok(authorizer_output!(GetAuthorizerOutput, input.authorizer_id, found))
}

pub async fn get_authorizers(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetAuthorizersInput,
) -> Result<api::GetAuthorizersOutput, Error> {
    let all = gateway.own_http(cx, &input.api_id).await?.definition.authorizers.into_iter();
    let all = all.map(|(id, one)| (id.clone(), authorizer_output!(Authorizer, id, one)));
    let (items, next_token) = page(all, input.next_token.as_deref(), input.max_results.as_deref())?;
    Ok(api::GetAuthorizersOutput { items, next_token })
}

pub async fn update_authorizer(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateAuthorizerInput,
) -> Result<api::UpdateAuthorizerOutput, Error> {
    pass_role(cx, input.authorizer_credentials_arn.as_deref())?;
    let part = AuthorizerPart {
        name: input.name,
        kind: input.authorizer_type,
        identity: input.identity_source,
        jwt: input.jwt_configuration.map(parts::jwt),
        uri: input.authorizer_uri,
        credentials: input.authorizer_credentials_arn,
        payload: input.authorizer_payload_format_version,
        simple: input.enable_simple_responses,
        ttl_secs: input.authorizer_result_ttl_in_seconds,
    };
    let id = input.authorizer_id;
    let change = Change::Authorizer(Some(id.clone()), Box::new(part));
    let (api, _) = gateway.change_http(cx, &input.api_id, change).await?;
    let found = at(&api, &id)?;
    Ok(authorizer_output!(UpdateAuthorizerOutput, id, found))
}

pub async fn delete_authorizer(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteAuthorizerInput,
) -> Result<api::DeleteAuthorizerOutput, Error> {
    gateway.remove_http(cx, &input.api_id, Target::Authorizer(input.authorizer_id)).await?;
    Ok(api::DeleteAuthorizerOutput {})
}

pub async fn reset_authorizers_cache(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::ResetAuthorizersCacheInput,
) -> Result<api::ResetAuthorizersCacheOutput, Error> {
    gateway.change_http(cx, &input.api_id, Change::ForgetVerdicts(input.stage_name)).await?;
    Ok(api::ResetAuthorizersCacheOutput {})
}
