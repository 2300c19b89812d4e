//! CreateDeployment, GetDeployment, GetDeployments, UpdateDeployment, DeleteDeployment.

use ropeway_api::apigateway as api;
use ropeway_wire::{Cx, Error};

use super::{ApiGateway, named, page};
use crate::commands::{Change, Target};
use crate::errors::{bad, no_deployment, unimplemented};
use crate::model::{Api, Stage};
use crate::render;

fn shown(api: &Api, id: &str) -> Result<api::Deployment, Error> {
    Ok(render::deployment(id, api.deployments.get(id).ok_or_else(no_deployment)?))
}

/// What a stage may ask for that isn't implemented.
pub fn refuse(cached: Option<bool>, traced: Option<bool>) -> Result<(), Error> {
    if cached == Some(true) {
        return Err(unimplemented("The caching of responses"));
    }
    if traced == Some(true) {
        return Err(unimplemented("The tracing of stages"));
    }
    Ok(())
}

pub async fn create_deployment(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::CreateDeploymentInput,
) -> Result<api::CreateDeploymentOutput, Error> {
    refuse(input.cache_cluster_enabled, input.tracing_enabled)?;
    let name = input.stage_name.filter(|name| !name.is_empty());
    if name.is_none() && (input.stage_description.is_some() || input.variables.is_some()) {
        return Err(bad("Stage name must be specified when a stage description or variables are"));
    }
    let stage = name.map(|name| {
        let stage = Stage {
            description: input.stage_description,
            variables: input.variables.unwrap_or_default(),
            ..Stage::default()
        };
        (name, Box::new(stage))
    });
    let change = Change::Deployment { description: input.description, stage };
    let (api, made) = gateway.change(cx, &input.rest_api_id, change).await?;
    shown(&api, &made.unwrap_or_default())
}

pub async fn get_deployment(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetDeploymentInput,
) -> Result<api::GetDeploymentOutput, Error> {
    let api = gateway.own(cx, &input.rest_api_id).await?;
    let mut found = shown(&api, &input.deployment_id)?;
    for one in input.embed.unwrap_or_default() {
        if one != "apisummary" {
            return Err(bad(format!("Invalid embed value {one}: only apisummary can be embedded")));
        }
        let name = named(cx, &input.rest_api_id);
        let definition = gateway.snapshot(&cx.trace, &name, &input.deployment_id).await?;
        found.api_summary = render::summary(&definition).api_summary;
    }
    Ok(found)
}

pub async fn get_deployments(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetDeploymentsInput,
) -> Result<api::GetDeploymentsOutput, Error> {
    let api = gateway.own(cx, &input.rest_api_id).await?;
    let all = api.deployments.iter().map(|(id, one)| (id.clone(), render::deployment(id, one)));
    let (items, position) = page(all, input.position.as_deref(), input.limit)?;
    Ok(api::GetDeploymentsOutput { position, items: Some(items) })
}

pub async fn update_deployment(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateDeploymentInput,
) -> Result<api::UpdateDeploymentOutput, Error> {
    let target = Target::Deployment(input.deployment_id.clone());
    let api = gateway.patch(cx, &input.rest_api_id, target, input.patch_operations).await?;
    shown(&api, &input.deployment_id)
}

pub async fn delete_deployment(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteDeploymentInput,
) -> Result<api::DeleteDeploymentOutput, Error> {
    let change = Change::Remove(Target::Deployment(input.deployment_id));
    gateway.change(cx, &input.rest_api_id, change).await?;
    Ok(api::DeleteDeploymentOutput {})
}
