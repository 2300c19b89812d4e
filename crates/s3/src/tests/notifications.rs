//! Notifications: in the commit of their cause, or not at all.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use ropeway_api::s3::*;
use ropeway_core::effects::QueueDelivery;
use ropeway_store::MemoryStore;
use serde_json::Value as Json;

use super::support::*;

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";

/// Has the bucket's events under `input/` go to the queue.
async fn notify(world: &World, events: &[&str], skip: bool) {
    let prefix = FilterRule { name: Some("prefix".into()), value: Some("input/".into()) };
    let key = S3KeyFilter { filter_rules: Some(vec![prefix]) };
    let rule = QueueConfiguration {
        id: Some("inputs".into()),
        queue_arn: QUEUE.into(),
        events: events.iter().map(|event| (*event).to_owned()).collect(),
        filter: Some(NotificationConfigurationFilter { key: Some(key) }),
    };
    let input = PutBucketNotificationConfigurationInput {
        bucket: BUCKET.into(),
        notification_configuration: NotificationConfiguration {
            queue_configurations: Some(vec![rule]),
            ..Default::default()
        },
        skip_destination_validation: Some(skip),
        ..Default::default()
    };
    world.service.put_bucket_notification_configuration(&world.cx, input).await.unwrap();
}

async fn notified(world: &World) -> NotificationConfiguration {
    let input = GetBucketNotificationConfigurationInput { bucket: BUCKET.into(), ..Default::default() };
    world.service.get_bucket_notification_configuration(&world.cx, input).await.unwrap()
}

/// Waits for so many messages at the queue, and lets whatever would follow them come.
async fn messages(world: &World, count: usize) -> Vec<QueueDelivery> {
    for _ in 0..10_000 {
        if world.queued.lock().unwrap().len() >= count {
            break;
        }
        tokio::task::yield_now().await;
    }
    for _ in 0..500 {
        tokio::task::yield_now().await;
    }
    world.queued.lock().unwrap().clone()
}

fn record(delivery: &QueueDelivery) -> Json {
    serde_json::from_str::<Json>(&delivery.body).unwrap()["Records"][0].clone()
}

#[tokio::test]
async fn a_message_is_sent_in_the_bucket_s_name() {
    let world = world().await;
    notify(&world, &["s3:ObjectCreated:*"], true).await;
    world.put("other/k", b"hello").await.unwrap();
    world.put("input/k", b"hello").await.unwrap();
    let sent = messages(&world, 1).await;
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].queue.as_str(), sent[0].principal.as_str()), (QUEUE, "s3.amazonaws.com"));
    assert_eq!(sent[0].source_arn, "arn:aws:s3:::bucket");
    assert_eq!(sent[0].source_account, "000000000000");
    assert_eq!(sent[0].trace_header.as_deref(), Some("Root=1-test"));
    let record = record(&sent[0]);
    assert_eq!(record["s3"]["configurationId"], "inputs");
    assert_eq!(record["eventTime"], "2023-11-14T22:13:20.000Z");
    assert_eq!(record["s3"]["object"]["key"], "input/k");
}

#[tokio::test]
async fn what_was_refused_is_not_told() {
    let world = world().await;
    notify(&world, &["s3:ObjectCreated:*", "s3:ObjectRemoved:*"], true).await;
    world.put("input/k", b"one").await.unwrap();
    let absent = PutObjectInput { if_none_match: Some("*".into()), ..put("input/k", b"two") };
    assert_eq!(world.service.put_object(&world.cx, absent).await.unwrap_err().status, 412);
    let input = DeleteObjectInput {
        bucket: BUCKET.into(),
        key: "input/k".into(),
        if_match: Some("other".into()),
        ..Default::default()
    };
    assert_eq!(world.service.delete_object(&world.cx, input).await.unwrap_err().status, 412);
    world.delete("input/k").await.unwrap();
    let names: Vec<Json> =
        messages(&world, 2).await.iter().map(|sent| record(sent)["eventName"].clone()).collect();
    assert_eq!(names, ["ObjectCreated:Put", "ObjectRemoved:Delete"]);
}

/// The disk may take the write and lose the power, or lose the write with it: the object and its
/// message are both there, or neither is.
#[tokio::test]
async fn a_put_and_its_message_stand_or_fall_together() {
    for reached in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let store = MemoryStore::new(4);
        let first = open(Arc::new(store.clone()), dir.path(), 1).await;
        first.create(BUCKET).await.unwrap();
        notify(&first, &["s3:ObjectCreated:*"], true).await;
        store.hold();
        {
            let waiting = pin!(async {
                while store.waiting() == 0 {
                    tokio::task::yield_now().await;
                }
            });
            match select(pin!(first.put("input/k", b"hello")), waiting).await {
                Either::Left(_) => panic!("answered before it was durable"),
                Either::Right(_) => {}
            }
        }
        assert_eq!(store.waiting(), 1, "the object and its message are one commit");
        store.crash(usize::from(reached));
        assert!(first.queued.lock().unwrap().is_empty(), "nothing is sent before the sync");
        let second = open(Arc::new(store), dir.path(), 2).await;
        assert_eq!(second.get("input/k").await.is_ok(), reached);
        let sent = messages(&second, usize::from(reached)).await;
        assert_eq!(sent.len(), usize::from(reached));
    }
}

#[tokio::test]
async fn sequencers_grow_over_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let store = MemoryStore::new(4);
    let mut sequence: Vec<String> = Vec::new();
    for seed in 0..4 {
        let world = open(Arc::new(store.clone()), dir.path(), seed).await;
        if seed == 0 {
            world.create(BUCKET).await.unwrap();
            notify(&world, &["s3:ObjectCreated:*"], true).await;
        }
        for _ in 0..3 {
            world.put("input/k", b"x").await.unwrap();
        }
        let of =
            |sent: &QueueDelivery| record(sent)["s3"]["object"]["sequencer"].as_str().unwrap().to_owned();
        sequence.extend(messages(&world, 3).await.iter().map(of));
        world.core.stop().await.unwrap();
        store.crash(0);
    }
    assert_eq!(sequence.len(), 12);
    assert!(sequence.is_sorted_by(|a, b| a < b), "{sequence:?}");
}

#[tokio::test]
async fn configurations_go_with_their_bucket() {
    let world = world().await;
    notify(&world, &["s3:ObjectCreated:*"], true).await;
    assert_eq!(notified(&world).await.queue_configurations.unwrap().len(), 1);
    let input = DeleteBucketInput { bucket: BUCKET.into(), ..Default::default() };
    world.service.delete_bucket(&world.cx, input).await.unwrap();
    world.create(BUCKET).await.unwrap();
    assert!(notified(&world).await.queue_configurations.is_none());
    world.put("input/k", b"x").await.unwrap();
    assert!(messages(&world, 0).await.is_empty());
}

#[tokio::test]
async fn a_batch_of_deletions_fits_a_commit() {
    let world = world().await;
    notify(&world, &["s3:ObjectRemoved:*"], true).await;
    // The longest keys, of what takes most bytes in a message.
    let keys: Vec<String> = (0..200).map(|n| format!("input/{n:03}{}", "é".repeat(507))).collect();
    for key in &keys {
        world.put(key, &bytes(65_536, 1)).await.unwrap();
    }
    let objects = keys.iter().map(|key| ObjectIdentifier { key: key.clone(), ..Default::default() });
    let input = DeleteObjectsInput {
        bucket: BUCKET.into(),
        delete: Delete { objects: Some(objects.collect()), quiet: Some(true) },
        ..Default::default()
    };
    let answer = world.service.delete_objects(&world.cx, input).await.unwrap();
    assert!(answer.errors.is_none(), "{:?}", answer.errors);
    assert_eq!(messages(&world, 200).await.len(), 200);
}
