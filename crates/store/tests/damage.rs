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
    drop(store);
    // The zeros behind what it holds would only make copies slow.
    let file = fs::OpenOptions::new().write(true).open(journal(&path)).unwrap();
    file.set_len(written(&path) as u64).unwrap();
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

/// A copy of a store's directory.
fn copy(path: &Path) -> (tempfile::TempDir, PathBuf) {
    fn copy_into(from: &Path, to: &Path) {
        fs::create_dir(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            let target = to.join(entry.file_name());
            match entry.path().is_dir() {
                true => copy_into(&entry.path(), &target),
                false => drop(fs::copy(entry.path(), target).unwrap()),
            }
        }
    }
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let to = dir.path().join("store");
    copy_into(path, &to);
    (dir, to)
}

/// The file of the log that commits were written to.
fn log(path: &Path) -> PathBuf {
    path.join("wal/0.wal")
}

/// A store as a crash leaves it after `rows` more commits: what the engine had of them is lost, and the mark is
/// from before.
fn crashed(path: &Path, rows: u8) -> (tempfile::TempDir, PathBuf) {
    let store = EmbeddedStore::open(path, options()).unwrap();
    let (journal_before, mark) = (fs::read(journal(path)).unwrap(), fs::read(path.join("durable")).unwrap());
    let crashed = runtime().block_on(async {
        let shard = open(&store, 0).await;
        for n in 100..100 + rows {
            commit(&*shard, vec![put([n], [n; 200])]).await.unwrap();
        }
        copy(path)
    });
    fs::write(journal(&crashed.1), journal_before).unwrap();
    fs::write(crashed.1.join("durable"), mark).unwrap();
    crashed
}

#[test]
fn a_flipped_bit_in_the_engines_journal_is_mended_from_the_log_or_refused() {
    let (_dir, path) = made();
    let written = written(&path);
    let (mut mended, mut refused) = (0, 0);
    for at in (0..written).step_by(257).chain(written - 30..written) {
        for with_log in [true, false] {
            let (_copy, path) = copy(&path);
            if !with_log {
                fs::remove_dir_all(path.join("wal")).unwrap();
            }
            flip(&journal(&path), at);
            let damaged = fs::read(journal(&path)).unwrap();
            match reopen(&path) {
                // The engine's number of the last batch is in no checksum, and nothing depends on it.
                Ok(rows) => {
                    assert!(rows == 100 && (with_log || at > written - 350), "byte {at}: {rows} rows");
                    mended += u32::from(with_log);
                }
                Err(OpenError::Damaged(_) | OpenError::Lost { .. }) => {
                    assert!(!with_log || at < 100, "byte {at}: the log has it");
                    let same = fs::read(journal(&path)).unwrap() == damaged;
                    assert!(same, "{at}: what is refused is not changed");
                    refused += 1;
                }
                Err(e) => panic!("byte {at} of {written}: {e}"),
            }
        }
    }
    assert!(mended > 120 && refused > 120, "{mended} mended, {refused} refused");
}

#[test]
fn a_journal_that_was_cut_off_is_mended_from_the_log_or_refused() {
    let (_dir, path) = made();
    let sound = fs::read(journal(&path)).unwrap();
    let written = written(&path);
    let spoilt = |bytes: &[u8], with_log: bool| {
        let (_copy, path) = copy(&path);
        if !with_log {
            fs::remove_dir_all(path.join("wal")).unwrap();
        }
        fs::write(journal(&path), bytes).unwrap();
        reopen(&path)
    };
    for length in (300..written).step_by(1171).chain([written - 1]) {
        assert_eq!(spoilt(&sound[..length], true).unwrap(), 100, "{length} bytes of {written}");
        spoilt(&sound[..length], false).expect_err(&format!("{length} bytes of {written}"));
    }
    for zeroed in [0..written, written / 2..written, written / 3..written / 2] {
        let mut bytes = sound.clone();
        bytes[zeroed.clone()].fill(0);
        let error = spoilt(&bytes, false).expect_err(&format!("zeros at {zeroed:?}"));
        assert!(matches!(error, OpenError::Damaged(_) | OpenError::Lost { .. }), "{zeroed:?}: {error}");
        assert!(spoilt(&bytes, true).is_ok_and(|rows| rows == 100) || zeroed.start == 0);
    }
}

/// Damage of the newest commits is told from an unfinished one even where the mark doesn't reach.
#[test]
fn damage_in_the_log_is_refused_where_commits_follow() {
    let (_dir, path) = made();
    let (_crashed, path) = crashed(&path, 10);
    let blocks = fs::read(log(&path)).unwrap().chunks(4096).take_while(|block| block[0] != 0).count();
    assert!(blocks > 10, "{blocks}");
    for block in 0..blocks {
        let (_copy, path) = copy(&path);
        flip(&log(&path), block * 4096 + 30);
        let damaged = fs::read(log(&path)).unwrap();
        match reopen(&path) {
            // The last commit alone may be an unfinished one; that loss cannot be seen.
            Ok(rows) => assert_eq!((rows, block), (109, blocks - 1)),
            Err(OpenError::Damaged(_)) => {
                assert!(block < blocks - 1 && fs::read(log(&path)).unwrap() == damaged)
            }
            Err(e) => panic!("block {block}: {e}"),
        }
    }
    assert_eq!(reopen(&path).unwrap(), 110);
    assert_eq!(reopen(&path).unwrap(), 110, "with the log emptied");
}

/// What the mark names must be there, whatever is missing.
#[test]
fn a_log_that_lost_what_was_durable_is_refused() {
    let (_dir, original) = made();
    let (_crashed, path) = crashed(&original, 10);
    let (_copy, without_mark) = copy(&path);
    // The store that went on has its mark from after the commits.
    fs::copy(original.join("durable"), path.join("durable")).unwrap();
    fs::rename(log(&path), original.join("log")).unwrap();
    assert!(matches!(reopen(&path), Err(OpenError::Lost { .. })));
    fs::rename(original.join("log"), log(&path)).unwrap();
    assert_eq!(reopen(&path).unwrap(), 110);
    fs::remove_file(log(&without_mark)).unwrap();
    assert_eq!(reopen(&without_mark).unwrap(), 100, "nothing tells of them");
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
    fs::write(path.join("format"), text.replace("format 7", "format 8")).unwrap();
    let error = reopen(&path).unwrap_err();
    assert!(matches!(error, OpenError::Format { found: 8, expected: 7 }), "{error}");
    assert_eq!(error.to_string(), "the store has format 8, and this version reads and writes format 7");
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
