//! CreateRestApi, GetRestApi, GetRestApis, UpdateRestApi, DeleteRestApi.

use ropeway_api::apigateway as api;
use ropeway_core::directory;
use ropeway_wire::{Cx, Error};

use super::{ApiGateway, check_tags, named, page, place, unexpected};
use crate::commands::{Command, Output, Target, check_policy, compression};
use crate::errors::{bad, unimplemented};
use crate::keys;
use crate::model::{Definition, Settings};
use crate::render;

/// Characters of an API's name and description.
const MAX_NAME: usize = 1024;

/// The one endpoint type, and the kind of addresses.
fn endpoint(given: Option<api::EndpointConfiguration>) -> Result<(String, String), Error> {
    let Some(given) = given else { return Ok(("EDGE".to_owned(), "ipv4".to_owned())) };
    let address = given.ip_address_type.unwrap_or_else(|| "ipv4".to_owned());
    let kind = match given.types.as_deref() {
        None => "EDGE",
        Some([]) => {
            return Err(bad("REGIONAL Configuration and EDGE Configuration cannot be both DISABLED."));
        }
        Some([one]) if one == "PRIVATE" => return Err(unimplemented("The endpoint type PRIVATE")),
        Some([one]) => one,
        Some(_) => return Err(bad("Cannot create an api with multiple Endpoint Types.")),
    };
    Ok((kind.to_owned(), address))
}

pub async fn create_rest_api(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::CreateRestApiInput,
) -> Result<api::CreateRestApiOutput, Error> {
    if input.description.as_deref() == Some("") {
        return Err(bad("Description cannot be an empty string"));
    }
    if input.name.is_empty() || input.name.len() > MAX_NAME {
        return Err(bad("API name cannot be blank or longer than 1024 characters"));
    }
    let tags = input.tags.unwrap_or_default();
    check_tags(cx, &tags)?;
    let mut definition = match &input.clone_from {
        Some(id) => {
            gateway
                .own(cx, id)
                .await
                .map_err(|_| bad("Invalid API identifier specified in cloneFrom"))?
                .definition
        }
        None => Definition { api_key_source: "HEADER".to_owned(), ..Definition::default() },
    };
    if let Some(source) = input.api_key_source {
        definition.api_key_source = source;
    }
    if let Some(types) = input.binary_media_types {
        definition.binary_media_types = types;
    }
    if let Some(size) = input.minimum_compression_size {
        definition.minimum_compression = Some(compression(size)?);
    }
    if let Some(policy) = input.policy.filter(|policy| !policy.is_empty()) {
        check_policy(&policy)?;
        definition.policy = Some(policy);
    }
    let (endpoint_type, ip_address_type) = endpoint(input.endpoint_configuration)?;
    let settings = Settings {
        name: input.name,
        description: input.description,
        version: input.version,
        endpoint_type,
        ip_address_type,
        disable_endpoint: input.disable_execute_api_endpoint.unwrap_or(false),
        tags,
    };
    create(gateway, cx, settings, definition).await
}

/// Makes an API.
pub async fn create(
    gateway: &ApiGateway,
    cx: &Cx,
    settings: Settings,
    definition: Definition,
) -> Result<api::RestApi, Error> {
    let id = gateway.core.ids().text("abcdefghijklmnopqrstuvwxyz0123456789", 10);
    let name = named(cx, &id);
    let command = Command::Create { api: name.clone(), settings, definition: Box::new(definition) };
    let Output::Api(made, _) = gateway.submit(&cx.trace, &name, command).await? else {
        return Err(unexpected());
    };
    gateway.list(cx, &id, true).await?;
    Ok(render::rest_api(&made, false))
}

pub async fn get_rest_api(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetRestApiInput,
) -> Result<api::GetRestApiOutput, Error> {
    Ok(render::rest_api(&gateway.own(cx, &input.rest_api_id).await?, false))
}

pub async fn get_rest_apis(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetRestApisInput,
) -> Result<api::GetRestApisOutput, Error> {
    let after = input.position.as_deref().map(place).transpose()?;
    let (wanted, _) =
        page::<()>(std::iter::empty(), None, input.limit).map(|_| (input.limit.unwrap_or(25), ()))?;
    let command = directory::Command::Read {
        list: keys::list(&cx.account, &cx.region),
        prefix: String::new(),
        after,
        // One more tells whether there is another page.
        limit: u32::try_from(wanted + 1).unwrap_or(1),
    };
    let names = directory::apply(&gateway.core, &cx.trace, command).await?.names;
    let (ids, position) = page(names.into_iter().map(|(id, _)| (id.clone(), id)), None, input.limit)?;
    let mut items = Vec::new();
    for id in ids {
        match gateway.own(cx, &id).await {
            Ok(api) => items.push(render::rest_api(&api, false)),
            // Deleted in between.
            Err(error) if error.code == "NotFoundException" => {}
            Err(error) => return Err(error),
        }
    }
    Ok(api::GetRestApisOutput { position, items: Some(items) })
}

pub async fn update_rest_api(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateRestApiInput,
) -> Result<api::UpdateRestApiOutput, Error> {
    let api = gateway.patch(cx, &input.rest_api_id, Target::Api, input.patch_operations).await?;
    Ok(render::rest_api(&api, true))
}

/// What a custom domain name serves stays.
pub fn unmapped(gateway: &ApiGateway, api: &str, stage: Option<&str>) -> Result<(), Error> {
    match gateway.live.mapped(api, stage) {
        None => Ok(()),
        Some(domain) => Err(bad(format!(
            "Please remove all base path mappings related to it before deleting: the domain name {domain} has some."
        ))),
    }
}

pub async fn delete_rest_api(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteRestApiInput,
) -> Result<api::DeleteRestApiOutput, Error> {
    let name = named(cx, &input.rest_api_id);
    gateway.read(&cx.trace, &name).await?;
    unmapped(gateway, &name.id, None)?;
    gateway.submit(&cx.trace, &name, Command::Delete { api: name.clone() }).await?;
    gateway.list(cx, &name.id, false).await?;
    Ok(api::DeleteRestApiOutput {})
}
