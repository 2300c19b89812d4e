//! Endpoints by HTTP, on a clock that stands still.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::time::Duration;

use common::{World, map};
use ropeway_api::sns::{ConfirmSubscriptionInput, CreateTopicInput, PublishInput, Sns as _, SubscribeInput};
use serde_json::Value as Json;

/// `maxReceivesPerSecond`: two a second, so each waits for half a second after the one before, whichever lane it has.
#[tokio::test]
async fn messages_come_as_slowly_as_their_endpoint_wants_them() {
    let mut world = World::new().await;
    let cx = world.cx();
    let input = CreateTopicInput { name: "slow".to_owned(), ..Default::default() };
    let topic = world.sns.create_topic(&cx, input).await.unwrap().topic_arn.unwrap();
    let policy = r#"{"throttlePolicy": {"maxReceivesPerSecond": 2}}"#;
    let input = SubscribeInput {
        topic_arn: topic.clone(),
        protocol: "http".to_owned(),
        endpoint: Some("http://localhost/".to_owned()),
        attributes: map(&[("DeliveryPolicy", policy), ("RawMessageDelivery", "true")]),
        ..Default::default()
    };
    world.sns.subscribe(&cx, input).await.unwrap();
    let question = world.posts.recv().await.unwrap();
    let question: Json = serde_json::from_slice(question.body()).unwrap();
    let token = question["Token"].as_str().unwrap().to_owned();
    let input = ConfirmSubscriptionInput { topic_arn: topic.clone(), token, ..Default::default() };
    world.sns.confirm_subscription(&cx, input).await.unwrap();
    for number in 0..20 {
        let message = number.to_string();
        let input = PublishInput { topic_arn: Some(topic.clone()), message, ..Default::default() };
        world.sns.publish(&cx, input).await.unwrap();
    }
    world.posts.recv().await.unwrap();
    for _ in 1..20 {
        assert!(world.posts.try_recv().is_err(), "one at a time");
        world.advance(Duration::from_millis(500));
        world.posts.recv().await.unwrap();
    }
}
