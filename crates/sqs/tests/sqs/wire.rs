//! Requests and answers as they are on the wire, in both protocols.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use ropeway_api::sqs::{SERVICE, SqsDispatch};
use ropeway_wire::protocol::{RequestBody, ResponseBody};
use ropeway_wire::schema::Protocol;
use ropeway_wire::{Call, Dispatch};

use crate::world::World;

/// Status, headers and body of an answer.
async fn call(world: World, protocol: Protocol, operation: &str, body: &str) -> (u16, HeaderMap, String) {
    let operation = SERVICE.operations.iter().find(|o| o.name == operation).unwrap();
    let dispatch = SqsDispatch(Arc::new(world.sqs));
    let answer = dispatch
        .call(Call {
            service: &SERVICE,
            operation,
            protocol,
            cx: world.cx,
            method: Method::POST,
            path: "/".to_owned(),
            query: None,
            headers: HeaderMap::new(),
            labels: Vec::new(),
            body: RequestBody::Bytes(Bytes::copy_from_slice(body.as_bytes())),
            audit: None,
        })
        .await;
    let (head, body) = answer.into_parts();
    let ResponseBody::Bytes(body) = body else { panic!("a stream") };
    (head.status.as_u16(), head.headers, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_missing_parameter_is_named() {
    let (status, _, body) = call(World::new().await, Protocol::AwsJson10, "SendMessage", "{}").await;
    assert_eq!(status, 400);
    assert!(body.contains("MissingParameter"), "{body}");
    assert!(body.contains("The request must contain the parameter QueueUrl."), "{body}");
}

#[tokio::test]
async fn a_missing_queue_in_json_and_query() {
    let json = r#"{"QueueUrl":"http://localhost:4566/000000000000/none","MessageBody":"x"}"#;
    let (status, headers, body) = call(World::new().await, Protocol::AwsJson10, "SendMessage", json).await;
    assert_eq!(status, 400);
    assert!(body.contains("QueueDoesNotExist"), "{body}");
    assert_eq!(headers["x-amzn-query-error"], "AWS.SimpleQueueService.NonExistentQueue;Sender");

    let query =
        "Action=SendMessage&QueueUrl=http%3A%2F%2Flocalhost%3A4566%2F000000000000%2Fnone&MessageBody=x";
    let (status, _, body) = call(World::new().await, Protocol::AwsQuery, "SendMessage", query).await;
    assert_eq!(status, 400);
    assert!(body.contains("<Code>AWS.SimpleQueueService.NonExistentQueue</Code>"), "{body}");
}

#[tokio::test]
async fn an_old_clients_batch() {
    let world = World::new().await;
    world.create("orders", &[]).await;
    let query = "Action=SendMessageBatch&QueueUrl=http%3A%2F%2Flocalhost%3A4566%2F000000000000%2Forders\
        &SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=one\
        &SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=n\
        &SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue=v\
        &SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType=String\
        &SendMessageBatchRequestEntry.2.Id=b&SendMessageBatchRequestEntry.2.MessageBody=two";
    let (status, _, body) = call(world, Protocol::AwsQuery, "SendMessageBatch", query).await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("<SendMessageBatchResultEntry><Id>a</Id>"), "{body}");
    assert!(body.contains("<MD5OfMessageBody>f97c5d29941bfb1b2fdab0874906ab82</MD5OfMessageBody>"), "{body}");
    assert!(body.contains("<MD5OfMessageAttributes>"), "{body}");
}
