//! Functions: made, read, changed, removed, listed; the account's settings.

use ropeway_api::lambda as api;
use ropeway_core::{ShardId, directory};
use ropeway_wire::{Cx, Error};

use super::code::Source;
use super::config::{Given, complete, described, whole};
use super::{Lambda, named, page, tags, unqualified};
use crate::commands::{Command, Found, LambdaMachine, Output};
use crate::engine::unexpected;
use crate::errors::{self, invalid};
use crate::keys::{self, FunctionName};
use crate::limits;
use crate::model::LATEST;

fn found(output: Output) -> Result<Found, Error> {
    match output {
        Output::Found(found) => Ok(*found),
        _ => Err(unexpected()),
    }
}

/// How a version is named in the answer to a change: a published one by its number.
fn own_qualifier(found: &Found) -> Option<&str> {
    Some(found.version.version.as_str()).filter(|version| *version != LATEST)
}

fn architecture(given: Option<Vec<String>>) -> Option<String> {
    given.and_then(|list| list.into_iter().next())
}

pub async fn create_function(
    lambda: &Lambda,
    cx: &Cx,
    input: api::CreateFunctionInput,
) -> Result<api::CreateFunctionOutput, Error> {
    let (name, qualifier) = named(cx, &input.function_name, None)?;
    if qualifier.is_some() || name.scope.account != cx.account {
        return Err(invalid(format!("Invalid function name: {}", input.function_name)));
    }
    if input.package_type.as_deref() == Some("Image") {
        return Err(invalid("PackageType Image is not implemented: functions are zip archives"));
    }
    let given = Given {
        role: Some(input.role),
        runtime: input.runtime,
        handler: input.handler,
        description: input.description,
        timeout: input.timeout,
        memory_size: input.memory_size,
        vpc_config: input.vpc_config,
        environment: input.environment,
        dead_letter_config: input.dead_letter_config,
        tracing_config: input.tracing_config,
        layers: input.layers,
        ephemeral_storage: input.ephemeral_storage,
        snap_start: input.snap_start,
        logging_config: input.logging_config,
    };
    let change = lambda.change(cx, &name, given).await?;
    let architecture = architecture(input.architectures).unwrap_or_else(|| "x86_64".to_owned());
    let config = complete(change, architecture)?;
    lambda.check_runtime(&config.runtime, &config.architecture)?;
    let fetch = !lambda.engine.parts.functions.is_ready(&config.runtime);
    let tags = tags::of_new(cx, input.tags)?;
    if lambda.read(cx, &name, None).await.is_ok() {
        return Err(errors::conflict(format!("Function already exist: {}", name.name)));
    }
    let source = Source { zip: input.code.zip_file, bucket: input.code.s3_bucket, key: input.code.s3_key };
    let archive = lambda.archive(cx, source).await?;
    let _held = lambda.engine.vault.hold().await;
    let code = lambda.engine.vault.put(&archive).await?;
    let command = Command::Create {
        function: name.clone(),
        code,
        config: Box::new(config),
        tags,
        publish: input.publish.unwrap_or(false),
        fetch,
    };
    let found = found(lambda.submit(cx, &name, command).await?)?;
    let list = keys::functions_list(&cx.account, &cx.region);
    let line = directory::Command::Add { list, name: name.name, value: Vec::new() };
    directory::apply(&lambda.engine.parts.core, &cx.trace, line).await?;
    whole(&lambda.engine, &found, own_qualifier(&found))
}

pub async fn get_function(
    lambda: &Lambda,
    cx: &Cx,
    input: api::GetFunctionInput,
) -> Result<api::GetFunctionOutput, Error> {
    let (name, qualifier) = named(cx, &input.function_name, input.qualifier)?;
    let found = lambda.read(cx, &name, qualifier.as_deref()).await?;
    let configuration = whole(&lambda.engine, &found, qualifier.as_deref())?;
    let code = api::FunctionCodeLocation {
        repository_type: Some("S3".to_owned()),
        location: Some(lambda.engine.location(cx, &found.version.code)?),
        ..api::FunctionCodeLocation::default()
    };
    let function = found.function;
    let reserved = function
        .reserved
        .map(|reserved| api::Concurrency { reserved_concurrent_executions: Some(i64::from(reserved)) });
    Ok(api::GetFunctionOutput {
        configuration: Some(configuration),
        code: Some(code),
        tags: (!function.tags.is_empty()).then_some(function.tags),
        tags_error: None,
        concurrency: reserved,
    })
}

pub async fn get_function_configuration(
    lambda: &Lambda,
    cx: &Cx,
    input: api::GetFunctionConfigurationInput,
) -> Result<api::GetFunctionConfigurationOutput, Error> {
    let (name, qualifier) = named(cx, &input.function_name, input.qualifier)?;
    let found = lambda.read(cx, &name, qualifier.as_deref()).await?;
    whole(&lambda.engine, &found, qualifier.as_deref())
}

pub async fn update_function_code(
    lambda: &Lambda,
    cx: &Cx,
    input: api::UpdateFunctionCodeInput,
) -> Result<api::UpdateFunctionCodeOutput, Error> {
    let name = unqualified(cx, &input.function_name)?;
    let now = lambda.read(cx, &name, None).await?;
    if input.revision_id.as_ref().is_some_and(|asked| *asked != now.version.revision) {
        return Err(errors::stale_revision());
    }
    let architecture = architecture(input.architectures);
    let config = &now.version.config;
    lambda.check_runtime(&config.runtime, architecture.as_deref().unwrap_or(&config.architecture))?;
    let fetch = !lambda.engine.parts.functions.is_ready(&config.runtime);
    let source = Source { zip: input.zip_file, bucket: input.s3_bucket, key: input.s3_key };
    let archive = lambda.archive(cx, source).await?;
    if input.dry_run == Some(true) {
        let mut now = now;
        let version = &mut now.version;
        version.code = crate::vault::Vault::describe(&archive);
        if let Some(architecture) = architecture {
            version.config.architecture = architecture;
        }
        return whole(&lambda.engine, &now, None);
    }
    let _held = lambda.engine.vault.hold().await;
    let code = lambda.engine.vault.put(&archive).await?;
    let command = Command::UpdateCode {
        function: name.clone(),
        code,
        architecture,
        revision: input.revision_id,
        publish: input.publish.unwrap_or(false),
        fetch,
    };
    let found = found(lambda.submit(cx, &name, command).await?)?;
    lambda.retire(cx, &name).await;
    whole(&lambda.engine, &found, own_qualifier(&found))
}

pub async fn update_function_configuration(
    lambda: &Lambda,
    cx: &Cx,
    input: api::UpdateFunctionConfigurationInput,
) -> Result<api::UpdateFunctionConfigurationOutput, Error> {
    let name = unqualified(cx, &input.function_name)?;
    let now = lambda.read(cx, &name, None).await?;
    let given = Given {
        role: input.role,
        runtime: input.runtime,
        handler: input.handler,
        description: input.description,
        timeout: input.timeout,
        memory_size: input.memory_size,
        vpc_config: input.vpc_config,
        environment: input.environment,
        dead_letter_config: input.dead_letter_config,
        tracing_config: input.tracing_config,
        layers: input.layers,
        ephemeral_storage: input.ephemeral_storage,
        snap_start: input.snap_start,
        logging_config: input.logging_config,
    };
    let change = lambda.change(cx, &name, given).await?;
    if let Some(runtime) = &change.runtime {
        lambda.check_runtime(runtime, &now.version.config.architecture)?;
    }
    let runtime = change.runtime.as_ref().unwrap_or(&now.version.config.runtime);
    let fetch = !lambda.engine.parts.functions.is_ready(runtime);
    let command = Command::UpdateConfig {
        function: name.clone(),
        change: Box::new(change),
        revision: input.revision_id,
        fetch,
    };
    let found = found(lambda.submit(cx, &name, command).await?)?;
    lambda.retire(cx, &name).await;
    whole(&lambda.engine, &found, None)
}

pub async fn delete_function(
    lambda: &Lambda,
    cx: &Cx,
    input: api::DeleteFunctionInput,
) -> Result<api::DeleteFunctionOutput, Error> {
    let (name, qualifier) = named(cx, &input.function_name, input.qualifier)?;
    match qualifier {
        Some(version) => {
            let command = Command::DeleteVersion { function: name.clone(), version };
            super::nothing(lambda.submit(cx, &name, command).await?)?;
            lambda.retire(cx, &name).await;
        }
        None => {
            super::nothing(lambda.submit(cx, &name, Command::Delete { function: name.clone() }).await?)?;
            let list = keys::functions_list(&name.scope.account, &name.scope.region);
            let line = directory::Command::Remove { list, name: name.name.clone() };
            directory::apply(&lambda.engine.parts.core, &cx.trace, line).await?;
            lambda.engine.parts.functions.retire(&name.arn(), &[]);
        }
    }
    Ok(api::DeleteFunctionOutput { status_code: Some(204) })
}

impl Lambda {
    /// Processes of revisions that are no more end. Should the versions not be read, they serve on until
    /// they are idle for long: no invocation reaches them.
    async fn retire(&self, cx: &Cx, name: &FunctionName) {
        let mut keep = Vec::new();
        let mut after = 0;
        match self.read(cx, name, None).await {
            Ok(found) => keep.push(found.version.revision),
            Err(_) => return,
        }
        loop {
            let command = Command::Versions { function: name.clone(), after, limit: 100 };
            let Ok(Output::Versions(versions, more)) = self.submit(cx, name, command).await else { return };
            after = versions.last().and_then(|v| v.version.parse().ok()).unwrap_or(after);
            keep.extend(versions.into_iter().map(|version| version.revision));
            if !more {
                break;
            }
        }
        self.engine.parts.functions.retire(&name.arn(), &keep);
    }
}

pub async fn list_functions(
    lambda: &Lambda,
    cx: &Cx,
    input: api::ListFunctionsInput,
) -> Result<api::ListFunctionsOutput, Error> {
    if input.master_region.as_deref().is_some_and(|region| region != "ALL")
        && input.function_version.is_none()
    {
        return Err(invalid("FunctionVersion must be set to ALL if MasterRegion is specified"));
    }
    let all_versions = input.function_version.is_some();
    let limit = page::limit(input.max_items);
    let command = directory::Command::Read {
        list: keys::functions_list(&cx.account, &cx.region),
        prefix: String::new(),
        after: page::after(input.marker.as_deref())?,
        limit: if all_versions { 1 } else { limit },
    };
    let names = directory::apply(&lambda.engine.parts.core, &cx.trace, command).await?;
    let mut functions = Vec::new();
    for (name, _) in &names.names {
        let name = FunctionName::new(&cx.account, &cx.region, name);
        match lambda.read(cx, &name, None).await {
            Ok(found) => {
                let qualifier = all_versions.then_some(LATEST);
                functions.push(described(&lambda.engine, &found.function, &found.version, qualifier)?);
                if all_versions {
                    functions.extend(super::versions::published(lambda, cx, &found.function).await?);
                }
            }
            // It was removed a moment ago.
            Err(error) if error.status == 404 => {}
            Err(error) => return Err(error),
        }
    }
    let last = names.names.last().map(|(name, _)| name.as_str());
    Ok(api::ListFunctionsOutput { next_marker: page::marker(last, names.more), functions: Some(functions) })
}

pub async fn get_account_settings(
    lambda: &Lambda,
    cx: &Cx,
    _input: api::GetAccountSettingsInput,
) -> Result<api::GetAccountSettingsOutput, Error> {
    let core = &lambda.engine.parts.core;
    let (mut count, mut total) = (0_u64, 0_u64);
    for shard in 0..core.shards() {
        let command = Command::Usage { account: cx.account.clone(), region: cx.region.clone() };
        match core.submit::<LambdaMachine>(ShardId(shard), &cx.trace, command).await? {
            Output::Usage { functions, bytes } => {
                count += functions;
                total += bytes;
            }
            _ => return Err(unexpected()),
        }
    }
    let number = |number: u64| i64::try_from(number).ok();
    let unreserved = lambda.engine.parts.concurrency.unreserved(&cx.account, &cx.region);
    Ok(api::GetAccountSettingsOutput {
        account_limit: Some(api::AccountLimit {
            total_code_size: number(limits::STORAGE),
            code_size_unzipped: number(limits::ARCHIVE),
            code_size_zipped: number(limits::UPLOAD as u64),
            concurrent_executions: Some(i64::from(limits::CONCURRENCY)),
            unreserved_concurrent_executions: Some(i64::from(unreserved)),
        }),
        account_usage: Some(api::AccountUsage {
            total_code_size: number(total),
            function_count: number(count),
        }),
    })
}
