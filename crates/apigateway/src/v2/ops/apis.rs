//! CreateApi, GetApi, GetApis, UpdateApi, DeleteApi, DeleteCorsConfiguration.

use ropeway_api::apigatewayv2 as api;
use ropeway_core::directory;
use ropeway_wire::{Cx, Error};

use super::{ApiGateway, page, page_size, pass_role};
use crate::commands::Output;
use crate::keys;
use crate::ops::{check_tags, named, place, unexpected, unmapped};
use crate::v2::changes::{Change, Target};
use crate::v2::commands::Command;
use crate::v2::errors::{bad, unimplemented};
use crate::v2::model::{HttpApi, SELECTION, Settings};
use crate::v2::parts::{self, ApiPart};
use crate::v2::render::api_output;

/// `apiKeySelectionExpression` where none is given.
const KEYS: &str = "$request.header.x-api-key";

fn check_selection(route: Option<&str>, key: Option<&str>) -> Result<(), Error> {
    if route.is_some_and(|route| route != SELECTION && route != "${request.method} ${request.path}") {
        return Err(bad(format!("Invalid routeSelectionExpression: for HTTP APIs it must be {SELECTION}")));
    }
    match key {
        None | Some(KEYS | "$context.authorizer.usageIdentifierKey") => Ok(()),
        Some(_) => Err(bad("Invalid apiKeySelectionExpression")),
    }
}

pub async fn create_api(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::CreateApiInput,
) -> Result<api::CreateApiOutput, Error> {
    if input.protocol_type != "HTTP" {
        return Err(unimplemented("The protocol type WEBSOCKET"));
    }
    check_selection(
        input.route_selection_expression.as_deref(),
        input.api_key_selection_expression.as_deref(),
    )?;
    pass_role(cx, input.credentials_arn.as_deref())?;
    if input.target.is_none() && (input.route_key.is_some() || input.credentials_arn.is_some()) {
        return Err(bad("A routeKey or credentialsArn needs a target"));
    }
    let part = ApiPart {
        name: Some(input.name),
        description: input.description,
        version: input.version,
        ip_address_type: input.ip_address_type,
        key_selection: input.api_key_selection_expression,
        cors: input.cors_configuration.map(parts::cors),
        disable_endpoint: input.disable_execute_api_endpoint,
    };
    let mut changes = vec![Change::Api(Box::new(part))];
    if input.target.is_some() {
        let (target, route_key, credentials) = (input.target, input.route_key, input.credentials_arn);
        changes.push(Change::Quick { target, route_key, credentials });
    }
    let tags = input.tags.unwrap_or_default();
    check_tags(cx, &tags)?;
    Ok(api_output!(
        CreateApiOutput,
        cx,
        create(gateway, cx, Settings { tags, ..new_settings() }, changes).await?
    ))
}

/// What is set for an API before anything is said of it.
pub fn new_settings() -> Settings {
    let (ip_address_type, key_selection) = ("ipv4".to_owned(), KEYS.to_owned());
    Settings { ip_address_type, key_selection, ..Settings::default() }
}

/// Makes an API.
pub async fn create(
    gateway: &ApiGateway,
    cx: &Cx,
    settings: Settings,
    changes: Vec<Change>,
) -> Result<HttpApi, Error> {
    let id = gateway.core.ids().text("abcdefghijklmnopqrstuvwxyz0123456789", 10);
    let made = gateway.http(&cx.trace, &named(cx, &id), Command::Create(settings, changes)).await?;
    let Output::Http(made, _) = made else { return Err(unexpected()) };
    gateway.list_http(cx, &id, true).await?;
    Ok(*made)
}

pub async fn get_api(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetApiInput,
) -> Result<api::GetApiOutput, Error> {
    Ok(api_output!(GetApiOutput, cx, gateway.own_http(cx, &input.api_id).await?))
}

pub async fn get_apis(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetApisInput,
) -> Result<api::GetApisOutput, Error> {
    let size = page_size(input.max_results.as_deref())?;
    let command = directory::Command::Read {
        list: keys::http_list(&cx.account, &cx.region),
        prefix: String::new(),
        after: input.next_token.as_deref().map(place).transpose()?,
        // One more tells whether there is another page.
        limit: u32::try_from(size + 1).unwrap_or(1),
    };
    let names = directory::apply(&gateway.core, &cx.trace, command).await?.names;
    let ids = names.into_iter().map(|(id, _)| (id.clone(), id));
    let (ids, next_token) = page(ids, None, input.max_results.as_deref())?;
    let mut items = Vec::new();
    for id in ids.unwrap_or_default() {
        match gateway.own_http(cx, &id).await {
            Ok(api) => items.push(api_output!(Api, cx, api)),
            // Deleted in between.
            Err(error) if error.code == "NotFoundException" => {}
            Err(error) => return Err(error),
        }
    }
    Ok(api::GetApisOutput { items: Some(items), next_token })
}

pub async fn update_api(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateApiInput,
) -> Result<api::UpdateApiOutput, Error> {
    check_selection(
        input.route_selection_expression.as_deref(),
        input.api_key_selection_expression.as_deref(),
    )?;
    pass_role(cx, input.credentials_arn.as_deref())?;
    let part = ApiPart {
        name: input.name,
        description: input.description,
        version: input.version,
        ip_address_type: input.ip_address_type,
        key_selection: input.api_key_selection_expression,
        cors: input.cors_configuration.map(parts::cors),
        disable_endpoint: input.disable_execute_api_endpoint,
    };
    let (mut api, _) = gateway.change_http(cx, &input.api_id, Change::Api(Box::new(part))).await?;
    let (target, route_key, credentials) = (input.target, input.route_key, input.credentials_arn);
    if target.is_some() || route_key.is_some() || credentials.is_some() {
        let change = Change::Quick { target, route_key, credentials };
        (api, _) = gateway.change_http(cx, &input.api_id, change).await?;
    }
    Ok(api_output!(UpdateApiOutput, cx, api))
}

pub async fn delete_api(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteApiInput,
) -> Result<api::DeleteApiOutput, Error> {
    gateway.own_http(cx, &input.api_id).await?;
    unmapped(gateway, &input.api_id, None)?;
    gateway.http(&cx.trace, &named(cx, &input.api_id), Command::Delete).await?;
    gateway.list_http(cx, &input.api_id, false).await?;
    Ok(api::DeleteApiOutput {})
}

pub async fn delete_cors_configuration(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteCorsConfigurationInput,
) -> Result<api::DeleteCorsConfigurationOutput, Error> {
    gateway.remove_http(cx, &input.api_id, Target::Cors).await?;
    Ok(api::DeleteCorsConfigurationOutput {})
}
