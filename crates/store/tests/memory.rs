//! The faults that the engine in memory can be told to have.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests, their helpers included"
)]

use std::sync::mpsc::{self, Receiver, TryRecvError};

use ropeway_store::suite::{commit, everything, open, put};
use ropeway_store::{Batch, CommitError, MemoryStore, Room, Seq, Shard, Store};

type Answer = Receiver<Result<Seq, CommitError>>;

fn begin(shard: &dyn Shard, key: u8) -> Answer {
    let (answer, answered) = mpsc::channel();
    shard.commit(Batch { ops: vec![put([key], [])] }, Box::new(move |result| drop(answer.send(result))));
    answered
}

#[tokio::test]
async fn every_fault_is_told_and_stops_the_handle() {
    let faults = [
        (CommitError::Fenced, false),
        (CommitError::Retry("busy".into()), false),
        (CommitError::Unknown("gone".into()), false),
        (CommitError::Unknown("gone".into()), true),
    ];
    for (error, written) in faults {
        let store = MemoryStore::new(2);
        let (shard, other) = (open(&store, 0).await, open(&store, 1).await);
        store.fail_commit(2, error.clone(), written);
        assert_eq!(commit(&*shard, vec![put(b"1", b"")]).await, Ok(Seq(1)));
        assert_eq!(commit(&*shard, vec![put(b"2", b"")]).await, Err(error.clone()));
        assert_eq!(commit(&*shard, vec![put(b"3", b"")]).await, Err(error));
        assert_eq!(commit(&*other, vec![]).await, Ok(Seq(1)), "the other shard goes on");
        let again = open(&store, 0).await;
        assert_eq!(again.last_seq(), Seq(1 + u64::from(written)));
        assert_eq!(everything(&*again).await.len(), 1 + usize::from(written));
        assert_eq!(commit(&*again, vec![]).await, Ok(Seq(2 + u64::from(written))));
    }
}

#[tokio::test]
async fn a_fatal_fault_ends_the_store_until_it_crashes() {
    let store = MemoryStore::new(2);
    let (shard, other) = (open(&store, 0).await, open(&store, 1).await);
    let fatal = CommitError::Fatal("disk".into());
    store.fail_commit(1, fatal.clone(), true);
    assert_eq!(commit(&*shard, vec![put(b"1", b"")]).await, Err(fatal.clone()));
    assert_eq!(commit(&*other, vec![]).await, Err(fatal));
    store.crash(0);
    assert_eq!(open(&store, 0).await.last_seq(), Seq(1));
}

#[tokio::test]
async fn what_is_held_is_answered_when_told_and_lost_in_a_crash() {
    let store = MemoryStore::new(1);
    let shard = open(&store, 0).await;
    store.hold();
    let answers: Vec<Answer> = (0..4).map(|key| begin(&*shard, key)).collect();
    assert_eq!((store.waiting(), shard.last_seq()), (4, Seq(0)));
    assert!(everything(&*shard).await.is_empty());
    assert_eq!(store.sync(1), 1);
    assert_eq!(answers[0].try_recv(), Ok(Ok(Seq(1))));
    assert_eq!(answers[1].try_recv(), Err(TryRecvError::Empty));
    store.crash(1);
    for answer in &answers[1..] {
        assert_eq!(answer.try_recv(), Err(TryRecvError::Disconnected), "nobody is told");
    }
    assert_eq!(begin(&*shard, 9).recv().unwrap(), Err(CommitError::Fenced));
    let shard = open(&store, 0).await;
    assert_eq!((shard.last_seq(), everything(&*shard).await.len()), (Seq(2), 2));
    store.hold();
    let answer = begin(&*shard, 9);
    store.resume();
    assert_eq!(answer.recv().unwrap(), Ok(Seq(3)));
    assert_eq!(begin(&*shard, 9).recv().unwrap(), Ok(Seq(4)));
}

#[tokio::test]
async fn room_and_pressure_are_what_the_test_says() {
    let store = MemoryStore::new(1);
    let shard = open(&store, 0).await;
    assert_eq!((store.room(), shard.busy()), (Room::Enough, false));
    store.set_room(Room::DeletesOnly);
    store.set_busy(true);
    assert_eq!((store.room(), shard.busy()), (Room::DeletesOnly, true));
}
