//! The clock: the machine's, plus an offset that only grows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

use crate::Time;

/// A machine's clock that is set back by less is waited for, in milliseconds; one that is set back by
/// more is followed.
const MAX_STEP_BACK: i64 = 60_000;

/// The server's clock. In development and tests it can be moved forward; the offset is kept.
#[derive(Debug, Clone)]
pub struct Clock {
    offset: Arc<AtomicI64>,
    frozen: Option<Time>,
    /// The latest moment that the machine's clock has shown.
    latest: Arc<AtomicI64>,
    sleepers: Arc<Mutex<Sleepers>>,
}

/// Those who wait for a moment, in the order in which they are woken: by moment, then as they came.
#[derive(Debug, Default)]
struct Sleepers {
    waiting: BTreeMap<(Time, u64), Arc<Notify>>,
    came: u64,
}

/// One who waits, until it is dropped.
struct Sleeper<'a> {
    clock: &'a Clock,
    place: (Time, u64),
    moved: Arc<Notify>,
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.clock.sleepers().waiting.remove(&self.place);
    }
}

impl Clock {
    /// The machine's clock, moved forward by `offset_millis`.
    pub fn real(offset_millis: i64) -> Self {
        Clock::new(offset_millis.max(0), None)
    }

    /// A clock that stands at `start` and moves only by [`Clock::advance`]: for unit tests and the
    /// simulator.
    pub fn frozen(start: Time) -> Self {
        Clock::new(0, Some(start))
    }

    fn new(offset: i64, frozen: Option<Time>) -> Self {
        let offset = Arc::new(AtomicI64::new(offset));
        Clock { offset, frozen, latest: Arc::default(), sleepers: Arc::default() }
    }

    /// The moment now. It stands still while the machine's clock catches up with a small step back.
    pub fn now(&self) -> Time {
        let base = self.frozen.unwrap_or_else(|| steady(&self.latest, self.machine_time()));
        base.plus_millis(self.offset_millis())
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
        self.offset.load(Ordering::Acquire)
    }

    /// Moves the clock forward; everything that becomes due fires, in the order in which it is due.
    pub fn advance(&self, by: Duration) {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.offset.update(Ordering::AcqRel, Ordering::Acquire, |offset| offset.saturating_add(millis));
        self.sleepers().waiting.values().for_each(|sleeper| sleeper.notify_one());
    }

    /// Waits until `moment` has come.
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place that sleeps; it wakes when the clock is moved"
    )]
    pub async fn sleep_until(&self, moment: Time) {
        if self.now() >= moment {
            return;
        }
        // Stands in the list before it looks again, so that no move is missed.
        let sleeper = self.sleeper(moment);
        loop {
            let left = moment.millis().saturating_sub(self.now().millis());
            if left <= 0 {
                return;
            }
            if self.frozen.is_some() {
                sleeper.moved.notified().await;
                continue;
            }
            // A day at most, so that a machine whose own clock is corrected is noticed.
            let pause = Duration::from_millis(left.unsigned_abs()).min(Duration::from_secs(86_400));
            tokio::select! {
                biased;
                () = tokio::time::sleep(pause) => {}
                () = sleeper.moved.notified() => {}
            }
        }
    }

    fn sleeper(&self, moment: Time) -> Sleeper<'_> {
        let moved = Arc::new(Notify::new());
        let mut sleepers = self.sleepers();
        sleepers.came += 1;
        let place = (moment, sleepers.came);
        sleepers.waiting.insert(place, Arc::clone(&moved));
        Sleeper { clock: self, place, moved }
    }

    fn sleepers(&self) -> MutexGuard<'_, Sleepers> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the machine's clock shows, but without small steps back.
fn steady(latest: &AtomicI64, shown: Time) -> Time {
    let shown = shown.millis();
    let next =
        |before: i64| if before.saturating_sub(shown) > MAX_STEP_BACK { shown } else { before.max(shown) };
    let before = latest.update(Ordering::AcqRel, Ordering::Acquire, next);
    Time(next(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_steps_back_are_waited_for() {
        let latest = AtomicI64::default();
        let shown = [1_000_000, 999_000, 1_000_001, 940_002, 940_000, 940_001].map(Time);
        let steadied = shown.map(|time| steady(&latest, time).millis());
        assert_eq!(steadied, [1_000_000, 1_000_000, 1_000_001, 1_000_001, 940_000, 940_001]);
    }

    #[tokio::test]
    async fn sleepers_wake_in_the_order_of_their_moments() {
        let clock = Clock::frozen(Time(0));
        let woken = Mutex::new(Vec::new());
        let sleep = |moment| {
            let (clock, woken) = (&clock, &woken);
            async move {
                clock.sleep_until(Time(moment)).await;
                woken.lock().unwrap().push(moment);
            }
        };
        let all = futures_util::stream::FuturesUnordered::from_iter([30, 10, 50, 20, 40].map(sleep));
        let mut all = std::pin::pin!(futures_util::StreamExt::collect::<Vec<()>>(all));
        assert!(futures_util::poll!(&mut all).is_pending());
        clock.advance(Duration::from_millis(49));
        assert!(futures_util::poll!(&mut all).is_pending());
        assert_eq!(*woken.lock().unwrap(), [10, 20, 30, 40]);
        assert_eq!(clock.sleepers().waiting.len(), 1, "nothing is kept of those that woke");
        clock.advance(Duration::from_millis(1));
        assert!(futures_util::poll!(&mut all).is_ready());
    }
}
