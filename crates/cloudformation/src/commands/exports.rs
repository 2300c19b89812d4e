//! Exports and who imports them: one shard for all of an account and region, so that each change is one command.

use std::collections::{BTreeMap, BTreeSet};

use ropeway_core::Tx;
use ropeway_wire::Error;

use super::Output;
use crate::keys::StackKey;
use crate::model::{Export, Macro};
use crate::{error, keys, rows};

/// Makes `values` the exports of a stack. All or nothing: a name that another stack exports, and the
/// change of an export that is imported, refuse it.
pub async fn set(tx: &mut Tx, stack: &StackKey, values: BTreeMap<String, String>) -> Result<Output, Error> {
    let all: BTreeMap<String, Export> = rows::all(tx, &keys::exports(&stack.scope)).await?;
    for name in values.keys() {
        if let Some(other) = all.get(name).filter(|export| export.stack != *stack) {
            return Err(error::validation(format!(
                "Export with name {name} is already exported by stack {}. ",
                other.stack.name
            )));
        }
    }
    let own = all.iter().filter(|(_, export)| export.stack == *stack);
    for (name, export) in own {
        let change = match values.get(name) {
            Some(value) if *value == export.value => continue,
            Some(_) => "updated",
            None => "deleted",
        };
        if let Some(user) = importers(tx, stack, name).await?.first() {
            return Err(error::validation(format!(
                "Export {name} cannot be {change} as it is in use by {user}"
            )));
        }
        rows::delete(tx, &keys::export(&stack.scope, name)).await?;
    }
    for (name, value) in values {
        let key = keys::export(&stack.scope, &name);
        rows::write(tx, &key, &Export { stack: stack.clone(), value }).await?;
    }
    Ok(Output::Done)
}

/// Names of the other stacks that import an export.
async fn importers(tx: &Tx, stack: &StackKey, name: &str) -> Result<Vec<String>, Error> {
    let prefix = keys::imports(&stack.scope, name).build();
    let page = tx.scan_prefix(&prefix, None, 2).await?;
    let arns = page.rows.iter().filter_map(|(key, _)| arn_of(key, prefix.len()));
    Ok(arns.filter_map(|arn| StackKey::parse(&arn)).map(|key| key.name).collect())
}

/// The stack's ARN that closes an import's key.
pub fn arn_of(key: &[u8], skip: usize) -> Option<String> {
    let end = key.len().checked_sub(1)?;
    String::from_utf8(key.get(skip..end)?.to_vec()).ok()
}

/// Reads an export for a stack and notes that the stack uses it.
pub async fn import(tx: &mut Tx, stack: &StackKey, name: &str) -> Result<Output, Error> {
    let found: Option<Export> = rows::read(tx, &keys::export(&stack.scope, name)).await?;
    if found.is_some() {
        tx.put(keys::imports(&stack.scope, name).text(&stack.arn()).build(), bytes::Bytes::new());
    }
    Ok(Output::Value(found.map(|export| export.value)))
}

/// Lets go of what a stack imported, `kept` apart.
pub async fn set_imports(tx: &mut Tx, stack: &StackKey, kept: &BTreeSet<String>) -> Result<Output, Error> {
    const PAGE: usize = 256;
    let (prefix, arn) = (keys::all_imports(&stack.scope).build(), stack.arn());
    let mut after: Option<bytes::Bytes> = None;
    loop {
        let page = tx.scan_prefix(&prefix, after.as_ref(), PAGE).await?;
        for (key, _) in &page.rows {
            let rest = arn_of(key, prefix.len()).unwrap_or_default();
            if let Some((name, holder)) = rest.split_once('\0')
                && holder == arn
                && !kept.contains(name)
            {
                tx.delete(key.clone());
            }
        }
        match page.rows.last() {
            Some((key, _)) if page.more => after = Some(key.clone()),
            _ => return Ok(Output::Done),
        }
    }
}

/// Makes a function a macro, or none any longer. A macro that another resource has is not touched.
pub async fn set_macro(
    tx: &mut Tx,
    owner: (StackKey, String),
    name: &str,
    function: Option<String>,
) -> Result<Output, Error> {
    let row = keys::transform(&owner.0.scope, name);
    let found: Option<Macro> = rows::read(tx, &row).await?;
    let is_anothers = found.is_some_and(|found| found.owner != owner);
    match function {
        Some(_) if is_anothers => Err(error::validation(format!("Macro {name} already exists"))),
        Some(function) => {
            rows::write(tx, &row, &Macro { owner, function }).await?;
            Ok(Output::Done)
        }
        None if is_anothers => Ok(Output::Done),
        None => {
            rows::delete(tx, &row).await?;
            Ok(Output::Done)
        }
    }
}
