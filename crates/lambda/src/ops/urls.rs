//! Function URLs: their configuration.

use ropeway_api::lambda as api;
use ropeway_wire::{Cx, Error};

use super::{Lambda, moment, named, page};
use crate::commands::{Command, Output, UrlChange};
use crate::engine::unexpected;
use crate::errors::{self, invalid};
use crate::keys::{FunctionName, is_number};
use crate::model::{CorsRow, Url};
use crate::urls::address;

/// What URLs' ids are made of, and how long they are.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
const ID: usize = 32;
/// Methods that `AllowMethods` may name.
const METHODS: [&str; 7] = ["GET", "PUT", "HEAD", "POST", "PATCH", "DELETE", "*"];

fn cors_row(cors: api::Cors) -> Result<CorsRow, Error> {
    let methods = cors.allow_methods.as_deref().unwrap_or_default();
    if let Some(method) = methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
        return Err(errors::constraint(
            method,
            "cors.allowMethods",
            "Member must satisfy enum value set: [GET, PUT, HEAD, POST, PATCH, DELETE, *]",
        ));
    }
    Ok(CorsRow {
        credentials: cors.allow_credentials,
        headers: cors.allow_headers,
        methods: cors.allow_methods,
        origins: cors.allow_origins,
        expose: cors.expose_headers,
        max_age: cors.max_age.and_then(|age| u32::try_from(age).ok()),
    })
}

fn cors(row: CorsRow) -> api::Cors {
    api::Cors {
        allow_credentials: row.credentials,
        allow_headers: row.headers,
        allow_methods: row.methods,
        allow_origins: row.origins,
        expose_headers: row.expose,
        max_age: row.max_age.map(i64::from),
    }
}

fn described(cx: &Cx, name: &FunctionName, qualifier: Option<&str>, url: Url) -> api::FunctionUrlConfig {
    api::FunctionUrlConfig {
        function_url: address(&cx.endpoint, &url.id, &name.scope.region),
        function_arn: name.qualified(qualifier),
        creation_time: moment(url.created),
        last_modified_time: moment(url.modified),
        cors: url.cors.map(cors),
        auth_type: if url.iam { "AWS_IAM" } else { "NONE" }.to_owned(),
        invoke_mode: Some(if url.streams { "RESPONSE_STREAM" } else { "BUFFERED" }.to_owned()),
    }
}

fn target(
    cx: &Cx,
    function: &str,
    qualifier: Option<String>,
) -> Result<(FunctionName, Option<String>), Error> {
    let (name, qualifier) = named(cx, function, qualifier)?;
    if qualifier.as_deref().is_some_and(|qualifier| is_number(qualifier) || qualifier.starts_with('$')) {
        return Err(invalid("A function URL is of the function, or of an alias."));
    }
    Ok((name, qualifier))
}

fn url_of(output: Output) -> Result<Url, Error> {
    match output {
        Output::Url(url) => Ok(url),
        _ => Err(unexpected()),
    }
}

pub async fn create_function_url_config(
    lambda: &Lambda,
    cx: &Cx,
    input: api::CreateFunctionUrlConfigInput,
) -> Result<api::CreateFunctionUrlConfigOutput, Error> {
    let (name, qualifier) = target(cx, &input.function_name, input.qualifier)?;
    let url = Url {
        id: lambda.engine.parts.core.ids().text(LETTERS, ID),
        created: cx.now,
        modified: cx.now,
        iam: input.auth_type == "AWS_IAM",
        streams: input.invoke_mode.as_deref() == Some("RESPONSE_STREAM"),
        cors: input.cors.map(cors_row).transpose()?,
    };
    let command = Command::CreateUrl { function: name.clone(), qualifier: qualifier.clone(), url };
    let url = url_of(lambda.submit(cx, &name, command).await?)?;
    lambda.engine.know_url(&cx.trace, &name, qualifier.as_deref(), &url.id).await?;
    let shown = described(cx, &name, qualifier.as_deref(), url);
    Ok(api::CreateFunctionUrlConfigOutput {
        function_url: shown.function_url,
        function_arn: shown.function_arn,
        auth_type: shown.auth_type,
        cors: shown.cors,
        creation_time: shown.creation_time,
        invoke_mode: shown.invoke_mode,
    })
}

pub async fn get_function_url_config(
    lambda: &Lambda,
    cx: &Cx,
    input: api::GetFunctionUrlConfigInput,
) -> Result<api::GetFunctionUrlConfigOutput, Error> {
    let (name, qualifier) = target(cx, &input.function_name, input.qualifier)?;
    let url = lambda.engine.url(&cx.trace, &name, qualifier.as_deref()).await?;
    let shown = described(cx, &name, qualifier.as_deref(), url.ok_or_else(errors::no_resource)?);
    Ok(api::GetFunctionUrlConfigOutput {
        function_url: shown.function_url,
        function_arn: shown.function_arn,
        auth_type: shown.auth_type,
        cors: shown.cors,
        creation_time: shown.creation_time,
        last_modified_time: shown.last_modified_time,
        invoke_mode: shown.invoke_mode,
    })
}

pub async fn update_function_url_config(
    lambda: &Lambda,
    cx: &Cx,
    input: api::UpdateFunctionUrlConfigInput,
) -> Result<api::UpdateFunctionUrlConfigOutput, Error> {
    let (name, qualifier) = target(cx, &input.function_name, input.qualifier)?;
    let change = UrlChange {
        iam: input.auth_type.map(|auth| auth == "AWS_IAM"),
        streams: input.invoke_mode.map(|mode| mode == "RESPONSE_STREAM"),
        cors: input.cors.map(cors_row).transpose()?,
    };
    let command = Command::UpdateUrl { function: name.clone(), qualifier: qualifier.clone(), change };
    let url = url_of(lambda.submit(cx, &name, command).await?)?;
    let shown = described(cx, &name, qualifier.as_deref(), url);
    Ok(api::UpdateFunctionUrlConfigOutput {
        function_url: shown.function_url,
        function_arn: shown.function_arn,
        auth_type: shown.auth_type,
        cors: shown.cors,
        creation_time: shown.creation_time,
        last_modified_time: shown.last_modified_time,
        invoke_mode: shown.invoke_mode,
    })
}

pub async fn delete_function_url_config(
    lambda: &Lambda,
    cx: &Cx,
    input: api::DeleteFunctionUrlConfigInput,
) -> Result<api::DeleteFunctionUrlConfigOutput, Error> {
    let (name, qualifier) = target(cx, &input.function_name, input.qualifier)?;
    let command = Command::DeleteUrl { function: name.clone(), qualifier };
    super::nothing(lambda.submit(cx, &name, command).await?)?;
    Ok(api::DeleteFunctionUrlConfigOutput {})
}

pub async fn list_function_url_configs(
    lambda: &Lambda,
    cx: &Cx,
    input: api::ListFunctionUrlConfigsInput,
) -> Result<api::ListFunctionUrlConfigsOutput, Error> {
    let (name, _) = target(cx, &input.function_name, None)?;
    let command = Command::Urls {
        function: name.clone(),
        after: page::after(input.marker.as_deref())?,
        limit: page::limit(input.max_items),
    };
    let Output::Urls(rows, more) = lambda.submit(cx, &name, command).await? else {
        return Err(unexpected());
    };
    let next_marker = page::marker(rows.last().map(|(qualifier, _)| qualifier.as_str()), more);
    let configs = rows.into_iter().map(|(qualifier, url)| {
        described(cx, &name, Some(qualifier.as_str()).filter(|qualifier| !qualifier.is_empty()), url)
    });
    Ok(api::ListFunctionUrlConfigsOutput { function_url_configs: configs.collect(), next_marker })
}
