//! Lifecycle rules on the movable clock.

use std::time::Duration;

use ropeway_api::s3::*;
use ropeway_core::Time;

use super::support::*;

const DAY: u64 = 24 * 60 * 60;

fn days(days: i64) -> Option<LifecycleExpiration> {
    Some(LifecycleExpiration { days: Some(days), ..Default::default() })
}

fn rule(prefix: &str) -> LifecycleRule {
    let filter = LifecycleRuleFilter { prefix: Some(prefix.into()), ..Default::default() };
    LifecycleRule { filter: Some(filter), status: "Enabled".into(), ..Default::default() }
}

impl World {
    async fn set_rules(&self, rules: Vec<LifecycleRule>) -> Result<(), ropeway_wire::Error> {
        let input = PutBucketLifecycleConfigurationInput {
            bucket: BUCKET.into(),
            lifecycle_configuration: Some(BucketLifecycleConfiguration { rules }),
            ..Default::default()
        };
        self.service.put_bucket_lifecycle_configuration(&self.cx, input).await.map(drop)
    }

    /// Moves the clock, and waits until what was due has been done.
    async fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        for _ in 0..3000 {
            tokio::task::yield_now().await;
        }
        for _ in 0..100 {
            self.list(Default::default()).await.unwrap();
        }
    }

    async fn keys(&self) -> Vec<String> {
        let listed = self.list(Default::default()).await.unwrap().contents.unwrap();
        listed.into_iter().map(|object| object.key.unwrap()).collect()
    }

    async fn all_versions(&self) -> (usize, usize) {
        let input = ListObjectVersionsInput { bucket: BUCKET.into(), ..Default::default() };
        let found = self.service.list_object_versions(&self.cx, input).await.unwrap();
        (found.versions.unwrap().len(), found.delete_markers.unwrap().len())
    }
}

#[tokio::test]
async fn objects_expire_at_the_midnight_behind_their_days() {
    let world = world().await;
    let tagged = LifecycleRuleFilter {
        tag: Some(Tag { key: "keep".into(), value: "no".into() }),
        ..Default::default()
    };
    world
        .set_rules(vec![
            LifecycleRule { expiration: days(2), ..rule("old/") },
            LifecycleRule { expiration: days(1), filter: Some(tagged), ..rule("") },
        ])
        .await
        .unwrap();
    for number in 0..120 {
        world.put(&format!("old/{number}"), b"x").await.unwrap();
    }
    world.put("new/1", &bytes(70_000, 1)).await.unwrap();
    let input = PutObjectInput { tagging: Some("keep=no".into()), ..put("tagged", &bytes(70_000, 2)) };
    world.service.put_object(&world.cx, input).await.unwrap();
    // 22:13:20 on the day of the writes: a day later, rounded up, is two midnights on.
    world.advance(DAY).await;
    assert_eq!(world.keys().await.len(), 122);
    world.advance(DAY).await;
    assert_eq!(world.keys().await.len(), 121, "only the tagged one is gone");
    world.advance(DAY).await;
    assert_eq!(world.keys().await, ["new/1"]);
    assert_eq!(world.settled_blobs(1).await, 1);
}

#[tokio::test]
async fn versions_go_when_they_have_been_replaced_long_enough() {
    let world = world().await;
    world.version("Enabled").await;
    let noncurrent =
        NoncurrentVersionExpiration { noncurrent_days: Some(1), newer_noncurrent_versions: Some(1) };
    world
        .set_rules(vec![
            LifecycleRule { noncurrent_version_expiration: Some(noncurrent), ..rule("kept") },
            LifecycleRule {
                noncurrent_version_expiration: Some(NoncurrentVersionExpiration {
                    noncurrent_days: Some(1),
                    ..Default::default()
                }),
                expiration: days(1),
                ..rule("gone")
            },
        ])
        .await
        .unwrap();
    for body in [b"1", b"2", b"3"] {
        world.put("kept", body).await.unwrap();
        world.put("gone", body).await.unwrap();
    }
    world.advance(2 * DAY).await;
    // Of the first key the current one and one more; the second one's current version is hidden by a marker.
    assert_eq!(world.get("kept").await.unwrap(), b"3");
    assert_eq!(world.get("gone").await.unwrap_err().code, "NoSuchKey");
    assert_eq!(world.all_versions().await, (3, 1));
    // Its last version goes, then the marker that hides nothing.
    world.advance(2 * DAY).await;
    assert_eq!(world.all_versions().await, (2, 1));
    world.advance(DAY).await;
    assert_eq!(world.all_versions().await, (2, 0));
}

#[tokio::test]
async fn unfinished_uploads_are_aborted() {
    let world = world().await;
    let abort = AbortIncompleteMultipartUpload { days_after_initiation: Some(3) };
    world
        .set_rules(vec![LifecycleRule { abort_incomplete_multipart_upload: Some(abort), ..rule("") }])
        .await
        .unwrap();
    let id = world.begin("k").await;
    world.part("k", &id, 1, &bytes(100_000, 1)).await.unwrap();
    world.advance(3 * DAY).await;
    assert_eq!(world.settled_blobs(1).await, 1);
    world.advance(DAY).await;
    assert_eq!(world.settled_blobs(0).await, 0);
    assert_eq!(world.part("k", &id, 2, b"x").await.unwrap_err().code, "NoSuchUpload");
}

#[tokio::test]
async fn configurations_are_shown_as_they_were_set_or_refused() {
    let world = world().await;
    let get = || GetBucketLifecycleConfigurationInput { bucket: BUCKET.into(), ..Default::default() };
    let unset = world.service.get_bucket_lifecycle_configuration(&world.cx, get()).await.unwrap_err();
    assert_eq!(unset.code, "NoSuchLifecycleConfiguration");
    let and = LifecycleRuleAndOperator {
        prefix: Some("a".into()),
        object_size_greater_than: Some(10),
        ..Default::default()
    };
    let both = LifecycleRuleFilter { and: Some(and), ..Default::default() };
    let old = LifecycleRule {
        id: Some("old".into()),
        prefix: Some("p".into()),
        filter: None,
        status: "Disabled".into(),
        expiration: Some(LifecycleExpiration {
            date: Some(Time::from_secs(1_700_006_400)),
            ..Default::default()
        }),
        ..Default::default()
    };
    let given = vec![LifecycleRule { expiration: days(5), filter: Some(both), ..rule("") }, old];
    world.set_rules(given.clone()).await.unwrap();
    let found = world.service.get_bucket_lifecycle_configuration(&world.cx, get()).await.unwrap();
    let mut found = found.rules.unwrap();
    assert!(found[0].id.take().is_some());
    assert_eq!(format!("{found:?}"), format!("{given:?}"));
    let twice = LifecycleRule { id: Some("x".into()), expiration: days(1), ..rule("") };
    for (bad, code) in [
        (vec![], "MalformedXML"),
        (vec![rule("")], "InvalidRequest"),
        (vec![LifecycleRule { expiration: days(0), ..rule("") }], "InvalidArgument"),
        (vec![LifecycleRule { expiration: days(1), status: "On".into(), ..rule("") }], "MalformedXML"),
        (vec![LifecycleRule { expiration: days(1), prefix: Some("".into()), ..rule("") }], "MalformedXML"),
        (vec![twice.clone(), twice], "InvalidArgument"),
    ] {
        assert_eq!(world.set_rules(bad).await.unwrap_err().code, code);
    }
}
