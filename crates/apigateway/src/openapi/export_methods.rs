//! Methods as operations of an exported document.

use std::collections::BTreeSet;

use ropeway_wire::Error;
use serde_json::{Map, Value as Json, json};

use super::export::{Form, IAM_SCHEME, KEY_SCHEME, object, texts, validator_names};
use super::models_at;
use crate::errors::bad;
use crate::model::{Definition, Integration, Method, MethodResponse, Texts};

/// A method.
///
/// # Errors
/// `BadRequestException` for bodies that the version of OpenAPI cannot tell of.
pub fn operation(definition: &Definition, method: &Method, form: Form) -> Result<Json, Error> {
    let models =
        method.request_models.values().chain(method.responses.values().flat_map(|r| r.models.values()));
    let no_json =
        |name: &String| definition.models.get(name).is_none_or(|one| one.content_type != "application/json");
    if models.clone().any(no_json) {
        return Err(bad("JSON body models are not found"));
    }
    let mut parameters = parameters(method, form);
    let (mut consumes, mut produces, mut body) = (Json::Null, Json::Null, Json::Null);
    if form.third {
        body = object([("content", content(&method.request_models)), ("required", method_has_body(method))]);
    } else {
        let types =
            BTreeSet::from_iter(method.responses.values().flat_map(|response| response.models.keys()));
        produces = json!(types);
        if let Some(model) = single(&method.request_models)? {
            consumes = json!(BTreeSet::from_iter(method.request_models.keys()));
            parameters.push(
                json!({ "in": "body", "name": model, "required": true, "schema": reference(model, form) }),
            );
        }
        let partly =
            |response: &MethodResponse| !response.models.is_empty() && response.models.len() != types.len();
        if method.responses.values().any(partly) {
            return Err(no_single_model());
        }
    }
    let mut responses = Map::new();
    for (status, one) in &method.responses {
        responses.insert(status.clone(), response(status, one, form)?);
    }
    let names = validator_names(definition);
    let validator = method.request_validator_id.as_deref().filter(|_| form.others);
    let integration = method.integration.as_ref().filter(|_| form.integrations);
    Ok(object([
        ("operationId", method.operation_name.clone().into()),
        ("consumes", consumes),
        ("produces", produces),
        ("parameters", parameters.into()),
        ("requestBody", body),
        ("responses", Json::Object(responses)),
        ("security", security(definition, method)),
        ("x-amazon-apigateway-request-validator", validator.and_then(|id| names.get(id).copied()).into()),
        ("x-amazon-apigateway-integration", integration.map_or(Json::Null, integrated)),
    ]))
}

fn method_has_body(method: &Method) -> Json {
    if method.request_models.is_empty() { Json::Null } else { true.into() }
}

fn no_single_model() -> Error {
    bad("Swagger 2.0 has one schema for a body of whatever content type: export the API as oas30")
}

/// The one model of all content types.
fn single(models: &Texts) -> Result<Option<&str>, Error> {
    let all: BTreeSet<&String> = models.values().collect();
    match all.len() {
        0 | 1 => Ok(all.first().map(|model| model.as_str())),
        _ => Err(no_single_model()),
    }
}

fn reference(model: &str, form: Form) -> Json {
    json!({ "$ref": format!("{}{model}", models_at(form.third)) })
}

/// Models by content type, as OpenAPI 3 has them.
fn content(models: &Texts) -> Json {
    let form = Form { third: true, ..Form::default() };
    models.iter().map(|(kind, model)| (kind.clone(), json!({ "schema": reference(model, form) }))).collect()
}

fn parameters(method: &Method, form: Form) -> Vec<Json> {
    let one = |(name, required): (&String, &bool)| {
        let (place, name) = name.strip_prefix("method.request.")?.split_once('.')?;
        let place = if place == "querystring" { "query" } else { place };
        let string = json!({ "type": "string" });
        let (kind, schema) = if form.third { (Json::Null, string) } else { ("string".into(), Json::Null) };
        let required = Json::Bool(*required);
        let parameter = object([
            ("name", name.into()),
            ("in", place.into()),
            ("required", required),
            ("type", kind),
            ("schema", schema),
        ]);
        Some(parameter)
    };
    method.request_parameters.iter().filter_map(one).collect()
}

fn response(status: &str, of: &MethodResponse, form: Form) -> Result<Json, Error> {
    let headers = of.parameters.keys().filter_map(|name| name.strip_prefix("method.response.header."));
    let header =
        if form.third { json!({ "schema": { "type": "string" } }) } else { json!({ "type": "string" }) };
    let headers: Json = headers.map(|name| (name.to_owned(), header.clone())).collect();
    let (mut schema, mut contents) = (Json::Null, Json::Null);
    match form.third {
        true => contents = content(&of.models),
        false => schema = single(&of.models)?.map_or(Json::Null, |model| reference(model, form)),
    }
    Ok(object([
        ("description", format!("{status} response").into()),
        ("headers", headers),
        ("schema", schema),
        ("content", contents),
    ]))
}

/// Which schemes a method asks for.
fn security(definition: &Definition, method: &Method) -> Json {
    let mut out = Vec::new();
    if method.api_key_required {
        out.push(json!({ KEY_SCHEME: [] }));
    }
    if method.authorization_type == "AWS_IAM" {
        out.push(json!({ IAM_SCHEME: [] }));
    }
    let authorizer = method.authorizer_id.as_ref().and_then(|id| definition.authorizers.get(id));
    out.extend(authorizer.map(|one| json!({ &one.name: method.authorization_scopes })));
    out.into()
}

fn integrated(of: &Integration) -> Json {
    let responses = of.responses.iter().map(|(status, one)| {
        let pattern = one.selection_pattern.clone().filter(|pattern| !pattern.is_empty());
        let said = object([
            ("statusCode", status.clone().into()),
            ("responseParameters", texts(&one.parameters)),
            ("responseTemplates", texts(&one.templates)),
            ("contentHandling", one.content_handling.clone().into()),
        ]);
        (pattern.unwrap_or_else(|| "default".to_owned()), said)
    });
    object([
        ("type", of.kind.to_ascii_lowercase().into()),
        ("httpMethod", of.http_method.clone().into()),
        ("uri", of.uri.clone().into()),
        ("credentials", of.credentials.clone().into()),
        ("requestParameters", texts(&of.request_parameters)),
        ("requestTemplates", texts(&of.request_templates)),
        ("passthroughBehavior", of.passthrough.to_ascii_lowercase().into()),
        ("contentHandling", of.content_handling.clone().into()),
        ("timeoutInMillis", of.timeout_millis.into()),
        ("responses", Json::Object(responses.collect())),
    ])
}
