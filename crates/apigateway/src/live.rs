//! What the data plane serves, ready to use: made from rows on demand, forgotten by every change. Custom domain
//! names are known all the time: whether a request is for one is asked of every request of the server.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ropeway_core::keys::Scope;

use crate::model::Domain;
use crate::plane::Served;
use crate::v2;

/// Stages, and HTTP APIs, that are kept ready; accounts whose roles are known.
const MOST: usize = 512;

#[derive(Default)]
struct Inner {
    stages: BTreeMap<(String, String), Arc<Served>>,
    http_apis: BTreeMap<String, Arc<v2::ServedApi>>,
    /// Counts what was forgotten: what was read before must not be kept after.
    epoch: u64,
    domains: BTreeMap<String, Arc<Domain>>,
    /// Roles for logs, by account and region; `None`: the account has none.
    log_roles: BTreeMap<(String, String), Option<String>>,
}

/// Stages that are ready to serve. Clones are handles to the same.
#[derive(Clone, Default)]
pub struct Live {
    inner: Arc<Mutex<Inner>>,
    /// How many domain names there are: most servers have none, and take no lock to see it.
    named: Arc<AtomicUsize>,
}

impl Live {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
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

    /// An HTTP API, if it is ready; otherwise the epoch to give to [`Live::keep_http`].
    pub fn http(&self, api: &str) -> Result<Arc<v2::ServedApi>, u64> {
        let inner = self.lock();
        inner.http_apis.get(api).cloned().ok_or(inner.epoch)
    }

    /// Whether an id is known to be a REST API's: one of its stages is ready.
    pub fn is_rest(&self, api: &str) -> bool {
        let from = (api.to_owned(), String::new());
        self.lock().stages.range(from..).next().is_some_and(|((of, _), _)| of == api)
    }

    /// Keeps an HTTP API that was read since `epoch`, unless something changed meanwhile.
    pub fn keep_http(&self, api: &str, epoch: u64, served: Arc<v2::ServedApi>) {
        let mut inner = self.lock();
        if inner.epoch != epoch {
            return;
        }
        if inner.http_apis.len() >= MOST {
            inner.http_apis.clear();
        }
        inner.http_apis.insert(api.to_owned(), served);
    }

    /// The role for logs of an account in a region, if it is known; otherwise the epoch to give to
    /// [`Live::keep_log_role`].
    pub fn log_role(&self, scope: &Scope) -> Result<Option<String>, u64> {
        let inner = self.lock();
        inner.log_roles.get(&(scope.account.clone(), scope.region.clone())).cloned().ok_or(inner.epoch)
    }

    /// Keeps a role for logs that was read since `epoch`, unless something changed meanwhile.
    pub fn keep_log_role(&self, scope: &Scope, epoch: u64, role: Option<String>) {
        let mut inner = self.lock();
        if inner.epoch != epoch {
            return;
        }
        if inner.log_roles.len() >= MOST {
            inner.log_roles.clear();
        }
        inner.log_roles.insert((scope.account.clone(), scope.region.clone()), role);
    }

    /// Forgets an account's role for logs.
    pub fn forget_account(&self, scope: &Scope) {
        let mut inner = self.lock();
        inner.epoch += 1;
        inner.log_roles.remove(&(scope.account.clone(), scope.region.clone()));
    }

    /// Forgets an API's stages.
    pub fn forget(&self, api: &str) {
        let mut inner = self.lock();
        inner.epoch += 1;
        inner.stages.retain(|(of, _), _| of != api);
        inner.http_apis.remove(api);
    }

    /// Knows a custom domain name as it is now; `None`: it is no more.
    pub fn know(&self, name: &str, domain: Option<Domain>) {
        let mut inner = self.lock();
        match domain {
            Some(domain) => inner.domains.insert(name.to_owned(), Arc::new(domain)),
            None => inner.domains.remove(name),
        };
        self.named.store(inner.domains.len(), Ordering::Release);
    }

    /// The custom domain name that a host is: itself, or with an asterisk for its first part.
    pub fn domain(&self, host: &str) -> Option<Arc<Domain>> {
        if self.named.load(Ordering::Acquire) == 0 {
            return None;
        }
        let inner = self.lock();
        let wild = || inner.domains.get(&format!("*.{}", host.split_once('.')?.1));
        inner.domains.get(host).or_else(wild).cloned()
    }

    /// A custom domain name that serves an API, or one of its stages.
    pub fn mapped(&self, api: &str, stage: Option<&str>) -> Option<String> {
        let is_meant = |domain: &Domain| {
            let mut all = domain.mappings.values().filter(|mapping| mapping.api == api);
            all.any(|mapping| stage.is_none() || mapping.stage.as_deref() == stage)
        };
        let inner = self.lock();
        inner.domains.values().find(|domain| is_meant(domain)).map(|domain| domain.name.clone())
    }
}
