//! Functions: what the function service asks of whatever runs its code, and what that asks back.
//!
//! The service crate knows names, versions, limits of concurrency and who may invoke; the runner
//! knows processes and sandboxes. Neither depends on the other: the binary wires them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::log_lines::LogLines;
use crate::{BoxFuture, Time};

/// One version of a function, with all that a process of it is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionSpec {
    /// The account that owns it: 12 digits.
    pub account: String,
    /// The region's name.
    pub region: String,
    /// The function's name.
    pub name: String,
    /// The version: `$LATEST` or a number.
    pub version: String,
    /// The function's ARN, without a version.
    pub arn: String,
    /// Changes with each change of code or configuration: a process serves one revision only.
    pub revision: String,
    /// The runtime's name, as in `python3.12`.
    pub runtime: String,
    /// What the runtime calls; `provided.*` may go without.
    pub handler: Option<String>,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// Seconds that an invocation may take.
    pub timeout_secs: u32,
    /// Memory of a process with its children, in MiB.
    pub memory_mib: u32,
    /// Size of `/tmp`, in MiB.
    pub tmp_mib: u32,
    /// The function's own environment variables.
    pub environment: BTreeMap<String, String>,
    /// The code.
    pub code: Package,
    /// Layers, the first one unpacked first; together they are `/opt`.
    pub layers: Vec<Package>,
    /// ARN of the role whose credentials a process gets.
    pub role: String,
    /// Where and how it logs.
    pub logging: Logging,
    /// Whether traces are active (the X-Ray header says so).
    pub traced: bool,
}

/// A zip archive, by what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// SHA-256 of the archive, 64 hexadecimal digits.
    pub sha256: String,
    /// Length of the archive in bytes.
    pub size: u64,
}

/// Where and how a function logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// The log group's name.
    pub group: String,
    /// Whether lines of the platform, and of runtimes that can, are JSON.
    pub json: bool,
    /// The application's level with JSON: `TRACE` to `FATAL`.
    pub application_level: Option<String>,
    /// The platform's level with JSON: `DEBUG`, `INFO` or `WARN`.
    pub system_level: Option<String>,
}

/// One call of a function.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The request's id: a UUID. Retries of an asynchronous event keep theirs.
    pub request_id: String,
    /// The ARN that was invoked, with its version or alias if one was named.
    pub invoked_arn: String,
    /// The event.
    pub payload: Bytes,
    /// The client's context, JSON, as it is handed on.
    pub client_context: Option<String>,
    /// The X-Ray header that the function gets.
    pub trace_header: Option<String>,
    /// The place that it takes among those that run at once: held by the runner until the function has
    /// answered, whether or not the caller still waits.
    pub place: Option<Place>,
}

/// What is given back when it is dropped.
pub type Place = Arc<dyn std::any::Any + Send + Sync>;

/// How a call ended that reached the function's code, or its init.
#[derive(Debug)]
pub struct Invoked {
    /// Whether the payload is an error: of the handler, or one of the platform (a timeout, an exit,
    /// a failed init).
    pub failed: bool,
    /// What the function answered.
    pub payload: Answer,
    /// The invocation's last log lines, at most 4 KiB. Empty for an answer that streams.
    pub log_tail: Bytes,
}

/// What a function answered.
#[derive(Debug)]
pub enum Answer {
    /// All of it, at most 6 MiB.
    Whole(Bytes),
    /// A streaming answer, whose prelude (the media type) has come.
    Stream(StreamedAnswer),
}

/// An answer that comes piece by piece.
#[derive(Debug)]
pub struct StreamedAnswer {
    /// The `Content-Type` that the function's runtime gave.
    pub content_type: String,
    /// The pieces; a last one that is an error ends an answer that broke off.
    pub pieces: mpsc::Receiver<Result<Bytes, StreamFault>>,
}

/// Why a streaming answer broke off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamFault {
    /// As in `Runtime.TruncatedResponse`.
    pub kind: String,
    /// The error's JSON document, as the function's runtime sent it.
    pub details: String,
}

/// Why a call did not reach the function's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRun {
    /// The machine has no interpreter for the runtime, or none that the settings admit.
    NoRuntime(String),
    /// The package cannot be unpacked, or is for another processor.
    BadPackage(String),
    /// The machine lacks what a process needs: memory, disk, processes.
    NoRoom(String),
    /// The role's credentials cannot be had.
    NoCredentials(String),
    /// The server is stopping.
    Stopping,
}

/// Runs functions.
pub trait Functions: Send + Sync + 'static {
    /// Whether functions of this runtime and architecture can run here.
    ///
    /// # Errors
    /// What is missing, said to the person who creates the function.
    fn check(&self, runtime: &str, architecture: &str) -> Result<(), NotRun>;

    /// Whether what a runtime brings is at hand, so that a function of it may start at once.
    fn is_ready(&self, runtime: &str) -> bool;

    /// Fetches what a runtime brings: minutes, where the way to a package registry is slow.
    ///
    /// # Errors
    /// Why it cannot be had, said to the person who made the function.
    fn make_ready(&self, runtime: String) -> BoxFuture<'_, Result<(), NotRun>>;

    /// Looks through an archive before it is accepted.
    ///
    /// # Errors
    /// [`NotRun::BadPackage`] with the reason: no zip, a path that leads outside, links that do, too
    /// large when unpacked (250 MiB).
    fn inspect(&self, archive: Bytes) -> BoxFuture<'_, Result<(), NotRun>>;

    /// Runs an invocation in a process of its own: a warm one, or a new one. How many may run at once is
    /// the caller's business.
    fn invoke(
        &self,
        function: Arc<FunctionSpec>,
        invocation: Invocation,
    ) -> BoxFuture<'_, Result<Invoked, NotRun>>;

    /// Keeps `count` processes of a version started, until told otherwise; 0 takes them back.
    fn provision(&self, function: Arc<FunctionSpec>, count: u32) -> BoxFuture<'_, Result<(), NotRun>>;

    /// Ends the idle processes of a function's ARN that are not of these revisions, and those under way
    /// after their invocation. No revisions: the function is gone.
    fn retire(&self, arn: &str, keep: &[String]);
}

/// What the runner needs of others.
pub trait FunctionHost: Send + Sync + 'static {
    /// The archive of a package.
    fn package(&self, account: String, package: Package) -> BoxFuture<'_, std::io::Result<Bytes>>;

    /// Credentials of a function's role, in a session named after the function.
    fn credentials(&self, function: Arc<FunctionSpec>) -> BoxFuture<'_, Result<RoleKeys, String>>;

    /// Takes log lines; what is beyond the sink's bound is dropped there, with a line that says so.
    fn log(&self, lines: LogLines);
}

/// Temporary credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct RoleKeys {
    /// The access key's id.
    pub access_key_id: String,
    /// Its secret.
    pub secret: String,
    /// The session's token.
    pub token: String,
    /// When they end.
    pub expires: Time,
}

impl std::fmt::Debug for RoleKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RoleKeys")
            .field("access_key_id", &self.access_key_id)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}
