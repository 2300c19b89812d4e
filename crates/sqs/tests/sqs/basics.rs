//! The life of a message in a standard queue.

use ropeway_api::sqs::*;

use crate::world::{World, handle, map, message, receive, url};

#[tokio::test]
async fn a_message_is_sent_received_and_deleted() {
    let world = World::new().await;
    assert_eq!(world.create("orders", &[]).await, url("orders"));
    let sent = world.send("orders", "hello").await;
    assert_eq!(sent.md5_of_message_body.as_deref(), Some("5d41402abc4b2a76b9719d911017c592"));
    assert_eq!(sent.sequence_number, None);
    assert_eq!(world.counts("orders").await, (1, 0, 0));

    let got = world.receive("orders", 10).await;
    assert_eq!((got.len(), got[0].body.as_deref()), (1, Some("hello")));
    assert_eq!((&got[0].message_id, &got[0].md5_of_body), (&sent.message_id, &sent.md5_of_message_body));
    let attributes = got[0].attributes.as_ref().unwrap();
    assert_eq!(attributes["ApproximateReceiveCount"], "1");
    assert_eq!(attributes["SentTimestamp"], "1800000000000");
    assert_eq!(attributes["SenderId"], "000000000000");
    assert_eq!(world.counts("orders").await, (0, 1, 0));
    assert!(world.receive("orders", 10).await.is_empty());

    world.delete("orders", handle(&got[0])).await.unwrap();
    world.delete("orders", handle(&got[0])).await.unwrap();
    assert_eq!(world.counts("orders").await, (0, 0, 0));
}

#[tokio::test]
async fn a_long_poll_ends_with_the_first_message() {
    let world = World::new().await;
    world.create("orders", &[]).await;
    let poll = ReceiveMessageInput { wait_time_seconds: Some(20), ..receive("orders") };
    let send = async {
        world.settle().await;
        world.send("orders", "late").await
    };
    let (got, _) = tokio::join!(world.sqs.receive_message(&world.cx, poll), send);
    assert_eq!(got.unwrap().messages.unwrap()[0].body.as_deref(), Some("late"));
}

#[tokio::test]
async fn a_long_poll_ends_empty_when_its_time_is_over_or_the_server_stops() {
    let world = World::new().await;
    world.create("orders", &[("ReceiveMessageWaitTimeSeconds", "20")]).await;
    let poll = || ReceiveMessageInput { wait_time_seconds: None, ..receive("orders") };
    let late = async {
        world.settle().await;
        world.advance(20);
    };
    let (got, ()) = tokio::join!(world.sqs.receive_message(&world.cx, poll()), late);
    assert!(got.unwrap().messages.is_none());

    let stop = async {
        world.settle().await;
        world.core.stop().await.unwrap();
    };
    let (got, ()) = tokio::join!(world.sqs.receive_message(&world.cx, poll()), stop);
    assert!(got.unwrap().messages.is_none());
}

#[tokio::test]
async fn a_long_poll_sees_what_becomes_visible_by_time() {
    let world = World::new().await;
    world.create("orders", &[]).await;
    let input = SendMessageInput { delay_seconds: Some(5), ..message("orders", "slow") };
    world.sqs.send_message(&world.cx, input).await.unwrap();
    let poll = ReceiveMessageInput { wait_time_seconds: Some(20), ..receive("orders") };
    let later = async {
        world.settle().await;
        world.advance(5);
    };
    let (got, ()) = tokio::join!(world.sqs.receive_message(&world.cx, poll), later);
    assert_eq!(got.unwrap().messages.unwrap()[0].body.as_deref(), Some("slow"));
}

#[tokio::test]
async fn attributes_travel_with_their_sums() {
    let world = World::new().await;
    world.create("orders", &[]).await;
    let text = MessageAttributeValue {
        data_type: "Number.java.lang.Long".to_owned(),
        string_value: Some("1493147359900".to_owned()),
        ..MessageAttributeValue::default()
    };
    let trace = MessageSystemAttributeValue {
        data_type: "String".to_owned(),
        string_value: Some("Root=1-2-3".to_owned()),
        ..MessageSystemAttributeValue::default()
    };
    let input = SendMessageInput {
        message_attributes: Some([("timestamp".to_owned(), text)].into()),
        message_system_attributes: Some([("AWSTraceHeader".to_owned(), trace)].into()),
        ..message("orders", "x")
    };
    let sent = world.sqs.send_message(&world.cx, input).await.unwrap();
    assert_eq!(sent.md5_of_message_attributes.as_deref(), Some("2e2e4876d8e0bd6b8c2c8f556831c349"));
    assert!(sent.md5_of_message_system_attributes.is_some());

    let hidden = ReceiveMessageInput {
        message_attribute_names: Some(vec!["other".to_owned()]),
        message_system_attribute_names: None,
        visibility_timeout: Some(0),
        ..receive("orders")
    };
    let got = world.sqs.receive_message(&world.cx, hidden).await.unwrap().messages.unwrap();
    assert!(got[0].message_attributes.is_none() && got[0].attributes.is_none());
    assert!(got[0].md5_of_message_attributes.is_none());

    let got = world.receive("orders", 1).await;
    assert_eq!(got[0].md5_of_message_attributes, sent.md5_of_message_attributes);
    assert_eq!(got[0].message_attributes.as_ref().unwrap()["timestamp"].data_type, "Number.java.lang.Long");
    assert_eq!(got[0].attributes.as_ref().unwrap()["AWSTraceHeader"], "Root=1-2-3");
}

#[tokio::test]
async fn batches_answer_for_each_entry() {
    let world = World::new().await;
    world.create("orders", &[]).await;
    let entry = |id: &str, body: &str| SendMessageBatchRequestEntry {
        id: id.to_owned(),
        message_body: body.to_owned(),
        ..SendMessageBatchRequestEntry::default()
    };
    let send = |entries| SendMessageBatchInput { queue_url: url("orders"), entries };
    let batch = vec![entry("a", "1"), entry("b", ""), entry("c", "3")];
    let out = world.sqs.send_message_batch(&world.cx, send(batch)).await.unwrap();
    assert_eq!(out.successful.iter().map(|e| e.id.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!((out.failed[0].id.as_str(), out.failed[0].code.as_str()), ("b", "MissingParameter"));

    let code =
        |result: Result<SendMessageBatchOutput, ropeway_wire::Error>| result.unwrap_err().code.into_owned();
    assert_eq!(code(world.sqs.send_message_batch(&world.cx, send(vec![])).await), "EmptyBatchRequest");
    let eleven = (0..11).map(|n| entry(&n.to_string(), "x")).collect();
    assert_eq!(
        code(world.sqs.send_message_batch(&world.cx, send(eleven)).await),
        "TooManyEntriesInBatchRequest"
    );
    let twice = vec![entry("a", "x"), entry("a", "x")];
    assert_eq!(code(world.sqs.send_message_batch(&world.cx, send(twice)).await), "BatchEntryIdsNotDistinct");
    let bad = vec![entry("a b", "x")];
    assert_eq!(code(world.sqs.send_message_batch(&world.cx, send(bad)).await), "InvalidBatchEntryId");
    let big = "x".repeat(600_000);
    let long = vec![entry("a", &big), entry("b", &big)];
    assert_eq!(code(world.sqs.send_message_batch(&world.cx, send(long)).await), "BatchRequestTooLong");

    let got = world.receive("orders", 10).await;
    let delete = |(n, handle): (usize, String)| DeleteMessageBatchRequestEntry {
        id: n.to_string(),
        receipt_handle: handle,
    };
    let mut handles: Vec<String> = got.iter().map(|m| handle(m).to_owned()).collect();
    handles.push("nonsense".to_owned());
    let entries = handles.into_iter().enumerate().map(delete).collect();
    let input = DeleteMessageBatchInput { queue_url: url("orders"), entries };
    let out = world.sqs.delete_message_batch(&world.cx, input).await.unwrap();
    assert_eq!((out.successful.len(), out.failed[0].code.as_str()), (2, "ReceiptHandleIsInvalid"));
    assert_eq!(world.counts("orders").await, (0, 0, 0));
}

#[tokio::test]
async fn an_old_receipt_deletes_nothing() {
    let world = World::new().await;
    world.create("orders", &[("VisibilityTimeout", "10")]).await;
    world.send("orders", "x").await;
    let first = world.receive("orders", 1).await;
    world.advance(10);
    let second = world.receive("orders", 1).await;
    assert_eq!(second[0].attributes.as_ref().unwrap()["ApproximateReceiveCount"], "2");
    assert_ne!(handle(&first[0]), handle(&second[0]));
    world.delete("orders", handle(&first[0])).await.unwrap();
    assert_eq!(world.counts("orders").await, (0, 1, 0));
    world.advance(10);
    assert_eq!(world.counts("orders").await, (1, 0, 0));
    // The newest receipt deletes, though the message is visible again.
    world.delete("orders", handle(&second[0])).await.unwrap();
    assert_eq!(world.counts("orders").await, (0, 0, 0));
    assert!(world.receive("orders", 1).await.is_empty());
}

#[tokio::test]
async fn visibility_is_changed_within_its_bounds() {
    let world = World::new().await;
    world.create("orders", &[]).await;
    world.send("orders", "x").await;
    let got = world.receive("orders", 1).await;
    world.change("orders", handle(&got[0]), 43_200).await.unwrap();
    world.advance(1);
    let error = world.change("orders", handle(&got[0]), 43_200).await.unwrap_err();
    assert_eq!(error.code, "InvalidParameterValue");
    assert!(error.message.contains("beyond the limit [43200 seconds]"), "{}", error.message);
    assert_eq!(
        world.change("orders", handle(&got[0]), 43_201).await.unwrap_err().code,
        "InvalidParameterValue"
    );
    world.change("orders", handle(&got[0]), 0).await.unwrap();
    let error = world.change("orders", handle(&got[0]), 10).await.unwrap_err();
    assert_eq!(
        (error.code.as_ref(), error.query_code.as_deref()),
        ("MessageNotInflight", Some("AWS.SimpleQueueService.MessageNotInflight"))
    );
    let again = world.receive("orders", 1).await;
    world.delete("orders", handle(&again[0])).await.unwrap();
    assert_eq!(
        world.change("orders", handle(&again[0]), 10).await.unwrap_err().code,
        "InvalidParameterValue"
    );
    assert_eq!(world.change("orders", "AQEB", 10).await.unwrap_err().code, "ReceiptHandleIsInvalid");
}

#[tokio::test]
async fn bad_messages_are_refused() {
    let world = World::new().await;
    world.create("orders", &[("MaximumMessageSize", "1024")]).await;
    let refused = async |input| world.sqs.send_message(&world.cx, input).await.unwrap_err();
    assert_eq!(refused(message("orders", "a\u{1}")).await.code, "InvalidMessageContents");
    assert_eq!(refused(message("orders", "")).await.code, "MissingParameter");
    let error = refused(message("orders", &"x".repeat(1025))).await;
    assert_eq!(
        error.message,
        "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes."
    );
    let error = refused(SendMessageInput { delay_seconds: Some(901), ..message("orders", "x") }).await;
    assert_eq!(
        error.message,
        "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."
    );
    let error = refused(message("missing", "x")).await;
    assert_eq!(
        (error.status, error.query_code.as_deref()),
        (400, Some("AWS.SimpleQueueService.NonExistentQueue"))
    );
    let error = refused(SendMessageInput {
        message_deduplication_id: Some("d".to_owned()),
        ..message("orders", "x")
    })
    .await;
    assert_eq!(error.code, "InvalidParameterValue");
}

#[tokio::test]
async fn queues_are_listed_in_pages() {
    let world = World::new().await;
    for name in ["b", "a", "ab", "c"] {
        world.create(name, &[]).await;
    }
    let list = async |prefix: Option<&str>, token: Option<String>, max: Option<i64>| {
        let input = ListQueuesInput {
            queue_name_prefix: prefix.map(str::to_owned),
            next_token: token,
            max_results: max,
        };
        let out = world.sqs.list_queues(&world.cx, input).await.unwrap();
        (out.queue_urls.unwrap_or_default(), out.next_token)
    };
    assert_eq!(list(None, None, None).await, (["a", "ab", "b", "c"].map(url).to_vec(), None));
    assert_eq!(list(Some("a"), None, None).await, (["a", "ab"].map(url).to_vec(), None));
    let (first, token) = list(None, None, Some(3)).await;
    assert_eq!(first, ["a", "ab", "b"].map(url));
    assert_eq!(list(None, token, Some(3)).await, (["c"].map(url).to_vec(), None));
    world.sqs.delete_queue(&world.cx, DeleteQueueInput { queue_url: url("ab") }).await.unwrap();
    assert_eq!(list(None, None, None).await.0, ["a", "b", "c"].map(url));
    // The outbox says the same again, in vain.
    world.settle().await;
    assert_eq!(list(None, None, None).await.0, ["a", "b", "c"].map(url));
}

#[tokio::test]
async fn urls_of_any_host_and_bare_names_find_a_queue() {
    let world = World::new().await;
    world.create("orders", &[]).await;
    for queue_url in [
        "https://sqs.us-east-1.amazonaws.com/000000000000/orders",
        "http://x/queue/000000000000/orders/",
        "orders",
    ] {
        let input = SendMessageInput { queue_url: queue_url.to_owned(), ..message("orders", "x") };
        world.sqs.send_message(&world.cx, input).await.unwrap();
    }
    assert_eq!(world.counts("orders").await, (3, 0, 0));
    for queue_url in ["http://localhost:4566", "http://localhost:4566/a b", "http://x/000000000001/orders"] {
        let input = SendMessageInput { queue_url: queue_url.to_owned(), ..message("orders", "x") };
        assert_eq!(world.sqs.send_message(&world.cx, input).await.unwrap_err().code, "QueueDoesNotExist");
    }
}

#[tokio::test]
async fn tags_are_kept_within_their_bounds() {
    let world = World::new().await;
    world.create("orders", &[]).await;
    let tag = async |tags: &[(&str, &str)]| {
        let input = TagQueueInput { queue_url: url("orders"), tags: map(tags) };
        world.sqs.tag_queue(&world.cx, input).await.map(|_| ())
    };
    tag(&[("a", "1"), ("b", "2")]).await.unwrap();
    tag(&[("a", "3")]).await.unwrap();
    let untag = UntagQueueInput { queue_url: url("orders"), tag_keys: vec!["b".to_owned(), "z".to_owned()] };
    world.sqs.untag_queue(&world.cx, untag).await.unwrap();
    let input = ListQueueTagsInput { queue_url: url("orders") };
    let tags = world.sqs.list_queue_tags(&world.cx, input).await.unwrap().tags;
    assert_eq!(tags, Some(map(&[("a", "3")])));
    assert_eq!(tag(&[("aws:x", "1")]).await.unwrap_err().code, "InvalidParameterValue");
    let many: Vec<String> = (0..50).map(|n| format!("k{n}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|key| (key.as_str(), "v")).collect();
    assert_eq!(tag(&many).await.unwrap_err().code, "InvalidParameterValue");
}
