//! The server that is measured, and the ceiling's, as processes of their own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A process that printed its address. Dropping it kills it.
pub struct Process {
    child: Child,
    /// Its address.
    pub endpoint: String,
    /// From its start to its address.
    pub started_in: Duration,
}

impl Process {
    /// Starts the server on a directory.
    pub fn server(binary: &Path, dir: &Path) -> Result<Self, String> {
        Self::server_with(binary, dir, &[])
    }

    /// Starts the server with more settings, from its environment.
    pub fn server_with(binary: &Path, dir: &Path, settings: &[(&str, &Path)]) -> Result<Self, String> {
        let mut command = Command::new(binary);
        command
            .envs(settings.iter().copied())
            .args(["start", "--dev", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(dir)
            .env("RUST_LOG", "warn");
        Self::start(command, "Ropeway is ready at ")
    }

    /// Starts the server of the fixed answer.
    pub fn fixed() -> Result<Self, String> {
        let mut command = Command::new(std::env::current_exe().map_err(|e| e.to_string())?);
        command.arg("fixed");
        Self::start(command, "")
    }

    fn start(mut command: Command, prefix: &str) -> Result<Self, String> {
        let started = Instant::now();
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(|e| format!("{command:?}: {e}"))?;
        let output = child.stdout.take().ok_or("no output")?;
        for line in BufReader::new(output).lines() {
            let line = line.map_err(|e| e.to_string())?;
            if let Some(rest) = line.strip_prefix(prefix).filter(|rest| rest.starts_with("http")) {
                let endpoint = rest.split_whitespace().next().unwrap_or_default().to_owned();
                return Ok(Process { child, endpoint, started_in: started.elapsed() });
            }
        }
        Err(format!("{command:?} ended before it was ready"))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory, in MiB.
    pub fn memory_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
