//! CreateResource, GetResource, GetResources, UpdateResource, DeleteResource.

use ropeway_api::apigateway as api;
use ropeway_wire::{Cx, Error};

use super::{ApiGateway, of_resource, page};
use crate::commands::{Change, Target};
use crate::errors::{bad, no_resource};
use crate::model::Api;
use crate::render;

/// What `embed` may ask for.
fn methods_wanted(embed: Option<&Vec<String>>) -> Result<bool, Error> {
    let asked = embed.into_iter().flatten();
    let mut wanted = false;
    for one in asked {
        if one != "methods" {
            return Err(bad(format!("Invalid embed value {one}: only methods can be embedded")));
        }
        wanted = true;
    }
    Ok(wanted)
}

fn shown(api: &Api, id: &str, embed: bool) -> Result<api::Resource, Error> {
    let found = api.definition.resources.get(id).ok_or_else(no_resource)?;
    Ok(render::resource(&api.definition, id, found, embed))
}

pub async fn create_resource(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::CreateResourceInput,
) -> Result<api::CreateResourceOutput, Error> {
    let change = Change::Resource(input.parent_id, input.path_part);
    let (api, made) = gateway.change(cx, &input.rest_api_id, change).await?;
    shown(&api, &made.unwrap_or_default(), false)
}

pub async fn get_resource(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetResourceInput,
) -> Result<api::GetResourceOutput, Error> {
    let embed = methods_wanted(input.embed.as_ref())?;
    let api = gateway.own(cx, &input.rest_api_id).await.map_err(of_resource)?;
    shown(&api, &input.resource_id, embed)
}

pub async fn get_resources(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetResourcesInput,
) -> Result<api::GetResourcesOutput, Error> {
    let embed = methods_wanted(input.embed.as_ref())?;
    let api = gateway.own(cx, &input.rest_api_id).await?;
    let all = api.definition.resources.iter();
    let all = all.map(|(id, one)| (id.clone(), render::resource(&api.definition, id, one, embed)));
    let (items, position) = page(all, input.position.as_deref(), input.limit)?;
    Ok(api::GetResourcesOutput { position, items: Some(items) })
}

pub async fn update_resource(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateResourceInput,
) -> Result<api::UpdateResourceOutput, Error> {
    let target = Target::Resource(input.resource_id.clone());
    let api =
        gateway.patch(cx, &input.rest_api_id, target, input.patch_operations).await.map_err(of_resource)?;
    shown(&api, &input.resource_id, false)
}

pub async fn delete_resource(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteResourceInput,
) -> Result<api::DeleteResourceOutput, Error> {
    let change = Change::Remove(Target::Resource(input.resource_id));
    gateway.change(cx, &input.rest_api_id, change).await.map_err(of_resource)?;
    Ok(api::DeleteResourceOutput {})
}
