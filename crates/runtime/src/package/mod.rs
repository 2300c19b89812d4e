//! Packages: archives unpacked once, under a name that says what is in them.

#[cfg(test)]
mod tests;
mod unpack;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use ropeway_core::functions::{FunctionHost, NotRun, Package};
use ropeway_core::{Clock, Time};
use sha2::{Digest as _, Sha256};

pub use unpack::{MAX_UNPACKED, inspect};

/// How long a tree that nothing uses is kept, in milliseconds: a day.
const KEEP: i64 = 24 * 3600 * 1000;

/// The trees that archives were unpacked into. Emptied at each start: nothing in it was ever synced.
#[derive(Debug)]
pub struct Packages {
    directory: PathBuf,
    trees: Mutex<BTreeMap<String, Slot>>,
}

#[derive(Debug)]
struct Slot {
    /// Held while the tree is made, so that it is made once.
    made: Arc<tokio::sync::Mutex<Option<Arc<Tree>>>>,
    used: Time,
}

/// An unpacked archive, or several on top of each other.
#[derive(Debug)]
pub struct Tree {
    path: PathBuf,
    /// Programs and libraries in it that are for another processor.
    pub foreign: Option<String>,
}

impl Tree {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether something stands at this path within it.
    pub fn has(&self, path: &str) -> bool {
        fs::symlink_metadata(self.path.join(path)).is_ok()
    }

    /// The names in one of its directories, sorted; none where there is no such directory.
    pub fn names(&self, directory: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.path.join(directory)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.extend(entry.file_name().into_string());
            }
        }
        names.sort();
        Ok(names)
    }
}

impl Packages {
    /// A cache in this directory, which is emptied: what was in it is left beside it, for
    /// [`Packages::remove_old`].
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(directory: PathBuf) -> io::Result<Self> {
        let old = directory.with_extension("old");
        absent_is_fine(fs::remove_dir_all(&old))?;
        absent_is_fine(fs::rename(&directory, &old))?;
        fs::create_dir_all(&directory)?;
        Ok(Packages { directory, trees: Mutex::default() })
    }

    /// Removes what was there before the start.
    ///
    /// # Errors
    /// What the file system says.
    pub async fn remove_old(&self) -> io::Result<()> {
        absent_is_fine(tokio::fs::remove_dir_all(self.directory.with_extension("old")).await)
    }

    /// The tree of these packages, the later ones over the earlier, unpacked now if it was not before.
    ///
    /// # Errors
    /// As [`inspect`]; [`NotRun::NoRoom`] where the archive cannot be had or written.
    pub async fn tree(
        &self,
        host: &dyn FunctionHost,
        clock: &Clock,
        account: &str,
        packages: &[Package],
    ) -> Result<Arc<Tree>, NotRun> {
        let name = name(packages);
        let slot = {
            let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = || Slot { made: Arc::default(), used: clock.now() };
            let slot = trees.entry(name.clone()).or_insert_with(fresh);
            slot.used = clock.now();
            Arc::clone(&slot.made)
        };
        let mut made = slot.lock().await;
        if let Some(tree) = made.as_ref() {
            return Ok(Arc::clone(tree));
        }
        let mut archives = Vec::with_capacity(packages.len());
        for package in packages {
            let archive = host.package(account.to_owned(), package.clone()).await;
            archives.push(archive.map_err(|error| NotRun::NoRoom(format!("the package: {error}")))?);
        }
        let tree = Arc::new(self.unpack(&name, archives).await?);
        *made = Some(Arc::clone(&tree));
        Ok(tree)
    }

    async fn unpack(&self, name: &str, archives: Vec<Bytes>) -> Result<Tree, NotRun> {
        let (path, temporary) = (self.directory.join(name), self.directory.join(format!("{name}.new")));
        let work = move || {
            let foreign = unpack::unpack(&archives, &temporary).inspect_err(|_| {
                // What is left of it goes at the next start, if not now.
                drop(fs::remove_dir_all(&temporary));
            })?;
            fs::rename(&temporary, &path).map_err(no_room)?;
            Ok(Tree { path, foreign })
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| NotRun::NoRoom(error.to_string()))?
    }

    /// Removes the trees that no process uses, nor did for a day.
    ///
    /// # Errors
    /// What the file system says.
    pub async fn sweep(&self, now: Time) -> io::Result<()> {
        let mut gone = Vec::new();
        self.trees.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, slot| {
            let Ok(made) = slot.made.try_lock() else { return true };
            let idle = made.as_ref().is_none_or(|tree| Arc::strong_count(tree) == 1);
            let keep = !idle || now.millis().saturating_sub(slot.used.millis()) < KEEP;
            if !keep && made.is_some() {
                gone.push(self.directory.join(name));
            }
            keep
        });
        for path in gone {
            // Under another name first: it may be wanted again meanwhile.
            let old = path.with_extension("old");
            tokio::fs::rename(&path, &old).await?;
            tokio::fs::remove_dir_all(&old).await?;
        }
        Ok(())
    }
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn name(packages: &[Package]) -> String {
    if let [package] = packages {
        return package.sha256.clone();
    }
    let mut hash = Sha256::new();
    packages.iter().for_each(|package| hash.update(&package.sha256));
    hex::encode(hash.finalize())
}

fn no_room(error: io::Error) -> NotRun {
    NotRun::NoRoom(format!("unpacking: {error}"))
}
