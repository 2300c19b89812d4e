//! The one thread that writes: it folds everything that waits into one record of the log, syncs that, and
//! answers.

use std::sync::Arc;

use fjall::PersistMode;

use super::engine::{Engine, epoch_key, seq_key};
use super::feed::{Feeder, Item};
use super::queue::{Answer, Request};
use super::state::State;
use super::wal::{Record, Wal};
use super::watch::Watch;
use crate::{Batch, CommitError, Done, Lease, Op, Seq, ShardId};

/// A fold is committed once it holds this much, even if more waits.
const FOLD_BYTES: usize = 8 * 1024 * 1024;
/// After so much has been written, free space is looked at, whatever the watch does.
const LOOK_BYTES: usize = 4 * 1024 * 1024;

/// What the committer knows of a shard.
#[derive(Clone, Default)]
struct Owner {
    epoch: u64,
    /// The handle that may write: grows with every opening, so that older handles are fenced.
    handle: u64,
    seq: u64,
    /// Why an earlier batch of this handle failed. Later ones were made on top of it.
    failed: Option<CommitError>,
    in_fold: bool,
}

/// Who is answered when the fold is durable.
enum Waiting {
    Batch(Done, Seq),
    Lease(Answer<Lease>, Lease),
}

struct Fold {
    record: Record,
    waiting: Vec<Waiting>,
    shards: Vec<ShardId>,
}

/// The committer's own state.
pub(super) struct Committer {
    engine: Arc<Engine>,
    state: Arc<State>,
    owners: Vec<Owner>,
    fold: Fold,
    wal: Wal,
    since_look: usize,
    /// In the order in which they end.
    beside: Option<(Feeder, Watch)>,
}

/// Tells everyone if the thread panics: else they would wait for ever.
struct Alarm(Arc<State>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.queue.close();
            self.0.fail("the committer panicked");
        }
    }
}

impl Committer {
    /// `epochs` and `seqs` are those that the store holds.
    pub(super) fn new(
        engine: Arc<Engine>,
        state: Arc<State>,
        epochs: &[u64],
        seqs: &[u64],
        wal: Wal,
        beside: (Feeder, Watch),
    ) -> Committer {
        let owner = |(epoch, seq): (&u64, &u64)| Owner { epoch: *epoch, seq: *seq, ..Owner::default() };
        let owners = epochs.iter().zip(seqs).map(owner).collect();
        Committer { engine, state, owners, fold: Fold::new(), wal, since_look: 0, beside: Some(beside) }
    }

    /// Runs until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let _alarm = Alarm(self.state.clone());
        let mut closed = None;
        while let Some(requests) = self.state.queue.take() {
            for request in requests {
                if let Some(answer) = self.take(request) {
                    closed = Some(answer);
                }
            }
            self.commit();
        }
        self.shut(closed);
    }

    /// Takes a request into the fold, or answers it. Gives back whom to tell when all is closed.
    fn take(&mut self, request: Request) -> Option<Answer<()>> {
        match request {
            Request::Commit { shard, handle, batch, done } => self.add(shard, handle, batch, done),
            Request::Acquire(shard, answer) => self.acquire(shard, answer),
            Request::Renew(lease, answer) => {
                // The asker may be gone, here and below: then nobody waits for the answer.
                let _ = answer.send(self.owner(&lease).map(|_| ()));
            }
            Request::Release(lease, answer) => {
                self.commit();
                let _ = answer.send(self.owner(&lease).map(|owner| owner.handle += 1));
            }
            Request::Open(lease, answer) => {
                // The opener reads what earlier handles wrote, so that has to be decided first.
                self.commit();
                let opened = self.open(&lease);
                self.state.feed.push(Item::Then(Box::new(move |shown| {
                    let _ = answer.send(
                        opened.and_then(|handle| shown.map(|()| handle).map_err(|e| CommitError::Fatal(e.0))),
                    );
                })));
            }
            Request::Close(answer) => {
                self.state.queue.close();
                return Some(answer);
            }
        }
        if self.fold.record.len() >= FOLD_BYTES {
            self.commit();
        }
        None
    }

    fn add(&mut self, shard: ShardId, handle: u64, batch: Option<Batch>, done: Done) {
        let failure = self.state.failure();
        let Some(owner) = self.owners.get_mut(usize::from(shard.0)) else {
            return done(Err(CommitError::Fenced));
        };
        if owner.handle != handle {
            return done(Err(failure.unwrap_or(CommitError::Fenced)));
        }
        let refused = failure.or_else(|| owner.failed.clone()).or_else(|| refuse(batch.as_ref()));
        let batch = match (refused, batch) {
            (None, Some(batch)) => batch,
            (refused, _) => {
                owner.failed = refused.clone();
                return done(Err(refused.unwrap_or(CommitError::Fenced)));
            }
        };
        owner.seq += 1;
        if !owner.in_fold {
            owner.in_fold = true;
            self.fold.shards.push(shard);
        }
        self.fold.waiting.push(Waiting::Batch(done, Seq(owner.seq)));
        for op in &batch.ops {
            let value = match op {
                Op::Put(_, value) => Some(value.as_ref()),
                Op::Delete(_) => None,
            };
            self.fold.record.add(&shard.0.to_be_bytes(), op.key(), value);
        }
    }

    fn acquire(&mut self, shard: ShardId, answer: Answer<Lease>) {
        let failure = self.state.failure();
        let Some(owner) = self.owners.get_mut(usize::from(shard.0)) else {
            let _ = answer.send(Err(CommitError::Fatal(format!("there is no shard {}", shard.0))));
            return;
        };
        if let Some(failure) = failure {
            let _ = answer.send(Err(failure));
            return;
        }
        owner.epoch += 1;
        owner.handle += 1;
        let lease = Lease { shard, epoch: owner.epoch };
        self.fold.record.add(&epoch_key(shard.0), &[], Some(&owner.epoch.to_be_bytes()));
        self.fold.waiting.push(Waiting::Lease(answer, lease));
    }

    fn owner(&mut self, lease: &Lease) -> Result<&mut Owner, CommitError> {
        if let Some(failure) = self.state.failure() {
            return Err(failure);
        }
        let owner = self.owners.get_mut(usize::from(lease.shard.0));
        owner.filter(|owner| owner.epoch == lease.epoch).ok_or(CommitError::Fenced)
    }

    fn open(&mut self, lease: &Lease) -> Result<u64, CommitError> {
        let owner = self.owner(lease)?;
        owner.handle += 1;
        owner.failed = None;
        Ok(owner.handle)
    }

    /// Commits the fold, and answers everyone in it.
    fn commit(&mut self) {
        if self.fold.waiting.is_empty() {
            return;
        }
        let Fold { mut record, waiting, shards } = std::mem::replace(&mut self.fold, Fold::new());
        let commit = self.state.commit() + 1;
        let mut seqs = Vec::with_capacity(shards.len());
        for shard in shards {
            if let Some(owner) = self.owners.get_mut(usize::from(shard.0)) {
                owner.in_fold = false;
                record.add(&seq_key(shard.0), &[], Some(&owner.seq.to_be_bytes()));
                seqs.push((shard, owner.seq));
            }
        }
        self.look_for_room(record.len());
        self.wal.segments().wait_for_engine(|| self.state.failure().is_some());
        match self.wal.append(&mut record, commit) {
            Ok(()) => self.succeed(commit, record, seqs, waiting),
            Err(e) => self.fail(&format!("commit {commit}: {e}"), waiting),
        }
    }

    fn succeed(&mut self, commit: u64, record: Record, seqs: Vec<(ShardId, u64)>, waiting: Vec<Waiting>) {
        self.state.set_commit(commit);
        for (shard, seq) in &seqs {
            self.state.set_seq(*shard, *seq);
        }
        // First, so that who is answered and then asks to see it all finds this before its question.
        self.state.feed.push(Item::Commit(record, seqs));
        for waiting in waiting {
            match waiting {
                Waiting::Batch(done, seq) => done(Ok(seq)),
                Waiting::Lease(answer, lease) => {
                    let _ = answer.send(Ok(lease));
                }
            }
        }
    }

    /// What a failed write or sync left behind is only known after opening again, so nothing more
    /// is written: not even a retry, since the kernel may have dropped the failed pages.
    fn fail(&mut self, why: &str, waiting: Vec<Waiting>) {
        for waiting in waiting {
            let error = CommitError::Fatal(why.to_owned());
            match waiting {
                Waiting::Batch(done, _) => done(Err(error)),
                Waiting::Lease(answer, _) => {
                    let _ = answer.send(Err(error));
                }
            }
        }
        self.state.fail(why);
    }

    fn look_for_room(&mut self, bytes: usize) {
        self.since_look += bytes;
        if self.since_look >= LOOK_BYTES {
            self.since_look = 0;
            self.state.look_for_room();
        }
    }

    fn shut(mut self, closed: Option<Answer<()>>) {
        // The feeder ends with everything in the engine; the watch with writing the mark, for which nothing may
        // be under way.
        if let Some((feeder, watch)) = self.beside.take() {
            drop(feeder);
            if self.state.failure().is_none()
                && let Err(e) = self.engine.sync(PersistMode::SyncAll)
            {
                self.state.fail(&format!("the last sync: {e}"));
            }
            drop(watch);
        }
        self.state.drop_engine();
        let result = self.state.failure().map_or(Ok(()), Err);
        drop((self.fold, self.engine));
        if let Some(closed) = closed {
            let _ = closed.send(result);
        }
    }
}

impl Fold {
    fn new() -> Fold {
        Fold { record: Record::new(), waiting: Vec::new(), shards: Vec::new() }
    }
}

fn refuse(batch: Option<&Batch>) -> Option<CommitError> {
    match batch {
        Some(batch) => batch.check().err().map(CommitError::Fatal),
        None => Some(CommitError::Retry("too many batches wait for the disk".into())),
    }
}
