//! The bounded queue in front of the committer.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::{Batch, CommitError, Done, Lease, ShardId};

/// From here on [`Queue::busy`] asks callers to hold back.
const BUSY_BYTES: usize = 16 * 1024 * 1024;
const BUSY_REQUESTS: usize = 4096;
/// From here on batches are refused: twice what [`Queue::busy`] allows, for those who asked before.
const FULL_BYTES: usize = 2 * BUSY_BYTES;
const FULL_REQUESTS: usize = 2 * BUSY_REQUESTS;

/// Where the answer to a request that isn't a batch goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T, CommitError>>;

/// What the committer is asked for; it takes requests strictly in order.
pub(super) enum Request {
    /// A batch of an open shard. Without `batch` it was refused for want of room in the queue.
    Commit { shard: ShardId, handle: u64, batch: Option<Batch>, done: Done },
    /// A new owner.
    Acquire(ShardId, Answer<Lease>),
    /// An owner is still there.
    Renew(Lease, Answer<()>),
    /// An owner goes.
    Release(Lease, Answer<()>),
    /// An owner opens its shard; the answer is the handle that its batches carry.
    Open(Lease, Answer<u64>),
    /// Everything before it is finished, then nothing more is taken.
    Close(Answer<()>),
}

#[derive(Default)]
struct Waiting {
    requests: Vec<Request>,
    bytes: usize,
    closed: bool,
}

/// Requests that wait for the committer.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

impl Queue {
    /// Queues a request; gives it back when the queue is closed.
    pub(super) fn push(&self, mut request: Request) -> Result<(), Request> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(request);
        }
        if let Request::Commit { batch, .. } = &mut request {
            let full = waiting.bytes >= FULL_BYTES || waiting.requests.len() >= FULL_REQUESTS;
            if full {
                *batch = None;
            }
            waiting.bytes += batch.as_ref().map_or(0, Batch::bytes);
        }
        waiting.requests.push(request);
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// Takes everything that waits; waits itself if nothing does. Nothing once closed and empty.
    pub(super) fn take(&self) -> Option<Vec<Request>> {
        let mut waiting = self.lock();
        while waiting.requests.is_empty() {
            if waiting.closed {
                return None;
            }
            waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.bytes = 0;
        Some(std::mem::take(&mut waiting.requests))
    }

    /// Takes no more requests; those that wait are still finished.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_one();
    }

    /// Whether callers should hold back.
    pub(super) fn busy(&self) -> bool {
        let waiting = self.lock();
        waiting.bytes >= BUSY_BYTES || waiting.requests.len() >= BUSY_REQUESTS
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing in here leaves the queue half changed, so a panic elsewhere does no harm to it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::Op;

    fn commit(bytes: usize) -> Request {
        let batch = Batch { ops: vec![Op::Put(Bytes::new(), Bytes::from(vec![0; bytes]))] };
        Request::Commit { shard: ShardId(0), handle: 1, batch: Some(batch), done: Box::new(|_| {}) }
    }

    /// Pushes until batches are refused: at how many it was busy, at how many full.
    fn fill(queue: &Queue, bytes: usize) -> (usize, usize) {
        let mut busy = None;
        for pushed in 0.. {
            if queue.busy() && busy.is_none() {
                busy = Some(pushed);
            }
            assert!(queue.push(commit(bytes)).is_ok());
            let waiting = queue.lock();
            if let Some(Request::Commit { batch: None, .. }) = waiting.requests.last() {
                return (busy.unwrap(), pushed);
            }
        }
        unreachable!()
    }

    #[test]
    fn it_asks_to_hold_back_and_then_refuses() {
        let queue = Queue::default();
        assert_eq!(fill(&queue, 0), (BUSY_REQUESTS, FULL_REQUESTS));
        assert_eq!(queue.take().unwrap().len(), FULL_REQUESTS + 1);
        assert!(!queue.busy());
        let mib = 1024 * 1024;
        assert_eq!(fill(&queue, mib), (BUSY_BYTES / mib, FULL_BYTES / mib));
    }

    #[test]
    fn closed_it_gives_out_what_it_has_and_takes_nothing() {
        let queue = Queue::default();
        assert!(queue.push(commit(1)).is_ok());
        queue.close();
        assert!(queue.push(commit(1)).is_err());
        assert_eq!(queue.take().unwrap().len(), 1);
        assert!(queue.take().is_none());
    }
}
