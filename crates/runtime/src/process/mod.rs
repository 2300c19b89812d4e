//! A process of a function: a sandbox with its Runtime API, from its start to its end.

pub mod env;
mod failure;
mod invoke;
mod level;
mod logs;
mod measure;
mod report;

use std::sync::Arc;
use std::thread::ThreadId;
use std::time::Duration;

use ropeway_core::functions::FunctionSpec;
use ropeway_core::{Clock, Time};
use tokio::sync::mpsc::{self, error::TryRecvError};

use crate::api::{Event, Exit, Session, Shutdown};
use crate::package::Tree;
use crate::sandbox::Sandbox;
use crate::sandbox::cgroup::Group;
use crate::sandbox::order::{Command, Told};
use crate::tasks::Tasks;

pub use env::{Kind, Parts};
pub use failure::Failure;
pub use invoke::Begun;
pub use logs::{Logs, stream_name};
pub use measure::Stopwatch;
pub use report::{Status, Writer};

/// How long the first init of a process may take, in milliseconds ("Lambda execution environment: init phase").
pub const INIT_MILLIS: i64 = 10_000;
/// How long the runtime has to end where there are extensions, in milliseconds ("Shutdown phase": 500 ms
/// with external extensions).
const TERMINATE_MILLIS: i64 = 500;
/// How long extensions have after they are told to shut down, in milliseconds ("Shutdown phase").
const SHUTDOWN_MILLIS: i64 = 2000;

/// What a process is put together from.
#[derive(Debug)]
pub struct Pieces {
    /// The version it serves.
    pub spec: Arc<FunctionSpec>,
    /// Its sandbox.
    pub sandbox: Sandbox,
    /// Its side of the Runtime API.
    pub session: Arc<Session>,
    /// What happens there.
    pub events: mpsc::Receiver<Event>,
    /// Its log stream.
    pub logs: Logs,
    /// Its control groups, where there are any.
    pub group: Option<Group>,
    /// What it has bound.
    pub trees: Vec<Arc<Tree>>,
    /// Why it is started.
    pub kind: Kind,
    /// When its credentials end.
    pub keys_end: Time,
    /// The tasks that serve it.
    pub tasks: Tasks,
    /// External extensions.
    pub externals: u8,
}

/// A process. Dropped, all of it is killed.
#[derive(Debug)]
pub struct Process {
    spec: Arc<FunctionSpec>,
    sandbox: Arc<Sandbox>,
    session: Arc<Session>,
    events: mpsc::Receiver<Event>,
    logs: Arc<Logs>,
    writer: Writer,
    group: Option<Group>,
    tasks: Tasks,
    clock: Clock,
    kind: Kind,
    keys_end: Time,
    externals: u8,
    /// How long its init took, until that has been reported.
    init_took: Option<Duration>,
    /// The most memory that was seen in use, in bytes, where no control group counts.
    seen: u64,
    frozen: bool,
    /// The thread that serves its Runtime API.
    home: ThreadId,
    _trees: Vec<Arc<Tree>>,
}

impl Process {
    /// Puts a process together; nothing of the function runs yet.
    pub fn new(clock: Clock, pieces: Pieces) -> Self {
        let Pieces { spec, sandbox, session, events, logs, group, trees, kind, keys_end, tasks, externals } =
            pieces;
        let (sandbox, logs) = (Arc::new(sandbox), Arc::new(logs));
        tasks.spawn(watch(Arc::clone(&sandbox), Arc::clone(&session)));
        let follow = Arc::clone(&logs);
        tasks.spawn(async move { follow.follow().await });
        let writer = Writer::new(&spec);
        Process {
            spec,
            sandbox,
            session,
            events,
            logs,
            writer,
            group,
            tasks,
            clock,
            kind,
            keys_end,
            externals,
            init_took: None,
            seen: 0,
            frozen: false,
            home: std::thread::current().id(),
            _trees: trees,
        }
    }

    /// The thread that serves it: its tasks are of that thread's runtime, and handing over to another costs.
    pub fn home(&self) -> ThreadId {
        self.home
    }

    /// Whether its credentials last through one more invocation.
    pub fn keys_last(&self, now: Time) -> bool {
        now.plus_secs(i64::from(self.spec.timeout_secs)) < self.keys_end
    }

    /// Starts extensions and runtime and waits until all are ready.
    ///
    /// # Errors
    /// Why they are not: the process is of no use any more.
    pub async fn init(&mut self, phase: &str, deadline: Time) -> Result<(), Failure> {
        let watch = Stopwatch::start();
        let begun = self.writer.init_start(self.clock.now(), self.kind.name(), phase);
        begun.into_iter().for_each(|line| self.logs.platform(line));
        let result = self.wait_for_init(deadline).await;
        let took = watch.took();
        self.logs.drain();
        let status = match &result {
            Ok(()) => Status::Success,
            Err(failure) if failure.kind == "Sandbox.Timedout" => Status::Timeout,
            Err(failure) => Status::Error(failure.kind.clone()),
        };
        let ended = self.writer.init_report(self.clock.now(), self.kind.name(), phase, took, &status);
        ended.into_iter().for_each(|line| self.logs.platform(line));
        if result.is_ok() {
            self.init_took = (self.kind == Kind::OnDemand).then_some(took);
        }
        self.logs.flush();
        result
    }

    async fn wait_for_init(&mut self, deadline: Time) -> Result<(), Failure> {
        for number in 1..=self.externals {
            self.command(Command::Start(number))?;
        }
        let (mut started, mut ready) = (false, false);
        loop {
            if !started && self.session.extensions_registered() >= usize::from(self.externals) {
                self.command(Command::Start(0))?;
                started = true;
            }
            if ready && self.session.extensions_ready(usize::from(self.externals)) {
                return Ok(());
            }
            let event = tokio::select! {
                biased;
                event = self.events.recv() => event,
                () = self.clock.sleep_until(deadline) => {
                    return Err(Failure::timeout(self.spec.timeout_secs));
                }
            };
            match event {
                Some(Event::RuntimeReady) => ready = true,
                Some(Event::InitError(document, kind)) => {
                    let kind = kind.unwrap_or_else(|| "Runtime.Unknown".to_owned());
                    return Err(Failure { kind, why: String::new(), document: Some(document) });
                }
                Some(event) => {
                    if let Some(failure) = self.failure(event) {
                        return Err(failure);
                    }
                }
                None => return Err(gone()),
            }
        }
    }

    /// What in an event makes the process useless.
    fn failure(&self, event: Event) -> Option<Failure> {
        match event {
            Event::Exited(0, exit) => Some(Failure::exit(&exit, self.starved())),
            Event::Exited(_, exit) => Some(Failure::extension(&exit)),
            Event::ExtensionError(name, kind) => {
                let kind = kind.unwrap_or_else(|| "Extension.Unknown".to_owned());
                Some(Failure::new(&kind, format!("the extension {name} reported an error")))
            }
            Event::Gone => Some(gone()),
            _ => None,
        }
    }

    /// Whether the kernel killed something here for want of memory.
    fn starved(&self) -> bool {
        self.group.as_ref().is_some_and(|group| group.killed() > 0)
    }

    fn command(&self, command: Command) -> Result<(), Failure> {
        self.sandbox.command(command).map_err(|_| gone())
    }

    /// Stops all of its processes where they are, until the next invocation.
    pub fn freeze(&mut self) {
        // One that has ended is found out when it is wanted.
        self.frozen = self.command(Command::Freeze).is_ok();
    }

    /// Whether they stand still.
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Lets its processes go on.
    fn thaw(&mut self) -> Result<(), Failure> {
        if std::mem::take(&mut self.frozen) { self.command(Command::Thaw) } else { Ok(()) }
    }

    /// Whether it has not ended while it waited.
    pub fn lives(&mut self) -> bool {
        loop {
            match self.events.try_recv() {
                Ok(Event::Exited(..) | Event::ExtensionError(..) | Event::Gone) => return false,
                Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => return true,
                Ok(_) => {}
            }
        }
    }

    /// Ends it as Lambda does: with extensions, the runtime is asked to end, or killed where it failed, then
    /// they are told and given time; everything else is killed at once.
    pub async fn end(mut self, why: Shutdown) {
        if !self.session.has_extensions() {
            return;
        }
        let now = self.clock.now();
        let (runtime, all) = (now.plus_millis(TERMINATE_MILLIS), now.plus_millis(SHUTDOWN_MILLIS));
        let runtime_ends = match why {
            Shutdown::Spindown => Command::Terminate,
            Shutdown::Timeout | Shutdown::Failure => Command::Kill,
        };
        if self.thaw().and_then(|()| self.command(runtime_ends)).is_err() {
            return;
        }
        self.wait_for_ends(runtime, |program| program == 0, 1).await;
        self.session.shut_down(why, all);
        self.wait_for_ends(all, |program| program != 0, self.externals).await;
    }

    /// Waits until so many programs of a kind have ended, or a moment has come.
    async fn wait_for_ends(&mut self, deadline: Time, of: impl Fn(u8) -> bool, mut left: u8) {
        while left > 0 {
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(Event::Exited(program, _)) if of(program) => left -= 1,
                    Some(Event::Gone) | None => return,
                    Some(_) => {}
                },
                () = self.clock.sleep_until(deadline) => return,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.sandbox.kill();
        self.logs.drain();
        self.logs.flush();
        self.tasks.end();
    }
}

fn gone() -> Failure {
    Failure::new("Runtime.ExitError", "Runtime exited without providing a reason")
}

/// Hands on what the sandbox tells.
async fn watch(sandbox: Arc<Sandbox>, session: Arc<Session>) {
    loop {
        let event = match sandbox.told().await {
            Ok(Some(Told::Ended { program, code: Some(code), .. })) => {
                Event::Exited(program, Exit::Code(code))
            }
            Ok(Some(Told::Ended { program, signal, .. })) => {
                Event::Exited(program, Exit::Signal(signal.unwrap_or_default()))
            }
            Ok(Some(Told::NotStarted { program, why })) => Event::Exited(program, Exit::NotStarted(why)),
            Ok(Some(Told::Memory(used))) => Event::Memory(used),
            Ok(Some(Told::Ready { .. } | Told::Failed(_))) => continue,
            Ok(None) | Err(_) => return session.tell(Event::Gone).await,
        };
        session.tell(event).await;
    }
}
