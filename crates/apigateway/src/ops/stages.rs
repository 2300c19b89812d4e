//! CreateStage, GetStage, GetStages, UpdateStage, DeleteStage, FlushStageAuthorizersCache.

use ropeway_api::apigateway as api;
use ropeway_wire::{Cx, Error};

use super::deployments::refuse;
use super::rest_apis::unmapped;
use super::{ApiGateway, check_tags};
use crate::commands::{Change, Target};
use crate::errors::no_stage;
use crate::model::{Api, Stage};
use crate::render;

fn shown(api: &Api, name: &str) -> Result<api::Stage, Error> {
    Ok(render::stage(name, api.stages.get(name).ok_or_else(no_stage)?))
}

pub async fn create_stage(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::CreateStageInput,
) -> Result<api::CreateStageOutput, Error> {
    refuse(input.cache_cluster_enabled, input.tracing_enabled)?;
    let tags = input.tags.unwrap_or_default();
    check_tags(cx, &tags)?;
    let stage = Stage {
        deployment: input.deployment_id,
        description: input.description,
        variables: input.variables.unwrap_or_default(),
        tags,
        ..Stage::default()
    };
    let name = input.stage_name;
    let (api, _) =
        gateway.change(cx, &input.rest_api_id, Change::Stage(name.clone(), Box::new(stage))).await?;
    shown(&api, &name)
}

pub async fn get_stage(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetStageInput,
) -> Result<api::GetStageOutput, Error> {
    shown(&gateway.own(cx, &input.rest_api_id).await?, &input.stage_name)
}

pub async fn get_stages(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetStagesInput,
) -> Result<api::GetStagesOutput, Error> {
    let api = gateway.own(cx, &input.rest_api_id).await?;
    let wanted = |stage: &Stage| input.deployment_id.as_ref().is_none_or(|id| *id == stage.deployment);
    let found = api.stages.iter().filter(|(_, stage)| wanted(stage));
    let item = Some(found.map(|(name, stage)| render::stage(name, stage)).collect());
    Ok(api::GetStagesOutput { item })
}

pub async fn update_stage(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateStageInput,
) -> Result<api::UpdateStageOutput, Error> {
    let target = Target::Stage(input.stage_name.clone());
    let api = gateway.patch(cx, &input.rest_api_id, target, input.patch_operations).await?;
    shown(&api, &input.stage_name)
}

pub async fn delete_stage(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteStageInput,
) -> Result<api::DeleteStageOutput, Error> {
    gateway.own(cx, &input.rest_api_id).await?;
    unmapped(gateway, &input.rest_api_id, Some(&input.stage_name))?;
    gateway.change(cx, &input.rest_api_id, Change::Remove(Target::Stage(input.stage_name))).await?;
    Ok(api::DeleteStageOutput {})
}

pub async fn flush_stage_authorizers_cache(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::FlushStageAuthorizersCacheInput,
) -> Result<api::FlushStageAuthorizersCacheOutput, Error> {
    let api = gateway.own(cx, &input.rest_api_id).await?;
    shown(&api, &input.stage_name)?;
    gateway.live.forget(&input.rest_api_id);
    Ok(api::FlushStageAuthorizersCacheOutput {})
}
