//! The trails as every core sees them: a snapshot that is exchanged after the commit that changed one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use ropeway_core::keys::Scope;

use crate::model::Trail;
use crate::selectors;

/// What is known of trails, by ARN. Reads neither lock nor wait.
#[derive(Default)]
pub struct Registry {
    trails: ArcSwap<BTreeMap<String, Arc<Trail>>>,
    /// Some trail takes data events.
    data: AtomicBool,
}

impl Registry {
    /// Makes a trail known, or forgets it.
    pub(crate) fn set(&self, arn: &str, trail: Option<&Trail>) {
        let trail = trail.cloned().map(Arc::new);
        self.trails.rcu(|trails| {
            let mut next = BTreeMap::clone(trails);
            match &trail {
                Some(trail) => next.insert(arn.to_owned(), Arc::clone(trail)),
                None => next.remove(arn),
            };
            next
        });
        // Read again after it is written: of two changes at once, the later one sees both.
        let wanted = |trails: &BTreeMap<String, Arc<Trail>>| {
            trails.values().any(|trail| trail.logging && selectors::take_data(&trail.selectors))
        };
        loop {
            let seen = self.trails.load_full();
            self.data.store(wanted(&seen), Ordering::Relaxed);
            if Arc::ptr_eq(&seen, &self.trails.load_full()) {
                return;
            }
        }
    }

    /// Whether any trail takes data events.
    pub(crate) fn takes_data(&self) -> bool {
        self.data.load(Ordering::Relaxed)
    }

    /// The trail of an ARN.
    pub(crate) fn get(&self, arn: &str) -> Option<Arc<Trail>> {
        self.trails.load().get(arn).cloned()
    }

    /// An account's trails, in the order of their ARNs.
    pub(crate) fn of(&self, account: &str) -> Vec<Arc<Trail>> {
        self.trails.load().values().filter(|trail| trail.home.account == account).cloned().collect()
    }

    /// The trails that look at a region's events, and log.
    pub(crate) fn covering(&self, scope: &Scope) -> Vec<Arc<Trail>> {
        let covers = |trail: &Arc<Trail>| {
            let here = trail.settings.multi_region || trail.home.region == scope.region;
            trail.logging && trail.home.account == scope.account && here
        };
        self.trails.load().values().filter(|trail| covers(trail)).cloned().collect()
    }
}
