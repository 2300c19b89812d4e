//! What archives leave in the store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::ops::Bound;
use std::time::Duration;

use common::{World, map, queue, topic};
use ropeway_api::sns::*;
use ropeway_core::ShardId;
use ropeway_core::keys::Space;
use ropeway_store::{MemoryStore, Range, Store};

const DAY: u64 = 24 * 60 * 60;
/// Kinds of rows: pieces, signatures (of which archives have none), archived messages, when to look for what is too old.
const KINDS: [u8; 4] = [5, 11, 13, 14];

/// How many rows of these kinds there are. The server that had the store is no more its owner.
async fn rows(store: &MemoryStore) -> [usize; 4] {
    let mut out = [0; 4];
    for shard in 0..store.shards() {
        let lease = store.acquire(ShardId(shard), "the test").await.unwrap();
        let shard = store.open(lease).await.unwrap();
        for (kind, count) in KINDS.into_iter().zip(&mut out) {
            let key = |kind: u8| vec![Space::Sns as u8, kind].into();
            let range = Range {
                from: Bound::Included(key(kind)),
                to: Bound::Excluded(key(kind + 1)),
                reverse: false,
            };
            *count += shard.scan(range, 10_000).await.unwrap().rows.len();
        }
    }
    out
}

async fn make(world: &World, days: u32) {
    let policy = format!(r#"{{"MessageRetentionPeriod":"{days}"}}"#);
    let attributes =
        map(&[("FifoTopic", "true"), ("ContentBasedDeduplication", "true"), ("ArchivePolicy", &policy)]);
    let input = CreateTopicInput { name: "t.fifo".to_owned(), attributes, ..Default::default() };
    world.sns.create_topic(&world.cx(), input).await.unwrap();
}

async fn publish(world: &World, message: &str) {
    let input = PublishInput {
        topic_arn: Some(topic("t.fifo")),
        message: message.to_owned(),
        message_group_id: Some("g".to_owned()),
        ..Default::default()
    };
    world.sns.publish(&world.cx(), input).await.unwrap();
}

async fn set(world: &World, policy: &str) {
    let input = SetTopicAttributesInput {
        topic_arn: topic("t.fifo"),
        attribute_name: "ArchivePolicy".to_owned(),
        attribute_value: Some(policy.to_owned()),
    };
    world.sns.set_topic_attributes(&world.cx(), input).await.unwrap();
}

#[tokio::test]
async fn messages_take_no_room_once_they_are_too_old() {
    let world = World::new().await;
    make(&world, 2).await;
    for n in 0..20 {
        publish(&world, &format!("{n}:{}", "x".repeat(100_000))).await;
    }
    world.advance(Duration::from_secs(DAY));
    publish(&world, "young").await;
    world.advance(Duration::from_secs(DAY));
    // What is due comes before the next command.
    publish(&world, "new").await;
    assert_eq!(rows(&world.store).await, [2, 0, 2, 1]);
}

#[tokio::test]
async fn a_shorter_retention_holds_for_what_is_there() {
    let world = World::new().await;
    make(&world, 300).await;
    publish(&world, "old").await;
    world.advance(Duration::from_secs(3 * DAY));
    publish(&world, "new").await;
    set(&world, r#"{"MessageRetentionPeriod":"2"}"#).await;
    publish(&world, "newer").await;
    world.advance(Duration::from_secs(DAY));
    publish(&world, "newest").await;
    assert_eq!(rows(&world.store).await, [3, 0, 3, 1]);
}

#[tokio::test]
async fn an_archive_that_ends_takes_no_room() {
    let mut world = World::new().await;
    make(&world, 2).await;
    // In more than one step.
    let input = SubscribeInput {
        topic_arn: topic("t.fifo"),
        protocol: "sqs".to_owned(),
        endpoint: Some(queue("q.fifo")),
        ..Default::default()
    };
    world.sns.subscribe(&world.cx(), input).await.unwrap();
    for n in 0..250 {
        publish(&world, &n.to_string()).await;
    }
    set(&world, "{}").await;
    // Large messages to many queues take the same way in steps, behind the archive's.
    for n in 0..12 {
        let input = SubscribeInput {
            topic_arn: topic("t.fifo"),
            protocol: "sqs".to_owned(),
            endpoint: Some(queue(&format!("{n}.fifo"))),
            attributes: map(&[("RawMessageDelivery", "true")]),
            ..Default::default()
        };
        world.sns.subscribe(&world.cx(), input).await.unwrap();
    }
    for n in 0..8 {
        publish(&world, &format!("{n}:{}", "x".repeat(200_000))).await;
    }
    let mut ends = 0;
    while ends < 13 {
        let got = world.queues.recv().await.unwrap();
        ends += usize::from(got.body.contains("7:xxx"));
    }
    world.advance(Duration::from_secs(3 * DAY));
    let input = GetTopicAttributesInput { topic_arn: topic("t.fifo") };
    world.sns.get_topic_attributes(&world.cx(), input).await.unwrap();
    assert_eq!(rows(&world.store).await, [0, 0, 0, 0]);
}
