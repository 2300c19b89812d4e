//! What is durable in the write-ahead log on its way into the engine: a thread of its own takes it from a bounded
//! queue, so that no pause of the engine holds up an answer.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::engine::Engine;
use super::state::State;
use super::wal::Record;
use crate::{ReadError, ShardId};

/// The committer waits while so much is on its way: the memory that it takes.
const FULL_BYTES: usize = 32 * 1024 * 1024;
/// One write to the engine holds about this much at most.
const WRITE_BYTES: usize = 4 * 1024 * 1024;

/// Something to do with the engine, in order.
pub(super) enum Item {
    /// A commit, and the newest batch of each shard in it.
    Commit(Record, Vec<(ShardId, u64)>),
    /// To be done once everything before shows; with an error if it never will.
    Then(Then),
}

/// Told when the engine shows what was durable before.
pub(super) type Then = Box<dyn FnOnce(Result<(), ReadError>) + Send>;

#[derive(Default)]
struct Waiting {
    items: Vec<Item>,
    bytes: usize,
    closed: bool,
}

/// What is on its way.
#[derive(Default)]
pub(super) struct Feed {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    taken: Condvar,
}

impl Feed {
    /// Adds something; waits while too much is on its way.
    pub(super) fn push(&self, item: Item) {
        let mut waiting = self.lock();
        if waiting.closed {
            drop(waiting);
            return refuse(item);
        }
        if let Item::Commit(record, _) = &item {
            while waiting.bytes >= FULL_BYTES && !waiting.closed {
                waiting = self.taken.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            waiting.bytes += record.len();
        }
        waiting.items.push(item);
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Takes all that waits; nothing once closed and empty.
    fn take(&self) -> Option<Vec<Item>> {
        let mut waiting = self.lock();
        while waiting.items.is_empty() {
            if waiting.closed {
                return None;
            }
            waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.bytes = 0;
        self.taken.notify_one();
        Some(std::mem::take(&mut waiting.items))
    }

    /// Takes nothing more; what waits is still finished.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_one();
        self.taken.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing in here leaves the queue half changed.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refuse(item: Item) {
    if let Item::Then(then) = item {
        then(Err(ReadError("the store is closed".into())));
    }
}

/// The running thread; ends, with everything in the engine, when dropped.
pub(super) struct Feeder {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

impl Feeder {
    pub(super) fn start(engine: Arc<Engine>, state: Arc<State>) -> std::io::Result<Feeder> {
        let same = state.clone();
        let thread = super::spawn("store-feed", move || run(&engine, &same))?;
        Ok(Feeder { state, thread: Some(thread) })
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.state.feed.close();
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            self.state.fail("the engine's feeder panicked");
        }
    }
}

/// Closes the queue if the thread panics: else the committer would wait for ever.
struct Alarm<'a>(&'a State);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.feed.close();
            self.0.fail("the engine's feeder panicked");
        }
    }
}

fn run(engine: &Engine, state: &State) {
    let _alarm = Alarm(state);
    while let Some(items) = state.feed.take() {
        let mut commits = Vec::new();
        let mut bytes = 0;
        for item in items {
            match item {
                Item::Commit(record, shards) => {
                    bytes += record.len();
                    commits.push((record, shards));
                    if bytes >= WRITE_BYTES {
                        write(engine, state, &mut commits);
                        bytes = 0;
                    }
                }
                Item::Then(then) => {
                    write(engine, state, &mut commits);
                    bytes = 0;
                    then(state.failure().map_or(Ok(()), |failure| Err(ReadError(failure.to_string()))));
                }
            }
        }
        write(engine, state, &mut commits);
    }
}

/// Puts some commits into the engine; then they show. After a failure nothing more is put there: the
/// process is to end, and at the next start the log has it all.
fn write(engine: &Engine, state: &State, commits: &mut Vec<(Record, Vec<(ShardId, u64)>)>) {
    let Some(last) = commits.last().map(|(record, _)| record.commit()) else { return };
    if state.failure().is_none() {
        match engine.write(commits.iter().map(|(record, _)| record)) {
            Err(e) => state.fail(&format!("commit {last} into the engine: {e}")),
            Ok(()) => {
                for (shard, seq) in commits.iter().flat_map(|(_, shards)| shards) {
                    state.set_shown(*shard, *seq);
                }
                state.set_fed(last);
            }
        }
    }
    commits.clear();
}
