//! `ropeway doctor`: is this machine fit to serve?

use std::io::Write;
use std::path::Path;

use serde_json::json;

use crate::cli::DoctorArgs;
use crate::{Failure, client, output, runtime_cmd};

/// What was looked at, and what was found.
struct Finding {
    what: &'static str,
    result: Result<String, String>,
}

/// Checks, prints, and fails if anything is wrong.
pub(crate) fn run(arguments: &DoctorArgs) -> Result<(), Failure> {
    let dir = &arguments.data_dir;
    let findings = [
        Finding { what: "data directory", result: directory(dir) },
        Finding { what: "write and sync", result: write_and_sync(dir) },
        Finding { what: "open files", result: open_files() },
        Finding { what: "master key", result: master_key(dir) },
        Finding { what: "sandbox", result: sandbox() },
        Finding { what: "runtimes", result: runtime_cmd::summary(dir, arguments.runtimes_dir.clone()) },
    ];
    for finding in &findings {
        let (ok, text) = match &finding.result {
            Ok(text) => (true, text),
            Err(text) => (false, text),
        };
        output::line(&if arguments.json {
            json!({ "check": finding.what, "ok": ok, "detail": text }).to_string()
        } else {
            format!("{} {:<15} {text}", if ok { "ok  " } else { "FAIL" }, finding.what)
        });
    }
    let failed = findings.iter().filter(|f| f.result.is_err()).count();
    if failed == 0 {
        Ok(())
    } else {
        Err(Failure::Failed(format!("{failed} of {} checks failed", findings.len())))
    }
}

fn directory(dir: &Path) -> Result<String, String> {
    let meta = std::fs::metadata(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    if meta.is_dir() {
        Ok(dir.display().to_string())
    } else {
        Err(format!("{} is not a directory", dir.display()))
    }
}

/// A file is written, synced, read back and removed.
fn write_and_sync(dir: &Path) -> Result<String, String> {
    let path = dir.join("doctor.tmp");
    let attempt = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&path)?;
        file.write_all(b"ropeway")?;
        file.sync_all()?;
        if std::fs::read(&path)? != b"ropeway" {
            return Err(std::io::Error::other("what was read is not what was written"));
        }
        std::fs::remove_file(&path)?;
        std::fs::File::open(dir)?.sync_all()
    };
    attempt().map(|()| "a file was written, synced, read and removed".to_owned()).map_err(|e| e.to_string())
}

/// The limit of open files: each connection takes one.
fn open_files() -> Result<String, String> {
    let limits = std::fs::read_to_string("/proc/self/limits").map_err(|e| e.to_string())?;
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    let soft = line.split_whitespace().nth(3).unwrap_or("?");
    match soft.parse::<u64>() {
        Ok(limit) if limit < 4096 => {
            Err(format!("at most {limit} (ulimit -n): fewer than the 4096 connections served at once"))
        }
        Ok(limit) => Ok(format!("at most {limit}")),
        Err(_) => Ok(soft.to_owned()),
    }
}

/// A sandbox is made and ended, as for a function.
fn sandbox() -> Result<String, String> {
    let scratch = tempfile::tempdir().map_err(|e| e.to_string())?;
    let runtime = client::runtime().map_err(|e| format!("{e:?}"))?;
    let missing =
        runtime.block_on(ropeway_runtime::probe(scratch.path().to_owned(), "/proc/self/exe".into()))?;
    match missing.as_slice() {
        [] => Ok("a whole one was made".to_owned()),
        missing => Ok(format!("functions run, but without: {}", missing.join("; "))),
    }
}

fn master_key(dir: &Path) -> Result<String, String> {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join("master.key");
    match std::fs::metadata(&path) {
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => {
            Err(format!("{} can be read by others: chmod 600", path.display()))
        }
        Ok(_) => Ok(format!(
            "{}: keep a copy elsewhere; without it, nothing that is stored can be read",
            path.display()
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok("not there yet: the first start makes it".to_owned())
        }
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}
