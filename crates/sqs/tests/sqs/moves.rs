//! Message-move tasks.

use ropeway_api::sqs::*;

use crate::dead_letter::redrive;
use crate::world::{World, arn, url};

/// A dead-letter queue with messages of two sources in it.
async fn dead_letters(count: usize) -> World {
    let world = World::new().await;
    world.create("dead", &[]).await;
    for source in ["orders", "payment"] {
        world.create(source, &[("RedrivePolicy", &redrive("dead", 1)), ("VisibilityTimeout", "0")]).await;
        for n in 0..count / 2 {
            world.send(source, &format!("{source}{n}")).await;
        }
        while world.counts(source).await != (0, 0, 0) {
            world.receive(source, 10).await;
            world.settle().await;
        }
    }
    assert_eq!(world.counts("dead").await, (count as u64, 0, 0));
    world
}

async fn start(
    world: &World,
    destination: Option<&str>,
    rate: Option<i64>,
) -> Result<String, ropeway_wire::Error> {
    let input = StartMessageMoveTaskInput {
        source_arn: arn("dead"),
        destination_arn: destination.map(arn),
        max_number_of_messages_per_second: rate,
    };
    Ok(world.sqs.start_message_move_task(&world.cx, input).await?.task_handle.unwrap())
}

async fn list(world: &World) -> Vec<ListMessageMoveTasksResultEntry> {
    let input = ListMessageMoveTasksInput { source_arn: arn("dead"), max_results: Some(10) };
    world.sqs.list_message_move_tasks(&world.cx, input).await.unwrap().results.unwrap()
}

#[tokio::test]
async fn messages_go_back_where_they_came_from() {
    let world = dead_letters(20).await;
    start(&world, None, None).await.unwrap();
    assert_eq!(start(&world, None, None).await.unwrap_err().code, "UnsupportedOperation");
    world.advance(1);
    world.settle().await;
    assert_eq!(world.counts("dead").await, (0, 0, 0));
    assert_eq!((world.counts("orders").await, world.counts("payment").await), ((10, 0, 0), (10, 0, 0)));
    let task = list(&world).await.remove(0);
    assert_eq!(task.status.as_deref(), Some("COMPLETED"));
    assert_eq!(
        (task.approximate_number_of_messages_moved, task.approximate_number_of_messages_to_move),
        (Some(20), Some(20))
    );
    assert_eq!(task.task_handle, None);
    let got = world.receive("orders", 1).await;
    let attributes = got[0].attributes.as_ref().unwrap();
    assert_eq!(attributes["ApproximateReceiveCount"], "1", "it is a new message");
    assert!(!attributes.contains_key("DeadLetterQueueSourceArn"));
}

#[tokio::test]
async fn a_rate_is_kept_by_the_clock_and_a_restart_goes_on() {
    let world = dead_letters(40).await;
    world.create("other", &[]).await;
    let handle = start(&world, Some("other"), Some(10)).await.unwrap();
    world.settle().await;
    assert_eq!(world.counts("other").await, (1, 0, 0));
    world.advance(1);
    world.settle().await;
    assert_eq!(world.counts("other").await, (11, 0, 0));
    let world = world.restart().await;
    let task = list(&world).await.remove(0);
    assert_eq!(
        (task.status.as_deref(), task.task_handle.as_deref()),
        (Some("RUNNING"), Some(handle.as_str()))
    );
    world.advance(10);
    world.settle().await;
    assert_eq!(world.counts("other").await, (40, 0, 0));
    assert_eq!(list(&world).await[0].status.as_deref(), Some("COMPLETED"));
}

#[tokio::test]
async fn a_task_can_be_cancelled() {
    let world = dead_letters(40).await;
    world.create("other", &[]).await;
    let handle = start(&world, Some("other"), Some(10)).await.unwrap();
    world.advance(1);
    world.settle().await;
    let cancel = || CancelMessageMoveTaskInput { task_handle: handle.clone() };
    let out = world.sqs.cancel_message_move_task(&world.cx, cancel()).await.unwrap();
    assert_eq!(out.approximate_number_of_messages_moved, Some(11));
    world.advance(10);
    world.settle().await;
    assert_eq!((world.counts("other").await, world.counts("dead").await), ((11, 0, 0), (29, 0, 0)));
    let error = world.sqs.cancel_message_move_task(&world.cx, cancel()).await.unwrap_err();
    assert_eq!(error.code, "UnsupportedOperation");
    start(&world, Some("other"), None).await.unwrap();
    world.advance(1);
    world.settle().await;
    assert_eq!(world.counts("other").await, (40, 0, 0));
    let statuses: Vec<_> = list(&world).await.into_iter().map(|task| task.status.unwrap()).collect();
    assert_eq!(statuses, ["COMPLETED", "CANCELLED"]);
}

#[tokio::test]
async fn a_task_fails_and_its_messages_come_back() {
    let world = dead_letters(4).await;
    world.sqs.delete_queue(&world.cx, DeleteQueueInput { queue_url: url("orders") }).await.unwrap();
    start(&world, None, None).await.unwrap();
    world.settle().await;
    let task = list(&world).await.remove(0);
    assert_eq!(task.status.as_deref(), Some("FAILED"));
    assert!(task.failure_reason.unwrap().starts_with("QueueDoesNotExist"));
    assert_eq!(world.counts("dead").await.0 + world.counts("payment").await.0, 4);
}

#[tokio::test]
async fn only_dead_letter_queues_are_emptied() {
    let world = World::new().await;
    world.create("dead", &[]).await;
    let error = start(&world, None, None).await.unwrap_err();
    assert_eq!(error.message, "Source queue must be configured as a Dead Letter Queue.");
    world.create("orders", &[("RedrivePolicy", &redrive("dead", 1))]).await;
    let error = start(&world, Some("missing"), None).await.unwrap_err();
    assert_eq!((error.code.as_ref(), error.status), ("ResourceNotFoundException", 404));
    assert_eq!(start(&world, None, Some(501)).await.unwrap_err().code, "InvalidParameterValue");
}
