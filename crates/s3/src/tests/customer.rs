//! Keys that customers keep, through the service.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use ropeway_api::s3::*;
use ropeway_wire::Error;

use super::support::*;

const MIB: usize = 1024 * 1024;

/// The three headers of a key.
fn headers(key: u8) -> (Option<String>, Option<String>, Option<String>) {
    let key = [key; 32];
    (Some("AES256".into()), Some(STANDARD.encode(key)), Some(STANDARD.encode(Md5::digest(key))))
}

/// A request with a key's headers.
macro_rules! with_key {
    ($input:expr, $key:expr) => {{
        let mut input = $input;
        (input.sse_customer_algorithm, input.sse_customer_key, input.sse_customer_key_md5) = headers($key);
        input
    }};
}

macro_rules! with_source_key {
    ($input:expr, $key:expr) => {{
        let mut input = $input;
        let (algorithm, key, md5) = headers($key);
        input.copy_source_sse_customer_algorithm = algorithm;
        input.copy_source_sse_customer_key = key;
        input.copy_source_sse_customer_key_md5 = md5;
        input
    }};
}

async fn block(world: &World, types: &str) {
    let types = BlockedEncryptionTypes { encryption_type: Some(vec![types.into()]) };
    let rule = ServerSideEncryptionRule { blocked_encryption_types: Some(types), ..Default::default() };
    let input = PutBucketEncryptionInput {
        bucket: BUCKET.into(),
        server_side_encryption_configuration: ServerSideEncryptionConfiguration { rules: vec![rule] },
        ..Default::default()
    };
    world.service.put_bucket_encryption(&world.cx, input).await.unwrap();
}

async fn open_world() -> World {
    let world = world().await;
    block(&world, "NONE").await;
    world
}

async fn get_with(world: &World, key: &str, customer: u8) -> Result<Vec<u8>, Error> {
    Ok(read(world.service.get_object(&world.cx, with_key!(get(key), customer)).await?.body).await)
}

fn copy(from: &str, to: &str) -> CopyObjectInput {
    CopyObjectInput {
        bucket: BUCKET.into(),
        key: to.into(),
        copy_source: format!("{BUCKET}/{from}"),
        ..Default::default()
    }
}

/// User guide, "Default SSE-C setting for new buckets FAQ".
#[tokio::test]
async fn new_buckets_refuse_customers_keys() {
    let world = world().await;
    let asked = || with_key!(put("k", b"x"), 1);
    let error = world.service.put_object(&world.cx, asked()).await.unwrap_err();
    assert_eq!((error.status, &*error.code), (403, "AccessDenied"));
    assert!(error.message.contains("this bucket has blocked upload requests"), "{}", error.message);
    block(&world, "NONE").await;
    world.service.put_object(&world.cx, asked()).await.unwrap();
    block(&world, "SSE-C").await;
    assert_eq!(world.service.put_object(&world.cx, asked()).await.unwrap_err().code, "AccessDenied");
    let copied = world.service.copy_object(&world.cx, with_key!(with_source_key!(copy("k", "l"), 1), 1));
    assert_eq!(copied.await.unwrap_err().code, "AccessDenied");
    let upload = CreateMultipartUploadInput { bucket: BUCKET.into(), key: "k".into(), ..Default::default() };
    let begun = world.service.create_multipart_upload(&world.cx, with_key!(upload, 1)).await;
    assert_eq!(begun.unwrap_err().code, "AccessDenied");
    assert_eq!(get_with(&world, "k", 1).await.unwrap(), b"x");
}

#[tokio::test]
async fn only_the_key_opens_an_object() {
    let world = open_world().await;
    for (name, body) in [("empty", vec![]), ("small", bytes(1000, 1)), ("large", bytes(3 * MIB / 2, 2))] {
        let made = world.service.put_object(&world.cx, with_key!(put(name, &body), 1)).await.unwrap();
        assert_eq!(made.server_side_encryption, None);
        assert_eq!(made.sse_customer_algorithm.as_deref(), Some("AES256"));
        assert_eq!(made.sse_customer_key_md5, headers(1).2);
        let md5 = format!("\"{}\"", hex::encode(Md5::digest(&body)));
        assert_ne!(made.e_tag.unwrap(), md5, "the ETag tells nothing of the object");
        assert_eq!(get_with(&world, name, 1).await.unwrap(), body);
        assert_eq!(get_with(&world, name, 2).await.unwrap_err().status, 403);
        let error = world.get(name).await.unwrap_err();
        assert_eq!((error.status, &*error.code), (400, "InvalidRequest"));
        let head = HeadObjectInput { bucket: BUCKET.into(), key: name.into(), ..Default::default() };
        assert_eq!(world.service.head_object(&world.cx, head.clone()).await.unwrap_err().status, 400);
        let shown = world.service.head_object(&world.cx, with_key!(head, 1)).await.unwrap();
        assert_eq!(shown.content_length, Some(body.len() as i64));
    }
    world.put("open", b"x").await.unwrap();
    assert_eq!(get_with(&world, "open", 1).await.unwrap_err().code, "InvalidRequest");
    let both = PutObjectInput { server_side_encryption: Some("AES256".into()), ..put("k", b"") };
    let error = world.service.put_object(&world.cx, with_key!(both, 1)).await.unwrap_err();
    assert!(error.message.contains("incompatible with the encryption method"), "{}", error.message);
}

#[tokio::test]
async fn copies_change_keys() {
    let world = open_world().await;
    let body = bytes(200_000, 3);
    world.service.put_object(&world.cx, with_key!(put("one", &body), 1)).await.unwrap();
    assert_eq!(world.service.copy_object(&world.cx, copy("one", "x")).await.unwrap_err().status, 400);
    let wrong = with_source_key!(copy("one", "x"), 2);
    assert_eq!(world.service.copy_object(&world.cx, wrong).await.unwrap_err().status, 403);
    let two = with_key!(with_source_key!(copy("one", "two"), 1), 2);
    let made = world.service.copy_object(&world.cx, two).await.unwrap();
    assert_eq!(made.sse_customer_key_md5, headers(2).2);
    assert_eq!(get_with(&world, "two", 2).await.unwrap(), body);
    let open = world.service.copy_object(&world.cx, with_source_key!(copy("two", "open"), 2)).await.unwrap();
    assert_eq!(open.server_side_encryption.as_deref(), Some("AES256"));
    let md5 = format!("\"{}\"", hex::encode(Md5::digest(&body)));
    assert_eq!(open.copy_object_result.unwrap().e_tag.unwrap(), md5);
    assert_eq!(world.get("open").await.unwrap(), body);
    world.service.copy_object(&world.cx, with_key!(copy("open", "three"), 3)).await.unwrap();
    assert_eq!(get_with(&world, "three", 3).await.unwrap(), body);
}

fn part(id: &str, number: i64, body: &[u8]) -> UploadPartInput {
    UploadPartInput {
        bucket: BUCKET.into(),
        key: "parts".into(),
        upload_id: id.into(),
        part_number: number,
        body: Some(bytes::Bytes::copy_from_slice(body).into()),
        ..Default::default()
    }
}

async fn begin(world: &World, algorithm: Option<&str>) -> String {
    let input = CreateMultipartUploadInput {
        bucket: BUCKET.into(),
        key: "parts".into(),
        checksum_algorithm: algorithm.map(str::to_owned),
        ..Default::default()
    };
    let begun = world.service.create_multipart_upload(&world.cx, with_key!(input, 1)).await.unwrap();
    assert_eq!(begun.sse_customer_key_md5, headers(1).2);
    begun.upload_id.unwrap()
}

#[tokio::test]
async fn parts_come_with_the_key() {
    let world = open_world().await;
    let id = begin(&world, None).await;
    let (first, last) = (bytes(5 * MIB, 4), bytes(10, 5));
    let without = world.service.upload_part(&world.cx, part(&id, 1, &first)).await.unwrap_err();
    assert!(without.message.contains("Subsequent part requests must include"), "{}", without.message);
    let other = world.service.upload_part(&world.cx, with_key!(part(&id, 1, &first), 2)).await.unwrap_err();
    assert_eq!(other.status, 400);
    assert!(other.message.contains("did not match the ones used originally"), "{}", other.message);
    let mut parts = Vec::new();
    for (number, body) in [(1, &first), (2, &last)] {
        let made = world.service.upload_part(&world.cx, with_key!(part(&id, number, body), 1)).await;
        parts.push((number, made.unwrap().e_tag.unwrap()));
    }
    // Without a checksum algorithm, neither needs the key.
    let listing = || ListPartsInput {
        bucket: BUCKET.into(),
        key: "parts".into(),
        upload_id: id.clone(),
        ..Default::default()
    };
    world.service.list_parts(&world.cx, listing()).await.unwrap();
    assert_eq!(world.service.list_parts(&world.cx, with_key!(listing(), 2)).await.unwrap_err().status, 400);
    world.complete("parts", &id, &parts).await.unwrap();
    assert_eq!(get_with(&world, "parts", 1).await.unwrap(), [first.as_slice(), &last].concat());
    assert_eq!(get_with(&world, "parts", 2).await.unwrap_err().status, 403);
    let id = begin(&world, Some("SHA256")).await;
    let made = world.service.upload_part(&world.cx, with_key!(part(&id, 1, b"x"), 1)).await.unwrap();
    let without = world.complete("parts", &id, &[(1, made.e_tag.unwrap())]).await.unwrap_err();
    assert_eq!((without.status, &*without.code), (400, "InvalidRequest"));
}

/// API reference, `Object`: ETags of what is encrypted with SSE-KMS are no MD5s.
#[tokio::test]
async fn etags_under_kms_are_no_md5s() {
    let world = world().await;
    let asked = |bucket_key| PutObjectInput {
        server_side_encryption: Some("aws:kms".into()),
        bucket_key_enabled: bucket_key,
        ..put("k", b"x")
    };
    let made = world.service.put_object(&world.cx, asked(Some(true))).await.unwrap();
    assert_eq!(made.bucket_key_enabled, Some(true));
    assert_ne!(made.e_tag.unwrap(), format!("\"{}\"", hex::encode(Md5::digest(b"x"))));
    let made = world.service.put_object(&world.cx, asked(None)).await.unwrap();
    assert_eq!(made.bucket_key_enabled, None);
}
