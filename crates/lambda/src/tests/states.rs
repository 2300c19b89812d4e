//! Functions whose runtime is not at hand.

use std::sync::atomic::Ordering;

use ropeway_api::lambda::{
    CreateEventSourceMappingInput, CreateFunctionInput, FunctionCode, FunctionConfiguration,
    GetFunctionInput, Lambda as _, PublishVersionInput, UpdateFunctionConfigurationInput,
};
use ropeway_store::MemoryStore;

use super::{ROLE, World};

async fn get(world: &World, qualifier: Option<&str>) -> FunctionConfiguration {
    let input = GetFunctionInput { function_name: "f".to_owned(), qualifier: qualifier.map(str::to_owned) };
    world.lambda.get_function(&world.cx(), input).await.unwrap().configuration.unwrap()
}

async fn until(world: &World, state: &str, update: &str) -> FunctionConfiguration {
    loop {
        let now = get(world, None).await;
        if (now.state.as_deref(), now.last_update_status.as_deref()) == (Some(state), Some(update)) {
            return now;
        }
        tokio::task::yield_now().await;
    }
}

async fn change(world: &World, timeout: i64) -> Result<FunctionConfiguration, ropeway_wire::Error> {
    let input = UpdateFunctionConfigurationInput {
        function_name: "f".to_owned(),
        timeout: Some(timeout),
        ..Default::default()
    };
    world.lambda.update_function_configuration(&world.cx(), input).await
}

const PENDING: &str = "The operation cannot be performed at this time. The function is currently in the following state: Pending";

#[tokio::test]
async fn a_function_is_pending_until_its_runtime_is_there() {
    let world = World::new().await;
    world.runner.away.store(true, Ordering::Relaxed);
    world.create("f").await.unwrap();
    let now = until(&world, "Pending", "InProgress").await;
    assert_eq!(now.state_reason.as_deref(), Some("The function is being created."));
    assert_eq!(now.state_reason_code.as_deref(), Some("Creating"));
    for kind in ["RequestResponse", "Event"] {
        let error = world.invoke(kind, "{}").await.unwrap_err();
        assert_eq!((error.status, error.code.as_ref()), (409, "ResourceConflictException"));
        assert_eq!(error.message, PENDING);
    }
    assert_eq!(change(&world, 5).await.unwrap_err().message, PENDING);
    let publish = PublishVersionInput { function_name: "f".to_owned(), ..Default::default() };
    assert_eq!(world.lambda.publish_version(&world.cx(), publish).await.unwrap_err().message, PENDING);
    world.runner.away.store(false, Ordering::Relaxed);
    world.runner.fetched.notify_one();
    let now = until(&world, "Active", "Successful").await;
    assert_eq!((now.state_reason, now.last_update_status_reason), (None, None));
    assert_eq!(world.invoke("RequestResponse", "{}").await.unwrap().status_code, Some(200));
}

#[tokio::test]
async fn a_runtime_that_cannot_be_had_fails_the_function_until_it_is_changed() {
    let world = World::new().await;
    world.runner.away.store(true, Ordering::Relaxed);
    world.create("f").await.unwrap();
    world.runner.fetched.notify_one();
    let now = until(&world, "Failed", "Failed").await;
    assert_eq!(now.state_reason.as_deref(), Some("python3.12: nowhere"));
    assert_eq!(now.state_reason_code.as_deref(), Some("InvalidRuntime"));
    assert!(world.invoke("Event", "{}").await.unwrap_err().message.ends_with("state: Failed"));
    change(&world, 5).await.unwrap();
    until(&world, "Pending", "InProgress").await;
    world.runner.away.store(false, Ordering::Relaxed);
    world.runner.fetched.notify_one();
    until(&world, "Active", "Successful").await;
}

#[tokio::test]
async fn an_update_is_in_progress_while_a_runtime_is_fetched() {
    let world = World::new().await;
    world.create("f").await.unwrap();
    until(&world, "Active", "Successful").await;
    world.runner.away.store(true, Ordering::Relaxed);
    change(&world, 5).await.unwrap();
    let now = until(&world, "Active", "InProgress").await;
    assert_eq!((now.timeout, now.state_reason), (Some(5), None));
    let error = change(&world, 6).await.unwrap_err();
    assert!(error.message.contains("An update is in progress for resource: arn:aws:lambda:"), "{error}");
    world.runner.away.store(false, Ordering::Relaxed);
    world.runner.fetched.notify_one();
    until(&world, "Active", "Successful").await;
    change(&world, 6).await.unwrap();
}

#[tokio::test]
async fn a_version_that_was_published_at_once_waits_too() {
    let world = World::new().await;
    world.runner.away.store(true, Ordering::Relaxed);
    let input = CreateFunctionInput {
        function_name: "f".to_owned(),
        runtime: Some("python3.12".to_owned()),
        handler: Some("index.handler".to_owned()),
        role: ROLE.to_owned(),
        code: FunctionCode { zip_file: Some("PK code".into()), ..FunctionCode::default() },
        publish: Some(true),
        ..CreateFunctionInput::default()
    };
    let made = world.lambda.create_function(&world.cx(), input).await.unwrap();
    assert_eq!((made.version.as_deref(), made.state.as_deref()), (Some("1"), Some("Pending")));
    world.runner.away.store(false, Ordering::Relaxed);
    let active = async |qualifier| get(&world, qualifier).await.state.as_deref() == Some("Active");
    while !(active(None).await && active(Some("1")).await) {
        // Each of the two lanes asks.
        world.runner.fetched.notify_one();
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_was_pending_is_taken_up_after_a_restart_and_queues_wait_for_it() {
    let (store, blobs) = (MemoryStore::new(4), tempfile::tempdir().unwrap());
    let world = World::over(store.clone(), blobs.path(), 1).await;
    world.runner.away.store(true, Ordering::Relaxed);
    world.create("f").await.unwrap();
    let input = CreateEventSourceMappingInput {
        event_source_arn: Some("arn:aws:sqs:eu-central-1:123456789012:source".to_owned()),
        function_name: "f".to_owned(),
        ..Default::default()
    };
    world.lambda.create_event_source_mapping(&world.cx(), input).await.unwrap();
    until(&world, "Pending", "InProgress").await;
    store.crash(0);
    let world = World::over(store, blobs.path(), 2).await;
    world.queues.put(["one".to_owned()].into_iter());
    assert_eq!(get(&world, None).await.state.as_deref(), Some("Pending"));
    // Nobody takes the message as long as the function cannot be invoked.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.queues.waiting.lock().unwrap().len(), 1);
    world.runner.fetched.notify_one();
    until(&world, "Active", "Successful").await;
    assert_eq!(world.deleted(1).await, ["one"]);
}
