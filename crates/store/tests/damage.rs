//! A store that isn't what it was is refused, with the reason, and left as it is.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "tests, their helpers included"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ropeway_store::embedded::{BulkKeys, Options};
use ropeway_store::suite::{commit, everything, open, put};
use ropeway_store::{CommitError, EmbeddedStore, OpenError, Room, Store};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn options() -> Options {
    // The mark is written when the store is closed, and not before.
    Options { shards: 2, mark_every: Duration::from_secs(3600), ..Options::default() }
}

/// A store with 100 commits of about 300 bytes, closed.
fn made() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = dir.path().join("store");
    let store = EmbeddedStore::open(&path, options()).unwrap();
    runtime().block_on(async {
        let shard = open(&store, 0).await;
        for n in 0..100u8 {
            commit(&*shard, vec![put([n], [n; 200])]).await.unwrap();
        }
        store.close().await.unwrap();
    });
    (dir, path)
}

fn reopen(path: &Path) -> Result<usize, OpenError> {
    let store = EmbeddedStore::open(path, options())?;
    Ok(runtime().block_on(async { everything(&*open(&store, 0).await).await.len() }))
}

fn journal(path: &Path) -> PathBuf {
    path.join("db/0.jnl")
}

/// Length of what the journal holds; zeros may follow.
fn written(path: &Path) -> usize {
    let bytes = fs::read(journal(path)).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_flipped_bit_anywhere_in_the_journal_is_refused() {
    let (_dir, path) = made();
    let sound = fs::read(journal(&path)).unwrap();
    let written = written(&path);
    let mut refused = 0;
    for at in (0..written).step_by(37).chain(written - 30..written) {
        flip(&journal(&path), at);
        let damaged = fs::read(journal(&path)).unwrap();
        match reopen(&path) {
            // The engine's number of the last batch is in no checksum, and nothing depends on it.
            Ok(rows) => assert!(rows == 100 && at > written - 350, "byte {at} of {written}: {rows} rows"),
            Err(OpenError::Damaged(_) | OpenError::Lost { .. }) => {
                assert_eq!(
                    fs::read(journal(&path)).unwrap(),
                    damaged,
                    "{at}: what is refused is not changed"
                );
                refused += 1;
            }
            Err(e) => panic!("byte {at} of {written}: {e}"),
        }
        fs::write(journal(&path), &sound).unwrap();
    }
    assert!(refused > 800, "{refused}");
    assert_eq!(reopen(&path).unwrap(), 100);
}

#[test]
fn a_journal_that_was_cut_off_is_refused() {
    let (_dir, path) = made();
    let sound = fs::read(journal(&path)).unwrap();
    let written = written(&path);
    for length in (0..written).step_by(371).chain([written - 1]) {
        fs::write(journal(&path), &sound[..length]).unwrap();
        let error = reopen(&path).expect_err(&format!("{length} bytes of {written}"));
        assert!(
            matches!(error, OpenError::Lost { recovered, durable } if recovered < durable),
            "{length}: {error}"
        );
    }
    for zeroed in [0..written, written / 2..written, written / 3..written / 2] {
        let mut bytes = sound.clone();
        bytes[zeroed.clone()].fill(0);
        fs::write(journal(&path), bytes).unwrap();
        let error = reopen(&path).expect_err(&format!("zeros at {zeroed:?}"));
        assert!(matches!(error, OpenError::Damaged(_) | OpenError::Lost { .. }), "{zeroed:?}: {error}");
    }
}

/// Damage of the newest commits is told from an unfinished one even where the mark doesn't reach.
#[test]
fn damage_behind_the_mark_is_refused_where_commits_follow() {
    let (_dir, path) = made();
    let mark = fs::read(path.join("durable")).unwrap();
    let store = EmbeddedStore::open(&path, options()).unwrap();
    let before = written(&path);
    runtime().block_on(async {
        let shard = open(&store, 0).await;
        for n in 100..110u8 {
            commit(&*shard, vec![put([n], [n; 200])]).await.unwrap();
        }
        store.close().await.unwrap();
    });
    drop(store);
    fs::write(path.join("durable"), mark).unwrap();
    let sound = fs::read(journal(&path)).unwrap();
    flip(&journal(&path), before + 500);
    assert!(matches!(reopen(&path), Err(OpenError::Damaged(_))));
    // The last commit alone may be an unfinished one, and is cut off; that loss cannot be seen.
    fs::write(journal(&path), sound).unwrap();
    let last = written(&path) - 20;
    flip(&journal(&path), last);
    assert_eq!(reopen(&path).unwrap(), 109);
}

#[test]
fn missing_and_unreadable_files_are_refused() {
    for name in
        ["format", "durable", "db/0.jnl", "db/version", "db/keyspaces/1/current", "db/keyspaces/0", "db"]
    {
        let (_dir, path) = made();
        match path.join(name) {
            dir if dir.is_dir() => fs::remove_dir_all(dir).unwrap(),
            file => fs::remove_file(file).unwrap(),
        }
        reopen(&path).expect_err(name);
    }
    for name in ["format", "durable", "db/version", "db/keyspaces/1/current", "db/keyspaces/0/current"] {
        let (_dir, path) = made();
        fs::write(path.join(name), b"not what it was").unwrap();
        reopen(&path).expect_err(name);
    }
}

#[test]
fn a_table_with_a_flipped_bit_is_noticed() {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = dir.path().join("store");
    let options = || Options { memtable_bytes: 32 * 1024, cache_bytes: 0, ..options() };
    let store = EmbeddedStore::open(&path, options()).unwrap();
    let runtime = runtime();
    let tables = || -> Vec<PathBuf> {
        let entries = fs::read_dir(path.join("db/keyspaces/1/tables")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    runtime.block_on(async {
        let shard = open(&store, 0).await;
        let mut n = 0u64;
        while tables().is_empty() {
            commit(&*shard, vec![put(n.to_be_bytes(), [1; 500])]).await.unwrap();
            n += 1;
        }
        store.close().await.unwrap();
    });
    drop(store);
    let table = tables().remove(0);
    let at = fs::metadata(&table).unwrap().len() as usize / 2;
    flip(&table, at);
    let noticed = EmbeddedStore::open(&path, options()).map(|store| {
        runtime.block_on(async {
            let shard = open(&store, 0).await;
            let all = ropeway_store::Range {
                from: std::ops::Bound::Unbounded,
                to: std::ops::Bound::Unbounded,
                reverse: false,
            };
            shard.scan(all, 10_000).await.map(|page| page.rows.len())
        })
    });
    assert!(!matches!(noticed, Ok(Ok(_))), "{noticed:?}");
}

#[test]
fn another_format_is_refused_by_its_number() {
    let (_dir, path) = made();
    let text = fs::read_to_string(path.join("format")).unwrap();
    fs::write(path.join("format"), text.replace("format 1", "format 7")).unwrap();
    let error = reopen(&path).unwrap_err();
    assert!(matches!(error, OpenError::Format { found: 7, expected: 1 }), "{error}");
    assert_eq!(error.to_string(), "the store has format 7, and this version reads and writes format 1");
}

#[test]
fn one_process_at_a_time() {
    let (_dir, path) = made();
    let first = EmbeddedStore::open(&path, options()).unwrap();
    assert!(matches!(EmbeddedStore::open(&path, options()), Err(OpenError::InUse(_))));
    drop(first);
    assert_eq!(reopen(&path).unwrap(), 100);
}

#[test]
fn shards_and_bulk_keys_are_those_it_was_made_with() {
    let (_dir, path) = made();
    let bulk_keys = BulkKeys { begin: Bytes::new(), end: None };
    let store = EmbeddedStore::open(&path, Options { shards: 99, bulk_keys, ..options() }).unwrap();
    assert_eq!(store.shards(), 2);
    assert_eq!(runtime().block_on(async { everything(&*open(&store, 0).await).await.len() }), 100);
}

#[test]
fn little_free_space_leaves_room_for_deletes_alone() {
    let (_dir, path) = made();
    let store = EmbeddedStore::open(&path, options()).unwrap();
    assert_eq!(store.room(), Room::Enough);
    drop(store);
    let store = EmbeddedStore::open(&path, Options { reserve_bytes: u64::MAX, ..options() }).unwrap();
    assert_eq!(store.room(), Room::DeletesOnly);
}

/// The engine's own threads fail, here since their directory is gone, and that is told once.
#[test]
fn a_failed_engine_is_told_once_and_takes_nothing_more() {
    let (_dir, path) = made();
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = told.clone();
    let on_fatal = Arc::new(move |why: &str| telling.lock().unwrap().push(why.to_owned()));
    let options =
        Options { memtable_bytes: 4096, mark_every: Duration::from_millis(1), on_fatal, ..options() };
    fs::remove_dir_all(&path).unwrap();
    let store = EmbeddedStore::open(&path, options).unwrap();
    runtime().block_on(async {
        let shard = open(&store, 0).await;
        let lease = store.acquire(ropeway_store::ShardId(1), "other").await.unwrap();
        fs::remove_dir_all(path.join("db")).unwrap();
        let mut n = 0u64;
        let error = loop {
            match commit(&*shard, vec![put(n.to_be_bytes(), [1; 1000])]).await {
                Ok(_) => n += 1,
                Err(e) => break e,
            }
        };
        assert!(matches!(error, CommitError::Fatal(_)), "{error}");
        assert!(matches!(store.renew(&lease).await, Err(CommitError::Fatal(_))));
        assert!(matches!(commit(&*shard, vec![]).await, Err(CommitError::Fatal(_))));
        assert!(matches!(store.close().await, Err(CommitError::Fatal(_))));
    });
    assert_eq!(told.lock().unwrap().len(), 1);
}
