//! Changes of an API, whatever their order, and documents, whatever they hold.

use std::collections::BTreeSet;

use proptest::prelude::*;
use ropeway_core::{Ids, Time};
use serde_json::{Value as Json, json};

use crate::commands::{Change, Moment, Target, apply};
use crate::keys::ApiName;
use crate::model::{Api, Definition, Integration, Method, Resource, Settings, Stage};
use crate::openapi;
use crate::patch::Patch;

fn api() -> Api {
    let mut definition = Definition { api_key_source: "HEADER".to_owned(), ..Definition::default() };
    definition.resources.insert("root".to_owned(), Resource::default());
    Api {
        name: ApiName::new("000000000000", "us-east-1", "abc"),
        created: Time(0),
        settings: Settings::default(),
        root: "root".to_owned(),
        definition,
        deployments: Default::default(),
        stages: Default::default(),
    }
}

fn moment(ids: &Ids) -> Moment<'_> {
    Moment { now: Time(1), ids }
}

/// A step: where among the resources that there are, and a part of a path, or nothing to remove it.
fn steps() -> impl Strategy<Value = Vec<(usize, Option<&'static str>, bool)>> {
    let part = prop::sample::select(vec!["a", "b", "{x}", "{y}", "{p+}", "no/part"]);
    prop::collection::vec((0usize..8, prop::option::weighted(0.8, part), any::<bool>()), 0..30)
}

/// What holds of every tree of resources.
fn check_tree(definition: &Definition) -> Result<(), TestCaseError> {
    let mut paths = BTreeSet::new();
    for (id, resource) in &definition.resources {
        prop_assert!(paths.insert(definition.path(id)), "two resources of one path");
        let Some(parent) = &resource.parent else { continue };
        let above = definition.resources.get(parent);
        prop_assert!(above.is_some_and(|above| !above.part.ends_with("+}")), "no parent, or a greedy one");
        let variables = definition.children(parent).filter(|(_, child)| child.part.starts_with('{')).count();
        prop_assert!(variables <= 1, "two variables side by side");
    }
    prop_assert_eq!(definition.resources.values().filter(|resource| resource.parent.is_none()).count(), 1);
    Ok(())
}

fn documents() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        prop::sample::select(vec!["", "a", "2.0", "aws_proxy", "mock", "#/definitions/a", "/{x}", "TOKEN"])
            .prop_map(Json::from),
    ];
    let name = prop::sample::select(vec![
        "paths",
        "/a",
        "/{x}",
        "/{x}/{y+}",
        "get",
        "post",
        "x-amazon-apigateway-any-method",
        "parameters",
        "in",
        "name",
        "x-amazon-apigateway-integration",
        "type",
        "uri",
        "httpMethod",
        "responses",
        "default",
        "200",
        "statusCode",
        "responseParameters",
        "schema",
        "$ref",
        "definitions",
        "a",
        "securityDefinitions",
        "security",
        "x-amazon-apigateway-authorizer",
        "x-amazon-apigateway-gateway-responses",
        "DEFAULT_4XX",
        "info",
        "title",
    ]);
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::from),
            prop::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|all| all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn resources_stay_a_tree(steps in steps()) {
        let ids = Ids::seeded(7);
        let mut api = api();
        for (at, part, moves) in steps {
            let all: Vec<String> = api.definition.resources.keys().cloned().collect();
            let id = all[at % all.len()].clone();
            let change = match part {
                None => Change::Remove(Target::Resource(id)),
                Some(part) if moves => {
                    let patch = Patch { op: "replace".to_owned(), path: "/pathPart".to_owned(), value: Some(part.to_owned()), from: None };
                    let other = all[(at + 1) % all.len()].clone();
                    let to = Patch { op: "replace".to_owned(), path: "/parentId".to_owned(), value: Some(other), from: None };
                    Change::Patch(Target::Resource(id), vec![patch, to])
                }
                Some(part) => Change::Resource(id, part.to_owned()),
            };
            // What fails is a copy, as the machine's is.
            let mut changed = api.clone();
            if apply(&mut changed, change, &moment(&ids)).is_ok() {
                api = changed;
            }
            check_tree(&api.definition)?;
        }
    }

    #[test]
    fn documents_are_taken_or_refused(mut document in documents(), yaml in any::<bool>()) {
        if let Json::Object(root) = &mut document {
            root.insert("swagger".to_owned(), "2.0".into());
        }
        let text = if yaml { openapi::yaml::write(&document) } else { document.to_string() };
        crate::fuzz_import(text.as_bytes());
    }

    #[test]
    fn bytes_are_taken_or_refused(document in prop::collection::vec(any::<u8>(), 0..200)) {
        crate::fuzz_import(&document);
    }

    #[test]
    fn schemas_of_any_kind_end(schema in documents(), value in documents()) {
        let _ = crate::schema::check(&schema);
        let _ = crate::schema::validate(&schema, &value, &|_| Some(schema.clone()));
    }
}

#[test]
fn a_stage_cannot_lose_its_deployment() {
    let ids = Ids::seeded(7);
    let mut api = api();
    let method = Method { authorization_type: "NONE".to_owned(), ..Method::default() };
    let mut run = |change| apply(&mut api, change, &moment(&ids));
    let none = Change::Deployment { description: None, stage: None };
    assert_eq!(run(none.clone()).unwrap_err().message, "The REST API doesn't contain any methods");
    run(Change::Method("root".to_owned(), "GET".to_owned(), Box::new(method))).unwrap();
    assert_eq!(run(none.clone()).unwrap_err().message, "No integration defined for method");
    let mock = Integration {
        kind: "MOCK".to_owned(),
        passthrough: "NEVER".to_owned(),
        timeout_millis: 50,
        ..Integration::default()
    };
    run(Change::Integration("root".to_owned(), "GET".to_owned(), Box::new(mock))).unwrap();
    let stage = Some(("dev".to_owned(), Box::new(Stage::default())));
    let first = run(Change::Deployment { description: None, stage }).unwrap().unwrap();
    let second = run(none).unwrap().unwrap();
    let why = run(Change::Remove(Target::Deployment(first.clone()))).unwrap_err();
    assert_eq!(why.message, "Active stages pointing to this deployment must be moved or deleted");
    run(Change::Remove(Target::Deployment(second.clone()))).unwrap();
    let to = |id: &str| Patch {
        op: "replace".to_owned(),
        path: "/deploymentId".to_owned(),
        value: Some(id.to_owned()),
        from: None,
    };
    let gone = run(Change::Patch(Target::Stage("dev".to_owned()), vec![to(&second)])).unwrap_err();
    assert_eq!(gone.status, 404);
    assert_eq!(api.stages["dev"].deployment, first);
    assert_eq!(api.stages["dev"].created, Time(1));
}

#[test]
fn a_document_of_the_wrong_kinds_is_refused() {
    let ids = Ids::seeded(7);
    for wrong in [
        json!([]),
        json!({}),
        json!({ "swagger": "2.0", "openapi": "3.0.0" }),
        json!({ "swagger": "2.0", "paths": { "a": {} } }),
    ] {
        let (mut definition, mut settings) = (Definition::default(), Settings::default());
        let read = openapi::read(
            wrong.to_string().as_bytes(),
            &mut definition,
            &mut settings,
            openapi::BasePath::Ignore,
            &moment(&ids),
        );
        assert_eq!(read.unwrap_err().code, "BadRequestException", "{wrong}");
    }
}
