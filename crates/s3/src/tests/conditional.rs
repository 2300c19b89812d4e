//! Conditions of writes and deletions, read again against the documents.

use ropeway_api::s3::*;
use ropeway_wire::Error;

use super::support::*;

/// What there is at a key before.
#[derive(Debug, Clone, Copy)]
enum Before {
    Nothing,
    Object,
    Marker,
}
use Before::{Marker, Nothing, Object};

/// The ETag that a condition names.
fn named(tag: &str, etag: &str) -> String {
    if tag == "its" { etag.to_owned() } else { tag.to_owned() }
}

async fn prepare(world: &World, key: &str, before: Before) -> String {
    match before {
        Nothing => String::new(),
        Object => world.put(key, b"old").await.unwrap().e_tag.unwrap(),
        Marker => {
            let etag = world.put(key, b"old").await.unwrap().e_tag.unwrap();
            world.delete(key).await.unwrap();
            etag
        }
    }
}

async fn source(world: &World) {
    world.put("source", b"new").await.unwrap();
}

/// The three writes that take conditions.
#[derive(Debug, Clone, Copy)]
enum Write {
    Put,
    Copy,
    Complete,
}

async fn write(
    world: &World,
    how: Write,
    key: &str,
    matches: Option<String>,
    none: Option<String>,
) -> Result<(), Error> {
    match how {
        Write::Put => {
            let input = PutObjectInput { if_match: matches, if_none_match: none, ..put(key, b"new") };
            world.service.put_object(&world.cx, input).await.map(drop)
        }
        Write::Copy => {
            let input = CopyObjectInput {
                bucket: BUCKET.into(),
                key: key.into(),
                copy_source: "bucket/source".into(),
                if_match: matches,
                if_none_match: none,
                ..Default::default()
            };
            world.service.copy_object(&world.cx, input).await.map(drop)
        }
        Write::Complete => {
            let id = world.begin(key).await;
            let etag = world.part(key, &id, 1, b"new").await.unwrap();
            let part = CompletedPart { part_number: Some(1), e_tag: Some(etag), ..Default::default() };
            let input = CompleteMultipartUploadInput {
                bucket: BUCKET.into(),
                key: key.into(),
                upload_id: id,
                multipart_upload: Some(CompletedMultipartUpload { parts: Some(vec![part]) }),
                if_match: matches,
                if_none_match: none,
                ..Default::default()
            };
            world.service.complete_multipart_upload(&world.cx, input).await.map(drop)
        }
    }
}

/// User guide, "How to prevent object overwrites with conditional writes", "Conditional write behavior"; API
/// reference, `PutObject`, `CopyObject`, `CompleteMultipartUpload`; the 501s as localstack/localstack,
/// tests/aws/services/s3/test_s3_api.py, `TestS3ObjectWritePrecondition`, records them.
#[tokio::test]
async fn writes() {
    let world = world().await;
    world.version("Enabled").await;
    source(&world).await;
    let mut number = 0;
    for how in [Write::Put, Write::Copy, Write::Complete] {
        for (before, matches, none, expected) in [
            (Nothing, None, Some("*"), Ok(())),
            (Object, None, Some("*"), Err((412, "PreconditionFailed"))),
            (Marker, None, Some("*"), Ok(())),
            (Nothing, Some("its"), None, Err((404, "NoSuchKey"))),
            (Object, Some("its"), None, Ok(())),
            (Object, Some("\"0123\""), None, Err((412, "PreconditionFailed"))),
            (Marker, Some("its"), None, Err((404, "NoSuchKey"))),
            (Object, None, Some("its"), Err((501, "NotImplemented"))),
            (Object, Some("*"), None, Err((501, "NotImplemented"))),
            (Object, Some("its"), Some("*"), Err((501, "NotImplemented"))),
        ] {
            number += 1;
            let key = format!("k{number}");
            let etag = prepare(&world, &key, before).await;
            let tag = |tag: Option<&str>| tag.map(|tag| named(tag, &etag));
            let found = write(&world, how, &key, tag(matches), tag(none)).await;
            let found = found.map_err(|error| (error.status, error.code.to_string()));
            let expected = expected.map_err(|(status, code): (u16, &str)| (status, code.to_owned()));
            assert_eq!(found, expected, "{how:?} {before:?} {matches:?} {none:?}");
        }
    }
}

/// "Concurrent deletes during multipart uploads": 409 for `If-None-Match`, 404 for `If-Match`.
#[tokio::test]
async fn deletions_during_uploads() {
    let world = world().await;
    for (matches, none, status, code) in
        [(None, Some("*"), 409, "ConditionalRequestConflict"), (Some("its"), None, 404, "NoSuchKey")]
    {
        let etag = world.put("k", b"old").await.unwrap().e_tag.unwrap();
        let id = world.begin("k").await;
        let part = world.part("k", &id, 1, b"new").await.unwrap();
        world.delete("k").await.unwrap();
        let part = CompletedPart { part_number: Some(1), e_tag: Some(part), ..Default::default() };
        let input = CompleteMultipartUploadInput {
            bucket: BUCKET.into(),
            key: "k".into(),
            upload_id: id,
            multipart_upload: Some(CompletedMultipartUpload { parts: Some(vec![part]) }),
            if_match: matches.map(|tag| named(tag, &etag)),
            if_none_match: none.map(str::to_owned),
            ..Default::default()
        };
        let error = world.service.complete_multipart_upload(&world.cx, input).await.unwrap_err();
        assert_eq!((error.status, &*error.code), (status, code));
    }
}

/// User guide, "How to perform conditional deletes"; API reference, `DeleteObject`.
#[tokio::test]
async fn deletes() {
    let world = world().await;
    world.version("Enabled").await;
    for (number, (before, tag, expected)) in [
        (Object, "its", Ok(())),
        (Object, "*", Ok(())),
        (Object, "\"0123\"", Err((412, "PreconditionFailed"))),
        (Marker, "*", Err((412, "PreconditionFailed"))),
        (Marker, "its", Err((412, "PreconditionFailed"))),
        (Nothing, "*", Err((404, "NoSuchKey"))),
        (Nothing, "\"0123\"", Err((404, "NoSuchKey"))),
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("k{number}");
        let etag = prepare(&world, &key, before).await;
        let input = DeleteObjectInput {
            bucket: BUCKET.into(),
            key,
            if_match: Some(named(tag, &etag)),
            ..Default::default()
        };
        let found = world.service.delete_object(&world.cx, input).await.map(drop);
        let found = found.map_err(|error| (error.status, error.code.to_string()));
        let expected = expected.map_err(|(status, code): (u16, &str)| (status, code.to_owned()));
        assert_eq!(found, expected, "{before:?} {tag}");
    }
}

/// Who names an ETag must be allowed to read the object; who names none, or any, need not.
#[tokio::test]
async fn etags_are_for_readers() {
    let world = world().await;
    let etag = world.put("k", b"x").await.unwrap().e_tag.unwrap();
    world.gate.denied.lock().unwrap().insert(("s3:GetObject".into(), "arn:aws:s3:::bucket/k".into()));
    let error = write(&world, Write::Put, "k", Some(etag.clone()), None).await.unwrap_err();
    assert_eq!((error.status, &*error.code), (403, "AccessDenied"));
    let delete = |tag: &str| DeleteObjectInput {
        bucket: BUCKET.into(),
        key: "k".into(),
        if_match: Some(tag.into()),
        ..Default::default()
    };
    assert_eq!(world.service.delete_object(&world.cx, delete(&etag)).await.unwrap_err().status, 403);
    world.service.delete_object(&world.cx, delete("*")).await.unwrap();
    write(&world, Write::Put, "k", None, Some("*".into())).await.unwrap();
}

/// API reference, `CopyObject`, `x-amz-copy-source-if-*`: the two pairs that it spells out, and each alone.
#[tokio::test]
async fn conditions_on_a_source() {
    let world = world().await;
    let etag = world.put("source", b"new").await.unwrap().e_tag.unwrap();
    let now = world.clock.now();
    let (before, after) = (now.plus_millis(-5000), now.plus_millis(5000));
    for (matches, none, modified, unmodified, fine) in [
        (Some("its"), None, None, None, true),
        (Some("\"0\""), None, None, None, false),
        (None, Some("its"), None, None, false),
        (None, Some("\"0\""), None, None, true),
        (None, None, Some(before), None, true),
        (None, None, Some(after), None, false),
        (None, None, None, Some(after), true),
        (None, None, None, Some(before), false),
        // "If-Match true and If-Unmodified-Since false": the copy is made.
        (Some("its"), None, None, Some(before), true),
        // "If-None-Match false and If-Modified-Since true": 412.
        (None, Some("its"), Some(before), None, false),
    ] {
        let input = CopyObjectInput {
            bucket: BUCKET.into(),
            key: "copy".into(),
            copy_source: "bucket/source".into(),
            copy_source_if_match: matches.map(|tag: &str| named(tag, &etag)),
            copy_source_if_none_match: none.map(|tag: &str| named(tag, &etag)),
            copy_source_if_modified_since: modified,
            copy_source_if_unmodified_since: unmodified,
            ..Default::default()
        };
        let found = world.service.copy_object(&world.cx, input).await;
        let status = found.err().map_or(200, |error| error.status);
        let row = format!("{matches:?} {none:?} {modified:?} {unmodified:?}");
        assert_eq!(status, if fine { 200 } else { 412 }, "{row}");
    }
}
