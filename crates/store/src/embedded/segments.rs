//! The files of the write-ahead log: which one is full, which one is to be used next.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::wal::make;

/// Length of a segment. A record that is longer makes its segment longer.
const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;
/// Length of the first one, which is not filled with zeros: most stores of tests need no other.
const FIRST_BYTES: u64 = 1024 * 1024;
/// Commits wait while so many full segments hold what the engine has not synced.
const MAX_SEALED: usize = 8;
/// Segments kept for using them again.
const MAX_SPARES: usize = 2;

/// A file of the log.
pub(super) struct Segment {
    pub(super) file: File,
    pub(super) bytes: u64,
    path: PathBuf,
}

#[derive(Default)]
struct Inner {
    /// Full ones, with the last commit in each, the oldest first.
    sealed: VecDeque<(u64, Segment)>,
    spares: Vec<Segment>,
    next_number: u64,
    /// The watch is to make a spare.
    wanted: bool,
    stopping: bool,
}

/// The segments beside the active one.
pub(super) struct Segments {
    dir: PathBuf,
    inner: Mutex<Inner>,
    changed: Condvar,
}

impl Segments {
    pub(super) fn new(dir: PathBuf) -> Segments {
        Segments { dir, inner: Mutex::default(), changed: Condvar::new() }
    }

    /// The segment to begin with.
    pub(super) fn first(&self) -> io::Result<Segment> {
        self.make(FIRST_BYTES, false)
    }

    /// The segment to go on with. Without a spare it is one with a hole in it, which is slower.
    pub(super) fn next(&self) -> io::Result<Segment> {
        let spare = self.lock().spares.pop();
        spare.map_or_else(|| self.make(SEGMENT_BYTES, false), Ok)
    }

    /// Takes a full segment, whose last commit is given.
    pub(super) fn seal(&self, segment: Segment, last: u64) {
        self.lock().sealed.push_back((last, segment));
    }

    /// Asks the watch for a spare, if there is none.
    pub(super) fn want(&self) {
        let mut inner = self.lock();
        if inner.spares.is_empty() && !inner.wanted {
            inner.wanted = true;
            self.changed.notify_all();
        }
    }

    /// Waits while the engine is too far behind; `given_up` is asked now and then whether to go on waiting.
    pub(super) fn wait_for_engine(&self, given_up: impl Fn() -> bool) {
        let mut inner = self.lock();
        while inner.sealed.len() >= MAX_SEALED && !given_up() {
            inner.wanted = true;
            self.changed.notify_all();
            inner = self.wait(inner, Duration::from_millis(100));
        }
    }

    /// Waits until a spare is wanted, at most `every`; false once the watch is to end.
    pub(super) fn wait_for_work(&self, every: Duration) -> bool {
        let mut inner = self.lock();
        if !inner.wanted && !inner.stopping {
            inner = self.wait(inner, every);
        }
        !inner.stopping
    }

    /// Ends the watch.
    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_all();
    }

    /// The engine has synced everything up to a commit: the segments before it can be used again. Makes a spare
    /// if one was wanted.
    pub(super) fn release(&self, synced: u64) -> io::Result<()> {
        let mut inner = self.lock();
        let mut surplus = Vec::new();
        while inner.sealed.front().is_some_and(|(last, _)| *last <= synced) {
            let Some((_, segment)) = inner.sealed.pop_front() else { break };
            // The first one has no zeros, and is short.
            if segment.bytes == SEGMENT_BYTES && inner.spares.len() < MAX_SPARES {
                inner.spares.push(segment);
            } else {
                surplus.push(segment);
            }
        }
        let make = std::mem::take(&mut inner.wanted) && inner.spares.is_empty();
        self.changed.notify_all();
        drop(inner);
        for segment in surplus {
            fs::remove_file(&segment.path)?;
        }
        if make {
            let spare = self.make(SEGMENT_BYTES, true)?;
            self.lock().spares.push(spare);
        }
        Ok(())
    }

    fn make(&self, bytes: u64, filled: bool) -> io::Result<Segment> {
        let mut inner = self.lock();
        let number = inner.next_number;
        inner.next_number += 1;
        drop(inner);
        let path = self.dir.join(format!("{number}.wal"));
        Ok(Segment { file: make(&path, bytes, filled)?, bytes, path })
    }

    fn wait<'a>(&self, inner: MutexGuard<'a, Inner>, at_most: Duration) -> MutexGuard<'a, Inner> {
        self.changed.wait_timeout(inner, at_most).unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here leaves the lists half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
