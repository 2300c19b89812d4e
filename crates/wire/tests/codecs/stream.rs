//! Bodies that are not held in memory, and other payloads.

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Method};
use ropeway_wire::ByteStream;
use ropeway_wire::protocol::{
    RequestBody, RequestParts, ResponseBody, decode_input, encode_output, streams_input,
};
use ropeway_wire::schema::{EMPTY, Kind, Location, Member, Operation, Protocol, STREAM, STRING};

use crate::common::{Value, collect, operation, service, shape};

/// S3's PutObject and GetObject in one, more or less.
fn object() -> &'static Operation {
    let root = || {
        let members = vec![
            Member::new("Body", &STREAM),
            Member::new("Key", &STRING).at(Location::Label("Key")),
            Member::new("ContentType", &STRING).at(Location::Header("content-type")),
        ];
        shape("Object", Kind::Structure { members: members.leak(), payload: Some(0) })
    };
    operation(Member::new("Object", root()), Member::new("Object", root()))
}

fn parts<'a>(
    headers: &'a HeaderMap,
    labels: &'a [(&'static str, String)],
    body: RequestBody,
) -> RequestParts<'a> {
    RequestParts { method: &Method::PUT, uri_path: "/b/k", query: None, headers, labels, body }
}

#[test]
fn a_request_body_is_handed_over_unread() {
    assert!(streams_input(object(), Protocol::RestXml));
    assert!(!streams_input(object(), Protocol::AwsJson10));
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "text/plain".parse().unwrap());
    let labels = [("Key", "a/b".to_owned())];
    let chunks = stream::iter([Ok(Bytes::from("he")), Ok(Bytes::from("llo"))]);
    let body = RequestBody::Stream(ByteStream::new(chunks, Some(5)));
    let value: Value = decode_input(service(), object(), Protocol::RestXml, parts(&headers, &labels, body))
        .expect("a request");
    let expected = Value::Structure(vec![
        Some(Value::Stream("hello".into())),
        Some(Value::String("a/b".into())),
        Some(Value::String("text/plain".into())),
    ]);
    assert_eq!(value, expected);
}

#[test]
fn a_stream_where_none_is_taken_is_our_fault() {
    let body = RequestBody::Stream(ByteStream::from(Bytes::from("{}")));
    let error =
        decode_input::<Value>(service(), object(), Protocol::AwsJson10, parts(&HeaderMap::new(), &[], body))
            .expect_err("not collected");
    assert_eq!(error.status, 500);
}

#[test]
fn an_answer_body_leaves_as_it_is() {
    let value = Value::Structure(vec![
        Some(Value::Stream("hello".into())),
        None,
        Some(Value::String("text/css".into())),
    ]);
    let response = encode_output(service(), object(), Protocol::RestXml, &value, "r");
    assert_eq!(response.headers()["content-type"], "text/css");
    let ResponseBody::Stream(stream) = response.into_body() else { panic!("a stream") };
    assert_eq!(stream.length(), Some(5));
    assert_eq!(collect(&stream), "hello");
}

/// S3's GetBucketLocation: `<LocationConstraint xmlns="…">eu-west-1</LocationConstraint>`.
#[test]
fn a_flattened_root_has_no_element_of_its_own() {
    let members = vec![
        Member::new("LocationConstraint", &STRING).namespace("", "http://s3.amazonaws.com/doc/2006-03-01/"),
    ];
    let output = shape("Out", Kind::Structure { members: members.leak(), payload: None });
    let operation = operation(Member::new("", &EMPTY), Member::new("Out", output).flattened());
    let value = Value::Structure(vec![Some(Value::String("eu-west-1".into()))]);
    let response = encode_output(service(), operation, Protocol::RestXml, &value, "r");
    let ResponseBody::Bytes(body) = response.into_body() else { panic!("not a stream") };
    assert_eq!(
        body,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<LocationConstraint \
         xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">eu-west-1</LocationConstraint>"
    );
}
