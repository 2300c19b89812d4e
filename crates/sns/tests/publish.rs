//! Publishing: who gets what, exactly once, and what becomes of what nobody takes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::collections::BTreeSet;

use bytes::Bytes;
use common::{World, map, queue, topic};
use ropeway_api::sns::{
    CreateTopicInput, MessageAttributeValue, PublishBatchInput, PublishBatchRequestEntry, PublishInput,
    SetTopicAttributesInput, Sns as _, SubscribeInput, UnsubscribeInput,
};
use ropeway_core::Machine;
use ropeway_core::effects::{AttributeValue, SnsCommand, TopicDelivery};
use ropeway_sns::SnsMachine;
use serde_json::{Value as Json, json};

async fn make_topic(world: &World, name: &str) -> String {
    let input = CreateTopicInput { name: name.to_owned(), ..Default::default() };
    world.sns.create_topic(&world.cx(), input).await.unwrap().topic_arn.unwrap()
}

async fn subscribe(world: &World, topic: &str, endpoint: &str, attributes: &[(&str, &str)]) -> String {
    let input = SubscribeInput {
        topic_arn: topic.to_owned(),
        protocol: endpoint.split(':').nth(2).unwrap().to_owned(),
        endpoint: Some(endpoint.to_owned()),
        attributes: map(attributes).filter(|a| !a.is_empty()),
        ..Default::default()
    };
    world.sns.subscribe(&world.cx(), input).await.unwrap().subscription_arn.unwrap()
}

fn message(topic: &str, text: &str) -> PublishInput {
    PublishInput { topic_arn: Some(topic.to_owned()), message: text.to_owned(), ..Default::default() }
}

fn attribute(data_type: &str, value: &str) -> MessageAttributeValue {
    MessageAttributeValue {
        data_type: data_type.to_owned(),
        string_value: Some(value.to_owned()),
        binary_value: None,
    }
}

#[tokio::test]
async fn a_queue_gets_the_message_in_its_envelope() {
    let mut world = World::new().await;
    let arn = make_topic(&world, "orders").await;
    assert_eq!(arn, topic("orders"));
    let subscription = subscribe(&world, &arn, &queue("q"), &[]).await;
    let mut input = message(&arn, "hello");
    input.subject = Some("A subject".to_owned());
    let attributes = [("n", attribute("Number", "5")), ("s", attribute("String", "x"))];
    input.message_attributes =
        Some(attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    let id = world.sns.publish(&world.cx(), input).await.unwrap().message_id.unwrap();

    let got = world.queues.recv().await.unwrap();
    assert_eq!(got.queue, queue("q"));
    assert_eq!(got.principal, "sns.amazonaws.com");
    assert_eq!(got.source_arn, arn);
    assert_eq!(got.source_account, common::ACCOUNT);
    assert_eq!(got.trace_header.as_deref(), Some("Root=1-00000000-000000000000000000000001"));
    assert!(got.attributes.is_empty(), "the envelope carries them");
    let mut body: Json = serde_json::from_str(&got.body).unwrap();
    // What it says is for the tests through SDKs to check.
    let signature = body.as_object_mut().unwrap().remove("Signature").unwrap();
    assert_eq!(signature.as_str().unwrap().len(), 344);
    let certificate = body.as_object_mut().unwrap().remove("SigningCertURL").unwrap();
    assert!(certificate.as_str().unwrap().starts_with("http://localhost:4566/SimpleNotificationService-"));
    let unsubscribe = format!(
        "http://localhost:4566/?Action=Unsubscribe&Version=2010-03-31&SubscriptionArn={subscription}"
    );
    let expected = json!({
        "Type": "Notification",
        "MessageId": id,
        "TopicArn": arn,
        "Subject": "A subject",
        "Message": "hello",
        "Timestamp": "2023-11-14T22:13:20.000Z",
        "SignatureVersion": "1",
        "UnsubscribeURL": unsubscribe,
        "MessageAttributes": {
            "n": { "Type": "Number", "Value": "5" },
            "s": { "Type": "String", "Value": "x" },
        },
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn raw_delivery_maps_attributes() {
    let mut world = World::new().await;
    let arn = make_topic(&world, "orders").await;
    subscribe(&world, &arn, &queue("q"), &[("RawMessageDelivery", "true")]).await;
    let mut input = message(&arn, "hello");
    let binary = MessageAttributeValue {
        data_type: "Binary.png".to_owned(),
        string_value: None,
        binary_value: Some(Bytes::from_static(b"\x00\x01")),
    };
    input.message_attributes = Some([("b".to_owned(), binary)].into());
    input.message_group_id = Some("g1".to_owned());
    world.sns.publish(&world.cx(), input).await.unwrap();
    let got = world.queues.recv().await.unwrap();
    assert_eq!(got.body, "hello");
    assert_eq!(got.group.as_deref(), Some("g1"));
    assert_eq!(got.attributes["b"].data_type, "Binary.png");
    assert_eq!(got.attributes["b"].value, AttributeValue::Binary(Bytes::from_static(b"\x00\x01")));
}

#[tokio::test]
async fn each_protocol_gets_its_own_message() {
    let mut world = World::new().await;
    let arn = make_topic(&world, "orders").await;
    let stream = format!("arn:aws:firehose:{}:{}:deliverystream/s", common::REGION, common::ACCOUNT);
    let role = "arn:aws:iam::123456789012:role/delivery";
    let raw = ("RawMessageDelivery", "true");
    subscribe(&world, &arn, &queue("q"), &[raw]).await;
    subscribe(&world, &arn, &stream, &[raw, ("SubscriptionRoleArn", role)]).await;
    let mut input = message(&arn, r#"{"default": "d", "sqs": "for queues"}"#);
    input.message_structure = Some("json".to_owned());
    world.sns.publish(&world.cx(), input).await.unwrap();
    assert_eq!(world.queues.recv().await.unwrap().body, "for queues");
    let got = world.streams.recv().await.unwrap();
    assert_eq!((got.stream, got.role, got.data), (stream, role.to_owned(), Bytes::from("d")));
    let asked = world.gate.asked.lock().unwrap().clone();
    assert!(asked.contains(&("iam:PassRole".to_owned(), role.to_owned())));
    assert!(asked.contains(&("sns:Publish".to_owned(), arn)));
}

#[tokio::test]
async fn only_matching_subscriptions_get_a_message() {
    let mut world = World::new().await;
    let arn = make_topic(&world, "orders").await;
    let raw = ("RawMessageDelivery", "true");
    subscribe(&world, &arn, &queue("red"), &[raw, ("FilterPolicy", r#"{"color": ["red"]}"#)]).await;
    let body = [("FilterPolicyScope", "MessageBody"), ("FilterPolicy", r#"{"a": {"b": [1]}}"#), raw];
    subscribe(&world, &arn, &queue("body"), &body).await;
    let mut input = message(&arn, "first");
    input.message_attributes = Some([("color".to_owned(), attribute("String", "red"))].into());
    world.sns.publish(&world.cx(), input).await.unwrap();
    world.sns.publish(&world.cx(), message(&arn, r#"{"a": [{"b": 2}, {"b": 1}]}"#)).await.unwrap();
    world.sns.publish(&world.cx(), message(&arn, "nobody's")).await.unwrap();
    let mut got = BTreeSet::new();
    for _ in 0..2 {
        let delivery = world.queues.recv().await.unwrap();
        got.insert((delivery.queue, delivery.body));
    }
    let expected =
        [(queue("body"), r#"{"a": [{"b": 2}, {"b": 1}]}"#.to_owned()), (queue("red"), "first".to_owned())];
    assert_eq!(got, expected.into());
    world.core.stop().await.unwrap();
    assert!(world.queues.try_recv().is_err(), "no third delivery");
}

#[tokio::test]
async fn what_is_refused_goes_to_the_dead_letter_queue() {
    let mut world = World::new().await;
    let arn = make_topic(&world, "orders").await;
    let redrive = json!({ "deadLetterTargetArn": queue("dead") }).to_string();
    subscribe(&world, &arn, &queue("gone"), &[("RedrivePolicy", &redrive), ("RawMessageDelivery", "true")])
        .await;
    subscribe(&world, &arn, &queue("nobodys-gone"), &[]).await;
    world.sns.publish(&world.cx(), message(&arn, "lost?")).await.unwrap();
    let got = world.queues.recv().await.unwrap();
    assert_eq!((got.queue, got.body, got.source_arn), (queue("dead"), "lost?".to_owned(), arn));
}

#[tokio::test]
async fn many_subscriptions_are_served_in_steps() {
    let mut world = World::new().await;
    let arn = make_topic(&world, "orders").await;
    let mut expected = BTreeSet::new();
    for number in 0..450 {
        let attributes: &[(&str, &str)] = match number % 90 {
            0 => &[("FilterPolicy", r#"{"no": ["such"]}"#)],
            _ => &[("RawMessageDelivery", "true")],
        };
        subscribe(&world, &arn, &queue(&format!("q{number}")), attributes).await;
        if number % 90 != 0 {
            expected.insert(queue(&format!("q{number}")));
        }
    }
    world.sns.publish(&world.cx(), message(&arn, "to all")).await.unwrap();
    let mut got = BTreeSet::new();
    for _ in 0..expected.len() {
        let delivery = world.queues.recv().await.unwrap();
        assert_eq!(delivery.body, "to all");
        assert!(got.insert(delivery.queue), "each once");
    }
    assert_eq!(got, expected);
}

#[tokio::test]
async fn an_answered_publish_survives_a_crash() {
    let store = ropeway_store::MemoryStore::new(4);
    {
        // The loops run, but what they commit is never delivered: the process ends first.
        let world = World::over(store.clone(), 1).await;
        let arn = make_topic(&world, "orders").await;
        for number in 0..3 {
            subscribe(&world, &arn, &queue(&format!("q{number}")), &[("RawMessageDelivery", "true")]).await;
        }
        store.hold();
        let cx = world.cx();
        let answer = world.sns.publish(&cx, message(&arn, "kept"));
        let sync = async {
            while store.waiting() == 0 {
                tokio::task::yield_now().await;
            }
            store.sync(1);
        };
        let (answer, ()) = tokio::join!(answer, sync);
        answer.unwrap();
        store.crash(0);
    }
    let mut world = World::over(store, 2).await;
    let mut got = BTreeSet::new();
    for _ in 0..3 {
        let delivery = world.queues.recv().await.unwrap();
        assert_eq!(delivery.body, "kept");
        got.insert(delivery.queue);
    }
    assert_eq!(got.len(), 3);
    assert!(world.gate.policies.lock().unwrap().contains_key(&topic("orders")), "known again at start");
}

#[tokio::test]
async fn a_batch_fails_entry_by_entry() {
    let mut world = World::new().await;
    let arn = make_topic(&world, "orders").await;
    subscribe(&world, &arn, &queue("q"), &[("RawMessageDelivery", "true")]).await;
    let entry = |id: &str, message: &str| PublishBatchRequestEntry {
        id: id.to_owned(),
        message: message.to_owned(),
        ..Default::default()
    };
    let batch =
        |entries| PublishBatchInput { topic_arn: arn.clone(), publish_batch_request_entries: entries };
    let answer =
        world.sns.publish_batch(&world.cx(), batch(vec![entry("a", "1"), entry("b", "")])).await.unwrap();
    assert_eq!(answer.successful.unwrap()[0].id.as_deref(), Some("a"));
    let failed = &answer.failed.unwrap()[0];
    assert_eq!(
        (failed.id.as_str(), failed.code.as_str(), failed.sender_fault),
        ("b", "InvalidParameter", true)
    );
    assert_eq!(failed.message.as_deref(), Some("Invalid parameter: Empty message"));
    assert_eq!(world.queues.recv().await.unwrap().body, "1");

    let code = async |entries| world.sns.publish_batch(&world.cx(), batch(entries)).await.unwrap_err().code;
    assert_eq!(code(vec![]).await, "EmptyBatchRequest");
    assert_eq!(code(vec![entry("a", "1"), entry("a", "2")]).await, "BatchEntryIdsNotDistinct");
    assert_eq!(code(vec![entry("ä", "1")]).await, "InvalidBatchEntryId");
    assert_eq!(
        code((0..11).map(|n| entry(&n.to_string(), "x")).collect()).await,
        "TooManyEntriesInBatchRequest"
    );
    let long = "x".repeat(140_000);
    assert_eq!(code(vec![entry("a", &long), entry("b", &long)]).await, "BatchRequestTooLong");
}

#[tokio::test]
async fn messages_are_checked_in_the_services_words() {
    let world = World::new().await;
    let arn = make_topic(&world, "orders").await;
    let refusal = async |input| {
        let error = world.sns.publish(&world.cx(), input).await.unwrap_err();
        (error.code.into_owned(), error.message)
    };
    let said = async |input| refusal(input).await.1;
    assert_eq!(said(message(&arn, "")).await, "Invalid parameter: Empty message");
    assert_eq!(said(message(&arn, &"x".repeat(262_145))).await, "Invalid parameter: Message too long");
    assert!(
        said(message(&arn, "a\u{1}b"))
            .await
            .starts_with("Invalid parameter: Message Reason: valid characters")
    );
    let small = SetTopicAttributesInput {
        topic_arn: arn.clone(),
        attribute_name: "MaximumMessageSize".to_owned(),
        attribute_value: Some("1024".to_owned()),
    };
    world.sns.set_topic_attributes(&world.cx(), small.clone()).await.unwrap();
    assert_eq!(said(message(&arn, &"x".repeat(1025))).await, "Invalid parameter: Message too long");
    let large = SetTopicAttributesInput { attribute_value: Some("262145".to_owned()), ..small };
    let error = world.sns.set_topic_attributes(&world.cx(), large).await.unwrap_err();
    assert_eq!((&*error.code, error.message.contains("MaximumMessageSize")), ("NotImplemented", true));
    let subject = |subject: &str| PublishInput { subject: Some(subject.to_owned()), ..message(&arn, "m") };
    assert_eq!(said(subject("")).await, "Invalid parameter: Subject");
    assert_eq!(said(subject(&"s".repeat(101))).await, "Invalid parameter: Subject");
    assert_eq!(said(subject("two\nlines")).await, "Invalid parameter: Subject");
    assert_eq!(
        said(message("orders", "m")).await,
        "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1"
    );
    let missing = refusal(message(&topic("other"), "m")).await;
    assert_eq!(missing, ("NotFound".to_owned(), "Topic does not exist".to_owned()));
    let structure =
        |text: &str| PublishInput { message_structure: Some("json".to_owned()), ..message(&arn, text) };
    assert_eq!(
        said(structure("no json")).await,
        "Invalid parameter: Message Structure - JSON message body failed to parse"
    );
    assert_eq!(
        said(structure(r#"{"sqs": "x"}"#)).await,
        "Invalid parameter: Message Structure - No default entry in JSON message body"
    );
    let with = |name: &str, value| PublishInput {
        message_attributes: Some([(name.to_owned(), value)].into()),
        ..message(&arn, "m")
    };
    assert_eq!(refusal(with("a", attribute("Text", "x"))).await.0, "ParameterValueInvalid");
    assert_eq!(
        said(with("a", attribute("String", ""))).await,
        "The message attribute 'a' must contain non-empty message attribute value for message attribute type 'String'."
    );
    assert_eq!(
        said(with("a", attribute("Binary", "x"))).await,
        "The message attribute 'a' with type 'Binary' must use field 'Binary'."
    );
    assert_eq!(
        said(with("a b", attribute("String", "x"))).await,
        "Invalid non-alphanumeric character '#x20' was found in the message attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots."
    );
}

#[tokio::test]
async fn nothing_comes_after_unsubscribing() {
    let mut world = World::new().await;
    let arn = make_topic(&world, "orders").await;
    let subscription = subscribe(&world, &arn, &queue("q"), &[]).await;
    let input = UnsubscribeInput { subscription_arn: subscription };
    world.sns.unsubscribe(&world.cx(), input.clone()).await.unwrap();
    world.sns.unsubscribe(&world.cx(), input).await.expect("a second time changes nothing");
    world.sns.publish(&world.cx(), message(&arn, "m")).await.unwrap();
    world.core.stop().await.unwrap();
    assert!(world.queues.try_recv().is_err());
}

/// What goes out in steps is signed when the first receiver is found that needs it; a FIFO topic's messages keep their
/// order whether they were signed before or not.
#[tokio::test]
async fn messages_are_signed_on_every_way() {
    let mut world = World::new().await;
    let arn = make_topic(&world, "orders").await;
    for number in 0..250 {
        let raw = if number % 2 == 0 { "true" } else { "false" };
        subscribe(&world, &arn, &queue(&format!("q{number}")), &[("RawMessageDelivery", raw)]).await;
    }
    world.sns.publish(&world.cx(), message(&arn, "to all")).await.unwrap();
    let (mut got, mut signatures) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..250 {
        let delivery = world.queues.recv().await.unwrap();
        assert!(got.insert(delivery.queue.clone()), "each once");
        if delivery.body != "to all" {
            let body: Json = serde_json::from_str(&delivery.body).unwrap();
            signatures.insert(body["Signature"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!((got.len(), signatures.len()), (250, 1));

    let attributes = map(&[("FifoTopic", "true"), ("ContentBasedDeduplication", "true")]);
    let input = CreateTopicInput { name: "orders.fifo".to_owned(), attributes, ..Default::default() };
    let arn = world.sns.create_topic(&world.cx(), input).await.unwrap().topic_arn.unwrap();
    subscribe(&world, &arn, &queue("enveloped.fifo"), &[("FilterPolicy", r#"{"odd": ["true"]}"#)]).await;
    subscribe(&world, &arn, &queue("raw.fifo"), &[("RawMessageDelivery", "true")]).await;
    for first in (0..40).step_by(10) {
        let entries = (first..first + 10).map(|number: u32| PublishBatchRequestEntry {
            id: number.to_string(),
            message: number.to_string(),
            message_group_id: Some("g".to_owned()),
            message_attributes: (number % 2 == 1)
                .then(|| [("odd".to_owned(), attribute("String", "true"))].into()),
            ..Default::default()
        });
        let publish_batch_request_entries = entries.collect();
        let batch = PublishBatchInput { topic_arn: arn.clone(), publish_batch_request_entries };
        let answer = world.sns.publish_batch(&world.cx(), batch).await.unwrap();
        assert_eq!(answer.successful.unwrap().len(), 10);
    }
    let (mut raw, mut enveloped) = (Vec::new(), Vec::new());
    while raw.len() + enveloped.len() < 60 {
        let delivery = world.queues.recv().await.unwrap();
        match delivery.queue == queue("raw.fifo") {
            true => raw.push(delivery.body),
            false => {
                let body: Json = serde_json::from_str(&delivery.body).unwrap();
                assert_eq!((body.get("Signature"), body.get("SignatureVersion")), (None, None));
                enveloped.push(body["Message"].as_str().unwrap().to_owned());
            }
        }
    }
    let text = |numbers: &mut dyn Iterator<Item = u32>| numbers.map(|n| n.to_string()).collect::<Vec<_>>();
    assert_eq!(raw, text(&mut (0..40)));
    assert_eq!(enveloped, text(&mut (1..40).step_by(2)));
}

/// What a service publishes is signed on its way, exactly once and in order.
#[tokio::test]
async fn what_services_publish_is_signed() {
    let store = ropeway_store::MemoryStore::new(4);
    let mut world = World::over(store, 1).await;
    let arn = make_topic(&world, "notes").await;
    subscribe(&world, &arn, &queue("q"), &[]).await;
    let shard = world.core.shard_of(&arn);
    let trace = ropeway_core::Trace::from("t");
    for number in 0..20 {
        let delivery = TopicDelivery {
            topic: arn.clone(),
            principal: "s3.amazonaws.com".to_owned(),
            source_arn: "arn:aws:s3:::b".to_owned(),
            source_account: common::ACCOUNT.to_owned(),
            message: number.to_string(),
            subject: None,
            base_url: "http://localhost:4566".to_owned(),
        };
        // As the outbox brings it.
        let sent = postcard::to_stdvec(&SnsCommand::Deliver(delivery)).unwrap();
        let command: <SnsMachine as Machine>::Command = postcard::from_bytes(&sent).unwrap();
        world.core.submit::<SnsMachine>(shard, &trace, command).await.unwrap();
    }
    for number in 0..20 {
        let delivery = world.queues.recv().await.unwrap();
        let body: Json = serde_json::from_str(&delivery.body).unwrap();
        assert_eq!(body["Message"], number.to_string());
        assert_eq!(body["Signature"].as_str().unwrap().len(), 344);
        assert_eq!(delivery.trace_header.as_deref(), Some("Root=t"));
    }
    world.core.stop().await.unwrap();
    assert!(world.queues.try_recv().is_err());
}

#[tokio::test]
async fn the_largest_message_reaches_every_queue() {
    let mut world = World::new().await;
    let arn = make_topic(&world, "orders").await;
    for number in 0..5 {
        subscribe(&world, &arn, &queue(&format!("q{number}")), &[("RawMessageDelivery", "true")]).await;
    }
    // Too much for one commit with all its deliveries, so kept in pieces and sent in steps.
    let text = "x".repeat(262_144);
    let id = world.sns.publish(&world.cx(), message(&arn, &text)).await.unwrap().message_id;
    assert!(id.is_some());
    let mut got = BTreeSet::new();
    for _ in 0..5 {
        let delivery = world.queues.recv().await.unwrap();
        assert_eq!(delivery.body.len(), text.len());
        assert_eq!(delivery.trace_header.as_deref(), Some("Root=1-00000000-000000000000000000000001"));
        assert!(got.insert(delivery.queue), "each once");
    }
}

#[tokio::test]
async fn a_publish_in_steps_goes_on_after_a_crash() {
    let store = ropeway_store::MemoryStore::new(4);
    {
        let world = World::over(store.clone(), 1).await;
        let arn = make_topic(&world, "orders").await;
        for number in 0..250 {
            subscribe(&world, &arn, &queue(&format!("q{number}")), &[("RawMessageDelivery", "true")]).await;
        }
        store.hold();
        let cx = world.cx();
        let answer = world.sns.publish(&cx, message(&arn, "kept"));
        let sync = async {
            while store.waiting() == 0 {
                tokio::task::yield_now().await;
            }
            store.sync(1);
        };
        let (answer, ()) = tokio::join!(answer, sync);
        answer.unwrap();
        // The row that names the work is on disk, but none of its deliveries is.
        store.crash(0);
    }
    let mut world = World::over(store, 2).await;
    let mut got = BTreeSet::new();
    for _ in 0..250 {
        got.insert(world.queues.recv().await.unwrap().queue);
    }
    assert_eq!(got.len(), 250);
}
