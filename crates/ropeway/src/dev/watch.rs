//! Looks at folders for files that change. By looking, twice a second or so, and not by the kernel's
//! notifications: those are not to be had on every file system, and a project's files are few.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files that are looked at; a folder with more is no project's.
const MAX_FILES: usize = 50_000;
/// Folders that tools fill, and whose changes are no edits. So are those with a dot before their name.
const LEFT_OUT: [&str; 4] = ["target", "node_modules", "__pycache__", "venv"];

/// What tells that a file has changed: its number, its length, and when it changed, in nanoseconds.
type Mark = (u64, u64, i64, i64);

/// The files below some folders, as they were at a moment.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Files(BTreeMap<PathBuf, Mark>);

impl Files {
    /// Looks at all files below these folders, or at these files.
    ///
    /// # Errors
    /// A root that cannot be read; too many files.
    pub fn below(roots: &BTreeSet<PathBuf>) -> io::Result<Self> {
        let mut files = Files::default();
        for root in roots {
            let metadata = fs::metadata(root)?;
            if metadata.is_dir() { files.add_folder(root)? } else { files.add(root.clone(), &metadata)? }
        }
        Ok(files)
    }

    fn add_folder(&mut self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            // What goes away while it is looked at is gone: the next look tells.
            let Ok(own) = entry.metadata() else { continue };
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if own.is_dir() {
                if !name.starts_with('.') && !LEFT_OUT.contains(&&*name) {
                    self.add_folder(&entry.path())?;
                }
                continue;
            }
            // A link to a folder may lead around in a circle.
            match fs::metadata(entry.path()) {
                Ok(metadata) if metadata.is_file() => self.add(entry.path(), &metadata)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn add(&mut self, path: PathBuf, metadata: &Metadata) -> io::Result<()> {
        if self.0.len() >= MAX_FILES {
            return Err(io::Error::other(format!("there are more than {MAX_FILES} files to watch")));
        }
        let mark = (metadata.ino(), metadata.len(), metadata.ctime(), metadata.ctime_nsec());
        self.0.insert(path, mark);
        Ok(())
    }

    /// The files that have come, gone or changed since.
    pub fn changed_since(&self, before: &Files) -> BTreeSet<PathBuf> {
        let differs = |(path, mark): &(&PathBuf, &Mark)| before.0.get(*path) != Some(mark);
        let new = self.0.iter().filter(differs).map(|(path, _)| path);
        let gone = before.0.keys().filter(|path| !self.0.contains_key(*path));
        new.chain(gone).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_change_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let roots = BTreeSet::from([folder.path().to_owned()]);
        let look = || Files::below(&roots).unwrap();
        for made in ["src", "target", ".git"] {
            fs::create_dir(path(made)).unwrap();
        }
        let names = |names: &[&str]| names.iter().map(|name| path(name)).collect::<BTreeSet<_>>();
        let empty = look();
        for file in ["a.py", "src/b.py", "target/out", ".git/index"] {
            fs::write(path(file), "1").unwrap();
        }
        std::os::unix::fs::symlink(folder.path(), path("src/around")).unwrap();
        let first = look();
        assert_eq!(first.changed_since(&empty), names(&["a.py", "src/b.py"]));
        fs::write(path("a.py"), "22").unwrap();
        let second = look();
        assert_eq!(second.changed_since(&first), names(&["a.py"]));
        // An editor puts a file of the same length in the place of the old one.
        fs::write(path("new"), "33").unwrap();
        fs::rename(path("new"), path("a.py")).unwrap();
        fs::remove_file(path("src/b.py")).unwrap();
        assert_eq!(look().changed_since(&second), names(&["a.py", "src/b.py"]));
        assert!(look().changed_since(&look()).is_empty());
    }

    #[test]
    fn a_file_can_be_watched_alone_and_what_is_not_there_cannot() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("one");
        assert!(Files::below(&BTreeSet::from([file.clone()])).is_err());
        fs::write(&file, "1").unwrap();
        let before = Files::below(&BTreeSet::from([file.clone()])).unwrap();
        fs::write(folder.path().join("other"), "1").unwrap();
        assert_eq!(Files::below(&BTreeSet::from([file])).unwrap(), before);
    }
}
