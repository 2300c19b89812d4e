//! The clock: the machine's, plus an offset that only grows.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::Time;

/// The server's clock. In development and tests it can be moved forward; the offset is kept.
#[derive(Debug, Clone)]
pub struct Clock {
    offset: Arc<watch::Sender<i64>>,
    frozen: Option<Time>,
}

impl Clock {
    /// The machine's clock, moved forward by `offset_millis`.
    pub fn real(offset_millis: i64) -> Self {
        Clock { offset: Arc::new(watch::Sender::new(offset_millis.max(0))), frozen: None }
    }

    /// A clock that stands at `start` and moves only by [`Clock::advance`]: for unit tests and the
    /// simulator.
    pub fn frozen(start: Time) -> Self {
        Clock { offset: Arc::new(watch::Sender::new(0)), frozen: Some(start) }
    }

    /// The moment now.
    pub fn now(&self) -> Time {
        let base = self.frozen.unwrap_or_else(|| self.machine_time());
        base.plus_millis(*self.offset.borrow())
    }

    /// The machine's own time, for what must agree with others: signatures, certificates.
    #[allow(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    pub fn machine_time(&self) -> Time {
        if let Some(frozen) = self.frozen {
            return frozen;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Milliseconds that the clock has been moved forward.
    pub fn offset_millis(&self) -> i64 {
        *self.offset.borrow()
    }

    /// Moves the clock forward; everything that becomes due fires.
    pub fn advance(&self, by: Duration) {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.offset.send_modify(|offset| *offset = offset.saturating_add(millis));
    }

    /// Waits until `moment` has come.
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place that sleeps; it wakes when the clock is moved"
    )]
    pub async fn sleep_until(&self, moment: Time) {
        let mut moved = self.offset.subscribe();
        loop {
            moved.mark_unchanged();
            let left = moment.millis().saturating_sub(self.now().millis());
            if left <= 0 {
                return;
            }
            if self.frozen.is_some() {
                // The sender lives as long as this clock, so this only ends by a move.
                let _ = moved.changed().await;
                continue;
            }
            // A day at most, so that a machine whose own clock is corrected is noticed.
            let pause = Duration::from_millis(left.unsigned_abs()).min(Duration::from_secs(86_400));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = moved.changed() => {}
            }
        }
    }
}
