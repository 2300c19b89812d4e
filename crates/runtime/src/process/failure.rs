//! What Lambda answers when it is not the handler that failed.

use bytes::Bytes;

use crate::api::Exit;

/// A failure of the platform's: its type, and what stands in the log and in the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// As in `Runtime.ExitError`.
    pub kind: String,
    /// Why, without the request's id.
    pub why: String,
    /// The document of an init error that the runtime itself reported.
    pub document: Option<Bytes>,
}

impl Failure {
    /// A failure of this type.
    pub fn new(kind: &str, why: impl Into<String>) -> Self {
        Failure { kind: kind.to_owned(), why: why.into(), document: None }
    }

    /// The runtime's process has ended by itself. `starved` when the kernel killed it for want of memory.
    pub fn exit(exit: &Exit, starved: bool) -> Self {
        let why = match exit {
            Exit::NotStarted(why) => return Failure::new("Runtime.InvalidEntrypoint", why.clone()),
            Exit::Code(0) => "Runtime exited without providing a reason".to_owned(),
            Exit::Code(code) => format!("Runtime exited with error: exit status {code}"),
            Exit::Signal(signal) => format!("Runtime exited with error: signal: {}", signal_name(*signal)),
        };
        Failure::new(if starved { "Runtime.OutOfMemory" } else { "Runtime.ExitError" }, why)
    }

    /// An extension's process has ended by itself.
    pub fn extension(exit: &Exit) -> Self {
        match exit {
            Exit::NotStarted(why) => Failure::new("Extension.LaunchError", why.clone()),
            Exit::Code(code) => Failure::new("Extension.Crash", format!("exit status {code}")),
            Exit::Signal(signal) => {
                Failure::new("Extension.Crash", format!("signal: {}", signal_name(*signal)))
            }
        }
    }

    /// It took too long.
    pub fn timeout(seconds: u32) -> Self {
        Failure::new("Sandbox.Timedout", format!("Task timed out after {seconds}.00 seconds"))
    }

    /// The answer to the caller.
    pub fn payload(&self, request_id: &str) -> Bytes {
        if let Some(document) = &self.document {
            return document.clone();
        }
        let message = format!("RequestId: {request_id} Error: {}", self.why);
        let document = serde_json::json!({ "errorType": self.kind, "errorMessage": message });
        Bytes::from(document.to_string())
    }

    /// The line in the log.
    pub fn line(&self, request_id: &str) -> String {
        format!("RequestId: {request_id} Error: {}\n{}", self.why, self.kind)
    }
}

/// As Go, which Lambda's own processes are written in, names signals.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGABRT => "aborted",
        libc::SIGBUS => "bus error",
        libc::SIGFPE => "floating point exception",
        libc::SIGHUP => "hangup",
        libc::SIGILL => "illegal instruction",
        libc::SIGINT => "interrupt",
        libc::SIGKILL => "killed",
        libc::SIGPIPE => "broken pipe",
        libc::SIGQUIT => "quit",
        libc::SIGSEGV => "segmentation fault",
        libc::SIGSYS => "bad system call",
        libc::SIGTERM => "terminated",
        libc::SIGTRAP => "trace/breakpoint trap",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}
