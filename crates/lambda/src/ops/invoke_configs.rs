//! How asynchronous events are treated: event-invoke configurations.

use ropeway_api::lambda as api;
use ropeway_wire::{Cx, Error, Keys};

use super::{Lambda, named, page};
use crate::commands::{Command, Output};
use crate::engine::unexpected;
use crate::errors::invalid;
use crate::keys::FunctionName;
use crate::model::{InvokeConfig, LATEST};

fn described(name: &FunctionName, qualifier: &str, row: InvokeConfig) -> api::FunctionEventInvokeConfig {
    let destination = |destination: Option<String>| destination.map(Some);
    api::FunctionEventInvokeConfig {
        last_modified: Some(row.modified),
        function_arn: Some(name.qualified(Some(qualifier))),
        maximum_retry_attempts: row.retries.map(i64::from),
        maximum_event_age_in_seconds: row.age.map(i64::from),
        destination_config: Some(api::DestinationConfig {
            on_success: Some(api::OnSuccess { destination: destination(row.on_success).flatten() }),
            on_failure: Some(api::OnFailure { destination: destination(row.on_failure).flatten() }),
        }),
    }
}

/// A destination that there is, and that the function's role may send to.
fn check(
    lambda: &Lambda,
    cx: &Cx,
    name: &FunctionName,
    role: &str,
    to: Option<&String>,
    success: bool,
) -> Result<(), Error> {
    let Some(to) = to.filter(|to| !to.is_empty()) else { return Ok(()) };
    let service = to.split(':').nth(2).unwrap_or_default();
    let (action, resource) = match service {
        "sqs" => ("sqs:SendMessage", to.clone()),
        "sns" => ("sns:Publish", to.clone()),
        "s3" if !success => ("s3:PutObject", format!("{to}/*")),
        "lambda" => ("lambda:InvokeFunction", to.clone()),
        _ => {
            return Err(invalid(format!(
                "The provided destination config DestinationConfig is not supported: {to}"
            )));
        }
    };
    if to.ends_with(".fifo") {
        return Err(invalid(format!("The destination ARN {to} is invalid.")));
    }
    if *to == name.arn() {
        return Err(invalid("You can't specify the function as a destination for itself."));
    }
    let refusal = || {
        let (_, call) = action.split_once(':').unwrap_or_default();
        invalid(format!("The function's execution role does not have permissions to call {call} on {to}"))
    };
    let role = lambda.engine.assume(name, role).map_err(|_| refusal())?;
    let as_role = lambda.engine.cx_of(name, role, &cx.trace);
    let asked = as_role.authorize(&api::SERVICE, action, &resource, &Keys::default());
    asked.map_err(|_| refusal())
}

/// What a request sets.
struct Asked {
    function_name: String,
    qualifier: Option<String>,
    retries: Option<i64>,
    age: Option<i64>,
    destinations: Option<api::DestinationConfig>,
    merge: bool,
}

async fn put(lambda: &Lambda, cx: &Cx, asked: Asked) -> Result<api::FunctionEventInvokeConfig, Error> {
    let (name, qualifier) = named(cx, &asked.function_name, asked.qualifier)?;
    let found = lambda.read(cx, &name, qualifier.as_deref()).await?;
    let destinations = asked.destinations.unwrap_or_default();
    let config = InvokeConfig {
        modified: cx.now,
        retries: asked.retries.and_then(|retries| u32::try_from(retries).ok()),
        age: asked.age.and_then(|age| u32::try_from(age).ok()),
        on_success: destinations.on_success.map(|to| to.destination.unwrap_or_default()),
        on_failure: destinations.on_failure.map(|to| to.destination.unwrap_or_default()),
    };
    let role = &found.version.config.role;
    check(lambda, cx, &name, role, config.on_success.as_ref(), true)?;
    check(lambda, cx, &name, role, config.on_failure.as_ref(), false)?;
    let command = Command::PutInvokeConfig { function: name.clone(), qualifier, config, merge: asked.merge };
    one(&name, lambda.submit(cx, &name, command).await?)
}

fn one(name: &FunctionName, output: Output) -> Result<api::FunctionEventInvokeConfig, Error> {
    match output {
        Output::InvokeConfigs(rows, _) => {
            let (qualifier, row) = rows.into_iter().next().ok_or_else(unexpected)?;
            Ok(described(name, &qualifier, row))
        }
        _ => Err(unexpected()),
    }
}

pub async fn put_function_event_invoke_config(
    lambda: &Lambda,
    cx: &Cx,
    input: api::PutFunctionEventInvokeConfigInput,
) -> Result<api::PutFunctionEventInvokeConfigOutput, Error> {
    let asked = Asked {
        function_name: input.function_name,
        qualifier: input.qualifier,
        retries: input.maximum_retry_attempts,
        age: input.maximum_event_age_in_seconds,
        destinations: input.destination_config,
        merge: false,
    };
    put(lambda, cx, asked).await
}

pub async fn update_function_event_invoke_config(
    lambda: &Lambda,
    cx: &Cx,
    input: api::UpdateFunctionEventInvokeConfigInput,
) -> Result<api::UpdateFunctionEventInvokeConfigOutput, Error> {
    let asked = Asked {
        function_name: input.function_name,
        qualifier: input.qualifier,
        retries: input.maximum_retry_attempts,
        age: input.maximum_event_age_in_seconds,
        destinations: input.destination_config,
        merge: true,
    };
    put(lambda, cx, asked).await
}

pub async fn get_function_event_invoke_config(
    lambda: &Lambda,
    cx: &Cx,
    input: api::GetFunctionEventInvokeConfigInput,
) -> Result<api::GetFunctionEventInvokeConfigOutput, Error> {
    let (name, qualifier) = named(cx, &input.function_name, input.qualifier)?;
    let command = Command::InvokeConfigs {
        function: name.clone(),
        qualifier: Some(qualifier.unwrap_or_else(|| LATEST.to_owned())),
        after: None,
        limit: 1,
    };
    one(&name, lambda.submit(cx, &name, command).await?)
}

pub async fn delete_function_event_invoke_config(
    lambda: &Lambda,
    cx: &Cx,
    input: api::DeleteFunctionEventInvokeConfigInput,
) -> Result<api::DeleteFunctionEventInvokeConfigOutput, Error> {
    let (name, qualifier) = named(cx, &input.function_name, input.qualifier)?;
    let command = Command::DeleteInvokeConfig { function: name.clone(), qualifier };
    super::nothing(lambda.submit(cx, &name, command).await?)?;
    Ok(api::DeleteFunctionEventInvokeConfigOutput {})
}

pub async fn list_function_event_invoke_configs(
    lambda: &Lambda,
    cx: &Cx,
    input: api::ListFunctionEventInvokeConfigsInput,
) -> Result<api::ListFunctionEventInvokeConfigsOutput, Error> {
    let (name, _) = named(cx, &input.function_name, None)?;
    let command = Command::InvokeConfigs {
        function: name.clone(),
        qualifier: None,
        after: page::after(input.marker.as_deref())?,
        limit: page::limit(input.max_items),
    };
    let Output::InvokeConfigs(rows, more) = lambda.submit(cx, &name, command).await? else {
        return Err(unexpected());
    };
    let next_marker = page::marker(rows.last().map(|(qualifier, _)| qualifier.as_str()), more);
    let configs = rows.into_iter().map(|(qualifier, row)| described(&name, &qualifier, row));
    Ok(api::ListFunctionEventInvokeConfigsOutput {
        function_event_invoke_configs: Some(configs.collect()),
        next_marker,
    })
}
