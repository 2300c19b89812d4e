//! Processes that wait for their next invocation, and how many there are.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ropeway_core::Time;
use ropeway_core::functions::FunctionSpec;

use crate::process::Process;

/// What a process serves: ARN, version and revision.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    arn: String,
    version: String,
    revision: String,
}

impl Key {
    /// Of a version of a function.
    pub fn of(spec: &FunctionSpec) -> Self {
        Key { arn: spec.arn.clone(), version: spec.version.clone(), revision: spec.revision.clone() }
    }
}

/// The processes: those that wait, and the places of those at work.
#[derive(Debug)]
pub struct Pool {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    idle: BTreeMap<Key, Vec<Idle>>,
    busy: BTreeMap<u64, Place>,
    provisioned: BTreeMap<Key, usize>,
    places: u64,
    stopping: bool,
}

#[derive(Debug)]
struct Idle {
    process: Process,
    since: Time,
}

#[derive(Debug)]
struct Place {
    key: Key,
    retired: bool,
}

/// The place of a process at work.
#[derive(Debug)]
pub struct Ticket(u64);

/// What a place holds.
#[derive(Debug)]
pub struct Taken {
    /// The place.
    pub ticket: Ticket,
    /// A process that waited; where there was none, one may be started.
    pub process: Option<Process>,
    /// Processes that have to go.
    pub out: Vec<Process>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// As many as may be are at work.
    Busy(usize),
    /// No new ones: the server is stopping.
    Stopping,
}

impl Pool {
    /// With room for so many processes.
    pub fn new(most: usize) -> Self {
        Pool { most, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for an invocation, with the process that was used last, as long as its credentials last; one
    /// that this thread serves, if one waits.
    ///
    /// # Errors
    /// [`Full`].
    pub fn take(&self, key: &Key, now: Time) -> Result<Taken, Full> {
        let mut state = self.state();
        let mut out = Vec::new();
        while let Some(Idle { mut process, .. }) = state.pop(key) {
            if process.keys_last(now) && process.lives() {
                let ticket = state.place(key)?;
                return Ok(Taken { ticket, process: Some(process), out });
            }
            out.push(process);
        }
        let ticket = self.admit(&mut state, key, &mut out)?;
        Ok(Taken { ticket, process: None, out })
    }

    /// A place for a new process.
    ///
    /// # Errors
    /// [`Full`].
    pub fn reserve(&self, key: &Key) -> Result<Taken, Full> {
        let mut state = self.state();
        let mut out = Vec::new();
        let ticket = self.admit(&mut state, key, &mut out)?;
        Ok(Taken { ticket, process: None, out })
    }

    fn admit(&self, state: &mut State, key: &Key, out: &mut Vec<Process>) -> Result<Ticket, Full> {
        while state.busy.len() + state.waiting() >= self.most {
            // The one that has waited longest makes room.
            let oldest = state.idle.iter().filter_map(|(key, idle)| Some((idle.first()?.since, key.clone())));
            let Some((_, oldest)) = oldest.min() else { return Err(Full::Busy(self.most)) };
            let waiting = state.idle.get_mut(&oldest).filter(|waiting| !waiting.is_empty());
            out.extend(waiting.map(|waiting| waiting.remove(0).process));
            state.idle.retain(|_, waiting| !waiting.is_empty());
        }
        state.place(key)
    }

    /// Puts a process back that may serve again. It comes back where it may not any more.
    pub fn put_back(&self, ticket: Ticket, process: Process, now: Time) -> Option<Process> {
        let mut state = self.state();
        match state.busy.remove(&ticket.0) {
            Some(place) if !place.retired && !state.stopping => {
                state.idle.entry(place.key).or_default().push(Idle { process, since: now });
                None
            }
            _ => Some(process),
        }
    }

    /// Stops the processes that have waited since before a moment where they are. Whether others have still
    /// to be stopped.
    pub fn freeze(&self, before: Time) -> bool {
        let mut state = self.state();
        let waiting = state.idle.values_mut().flatten().filter(|idle| !idle.process.is_frozen());
        let mut left = false;
        for idle in waiting {
            if idle.since <= before {
                idle.process.freeze();
            } else {
                left = true;
            }
        }
        left
    }

    /// Gives a place up.
    pub fn give_up(&self, ticket: Ticket) {
        self.state().busy.remove(&ticket.0);
    }

    /// Sets how many processes of a version are kept: how many are wanting.
    pub fn provision(&self, key: &Key, count: usize) -> usize {
        let mut state = self.state();
        if count == 0 {
            state.provisioned.remove(key);
        } else {
            state.provisioned.insert(key.clone(), count);
        }
        let idle = state.idle.get(key).map_or(0, Vec::len);
        let busy = state.busy.values().filter(|place| place.key == *key && !place.retired).count();
        count.saturating_sub(idle + busy)
    }

    /// Takes out the idle processes of a function that are not of these revisions, and marks the others.
    pub fn retire(&self, arn: &str, keep: &[String]) -> Vec<Process> {
        let mut state = self.state();
        let goes = |key: &Key| key.arn == arn && !keep.contains(&key.revision);
        state.provisioned.retain(|key, _| !goes(key));
        state.busy.values_mut().filter(|place| goes(&place.key)).for_each(|place| place.retired = true);
        state.drain(goes)
    }

    /// Takes out those that have waited since before a moment, and those whose credentials end; but not
    /// those that are provisioned, unless it is for their credentials.
    pub fn stale(&self, before: Time, now: Time) -> Vec<Process> {
        let mut state = self.state();
        let mut out = Vec::new();
        let State { idle, provisioned, .. } = &mut *state;
        for (key, waiting) in idle.iter_mut() {
            let keep = provisioned.get(key).copied().unwrap_or(0);
            let mut spare = waiting.len().saturating_sub(keep);
            let mut kept = Vec::with_capacity(waiting.len());
            for idle in waiting.drain(..) {
                let old = idle.since <= before && spare > 0;
                if old || !idle.process.keys_last(now) {
                    spare = spare.saturating_sub(1);
                    out.push(idle.process);
                } else {
                    kept.push(idle);
                }
            }
            *waiting = kept;
        }
        state.idle.retain(|_, waiting| !waiting.is_empty());
        out
    }

    /// The versions that want more processes than they have, with how many.
    pub fn wanting(&self) -> Vec<(Key, usize)> {
        let state = self.state();
        let have = |key: &Key| {
            let busy = state.busy.values().filter(|place| place.key == *key && !place.retired).count();
            state.idle.get(key).map_or(0, Vec::len) + busy
        };
        let wanting =
            state.provisioned.iter().map(|(key, count)| (key.clone(), count.saturating_sub(have(key))));
        wanting.filter(|(_, count)| *count > 0).collect()
    }

    /// How many processes wait, and how many are at work.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.state();
        (state.waiting(), state.busy.len())
    }

    /// Takes in no more, and lets go of all that wait.
    pub fn stop(&self) -> Vec<Process> {
        let mut state = self.state();
        state.stopping = true;
        state.drain(|_| true)
    }
}

impl State {
    fn waiting(&self) -> usize {
        self.idle.values().map(Vec::len).sum()
    }

    fn pop(&mut self, key: &Key) -> Option<Idle> {
        let waiting = self.idle.get_mut(key)?;
        let here = std::thread::current().id();
        let near = waiting.iter().rposition(|idle| idle.process.home() == here);
        let idle = waiting.remove(near.unwrap_or(waiting.len().checked_sub(1)?));
        if waiting.is_empty() {
            self.idle.remove(key);
        }
        Some(idle)
    }

    fn place(&mut self, key: &Key) -> Result<Ticket, Full> {
        if self.stopping {
            return Err(Full::Stopping);
        }
        self.places += 1;
        self.busy.insert(self.places, Place { key: key.clone(), retired: false });
        Ok(Ticket(self.places))
    }

    fn drain(&mut self, goes: impl Fn(&Key) -> bool) -> Vec<Process> {
        let keys: Vec<Key> = self.idle.keys().filter(|key| goes(key)).cloned().collect();
        let gone = keys.iter().filter_map(|key| self.idle.remove(key));
        gone.flatten().map(|idle| idle.process).collect()
    }
}
