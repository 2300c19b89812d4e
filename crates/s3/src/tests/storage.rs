//! What is on disk: sealed, found again, collected.

use std::path::Path;
use std::sync::Arc;

use ropeway_store::blobs::BlobId;
use ropeway_store::embedded::Options;
use ropeway_store::{EmbeddedStore, MemoryStore, Store};

use super::support::*;

fn contains(dir: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return contains(&path, needle);
        }
        std::fs::read(path).unwrap().windows(needle.len()).any(|window| window == needle)
    })
}

async fn embedded(dir: &Path, seed: u64) -> World {
    let store: Arc<dyn Store> = Arc::new(
        EmbeddedStore::open(&dir.join("store"), Options { shards: 4, ..Options::default() }).unwrap(),
    );
    open(store, dir, seed).await
}

#[tokio::test]
async fn bodies_survive_a_restart_and_are_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let small = [b"needle-in-a-row".repeat(10), bytes(5000, 1)].concat();
    let large = [bytes(100_000, 2), b"needle-in-a-blob".repeat(10), bytes(100_000, 3)].concat();
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::bucket/*"}]}"#;
    let id = {
        let world = embedded(dir.path(), 1).await;
        world.create(BUCKET).await.unwrap();
        world.put("small", &small).await.unwrap();
        world.put("large", &large).await.unwrap();
        let input = ropeway_api::s3::PutBucketPolicyInput {
            bucket: BUCKET.into(),
            policy: policy.into(),
            ..Default::default()
        };
        use ropeway_api::s3::S3 as _;
        world.service.put_bucket_policy(&world.cx, input).await.unwrap();
        let id = world.begin("parts").await;
        world.part("parts", &id, 1, &large).await.unwrap();
        world.core.stop().await.unwrap();
        id
    };
    assert!(!contains(dir.path(), b"needle-in-a"));
    let world = embedded(dir.path(), 2).await;
    assert_eq!(world.gate.policies.lock().unwrap()["arn:aws:s3:::bucket"], policy);
    assert_eq!(world.gate.owners.lock().unwrap()["arn:aws:s3:::bucket"], "000000000000");
    assert!(world.get("small").await.unwrap() == small);
    assert!(world.get("large").await.unwrap() == large);
    let etag = world.part("parts", &id, 2, b"end").await.unwrap();
    world.complete("parts", &id, &[(2, etag)]).await.unwrap();
    assert_eq!(world.get("parts").await.unwrap(), b"end");
    assert_eq!(world.settled_blobs(1).await, 1);
    world.core.stop().await.unwrap();
}

/// A job that a stop interrupts goes on after the start.
#[tokio::test]
async fn an_objects_parts_are_freed_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = MemoryStore::new(2);
    {
        let world = open(Arc::new(store.clone()), dir.path(), 1).await;
        world.create(BUCKET).await.unwrap();
        let id = world.begin("k").await;
        let mut parts = Vec::new();
        for number in 1..=3 {
            let body = bytes(5 * 1024 * 1024, number as u64);
            parts.push((number, world.part("k", &id, number, &body).await.unwrap()));
        }
        world.complete("k", &id, &parts).await.unwrap();
        world.delete("k").await.unwrap();
        store.crash(0);
    }
    let world = open(Arc::new(store), dir.path(), 2).await;
    assert_eq!(world.settled_blobs(0).await, 0);
    assert_eq!(world.get("k").await.unwrap_err().code, "NoSuchKey");
}

#[tokio::test]
async fn a_collection_takes_only_what_no_row_names() {
    let world = world().await;
    let large = bytes(100_000, 1);
    world.put("k", &large).await.unwrap();
    let id = world.begin("parts").await;
    world.part("parts", &id, 1, &large).await.unwrap();
    let kept = world.blobs.list(None, 10).await.unwrap();
    assert_eq!(kept.len(), 2);
    // One that a crash left before its row, and one of another service.
    let orphan = BlobId((kept[0].0 & 0xff_ffff) | (42 << 24));
    let foreign = BlobId((42 << 24) | (0x15 << 16));
    for id in [orphan, foreign] {
        let mut writer = world.blobs.writer(id);
        writer.push(bytes::Bytes::from_static(b"x")).await.unwrap();
        writer.finish().await.unwrap();
    }
    assert_eq!(world.service.collect(&world.cx.trace).await.unwrap(), 1);
    let mut left = world.blobs.list(None, 10).await.unwrap();
    left.retain(|id| *id != foreign);
    assert_eq!(left, kept);
    assert!(world.get("k").await.unwrap() == large);
}
