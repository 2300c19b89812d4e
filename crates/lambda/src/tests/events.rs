//! Asynchronous events.

use ropeway_api::lambda::{
    DeadLetterConfig, DestinationConfig, Lambda as _, OnFailure, PutFunctionConcurrencyInput,
    PutFunctionEventInvokeConfigInput, UpdateFunctionConfigurationInput,
};
use ropeway_core::effects::FunctionDelivery;
use ropeway_store::MemoryStore;
use serde_json::{Value, json};

use super::{ACCOUNT, REGION, World};
use crate::commands::Command;
use crate::keys::FunctionName;

const QUEUE: &str = "arn:aws:sqs:eu-central-1:123456789012:failed";

async fn with_destination(world: &World, retries: Option<i64>, age: Option<i64>) {
    world.create("f").await.unwrap();
    let input = PutFunctionEventInvokeConfigInput {
        function_name: "f".to_owned(),
        maximum_retry_attempts: retries,
        maximum_event_age_in_seconds: age,
        destination_config: Some(DestinationConfig {
            on_failure: Some(OnFailure { destination: Some(QUEUE.to_owned()) }),
            on_success: None,
        }),
        ..Default::default()
    };
    world.lambda.put_function_event_invoke_config(&world.cx(), input).await.unwrap();
}

fn record(message: &str) -> Value {
    serde_json::from_str(message).unwrap()
}

#[tokio::test]
async fn failures_are_tried_again_after_one_and_two_minutes() {
    let world = World::new().await;
    with_destination(&world, None, None).await;
    let answer = world.invoke("Event", r#"{"fail":1}"#).await.unwrap();
    assert_eq!(answer.status_code, Some(202));
    let first = world.tried(1).await;
    world.advance(60);
    let second = world.tried(2).await;
    world.advance(119);
    assert_eq!(second.len(), 2, "not yet");
    world.advance(1);
    let all = world.ran(3).await;
    assert!(all.iter().all(|(_, invocation)| invocation.request_id == first[0].1.request_id));
    let sent = world.sent(1).await;
    let told = record(&sent[0].message_body);
    assert_eq!(told["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(told["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(told["requestPayload"], json!({ "fail": 1 }));
    assert_eq!(told["responsePayload"]["errorMessage"], "failed");
}

#[tokio::test]
async fn events_that_do_not_reach_the_function_wait_longer_and_longer_until_they_are_too_old() {
    let world = World::new().await;
    with_destination(&world, None, Some(60)).await;
    world.invoke("Event", r#"{"nowhere":1}"#).await.unwrap();
    for (tries, pause) in [(1, 2), (2, 4), (3, 8), (4, 16)] {
        world.tried(tries).await;
        world.advance(pause);
    }
    // 30 seconds have gone by; the next pause of 32 would end too late.
    world.ran(5).await;
    let sent = world.sent(1).await;
    let told = record(&sent[0].message_body);
    assert_eq!(told["requestContext"]["condition"], "EventAgeExceeded");
    assert_eq!(told["requestContext"]["approximateInvokeCount"], 0);
}

#[tokio::test]
async fn dead_letters_carry_the_event_and_its_error() {
    let world = World::new().await;
    world.create("f").await.unwrap();
    let change = UpdateFunctionConfigurationInput {
        function_name: "f".to_owned(),
        dead_letter_config: Some(DeadLetterConfig { target_arn: Some(QUEUE.to_owned()) }),
        ..Default::default()
    };
    world.lambda.update_function_configuration(&world.cx(), change).await.unwrap();
    world.invoke("Event", r#"{"fail":1}"#).await.unwrap();
    for (tries, pause) in [(1, 60), (2, 120)] {
        world.tried(tries).await;
        world.advance(pause);
    }
    let sent = world.sent(1).await;
    assert_eq!(sent[0].message_body, r#"{"fail":1}"#);
    let attributes = sent[0].message_attributes.as_ref().unwrap();
    assert_eq!(attributes["ErrorMessage"].string_value.as_deref(), Some("failed"));
    assert_eq!(attributes["ErrorCode"].data_type, "Number");
}

#[tokio::test]
async fn as_many_events_are_handled_at_once_as_are_reserved_and_all_in_the_end() {
    let world = World::new().await;
    world.create("f").await.unwrap();
    let reserve =
        PutFunctionConcurrencyInput { function_name: "f".to_owned(), reserved_concurrent_executions: 3 };
    world.lambda.put_function_concurrency(&world.cx(), reserve).await.unwrap();
    for n in 0..40 {
        world.invoke("Event", &json!({ "hold": n }).to_string()).await.unwrap();
    }
    world.ran(3).await;
    let mut done = 3;
    while done < 40 {
        world.runner.release.notify_one();
        done += 1;
        world.ran(done).await;
    }
    let most = world.runner.now_running.lock().unwrap().1;
    assert!(most <= 3, "{most} at once");
    let payloads: std::collections::BTreeSet<_> =
        world.ran(40).await.into_iter().map(|(_, invocation)| invocation.payload).collect();
    assert_eq!(payloads.len(), 40);
}

#[tokio::test]
async fn what_was_accepted_is_handled_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = MemoryStore::new(4);
    let world = World::over(store.clone(), dir.path(), 1).await;
    world.create("f").await.unwrap();
    for n in 0..5 {
        world.invoke("Event", &json!({ "hold": n }).to_string()).await.unwrap();
    }
    let before = world.ran(5).await;
    store.crash(0);
    let world = World::over(store, dir.path(), 2).await;
    let after = world.ran(5).await;
    let ids = |all: &[(String, super::Invocation)]| -> std::collections::BTreeSet<String> {
        all.iter().map(|(_, invocation)| invocation.request_id.clone()).collect()
    };
    assert_eq!(ids(&before), ids(&after));
}

#[tokio::test]
async fn services_send_events_that_the_policy_allows() {
    let world = World::new().await;
    world.create("f").await.unwrap();
    let name = FunctionName::new(ACCOUNT, REGION, "f");
    let delivery = |payload: &'static [u8]| {
        Command::Deliver(FunctionDelivery {
            function: name.arn(),
            principal: "sns.amazonaws.com".to_owned(),
            source_arn: "arn:aws:sns:eu-central-1:123456789012:t".to_owned(),
            source_account: ACCOUNT.to_owned(),
            payload: bytes::Bytes::from_static(payload),
            trace_header: None,
        })
    };
    let trace = world.cx().trace;
    let submit = |command| world.lambda.engine.submit(&trace, &name, command);
    submit(delivery(b"{\"n\":1}")).await.unwrap();
    assert_eq!(&world.ran(1).await[0].1.payload[..], b"{\"n\":1}");
    world.gate.denied.lock().unwrap().push("lambda:InvokeFunction".to_owned());
    let refused = submit(delivery(b"{}")).await.unwrap_err();
    assert_eq!(refused.status, 403);
}
