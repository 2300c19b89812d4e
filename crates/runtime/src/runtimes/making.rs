//! Directories that are made once, all or nothing, and never changed.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::process::Command;

/// How long a tool may take to fetch what it was asked for.
const PATIENCE: Duration = Duration::from_secs(600);
/// What the names of directories begin with that are not whole yet.
const MAKING: &str = ".making-";
/// What is shown of a tool's complaint, in lines.
const COMPLAINT: usize = 6;

/// A name that changes with the contents.
pub fn digest<'a>(contents: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for text in contents {
        hash.update(text.len().to_be_bytes());
        hash.update(text);
    }
    hex::encode(hash.finalize()).chars().take(16).collect()
}

/// Where such directories are.
#[derive(Debug, Default)]
pub struct Store {
    root: PathBuf,
    /// Held while something is made, so that it is made once.
    making: tokio::sync::Mutex<()>,
}

impl Store {
    /// Below `root`, which is made when it is needed.
    pub fn new(root: PathBuf) -> Self {
        Store { root, making: tokio::sync::Mutex::default() }
    }

    /// Whether the directory of this name is there, whole.
    pub fn has(&self, name: &str) -> bool {
        self.root.join(name).is_dir()
    }

    /// The directory of this name. If it is not there, `make` fills a temporary one, which takes the name
    /// when all of it is on disk.
    ///
    /// # Errors
    /// What `make` or the disk says.
    pub async fn directory<F>(&self, name: &str, make: F) -> Result<PathBuf, String>
    where
        F: AsyncFnOnce(&Path) -> Result<(), String>,
    {
        let target = self.root.join(name);
        if target.is_dir() {
            return Ok(target);
        }
        let _one_at_a_time = self.making.lock().await;
        if target.is_dir() {
            return Ok(target);
        }
        let said = |error: io::Error| format!("{}: {error}", target.display());
        let root = self.root.clone();
        let locked = tokio::task::spawn_blocking(move || lock(&root)).await;
        let _alone = locked.map_err(io::Error::other).and_then(|locked| locked).map_err(said)?;
        if target.is_dir() {
            return Ok(target);
        }
        let making = tempfile::Builder::new().prefix(MAKING).tempdir_in(&self.root).map_err(said)?;
        make(making.path()).await?;
        let path = making.path().to_path_buf();
        let finished = tokio::task::spawn_blocking(move || finish(&path)).await;
        finished.map_err(io::Error::other).and_then(|done| done).map_err(said)?;
        std::fs::rename(making.path(), &target).map_err(said)?;
        drop(making.keep());
        File::open(&self.root).and_then(|root| root.sync_all()).map_err(said)?;
        Ok(target)
    }
}

/// Waits until no other process makes something here, and takes away what one left that was ended while it
/// did. Until the file is closed, no other begins.
fn lock(root: &Path) -> io::Result<File> {
    std::fs::create_dir_all(root)?;
    let file = File::create(root.join(".lock"))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(MAKING) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(file)
}

/// Everybody may read it, sandboxed users too; and it is on disk.
fn finish(directory: &Path) -> io::Result<()> {
    readable(directory)?;
    rustix::fs::syncfs(File::open(directory)?).map_err(io::Error::from)
}

fn readable(path: &Path) -> io::Result<()> {
    let meta = std::fs::symlink_metadata(path)?;
    if meta.is_symlink() {
        return Ok(());
    }
    let runs = meta.is_dir() || meta.permissions().mode() & 0o111 != 0;
    std::fs::set_permissions(path, Permissions::from_mode(if runs { 0o755 } else { 0o644 }))?;
    if meta.is_dir() {
        for entry in std::fs::read_dir(path)? {
            readable(&entry?.path())?;
        }
    }
    Ok(())
}

/// Runs a tool in a directory.
///
/// # Errors
/// What the tool said last.
pub async fn run(program: &Path, arguments: &[&str], directory: &Path) -> Result<(), String> {
    let name = program.display();
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = match tokio::time::timeout(PATIENCE, output).await {
        Err(_) => return Err(format!("{name} took more than {} s", PATIENCE.as_secs())),
        Ok(output) => output.map_err(|error| format!("{name}: {error}"))?,
    };
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(COMPLAINT)..).unwrap_or_default();
    Err(format!("{name} {}: {}", output.status, last.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_directory_is_made_once() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path().to_path_buf());
        for time in ["first", "second"] {
            let made = store.directory("name", async |path| {
                std::fs::write(path.join("file"), time).map_err(|error| error.to_string())
            });
            assert_eq!(made.await.unwrap(), root.path().join("name"));
        }
        assert_eq!(std::fs::read_to_string(root.path().join("name/file")).unwrap(), "first");
        assert_eq!(names(root.path()), [".lock", "name"]);
        let mode = std::fs::metadata(root.path().join("name")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn what_a_killed_process_left_is_taken_away() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join(".making-x/deep")).unwrap();
        let store = Store::new(root.path().to_path_buf());
        store.directory("name", async |_| Ok(())).await.unwrap();
        assert_eq!(names(root.path()), [".lock", "name"]);
    }

    #[tokio::test]
    async fn two_processes_make_it_once() {
        let root = tempfile::tempdir().unwrap();
        let stores = [Store::new(root.path().to_path_buf()), Store::new(root.path().to_path_buf())];
        let calls = std::sync::atomic::AtomicU32::new(0);
        let make = async |store: &Store| {
            let count = async |_: &Path| {
                calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok(())
            };
            store.directory("name", count).await
        };
        let (one, other) = tokio::join!(make(&stores[0]), make(&stores[1]));
        assert_eq!(one, other);
        assert_eq!(calls.into_inner(), 1);
    }

    #[tokio::test]
    async fn a_failure_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path().to_path_buf());
        let made = store.directory("name", async |path| {
            std::fs::write(path.join("file"), "x").unwrap();
            Err("no".to_owned())
        });
        assert_eq!(made.await, Err("no".to_owned()));
        assert_eq!(names(root.path()), [".lock"]);
    }

    #[tokio::test]
    async fn a_tools_complaint_is_told() {
        let told = run(Path::new("/bin/sh"), &["-c", "echo one; echo two >&2; exit 3"], Path::new("/")).await;
        assert_eq!(told, Err("/bin/sh exit status: 3: one; two".to_owned()));
        let told = run(Path::new("/nowhere/tool"), &[], Path::new("/")).await;
        assert!(told.unwrap_err().starts_with("/nowhere/tool: No such file"));
    }
}
