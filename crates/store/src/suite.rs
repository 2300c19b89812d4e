//! What every engine must do, as checks that run against any of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests; they live in the library so that engines elsewhere can run them"
)]

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, mpsc};

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::{
    Batch, BoxFuture, CommitError, MAX_BATCH_BYTES, MAX_BATCH_OPS, MAX_KEY_BYTES, MAX_PAGE_BYTES,
    MAX_VALUE_BYTES, Op, Page, Range, Seq, Shard, ShardId, Store,
};

/// A store under test, empty at first.
pub struct Subject {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Closes it and opens it again.
    pub reopen: Reopen,
}

/// Closes a store and opens it again.
pub type Reopen = Box<dyn Fn(Arc<dyn Store>) -> BoxFuture<'static, Arc<dyn Store>>>;

type Check = fn(Arc<dyn Store>) -> BoxFuture<'static, ()>;

/// Runs every check, each on a store of its own with at least 3 shards.
pub fn run(make: &dyn Fn() -> Subject) {
    let checks: [(&str, Check); 10] = [
        ("order", |s| Box::pin(order(s))),
        ("atomic", |s| Box::pin(atomic(s))),
        ("same key twice", |s| Box::pin(same_key_twice(s))),
        ("ranges", |s| Box::pin(ranges(s))),
        ("pages", |s| Box::pin(pages(s))),
        ("limits", |s| Box::pin(limits(s))),
        ("shards apart", |s| Box::pin(shards_apart(s))),
        ("leases", |s| Box::pin(leases(s))),
        ("later ones fail too", |s| Box::pin(later_ones_fail_too(s))),
        ("closed", |s| Box::pin(closed(s))),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (name, check) in checks {
        tracing::debug!(name, "store suite");
        // What reopens the store also keeps its directory.
        let Subject { store, reopen: _kept } = make();
        runtime.block_on(check(store));
    }
    runtime.block_on(async {
        let Subject { store, reopen } = make();
        reopened(store, reopen).await;
    });
    model(make, &runtime);
}

/// Acquires and opens a shard.
pub async fn open(store: &dyn Store, shard: u16) -> Arc<dyn Shard> {
    let lease = store.acquire(ShardId(shard), "suite").await.unwrap();
    store.open(lease).await.unwrap()
}

/// Commits, waits for the answer, and until it shows.
pub async fn commit(shard: &dyn Shard, ops: Vec<Op>) -> Result<Seq, CommitError> {
    let (answer, answered) = tokio::sync::oneshot::channel();
    shard.commit(Batch { ops }, Box::new(move |result| drop(answer.send(result))));
    let seq = answered.await.unwrap()?;
    shard.settle().await.map_err(|e| CommitError::Fatal(e.0))?;
    assert!(shard.shown_seq() >= seq && shard.last_seq() >= seq);
    Ok(seq)
}

/// A put.
pub fn put(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Op {
    Op::Put(Bytes::copy_from_slice(key.as_ref()), Bytes::copy_from_slice(value.as_ref()))
}

/// A delete.
pub fn delete(key: impl AsRef<[u8]>) -> Op {
    Op::Delete(Bytes::copy_from_slice(key.as_ref()))
}

fn all() -> Range {
    Range { from: Bound::Unbounded, to: Bound::Unbounded, reverse: false }
}

fn bytes(key: &[u8]) -> Bytes {
    Bytes::copy_from_slice(key)
}

async fn get(shard: &dyn Shard, key: &[u8]) -> Option<Bytes> {
    shard.get(&[bytes(key)]).await.unwrap().remove(0)
}

/// Every row, page by page.
pub async fn everything(shard: &dyn Shard) -> Vec<(Bytes, Bytes)> {
    let mut rows: Vec<(Bytes, Bytes)> = Vec::new();
    loop {
        let from = rows.last().map_or(Bound::Unbounded, |(key, _)| Bound::Excluded(key.clone()));
        let page = shard.scan(Range { from, ..all() }, 100).await.unwrap();
        rows.extend(page.rows);
        if !page.more {
            return rows;
        }
    }
}

async fn order(store: Arc<dyn Store>) {
    let shard = open(&*store, 0).await;
    assert_eq!(shard.last_seq(), Seq(0));
    let (answers, answered) = mpsc::channel();
    for n in 0..500u32 {
        let answers = answers.clone();
        let batch = Batch { ops: vec![put(b"last", n.to_be_bytes()), put(n.to_be_bytes(), b"")] };
        shard.commit(batch, Box::new(move |result| answers.send((n, result)).unwrap()));
    }
    for n in 0..500u32 {
        assert_eq!(answered.recv().unwrap(), (n, Ok(Seq(u64::from(n) + 1))));
    }
    shard.settle().await.unwrap();
    assert_eq!((shard.last_seq(), shard.shown_seq()), (Seq(500), Seq(500)));
    assert_eq!(get(&*shard, b"last").await.unwrap(), 499u32.to_be_bytes().as_slice());
    assert_eq!(everything(&*shard).await.len(), 501);
}

async fn atomic(store: Arc<dyn Store>) {
    let shard = open(&*store, 1).await;
    for round in 0..50u8 {
        // One below, one above the line between the kinds of keys.
        let (answer, answered) = mpsc::channel();
        let ops = vec![put([0], [round]), put([0xFF], [round]), delete([1, round]), put([1, round + 1], [])];
        shard.commit(Batch { ops }, Box::new(move |result| answer.send(result).unwrap()));
        let rows = shard.scan(all(), 10).await.unwrap().rows;
        if let [(low, a), (_, _), (high, b)] = rows.as_slice() {
            assert_eq!((low.as_ref(), high.as_ref()), ([0].as_slice(), [0xFF].as_slice()));
            assert_eq!(a, b, "half a batch shows");
        } else {
            assert!(rows.is_empty() && round == 0, "half a batch shows: {rows:?}");
        }
        answered.recv().unwrap().unwrap();
        shard.settle().await.unwrap();
    }
    assert_eq!(commit(&*shard, vec![]).await, Ok(Seq(51)), "an empty batch counts");
}

async fn same_key_twice(store: Arc<dyn Store>) {
    let shard = open(&*store, 0).await;
    for key in [[1], [200]] {
        commit(&*shard, vec![put(key, b"a"), put(key, b"b")]).await.unwrap();
        assert_eq!(get(&*shard, &key).await.unwrap(), "b");
        commit(&*shard, vec![put(key, b"c"), delete(key)]).await.unwrap();
        assert_eq!(get(&*shard, &key).await, None);
        commit(&*shard, vec![delete(key), put(key, b"d")]).await.unwrap();
        assert_eq!(get(&*shard, &key).await.unwrap(), "d");
        commit(&*shard, vec![delete(key), delete(key), delete(b"never there")]).await.unwrap();
        assert_eq!(get(&*shard, &key).await, None);
    }
}

async fn ranges(store: Arc<dyn Store>) {
    let shard = open(&*store, 2).await;
    let keys: [&[u8]; 7] = [b"", b"a", b"a\0", b"b", &[0x7F, 0xFF], &[0x80], &[0xFF, 0xFF, 0xFF]];
    commit(&*shard, keys.iter().map(|key| put(key, key)).collect()).await.unwrap();
    let mut ends = vec![Bound::Unbounded];
    let others: [&[u8]; 4] = [b"0", &[0x7F], &[0x80, 0], &[0xFF; 8]];
    for key in keys.iter().chain(&others) {
        ends.extend([Bound::Included(bytes(key)), Bound::Excluded(bytes(key))]);
    }
    for from in &ends {
        for to in &ends {
            let inside = |key: &&&[u8]| match (from, to) {
                (Bound::Included(from), _) if **key < from.as_ref() => false,
                (Bound::Excluded(from), _) if **key <= from.as_ref() => false,
                (_, Bound::Included(to)) => **key <= to.as_ref(),
                (_, Bound::Excluded(to)) => **key < to.as_ref(),
                _ => true,
            };
            let mut expected: Vec<&&[u8]> = keys.iter().filter(inside).collect();
            for reverse in [false, true] {
                let range = Range { from: from.clone(), to: to.clone(), reverse };
                let page = shard.scan(range, 100).await.unwrap();
                let found: Vec<&[u8]> = page.rows.iter().map(|(key, _)| key.as_ref()).collect();
                assert_eq!(found, expected.iter().map(|key| **key).collect::<Vec<_>>(), "{from:?} to {to:?}");
                assert!(!page.more && page.rows.iter().all(|(key, value)| key == value));
                expected.reverse();
            }
        }
    }
}

async fn pages(store: Arc<dyn Store>) {
    let shard = open(&*store, 0).await;
    let count = |page: &Page| (page.rows.len(), page.more);
    assert_eq!(count(&shard.scan(all(), 0).await.unwrap()), (0, false));
    for half in [0u8, 128] {
        let ops = (0..100u8).map(|n| put([half + n], [n])).collect();
        commit(&*shard, ops).await.unwrap();
    }
    for (limit, expected) in
        [(0, (0, true)), (1, (1, true)), (199, (199, true)), (200, (200, false)), (999, (200, false))]
    {
        for reverse in [false, true] {
            let page = shard.scan(Range { reverse, ..all() }, limit).await.unwrap();
            assert_eq!(count(&page), expected);
            let first = page.rows.first().map(|(key, _)| key[0]);
            assert_eq!(first, (limit > 0).then_some(if reverse { 227 } else { 0 }));
        }
    }
    assert_eq!(everything(&*shard).await.len(), 200);
    let value = vec![7; MAX_VALUE_BYTES];
    for n in 0..20u8 {
        commit(&*shard, vec![put([n], &value)]).await.unwrap();
    }
    let page = shard.scan(all(), 999).await.unwrap();
    assert_eq!(count(&page), (MAX_PAGE_BYTES / (MAX_VALUE_BYTES + 1), true));
    assert_eq!(everything(&*shard).await.len(), 200);
}

async fn limits(store: Arc<dyn Store>) {
    let within = vec![
        vec![put(vec![1; MAX_KEY_BYTES], vec![1; MAX_VALUE_BYTES])],
        (0..MAX_BATCH_OPS).map(|n| put(n.to_be_bytes(), b"")).collect(),
        (0..MAX_BATCH_BYTES / (64 * 1024)).map(|n| put([n as u8], vec![1; 64 * 1024 - 1])).collect(),
    ];
    let past = vec![
        vec![put(vec![1; MAX_KEY_BYTES + 1], b"")],
        vec![delete(vec![1; MAX_KEY_BYTES + 1])],
        vec![put(b"", vec![1; MAX_VALUE_BYTES + 1])],
        (0..=MAX_BATCH_OPS).map(|n| put(n.to_be_bytes(), b"")).collect(),
        (0..=MAX_BATCH_BYTES / (64 * 1024)).map(|n| put([n as u8], vec![1; 64 * 1024 - 1])).collect(),
    ];
    for ops in within {
        let shard = open(&*store, 0).await;
        commit(&*shard, ops).await.unwrap();
    }
    for ops in past {
        let shard = open(&*store, 1).await;
        let ops = [vec![put(b"first", b"")], ops].concat();
        assert!(matches!(commit(&*shard, ops).await, Err(CommitError::Fatal(_))));
        assert_eq!((shard.last_seq(), everything(&*shard).await.len()), (Seq(0), 0), "something was written");
    }
}

async fn shards_apart(store: Arc<dyn Store>) {
    let last = store.shards() - 1;
    assert!(store.acquire(ShardId(last + 1), "suite").await.is_err());
    let (zero, one, highest) = (open(&*store, 0).await, open(&*store, 1).await, open(&*store, last).await);
    commit(&*zero, vec![put([0xFF; 9], b"zero"), put(b"", b"zero")]).await.unwrap();
    commit(&*one, vec![put([0xFF; 9], b"one"), put(b"", b"one")]).await.unwrap();
    commit(&*one, vec![put(b"k", b"one")]).await.unwrap();
    commit(&*highest, vec![put([0xFF; 9], b"highest")]).await.unwrap();
    for (shard, name, seq, rows) in [(zero, "zero", 1, 2), (one, "one", 2, 3), (highest, "highest", 1, 1)] {
        let found = everything(&*shard).await;
        assert!(found.iter().all(|(_, value)| value == name), "{name}: {found:?}");
        assert_eq!((shard.last_seq(), found.len()), (Seq(seq), rows));
    }
}

async fn leases(store: Arc<dyn Store>) {
    let older = store.acquire(ShardId(0), "a").await.unwrap();
    let shard = store.open(older.clone()).await.unwrap();
    commit(&*shard, vec![put(b"k", b"older")]).await.unwrap();
    store.renew(&older).await.unwrap();
    let newer = store.acquire(ShardId(0), "b").await.unwrap();
    assert_eq!(newer.epoch, older.epoch + 1);
    assert_eq!(store.renew(&older).await, Err(CommitError::Fenced));
    assert!(matches!(store.open(older.clone()).await.map(|_| ()), Err(CommitError::Fenced)));
    assert_eq!(commit(&*shard, vec![put(b"k", b"fenced")]).await, Err(CommitError::Fenced));
    assert_eq!(store.release(older).await, Err(CommitError::Fenced));
    let first = store.open(newer.clone()).await.unwrap();
    let second = store.open(newer.clone()).await.unwrap();
    assert_eq!(commit(&*first, vec![put(b"k", b"fenced")]).await, Err(CommitError::Fenced));
    assert_eq!(commit(&*second, vec![delete(b"none")]).await, Ok(Seq(2)));
    assert_eq!(get(&*second, b"k").await.unwrap(), "older");
    store.release(newer).await.unwrap();
    assert_eq!(commit(&*second, vec![put(b"k", b"fenced")]).await, Err(CommitError::Fenced));
}

async fn later_ones_fail_too(store: Arc<dyn Store>) {
    let lease = store.acquire(ShardId(0), "suite").await.unwrap();
    let shard = store.open(lease.clone()).await.unwrap();
    let bad = commit(&*shard, vec![put(vec![1; MAX_KEY_BYTES + 1], b"")]).await.unwrap_err();
    assert_eq!(commit(&*shard, vec![put(b"on top", b"")]).await, Err(bad));
    let again = store.open(lease).await.unwrap();
    assert_eq!(commit(&*again, vec![put(b"k", b"")]).await, Ok(Seq(1)));
    assert_eq!(everything(&*again).await.len(), 1);
}

async fn closed(store: Arc<dyn Store>) {
    let shard = open(&*store, 0).await;
    let (answer, answered) = mpsc::channel();
    shard.commit(Batch { ops: vec![put(b"k", b"")] }, Box::new(move |result| answer.send(result).unwrap()));
    store.close().await.unwrap();
    assert_eq!(answered.recv().unwrap(), Ok(Seq(1)), "closing finishes what is under way");
    assert!(matches!(commit(&*shard, vec![]).await, Err(CommitError::Fatal(_))));
    assert!(store.acquire(ShardId(0), "suite").await.is_err());
    assert!(shard.get(&[bytes(b"k")]).await.is_err());
    assert!(store.close().await.is_err());
}

async fn reopened(store: Arc<dyn Store>, reopen: Reopen) {
    let mut store = store;
    let mut epoch = 0;
    for round in 1..5u64 {
        let lease = store.acquire(ShardId(2), "suite").await.unwrap();
        assert!(lease.epoch > epoch);
        epoch = lease.epoch;
        let shard = store.open(lease).await.unwrap();
        assert_eq!((shard.last_seq(), shard.shown_seq()), (Seq(round - 1), Seq(round - 1)));
        let key = round.to_be_bytes();
        assert_eq!(
            commit(&*shard, vec![put(key, b"low"), put([0xFF, key[7]], b"high")]).await,
            Ok(Seq(round))
        );
        drop(shard);
        store = reopen(store).await;
        let shard = open(&*store, 2).await;
        epoch += 1;
        assert_eq!(everything(&*shard).await.len() as u64, 2 * round);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Commit(u16, Vec<Op>),
    Scan(u16, Range, usize),
    Reopen,
}

fn key() -> impl Strategy<Value = Bytes> {
    let first = prop_oneof![Just(0u8), Just(1), Just(0x7F), Just(0x80), Just(0xFF)];
    prop::collection::vec(first, 0..3).prop_map(Bytes::from)
}

fn bound() -> impl Strategy<Value = Bound<Bytes>> {
    prop_oneof![Just(Bound::Unbounded), key().prop_map(Bound::Included), key().prop_map(Bound::Excluded)]
}

fn step() -> impl Strategy<Value = Step> {
    let value = prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
    let op = prop_oneof![
        3 => (key(), value).prop_map(|(key, value)| Op::Put(key, value)),
        2 => key().prop_map(Op::Delete),
    ];
    let range = (bound(), bound(), any::<bool>()).prop_map(|(from, to, reverse)| Range { from, to, reverse });
    prop_oneof![
        8 => (0..3u16, prop::collection::vec(op, 0..8)).prop_map(|(shard, ops)| Step::Commit(shard, ops)),
        8 => (0..3u16, range, 0..8usize).prop_map(|(shard, range, limit)| Step::Scan(shard, range, limit)),
        1 => Just(Step::Reopen),
    ]
}

/// Random steps, compared with maps.
fn model(make: &dyn Fn() -> Subject, runtime: &tokio::runtime::Runtime) {
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let steps = prop::collection::vec(step(), 1..60);
    runner
        .run(&steps, |steps| {
            runtime.block_on(compare(make(), steps));
            Ok(())
        })
        .unwrap();
}

async fn compare(subject: Subject, steps: Vec<Step>) {
    let Subject { mut store, reopen } = subject;
    let mut models: Vec<(u64, BTreeMap<Bytes, Bytes>)> = vec![Default::default(); 3];
    let mut shards = vec![open(&*store, 0).await, open(&*store, 1).await, open(&*store, 2).await];
    for step in steps {
        match step {
            Step::Commit(at, ops) => {
                let (seq, model) = &mut models[usize::from(at)];
                *seq += 1;
                assert_eq!(commit(&*shards[usize::from(at)], ops.clone()).await, Ok(Seq(*seq)));
                for op in ops {
                    match op {
                        Op::Put(key, value) => model.insert(key, value),
                        Op::Delete(key) => model.remove(&key),
                    };
                }
            }
            Step::Scan(at, range, limit) => {
                let found = shards[usize::from(at)].scan(range.clone(), limit).await.unwrap();
                let (rows, more) = expected(&models[usize::from(at)].1, &range, limit);
                assert_eq!((found.rows, found.more), (rows, more), "{range:?}");
            }
            Step::Reopen => {
                shards.clear();
                store = reopen(store).await;
                for at in 0..3 {
                    shards.push(open(&*store, at).await);
                }
            }
        }
    }
    for (shard, (seq, model)) in shards.iter().zip(models) {
        assert_eq!(shard.last_seq(), Seq(seq));
        assert_eq!(everything(&**shard).await, model.clone().into_iter().collect::<Vec<_>>());
        let keys: Vec<Bytes> = model.keys().cloned().chain([bytes(b"not there")]).collect();
        let values = shard.get(&keys).await.unwrap();
        assert_eq!(values, keys.iter().map(|key| model.get(key).cloned()).collect::<Vec<_>>());
    }
}

fn expected(model: &BTreeMap<Bytes, Bytes>, range: &Range, limit: usize) -> (Vec<(Bytes, Bytes)>, bool) {
    if range.is_empty() {
        return (Vec::new(), false);
    }
    let bounds = (range.from.clone(), range.to.clone());
    let mut rows: Vec<(Bytes, Bytes)> =
        model.range::<Bytes, _>(bounds).map(|(key, value)| (key.clone(), value.clone())).collect();
    if range.reverse {
        rows.reverse();
    }
    let more = rows.len() > limit;
    rows.truncate(limit);
    (rows, more)
}
