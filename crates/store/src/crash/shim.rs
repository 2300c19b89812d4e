//! Builds the library that stands in front of a process's file system calls, and starts processes with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use xxhash_rust::xxh3::xxh3_64;

const SOURCE: &str = include_str!("../../shim/fsshim.c");

/// The built library.
#[derive(Debug, Clone)]
pub struct Shim {
    library: PathBuf,
}

/// A kind of call that can be made to fail, on a file of the recorded directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Opening or making a file.
    Open,
    /// Writing; half of the data is written before the failure.
    Write,
    /// `fsync` and `fdatasync`.
    Sync,
    /// Renaming.
    Rename,
    /// Removing a file or directory.
    Unlink,
    /// Changing a file's length.
    Truncate,
    /// Making a directory.
    Mkdir,
    /// Making a hard link.
    Link,
}

impl Call {
    /// Every kind.
    pub const ALL: [Call; 8] = [
        Call::Open,
        Call::Write,
        Call::Sync,
        Call::Rename,
        Call::Unlink,
        Call::Truncate,
        Call::Mkdir,
        Call::Link,
    ];

    fn name(self) -> &'static str {
        match self {
            Call::Open => "open",
            Call::Write => "write",
            Call::Sync => "sync",
            Call::Rename => "rename",
            Call::Unlink => "unlink",
            Call::Truncate => "truncate",
            Call::Mkdir => "mkdir",
            Call::Link => "link",
        }
    }
}

/// One call that fails.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// Its kind.
    pub call: Call,
    /// Which one of that kind, from 1.
    pub nth: u32,
    /// With what, as a number: 5 is `EIO`, 28 is `ENOSPC`. With 0 the process is killed just before the call; no other
    /// call is cut short by that, so what a next process does can be recorded in the same log.
    pub errno: i32,
}

impl Shim {
    /// Compiles the library with `cc` into a directory, once for each version of its source.
    pub fn build(into: &Path) -> io::Result<Shim> {
        let name = format!("fsshim-{:016x}", xxh3_64(SOURCE.as_bytes()));
        let library = into.join(format!("{name}.so"));
        if library.try_exists()? {
            return Ok(Shim { library });
        }
        // Tests build it at the same time, in threads and processes; each under a name of its own.
        static BUILDS: AtomicU32 = AtomicU32::new(0);
        let build = BUILDS.fetch_add(1, Ordering::Relaxed);
        let own = into.join(format!("{name}-{}-{build}", std::process::id()));
        let (source, built) = (own.with_extension("c"), own.with_extension("so"));
        fs::write(&source, SOURCE)?;
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&built).arg(&source).args(["-ldl", "-lpthread"]);
        let output = cc.output()?;
        fs::remove_file(&source)?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        fs::rename(&built, &library)?;
        Ok(Shim { library })
    }

    /// Records what the process does to `dir`, which must be absolute and without links, in `log`,
    /// which must be outside of it. The directory is there; if it isn't empty, what was in it is
    /// part of the log ([`super::Log::of_directory`]), or the log is that of all that was done to it.
    pub fn record(&self, process: &mut Command, dir: &Path, log: &Path) {
        process.env("LD_PRELOAD", &self.library);
        process.env("ROPEWAY_SHIM_DIR", dir).env("ROPEWAY_SHIM_LOG", log);
    }

    /// Makes one call of a recorded process fail; [`super::Log::faulted`] tells whether it came to that.
    pub fn fail(&self, process: &mut Command, fault: Fault) {
        let Fault { call, nth, errno } = fault;
        process.env("ROPEWAY_SHIM_FAIL", format!("{}:{nth}:{errno}", call.name()));
    }
}
