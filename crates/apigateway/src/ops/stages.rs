//! CreateStage, GetStage, GetStages, UpdateStage, DeleteStage, FlushStageAuthorizersCache.

use ropeway_api::apigateway as api;
use ropeway_wire::{Cx, Error};

use super::deployments::refuse;
use super::rest_apis::unmapped;
use super::{ApiGateway, check_tags, scope};
use crate::commands::{AccountChange, AccountOutput, Change, Target};
use crate::errors::{bad, no_stage};
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
        documentation_version: input.documentation_version,
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

/// Whether a patch has something logged.
fn logs(patch: &api::PatchOperation) -> bool {
    let path = patch.path.as_deref().unwrap_or_default();
    let value = patch.value.as_deref().unwrap_or_default();
    let executions = path.ends_with("/logging/loglevel") && matches!(value, "ERROR" | "INFO");
    let accesses = path == "/accessLogSettings/destinationArn" && value.starts_with("arn:aws:logs:");
    (executions || accesses) && patch.op.as_deref() != Some("remove")
}

/// Logs are written as the account's role:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html>.
async fn role_wanted(gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
    match gateway.account(&cx.trace, &scope(cx), AccountChange::Read).await? {
        AccountOutput::Account(account) if account.role.is_some() => Ok(()),
        _ => Err(bad("CloudWatch Logs role ARN must be set in account settings to enable logging")),
    }
}

pub async fn update_stage(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateStageInput,
) -> Result<api::UpdateStageOutput, Error> {
    if input.patch_operations.iter().flatten().any(logs) {
        role_wanted(gateway, cx).await?;
    }
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

/// There are no caches of responses, so that an empty one is all that a stage has.
pub async fn flush_stage_cache(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::FlushStageCacheInput,
) -> Result<api::FlushStageCacheOutput, Error> {
    let api = gateway.own(cx, &input.rest_api_id).await?;
    shown(&api, &input.stage_name)?;
    Ok(api::FlushStageCacheOutput {})
}
