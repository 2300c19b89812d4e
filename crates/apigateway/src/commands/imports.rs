//! What must hold of a definition that comes as a whole.

use ropeway_wire::Error;

use super::{Moment, authorizers, integrations, methods, models, resources, responses};
use crate::errors::{bad, limit};
use crate::model::{Definition, Resource};

/// The resource of a path, made with those above it where they are not there.
pub fn resource_of(definition: &mut Definition, path: &str, moment: &Moment<'_>) -> Result<String, Error> {
    let root = definition.resources.iter().find(|(_, resource)| resource.parent.is_none());
    let mut at = match root {
        Some((id, _)) => id.clone(),
        None => {
            let id = moment.id(10);
            definition.resources.insert(id.clone(), Resource::default());
            id
        }
    };
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let known = definition.children(&at).find(|(_, child)| child.part == part).map(|(id, _)| id.clone());
        at = match known {
            Some(id) => id,
            None => {
                resources::check(definition, &at, None, part)?;
                let id = moment.id(6);
                let resource = Resource { parent: Some(at), part: part.to_owned(), ..Resource::default() };
                definition.resources.insert(id.clone(), resource);
                id
            }
        };
    }
    Ok(at)
}

/// Checks a definition as each of its parts would be, made by an operation of its own.
pub fn check_definition(definition: &Definition) -> Result<(), Error> {
    if definition.resources.len() > resources::MOST || definition.authorizers.len() > authorizers::MOST {
        return Err(limit("Maximum number of resources or authorizers for this API has been reached"));
    }
    definition.models.iter().try_for_each(|(name, model)| models::check(name, model))?;
    definition.authorizers.values().try_for_each(authorizers::check)?;
    for (kind, response) in &definition.gateway_responses {
        if !responses::TYPES.iter().any(|(name, _)| name == kind) {
            return Err(bad(format!("Invalid gateway response type {kind}")));
        }
        responses::check(response)?;
    }
    for method in definition.resources.values().flat_map(|resource| resource.methods.values()) {
        methods::check_method(definition, method)?;
        let Some(integration) = &method.integration else { continue };
        integrations::check(integration)?;
        for (status, response) in &integration.responses {
            integrations::check_response(method.responses.get(status), response)?;
        }
    }
    Ok(())
}
