//! Requests and answers as they are on the wire.

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use ropeway_api::s3::{GetObjectInput, S3 as _, S3Dispatch, SERVICE};
use ropeway_wire::protocol::{RequestBody, ResponseBody};
use ropeway_wire::{Answer, ByteStream, Call, Dispatch as _, sigv4};
use std::sync::Arc;

use super::support::*;

struct Http {
    dispatch: S3Dispatch<crate::S3Service>,
    cx: ropeway_wire::Cx,
}

impl Http {
    async fn call(
        &self,
        operation: &str,
        query: &str,
        headers: &[(&'static str, &str)],
        labels: &[(&'static str, &str)],
        body: RequestBody,
    ) -> Answer {
        let operation = SERVICE.operations.iter().find(|o| o.name == operation).unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let call = Call {
            service: &SERVICE,
            operation,
            protocol: SERVICE.protocols[0],
            cx: self.cx.clone(),
            method: operation.method.parse::<Method>().unwrap(),
            path: "/bucket/k".into(),
            query: Some(query.to_owned()),
            headers: map,
            labels: labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
            body,
            audit: None,
        };
        self.dispatch.call(call).await
    }
}

async fn text(answer: Answer) -> String {
    match answer.into_body() {
        ResponseBody::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        ResponseBody::Stream(body) => String::from_utf8(read(Some(body)).await).unwrap(),
    }
}

async fn http() -> (Http, World) {
    let mut world = world().await;
    world.put("k", b"0123456789").await.unwrap();
    let (core, blobs) = (world.core.clone(), world.blobs.clone());
    let master = ropeway_core::seal::MasterKey::from_bytes([7; 32]);
    let live = crate::Live::default();
    let options = crate::Options::default();
    let service = crate::S3Service::new(core, live, blobs, &master, Arc::default(), options);
    world.cx.source_ip = Some("127.0.0.1".parse().unwrap());
    (Http { dispatch: S3Dispatch(Arc::new(service)), cx: world.cx.clone() }, world)
}

const KEY: &[(&str, &str)] = &[("Bucket", "bucket"), ("Key", "k")];
const BUCKET_ONLY: &[(&str, &str)] = &[("Bucket", "bucket")];

fn empty() -> RequestBody {
    RequestBody::Bytes(Bytes::new())
}

#[tokio::test]
async fn answers_have_s3s_elements_and_statuses() {
    let (http, world) = http().await;
    let answer = http.call("ListObjectsV2", "list-type=2&max-keys=1", &[], BUCKET_ONLY, empty()).await;
    let body = text(answer).await;
    assert!(body.contains("<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"), "{body}");
    assert!(body.contains("<Contents><Key>k</Key>") && body.contains("<KeyCount>1</KeyCount>"), "{body}");
    let body = text(http.call("ListBuckets", "", &[], &[], empty()).await).await;
    assert!(
        body.contains("<ListAllMyBucketsResult") && body.contains("<Buckets><Bucket><Name>bucket"),
        "{body}"
    );
    let body = text(http.call("GetBucketLocation", "location", &[], BUCKET_ONLY, empty()).await).await;
    assert!(body.ends_with("<LocationConstraint></LocationConstraint>"), "{body}");
    let answer = http.call("GetObject", "", &[("range", "bytes=2-4")], KEY, empty()).await;
    assert_eq!(answer.status(), 206);
    assert_eq!(answer.headers()["content-range"], "bytes 2-4/10");
    assert_eq!(answer.headers()["content-length"], "3");
    assert_eq!(text(answer).await, "234");
    let etag = world.service.get_object(&world.cx, get("k")).await.unwrap().e_tag.unwrap();
    let answer = http.call("GetObject", "", &[("if-none-match", &etag)], KEY, empty()).await;
    assert_eq!(answer.status(), 304);
    assert_eq!(answer.headers()["etag"], etag.as_str());
    assert!(text(answer).await.is_empty());
    let answer = http.call("HeadObject", "", &[], KEY, empty()).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-length"]),
        (200, &"10".parse().unwrap())
    );
    let answer = http.call("GetObject", "", &[], &[("Bucket", "bucket"), ("Key", "none")], empty()).await;
    assert_eq!(answer.status(), 404);
    let body = text(answer).await;
    assert!(body.contains("<Code>NoSuchKey</Code>") && body.contains("<Key>none</Key>"), "{body}");
    let answer =
        http.call("PutObject", "", &[("x-amz-server-side-encryption-context", "e30=")], KEY, empty()).await;
    assert_eq!(answer.status(), 501);
    assert!(text(answer).await.contains("SSEKMSEncryptionContext"));
    assert_eq!(http.call("DeleteObject", "", &[], KEY, empty()).await.status(), 204);
}

/// The model wants a list; S3's list of error codes calls a body of another shape MalformedXML, and not a validation error.
#[tokio::test]
async fn a_delete_of_nothing_is_malformed() {
    let (http, _world) = http().await;
    for body in ["<Delete/>", "<Delete><Quiet>true</Quiet></Delete>"] {
        let body = RequestBody::Bytes(Bytes::from_static(body.as_bytes()));
        let answer = http.call("DeleteObjects", "delete", &[], BUCKET_ONLY, body).await;
        assert_eq!(answer.status(), 400);
        assert!(text(answer).await.contains("<Code>MalformedXML</Code>"));
    }
}

/// A body in chunks whose checksum follows it, as current SDKs send it.
fn trailing(headers: &[(&str, &str)], chunked: &'static str) -> (ByteStream, sigv4::Trailers) {
    let mut request = Request::builder();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    sigv4::open_anonymous(&parts, Bytes::from_static(chunked.as_bytes()).into()).unwrap()
}

#[tokio::test]
async fn checksums_may_follow_the_body() {
    let (http, world) = http().await;
    let put = async |crc: &'static str| {
        let headers = [
            ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
            ("x-amz-decoded-content-length", "5"),
            ("x-amz-trailer", "x-amz-checksum-crc32"),
        ];
        let (body, trailers) = trailing(&headers, crc);
        let body = RequestBody::Stream(body.with_trailers(trailers));
        let said = [
            ("x-amz-sdk-checksum-algorithm", "CRC32"),
            ("content-encoding", "aws-chunked"),
            ("content-length", "99"),
        ];
        http.call("PutObject", "", &said, KEY, body).await
    };
    let answer = put("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["x-amz-checksum-crc32"], "NhCmhg==");
    let got = world.service.get_object(&world.cx, GetObjectInput::clone(&get("k"))).await.unwrap();
    assert_eq!((got.content_encoding, read(got.body).await), (None, b"hello".to_vec()));
    let answer = put("5\r\nworld\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n").await;
    assert_eq!(answer.status(), 400);
    assert!(text(answer).await.contains("<Code>BadDigest</Code>"));
    // The stream's own fault is the answer's.
    let answer = put("5\r\nwo").await;
    assert!(text(answer).await.contains("<Code>IncompleteBody</Code>"));
    assert_eq!(world.get("k").await.unwrap(), b"hello");
}
