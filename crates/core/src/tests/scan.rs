//! Reads of a transaction, over commits under way and the store, against a map.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use ropeway_store::{MemoryStore, Range, Shard, Store};

use crate::{Ids, ShardId, Signals, Tx};

type Map = BTreeMap<Bytes, Bytes>;

#[derive(Debug, Clone)]
enum Step {
    Put(u8, u8),
    Delete(u8),
    /// The command succeeded, or failed.
    Keep(bool),
    /// The batch goes to the store, which holds it.
    Close,
    /// The oldest commit becomes durable.
    Sync,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..40u8, any::<u8>()).prop_map(|(key, value)| Step::Put(key, value)),
        4 => (0..40u8).prop_map(Step::Delete),
        3 => prop::bool::weighted(0.8).prop_map(Step::Keep),
        2 => Just(Step::Close),
        2 => Just(Step::Sync),
    ]
}

/// Keys of different lengths, so that one may begin another.
fn key(number: u8) -> Bytes {
    let text = format!("{:02}", number / 2);
    Bytes::from(if number.is_multiple_of(2) { text } else { text + "x" })
}

/// Values large enough that some pages of the store end by their bytes.
fn value(number: u8) -> Bytes {
    Bytes::from(vec![number; usize::from(number) * 256])
}

struct Model {
    store: MemoryStore,
    tx: Tx,
    shard: Arc<dyn Shard>,
    under_way: usize,
    /// What a command sees, and what is left of it if it fails.
    seen: Map,
    kept: Map,
}

impl Model {
    async fn new() -> Model {
        let store = MemoryStore::new(1);
        let lease = store.acquire(ShardId(0), "test").await.unwrap();
        let shard = store.open(lease).await.unwrap();
        let tx = Tx::new(ShardId(0), 1, Arc::clone(&shard), Ids::seeded(1), Arc::new(Signals::default()));
        store.hold();
        Model { store, tx, shard, under_way: 0, seen: Map::new(), kept: Map::new() }
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Put(at, number) => {
                self.tx.put(key(at), value(number));
                self.seen.insert(key(at), value(number));
            }
            Step::Delete(at) => {
                self.tx.delete(key(at));
                self.seen.remove(&key(at));
            }
            Step::Keep(true) => {
                self.tx.keep().unwrap();
                self.kept = self.seen.clone();
            }
            Step::Keep(false) => {
                self.tx.drop_staged();
                self.seen = self.kept.clone();
            }
            Step::Close => {
                let (batch, _) = self.tx.close();
                self.shard.commit(batch, Box::new(|result| assert!(result.is_ok())));
                self.under_way += 1;
            }
            Step::Sync if self.under_way > 0 => {
                self.store.sync(1);
                self.tx.retire();
                self.under_way -= 1;
            }
            Step::Sync => {}
        }
    }

    async fn check(&self, range: &Range, limit: usize) {
        for at in 0..40 {
            assert_eq!(self.tx.get(&key(at)).await.unwrap().as_ref(), self.seen.get(&key(at)));
        }
        let mut expected: Vec<(Bytes, Bytes)> = match range.is_empty() {
            true => Vec::new(),
            false => {
                let found = self.seen.range((range.from.clone(), range.to.clone()));
                found.map(|(key, value)| (key.clone(), value.clone())).collect()
            }
        };
        if range.reverse {
            expected.reverse();
        }
        let page = self.tx.scan(range.clone(), limit).await.unwrap();
        assert_eq!(page.rows.len(), expected.len().min(limit), "a page is full, or the last");
        assert!(page.more || expected.len() <= limit, "it says that there is more");
        assert!(page.rows == expected[..page.rows.len()]);
        self.check_pages(range, &expected, limit.max(1)).await;
    }

    /// Page by page, everything is there once.
    async fn check_pages(&self, range: &Range, expected: &[(Bytes, Bytes)], limit: usize) {
        let mut found: Vec<(Bytes, Bytes)> = Vec::new();
        let mut range = range.clone();
        loop {
            let page = self.tx.scan(range.clone(), limit).await.unwrap();
            let more = page.more && !page.rows.is_empty();
            found.extend(page.rows);
            let Some((last, _)) = found.last().filter(|_| more) else { break };
            let last = Bound::Excluded(last.clone());
            *(if range.reverse { &mut range.to } else { &mut range.from }) = last;
        }
        assert!(found == expected);
    }
}

fn bound() -> impl Strategy<Value = Bound<Bytes>> {
    let at = (0..44u8).prop_map(key);
    prop_oneof![Just(Bound::Unbounded), at.clone().prop_map(Bound::Included), at.prop_map(Bound::Excluded)]
}

fn range() -> impl Strategy<Value = Range> {
    (bound(), bound(), any::<bool>()).prop_map(|(from, to, reverse)| Range { from, to, reverse })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_transaction_reads_as_a_map(
        steps in prop::collection::vec(step(), 0..120),
        reads in prop::collection::vec((range(), 0..12usize), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut model = Model::new().await;
            for (at, step) in steps.iter().enumerate() {
                model.run(step);
                if at % 20 == 0 {
                    model.check(&reads[0].0, reads[0].1).await;
                }
            }
            for (range, limit) in &reads {
                model.check(range, *limit).await;
            }
        });
    }

    #[test]
    fn prefixes_hold_their_own(
        steps in prop::collection::vec(step(), 0..60),
        prefix in 0..40u8,
        after in prop::option::of(0..40u8),
        limit in 1..5usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut model = Model::new().await;
            steps.iter().for_each(|step| model.run(step));
            let (prefix, after) = (key(prefix), after.map(key));
            let page = model.tx.scan_prefix(&prefix, after.as_ref(), limit).await.unwrap();
            let within = |key: &&Bytes| key.starts_with(&prefix) && after.as_ref().is_none_or(|after| *key > after);
            let expected: Vec<&Bytes> = model.seen.keys().filter(within).collect();
            assert!(page.rows.iter().map(|(key, _)| key).eq(expected.iter().take(limit).copied()));
        });
    }
}
