//! CreateDocumentationPart, GetDocumentationPart, GetDocumentationParts, ImportDocumentationParts,
//! UpdateDocumentationPart, DeleteDocumentationPart, and the same of documentation versions.

use ropeway_api::apigateway as api;
use ropeway_core::Trace;
use ropeway_wire::{Cx, Error};

use super::{ApiGateway, checked, named, page};
use crate::commands::{Command, DocumentationChange as Change, Documented, Output};
use crate::documentation::{self, Location, Part};
use crate::errors::no_part;
use crate::keys::ApiName;
use crate::openapi;

impl ApiGateway {
    /// Changes or reads an API's documentation.
    pub(crate) async fn documentation(
        &self,
        trace: &Trace,
        api: &ApiName,
        change: Change,
    ) -> Result<Documented, Error> {
        let command = Command::Documentation { api: api.clone(), change: Box::new(change) };
        match self.submit(trace, api, command).await? {
            Output::Documented(documented) => Ok(*documented),
            _ => Err(super::unexpected()),
        }
    }
}

async fn run(gateway: &ApiGateway, cx: &Cx, api: &str, change: Change) -> Result<Documented, Error> {
    gateway.documentation(&cx.trace, &named(cx, api), change).await
}

fn shown(id: &str, part: &Part) -> api::DocumentationPart {
    let Location { kind, path, method, status, name } = part.location.clone();
    let location = api::DocumentationPartLocation { type_: kind, path, method, status_code: status, name };
    api::DocumentationPart {
        id: Some(id.to_owned()),
        location: Some(location),
        properties: Some(part.properties.clone()),
    }
}

fn part(all: &Documented, id: &str) -> Result<api::DocumentationPart, Error> {
    Ok(shown(id, all.all.parts.get(id).ok_or_else(no_part)?))
}

pub async fn create_documentation_part(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::CreateDocumentationPartInput,
) -> Result<api::CreateDocumentationPartOutput, Error> {
    let given = input.location;
    let location = Location {
        kind: given.type_,
        path: given.path,
        method: given.method,
        status: given.status_code,
        name: given.name,
    };
    documentation::check_properties(&input.properties)?;
    let change = Change::Create(Part { location: location.checked()?, properties: input.properties });
    let all = run(gateway, cx, &input.rest_api_id, change).await?;
    part(&all, all.made.first().map(String::as_str).unwrap_or_default())
}

pub async fn get_documentation_part(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetDocumentationPartInput,
) -> Result<api::GetDocumentationPartOutput, Error> {
    part(&run(gateway, cx, &input.rest_api_id, Change::Read).await?, &input.documentation_part_id)
}

pub async fn get_documentation_parts(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetDocumentationPartsInput,
) -> Result<api::GetDocumentationPartsOutput, Error> {
    let all = run(gateway, cx, &input.rest_api_id, Change::Read).await?.all.parts;
    let is_meant = |location: &Location| {
        let named =
            |wanted: &String| location.name.as_ref().is_some_and(|name| name.contains(wanted.as_str()));
        input.type_.as_ref().is_none_or(|kind| *kind == location.kind)
            && input.path.as_ref().is_none_or(|path| location.path.as_ref() == Some(path))
            && input.name_query.as_ref().is_none_or(named)
    };
    let found = all.iter().filter(|(_, part)| is_meant(&part.location));
    let found = found.map(|(id, part)| (id.clone(), shown(id, part)));
    let (items, position) = page(found, input.position.as_deref(), input.limit)?;
    Ok(api::GetDocumentationPartsOutput { position, items: Some(items) })
}

pub async fn import_documentation_parts(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::ImportDocumentationPartsInput,
) -> Result<api::ImportDocumentationPartsOutput, Error> {
    let parts = documentation::read(&openapi::parsed(&input.body)?)?;
    let overwrites = input.mode.as_deref() == Some("overwrite");
    let all = run(gateway, cx, &input.rest_api_id, Change::Import(parts, overwrites)).await?;
    Ok(api::ImportDocumentationPartsOutput { ids: Some(all.made), warnings: None })
}

pub async fn update_documentation_part(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateDocumentationPartInput,
) -> Result<api::UpdateDocumentationPartOutput, Error> {
    let change = Change::Patch(input.documentation_part_id.clone(), checked(input.patch_operations)?);
    part(&run(gateway, cx, &input.rest_api_id, change).await?, &input.documentation_part_id)
}

pub async fn delete_documentation_part(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteDocumentationPartInput,
) -> Result<api::DeleteDocumentationPartOutput, Error> {
    run(gateway, cx, &input.rest_api_id, Change::Delete(input.documentation_part_id)).await?;
    Ok(api::DeleteDocumentationPartOutput {})
}

fn version(all: &Documented, name: &str) -> Result<api::DocumentationVersion, Error> {
    let (description, created) = all.version(name)?;
    let version = Some(name.to_owned());
    Ok(api::DocumentationVersion { version, created_date: Some(created), description })
}

pub async fn create_documentation_version(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::CreateDocumentationVersionInput,
) -> Result<api::CreateDocumentationVersionOutput, Error> {
    let (name, description, stage) = (input.documentation_version, input.description, input.stage_name);
    let change = Change::CreateVersion { version: name.clone(), description, stage };
    version(&run(gateway, cx, &input.rest_api_id, change).await?, &name)
}

pub async fn get_documentation_version(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetDocumentationVersionInput,
) -> Result<api::GetDocumentationVersionOutput, Error> {
    version(&run(gateway, cx, &input.rest_api_id, Change::Read).await?, &input.documentation_version)
}

pub async fn get_documentation_versions(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetDocumentationVersionsInput,
) -> Result<api::GetDocumentationVersionsOutput, Error> {
    let all = run(gateway, cx, &input.rest_api_id, Change::Read).await?;
    let names: Vec<String> = all.all.versions.keys().cloned().collect();
    let found: Result<Vec<_>, Error> =
        names.into_iter().map(|name| Ok((name.clone(), version(&all, &name)?))).collect();
    let (items, position) = page(found?.into_iter(), input.position.as_deref(), input.limit)?;
    Ok(api::GetDocumentationVersionsOutput { position, items: Some(items) })
}

pub async fn update_documentation_version(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateDocumentationVersionInput,
) -> Result<api::UpdateDocumentationVersionOutput, Error> {
    let name = input.documentation_version;
    let change = Change::PatchVersion(name.clone(), checked(input.patch_operations)?);
    version(&run(gateway, cx, &input.rest_api_id, change).await?, &name)
}

pub async fn delete_documentation_version(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteDocumentationVersionInput,
) -> Result<api::DeleteDocumentationVersionOutput, Error> {
    run(gateway, cx, &input.rest_api_id, Change::DeleteVersion(input.documentation_version)).await?;
    Ok(api::DeleteDocumentationVersionOutput {})
}

/// What a document says of its API's documentation, unless it is to be ignored.
pub fn of_import(
    body: &[u8],
    parameters: Option<&std::collections::BTreeMap<String, String>>,
) -> Result<Vec<Part>, Error> {
    let ignored = parameters.and_then(|all| all.get("ignore")).is_some_and(|what| what == "documentation");
    match ignored {
        true => Ok(Vec::new()),
        false => documentation::read(&openapi::parsed(body)?),
    }
}
