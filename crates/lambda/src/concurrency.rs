//! How many invocations run at once, and how many may.
//!
//! What functions reserve, and what is provisioned, is published here after its commit; what runs is
//! counted here alone, since it ends with the server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use ropeway_wire::Error;

use crate::errors::throttled;
use crate::keys::FunctionName;
use crate::limits;

/// The counters of all functions. Clones are the same.
#[derive(Clone, Default)]
pub struct Concurrency(Arc<Mutex<BTreeMap<(String, String), Account>>>);

/// An account's functions in a region.
#[derive(Default)]
struct Account {
    functions: BTreeMap<String, Counters>,
    /// What is reserved or provisioned: provisioned processes count whether they run or not.
    taken: u32,
    /// Invocations of functions without reserved concurrency, beyond what is provisioned.
    unreserved: u32,
}

/// A function's.
#[derive(Default)]
struct Counters {
    reserved: Option<u32>,
    /// By version.
    provisioned: BTreeMap<String, u32>,
    running: BTreeMap<String, u32>,
}

impl Counters {
    fn is_idle(&self) -> bool {
        self.reserved.is_none() && self.provisioned.is_empty() && self.running.is_empty()
    }

    fn taken(&self) -> u32 {
        self.reserved.unwrap_or_else(|| self.provisioned.values().sum())
    }

    fn running(&self) -> u32 {
        self.running.values().sum()
    }
}

impl Account {
    /// What is left for functions that reserve nothing.
    fn pool(&self) -> u32 {
        limits::CONCURRENCY.saturating_sub(self.taken)
    }

    fn forget_idle(&mut self, function: &str) {
        if self.functions.get(function).is_some_and(Counters::is_idle) {
            self.functions.remove(function);
        }
    }
}

/// A place for one invocation, until it is dropped.
pub struct Permit {
    all: Concurrency,
    function: FunctionName,
    version: String,
    unreserved: bool,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        let Some(account) = all.get_mut(&scope(&self.function)) else { return };
        if self.unreserved {
            account.unreserved = account.unreserved.saturating_sub(1);
        }
        if let Some(counters) = account.functions.get_mut(&self.function.name)
            && let Some(running) = counters.running.get_mut(&self.version)
        {
            *running = running.saturating_sub(1);
            if *running == 0 {
                counters.running.remove(&self.version);
            }
        }
        account.forget_idle(&self.function.name);
    }
}

impl Concurrency {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), Account>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A place for an invocation of a version.
    ///
    /// # Errors
    /// `TooManyRequestsException`, with the limit that is reached.
    pub fn enter(&self, function: &FunctionName, version: &str) -> Result<Permit, Error> {
        let mut all = self.lock();
        let account = all.entry(scope(function)).or_default();
        let pool = account.pool();
        let unreserved_now = account.unreserved;
        let counters = account.functions.entry(function.name.clone()).or_default();
        let running = counters.running.get(version).copied().unwrap_or_default();
        let beyond = running >= counters.provisioned.get(version).copied().unwrap_or_default();
        let unreserved = beyond && counters.reserved.is_none();
        let refusal = match counters.reserved {
            Some(most) if counters.running() >= most => {
                Some("ReservedFunctionConcurrentInvocationLimitExceeded")
            }
            None if unreserved && unreserved_now >= pool => Some("ConcurrentInvocationLimitExceeded"),
            _ => None,
        };
        if let Some(reason) = refusal {
            account.forget_idle(&function.name);
            return Err(throttled(reason));
        }
        *counters.running.entry(version.to_owned()).or_default() += 1;
        if unreserved {
            account.unreserved += 1;
        }
        Ok(Permit { all: self.clone(), function: function.clone(), version: version.to_owned(), unreserved })
    }

    /// Makes known what a function reserves.
    pub fn reserve(&self, function: &FunctionName, reserved: Option<u32>) {
        self.change(function, |counters| counters.reserved = reserved);
    }

    /// Makes known what is provisioned for a version; 0: nothing.
    pub fn provision(&self, function: &FunctionName, version: &str, count: u32) {
        self.change(function, |counters| match count {
            0 => drop(counters.provisioned.remove(version)),
            count => drop(counters.provisioned.insert(version.to_owned(), count)),
        });
    }

    /// Forgets a function that is gone.
    pub fn forget(&self, function: &FunctionName) {
        self.change(function, |counters| {
            counters.reserved = None;
            counters.provisioned.clear();
        });
    }

    fn change(&self, function: &FunctionName, change: impl FnOnce(&mut Counters)) {
        let mut all = self.lock();
        let account = all.entry(scope(function)).or_default();
        change(account.functions.entry(function.name.clone()).or_default());
        account.forget_idle(&function.name);
        account.taken = account.functions.values().map(Counters::taken).sum();
    }

    /// What functions without a reservation have among them, were this function to give its own up.
    pub fn unreserved_without(&self, function: &FunctionName) -> u32 {
        let mut all = self.lock();
        let account = all.entry(scope(function)).or_default();
        let own = account.functions.get(&function.name);
        let own = own.map_or(0, Counters::taken);
        account.pool() + own
    }

    /// What functions without a reservation have among them.
    pub fn unreserved(&self, account: &str, region: &str) -> u32 {
        let all = self.lock();
        all.get(&(account.to_owned(), region.to_owned())).map_or(limits::CONCURRENCY, Account::pool)
    }
}

fn scope(function: &FunctionName) -> (String, String) {
    (function.scope.account.clone(), function.scope.region.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(result: Result<Permit, Error>) -> String {
        let error = result.err().unwrap();
        assert_eq!((error.status, error.code.as_ref()), (429, "TooManyRequestsException"));
        error.members["Reason"].clone()
    }

    #[test]
    fn reserved_concurrency_is_a_limit_and_a_guarantee() {
        let all = Concurrency::default();
        let (a, b) = (FunctionName::new("1", "r", "a"), FunctionName::new("1", "r", "b"));
        all.reserve(&a, Some(2));
        let first = all.enter(&a, "$LATEST").unwrap();
        let _second = all.enter(&a, "1").unwrap();
        assert_eq!(reason(all.enter(&a, "$LATEST")), "ReservedFunctionConcurrentInvocationLimitExceeded");
        drop(first);
        let _third = all.enter(&a, "$LATEST").unwrap();
        assert_eq!(all.unreserved("1", "r"), 998);
        let others: Vec<Permit> = (0..998).map(|_| all.enter(&b, "$LATEST").unwrap()).collect();
        assert_eq!(reason(all.enter(&b, "$LATEST")), "ConcurrentInvocationLimitExceeded");
        drop(others);
        all.reserve(&a, Some(0));
        assert_eq!(reason(all.enter(&a, "$LATEST")), "ReservedFunctionConcurrentInvocationLimitExceeded");
    }

    #[test]
    fn provisioned_concurrency_comes_before_the_pool() {
        let all = Concurrency::default();
        let a = FunctionName::new("1", "r", "a");
        all.provision(&a, "1", 10);
        assert_eq!(all.unreserved("1", "r"), 990);
        let permits: Vec<Permit> = (0..1000).map(|_| all.enter(&a, "1").unwrap()).collect();
        assert_eq!(reason(all.enter(&a, "1")), "ConcurrentInvocationLimitExceeded");
        drop(permits);
        all.forget(&a);
        assert_eq!(all.unreserved("1", "r"), 1000);
        assert!(all.lock().values().all(|account| account.functions.is_empty()));
    }
}
