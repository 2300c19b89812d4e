//! Random histories against a map, and what they leave behind.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use proptest::prelude::*;
use ropeway_api::s3::*;
use ropeway_core::keys::Space;
use ropeway_store::{CommitError, MemoryStore, Range, ShardId, Store as _};

use super::support::*;

#[derive(Debug, Clone)]
enum Step {
    Put(u8, usize),
    PutNew(u8, usize),
    Copy(u8, u8),
    Delete(u8),
    DeleteMany(Vec<u8>),
    Upload(u8, usize, bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = || prop_oneof![Just(0usize), Just(10), Just(65_530), Just(70_000)];
    let step = prop_oneof![
        (0u8..4, size()).prop_map(|(key, size)| Step::Put(key, size)),
        (0u8..4, size()).prop_map(|(key, size)| Step::PutNew(key, size)),
        (0u8..4, 0u8..4).prop_map(|(from, to)| Step::Copy(from, to)),
        (0u8..4).prop_map(Step::Delete),
        prop::collection::vec(0u8..4, 1..4).prop_map(Step::DeleteMany),
        (0u8..4, size(), any::<bool>()).prop_map(|(key, size, abort)| Step::Upload(key, size, abort)),
    ];
    prop::collection::vec(step, 1..25)
}

fn name(key: u8) -> String {
    format!("key-{key}")
}

async fn take(world: &World, model: &mut BTreeMap<String, Vec<u8>>, step: Step, seed: u64) {
    match step {
        Step::Put(key, size) => {
            let body = bytes(size, seed);
            world.put(&name(key), &body).await.unwrap();
            model.insert(name(key), body);
        }
        Step::PutNew(key, size) => {
            let body = bytes(size, seed);
            let input = PutObjectInput { if_none_match: Some("*".into()), ..put(&name(key), &body) };
            let answer = world.service.put_object(&world.cx, input).await;
            assert_eq!(answer.is_ok(), !model.contains_key(&name(key)));
            model.entry(name(key)).or_insert(body);
        }
        Step::Copy(from, to) => {
            let input = CopyObjectInput {
                bucket: BUCKET.into(),
                key: name(to),
                copy_source: format!("{BUCKET}/{}", name(from)),
                metadata_directive: Some("REPLACE".into()),
                ..Default::default()
            };
            let answer = world.service.copy_object(&world.cx, input).await;
            assert_eq!(answer.is_ok(), model.contains_key(&name(from)));
            if let Some(body) = model.get(&name(from)).cloned() {
                model.insert(name(to), body);
            }
        }
        Step::Delete(key) => {
            world.delete(&name(key)).await.unwrap();
            model.remove(&name(key));
        }
        Step::DeleteMany(keys) => {
            let objects = keys.iter().map(|key| ObjectIdentifier { key: name(*key), ..Default::default() });
            let input = DeleteObjectsInput {
                bucket: BUCKET.into(),
                delete: Delete { objects: Some(objects.collect()), quiet: Some(true) },
                ..Default::default()
            };
            world.service.delete_objects(&world.cx, input).await.unwrap();
            keys.iter().for_each(|key| _ = model.remove(&name(*key)));
        }
        Step::Upload(key, size, abort) => {
            let (key, body) = (name(key), bytes(size, seed));
            let id = world.begin(&key).await;
            world.part(&key, &id, 3, &bytes(size, seed + 1)).await.unwrap();
            let etag = world.part(&key, &id, 2, &body).await.unwrap();
            if abort {
                let input = AbortMultipartUploadInput {
                    bucket: BUCKET.into(),
                    key,
                    upload_id: id,
                    ..Default::default()
                };
                world.service.abort_multipart_upload(&world.cx, input).await.unwrap();
            } else {
                world.complete(&key, &id, &[(2, etag)]).await.unwrap();
                model.insert(key, body);
            }
        }
    }
}

/// Keys of S3's rows, in every shard.
pub async fn rows(store: &MemoryStore) -> usize {
    let mut count = 0;
    for shard in 0..store.shards() {
        let lease = store.acquire(ShardId(shard), "test").await.unwrap();
        let shard = store.open(lease).await.unwrap();
        let range = Range { from: Bound::Unbounded, to: Bound::Unbounded, reverse: false };
        let page = shard.scan(range, 10_000).await.unwrap();
        assert!(!page.more);
        count += page.rows.iter().filter(|(key, _)| key[0] == Space::S3 as u8).count();
    }
    count
}

async fn run(steps: Vec<Step>) {
    let dir = tempfile::tempdir().unwrap();
    let store = MemoryStore::new(2);
    let world = open(Arc::new(store.clone()), dir.path(), 1).await;
    world.create(BUCKET).await.unwrap();
    let mut model = BTreeMap::new();
    for (seed, step) in (0..).step_by(2).zip(steps) {
        take(&world, &mut model, step, seed).await;
    }
    for (key, body) in &model {
        assert!(world.get(key).await.unwrap() == *body, "{key}");
    }
    let listed = world.list(Default::default()).await.unwrap().contents.unwrap();
    let listed: Vec<_> =
        listed.into_iter().map(|object| (object.key.unwrap(), object.size.unwrap())).collect();
    let expected: Vec<_> = model.iter().map(|(key, body)| (key.clone(), body.len() as i64)).collect();
    assert_eq!(listed, expected);
    let large = model.values().filter(|body| body.len() > 65_536).count();
    assert_eq!(world.settled_blobs(large).await, large);
    for key in model.keys() {
        world.delete(key).await.unwrap();
    }
    assert_eq!(world.settled_blobs(0).await, 0);
    // Jobs are done in the shard's own time.
    for _ in 0..100 {
        world.list(Default::default()).await.unwrap();
    }
    store.crash(usize::MAX);
    assert_eq!(rows(&store).await, 1, "only the bucket's row is left");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn histories_are_those_of_a_map(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(steps));
    }
}

/// A commit of which it is not known whether it happened: the body stays, since the row may be there.
#[tokio::test]
async fn a_body_outlives_a_commit_that_may_have_happened() {
    for written in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let store = MemoryStore::new(1);
        let world = open(Arc::new(store.clone()), dir.path(), 1).await;
        world.create(BUCKET).await.unwrap();
        // What the creation left in the outbox is done, so that the next commit is the object's.
        for _ in 0..100 {
            world.list(Default::default()).await.unwrap();
        }
        let body = bytes(100_000, 1);
        store.fail_commit(1, CommitError::Unknown("lost".into()), written);
        let error = world.put("k", &body).await.unwrap_err();
        assert_eq!((error.status, &*error.code), (500, "InternalError"));
        assert_eq!(world.get("k").await.is_ok_and(|found| found == body), written);
        let removed = world.service.collect(&world.cx.trace).await.unwrap();
        assert_eq!(removed, u64::from(!written));
    }
}
