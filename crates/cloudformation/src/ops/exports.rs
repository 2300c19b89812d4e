//! Exports and who imports them.

use ropeway_api::cloudformation::*;
use ropeway_wire::{Cx, Error};

use super::page::{PAGE, position, token};
use super::{CloudFormation, scope};
use crate::commands::{Command, Output as Answered};
use crate::error;
use crate::keys::{StackKey, exports_shard};

pub async fn list_exports(
    service: &CloudFormation,
    cx: &Cx,
    input: ListExportsInput,
) -> Result<ListExportsOutput, Error> {
    let after = position(input.next_token.as_deref())?;
    let command = Command::Exports(scope(cx), after, PAGE as u32);
    let Answered::Exports(found, more) = service.submit(cx, &exports_shard(&scope(cx)), command).await?
    else {
        return Err(error::unexpected());
    };
    let next_token = found.last().filter(|_| more).map(|(name, _)| token(name));
    let exports = found.into_iter().map(|(name, export)| Export {
        exporting_stack_id: Some(export.stack.arn()),
        name: Some(name),
        value: Some(export.value),
    });
    Ok(ListExportsOutput { exports: Some(exports.collect()), next_token })
}

pub async fn list_imports(
    service: &CloudFormation,
    cx: &Cx,
    input: ListImportsInput,
) -> Result<ListImportsOutput, Error> {
    let after = position(input.next_token.as_deref())?;
    let name = input.export_name;
    let shard = exports_shard(&scope(cx));
    let found = service.submit(cx, &shard, Command::Export(scope(cx), name.clone())).await?;
    if !matches!(found, Answered::Value(Some(_))) {
        return Err(error::validation(format!("Export '{name}' does not exist.")));
    }
    let command = Command::Imports(scope(cx), name.clone(), after.clone(), PAGE as u32);
    let Answered::Imports(arns, more) = service.submit(cx, &shard, command).await? else {
        return Err(error::unexpected());
    };
    if arns.is_empty() && after.is_none() {
        return Err(error::validation(format!("Export '{name}' is not imported by any stack.")));
    }
    let next_token = arns.last().filter(|_| more).map(|arn| token(arn));
    let imports = arns.iter().filter_map(|arn| StackKey::parse(arn)).map(|key| key.name).collect();
    Ok(ListImportsOutput { imports: Some(imports), next_token })
}
