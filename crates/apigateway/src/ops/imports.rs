//! ImportRestApi, PutRestApi.

use std::collections::BTreeMap;

use ropeway_api::apigateway as api;
use ropeway_wire::{Cx, Error};

use super::documentation::of_import;
use super::{ApiGateway, named, pass_role, rest_apis};
use crate::commands::{Change, DocumentationChange, Moment};
use crate::documentation::Part;
use crate::errors::{bad, unimplemented};
use crate::model::{Definition, Settings};
use crate::openapi::{self, BasePath};
use crate::render;

/// Bytes of a document: <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>.
const MAX_DOCUMENT: usize = 6 * 1024 * 1024;

/// What the query string says of an import.
fn parameters(given: Option<BTreeMap<String, String>>, settings: &mut Settings) -> Result<BasePath, Error> {
    let mut base = BasePath::Ignore;
    for (name, value) in given.unwrap_or_default() {
        match (name.as_str(), value.as_str()) {
            // The operation's own, which stand in the query string too.
            ("mode" | "failonwarnings", _) | ("ignore", "documentation") => {}
            ("basepath" | "basePath", "ignore") => base = BasePath::Ignore,
            ("basepath" | "basePath", "prepend") => base = BasePath::Prepend,
            ("basepath" | "basePath", "split") => base = BasePath::Split,
            ("endpointConfigurationTypes", kind @ ("EDGE" | "REGIONAL")) => {
                kind.clone_into(&mut settings.endpoint_type)
            }
            ("endpointConfigurationTypes", "PRIVATE") => {
                return Err(unimplemented("The endpoint type PRIVATE"));
            }
            _ => return Err(bad(format!("Invalid parameter {name}={value}"))),
        }
    }
    Ok(base)
}

/// Roles that a document names are handed to API Gateway by whoever imports it.
fn pass_roles(cx: &Cx, definition: &Definition) -> Result<(), Error> {
    let methods = definition.resources.values().flat_map(|resource| resource.methods.values());
    let of_methods = methods.filter_map(|method| method.integration.as_ref()?.credentials.as_deref());
    let of_authorizers = definition.authorizers.values().filter_map(|one| one.credentials.as_deref());
    of_methods.chain(of_authorizers).try_for_each(|role| pass_role(cx, role))
}

fn check_size(body: &[u8]) -> Result<(), Error> {
    match body.len() > MAX_DOCUMENT {
        true => Err(bad("Invalid OpenAPI input. The document is larger than 6 MB.")),
        false => Ok(()),
    }
}

/// Takes in what a document says of the documentation: an import that fails in between is done again whole.
async fn document(
    gateway: &ApiGateway,
    cx: &Cx,
    api: &str,
    (parts, overwrites): (Vec<Part>, bool),
) -> Result<(), Error> {
    if parts.is_empty() {
        return Ok(());
    }
    let change = DocumentationChange::Import(parts, overwrites);
    gateway.documentation(&cx.trace, &named(cx, api), change).await.map(drop)
}

pub async fn import_rest_api(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::ImportRestApiInput,
) -> Result<api::ImportRestApiOutput, Error> {
    check_size(&input.body)?;
    let mut settings = Settings {
        endpoint_type: "EDGE".to_owned(),
        ip_address_type: "ipv4".to_owned(),
        ..Settings::default()
    };
    let parts = of_import(&input.body, input.parameters.as_ref())?;
    let base = parameters(input.parameters, &mut settings)?;
    let mut definition = Definition::default();
    let moment = Moment { now: cx.now, ids: gateway.core.ids() };
    openapi::read(&input.body, &mut definition, &mut settings, base, &moment)?;
    if settings.name.is_empty() {
        return Err(bad("Invalid OpenAPI input. The document has no title."));
    }
    pass_roles(cx, &definition)?;
    let created = rest_apis::create(gateway, cx, settings, definition).await?;
    document(gateway, cx, created.id.as_deref().unwrap_or_default(), (parts, false)).await?;
    Ok(created)
}

pub async fn put_rest_api(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::PutRestApiInput,
) -> Result<api::PutRestApiOutput, Error> {
    check_size(&input.body)?;
    let before = gateway.own(cx, &input.rest_api_id).await?;
    let mut settings = before.settings.clone();
    let parts = of_import(&input.body, input.parameters.as_ref())?;
    let base = parameters(input.parameters, &mut settings)?;
    let overwrites = input.mode.as_deref() == Some("overwrite");
    let mut definition = match overwrites {
        true => {
            // The root keeps its id.
            let mut definition = Definition::default();
            definition.resources.insert(before.root.clone(), Default::default());
            definition
        }
        false => before.definition,
    };
    let moment = Moment { now: cx.now, ids: gateway.core.ids() };
    openapi::read(&input.body, &mut definition, &mut settings, base, &moment)?;
    pass_roles(cx, &definition)?;
    let change = Change::Import(Box::new(definition), Box::new(settings));
    let (api, _) = gateway.change(cx, &input.rest_api_id, change).await?;
    document(gateway, cx, &input.rest_api_id, (parts, overwrites)).await?;
    Ok(render::rest_api(&api, true))
}
