//! Durations for reports.

use std::time::{Duration, Instant};

/// Measures how long something took, for people to read: nothing is decided by it.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// From now on.
    #[allow(clippy::disallowed_methods, reason = "a duration that is reported, finer than the clock's steps")]
    pub fn start() -> Self {
        Stopwatch(Instant::now())
    }

    /// Until now.
    pub fn took(self) -> Duration {
        self.0.elapsed()
    }
}
