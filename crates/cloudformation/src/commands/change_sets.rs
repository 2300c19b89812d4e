//! Change sets: what an operation would do, kept until it is done or dropped.

use std::collections::BTreeMap;

use ropeway_core::keys::Space;
use ropeway_core::{Tx, directory};
use ropeway_wire::Error;

use super::record::{enlist, set_status, stack as read_stack};
use super::stacks::{
    USER_INITIATED, begin_creation, begin_import, begin_update, holder, is_updatable, repeated, tell,
};
use super::{Output, Work};
use crate::keys::StackKey;
use crate::model::{
    ChangeSet, DEPLOYED, Definition, NESTING, Nesting, Operation, OperationKind, PLANNED, Stack,
    change_set_slot,
};
use crate::{error, keys, rows};

/// The status of a change set whose nested ones are being made.
const IN_PROGRESS: &str = "CREATE_IN_PROGRESS";
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
    let is_root = set.nesting.as_ref().is_some_and(|nesting| nesting.parent.is_none());
    if is_root && set.status == IN_PROGRESS {
        let (lane, operation) = (set.arn(&key), format!("{NESTING}{}", set.name));
        let work = Work { stack: key.clone(), operation };
        tx.send_to_actor(&lane, Space::CloudFormation, &work)?;
    }
    Ok(Output::Started(key))
}

async fn under_way(tx: &Tx, key: &StackKey, name: &str) -> Result<ChangeSet, Error> {
    let set: Option<ChangeSet> = rows::read(tx, &key.change_set(name)).await?;
    set.filter(|set| set.status == IN_PROGRESS).ok_or_else(|| error::change_set_missing(name))
}

pub async fn nest(tx: &mut Tx, key: &StackKey, name: &str, nesting: Nesting) -> Result<Output, Error> {
    let set = under_way(tx, key, name).await?;
    rows::write(tx, &key.change_set(name), &ChangeSet { nesting: Some(nesting), ..set }).await?;
    Ok(Output::Done)
}

pub async fn settle(tx: &mut Tx, key: &StackKey, set: ChangeSet) -> Result<Output, Error> {
    under_way(tx, key, &set.name).await?;
    rows::write(tx, &key.change_set(&set.name), &set).await?;
    Ok(Output::Done)
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
    let mut set = available(tx, &stack, name).await?;
    let slot = key.definition(&change_set_slot(&set.id));
    let definition: Definition = rows::read(tx, &slot).await?.unwrap_or_default();
    stack.role_arn = set.role_arn.clone().or(stack.role_arn);
    stack.disable_rollback = disable_rollback;
    operation.role_arn = operation.role_arn.or_else(|| stack.role_arn.clone());
    operation.on_failure = set.on_failure.filter(|_| !disable_rollback).unwrap_or(operation.on_failure);
    begin(tx, stack, &mut set, &definition, operation).await
}

pub async fn execute_nested(
    tx: &mut Tx,
    key: &StackKey,
    name: &str,
    definition: &Definition,
    operation: Operation,
) -> Result<Output, Error> {
    let mut stack = read_stack(tx, key).await?;
    if repeated(&stack, &operation)? {
        return Ok(Output::Started(stack.key));
    }
    let mut set = available(tx, &stack, name).await?;
    stack.role_arn.clone_from(&operation.role_arn);
    rows::write(tx, &key.definition(&change_set_slot(&set.id)), definition).await?;
    begin(tx, stack, &mut set, definition, operation).await
}

/// A change set that can be executed.
async fn available(tx: &Tx, stack: &Stack, name: &str) -> Result<ChangeSet, Error> {
    let set: Option<ChangeSet> = rows::read(tx, &stack.key.change_set(name)).await?;
    let set = set.ok_or_else(|| error::change_set_missing(name))?;
    if set.execution != "AVAILABLE" {
        return Err(error::change_set_unavailable(&set.arn(&stack.key), &set.status, &set.execution));
    }
    let ready = if set.creates { stack.status == "REVIEW_IN_PROGRESS" } else { is_updatable(&stack.status) };
    if ready { Ok(set) } else { Err(error::not_updatable(stack)) }
}

/// Begins what a change set says.
async fn begin(
    tx: &mut Tx,
    mut stack: Stack,
    set: &mut ChangeSet,
    definition: &Definition,
    mut operation: Operation,
) -> Result<Output, Error> {
    let key = stack.key.clone();
    set.execution = "EXECUTE_COMPLETE".to_owned();
    stack.change_set = Some(set.arn(&key));
    operation.kind = if set.creates { OperationKind::Create } else { OperationKind::Update };
    operation.nested = set.nesting.clone().unwrap_or_default().children;
    tell(&mut stack, definition, &operation);
    retire_others(tx, &key, &set.name).await?;
    rows::write(tx, &key.definition(PLANNED), definition).await?;
    if !set.imports.is_empty() {
        operation.kind = OperationKind::Import;
        operation.imports.clone_from(&set.imports);
        begin_import(tx, &mut stack, &operation).await?;
    } else if set.creates {
        rows::write(tx, &key.definition(DEPLOYED), definition).await?;
        begin_creation(tx, &mut stack, &operation).await?;
    } else {
        begin_update(tx, &mut stack, &operation).await?;
    }
    rows::write(tx, &key.change_set(&set.name), set).await?;
    Ok(Output::Started(key))
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
