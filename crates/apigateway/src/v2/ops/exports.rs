//! ExportApi.

use bytes::Bytes;
use ropeway_api::apigatewayv2 as api;
use ropeway_wire::{Cx, Error};

use super::ApiGateway;
use crate::openapi::yaml;
use crate::ops::{instant, named};
use crate::v2::errors::{bad, no_stage};
use crate::v2::export::{Exported, export};
use crate::v2::render;

pub async fn export_api(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::ExportApiInput,
) -> Result<api::ExportApiOutput, Error> {
    if input.specification != "OAS30" {
        return Err(bad("Invalid specification: it must be OAS30"));
    }
    // The one version of the export that there is:
    // <https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-exports-specification.html>.
    if input.export_version.as_deref().is_some_and(|version| version != "1.0") {
        return Err(bad("Invalid exportVersion: it must be 1.0"));
    }
    let api = gateway.own_http(cx, &input.api_id).await?;
    let stage = input.stage_name.as_deref();
    let (definition, made) = match stage {
        None => (api.definition, cx.now),
        Some(name) => {
            let found = api.stages.get(name).ok_or_else(no_stage)?;
            let deployment = found.deployment.as_ref();
            let deployment = deployment.ok_or_else(|| bad("The stage has no deployment"))?;
            let made = api.deployments.get(deployment).map_or(api.created, |(one, _)| one.created);
            let name = named(cx, &input.api_id);
            (gateway.http_snapshot(&cx.trace, &name, deployment).await?, made)
        }
    };
    let document = export(&Exported {
        settings: &api.settings,
        definition: &definition,
        version: instant(made),
        endpoint: render::endpoint(&cx.endpoint, &api.name.id, &cx.region),
        stage,
        extensions: input.include_extensions.unwrap_or(true),
    })?;
    let body = match input.output_type.as_str() {
        "JSON" => format!("{document:#}"),
        "YAML" => yaml::write(&document),
        _ => return Err(bad("Invalid outputType: it must be JSON or YAML")),
    };
    Ok(api::ExportApiOutput { body: Some(Bytes::from(body)) })
}
