//! Commands that change nothing.

use std::ops::Bound;

use ropeway_core::{Fault, Tx};
use ropeway_store::Range;
use ropeway_wire::Error;

use super::exports::arn_of;
use super::record::stack as read_stack;
use super::{Command, Output, Snapshot};
use crate::keys::StackKey;
use crate::model::{DEPLOYED, Definition, Event, Export, Macro, Operation, PLANNED, Phase, change_set_slot};
use crate::{keys, rows};

pub async fn read(tx: &Tx, command: Command) -> Result<Output, Error> {
    Ok(match command {
        Command::Find(scope, name) => {
            let id: Option<String> = rows::read(tx, &keys::name(&scope, &name)).await?;
            Output::Found(id.map(|id| StackKey { scope, name, id }))
        }
        Command::Describe(key) => {
            let stack = read_stack(tx, &key).await?;
            let definition = shown(tx, &key).await?;
            Output::Stack(Box::new((stack, definition)))
        }
        Command::Load(key) => Output::Snapshot(snapshot(tx, &key).await?.map(Box::new)),
        Command::Resources(key) => {
            read_stack(tx, &key).await?;
            Output::Resources(rows::all(tx, &key.resources()).await?)
        }
        Command::Events(key, before, limit) => events(tx, &key, before, limit).await?,
        Command::ChangeSets(key) => Output::ChangeSets(rows::all(tx, &key.change_sets()).await?),
        Command::Planned(key, id) => {
            let slot = key.definition(&change_set_slot(&id));
            let found: Option<Definition> = rows::read(tx, &slot).await?;
            Output::Planned(Box::new(found.unwrap_or_default()))
        }
        Command::Exports(scope, after, limit) => {
            let all = rows::all(tx, &keys::exports(&scope)).await?;
            let mut behind: Vec<(String, Export)> =
                all.into_iter().filter(|(name, _)| after.as_ref().is_none_or(|after| name > after)).collect();
            let more = behind.len() > limit as usize;
            behind.truncate(limit as usize);
            Output::Exports(behind, more)
        }
        Command::Export(scope, name) => {
            let found: Option<Export> = rows::read(tx, &keys::export(&scope, &name)).await?;
            Output::Value(found.map(|export| export.value))
        }
        Command::Macro(scope, name) => {
            let found: Option<Macro> = rows::read(tx, &keys::transform(&scope, &name)).await?;
            Output::Value(found.map(|found| found.function))
        }
        Command::Signals(key, id) => {
            Output::Signals(rows::read(tx, &key.signals(&id)).await?.unwrap_or_default())
        }
        Command::Imports(scope, name, after, limit) => {
            let prefix = keys::imports(&scope, &name);
            let after = after.map(|arn| prefix.clone().text(&arn).build());
            let prefix = prefix.build();
            let page = tx.scan_prefix(&prefix, after.as_ref(), limit as usize).await?;
            let arns = page.rows.iter().filter_map(|(key, _)| arn_of(key, prefix.len())).collect();
            Output::Imports(arns, page.more)
        }
        _ => return Err(Fault::Damaged("a command that changes is none that reads".to_owned()).into()),
    })
}

/// What a stack shows as its own: while it is being changed, what it becomes.
async fn shown(tx: &Tx, key: &StackKey) -> Result<Definition, Error> {
    let deployed: Option<Definition> = rows::read(tx, &key.definition(DEPLOYED)).await?;
    let deployed = deployed.unwrap_or_default();
    let operation: Option<Operation> = rows::read(tx, &key.operation()).await?;
    if operation.is_none_or(|operation| operation.phase != Phase::Forward) {
        return Ok(deployed);
    }
    let planned: Option<Definition> = rows::read(tx, &key.definition(PLANNED)).await?;
    Ok(planned.map_or(deployed.clone(), |planned| Definition { outputs: deployed.outputs, ..planned }))
}

async fn snapshot(tx: &Tx, key: &StackKey) -> Result<Option<Snapshot>, Error> {
    let operation: Option<Operation> = rows::read(tx, &key.operation()).await?;
    let Some(operation) = operation else { return Ok(None) };
    let deployed: Option<Definition> = rows::read(tx, &key.definition(DEPLOYED)).await?;
    let deployed = deployed.unwrap_or_default();
    let planned: Option<Definition> = rows::read(tx, &key.definition(PLANNED)).await?;
    Ok(Some(Snapshot {
        stack: read_stack(tx, key).await?,
        operation,
        planned: planned.unwrap_or_else(|| deployed.clone()),
        deployed,
        resources: rows::all(tx, &key.resources()).await?,
    }))
}

async fn events(tx: &Tx, key: &StackKey, before: u64, limit: u32) -> Result<Output, Error> {
    read_stack(tx, key).await?;
    let prefix = key.events().build();
    let range = Range {
        from: Bound::Included(prefix),
        to: Bound::Excluded(key.event(before).build()),
        reverse: true,
    };
    let page = tx.scan(range, limit as usize).await?;
    let mut events = Vec::new();
    for (key, value) in &page.rows {
        let number = ropeway_core::keys::last_number(key);
        let number = number.ok_or_else(|| Fault::Damaged("an event's key".to_owned()))?;
        let event: Event = postcard::from_bytes(value).map_err(Fault::from)?;
        events.push((number, event));
    }
    Ok(Output::Events(events, page.more))
}
