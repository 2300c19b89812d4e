//! The suite, against every engine.

use std::sync::Arc;

use ropeway_store::embedded::Options;
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
    suite::run(&|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("not/there/yet");
        let options = || Options { shards: 3, memtable_bytes: 64 * 1024, ..Options::default() };
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
