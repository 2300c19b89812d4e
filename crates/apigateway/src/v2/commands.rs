//! HTTP APIs as pure functions of rows and command.

use ropeway_core::keys::Space;
use ropeway_core::{Fault, Tx, directory};
use ropeway_wire::Error;
use serde::{Deserialize, Serialize};

use super::changes::{self, Change};
use super::errors::{conflict, no, no_api};
use super::model::{Definition, HttpApi, Settings};
use crate::commands::{CLEANED_AT_ONCE, Command as Whole, Moment, Output};
use crate::keys::{self, ApiName};
use crate::live::Live;
use crate::rows;

/// What can be asked about an HTTP API. New variants and fields come last.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Command {
    /// Makes it, and changes it at once.
    Create(Settings, Vec<Change>),
    /// Removes it with all that it has.
    Delete,
    /// Reads it.
    Read,
    /// Changes it.
    Change(Change),
    /// Reads what a deployment froze.
    Snapshot(String),
    /// Removes the snapshot of a deployment that is no more, or all. Comes by the outbox.
    Clean(Option<String>),
}

impl Command {
    /// Whether it writes more than it removes.
    pub fn grows(&self) -> bool {
        matches!(self, Command::Create(..) | Command::Change(_))
    }
}

/// Reads an API.
async fn read(tx: &Tx, name: &ApiName) -> Result<HttpApi, Error> {
    rows::read(tx, &name.http_key()).await?.ok_or_else(|| no_api(name))
}

/// Applies a command; what changes, `live` forgets.
pub async fn apply(live: &Live, tx: &mut Tx, name: &ApiName, command: Command) -> Result<Output, Error> {
    match command {
        Command::Create(settings, all) => create(live, tx, name, settings, all).await,
        Command::Delete => delete(live, tx, name).await,
        Command::Read => Ok(Output::Http(Box::new(read(tx, name).await?), None)),
        Command::Change(change) => {
            let mut api = read(tx, name).await?;
            let made = one(tx, &mut api, change).await?;
            save(live, tx, &api).await?;
            Ok(Output::Http(Box::new(api), made))
        }
        Command::Snapshot(deployment) => {
            let found: Option<Definition> = rows::read(tx, &name.http_snapshot(&deployment)).await?;
            Ok(Output::HttpDefinition(Box::new(found.ok_or_else(|| no("Deployment", &deployment))?)))
        }
        Command::Clean(deployment) => {
            let prefix =
                deployment.as_ref().map_or_else(|| name.http_snapshots(), |id| name.http_snapshot(id));
            if rows::remove(tx, &prefix, CLEANED_AT_ONCE).await? {
                clean(tx, name, deployment)?;
            }
            Ok(Output::Nothing)
        }
    }
}

async fn create(
    live: &Live,
    tx: &mut Tx,
    name: &ApiName,
    settings: Settings,
    all: Vec<Change>,
) -> Result<Output, Error> {
    if rows::read::<HttpApi>(tx, &name.http_key()).await?.is_some() {
        return Err(conflict("An API of this identifier exists already"));
    }
    let mut api = HttpApi {
        name: name.clone(),
        created: tx.now(),
        settings,
        definition: Definition::default(),
        deployments: Default::default(),
        stages: Default::default(),
    };
    for change in all {
        one(tx, &mut api, change).await?;
    }
    save(live, tx, &api).await?;
    directory::add_with(tx, &keys::http_list(&name.scope.account, &name.scope.region), &name.id, &[])?;
    let place = postcard::to_stdvec(&name.scope).map_err(Fault::from)?;
    directory::add_with(tx, &keys::http_id_list(&name.id), &name.id, &place)?;
    Ok(Output::Http(Box::new(api), None))
}

async fn delete(live: &Live, tx: &mut Tx, name: &ApiName) -> Result<Output, Error> {
    read(tx, name).await?;
    rows::remove(tx, &name.http_key(), CLEANED_AT_ONCE).await?;
    directory::remove_with(tx, &keys::http_list(&name.scope.account, &name.scope.region), &name.id)?;
    directory::remove_with(tx, &keys::http_id_list(&name.id), &name.id)?;
    clean(tx, name, None)?;
    forget(live, tx, name);
    Ok(Output::Nothing)
}

/// One change, the deployments that follow from it, and the snapshots of them.
async fn one(tx: &mut Tx, api: &mut HttpApi, change: Change) -> Result<Option<String>, Error> {
    let moment = Moment { now: tx.now(), ids: tx.ids() };
    let done = changes::apply(api, change, &moment)?;
    if let Some(deployment) = &done.deployed {
        rows::write(tx, &api.name.http_snapshot(deployment), &api.definition).await?;
    }
    for gone in done.removed {
        clean(tx, &api.name, Some(gone))?;
    }
    Ok(done.made)
}

async fn save(live: &Live, tx: &mut Tx, api: &HttpApi) -> Result<(), Error> {
    rows::write(tx, &api.name.http_key(), api).await?;
    forget(live, tx, &api.name);
    Ok(())
}

/// Has snapshots removed, in steps.
fn clean(tx: &mut Tx, name: &ApiName, deployment: Option<String>) -> Result<(), Fault> {
    let shard = tx.shard();
    let lane = format!("apigateway/clean/{}", name.id);
    let command = Whole::Http { api: name.clone(), command: Box::new(Command::Clean(deployment)) };
    tx.send(&lane, Space::ApiGateway, shard, &command)
}

fn forget(live: &Live, tx: &mut Tx, name: &ApiName) {
    let (live, id) = (live.clone(), name.id.clone());
    tx.after_commit(move || live.forget(&id));
}
