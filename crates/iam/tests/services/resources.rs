//! Policies and owners of resources, as their services make them known.

use ropeway_wire::{Gate, Keys, Principal};

use crate::world::{ACCOUNT, OTHER, World, allow, ask, ask_with};

const QUEUE: &str = "arn:aws:sqs:us-east-1:111122223333:orders";

#[tokio::test]
async fn a_queues_policy_decides_what_a_service_may_send() {
    let world = World::new().await;
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"Service":"sns.amazonaws.com"}},
        "Action":"sqs:SendMessage","Resource":"{QUEUE}",
        "Condition":{{"ArnEquals":{{"aws:SourceArn":"arn:aws:sns:us-east-1:111122223333:topic"}}}}}}}}"#
    );
    let sns = world.cx(Principal::service("sns.amazonaws.com", ACCOUNT));
    let mut keys = Keys::default();
    keys.add("aws:SourceArn", "arn:aws:sns:us-east-1:111122223333:topic");
    ask_with(&sns, "sqs:SendMessage", QUEUE, &keys).unwrap_err();
    world.access.set_resource_policy(QUEUE, Some(&policy));
    ask_with(&sns, "sqs:SendMessage", QUEUE, &keys).unwrap();
    ask(&sns, "sqs:SendMessage", QUEUE).unwrap_err();
    ask_with(&sns, "sqs:ReceiveMessage", QUEUE, &keys).unwrap_err();
    world.access.set_resource_policy(QUEUE, None);
    ask_with(&sns, "sqs:SendMessage", QUEUE, &keys).unwrap_err();
}

#[tokio::test]
async fn a_buckets_owner_and_policy_decide_over_its_objects() {
    let world = World::new().await;
    let bucket = "arn:aws:s3:::archive";
    let object = "arn:aws:s3:::archive/a/b";
    let ana = world.user("ana").await;
    world.put_user_policy("ana", "all", &allow("s3:*", "*")).await;
    ask(&ana, "s3:GetObject", object).unwrap();
    world.access.set_resource_owner(bucket, Some(OTHER));
    ask(&ana, "s3:GetObject", object).unwrap_err();
    ask(&world.root(), "s3:GetObject", object).unwrap_err();
    ask(&world.cx(Principal::root(OTHER)), "s3:GetObject", object).unwrap();
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{ACCOUNT}"}},
        "Action":"s3:GetObject","Resource":"{bucket}/*"}}}}"#
    );
    world.access.set_resource_policy(bucket, Some(&policy));
    ask(&ana, "s3:GetObject", object).unwrap();
    ask(&ana, "s3:PutObject", object).unwrap_err();
    ask(&world.cx(Principal::anonymous()), "s3:GetObject", object).unwrap_err();
    world.access.set_resource_owner(bucket, None);
    world.access.set_resource_policy(bucket, None);
    ask(&world.root(), "s3:GetObject", object).unwrap();
}

#[tokio::test]
async fn a_policy_that_cannot_be_read_denies_everything() {
    let world = World::new().await;
    let ana = world.user("ana").await;
    world.put_user_policy("ana", "all", &allow("sqs:*", "*")).await;
    ask(&ana, "sqs:SendMessage", QUEUE).unwrap();
    world.access.set_resource_policy(QUEUE, Some("{"));
    ask(&ana, "sqs:SendMessage", QUEUE).unwrap_err();
}

#[tokio::test]
async fn conditions_see_the_request() {
    let world = World::new().await;
    let ana = world.user("ana").await;
    let time = "2026-09-21T15:00:00Z";
    for (condition, met) in [
        (r#""IpAddress":{"aws:SourceIp":"10.1.0.0/16"}"#, true),
        (r#""IpAddress":{"aws:SourceIp":"10.2.0.0/16"}"#, false),
        (r#""Bool":{"aws:SecureTransport":"true"}"#, true),
        (r#""StringEquals":{"aws:RequestedRegion":"us-east-1"}"#, true),
        (r#""StringEquals":{"aws:UserAgent":"ropeway"}"#, true),
        (r#""NumericLessThan":{"aws:EpochTime":"1790000001"}"#, true),
        (r#""NumericLessThan":{"aws:EpochTime":"1790000000"}"#, false),
        (&format!(r#""DateLessThan":{{"aws:CurrentTime":"{time}"}}"#), true),
        (&format!(r#""DateGreaterThan":{{"aws:CurrentTime":"{time}"}}"#), false),
        (r#""Null":{"aws:TokenIssueTime":"true"}"#, true),
        (r#""StringLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/ana"}"#, true),
    ] {
        let document = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"sqs:*","Resource":"*",
            "Condition":{{{condition}}}}}}}"#
        );
        world.put_user_policy("ana", "only", &document).await;
        assert_eq!(ask(&ana, "sqs:SendMessage", QUEUE).is_ok(), met, "{condition}");
    }
}
