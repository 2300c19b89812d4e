//! The blob store on a local directory.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "tests, their helpers included"
)]

use bytes::Bytes;
use futures_util::TryStreamExt;
use ropeway_store::blobs::{BlobError, BlobId, BlobStore};

async fn write(store: &BlobStore, id: BlobId, chunks: &[Bytes]) -> u64 {
    let mut writer = store.writer(id);
    for chunk in chunks {
        writer.push(chunk.clone()).await.unwrap();
    }
    writer.finish().await.unwrap()
}

async fn read(store: &BlobStore, id: BlobId, range: std::ops::Range<u64>) -> Result<Vec<u8>, BlobError> {
    let pieces: Vec<Bytes> = store.read(id, range).await?.try_collect().await?;
    assert!(pieces.iter().all(|piece| piece.len() <= 256 * 1024));
    Ok(pieces.concat())
}

/// Every file below a directory.
fn files(dir: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

#[tokio::test]
async fn what_is_written_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("not/there/yet");
    let store = BlobStore::open_local(&path).unwrap();
    for (n, chunks, bytes) in [(0, 0, 0), (1, 1, 10), (2, 1, 70_000), (3, 5, 1_000_000), (4, 700, 3_001)] {
        let id = BlobId(n << 100 | 7);
        let whole: Vec<u8> = (0..chunks * bytes).map(|at: usize| (at % 251) as u8).collect();
        let given: Vec<Bytes> = whole.chunks(bytes.max(1)).map(Bytes::copy_from_slice).collect();
        let length = whole.len() as u64;
        assert_eq!(write(&store, id, &given).await, length);
        let again = BlobStore::open_local(&path).unwrap();
        assert_eq!(read(&again, id, 0..length).await.unwrap(), whole);
        for range in [0..length.min(1), length / 3..length / 2, length.saturating_sub(1)..length, 0..0] {
            let expected = &whole[range.start as usize..range.end as usize];
            assert_eq!(read(&store, id, range).await.unwrap(), expected);
        }
        for range in [0..length + 1, length..length + 1, length + 5..length + 6] {
            assert!(matches!(read(&store, id, range).await, Err(BlobError::Short(_))));
        }
    }
}

#[tokio::test]
async fn an_unfinished_blob_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = BlobStore::open_local(dir.path()).unwrap();
    let big = Bytes::from(vec![1; 2_000_000]);
    let mut writer = store.writer(BlobId(1));
    writer.push(big.clone()).await.unwrap();
    assert_eq!(files(dir.path()), 1, "the test is about a file that is there");
    writer.abort().await.unwrap();
    assert_eq!(files(dir.path()), 0);
    let mut writer = store.writer(BlobId(1));
    writer.push(Bytes::from_static(b"small")).await.unwrap();
    drop(writer);
    assert_eq!(files(dir.path()), 0);
    // A process that was killed: its file is found and removed when the store is opened.
    std::mem::forget({
        let mut writer = store.writer(BlobId(1));
        writer.push(big).await.unwrap();
        writer
    });
    assert!(matches!(read(&store, BlobId(1), 0..1).await, Err(BlobError::NotFound(BlobId(1)))));
    assert_eq!(store.list(None, 10).await.unwrap(), []);
    write(&store, BlobId(2), &[Bytes::from_static(b"kept")]).await;
    BlobStore::open_local(dir.path()).unwrap();
    assert_eq!(files(dir.path()), 1);
    assert_eq!(read(&store, BlobId(2), 0..4).await.unwrap(), b"kept");
}

#[test]
fn dropping_a_writer_removes_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = BlobStore::open_local(dir.path()).unwrap();
    let mut writer = store.writer(BlobId(1));
    runtime.block_on(writer.push(Bytes::from(vec![1; 2_000_000]))).unwrap();
    assert_eq!(files(dir.path()), 1);
    // Outside of the runtime, which otherwise removes it in the background.
    drop(writer);
    assert_eq!(files(dir.path()), 0);
}

#[tokio::test]
async fn blobs_are_listed_in_order_copied_and_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let store = BlobStore::open_local(dir.path()).unwrap();
    let mut ids: Vec<BlobId> =
        (0..40u128).map(|n| BlobId(n.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835))).collect();
    for id in &ids {
        write(&store, *id, &[Bytes::from(id.to_string())]).await;
    }
    ids.sort();
    let mut found = Vec::new();
    loop {
        let page = store.list(found.last().copied(), 7).await.unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(found, ids);
    store.copy(ids[3], BlobId(77)).await.unwrap();
    assert!(store.delete(ids[3]).await.unwrap());
    assert!(!store.delete(ids[3]).await.unwrap());
    assert_eq!(read(&store, BlobId(77), 0..32).await.unwrap(), ids[3].to_string().as_bytes());
    assert!(matches!(store.copy(ids[3], BlobId(78)).await, Err(BlobError::NotFound(_))));
}

#[tokio::test]
async fn a_blob_that_was_cut_off_is_an_error_and_one_that_is_deleted_is_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let store = BlobStore::open_local(dir.path()).unwrap();
    let big = Bytes::from(vec![9; 1_000_000]);
    write(&store, BlobId(5), std::slice::from_ref(&big)).await;
    let pieces = store.read(BlobId(5), 0..1_000_000).await.unwrap();
    store.delete(BlobId(5)).await.unwrap();
    assert_eq!(pieces.try_collect::<Vec<_>>().await.unwrap().concat(), big);
    write(&store, BlobId(6), &[big]).await;
    let pieces = store.read(BlobId(6), 0..1_000_000).await.unwrap();
    let path = dir.path().join("00").join(BlobId(6).to_string());
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(600_000).unwrap();
    assert!(matches!(pieces.try_collect::<Vec<_>>().await, Err(BlobError::Short(BlobId(6)))));
}

#[test]
fn ids_are_read_back() {
    for id in [BlobId(0), BlobId(u128::MAX), BlobId(0x0123 << 96)] {
        assert_eq!(BlobId::parse(&id.to_string()), Some(id));
    }
    for text in ["", "0", "+0000000000000000000000000000001", "0000000000000000000000000000000G"] {
        assert_eq!(BlobId::parse(text), None);
    }
}
