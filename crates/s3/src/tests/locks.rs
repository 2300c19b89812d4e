//! Object lock through the service, on the movable clock.

use std::time::Duration;

use ropeway_api::s3::*;
use ropeway_core::Time;

use super::support::*;

const START: i64 = 1_700_000_000;

async fn locked() -> World {
    let world = world().await;
    world.version("Enabled").await;
    configure(&world, None).await.unwrap();
    world
}

async fn configure(world: &World, days: Option<i64>) -> Result<(), ropeway_wire::Error> {
    let retention = DefaultRetention { mode: Some("COMPLIANCE".into()), days, ..Default::default() };
    let rule = days.map(|_| ObjectLockRule { default_retention: Some(retention) });
    let input = PutObjectLockConfigurationInput {
        bucket: BUCKET.into(),
        object_lock_configuration: Some(ObjectLockConfiguration {
            object_lock_enabled: Some("Enabled".into()),
            rule,
        }),
        ..Default::default()
    };
    world.service.put_object_lock_configuration(&world.cx, input).await.map(drop)
}

async fn put_locked(world: &World, mode: &str, secs: i64) -> Result<String, ropeway_wire::Error> {
    let input = PutObjectInput {
        object_lock_mode: Some(mode.into()),
        object_lock_retain_until_date: Some(Time::from_secs(START + secs)),
        content_md5: Some("ndTkYSaMgDT1yFZOFVxnpg==".into()),
        ..put("k", b"x")
    };
    Ok(world.service.put_object(&world.cx, input).await?.version_id.unwrap())
}

async fn remove(world: &World, version: &str, bypass: bool) -> Result<(), ropeway_wire::Error> {
    let input = DeleteObjectInput {
        bucket: BUCKET.into(),
        key: "k".into(),
        version_id: Some(version.into()),
        bypass_governance_retention: Some(bypass),
        ..Default::default()
    };
    world.service.delete_object(&world.cx, input).await.map(drop)
}

async fn hold(world: &World, status: &str) -> Result<(), ropeway_wire::Error> {
    let input = PutObjectLegalHoldInput {
        bucket: BUCKET.into(),
        key: "k".into(),
        legal_hold: Some(ObjectLockLegalHold { status: Some(status.into()) }),
        ..Default::default()
    };
    world.service.put_object_legal_hold(&world.cx, input).await.map(drop)
}

#[tokio::test]
async fn retained_versions_are_not_deleted() {
    let world = locked().await;
    let governed = put_locked(&world, "GOVERNANCE", 1000).await.unwrap();
    let kept = put_locked(&world, "COMPLIANCE", 1000).await.unwrap();
    for (version, bypass) in [(&governed, false), (&kept, false), (&kept, true)] {
        let error = remove(&world, version, bypass).await.unwrap_err();
        assert_eq!((error.status, &*error.code), (403, "AccessDenied"));
    }
    remove(&world, &governed, true).await.unwrap();
    // A delete marker deletes nothing.
    world.delete("k").await.unwrap();
    world.clock.advance(Duration::from_secs(1000));
    remove(&world, &kept, false).await.unwrap();
    let refused = ("s3:BypassGovernanceRetention".to_owned(), "arn:aws:s3:::bucket/k".to_owned());
    world.gate.denied.lock().unwrap().insert(refused);
    let governed = put_locked(&world, "GOVERNANCE", 9000).await.unwrap();
    assert_eq!(remove(&world, &governed, true).await.unwrap_err().code, "AccessDenied");
}

#[tokio::test]
async fn a_legal_hold_holds_until_it_is_off() {
    let world = locked().await;
    let get = || GetObjectLegalHoldInput { bucket: BUCKET.into(), key: "k".into(), ..Default::default() };
    let version = world.service.put_object(&world.cx, put("k", b"x")).await.unwrap().version_id.unwrap();
    let unset = world.service.get_object_legal_hold(&world.cx, get()).await.unwrap_err();
    assert_eq!(unset.code, "NoSuchObjectLockConfiguration");
    hold(&world, "ON").await.unwrap();
    let head = HeadObjectInput { bucket: BUCKET.into(), key: "k".into(), ..Default::default() };
    let head = world.service.head_object(&world.cx, head).await.unwrap();
    assert_eq!(head.object_lock_legal_hold_status.as_deref(), Some("ON"));
    assert_eq!(remove(&world, &version, true).await.unwrap_err().code, "AccessDenied");
    hold(&world, "OFF").await.unwrap();
    remove(&world, &version, false).await.unwrap();
}

#[tokio::test]
async fn new_versions_are_retained_by_default() {
    let world = locked().await;
    configure(&world, Some(2)).await.unwrap();
    world.put("k", b"x").await.unwrap();
    let get = GetObjectRetentionInput { bucket: BUCKET.into(), key: "k".into(), ..Default::default() };
    let found = world.service.get_object_retention(&world.cx, get).await.unwrap().retention.unwrap();
    assert_eq!(found.mode.as_deref(), Some("COMPLIANCE"));
    assert_eq!(found.retain_until_date, Some(Time::from_secs(START + 2 * 86_400)));
    let shorter = ObjectLockRetention {
        mode: Some("COMPLIANCE".into()),
        retain_until_date: Some(Time::from_secs(START + 86_400)),
    };
    let input = PutObjectRetentionInput {
        bucket: BUCKET.into(),
        key: "k".into(),
        retention: Some(shorter),
        bypass_governance_retention: Some(true),
        ..Default::default()
    };
    assert_eq!(world.service.put_object_retention(&world.cx, input).await.unwrap_err().code, "AccessDenied");
    let id = world.begin("parts").await;
    let etag = world.part("parts", &id, 1, b"x").await.unwrap();
    world.complete("parts", &id, &[(1, etag)]).await.unwrap();
    let get = GetObjectRetentionInput { bucket: BUCKET.into(), key: "parts".into(), ..Default::default() };
    assert!(world.service.get_object_retention(&world.cx, get).await.unwrap().retention.is_some());
}

#[tokio::test]
async fn what_cannot_be_locked_is_refused() {
    let world = world().await;
    assert_eq!(configure(&world, None).await.unwrap_err().code, "InvalidBucketState");
    assert_eq!(put_locked(&world, "GOVERNANCE", 1000).await.unwrap_err().code, "InvalidRequest");
    world.put("k", b"x").await.unwrap();
    assert_eq!(hold(&world, "ON").await.unwrap_err().code, "InvalidRequest");
    world.version("Enabled").await;
    configure(&world, None).await.unwrap();
    for (mode, secs) in [("GOVERNANCE", -1), ("LAX", 1000)] {
        assert_eq!(put_locked(&world, mode, secs).await.unwrap_err().code, "InvalidArgument");
    }
    let half = PutObjectInput { object_lock_mode: Some("GOVERNANCE".into()), ..put("k", b"x") };
    assert_eq!(world.service.put_object(&world.cx, half).await.unwrap_err().code, "InvalidArgument");
    for days in [0, 40_000] {
        assert_eq!(configure(&world, Some(days)).await.unwrap_err().code, "InvalidArgument");
    }
    let input = PutBucketVersioningInput {
        bucket: BUCKET.into(),
        versioning_configuration: VersioningConfiguration {
            status: Some("Suspended".into()),
            ..Default::default()
        },
        ..Default::default()
    };
    assert_eq!(
        world.service.put_bucket_versioning(&world.cx, input).await.unwrap_err().code,
        "InvalidBucketState"
    );
}
