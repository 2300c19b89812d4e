//! Request validators: parameters that are required, bodies that fit their models.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-request-validation.html>

use serde_json::Value as Json;

use super::hit::{Hit, last};
use super::refusal::Refusal;
use crate::model::Method;
use crate::schema;

/// Checks a request as the method's validator says.
pub fn check(hit: &Hit<'_>, method: &Method) -> Result<(), Refusal> {
    let validators = &hit.served.definition.validators;
    let validator = method.request_validator_id.as_ref().and_then(|id| validators.get(id));
    let Some(validator) = validator else { return Ok(()) };
    if validator.parameters {
        parameters(hit, method)?;
    }
    if validator.body { body(hit, method) } else { Ok(()) }
}

fn parameters(hit: &Hit<'_>, method: &Method) -> Result<(), Refusal> {
    let missing = |name: &&str| {
        let Some((kind, name)) = name.strip_prefix("method.request.").and_then(|rest| rest.split_once('.'))
        else {
            return false;
        };
        match kind {
            "path" => hit.path_params.get(name).is_none_or(String::is_empty),
            "header" | "multivalueheader" => last(&hit.headers, name).is_none_or(str::is_empty),
            _ => !hit.query.iter().any(|(one, value)| one == name && !value.is_empty()),
        }
    };
    let required = method.request_parameters.iter().filter(|(_, required)| **required);
    let names: Vec<&str> = required.map(|(name, _)| name.as_str()).filter(missing).collect();
    if names.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = names.iter().filter_map(|name| name.splitn(4, '.').nth(3)).collect();
    let message = format!("Missing required request parameters: [{}]", names.join(", "));
    Err(Refusal::new("BAD_REQUEST_PARAMETERS", "BadRequestException", message))
}

fn body(hit: &Hit<'_>, method: &Method) -> Result<(), Refusal> {
    let kind = hit.header("content-type").unwrap_or("application/json");
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let models = &hit.served.definition.models;
    let name = method.request_models.iter().find(|(one, _)| one.eq_ignore_ascii_case(kind));
    let Some(model) = name.and_then(|(_, name)| models.get(name)) else { return Ok(()) };
    let text = model.schema.as_deref().unwrap_or_default();
    let Ok(schema) = serde_json::from_str::<Json>(text) else { return Ok(()) };
    let refuse = |why: String| {
        let refusal = Refusal::new("BAD_REQUEST_BODY", "BadRequestException", "Invalid request body");
        Refusal { validation: Some(why), ..refusal }
    };
    let said = match hit.request.body.is_empty() {
        true => Json::Object(Default::default()),
        false => serde_json::from_slice(&hit.request.body).map_err(|why| refuse(why.to_string()))?,
    };
    let of =
        |name: &str| models.get(name).and_then(|model| serde_json::from_str(model.schema.as_deref()?).ok());
    schema::validate(&schema, &said, &of).map_err(|why| refuse(format!("[{why}]")))
}
