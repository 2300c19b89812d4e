//! Event source mappings. Each is polled by an order in a lane of its own, which the actor works on for
//! as long as the mapping says so: made and ended by commands, it goes on after a crash by itself.

use ropeway_core::keys::Space;
use ropeway_core::{Fault, Tx, directory};
use ropeway_wire::Error;
use serde::{Deserialize, Serialize};

use super::functions::check_tags;
use super::policies::check_qualifier;
use super::{Command, Output, PAGE, by_text, function};
use crate::errors;
use crate::keys::{self, FunctionName};
use crate::model::{Function, Mapping, MappingState, Order};

/// What of a mapping changes; `None` stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct MappingChange {
    /// The version or alias that it invokes.
    pub qualifier: Option<Option<String>>,
    /// Whether it polls.
    pub enabled: Option<bool>,
    /// `BatchSize`
    pub batch: Option<u32>,
    /// `MaximumBatchingWindowInSeconds`
    pub window: Option<u32>,
    /// Patterns.
    pub filters: Option<Vec<String>>,
    /// `MaximumConcurrency`; `Some(None)`: no limit of its own.
    pub concurrency: Option<Option<u32>>,
    /// `ReportBatchItemFailures`
    pub partial: Option<bool>,
}

/// What a mapping's poller says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Passing {
    /// It polls by what the mapping says now.
    Polls,
    /// It has ended, as the mapping says that it should.
    Ended,
    /// How the last batch fared.
    Result(String),
}

fn lane(id: &str) -> String {
    format!("poll/{id}")
}

/// The signal by which a poller learns that its mapping has changed.
pub fn signal(id: &str) -> String {
    format!("lambda/mapping/{id}")
}

async fn read(tx: &Tx, name: &FunctionName, id: &str) -> Result<(Function, Mapping), Error> {
    let of = function(tx, name).await.map_err(|_| errors::no_resource())?;
    let mapping: Option<Mapping> = tx.read(&name.mapping(of.generation, id)).await?;
    Ok((of, mapping.ok_or_else(errors::no_resource)?))
}

pub async fn apply(tx: &mut Tx, command: Command) -> Result<Output, Error> {
    match command {
        Command::CreateMapping { function, mapping } => create(tx, &function, *mapping).await,
        Command::UpdateMapping { function, id, change } => update(tx, &function, &id, change).await,
        Command::DeleteMapping { function: name, id } => {
            let (of, mapping) = read(tx, &name, &id).await?;
            let mapping = remove(tx, &name, of.generation, mapping)?;
            Ok(Output::Mapping(Box::new(mapping), of.generation))
        }
        Command::ReadMapping { function: name, id } => {
            let (of, mapping) = read(tx, &name, &id).await?;
            Ok(Output::Mapping(Box::new(mapping), of.generation))
        }
        Command::PassMapping { function, generation, id, passing } => {
            pass(tx, &function, generation, &id, passing).await
        }
        Command::TagMapping { function: name, id, add, remove } => {
            let (of, mut mapping) = read(tx, &name, &id).await?;
            mapping.tags.extend(add);
            mapping.tags.retain(|key, _| !remove.contains(key));
            check_tags(&mapping.tags)?;
            tx.write(name.mapping(of.generation, &id), &mapping)?;
            Ok(Output::Nothing)
        }
        _ => Err(Error::internal("a command of another kind")),
    }
}

/// Leaves an order to poll, unless there is one.
fn order_poll(tx: &mut Tx, name: &FunctionName, generation: u64, mapping: &mut Mapping) -> Result<(), Fault> {
    if mapping.polled {
        return Ok(());
    }
    mapping.polled = true;
    let order = Order::Poll { function: name.clone(), generation, id: mapping.id.clone() };
    tx.send_to_actor(&lane(&mapping.id), Space::Lambda, &order)
}

async fn create(tx: &mut Tx, name: &FunctionName, mut mapping: Mapping) -> Result<Output, Error> {
    let of = function(tx, name).await?;
    check_qualifier(tx, name, &of, mapping.qualifier.as_deref()).await?;
    let mut after = None;
    loop {
        let (page, more): (Vec<(String, Mapping)>, bool) =
            by_text(tx, name.mappings(of.generation), after, PAGE as u32).await?;
        let same = |other: &&(String, Mapping)| {
            other.1.source == mapping.source && other.1.qualifier == mapping.qualifier
        };
        if let Some((id, _)) = page.iter().find(same) {
            let (source, function) = (&mapping.source, name.qualified(mapping.qualifier.as_deref()));
            return Err(errors::conflict(format!(
                "An event source mapping with SQS arn (\" {source} \") and function (\" {function} \") already exists. Please update or delete the existing mapping with UUID {id}"
            )));
        }
        after = page.last().map(|(id, _)| name.mapping(of.generation, id));
        if !more || after.is_none() {
            break;
        }
    }
    mapping.modified = tx.now();
    if mapping.state.polls() {
        order_poll(tx, name, of.generation, &mut mapping)?;
    }
    tx.write(name.mapping(of.generation, &mapping.id), &mapping)?;
    let place = postcard::to_stdvec(&(name, &mapping.source)).map_err(Fault::from)?;
    let list = keys::mappings_list(&name.scope.account, &name.scope.region);
    directory::add_with(tx, &list, &mapping.id, &place)?;
    Ok(Output::Mapping(Box::new(mapping), of.generation))
}

async fn update(tx: &mut Tx, name: &FunctionName, id: &str, change: MappingChange) -> Result<Output, Error> {
    let (of, mut mapping) = read(tx, name, id).await?;
    if mapping.state == MappingState::Deleting {
        return Err(errors::conflict(format!("Event source mapping {id} is being deleted.")));
    }
    if let Some(qualifier) = change.qualifier {
        check_qualifier(tx, name, &of, qualifier.as_deref()).await?;
        mapping.qualifier = qualifier;
    }
    mapping.batch = change.batch.unwrap_or(mapping.batch);
    mapping.window = change.window.unwrap_or(mapping.window);
    mapping.filters = change.filters.unwrap_or(mapping.filters);
    mapping.concurrency = change.concurrency.unwrap_or(mapping.concurrency);
    mapping.partial = change.partial.unwrap_or(mapping.partial);
    mapping.state = match (mapping.state.polls(), change.enabled) {
        (true, None | Some(true)) => MappingState::Updating,
        (true, Some(false)) => MappingState::Disabling,
        (false, Some(true)) => MappingState::Enabling,
        (false, None | Some(false)) => mapping.state,
    };
    if mapping.state.polls() {
        order_poll(tx, name, of.generation, &mut mapping)?;
    }
    mapping.modified = tx.now();
    tx.write(name.mapping(of.generation, id), &mapping)?;
    tx.wake(&signal(id), 1);
    Ok(Output::Mapping(Box::new(mapping), of.generation))
}

/// Removes a mapping: at once, or once its poller has ended.
fn remove(tx: &mut Tx, name: &FunctionName, generation: u64, mut mapping: Mapping) -> Result<Mapping, Fault> {
    let key = name.mapping(generation, &mapping.id);
    mapping.state = MappingState::Deleting;
    mapping.modified = tx.now();
    if mapping.polled {
        tx.write(key, &mapping)?;
        tx.wake(&signal(&mapping.id), 1);
    } else {
        tx.delete(key);
        forget(tx, name, &mapping.id)?;
    }
    Ok(mapping)
}

fn forget(tx: &mut Tx, name: &FunctionName, id: &str) -> Result<(), Fault> {
    let list = keys::mappings_list(&name.scope.account, &name.scope.region);
    directory::remove_with(tx, &list, id)
}

/// The mappings of a function that goes: their pollers find no mapping and end.
pub async fn remove_all(tx: &mut Tx, name: &FunctionName, generation: u64) -> Result<(), Error> {
    let (all, more): (Vec<(String, Mapping)>, bool) =
        by_text(tx, name.mappings(generation), None, 500).await?;
    if more {
        return Err(errors::conflict("The function has too many event source mappings: remove them first."));
    }
    for (id, _) in all {
        tx.delete(name.mapping(generation, &id));
        tx.wake(&signal(&id), 1);
        forget(tx, name, &id)?;
    }
    Ok(())
}

async fn pass(
    tx: &mut Tx,
    name: &FunctionName,
    generation: u64,
    id: &str,
    passing: Passing,
) -> Result<Output, Error> {
    let key = name.mapping(generation, id);
    let mapping: Option<Mapping> = tx.read(&key).await?;
    let mut mapping = mapping.ok_or_else(errors::no_resource)?;
    match passing {
        Passing::Polls if mapping.state.polls() => mapping.state = MappingState::Enabled,
        Passing::Ended => {
            mapping.polled = false;
            match mapping.state {
                MappingState::Deleting => {
                    tx.delete(key);
                    forget(tx, name, id)?;
                    return Ok(Output::Mapping(Box::new(mapping), generation));
                }
                MappingState::Disabling => mapping.state = MappingState::Disabled,
                // It was enabled again in the meantime.
                _ if mapping.state.polls() => order_poll(tx, name, generation, &mut mapping)?,
                _ => {}
            }
        }
        Passing::Result(result) if mapping.last_result != result => mapping.last_result = result,
        Passing::Polls | Passing::Result(_) => {
            return Ok(Output::Mapping(Box::new(mapping), generation));
        }
    }
    tx.write(key, &mapping)?;
    Ok(Output::Mapping(Box::new(mapping), generation))
}
