//! Wake-ups for those who wait for something to come: long polls, followers of a log.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::Notify;

/// Named wake-ups. A name costs memory only while somebody waits for it.
#[derive(Debug, Default)]
pub struct Signals {
    names: Mutex<HashMap<Arc<str>, Weak<Notify>>>,
    closed: AtomicBool,
}

impl Signals {
    /// The wake-up of a name: call `notified()` on it *before* looking whether there is something,
    /// so that nothing is missed in between. Waiters are woken in the order they came.
    pub fn named(&self, name: &str) -> Arc<Notify> {
        let mut names = self.lock();
        if let Some(found) = names.get(name).and_then(Weak::upgrade) {
            return found;
        }
        if names.len() >= 64 && names.len().is_power_of_two() {
            names.retain(|_, waiting| waiting.strong_count() > 0);
        }
        let made = Arc::new(Notify::new());
        names.insert(Arc::from(name), Arc::downgrade(&made));
        made
    }

    /// Wakes up to `count` waiters of a name.
    pub fn wake(&self, name: &str, count: usize) {
        let waiting = self.lock().get(name).and_then(Weak::upgrade);
        if let Some(waiting) = waiting {
            for _ in 0..count {
                waiting.notify_one();
            }
        }
    }

    /// True once the server is stopping: nobody should wait any longer.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Wakes everybody who waits for anything: the server is stopping.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        #[allow(clippy::iter_over_hash_type, reason = "everyone is woken; the order does not show")]
        for waiting in self.lock().values().filter_map(Weak::upgrade) {
            waiting.notify_waiters();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Arc<str>, Weak<Notify>>> {
        self.names.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
