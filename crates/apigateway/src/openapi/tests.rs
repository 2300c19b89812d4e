//! Documents: what is exported is what is imported, and what imports make of documents.

use proptest::prelude::*;
use ropeway_core::{Ids, Time};
use serde_json::{Value as Json, json};

use super::{BasePath, Exported, Form, export, read, yaml};
use crate::commands::{Moment, check_definition, resource_of};
use crate::model::{
    Authorizer, Definition, GatewayResponse, Integration, IntegrationResponse, Method, MethodResponse, Model,
    Settings, Texts, Validator,
};

fn imported(document: &str, base: BasePath) -> (Definition, Settings) {
    let (mut definition, mut settings) = (Definition::default(), Settings::default());
    let ids = Ids::seeded(3);
    let moment = Moment { now: Time(0), ids: &ids };
    read(document.as_bytes(), &mut definition, &mut settings, base, &moment).unwrap();
    // As every API has it.
    resource_of(&mut definition, "/", &moment).unwrap();
    (definition, settings)
}

/// A definition as it is known by names and paths: without ids.
fn shown(definition: &Definition) -> Json {
    let json = |text: &Option<String>| text.as_ref().map(|text| serde_json::from_str::<Json>(text).unwrap());
    let validator = |id: &String| definition.validators[id].name.clone();
    let authorizer = |id: &String| definition.authorizers[id].name.clone();
    let method = |method: &Method| {
        let mut one = serde_json::to_value(method).unwrap();
        one["request_validator_id"] = json!(method.request_validator_id.as_ref().map(validator));
        one["authorizer_id"] = json!(method.authorizer_id.as_ref().map(authorizer));
        if method.integration.is_some() {
            one["integration"]["namespace"] = Json::Null;
        }
        one
    };
    let resource = |id: &String| {
        let methods = definition.resources[id].methods.iter();
        (definition.path(id), methods.map(|(verb, one)| (verb.clone(), method(one))).collect())
    };
    let model = |(name, model): (&String, &Model)| {
        (name.clone(), json!([json(&model.schema), model.description, model.content_type]))
    };
    json!({
        "source": definition.api_key_source,
        "types": definition.binary_media_types,
        "compression": definition.minimum_compression,
        "policy": json(&definition.policy),
        "resources": definition.resources.keys().map(resource).collect::<serde_json::Map<String, Json>>(),
        "models": definition.models.iter().map(model).collect::<serde_json::Map<String, Json>>(),
        "validators": definition.validators.values().map(|one| json!(one)).map(|v| (v["name"].to_string(), v))
            .collect::<serde_json::Map<String, Json>>(),
        "authorizers": definition.authorizers.values().map(|one| (one.name.clone(), json!(one)))
            .collect::<serde_json::Map<String, Json>>(),
        "responses": definition.gateway_responses,
    })
}

fn text(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(words).prop_map(str::to_owned)
}

fn texts(names: &'static [&'static str], values: &'static [&'static str]) -> impl Strategy<Value = Texts> {
    prop::collection::btree_map(text(names), text(values), 0..3)
}

const TYPES: &[&str] = &["application/json", "text/plain"];
const TEMPLATES: &[&str] = &["", "$input.body", "{\"a\": \"$input.params('x')\",\n \"b\": [1]}"];

prop_compose! {
    fn integration()(
        kind in text(&["MOCK", "HTTP", "HTTP_PROXY"]),
        credentials in prop::option::of(text(&["arn:aws:iam::000000000000:role/r", "arn:aws:iam::*:user/*"])),
        parameters in texts(&["integration.request.header.A", "integration.request.querystring.b"], &["'x'", "context.stage"]),
        templates in texts(TYPES, TEMPLATES),
        passthrough in text(&["WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"]),
        handling in prop::option::of(text(&["CONVERT_TO_BINARY", "CONVERT_TO_TEXT"])),
        timeout in 50u32..=29_000,
        responses in prop::collection::btree_map(text(&["200", "404"]), (texts(TYPES, TEMPLATES), any::<bool>()), 0..3),
    ) -> Integration {
        let mut default_taken = false;
        let responses = responses.into_iter().map(|(status, (templates, default))| {
            let default = default && !default_taken;
            default_taken |= default;
            let pattern = (!default).then(|| format!(r".*\b{status}\n: #"));
            let parameters = Texts::from([("method.response.header.X".to_owned(), "'*'".to_owned())]);
            (status, IntegrationResponse { selection_pattern: pattern, parameters, templates, content_handling: None })
        });
        let http = kind.starts_with("HTTP");
        Integration {
            http_method: http.then(|| "POST".to_owned()),
            uri: http.then(|| "https://example.com/{a}".to_owned()),
            kind, credentials, request_parameters: parameters, request_templates: templates, passthrough,
            content_handling: handling, timeout_millis: timeout, namespace: String::new(), responses: responses.collect(),
        }
    }
}

/// Models by content type: the same for all of them in OpenAPI 2.
fn models_of(third: bool) -> BoxedStrategy<Texts> {
    let any = texts(TYPES, &["A", "B"]);
    if third {
        any.boxed()
    } else {
        prop_oneof![Just(Texts::new()), Just(Texts::from([(TYPES[0].to_owned(), "A".to_owned())]))].boxed()
    }
}

prop_compose! {
    fn method(third: bool)(
        kind in text(&["NONE", "AWS_IAM", "CUSTOM"]),
        authorizer in text(&["token", "request"]),
        scopes in prop::collection::vec(text(&["read", "write"]), 0..2),
        key in any::<bool>(),
        operation in prop::option::of(text(&["getIt", "yes"])),
        parameters in prop::collection::btree_map(
            text(&["method.request.header.A", "method.request.querystring.b.c", "method.request.path.id"]), any::<bool>(), 0..3),
        request_models in models_of(third),
        validator in prop::option::of(text(&["v1", "v2"])),
        models in models_of(third),
        integration in prop::option::of(integration()),
    ) -> Method {
        let custom = kind == "CUSTOM";
        let response = |models| MethodResponse {
            parameters: [("method.response.header.X".to_owned(), false)].into(), models };
        Method {
            authorizer_id: custom.then_some(authorizer),
            authorization_scopes: if custom { scopes } else { Vec::new() },
            authorization_type: kind, api_key_required: key, operation_name: operation, request_parameters: parameters,
            request_models, request_validator_id: validator,
            responses: [("200".to_owned(), response(models)), ("404".to_owned(), response(Texts::new()))].into(),
            integration,
        }
    }
}

fn authorizer(name: &str, kind: &str, ttl_secs: u32) -> (String, Authorizer) {
    let one = Authorizer {
        name: name.to_owned(),
        kind: kind.to_owned(),
        auth_type: Some("custom".to_owned()),
        uri: "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:0:function:f/invocations"
            .to_owned(),
        credentials: None,
        identity_source: Some("method.request.header.Who".to_owned()),
        validation: (kind == "TOKEN").then(|| "a+".to_owned()),
        ttl_secs,
    };
    (name.to_owned(), one)
}

/// What all definitions have that methods refer to.
fn base(ttl_secs: u32, flags: (bool, bool)) -> Definition {
    let address = "https://apigateway.amazonaws.com/restapis/this/models/A";
    let model = |schema: Json| Model {
        id: String::new(),
        description: schema["description"].as_str().map(str::to_owned),
        schema: Some(schema.to_string()),
        content_type: "application/json".to_owned(),
    };
    let validator = |name: &str| {
        (name.to_owned(), Validator { name: Some(name.to_owned()), body: flags.0, parameters: flags.1 })
    };
    Definition {
        models: [
            ("A".to_owned(), model(json!({ "type": "object", "description": "an a" }))),
            ("B".to_owned(), model(json!({ "items": { "$ref": address } }))),
        ]
        .into(),
        validators: [validator("v1"), validator("v2")].into(),
        authorizers: [authorizer("token", "TOKEN", ttl_secs), authorizer("request", "REQUEST", ttl_secs)]
            .into(),
        ..Definition::default()
    }
}

fn definitions(third: bool) -> impl Strategy<Value = Definition> {
    let path = text(&["/", "/a", "/a/{id}", "/a/{id}/c", "/b", "/{p+}"]);
    let verbs = prop::collection::btree_map(text(&["GET", "POST", "ANY", "OPTIONS"]), method(third), 0..3);
    let response = (
        prop::option::of(text(&["401", "418"])),
        texts(&["gatewayresponse.header.A"], &["'*'"]),
        texts(TYPES, TEMPLATES),
    );
    (
        prop::collection::btree_map(path, verbs, 0..5),
        (0u32..=3600, any::<(bool, bool)>(), text(&["HEADER", "AUTHORIZER"])),
        prop::collection::vec(text(&["image/png", "*/*"]), 0..2),
        (prop::option::of(0u32..1000), any::<bool>()),
        prop::collection::btree_map(text(&["DEFAULT_4XX", "THROTTLED"]), response, 0..2),
    )
        .prop_map(|(paths, (ttl, flags, source), types, (compression, policy), responses)| {
            let mut definition = base(ttl, flags);
            definition.api_key_source = source;
            definition.binary_media_types = types;
            definition.minimum_compression = compression;
            definition.policy =
                policy.then(|| json!({ "Version": "2012-10-17", "Statement": [] }).to_string());
            let ids = Ids::seeded(5);
            let moment = Moment { now: Time(0), ids: &ids };
            resource_of(&mut definition, "/", &moment).unwrap();
            for (path, methods) in paths {
                let id = resource_of(&mut definition, &path, &moment).unwrap();
                definition.resources.get_mut(&id).unwrap().methods = methods;
            }
            definition.gateway_responses = responses
                .into_iter()
                .map(|(kind, (status, parameters, templates))| {
                    (kind, GatewayResponse { status, parameters, templates })
                })
                .collect();
            definition
        })
}

fn whole(third: bool) -> Form {
    Form { third, integrations: true, authorizers: true, others: true, documentation: false }
}

fn exported(definition: &Definition, form: Form) -> Json {
    let settings =
        Settings { name: "an API".to_owned(), description: Some("d".to_owned()), ..Settings::default() };
    let from = Exported {
        settings: &settings,
        definition,
        version: "1".to_owned(),
        scheme: "http",
        host: "a.execute-api.us-east-1.localhost:4566".to_owned(),
        stage: "dev",
    };
    export(&from, form).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_exported_is_imported(
        (third, definition) in any::<bool>().prop_flat_map(|third| (Just(third), definitions(third))),
    ) {
        prop_assert!(check_definition(&definition).is_ok());
        let document = exported(&definition, whole(third));
        for text in [document.to_string(), yaml::write(&document)] {
            let (again, settings) = imported(&text, BasePath::Ignore);
            prop_assert_eq!(shown(&again), shown(&definition));
            prop_assert_eq!((settings.name.as_str(), settings.description.as_deref()), ("an API", Some("d")));
        }
    }
}

#[test]
fn extensions_come_as_they_are_asked_for() {
    let mut definition = base(0, (true, true));
    let ids = Ids::seeded(5);
    let root = resource_of(&mut definition, "/a", &Moment { now: Time(0), ids: &ids }).unwrap();
    let method = Method {
        authorization_type: "CUSTOM".to_owned(),
        authorizer_id: Some("token".to_owned()),
        integration: Some(Integration { kind: "MOCK".to_owned(), ..Integration::default() }),
        ..Method::default()
    };
    definition.resources.get_mut(&root).unwrap().methods.insert("GET".to_owned(), method);
    let has = |form: Form| {
        let text = exported(&definition, form).to_string();
        ["-integration\"", "-authorizer\"", "-request-validators\""].map(|name| text.contains(name))
    };
    for third in [true, false] {
        let none = Form { third, ..Form::default() };
        assert_eq!(has(none), [false; 3]);
        assert_eq!(has(Form { integrations: true, ..none }), [true, false, false]);
        assert_eq!(has(Form { authorizers: true, ..none }), [false, true, false]);
        assert_eq!(has(whole(third)), [true; 3]);
    }
}

#[test]
fn what_swagger_cannot_say_is_refused() {
    let mut definition = base(0, (true, true));
    let ids = Ids::seeded(5);
    let root = resource_of(&mut definition, "/", &Moment { now: Time(0), ids: &ids }).unwrap();
    let models = [("application/json".to_owned(), "A".to_owned()), ("text/plain".to_owned(), "B".to_owned())];
    let method = Method { request_models: models.into(), ..Method::default() };
    definition.resources.get_mut(&root).unwrap().methods.insert("GET".to_owned(), method);
    let settings = Settings::default();
    let from = Exported {
        settings: &settings,
        definition: &definition,
        version: String::new(),
        scheme: "http",
        host: String::new(),
        stage: "s",
    };
    assert_eq!(export(&from, whole(false)).unwrap_err().status, 400);
    assert!(export(&from, whole(true)).is_ok());
}

/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-import-api-basePath.html>
#[test]
fn base_paths_are_ignored_prepended_or_split() {
    let second = json!({ "swagger": "2.0", "basePath": "/a/b/c", "paths": { "/e": {}, "/f": {} } });
    let variable =
        json!({ "url": "https://x/{basePath}", "variables": { "basePath": { "default": "a/b/c" } } });
    let by_variable = json!({ "openapi": "3.0.1", "servers": [variable], "paths": { "/e": {}, "/f": {} } });
    let by_url = json!({ "openapi": "3.0.1", "servers": [{ "url": "https://x/a/b/c" }], "paths": { "/e": {}, "/f": {} } });
    for document in [second, by_variable, by_url] {
        let paths = |base| {
            let (definition, _) = imported(&document.to_string(), base);
            let mut paths: Vec<String> = definition.resources.keys().map(|id| definition.path(id)).collect();
            paths.sort();
            paths
        };
        assert_eq!(paths(BasePath::Ignore), ["/", "/e", "/f"]);
        assert_eq!(paths(BasePath::Prepend), ["/", "/a", "/a/b", "/a/b/c", "/a/b/c/e", "/a/b/c/f"]);
        assert_eq!(paths(BasePath::Split), ["/", "/b", "/b/c", "/b/c/e", "/b/c/f"]);
    }
}

#[test]
fn schemas_that_stand_where_they_are_used_become_models() {
    let schema = json!({ "type": "object", "required": ["a"] });
    let second = json!({ "swagger": "2.0", "paths": { "/": { "post": {
        "consumes": ["application/json", "text/json"],
        "parameters": [{ "in": "body", "name": "b", "schema": schema }],
        "responses": { "200": { "description": "", "schema": schema } },
    } } } });
    let content = json!({ "application/json": { "schema": schema } });
    let third = json!({ "openapi": "3.0.1", "paths": { "/": { "post": {
        "requestBody": { "content": content }, "responses": { "200": { "description": "", "content": content } },
    } } } });
    for (document, kinds) in [(second, 2), (third, 1)] {
        let (definition, _) = imported(&document.to_string(), BasePath::Ignore);
        let (name, model) = definition.models.first_key_value().unwrap();
        assert_eq!(
            (definition.models.len(), model.schema.as_deref()),
            (1, Some(schema.to_string().as_str()))
        );
        let method = &definition.resources.values().next().unwrap().methods["POST"];
        assert!(
            method.request_models.len() == kinds && method.request_models.values().all(|one| one == name)
        );
        assert_eq!(method.responses["200"].models["application/json"], *name);
    }
}

#[test]
fn yaml_and_tags_are_read() {
    let text = "swagger: '2.0'\ninfo: {title: t, version: 1.0}\ntags:\n- name: team\n  x-amazon-apigateway-tag-value: blue\n- name: none\n\
                paths:\n  /a:\n    get:\n      responses:\n        200: {description: ok}\n      x-amazon-apigateway-integration: {type: mock}\n";
    let (definition, settings) = imported(text, BasePath::Ignore);
    assert_eq!((settings.name.as_str(), settings.version.as_deref()), ("t", Some("1.0")));
    assert_eq!(settings.tags, Texts::from([("team".to_owned(), "blue".to_owned())]));
    let methods = &definition.resources[definition.at("/a").unwrap()].methods;
    assert!(methods["GET"].responses.contains_key("200"));
    assert_eq!(methods["GET"].integration.as_ref().unwrap().kind, "MOCK");
}
