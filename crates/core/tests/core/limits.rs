//! What is too much is an error to the caller, and nothing else.

use std::time::Duration;

use ropeway_core::{Fault, MAX_COMMAND_ROWS, outbox};
use ropeway_store::{MAX_VALUE_BYTES, Room};

use crate::world::{Ask, Post, ToyError, World, count, quiet};

#[tokio::test]
async fn a_command_that_writes_too_much_fails_and_leaves_the_shard_whole() {
    let world = World::new().await;
    assert_eq!(world.ask(0, Ask::Count).await, count(1));
    let rows = MAX_COMMAND_ROWS as u32;
    for huge in [Ask::Huge(rows + 1, 1), Ask::Huge(1, MAX_VALUE_BYTES as u32 + 1), Ask::Huge(60, 60_000)] {
        let answer = world.ask(0, huge).await;
        assert!(matches!(answer, Err(ToyError::Fault(Fault::Damaged(_)))), "{answer:?}");
        assert_eq!(world.ask(0, Ask::Look).await, count(1), "as it is on disk");
    }
    for most in [Ask::Huge(rows, 1), Ask::Huge(1, MAX_VALUE_BYTES as u32), Ask::Huge(40, 60_000)] {
        assert!(world.ask(0, most).await.is_ok());
    }
}

#[tokio::test]
async fn commands_of_any_allowed_size_share_batches() {
    let world = World::new().await;
    let asked: Vec<_> = (0..300)
        .map(|n| {
            let ask =
                if n % 3 == 0 { Ask::Count } else { Ask::Huge(MAX_COMMAND_ROWS as u32, 10 + n % 7 * 200) };
            world.ask_aside(0, ask)
        })
        .collect();
    for answer in asked {
        answer.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn deliveries_have_sizes_too() {
    let world = World::new().await;
    let long = "l".repeat(outbox::MAX_LANE_NAME_BYTES + 1);
    let text = vec!["t".repeat(outbox::MAX_PAYLOAD_BYTES)];
    for ask in [Ask::Send(long, 1, vec![String::new()]), Ask::Send("lane".to_owned(), 1, text)] {
        let answer = world.ask(0, ask).await;
        assert!(matches!(answer, Err(ToyError::Fault(Fault::Damaged(_)))), "{answer:?}");
    }
    let texts: Vec<String> = [0, 1, 60_000, 61_440, 200_000, 1_200_000]
        .map(|size| (0..size).map(|at| char::from(b'a' + (at % 26) as u8)).collect())
        .into();
    for text in &texts {
        world.ask(0, Ask::Send("a\0b".to_owned(), 1, vec![text.clone()])).await.unwrap();
    }
    world.settle().await;
    let received = world.post(1, Post::Read).await.unwrap();
    // The log has no row for an empty text.
    assert!(received.iter().eq(&texts[1..]));
    let settled = world.ask(0, Ask::Settled).await.unwrap();
    assert!(settled.iter().zip(&texts).all(|(line, text)| *line == format!("a\0b {text} ok")));
    assert_eq!(settled.len(), texts.len());
}

#[tokio::test]
async fn a_lane_that_is_full_throttles_its_senders_alone() {
    let world = World::new().await;
    world.post(1, Post::Open(false)).await.unwrap();
    let texts = |n: usize| vec!["x".to_owned(); n];
    for _ in 0..outbox::MAX_LANE / 1000 {
        world.ask(0, Ask::Send("full".to_owned(), 1, texts(1000))).await.unwrap();
    }
    let answer = world.ask(0, Ask::Send("full".to_owned(), 1, texts(1))).await;
    assert_eq!(answer, Err(Fault::Overloaded.into()));
    world.ask(0, Ask::Send("other".to_owned(), 2, texts(1))).await.unwrap();
    quiet().await;
    assert_eq!(world.post(2, Post::Read).await.unwrap(), ["x"]);
}

#[tokio::test]
async fn on_a_full_disk_what_grows_waits_and_the_rest_goes_on() {
    let world = World::new().await;
    world.store.set_room(Room::DeletesOnly);
    assert_eq!(world.ask(0, Ask::Count).await, Err(Fault::NoRoom.into()));
    let send = |lane: &str, text: &str| Ask::Send(lane.to_owned(), 1, vec![text.to_owned()]);
    world.ask(0, send("grows", "more")).await.unwrap();
    world.ask(0, send("shrinks", "delete")).await.unwrap();
    quiet().await;
    assert_eq!(world.post(1, Post::Read).await.unwrap(), ["delete"]);
    world.store.set_room(Room::Enough);
    world.clock.advance(Duration::from_secs(10));
    quiet().await;
    assert_eq!(world.post(1, Post::Read).await.unwrap(), ["delete", "more"]);
}
