//! Models and request validators.

use ropeway_wire::Error;
use serde_json::Value as Json;

use super::Moment;
use crate::errors::{bad, conflict, no_model, no_validator};
use crate::model::{Api, Model, Validator};
use crate::patch::Patch;

/// Bytes of a schema: <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>.
const MAX_SCHEMA: usize = 400 * 1024;

/// The model of a name.
pub fn at<'a>(api: &'a mut Api, name: &str) -> Result<&'a mut Model, Error> {
    api.definition.models.get_mut(name).ok_or_else(|| no_model(name))
}

/// Checks a model; called for imports too.
pub fn check(name: &str, model: &Model) -> Result<(), Error> {
    if name.is_empty() {
        return Err(bad("Model name must be non-empty"));
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(bad(format!("Model name must be alphanumeric: {name}")));
    }
    let schema = model.schema.as_deref().unwrap_or_default();
    if schema.is_empty() {
        return Err(bad("Model schema must have at least 1 property or array items defined"));
    }
    if schema.len() > MAX_SCHEMA {
        return Err(bad("Model schema exceeds the maximum size of 400 KB"));
    }
    if model.content_type == "application/json" {
        let invalid = |why: String| bad(format!("Invalid model schema specified. {why}"));
        let json: Json = serde_json::from_str(schema).map_err(|why| invalid(why.to_string()))?;
        crate::schema::check(&json).map_err(invalid)?;
    }
    Ok(())
}

pub fn create(api: &mut Api, name: &str, model: Model, moment: &Moment<'_>) -> Result<(), Error> {
    check(name, &model)?;
    if api.definition.models.contains_key(name) {
        return Err(conflict("Model name already exists for this REST API"));
    }
    api.definition.models.insert(name.to_owned(), Model { id: moment.id(6), ..model });
    Ok(())
}

pub fn patch(api: &mut Api, name: &str, patch: &Patch) -> Result<(), Error> {
    let model = at(api, name)?;
    patch.replaces(&["/description", "/schema"])?;
    match patch.path.as_str() {
        "/description" => model.description = patch.optional(),
        _ => model.schema = patch.value.clone(),
    }
    check(name, model)
}

pub fn remove(api: &mut Api, name: &str) -> Result<(), Error> {
    at(api, name)?;
    for (id, resource) in &api.definition.resources {
        for (verb, method) in &resource.methods {
            let path = api.definition.path(id);
            let uses = |models: &crate::model::Texts| models.values().any(|used| used == name);
            if uses(&method.request_models) {
                return Err(conflict(format!(
                    "Cannot delete model '{name}', is referenced in method request: {path}/{verb}"
                )));
            }
            if method.responses.values().any(|response| uses(&response.models)) {
                return Err(conflict(format!(
                    "Cannot delete model '{name}', is referenced in method response: {path}/{verb}"
                )));
            }
        }
    }
    api.definition.models.remove(name);
    Ok(())
}

/// The request validator of an id.
pub fn validator_at<'a>(api: &'a mut Api, id: &str) -> Result<&'a mut Validator, Error> {
    api.definition.validators.get_mut(id).ok_or_else(no_validator)
}

pub fn patch_validator(api: &mut Api, id: &str, patch: &Patch) -> Result<(), Error> {
    let validator = validator_at(api, id)?;
    patch.replaces(&["/name", "/validateRequestParameters", "/validateRequestBody"])?;
    match patch.path.as_str() {
        "/name" => {
            let name = patch.optional().ok_or_else(|| bad("Request Validator name cannot be blank"))?;
            validator.name = Some(name);
        }
        "/validateRequestParameters" => validator.parameters = patch.flag(),
        _ => validator.body = patch.flag(),
    }
    Ok(())
}

pub fn remove_validator(api: &mut Api, id: &str) -> Result<(), Error> {
    validator_at(api, id)?;
    let definition = &mut api.definition;
    let methods = definition.resources.values().flat_map(|resource| resource.methods.values());
    if methods.into_iter().any(|method| method.request_validator_id.as_deref() == Some(id)) {
        return Err(conflict(format!("Cannot delete validator {id}, is referenced by a method")));
    }
    definition.validators.remove(id);
    Ok(())
}
