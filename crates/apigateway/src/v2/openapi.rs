//! Imports: OpenAPI 3 with API Gateway's extensions for HTTP APIs.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-open-api.html>

use std::collections::BTreeMap;

use ropeway_wire::Error;
use serde_json::Value as Json;

use super::checks::{self, VERBS};
use super::errors::{bad, unimplemented};
use super::model::{Authorizer, Cors, DEFAULT, Definition, Integration, Jwt, Route, Settings};
use crate::commands::Moment;
use crate::openapi::{BasePath, base_path, member, members, parsed, text, texts};

/// The extension that stands for every verb.
pub const ANY: &str = "x-amazon-apigateway-any-method";
/// The extension that is an integration.
pub const INTEGRATION: &str = "x-amazon-apigateway-integration";
/// Extensions at the root that are read.
const EXTENSIONS: [&str; 3] = [
    "x-amazon-apigateway-cors",
    "x-amazon-apigateway-endpoint-configuration",
    "x-amazon-apigateway-importexport-version",
];
/// Members of an integration that are read.
const MEMBERS: [&str; 11] = [
    "$ref",
    "connectionType",
    "credentials",
    "httpMethod",
    "integrationSubtype",
    "payloadFormatVersion",
    "requestParameters",
    "responseParameters",
    "timeoutInMillis",
    "type",
    "uri",
];

/// What a security scheme stands for.
enum Scheme {
    /// the signature of the request
    Iam,
    /// an authorizer's kind and id
    Authorizer(String, String),
    /// something that is not for API Gateway
    Other,
}

/// A document being read.
struct Document<'a> {
    root: &'a Json,
    schemes: BTreeMap<String, Scheme>,
    moment: &'a Moment<'a>,
}

/// Reads a document, as what is in the place of all that was there.
///
/// # Errors
/// `BadRequestException` for what is no such document, and by name for what isn't implemented.
pub fn read(
    body: &str,
    base: BasePath,
    settings: &mut Settings,
    moment: &Moment<'_>,
) -> Result<Definition, Error> {
    let root = parsed(body.as_bytes())?;
    if !text(member(&root, "openapi")).is_some_and(|version| version.starts_with("3.")) {
        return Err(bad("Invalid OpenAPI input. HTTP APIs are imported from OpenAPI 3.0 documents."));
    }
    unknown(&root, &EXTENSIONS, "the document")?;
    let mut definition = Definition::default();
    about(&root, &mut definition, settings)?;
    let schemes = schemes(&root, &mut definition, moment)?;
    let document = Document { root: &root, schemes, moment };
    let before = base_path(&root, true, base);
    for (path, item) in members(member(&root, "paths")) {
        for (verb, operation) in members(item) {
            let verb = match verb.as_str() {
                ANY => "ANY".to_owned(),
                name if VERBS.contains(&&*name.to_ascii_uppercase()) => name.to_ascii_uppercase(),
                name if name.starts_with("x-amazon-apigateway-") => {
                    return Err(unimplemented(&format!("The extension {name}")));
                }
                _ => continue,
            };
            let key = match path.trim_start_matches('/') {
                DEFAULT => DEFAULT.to_owned(),
                _ => format!("{verb} {before}{path}"),
            };
            route(&document, &mut definition, key, operation)?;
        }
    }
    checks::definition(&definition)?;
    Ok(definition)
}

/// Refuses extensions that are not read.
fn unknown(json: &Json, known: &[&str], place: &str) -> Result<(), Error> {
    let mut names = members(json).map(|(name, _)| name.as_str());
    match names.find(|name| name.starts_with("x-amazon-apigateway-") && !known.contains(name)) {
        Some(name) => Err(unimplemented(&format!("The extension {name} of {place}"))),
        None => Ok(()),
    }
}

/// What the document says of the API as a whole.
fn about(root: &Json, definition: &mut Definition, settings: &mut Settings) -> Result<(), Error> {
    let info = member(root, "info");
    settings.name = text(member(info, "title")).unwrap_or_default();
    settings.description = text(member(info, "description"));
    settings.version = text(member(info, "version"));
    for tag in member(root, "tags").as_array().into_iter().flatten() {
        let value = text(member(tag, "x-amazon-apigateway-tag-value"));
        if let (Some(name), Some(value)) = (text(member(tag, "name")), value) {
            settings.tags.insert(name, value);
        }
    }
    let endpoint = member(root, "x-amazon-apigateway-endpoint-configuration");
    if !member(endpoint, "vpcEndpointIds").is_null() {
        return Err(unimplemented("vpcEndpointIds"));
    }
    definition.disable_endpoint = member(endpoint, "disableExecuteApiEndpoint") == &Json::Bool(true);
    let cors = member(root, "x-amazon-apigateway-cors");
    if cors.is_object() {
        let list = |name: &str| Some(texts_of(member(cors, name))).filter(|list| !list.is_empty());
        definition.cors = Some(Cors {
            credentials: member(cors, "allowCredentials").as_bool(),
            headers: list("allowHeaders"),
            methods: list("allowMethods"),
            origins: list("allowOrigins"),
            expose: list("exposeHeaders"),
            max_age: number(member(cors, "maxAge")),
        });
    }
    Ok(())
}

/// A text, or a list of texts.
fn texts_of(json: &Json) -> Vec<String> {
    match json {
        Json::Array(all) => all.iter().filter_map(text).collect(),
        other => text(other).into_iter().collect(),
    }
}

/// A number, or one in a text.
fn number(json: &Json) -> Option<i64> {
    json.as_i64().or_else(|| json.as_str()?.parse().ok())
}

/// The security schemes; authorizers among them are added to the definition.
fn schemes(
    root: &Json,
    definition: &mut Definition,
    moment: &Moment<'_>,
) -> Result<BTreeMap<String, Scheme>, Error> {
    let mut out = BTreeMap::new();
    for (name, said) in members(member(member(root, "components"), "securitySchemes")) {
        let own = member(said, "x-amazon-apigateway-authorizer");
        let signed =
            text(member(said, "x-amazon-apigateway-authtype")).is_some_and(|kind| kind == "awsSigv4");
        let scheme = match own.is_object() {
            false if signed => Scheme::Iam,
            false => Scheme::Other,
            true => {
                let authorizer = authorizer(name, said, own)?;
                let (kind, id) = (authorizer.kind.clone(), moment.id(6));
                definition.authorizers.insert(id.clone(), authorizer);
                Scheme::Authorizer(kind, id)
            }
        };
        out.insert(name.clone(), scheme);
    }
    Ok(out)
}

fn authorizer(name: &str, scheme: &Json, own: &Json) -> Result<Authorizer, Error> {
    let identity = texts_of(member(own, "identitySource"));
    let identity: Vec<String> = identity
        .iter()
        .flat_map(|all| all.split(','))
        .map(|source| source.trim().to_owned())
        .filter(|source| !source.is_empty())
        .collect();
    let kind = text(member(own, "type")).unwrap_or_default();
    let jwt = member(own, "jwtConfiguration");
    match kind.as_str() {
        "jwt" => {
            // The issuer may stand in the scheme, as OpenID Connect has it.
            let of_scheme = text(member(scheme, "openIdConnectUrl"))
                .map(|url| url.trim_end_matches("/.well-known/openid-configuration").to_owned());
            let issuer = text(member(jwt, "issuer")).or(of_scheme);
            let jwt = Jwt { issuer, audience: texts_of(member(jwt, "audience")) };
            Ok(Authorizer {
                name: name.to_owned(),
                kind: "JWT".to_owned(),
                identity,
                jwt: Some(jwt),
                ..Authorizer::default()
            })
        }
        "request" => Ok(Authorizer {
            name: name.to_owned(),
            kind: "REQUEST".to_owned(),
            identity,
            uri: text(member(own, "authorizerUri")),
            credentials: text(member(own, "authorizerCredentials")),
            payload: text(member(own, "authorizerPayloadFormatVersion")),
            simple: member(own, "enableSimpleResponses").as_bool(),
            ttl_secs: number(member(own, "authorizerResultTtlInSeconds"))
                .map(|secs| u32::try_from(secs).ok().filter(|secs| *secs <= 3_600))
                .map(|secs| {
                    secs.ok_or_else(|| bad("authorizerResultTtlInSeconds must be between 0 and 3600"))
                })
                .transpose()?,
            ..Authorizer::default()
        }),
        other => Err(bad(format!("Invalid authorizer type {other} of the security scheme {name}"))),
    }
}

fn route(
    document: &Document<'_>,
    definition: &mut Definition,
    key: String,
    operation: &Json,
) -> Result<(), Error> {
    unknown(operation, &[INTEGRATION], &key)?;
    let said = resolved(document.root, member(operation, INTEGRATION));
    let integration = match said.is_object() {
        true => {
            let (integration, id) = (integration(said)?, document.moment.id(7));
            let known = definition.integrations.iter().find(|(_, one)| **one == integration);
            let known = known.map(|(id, _)| id.clone());
            Some(known.unwrap_or_else(|| {
                definition.integrations.insert(id.clone(), integration);
                id
            }))
        }
        false => None,
    };
    let mut route = Route {
        key: key.clone(),
        integration,
        authorization: "NONE".to_owned(),
        operation_name: text(member(operation, "operationId")),
        ..Route::default()
    };
    let security = operation.get("security").unwrap_or(member(document.root, "security"));
    for (name, scopes) in security.as_array().into_iter().flatten().flat_map(members) {
        match document.schemes.get(name) {
            Some(Scheme::Iam) => route.authorization = "AWS_IAM".to_owned(),
            Some(Scheme::Authorizer(kind, id)) => {
                let jwt = kind == "JWT";
                route.authorization = if jwt { "JWT" } else { "CUSTOM" }.to_owned();
                route.authorizer = Some(id.clone());
                route.scopes = if jwt { texts_of(scopes) } else { Vec::new() };
            }
            Some(Scheme::Other) => {}
            // So SAM writes that a route is open.
            None if name == "NONE" => {}
            None => return Err(bad(format!("The security scheme {name} of {key} is not defined"))),
        }
    }
    if definition.routes.values().any(|other| checks::shape(&other.key) == checks::shape(&key)) {
        return Err(bad(format!("Invalid OpenAPI input. The route {key} is defined twice.")));
    }
    definition.routes.insert(document.moment.id(7), route);
    Ok(())
}

/// What a reference within the document stands for.
fn resolved<'d>(root: &'d Json, json: &'d Json) -> &'d Json {
    let reference = member(json, "$ref").as_str().and_then(|reference| reference.strip_prefix('#'));
    reference.map_or(json, |reference| root.pointer(reference).unwrap_or(&Json::Null))
}

fn integration(said: &Json) -> Result<Integration, Error> {
    if let Some((other, _)) = members(said).find(|(name, _)| !MEMBERS.contains(&name.as_str())) {
        return Err(unimplemented(&format!("The member {other} of {INTEGRATION}")));
    }
    if text(member(said, "connectionType")).is_some_and(|kind| kind != "INTERNET") {
        return Err(unimplemented("The connection type VPC_LINK"));
    }
    let new = checks::new_integration();
    let timeout = number(member(said, "timeoutInMillis")).map(|millis| {
        let millis = u32::try_from(millis).ok().filter(|millis| (50..=new.timeout_millis).contains(millis));
        millis.ok_or_else(|| bad("timeoutInMillis must be between 50 and 30000"))
    });
    let kind = text(member(said, "type")).unwrap_or_default().to_ascii_uppercase();
    let subtype = text(member(said, "integrationSubtype"));
    // What invokes a function says so by POST; the function has no verb of its own.
    let method = text(member(said, "httpMethod")).map(|verb| verb.to_ascii_uppercase());
    let responses = members(member(said, "responseParameters"));
    Ok(Integration {
        kind,
        subtype,
        uri: text(member(said, "uri")),
        method,
        payload: text(member(said, "payloadFormatVersion")).unwrap_or(new.payload),
        credentials: text(member(said, "credentials")),
        description: None,
        request_parameters: texts(member(said, "requestParameters")),
        response_parameters: responses.map(|(status, said)| (status.clone(), texts(said))).collect(),
        timeout_millis: timeout.transpose()?.unwrap_or(new.timeout_millis),
        managed: false,
    })
}

/// Imports a document, and exports what came of it, of which an import must make the same. For the fuzzer, and for tests.
#[cfg(any(fuzzing, test))]
pub fn fuzz_import(document: &[u8]) {
    use super::export::{Exported, export};
    let Ok(document) = std::str::from_utf8(document) else { return };
    let ids = ropeway_core::Ids::seeded(1);
    let moment = Moment { now: ropeway_core::Time(0), ids: &ids };
    let once = |document: &str| {
        let mut settings = Settings::default();
        let definition = read(document, BasePath::Ignore, &mut settings, &moment)?;
        let (version, endpoint) = ("1".to_owned(), "http://localhost".to_owned());
        let (settings, definition) = (&settings, &definition);
        export(&Exported { settings, definition, version, endpoint, stage: None, extensions: true })
    };
    match once(document) {
        Err(error) => assert!((400..500).contains(&error.status), "{error:?}"),
        Ok(exported) => {
            let again = once(&exported.to_string());
            assert_eq!(again.as_ref().ok(), Some(&exported), "what is exported is imported");
        }
    }
}

#[cfg(test)]
mod tests {
    use ropeway_core::{Ids, Time};
    use serde_json::json;

    use super::*;

    fn imported(document: &Json) -> Result<Definition, Error> {
        let ids = Ids::seeded(1);
        let moment = Moment { now: Time(0), ids: &ids };
        read(&document.to_string(), BasePath::Ignore, &mut Settings::default(), &moment)
    }

    proptest::proptest! {
        #[test]
        fn what_is_exported_is_imported(paths in proptest::collection::btree_map(
            "(/([a-z]{1,3}|\\{[a-z]\\}|\\$default)){1,3}", "get|post|x-amazon-apigateway-any-method", 0..4,
        ), open in proptest::bool::ANY, name in "[a-z0-9-]{1,6}") {
            let security = if open { json!([]) } else { json!([{ name.as_str(): ["s"] }]) };
            let operation = json!({ "security": security, INTEGRATION: {
                "type": "http_proxy", "httpMethod": "GET", "uri": "http://localhost/", "timeoutInMillis": 50,
                "responseParameters": { "200": { "overwrite:statuscode": "201" } } } });
            let paths: serde_json::Map<_, _> =
                paths.into_iter().map(|(path, verb)| (path, json!({ verb: operation }))).collect();
            fuzz_import(json!({
                "openapi": "3.0.1", "info": { "title": name, "version": "1" }, "paths": paths,
                "components": { "securitySchemes": { name.as_str(): {
                    "x-amazon-apigateway-authorizer": { "type": "jwt", "identitySource": "$request.header.a",
                        "jwtConfiguration": { "issuer": "https://i", "audience": ["a"] } } } } },
            }).to_string().as_bytes());
        }

        #[test]
        fn any_document_is_taken_or_refused(document in "\\PC{0,200}") {
            fuzz_import(document.as_bytes());
        }
    }

    #[test]
    fn documents_are_read() {
        let function =
            "arn:aws:apigateway:r:lambda:path/2015-03-31/functions/arn:aws:lambda:r:a:function:f/invocations";
        let proxy = json!({ "type": "aws_proxy", "httpMethod": "POST", "uri": function, "payloadFormatVersion": "2.0" });
        let found = imported(&json!({
            "openapi": "3.0.1",
            "info": { "title": "t", "version": "1" },
            "paths": {
                "/$default": { ANY: { INTEGRATION: proxy, "isDefaultRoute": true } },
                "/pets/{id}": { "get": { INTEGRATION: proxy, "security": [{ "j": ["read"] }] } },
                "/iam": { ANY: { INTEGRATION: proxy, "security": [{ "i": [] }] } },
            },
            "components": { "securitySchemes": {
                "j": { "type": "oauth2", "x-amazon-apigateway-authorizer": {
                    "type": "jwt", "identitySource": "$request.header.Authorization",
                    "jwtConfiguration": { "issuer": "https://i", "audience": ["a"] } } },
                "i": { "type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4" },
            } },
            "x-amazon-apigateway-cors": { "allowOrigins": ["*"], "maxAge": "5" },
        }))
        .unwrap();
        let mut keys: Vec<_> =
            found.routes.values().map(|route| (route.key.as_str(), route.authorization.as_str())).collect();
        keys.sort_unstable();
        assert_eq!(keys, [("$default", "NONE"), ("ANY /iam", "AWS_IAM"), ("GET /pets/{id}", "JWT")]);
        assert_eq!(found.integrations.len(), 1);
        assert_eq!(found.cors.unwrap().max_age, Some(5));
        for wrong in [
            json!({ "swagger": "2.0" }),
            json!({ "openapi": "3.0.1", "x-amazon-apigateway-policy": {} }),
            json!({ "openapi": "3.0.1", "paths": { "/a": { "get": { "security": [{ "none": [] }] } } } }),
            json!({ "openapi": "3.0.1", "paths": { "/a": { "get": { INTEGRATION: { "type": "mock" } } } } }),
        ] {
            assert!(imported(&wrong).is_err(), "{wrong}");
        }
    }
}
