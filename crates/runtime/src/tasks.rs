//! Tasks beside the callers' own, ended together.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

/// Tasks that end when they are told to, if not before.
#[derive(Debug, Clone, Default)]
pub struct Tasks(Arc<Mutex<Option<JoinSet<()>>>>);

impl Tasks {
    /// None yet.
    pub fn new() -> Self {
        Tasks(Arc::new(Mutex::new(Some(JoinSet::new()))))
    }

    /// Starts one, if they have not been ended.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            // Those that have ended are taken out on the way.
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        }
    }

    /// Ends all of them, each where it waits.
    pub fn end(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
