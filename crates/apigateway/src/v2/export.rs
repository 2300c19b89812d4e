//! Exports: an HTTP API as an OpenAPI 3 document, of which an import makes the same API.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-export.html>

use std::collections::BTreeMap;

use ropeway_wire::Error;
use serde_json::{Map, Value as Json, json};

use super::errors::bad;
use super::model::{Authorizer, Cors, DEFAULT, Definition, Integration, Route, Settings};
use super::openapi::{ANY, INTEGRATION};
use crate::openapi::{IAM_SCHEME, object, texts_of as texts};

/// What is exported.
pub struct Exported<'a> {
    /// What is set for the API.
    pub settings: &'a Settings,
    /// What the stage serves, or what the API is now.
    pub definition: &'a Definition,
    /// The version, for an API that has none.
    pub version: String,
    /// The API's address: `http://<id>.execute-api.…`
    pub endpoint: String,
    /// The stage, if it is exported.
    pub stage: Option<&'a str>,
    /// With API Gateway's extensions.
    pub extensions: bool,
}

/// The names that authorizers go by, by their ids: their own, unless something else has it.
fn scheme_names(definition: &Definition) -> BTreeMap<&str, String> {
    let all = &definition.authorizers;
    let alone = |name: &str| name != IAM_SCHEME && all.values().filter(|one| one.name == name).count() == 1;
    let name = |id: &str, one: &Authorizer| match alone(&one.name) {
        true => one.name.clone(),
        false => format!("{}-{id}", one.name),
    };
    all.iter().map(|(id, one)| (id.as_str(), name(id, one))).collect()
}

/// The document.
///
/// # Errors
/// `BadRequestException` for what OpenAPI cannot say.
pub fn export(from: &Exported<'_>) -> Result<Json, Error> {
    let definition = from.definition;
    let names = scheme_names(definition);
    let base = from.stage.filter(|stage| *stage != DEFAULT).map(|stage| format!("/{stage}"));
    let mut root = Map::new();
    let mut put = |name: &str, value: Json| root.insert(name.to_owned(), value);
    put("openapi", "3.0.1".into());
    put(
        "info",
        object([
            ("title", from.settings.name.clone().into()),
            ("description", from.settings.description.clone().into()),
            ("version", from.settings.version.as_ref().unwrap_or(&from.version).clone().into()),
        ]),
    );
    put(
        "servers",
        json!([{
            "url": format!("{}/{{basePath}}", from.endpoint),
            "variables": { "basePath": { "default": base.unwrap_or_default() } },
        }]),
    );
    put("paths", paths(from, &names)?);
    let schemes = schemes(from, &names);
    if !schemes.is_empty() {
        put("components", json!({ "securitySchemes": schemes }));
    }
    if from.extensions {
        extensions(from, &mut root);
    }
    Ok(Json::Object(root))
}

/// What the document says of the API as a whole, in words of API Gateway's own.
fn extensions(from: &Exported<'_>, root: &mut Map<String, Json>) {
    let tags = from.settings.tags.iter();
    let tags: Vec<Json> =
        tags.map(|(name, value)| json!({ "name": name, "x-amazon-apigateway-tag-value": value })).collect();
    if !tags.is_empty() {
        root.insert("tags".to_owned(), tags.into());
    }
    let mut put = |name: &str, value: Json| root.insert(format!("x-amazon-apigateway-{name}"), value);
    if let Some(cors) = &from.definition.cors {
        put("cors", self::cors(cors));
    }
    if from.definition.disable_endpoint {
        put("endpoint-configuration", json!({ "disableExecuteApiEndpoint": true }));
    }
    put("importexport-version", "1.0".into());
}

fn cors(of: &Cors) -> Json {
    object([
        ("allowCredentials", of.credentials.into()),
        ("allowHeaders", json!(of.headers)),
        ("allowMethods", json!(of.methods)),
        ("allowOrigins", json!(of.origins)),
        ("exposeHeaders", json!(of.expose)),
        ("maxAge", of.max_age.into()),
    ])
}

fn schemes(from: &Exported<'_>, names: &BTreeMap<&str, String>) -> BTreeMap<String, Json> {
    let definition = from.definition;
    let mut schemes = BTreeMap::new();
    for (id, authorizer) in &definition.authorizers {
        let Some(name) = names.get(id.as_str()) else { continue };
        schemes.insert(name.clone(), scheme(authorizer, from.extensions));
    }
    if definition.routes.values().any(|route| route.authorization == "AWS_IAM") {
        let mut scheme = json!({ "type": "apiKey", "name": "Authorization", "in": "header" });
        if let (true, Json::Object(scheme)) = (from.extensions, &mut scheme) {
            scheme.insert("x-amazon-apigateway-authtype".to_owned(), "awsSigv4".into());
        }
        schemes.insert(IAM_SCHEME.to_owned(), scheme);
    }
    schemes
}

fn scheme(of: &Authorizer, extensions: bool) -> Json {
    let jwt = of.jwt.as_ref();
    let own = object([
        ("type", if jwt.is_some() { "jwt" } else { "request" }.into()),
        ("identitySource", Json::from(of.identity.join(", "))),
        (
            "jwtConfiguration",
            jwt.map_or(Json::Null, |jwt| json!({ "issuer": jwt.issuer, "audience": jwt.audience })),
        ),
        ("authorizerUri", of.uri.clone().into()),
        ("authorizerCredentials", of.credentials.clone().into()),
        ("authorizerPayloadFormatVersion", of.payload.clone().into()),
        ("authorizerResultTtlInSeconds", of.ttl_secs.into()),
        ("enableSimpleResponses", of.simple.into()),
    ]);
    let mut scheme = match jwt {
        Some(_) => json!({ "type": "oauth2", "flows": {} }),
        None => json!({ "type": "apiKey", "name": "Unused", "in": "header" }),
    };
    if let (true, Json::Object(scheme)) = (extensions, &mut scheme) {
        scheme.insert("x-amazon-apigateway-authorizer".to_owned(), own);
    }
    scheme
}

/// The paths in their order, with their routes.
fn paths(from: &Exported<'_>, names: &BTreeMap<&str, String>) -> Result<Json, Error> {
    let mut paths: BTreeMap<String, BTreeMap<String, Json>> = BTreeMap::new();
    for route in from.definition.routes.values() {
        let (path, verb) = match route.key.split_once(' ') {
            None => (format!("/{DEFAULT}"), ANY.to_owned()),
            Some((_, path)) if path.trim_start_matches('/') == DEFAULT => {
                return Err(bad(format!("OpenAPI cannot tell the route {} from {DEFAULT}", route.key)));
            }
            Some(("ANY", path)) => (path.to_owned(), ANY.to_owned()),
            Some((verb, path)) => (path.to_owned(), verb.to_ascii_lowercase()),
        };
        paths.entry(path).or_default().insert(verb, operation(from, route, names));
    }
    Ok(paths.into_iter().map(|(path, item)| (path, json!(item))).collect())
}

fn operation(from: &Exported<'_>, route: &Route, names: &BTreeMap<&str, String>) -> Json {
    let said = format!("Default response for {}", route.key);
    let authorizer = route.authorizer.as_deref().and_then(|id| names.get(id));
    let security = match (route.authorization.as_str(), authorizer) {
        ("AWS_IAM", _) => json!([{ IAM_SCHEME: [] }]),
        ("NONE", _) | (_, None) => Json::Null,
        (_, Some(name)) => json!([{ name.as_str(): route.scopes }]),
    };
    let integration = route.integration.as_ref().filter(|_| from.extensions);
    let integration = integration.and_then(|id| from.definition.integrations.get(id));
    let is_default = from.extensions && route.key == DEFAULT;
    object([
        ("operationId", route.operation_name.clone().into()),
        ("parameters", parameters(&route.key)),
        ("responses", json!({ "default": { "description": said } })),
        ("security", security),
        ("isDefaultRoute", is_default.then_some(true).into()),
        (INTEGRATION, integration.map_or(Json::Null, self::integration)),
    ])
}

/// The variables of a route's path.
fn parameters(key: &str) -> Json {
    let names = key.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| {
            json!({
                "name": name,
                "in": "path",
                "description": format!("Generated path parameter for {name}"),
                "required": true,
                "schema": { "type": "string" },
            })
        })
        .collect()
}

fn integration(of: &Integration) -> Json {
    let responses = of.response_parameters.iter();
    let responses: Map<String, Json> =
        responses.map(|(status, parameters)| (status.clone(), texts(parameters))).collect();
    object([
        ("type", of.kind.to_ascii_lowercase().into()),
        ("integrationSubtype", of.subtype.clone().into()),
        ("httpMethod", of.method.clone().into()),
        ("uri", of.uri.clone().into()),
        ("connectionType", "INTERNET".into()),
        ("credentials", of.credentials.clone().into()),
        ("payloadFormatVersion", of.payload.clone().into()),
        ("requestParameters", texts(&of.request_parameters)),
        ("responseParameters", Json::Object(responses)),
        ("timeoutInMillis", of.timeout_millis.into()),
    ])
}
