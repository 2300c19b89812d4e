//! What goes: by retention, with its stream, with its group; all of it, in steps.

use ropeway_api::logs::{
    DeleteLogGroupInput, DeleteLogStreamInput, DeleteRetentionPolicyInput, GetLogEventsInput, Logs as _,
    PutLogGroupDeletionProtectionInput, PutRetentionPolicyInput,
};
use ropeway_core::Time;

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
