//! Change sets: what an operation would do, kept until it is done or dropped.

use std::collections::BTreeMap;

use ropeway_core::{Tx, directory};
use ropeway_wire::Error;

use super::Output;
use super::record::{enlist, set_status, stack as read_stack};
use super::stacks::{USER_INITIATED, begin_creation, begin_import, begin_update, holder, is_updatable, tell};
use crate::keys::StackKey;
use crate::model::{
    ChangeSet, DEPLOYED, Definition, Operation, OperationKind, PLANNED, Stack, change_set_slot,
};
use crate::{error, keys, rows};

/// Change sets of one stack at most.
const MAX_CHANGE_SETS: usize = 1000;

pub async fn add(
    tx: &mut Tx,
    key: &StackKey,
    new: Option<Box<Stack>>,
    mut set: ChangeSet,
    definition: &Definition,
) -> Result<Output, Error> {
    let key = match (holder(tx, key).await?, new) {
        (Some(found), Some(_)) if found.status != "REVIEW_IN_PROGRESS" => {
            return Err(error::stack_exists_with_status(&found));
        }
        (Some(found), _) => found.key,
        (None, Some(stack)) => review(tx, *stack).await?,
        (None, None) => return Err(error::stack_missing(&key.name)),
    };
    let sets: BTreeMap<String, ChangeSet> = rows::all(tx, &key.change_sets()).await?;
    if let Some(found) = sets.get(&set.name) {
        if set.token.is_some() && found.token == set.token {
            return Ok(Output::Started(key));
        }
        return Err(error::change_set_exists(&set.name));
    }
    if sets.len() >= MAX_CHANGE_SETS {
        return Err(error::too_many_change_sets());
    }
    set.created = tx.now();
    rows::write(tx, &key.definition(&change_set_slot(&set.id)), definition).await?;
    rows::write(tx, &key.change_set(&set.name), &set).await?;
    let place = format!("{}/{}/{}", key.name, key.id, set.name);
    directory::add_with(tx, &keys::change_sets_list(&key.scope), &set.id, place.as_bytes())?;
    Ok(Output::Started(key))
}

/// Makes a stack that has nothing yet but a change set.
async fn review(tx: &mut Tx, mut stack: Stack) -> Result<StackKey, Error> {
    stack.created = tx.now();
    enlist(tx, &stack).await?;
    let reason = Some(USER_INITIATED.to_owned());
    set_status(tx, &mut stack, "REVIEW_IN_PROGRESS", reason, None)?;
    rows::write(tx, &stack.key.definition(DEPLOYED), &Definition::default()).await?;
    rows::write(tx, &stack.key.stack(), &stack).await?;
    Ok(stack.key)
}

pub async fn execute(
    tx: &mut Tx,
    key: &StackKey,
    name: &str,
    mut operation: Operation,
    disable_rollback: bool,
) -> Result<Output, Error> {
    let mut stack = read_stack(tx, key).await?;
    let set: Option<ChangeSet> = rows::read(tx, &key.change_set(name)).await?;
    let mut set = set.ok_or_else(|| error::change_set_missing(name))?;
    if set.execution != "AVAILABLE" {
        return Err(error::change_set_unavailable(&set.arn(key), &set.status, &set.execution));
    }
    let ready = if set.creates { stack.status == "REVIEW_IN_PROGRESS" } else { is_updatable(&stack.status) };
    if !ready {
        return Err(error::not_updatable(&stack));
    }
    let slot = key.definition(&change_set_slot(&set.id));
    let definition: Definition = rows::read(tx, &slot).await?.unwrap_or_default();
    set.execution = "EXECUTE_COMPLETE".to_owned();
    stack.change_set = Some(set.arn(key));
    stack.role_arn = set.role_arn.clone().or(stack.role_arn);
    stack.disable_rollback = disable_rollback;
    operation.role_arn = operation.role_arn.or_else(|| stack.role_arn.clone());
    operation.on_failure = set.on_failure.filter(|_| !disable_rollback).unwrap_or(operation.on_failure);
    operation.kind = if set.creates { OperationKind::Create } else { OperationKind::Update };
    tell(&mut stack, &definition, &operation);
    retire_others(tx, key, name).await?;
    rows::write(tx, &key.definition(PLANNED), &definition).await?;
    if !set.imports.is_empty() {
        operation.kind = OperationKind::Import;
        operation.imports.clone_from(&set.imports);
        begin_import(tx, &mut stack, &operation).await?;
    } else if set.creates {
        rows::write(tx, &key.definition(DEPLOYED), &definition).await?;
        begin_creation(tx, &mut stack, &operation).await?;
    } else {
        begin_update(tx, &mut stack, &operation).await?;
    }
    rows::write(tx, &key.change_set(name), &set).await?;
    Ok(Output::Started(stack.key))
}

/// The stack's other change sets say what would have changed before: they are dropped, as the service does.
async fn retire_others(tx: &mut Tx, key: &StackKey, name: &str) -> Result<(), Error> {
    let sets: BTreeMap<String, ChangeSet> = rows::all(tx, &key.change_sets()).await?;
    for other in sets.values().filter(|other| other.name != name) {
        drop_set(tx, key, other).await?;
    }
    Ok(())
}

pub async fn drop_set(tx: &mut Tx, key: &StackKey, set: &ChangeSet) -> Result<(), Error> {
    rows::delete(tx, &key.definition(&change_set_slot(&set.id))).await?;
    rows::delete(tx, &key.change_set(&set.name)).await?;
    directory::remove_with(tx, &keys::change_sets_list(&key.scope), &set.id)?;
    Ok(())
}

pub async fn remove(tx: &mut Tx, key: &StackKey, name: &str) -> Result<Output, Error> {
    let set: Option<ChangeSet> = rows::read(tx, &key.change_set(name)).await?;
    if let Some(set) = set {
        drop_set(tx, key, &set).await?;
    }
    Ok(Output::Done)
}
