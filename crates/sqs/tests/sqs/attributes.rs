//! Attributes, and the policy that permissions edit.

use ropeway_api::sqs::*;

use crate::world::{World, arn, map, url};

#[tokio::test]
async fn a_new_queue_has_the_documented_defaults() {
    let world = World::new().await;
    world.create("orders", &[]).await;
    let expected = map(&[
        ("ApproximateNumberOfMessages", "0"),
        ("ApproximateNumberOfMessagesDelayed", "0"),
        ("ApproximateNumberOfMessagesNotVisible", "0"),
        ("CreatedTimestamp", "1800000000"),
        ("DelaySeconds", "0"),
        ("LastModifiedTimestamp", "1800000000"),
        ("MaximumMessageSize", "1048576"),
        ("MessageRetentionPeriod", "345600"),
        ("QueueArn", &arn("orders")),
        ("ReceiveMessageWaitTimeSeconds", "0"),
        ("SqsManagedSseEnabled", "true"),
        ("VisibilityTimeout", "30"),
    ]);
    assert_eq!(world.attributes("orders").await, expected);
    world.create("orders.fifo", &[]).await;
    let fifo = world.attributes("orders.fifo").await;
    let names = ["FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"];
    assert_eq!(names.map(|name| fifo[name].as_str()), ["true", "false", "queue", "perQueue"]);
}

#[tokio::test]
async fn values_out_of_range_and_unknown_names_are_refused() {
    let world = World::new().await;
    world.create("orders", &[]).await;
    let bad = [
        ("VisibilityTimeout", "43201"),
        ("VisibilityTimeout", "-1"),
        ("DelaySeconds", "901"),
        ("MaximumMessageSize", "1023"),
        ("MaximumMessageSize", "1048577"),
        ("MessageRetentionPeriod", "59"),
        ("MessageRetentionPeriod", "1209601"),
        ("ReceiveMessageWaitTimeSeconds", "21"),
        ("SqsManagedSseEnabled", "perhaps"),
        ("Policy", "{"),
    ];
    for (name, value) in bad {
        let error = world.set("orders", &[(name, value)]).await.unwrap_err();
        let expected = ("InvalidAttributeValue", format!("Invalid value for the parameter {name}."));
        assert_eq!((error.code.as_ref(), error.message), expected);
    }
    for name in ["Nonsense", "QueueArn", "FifoQueue", "ContentBasedDeduplication", "All"] {
        let error = world.set("orders", &[(name, "true")]).await.unwrap_err();
        assert_eq!(
            (error.code.as_ref(), error.message),
            ("InvalidAttributeName", format!("Unknown Attribute {name}."))
        );
    }
    let error = world.set("orders", &[("KmsMasterKeyId", "alias/aws/sqs")]).await.unwrap_err();
    assert_eq!(error.code, "UnsupportedOperation");
    assert!(error.message.contains("KmsMasterKeyId"));
    world.set("orders", &[("KmsMasterKeyId", "")]).await.unwrap();
}

#[tokio::test]
async fn creating_again_asks_for_the_same_attributes() {
    let world = World::new().await;
    let first = world.create("orders", &[("VisibilityTimeout", "45")]).await;
    assert_eq!(world.create("orders", &[("VisibilityTimeout", "45")]).await, first);
    assert_eq!(world.create("orders", &[]).await, first);
    let error = world.try_create("orders", &[("VisibilityTimeout", "46")]).await.unwrap_err();
    assert_eq!(
        (error.code.as_ref(), error.query_code.as_deref()),
        ("QueueNameExists", Some("QueueAlreadyExists"))
    );
    assert!(error.message.ends_with("attribute VisibilityTimeout"));
}

#[tokio::test]
async fn names_are_checked() {
    let world = World::new().await;
    let long = "x".repeat(81);
    for name in ["", "a b", "a/b", "a.b", "ä", long.as_str(), ".fifo"] {
        assert_eq!(world.try_create(name, &[]).await.unwrap_err().code, "InvalidParameterValue", "{name}");
    }
    let input = CreateQueueInput { queue_name: "a.fifo".to_owned(), ..Default::default() };
    assert_eq!(world.sqs.create_queue(&world.cx, input).await.unwrap_err().code, "InvalidParameterValue");
    assert_eq!(
        world.try_create("a", &[("FifoQueue", "true")]).await.unwrap_err().code,
        "InvalidParameterValue"
    );
    let standard = world.try_create("a", &[("FifoQueue", "false")]).await.unwrap_err();
    assert_eq!(
        (standard.code.as_ref(), standard.message.as_ref()),
        ("InvalidAttributeName", "Unknown Attribute FifoQueue.")
    );
    world.create(&"x".repeat(80), &[]).await;
}

#[tokio::test]
async fn permissions_edit_the_policy() {
    let world = World::new().await;
    world.create("orders", &[]).await;
    let add = async |label: &str, actions: &[&str]| {
        let input = AddPermissionInput {
            queue_url: url("orders"),
            label: label.to_owned(),
            aws_account_ids: vec!["111111111111".to_owned()],
            actions: actions.iter().map(|a| (*a).to_owned()).collect(),
        };
        world.sqs.add_permission(&world.cx, input).await.map(|_| ())
    };
    let remove = async |label: &str| {
        let input = RemovePermissionInput { queue_url: url("orders"), label: label.to_owned() };
        world.sqs.remove_permission(&world.cx, input).await.map(|_| ())
    };
    add("one", &["SendMessage"]).await.unwrap();
    add("two", &["SendMessage", "ReceiveMessage"]).await.unwrap();
    let policy: serde_json::Value =
        serde_json::from_str(&world.attributes("orders").await["Policy"]).unwrap();
    let one = serde_json::json!({
        "Sid": "one", "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::111111111111:root" },
        "Action": "SQS:SendMessage", "Resource": arn("orders"),
    });
    assert_eq!(policy["Statement"][0], one);
    assert_eq!(
        policy["Statement"][1]["Action"],
        serde_json::json!(["SQS:SendMessage", "SQS:ReceiveMessage"])
    );
    assert_eq!(add("one", &["SendMessage"]).await.unwrap_err().code, "InvalidParameterValue");
    assert_eq!(add("three", &["DeleteQueue"]).await.unwrap_err().code, "InvalidParameterValue");
    assert_eq!(add("three", &["SendMessage"; 8]).await.unwrap_err().code, "OverLimit");
    remove("one").await.unwrap();
    assert_eq!(remove("one").await.unwrap_err().code, "InvalidParameterValue");
    remove("two").await.unwrap();
    assert!(!world.attributes("orders").await.contains_key("Policy"));
}
