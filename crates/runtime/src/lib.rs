//! Runs functions: their packages, processes and sandboxes.
//!
//! Promises: a process serves one invocation at a time, of one revision, with one role's credentials. It
//! sees its package, its layers, its own `/tmp` and nothing else of the machine or of other functions, and
//! reaches no Runtime API but its own. Between invocations it stands still. It dies with the server.
//!
//! Each sandbox has a network namespace of its own with nothing but a loopback interface, in which the
//! server itself listens: for the Runtime API, for its own address, for AWS's host names, and for all else
//! that is led there to be carried on. Only TCP and questions for names leave it.
//!
//! It needs Linux 5.12, and either root or user namespaces for everyone. What else a machine lacks (control
//! groups, landlock, nf_tables) [`Runtime::probe`] says; functions run without it.
//!
//! Files in `/tmp` are in memory. A control group therefore bounds memory and `/tmp` together, and memory
//! alone is looked at while an invocation runs.

mod api;
mod launch;
mod network;
mod package;
mod pool;
mod process;
mod runner;
pub mod runtimes;
mod sandbox;
mod tasks;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use ropeway_core::functions::{
    FunctionHost, FunctionSpec, Functions, Invocation, Invoked, NotRun, Package, RoleKeys,
};
use ropeway_core::log_lines::LogLines;
use ropeway_core::{BoxFuture, Clock, Ids, Vouched};
use tokio::sync::oneshot;

use api::Shutdown;
use launch::Launcher;
use pool::Pool;
use runner::{Runner, freeze, sweep};
use runtimes::Runtimes;
use tasks::Tasks;

pub use network::Url;
pub use package::MAX_UNPACKED;
pub use sandbox::sandbox_main;

/// How functions are run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A directory of the runner's own, below the data directory.
    pub directory: PathBuf,
    /// The program whose `main` calls [`sandbox_main`] first: the server's own.
    pub program: PathBuf,
    /// Where the server listens.
    pub endpoint: SocketAddr,
    /// Whether it speaks TLS there.
    pub endpoint_tls: bool,
    /// Where the server looks up which connections were encrypted on their way to it.
    pub vouched: Vouched,
    /// The server's URL as functions see it (`AWS_ENDPOINT_URL`), and as clients of URLs that functions make
    /// are to: scheme, host and port. Its host, `localhost` and what is below them are the server inside.
    pub endpoint_url: String,
    /// What functions reach beside the server.
    pub network: Network,
    /// Whether AWS's host names lead to the server on ports 443 and 80, for SDKs that do not know
    /// `AWS_ENDPOINT_URL`.
    pub aws_names: bool,
    /// How long a process waits for its next invocation before it is ended, in milliseconds.
    pub idle_millis: i64,
    /// The most processes at once.
    pub most_processes: usize,
}

/// What functions reach beside the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// What the machine reaches over TCP with IP version 4, but neither the machine's own loopback nor
    /// link-local addresses. The server connects for them.
    Machine,
    /// Nothing.
    ServerOnly,
}

impl Settings {
    /// How long a process waits, unless told otherwise: ten minutes.
    pub const IDLE_MILLIS: i64 = 600_000;
    /// The most processes, unless told otherwise: Lambda's own limit of concurrent executions.
    pub const MOST_PROCESSES: usize = 1000;
}

/// Runs functions.
pub struct Runtime(Arc<Runner>);

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("pool", &self.0.pool).finish_non_exhaustive()
    }
}

impl Runtime {
    /// Makes what is needed below the directory. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// What the file system says; an endpoint's URL that is none.
    pub fn new(
        settings: Settings,
        host: Arc<dyn FunctionHost>,
        clock: Clock,
        ids: Ids,
        runtimes: Runtimes,
    ) -> std::io::Result<Self> {
        let pool = Pool::new(settings.most_processes);
        let launcher = Launcher::new(settings, host, clock, ids, runtimes)?;
        let (waits, clock) = (Arc::new(tokio::sync::Notify::new()), launcher.clock.clone());
        let runner = Arc::new(Runner {
            launcher,
            pool,
            tasks: Tasks::new(),
            provisioned: Default::default(),
            waits: Arc::clone(&waits),
        });
        runner.tasks.spawn(sweep(Arc::downgrade(&runner)));
        runner.tasks.spawn(freeze(Arc::downgrade(&runner), waits, clock));
        Ok(Runtime(runner))
    }

    /// What of a sandbox this machine cannot give, in words for the operator.
    ///
    /// # Errors
    /// Why functions cannot run here at all.
    pub async fn probe(&self) -> Result<Vec<String>, String> {
        self.0.launcher.probe().await
    }

    /// Starts no more and ends all; those at work are killed.
    pub async fn stop(&self) {
        let ended = self.0.pool.stop().into_iter().map(|process| process.end(Shutdown::Spindown));
        futures_util::future::join_all(ended).await;
        self.0.launcher.drop_spares();
        self.0.tasks.end();
    }

    /// How many processes wait, and how many are at work.
    pub fn processes(&self) -> (usize, usize) {
        self.0.pool.counts()
    }
}

/// What of a sandbox this machine cannot give, found out by making one, without a server: for
/// `ropeway doctor`. `directory` is an empty one for this alone.
///
/// # Errors
/// Why functions cannot run here at all.
pub async fn probe(directory: PathBuf, program: PathBuf) -> Result<Vec<String>, String> {
    let ids = Ids::from_os().map_err(|e| e.to_string())?;
    let runtimes = Runtimes::new(runtimes::Settings {
        directory: directory.join("runtimes"),
        ..runtimes::Settings::default()
    });
    let settings = Settings {
        directory,
        program,
        endpoint: SocketAddr::from(([127, 0, 0, 1], 4566)),
        endpoint_tls: false,
        vouched: Vouched::default(),
        endpoint_url: "http://localhost:4566".to_owned(),
        network: Network::Machine,
        aws_names: false,
        idle_millis: Settings::IDLE_MILLIS,
        most_processes: 1,
    };
    let runtime = Runtime::new(settings, Arc::new(Nobody), Clock::real(0), ids, runtimes);
    let runtime = runtime.map_err(|e| e.to_string())?;
    let found = runtime.probe().await;
    runtime.stop().await;
    found
}

/// A host of no functions.
struct Nobody;

impl FunctionHost for Nobody {
    fn package(&self, _: String, _: Package) -> BoxFuture<'_, std::io::Result<Bytes>> {
        Box::pin(async { Err(std::io::Error::from(std::io::ErrorKind::NotFound)) })
    }

    fn credentials(&self, _: Arc<FunctionSpec>) -> BoxFuture<'_, Result<RoleKeys, String>> {
        Box::pin(async { Err("there are no roles".to_owned()) })
    }

    fn log(&self, _: LogLines) {}
}

impl Drop for Runtime {
    fn drop(&mut self) {
        drop(self.0.pool.stop());
        self.0.tasks.end();
    }
}

impl Functions for Runtime {
    fn check(&self, runtime: &str, architecture: &str) -> Result<(), NotRun> {
        self.0.launcher.runtimes.check(runtime, architecture)?;
        // A function is being made: it will be invoked before long.
        self.0.prepare(0);
        Ok(())
    }

    fn is_ready(&self, runtime: &str) -> bool {
        self.0.launcher.runtimes.is_ready(runtime)
    }

    fn make_ready(&self, runtime: String) -> BoxFuture<'_, Result<(), NotRun>> {
        Box::pin(async move { self.0.launcher.runtimes.make_ready(&runtime).await })
    }

    fn inspect(&self, archive: Bytes) -> BoxFuture<'_, Result<(), NotRun>> {
        Box::pin(async move {
            let looked = tokio::task::spawn_blocking(move || package::inspect(archive)).await;
            looked.map_err(|error| NotRun::NoRoom(error.to_string()))?
        })
    }

    fn invoke(
        &self,
        function: Arc<FunctionSpec>,
        invocation: Invocation,
    ) -> BoxFuture<'_, Result<Invoked, NotRun>> {
        let (reply, answer) = oneshot::channel();
        let run = Arc::clone(&self.0).run(function, invocation, Some(reply));
        // A task of its own: it is seen through when the caller has gone.
        self.0.tasks.spawn(run);
        Box::pin(async move { answer.await.unwrap_or(Err(NotRun::Stopping)) })
    }

    fn provision(&self, function: Arc<FunctionSpec>, count: u32) -> BoxFuture<'_, Result<(), NotRun>> {
        Box::pin(async move { self.0.provision(function, count).await })
    }

    fn retire(&self, arn: &str, keep: &[String]) {
        self.0.end_all(self.0.pool.retire(arn, keep), Shutdown::Spindown);
    }
}
