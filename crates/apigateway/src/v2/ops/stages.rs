//! CreateStage, GetStage, GetStages, UpdateStage, DeleteStage, DeleteAccessLogSettings, DeleteRouteSettings.

use std::collections::BTreeMap;

use ropeway_api::apigatewayv2 as api;
use ropeway_wire::{Cx, Error};

use super::{ApiGateway, page};
use crate::model::Throttle;
use crate::ops::{check_tags, unmapped};
use crate::v2::HttpApi;
use crate::v2::changes::{Change, Target};
use crate::v2::errors::{bad, no_stage, unimplemented};
use crate::v2::model::Stage;
use crate::v2::parts::StagePart;
use crate::v2::render::stage_output;

fn at(api: &HttpApi, name: &str) -> Result<Stage, Error> {
    api.stages.get(name).cloned().ok_or_else(no_stage)
}

/// The throttle of settings: the rest of them is for WebSocket APIs, or metrics.
fn throttle(said: api::RouteSettings) -> Result<Throttle, Error> {
    if said.data_trace_enabled == Some(true)
        || said.logging_level.as_deref().is_some_and(|level| level != "OFF")
    {
        return Err(bad("Execution logs are not supported on protocolType HTTP"));
    }
    if said.detailed_metrics_enabled == Some(true) {
        return Err(unimplemented("The detailed metrics of routes"));
    }
    let burst = said.throttling_burst_limit.map(u32::try_from).transpose();
    let burst = burst.map_err(|_| bad("Invalid throttlingBurstLimit"))?;
    match said.throttling_rate_limit {
        Some(rate) if !rate.is_finite() || rate < 0.0 => Err(bad("Invalid throttlingRateLimit")),
        rate => Ok(Throttle { burst, rate }),
    }
}

fn throttles(
    said: Option<BTreeMap<String, api::RouteSettings>>,
) -> Result<BTreeMap<String, Throttle>, Error> {
    said.unwrap_or_default().into_iter().map(|(key, one)| Ok((key, throttle(one)?))).collect()
}

/// What an input says of a stage: those of creating and updating one have it under the same names.
macro_rules! part {
    ($input:ident) => {
        StagePart {
            deployment: $input.deployment_id,
            auto_deploy: $input.auto_deploy,
            description: $input.description,
            variables: $input.stage_variables.unwrap_or_default(),
            default_throttle: $input.default_route_settings.map(throttle).transpose()?,
            route_throttles: throttles($input.route_settings)?,
            log: $input.access_log_settings.map(|log| (log.destination_arn, log.format)),
        }
    };
}

pub async fn create_stage(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::CreateStageInput,
) -> Result<api::CreateStageOutput, Error> {
    let part = part!(input);
    let tags = input.tags.unwrap_or_default();
    check_tags(cx, &tags)?;
    let name = input.stage_name;
    let change = Change::NewStage(name.clone(), Box::new(part), tags);
    let (api, _) = gateway.change_http(cx, &input.api_id, change).await?;
    let made = at(&api, &name)?;
    Ok(stage_output!(CreateStageOutput, name, made))
}

pub async fn get_stage(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetStageInput,
) -> Result<api::GetStageOutput, Error> {
    let found = at(&gateway.own_http(cx, &input.api_id).await?, &input.stage_name)?;
    Ok(stage_output!(GetStageOutput, input.stage_name, found))
}

pub async fn get_stages(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetStagesInput,
) -> Result<api::GetStagesOutput, Error> {
    let all = gateway.own_http(cx, &input.api_id).await?.stages.into_iter();
    let all = all.map(|(name, one)| (name.clone(), stage_output!(Stage, name, one)));
    let (items, next_token) = page(all, input.next_token.as_deref(), input.max_results.as_deref())?;
    Ok(api::GetStagesOutput { items, next_token })
}

pub async fn update_stage(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateStageInput,
) -> Result<api::UpdateStageOutput, Error> {
    let part = part!(input);
    let name = input.stage_name;
    let change = Change::Stage(name.clone(), Box::new(part));
    let (api, _) = gateway.change_http(cx, &input.api_id, change).await?;
    let found = at(&api, &name)?;
    Ok(stage_output!(UpdateStageOutput, name, found))
}

pub async fn delete_stage(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteStageInput,
) -> Result<api::DeleteStageOutput, Error> {
    at(&gateway.own_http(cx, &input.api_id).await?, &input.stage_name)?;
    unmapped(gateway, &input.api_id, Some(&input.stage_name))?;
    gateway.remove_http(cx, &input.api_id, Target::Stage(input.stage_name)).await?;
    Ok(api::DeleteStageOutput {})
}

pub async fn delete_access_log_settings(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteAccessLogSettingsInput,
) -> Result<api::DeleteAccessLogSettingsOutput, Error> {
    gateway.remove_http(cx, &input.api_id, Target::Log(input.stage_name)).await?;
    Ok(api::DeleteAccessLogSettingsOutput {})
}

pub async fn delete_route_settings(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteRouteSettingsInput,
) -> Result<api::DeleteRouteSettingsOutput, Error> {
    let target = Target::RouteSettings(input.stage_name, input.route_key);
    gateway.remove_http(cx, &input.api_id, target).await?;
    Ok(api::DeleteRouteSettingsOutput {})
}
