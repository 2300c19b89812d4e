//! Functions, versions and aliases against a model of a few maps, through restarts.

use std::collections::BTreeMap;

use proptest::prelude::*;
use ropeway_api::lambda::{
    AliasRoutingConfiguration, CreateAliasInput, DeleteAliasInput, DeleteFunctionInput, GetFunctionInput,
    Lambda as _, ListAliasesInput, ListVersionsByFunctionInput, PublishVersionInput, UpdateAliasInput,
    UpdateFunctionConfigurationInput,
};
use ropeway_store::MemoryStore;

use super::World;

#[derive(Debug, Clone)]
enum Step {
    Create,
    Change(i64),
    Publish,
    DeleteVersion(u64),
    PutAlias { name: u8, version: u64, create: bool, other: Option<u64> },
    DeleteAlias(u8),
    Delete,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let alias = (0..2_u8, 1..4_u64, any::<bool>(), prop::option::of(1..4_u64))
        .prop_map(|(name, version, create, other)| Step::PutAlias { name, version, create, other });
    let step = prop_oneof![
        2 => Just(Step::Create),
        3 => (1..60_i64).prop_map(Step::Change),
        4 => Just(Step::Publish),
        2 => (1..4_u64).prop_map(Step::DeleteVersion),
        5 => alias,
        1 => (0..2_u8).prop_map(Step::DeleteAlias),
        1 => Just(Step::Delete),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..40)
}

/// What a function is, as far as the steps go.
#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    timeout: i64,
    /// Timeouts by version.
    versions: BTreeMap<u64, i64>,
    next: u64,
    /// The version that is like `$LATEST`.
    fresh: Option<u64>,
    aliases: BTreeMap<String, (u64, Option<u64>)>,
}

fn alias_name(name: u8) -> String {
    format!("alias{name}")
}

impl Model {
    /// Whether an alias may point so.
    fn may_point(&self, version: u64, other: Option<u64>) -> bool {
        let there = |version: &u64| self.versions.contains_key(version);
        there(&version) && other.is_none_or(|other| there(&other) && other != version)
    }
}

/// Does a step on both; whether it succeeded must be the same.
async fn step(world: &World, model: &mut Option<Model>, step: &Step) {
    let cx = world.cx();
    let function_name = || "f".to_owned();
    match step {
        Step::Create => {
            let made = world.create("f").await;
            assert_eq!(made.is_ok(), model.is_none(), "{made:?}");
            model.get_or_insert_with(|| Model { timeout: 3, next: 1, ..Model::default() });
        }
        Step::Change(timeout) => {
            let input = UpdateFunctionConfigurationInput {
                function_name: function_name(),
                timeout: Some(*timeout),
                ..Default::default()
            };
            let changed = world.lambda.update_function_configuration(&cx, input).await;
            assert_eq!(changed.is_ok(), model.is_some(), "{changed:?}");
            if let Some(model) = model {
                (model.timeout, model.fresh) = (*timeout, None);
            }
        }
        Step::Publish => {
            let input = PublishVersionInput { function_name: function_name(), ..Default::default() };
            let made = world.lambda.publish_version(&cx, input).await;
            let Some(model) = model else { return assert!(made.is_err()) };
            let same = model.fresh.filter(|version| model.versions.contains_key(version));
            let version = same.unwrap_or(model.next);
            assert_eq!(made.unwrap().version, Some(version.to_string()));
            if same.is_none() {
                model.versions.insert(version, model.timeout);
                (model.next, model.fresh) = (version + 1, Some(version));
            }
        }
        Step::DeleteVersion(version) => {
            let input =
                DeleteFunctionInput { function_name: function_name(), qualifier: Some(version.to_string()) };
            let deleted = world.lambda.delete_function(&cx, input).await;
            let may = model.as_ref().is_some_and(|model| {
                let used = |(a, b): &(u64, Option<u64>)| a == version || *b == Some(*version);
                model.versions.contains_key(version) && !model.aliases.values().any(used)
            });
            assert_eq!(deleted.is_ok(), may, "{deleted:?}");
            if let (true, Some(model)) = (may, model) {
                model.versions.remove(version);
            }
        }
        Step::PutAlias { .. } | Step::DeleteAlias(_) => alias_step(world, model, step).await,
        Step::Delete => {
            let input = DeleteFunctionInput { function_name: function_name(), qualifier: None };
            assert_eq!(world.lambda.delete_function(&cx, input).await.is_ok(), model.is_some());
            *model = None;
        }
        Step::Restart => {}
    }
}

async fn alias_step(world: &World, model: &mut Option<Model>, step: &Step) {
    let cx = world.cx();
    match step {
        Step::PutAlias { name, version, create, other } => {
            let routing_config = Some(AliasRoutingConfiguration {
                additional_version_weights: Some(
                    other.iter().map(|other| (other.to_string(), 0.5)).collect(),
                ),
            });
            let (function_name, alias) = ("f".to_owned(), alias_name(*name));
            let put = if *create {
                let input = CreateAliasInput {
                    function_name,
                    name: alias.clone(),
                    function_version: version.to_string(),
                    description: None,
                    routing_config,
                };
                world.lambda.create_alias(&cx, input).await
            } else {
                let input = UpdateAliasInput {
                    function_name,
                    name: alias.clone(),
                    function_version: Some(version.to_string()),
                    routing_config,
                    ..Default::default()
                };
                world.lambda.update_alias(&cx, input).await
            };
            let may = model.as_ref().is_some_and(|model| {
                model.may_point(*version, *other) && model.aliases.contains_key(&alias) != *create
            });
            assert_eq!(put.is_ok(), may, "{put:?}");
            if let (true, Some(model)) = (may, model) {
                model.aliases.insert(alias, (*version, *other));
            }
        }
        Step::DeleteAlias(name) => {
            let input = DeleteAliasInput { function_name: "f".to_owned(), name: alias_name(*name) };
            assert_eq!(world.lambda.delete_alias(&cx, input).await.is_ok(), model.is_some());
            if let Some(model) = model {
                model.aliases.remove(&alias_name(*name));
            }
        }
        _ => {}
    }
}

/// What the service shows is what the model says.
async fn compare(world: &World, model: Option<&Model>) {
    let cx = world.cx();
    let input = GetFunctionInput { function_name: "f".to_owned(), qualifier: None };
    let got = world.lambda.get_function(&cx, input).await;
    let Some(model) = model else { return assert_eq!(got.unwrap_err().status, 404) };
    assert_eq!(got.unwrap().configuration.unwrap().timeout, Some(model.timeout));
    let mut versions = BTreeMap::new();
    let mut marker = None;
    loop {
        let input = ListVersionsByFunctionInput {
            function_name: "f".to_owned(),
            marker: marker.take(),
            max_items: Some(2),
        };
        let page = world.lambda.list_versions_by_function(&cx, input).await.unwrap();
        for version in page.versions.unwrap_or_default() {
            if let Ok(number) = version.version.unwrap().parse() {
                versions.insert(number, version.timeout.unwrap());
            }
        }
        match page.next_marker {
            Some(next) => marker = Some(next),
            None => break,
        }
    }
    assert_eq!(versions, model.versions);
    let input = ListAliasesInput { function_name: "f".to_owned(), ..Default::default() };
    let aliases = world.lambda.list_aliases(&cx, input).await.unwrap().aliases.unwrap();
    let shown: BTreeMap<String, (u64, Option<u64>)> = aliases
        .into_iter()
        .map(|alias| {
            let weights = alias.routing_config.and_then(|config| config.additional_version_weights);
            let other = weights.and_then(|weights| weights.keys().next()?.parse().ok());
            (alias.name.unwrap(), (alias.function_version.unwrap().parse().unwrap(), other))
        })
        .collect();
    assert_eq!(shown, model.aliases);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn versions_and_aliases_are_as_a_model_says(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let store = MemoryStore::new(4);
            let mut world = World::over(store.clone(), dir.path(), 1).await;
            let mut model = None;
            for (number, one) in steps.iter().enumerate() {
                if matches!(one, Step::Restart) {
                    store.crash(0);
                    world = World::over(store.clone(), dir.path(), number as u64 + 2).await;
                }
                step(&world, &mut model, one).await;
                compare(&world, model.as_ref()).await;
            }
        });
    }
}
