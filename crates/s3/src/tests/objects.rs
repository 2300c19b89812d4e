use std::time::Duration;

use ropeway_api::s3::*;
use ropeway_core::Time;
use ropeway_wire::ByteStream;

use super::support::*;

#[tokio::test]
async fn what_is_put_can_be_got_listed_and_deleted() {
    let world = world().await;
    let answer = world.put("a/b.txt", b"hello").await.unwrap();
    assert_eq!(answer.e_tag.as_deref(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    assert_eq!(answer.server_side_encryption.as_deref(), Some("AES256"));
    let got = world.service.get_object(&world.cx, get("a/b.txt")).await.unwrap();
    assert_eq!(got.content_type.as_deref(), Some("binary/octet-stream"));
    assert_eq!(got.content_length, Some(5));
    assert_eq!(read(got.body).await, b"hello");
    let listed = world.list(Default::default()).await.unwrap();
    assert_eq!(listed.key_count, Some(1));
    assert_eq!(listed.contents.unwrap()[0].key.as_deref(), Some("a/b.txt"));
    world.delete("a/b.txt").await.unwrap();
    world.delete("a/b.txt").await.unwrap();
    assert_eq!(world.get("a/b.txt").await.unwrap_err().code, "NoSuchKey");
    assert_eq!(world.list(Default::default()).await.unwrap().key_count, Some(0));
}

/// Sizes around where a body is one row, two rows, one chunk and several.
#[tokio::test]
async fn bodies_of_every_size_come_back_whole_and_in_parts() {
    let world = world().await;
    for size in [0, 1, 65_519, 65_520, 65_521, 65_536, 65_537, 131_072, 200_000, 3_000_000] {
        let body = bytes(size, size as u64);
        world.put("k", &body).await.unwrap();
        assert!(world.get("k").await.unwrap() == body, "{size}");
        for start in [0, 1, 65_535, 65_536, 65_537, 131_071, 131_072, 199_999] {
            for length in [1, 2, 65_536, 65_537, 150_000] {
                if start < size {
                    let end = (start + length).min(size);
                    let range = format!("bytes={start}-{}", start + length - 1);
                    let part = world.range("k", &range).await.unwrap();
                    assert!(part == body[start..end], "{size} {range}");
                }
            }
        }
    }
    // What was overwritten is gone from the blob store; one body is there.
    assert_eq!(world.settled_blobs(1).await, 1);
    world.delete("k").await.unwrap();
    assert_eq!(world.settled_blobs(0).await, 0);
}

#[tokio::test]
async fn ranges_are_told() {
    let world = world().await;
    world.put("k", b"0123456789").await.unwrap();
    let input = GetObjectInput { range: Some("bytes=-3".into()), ..get("k") };
    let answer = world.service.get_object(&world.cx, input).await.unwrap();
    assert_eq!(answer.content_range.as_deref(), Some("bytes 7-9/10"));
    assert_eq!(read(answer.body).await, b"789");
    let error = world.range("k", "bytes=10-").await.unwrap_err();
    assert_eq!((error.status, &*error.code), (416, "InvalidRange"));
    assert_eq!(error.members["ActualObjectSize"], "10");
}

#[tokio::test]
async fn attributes_metadata_and_tags_are_kept() {
    let world = world().await;
    let input = PutObjectInput {
        content_type: Some("text/plain".into()),
        content_encoding: Some("aws-chunked,gzip".into()),
        cache_control: Some("no-cache".into()),
        metadata: Some([("colour".to_owned(), "blue".to_owned())].into()),
        tagging: Some("a=1&b=2".into()),
        ..put("k", b"x")
    };
    world.service.put_object(&world.cx, input).await.unwrap();
    let head = HeadObjectInput { bucket: BUCKET.into(), key: "k".into(), ..Default::default() };
    let head = world.service.head_object(&world.cx, head).await.unwrap();
    assert_eq!(head.content_type.as_deref(), Some("text/plain"));
    assert_eq!(head.content_encoding.as_deref(), Some("gzip"));
    assert_eq!(head.metadata.unwrap()["colour"], "blue");
    assert_eq!(head.tag_count, Some(2));
    let overridden = GetObjectInput {
        response_content_type: Some("text/html".into()),
        response_expires: Some(Time::from_secs(0)),
        ..get("k")
    };
    let got = world.service.get_object(&world.cx, overridden).await.unwrap();
    assert_eq!(got.content_type.as_deref(), Some("text/html"));
    assert_eq!(got.expires.as_deref(), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
    let tags = GetObjectTaggingInput { bucket: BUCKET.into(), key: "k".into(), ..Default::default() };
    assert_eq!(world.service.get_object_tagging(&world.cx, tags.clone()).await.unwrap().tag_set.len(), 2);
    let none = DeleteObjectTaggingInput { bucket: BUCKET.into(), key: "k".into(), ..Default::default() };
    world.service.delete_object_tagging(&world.cx, none).await.unwrap();
    assert!(world.service.get_object_tagging(&world.cx, tags).await.unwrap().tag_set.is_empty());
    let large = [("k".to_owned(), "v".repeat(2048))].into();
    let input = PutObjectInput { metadata: Some(large), ..put("k", b"x") };
    assert_eq!(world.service.put_object(&world.cx, input).await.unwrap_err().code, "MetadataTooLarge");
}

#[tokio::test]
async fn writes_meet_their_conditions() {
    let world = world().await;
    let absent = || PutObjectInput { if_none_match: Some("*".into()), ..put("k", b"1") };
    let answer = world.service.put_object(&world.cx, absent()).await.unwrap();
    let error = world.service.put_object(&world.cx, absent()).await.unwrap_err();
    assert_eq!((error.status, &*error.code), (412, "PreconditionFailed"));
    assert_eq!(error.members["Condition"], "If-None-Match");
    let matching = |etag: &str| PutObjectInput { if_match: Some(etag.into()), ..put("k", b"2") };
    world.service.put_object(&world.cx, matching(&answer.e_tag.unwrap())).await.unwrap();
    let error = world.service.put_object(&world.cx, matching("\"00\"")).await.unwrap_err();
    assert_eq!(error.members["Condition"], "If-Match");
    let missing = PutObjectInput { if_match: Some("\"00\"".into()), ..put("other", b"2") };
    assert_eq!(world.service.put_object(&world.cx, missing).await.unwrap_err().code, "NoSuchKey");
    let other = PutObjectInput { if_none_match: Some("\"00\"".into()), ..put("k", b"1") };
    assert_eq!(world.service.put_object(&world.cx, other).await.unwrap_err().status, 501);
    assert_eq!(world.get("k").await.unwrap(), b"2");
}

/// A large body that is refused leaves nothing behind.
#[tokio::test]
async fn a_refused_write_leaves_no_blob() {
    let world = world().await;
    world.put("k", b"1").await.unwrap();
    let input = PutObjectInput { if_none_match: Some("*".into()), ..put("k", &bytes(100_000, 1)) };
    world.service.put_object(&world.cx, input).await.unwrap_err();
    assert_eq!(world.settled_blobs(0).await, 0);
}

#[tokio::test]
async fn reads_meet_their_conditions() {
    let world = world().await;
    let etag = world.put("k", b"1").await.unwrap().e_tag.unwrap();
    let written = world.clock.now();
    world.clock.advance(Duration::from_secs(10));
    let status = async |input: GetObjectInput| match world.service.get_object(&world.cx, input).await {
        Ok(_) => 200,
        Err(error) => error.status,
    };
    let since = |time: Time| GetObjectInput { if_modified_since: Some(time), ..get("k") };
    let unless = |time: Time| GetObjectInput { if_unmodified_since: Some(time), ..get("k") };
    assert_eq!(status(since(written)).await, 304);
    assert_eq!(status(since(written.plus_secs(-1))).await, 200);
    assert_eq!(status(unless(written)).await, 200);
    assert_eq!(status(unless(written.plus_secs(-1))).await, 412);
    assert_eq!(status(GetObjectInput { if_match: Some("\"0\"".into()), ..get("k") }).await, 412);
    assert_eq!(status(GetObjectInput { if_none_match: Some(etag.clone()), ..get("k") }).await, 304);
    // An ETag that fits outweighs the date: RFC 9110, 13.2.2.
    let both = GetObjectInput { if_match: Some(etag.clone()), ..unless(written.plus_secs(-1)) };
    assert_eq!(status(both).await, 200);
    let both = GetObjectInput { if_none_match: Some("\"0\"".into()), ..since(written) };
    assert_eq!(status(both).await, 200);
    let input = GetObjectInput { if_none_match: Some(etag.clone()), ..get("k") };
    let error = world.service.get_object(&world.cx, input).await.unwrap_err();
    assert!(error.headers.contains(&("etag", etag)));
}

#[tokio::test]
async fn checksums_are_checked_and_kept() {
    let world = world().await;
    // `openssl md5 -binary | base64` of `hello`, and its CRC-32.
    let md5 = |md5: &str| PutObjectInput { content_md5: Some(md5.into()), ..put("k", b"hello") };
    world.service.put_object(&world.cx, md5("XUFAKrxLKna5cZ2REBfFkg==")).await.unwrap();
    let error = world.service.put_object(&world.cx, md5("AAAAAAAAAAAAAAAAAAAAAA==")).await.unwrap_err();
    assert_eq!(error.code, "BadDigest");
    assert_eq!(world.service.put_object(&world.cx, md5("AAAA")).await.unwrap_err().code, "InvalidDigest");
    let crc = |crc: &str| PutObjectInput { checksum_crc32: Some(crc.into()), ..put("k", b"hello") };
    let answer = world.service.put_object(&world.cx, crc("NhCmhg==")).await.unwrap();
    assert_eq!(answer.checksum_crc32.as_deref(), Some("NhCmhg=="));
    assert_eq!(world.service.put_object(&world.cx, crc("NhCmhA==")).await.unwrap_err().code, "BadDigest");
    assert_eq!(world.service.put_object(&world.cx, crc("xyz")).await.unwrap_err().code, "InvalidRequest");
    let two =
        PutObjectInput { checksum_sha1: Some("qvTGHdzF6KLavt4PO0gs2a6pQ00=".into()), ..crc("NhCmhg==") };
    assert_eq!(world.service.put_object(&world.cx, two).await.unwrap_err().code, "InvalidRequest");
    let input = GetObjectInput { checksum_mode: Some("ENABLED".into()), ..get("k") };
    let got = world.service.get_object(&world.cx, input).await.unwrap();
    assert_eq!(got.checksum_crc32.as_deref(), Some("NhCmhg=="));
    // Without a checksum of the client's, S3 computes its own.
    let answer = world.put("k", b"hello").await.unwrap();
    assert!(answer.checksum_crc64nvme.is_some());
    assert_eq!(answer.checksum_type.as_deref(), Some("FULL_OBJECT"));
}

#[tokio::test]
async fn a_body_of_another_length_is_refused() {
    let world = world().await;
    for said in [4, 6] {
        let chunks = futures_util::stream::once(std::future::ready(Ok(bytes::Bytes::from_static(b"hello"))));
        let body = ByteStream::new(chunks, Some(said));
        let input = PutObjectInput { body: Some(body), ..put("k", b"") };
        assert_eq!(world.service.put_object(&world.cx, input).await.unwrap_err().code, "IncompleteBody");
    }
    let endless = ByteStream::new(futures_util::stream::empty(), None);
    let input = PutObjectInput { body: Some(endless), ..put("k", b"") };
    assert_eq!(world.service.put_object(&world.cx, input).await.unwrap_err().code, "MissingContentLength");
    let huge = ByteStream::new(futures_util::stream::empty(), Some(5 * 1024 * 1024 * 1024 + 1));
    let input = PutObjectInput { body: Some(huge), ..put("k", b"") };
    assert_eq!(world.service.put_object(&world.cx, input).await.unwrap_err().code, "EntityTooLarge");
}

#[tokio::test]
async fn copies_are_objects_of_their_own() {
    let world = world().await;
    world.create("second").await.unwrap();
    for size in [10, 200_000] {
        let body = bytes(size, 3);
        let input = PutObjectInput { content_type: Some("text/plain".into()), ..put("a b", &body) };
        world.service.put_object(&world.cx, input).await.unwrap();
        let copy = CopyObjectInput {
            bucket: "second".into(),
            key: "c".into(),
            copy_source: "/bucket/a%20b".into(),
            ..Default::default()
        };
        world.service.copy_object(&world.cx, copy).await.unwrap();
        world.delete("a b").await.unwrap();
        let input = GetObjectInput { bucket: "second".into(), ..get("c") };
        let got = world.service.get_object(&world.cx, input).await.unwrap();
        assert_eq!(got.content_type.as_deref(), Some("text/plain"));
        assert!(read(got.body).await == body);
    }
    assert_eq!(world.settled_blobs(1).await, 1);
}

#[tokio::test]
async fn a_copy_onto_itself_must_change_something() {
    let world = world().await;
    world.put("k", b"1").await.unwrap();
    let copy = |directive: Option<&str>| CopyObjectInput {
        bucket: BUCKET.into(),
        key: "k".into(),
        copy_source: "bucket/k".into(),
        metadata_directive: directive.map(str::to_owned),
        content_type: Some("text/html".into()),
        ..Default::default()
    };
    assert_eq!(world.service.copy_object(&world.cx, copy(None)).await.unwrap_err().code, "InvalidRequest");
    world.service.copy_object(&world.cx, copy(Some("REPLACE"))).await.unwrap();
    let got = world.service.get_object(&world.cx, get("k")).await.unwrap();
    assert_eq!(got.content_type.as_deref(), Some("text/html"));
    assert_eq!(read(got.body).await, b"1");
}

#[tokio::test]
async fn many_keys_are_deleted_at_once_each_by_its_own_right() {
    let world = world().await;
    for n in 0..1000 {
        world.put(&format!("k{n}"), b"x").await.unwrap();
    }
    let forbidden = ("s3:DeleteObject".to_owned(), "arn:aws:s3:::bucket/k7".to_owned());
    world.gate.denied.lock().unwrap().insert(forbidden);
    let objects = (0..1000).map(|n| ObjectIdentifier { key: format!("k{n}"), ..Default::default() });
    let input = |objects: Vec<ObjectIdentifier>| DeleteObjectsInput {
        bucket: BUCKET.into(),
        delete: Delete { objects: Some(objects), quiet: Some(false) },
        ..Default::default()
    };
    let answer = world.service.delete_objects(&world.cx, input(objects.collect())).await.unwrap();
    assert_eq!(answer.deleted.unwrap().len(), 999);
    let errors = answer.errors.unwrap();
    assert_eq!((errors[0].key.as_deref(), errors[0].code.as_deref()), (Some("k7"), Some("AccessDenied")));
    assert_eq!(world.list(Default::default()).await.unwrap().key_count, Some(1));
    let error = world.service.delete_objects(&world.cx, input(Vec::new())).await.unwrap_err();
    assert_eq!(error.code, "MalformedXML");
}

#[tokio::test]
async fn who_may_not_list_does_not_learn_what_is_missing() {
    let world = world().await;
    let forbidden = ("s3:ListBucket".to_owned(), "arn:aws:s3:::bucket".to_owned());
    world.gate.denied.lock().unwrap().insert(forbidden);
    assert_eq!(world.get("k").await.unwrap_err().code, "AccessDenied");
}

#[tokio::test]
async fn what_is_not_implemented_is_refused_by_name() {
    let world = world().await;
    let refused = async |input: PutObjectInput| {
        let error = world.service.put_object(&world.cx, input).await.unwrap_err();
        (error.status, error.code.into_owned())
    };
    let class = PutObjectInput { storage_class: Some("GLACIER".into()), ..put("k", b"") };
    assert_eq!(refused(class).await, (501, "NotImplemented".into()));
    let kms = PutObjectInput { server_side_encryption: Some("aws:kms:dsse".into()), ..put("k", b"") };
    assert_eq!(refused(kms).await, (501, "NotImplemented".into()));
    let acl = PutObjectInput { acl: Some("public-read".into()), ..put("k", b"") };
    assert_eq!(refused(acl).await, (400, "AccessControlListNotSupported".into()));
    let key = put(&"k".repeat(1025), b"");
    assert_eq!(refused(key).await, (400, "KeyTooLongError".into()));
    let version = GetObjectInput { version_id: Some("1".into()), ..get("k") };
    assert_eq!(world.service.get_object(&world.cx, version).await.unwrap_err().code, "InvalidArgument");
}
