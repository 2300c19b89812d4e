//! The way of an invocation: a place, a process, its init, the invocation, and back into the pool.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ropeway_core::Clock;
use ropeway_core::functions::{FunctionSpec, Invocation, Invoked, NotRun, Place};
use tokio::sync::{Notify, oneshot};

use crate::api::Shutdown;
use crate::launch::Launcher;
use crate::pool::{Full, Key, Pool, Taken, Ticket};
use crate::process::{Begun, Failure, INIT_MILLIS, Kind, Process};
use crate::tasks::Tasks;

/// How long a process that waits is left to run, in milliseconds: under load the next invocation comes
/// sooner, and stopping and continuing costs more than the invocation.
const FREEZE_MILLIS: i64 = 20;
/// When a sandbox is prepared in place of one that was taken, in milliseconds: it would hold up the invocation
/// that took it.
const PREPARE_MILLIS: i64 = 10;
/// How often processes that waited too long are looked for, in milliseconds.
const SWEEP_MILLIS: i64 = 15_000;

/// Takes an invocation's answer.
pub type Reply = Option<oneshot::Sender<Result<Invoked, NotRun>>>;

/// Everything that runs functions.
pub struct Runner {
    pub launcher: Launcher,
    pub pool: Pool,
    pub tasks: Tasks,
    /// What is provisioned, to start more of it.
    pub provisioned: Mutex<BTreeMap<Key, Arc<FunctionSpec>>>,
    /// A process has begun to wait.
    pub waits: Arc<Notify>,
}

/// A process for an invocation, or the invocation's end.
enum Made {
    Ready(Process, Option<Begun>),
    Failed(Process, Invoked, Failure),
}

impl Runner {
    /// Runs an invocation and gives its answer.
    pub async fn run(self: Arc<Self>, spec: Arc<FunctionSpec>, mut invocation: Invocation, mut reply: Reply) {
        // Given back before the answer is: whoever has the answer may invoke again.
        let place = invocation.place.take();
        let key = Key::of(&spec);
        let taken = match self.pool.take(&key, self.launcher.clock.now()) {
            Ok(taken) => taken,
            Err(full) => return give(&mut reply, Err(no_place(full))),
        };
        let Taken { ticket, process, out } = taken;
        self.end_all(out, Shutdown::Spindown);
        let made = match process {
            Some(process) => Ok(Made::Ready(process, None)),
            None => {
                let made = self.make(&spec, &invocation).await;
                self.prepare(PREPARE_MILLIS);
                made
            }
        };
        match made {
            Ok(Made::Ready(process, begun)) => {
                let begun = begun.unwrap_or_else(|| process.begin(invocation));
                self.serve(ticket, process, begun, &mut reply, place).await;
            }
            Ok(Made::Failed(process, invoked, failure)) => {
                self.pool.give_up(ticket);
                self.end_all(vec![process], why(&failure));
                drop(place);
                give(&mut reply, Ok(invoked));
            }
            Err(not_run) => {
                self.pool.give_up(ticket);
                drop(place);
                give(&mut reply, Err(not_run));
            }
        }
    }

    async fn serve(
        &self,
        ticket: Ticket,
        mut process: Process,
        begun: Begun,
        reply: &mut Reply,
        place: Option<Place>,
    ) {
        let (result, ending) = process.invoke(begun, reply).await;
        match result {
            Ok(()) => self.put_back(ticket, process),
            Err(failure) => {
                self.pool.give_up(ticket);
                self.end_all(vec![process], why(&failure));
            }
        }
        drop(place);
        if let Some(answer) = ending.answer {
            give(reply, Ok(answer));
        }
    }

    fn put_back(&self, ticket: Ticket, process: Process) {
        let now = self.launcher.clock.now();
        self.end_all(self.pool.put_back(ticket, process, now), Shutdown::Spindown);
        self.waits.notify_one();
    }

    /// Prepares sandboxes so many milliseconds from now, beside what the caller does.
    pub fn prepare(self: &Arc<Self>, millis: i64) {
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (runner, clock) = (Arc::downgrade(self), self.launcher.clock.clone());
        self.tasks.spawn(async move {
            clock.sleep_until(clock.now().plus_millis(millis)).await;
            let prepare = move || runner.upgrade().map(|runner| runner.launcher.prepare_spares());
            match tokio::task::spawn_blocking(prepare).await {
                // The next process says it to whoever wants it.
                Ok(Some(Err(error))) => tracing::debug!(?error, "no sandbox could be prepared"),
                Err(error) => tracing::error!(%error, "the preparation of a sandbox broke off"),
                Ok(_) => {}
            }
        });
    }

    /// A new process. As on Lambda, an init that failed, or took longer than 10 seconds, is tried once more
    /// as part of the invocation, within the function's own timeout.
    async fn make(&self, spec: &Arc<FunctionSpec>, invocation: &Invocation) -> Result<Made, NotRun> {
        let mut process = self.launcher.start(spec, Kind::OnDemand).await?;
        let deadline = self.launcher.clock.now().plus_millis(INIT_MILLIS);
        let Err(failure) = process.init("init", deadline).await else {
            return Ok(Made::Ready(process, None));
        };
        self.end_all(vec![process], why(&failure));
        let mut process = self.launcher.start(spec, Kind::OnDemand).await?;
        let begun = process.begin(invocation.clone());
        match process.init("invoke", begun.deadline()).await {
            Ok(()) => Ok(Made::Ready(process, Some(begun))),
            Err(failure) => {
                let invoked = process.fail(&begun, failure.clone());
                Ok(Made::Failed(process, invoked, failure))
            }
        }
    }

    /// Keeps so many processes of a version.
    pub async fn provision(&self, spec: Arc<FunctionSpec>, count: u32) -> Result<(), NotRun> {
        let key = Key::of(&spec);
        {
            let mut provisioned = self.provisioned.lock().unwrap_or_else(PoisonError::into_inner);
            match count {
                0 => drop(provisioned.remove(&key)),
                _ => drop(provisioned.insert(key.clone(), Arc::clone(&spec))),
            }
        }
        let wanting = self.pool.provision(&key, usize::try_from(count).unwrap_or(usize::MAX));
        for _ in 0..wanting {
            self.provision_one(&spec, &key).await?;
        }
        Ok(())
    }

    async fn provision_one(&self, spec: &Arc<FunctionSpec>, key: &Key) -> Result<(), NotRun> {
        let Taken { ticket, out, .. } = self.pool.reserve(key).map_err(no_place)?;
        self.end_all(out, Shutdown::Spindown);
        let made = async {
            let mut process = self.launcher.start(spec, Kind::Provisioned).await?;
            let deadline = self.launcher.clock.now().plus_millis(INIT_MILLIS);
            let ready = process.init("init", deadline).await;
            ready.map_err(|failure| {
                NotRun::NoRoom(format!("the init failed: {}: {}", failure.kind, failure.why))
            })?;
            Ok(process)
        };
        match made.await {
            Ok(process) => {
                self.put_back(ticket, process);
                Ok(())
            }
            Err(not_run) => {
                self.pool.give_up(ticket);
                Err(not_run)
            }
        }
    }

    /// Ends processes, beside what the caller does.
    pub fn end_all(&self, processes: impl IntoIterator<Item = Process>, why: Shutdown) {
        for process in processes {
            self.tasks.spawn(process.end(why));
        }
    }

    async fn sweep(&self) {
        let now = self.launcher.clock.now();
        let before = now.plus_millis(-self.launcher.settings.idle_millis);
        self.end_all(self.pool.stale(before, now), Shutdown::Spindown);
        for (key, count) in self.pool.wanting() {
            let spec = self.provisioned.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
            let Some(spec) = spec else { continue };
            for _ in 0..count {
                if let Err(error) = self.provision_one(&spec, &key).await {
                    tracing::warn!(function = %spec.arn, ?error, "a provisioned process could not be started");
                    break;
                }
            }
        }
        if let Err(error) = self.launcher.packages.sweep(now).await {
            tracing::warn!(%error, "unpacked packages could not be removed");
        }
    }
}

/// Ends what nobody needs any more, as long as the runner lives.
pub async fn sweep(runner: Weak<Runner>) {
    if let Some(runner) = runner.upgrade()
        && let Err(error) = runner.launcher.packages.remove_old().await
    {
        tracing::warn!(%error, "packages of before the start could not be removed");
    }
    loop {
        let Some((clock, idle)) = runner
            .upgrade()
            .map(|runner| (runner.launcher.clock.clone(), runner.launcher.settings.idle_millis))
        else {
            return;
        };
        let pause = SWEEP_MILLIS.min(idle.max(1));
        clock.sleep_until(clock.now().plus_millis(pause)).await;
        let Some(runner) = runner.upgrade() else { return };
        runner.sweep().await;
    }
}

/// Stops the processes that wait, as long as the runner lives.
pub async fn freeze(runner: Weak<Runner>, waits: Arc<Notify>, clock: Clock) {
    loop {
        waits.notified().await;
        loop {
            clock.sleep_until(clock.now().plus_millis(FREEZE_MILLIS)).await;
            let Some(runner) = runner.upgrade() else { return };
            if !runner.pool.freeze(clock.now().plus_millis(-FREEZE_MILLIS)) {
                break;
            }
        }
    }
}

/// Gives an answer, once. The caller may have gone.
fn give(reply: &mut Reply, answer: Result<Invoked, NotRun>) {
    if let Some(reply) = reply.take() {
        drop(reply.send(answer));
    }
}

fn no_place(full: Full) -> NotRun {
    match full {
        Full::Busy(most) => NotRun::NoRoom(format!("{most} processes are at work, as many as may be")),
        Full::Stopping => NotRun::Stopping,
    }
}

fn why(failure: &Failure) -> Shutdown {
    if failure.kind == "Sandbox.Timedout" { Shutdown::Timeout } else { Shutdown::Failure }
}
