//! Histories under random failures: commits that fail, or happened although they failed; ends of the
//! process at any point; disks that are slow.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use ropeway_core::{Clock, ShardId};
use ropeway_store::{CommitError, MemoryStore};

use crate::world::{Ask, Ledger, Post, SHARDS, Witness, World, quiet, start_time, trace};

#[derive(Debug, Clone)]
enum Step {
    /// A text by a lane from a shard: to a mailbox, or to the actor.
    Send {
        from: u16,
        to: Option<u16>,
        kind: usize,
    },
    Quiet,
    Hold,
    Sync(usize),
    Resume,
    Fail {
        nth: u64,
        written: bool,
        retry: bool,
    },
    Advance(u64),
    /// The process ends; so many of the waiting commits had reached the disk.
    Crash(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let to = prop_oneof![(0..SHARDS).prop_map(Some), Just(None)];
    let send = (0..2u16, to, 0..8usize).prop_map(|(from, to, kind)| Step::Send { from, to, kind });
    let fail = (1..6u64, any::<bool>(), any::<bool>());
    prop_oneof![
        8 => send,
        3 => Just(Step::Quiet),
        1 => Just(Step::Hold),
        2 => (0..4usize).prop_map(Step::Sync),
        1 => Just(Step::Resume),
        2 => fail.prop_map(|(nth, written, retry)| Step::Fail { nth, written, retry }),
        1 => (1..2000u64).prop_map(Step::Advance),
        1 => (0..4usize).prop_map(Step::Crash),
    ]
}

/// What was sent: how often it was answered with success is known, whatever becomes of the process.
#[derive(Debug, Clone)]
struct Sent {
    from: u16,
    to: Option<u16>,
    lane: String,
    text: String,
    acknowledged: bool,
}

#[derive(Default)]
struct History {
    sent: Arc<Mutex<BTreeMap<usize, Sent>>>,
    witness: Arc<Witness>,
}

impl History {
    #[allow(clippy::disallowed_methods, reason = "a caller of its own")]
    fn send(&self, world: &World, from: u16, to: Option<u16>, kind: usize) {
        let number = self.sent.lock().unwrap().len();
        let word = if kind == 0 { "no" } else { "yes" };
        let text = format!("{word} {number:04}");
        let lane = to.map_or("act".to_owned(), |to| format!("to {to}"));
        let ask = match to {
            Some(to) => Ask::Send(lane.clone(), to, vec![text.clone()]),
            None => Ask::Act(lane.clone(), text.clone()),
        };
        let sent = Sent { from, to, lane, text, acknowledged: false };
        self.sent.lock().unwrap().insert(number, sent);
        let (core, all) = (world.core.clone(), Arc::clone(&self.sent));
        tokio::spawn(async move {
            if core.submit::<Ledger>(ShardId(from), &trace(), ask).await.is_ok() {
                all.lock().unwrap().get_mut(&number).unwrap().acknowledged = true;
            }
        });
    }

    async fn check(&self, world: &World) {
        let sent = self.sent.lock().unwrap().clone();
        for to in 0..SHARDS {
            let log = world.post(to, Post::Read).await.unwrap();
            for from in 0..2 {
                let taken = |s: &&Sent| s.from == from && s.to == Some(to) && !s.text.starts_with("no");
                let sent: Vec<&Sent> = sent.values().filter(taken).collect();
                let log: Vec<&String> =
                    log.iter().filter(|text| sent.iter().any(|s| s.text == **text)).collect();
                assert!(log.is_sorted_by(|a, b| a < b), "in order, each once: {log:?}");
                for one in sent.iter().filter(|s| s.acknowledged) {
                    assert!(log.contains(&&one.text), "{} was acknowledged, and is lost", one.text);
                }
            }
        }
        self.check_ends(world, &sent).await;
    }

    async fn check_ends(&self, world: &World, sent: &BTreeMap<usize, Sent>) {
        let seen = self.witness.seen();
        for from in 0..2 {
            let settled = world.ask(from, Ask::Settled).await.unwrap();
            let sent: Vec<&Sent> = sent.values().filter(|s| s.from == from).collect();
            for one in &sent {
                let how = if one.text.starts_with("no") { "refused" } else { "ok" };
                let times = |how: &str| {
                    let line = format!("{} {} {how}", one.lane, one.text);
                    settled.iter().filter(|settled| **settled == line).count()
                };
                let (right, all) = (times(how), times("ok") + times("refused"));
                assert!(right == all && all <= 1, "{one:?} was settled {all} times, {right} of them rightly");
                assert!(all == 1 || !one.acknowledged, "{one:?} was never settled");
                let acted = seen.iter().any(|(_, text)| *text == one.text);
                assert!(one.to.is_some() || acted == (all == 1), "{one:?} was settled and not done");
            }
            let mine = seen.iter().filter(|(_, text)| sent.iter().any(|s| s.text == *text));
            // By number: the word before it does not count.
            let order: Vec<&str> = mine.map(|(_, text)| text.split_once(' ').unwrap().1).collect();
            assert!(order.is_sorted(), "done in order, and again only the last one: {order:?}");
        }
    }
}

impl Step {
    /// Does it; `false` for the end of the process.
    async fn run(&self, world: &World, history: &History) -> bool {
        match *self {
            Step::Send { from, to, kind } => history.send(world, from, to, kind),
            Step::Quiet => quiet().await,
            Step::Hold => world.store.hold(),
            Step::Sync(n) => drop(world.store.sync(n)),
            Step::Resume => world.store.resume(),
            Step::Fail { nth, written, retry } => {
                let error = if retry { CommitError::Retry } else { CommitError::Unknown };
                world.store.fail_commit(nth, error("as asked".to_owned()), written && !retry);
            }
            Step::Advance(millis) => world.clock.advance(Duration::from_millis(millis)),
            Step::Crash(_) => return false,
        }
        tokio::task::yield_now().await;
        true
    }
}

fn run(steps: &[Step]) {
    let store = MemoryStore::new(SHARDS);
    let clock = Clock::frozen(start_time());
    let history = History::default();
    let mut steps = steps.iter();
    loop {
        // A runtime for each life: with it, everything under way ends.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let crash = runtime.block_on(async {
            let world = World::over(store.clone(), clock.clone(), Arc::clone(&history.witness)).await;
            for step in steps.by_ref() {
                if !step.run(&world, &history).await {
                    return Some(step);
                }
            }
            world.store.resume();
            world.settle().await;
            history.check(&world).await;
            None
        });
        drop(runtime);
        let Some(Step::Crash(keep)) = crash else { return };
        store.crash(*keep);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_acknowledged_is_lost_doubled_or_out_of_order(steps in prop::collection::vec(step(), 1..60)) {
        run(&steps);
    }
}
