//! Versions, delete markers and their listings.
//!
//! S3 user guide, "Retaining multiple versions of objects with S3 Versioning": "Adding objects", "Retrieving
//! object versions", "Deleting object versions", "Working with versioning-suspended buckets".

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use ropeway_api::s3::*;
use ropeway_store::MemoryStore;

use super::support::*;

impl World {
    pub async fn version(&self, status: &str) {
        let input = PutBucketVersioningInput {
            bucket: BUCKET.into(),
            versioning_configuration: VersioningConfiguration {
                status: Some(status.into()),
                ..Default::default()
            },
            ..Default::default()
        };
        self.service.put_bucket_versioning(&self.cx, input).await.unwrap();
    }

    async fn put_version(&self, key: &str, body: &[u8]) -> String {
        self.service.put_object(&self.cx, put(key, body)).await.unwrap().version_id.unwrap()
    }

    async fn get_version(
        &self,
        key: &str,
        version: Option<&str>,
    ) -> Result<GetObjectOutput, ropeway_wire::Error> {
        let input = GetObjectInput { version_id: version.map(Into::into), ..get(key) };
        self.service.get_object(&self.cx, input).await
    }

    async fn delete_version(&self, key: &str, version: Option<&str>) -> DeleteObjectOutput {
        let input = DeleteObjectInput {
            bucket: BUCKET.into(),
            key: key.into(),
            version_id: version.map(Into::into),
            ..Default::default()
        };
        self.service.delete_object(&self.cx, input).await.unwrap()
    }

    async fn versions(&self, input: ListObjectVersionsInput) -> ListObjectVersionsOutput {
        let input = ListObjectVersionsInput { bucket: BUCKET.into(), ..input };
        self.service.list_object_versions(&self.cx, input).await.unwrap()
    }
}

/// One line for each version: key, id, marker, latest.
type Line = (String, String, bool, bool);

/// A page's versions and delete markers, each in order, as one list; and its common prefixes.
fn lines(page: &ListObjectVersionsOutput) -> (Vec<Line>, Vec<String>) {
    let versions = page
        .versions
        .iter()
        .flatten()
        .map(|v| (v.key.clone().unwrap(), v.version_id.clone().unwrap(), false, v.is_latest.unwrap()));
    let markers = page
        .delete_markers
        .iter()
        .flatten()
        .map(|m| (m.key.clone().unwrap(), m.version_id.clone().unwrap(), true, m.is_latest.unwrap()));
    let prefixes = page.common_prefixes.iter().flatten().map(|p| p.prefix.clone().unwrap());
    (versions.chain(markers).collect(), prefixes.collect())
}

fn header<'e>(error: &'e ropeway_wire::Error, name: &str) -> Option<&'e str> {
    error.headers.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn a_delete_marker_hides_what_its_removal_shows_again() {
    let world = world().await;
    world.put("k", b"null").await.unwrap();
    world.version("Enabled").await;
    assert_eq!(world.get_version("k", None).await.unwrap().version_id.as_deref(), Some("null"));
    let first = world.put_version("k", b"first").await;
    let deleted = world.delete_version("k", None).await;
    assert_eq!(deleted.delete_marker, Some(true));
    let marker = deleted.version_id.unwrap();
    let error = world.get_version("k", None).await.unwrap_err();
    assert_eq!((error.status, &*error.code), (404, "NoSuchKey"));
    assert_eq!(header(&error, "x-amz-delete-marker"), Some("true"));
    assert_eq!(header(&error, "x-amz-version-id"), Some(marker.as_str()));
    let error = world.get_version("k", Some(&marker)).await.unwrap_err();
    assert_eq!((error.status, &*error.code), (405, "MethodNotAllowed"));
    assert_eq!(header(&error, "allow"), Some("DELETE"));
    for (version, body) in [(first.as_str(), &b"first"[..]), ("null", b"null")] {
        let found = world.get_version("k", Some(version)).await.unwrap();
        assert_eq!(found.version_id.as_deref(), Some(version));
        assert_eq!(read(found.body).await, body);
    }
    assert_eq!(world.list(Default::default()).await.unwrap().key_count, Some(0));
    let removed = world.delete_version("k", Some(&marker)).await;
    assert_eq!((removed.delete_marker, removed.version_id), (Some(true), Some(marker)));
    assert_eq!(world.get("k").await.unwrap(), b"first");
    let removed = world.delete_version("k", Some(&first)).await;
    assert_eq!((removed.delete_marker, removed.version_id), (None, Some(first.clone())));
    assert_eq!(world.get("k").await.unwrap(), b"null");
    // What is not there is deleted as well.
    assert_eq!(world.delete_version("k", Some(&first)).await.version_id, Some(first.clone()));
    assert_eq!(world.get_version("k", Some(&first)).await.unwrap_err().code, "NoSuchVersion");
    assert_eq!(world.get_version("k", Some("nonsense")).await.unwrap_err().code, "InvalidArgument");
}

#[tokio::test]
async fn a_bucket_with_a_version_left_is_not_empty() {
    let world = world().await;
    world.version("Enabled").await;
    let marker = world.delete_version("k", None).await.version_id.unwrap();
    let input = DeleteBucketInput { bucket: BUCKET.into(), ..Default::default() };
    let refused = world.service.delete_bucket(&world.cx, input.clone()).await.unwrap_err();
    assert_eq!(refused.code, "BucketNotEmpty");
    world.delete_version("k", Some(&marker)).await;
    world.service.delete_bucket(&world.cx, input).await.unwrap();
}

#[tokio::test]
async fn a_copy_of_a_version_restores_it_and_tags_belong_to_a_version() {
    let world = world().await;
    world.version("Enabled").await;
    let old = world.put_version("k", b"old").await;
    let new = world.put_version("k", b"new").await;
    let tagging = Tagging { tag_set: vec![Tag { key: "a".into(), value: "b".into() }] };
    let input = PutObjectTaggingInput {
        bucket: BUCKET.into(),
        key: "k".into(),
        version_id: Some(old.clone()),
        tagging,
        ..Default::default()
    };
    let tagged = world.service.put_object_tagging(&world.cx, input).await.unwrap();
    assert_eq!(tagged.version_id.as_ref(), Some(&old));
    assert_eq!(world.get_version("k", Some(&old)).await.unwrap().tag_count, Some(1));
    assert_eq!(world.get_version("k", Some(&new)).await.unwrap().tag_count, None);
    let input = CopyObjectInput {
        bucket: BUCKET.into(),
        key: "k".into(),
        copy_source: format!("{BUCKET}/k?versionId={old}"),
        ..Default::default()
    };
    let copied = world.service.copy_object(&world.cx, input).await.unwrap();
    assert_eq!(copied.copy_source_version_id.as_ref(), Some(&old));
    assert_eq!(read(world.get_version("k", None).await.unwrap().body).await, b"old");
    assert_eq!(world.get_version("k", copied.version_id.as_deref()).await.unwrap().tag_count, Some(1));
}

/// What a key's versions are: the newest last; the body, or `None` for a delete marker.
type Model = BTreeMap<String, Vec<(String, Option<Vec<u8>>)>>;

#[derive(Debug, Clone)]
enum Step {
    Put(u8, usize),
    Upload(u8, usize),
    Delete(u8),
    DeleteMany(Vec<u8>),
    /// The key, and which of its versions.
    DeleteVersion(u8, prop::sample::Index),
    State(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = || prop_oneof![Just(0usize), Just(10), Just(70_000)];
    let step = prop_oneof![
        4 => (0u8..5, size()).prop_map(|(key, size)| Step::Put(key, size)),
        1 => (0u8..5, size()).prop_map(|(key, size)| Step::Upload(key, size)),
        2 => (0u8..5).prop_map(Step::Delete),
        1 => prop::collection::vec(0u8..5, 1..4).prop_map(Step::DeleteMany),
        3 => (0u8..5, any::<prop::sample::Index>()).prop_map(|(key, which)| Step::DeleteVersion(key, which)),
        1 => any::<bool>().prop_map(Step::State),
    ];
    prop::collection::vec(step, 1..40)
}

/// Names whose order, prefixes and control characters are awkward.
fn name(key: u8) -> String {
    ["a", "a\u{0}b", "a/1", "a/2", "b"][usize::from(key)].to_owned()
}

fn add(model: &mut Model, key: String, id: String, body: Option<Vec<u8>>) {
    let versions = model.entry(key).or_default();
    if id == "null" {
        versions.retain(|(id, _)| id != "null");
    }
    versions.push((id, body));
}

async fn take(world: &World, model: &mut Model, step: Step, seed: u64) {
    match step {
        Step::Put(key, size) => {
            let body = bytes(size, seed);
            let id = world.put_version(&name(key), &body).await;
            add(model, name(key), id, Some(body));
        }
        Step::Upload(key, size) => {
            let body = bytes(size, seed);
            let upload = world.begin(&name(key)).await;
            let etag = world.part(&name(key), &upload, 1, &body).await.unwrap();
            let done = world.complete(&name(key), &upload, &[(1, etag)]).await.unwrap();
            add(model, name(key), done.version_id.unwrap(), Some(body));
        }
        Step::Delete(key) => {
            let deleted = world.delete_version(&name(key), None).await;
            assert_eq!(deleted.delete_marker, Some(true));
            add(model, name(key), deleted.version_id.unwrap(), None);
        }
        Step::DeleteMany(keys) => {
            let objects = keys.iter().filter(|key| **key != 1);
            let objects: Vec<_> =
                objects.map(|key| ObjectIdentifier { key: name(*key), ..Default::default() }).collect();
            if objects.is_empty() {
                return;
            }
            let delete = Delete { objects: Some(objects), ..Default::default() };
            let input = DeleteObjectsInput { bucket: BUCKET.into(), delete, ..Default::default() };
            let done = world.service.delete_objects(&world.cx, input).await.unwrap();
            for one in done.deleted.unwrap() {
                assert_eq!(one.delete_marker, Some(true));
                add(model, one.key.unwrap(), one.delete_marker_version_id.unwrap(), None);
            }
        }
        Step::DeleteVersion(key, which) => {
            let versions = model.entry(name(key)).or_default();
            if versions.is_empty() {
                return;
            }
            let (id, body) = versions.remove(which.index(versions.len()));
            let deleted = world.delete_version(&name(key), Some(&id)).await;
            assert_eq!(
                (deleted.delete_marker, deleted.version_id),
                (body.is_none().then_some(true), Some(id))
            );
        }
        Step::State(enabled) => world.version(if enabled { "Enabled" } else { "Suspended" }).await,
    }
}

fn expected(model: &Model) -> Vec<Line> {
    let mut out = Vec::new();
    for (key, versions) in model {
        for (number, (id, body)) in versions.iter().rev().enumerate() {
            out.push((key.clone(), id.clone(), body.is_none(), number == 0));
        }
    }
    out
}

/// All pages of a listing, in pages of this size.
async fn paged(world: &World, delimiter: Option<&str>, size: i64) -> (Vec<Line>, Vec<String>) {
    let (mut found, mut prefixes) = (Vec::new(), Vec::new());
    let mut input = ListObjectVersionsInput {
        max_keys: Some(size),
        delimiter: delimiter.map(Into::into),
        ..Default::default()
    };
    loop {
        let page = world.versions(input.clone()).await;
        let (lines, common) = lines(&page);
        assert!(lines.len() + common.len() <= size as usize);
        found.extend(lines);
        prefixes.extend(common);
        if page.is_truncated != Some(true) {
            return (found, prefixes);
        }
        input.key_marker = page.next_key_marker;
        input.version_id_marker = page.next_version_id_marker;
    }
}

async fn compare(world: &World, model: &Model, size: i64) {
    let sorted = |mut lines: Vec<Line>| {
        lines.sort();
        lines
    };
    let mut all = expected(model);
    // A page of one entry keeps the whole order; in larger ones, versions and markers lie apart.
    assert_eq!(paged(world, None, 1).await.0, all);
    assert_eq!(sorted(paged(world, None, size).await.0), sorted(all.clone()));
    let (found, prefixes) = paged(world, Some("/"), size).await;
    let folded = all.iter().any(|(key, ..)| key.starts_with("a/"));
    all.retain(|(key, ..)| !key.starts_with("a/"));
    assert_eq!(sorted(found), sorted(all));
    assert_eq!(prefixes, if folded { vec!["a/"] } else { vec![] });
    let current = model.iter().filter(|(_, versions)| versions.last().is_some_and(|v| v.1.is_some()));
    let current: Vec<_> = current.map(|(key, _)| key.clone()).collect();
    let listed = world.list(Default::default()).await.unwrap().contents.unwrap();
    assert_eq!(listed.into_iter().map(|object| object.key.unwrap()).collect::<Vec<_>>(), current);
    for (key, versions) in model {
        for (id, body) in versions {
            match (world.get_version(key, Some(id)).await, body) {
                (Ok(found), Some(body)) => assert!(read(found.body).await == *body, "{key} {id}"),
                (Err(error), None) => assert_eq!(error.status, 405),
                (found, _) => panic!("{key:?} {id}: {found:?}"),
            }
        }
        let newest = versions.last().and_then(|(_, body)| body.clone());
        assert_eq!(world.get(key).await.ok(), newest, "{key:?}");
    }
}

async fn run(steps: Vec<Step>, size: i64, crash: bool) {
    let dir = tempfile::tempdir().unwrap();
    let store = MemoryStore::new(2);
    let mut world = open(Arc::new(store.clone()), dir.path(), 1).await;
    world.create(BUCKET).await.unwrap();
    world.put("a", b"from before").await.unwrap();
    world.version("Enabled").await;
    let mut model = Model::new();
    add(&mut model, "a".to_owned(), "null".to_owned(), Some(b"from before".to_vec()));
    for (seed, step) in (0..).step_by(2).zip(steps) {
        take(&world, &mut model, step, seed).await;
        if crash && seed % 10 == 8 {
            store.crash(0);
            world = open(Arc::new(store.clone()), dir.path(), seed + 2).await;
        }
    }
    compare(&world, &model, size).await;
    let large = model.values().flatten().filter(|(_, body)| body.as_ref().is_some_and(|b| b.len() > 65_536));
    let large = large.count();
    assert_eq!(world.settled_blobs(large).await, large);
    for (key, versions) in &model {
        for (id, _) in versions {
            world.delete_version(key, Some(id)).await;
        }
    }
    assert_eq!(world.settled_blobs(0).await, 0);
    for _ in 0..100 {
        world.list(Default::default()).await.unwrap();
    }
    store.crash(usize::MAX);
    assert_eq!(super::model::rows(&store).await, 1, "only the bucket's row is left");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// With and without crashes between the steps: what was acknowledged is there, and nothing else.
    #[test]
    fn histories_of_versions_are_those_of_a_map(steps in steps(), size in 2i64..5, crash in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(steps, size, crash));
    }
}
