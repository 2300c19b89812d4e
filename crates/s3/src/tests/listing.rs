//! Listings against a naive model.

use std::collections::BTreeSet;

use proptest::prelude::*;
use ropeway_api::s3::*;

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
