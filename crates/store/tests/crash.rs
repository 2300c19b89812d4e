//! Kills, losses of power and failing calls: nothing acknowledged is ever lost.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "tests, their helpers included"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bytes::Bytes;
use futures_util::TryStreamExt;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use ropeway_store::blobs::{BlobId, BlobStore};
use ropeway_store::crash::{Call, Event, Fault, Log, Shim, Unsynced, replay};
use ropeway_store::embedded::Options;
use ropeway_store::suite::everything;
use ropeway_store::{EmbeddedStore, Shard, ShardId, Store};

const SHARDS: u16 = 3;

struct Bench {
    _dir: tempfile::TempDir,
    /// Without links, as the shim needs it.
    base: PathBuf,
    /// What is recorded.
    watched: PathBuf,
    /// In it, so that its own entry counts too.
    store: PathBuf,
    log: PathBuf,
    shim: Shim,
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let base = dir.path().canonicalize().unwrap();
        let shim = Shim::build(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
        let watched = base.join("watched");
        std::fs::create_dir(&watched).unwrap();
        Bench { store: watched.join("a/store"), log: base.join("log"), watched, base, _dir: dir, shim }
    }

    fn victim(&self, batches: u64, bytes: usize) -> Command {
        let mut victim = Command::new(env!("CARGO_BIN_EXE_crash_victim"));
        victim.arg(&self.store).arg(batches.to_string()).arg(bytes.to_string());
        self.shim.record(&mut victim, &self.watched, &self.log);
        victim
    }

    /// Runs victims one after the other, until they have made a file.
    fn until(&self, batches: u64, bytes: usize, file: fn(&Path) -> bool) -> Log {
        loop {
            let status = self.victim(batches, bytes).stdout(Stdio::null()).status().unwrap();
            assert!(status.success());
            let log = Log::read(&self.log).unwrap();
            if log.events().iter().any(|event| creates(event, file)) {
                return log;
            }
        }
    }

    /// Rebuilds the store at a point, in a place of its own.
    fn crashed(&self, log: &Log, point: usize, unsynced: Unsynced, rng: &mut StdRng) -> PathBuf {
        let into = self.base.join("crashed");
        if into.exists() {
            std::fs::remove_dir_all(&into).unwrap();
        }
        replay(log, point, unsynced, &mut || rng.next_u64(), &self.watched, &into).unwrap();
        into.join("a/store")
    }
}

/// The newest acknowledged batch of each shard, from the victim's output.
fn acknowledged(output: &[u8]) -> BTreeMap<u16, u64> {
    let mut newest = BTreeMap::new();
    for line in String::from_utf8(output.to_vec()).unwrap().lines() {
        let (shard, seq) = line.split_once(' ').unwrap();
        newest.insert(shard.parse().unwrap(), seq.parse().unwrap());
    }
    newest
}

/// Opens a store and checks that it holds what was acknowledged, and nothing but whole batches.
fn check(dir: &Path, acknowledged: &BTreeMap<u16, u64>) -> Result<(), String> {
    let options = Options { shards: SHARDS, ..Options::default() };
    let store = EmbeddedStore::open(dir, options).map_err(|e| e.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for number in 0..SHARDS {
            let lease = store.acquire(ShardId(number), "check").await.map_err(|e| e.to_string())?;
            let shard = store.open(lease).await.map_err(|e| e.to_string())?;
            let expected = acknowledged.get(&number).copied().unwrap_or_default();
            check_shard(&*shard, number, expected).await?;
        }
        store.close().await.map_err(|e| e.to_string())
    })
}

async fn check_shard(shard: &dyn Shard, number: u16, acknowledged: u64) -> Result<(), String> {
    let last = shard.last_seq().0;
    if last < acknowledged {
        return Err(format!("shard {number}: {acknowledged} was acknowledged, {last} is there"));
    }
    let mut keys: Vec<Bytes> = (1..=last).map(|seq| Bytes::copy_from_slice(&seq.to_be_bytes())).collect();
    let high = last.saturating_sub(19).max(1)..=last;
    keys.extend(high.map(|seq| Bytes::from([&[0xFF], seq.to_be_bytes().as_slice()].concat())));
    let rows = everything(shard).await;
    for ((key, value), expected) in rows.iter().zip(&keys) {
        let seq = u64::from_be_bytes(key[key.len() - 8..].try_into().unwrap());
        if key != expected || !value.starts_with(format!("{number} {seq} ").as_bytes()) {
            return Err(format!("shard {number}: found {key:?}, expected {expected:?}"));
        }
    }
    match rows.len() == keys.len() {
        true => Ok(()),
        false => Err(format!("shard {number}: {} rows of {}", rows.len(), keys.len())),
    }
}

#[test]
fn a_kill_loses_nothing() {
    let bench = Bench::new();
    let mut rng = StdRng::seed_from_u64(1);
    let mut newest = BTreeMap::new();
    for _ in 0..12 {
        let mut victim = bench.victim(1_000_000, 500).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        for _ in 0..rng.random_range(0..400) {
            let line = lines.next().unwrap().unwrap();
            newest.extend(acknowledged(line.as_bytes()));
        }
        victim.kill().unwrap();
        victim.wait().unwrap();
        // What it had said before the kill counts too. Each line is one write, so none is half.
        for line in lines {
            newest.extend(acknowledged(line.unwrap().as_bytes()));
        }
    }
    assert!(newest.values().all(|seq| *seq > 100), "the test is about more than that: {newest:?}");
    check(&bench.store, &newest).unwrap();
}

#[test]
fn a_loss_of_power_loses_nothing() {
    let bench = Bench::new();
    // Tables are written in the background, sooner or later.
    let log = bench.until(700, 100, |path| {
        let path = path.to_string_lossy();
        path.contains("/keyspaces/1/tables/") || path.contains("/keyspaces/2/tables/")
    });
    let mut rng = StdRng::seed_from_u64(2);
    // The making of the store call by call, and then here and there.
    let points = (0..120).chain((120..log.events().len()).step_by(7)).chain([log.events().len()]);
    crash_at(&bench, &log, points, &mut rng);
}

#[test]
fn a_loss_of_power_within_a_value_loses_nothing() {
    let bench = Bench::new();
    let status = bench.victim(60, 3000).stdout(Stdio::null()).status().unwrap();
    assert!(status.success());
    let log = Log::read(&bench.log).unwrap();
    let written = log.events().iter().enumerate().filter(|(_, event)| journal_write(event, 3000));
    crash_at(&bench, &log, written.map(|(at, _)| at + 1), &mut StdRng::seed_from_u64(6));
}

/// What opens a store after a crash may be cut short in its turn.
#[test]
fn a_second_loss_of_power_while_opening_loses_nothing() {
    let bench = Bench::new();
    let status = bench.victim(120, 1500).stdout(Stdio::null()).status().unwrap();
    assert!(status.success());
    let first = Log::read(&bench.log).unwrap();
    let mut rng = StdRng::seed_from_u64(7);
    // Behind writes that were not synced yet.
    let written = first.events().iter().enumerate().filter(|(_, event)| journal_write(event, 1500));
    let points: Vec<usize> = written.map(|(at, _)| at + 1).collect();
    for point in points.into_iter().rev().step_by(3).take(6) {
        std::fs::remove_dir_all(&bench.watched).unwrap();
        replay(&first, point, Unsynced::Torn, &mut || rng.next_u64(), &bench.watched, &bench.watched)
            .unwrap();
        let found = Log::of_directory(&bench.watched).unwrap();
        let begin = found.events().len();
        std::fs::remove_file(&bench.log).unwrap();
        let status = bench.victim(9, 1500).stdout(Stdio::null()).status().unwrap();
        assert!(status.success());
        let second = found.followed_by(&bench.log).unwrap();
        let before = acknowledged(&first.output_before(point));
        for again in begin..=second.events().len() {
            let mut newest = before.clone();
            newest.extend(acknowledged(&second.output_before(again)));
            let unsynced = if again % 2 == 0 { Unsynced::Lost } else { Unsynced::Torn };
            let dir = bench.crashed(&second, point, unsynced, &mut rng);
            check(&dir, &newest).unwrap_or_else(|e| panic!("crash at {point}, after {begin}: {e}"));
        }
    }
}

/// After a kill the next process sees what is in the kernel's memory alone: it must not build on that before it
/// has made it durable. Killed before each of its syncs in turn.
#[test]
fn a_loss_of_power_after_a_kill_loses_nothing() {
    let mut rng = StdRng::seed_from_u64(9);
    let kills = (1..).take_while(|nth| killed_before_a_sync(*nth, &mut rng)).count();
    assert!(kills > 60, "{kills}");
}

/// Kills a process before its sync of that number, has a next one work, and checks crashes of that one. Says no if
/// there was no such sync.
fn killed_before_a_sync(nth: u32, rng: &mut StdRng) -> bool {
    let bench = Bench::new();
    let mut victim = bench.victim(60, 500);
    bench.shim.fail(&mut victim, Fault { call: Call::Sync, nth, errno: 0 });
    let status = victim.stdout(Stdio::null()).status().unwrap();
    if status.success() {
        return false;
    }
    assert_eq!(status.signal(), Some(9));
    let begin = Log::read(&bench.log).unwrap().events().len();
    let status = bench.victim(6, 500).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "after a kill before sync {nth}");
    let log = Log::read(&bench.log).unwrap();
    let events = log.events();
    let of_log = |path: &Path| path.extension().is_some_and(|extension| extension == "wal");
    let emptied = events.iter().rposition(|event| matches!(event, Event::Unlink(path) if of_log(path)));
    let mark = events.iter().find_map(|event| match event {
        Event::Create { ino, path } if path.ends_with("durable") => Some(*ino),
        _ => None,
    });
    let marks =
        (begin..events.len()).filter(|at| matches!(events[*at], Event::Sync(ino) if Some(ino) == mark));
    let points = marks.chain(emptied.filter(|at| *at >= begin)).chain([events.len()]);
    crash_at(&bench, &log, points, rng);
    true
}

#[test]
fn a_loss_of_power_loses_no_blob() {
    let bench = Bench::new();
    let mut victim = Command::new(env!("CARGO_BIN_EXE_crash_victim"));
    bench.shim.record(&mut victim, &bench.watched, &bench.log);
    let status = victim.arg(&bench.store).args(["blobs", "40"]).stdout(Stdio::null()).status().unwrap();
    assert!(status.success());
    let log = Log::read(&bench.log).unwrap();
    let mut rng = StdRng::seed_from_u64(8);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let begin = log.events().iter().position(|event| matches!(event, Event::Output(_))).unwrap();
    for point in (begin + 1..=log.events().len()).step_by(5) {
        let output = String::from_utf8(log.output_before(point)).unwrap();
        let dir = bench.crashed(&log, point, Unsynced::Lost, &mut rng);
        let store = BlobStore::open_local(&dir).unwrap();
        for number in output.lines().map(|line| line.parse::<u8>().unwrap()) {
            let length = u64::from(number) * 40_000;
            let blob = runtime.block_on(async {
                let pieces = store.read(BlobId(u128::from(number) << 120), 0..length).await.unwrap();
                pieces.try_collect::<Vec<Bytes>>().await.unwrap().concat()
            });
            assert!(
                blob.len() as u64 == length && blob.iter().all(|byte| *byte == number),
                "crash at {point}"
            );
        }
    }
}

fn creates(event: &Event, file: fn(&Path) -> bool) -> bool {
    matches!(event, Event::Create { path, .. } if file(path))
}

fn journal_write(event: &Event, bytes: usize) -> bool {
    matches!(event, Event::Write { data, .. } if data.len() > bytes)
}

/// Rebuilds the store as of each point, and checks it.
fn crash_at(bench: &Bench, log: &Log, points: impl Iterator<Item = usize>, rng: &mut StdRng) {
    for point in points {
        let newest = acknowledged(&log.output_before(point));
        for unsynced in [Unsynced::Lost, Unsynced::Torn, Unsynced::Torn] {
            let dir = bench.crashed(log, point, unsynced, rng);
            let events = log.events().len();
            check(&dir, &newest)
                .unwrap_or_else(|e| panic!("crash at {point} of {events}, {unsynced:?}: {e}"));
        }
    }
}

#[test]
fn a_loss_of_power_while_the_journal_changes_loses_nothing() {
    let bench = Bench::new();
    let second = |path: &Path| path.ends_with("db/1.jnl");
    let log = bench.until(640, 60_000, second);
    let changed = log.events().iter().position(|event| creates(event, second)).unwrap();
    let points = (changed - 2..changed + 10).chain([changed + 40, log.events().len()]);
    crash_at(&bench, &log, points, &mut StdRng::seed_from_u64(3));
}

/// A segment is made, becomes full, is used again: around each of those moments.
#[test]
fn a_loss_of_power_while_the_log_changes_its_segments_loses_nothing() {
    let bench = Bench::new();
    let third = |path: &Path| path.ends_with("wal/2.wal");
    let log = bench.until(900, 60_000, third);
    let changes = log
        .events()
        .iter()
        .enumerate()
        .filter(|(_, event)| creates(event, |p| p.extension().is_some_and(|e| e == "wal")));
    let changes: Vec<usize> = changes.map(|(at, _)| at).skip(1).collect();
    let end = log.events().len();
    let points = changes.iter().flat_map(|at| [at - 1, at + 2, at + 9]).chain([end * 3 / 4, end]);
    crash_at(&bench, &log, points, &mut StdRng::seed_from_u64(6));
}

#[test]
fn the_check_notices_commits_that_are_not_synced() {
    let bench = Bench::new();
    let status = bench.victim(60, 100).arg("never-sync").stdout(Stdio::null()).status().unwrap();
    assert!(status.success());
    let log = Log::read(&bench.log).unwrap();
    let mut rng = StdRng::seed_from_u64(4);
    // Before the end, where closing syncs after all.
    let point = log.events().iter().rposition(|event| matches!(event, Event::Output(_))).unwrap() + 1;
    let newest = acknowledged(&log.output_before(point));
    assert_eq!(newest.values().sum::<u64>(), 60);
    let dir = bench.crashed(&log, point, Unsynced::Kept, &mut rng);
    check(&dir, &newest).unwrap();
    let dir = bench.crashed(&log, point, Unsynced::Lost, &mut rng);
    let lost = check(&dir, &newest).unwrap_err();
    assert!(lost.contains("acknowledged"), "{lost}");
}

#[test]
fn a_call_that_fails_loses_nothing() {
    let mut rng = StdRng::seed_from_u64(5);
    for (call, errno, step) in [
        (Call::Write, 28, 3),
        (Call::Sync, 5, 3),
        (Call::Open, 24, 5),
        (Call::Rename, 5, 1),
        (Call::Unlink, 5, 1),
        (Call::Truncate, 28, 1),
        (Call::Mkdir, 28, 1),
    ] {
        let mut faults = 0;
        for nth in (1..).step_by(step) {
            let bench = Bench::new();
            let mut victim = bench.victim(90, 400);
            bench.shim.fail(&mut victim, Fault { call, nth, errno });
            let output = victim.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
            let log = Log::read(&bench.log).unwrap();
            if !log.faulted() {
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                break;
            }
            faults += 1;
            let newest = acknowledged(&output.stdout);
            let context =
                format!("{call:?} {nth}, {:?}: {}", output.status, String::from_utf8_lossy(&output.stderr));
            assert!(matches!(output.status.code(), Some(0 | 3 | 4)), "{context}");
            // After a failed sync the kernel may have dropped what was to be synced.
            let dir = bench.crashed(&log, log.events().len(), Unsynced::Lost, &mut rng);
            check(&dir, &newest).unwrap_or_else(|e| panic!("{context}: lost power: {e}"));
            check(&bench.store, &newest).unwrap_or_else(|e| panic!("{context}: {e}"));
        }
        assert!(faults > 0, "{call:?} never happened");
    }
}
