//! Delays, retention, purges, deletions.

use ropeway_api::sqs::*;
use ropeway_sqs::Options;

use crate::world::{World, handle, message, url};

#[tokio::test]
async fn delays_of_queue_and_message() {
    let world = World::new().await;
    world.create("orders", &[("DelaySeconds", "10")]).await;
    world.send("orders", "queue's").await;
    let own =
        |secs| SendMessageInput { delay_seconds: Some(secs), ..message("orders", &format!("own {secs}")) };
    world.sqs.send_message(&world.cx, own(0)).await.unwrap();
    world.sqs.send_message(&world.cx, own(5)).await.unwrap();
    assert_eq!(world.counts("orders").await, (1, 0, 2));
    assert_eq!(world.bodies("orders", 10).await, ["own 0"]);
    world.advance(5);
    let world = world.restart().await;
    assert_eq!(world.bodies("orders", 10).await, ["own 5"]);
    world.advance(5);
    assert_eq!(world.bodies("orders", 10).await, ["queue's"]);
    assert_eq!(world.counts("orders").await, (0, 3, 0));
}

#[tokio::test]
async fn old_messages_go_even_if_nobody_looks() {
    let world = World::new().await;
    world.create("orders", &[("MessageRetentionPeriod", "60")]).await;
    for n in 0..300 {
        world.send("orders", &n.to_string()).await;
    }
    let kept = world.receive("orders", 1).await;
    let world = world.restart().await;
    world.advance(59);
    assert_eq!(world.counts("orders").await, (300, 0, 0));
    world.send("orders", "young").await;
    world.advance(1);
    world.settle().await;
    assert_eq!(world.counts("orders").await, (1, 0, 0));
    world.delete("orders", handle(&kept[0])).await.unwrap();
    assert_eq!(world.bodies("orders", 10).await, ["young"]);
    // A shorter retention concerns what is there.
    world.send("orders", "x").await;
    world.advance(100);
    world.settle().await;
    assert_eq!(world.counts("orders").await, (0, 0, 0));
}

#[tokio::test]
async fn a_purged_queue_is_empty_at_once() {
    let world = World::new().await;
    world.create("orders", &[]).await;
    for n in 0..500 {
        world.send("orders", &n.to_string()).await;
    }
    let delayed = SendMessageInput { delay_seconds: Some(30), ..message("orders", "delayed") };
    world.sqs.send_message(&world.cx, delayed).await.unwrap();
    let flying = world.receive("orders", 10).await;
    let purge = || PurgeQueueInput { queue_url: url("orders") };
    world.sqs.purge_queue(&world.cx, purge()).await.unwrap();
    assert_eq!(world.counts("orders").await, (0, 0, 0));
    let error = world.sqs.purge_queue(&world.cx, purge()).await.unwrap_err();
    assert_eq!((error.code.as_ref(), error.status), ("PurgeQueueInProgress", 403));
    world.send("orders", "new").await;
    world.delete("orders", handle(&flying[0])).await.unwrap();
    let world = world.restart().await;
    world.settle().await;
    world.advance(60);
    assert_eq!(world.counts("orders").await, (1, 0, 0));
    assert_eq!(world.bodies("orders", 10).await, ["new"]);
    world.sqs.purge_queue(&world.cx, purge()).await.unwrap();
    world.settle().await;
    assert_eq!(world.rows().await, ["queue", "counters", "numbers"]);
}

#[tokio::test]
async fn a_deleted_queue_leaves_nothing_and_its_name_is_taken_for_a_minute() {
    let world = World::with(Options::default()).await;
    world.create("orders", &[]).await;
    for n in 0..500 {
        world.send("orders", &n.to_string()).await;
    }
    world.receive("orders", 10).await;
    world.sqs.delete_queue(&world.cx, DeleteQueueInput { queue_url: url("orders") }).await.unwrap();
    assert_eq!(world.try_create("orders", &[]).await.unwrap_err().code, "QueueDeletedRecently");
    let world = world.restart().await;
    world.settle().await;
    assert_eq!(world.try_create("orders", &[]).await.unwrap_err().code, "QueueDeletedRecently");
    world.advance(60);
    world.settle().await;
    assert_eq!(world.rows().await, ["numbers"]);
    let world = world.restart().await;
    world.create("orders", &[]).await;
    assert_eq!(world.counts("orders").await, (0, 0, 0));
    assert!(world.receive("orders", 1).await.is_empty());
}

#[tokio::test]
async fn deduplication_rows_go() {
    let world = World::new().await;
    world.create("orders.fifo", &[]).await;
    for n in 0..100 {
        world.send_to_group("orders.fifo", "g", Some(&n.to_string()), "x").await;
    }
    loop {
        let got = world.receive("orders.fifo", 10).await;
        if got.is_empty() {
            break;
        }
        for message in got {
            world.delete("orders.fifo", handle(&message)).await.unwrap();
        }
    }
    world.advance(300);
    world.settle().await;
    assert_eq!(world.rows().await, ["queue", "counters", "numbers"]);
}
