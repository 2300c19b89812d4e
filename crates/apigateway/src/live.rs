//! What the data plane serves, ready to use: made from rows on demand, forgotten by every change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::plane::Served;

/// Stages that are kept ready.
const MOST: usize = 512;

#[derive(Default)]
struct Inner {
    stages: BTreeMap<(String, String), Arc<Served>>,
    /// Counts what was forgotten: what was read before must not be kept after.
    epoch: u64,
}

/// Stages that are ready to serve. Clones are handles to the same.
#[derive(Clone, Default)]
pub struct Live(Arc<Mutex<Inner>>);

impl Live {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A stage, if it is ready; otherwise the epoch to give to [`Live::keep`].
    pub fn get(&self, api: &str, stage: &str) -> Result<Arc<Served>, u64> {
        let inner = self.lock();
        inner.stages.get(&(api.to_owned(), stage.to_owned())).cloned().ok_or(inner.epoch)
    }

    /// Keeps a stage that was read since `epoch`, unless something changed meanwhile.
    pub fn keep(&self, api: &str, stage: &str, epoch: u64, served: Arc<Served>) {
        let mut inner = self.lock();
        if inner.epoch != epoch {
            return;
        }
        if inner.stages.len() >= MOST {
            inner.stages.clear();
        }
        inner.stages.insert((api.to_owned(), stage.to_owned()), served);
    }

    /// Forgets an API's stages.
    pub fn forget(&self, api: &str) {
        let mut inner = self.lock();
        inner.epoch += 1;
        inner.stages.retain(|(of, _), _| of != api);
    }
}
