//! Deliveries: order, exactly once between machines, at least once to actors.

use std::time::Duration;

use ropeway_store::CommitError;

use crate::world::{Ask, Post, World, count, quiet};

fn send(lane: &str, to: u16, text: &str) -> Ask {
    Ask::Send(lane.to_owned(), to, vec![text.to_owned()])
}

fn act(lane: &str, text: &str) -> Ask {
    Ask::Act(lane.to_owned(), text.to_owned())
}

fn pairs(texts: &[(&str, &str)]) -> Vec<(String, String)> {
    texts.iter().map(|(lane, text)| ((*lane).to_owned(), (*text).to_owned())).collect()
}

#[tokio::test]
async fn an_effect_waits_for_its_cause() {
    let world = World::new().await;
    world.store.hold();
    let sent = world.ask_aside(0, send("lane", 1, "a"));
    let acted = world.ask_aside(2, act("act", "b"));
    quiet().await;
    assert_eq!(world.store.waiting(), 2);
    assert!(world.witness.seen().is_empty());
    assert_eq!(world.post(1, Post::Read).await.unwrap(), [""; 0]);
    world.store.resume();
    sent.await.unwrap().unwrap();
    acted.await.unwrap().unwrap();
    quiet().await;
    assert_eq!(world.post(1, Post::Read).await.unwrap(), ["a"]);
    assert_eq!(world.witness.seen(), pairs(&[("act", "b")]));
}

#[tokio::test]
async fn a_lane_that_is_stuck_holds_up_nobody_else() {
    let world = World::new().await;
    world.post(1, Post::Open(false)).await.unwrap();
    world.ask(0, act("act 1", "wait a")).await.unwrap();
    for text in ["1", "2"] {
        world.ask(0, send("to 1", 1, text)).await.unwrap();
        world.ask(0, send("to 2", 2, text)).await.unwrap();
        world.ask(0, act("act 2", text)).await.unwrap();
    }
    world.settle().await;
    assert_eq!(world.post(2, Post::Read).await.unwrap(), ["1", "2"]);
    assert_eq!(world.witness.seen(), pairs(&[("act 1", "wait a"), ("act 2", "1"), ("act 2", "2")]));
    assert_eq!(world.post(1, Post::Read).await.unwrap(), [""; 0]);
    world.post(1, Post::Open(true)).await.unwrap();
    world.settle().await;
    assert_eq!(world.post(1, Post::Read).await.unwrap(), ["1", "2"]);
}

#[tokio::test]
async fn refusals_reach_the_sender() {
    let world = World::new().await;
    for text in ["1", "no 2", "3"] {
        world.ask(0, send("lane", 1, text)).await.unwrap();
        world.ask(0, act("act", text)).await.unwrap();
    }
    world.settle().await;
    assert_eq!(world.post(1, Post::Read).await.unwrap(), ["1", "3"]);
    let mut settled = world.ask(0, Ask::Settled).await.unwrap();
    settled.sort();
    let expected =
        ["act 1 ok", "act 3 ok", "act no 2 refused", "lane 1 ok", "lane 3 ok", "lane no 2 refused"];
    assert_eq!(settled, expected);
}

#[tokio::test]
async fn an_actor_is_asked_again_when_it_wants_to_be() {
    let world = World::new().await;
    world.ask(0, act("act", "again a")).await.unwrap();
    world.ask(0, act("act", "panic b")).await.unwrap();
    quiet().await;
    assert_eq!(world.witness.seen(), pairs(&[("act", "again a")]));
    world.clock.advance(Duration::from_millis(29));
    quiet().await;
    assert_eq!(world.witness.seen().len(), 1);
    world.clock.advance(Duration::from_millis(1));
    quiet().await;
    assert_eq!(world.witness.seen(), pairs(&[("act", "again a"), ("act", "again a"), ("act", "panic b")]));
    world.settle().await;
    assert_eq!(world.ask(0, Ask::Settled).await.unwrap(), ["act again a ok", "act panic b ok"]);
}

#[tokio::test]
async fn what_has_no_room_in_memory_comes_from_rows_in_order() {
    let world = World::new().await;
    world.post(1, Post::Open(false)).await.unwrap();
    let texts: Vec<String> = (0..6000).map(|n| format!("{n:05}")).collect();
    for texts in texts.chunks(500) {
        world.ask(0, Ask::Send("lane".to_owned(), 1, texts.to_vec())).await.unwrap();
    }
    let big: Vec<String> = (0..60).map(|n| format!("{n:02}").repeat(20_000)).collect();
    for text in &big {
        world.ask(0, send("big", 1, text)).await.unwrap();
    }
    world.post(1, Post::Open(true)).await.unwrap();
    world.settle().await;
    let (small, long): (Vec<String>, Vec<String>) =
        world.post(1, Post::Read).await.unwrap().into_iter().partition(|text| text.len() == 5);
    assert!(small == texts && long == big);
    let settled = world.ask(0, Ask::Settled).await.unwrap();
    assert_eq!(settled.len(), texts.len() + big.len());
}

#[tokio::test]
async fn a_refusal_that_its_sender_did_not_hear_of_is_told_again() {
    let world = World::new().await;
    world.ask(0, Ask::Count).await.unwrap();
    world.store.hold();
    let sent = world.ask_aside(0, Ask::Send("lane".to_owned(), 1, vec!["no 1".to_owned(), "2".to_owned()]));
    quiet().await;
    assert_eq!(world.store.sync(1), 1, "the cause");
    sent.await.unwrap().unwrap();
    quiet().await;
    assert_eq!(world.store.sync(1), 1, "the delivery");
    quiet().await;
    assert_eq!(world.store.waiting(), 1, "the settlement, which is lost");
    world.store.crash(0);
    let after = World::over(world.store.clone(), world.clock.clone(), world.witness.clone()).await;
    after.settle().await;
    assert_eq!(after.ask(0, Ask::Settled).await.unwrap(), ["lane no 1 refused", "lane 2 ok"]);
    assert_eq!(after.post(1, Post::Read).await.unwrap(), ["2"]);
}

#[tokio::test]
async fn a_shard_that_is_read_again_does_not_act_twice_at_once() {
    let world = World::new().await;
    world.ask(0, act("act", "wait 1")).await.unwrap();
    world.ask(0, act("act", "2")).await.unwrap();
    quiet().await;
    assert_eq!(world.witness.seen().len(), 1);
    world.store.fail_commit(1, CommitError::Unknown("the line broke".to_owned()), false);
    assert!(world.ask(0, Ask::Count).await.is_err());
    quiet().await;
    assert_eq!(world.ask(0, Ask::Count).await, count(1), "it goes on");
    world.settle().await;
    assert_eq!(world.witness.seen().len(), 1, "the first call is still under way");
    world.witness.gate.notify_waiters();
    world.settle().await;
    assert_eq!(world.witness.seen(), pairs(&[("act", "wait 1"), ("act", "2")]));
    assert_eq!(world.ask(0, Ask::Settled).await.unwrap(), ["act wait 1 ok", "act 2 ok"]);
}

#[tokio::test]
async fn an_end_that_cannot_be_written_at_once_is_written_later() {
    for written in [false, true] {
        let world = World::new().await;
        world.ask(0, act("act", "wait 1")).await.unwrap();
        quiet().await;
        world.store.fail_commit(1, CommitError::Unknown("the line broke".to_owned()), written);
        world.witness.gate.notify_waiters();
        world.settle().await;
        assert_eq!(world.witness.seen().len(), 1, "it is not done again");
        assert_eq!(world.ask(0, Ask::Settled).await.unwrap(), ["act wait 1 ok"]);
    }
}
