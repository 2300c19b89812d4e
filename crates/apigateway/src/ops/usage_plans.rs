//! CreateUsagePlan, GetUsagePlan, GetUsagePlans, UpdateUsagePlan, DeleteUsagePlan, and their keys.

use std::collections::BTreeMap;

use ropeway_api::apigateway as api;
use ropeway_wire::{Cx, Error};

use super::{ApiGateway, check_tags, checked, page, scope, unexpected};
use crate::commands::{AccountChange, AccountOutput};
use crate::errors::{bad, missing};
use crate::model::{ApiKey, Plan, PlanStage, Quota, Throttle};
use crate::patch::Patch;
use crate::render;

async fn run(gateway: &ApiGateway, cx: &Cx, change: AccountChange) -> Result<Plan, Error> {
    match gateway.account(&cx.trace, &scope(cx), change).await? {
        AccountOutput::Plan(plan) => Ok(*plan),
        _ => Err(unexpected()),
    }
}

async fn key(gateway: &ApiGateway, cx: &Cx, change: AccountChange) -> Result<ApiKey, Error> {
    match gateway.account(&cx.trace, &scope(cx), change).await? {
        AccountOutput::Key(key) => Ok(*key),
        _ => Err(unexpected()),
    }
}

fn number(value: Option<i64>, what: &str) -> Result<Option<u32>, Error> {
    let one = |value| u32::try_from(value).map_err(|_| bad(format!("Invalid value for {what}: {value}")));
    value.map(one).transpose()
}

fn throttle(given: api::ThrottleSettings) -> Result<Throttle, Error> {
    Ok(Throttle { burst: number(given.burst_limit, "burstLimit")?, rate: given.rate_limit })
}

fn stage(given: api::ApiStage) -> Result<PlanStage, Error> {
    let (Some(api), Some(stage)) = (given.api_id, given.stage) else {
        return Err(bad("Invalid API Stage specified"));
    };
    let limits = given.throttle.unwrap_or_default().into_iter();
    let throttle: Result<BTreeMap<_, _>, Error> =
        limits.map(|(at, limit)| Ok((at.trim_start_matches('/').to_owned(), throttle(limit)?))).collect();
    Ok(PlanStage { api, stage, throttle: throttle? })
}

/// A plan is for stages that there are.
async fn check_stage(gateway: &ApiGateway, cx: &Cx, api: &str, stage: &str) -> Result<(), Error> {
    let found = gateway.own(cx, api).await;
    match found {
        Ok(found) if found.stages.contains_key(stage) => Ok(()),
        Ok(_) => Err(missing(format!("API Stage not found: {api}:{stage}"))),
        Err(error) if error.code == "NotFoundException" => {
            Err(missing(format!("API Stage not found: {api}:{stage}")))
        }
        Err(error) => Err(error),
    }
}

pub async fn create_usage_plan(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::CreateUsagePlanInput,
) -> Result<api::CreateUsagePlanOutput, Error> {
    let tags = input.tags.unwrap_or_default();
    check_tags(cx, &tags)?;
    let stages: Result<Vec<_>, Error> = input.api_stages.unwrap_or_default().into_iter().map(stage).collect();
    let stages = stages?;
    for one in &stages {
        check_stage(gateway, cx, &one.api, &one.stage).await?;
    }
    let quota = input.quota.map(|quota| -> Result<Quota, Error> {
        Ok(Quota {
            limit: number(quota.limit, "limit")?.unwrap_or(0),
            offset: number(quota.offset, "offset")?.unwrap_or(0),
            period: quota.period.unwrap_or_default(),
        })
    });
    let plan = Plan {
        name: input.name,
        description: input.description,
        stages,
        throttle: input.throttle.map(throttle).transpose()?,
        quota: quota.transpose()?,
        tags,
        ..Plan::default()
    };
    Ok(render::plan(run(gateway, cx, AccountChange::CreatePlan(plan)).await?, false))
}

pub async fn get_usage_plan(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetUsagePlanInput,
) -> Result<api::GetUsagePlanOutput, Error> {
    Ok(render::plan(run(gateway, cx, AccountChange::Plan(input.usage_plan_id)).await?, true))
}

pub async fn get_usage_plans(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetUsagePlansInput,
) -> Result<api::GetUsagePlansOutput, Error> {
    let mut found = Vec::new();
    loop {
        let after = found.last().map(|plan: &Plan| plan.id.clone());
        let change = AccountChange::Plans(after);
        let AccountOutput::Plans(plans, more) = gateway.account(&cx.trace, &scope(cx), change).await? else {
            return Err(unexpected());
        };
        found.extend(plans);
        if !more {
            break;
        }
    }
    let wanted = |plan: &Plan| input.key_id.as_ref().is_none_or(|key| plan.keys.contains(key));
    let found = found.into_iter().filter(wanted).map(|plan| (plan.id.clone(), render::plan(plan, false)));
    let (items, position) = page(found, input.position.as_deref(), input.limit)?;
    Ok(api::GetUsagePlansOutput { position, items: Some(items) })
}

/// Stages that are added are there.
async fn check_added(gateway: &ApiGateway, cx: &Cx, patches: &[Patch]) -> Result<(), Error> {
    for patch in patches.iter().filter(|patch| patch.path == "/apiStages" && patch.op == "add") {
        let value = patch.text();
        let (api, stage) = value.split_once(':').ok_or_else(|| bad("Invalid API Stage specified"))?;
        check_stage(gateway, cx, api, stage).await?;
    }
    Ok(())
}

pub async fn update_usage_plan(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateUsagePlanInput,
) -> Result<api::UpdateUsagePlanOutput, Error> {
    let patches = checked(input.patch_operations)?;
    check_added(gateway, cx, &patches).await?;
    Ok(render::plan(run(gateway, cx, AccountChange::PatchPlan(input.usage_plan_id, patches)).await?, true))
}

pub async fn delete_usage_plan(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteUsagePlanInput,
) -> Result<api::DeleteUsagePlanOutput, Error> {
    gateway.account(&cx.trace, &scope(cx), AccountChange::DeletePlan(input.usage_plan_id)).await?;
    Ok(api::DeleteUsagePlanOutput {})
}

pub async fn create_usage_plan_key(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::CreateUsagePlanKeyInput,
) -> Result<api::CreateUsagePlanKeyOutput, Error> {
    if input.key_type != "API_KEY" {
        return Err(bad("Usage Plan Key type must be API_KEY"));
    }
    let change = AccountChange::AddPlanKey(input.usage_plan_id, input.key_id);
    Ok(render::plan_key(key(gateway, cx, change).await?))
}

pub async fn get_usage_plan_key(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetUsagePlanKeyInput,
) -> Result<api::GetUsagePlanKeyOutput, Error> {
    let plan = run(gateway, cx, AccountChange::Plan(input.usage_plan_id)).await?;
    if !plan.keys.contains(&input.key_id) {
        return Err(missing("Invalid Usage Plan Key specified"));
    }
    Ok(render::plan_key(key(gateway, cx, AccountChange::Key(input.key_id)).await?))
}

pub async fn get_usage_plan_keys(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetUsagePlanKeysInput,
) -> Result<api::GetUsagePlanKeysOutput, Error> {
    let plan = run(gateway, cx, AccountChange::Plan(input.usage_plan_id)).await?;
    let named =
        |key: &ApiKey, start: &String| key.name.as_ref().is_some_and(|n| n.starts_with(start.as_str()));
    let all = super::api_keys::all(gateway, cx).await?.into_iter();
    let found = all.filter(|key| plan.keys.contains(&key.id));
    let found = found.filter(|key| input.name_query.as_ref().is_none_or(|start| named(key, start)));
    let found = found.map(|key| (key.id.clone(), render::plan_key(key)));
    let (items, position) = page(found, input.position.as_deref(), input.limit)?;
    Ok(api::GetUsagePlanKeysOutput { position, items: Some(items) })
}

pub async fn delete_usage_plan_key(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteUsagePlanKeyInput,
) -> Result<api::DeleteUsagePlanKeyOutput, Error> {
    let change = AccountChange::RemovePlanKey(input.usage_plan_id, input.key_id);
    gateway.account(&cx.trace, &scope(cx), change).await?;
    Ok(api::DeleteUsagePlanKeyOutput {})
}
