//! Imports: OpenAPI 2 and 3 with API Gateway's extensions.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html>

mod methods;
mod security;

use std::collections::BTreeMap;

use ropeway_wire::Error;
use serde_json::{Map, Value as Json};

use crate::commands::{self, Moment};
use crate::errors::{bad, unimplemented};
use crate::model::{Definition, GatewayResponse, Model, Settings, Texts, Validator};
use security::Schemes;

/// Extensions at the root that are read.
const EXTENSIONS: [&str; 9] = [
    "x-amazon-apigateway-api-key-source",
    "x-amazon-apigateway-binary-media-types",
    "x-amazon-apigateway-endpoint-configuration",
    "x-amazon-apigateway-gateway-responses",
    "x-amazon-apigateway-importexport-version",
    "x-amazon-apigateway-minimum-compression-size",
    "x-amazon-apigateway-policy",
    "x-amazon-apigateway-request-validator",
    "x-amazon-apigateway-request-validators",
];

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
    moment: &Moment<'_>,
) -> Result<(), Error> {
    let json: Json = serde_json::from_slice(body).map_err(|why| {
        bad(format!(
            "Invalid OpenAPI input. Unable to parse the document as JSON ({why}); YAML is not implemented."
        ))
    })?;
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
    models(&json, third, definition, moment)?;
    gateway_responses(&json, definition);
    let schemes = security::schemes(&json, third, definition, moment)?;
    let validators = validators(&json, definition, moment);
    let document = Document { root, third, schemes, validators, moment };
    let paths = document.root.get("paths").cloned().unwrap_or_default();
    for (path, item) in members(&paths) {
        methods::path(&document, definition, path, item)?;
    }
    commands::check_definition(definition)
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
    let (all, prefix) = match third {
        true => (member(member(json, "components"), "schemas"), "\"#/components/schemas/"),
        false => (member(json, "definitions"), "\"#/definitions/"),
    };
    for (name, schema) in members(all) {
        let address = "\"https://apigateway.amazonaws.com/restapis/this/models/";
        let model = Model {
            id: moment.id(6),
            description: text(member(schema, "description")),
            schema: Some(schema.to_string().replace(prefix, address)),
            content_type: "application/json".to_owned(),
        };
        definition.models.insert(name.clone(), model);
    }
    Ok(())
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
