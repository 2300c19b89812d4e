//! Changes of an HTTP API, and the deployments that follow from them.

use ropeway_wire::Error;
use serde::{Deserialize, Serialize};

use super::checks;
use super::errors::{bad, conflict, limit, no, no_stage};
use super::model::{DEFAULT, Definition, HttpApi, Integration, Route, Stage};
use super::parts::{ApiPart, AuthorizerPart, IntegrationPart, RoutePart, StagePart};
use crate::commands::Moment;
use crate::model::{Deployment, Texts};

/// Most of a kind in an API: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>.
const MOST_ROUTES: usize = 300;
const MOST_INTEGRATIONS: usize = 300;
const MOST_AUTHORIZERS: usize = 10;
const MOST_STAGES: usize = 10;
/// Deployments that an API keeps: AWS's quotas name no number.
const MOST_DEPLOYMENTS: usize = 1_000;
/// Tags of a resource.
const MOST_TAGS: usize = 50;

/// A change of an API. New variants and fields come last.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Change {
    /// Changes what is set for the API.
    Api(Box<ApiPart>),
    /// Makes or changes a route.
    Route(Option<String>, Box<RoutePart>),
    /// Makes or changes an integration.
    Integration(Option<String>, Box<IntegrationPart>),
    /// Makes or changes an authorizer.
    Authorizer(Option<String>, Box<AuthorizerPart>),
    /// Makes a stage.
    NewStage(String, Box<StagePart>, Texts),
    /// Changes a stage.
    Stage(String, Box<StagePart>),
    /// Makes a deployment, and has a stage serve it.
    Deployment {
        /// `description`
        description: Option<String>,
        /// `stageName`
        stage: Option<String>,
    },
    /// Describes a deployment.
    Describe(String, Option<String>),
    /// Removes something.
    Remove(Target),
    /// Adds and removes tags: of the API, or of a stage.
    Tags(Option<String>, Texts, Vec<String>),
    /// Makes or changes what a quick creation makes.
    Quick {
        /// A function's ARN or an endpoint.
        target: Option<String>,
        /// `routeKey`
        route_key: Option<String>,
        /// `credentialsArn`
        credentials: Option<String>,
    },
    /// Takes an imported definition in the place of what is there.
    Import(Box<Definition>),
    /// Forgets what authorizers of a stage said.
    ForgetVerdicts(String),
}

/// What is removed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Target {
    /// `corsConfiguration`
    Cors,
    /// a route, by its id
    Route(String),
    /// an integration, by its id
    Integration(String),
    /// an authorizer, by its id
    Authorizer(String),
    /// a deployment, by its id
    Deployment(String),
    /// a stage, by its name
    Stage(String),
    /// a stage's access log
    Log(String),
    /// a stage's settings of a route, by its key
    RouteSettings(String, String),
}

/// What came of a change.
#[derive(Debug, Default)]
pub struct Done {
    /// The id of what was made.
    pub made: Option<String>,
    /// The deployment that was made: what it froze is the API's definition as it is now.
    pub deployed: Option<String>,
    /// Deployments that are no more.
    pub removed: Vec<String>,
}

fn full(what: &str, most: usize) -> Error {
    limit(format!("Maximum number of {what} for this API has been reached: {most}"))
}

/// Applies a change. What fails may leave the API half changed: it is a copy.
pub fn apply(api: &mut HttpApi, change: Change, moment: &Moment<'_>) -> Result<Done, Error> {
    let before = api.definition.clone();
    let automatic = |api: &HttpApi| api.stages.values().filter(|stage| stage.auto_deploy).count();
    let stages_before = automatic(api);
    let mut done = Done::default();
    change_it(api, change, moment, &mut done)?;
    if api.definition != before || automatic(api) > stages_before {
        checks::definition(&api.definition)?;
        deploy_automatically(api, moment, &mut done);
    }
    let serves = |id: &String| api.stages.values().any(|stage| stage.deployment.as_ref() == Some(id));
    let unused = api.deployments.iter().filter(|(id, (_, automatic))| *automatic && !serves(id));
    let unused: Vec<String> = unused.map(|(id, _)| id.clone()).collect();
    for id in unused {
        api.deployments.remove(&id);
        done.removed.push(id);
    }
    Ok(done)
}

fn change_it(api: &mut HttpApi, change: Change, moment: &Moment<'_>, done: &mut Done) -> Result<(), Error> {
    match change {
        Change::Api(part) => {
            part.apply(api);
            checks::settings(api)
        }
        Change::Route(id, part) => route(api, id, *part, moment, done),
        Change::Integration(id, part) => integration(api, id, *part, moment, done),
        Change::Authorizer(id, part) => authorizer(api, id, *part, moment, done),
        Change::NewStage(name, part, tags) => {
            checks::stage_name(&name)?;
            if api.stages.contains_key(&name) {
                return Err(conflict("Stage already exists"));
            }
            if api.stages.len() >= MOST_STAGES {
                return Err(full("stages", MOST_STAGES));
            }
            api.stages.insert(name.clone(), Stage { created: moment.now, tags, ..Stage::default() });
            stage(api, &name, *part, moment)
        }
        Change::Stage(name, part) => stage(api, &name, *part, moment),
        Change::Deployment { description, stage } => deployment(api, description, stage, moment, done),
        Change::Describe(id, description) => {
            let (found, _) = api.deployments.get_mut(&id).ok_or_else(|| no("Deployment", &id))?;
            found.description = description.or(found.description.take());
            Ok(())
        }
        Change::Remove(target) => remove(api, target, moment, done),
        Change::Tags(stage, add, gone) => tag(api, stage.as_deref(), add, &gone),
        Change::Quick { target, route_key, credentials } => {
            quick(api, target, route_key, credentials, moment)
        }
        Change::Import(definition) => {
            api.definition = *definition;
            Ok(())
        }
        // What a stage serves is forgotten by every change, its authorizers' answers with it.
        Change::ForgetVerdicts(name) => api.stages.get(&name).map(drop).ok_or_else(no_stage),
    }
}

fn route(
    api: &mut HttpApi,
    id: Option<String>,
    part: RoutePart,
    moment: &Moment<'_>,
    done: &mut Done,
) -> Result<(), Error> {
    let routes = &mut api.definition.routes;
    let id = match id {
        Some(id) => id,
        None => {
            if routes.len() >= MOST_ROUTES {
                return Err(full("routes", MOST_ROUTES));
            }
            let id = moment.id(7);
            let new = Route { authorization: "NONE".to_owned(), ..Route::default() };
            routes.insert(id.clone(), new);
            done.made = Some(id.clone());
            id
        }
    };
    let found = routes.get_mut(&id).ok_or_else(|| no("Route", &id))?;
    if found.managed && part.key.as_ref().is_some_and(|key| *key != found.key) {
        return Err(bad(
            "The key of a route that API Gateway manages cannot be changed here: update the API",
        ));
    }
    part.apply(found);
    let key = found.key.clone();
    if routes.iter().any(|(other, one)| *other != id && checks::shape(&one.key) == checks::shape(&key)) {
        return Err(conflict(format!("Route with key {key} already exists for this API")));
    }
    Ok(())
}

fn integration(
    api: &mut HttpApi,
    id: Option<String>,
    part: IntegrationPart,
    moment: &Moment<'_>,
    done: &mut Done,
) -> Result<(), Error> {
    let integrations = &mut api.definition.integrations;
    let id = match id {
        Some(id) => id,
        None => {
            if integrations.len() >= MOST_INTEGRATIONS {
                return Err(full("integrations", MOST_INTEGRATIONS));
            }
            let id = moment.id(7);
            integrations.insert(id.clone(), checks::new_integration());
            done.made = Some(id.clone());
            id
        }
    };
    part.apply(integrations.get_mut(&id).ok_or_else(|| no("Integration", &id))?);
    Ok(())
}

fn authorizer(
    api: &mut HttpApi,
    id: Option<String>,
    part: AuthorizerPart,
    moment: &Moment<'_>,
    done: &mut Done,
) -> Result<(), Error> {
    let authorizers = &mut api.definition.authorizers;
    let id = match id {
        Some(id) => id,
        None => {
            if authorizers.len() >= MOST_AUTHORIZERS {
                return Err(full("authorizers", MOST_AUTHORIZERS));
            }
            let id = moment.id(6);
            authorizers.insert(id.clone(), Default::default());
            done.made = Some(id.clone());
            id
        }
    };
    part.apply(authorizers.get_mut(&id).ok_or_else(|| no("Authorizer", &id))?);
    Ok(())
}

fn stage(api: &mut HttpApi, name: &str, part: StagePart, moment: &Moment<'_>) -> Result<(), Error> {
    let known = |id: &String| api.deployments.contains_key(id);
    if let Some(id) = part.deployment.as_ref().filter(|id| !known(id)) {
        return Err(no("Deployment", id));
    }
    let found = api.stages.get_mut(name).ok_or_else(no_stage)?;
    if found.managed {
        return Err(bad("The $default stage is managed by API Gateway and cannot be changed"));
    }
    let names_deployment = part.deployment.is_some();
    part.apply(found);
    if found.auto_deploy && names_deployment {
        return Err(bad("Deployment ID cannot be set on stage because stage has autoDeploy set to true"));
    }
    found.updated = moment.now;
    checks::stage(&api.definition, found)
}

fn new_deployment(
    api: &mut HttpApi,
    description: Option<String>,
    automatic: bool,
    moment: &Moment<'_>,
) -> String {
    let id = moment.id(6);
    let deployment = Deployment { description, created: moment.now };
    api.deployments.insert(id.clone(), (deployment, automatic));
    id
}

fn deployment(
    api: &mut HttpApi,
    description: Option<String>,
    stage: Option<String>,
    moment: &Moment<'_>,
    done: &mut Done,
) -> Result<(), Error> {
    if api.definition.routes.is_empty() {
        return Err(bad("Unable to deploy API because no routes exist in this API"));
    }
    if api.deployments.len() >= MOST_DEPLOYMENTS {
        return Err(full("deployments", MOST_DEPLOYMENTS));
    }
    let id = new_deployment(api, description, false, moment);
    if let Some(name) = stage {
        let found = api.stages.get_mut(&name).ok_or_else(no_stage)?;
        if found.auto_deploy {
            return Err(bad("Deployment ID cannot be set on stage because stage has autoDeploy set to true"));
        }
        found.deployment = Some(id.clone());
        found.updated = moment.now;
    }
    done.made = Some(id.clone());
    done.deployed = Some(id);
    Ok(())
}

/// Deploys an API for the stages that want every change of it.
fn deploy_automatically(api: &mut HttpApi, moment: &Moment<'_>, done: &mut Done) {
    if !api.stages.values().any(|stage| stage.auto_deploy) {
        return;
    }
    if api.definition.routes.is_empty() {
        let why = "Deployment attempt failed: Unable to deploy API because no routes exist in this API";
        for stage in api.stages.values_mut().filter(|stage| stage.auto_deploy) {
            stage.last_deployment = Some(why.to_owned());
        }
        return;
    }
    let description = "Automatic deployment triggered by changes to the Api configuration".to_owned();
    let id = new_deployment(api, Some(description), true, moment);
    for stage in api.stages.values_mut().filter(|stage| stage.auto_deploy) {
        stage.deployment = Some(id.clone());
        stage.last_deployment = Some(format!("Successfully deployed stage with deployment ID '{id}'"));
        stage.updated = moment.now;
    }
    done.deployed = Some(id);
}

fn remove(api: &mut HttpApi, target: Target, moment: &Moment<'_>, done: &mut Done) -> Result<(), Error> {
    let definition = &mut api.definition;
    match target {
        Target::Cors => definition.cors = None,
        Target::Route(id) => {
            definition.routes.remove(&id).ok_or_else(|| no("Route", &id))?;
        }
        Target::Integration(id) => {
            let found = definition.integrations.get(&id).ok_or_else(|| no("Integration", &id))?;
            let used = definition.routes.values().any(|route| route.integration.as_ref() == Some(&id));
            if used || found.managed {
                return Err(conflict(format!("Cannot delete Integration '{id}' because it is in use")));
            }
            definition.integrations.remove(&id);
        }
        Target::Authorizer(id) => {
            definition.authorizers.get(&id).ok_or_else(|| no("Authorizer", &id))?;
            if definition.routes.values().any(|route| route.authorizer.as_ref() == Some(&id)) {
                return Err(conflict(format!("Cannot delete Authorizer '{id}' because it is in use")));
            }
            definition.authorizers.remove(&id);
        }
        Target::Deployment(id) => {
            if api.stages.values().any(|stage| stage.deployment.as_ref() == Some(&id)) {
                return Err(bad("Active stages pointing to this deployment must be moved or deleted"));
            }
            api.deployments.remove(&id).ok_or_else(|| no("Deployment", &id))?;
            done.removed.push(id);
        }
        Target::Stage(name) => {
            api.stages.remove(&name).ok_or_else(no_stage)?;
        }
        Target::Log(name) => {
            let stage = api.stages.get_mut(&name).ok_or_else(no_stage)?;
            (stage.log_destination, stage.log_format) = (None, None);
            stage.updated = moment.now;
        }
        Target::RouteSettings(name, key) => {
            let stage = api.stages.get_mut(&name).ok_or_else(no_stage)?;
            stage.route_throttles.remove(&key).ok_or_else(|| no("RouteKey", &key))?;
            stage.updated = moment.now;
        }
    }
    Ok(())
}

fn tag(api: &mut HttpApi, stage: Option<&str>, add: Texts, gone: &[String]) -> Result<(), Error> {
    let tags = match stage {
        None => &mut api.settings.tags,
        Some(name) => &mut api.stages.get_mut(name).ok_or_else(no_stage)?.tags,
    };
    tags.extend(add);
    tags.retain(|key, _| !gone.contains(key));
    match tags.len() > MOST_TAGS {
        true => Err(bad(format!("The number of tags exceeds the limit of {MOST_TAGS}"))),
        false => Ok(()),
    }
}

/// What a target is called by: a function's ARN, or an endpoint.
fn quick_integration(target: String, credentials: Option<String>) -> Integration {
    let function = target.starts_with("arn:");
    Integration {
        kind: if function { "AWS_PROXY" } else { "HTTP_PROXY" }.to_owned(),
        method: (!function).then(|| "ANY".to_owned()),
        payload: if function { "2.0" } else { "1.0" }.to_owned(),
        uri: Some(target),
        credentials,
        managed: true,
        ..checks::new_integration()
    }
}

fn quick(
    api: &mut HttpApi,
    target: Option<String>,
    route_key: Option<String>,
    credentials: Option<String>,
    moment: &Moment<'_>,
) -> Result<(), Error> {
    let definition = &mut api.definition;
    let there = definition.integrations.iter().find(|(_, one)| one.managed).map(|(id, _)| id.clone());
    let Some(id) = there else {
        let target = target.ok_or_else(|| bad("A target is needed for what API Gateway manages"))?;
        if api.stages.contains_key(DEFAULT) || !definition.routes.is_empty() {
            return Err(bad("Only an API that was made with a target can be given another one"));
        }
        let id = moment.id(7);
        definition.integrations.insert(id.clone(), quick_integration(target, credentials));
        let route = Route {
            key: route_key.unwrap_or_else(|| DEFAULT.to_owned()),
            integration: Some(id),
            authorization: "NONE".to_owned(),
            managed: true,
            ..Route::default()
        };
        definition.routes.insert(moment.id(7), route);
        let (created, updated) = (moment.now, moment.now);
        let stage = Stage { auto_deploy: true, managed: true, created, updated, ..Stage::default() };
        api.stages.insert(DEFAULT.to_owned(), stage);
        return Ok(());
    };
    if let Some(found) = definition.integrations.get_mut(&id) {
        let credentials = credentials.or(found.credentials.clone());
        if let Some(target) = target.or(found.uri.clone()) {
            *found = quick_integration(target, credentials);
        }
    }
    if let (Some(key), Some(route)) = (route_key, definition.routes.values_mut().find(|route| route.managed))
    {
        route.key = key;
    }
    Ok(())
}
