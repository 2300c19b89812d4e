//! What only FIFO queues do.

use ropeway_api::sqs::*;

use crate::world::{World, handle, message, receive};

const QUEUE: &str = "orders.fifo";

#[tokio::test]
async fn a_deduplication_id_counts_for_five_minutes_across_restarts() {
    let world = World::new().await;
    world.create(QUEUE, &[]).await;
    let first = world.send_to_group(QUEUE, "g", Some("d"), "one").await;
    let number = first.sequence_number.clone().unwrap();
    assert_eq!(number.len(), 20);
    let world = world.restart().await;
    world.advance(299);
    let again = world.send_to_group(QUEUE, "h", Some("d"), "two").await;
    assert_eq!((&again.message_id, &again.sequence_number), (&first.message_id, &first.sequence_number));
    // Deleting the message changes nothing of that.
    let got = world.receive(QUEUE, 10).await;
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].attributes.as_ref().unwrap()["SequenceNumber"], number);
    world.delete(QUEUE, handle(&got[0])).await.unwrap();
    assert_eq!(world.send_to_group(QUEUE, "g", Some("d"), "x").await.message_id, first.message_id);
    world.advance(1);
    let later = world.send_to_group(QUEUE, "g", Some("d"), "three").await;
    assert_ne!(later.message_id, first.message_id);
    assert!(later.sequence_number.unwrap() > number);
    assert_eq!(world.bodies(QUEUE, 10).await, ["three"]);
}

#[tokio::test]
async fn content_gives_the_deduplication_id_where_that_is_switched_on() {
    let world = World::new().await;
    world.create(QUEUE, &[]).await;
    let input = || SendMessageInput { message_group_id: Some("g".to_owned()), ..message(QUEUE, "same") };
    let error = world.sqs.send_message(&world.cx, input()).await.unwrap_err();
    assert!(error.message.starts_with("The queue should either have ContentBasedDeduplication enabled"));
    world.set(QUEUE, &[("ContentBasedDeduplication", "true")]).await.unwrap();
    let first = world.send_to_group(QUEUE, "g", None, "same").await;
    assert_eq!(world.send_to_group(QUEUE, "g", None, "same").await.message_id, first.message_id);
    assert_ne!(world.send_to_group(QUEUE, "g", None, "other").await.message_id, first.message_id);
    let got = world.receive(QUEUE, 1).await;
    // SHA-256 of the body.
    let id = "0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5";
    assert_eq!(got[0].attributes.as_ref().unwrap()["MessageDeduplicationId"], id);
}

#[tokio::test]
async fn in_high_throughput_mode_a_deduplication_id_counts_within_its_group() {
    let world = World::new().await;
    world
        .create(
            QUEUE,
            &[("DeduplicationScope", "messageGroup"), ("FifoThroughputLimit", "perMessageGroupId")],
        )
        .await;
    let first = world.send_to_group(QUEUE, "g", Some("d"), "1").await;
    assert_eq!(world.send_to_group(QUEUE, "g", Some("d"), "2").await.message_id, first.message_id);
    assert_ne!(world.send_to_group(QUEUE, "h", Some("d"), "3").await.message_id, first.message_id);
    let error = world.set(QUEUE, &[("DeduplicationScope", "queue")]).await.unwrap_err();
    assert_eq!(error.code, "InvalidAttributeValue");
}

#[tokio::test]
async fn a_group_is_locked_and_others_go_on() {
    let world = World::new().await;
    world.create(QUEUE, &[]).await;
    for (n, group) in ["a", "b", "a", "b", "a"].into_iter().enumerate() {
        world.send_to_group(QUEUE, group, Some(&n.to_string()), &format!("{group}{n}")).await;
    }
    let first = world.receive(QUEUE, 2).await;
    assert_eq!(first.iter().map(|m| m.body.as_deref().unwrap()).collect::<Vec<_>>(), ["a0", "a2"]);
    assert_eq!(world.bodies(QUEUE, 10).await, ["b1", "b3"]);
    assert!(world.bodies(QUEUE, 10).await.is_empty());
    world.delete(QUEUE, handle(&first[0])).await.unwrap();
    assert!(world.bodies(QUEUE, 10).await.is_empty());
    world.delete(QUEUE, handle(&first[1])).await.unwrap();
    assert_eq!(world.bodies(QUEUE, 10).await, ["a4"]);
}

#[tokio::test]
async fn a_poll_waits_for_a_group_to_be_free() {
    let world = World::new().await;
    world.create(QUEUE, &[]).await;
    world.send_to_group(QUEUE, "a", Some("1"), "one").await;
    world.send_to_group(QUEUE, "a", Some("2"), "two").await;
    let first = world.receive(QUEUE, 1).await;
    let poll = ReceiveMessageInput { wait_time_seconds: Some(20), ..receive(QUEUE) };
    let free = async {
        world.settle().await;
        world.delete(QUEUE, handle(&first[0])).await.unwrap();
    };
    let (got, ()) = tokio::join!(world.sqs.receive_message(&world.cx, poll), free);
    assert_eq!(got.unwrap().messages.unwrap()[0].body.as_deref(), Some("two"));
}

#[tokio::test]
async fn an_expired_receipt_is_refused() {
    let world = World::new().await;
    world.create(QUEUE, &[("VisibilityTimeout", "10")]).await;
    world.send_to_group(QUEUE, "a", Some("1"), "one").await;
    let got = world.receive(QUEUE, 1).await;
    world.advance(10);
    let error = world.delete(QUEUE, handle(&got[0])).await.unwrap_err();
    assert_eq!(error.code, "InvalidParameterValue");
    assert!(error.message.ends_with("Reason: The receipt handle has expired."), "{}", error.message);
}

#[tokio::test]
async fn a_receive_attempt_can_be_repeated() {
    let world = World::new().await;
    world.create(QUEUE, &[("VisibilityTimeout", "30")]).await;
    for n in ["1", "2"] {
        world.send_to_group(QUEUE, n, Some(n), n).await;
    }
    let attempt = |max: i64| ReceiveMessageInput {
        receive_request_attempt_id: Some("try".to_owned()),
        max_number_of_messages: Some(max),
        ..receive(QUEUE)
    };
    let get = async |world: &World, max: i64| {
        world.sqs.receive_message(&world.cx, attempt(max)).await.unwrap().messages.unwrap_or_default()
    };
    let handles = |messages: &[Message]| messages.iter().map(|m| handle(m).to_owned()).collect::<Vec<_>>();
    let first = get(&world, 1).await;
    world.advance(20);
    let world = world.restart().await;
    let again = get(&world, 1).await;
    assert_eq!(handles(&again), handles(&first));
    assert_eq!(again[0].attributes.as_ref().unwrap()["ApproximateReceiveCount"], "1");
    // The repetition began the visibility timeout anew.
    world.advance(20);
    assert_eq!(world.counts(QUEUE).await, (1, 1, 0));
    // Once a message was deleted the attempt counts no longer.
    world.delete(QUEUE, handle(&first[0])).await.unwrap();
    assert_eq!(get(&world, 1).await[0].body.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_changed_delay_concerns_the_messages_that_wait() {
    let world = World::new().await;
    world.create(QUEUE, &[("DelaySeconds", "100")]).await;
    world.send_to_group(QUEUE, "a", Some("1"), "one").await;
    assert_eq!(world.counts(QUEUE).await, (0, 0, 1));
    world.advance(10);
    assert!(world.bodies(QUEUE, 1).await.is_empty());
    world.set(QUEUE, &[("DelaySeconds", "10")]).await.unwrap();
    assert_eq!(world.bodies(QUEUE, 1).await, ["one"]);
    let input = SendMessageInput {
        delay_seconds: Some(5),
        message_group_id: Some("a".to_owned()),
        message_deduplication_id: Some("2".to_owned()),
        ..message(QUEUE, "x")
    };
    assert_eq!(world.sqs.send_message(&world.cx, input).await.unwrap_err().code, "InvalidParameterValue");
    assert_eq!(
        world.sqs.send_message(&world.cx, message(QUEUE, "x")).await.unwrap_err().message,
        "The request must contain the parameter MessageGroupId."
    );
}

#[tokio::test]
async fn a_standard_queue_serves_quiet_groups_first() {
    let world = World::new().await;
    world.create("fair", &[]).await;
    for n in 0..40 {
        world.send_to_group("fair", "loud", None, &format!("loud{n}")).await;
    }
    for _ in 0..2 {
        world.receive("fair", 10).await;
    }
    world.send_to_group("fair", "soft", None, "soft").await;
    assert_eq!(world.bodies("fair", 2).await, ["soft", "loud20"]);
}
