//! Crashes while messages move between queues: nothing acknowledged is lost, nothing comes twice.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use ropeway_core::{Clock, Ids};
use ropeway_sqs::Options;
use ropeway_store::MemoryStore;

use crate::dead_letter::redrive;
use crate::world::{START, World};

/// What happens between two crashes.
#[derive(Debug, Clone)]
struct Life {
    sends: usize,
    receives: usize,
    /// Turns of the runtime before the disk stops, and after.
    before: usize,
    after: usize,
    /// Commits that reach the disk after it stopped to answer, and at the crash.
    synced: usize,
    kept: usize,
    restarts: bool,
}

fn life() -> impl Strategy<Value = Life> {
    (0..4usize, 0..4usize, 0..12usize, 0..30usize, 0..4usize, 0..6usize, any::<bool>()).prop_map(
        |(sends, receives, before, after, synced, kept, restarts)| Life {
            sends,
            receives,
            before,
            after,
            synced,
            kept,
            restarts,
        },
    )
}

/// A process: its tasks die with it.
fn process(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
}

async fn turns(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

struct Disk {
    store: MemoryStore,
    ids: Ids,
    sent: usize,
}

impl Disk {
    async fn start(&self) -> World {
        World::again(Arc::new(self.store.clone()), Clock::frozen(START), self.ids.clone(), Options::default())
            .await
    }

    async fn live(&mut self, life: &Life) {
        let world = self.start().await;
        for _ in 0..life.sends {
            world.send("orders", &self.sent.to_string()).await;
            self.sent += 1;
        }
        for _ in 0..life.receives {
            world.receive("orders", 10).await;
        }
        turns(life.before).await;
        self.store.hold();
        // This receive is never answered, and what it does may have happened or not.
        let unanswered = world.receive("orders", 10);
        tokio::pin!(unanswered);
        tokio::select! {
            biased;
            _ = &mut unanswered => {}
            () = turns(life.after) => {}
        }
        self.store.sync(life.synced);
        turns(life.after).await;
        self.store.crash(if life.restarts { usize::MAX } else { life.kept });
    }

    /// Every message of both queues, as often as it is there.
    async fn all(&self) -> Vec<String> {
        let world = self.start().await;
        world.settle().await;
        let mut out = Vec::new();
        for queue in ["orders", "dead"] {
            world.set(queue, &[("RedrivePolicy", ""), ("VisibilityTimeout", "600")]).await.unwrap();
            let (visible, in_flight, delayed) = world.counts(queue).await;
            assert_eq!((in_flight, delayed), (0, 0));
            let before = out.len();
            loop {
                let bodies = world.bodies(queue, 10).await;
                if bodies.is_empty() {
                    break;
                }
                out.extend(bodies);
            }
            assert_eq!((out.len() - before) as u64, visible);
        }
        out
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn queue_and_dead_letter_queue_conserve_messages(lives in proptest::collection::vec(life(), 1..8)) {
        let mut disk = Disk { store: MemoryStore::new(4), ids: Ids::seeded(3), sent: 0 };
        process(async {
            let world = disk.start().await;
            world.create("dead", &[]).await;
            world.create("orders", &[("RedrivePolicy", &redrive("dead", 1)), ("VisibilityTimeout", "0")]).await;
            world.settle().await;
        });
        for life in &lives {
            disk.store.crash(usize::MAX);
            process(disk.live(life));
        }
        disk.store.crash(usize::MAX);
        process(async {
            let all = disk.all().await;
            let expected: BTreeSet<String> = (0..disk.sent).map(|n| n.to_string()).collect();
            assert_eq!(all.len(), disk.sent, "{all:?}");
            assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), expected);
        });
    }
}
