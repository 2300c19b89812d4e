//! Event source mappings of queues.

use std::collections::BTreeSet;

use ropeway_api::lambda::{
    CreateEventSourceMappingInput, DeleteEventSourceMappingInput, EventSourceMappingConfiguration, Filter,
    FilterCriteria, GetEventSourceMappingInput, Lambda as _, ScalingConfig, UpdateEventSourceMappingInput,
};
use ropeway_store::MemoryStore;

use super::World;

const QUEUE: &str = "arn:aws:sqs:eu-central-1:123456789012:source";

async fn map(world: &World, change: impl FnOnce(&mut CreateEventSourceMappingInput)) -> String {
    world.create("f").await.unwrap();
    let mut input = CreateEventSourceMappingInput {
        event_source_arn: Some(QUEUE.to_owned()),
        function_name: "f".to_owned(),
        ..Default::default()
    };
    change(&mut input);
    let made = world.lambda.create_event_source_mapping(&world.cx(), input).await.unwrap();
    made.uuid.unwrap()
}

async fn get(world: &World, id: &str) -> Option<EventSourceMappingConfiguration> {
    let input = GetEventSourceMappingInput { uuid: id.to_owned() };
    world.lambda.get_event_source_mapping(&world.cx(), input).await.ok()
}

async fn until_state(world: &World, id: &str, state: &str) {
    while get(world, id).await.and_then(|mapping| mapping.state).as_deref() != Some(state) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn batches_are_handled_as_many_at_once_as_the_mapping_says_and_deleted() {
    let world = World::new().await;
    map(&world, |input| {
        input.scaling_config = Some(ScalingConfig { maximum_concurrency: Some(2) });
        input.batch_size = Some(5);
    })
    .await;
    world.queues.put((0..50).map(|n| format!("hold {n}")));
    world.ran(2).await;
    for done in 3..=10 {
        world.runner.release.notify_one();
        world.ran(done).await;
    }
    world.runner.release.notify_one();
    world.runner.release.notify_waiters();
    let deleted: BTreeSet<String> = world.deleted(50).await.into_iter().collect();
    assert_eq!(deleted.len(), 50);
    assert!(world.runner.now_running.lock().unwrap().1 <= 2);
}

#[tokio::test]
async fn what_fails_is_left_in_the_queue_and_what_no_filter_wants_is_deleted() {
    let world = World::new().await;
    map(&world, |input| {
        input.batch_size = Some(1);
        let pattern = r#"{"body":[{"anything-but":{"prefix":"unwanted"}}]}"#.to_owned();
        input.filter_criteria =
            Some(FilterCriteria { filters: Some(vec![Filter { pattern: Some(pattern) }]) });
    })
    .await;
    world.queues.put(["fail", "unwanted", "good"].map(str::to_owned).into_iter());
    world.ran(2).await;
    let deleted: BTreeSet<String> = world.deleted(2).await.into_iter().collect();
    assert_eq!(deleted, BTreeSet::from(["unwanted".to_owned(), "good".to_owned()]));
    assert_eq!(world.ran(2).await.len(), 2, "nobody else saw what is unwanted");
}

#[tokio::test]
async fn a_mapping_is_disabled_enabled_and_removed() {
    let world = World::new().await;
    let id = map(&world, |_| {}).await;
    until_state(&world, &id, "Enabled").await;
    let update = |enabled| UpdateEventSourceMappingInput {
        uuid: id.clone(),
        enabled: Some(enabled),
        ..Default::default()
    };
    world.lambda.update_event_source_mapping(&world.cx(), update(false)).await.unwrap();
    until_state(&world, &id, "Disabled").await;
    world.queues.put(["a".to_owned()].into_iter());
    assert_eq!(world.queues.waiting.lock().unwrap().len(), 1);
    world.lambda.update_event_source_mapping(&world.cx(), update(true)).await.unwrap();
    assert_eq!(world.deleted(1).await, ["a"]);
    let delete = DeleteEventSourceMappingInput { uuid: id.clone() };
    world.lambda.delete_event_source_mapping(&world.cx(), delete).await.unwrap();
    while get(&world, &id).await.is_some() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn polling_goes_on_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let store = MemoryStore::new(4);
    let world = World::over(store.clone(), dir.path(), 1).await;
    let id = map(&world, |_| {}).await;
    until_state(&world, &id, "Enabled").await;
    store.crash(0);
    let world = World::over(store, dir.path(), 2).await;
    world.queues.put(["after".to_owned()].into_iter());
    assert_eq!(world.deleted(1).await, ["after"]);
}
