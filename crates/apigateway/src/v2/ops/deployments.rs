//! CreateDeployment, GetDeployment, GetDeployments, UpdateDeployment, DeleteDeployment.

use ropeway_api::apigatewayv2 as api;
use ropeway_wire::{Cx, Error};

use super::{ApiGateway, page};
use crate::model::Deployment;
use crate::ops::unexpected;
use crate::v2::HttpApi;
use crate::v2::changes::{Change, Target};
use crate::v2::errors::no;
use crate::v2::render::deployment_output;

fn at(api: &HttpApi, id: &str) -> Result<(Deployment, bool), Error> {
    api.deployments.get(id).cloned().ok_or_else(|| no("Deployment", id))
}

pub async fn create_deployment(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::CreateDeploymentInput,
) -> Result<api::CreateDeploymentOutput, Error> {
    let change = Change::Deployment { description: input.description, stage: input.stage_name };
    let (api, made) = gateway.change_http(cx, &input.api_id, change).await?;
    let id = made.ok_or_else(unexpected)?;
    let made = at(&api, &id)?;
    Ok(deployment_output!(CreateDeploymentOutput, id, made))
}

pub async fn get_deployment(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetDeploymentInput,
) -> Result<api::GetDeploymentOutput, Error> {
    let found = at(&gateway.own_http(cx, &input.api_id).await?, &input.deployment_id)?;
    Ok(deployment_output!(GetDeploymentOutput, input.deployment_id, found))
}

pub async fn get_deployments(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetDeploymentsInput,
) -> Result<api::GetDeploymentsOutput, Error> {
    let all = gateway.own_http(cx, &input.api_id).await?.deployments.into_iter();
    let all = all.map(|(id, one)| (id.clone(), deployment_output!(Deployment, id, one)));
    let (items, next_token) = page(all, input.next_token.as_deref(), input.max_results.as_deref())?;
    Ok(api::GetDeploymentsOutput { items, next_token })
}

pub async fn update_deployment(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateDeploymentInput,
) -> Result<api::UpdateDeploymentOutput, Error> {
    let id = input.deployment_id;
    let change = Change::Describe(id.clone(), input.description);
    let (api, _) = gateway.change_http(cx, &input.api_id, change).await?;
    let found = at(&api, &id)?;
    Ok(deployment_output!(UpdateDeploymentOutput, id, found))
}

pub async fn delete_deployment(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteDeploymentInput,
) -> Result<api::DeleteDeploymentOutput, Error> {
    gateway.remove_http(cx, &input.api_id, Target::Deployment(input.deployment_id)).await?;
    Ok(api::DeleteDeploymentOutput {})
}
