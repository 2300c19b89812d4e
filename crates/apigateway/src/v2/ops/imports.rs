//! ImportApi, ReimportApi.

use ropeway_api::apigatewayv2 as api;
use ropeway_wire::{Cx, Error};

use super::{ApiGateway, apis, pass_role};
use crate::commands::Moment;
use crate::openapi::BasePath;
use crate::ops::check_tags;
use crate::v2::changes::Change;
use crate::v2::errors::bad;
use crate::v2::model::{Definition, Settings};
use crate::v2::openapi;
use crate::v2::parts::ApiPart;
use crate::v2::render::api_output;

/// Bytes of a document: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>.
const MAX_DOCUMENT: usize = 6 * 1024 * 1024;

/// Reads a document: what it says of the API, and of all that is in it.
fn imported(
    gateway: &ApiGateway,
    cx: &Cx,
    body: &str,
    base: Option<&str>,
) -> Result<(Settings, Definition), Error> {
    if body.len() > MAX_DOCUMENT {
        return Err(bad("Invalid OpenAPI input. The document is larger than 6 MB."));
    }
    let base = match base {
        None | Some("ignore") => BasePath::Ignore,
        Some("prepend") => BasePath::Prepend,
        Some("split") => BasePath::Split,
        Some(other) => return Err(bad(format!("Invalid basepath {other}"))),
    };
    let moment = Moment { now: cx.now, ids: gateway.core.ids() };
    let mut settings = apis::new_settings();
    let definition = openapi::read(body, base, &mut settings, &moment)?;
    check_tags(cx, &settings.tags)?;
    // Roles that a document names are handed to API Gateway by whoever imports it.
    let of_integrations = definition.integrations.values().map(|one| one.credentials.as_deref());
    let of_authorizers = definition.authorizers.values().map(|one| one.credentials.as_deref());
    of_integrations.chain(of_authorizers).try_for_each(|role| pass_role(cx, role))?;
    Ok((settings, definition))
}

/// What a document says of the API itself.
fn part(settings: &Settings) -> Change {
    Change::Api(Box::new(ApiPart {
        name: Some(settings.name.clone()),
        description: settings.description.clone(),
        version: settings.version.clone(),
        ..ApiPart::default()
    }))
}

pub async fn import_api(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::ImportApiInput,
) -> Result<api::ImportApiOutput, Error> {
    let (settings, definition) = imported(gateway, cx, &input.body, input.basepath.as_deref())?;
    let changes = vec![part(&settings), Change::Import(Box::new(definition))];
    Ok(api_output!(ImportApiOutput, cx, apis::create(gateway, cx, settings, changes).await?))
}

pub async fn reimport_api(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::ReimportApiInput,
) -> Result<api::ReimportApiOutput, Error> {
    let (settings, definition) = imported(gateway, cx, &input.body, input.basepath.as_deref())?;
    gateway.change_http(cx, &input.api_id, part(&settings)).await?;
    if !settings.tags.is_empty() {
        gateway.change_http(cx, &input.api_id, Change::Tags(None, settings.tags, Vec::new())).await?;
    }
    let (api, _) = gateway.change_http(cx, &input.api_id, Change::Import(Box::new(definition))).await?;
    Ok(api_output!(ReimportApiOutput, cx, api))
}
