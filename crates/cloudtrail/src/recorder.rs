//! Takes what the wire layer tells of calls, and puts it where it belongs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ropeway_core::keys::Scope;
use ropeway_core::{BoxFuture, Core, Trace, flush_what_comes};
use ropeway_wire::audit::{Audit, Told};
use ropeway_wire::schema::{Operation, Service};
use ropeway_wire::{Cx, Error};
use tokio::sync::Notify;

use crate::commands::{CloudTrailMachine, Command};
use crate::event::{self, Made};
use crate::keys;
use crate::model::Entry;
use crate::names::{self, Kind};
use crate::registry::Registry;
use crate::selectors::{self, Seen};

/// Events of reads and of failures that wait for being written.
const MAX_WAITING: usize = 20_000;
/// Bytes of such events.
const MAX_WAITING_BYTES: usize = 32 * 1024 * 1024;
/// Time between two writes of them, in milliseconds.
const PAUSE: i64 = 500;
/// Events in one command.
const AT_ONCE: usize = 100;
/// Bytes of events in one command.
const BYTES_AT_ONCE: usize = 512 * 1024;
/// Tries of a write that the shard had no room for.
const TRIES: u32 = 20;
/// What the ARNs of trails begin with: what CloudTrail does for one of them is not recorded.
const OWN: &str = "arn:aws:cloudtrail:";

#[derive(Default)]
struct Queue {
    entries: Vec<(Scope, Entry)>,
    bytes: usize,
    dropped: u64,
}

/// Keeps the audit log: the events of changes at once, the others soon. [`Recorder::run`] does the latter.
pub struct Recorder {
    core: Core,
    registry: Arc<Registry>,
    queue: Mutex<Queue>,
    came: Notify,
}

impl Recorder {
    /// A recorder over a running core, for the trails that `registry` knows.
    pub fn new(core: Core, registry: Arc<Registry>) -> Self {
        Recorder { core, registry, queue: Mutex::default(), came: Notify::new() }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The trails that take an event.
    fn takers(&self, made: &Made) -> Vec<(u64, String)> {
        let seen = Seen {
            management: made.management,
            read_only: made.event.read_only,
            source: &made.event.source,
            name: &made.event.name,
            user: &made.user,
            resource: made.resource.as_ref().map(|(kind, arn)| (*kind, arn.as_str())),
        };
        let trails = self.registry.covering(&made.scope).into_iter();
        let takes = |trail: &Arc<crate::model::Trail>| {
            (trail.settings.global || !made.global) && selectors::take(&trail.selectors, &seen)
        };
        trails.filter(takes).map(|trail| (trail.id, trail.arn())).collect()
    }

    /// Leaves an event to [`Recorder::run`].
    fn later(&self, scope: Scope, entry: Entry) {
        let mut queue = self.queue();
        if queue.entries.len() >= MAX_WAITING || queue.bytes >= MAX_WAITING_BYTES {
            queue.dropped += 1;
            return;
        }
        queue.bytes += entry.event.json.len();
        queue.entries.push((scope, entry));
        drop(queue);
        self.came.notify_one();
    }

    async fn write(&self, scope: &Scope, entries: Vec<Entry>, trace: &Trace) -> Result<(), Error> {
        let shard = self.core.shard_of(&keys::journal(scope));
        let command = Command::Record { scope: scope.clone(), entries };
        self.core.submit::<CloudTrailMachine>(shard, trace, command).await.map(drop)
    }

    /// Writes what has come, until the core stops.
    pub async fn run(&self) {
        flush_what_comes(&self.core, "cloudtrail/recorder", &self.came, PAUSE, || self.flush()).await;
    }

    /// Writes what has come, now: also before the core stops.
    pub async fn flush(&self) {
        let queue = std::mem::take(&mut *self.queue());
        if queue.dropped > 0 {
            tracing::error!(count = queue.dropped, "events of reads are lost: too many at once");
        }
        let mut scopes: BTreeMap<Scope, Vec<Entry>> = BTreeMap::new();
        for (scope, entry) in queue.entries {
            scopes.entry(scope).or_default().push(entry);
        }
        for (scope, entries) in scopes {
            for group in groups(entries) {
                self.try_write(&scope, group).await;
            }
        }
    }

    /// Writes events, a few times if the shard is too busy.
    async fn try_write(&self, scope: &Scope, group: Vec<Entry>) {
        let (count, clock) = (group.len(), self.core.clock());
        for tried in 1..=TRIES {
            match self.write(scope, group.clone(), &Trace::from("")).await {
                Ok(()) => return,
                Err(error)
                    if tried == TRIES || error.is_sender_fault() || self.core.signals().is_closed() =>
                {
                    tracing::error!(count, %error, "events of reads are lost");
                    return;
                }
                Err(error) => tracing::warn!(%error, "events of reads wait"),
            }
            clock.sleep_until(clock.now().plus_millis(PAUSE)).await;
        }
    }
}

/// Divides events so that each group fits a command.
fn groups(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    let mut out: Vec<Vec<Entry>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        bytes += entry.event.json.len();
        match out.last_mut() {
            Some(group) if bytes <= BYTES_AT_ONCE && group.len() < AT_ONCE => group.push(entry),
            _ => {
                bytes = entry.event.json.len();
                out.push(vec![entry]);
            }
        }
    }
    out
}

impl Audit for Recorder {
    fn wants(&self, service: &'static Service, operation: &'static Operation, cx: &Cx) -> bool {
        let wanted = match names::kind(service, operation) {
            Kind::Nothing => false,
            Kind::Data => self.registry.takes_data(),
            Kind::Management => true,
        };
        wanted && !cx.source.as_ref().is_some_and(|source| source.starts_with(OWN))
    }

    fn record(&self, told: Told) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let (at, trace, succeeded) = (told.cx.now, Arc::clone(&told.cx.trace), told.result.is_ok());
            let made = event::make(told, self.core.ids().uuid());
            let trails = self.takers(&made);
            if !made.management && trails.is_empty() {
                return Ok(());
            }
            let changed = succeeded && !made.event.read_only;
            let entry = Entry { at, event: made.event, management: made.management, trails };
            if changed {
                return self.write(&made.scope, vec![entry], &trace).await;
            }
            self.later(made.scope, entry);
            Ok(())
        })
    }
}
