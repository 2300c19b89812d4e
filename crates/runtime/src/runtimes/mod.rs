//! Runtimes by name: whether the machine has them, and how their processes are started.

use std::ffi::OsString;
use std::path::PathBuf;

use ropeway_core::functions::{FunctionSpec, NotRun};

/// How a runtime's processes are started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The program, as it is seen inside.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Environment variables beyond those that every runtime has; the function's own do not replace them.
    pub env: Vec<(String, String)>,
    /// What of the host the runtime needs, beside the system's own programs and libraries.
    pub binds: Vec<Bind>,
}

/// A file or directory of the host that a process sees, read-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// Where it is on the host.
    pub host: PathBuf,
    /// Where it is inside.
    pub inside: PathBuf,
}

/// The runtimes that this machine has.
#[derive(Debug, Default)]
pub struct Runtimes {}

impl Runtimes {
    /// Whether functions of this runtime and architecture can run here.
    ///
    /// # Errors
    /// What is missing, said to the person who creates the function.
    pub fn check(&self, runtime: &str, architecture: &str) -> Result<(), NotRun> {
        let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
        if architecture != machine {
            let why = format!("this machine is {machine}: functions for {architecture} do not run here");
            return Err(NotRun::NoRuntime(why));
        }
        match runtime {
            "provided.al2" | "provided.al2023" => Ok(()),
            _ => Err(NotRun::NoRuntime(format!("no runtime {runtime} on this machine"))),
        }
    }

    /// How processes of a function are started.
    ///
    /// # Errors
    /// As [`Runtimes::check`].
    pub async fn launch(&self, spec: &FunctionSpec) -> Result<Launch, NotRun> {
        self.check(&spec.runtime, &spec.architecture)?;
        let program = PathBuf::from("/var/task/bootstrap");
        Ok(Launch { program, args: Vec::new(), env: Vec::new(), binds: Vec::new() })
    }
}
