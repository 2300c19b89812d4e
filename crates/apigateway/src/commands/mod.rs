//! The machine: REST APIs and what belongs to an account, as pure functions of rows and command.

mod account;
mod apis;
mod authorizers;
mod deployments;
mod documentation;
pub mod domains;
mod imports;
mod integrations;
mod methods;
mod models;
mod resources;
mod responses;
mod stages;
mod usage;

use ropeway_core::keys::{Scope, Space};
use ropeway_core::{Fault, Machine, Time, Tx, directory};
use ropeway_wire::Error;
use serde::{Deserialize, Serialize};

use crate::keys::{self, ApiName};
use crate::live::Live;
use crate::model::{
    Api, Authorizer, Definition, Domain, GatewayResponse, Integration, IntegrationResponse, Method,
    MethodResponse, Model, Settings, Stage, Texts, Validator,
};
use crate::patch::Patch;
use crate::{errors, rows, v2};

pub use account::{AccountChange, AccountOutput, Allowance};
pub use apis::{MAX_TAGS, check_policy, compression};
pub use documentation::{DocumentationChange, Documented};
pub use domains::DomainChange;
pub use imports::{check_definition, resource_of};
pub use integrations::TIMEOUT;
pub use responses::{TEMPLATE, TYPES};
pub use stages::{check_variables, setting_key};
pub use usage::{Usage, day_of};

/// Rows of snapshots that one step removes.
pub const CLEANED_AT_ONCE: usize = 500;

/// What can be asked of the machine. New variants and fields come last.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Command {
    /// Removes snapshots of an API, or of a deployment, that is no more. Comes by the outbox.
    Clean {
        /// the API
        api: ApiName,
        /// the deployment; `None`: all
        deployment: Option<String>,
    },
    /// Makes an API.
    Create {
        /// its name
        api: ApiName,
        /// what is set for it
        settings: Settings,
        /// what its first deployment would freeze, or that of the API that it is a clone of
        definition: Box<Definition>,
    },
    /// Removes an API with all that it has.
    Delete {
        /// the API
        api: ApiName,
    },
    /// Reads an API.
    Read {
        /// the API
        api: ApiName,
    },
    /// Changes an API.
    Change {
        /// the API
        api: ApiName,
        /// the change
        change: Box<Change>,
    },
    /// Reads what a deployment froze.
    Snapshot {
        /// the API
        api: ApiName,
        /// the deployment
        deployment: String,
    },
    /// Changes or reads what belongs to the account.
    Account {
        /// the account and its region
        scope: Scope,
        /// the change, or what is read
        change: Box<AccountChange>,
    },
    /// Changes or reads a custom domain name.
    Domain {
        /// whose it is, and where
        scope: Scope,
        /// the name
        name: String,
        /// the change, or what is read
        change: Box<DomainChange>,
    },
    /// Something of an HTTP API.
    Http {
        /// the API
        api: ApiName,
        /// what of it
        command: Box<v2::Command>,
    },
    /// Changes or reads an API's documentation.
    Documentation {
        /// the API
        api: ApiName,
        /// the change, or what is read
        change: Box<DocumentationChange>,
    },
}

/// What a patch is for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Target {
    /// the API itself
    Api,
    /// a resource, by its id
    Resource(String),
    /// a method: the resource's id, the verb
    Method(String, String),
    /// a method's response: the resource's id, the verb, the status
    MethodResponse(String, String, String),
    /// an integration: the resource's id, the verb
    Integration(String, String),
    /// an integration's response: the resource's id, the verb, the status
    IntegrationResponse(String, String, String),
    /// a deployment, by its id
    Deployment(String),
    /// a stage, by its name
    Stage(String),
    /// a model, by its name
    Model(String),
    /// a request validator, by its id
    Validator(String),
    /// an authoriser, by its id
    Authorizer(String),
    /// a gateway response, by its type
    GatewayResponse(String),
}

/// A change of an API.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Change {
    /// Patches something, or all of it fails.
    Patch(Target, Vec<Patch>),
    /// Removes something.
    Remove(Target),
    /// Makes a resource: the parent's id, the part of the path.
    Resource(String, String),
    /// Makes a method: the resource's id, the verb.
    Method(String, String, Box<Method>),
    /// Makes a method's response: the resource's id, the verb, the status.
    MethodResponse(String, String, String, MethodResponse),
    /// Makes or replaces an integration: the resource's id, the verb.
    Integration(String, String, Box<Integration>),
    /// Makes or replaces an integration's response: the resource's id, the verb, the status.
    IntegrationResponse(String, String, String, IntegrationResponse),
    /// Makes a deployment, and has a stage serve it.
    Deployment {
        /// `description`
        description: Option<String>,
        /// the stage's name, and what it is like if it is new
        stage: Option<(String, Box<Stage>)>,
    },
    /// Makes a stage.
    Stage(String, Box<Stage>),
    /// Makes a model.
    Model(String, Model),
    /// Makes a request validator.
    Validator(Validator),
    /// Makes an authoriser.
    Authorizer(Box<Authorizer>),
    /// Makes or replaces a gateway response.
    GatewayResponse(String, GatewayResponse),
    /// Adds and removes tags: of the API, or of a stage.
    Tags(Option<String>, Texts, Vec<String>),
    /// Takes an imported definition in the place of what is there.
    Import(Box<Definition>, Box<Settings>),
}

/// What a command answers.
#[derive(Debug, Clone)]
pub enum Output {
    /// nothing
    Nothing,
    /// an API, and the id of what was made in it
    Api(Box<Api>, Option<String>),
    /// what a deployment froze
    Definition(Box<Definition>),
    /// something of the account's
    Account(AccountOutput),
    /// a custom domain name as it is now
    Domain(Box<Domain>),
    /// an HTTP API, and the id of what was made in it
    Http(Box<v2::HttpApi>, Option<String>),
    /// what a deployment of an HTTP API froze
    HttpDefinition(Box<v2::Definition>),
    /// an API's documentation
    Documented(Box<Documented>),
}

/// What a change sees of its moment.
pub struct Moment<'a> {
    /// When it is.
    pub now: Time,
    /// Ids.
    pub ids: &'a ropeway_core::Ids,
}

impl Moment<'_> {
    /// An id, as API Gateway makes them: letters and digits.
    pub fn id(&self, length: usize) -> String {
        self.ids.text("0123456789abcdefghijklmnopqrstuvwxyz", length)
    }
}

/// The service's state in one shard: all of it is in rows.
pub struct GatewayMachine {
    live: Live,
}

impl GatewayMachine {
    /// A machine; what it changes, `live` forgets.
    pub fn new(live: Live) -> Self {
        GatewayMachine { live }
    }

    async fn create(
        &self,
        tx: &mut Tx,
        name: ApiName,
        settings: Settings,
        mut definition: Definition,
    ) -> Result<Output, Error> {
        if rows::read::<Api>(tx, &name.key()).await?.is_some() {
            return Err(errors::conflict("An API of this identifier exists already"));
        }
        let moment = Moment { now: tx.now(), ids: tx.ids() };
        let root = apis::prepare(&mut definition, &moment);
        let api = Api {
            name: name.clone(),
            created: tx.now(),
            settings,
            root,
            definition,
            deployments: Default::default(),
            stages: Default::default(),
        };
        rows::write(tx, &name.key(), &api).await?;
        directory::add_with(tx, &keys::list(&name.scope.account, &name.scope.region), &name.id, &[])?;
        let place = postcard::to_stdvec(&name.scope).map_err(Fault::from)?;
        directory::add_with(tx, &keys::id_list(&name.id), &name.id, &place)?;
        Ok(Output::Api(Box::new(api), None))
    }

    async fn delete(&self, tx: &mut Tx, name: &ApiName) -> Result<Output, Error> {
        let _: Api = read(tx, name).await?;
        rows::remove(tx, &name.key(), CLEANED_AT_ONCE).await?;
        directory::remove_with(tx, &keys::list(&name.scope.account, &name.scope.region), &name.id)?;
        directory::remove_with(tx, &keys::id_list(&name.id), &name.id)?;
        self.clean(tx, name, None)?;
        self.forget(tx, name);
        Ok(Output::Nothing)
    }

    /// Has snapshots removed, in steps.
    fn clean(&self, tx: &mut Tx, name: &ApiName, deployment: Option<String>) -> Result<(), Fault> {
        let shard = tx.shard();
        let lane = format!("apigateway/clean/{}", name.id);
        tx.send(&lane, Space::ApiGateway, shard, &Command::Clean { api: name.clone(), deployment })
    }

    fn forget(&self, tx: &mut Tx, name: &ApiName) {
        let (live, id) = (self.live.clone(), name.id.clone());
        tx.after_commit(move || live.forget(&id));
    }

    async fn change(&self, tx: &mut Tx, name: &ApiName, change: Change) -> Result<Output, Error> {
        let mut api: Api = read(tx, name).await?;
        let removed = match &change {
            Change::Remove(Target::Deployment(id)) => Some(id.clone()),
            _ => None,
        };
        let freezes = matches!(change, Change::Deployment { .. });
        let shown = |api: &Api| -> Vec<Option<String>> {
            api.stages.values().map(|stage| stage.documentation_version.clone()).collect()
        };
        let before = shown(&api);
        let moment = Moment { now: tx.now(), ids: tx.ids() };
        let made = apply(&mut api, change, &moment)?;
        for version in shown(&api).into_iter().filter(|version| !before.contains(version)).flatten() {
            documentation::check_shown(tx, name, &version).await?;
        }
        if let (true, Some(id)) = (freezes, &made) {
            rows::write(tx, &name.snapshot(id), &api.definition).await?;
        }
        if let Some(id) = removed {
            self.clean(tx, name, Some(id))?;
        }
        rows::write(tx, &name.key(), &api).await?;
        self.forget(tx, name);
        Ok(Output::Api(Box::new(api), made))
    }
}

/// Reads an API.
async fn read(tx: &Tx, name: &ApiName) -> Result<Api, Error> {
    rows::read(tx, &name.key()).await?.ok_or_else(|| errors::no_api(name))
}

/// Applies a change; gives the id of what it made. What fails may leave the API half changed: it is a copy.
pub fn apply(api: &mut Api, change: Change, moment: &Moment<'_>) -> Result<Option<String>, Error> {
    match change {
        Change::Patch(target, patches) => {
            for patch in &patches {
                patch_one(api, &target, patch, moment)?;
            }
            return after_patch(api, &target, moment).map(|()| None);
        }
        Change::Remove(target) => remove(api, &target)?,
        Change::Resource(parent, part) => return resources::create(api, &parent, part, moment).map(Some),
        Change::Method(resource, verb, method) => methods::put(api, &resource, &verb, *method)?,
        Change::MethodResponse(resource, verb, status, response) => {
            methods::put_response(api, &resource, &verb, &status, response)?;
        }
        Change::Integration(resource, verb, integration) => {
            integrations::put(api, &resource, &verb, *integration)?;
        }
        Change::IntegrationResponse(resource, verb, status, response) => {
            integrations::put_response(api, &resource, &verb, &status, response)?;
        }
        Change::Deployment { description, stage } => {
            return deployments::create(api, description, stage, moment).map(Some);
        }
        Change::Stage(name, stage) => stages::create(api, &name, *stage, moment)?,
        Change::Model(name, model) => models::create(api, &name, model, moment)?,
        Change::Validator(validator) => {
            let id = moment.id(6);
            api.definition.validators.insert(id.clone(), validator);
            return Ok(Some(id));
        }
        Change::Authorizer(authorizer) => {
            return authorizers::create(api, *authorizer, moment).map(Some);
        }
        Change::GatewayResponse(kind, response) => responses::put(api, &kind, response)?,
        Change::Tags(stage, add, gone) => apis::tag(api, stage.as_deref(), add, &gone)?,
        Change::Import(definition, settings) => {
            check_definition(&definition)?;
            apis::import(api, *definition, *settings, moment);
        }
    }
    Ok(None)
}

fn patch_one(api: &mut Api, target: &Target, patch: &Patch, moment: &Moment<'_>) -> Result<(), Error> {
    match target {
        Target::Api => apis::patch(api, patch),
        Target::Resource(id) => resources::patch(api, id, patch),
        Target::Method(resource, verb) => methods::patch(api, resource, verb, patch),
        Target::MethodResponse(resource, verb, status) => {
            methods::patch_response(api, resource, verb, status, patch)
        }
        Target::Integration(resource, verb) => integrations::patch(api, resource, verb, patch),
        Target::IntegrationResponse(resource, verb, status) => {
            integrations::patch_response(api, resource, verb, status, patch)
        }
        Target::Deployment(id) => deployments::patch(api, id, patch),
        Target::Stage(name) => stages::patch(api, name, patch, moment),
        Target::Model(name) => models::patch(api, name, patch),
        Target::Validator(id) => models::patch_validator(api, id, patch),
        Target::Authorizer(id) => authorizers::patch(api, id, patch),
        Target::GatewayResponse(kind) => responses::patch(api, kind, patch),
    }
}

/// What must hold once all patches are applied.
fn after_patch(api: &mut Api, target: &Target, moment: &Moment<'_>) -> Result<(), Error> {
    match target {
        Target::Method(resource, verb) => methods::check(api, resource, verb),
        Target::Integration(resource, verb) => integrations::check_at(api, resource, verb),
        Target::Authorizer(id) => authorizers::check_at(api, id),
        Target::Stage(name) => stages::touch(api, name, moment),
        // A patch of nothing still asks for what it is about.
        Target::Resource(id) => resources::at(api, id).map(drop),
        Target::Deployment(id) => deployments::at(api, id).map(drop),
        Target::Model(name) => models::at(api, name).map(drop),
        Target::Validator(id) => models::validator_at(api, id).map(drop),
        Target::MethodResponse(resource, verb, status) => {
            methods::response_at(api, resource, verb, status).map(drop)
        }
        Target::IntegrationResponse(resource, verb, status) => {
            integrations::response_at(api, resource, verb, status).map(drop)
        }
        Target::Api | Target::GatewayResponse(_) => Ok(()),
    }
}

fn remove(api: &mut Api, target: &Target) -> Result<(), Error> {
    match target {
        Target::Api => Err(errors::bad("an API is removed by a command of its own")),
        Target::Resource(id) => resources::remove(api, id),
        Target::Method(resource, verb) => methods::remove(api, resource, verb),
        Target::MethodResponse(resource, verb, status) => {
            methods::remove_response(api, resource, verb, status)
        }
        Target::Integration(resource, verb) => integrations::remove(api, resource, verb),
        Target::IntegrationResponse(resource, verb, status) => {
            integrations::remove_response(api, resource, verb, status)
        }
        Target::Deployment(id) => deployments::remove(api, id),
        Target::Stage(name) => api.stages.remove(name).map(drop).ok_or_else(errors::no_stage),
        Target::Model(name) => models::remove(api, name),
        Target::Validator(id) => models::remove_validator(api, id),
        Target::Authorizer(id) => authorizers::remove(api, id),
        Target::GatewayResponse(kind) => responses::remove(api, kind),
    }
}

impl Machine for GatewayMachine {
    type Command = Command;
    type Output = Output;
    type Error = Error;
    const SPACE: Space = Space::ApiGateway;

    async fn load(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        domains::load(tx, &self.live).await
    }

    async fn apply(&mut self, tx: &mut Tx, command: Command) -> Result<Output, Error> {
        match command {
            Command::Clean { api, deployment } => {
                let prefix = deployment.as_ref().map_or_else(|| api.snapshots(), |id| api.snapshot(id));
                let mut more = rows::remove(tx, &prefix, CLEANED_AT_ONCE).await?;
                if deployment.is_none() {
                    more |= rows::remove(tx, &api.all_documentation(), CLEANED_AT_ONCE).await?;
                }
                if more {
                    self.clean(tx, &api, deployment)?;
                }
                Ok(Output::Nothing)
            }
            Command::Create { api, settings, definition } => {
                self.create(tx, api, settings, *definition).await
            }
            Command::Delete { api } => self.delete(tx, &api).await,
            Command::Read { api } => Ok(Output::Api(Box::new(read(tx, &api).await?), None)),
            Command::Change { api, change } => self.change(tx, &api, *change).await,
            Command::Snapshot { api, deployment } => {
                let found = rows::read(tx, &api.snapshot(&deployment)).await?;
                Ok(Output::Definition(Box::new(found.ok_or_else(errors::no_deployment)?)))
            }
            Command::Account { scope, change } => {
                if matches!(*change, AccountChange::Patch(_)) {
                    let (live, scope) = (self.live.clone(), scope.clone());
                    tx.after_commit(move || live.forget_account(&scope));
                }
                account::apply(tx, &scope, *change).await.map(Output::Account)
            }
            Command::Domain { scope, name, change } => {
                domains::apply(tx, &self.live, &scope, &name, *change).await
            }
            Command::Http { api, command } => v2::apply(&self.live, tx, &api, *command).await,
            Command::Documentation { api, change } => {
                let documented = documentation::apply(tx, &api, *change).await?;
                Ok(Output::Documented(Box::new(documented)))
            }
        }
    }

    fn grows(command: &Command) -> bool {
        match command {
            Command::Create { .. }
            | Command::Change { .. }
            | Command::Account { .. }
            | Command::Documentation { .. }
            | Command::Domain { .. } => true,
            Command::Http { command, .. } => command.grows(),
            _ => false,
        }
    }
}
