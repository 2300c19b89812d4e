//! CreateApiKey, GetApiKey, GetApiKeys, UpdateApiKey, DeleteApiKey.

use ropeway_api::apigateway as api;
use ropeway_wire::{Cx, Error};

use super::{ApiGateway, check_tags, checked, page, scope, unexpected};
use crate::commands::{AccountChange, AccountOutput};
use crate::model::ApiKey;
use crate::render;

async fn run(gateway: &ApiGateway, cx: &Cx, change: AccountChange) -> Result<ApiKey, Error> {
    match gateway.account(&cx.trace, &scope(cx), change).await? {
        AccountOutput::Key(key) => Ok(*key),
        _ => Err(unexpected()),
    }
}

/// Every API key of the caller's account, by id.
pub async fn all(gateway: &ApiGateway, cx: &Cx) -> Result<Vec<ApiKey>, Error> {
    let mut found = Vec::new();
    loop {
        let after = found.last().map(|key: &ApiKey| key.id.clone());
        let AccountOutput::Keys(keys, more) =
            gateway.account(&cx.trace, &scope(cx), AccountChange::Keys(after)).await?
        else {
            return Err(unexpected());
        };
        found.extend(keys);
        if !more {
            return Ok(found);
        }
    }
}

pub async fn create_api_key(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::CreateApiKeyInput,
) -> Result<api::CreateApiKeyOutput, Error> {
    let tags = input.tags.unwrap_or_default();
    check_tags(cx, &tags)?;
    let key = ApiKey {
        value: input.value.unwrap_or_default(),
        name: input.name,
        description: input.description,
        customer: input.customer_id,
        enabled: input.enabled.unwrap_or(false),
        tags,
        ..ApiKey::default()
    };
    Ok(render::api_key(run(gateway, cx, AccountChange::CreateKey(key)).await?, true, false))
}

pub async fn get_api_key(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetApiKeyInput,
) -> Result<api::GetApiKeyOutput, Error> {
    let key = run(gateway, cx, AccountChange::Key(input.api_key)).await?;
    Ok(render::api_key(key, input.include_value == Some(true), true))
}

pub async fn get_api_keys(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetApiKeysInput,
) -> Result<api::GetApiKeysOutput, Error> {
    let wanted = |key: &ApiKey| {
        let named = |start: &String| key.name.as_ref().is_some_and(|name| name.starts_with(start.as_str()));
        input.name_query.as_ref().is_none_or(named)
            && input.customer_id.as_ref().is_none_or(|customer| key.customer.as_ref() == Some(customer))
    };
    let values = input.include_values == Some(true);
    let found = all(gateway, cx).await?.into_iter().filter(wanted);
    let found = found.map(|key| (key.id.clone(), render::api_key(key, values, false)));
    let (items, position) = page(found, input.position.as_deref(), input.limit)?;
    Ok(api::GetApiKeysOutput { warnings: None, position, items: Some(items) })
}

pub async fn update_api_key(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateApiKeyInput,
) -> Result<api::UpdateApiKeyOutput, Error> {
    let change = AccountChange::PatchKey(input.api_key, checked(input.patch_operations)?);
    Ok(render::api_key(run(gateway, cx, change).await?, false, true))
}

pub async fn delete_api_key(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteApiKeyInput,
) -> Result<api::DeleteApiKeyOutput, Error> {
    gateway.account(&cx.trace, &scope(cx), AccountChange::DeleteKey(input.api_key)).await?;
    Ok(api::DeleteApiKeyOutput {})
}
