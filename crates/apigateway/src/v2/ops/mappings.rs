//! CreateApiMapping, GetApiMapping, GetApiMappings, UpdateApiMapping, DeleteApiMapping: the base path mappings of REST
//! APIs, by ids, of several levels, and of HTTP APIs too.

use std::collections::BTreeMap;

use ropeway_api::apigatewayv2 as api;
use ropeway_wire::{Cx, Error};

use super::domains::read;
use super::{ApiGateway, page, said};
use crate::commands::{DomainChange, domains};
use crate::model::{Domain, Mapping};
use crate::ops::domains as names;
use crate::v2::errors::{bad, no_mapping};

/// A mapping as an output of some type.
macro_rules! mapping_output {
    ($type:ident, $path:expr, $mapping:expr) => {{
        let of: Mapping = $mapping;
        api::$type {
            api_id: of.api.into(),
            api_mapping_id: Some(of.id),
            api_mapping_key: Some($path),
            stage: of.stage.unwrap_or_default().into(),
        }
    }};
}

/// The mapping of an id, and its path.
fn by_id(domain: Domain, id: &str) -> Result<(String, Mapping), Error> {
    domain.mappings.into_iter().find(|(_, mapping)| mapping.id == id).ok_or_else(no_mapping)
}

/// Checks what a mapping leads to: an API of the caller's, REST or HTTP, that has the stage. HTTP APIs are for regional
/// names alone: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-custom-domain-names.html>.
async fn check(
    gateway: &ApiGateway,
    cx: &Cx,
    domain: &Domain,
    path: &str,
    mapping: &Mapping,
) -> Result<(), Error> {
    if !domains::is_path(path) {
        // <https://github.com/aws/aws-cdk/issues/9077>
        return Err(bad("An ApiMapping key may contain only letters, numbers and one of $-_.+!*'()/"));
    }
    let stage = mapping.stage.as_deref();
    let has_stage = match gateway.own_http(cx, &mapping.api).await {
        Ok(_) if domain.endpoint_type == "EDGE" => return Err(bad(domains::REGIONAL)),
        Ok(found) => stage.is_some_and(|stage| found.stages.contains_key(stage)),
        Err(error) if error.code == "NotFoundException" => {
            let found = gateway.own(cx, &mapping.api).await.map_err(|error| match &*error.code {
                "NotFoundException" => bad("Invalid API identifier specified"),
                _ => said(error),
            })?;
            stage.is_none_or(|stage| found.stages.contains_key(stage))
        }
        Err(error) => return Err(error),
    };
    match has_stage {
        true => Ok(()),
        // <https://github.com/aws/aws-cdk/issues/8983>
        false => Err(bad("Invalid stage identifier specified")),
    }
}

/// Changes a domain name; gives what it maps at a path now.
async fn changed(
    gateway: &ApiGateway,
    cx: &Cx,
    name: &str,
    path: &str,
    change: DomainChange,
) -> Result<Mapping, Error> {
    let mut domain = names::run(gateway, cx, name, change).await.map_err(said)?;
    domain.mappings.remove(path).ok_or_else(no_mapping)
}

pub async fn create_api_mapping(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::CreateApiMappingInput,
) -> Result<api::CreateApiMappingOutput, Error> {
    let domain = read(gateway, cx, &input.domain_name).await?;
    let path = input.api_mapping_key.unwrap_or_default();
    let mapping = Mapping { id: String::new(), api: input.api_id, stage: Some(input.stage) };
    check(gateway, cx, &domain, &path, &mapping).await?;
    let change = DomainChange::Map(path.clone(), mapping);
    let made = changed(gateway, cx, &input.domain_name, &path, change).await?;
    Ok(mapping_output!(CreateApiMappingOutput, path, made))
}

pub async fn get_api_mapping(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetApiMappingInput,
) -> Result<api::GetApiMappingOutput, Error> {
    let (path, found) = by_id(read(gateway, cx, &input.domain_name).await?, &input.api_mapping_id)?;
    Ok(mapping_output!(GetApiMappingOutput, path, found))
}

pub async fn get_api_mappings(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetApiMappingsInput,
) -> Result<api::GetApiMappingsOutput, Error> {
    let all = read(gateway, cx, &input.domain_name).await?.mappings.into_iter();
    let all: BTreeMap<String, api::ApiMapping> =
        all.map(|(path, one)| (one.id.clone(), mapping_output!(ApiMapping, path, one))).collect();
    let (items, next_token) =
        page(all.into_iter(), input.next_token.as_deref(), input.max_results.as_deref())?;
    Ok(api::GetApiMappingsOutput { items, next_token })
}

pub async fn update_api_mapping(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateApiMappingInput,
) -> Result<api::UpdateApiMappingOutput, Error> {
    let domain = read(gateway, cx, &input.domain_name).await?;
    let (old, found) = by_id(domain.clone(), &input.api_mapping_id)?;
    let path = input.api_mapping_key.unwrap_or_else(|| old.clone());
    let stage = input.stage.or(found.stage);
    let mapping = Mapping { id: found.id, api: input.api_id, stage };
    check(gateway, cx, &domain, &path, &mapping).await?;
    let change = DomainChange::Remap(old, path.clone(), mapping);
    let made = changed(gateway, cx, &input.domain_name, &path, change).await?;
    Ok(mapping_output!(UpdateApiMappingOutput, path, made))
}

pub async fn delete_api_mapping(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteApiMappingInput,
) -> Result<api::DeleteApiMappingOutput, Error> {
    let (path, _) = by_id(read(gateway, cx, &input.domain_name).await?, &input.api_mapping_id)?;
    names::run(gateway, cx, &input.domain_name, DomainChange::Unmap(path)).await.map_err(said)?;
    Ok(api::DeleteApiMappingOutput {})
}
