//! Aliases.

use std::collections::BTreeMap;

use ropeway_api::lambda as api;
use ropeway_wire::{Cx, Error};

use super::{Lambda, page, unqualified};
use crate::commands::{AliasChange, Command, Output};
use crate::engine::unexpected;
use crate::errors::{self, invalid};
use crate::keys::FunctionName;
use crate::model::Alias;

fn described(name: &FunctionName, alias: Alias) -> api::AliasConfiguration {
    let weights = alias.weight.map(|(version, weight)| BTreeMap::from([(version, weight)]));
    api::AliasConfiguration {
        alias_arn: Some(name.qualified(Some(&alias.name))),
        name: Some(alias.name),
        function_version: Some(alias.version),
        description: Some(alias.description),
        routing_config: weights
            .map(|weights| api::AliasRoutingConfiguration { additional_version_weights: Some(weights) }),
        revision_id: Some(alias.revision),
    }
}

/// `Some(None)`: an empty configuration takes the second version away.
fn weight(routing: Option<api::AliasRoutingConfiguration>) -> Result<Option<Option<(String, f64)>>, Error> {
    let Some(routing) = routing else { return Ok(None) };
    let mut weights = routing.additional_version_weights.unwrap_or_default().into_iter();
    let first = weights.next();
    if weights.next().is_some() {
        return Err(invalid("Number of items in AdditionalVersionWeights cannot be greater than 1"));
    }
    Ok(Some(first))
}

async fn put(
    lambda: &Lambda,
    cx: &Cx,
    name: FunctionName,
    create: bool,
    change: AliasChange,
) -> Result<api::AliasConfiguration, Error> {
    let command = Command::PutAlias { function: name.clone(), create, change };
    match lambda.submit(cx, &name, command).await? {
        Output::Alias(alias) => Ok(described(&name, alias)),
        _ => Err(unexpected()),
    }
}

pub async fn create_alias(
    lambda: &Lambda,
    cx: &Cx,
    input: api::CreateAliasInput,
) -> Result<api::CreateAliasOutput, Error> {
    let name = unqualified(cx, &input.function_name)?;
    let change = AliasChange {
        name: input.name,
        version: Some(input.function_version),
        description: input.description,
        weight: weight(input.routing_config)?,
        revision: None,
    };
    put(lambda, cx, name, true, change).await
}

pub async fn update_alias(
    lambda: &Lambda,
    cx: &Cx,
    input: api::UpdateAliasInput,
) -> Result<api::UpdateAliasOutput, Error> {
    let name = unqualified(cx, &input.function_name)?;
    let change = AliasChange {
        name: input.name,
        version: input.function_version,
        description: input.description,
        weight: weight(input.routing_config)?,
        revision: input.revision_id,
    };
    put(lambda, cx, name, false, change).await
}

pub async fn get_alias(
    lambda: &Lambda,
    cx: &Cx,
    input: api::GetAliasInput,
) -> Result<api::GetAliasOutput, Error> {
    let name = unqualified(cx, &input.function_name)?;
    lambda.read(cx, &name, None).await?;
    let found = lambda.read(cx, &name, Some(&input.name)).await;
    let found = found.map_err(|error| match error.status {
        404 => errors::no_alias(&name, &input.name),
        _ => error,
    })?;
    let alias = found.alias.ok_or_else(|| errors::no_alias(&name, &input.name))?;
    Ok(described(&name, alias))
}

pub async fn delete_alias(
    lambda: &Lambda,
    cx: &Cx,
    input: api::DeleteAliasInput,
) -> Result<api::DeleteAliasOutput, Error> {
    let name = unqualified(cx, &input.function_name)?;
    let command = Command::DeleteAlias { function: name.clone(), alias: input.name };
    super::nothing(lambda.submit(cx, &name, command).await?)?;
    Ok(api::DeleteAliasOutput {})
}

pub async fn list_aliases(
    lambda: &Lambda,
    cx: &Cx,
    input: api::ListAliasesInput,
) -> Result<api::ListAliasesOutput, Error> {
    let name = unqualified(cx, &input.function_name)?;
    let command = Command::Aliases {
        function: name.clone(),
        version: input.function_version,
        after: page::after(input.marker.as_deref())?,
        limit: page::limit(input.max_items),
    };
    let Output::Aliases(aliases, more) = lambda.submit(cx, &name, command).await? else {
        return Err(unexpected());
    };
    let next_marker = page::marker(aliases.last().map(|alias| alias.name.as_str()), more);
    let aliases = aliases.into_iter().map(|alias| described(&name, alias)).collect();
    Ok(api::ListAliasesOutput { next_marker, aliases: Some(aliases) })
}
