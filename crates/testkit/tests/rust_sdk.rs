//! The AWS SDK for Rust against the real server.

use std::io::Write as _;

use aws_sdk_lambda::client::Waiters as _;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{FunctionCode, InvocationType, LogType, Runtime};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketLocationConstraint, CompletedMultipartUpload, CompletedPart, CreateBucketConfiguration,
};
use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use aws_smithy_http_client::Builder;
use ropeway_testkit::{Client, Server, directory};

struct Clients {
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    sns: aws_sdk_sns::Client,
    lambda: aws_sdk_lambda::Client,
}

/// Clients as a program on AWS has them: the environment's endpoint, credentials and region, no more.
async fn clients(server: &Server) -> Clients {
    let config = aws_config::from_env()
        .endpoint_url(&server.endpoint)
        .credentials_provider(aws_sdk_s3::config::Credentials::new("test", "test", None, None, "test"))
        .region(aws_config::Region::new("eu-central-1"))
        .http_client(Builder::new().build_http())
        .load()
        .await;
    Clients {
        s3: aws_sdk_s3::Client::from_conf(
            aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build(),
        ),
        sqs: aws_sdk_sqs::Client::new(&config),
        sns: aws_sdk_sns::Client::new(&config),
        lambda: aws_sdk_lambda::Client::new(&config),
    }
}

/// The code of a service's error.
macro_rules! code {
    ($result:expr) => {
        aws_sdk_s3::error::ProvideErrorMetadata::code(&$result.unwrap_err()).map(str::to_owned).unwrap()
    };
}

/// Makes a bucket in the clients' region, which S3 wants to be named.
async fn create(s3: &aws_sdk_s3::Client, bucket: &str) {
    let unnamed = s3.create_bucket().bucket(bucket).send().await;
    assert_eq!(code!(unnamed), "IllegalLocationConstraintException");
    let here = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::EuCentral1);
    let create = s3.create_bucket().bucket(bucket).create_bucket_configuration(here.build());
    create.send().await.unwrap();
}

#[tokio::test]
async fn objects_come_back_as_they_were_put() {
    let dir = directory();
    let server = Server::start(dir.path());
    let Clients { s3, .. } = clients(&server).await;
    create(&s3, "pictures").await;

    // The SDK sends its own checksum, and compares the one that comes back.
    let body = "a café at night, ".repeat(100_000).into_bytes();
    let put = s3.put_object().bucket("pictures").key("städte/café 1.jpg").content_type("image/jpeg");
    let put =
        put.metadata("photographer", "Brassaï").body(ByteStream::from(body.clone())).send().await.unwrap();
    assert!(put.checksum_crc32().is_some());
    let got = s3.get_object().bucket("pictures").key("städte/café 1.jpg").send().await.unwrap();
    assert_eq!(got.e_tag(), put.e_tag());
    assert_eq!(got.content_type(), Some("image/jpeg"));
    assert_eq!(got.body.collect().await.unwrap().to_vec(), body);

    let range = s3.get_object().bucket("pictures").key("städte/café 1.jpg").range("bytes=2-6");
    assert_eq!(range.send().await.unwrap().body.collect().await.unwrap().to_vec(), "café".as_bytes());

    let again = s3.put_object().bucket("pictures").key("städte/café 1.jpg").if_none_match("*").send().await;
    assert_eq!(code!(again), "PreconditionFailed");
    let missing = s3.get_object().bucket("pictures").key("none").send().await.unwrap_err();
    assert!(missing.into_service_error().is_no_such_key());
    assert!(
        s3.head_object()
            .bucket("pictures")
            .key("none")
            .send()
            .await
            .unwrap_err()
            .into_service_error()
            .is_not_found()
    );
}

#[tokio::test]
async fn uploads_in_parts_and_pages_of_a_listing() {
    const PART: usize = 5 * 1024 * 1024;
    let dir = directory();
    let server = Server::start(dir.path());
    let Clients { s3, .. } = clients(&server).await;
    create(&s3, "films").await;

    let begun = s3.create_multipart_upload().bucket("films").key("film").send().await.unwrap();
    let mut parts = Vec::new();
    for (number, size) in [(1, PART), (2, 1234)] {
        let body = ByteStream::from(vec![b'0' + number as u8; size]);
        let part = s3.upload_part().bucket("films").key("film").set_upload_id(begun.upload_id.clone());
        let part = part.part_number(number).body(body).send().await.unwrap();
        let done = CompletedPart::builder().part_number(number).set_e_tag(part.e_tag);
        parts.push(done.set_checksum_crc32(part.checksum_crc32).build());
    }
    let whole = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = s3.complete_multipart_upload().bucket("films").key("film").set_upload_id(begun.upload_id);
    let complete = complete.multipart_upload(whole).send().await.unwrap();
    assert!(complete.e_tag().unwrap().ends_with("-2\""));
    let head = s3.head_object().bucket("films").key("film").send().await.unwrap();
    assert_eq!(head.content_length(), Some(PART as i64 + 1234));

    for number in 0..25 {
        s3.put_object().bucket("films").key(format!("shots/{number:02}")).send().await.unwrap();
    }
    let mut pages =
        s3.list_objects_v2().bucket("films").prefix("shots/").into_paginator().page_size(10).send();
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        keys.extend(page.unwrap().contents().iter().map(|object| object.key().unwrap().to_owned()));
    }
    assert_eq!(keys, (0..25).map(|number| format!("shots/{number:02}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_publish_reaches_its_queue() {
    let dir = directory();
    let server = Server::start(dir.path());
    let Clients { sqs, sns, .. } = clients(&server).await;
    let url = sqs.create_queue().queue_name("orders").send().await.unwrap().queue_url.unwrap();
    let arn = sqs.get_queue_attributes().queue_url(&url).attribute_names(QueueAttributeName::QueueArn);
    let arn = arn.send().await.unwrap().attributes.unwrap()[&QueueAttributeName::QueueArn].clone();
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"sns.amazonaws.com"}},"Action":"sqs:SendMessage","Resource":"{arn}"}}]}}"#
    );
    sqs.set_queue_attributes()
        .queue_url(&url)
        .attributes(QueueAttributeName::Policy, policy)
        .send()
        .await
        .unwrap();
    let topic = sns.create_topic().name("orders").send().await.unwrap().topic_arn.unwrap();
    let subscribe = sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(&arn);
    subscribe.attributes("RawMessageDelivery", "true").send().await.unwrap();
    sns.publish().topic_arn(&topic).message("größer").send().await.unwrap();
    let got = sqs.receive_message().queue_url(&url).wait_time_seconds(20).send().await.unwrap();
    let [message] = got.messages() else { panic!("one message: {:?}", got.messages()) };
    assert_eq!(message.body(), Some("größer"));
    sqs.delete_message()
        .queue_url(&url)
        .receipt_handle(message.receipt_handle().unwrap())
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn errors_have_their_types() {
    let dir = directory();
    let server = Server::start(dir.path());
    let Clients { sqs, sns, .. } = clients(&server).await;
    let missing = sqs.get_queue_url().queue_name("none").send().await.unwrap_err();
    assert!(missing.into_service_error().is_queue_does_not_exist());
    let url = sqs.create_queue().queue_name("orders").send().await.unwrap().queue_url.unwrap();
    let entry = |id: &str| SendMessageBatchRequestEntry::builder().id(id).message_body("x").build().unwrap();
    let twice = sqs.send_message_batch().queue_url(&url).entries(entry("a")).entries(entry("a"));
    assert!(twice.send().await.unwrap_err().into_service_error().is_batch_entry_ids_not_distinct());
    let topic = "arn:aws:sns:eu-central-1:000000000000:none";
    let missing = sns.publish().topic_arn(topic).message("x").send().await.unwrap_err();
    assert!(missing.into_service_error().is_not_found_exception());
}

/// Answers every event with what it was, as a custom runtime does ("Tutorial: Building a custom runtime"); an event
/// with "fail" in it with an error.
const ECHO: &str = r#"#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
  event=$(curl -sS -D /tmp/head "$api/next")
  id=$(tr -d '\r' < /tmp/head | sed -n 's/^[Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d: //p')
  echo "handling $event"
  case "$event" in
    *fail*) curl -sS -d '{"errorType":"Refused","errorMessage":"as asked"}' "$api/$id/error" > /dev/null ;;
    *) curl -sS -d "{\"echo\":$event}" "$api/$id/response" > /dev/null ;;
  esac
done
"#;

/// Makes the function, and its role, for which IAM is asked without an SDK.
async fn make_echo(server: &Server, lambda: &aws_sdk_lambda::Client) {
    let trust = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C\
                 %22Principal%22%3A%7B%22Service%22%3A%22lambda.amazonaws.com%22%7D%2C%22Action%22%3A\
                 %22sts%3AAssumeRole%22%7D%5D%7D";
    let form = format!("Action=CreateRole&Version=2010-05-08&RoleName=echo&AssumeRolePolicyDocument={trust}");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let made = Client::new(&server.endpoint).send("iam", "POST", "/", &headers, form.as_bytes()).unwrap();
    assert_eq!(made.status, 200, "{}", String::from_utf8_lossy(&made.body));
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
    archive.start_file("bootstrap", options).unwrap();
    archive.write_all(ECHO.as_bytes()).unwrap();
    let code = FunctionCode::builder().zip_file(Blob::new(archive.finish().unwrap().into_inner())).build();
    let create = lambda.create_function().function_name("echo").runtime(Runtime::Providedal2023);
    let create = create.handler("bootstrap").role("arn:aws:iam::000000000000:role/echo").timeout(30);
    create.code(code).send().await.unwrap();
    let active = lambda.wait_until_function_active_v2().function_name("echo");
    active.wait(std::time::Duration::from_secs(60)).await.unwrap();
}

#[tokio::test]
async fn functions_are_invoked_with_all_that_comes_back() {
    let dir = directory();
    let server = Server::start(dir.path());
    let Clients { lambda, .. } = clients(&server).await;
    make_echo(&server, &lambda).await;
    let invoke = |event: &str| lambda.invoke().function_name("echo").payload(Blob::new(event));

    let echoed = invoke(r#"{"größe":1}"#).log_type(LogType::Tail).send().await.unwrap();
    assert_eq!((echoed.status_code(), echoed.function_error()), (200, None));
    assert_eq!(echoed.executed_version(), Some("$LATEST"));
    assert_eq!(echoed.payload().unwrap().as_ref(), r#"{"echo":{"größe":1}}"#.as_bytes());
    let tail = aws_smithy_types::base64::decode(echoed.log_result().unwrap()).unwrap();
    let tail = String::from_utf8(tail).unwrap();
    assert!(tail.contains("handling {\"größe\":1}") && tail.contains("REPORT RequestId: "), "{tail}");

    let failed = invoke(r#""fail""#).send().await.unwrap();
    assert_eq!(failed.function_error(), Some("Unhandled"));
    assert_eq!(failed.payload().unwrap().as_ref(), br#"{"errorType":"Refused","errorMessage":"as asked"}"#);
    let accepted = invoke("1").invocation_type(InvocationType::Event).send().await.unwrap();
    assert_eq!(accepted.status_code(), 202);

    let bad = invoke("{").send().await.unwrap_err();
    assert!(bad.into_service_error().is_invalid_request_content_exception());
    let none = lambda.invoke().function_name("none").send().await.unwrap_err();
    assert!(none.into_service_error().is_resource_not_found_exception());
}
