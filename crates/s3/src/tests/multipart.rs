use md5::{Digest as _, Md5};
use ropeway_api::s3::*;

use super::support::*;

const MIB: usize = 1024 * 1024;

async fn uploaded(world: &World, id: &str, bodies: &[(i64, Vec<u8>)]) -> Vec<(i64, String)> {
    let mut parts = Vec::new();
    for (number, body) in bodies {
        parts.push((*number, world.part("k", id, *number, body).await.unwrap()));
    }
    parts
}

#[tokio::test]
async fn parts_become_an_object() {
    let world = world().await;
    let id = world.begin("k").await;
    let bodies = [(2, bytes(5 * MIB, 2)), (5, bytes(5 * MIB + 77, 5)), (9, bytes(1000, 9))];
    let parts = uploaded(&world, &id, &bodies).await;
    // A part that the object does not take, and one that is written twice.
    world.part("k", &id, 3, &bytes(100_000, 3)).await.unwrap();
    world.part("k", &id, 3, &bytes(200_000, 4)).await.unwrap();
    let answer = world.complete("k", &id, &parts).await.unwrap();
    let mut hasher = Md5::new();
    bodies.iter().for_each(|(_, body)| hasher.update(Md5::digest(body)));
    assert_eq!(answer.e_tag.clone().unwrap(), format!("\"{}-3\"", hex::encode(hasher.finalize())));
    let whole: Vec<u8> = bodies.iter().flat_map(|(_, body)| body.clone()).collect();
    assert!(world.get("k").await.unwrap() == whole);
    let edge = 5 * MIB;
    for (start, end) in
        [(0, 10), (edge - 5, edge + 5), (edge + 10, 2 * edge + 100), (whole.len() - 2000, whole.len())]
    {
        let part = world.range("k", &format!("bytes={start}-{}", end - 1)).await.unwrap();
        assert!(part == whole[start..end], "{start}-{end}");
    }
    let input = GetObjectInput { part_number: Some(5), ..get("k") };
    let got = world.service.get_object(&world.cx, input).await.unwrap();
    assert_eq!(got.parts_count, Some(3));
    assert_eq!(got.content_range.unwrap(), format!("bytes {edge}-{}/{}", 2 * edge + 76, whole.len()));
    assert!(read(got.body).await == bodies[1].1);
    // The part that was not taken goes, and so does everything with the object.
    assert_eq!(world.settled_blobs(2).await, 2);
    // The same request once more has the same answer, as long as the object is there.
    assert_eq!(world.complete("k", &id, &parts).await.unwrap().e_tag, answer.e_tag);
    assert_eq!(world.complete("k", &id, &parts[1..]).await.unwrap_err().code, "NoSuchUpload");
    world.put("k", b"other").await.unwrap();
    assert_eq!(world.complete("k", &id, &parts).await.unwrap_err().code, "NoSuchUpload");
    assert_eq!(world.settled_blobs(0).await, 0);
}

/// The checksum of the whole is that of its bytes, though only the parts' are computed.
#[tokio::test]
async fn the_checksum_of_the_whole_comes_from_its_parts() {
    let world = world().await;
    let id = world.begin("k").await;
    let bodies = [(1, bytes(5 * MIB, 1)), (2, bytes(70_000, 2))];
    let parts = uploaded(&world, &id, &bodies).await;
    let answer = world.complete("k", &id, &parts).await.unwrap();
    assert_eq!(answer.checksum_type.as_deref(), Some("FULL_OBJECT"));
    let whole: Vec<u8> = bodies.iter().flat_map(|(_, body)| body.clone()).collect();
    let single = world.put("single", &whole).await.unwrap();
    assert_eq!(answer.checksum_crc64nvme, single.checksum_crc64nvme);
    // A copy is one piece, with an ETag of its own.
    let copy = CopyObjectInput {
        bucket: BUCKET.into(),
        key: "copy".into(),
        copy_source: "bucket/k".into(),
        ..Default::default()
    };
    let copied = world.service.copy_object(&world.cx, copy).await.unwrap().copy_object_result.unwrap();
    assert_eq!(copied.e_tag, single.e_tag);
    assert_eq!(copied.checksum_crc64nvme, single.checksum_crc64nvme);
    assert!(world.get("copy").await.unwrap() == whole);
}

#[tokio::test]
async fn composite_checksums_are_of_the_parts() {
    let world = world().await;
    let input = CreateMultipartUploadInput {
        bucket: BUCKET.into(),
        key: "k".into(),
        checksum_algorithm: Some("SHA256".into()),
        ..Default::default()
    };
    let begun = world.service.create_multipart_upload(&world.cx, input).await.unwrap();
    assert_eq!(begun.checksum_type.as_deref(), Some("COMPOSITE"));
    let id = begun.upload_id.unwrap();
    let mismatched = UploadPartInput {
        bucket: BUCKET.into(),
        key: "k".into(),
        upload_id: id.clone(),
        part_number: 1,
        body: Some(bytes::Bytes::from_static(b"hello").into()),
        checksum_crc32: Some("NhCmhg==".into()),
        ..Default::default()
    };
    let error = world.service.upload_part(&world.cx, mismatched).await.unwrap_err();
    assert!(error.message.contains("expected checksum Type: sha256, actual checksum Type: crc32"));
    let etag = world.part("k", &id, 1, b"hello").await.unwrap();
    let answer = world.complete("k", &id, &[(1, etag)]).await.unwrap();
    use sha2::Digest as _;
    let twice = sha2::Sha256::digest(sha2::Sha256::digest(b"hello"));
    use base64::Engine as _;
    let expected = format!("{}-1", base64::engine::general_purpose::STANDARD.encode(twice));
    assert_eq!(answer.checksum_sha256, Some(expected));
}

#[tokio::test]
async fn what_is_completed_must_be_what_was_uploaded() {
    let world = world().await;
    let id = world.begin("k").await;
    let parts = uploaded(&world, &id, &[(1, bytes(1000, 1)), (2, bytes(1000, 2))]).await;
    let code = async |parts: &[(i64, String)]| world.complete("k", &id, parts).await.unwrap_err().code;
    assert_eq!(code(&[]).await, "MalformedXML");
    assert_eq!(code(&[parts[1].clone(), parts[0].clone()]).await, "InvalidPartOrder");
    assert_eq!(code(&[(1, parts[1].1.clone())]).await, "InvalidPart");
    assert_eq!(code(&[(3, parts[1].1.clone())]).await, "InvalidPart");
    assert_eq!(code(&parts).await, "EntityTooSmall");
    assert_eq!(world.complete("k", "00", &parts).await.unwrap_err().code, "NoSuchUpload");
    let error = world.part("k", &id, 10_001, b"").await.unwrap_err();
    assert_eq!(error.code, "InvalidArgument");
    world.complete("k", &id, &parts[..1]).await.unwrap();
    assert_eq!(world.get("k").await.unwrap(), bytes(1000, 1));
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let world = world().await;
    let id = world.begin("k").await;
    uploaded(&world, &id, &[(1, bytes(100_000, 1)), (2, bytes(10, 2)), (3, bytes(100_000, 3))]).await;
    let abort = || AbortMultipartUploadInput {
        bucket: BUCKET.into(),
        key: "k".into(),
        upload_id: id.clone(),
        ..Default::default()
    };
    world.service.abort_multipart_upload(&world.cx, abort()).await.unwrap();
    let error = world.service.abort_multipart_upload(&world.cx, abort()).await.unwrap_err();
    assert_eq!((error.status, &*error.code), (404, "NoSuchUpload"));
    assert_eq!(world.part("k", &id, 1, &bytes(100_000, 1)).await.unwrap_err().code, "NoSuchUpload");
    assert_eq!(world.settled_blobs(0).await, 0);
}

#[tokio::test]
async fn parts_are_copied_and_listed() {
    let world = world().await;
    let source = bytes(300_000, 7);
    world.put("source", &source).await.unwrap();
    let id = world.begin("k").await;
    let copy = |number: i64, range: Option<&str>| UploadPartCopyInput {
        bucket: BUCKET.into(),
        key: "k".into(),
        upload_id: id.clone(),
        part_number: number,
        copy_source: "bucket/source".into(),
        copy_source_range: range.map(str::to_owned),
        ..Default::default()
    };
    let copied =
        world.service.upload_part_copy(&world.cx, copy(1, Some("bytes=65530-200000"))).await.unwrap();
    let etag = copied.copy_part_result.unwrap().e_tag.unwrap();
    world.service.upload_part_copy(&world.cx, copy(2, None)).await.unwrap();
    let error = world.service.upload_part_copy(&world.cx, copy(3, Some("bytes=0-300000"))).await.unwrap_err();
    assert_eq!(error.code, "InvalidArgument");
    let list = |after: i64| ListPartsInput {
        bucket: BUCKET.into(),
        key: "k".into(),
        upload_id: id.clone(),
        max_parts: Some(1),
        part_number_marker: Some(after),
        ..Default::default()
    };
    let first = world.service.list_parts(&world.cx, list(0)).await.unwrap();
    assert_eq!((first.is_truncated, first.next_part_number_marker), (Some(true), Some(1)));
    assert_eq!(first.parts.unwrap()[0].size, Some(134_471));
    let second = world.service.list_parts(&world.cx, list(1)).await.unwrap();
    assert_eq!(second.is_truncated, Some(false));
    assert_eq!(second.parts.unwrap()[0].part_number, Some(2));
    world.complete("k", &id, &[(1, etag)]).await.unwrap();
    assert!(world.get("k").await.unwrap() == source[65530..200_001]);
}

#[tokio::test]
async fn uploads_are_listed_in_pages() {
    let world = world().await;
    let mut expected = Vec::new();
    for key in ["a", "a", "b/1", "b/2", "c"] {
        world.clock.advance(std::time::Duration::from_secs(1));
        expected.push((key.to_owned(), world.begin(key).await));
    }
    let (mut key_marker, mut upload_id_marker) = (None, None);
    let mut found = Vec::new();
    loop {
        let input = ListMultipartUploadsInput {
            bucket: BUCKET.into(),
            max_uploads: Some(1),
            key_marker: key_marker.take(),
            upload_id_marker: upload_id_marker.take(),
            ..Default::default()
        };
        let page = world.service.list_multipart_uploads(&world.cx, input).await.unwrap();
        found.extend(page.uploads.unwrap().into_iter().map(|u| (u.key.unwrap(), u.upload_id.unwrap())));
        if page.is_truncated != Some(true) {
            break;
        }
        (key_marker, upload_id_marker) = (page.next_key_marker, page.next_upload_id_marker);
    }
    assert_eq!(found, expected);
    let input = ListMultipartUploadsInput {
        bucket: BUCKET.into(),
        delimiter: Some("/".into()),
        key_marker: Some("a".into()),
        ..Default::default()
    };
    let page = world.service.list_multipart_uploads(&world.cx, input).await.unwrap();
    assert_eq!(page.common_prefixes.unwrap()[0].prefix.as_deref(), Some("b/"));
    assert_eq!(page.uploads.unwrap().len(), 1);
}
