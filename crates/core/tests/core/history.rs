//! The same seed gives the same history, to the last row.

use std::sync::Arc;
use std::time::Duration;

use ropeway_core::{Clock, Ids, ShardId};
use ropeway_store::{CommitError, MemoryStore, Shard, Store, suite};

use crate::world::{Ask, Post, SHARDS, World, quiet, start_time};

#[derive(Debug, PartialEq)]
struct History {
    answers: Vec<String>,
    acts: Vec<(String, String)>,
    rows: Vec<(Vec<u8>, Vec<u8>)>,
}

fn ask(dice: &Ids, number: usize) -> Ask {
    let lane = format!("lane {}", dice.number() % 3);
    let text = format!("{} {number}", ["yes", "no", "again"][(dice.number() % 3) as usize]);
    match dice.number() % 6 {
        0 => Ask::Count,
        1 => Ask::Fail,
        2 => Ask::At(start_time().plus_millis((dice.number() % 5000) as i64), text),
        3 => Ask::Act(format!("act {lane}"), text),
        _ => Ask::Send(lane, (dice.number() % u64::from(SHARDS)) as u16, vec![text]),
    }
}

async fn live(seed: u64) -> History {
    let dice = Ids::seeded(seed);
    let store = MemoryStore::new(SHARDS);
    let world = World::over(store.clone(), Clock::frozen(start_time()), Arc::default()).await;
    let mut answers = Vec::new();
    let mut asked = Vec::new();
    for number in 0..200 {
        let shard = (dice.number() % u64::from(SHARDS)) as u16;
        asked.push(world.ask_aside(shard, ask(&dice, number)));
        match dice.number() % 8 {
            0 => quiet().await,
            1 => store.hold(),
            2 => store.resume(),
            3 => store.fail_commit(
                3,
                CommitError::Unknown("as asked".to_owned()),
                dice.number().is_multiple_of(2),
            ),
            4 => world.clock.advance(Duration::from_millis(dice.number() % 700)),
            _ => tokio::task::yield_now().await,
        }
    }
    store.resume();
    world.settle().await;
    for answer in asked {
        answers.push(format!("{:?}", answer.await.unwrap()));
    }
    for shard in 0..SHARDS {
        answers.push(format!("{:?}", world.post(shard, Post::Read).await));
    }
    History { answers, acts: world.witness.seen(), rows: rows(&store).await }
}

/// Every row of every shard.
async fn rows(store: &MemoryStore) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    for shard in 0..SHARDS {
        let lease = store.acquire(ShardId(shard), "test").await.unwrap();
        let shard: Arc<dyn Shard> = store.open(lease).await.unwrap();
        let all = suite::everything(&*shard).await;
        rows.extend(all.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())));
    }
    rows
}

fn history(seed: u64) -> History {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(live(seed))
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in 0..4 {
        let first = history(seed);
        assert!(first == history(seed), "seed {seed} gives another history the second time");
        assert!(!first.rows.is_empty() && !first.acts.is_empty());
        assert!(first != history(seed + 100), "the seed makes no difference");
    }
}

#[test]
fn a_drained_outbox_leaves_no_rows() {
    let left = history(7).rows.into_iter().filter(|(key, _)| key[0] == 1).count();
    assert_eq!(left, 0);
}
