//! Topics and subscriptions: made, told of, changed, ended; and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{ACCOUNT, World, map, queue, topic};
use ropeway_api::sns::*;
use serde_json::{Value as Json, json};

async fn create(
    world: &World,
    name: &str,
    attributes: &[(&str, &str)],
) -> Result<String, ropeway_wire::Error> {
    let attributes = map(attributes).filter(|a| !a.is_empty());
    let input = CreateTopicInput { name: name.to_owned(), attributes, ..Default::default() };
    world.sns.create_topic(&world.cx(), input).await.map(|made| made.topic_arn.unwrap())
}

async fn subscribe(
    world: &World,
    protocol: &str,
    endpoint: &str,
    attributes: &[(&str, &str)],
) -> Result<String, ropeway_wire::Error> {
    let input = SubscribeInput {
        topic_arn: topic("t"),
        protocol: protocol.to_owned(),
        endpoint: Some(endpoint.to_owned()),
        attributes: map(attributes).filter(|a| !a.is_empty()),
        ..Default::default()
    };
    world.sns.subscribe(&world.cx(), input).await.map(|made| made.subscription_arn.unwrap())
}

async fn topic_attributes(world: &World) -> std::collections::BTreeMap<String, String> {
    let input = GetTopicAttributesInput { topic_arn: topic("t") };
    world.sns.get_topic_attributes(&world.cx(), input).await.unwrap().attributes.unwrap()
}

fn said<T: std::fmt::Debug>(result: Result<T, ropeway_wire::Error>) -> String {
    result.unwrap_err().message
}

#[tokio::test]
async fn a_topic_is_made_once() {
    let world = World::new().await;
    let arn = create(&world, "t", &[("DisplayName", "d")]).await.unwrap();
    assert_eq!(create(&world, "t", &[]).await.unwrap(), arn);
    assert_eq!(create(&world, "t", &[("DisplayName", "d")]).await.unwrap(), arn);
    assert_eq!(
        said(create(&world, "t", &[("DisplayName", "other")]).await),
        "Invalid parameter: Attributes Reason: Topic already exists with different attributes"
    );
    let tags = Some(vec![Tag { key: "k".to_owned(), value: "v".to_owned() }]);
    let input = CreateTopicInput { name: "t".to_owned(), tags, ..Default::default() };
    assert_eq!(
        said(world.sns.create_topic(&world.cx(), input).await),
        "Invalid parameter: Tags Reason: Topic already exists with different tags"
    );
    assert_eq!(said(create(&world, "a b", &[]).await), "Invalid parameter: Topic Name");
    assert_eq!(said(create(&world, "", &[]).await), "Invalid parameter: Topic Name");
    assert_eq!(said(create(&world, &"x".repeat(257), &[]).await), "Invalid parameter: Topic Name");
    assert_eq!(said(create(&world, "t.fifo", &[]).await), "Invalid parameter: Topic Name");
    assert!(said(create(&world, "t", &[("FifoTopic", "true")]).await).contains("must end with .fifo"));
    assert!(said(create(&world, "u", &[("KmsMasterKeyId", "k")]).await).contains("KmsMasterKeyId"));
    assert!(said(create(&world, "u", &[("TracingConfig", "Active")]).await).contains("TracingConfig"));
    create(&world, "u", &[("TracingConfig", "PassThrough"), ("FifoTopic", "false")]).await.unwrap();
    assert_eq!(
        said(create(&world, "v", &[("Nonsense", "1")]).await),
        "Invalid parameter: Attributes Reason: AttributeName"
    );
}

#[tokio::test]
async fn policies_are_checked_and_made_known() {
    let world = World::new().await;
    let arn = create(&world, "t", &[]).await.unwrap();
    let known = || serde_json::from_str::<Json>(&world.gate.policies.lock().unwrap()[&topic("t")]).unwrap();
    assert_eq!(known()["Statement"][0]["Condition"], json!({"StringEquals": {"AWS:SourceOwner": ACCOUNT}}));
    let set = async |value: &str| {
        let input = SetTopicAttributesInput {
            topic_arn: arn.clone(),
            attribute_name: "Policy".to_owned(),
            attribute_value: Some(value.to_owned()),
        };
        world.sns.set_topic_attributes(&world.cx(), input).await
    };
    let statement = |action: &str| {
        json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": arn}})
            .to_string()
    };
    assert!(said(set("nonsense").await).starts_with("Invalid parameter: Policy Error"));
    assert_eq!(
        said(set(&statement("s3:GetObject")).await),
        "Invalid parameter: Policy statement action out of service scope!"
    );
    set(&statement("sns:Publish")).await.unwrap();
    assert_eq!(known()["Statement"]["Action"], "sns:Publish");
    let add = AddPermissionInput {
        topic_arn: arn.clone(),
        label: "l".to_owned(),
        aws_account_id: vec!["111122223333".to_owned()],
        action_name: vec!["Publish".to_owned()],
    };
    world.sns.add_permission(&world.cx(), add.clone()).await.unwrap();
    assert_eq!(
        known()["Statement"][1],
        json!({"Sid": "l", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "SNS:Publish", "Resource": arn})
    );
    assert_eq!(
        said(world.sns.add_permission(&world.cx(), add.clone()).await),
        "Invalid parameter: Statement already exists"
    );
    let wrong = AddPermissionInput { label: "m".to_owned(), action_name: vec!["Fly".to_owned()], ..add };
    assert_eq!(
        said(world.sns.add_permission(&world.cx(), wrong).await),
        "Invalid parameter: Policy statement action out of service scope!"
    );
    let remove = RemovePermissionInput { topic_arn: arn.clone(), label: "l".to_owned() };
    world.sns.remove_permission(&world.cx(), remove).await.unwrap();
    assert_eq!(known()["Statement"].as_array().unwrap().len(), 1);
    world.sns.delete_topic(&world.cx(), DeleteTopicInput { topic_arn: arn.clone() }).await.unwrap();
    assert!(world.gate.policies.lock().unwrap().is_empty());
    world.sns.delete_topic(&world.cx(), DeleteTopicInput { topic_arn: arn }).await.expect("gone already");
}

#[tokio::test]
async fn lists_have_pages_of_a_hundred() {
    let world = World::new().await;
    for number in 0..101 {
        create(&world, &format!("t{number:03}"), &[]).await.unwrap();
    }
    let page = world.sns.list_topics(&world.cx(), ListTopicsInput::default()).await.unwrap();
    assert_eq!(page.topics.unwrap().len(), 100);
    let next = ListTopicsInput { next_token: page.next_token };
    let page = world.sns.list_topics(&world.cx(), next).await.unwrap();
    assert_eq!(page.topics.unwrap()[0].topic_arn, Some(topic("t100")));
    assert_eq!(page.next_token, None);
    let wrong = ListTopicsInput { next_token: Some("?".to_owned()) };
    assert_eq!(said(world.sns.list_topics(&world.cx(), wrong).await), "Invalid parameter: NextToken");
    let others =
        world.sns.list_topics(&world.cx_of("111122223333"), ListTopicsInput::default()).await.unwrap();
    assert!(others.topics.unwrap().is_empty());
}

#[tokio::test]
async fn subscriptions_are_made_once_and_told_of() {
    let world = World::new().await;
    create(&world, "t", &[]).await.unwrap();
    let arn = subscribe(&world, "sqs", &queue("q"), &[("RawMessageDelivery", "true")]).await.unwrap();
    assert_eq!(subscribe(&world, "sqs", &queue("q"), &[]).await.unwrap(), arn);
    assert_eq!(
        said(subscribe(&world, "sqs", &queue("q"), &[("RawMessageDelivery", "false")]).await),
        "Invalid parameter: Attributes Reason: Subscription already exists with different attributes"
    );
    let input = GetSubscriptionAttributesInput { subscription_arn: arn.clone() };
    let told =
        world.sns.get_subscription_attributes(&world.cx(), input.clone()).await.unwrap().attributes.unwrap();
    let expected = map(&[
        ("SubscriptionArn", &arn),
        ("TopicArn", &topic("t")),
        ("Owner", ACCOUNT),
        ("SubscriptionPrincipal", "arn:aws:iam::123456789012:root"),
        ("Protocol", "sqs"),
        ("Endpoint", &queue("q")),
        ("ConfirmationWasAuthenticated", "true"),
        ("PendingConfirmation", "false"),
        ("RawMessageDelivery", "true"),
    ]);
    assert_eq!(Some(told), expected);
    let list = world.sns.list_subscriptions(&world.cx(), ListSubscriptionsInput::default()).await.unwrap();
    let listed = &list.subscriptions.unwrap()[0];
    assert_eq!(
        (listed.subscription_arn.as_ref(), listed.endpoint.as_deref()),
        (Some(&arn), Some(&*queue("q")))
    );
    for number in 0..100 {
        subscribe(&world, "sqs", &queue(&format!("q{number}")), &[]).await.unwrap();
    }
    let by_topic = async |next_token| {
        let input = ListSubscriptionsByTopicInput { topic_arn: topic("t"), next_token };
        world.sns.list_subscriptions_by_topic(&world.cx(), input).await.unwrap()
    };
    let page = by_topic(None).await;
    assert_eq!(page.subscriptions.unwrap().len(), 100);
    assert_eq!(by_topic(page.next_token).await.subscriptions.unwrap().len(), 1);
    assert_eq!(topic_attributes(&world).await["SubscriptionsConfirmed"], "101");
    let another = world.sns.get_subscription_attributes(&world.cx_of("111122223333"), input).await;
    assert_eq!(another.unwrap_err().code, "AuthorizationError");
    world.sns.unsubscribe(&world.cx(), UnsubscribeInput { subscription_arn: arn.clone() }).await.unwrap();
    let attributes = topic_attributes(&world).await;
    assert_eq!((&*attributes["SubscriptionsConfirmed"], &*attributes["SubscriptionsDeleted"]), ("100", "1"));
    let input = GetSubscriptionAttributesInput { subscription_arn: arn };
    assert_eq!(
        said(world.sns.get_subscription_attributes(&world.cx(), input).await),
        "Subscription does not exist"
    );
}

#[tokio::test]
async fn what_cannot_be_subscribed_is_refused_by_name() {
    let world = World::new().await;
    create(&world, "t", &[]).await.unwrap();
    for protocol in ["email", "email-json", "sms", "application"] {
        let error = subscribe(&world, protocol, "x", &[]).await.unwrap_err();
        assert_eq!(error.code, "NotImplemented");
        assert!(error.message.contains(protocol));
    }
    assert_eq!(
        said(subscribe(&world, "https", "http://localhost/", &[]).await),
        "Invalid parameter: Endpoint must match the specified protocol"
    );
    assert_eq!(
        said(subscribe(&world, "carrier-pigeon", "x", &[]).await),
        "Invalid parameter: Amazon SNS does not support this protocol string: carrier-pigeon"
    );
    assert_eq!(said(subscribe(&world, "sqs", "q", &[]).await), "Invalid parameter: SQS endpoint ARN");
    assert!(
        said(subscribe(&world, "sqs", &queue("q.fifo"), &[]).await)
            .contains("FIFO SQS Queues can not be subscribed")
    );
    let other = queue("q").replace(ACCOUNT, "111122223333");
    assert_eq!(subscribe(&world, "sqs", &other, &[]).await.unwrap_err().code, "NotImplemented");
    let with =
        async |name: &str, value: &str| said(subscribe(&world, "sqs", &queue("q"), &[(name, value)]).await);
    assert_eq!(
        with("RawMessageDelivery", "maybe").await,
        "Invalid parameter: Attributes Reason: RawMessageDelivery: Invalid value [maybe]. Must be true or false."
    );
    assert_eq!(
        with("FilterPolicyScope", "Weather").await,
        "Invalid parameter: Attributes Reason: FilterPolicyScope: Invalid value [Weather]. Please use either MessageBody or MessageAttributes"
    );
    assert_eq!(
        with("FilterPolicy", "{").await,
        "Invalid parameter: Attributes Reason: FilterPolicy: failed to parse JSON."
    );
    assert_eq!(
        with("RedrivePolicy", "{").await,
        "Invalid parameter: Attributes Reason: RedrivePolicy: failed to parse JSON."
    );
    assert_eq!(
        with("RedrivePolicy", r#"{"deadLetterTargetArn": "q"}"#).await,
        "Invalid parameter: Attributes Reason: RedrivePolicy: deadLetterTargetArn is an invalid arn"
    );
    assert!(with("DeliveryPolicy", "{}").await.contains("DeliveryPolicy"));
    assert_eq!(with("Nonsense", "1").await, "Invalid parameter: Attributes Reason: AttributeName");
    let stream = "arn:aws:firehose:eu-central-1:123456789012:deliverystream/s";
    assert!(said(subscribe(&world, "firehose", stream, &[]).await).contains("SubscriptionRoleArn"));
    let untrusting = [("SubscriptionRoleArn", "arn:aws:iam::123456789012:role/other")];
    assert!(said(subscribe(&world, "firehose", stream, &untrusting).await).contains("does not trust"));
    let elsewhere = [("SubscriptionRoleArn", "arn:aws:iam::111122223333:role/delivery")];
    assert_eq!(
        subscribe(&world, "firehose", stream, &elsewhere).await.unwrap_err().code,
        "AuthorizationError"
    );
    let confirm =
        ConfirmSubscriptionInput { topic_arn: topic("t"), token: "x".to_owned(), ..Default::default() };
    assert_eq!(said(world.sns.confirm_subscription(&world.cx(), confirm).await), "Invalid token");
}

#[tokio::test]
async fn attributes_of_subscriptions_change() {
    let world = World::new().await;
    create(&world, "t", &[]).await.unwrap();
    let arn = subscribe(&world, "sqs", &queue("q"), &[]).await.unwrap();
    let set = async |name: &str, value: &str| {
        let input = SetSubscriptionAttributesInput {
            subscription_arn: arn.clone(),
            attribute_name: name.to_owned(),
            attribute_value: Some(value.to_owned()),
        };
        world.sns.set_subscription_attributes(&world.cx(), input).await
    };
    let get = async |name: &str| {
        let input = GetSubscriptionAttributesInput { subscription_arn: arn.clone() };
        world
            .sns
            .get_subscription_attributes(&world.cx(), input)
            .await
            .unwrap()
            .attributes
            .unwrap()
            .remove(name)
    };
    set("FilterPolicyScope", "MessageBody").await.unwrap();
    set("FilterPolicy", r#"{"a": {"b": ["c"]}}"#).await.unwrap();
    assert_eq!(get("FilterPolicyScope").await.as_deref(), Some("MessageBody"));
    assert_eq!(
        said(set("FilterPolicyScope", "MessageAttributes").await),
        "Invalid parameter: Filter policy scope MessageAttributes does not support nested filter policy"
    );
    set("FilterPolicy", "{}").await.unwrap();
    assert_eq!(get("FilterPolicy").await, None);
    let redrive = json!({ "deadLetterTargetArn": queue("dead") }).to_string();
    set("RedrivePolicy", &redrive).await.unwrap();
    assert_eq!(get("RedrivePolicy").await, Some(redrive));
    set("RedrivePolicy", "").await.unwrap();
    assert_eq!(get("RedrivePolicy").await, None);
    assert!(
        said(set("SubscriptionRoleArn", "arn:aws:iam::123456789012:role/delivery").await)
            .contains("delivery streams")
    );
}

#[tokio::test]
async fn a_topic_made_again_has_none_of_its_predecessors_subscriptions() {
    let mut world = World::new().await;
    let arn = create(&world, "t", &[]).await.unwrap();
    for number in 0..250 {
        subscribe(&world, "sqs", &queue(&format!("q{number}")), &[]).await.unwrap();
    }
    world.sns.delete_topic(&world.cx(), DeleteTopicInput { topic_arn: arn.clone() }).await.unwrap();
    create(&world, "t", &[]).await.unwrap();
    let input = ListSubscriptionsByTopicInput { topic_arn: arn.clone(), next_token: None };
    let page = world.sns.list_subscriptions_by_topic(&world.cx(), input).await.unwrap();
    assert!(page.subscriptions.unwrap().is_empty());
    // The lists lose them in steps.
    loop {
        let list =
            world.sns.list_subscriptions(&world.cx(), ListSubscriptionsInput::default()).await.unwrap();
        if list.subscriptions.unwrap().is_empty() {
            break;
        }
        tokio::task::yield_now().await;
    }
    subscribe(&world, "sqs", &queue("q1"), &[]).await.unwrap();
    let publish = PublishInput { topic_arn: Some(arn), message: "m".to_owned(), ..Default::default() };
    world.sns.publish(&world.cx(), publish).await.unwrap();
    assert_eq!(world.queues.recv().await.unwrap().queue, queue("q1"));
}

#[tokio::test]
async fn tags_are_kept_and_bounded() {
    let world = World::new().await;
    let arn = create(&world, "t", &[]).await.unwrap();
    let tag = |key: String| Tag { key, value: "v".to_owned() };
    let add = async |arn: &str, tags: Vec<Tag>| {
        world.sns.tag_resource(&world.cx(), TagResourceInput { resource_arn: arn.to_owned(), tags }).await
    };
    add(&arn, (0..50).map(|n| tag(n.to_string())).collect()).await.unwrap();
    assert_eq!(add(&arn, vec![tag("50".to_owned())]).await.unwrap_err().code, "TagLimitExceeded");
    assert_eq!(add(&topic("no"), vec![tag("a".to_owned())]).await.unwrap_err().code, "ResourceNotFound");
    let twice = vec![tag("a".to_owned()), tag("a".to_owned())];
    assert_eq!(said(add(&arn, twice).await), "Invalid parameter: Duplicated keys are not allowed.");
    let keys = (1..50).map(|n| n.to_string()).collect();
    let input = UntagResourceInput { resource_arn: arn.clone(), tag_keys: keys };
    world.sns.untag_resource(&world.cx(), input).await.unwrap();
    let input = ListTagsForResourceInput { resource_arn: arn };
    let left = world.sns.list_tags_for_resource(&world.cx(), input).await.unwrap().tags.unwrap();
    assert_eq!(left.iter().map(|t| t.key.as_str()).collect::<Vec<_>>(), ["0"]);
}
