//! Timers and the clock.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::world::{Ask, Post, World, count, quiet, start_time};

#[tokio::test]
async fn a_move_of_the_clock_fires_timers_in_their_order() {
    let world = World::new().await;
    for (secs, name) in [(30, "c"), (10, "a"), (20, "b"), (4000, "late")] {
        world.ask(0, Ask::At(start_time().plus_secs(secs), name.to_owned())).await.unwrap();
    }
    quiet().await;
    assert_eq!(world.ask(0, Ask::Fired).await.unwrap(), [""; 0]);
    world.clock.advance(Duration::from_secs(10));
    quiet().await;
    assert_eq!(world.ask(0, Ask::Fired).await.unwrap(), ["a"]);
    world.clock.advance(Duration::from_secs(3600));
    quiet().await;
    assert_eq!(world.ask(0, Ask::Fired).await.unwrap(), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_timer_is_not_kept_from_firing_by_a_restart() {
    let world = World::new().await;
    world.ask(0, Ask::At(start_time().plus_secs(5), "a".to_owned())).await.unwrap();
    world.core.stop().await.unwrap();
    world.clock.advance(Duration::from_secs(5));
    world.store.crash(0);
    let world = World::over(world.store, world.clock, world.witness).await;
    quiet().await;
    assert_eq!(world.ask(0, Ask::Fired).await.unwrap(), ["a"]);
}

#[tokio::test]
async fn timers_that_do_nothing_do_not_spin() {
    let world = World::new().await;
    world.ask(0, Ask::Stick(false)).await.unwrap();
    for _ in 0..10 {
        quiet().await;
    }
    let turns = world.turns.load(Ordering::Relaxed);
    assert!((1..100).contains(&turns), "{turns} turns");
    assert_eq!(world.ask(0, Ask::Count).await, count(1));
    world.clock.advance(Duration::from_secs(1));
    quiet().await;
    assert!(world.turns.load(Ordering::Relaxed) > turns + 1, "it is tried again");
}

#[tokio::test]
async fn timers_that_fail_neither_spin_nor_hold_up_others() {
    let world = World::new().await;
    world.ask(0, Ask::Stick(true)).await.unwrap();
    world.post(0, Post::At(start_time().plus_millis(1))).await.unwrap();
    quiet().await;
    assert_eq!(world.turns.load(Ordering::Relaxed), 1);
    world.clock.advance(Duration::from_millis(1));
    quiet().await;
    assert_eq!(world.post(0, Post::Read).await.unwrap(), ["on time"]);
    assert_eq!(world.turns.load(Ordering::Relaxed), 1);
    world.clock.advance(Duration::from_millis(999));
    quiet().await;
    assert_eq!(world.turns.load(Ordering::Relaxed), 2);
}
