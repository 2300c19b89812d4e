//! Directories made so that they survive a loss of power.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Makes a directory with those above it, each synced into the one that holds it. One that is there already is
/// synced too: who made it may have been killed before that.
pub fn make_dir(dir: &Path) -> io::Result<()> {
    let Some(above) = dir.parent() else { return Ok(()) };
    let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
    if !dir.is_dir() {
        make_dir(above)?;
        match fs::create_dir(dir) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
    }
    sync_dir(above)
}

/// Makes the entries of a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
