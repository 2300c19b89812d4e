//! Stopping.

use std::time::Duration;

use ropeway_core::Fault;
use ropeway_store::CommitError;

use crate::world::{Ask, Post, ToyError, World, count, quiet};

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "a stop beside the test")]
async fn what_was_taken_on_is_finished_and_nothing_more_is_taken() {
    let world = World::new().await;
    world.store.hold();
    let before = world.ask_aside(0, Ask::Count);
    quiet().await;
    let core = world.core.clone();
    let stopped = tokio::spawn(async move { core.stop().await });
    quiet().await;
    assert_eq!(world.ask(0, Ask::Count).await, Err(Fault::Stopping.into()));
    assert!(!before.is_finished() && !stopped.is_finished());
    world.store.resume();
    stopped.await.unwrap().unwrap();
    assert_eq!(before.await.unwrap(), count(1));
    assert!(world.core.signals().is_closed());
    assert_eq!(world.ask(0, Ask::Count).await, Err(Fault::Stopping.into()));
}

#[tokio::test]
async fn an_actor_is_interrupted_and_goes_on_after_the_next_start() {
    let world = World::new().await;
    world.ask(0, Ask::Act("act".to_owned(), "wait 1".to_owned())).await.unwrap();
    quiet().await;
    assert_eq!(world.witness.seen().len(), 1);
    world.core.stop().await.unwrap();
    world.store.crash(0);
    let world = World::over(world.store, world.clock, world.witness).await;
    quiet().await;
    assert_eq!(world.witness.seen().len(), 2);
    world.witness.gate.notify_waiters();
    quiet().await;
    assert_eq!(world.ask(0, Ask::Settled).await.unwrap(), ["act wait 1 ok"]);
}

#[tokio::test]
async fn a_lane_that_waits_does_not_keep_the_server_from_stopping() {
    let world = World::new().await;
    world.post(1, Post::Open(false)).await.unwrap();
    world.ask(0, Ask::Send("lane".to_owned(), 1, vec!["1".to_owned()])).await.unwrap();
    quiet().await;
    world.core.stop().await.unwrap();
}

#[tokio::test]
async fn a_store_that_has_failed_does_not_keep_the_server_from_stopping() {
    let world = World::new().await;
    world.store.fail_commit(1, CommitError::Fatal("the disk is gone".to_owned()), false);
    assert!(matches!(world.ask(0, Ask::Count).await, Err(ToyError::Fault(Fault::Store(_)))));
    quiet().await;
    let waits = world.ask_aside(0, Ask::Look);
    quiet().await;
    world.clock.advance(Duration::from_secs(1));
    quiet().await;
    let answer = waits.await.unwrap();
    assert!(matches!(answer, Err(ToyError::Fault(Fault::Store(_)))), "nobody waits for good: {answer:?}");
    let late = world.ask_aside(0, Ask::Look);
    quiet().await;
    assert!(world.core.stop().await.is_err(), "the store has failed");
    assert!(late.await.unwrap().is_err());
}
