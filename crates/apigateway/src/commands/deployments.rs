//! Deployments: what is there now, frozen.

use ropeway_wire::Error;

use super::{Moment, stages};
use crate::errors::{bad, no_deployment};
use crate::model::{Api, Deployment, Stage};
use crate::patch::Patch;

/// The deployment of an id.
pub fn at<'a>(api: &'a mut Api, id: &str) -> Result<&'a mut Deployment, Error> {
    api.deployments.get_mut(id).ok_or_else(no_deployment)
}

pub fn create(
    api: &mut Api,
    description: Option<String>,
    stage: Option<(String, Box<Stage>)>,
    moment: &Moment<'_>,
) -> Result<String, Error> {
    let mut methods = api.definition.resources.values().flat_map(|resource| resource.methods.values());
    if methods.clone().next().is_none() {
        return Err(bad("The REST API doesn't contain any methods"));
    }
    if methods.any(|method| method.integration.is_none()) {
        return Err(bad("No integration defined for method"));
    }
    let id = moment.id(6);
    api.deployments.insert(id.clone(), Deployment { description, created: moment.now });
    if let Some((name, stage)) = stage {
        match api.stages.get_mut(&name) {
            Some(existing) => {
                existing.deployment.clone_from(&id);
                existing.variables.extend(stage.variables);
                existing.description = stage.description.or(existing.description.take());
                existing.updated = moment.now;
            }
            None => {
                let stage = Stage { deployment: id.clone(), ..*stage };
                stages::create(api, &name, stage, moment)?;
            }
        }
    }
    Ok(id)
}

pub fn patch(api: &mut Api, id: &str, patch: &Patch) -> Result<(), Error> {
    let deployment = at(api, id)?;
    patch.replaces(&["/description"])?;
    deployment.description = patch.optional();
    Ok(())
}

pub fn remove(api: &mut Api, id: &str) -> Result<(), Error> {
    at(api, id)?;
    if api.stages.values().any(|stage| stage.deployment == id) {
        return Err(bad("Active stages pointing to this deployment must be moved or deleted"));
    }
    api.deployments.remove(id);
    Ok(())
}
