//! What goes: by retention, with its stream, with its group; all of it, in steps.

use std::ops::Bound;

use bytes::Bytes;
use ropeway_api::logs::{
    DeleteLogGroupInput, DeleteLogStreamInput, DeleteRetentionPolicyInput, GetLogEventsInput, Logs as _,
    PutLogGroupDeletionProtectionInput, PutRetentionPolicyInput,
};
use ropeway_core::keys::Space;
use ropeway_core::{ShardId, Time};
use ropeway_store::{MemoryStore, Range, Store as _};

use super::{DAY, World, get};

impl World {
    async fn retain(&self, days: i64) {
        let input = PutRetentionPolicyInput { log_group_name: "g".to_owned(), retention_in_days: days };
        self.logs.put_retention_policy(&self.cx(), input).await.unwrap();
    }
}

#[tokio::test]
async fn retention_hides_at_once_and_removes_soon() {
    let world = World::new().await;
    world.create(&["s"]).await;
    world.put("s", &[(-3 * DAY, "a"), (-3 * DAY + 1, "b")]).await.unwrap();
    world.put("s", &[(-1000, "c")]).await.unwrap();
    let (group, stats) = world.read().await;
    assert_eq!((world.bodies(group.id).await, stats.due), (2, None));
    world.retain(3).await;
    world.advance(1);
    // `a` has expired with its moment, in the middle of its chunk.
    assert_eq!(world.filter("").await, ["b", "c"]);
    world.advance(2);
    assert_eq!(world.filter("").await, ["c"]);
    assert_eq!(world.bodies(group.id).await, 2, "looked at an hour later at most");
    world.advance(60 * 60 * 1000);
    world.bodies_left(group.id, 1).await;
    let input = GetLogEventsInput { start_from_head: Some(true), ..get("s") };
    assert_eq!(world.logs.get_log_events(&world.cx(), input).await.unwrap().events.unwrap().len(), 1);
    let (_, stats) = world.read().await;
    assert_eq!(stats.bytes, 27);
    world.advance(3 * DAY + 1000);
    world.bodies_left(group.id, 0).await;
    let (_, stats) = world.read().await;
    assert_eq!((stats.bytes, stats.due), (0, None), "nothing is looked at where nothing is");
    // What comes later is looked at again.
    world.put("s", &[(3 * DAY, "d")]).await.unwrap();
    assert!(world.read().await.1.due.is_some_and(|due| due > Time(0)));
    world.advance(4 * DAY);
    world.bodies_left(group.id, 0).await;
}

#[tokio::test]
async fn many_expired_chunks_go_in_steps() {
    let world = World::new().await;
    world.create(&["s"]).await;
    for n in 0..190 {
        world.put("s", &[(n, "x")]).await.unwrap();
    }
    let (group, _) = world.read().await;
    assert_eq!(world.bodies(group.id).await, 190);
    world.retain(1).await;
    world.advance(2 * DAY);
    world.bodies_left(group.id, 0).await;
}

#[tokio::test]
async fn without_retention_nothing_goes() {
    let world = World::new().await;
    world.create(&["s"]).await;
    world.put("s", &[(0, "x")]).await.unwrap();
    world.retain(1).await;
    let input = DeleteRetentionPolicyInput { log_group_name: "g".to_owned() };
    world.logs.delete_retention_policy(&world.cx(), input).await.unwrap();
    world.advance(4000 * DAY);
    assert_eq!(world.read().await.1.due, None);
    assert_eq!(world.filter("").await, ["x"]);
}

#[tokio::test]
async fn a_stream_takes_its_events_along() {
    let world = World::new().await;
    world.create(&["s", "other"]).await;
    for n in 0..150 {
        world.put(if n % 5 == 0 { "other" } else { "s" }, &[(n, "x")]).await.unwrap();
    }
    let (group, before) = world.read().await;
    let input = DeleteLogStreamInput { log_group_name: "g".to_owned(), log_stream_name: "s".to_owned() };
    world.logs.delete_log_stream(&world.cx(), input).await.unwrap();
    world.bodies_left(group.id, 30).await;
    assert_eq!(world.filter("").await.len(), 30);
    assert_eq!((before.bytes, world.read().await.1.bytes), (150 * 27, 30 * 27));
}

#[tokio::test]
async fn a_group_takes_everything_along_and_its_successor_has_nothing() {
    let world = World::new().await;
    world.create(&["s"]).await;
    for n in 0..190 {
        world.put("s", &[(n, "x")]).await.unwrap();
    }
    world.retain(1).await;
    let (group, _) = world.read().await;
    let delete = || DeleteLogGroupInput { log_group_name: "g".to_owned() };
    let protect = |on| PutLogGroupDeletionProtectionInput {
        log_group_identifier: "g".to_owned(),
        deletion_protection_enabled: on,
    };
    world.logs.put_log_group_deletion_protection(&world.cx(), protect(true)).await.unwrap();
    let error = world.logs.delete_log_group(&world.cx(), delete()).await.unwrap_err();
    assert_eq!(error.code, "ValidationException");
    world.logs.put_log_group_deletion_protection(&world.cx(), protect(false)).await.unwrap();
    world.logs.delete_log_group(&world.cx(), delete()).await.unwrap();
    world.create(&["s"]).await;
    assert_eq!(world.filter("").await, Vec::<String>::new());
    world.bodies_left(group.id, 0).await;
    world.put("s", &[(0, "new")]).await.unwrap();
    world.advance(30 * DAY);
    assert_eq!(world.filter("").await, ["new"], "the former's retention is gone with it");
}

/// Rows of log groups that a store has, whose server has stopped.
async fn rows(store: &MemoryStore) -> usize {
    // Opens it again.
    store.crash(0);
    let mut count = 0;
    for shard in 0..store.shards() {
        let lease = store.acquire(ShardId(shard), "test").await.unwrap();
        let shard = store.open(lease).await.unwrap();
        let range = Range {
            from: Bound::Included(Bytes::from_static(&[Space::Logs as u8])),
            to: Bound::Excluded(Bytes::from_static(&[Space::Logs as u8 + 1])),
            reverse: false,
        };
        count += shard.scan(range, 10_000).await.unwrap().rows.len();
    }
    count
}

#[tokio::test]
async fn a_deleted_group_leaves_no_row() {
    let store = MemoryStore::new(4);
    let world = World::over(store.clone(), 1).await;
    let names: Vec<String> = (0..230).map(|n| format!("s{n}")).collect();
    world.create(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for name in &names {
        world.put(name, &[(0, "x")]).await.unwrap();
    }
    world.retain(7).await;
    let input = DeleteLogGroupInput { log_group_name: "g".to_owned() };
    world.logs.delete_log_group(&world.cx(), input).await.unwrap();
    world.core.stop().await.unwrap();
    // What a stop interrupts goes on at the next start.
    for seed in 2..100 {
        if rows(&store).await == 0 {
            return;
        }
        let world = World::over(store.clone(), seed).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        world.core.stop().await.unwrap();
    }
    panic!("{} rows are left", rows(&store).await);
}

#[tokio::test]
async fn what_is_put_before_what_expired_is_read() {
    let world = World::new().await;
    world.create(&["s"]).await;
    world.put("s", &[(-2 * DAY, "expires")]).await.unwrap();
    world.retain(1).await;
    world.advance(1);
    let (group, _) = world.read().await;
    world.bodies_left(group.id, 0).await;
    let input = DeleteRetentionPolicyInput { log_group_name: "g".to_owned() };
    world.logs.delete_retention_policy(&world.cx(), input).await.unwrap();
    world.put("s", &[(-3 * DAY, "older")]).await.unwrap();
    assert_eq!(world.filter("").await, ["older"]);
    world.retain(1).await;
    world.advance(1);
    while world.read().await.1.bytes > 0 {
        tokio::task::yield_now().await;
    }
}
