//! Paths and their operations.

use std::collections::BTreeMap;

use ropeway_wire::Error;
use serde_json::Value as Json;

use super::security::secure;
use super::{Document, member, members, text, texts};
use crate::commands::{self, TIMEOUT};
use crate::errors::{bad, unimplemented};
use crate::model::{Definition, Integration, IntegrationResponse, Method, MethodResponse, Model};

/// The extension that stands for every verb.
pub const ANY: &str = "x-amazon-apigateway-any-method";
/// What the names of models begin with whose schemas stand where they are used.
const INLINE: &str = "MODEL";

/// Models by name.
type Models = BTreeMap<String, Model>;

/// Extensions of operations that are read.
const EXTENSIONS: [&str; 3] =
    ["x-amazon-apigateway-auth", "x-amazon-apigateway-integration", "x-amazon-apigateway-request-validator"];

/// Adds a path with its operations.
pub fn path(
    document: &Document<'_>,
    definition: &mut Definition,
    path: &str,
    item: &Json,
) -> Result<(), Error> {
    let resource = commands::resource_of(definition, path, document.moment)?;
    for (verb, operation) in members(item) {
        let verb = match verb.as_str() {
            ANY => "ANY".to_owned(),
            "get" | "put" | "post" | "delete" | "options" | "head" | "patch" => verb.to_ascii_uppercase(),
            name if name.starts_with("x-amazon-apigateway-") => {
                return Err(unimplemented(&format!("The extension {name}")));
            }
            _ => continue,
        };
        let mut method = method(document, &mut definition.models, (item, operation), path, &verb)?;
        if let Some(integration) = &mut method.integration {
            integration.namespace.clone_from(&resource);
        }
        if let Some(found) = definition.resources.get_mut(&resource) {
            found.methods.insert(verb, method);
        }
    }
    Ok(())
}

/// What a reference within the document stands for.
fn resolved<'d>(document: &'d Document<'_>, json: &'d Json) -> &'d Json {
    let reference = member(json, "$ref").as_str().and_then(|reference| reference.strip_prefix("#/"));
    let Some(reference) = reference else { return json };
    let mut names = reference.split('/').map(|name| name.replace("~1", "/").replace("~0", "~"));
    let first = names.next().and_then(|name| document.root.get(&name));
    names.try_fold(first.unwrap_or(&Json::Null), |at, name| at.get(&name)).unwrap_or(&Json::Null)
}

fn method(
    document: &Document<'_>,
    models: &mut Models,
    (item, operation): (&Json, &Json),
    path: &str,
    verb: &str,
) -> Result<Method, Error> {
    let unknown = members(operation)
        .map(|(name, _)| name)
        .find(|name| name.starts_with("x-amazon-apigateway-") && !EXTENSIONS.contains(&name.as_str()));
    if let Some(unknown) = unknown {
        return Err(unimplemented(&format!("The extension {unknown} of {verb} {path}")));
    }
    let mut method = Method {
        authorization_type: "NONE".to_owned(),
        operation_name: text(member(operation, "operationId")),
        ..Method::default()
    };
    let consumed = types(document, operation, "consumes");
    for parameters in [member(item, "parameters"), member(operation, "parameters")] {
        for parameter in parameters.as_array().into_iter().flatten() {
            let parameter = resolved(document, parameter);
            if member(parameter, "in") == "body" {
                let model = model_of(document, models, member(parameter, "schema"));
                let model = model
                    .into_iter()
                    .flat_map(|model| consumed.iter().map(move |kind| (kind.clone(), model.clone())));
                method.request_models.extend(model);
            } else {
                add_parameter(&mut method, parameter);
            }
        }
    }
    let body = resolved(document, member(operation, "requestBody"));
    for (kind, content) in members(member(body, "content")) {
        if let Some(model) = model_of(document, models, member(content, "schema")) {
            method.request_models.insert(kind.clone(), model);
        }
    }
    let security = operation.get("security").or_else(|| document.root.get("security"));
    secure(&document.schemes, security.unwrap_or(&Json::Null), &mut method);
    if let Some("AWS_IAM") = member(member(operation, "x-amazon-apigateway-auth"), "type").as_str() {
        method.authorization_type = "AWS_IAM".to_owned();
    }
    let extension = "x-amazon-apigateway-request-validator";
    if let Some(name) = operation.get(extension).or_else(|| document.root.get(extension)).and_then(text) {
        let id = document.validators.get(&name);
        let unknown = || bad(format!("Invalid OpenAPI input. There is no request validator {name}."));
        method.request_validator_id = Some(id.ok_or_else(unknown)?.clone());
    }
    for (status, said) in members(member(operation, "responses")) {
        // What `default` declares has no status.
        if status.parse::<u16>().is_ok() {
            let response = response(document, models, operation, resolved(document, said));
            method.responses.insert(status.clone(), response);
        }
    }
    let given = member(operation, "x-amazon-apigateway-integration");
    if given.is_object() {
        method.integration = Some(integration(given)?);
    }
    Ok(method)
}

fn add_parameter(method: &mut Method, parameter: &Json) {
    let (place, name) =
        (member(parameter, "in").as_str(), text(member(parameter, "name")).unwrap_or_default());
    let place = match place {
        Some("path") => "path",
        Some("query") => "querystring",
        Some("header") => "header",
        _ => return,
    };
    let required = member(parameter, "required") == &Json::Bool(true);
    method.request_parameters.insert(format!("method.request.{place}.{name}"), required);
}

/// Content types that Swagger 2 names for an operation, or for all; JSON where it names none.
fn types(document: &Document<'_>, operation: &Json, name: &str) -> Vec<String> {
    let named = operation.get(name).or_else(|| document.root.get(name)).and_then(Json::as_array);
    let named: Vec<String> = named.into_iter().flatten().filter_map(text).collect();
    if named.is_empty() { vec!["application/json".to_owned()] } else { named }
}

/// The model that a schema refers to. A schema that stands where it is used becomes a model of its own.
fn model_of(document: &Document<'_>, models: &mut Models, schema: &Json) -> Option<String> {
    if let Some(reference) = member(schema, "$ref").as_str() {
        return Some(reference.rsplit('/').next()?.to_owned());
    }
    if !schema.is_object() {
        return None;
    }
    let schema = Some(document.schema(schema));
    let known = models.iter().find(|(name, model)| name.starts_with(INLINE) && model.schema == schema);
    if let Some((name, _)) = known {
        return Some(name.clone());
    }
    let name = format!("{INLINE}{}", document.moment.id(6));
    let content_type = "application/json".to_owned();
    models.insert(name.clone(), Model { id: document.moment.id(6), description: None, schema, content_type });
    Some(name)
}

fn response(document: &Document<'_>, models: &mut Models, operation: &Json, said: &Json) -> MethodResponse {
    let headers = members(member(said, "headers"));
    let parameters = headers.map(|(name, _)| (format!("method.response.header.{name}"), false)).collect();
    let mut of_types = crate::model::Texts::new();
    if document.third {
        for (kind, content) in members(member(said, "content")) {
            let model = model_of(document, models, member(content, "schema"));
            of_types.extend(model.map(|model| (kind.clone(), model)));
        }
    } else if let Some(model) = model_of(document, models, member(said, "schema")) {
        let produced = types(document, operation, "produces").into_iter();
        of_types.extend(produced.map(|kind| (kind, model.clone())));
    }
    MethodResponse { parameters, models: of_types }
}

fn integration(given: &Json) -> Result<Integration, Error> {
    let of = |name: &str| text(member(given, name));
    for name in ["tlsConfig", "connectionId", "responseTransferMode", "integrationTarget"] {
        if !member(given, name).is_null() {
            return Err(unimplemented(&format!("{name} of an integration")));
        }
    }
    if of("connectionType").is_some_and(|kind| kind != "INTERNET") {
        return Err(unimplemented("The connection type VPC_LINK"));
    }
    if member(given, "cacheKeyParameters").as_array().is_some_and(|names| !names.is_empty()) {
        return Err(unimplemented("The caching of responses"));
    }
    let timeout = of("timeoutInMillis").map_or(Some(*TIMEOUT.end()), |millis| millis.parse().ok());
    let mut out = Integration {
        kind: of("type").unwrap_or_default().to_ascii_uppercase(),
        http_method: of("httpMethod").map(|verb| verb.to_ascii_uppercase()),
        uri: of("uri"),
        credentials: of("credentials"),
        request_parameters: texts(member(given, "requestParameters")),
        request_templates: texts(member(given, "requestTemplates")),
        passthrough: of("passthroughBehavior").map_or("WHEN_NO_MATCH".to_owned(), |p| p.to_ascii_uppercase()),
        content_handling: of("contentHandling"),
        timeout_millis: timeout.ok_or_else(|| bad("Timeout should be between 50 ms and 29000 ms"))?,
        ..Integration::default()
    };
    for (pattern, said) in members(member(given, "responses")) {
        let response = IntegrationResponse {
            selection_pattern: Some(pattern.clone()).filter(|pattern| pattern != "default"),
            parameters: texts(member(said, "responseParameters")),
            templates: texts(member(said, "responseTemplates")),
            content_handling: text(member(said, "contentHandling")),
        };
        let status = text(member(said, "statusCode")).unwrap_or_else(|| "200".to_owned());
        out.responses.insert(status, response);
    }
    Ok(out)
}
