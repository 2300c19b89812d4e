//! CreateModel, GetModel, GetModelTemplate, GetModels, UpdateModel, DeleteModel, and the same of request validators.

use ropeway_api::apigateway as api;
use ropeway_wire::{Cx, Error};
use serde_json::Value as Json;

use super::{ApiGateway, page};
use crate::commands::{Change, Target};
use crate::errors::{bad, no_model, no_validator};
use crate::model::{Api, Model, Validator};
use crate::{render, schema_forms};

fn model(api: &Api, name: &str) -> Result<api::Model, Error> {
    Ok(render::model(name, api.definition.models.get(name).ok_or_else(|| no_model(name))?))
}

fn validator(api: &Api, id: &str) -> Result<api::RequestValidator, Error> {
    Ok(render::validator(id, api.definition.validators.get(id).ok_or_else(no_validator)?))
}

pub async fn create_model(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::CreateModelInput,
) -> Result<api::CreateModelOutput, Error> {
    let given = Model {
        description: input.description,
        schema: input.schema,
        content_type: input.content_type,
        ..Model::default()
    };
    let name = input.name;
    let (api, _) = gateway.change(cx, &input.rest_api_id, Change::Model(name.clone(), given)).await?;
    model(&api, &name)
}

pub async fn get_model(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetModelInput,
) -> Result<api::GetModelOutput, Error> {
    let found = gateway.own(cx, &input.rest_api_id).await;
    let found = found.map_err(|_| no_model(&input.model_name))?;
    let mut shown = model(&found, &input.model_name)?;
    if input.flatten == Some(true) {
        let schema = schema(&found, &input.model_name).unwrap_or_default();
        let flat = schema_forms::flattened(&schema, &|name| self::schema(&found, name)).map_err(bad)?;
        shown.schema = Some(flat.to_string());
    }
    Ok(shown)
}

/// A model's schema.
fn schema(api: &Api, name: &str) -> Option<Json> {
    serde_json::from_str(api.definition.models.get(name)?.schema.as_deref()?).ok()
}

pub async fn get_model_template(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetModelTemplateInput,
) -> Result<api::GetModelTemplateOutput, Error> {
    let found = gateway.own(cx, &input.rest_api_id).await?;
    let schema = schema(&found, &input.model_name).ok_or_else(|| no_model(&input.model_name))?;
    let template = schema_forms::template(&schema, &|name| self::schema(&found, name)).map_err(bad)?;
    Ok(api::GetModelTemplateOutput { value: Some(template) })
}

pub async fn get_models(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetModelsInput,
) -> Result<api::GetModelsOutput, Error> {
    let api = gateway.own(cx, &input.rest_api_id).await?;
    let all = api.definition.models.iter().map(|(name, one)| (name.clone(), render::model(name, one)));
    let (items, position) = page(all, input.position.as_deref(), input.limit)?;
    Ok(api::GetModelsOutput { position, items: Some(items) })
}

pub async fn update_model(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateModelInput,
) -> Result<api::UpdateModelOutput, Error> {
    let target = Target::Model(input.model_name.clone());
    let api = gateway.patch(cx, &input.rest_api_id, target, input.patch_operations).await?;
    model(&api, &input.model_name)
}

pub async fn delete_model(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteModelInput,
) -> Result<api::DeleteModelOutput, Error> {
    gateway.change(cx, &input.rest_api_id, Change::Remove(Target::Model(input.model_name))).await?;
    Ok(api::DeleteModelOutput {})
}

/// With an unknown API, AWS tells of the validator.
fn of_validator(error: Error) -> Error {
    match error.message.starts_with("Invalid API identifier") {
        true => no_validator(),
        false => error,
    }
}

pub async fn create_request_validator(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::CreateRequestValidatorInput,
) -> Result<api::CreateRequestValidatorOutput, Error> {
    let given = Validator {
        name: input.name,
        body: input.validate_request_body.unwrap_or(false),
        parameters: input.validate_request_parameters.unwrap_or(false),
    };
    let made = gateway.change(cx, &input.rest_api_id, Change::Validator(given)).await;
    let (api, id) = made.map_err(|error| match error.message.starts_with("Invalid API identifier") {
        true => bad("Invalid REST API identifier specified"),
        false => error,
    })?;
    validator(&api, &id.unwrap_or_default())
}

pub async fn get_request_validator(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetRequestValidatorInput,
) -> Result<api::GetRequestValidatorOutput, Error> {
    let api = gateway.own(cx, &input.rest_api_id).await.map_err(of_validator)?;
    validator(&api, &input.request_validator_id)
}

pub async fn get_request_validators(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetRequestValidatorsInput,
) -> Result<api::GetRequestValidatorsOutput, Error> {
    let api = gateway.own(cx, &input.rest_api_id).await?;
    let all = api.definition.validators.iter().map(|(id, one)| (id.clone(), render::validator(id, one)));
    let (items, position) = page(all, input.position.as_deref(), input.limit)?;
    Ok(api::GetRequestValidatorsOutput { position, items: Some(items) })
}

pub async fn update_request_validator(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateRequestValidatorInput,
) -> Result<api::UpdateRequestValidatorOutput, Error> {
    let target = Target::Validator(input.request_validator_id.clone());
    let api = gateway.patch(cx, &input.rest_api_id, target, input.patch_operations).await;
    validator(&api.map_err(of_validator)?, &input.request_validator_id)
}

pub async fn delete_request_validator(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteRequestValidatorInput,
) -> Result<api::DeleteRequestValidatorOutput, Error> {
    let change = Change::Remove(Target::Validator(input.request_validator_id));
    gateway.change(cx, &input.rest_api_id, change).await.map_err(of_validator)?;
    Ok(api::DeleteRequestValidatorOutput {})
}
