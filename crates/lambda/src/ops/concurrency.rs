//! Reserved and provisioned concurrency.

use ropeway_api::lambda as api;
use ropeway_core::Time;
use ropeway_wire::{Cx, Error};

use super::{Lambda, moment, named, page, unqualified};
use crate::commands::{Command, Output};
use crate::engine::unexpected;
use crate::errors::invalid;
use crate::keys::FunctionName;
use crate::model::{LATEST, Provisioned};

pub async fn put_function_concurrency(
    lambda: &Lambda,
    cx: &Cx,
    input: api::PutFunctionConcurrencyInput,
) -> Result<api::PutFunctionConcurrencyOutput, Error> {
    let name = unqualified(cx, &input.function_name)?;
    let reserved = u32::try_from(input.reserved_concurrent_executions).unwrap_or(u32::MAX);
    let _alone = lambda.changing_concurrency.lock().await;
    let command = Command::Reserve { function: name.clone(), reserved: Some(reserved) };
    super::nothing(lambda.submit(cx, &name, command).await?)?;
    let reserved_concurrent_executions = Some(input.reserved_concurrent_executions);
    Ok(api::PutFunctionConcurrencyOutput { reserved_concurrent_executions })
}

pub async fn get_function_concurrency(
    lambda: &Lambda,
    cx: &Cx,
    input: api::GetFunctionConcurrencyInput,
) -> Result<api::GetFunctionConcurrencyOutput, Error> {
    let name = unqualified(cx, &input.function_name)?;
    let found = lambda.read(cx, &name, None).await?;
    let reserved_concurrent_executions = found.function.reserved.map(i64::from);
    Ok(api::GetFunctionConcurrencyOutput { reserved_concurrent_executions })
}

pub async fn delete_function_concurrency(
    lambda: &Lambda,
    cx: &Cx,
    input: api::DeleteFunctionConcurrencyInput,
) -> Result<api::DeleteFunctionConcurrencyOutput, Error> {
    let name = unqualified(cx, &input.function_name)?;
    let command = Command::Reserve { function: name.clone(), reserved: None };
    super::nothing(lambda.submit(cx, &name, command).await?)?;
    Ok(api::DeleteFunctionConcurrencyOutput {})
}

/// Processes are started when they are asked for: what is asked for is what there is.
struct Shown {
    requested: Option<i64>,
    status: Option<String>,
    modified: Option<String>,
}

fn shown(row: &Provisioned) -> Shown {
    let at: Time = row.modified;
    Shown {
        requested: Some(i64::from(row.requested)),
        status: Some("READY".to_owned()),
        modified: Some(moment(at)),
    }
}

async fn provision(
    lambda: &Lambda,
    cx: &Cx,
    name: &FunctionName,
    qualifier: String,
    requested: Option<u32>,
) -> Result<Option<Provisioned>, Error> {
    if qualifier == LATEST {
        return Err(invalid(
            "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
        ));
    }
    let command = Command::Provision { function: name.clone(), qualifier, requested };
    match lambda.submit(cx, name, command).await? {
        Output::Provisioned(row) => Ok(row),
        _ => Err(unexpected()),
    }
}

fn none(name: &FunctionName) -> Error {
    api::error::provisioned_concurrency_config_not_found_exception(format!(
        "No Provisioned Concurrency Config found for this function: {}",
        name.arn()
    ))
    .with_member("Type", "User")
}

pub async fn put_provisioned_concurrency_config(
    lambda: &Lambda,
    cx: &Cx,
    input: api::PutProvisionedConcurrencyConfigInput,
) -> Result<api::PutProvisionedConcurrencyConfigOutput, Error> {
    let (name, _) = named(cx, &input.function_name, None)?;
    let requested = u32::try_from(input.provisioned_concurrent_executions).unwrap_or(u32::MAX);
    let _alone = lambda.changing_concurrency.lock().await;
    let row = provision(lambda, cx, &name, input.qualifier, Some(requested)).await?;
    let shown = shown(&row.ok_or_else(unexpected)?);
    Ok(api::PutProvisionedConcurrencyConfigOutput {
        requested_provisioned_concurrent_executions: shown.requested,
        available_provisioned_concurrent_executions: Some(0),
        allocated_provisioned_concurrent_executions: Some(0),
        status: Some("IN_PROGRESS".to_owned()),
        status_reason: None,
        last_modified: shown.modified,
    })
}

pub async fn get_provisioned_concurrency_config(
    lambda: &Lambda,
    cx: &Cx,
    input: api::GetProvisionedConcurrencyConfigInput,
) -> Result<api::GetProvisionedConcurrencyConfigOutput, Error> {
    let (name, _) = named(cx, &input.function_name, None)?;
    let row = provision(lambda, cx, &name, input.qualifier, None).await?;
    let shown = shown(&row.ok_or_else(|| none(&name))?);
    Ok(api::GetProvisionedConcurrencyConfigOutput {
        requested_provisioned_concurrent_executions: shown.requested,
        available_provisioned_concurrent_executions: shown.requested,
        allocated_provisioned_concurrent_executions: shown.requested,
        status: shown.status,
        status_reason: None,
        last_modified: shown.modified,
    })
}

pub async fn delete_provisioned_concurrency_config(
    lambda: &Lambda,
    cx: &Cx,
    input: api::DeleteProvisionedConcurrencyConfigInput,
) -> Result<api::DeleteProvisionedConcurrencyConfigOutput, Error> {
    let (name, _) = named(cx, &input.function_name, None)?;
    provision(lambda, cx, &name, input.qualifier, Some(0)).await?;
    Ok(api::DeleteProvisionedConcurrencyConfigOutput {})
}

pub async fn list_provisioned_concurrency_configs(
    lambda: &Lambda,
    cx: &Cx,
    input: api::ListProvisionedConcurrencyConfigsInput,
) -> Result<api::ListProvisionedConcurrencyConfigsOutput, Error> {
    let name = unqualified(cx, &input.function_name)?;
    let command = Command::AllProvisioned {
        function: name.clone(),
        after: page::after(input.marker.as_deref())?,
        limit: page::limit(input.max_items),
    };
    let Output::AllProvisioned(rows, more) = lambda.submit(cx, &name, command).await? else {
        return Err(unexpected());
    };
    let next_marker = page::marker(rows.last().map(|(qualifier, _)| qualifier.as_str()), more);
    let items = rows.iter().map(|(qualifier, row)| {
        let shown = shown(row);
        api::ProvisionedConcurrencyConfigListItem {
            function_arn: Some(name.qualified(Some(qualifier))),
            requested_provisioned_concurrent_executions: shown.requested,
            available_provisioned_concurrent_executions: shown.requested,
            allocated_provisioned_concurrent_executions: shown.requested,
            status: shown.status,
            status_reason: None,
            last_modified: shown.modified,
        }
    });
    Ok(api::ListProvisionedConcurrencyConfigsOutput {
        provisioned_concurrency_configs: Some(items.collect()),
        next_marker,
    })
}
