//! Answers and errors, byte for byte.

use ropeway_wire::Error;
use ropeway_wire::protocol::{ResponseBody, encode_error, encode_output};
use ropeway_wire::schema::{EMPTY, Kind, Member, Operation, Protocol, STRING, Service};

use crate::common::{Value, leak, operation, service, shape, structure};

fn parts(response: http::Response<ResponseBody>) -> (u16, Vec<(String, String)>, String) {
    let status = response.status().as_u16();
    let headers = response.headers().iter();
    let mut headers: Vec<_> =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    headers.sort();
    let ResponseBody::Bytes(body) = response.into_body() else { panic!("not a stream") };
    (status, headers, String::from_utf8(body.to_vec()).unwrap())
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

fn send() -> (&'static Operation, Value) {
    let ids = shape("Ids", Kind::List { element: Member::new("member", &STRING) });
    let output = structure("Out", vec![Member::new("MessageId", &STRING), Member::new("Ids", ids)]);
    let value = Value::Structure(vec![
        Some(Value::String("a<b".into())),
        Some(Value::List(vec![Value::String("x".into())])),
    ]);
    (operation(Member::new("", &EMPTY), Member::new("ActResult", output)), value)
}

#[test]
fn query_answer() {
    let (operation, value) = send();
    let (status, headers, body) =
        parts(encode_output(service(), operation, Protocol::AwsQuery, &value, "r-1"));
    assert_eq!(status, 200);
    assert_eq!(headers, pairs(&[("content-type", "text/xml"), ("x-amzn-requestid", "r-1")]));
    assert_eq!(
        body,
        "<ActResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><ActResult><MessageId>a&lt;b</MessageId>\
         <Ids><member>x</member></Ids></ActResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></ActResponse>"
    );
}

#[test]
fn json_answer() {
    let (operation, value) = send();
    let (_, headers, body) = parts(encode_output(service(), operation, Protocol::AwsJson10, &value, "r-1"));
    assert_eq!(
        headers,
        pairs(&[("content-type", "application/x-amz-json-1.0"), ("x-amzn-requestid", "r-1")])
    );
    assert_eq!(body, r#"{"MessageId":"a<b","Ids":["x"]}"#);
}

fn missing() -> Error {
    Error::new(400, "QueueDoesNotExist", "The specified queue does not exist.")
        .with_query_code("AWS.SimpleQueueService.NonExistentQueue")
}

#[test]
fn json_error_of_a_query_compatible_service() {
    let (status, headers, body) =
        parts(encode_error(service(), Protocol::AwsJson10, &missing(), "r-1", None));
    assert_eq!(status, 400);
    assert_eq!(
        headers,
        pairs(&[
            ("content-type", "application/x-amz-json-1.0"),
            ("x-amzn-query-error", "AWS.SimpleQueueService.NonExistentQueue;Sender"),
            ("x-amzn-requestid", "r-1"),
        ])
    );
    assert_eq!(
        body,
        r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}"#
    );
}

#[test]
fn query_error() {
    let (_, _, body) = parts(encode_error(service(), Protocol::AwsQuery, &missing(), "r-1", None));
    assert_eq!(
        body,
        "<ErrorResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><Error><Type>Sender</Type>\
         <Code>AWS.SimpleQueueService.NonExistentQueue</Code><Message>The specified queue does not exist.</Message></Error>\
         <RequestId>r-1</RequestId></ErrorResponse>"
    );
}

#[test]
fn rest_json_error() {
    let error = Error::new(404, "ResourceNotFoundException", "no\nway").with_member("Type", "User");
    let (status, headers, body) = parts(encode_error(service(), Protocol::RestJson, &error, "r-1", None));
    assert_eq!(status, 404);
    assert!(headers.contains(&("x-amzn-errortype".to_owned(), "ResourceNotFoundException".to_owned())));
    assert_eq!(body, r#"{"message":"no\nway","Type":"User"}"#);
}

#[test]
fn s3_error() {
    let s3: &'static Service = leak(Service { id: "s3", query_compatible: false, ..copy(service()) });
    let error = Error::new(404, "NoSuchKey", "The specified key does not exist.").with_member("Key", "a&b");
    let (_, headers, body) = parts(encode_error(s3, Protocol::RestXml, &error, "r-1", Some("/bucket/a&b")));
    assert_eq!(
        headers,
        pairs(&[("content-type", "application/xml"), ("x-amz-id-2", "r-1"), ("x-amz-request-id", "r-1")])
    );
    assert_eq!(
        body,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does not \
         exist.</Message><Key>a&amp;b</Key><Resource>/bucket/a&amp;b</Resource><RequestId>r-1</RequestId>\
         <HostId>r-1</HostId></Error>"
    );
}

fn copy(service: &Service) -> Service {
    Service { ..*service }
}

#[test]
fn framework_errors_have_the_framework_namespace() {
    let (_, _, body) =
        parts(encode_error(service(), Protocol::AwsJson10, &Error::serialization("x"), "r", None));
    assert_eq!(body, r#"{"__type":"com.amazon.coral.service#SerializationException","message":"x"}"#);
}

#[test]
fn an_output_that_no_header_can_hold_is_an_error() {
    use ropeway_wire::schema::Location;
    let output = structure("Out", vec![Member::new("Name", &STRING).at(Location::Header("x-name"))]);
    let operation = operation(Member::new("", &EMPTY), Member::new("Out", output));
    let value = Value::Structure(vec![Some(Value::String("a\r\nx-evil: 1".into()))]);
    let (status, headers, _) = parts(encode_output(service(), operation, Protocol::RestXml, &value, "r"));
    assert_eq!(status, 500);
    assert!(!headers.iter().any(|(name, _)| name == "x-evil" || name == "x-name"));
}

#[test]
fn the_answer_to_head_has_no_body() {
    let (operation, value) = send();
    let head = leak(Operation {
        method: "HEAD",
        input: Member::new("", &EMPTY),
        output: Member::new("Out", operation.output.schema),
        ..*operation
    });
    let (_, headers, body) = parts(encode_output(service(), head, Protocol::RestXml, &value, "r"));
    assert_eq!(body, "");
    assert!(!headers.iter().any(|(name, _)| name == "content-type"));
}
