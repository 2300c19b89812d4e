//! CreateAuthorizer, GetAuthorizer, GetAuthorizers, UpdateAuthorizer, DeleteAuthorizer.

use ropeway_api::apigateway as api;
use ropeway_wire::{Cx, Error};

use super::{ApiGateway, checked, page, pass_role};
use crate::commands::{Change, Target};
use crate::errors::{bad, no_authorizer};
use crate::model::{Api, Authorizer};
use crate::render;

/// Seconds that an answer is kept where nothing is said:
/// <https://docs.aws.amazon.com/apigateway/latest/api/API_CreateAuthorizer.html>.
pub const TTL: i64 = 300;

fn shown(api: &Api, id: &str) -> Result<api::Authorizer, Error> {
    Ok(render::authorizer(id, api.definition.authorizers.get(id).ok_or_else(no_authorizer)?))
}

pub async fn create_authorizer(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::CreateAuthorizerInput,
) -> Result<api::CreateAuthorizerOutput, Error> {
    if let Some(role) = &input.authorizer_credentials {
        pass_role(cx, role)?;
    }
    let ttl = input.authorizer_result_ttl_in_seconds.unwrap_or(TTL);
    let given = Authorizer {
        name: input.name,
        kind: input.type_,
        auth_type: input.auth_type,
        uri: input.authorizer_uri.unwrap_or_default(),
        credentials: input.authorizer_credentials,
        identity_source: input.identity_source,
        validation: input.identity_validation_expression,
        ttl_secs: u32::try_from(ttl).map_err(|_| bad("Authorizer result TTL must be between 0 and 3600"))?,
    };
    let (api, made) = gateway.change(cx, &input.rest_api_id, Change::Authorizer(Box::new(given))).await?;
    shown(&api, &made.unwrap_or_default())
}

pub async fn get_authorizer(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetAuthorizerInput,
) -> Result<api::GetAuthorizerOutput, Error> {
    shown(&gateway.own(cx, &input.rest_api_id).await?, &input.authorizer_id)
}

pub async fn get_authorizers(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetAuthorizersInput,
) -> Result<api::GetAuthorizersOutput, Error> {
    let api = gateway.own(cx, &input.rest_api_id).await?;
    let all = api.definition.authorizers.iter().map(|(id, one)| (id.clone(), render::authorizer(id, one)));
    let (items, position) = page(all, input.position.as_deref(), input.limit)?;
    Ok(api::GetAuthorizersOutput { position, items: Some(items) })
}

pub async fn update_authorizer(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateAuthorizerInput,
) -> Result<api::UpdateAuthorizerOutput, Error> {
    let patches = checked(input.patch_operations)?;
    for patch in patches.iter().filter(|patch| patch.path == "/authorizerCredentials") {
        if let Some(role) = patch.optional().filter(|_| patch.op != "remove") {
            pass_role(cx, &role)?;
        }
    }
    let change = Change::Patch(Target::Authorizer(input.authorizer_id.clone()), patches);
    let (api, _) = gateway.change(cx, &input.rest_api_id, change).await?;
    shown(&api, &input.authorizer_id)
}

pub async fn delete_authorizer(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteAuthorizerInput,
) -> Result<api::DeleteAuthorizerOutput, Error> {
    let change = Change::Remove(Target::Authorizer(input.authorizer_id));
    gateway.change(cx, &input.rest_api_id, change).await?;
    Ok(api::DeleteAuthorizerOutput {})
}
