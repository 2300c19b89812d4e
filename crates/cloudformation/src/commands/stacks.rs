//! Beginnings of operations on stacks.

use ropeway_core::Tx;
use ropeway_core::keys::Space;
use ropeway_wire::Error;

use super::record::{enlist, set_status, stack as read_stack};
use super::{Output, Work};
use crate::keys::StackKey;
use crate::model::{DEPLOYED, Definition, HELD, Operation, OperationKind, PLANNED, Phase, Stack, Told};
use crate::{error, keys, rows};

/// Why an operation begins, in its first event.
pub const USER_INITIATED: &str = "User Initiated";

/// Writes the operation's row and leaves it to the actor.
pub async fn start(tx: &mut Tx, stack: &mut Stack, operation: &Operation) -> Result<(), Error> {
    let key = stack.key.clone();
    stack.token = operation.token.clone().map(|token| (token, operation.kind));
    rows::write(tx, &key.operation(), operation).await?;
    rows::write(tx, &key.stack(), stack).await?;
    let work = Work { stack: key.clone(), operation: operation.id.clone() };
    tx.send_to_actor(&key.arn(), Space::CloudFormation, &work)?;
    // Whoever waits for something in the name of an operation that is over waits no longer.
    tx.wake(&key.wake_up(), 1);
    Ok(())
}

/// Goes on with an update that waits for its parent's word; without one, nothing happens.
pub async fn release(tx: &mut Tx, key: &StackKey, stays: bool) -> Result<Output, Error> {
    let found: Option<Operation> = rows::read(tx, &key.operation()).await?;
    let Some(operation) = found.filter(|operation| operation.phase == Phase::Held) else {
        return Ok(Output::Done);
    };
    let mut stack = read_stack(tx, key).await?;
    let phase = if stays { Phase::Cleanup } else { Phase::Rollback };
    if !stays {
        let before: Option<Definition> = rows::read(tx, &key.definition(HELD)).await?;
        rows::write(tx, &key.definition(DEPLOYED), &before.unwrap_or_default()).await?;
        set_status(tx, &mut stack, "UPDATE_ROLLBACK_IN_PROGRESS", None, operation.token.clone())?;
    }
    rows::delete(tx, &key.definition(HELD)).await?;
    start(tx, &mut stack, &Operation { phase, ..operation }).await?;
    Ok(Output::Done)
}

/// Whether the same request came before: its token is known, for an operation of the same kind.
pub fn repeated(stack: &Stack, operation: &Operation) -> Result<bool, Error> {
    match (&stack.token, &operation.token) {
        (Some((before, kind)), Some(now)) if before == now => {
            if *kind == operation.kind {
                return Ok(true);
            }
            Err(error::token_exists(now))
        }
        _ => Ok(false),
    }
}

/// The stack that has a name.
pub async fn holder(tx: &Tx, key: &StackKey) -> Result<Option<Stack>, Error> {
    let Some(id) = rows::read(tx, &keys::name(&key.scope, &key.name)).await? else { return Ok(None) };
    let key = StackKey { id, ..key.clone() };
    Ok(rows::read(tx, &key.stack()).await?)
}

pub async fn create(
    tx: &mut Tx,
    mut stack: Stack,
    definition: &Definition,
    operation: Operation,
) -> Result<Output, Error> {
    if let Some(found) = holder(tx, &stack.key).await? {
        if repeated(&found, &operation)? {
            return Ok(Output::Started(found.key));
        }
        return Err(error::stack_exists(&stack.key.name));
    }
    stack.created = tx.now();
    tell(&mut stack, definition, &operation);
    enlist(tx, &stack).await?;
    rows::write(tx, &stack.key.definition(DEPLOYED), definition).await?;
    rows::write(tx, &stack.key.definition(PLANNED), definition).await?;
    begin_creation(tx, &mut stack, &operation).await?;
    Ok(Output::Started(stack.key))
}

/// From now on those are told of the stack's events whom its definition names.
pub fn tell(stack: &mut Stack, definition: &Definition, operation: &Operation) {
    let (topics, endpoint) = (definition.notifications.clone(), operation.endpoint.clone());
    stack.told = Told { topics, endpoint };
}

/// The first event of a creation.
pub async fn begin_creation(tx: &mut Tx, stack: &mut Stack, operation: &Operation) -> Result<(), Error> {
    let reason = Some(USER_INITIATED.to_owned());
    set_status(tx, stack, "CREATE_IN_PROGRESS", reason, operation.token.clone())?;
    start(tx, stack, operation).await
}

pub async fn update(
    tx: &mut Tx,
    key: &StackKey,
    seen: u64,
    definition: &Definition,
    operation: Operation,
    role: Option<String>,
) -> Result<Output, Error> {
    let mut stack = read_stack(tx, key).await?;
    if repeated(&stack, &operation)? {
        return Ok(Output::Started(stack.key));
    }
    if !is_updatable(&stack.status) || stack.events != seen {
        return Err(error::not_updatable(&stack));
    }
    stack.role_arn = role.or(stack.role_arn);
    tell(&mut stack, definition, &operation);
    rows::write(tx, &key.definition(PLANNED), definition).await?;
    begin_update(tx, &mut stack, &operation).await?;
    Ok(Output::Started(stack.key))
}

/// The first event of an update.
pub async fn begin_update(tx: &mut Tx, stack: &mut Stack, operation: &Operation) -> Result<(), Error> {
    let operation =
        &Operation { policy: operation.policy.clone().or_else(|| stack.policy.clone()), ..operation.clone() };
    stack.policy = operation.new_policy.clone().or(stack.policy.take());
    stack.updated = Some(tx.now());
    let reason = Some(USER_INITIATED.to_owned());
    set_status(tx, stack, "UPDATE_IN_PROGRESS", reason, operation.token.clone())?;
    start(tx, stack, operation).await
}

/// The first event of an import.
pub async fn begin_import(tx: &mut Tx, stack: &mut Stack, operation: &Operation) -> Result<(), Error> {
    stack.updated = Some(tx.now());
    let reason = Some(USER_INITIATED.to_owned());
    set_status(tx, stack, "IMPORT_IN_PROGRESS", reason, operation.token.clone())?;
    start(tx, stack, operation).await
}

/// Whether a stack of this status takes updates.
pub fn is_updatable(status: &str) -> bool {
    const UPDATABLE: [&str; 6] = [
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE",
        "UPDATE_FAILED",
        "IMPORT_COMPLETE",
        "IMPORT_ROLLBACK_COMPLETE",
    ];
    UPDATABLE.contains(&status)
}

pub async fn delete(tx: &mut Tx, key: &StackKey, operation: Operation) -> Result<Output, Error> {
    const REFUSING: [&str; 6] = [
        "IMPORT_IN_PROGRESS",
        "IMPORT_ROLLBACK_IN_PROGRESS",
        "UPDATE_IN_PROGRESS",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    ];
    let mut stack = read_stack(tx, key).await?;
    if stack.deleted.is_some() || stack.status == "DELETE_IN_PROGRESS" || repeated(&stack, &operation)? {
        return Ok(Output::Started(stack.key));
    }
    if stack.protected {
        return Err(error::protected(&stack.key.name));
    }
    if REFUSING.contains(&stack.status.as_str()) {
        return Err(error::not_deletable(&stack));
    }
    if !operation.retain.is_empty() && stack.status != "DELETE_FAILED" {
        return Err(error::retain_not_failed());
    }
    let reason = Some(USER_INITIATED.to_owned());
    set_status(tx, &mut stack, "DELETE_IN_PROGRESS", reason, operation.token.clone())?;
    start(tx, &mut stack, &operation).await?;
    Ok(Output::Started(stack.key))
}

pub async fn continue_rollback(tx: &mut Tx, key: &StackKey, operation: Operation) -> Result<Output, Error> {
    let mut stack = read_stack(tx, key).await?;
    if repeated(&stack, &operation)? {
        return Ok(Output::Started(stack.key));
    }
    if stack.status != "UPDATE_ROLLBACK_FAILED" {
        return Err(error::not_continuable(&stack));
    }
    let resources: std::collections::BTreeMap<String, crate::model::Resource> =
        rows::all(tx, &key.resources()).await?;
    let wrong =
        operation.skip.iter().find(|id| resources.get(*id).is_none_or(|r| r.status != "UPDATE_FAILED"));
    if let Some(id) = wrong {
        return Err(error::validation(format!(
            "ResourcesToSkip: [{id}] must be resources of the stack in status UPDATE_FAILED"
        )));
    }
    let reason = Some(USER_INITIATED.to_owned());
    set_status(tx, &mut stack, "UPDATE_ROLLBACK_IN_PROGRESS", reason, operation.token.clone())?;
    start(tx, &mut stack, &operation).await?;
    Ok(Output::Started(stack.key))
}

pub async fn cancel(tx: &mut Tx, key: &StackKey, token: Option<String>) -> Result<Output, Error> {
    let stack = read_stack(tx, key).await?;
    let operation: Option<Operation> = rows::read(tx, &key.operation()).await?;
    match operation {
        Some(mut operation)
            if stack.status == "UPDATE_IN_PROGRESS" && operation.kind == OperationKind::Update =>
        {
            operation.cancelled = true;
            operation.token = token.or(operation.token);
            rows::write(tx, &key.operation(), &operation).await?;
            // What waits for somebody outside waits no longer.
            tx.wake(&key.wake_up(), 1);
            Ok(Output::Done)
        }
        _ => Err(error::not_cancellable(&stack)),
    }
}

pub async fn set_policy(tx: &mut Tx, key: &StackKey, policy: String) -> Result<Output, Error> {
    let mut stack = read_stack(tx, key).await?;
    if stack.deleted.is_some() {
        return Err(error::stack_missing(&key.name));
    }
    stack.policy = Some(policy);
    rows::write(tx, &key.stack(), &stack).await?;
    Ok(Output::Done)
}

pub async fn protect(tx: &mut Tx, key: &StackKey, on: bool) -> Result<Output, Error> {
    let mut stack = read_stack(tx, key).await?;
    if stack.deleted.is_some() || stack.status == "DELETE_IN_PROGRESS" {
        return Err(error::stack_missing(&key.name));
    }
    stack.protected = on;
    rows::write(tx, &key.stack(), &stack).await?;
    Ok(Output::Started(stack.key))
}
