//! Layers.

use ropeway_api::lambda as api;
use ropeway_core::directory;
use ropeway_wire::{Cx, Error};
use serde_json::json;

use super::code::Source;
use super::{Lambda, moment, page, permissions};
use crate::commands::{Command, Output};
use crate::engine::unexpected;
use crate::errors::{self, invalid};
use crate::keys::{self, LayerName};
use crate::model::{LayerVersion, Policy};

/// The layer that a request names by its name or by its ARN.
fn named(cx: &Cx, given: &str) -> Result<LayerName, Error> {
    if !given.starts_with("arn:") {
        return Ok(LayerName::new(&cx.account, &cx.region, given));
    }
    match LayerName::parse(given) {
        Some((layer, None)) if layer.scope.region == cx.region => Ok(layer),
        _ => Err(invalid(format!("Invalid layer ARN: {given}"))),
    }
}

fn number(given: i64) -> Result<u64, Error> {
    u64::try_from(given).map_err(|_| invalid("Layer Version Cannot be less than 1."))
}

fn some(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}

/// A version with a place to fetch it from.
fn described(lambda: &Lambda, cx: &Cx, version: LayerVersion) -> Result<api::GetLayerVersionOutput, Error> {
    let content = api::LayerVersionContentOutput {
        location: Some(lambda.engine.location(cx, &version.code)?),
        code_sha256: Some(version.code.base64()),
        code_size: i64::try_from(version.code.size).ok(),
        ..api::LayerVersionContentOutput::default()
    };
    Ok(api::GetLayerVersionOutput {
        content: Some(content),
        layer_arn: Some(version.layer.arn()),
        layer_version_arn: Some(version.layer.version_arn(version.number)),
        description: Some(version.description),
        created_date: Some(moment(version.created)),
        version: i64::try_from(version.number).ok(),
        compatible_architectures: some(&version.architectures),
        compatible_runtimes: some(&version.runtimes),
        license_info: version.licence,
    })
}

fn item(version: &LayerVersion) -> api::LayerVersionsListItem {
    api::LayerVersionsListItem {
        layer_version_arn: Some(version.layer.version_arn(version.number)),
        version: i64::try_from(version.number).ok(),
        description: Some(version.description.clone()),
        created_date: Some(moment(version.created)),
        compatible_architectures: some(&version.architectures),
        compatible_runtimes: some(&version.runtimes),
        license_info: version.licence.clone(),
    }
}

pub async fn publish_layer_version(
    lambda: &Lambda,
    cx: &Cx,
    input: api::PublishLayerVersionInput,
) -> Result<api::PublishLayerVersionOutput, Error> {
    let layer = named(cx, &input.layer_name)?;
    let content = input.content;
    let source = Source { zip: content.zip_file, bucket: content.s3_bucket, key: content.s3_key };
    let archive = lambda.archive(cx, source).await?;
    let _held = lambda.engine.vault.hold().await;
    let version = LayerVersion {
        layer: layer.clone(),
        number: 0,
        created: cx.now,
        code: lambda.engine.vault.put(&archive).await?,
        description: input.description.unwrap_or_default(),
        licence: input.license_info,
        runtimes: input.compatible_runtimes.unwrap_or_default(),
        architectures: input.compatible_architectures.unwrap_or_default(),
        policy: Policy::default(),
    };
    let command = Command::PublishLayer { layer: layer.clone(), version: Box::new(version) };
    let Output::Layer(version) = lambda.engine.submit_layer(&cx.trace, &layer, command).await? else {
        return Err(unexpected());
    };
    let list = keys::layers_list(&layer.scope.account, &layer.scope.region);
    let line = directory::Command::Add { list, name: layer.name, value: Vec::new() };
    directory::apply(&lambda.engine.parts.core, &cx.trace, line).await?;
    let shown = described(lambda, cx, *version)?;
    Ok(api::PublishLayerVersionOutput {
        content: shown.content,
        layer_arn: shown.layer_arn,
        layer_version_arn: shown.layer_version_arn,
        description: shown.description,
        created_date: shown.created_date,
        version: shown.version,
        compatible_architectures: shown.compatible_architectures,
        compatible_runtimes: shown.compatible_runtimes,
        license_info: shown.license_info,
    })
}

async fn read(lambda: &Lambda, cx: &Cx, layer: &LayerName, number: u64) -> Result<LayerVersion, Error> {
    let command = Command::ReadLayer { layer: layer.clone(), number };
    match lambda.engine.submit_layer(&cx.trace, layer, command).await? {
        Output::Layer(version) => Ok(*version),
        _ => Err(unexpected()),
    }
}

pub async fn get_layer_version(
    lambda: &Lambda,
    cx: &Cx,
    input: api::GetLayerVersionInput,
) -> Result<api::GetLayerVersionOutput, Error> {
    let layer = named(cx, &input.layer_name)?;
    let version = read(lambda, cx, &layer, number(input.version_number)?).await?;
    described(lambda, cx, version)
}

pub async fn get_layer_version_by_arn(
    lambda: &Lambda,
    cx: &Cx,
    input: api::GetLayerVersionByArnInput,
) -> Result<api::GetLayerVersionByArnOutput, Error> {
    let found = LayerName::parse(&input.arn).and_then(|(layer, number)| Some((layer, number?)));
    let (layer, number) =
        found.ok_or_else(|| invalid(format!("Invalid layer version ARN: {}", input.arn)))?;
    let version = read(lambda, cx, &layer, number).await?;
    described(lambda, cx, version)
}

pub async fn delete_layer_version(
    lambda: &Lambda,
    cx: &Cx,
    input: api::DeleteLayerVersionInput,
) -> Result<api::DeleteLayerVersionOutput, Error> {
    let layer = named(cx, &input.layer_name)?;
    let command = Command::DeleteLayer { layer: layer.clone(), number: number(input.version_number)? };
    super::nothing(lambda.engine.submit_layer(&cx.trace, &layer, command).await?)?;
    Ok(api::DeleteLayerVersionOutput {})
}

/// Versions that suit a runtime and a processor; those that name none suit all.
fn suits(version: &LayerVersion, runtime: Option<&String>, architecture: Option<&String>) -> bool {
    runtime.is_none_or(|runtime| version.runtimes.contains(runtime))
        && architecture.is_none_or(|architecture| version.architectures.contains(architecture))
}

pub async fn list_layer_versions(
    lambda: &Lambda,
    cx: &Cx,
    input: api::ListLayerVersionsInput,
) -> Result<api::ListLayerVersionsOutput, Error> {
    let layer = named(cx, &input.layer_name)?;
    let before = page::after(input.marker.as_deref())?.map(|marker| marker.parse());
    let before = before.transpose().map_err(|_| invalid("Invalid Marker"))?;
    let command =
        Command::LayerVersions { layer: layer.clone(), before, limit: page::limit(input.max_items) };
    let Output::Layers(rows, more) = lambda.engine.submit_layer(&cx.trace, &layer, command).await? else {
        return Err(unexpected());
    };
    let last = rows.last().map(|row| row.number.to_string());
    let (runtime, architecture) = (input.compatible_runtime, input.compatible_architecture);
    let suiting = rows.iter().filter(|row| suits(row, runtime.as_ref(), architecture.as_ref()));
    Ok(api::ListLayerVersionsOutput {
        layer_versions: Some(suiting.map(item).collect()),
        next_marker: page::marker(last.as_deref(), more),
    })
}

pub async fn list_layers(
    lambda: &Lambda,
    cx: &Cx,
    input: api::ListLayersInput,
) -> Result<api::ListLayersOutput, Error> {
    let command = directory::Command::Read {
        list: keys::layers_list(&cx.account, &cx.region),
        prefix: String::new(),
        after: page::after(input.marker.as_deref())?,
        limit: page::limit(input.max_items),
    };
    let names = directory::apply(&lambda.engine.parts.core, &cx.trace, command).await?;
    let (runtime, architecture) = (input.compatible_runtime, input.compatible_architecture);
    let mut layers = Vec::new();
    for (name, _) in &names.names {
        let layer = LayerName::new(&cx.account, &cx.region, name);
        let command = Command::LayerVersions { layer: layer.clone(), before: None, limit: 50 };
        let Output::Layers(rows, _) = lambda.engine.submit_layer(&cx.trace, &layer, command).await? else {
            return Err(unexpected());
        };
        let latest = rows.iter().find(|row| suits(row, runtime.as_ref(), architecture.as_ref()));
        if let Some(latest) = latest {
            layers.push(api::LayersListItem {
                layer_name: Some(layer.name.clone()),
                layer_arn: Some(layer.arn()),
                latest_matching_version: Some(item(latest)),
            });
        }
    }
    let last = names.names.last().map(|(name, _)| name.as_str());
    Ok(api::ListLayersOutput { next_marker: page::marker(last, names.more), layers: Some(layers) })
}

async fn change_policy(
    lambda: &Lambda,
    cx: &Cx,
    layer: LayerName,
    number: u64,
    (id, statement): (String, Option<String>),
    revision: Option<String>,
) -> Result<LayerVersion, Error> {
    let command = Command::LayerPermission { layer: layer.clone(), number, id, statement, revision };
    match lambda.engine.submit_layer(&cx.trace, &layer, command).await? {
        Output::Layer(version) => Ok(*version),
        _ => Err(unexpected()),
    }
}

pub async fn add_layer_version_permission(
    lambda: &Lambda,
    cx: &Cx,
    input: api::AddLayerVersionPermissionInput,
) -> Result<api::AddLayerVersionPermissionOutput, Error> {
    let layer = named(cx, &input.layer_name)?;
    let number = number(input.version_number)?;
    let statement = json!({
        "Sid": input.statement_id,
        "Effect": "Allow",
        "Principal": permissions::principal(&input.principal)?,
        "Action": input.action,
        "Resource": layer.version_arn(number),
    })
    .to_string();
    let change = (input.statement_id, Some(statement.clone()));
    let version = change_policy(lambda, cx, layer, number, change, input.revision_id).await?;
    Ok(api::AddLayerVersionPermissionOutput {
        statement: Some(statement),
        revision_id: Some(version.policy.revision),
    })
}

pub async fn remove_layer_version_permission(
    lambda: &Lambda,
    cx: &Cx,
    input: api::RemoveLayerVersionPermissionInput,
) -> Result<api::RemoveLayerVersionPermissionOutput, Error> {
    let layer = named(cx, &input.layer_name)?;
    let number = number(input.version_number)?;
    change_policy(lambda, cx, layer, number, (input.statement_id, None), input.revision_id).await?;
    Ok(api::RemoveLayerVersionPermissionOutput {})
}

pub async fn get_layer_version_policy(
    lambda: &Lambda,
    cx: &Cx,
    input: api::GetLayerVersionPolicyInput,
) -> Result<api::GetLayerVersionPolicyOutput, Error> {
    let layer = named(cx, &input.layer_name)?;
    let version = read(lambda, cx, &layer, number(input.version_number)?).await?;
    let none = |_| errors::not_found("No policy is associated with the given resource.");
    let (policy, revision_id) = permissions::shown(&version.policy).map_err(none)?;
    Ok(api::GetLayerVersionPolicyOutput { policy: Some(policy), revision_id: Some(revision_id) })
}
