//! Listings against a naive model.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use ropeway_api::s3::*;
use ropeway_store::{MemoryStore, Scanned};

use super::support::*;

/// What a listing of these keys is: entries in order, a common prefix ending with `*`.
fn model(keys: &BTreeSet<String>, prefix: &str, delimiter: Option<&str>, after: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for key in keys.iter().filter(|key| key.starts_with(prefix) && (after.is_empty() || key.as_str() > after))
    {
        let at = delimiter.and_then(|d| key[prefix.len()..].find(d).map(|at| prefix.len() + at + d.len()));
        let entry = at.map_or(key.clone(), |at| format!("{}*", &key[..at]));
        if out.last() != Some(&entry) {
            out.push(entry);
        }
    }
    out
}

fn merged(objects: Option<Vec<Object>>, prefixes: Option<Vec<CommonPrefix>>) -> Vec<String> {
    let mut out: Vec<String> = objects.unwrap().into_iter().map(|object| object.key.unwrap()).collect();
    out.extend(prefixes.unwrap().into_iter().map(|prefix| format!("{}*", prefix.prefix.unwrap())));
    out.sort_by(|a, b| a.trim_end_matches('*').cmp(b.trim_end_matches('*')));
    out
}

async fn pages_v2(world: &World, query: &ListObjectsV2Input) -> Vec<String> {
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let input = ListObjectsV2Input { continuation_token: token, ..query.clone() };
        let page = world.list(input).await.unwrap();
        let entries = merged(page.contents, page.common_prefixes);
        assert_eq!(page.key_count, Some(entries.len() as i64));
        assert!(entries.len() as i64 <= query.max_keys.unwrap());
        found.extend(entries);
        assert_eq!(page.is_truncated, Some(page.next_continuation_token.is_some()));
        token = page.next_continuation_token;
        if token.is_none() {
            return found;
        }
        assert_eq!(found.len() as i64 % query.max_keys.unwrap(), 0, "pages are full");
    }
}

async fn pages_v1(world: &World, query: &ListObjectsV2Input) -> Vec<String> {
    let mut found = Vec::new();
    let mut marker = None;
    loop {
        let input = ListObjectsInput {
            bucket: BUCKET.into(),
            prefix: query.prefix.clone(),
            delimiter: query.delimiter.clone(),
            max_keys: query.max_keys,
            marker,
            ..Default::default()
        };
        let page = world.service.list_objects(&world.cx, input).await.unwrap();
        let last = page.contents.as_ref().unwrap().last().and_then(|object| object.key.clone());
        found.extend(merged(page.contents, page.common_prefixes));
        if page.is_truncated != Some(true) {
            return found;
        }
        marker = page.next_marker.or(last);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn pages_are_those_of_the_model(
        keys in prop::collection::btree_set("[a-c/é]{1,6}", 0..60),
        prefix in "[a-c/]{0,2}",
        delimiter in prop::option::of(prop_oneof!["/", "b", "/a"]),
        start in "[a-c/]{0,3}",
        max_keys in 1i64..8,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = world().await;
            for key in &keys {
                world.put(key, b"x").await.unwrap();
            }
            let query = ListObjectsV2Input {
                prefix: Some(prefix.clone()),
                delimiter: delimiter.clone(),
                start_after: Some(start.clone()),
                max_keys: Some(max_keys),
                ..Default::default()
            };
            let delimiter = delimiter.as_deref();
            assert_eq!(pages_v2(&world, &query).await, model(&keys, &prefix, delimiter, &start));
            assert_eq!(pages_v1(&world, &query).await, model(&keys, &prefix, delimiter, ""));
        });
    }
}

/// More keys than one scan reads, and more under each prefix than one jump passes.
#[tokio::test]
async fn folders_are_jumped_over() {
    let world = world().await;
    let mut keys = BTreeSet::new();
    for n in 0..1500 {
        let key = format!("{}/{n:04}", n % 10);
        world.put(&key, b"").await.unwrap();
        keys.insert(key);
    }
    let query = |delimiter: Option<&str>, max_keys: i64| ListObjectsV2Input {
        delimiter: delimiter.map(str::to_owned),
        max_keys: Some(max_keys),
        ..Default::default()
    };
    assert_eq!(pages_v2(&world, &query(Some("/"), 3)).await, model(&keys, "", Some("/"), ""));
    assert_eq!(pages_v2(&world, &query(None, 1000)).await, model(&keys, "", None, ""));
    let page = world.list(query(None, 0)).await.unwrap();
    assert_eq!((page.key_count, page.is_truncated), (Some(0), Some(false)));
    let page = world.list(query(None, 5000)).await.unwrap();
    assert_eq!((page.max_keys, page.key_count), (Some(1000), Some(1000)));
    assert_eq!(world.list(query(None, -1)).await.unwrap_err().code, "InvalidArgument");
}

/// Every version of what is listed, page by page: the bucket has one of each object.
async fn pages_of_versions(world: &World, delimiter: &str, max_keys: i64) -> Vec<String> {
    let mut found = Vec::new();
    let mut marker = (None, None);
    loop {
        let input = ListObjectVersionsInput {
            bucket: BUCKET.into(),
            delimiter: Some(delimiter.to_owned()),
            max_keys: Some(max_keys),
            key_marker: marker.0,
            version_id_marker: marker.1,
            ..Default::default()
        };
        let page = world.service.list_object_versions(&world.cx, input).await.unwrap();
        let keys = page
            .versions
            .unwrap()
            .into_iter()
            .map(|version| Object { key: version.key, ..Default::default() });
        found.extend(merged(Some(keys.collect()), page.common_prefixes));
        if page.is_truncated != Some(true) {
            return found;
        }
        marker = (page.next_key_marker, page.next_version_id_marker);
    }
}

/// Folders of these numbers of keys; a folder of none is a key beside the others.
async fn fill(world: &World, folders: impl IntoIterator<Item = usize>) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for (at, folder) in folders.into_iter().enumerate() {
        if folder == 0 {
            keys.insert(format!("{at:04}"));
        }
        keys.extend((0..folder).map(|n| format!("{at:04}/{n:04}")));
    }
    for key in &keys {
        world.put(key, b"").await.unwrap();
    }
    keys
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// Folders of all sizes side by side: scans read on, jump, and read on again.
    #[test]
    fn folders_of_any_size_are_told_once(
        folders in prop::collection::vec(
            prop_oneof![4 => 0usize..5, 2 => 5usize..40, 1 => 60usize..120], 1..50),
        max_keys in prop_oneof![1i64..8, Just(30), Just(1000)],
        versions: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = world().await;
            if versions {
                let versioning_configuration =
                    VersioningConfiguration { status: Some("Enabled".into()), ..Default::default() };
                let input = PutBucketVersioningInput {
                    bucket: BUCKET.into(),
                    versioning_configuration,
                    ..Default::default()
                };
                world.service.put_bucket_versioning(&world.cx, input).await.unwrap();
            }
            let keys = fill(&world, folders).await;
            let query = ListObjectsV2Input {
                delimiter: Some("/".into()),
                max_keys: Some(max_keys),
                ..Default::default()
            };
            let expected = model(&keys, "", Some("/"), "");
            assert_eq!(pages_v2(&world, &query).await, expected);
            assert_eq!(pages_of_versions(&world, "/", max_keys).await, expected);
        });
    }
}

/// What one page by delimiter reads of a bucket with these folders.
async fn scanned(folders: impl IntoIterator<Item = usize>) -> Scanned {
    let dir = tempfile::tempdir().unwrap();
    let store = MemoryStore::new(1);
    let world = open(Arc::new(store.clone()), dir.path(), 1).await;
    world.create(BUCKET).await.unwrap();
    let keys = fill(&world, folders).await;
    let before = store.scanned();
    let page = world.list(ListObjectsV2Input { delimiter: Some("/".into()), ..Default::default() }).await;
    let page = page.unwrap();
    let after = store.scanned();
    assert_eq!(merged(page.contents, page.common_prefixes), model(&keys, "", Some("/"), ""));
    Scanned { scans: after.scans - before.scans, rows: after.rows - before.rows }
}

/// Small folders are read as they come, large ones jumped over, and those behind them are read again.
#[tokio::test]
async fn pages_read_on_where_a_jump_is_the_longer_way() {
    let Scanned { scans, rows } = scanned([1; 500]).await;
    assert!(scans <= 4 && rows == 500, "{scans} scans of {rows} rows");
    let Scanned { scans, rows } = scanned([8; 200]).await;
    assert!(scans <= 5 && rows <= 1600, "{scans} scans of {rows} rows");
    let Scanned { scans, rows } = scanned([100; 30]).await;
    // The last one finds nothing more.
    assert!(scans <= 31 && rows <= 64 + 30 * 4, "{scans} scans of {rows} rows");
    // A scan that small folders have made large reads on into large ones once.
    let Scanned { scans, rows } = scanned([1; 200].into_iter().chain([150; 10]).chain([2; 200])).await;
    assert!(scans <= 12 && rows <= 64 + 256 + 1000 + 10 * 4 + 400, "{scans} scans of {rows} rows");
}

#[tokio::test]
async fn names_are_encoded_when_asked() {
    let world = world().await;
    world.put("a b/c\u{1}", b"").await.unwrap();
    let input = ListObjectsV2Input {
        encoding_type: Some("url".into()),
        prefix: Some("a ".into()),
        fetch_owner: Some(true),
        ..Default::default()
    };
    let page = world.list(input).await.unwrap();
    assert_eq!(page.prefix.as_deref(), Some("a+"));
    let object = &page.contents.unwrap()[0];
    assert_eq!(object.key.as_deref(), Some("a+b/c%01"));
    assert_eq!(object.owner.as_ref().unwrap().id.as_ref().unwrap().len(), 64);
    let bad = ListObjectsV2Input { continuation_token: Some("?".into()), ..Default::default() };
    assert_eq!(world.list(bad).await.unwrap_err().code, "InvalidArgument");
}
