//! CreateBasePathMapping, GetBasePathMapping, GetBasePathMappings, UpdateBasePathMapping, DeleteBasePathMapping.

use ropeway_api::apigateway as api;
use ropeway_wire::{Cx, Error};

use super::domains::run;
use super::{ApiGateway, checked, page};
use crate::commands::DomainChange;
use crate::errors::{bad, no_mapping};
use crate::model::Mapping;

/// What an empty base path is called:
/// <https://docs.aws.amazon.com/apigateway/latest/api/API_CreateBasePathMapping.html>.
const NONE: &str = "(none)";

/// A base path as rows have it.
fn stored(path: &str) -> Result<String, Error> {
    if path.contains('/') {
        return Err(bad("API Gateway V1 doesn't support the slash character (/) in base path mappings. To \
                        create a multi-level base path mapping, use API Gateway V2."));
    }
    Ok(if path == NONE { String::new() } else { path.to_owned() })
}

fn shown(path: &str, mapping: &Mapping) -> api::BasePathMapping {
    api::BasePathMapping {
        base_path: Some(if path.is_empty() { NONE.to_owned() } else { path.to_owned() }),
        rest_api_id: Some(mapping.api.clone()),
        stage: mapping.stage.clone(),
    }
}

/// The API must be the caller's, and have the stage.
async fn check(gateway: &ApiGateway, cx: &Cx, mapping: &Mapping) -> Result<(), Error> {
    let api = gateway.own(cx, &mapping.api).await.map_err(|error| match &*error.code {
        "NotFoundException" => bad("Invalid REST API identifier specified"),
        _ => error,
    })?;
    match mapping.stage.as_ref().is_none_or(|stage| api.stages.contains_key(stage)) {
        true => Ok(()),
        false => Err(bad("Invalid stage identifier specified")),
    }
}

pub async fn create_base_path_mapping(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::CreateBasePathMappingInput,
) -> Result<api::CreateBasePathMappingOutput, Error> {
    let path = stored(input.base_path.as_deref().unwrap_or(NONE))?;
    let stage = input.stage.filter(|stage| !stage.is_empty());
    let mapping = Mapping { id: String::new(), api: input.rest_api_id, stage };
    check(gateway, cx, &mapping).await?;
    run(gateway, cx, &input.domain_name, DomainChange::Map(path.clone(), mapping.clone())).await?;
    Ok(shown(&path, &mapping))
}

pub async fn get_base_path_mapping(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetBasePathMappingInput,
) -> Result<api::GetBasePathMappingOutput, Error> {
    let (domain, path) =
        (run(gateway, cx, &input.domain_name, DomainChange::Read).await?, stored(&input.base_path)?);
    Ok(shown(&path, domain.mappings.get(&path).ok_or_else(no_mapping)?))
}

pub async fn get_base_path_mappings(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetBasePathMappingsInput,
) -> Result<api::GetBasePathMappingsOutput, Error> {
    let domain = run(gateway, cx, &input.domain_name, DomainChange::Read).await?;
    let all = domain.mappings.iter().map(|(path, mapping)| (path.clone(), shown(path, mapping)));
    let (items, position) = page(all, input.position.as_deref(), input.limit)?;
    Ok(api::GetBasePathMappingsOutput { position, items: Some(items) })
}

pub async fn update_base_path_mapping(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateBasePathMappingInput,
) -> Result<api::UpdateBasePathMappingOutput, Error> {
    let domain = run(gateway, cx, &input.domain_name, DomainChange::Read).await?;
    let old = stored(&input.base_path)?;
    let mut mapping = domain.mappings.get(&old).ok_or_else(no_mapping)?.clone();
    let mut path = old.clone();
    for patch in checked(input.patch_operations)? {
        patch.only(&["replace", "remove"])?;
        let value = patch.optional().filter(|_| patch.op != "remove");
        match patch.path.as_str() {
            "/basePath" => path = stored(value.as_deref().unwrap_or(NONE))?,
            "/stage" => mapping.stage = value,
            "/restapiId" | "/restApiId" => mapping.api = value.unwrap_or_default(),
            _ => return Err(patch.invalid()),
        }
    }
    check(gateway, cx, &mapping).await?;
    run(gateway, cx, &input.domain_name, DomainChange::Remap(old, path.clone(), mapping.clone())).await?;
    Ok(shown(&path, &mapping))
}

pub async fn delete_base_path_mapping(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteBasePathMappingInput,
) -> Result<api::DeleteBasePathMappingOutput, Error> {
    run(gateway, cx, &input.domain_name, DomainChange::Unmap(stored(&input.base_path)?)).await?;
    Ok(api::DeleteBasePathMappingOutput {})
}
