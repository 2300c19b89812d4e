//! What lies on disk, and what a crash leaves.

use std::sync::Arc;

use ropeway_core::{Clock, Ids};
use ropeway_sqs::Options;
use ropeway_store::{CommitError, EmbeddedStore, MemoryStore};

use crate::world::{START, World, handle};

#[tokio::test]
async fn big_bodies_are_stored_in_parts() {
    let world = World::new().await;
    world.create("orders", &[]).await;
    for size in [56 * 1024 - 100, 56 * 1024, 64 * 1024, 500_000, 1_048_576] {
        let body: String = "0123456789abcdef".chars().cycle().take(size).collect();
        world.send("orders", &body).await;
    }
    let world = world.restart().await;
    let got = world.receive("orders", 10).await;
    let sizes: Vec<usize> = got.iter().map(|m| m.body.as_ref().unwrap().len()).collect();
    assert_eq!(sizes, [56 * 1024 - 100, 56 * 1024, 64 * 1024, 500_000, 1_048_576]);
    assert!(got[4].body.as_ref().unwrap().ends_with("cdef"));
    for message in got {
        world.delete("orders", handle(&message)).await.unwrap();
    }
    assert_eq!(world.rows().await, ["queue", "counters", "numbers"]);
}

#[tokio::test]
async fn bodies_are_encrypted_unless_that_is_switched_off() {
    let world = World::new().await;
    world.create("sealed", &[]).await;
    world.create("plain", &[("SqsManagedSseEnabled", "false")]).await;
    world.send("sealed", "a secret that lies on disk").await;
    world.send("plain", "a tale that lies on disk").await;
    let holds = async |text: &str| {
        world.dump().await.iter().any(|(_, v)| v.windows(text.len()).any(|w| w == text.as_bytes()))
    };
    assert!(!holds("secret").await);
    assert!(holds("tale").await);
    let world = world.restart().await;
    world.set("sealed", &[("SqsManagedSseEnabled", "false")]).await.unwrap();
    assert_eq!(world.bodies("sealed", 1).await, ["a secret that lies on disk"]);
}

#[tokio::test]
async fn what_was_answered_survives_a_crash_and_nothing_else_does() {
    let store = MemoryStore::new(4);
    let world = World::over(store.clone(), Options::default()).await;
    world.create("orders", &[]).await;
    world.send("orders", "kept").await;
    world.settle().await;
    store.hold();
    let lost = world.try_send("orders", "lost");
    let crash = async {
        world.settle().await;
        store.crash(0);
    };
    tokio::pin!(lost);
    tokio::select! {
        _ = &mut lost => panic!("an answer before the sync"),
        () = crash => {}
    }
    let World { clock, ids, options, .. } = &world;
    let (clock, ids, options) = (clock.clone(), ids.clone(), *options);
    let world = World::again(Arc::new(store), clock, ids, options).await;
    assert_eq!(world.bodies("orders", 10).await, ["kept"]);
}

#[tokio::test]
async fn a_lost_commit_is_an_error_and_the_queue_goes_on() {
    let store = MemoryStore::new(1);
    let world = World::over(store.clone(), Options::default()).await;
    world.create("orders", &[]).await;
    world.send("orders", "one").await;
    world.settle().await;
    store.fail_commit(1, CommitError::Retry("no".to_owned()), false);
    let error = world.try_send("orders", "lost").await.unwrap_err();
    assert!(error.status >= 500, "{error}");
    world.settle().await;
    assert_eq!(world.counts("orders").await, (1, 0, 0));
    world.send("orders", "two").await;
    assert_eq!(world.bodies("orders", 10).await, ["one", "two"]);
}

#[tokio::test]
async fn a_window_that_is_too_small_only_costs_time() {
    let options = Options { standard_window: 5, fifo_window: 5, ..Options::default() };
    let world = World::with(options).await;
    world.create("orders", &[("VisibilityTimeout", "10")]).await;
    for n in 0..60 {
        world.send("orders", &n.to_string()).await;
    }
    let mut first = Vec::new();
    for _ in 0..6 {
        first.extend(world.bodies("orders", 10).await);
    }
    let all: Vec<String> = (0..60).map(|n| n.to_string()).collect();
    assert_eq!(first, all);
    world.advance(10);
    let mut second = Vec::new();
    loop {
        let got = world.receive("orders", 10).await;
        if got.is_empty() {
            break;
        }
        for message in got {
            world.delete("orders", handle(&message)).await.unwrap();
            second.push(message.body.unwrap());
        }
    }
    assert_eq!(second, all);
    assert_eq!(world.counts("orders").await, (0, 0, 0));
}

#[tokio::test]
async fn over_the_embedded_engine() {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path(), ropeway_store::embedded::Options::default()).unwrap();
    let world = World::again(Arc::new(store), Clock::frozen(START), Ids::seeded(1), Options::default()).await;
    world.create("orders", &[]).await;
    world.send("orders", "durable").await;
    world.core.stop().await.unwrap();
    let World { clock, ids, options, .. } = &world;
    let (clock, ids, options) = (clock.clone(), ids.clone(), *options);
    drop(world);
    let store = EmbeddedStore::open(folder.path(), ropeway_store::embedded::Options::default()).unwrap();
    let world = World::again(Arc::new(store), clock, ids, options).await;
    assert_eq!(world.bodies("orders", 10).await, ["durable"]);
    world.core.stop().await.unwrap();
}
