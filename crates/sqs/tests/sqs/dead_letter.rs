//! Dead-letter queues.

use ropeway_api::sqs::*;

use crate::world::{World, arn, handle, url};

pub fn redrive(target: &str, max: u32) -> String {
    format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":"{max}"}}"#, arn(target))
}

async fn pair(source: &str, dead: &str, max: u32) -> World {
    let world = World::new().await;
    world.create(dead, &[]).await;
    world.create(source, &[("RedrivePolicy", &redrive(dead, max)), ("VisibilityTimeout", "10")]).await;
    world
}

/// Receives until nothing comes any more, letting every message become visible again in between.
async fn exhaust(world: &World, queue: &str) -> usize {
    let mut received = 0;
    for _ in 0..20 {
        received += world.receive(queue, 10).await.len();
        world.settle().await;
        world.advance(10);
    }
    received
}

#[tokio::test]
async fn a_message_moves_after_its_last_receive() {
    let world = pair("orders", "dead", 3).await;
    let sent = world.send("orders", "poison").await;
    assert_eq!(exhaust(&world, "orders").await, 3);
    assert_eq!(world.counts("orders").await, (0, 0, 0));
    assert_eq!(world.counts("dead").await, (1, 0, 0));
    let got = world.receive("dead", 1).await;
    assert_eq!((got[0].body.as_deref(), &got[0].message_id), (Some("poison"), &sent.message_id));
    let attributes = got[0].attributes.as_ref().unwrap();
    assert_eq!(attributes["DeadLetterQueueSourceArn"], arn("orders"));
    assert_eq!(attributes["SentTimestamp"], "1800000000000", "a standard queue's message keeps its age");
    world.delete("dead", handle(&got[0])).await.unwrap();
    assert_eq!(world.counts("dead").await, (0, 0, 0));
}

#[tokio::test]
async fn big_messages_move_and_none_is_lost() {
    let world = pair("orders", "dead", 1).await;
    for n in 0..12 {
        let size = [10, 70_000, 1_000_000][n % 3];
        world.send("orders", &format!("{n}:{}", "x".repeat(size))).await;
    }
    assert_eq!(exhaust(&world, "orders").await, 12);
    let mut bodies = Vec::new();
    for _ in 0..3 {
        bodies.extend(world.receive("dead", 10).await.into_iter().map(|m| m.body.unwrap()));
    }
    bodies.sort();
    let mut expected: Vec<String> =
        (0..12).map(|n| format!("{n}:{}", "x".repeat([10, 70_000, 1_000_000][n % 3]))).collect();
    expected.sort();
    assert!(bodies == expected, "{} bodies", bodies.len());
}

#[tokio::test]
async fn the_age_of_a_moved_message_counts() {
    let world = pair("orders", "dead", 1).await;
    world.set("dead", &[("MessageRetentionPeriod", "300")]).await.unwrap();
    world.send("orders", "old").await;
    world.advance(200);
    world.receive("orders", 1).await;
    world.advance(10);
    assert!(world.receive("orders", 1).await.is_empty());
    world.settle().await;
    world.send("dead", "young").await;
    assert_eq!(world.counts("dead").await, (2, 0, 0));
    let world = world.restart().await;
    world.advance(90);
    assert_eq!(world.counts("dead").await, (1, 0, 0));
    assert_eq!(world.bodies("dead", 10).await, ["young"]);
}

#[tokio::test]
async fn a_message_comes_back_if_its_dead_letter_queue_is_gone() {
    let world = pair("orders", "dead", 1).await;
    world.send("orders", "poison").await;
    world.sqs.delete_queue(&world.cx, DeleteQueueInput { queue_url: url("dead") }).await.unwrap();
    assert_eq!(world.receive("orders", 1).await.len(), 1);
    world.advance(10);
    assert!(world.receive("orders", 1).await.is_empty());
    world.settle().await;
    assert_eq!(world.counts("orders").await, (1, 0, 0));
    let got = world.receive("orders", 1).await;
    assert_eq!(got[0].attributes.as_ref().unwrap()["ApproximateReceiveCount"], "2");
    world.delete("orders", handle(&got[0])).await.unwrap();
    assert_eq!(world.counts("orders").await, (0, 0, 0));
}

#[tokio::test]
async fn fifo_messages_move_in_order_with_their_groups() {
    let world = pair("orders.fifo", "dead.fifo", 1).await;
    for n in ["1", "2", "3"] {
        world.send_to_group("orders.fifo", "g", Some(n), n).await;
    }
    exhaust(&world, "orders.fifo").await;
    assert_eq!(world.bodies("dead.fifo", 10).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn redrive_policies_are_checked() {
    let world = World::new().await;
    world.create("dead", &[]).await;
    world.create("dead.fifo", &[]).await;
    let code = async |policy: &str| {
        let result = world.try_create("orders", &[("RedrivePolicy", policy)]).await;
        result.map(|_| String::new()).unwrap_or_else(|error| format!("{}: {}", error.code, error.message))
    };
    assert!(code(&redrive("missing", 1)).await.ends_with("Reason: Dead letter target does not exist."));
    assert!(code(&redrive("dead.fifo", 1)).await.contains("same type"));
    assert!(code(&redrive("dead", 0)).await.contains("valid values are from 1 to 1000"));
    assert!(code("{}").await.contains("mandatory attribute: deadLetterTargetArn"));
    assert!(code("[").await.contains("not a valid JSON map"));
    let only = format!(r#"{{"redrivePermission":"byQueue","sourceQueueArns":["{}"]}}"#, arn("orders"));
    world.set("dead", &[("RedriveAllowPolicy", &only)]).await.unwrap();
    let other = world.try_create("others", &[("RedrivePolicy", &redrive("dead", 1))]).await;
    assert_eq!(other.unwrap_err().code, "InvalidParameterValue");
    assert_eq!(code(&redrive("dead", 1)).await, "");
    let error =
        world.set("dead", &[("RedriveAllowPolicy", r#"{"redrivePermission":"byQueue"}"#)]).await.unwrap_err();
    assert_eq!(error.code, "InvalidParameterValue");
}

#[tokio::test]
async fn the_sources_of_a_dead_letter_queue_are_listed() {
    let world = pair("orders", "dead", 1).await;
    let list = async |world: &World| {
        let input = ListDeadLetterSourceQueuesInput { queue_url: url("dead"), ..Default::default() };
        world.sqs.list_dead_letter_source_queues(&world.cx, input).await.unwrap().queue_urls
    };
    assert_eq!(list(&world).await, [url("orders")]);
    world.create("a", &[("RedrivePolicy", &redrive("dead", 5))]).await;
    assert_eq!(list(&world).await, [url("a"), url("orders")]);
    world.set("a", &[("RedrivePolicy", "")]).await.unwrap();
    assert_eq!(list(&world).await, [url("orders")]);
    world.sqs.delete_queue(&world.cx, DeleteQueueInput { queue_url: url("orders") }).await.unwrap();
    world.settle().await;
    assert!(list(&world).await.is_empty());
}
