//! GetExport.

use std::collections::BTreeMap;

use bytes::Bytes;
use ropeway_api::apigateway as api;
use ropeway_core::Time;
use ropeway_wire::{Cx, Error};
use serde_json::Value as Json;

use super::{ApiGateway, named};
use crate::commands::DocumentationChange;
use crate::documentation;
use crate::errors::{bad, no_stage, unimplemented};
use crate::openapi::{Exported, Form, export, yaml};

/// What the query string says of an export:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-export-api.html>.
fn form(kind: &str, parameters: BTreeMap<String, String>) -> Result<Form, Error> {
    let third = match kind {
        "oas30" => true,
        "swagger" => false,
        _ => return Err(bad("The export type must be one of: [oas30, swagger]")),
    };
    let mut form = Form { third, ..Form::default() };
    for (name, value) in parameters {
        let wanted = match name.as_str() {
            "extensions" => value.split(',').map(str::trim).collect(),
            "integrations" | "authorizers" | "apigateway" | "documentation" | "postman" => {
                vec![name.as_str()]
            }
            _ => return Err(bad(format!("Invalid parameter {name}={value}"))),
        };
        for one in wanted {
            match one {
                "integrations" => form.integrations = true,
                "authorizers" => form.authorizers = true,
                "apigateway" => (form.integrations, form.authorizers, form.others) = (true, true, true),
                "documentation" => form.documentation = true,
                "postman" => return Err(unimplemented("An export with extensions for Postman")),
                _ => return Err(bad(format!("Invalid parameter {name}={value}"))),
            }
        }
    }
    Ok(form)
}

/// Whether YAML is asked for, by a media type.
fn is_yaml(accepts: &str) -> Result<bool, Error> {
    match accepts.split([',', ';']).next().unwrap_or_default().trim() {
        "application/yaml" | "application/x-yaml" => Ok(true),
        "" | "*/*" | "application/*" | "application/json" => Ok(false),
        other => Err(bad(format!("Invalid Accept header {other}: application/json or application/yaml"))),
    }
}

/// A moment, as the version of an API that has none.
pub(crate) fn instant(at: Time) -> String {
    let at = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or_default();
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub async fn get_export(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetExportInput,
) -> Result<api::GetExportOutput, Error> {
    let form = form(&input.export_type, input.parameters.unwrap_or_default())?;
    let yaml = is_yaml(input.accepts.as_deref().unwrap_or_default())?;
    let api = gateway.own(cx, &input.rest_api_id).await?;
    let stage = api.stages.get(&input.stage_name).ok_or_else(no_stage)?;
    let definition = gateway.snapshot(&cx.trace, &named(cx, &input.rest_api_id), &stage.deployment).await?;
    let made = api.deployments.get(&stage.deployment).map_or(api.created, |deployment| deployment.created);
    let version = instant(made);
    let (scheme, address) = cx.endpoint.split_once("://").unwrap_or(("https", ""));
    let port = address.rsplit_once(':').map(|(_, port)| format!(":{port}")).unwrap_or_default();
    let from = Exported {
        settings: &api.settings,
        definition: &definition,
        version: version.clone(),
        scheme,
        host: format!("{}.execute-api.{}.localhost{port}", api.name.id, cx.region),
        stage: &input.stage_name,
    };
    let mut document = export(&from, form)?;
    if let Some(version) = &stage.documentation_version {
        let change = DocumentationChange::ReadVersion(version.clone());
        let all = gateway.documentation(&cx.trace, &api.name, change).await?.all;
        documentation::fill(&mut document, &all.parts, form.third);
        if let (true, Some(found), Json::Object(root)) =
            (form.documentation, all.versions.get(version), &mut document)
        {
            let extension = documentation::extension(version, found, &all.parts);
            root.insert(documentation::EXTENSION.to_owned(), extension);
        }
    }
    let (body, kind) = match yaml {
        true => (yaml::write(&document), "yaml"),
        false => (format!("{document:#}"), "json"),
    };
    Ok(api::GetExportOutput {
        content_type: Some(format!("application/{kind}")),
        content_disposition: Some(format!("attachment; filename=\"{}_{version}.{kind}\"", input.export_type)),
        body: Some(Bytes::from(body)),
    })
}
