//! Imports and exports: OpenAPI 2 and 3 with API Gateway's extensions, in JSON or YAML.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html>

mod export;
mod export_methods;
mod methods;
mod security;
#[cfg(test)]
mod tests;
pub mod yaml;

use std::collections::BTreeMap;

use ropeway_wire::Error;
use serde_json::{Map, Value as Json};

use crate::commands::{self, MAX_TAGS, Moment};
use crate::errors::{bad, unimplemented};
use crate::model::{Definition, GatewayResponse, Model, Settings, Texts, Validator};
pub use export::{Exported, Form, IAM_SCHEME, export, object, texts as texts_of};
pub use methods::ANY as ANY_METHOD;
use security::Schemes;

/// Extensions at the root that are read.
const EXTENSIONS: [&str; 10] = [
    "x-amazon-apigateway-api-key-source",
    "x-amazon-apigateway-binary-media-types",
    crate::documentation::EXTENSION,
    "x-amazon-apigateway-endpoint-configuration",
    "x-amazon-apigateway-gateway-responses",
    "x-amazon-apigateway-importexport-version",
    "x-amazon-apigateway-minimum-compression-size",
    "x-amazon-apigateway-policy",
    "x-amazon-apigateway-request-validator",
    "x-amazon-apigateway-request-validators",
];

/// What an import makes of the document's base path:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-import-api-basePath.html>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BasePath {
    /// nothing
    Ignore,
    /// all paths begin with it
    Prepend,
    /// all paths begin with what is behind its first part
    Split,
}

/// A document being read.
pub struct Document<'a> {
    root: &'a Map<String, Json>,
    /// It is OpenAPI 3.
    third: bool,
    schemes: Schemes,
    /// Ids of the validators by name.
    validators: BTreeMap<String, String>,
    moment: &'a Moment<'a>,
}

/// A member; null if it is not there.
pub fn member<'j>(object: &'j Json, name: &str) -> &'j Json {
    object.get(name).unwrap_or(&Json::Null)
}

/// A text, or the JSON of any other scalar.
pub fn text(json: &Json) -> Option<String> {
    match json {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The texts of an object.
pub fn texts(json: &Json) -> Texts {
    let members = json.as_object().into_iter().flatten();
    members.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
}

/// The members of an object.
pub fn members(json: &Json) -> impl Iterator<Item = (&String, &Json)> {
    json.as_object().into_iter().flatten()
}

/// Adds what a document says to a definition and settings: to what is there (merge), or to nothing (overwrite).
///
/// # Errors
/// `BadRequestException` for what is no such document, and by name for what isn't implemented.
pub fn read(
    body: &[u8],
    definition: &mut Definition,
    settings: &mut Settings,
    base: BasePath,
    moment: &Moment<'_>,
) -> Result<(), Error> {
    let json = parsed(body)?;
    let Json::Object(root) = &json else { return Err(bad("Invalid OpenAPI input.")) };
    let third = match (root.get("swagger").and_then(text), root.get("openapi").and_then(text)) {
        (Some(version), None) if version == "2.0" => false,
        (None, Some(version)) if version.starts_with("3.0") || version.starts_with("3.1") => true,
        _ => return Err(bad("Invalid OpenAPI input. Only OpenAPI 2.0 and 3.0 are supported.")),
    };
    let unknown = root
        .keys()
        .find(|name| name.starts_with("x-amazon-apigateway-") && !EXTENSIONS.contains(&name.as_str()));
    if let Some(unknown) = unknown {
        return Err(unimplemented(&format!("The extension {unknown}")));
    }
    about(&json, definition, settings)?;
    tags(&json, settings)?;
    models(&json, third, definition, moment)?;
    gateway_responses(&json, definition);
    let schemes = security::schemes(&json, third, definition, moment)?;
    let validators = validators(&json, definition, moment);
    let document = Document { root, third, schemes, validators, moment };
    let paths = document.root.get("paths").cloned().unwrap_or_default();
    let before = base_path(&json, third, base);
    for (path, item) in members(&paths) {
        if !path.starts_with('/') {
            return Err(bad(format!("Invalid OpenAPI input. The path {path} does not begin with a slash.")));
        }
        methods::path(&document, definition, &format!("{before}{path}"), item)?;
    }
    commands::check_definition(definition)
}

/// The document, which is JSON or YAML.
pub fn parsed(body: &[u8]) -> Result<Json, Error> {
    let invalid = |why: String| bad(format!("Invalid OpenAPI input. Unable to parse the document: {why}"));
    let text = std::str::from_utf8(body).map_err(|why| invalid(why.to_string()))?;
    match serde_json::from_str(text) {
        Ok(json) => Ok(json),
        Err(why) if text.trim_start().starts_with(['{', '[']) => Err(invalid(why.to_string())),
        Err(_) => yaml::read(text).map_err(invalid),
    }
}

/// What all paths begin with.
pub fn base_path(json: &Json, third: bool, base: BasePath) -> String {
    let given = if third { base_of_servers(member(json, "servers")) } else { text(member(json, "basePath")) };
    let given = given.unwrap_or_default();
    let parts: Vec<&str> = given.split('/').filter(|part| !part.is_empty()).collect();
    let kept = match base {
        BasePath::Ignore => &[],
        BasePath::Prepend => parts.as_slice(),
        BasePath::Split => parts.get(1..).unwrap_or_default(),
    };
    kept.iter().map(|part| format!("/{part}")).collect()
}

/// The first server variable `basePath`; without any, the path of the first server's address.
fn base_of_servers(servers: &Json) -> Option<String> {
    let servers = servers.as_array()?;
    let variable = |server: &Json| text(member(member(member(server, "variables"), "basePath"), "default"));
    servers.iter().find_map(variable).or_else(|| {
        let url = text(member(servers.first()?, "url"))?;
        let behind = url.split_once("://").map_or(url.as_str(), |(_, behind)| behind);
        Some(behind.split_once('/')?.1.to_owned())
    })
}

/// Tags whose values an extension gives:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-tag-value.html>.
fn tags(json: &Json, settings: &mut Settings) -> Result<(), Error> {
    for tag in member(json, "tags").as_array().into_iter().flatten() {
        let (name, value) = (text(member(tag, "name")), text(member(tag, "x-amazon-apigateway-tag-value")));
        let (Some(name), Some(value)) = (name, value) else { continue };
        if name.is_empty() || name.len() > 128 || value.len() > 256 || name.starts_with("aws:") {
            return Err(bad(format!("Invalid tag key or value: {name}")));
        }
        settings.tags.insert(name, value);
    }
    match settings.tags.len() > MAX_TAGS {
        true => Err(bad(format!("The number of tags exceeds the limit of {MAX_TAGS}"))),
        false => Ok(()),
    }
}

/// What the document says of the API as a whole.
fn about(json: &Json, definition: &mut Definition, settings: &mut Settings) -> Result<(), Error> {
    let info = member(json, "info");
    if let Some(title) = text(member(info, "title")) {
        settings.name = title;
    }
    settings.description = text(member(info, "description")).or(settings.description.take());
    settings.version = text(member(info, "version")).or(settings.version.take());
    if definition.api_key_source.is_empty() {
        definition.api_key_source = "HEADER".to_owned();
    }
    if let Some(source) = text(member(json, "x-amazon-apigateway-api-key-source")) {
        match source.as_str() {
            "HEADER" | "AUTHORIZER" => definition.api_key_source = source,
            _ => return Err(bad("Invalid API key source, must be HEADER or AUTHORIZER")),
        }
    }
    if let Json::Array(types) = member(json, "x-amazon-apigateway-binary-media-types") {
        definition.binary_media_types = types.iter().filter_map(text).collect();
    }
    if let Some(size) = member(json, "x-amazon-apigateway-minimum-compression-size").as_i64() {
        definition.minimum_compression = Some(commands::compression(size)?);
    }
    let policy = member(json, "x-amazon-apigateway-policy");
    if policy.is_object() {
        commands::check_policy(&policy.to_string())?;
        definition.policy = Some(policy.to_string());
    }
    let endpoint = member(json, "x-amazon-apigateway-endpoint-configuration");
    if !member(endpoint, "vpcEndpointIds").is_null() {
        return Err(unimplemented("vpcEndpointIds"));
    }
    if let Some(disabled) = member(endpoint, "disableExecuteApiEndpoint").as_bool() {
        settings.disable_endpoint = disabled;
    }
    Ok(())
}

/// The schema's own definitions become models: what it refers to is another model's address.
fn models(json: &Json, third: bool, definition: &mut Definition, moment: &Moment<'_>) -> Result<(), Error> {
    let all = match third {
        true => member(member(json, "components"), "schemas"),
        false => member(json, "definitions"),
    };
    for (name, schema) in members(all) {
        let model = Model {
            id: moment.id(6),
            description: text(member(schema, "description")),
            schema: Some(with_addresses(schema, third)),
            content_type: "application/json".to_owned(),
        };
        definition.models.insert(name.clone(), model);
    }
    Ok(())
}

/// Where a document of a version has its models.
pub fn models_at(third: bool) -> &'static str {
    if third { "#/components/schemas/" } else { "#/definitions/" }
}

/// A schema whose references are models' addresses.
fn with_addresses(schema: &Json, third: bool) -> String {
    let address = "\"https://apigateway.amazonaws.com/restapis/this/models/";
    schema.to_string().replace(&format!("\"{}", models_at(third)), address)
}

impl Document<'_> {
    /// A schema as a model has it.
    fn schema(&self, schema: &Json) -> String {
        with_addresses(schema, self.third)
    }
}

fn gateway_responses(json: &Json, definition: &mut Definition) {
    for (kind, said) in members(member(json, "x-amazon-apigateway-gateway-responses")) {
        let response = GatewayResponse {
            status: text(member(said, "statusCode")),
            parameters: texts(member(said, "responseParameters")),
            templates: texts(member(said, "responseTemplates")),
        };
        definition.gateway_responses.insert(kind.clone(), response);
    }
}

/// Validators by name, with ids of their own: one of a name that is there keeps its id.
fn validators(json: &Json, definition: &mut Definition, moment: &Moment<'_>) -> BTreeMap<String, String> {
    for (name, said) in members(member(json, "x-amazon-apigateway-request-validators")) {
        let known = definition.validators.iter().find(|(_, one)| one.name.as_ref() == Some(name));
        let id = known.map_or_else(|| moment.id(6), |(id, _)| id.clone());
        let validator = Validator {
            name: Some(name.clone()),
            body: member(said, "validateRequestBody") == &Json::Bool(true),
            parameters: member(said, "validateRequestParameters") == &Json::Bool(true),
        };
        definition.validators.insert(id, validator);
    }
    let named = definition.validators.iter();
    named.filter_map(|(id, validator)| Some((validator.name.clone()?, id.clone()))).collect()
}
