//! Exports: a deployment as an OpenAPI document.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-export-api.html>

use std::collections::BTreeMap;

use ropeway_wire::Error;
use serde_json::{Map, Value as Json, json};

use super::export_methods::operation;
use super::models_at;
use crate::errors::bad;
use crate::model::{Authorizer, Definition, Settings, Texts};

/// The scheme of methods that want an API key.
pub const KEY_SCHEME: &str = "api_key";
/// The scheme of methods with IAM authorisation.
pub const IAM_SCHEME: &str = "sigv4";

/// What a document is to be like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Form {
    /// OpenAPI 3.0; 2.0 otherwise
    pub third: bool,
    /// with `x-amazon-apigateway-integration`
    pub integrations: bool,
    /// with `x-amazon-apigateway-authorizer`
    pub authorizers: bool,
    /// with all the other extensions
    pub others: bool,
    /// with the parts of the documentation
    pub documentation: bool,
}

/// What is exported.
pub struct Exported<'a> {
    /// What is set for the API.
    pub settings: &'a Settings,
    /// What the deployment froze.
    pub definition: &'a Definition,
    /// The version, for an API that has none.
    pub version: String,
    /// `http` or `https`
    pub scheme: &'a str,
    /// The API's host, with its port.
    pub host: String,
    /// The stage.
    pub stage: &'a str,
}

/// A map without what has no value.
pub fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    let is_there = |value: &Json| match value {
        Json::Null => false,
        Json::Object(members) => !members.is_empty(),
        Json::Array(items) => !items.is_empty(),
        _ => true,
    };
    let members = members.into_iter().filter(|(_, value)| is_there(value));
    Json::Object(members.map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Names of request validators by their ids; one that shares its name, or has none, goes by its id.
pub fn validator_names(definition: &Definition) -> BTreeMap<&str, &str> {
    let all = &definition.validators;
    let goes_by =
        |name: &str| all.iter().filter(|(id, one)| one.name.as_deref() == Some(name) || *id == name).count();
    let own =
        all.iter().map(|(id, one)| (id.as_str(), one.name.as_deref().filter(|name| goes_by(name) == 1)));
    own.map(|(id, name)| (id, name.unwrap_or(id))).collect()
}

/// The document.
///
/// # Errors
/// `BadRequestException` for what OpenAPI cannot say.
pub fn export(from: &Exported<'_>, form: Form) -> Result<Json, Error> {
    let definition = from.definition;
    let mut root = Map::new();
    let mut put = |name: &str, value: Json| root.insert(name.to_owned(), value);
    let (name, version) = if form.third { ("openapi", "3.0.1") } else { ("swagger", "2.0") };
    put(name, version.into());
    put("info", info(from));
    let base = format!("/{}", from.stage);
    let (schemes, models) = (schemes(definition, form), models(definition, form)?);
    if form.third {
        let url = format!("{}://{}/{{basePath}}", from.scheme, from.host);
        put("servers", json!([{ "url": url, "variables": { "basePath": { "default": base } } }]));
        put("paths", paths(definition, form)?);
        put("components", object([("schemas", models), ("securitySchemes", schemes)]));
    } else {
        put("host", from.host.clone().into());
        put("basePath", base.into());
        put("schemes", json!([from.scheme]));
        put("paths", paths(definition, form)?);
        put("securityDefinitions", schemes);
        put("definitions", models);
    }
    if form.others {
        extensions(from, &mut root);
    }
    root.retain(|name, value| name == "paths" || !value.as_object().is_some_and(Map::is_empty));
    Ok(Json::Object(root))
}

fn info(from: &Exported<'_>) -> Json {
    object([
        ("title", from.settings.name.clone().into()),
        ("description", from.settings.description.clone().into()),
        ("version", from.settings.version.clone().unwrap_or_else(|| from.version.clone()).into()),
    ])
}

/// The paths in their order, with their methods.
fn paths(definition: &Definition, form: Form) -> Result<Json, Error> {
    let mut paths = BTreeMap::new();
    for (id, resource) in &definition.resources {
        // A place without methods is there by what is below it.
        let is_there = resource.parent.is_none() || definition.children(id).next().is_some();
        if resource.methods.is_empty() && is_there {
            continue;
        }
        let mut item = Map::new();
        for (verb, method) in &resource.methods {
            let name = if verb == "ANY" { super::methods::ANY.to_owned() } else { verb.to_ascii_lowercase() };
            item.insert(name, operation(definition, method, form)?);
        }
        paths.insert(definition.path(id), Json::Object(item));
    }
    Ok(paths.into_iter().collect())
}

/// What the document says of the API as a whole, in words of API Gateway's own.
fn extensions(from: &Exported<'_>, root: &mut Map<String, Json>) {
    let definition = from.definition;
    let mut put = |name: &str, value: Json| root.insert(format!("x-amazon-apigateway-{name}"), value);
    if definition.api_key_source != "HEADER" {
        put("api-key-source", definition.api_key_source.clone().into());
    }
    if !definition.binary_media_types.is_empty() {
        put("binary-media-types", json!(definition.binary_media_types));
    }
    if let Some(size) = definition.minimum_compression {
        put("minimum-compression-size", size.into());
    }
    if from.settings.disable_endpoint {
        put("endpoint-configuration", json!({ "disableExecuteApiEndpoint": true }));
    }
    let policy = definition.policy.as_deref().and_then(|policy| serde_json::from_str(policy).ok());
    policy.map(|policy: Json| put("policy", policy));
    let names = validator_names(definition);
    let validators = definition.validators.iter().map(|(id, one)| {
        let said = json!({ "validateRequestBody": one.body, "validateRequestParameters": one.parameters });
        (names.get(id.as_str()).copied().unwrap_or(id).to_owned(), said)
    });
    put("request-validators", Json::Object(validators.collect()));
    let responses = definition.gateway_responses.iter().map(|(kind, one)| {
        let said = object([
            ("statusCode", one.status.clone().into()),
            ("responseParameters", texts(&one.parameters)),
            ("responseTemplates", texts(&one.templates)),
        ]);
        (kind.clone(), said)
    });
    put("gateway-responses", Json::Object(responses.collect()));
}

/// An object of texts.
pub fn texts(texts: &Texts) -> Json {
    texts.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The security schemes: those of authorisers, and the two that methods use.
fn schemes(definition: &Definition, form: Form) -> Json {
    let mut out = Map::new();
    let header = |name: &str, kind: Option<&str>, authorizer: Json| {
        object([
            ("type", "apiKey".into()),
            ("name", name.into()),
            ("in", "header".into()),
            ("x-amazon-apigateway-authtype", kind.into()),
            ("x-amazon-apigateway-authorizer", authorizer),
        ])
    };
    let mut methods = definition.resources.values().flat_map(|resource| resource.methods.values());
    if methods.clone().any(|method| method.api_key_required) {
        out.insert(KEY_SCHEME.to_owned(), header("x-api-key", None, Json::Null));
    }
    if methods.any(|method| method.authorization_type == "AWS_IAM") {
        out.insert(IAM_SCHEME.to_owned(), header("Authorization", Some("awsSigv4"), Json::Null));
    }
    for one in definition.authorizers.values() {
        let source = one.identity_source.as_deref().filter(|_| one.kind == "TOKEN");
        let name =
            source.and_then(|source| source.strip_prefix("method.request.header.")).unwrap_or("Unused");
        let extension = if form.authorizers { authorizer(one) } else { Json::Null };
        let kind = one.auth_type.as_deref().unwrap_or("custom");
        out.insert(one.name.clone(), header(name, Some(kind), extension));
    }
    Json::Object(out)
}

fn authorizer(of: &Authorizer) -> Json {
    object([
        ("type", of.kind.to_ascii_lowercase().into()),
        ("authorizerUri", of.uri.clone().into()),
        ("authorizerCredentials", of.credentials.clone().into()),
        ("identitySource", of.identity_source.clone().into()),
        ("identityValidationExpression", of.validation.clone().into()),
        ("authorizerResultTtlInSeconds", of.ttl_secs.into()),
    ])
}

/// The models, as schemas of the document. A model that is no JSON has no place in one.
fn models(definition: &Definition, form: Form) -> Result<Json, Error> {
    let mut out = Map::new();
    for (name, model) in
        definition.models.iter().filter(|(_, model)| model.content_type == "application/json")
    {
        let schema = model.schema.as_deref().unwrap_or("{}");
        let mut schema: Json =
            serde_json::from_str(schema).map_err(|why| bad(format!("The model {name}: {why}")))?;
        refer(&mut schema, models_at(form.third));
        if let (Some(description), Json::Object(members)) = (&model.description, &mut schema) {
            members.entry("description").or_insert_with(|| description.clone().into());
        }
        out.insert(name.clone(), schema);
    }
    Ok(Json::Object(out))
}

/// Has references name models by their place in the document.
fn refer(schema: &mut Json, place: &str) {
    match schema {
        Json::Object(members) => {
            for (name, member) in members {
                match member {
                    Json::String(text) if name == "$ref" => {
                        let address = text.strip_prefix("https://apigateway.amazonaws.com/restapis/");
                        if let Some((_, model)) = address.and_then(|address| address.split_once("/models/")) {
                            *text = format!("{place}{model}");
                        }
                    }
                    other => refer(other, place),
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| refer(item, place)),
        _ => {}
    }
}
