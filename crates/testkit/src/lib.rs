//! A real server in a test: started, killed, stopped, started again on the same directory.

mod client;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub use client::{Client, Reply};

/// The server's binary: `ROPEWAY_BIN`, or the one beside the test's own build.
///
/// # Panics
/// If there is none: build it first (`cargo build --bin ropeway`), as `cargo xtask test` does.
pub fn binary() -> PathBuf {
    let named = std::env::var_os("ROPEWAY_BIN").map(PathBuf::from);
    let beside = || Some(std::env::current_exe().ok()?.parent()?.parent()?.join("ropeway"));
    let found = named.or_else(beside).filter(|path| path.is_file());
    found.expect("no server to test: run `cargo xtask test`, or `cargo build --bin ropeway` first")
}

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// Further arguments.
    pub arguments: Vec<String>,
    /// Without `--dev`.
    pub production: bool,
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Its address (`http://127.0.0.1:40123`).
    pub endpoint: String,
    /// What it printed until it was ready.
    pub greeting: Vec<String>,
}

impl Server {
    /// Starts a server with `--dev` on a free port of loopback, and waits until it is ready.
    ///
    /// # Panics
    /// If it ends before it is ready.
    pub fn start(dir: &Path) -> Self {
        Self::spawn(Self::command(dir, &Setting::default())).unwrap_or_else(|why| panic!("{why}"))
    }

    /// The command that starts a server as told.
    pub fn command(dir: &Path, setting: &Setting) -> Command {
        let mut command = Command::new(binary());
        command.args(["start", "--listen", "127.0.0.1:0", "--data-dir"]).arg(dir);
        if !setting.production {
            command.arg("--dev");
        }
        command.args(&setting.arguments);
        command.env("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "error".to_owned()));
        command
    }

    /// Runs a command that starts a server, and waits until that is ready.
    ///
    /// # Errors
    /// What it printed, if it ends before it is ready.
    pub fn spawn(mut command: Command) -> Result<Self, String> {
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(|e| format!("{command:?}: {e}"))?;
        let stdout = child.stdout.take().ok_or("no output")?;
        let mut greeting = Vec::new();
        for line in BufReader::new(stdout).lines() {
            let line = line.map_err(|e| e.to_string())?;
            greeting.push(line.clone());
            if let Some(rest) = line.strip_prefix("Ropeway is ready at ") {
                let endpoint = rest.split_whitespace().next().unwrap_or_default().to_owned();
                return Ok(Server { child, endpoint, greeting });
            }
        }
        let status = child.wait().map_err(|e| e.to_string())?;
        Err(format!("the server ended before it was ready ({status}): {}", greeting.join("\n")))
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it, as `kill -9` does.
    ///
    /// # Panics
    /// If it cannot be waited for.
    pub fn kill(&mut self) {
        // It may have ended by itself: then there is nothing to kill.
        let _ = self.child.kill();
        self.child.wait().expect("a killed server can be waited for");
    }

    /// Stops it by SIGTERM; says whether it ended cleanly.
    ///
    /// # Panics
    /// If there is no `kill` command.
    pub fn stop(&mut self) -> bool {
        let told =
            Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().expect("a kill command");
        told.success() && self.child.wait().is_ok_and(|status| status.success())
    }

    /// True while it runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it ends by itself; gives its exit code.
    ///
    /// # Panics
    /// If it cannot be waited for.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("a server can be waited for").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An empty directory that goes when it is dropped.
///
/// # Panics
/// If it cannot be made.
pub fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}
