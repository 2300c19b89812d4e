//! The victim of the crash tests: commits numbered batches, and says which ones are acknowledged.
//!
//! `crash_victim <dir> <batches> <value bytes> [never-sync]`
//!
//! Every batch of a shard, with its sequence number n, sets a low key `n` and a high key `0xFF n`,
//! and removes the high key of the batch 20 before. Once it is durable, `<shard> <n>` is printed.
//! Ends with 3 if the store fails, with 4 if it does not open.
//!
//! `crash_victim <dir> blobs <blobs>`
//!
//! Writes blobs numbered from 1, of 40,000 times their number bytes of that number, and prints each
//! number once the blob is durable.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test's tool"
)]

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use ropeway_store::blobs::{BlobId, BlobStore};
use ropeway_store::embedded::{Options, SyncPolicy};
use ropeway_store::{Batch, EmbeddedStore, Op, Shard, ShardId, Store};

const SHARDS: u16 = 3;
/// So many batches wait for their answers at a time.
const WINDOW: u64 = 6;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args[2] == "blobs" {
        return write_blobs(Path::new(&args[1]), args[3].parse().unwrap());
    }
    let (batches, bytes): (u64, usize) = (args[2].parse().unwrap(), args[3].parse().unwrap());
    let sync = match args.get(4).map(String::as_str) {
        Some("never-sync") => SyncPolicy::Never,
        _ => SyncPolicy::Always,
    };
    let options = Options {
        shards: SHARDS,
        memtable_bytes: 16 * 1024 + 40 * bytes as u64,
        mark_every: Duration::from_millis(5),
        on_fatal: Arc::new(|why| {
            eprintln!("{why}");
            std::process::exit(3)
        }),
        sync,
        ..Options::default()
    };
    let store = EmbeddedStore::open(Path::new(&args[1]), options).unwrap_or_else(|e| {
        eprintln!("{e}");
        std::process::exit(4)
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let shards: Vec<Arc<dyn Shard>> = (0..SHARDS)
        .map(|shard| {
            runtime.block_on(async {
                let lease = store.acquire(ShardId(shard), "victim").await.unwrap();
                store.open(lease).await.unwrap()
            })
        })
        .collect();
    run(&shards, batches, bytes);
    if runtime.block_on(store.close()).is_err() {
        std::process::exit(3);
    }
}

fn run(shards: &[Arc<dyn Shard>], batches: u64, bytes: usize) {
    let mut next: Vec<u64> = shards.iter().map(|shard| shard.last_seq().0 + 1).collect();
    let (answer, answered) = mpsc::channel();
    for number in 0..batches + WINDOW {
        if number >= WINDOW {
            answered.recv().unwrap();
        }
        if number >= batches {
            continue;
        }
        let at = (number % u64::from(SHARDS)) as usize;
        let answer = answer.clone();
        let done = Box::new(move |result: Result<ropeway_store::Seq, _>| {
            if let Ok(seq) = result {
                let line = format!("{at} {}\n", seq.0);
                std::io::stdout().write_all(line.as_bytes()).unwrap();
            }
            answer.send(()).unwrap();
        });
        shards[at].commit(batch(at, next[at], bytes), done);
        next[at] += 1;
    }
}

fn batch(shard: usize, seq: u64, bytes: usize) -> Batch {
    let low = Bytes::copy_from_slice(&seq.to_be_bytes());
    let high = |seq: u64| Bytes::from([&[0xFF], seq.to_be_bytes().as_slice()].concat());
    let value: Bytes = format!("{shard} {seq} ").bytes().cycle().take(bytes).collect();
    let mut ops = vec![Op::Put(low, value.clone()), Op::Put(high(seq), value)];
    if seq > 20 {
        ops.push(Op::Delete(high(seq - 20)));
    }
    Batch { ops }
}

fn write_blobs(dir: &Path, blobs: u8) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = BlobStore::open_local(dir).unwrap();
    for number in 1..=blobs {
        let mut writer = store.writer(BlobId(u128::from(number) << 120));
        runtime.block_on(async {
            for _ in 0..number {
                writer.push(Bytes::from(vec![number; 40_000])).await.unwrap();
            }
            writer.finish().await.unwrap();
        });
        std::io::stdout().write_all(format!("{number}\n").as_bytes()).unwrap();
    }
}
