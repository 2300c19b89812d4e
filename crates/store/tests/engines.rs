//! The suite, against every engine.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "tests, their helpers included"
)]

use std::sync::Arc;

use bytes::Bytes;
use ropeway_store::embedded::{BulkKeys, Options};
use ropeway_store::suite::{self, Subject};
use ropeway_store::{EmbeddedStore, MemoryStore, Store};

#[test]
fn memory() {
    suite::run(&|| {
        let store = MemoryStore::new(3);
        let same = store.clone();
        let reopen = move |_: Arc<dyn Store>| {
            let same = same.clone();
            Box::pin(async move {
                same.crash(0);
                Arc::new(same) as Arc<dyn Store>
            }) as _
        };
        Subject { store: Arc::new(store), reopen: Box::new(reopen) }
    });
}

#[test]
fn embedded() {
    with_bulk_keys(Options::default().bulk_keys);
}

/// Ranges then lie in up to three parts, and both ends of the range within a byte's keys.
#[test]
fn embedded_with_bulk_keys_in_the_middle() {
    let (begin, end) = (Bytes::from_static(b"a\0"), Some(Bytes::from_static(&[0x7F, 0xFF])));
    with_bulk_keys(BulkKeys { begin, end });
}

fn with_bulk_keys(bulk_keys: BulkKeys) {
    suite::run(&|| {
        let bulk_keys = bulk_keys.clone();
        let dir = in_memory();
        let path = dir.path().join("not/there/yet");
        let options = move || Options {
            shards: 3,
            memtable_bytes: 64 * 1024,
            bulk_keys: bulk_keys.clone(),
            ..Options::default()
        };
        let open = move || {
            // The directory lives as long as the subject does.
            let _dir = &dir;
            Arc::new(EmbeddedStore::open(&path, options()).unwrap()) as Arc<dyn Store>
        };
        let store = open();
        let open = Arc::new(open);
        let reopen = move |store: Arc<dyn Store>| {
            let open = open.clone();
            Box::pin(async move {
                store.close().await.unwrap();
                drop(store);
                open()
            }) as _
        };
        Subject { store, reopen: Box::new(reopen) }
    });
}

/// A directory in memory where there is one: what survives a loss of power is another test's concern.
fn in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}
