//! PublishVersion, ListVersionsByFunction.

use ropeway_api::lambda as api;
use ropeway_wire::{Cx, Error};

use super::config::{described, whole};
use super::{Lambda, page, unqualified};
use crate::commands::{Command, Output};
use crate::engine::unexpected;
use crate::errors::invalid;
use crate::model::{Function, LATEST};

pub async fn publish_version(
    lambda: &Lambda,
    cx: &Cx,
    input: api::PublishVersionInput,
) -> Result<api::PublishVersionOutput, Error> {
    let name = unqualified(cx, &input.function_name)?;
    let command = Command::Publish {
        function: name.clone(),
        sha256: input.code_sha256.filter(|sha256| !sha256.is_empty()),
        description: input.description,
        revision: input.revision_id,
    };
    match lambda.submit(cx, &name, command).await? {
        Output::Found(found) => {
            let number = found.version.version.clone();
            whole(&lambda.engine, &found, Some(&number))
        }
        _ => Err(unexpected()),
    }
}

pub async fn list_versions_by_function(
    lambda: &Lambda,
    cx: &Cx,
    input: api::ListVersionsByFunctionInput,
) -> Result<api::ListVersionsByFunctionOutput, Error> {
    let name = unqualified(cx, &input.function_name)?;
    let mut limit = page::limit(input.max_items);
    let found = lambda.read(cx, &name, None).await?;
    let mut versions = Vec::new();
    let after = match page::after(input.marker.as_deref())? {
        Some(marker) => marker.parse().map_err(|_| invalid("Invalid Marker"))?,
        None => {
            versions.push(described(&lambda.engine, &found.function, &found.version, Some(LATEST))?);
            limit -= 1;
            0
        }
    };
    let command = Command::Versions { function: name.clone(), after, limit: limit.max(1) };
    let Output::Versions(mut rows, mut more) = lambda.submit(cx, &name, command).await? else {
        return Err(unexpected());
    };
    if limit == 0 {
        more = !rows.is_empty();
        rows.clear();
    }
    let last = rows.last().map_or_else(|| after.to_string(), |row| row.version.clone());
    for row in rows {
        versions.push(described(&lambda.engine, &found.function, &row, Some(&row.version))?);
    }
    Ok(api::ListVersionsByFunctionOutput {
        next_marker: page::marker(Some(&last), more),
        versions: Some(versions),
    })
}

/// Every published version of a function.
pub async fn published(
    lambda: &Lambda,
    cx: &Cx,
    of: &Function,
) -> Result<Vec<api::FunctionConfiguration>, Error> {
    let (mut out, mut after) = (Vec::new(), 0);
    loop {
        let command = Command::Versions { function: of.name.clone(), after, limit: 100 };
        let Output::Versions(rows, more) = lambda.submit(cx, &of.name, command).await? else {
            return Err(unexpected());
        };
        for row in &rows {
            after = row.version.parse().unwrap_or(after);
            out.push(described(&lambda.engine, of, row, Some(&row.version))?);
        }
        if !more {
            return Ok(out);
        }
    }
}
