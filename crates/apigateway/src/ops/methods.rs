//! PutMethod, GetMethod, UpdateMethod, DeleteMethod, and the same of a method's responses.

use ropeway_api::apigateway as api;
use ropeway_wire::{Cx, Error};

use super::{ApiGateway, of_resource};
use crate::commands::{Change, Target};
use crate::errors::{no_method, no_resource, no_response};
use crate::model::{Api, Method, MethodResponse};
use crate::render;

/// The method of a resource and a verb.
pub fn find<'a>(api: &'a Api, resource: &str, verb: &str) -> Result<&'a Method, Error> {
    let resource = api.definition.resources.get(resource).ok_or_else(no_resource)?;
    resource.methods.get(verb).ok_or_else(no_method)
}

fn response(api: &Api, resource: &str, verb: &str, status: &str) -> Result<api::MethodResponse, Error> {
    let found = find(api, resource, verb)?.responses.get(status).ok_or_else(no_response)?;
    Ok(render::method_response(status, found))
}

pub async fn put_method(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::PutMethodInput,
) -> Result<api::PutMethodOutput, Error> {
    let method = Method {
        authorization_type: input.authorization_type,
        authorizer_id: input.authorizer_id,
        authorization_scopes: input.authorization_scopes.unwrap_or_default(),
        api_key_required: input.api_key_required.unwrap_or(false),
        operation_name: input.operation_name,
        request_parameters: input.request_parameters.unwrap_or_default(),
        request_models: input.request_models.unwrap_or_default(),
        request_validator_id: input.request_validator_id,
        ..Method::default()
    };
    if !method.authorization_scopes.is_empty() {
        return Err(crate::errors::unimplemented("authorizationScopes: Cognito user pools"));
    }
    let (resource, verb) = (input.resource_id, input.http_method);
    let change = Change::Method(resource.clone(), verb.clone(), Box::new(method));
    let (api, _) = gateway.change(cx, &input.rest_api_id, change).await.map_err(of_resource)?;
    Ok(render::method(&verb, find(&api, &resource, &verb)?))
}

pub async fn get_method(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetMethodInput,
) -> Result<api::GetMethodOutput, Error> {
    let api = gateway.own(cx, &input.rest_api_id).await.map_err(of_resource)?;
    Ok(render::method(&input.http_method, find(&api, &input.resource_id, &input.http_method)?))
}

pub async fn update_method(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateMethodInput,
) -> Result<api::UpdateMethodOutput, Error> {
    let target = Target::Method(input.resource_id.clone(), input.http_method.clone());
    let api =
        gateway.patch(cx, &input.rest_api_id, target, input.patch_operations).await.map_err(of_resource)?;
    Ok(render::method(&input.http_method, find(&api, &input.resource_id, &input.http_method)?))
}

pub async fn delete_method(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteMethodInput,
) -> Result<api::DeleteMethodOutput, Error> {
    let change = Change::Remove(Target::Method(input.resource_id, input.http_method));
    gateway.change(cx, &input.rest_api_id, change).await.map_err(of_resource)?;
    Ok(api::DeleteMethodOutput {})
}

pub async fn put_method_response(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::PutMethodResponseInput,
) -> Result<api::PutMethodResponseOutput, Error> {
    let given = MethodResponse {
        parameters: input.response_parameters.unwrap_or_default(),
        models: input.response_models.unwrap_or_default(),
    };
    let (resource, verb, status) = (input.resource_id, input.http_method, input.status_code);
    let change = Change::MethodResponse(resource.clone(), verb.clone(), status.clone(), given);
    let (api, _) = gateway.change(cx, &input.rest_api_id, change).await.map_err(of_resource)?;
    response(&api, &resource, &verb, &status)
}

pub async fn get_method_response(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetMethodResponseInput,
) -> Result<api::GetMethodResponseOutput, Error> {
    let api = gateway.own(cx, &input.rest_api_id).await.map_err(of_resource)?;
    response(&api, &input.resource_id, &input.http_method, &input.status_code)
}

pub async fn update_method_response(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateMethodResponseInput,
) -> Result<api::UpdateMethodResponseOutput, Error> {
    let (resource, verb, status) = (input.resource_id, input.http_method, input.status_code);
    let target = Target::MethodResponse(resource.clone(), verb.clone(), status.clone());
    let api =
        gateway.patch(cx, &input.rest_api_id, target, input.patch_operations).await.map_err(of_resource)?;
    response(&api, &resource, &verb, &status)
}

pub async fn delete_method_response(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteMethodResponseInput,
) -> Result<api::DeleteMethodResponseOutput, Error> {
    let target = Target::MethodResponse(input.resource_id, input.http_method, input.status_code);
    gateway.change(cx, &input.rest_api_id, Change::Remove(target)).await.map_err(of_resource)?;
    Ok(api::DeleteMethodResponseOutput {})
}
