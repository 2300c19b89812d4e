//! Rebuilds a recorded directory as a loss of power could have left it.
//!
//! What is certain: the bytes and length of a file as of its last sync, and the entries of a
//! directory as of its own last sync. Of what came later, any may be there: writes to a file in any
//! combination, each whole, in part, or not at all; changes of a directory up to any one of them, in
//! order, as file systems that keep a journal do.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::log::{Event, Log};

/// A disk writes a sector whole or not at all.
const SECTOR: usize = 512;

/// What becomes of what wasn't synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// All of it is there: what a kill leaves.
    Kept,
    /// All of it is lost.
    Lost,
    /// Chance decides, write by write and sector by sector.
    Torn,
}

/// What a name stands for.
#[derive(Clone, Copy)]
enum Node {
    Dir,
    /// Index of a file: inodes come again, these do not.
    File(usize),
}

/// A change of a directory, with what is needed to do it without those before it.
struct EntryChange {
    event: usize,
    dir: PathBuf,
    remove: Option<PathBuf>,
    insert: Option<(PathBuf, Node)>,
}

/// Changes of a file's bytes.
#[derive(Default)]
struct FileChanges {
    events: Vec<usize>,
    synced: usize,
}

/// The recording, sorted by what a crash does to it.
#[derive(Default)]
struct Changes {
    entries: Vec<EntryChange>,
    /// By directory: the event of its last sync.
    dir_syncs: BTreeMap<PathBuf, usize>,
    files: Vec<FileChanges>,
}

/// Rebuilds the directory `root` of a recording in `into`, which is to be empty or not there, as a crash just before event number
/// `point` could have left it. `random` gives numbers for [`Unsynced::Torn`].
pub fn replay(
    log: &Log,
    point: usize,
    unsynced: Unsynced,
    random: &mut dyn FnMut() -> u64,
    root: &Path,
    into: &Path,
) -> io::Result<()> {
    let events = log.events().get(..point).unwrap_or(log.events());
    let changes = Changes::of(events)?;
    let names = changes.names(unsynced, random);
    let mut files: BTreeMap<usize, PathBuf> = BTreeMap::new();
    fs::create_dir_all(into)?;
    for (path, node) in &names {
        let below = path.strip_prefix(root).map_err(io::Error::other)?;
        let target = into.join(below);
        // What is in a directory that was lost is lost with it.
        if !target.parent().is_some_and(Path::is_dir) {
            continue;
        }
        match node {
            Node::Dir => fs::create_dir(&target)?,
            Node::File(file) => match files.get(file) {
                Some(first) => fs::hard_link(first, &target)?,
                None => {
                    let of_file = changes.files.get(*file);
                    write_file(&target, events, of_file, unsynced, random)?;
                    files.insert(*file, target);
                }
            },
        }
    }
    Ok(())
}

impl Changes {
    fn of(events: &[Event]) -> io::Result<Changes> {
        let mut changes = Changes::default();
        let mut names: BTreeMap<PathBuf, Node> = BTreeMap::new();
        let mut inodes: BTreeMap<u64, usize> = BTreeMap::new();
        for (at, event) in events.iter().enumerate() {
            match event {
                Event::Create { ino, path } => {
                    inodes.insert(*ino, changes.files.len());
                    let node = Node::File(changes.files.len());
                    changes.files.push(FileChanges::default());
                    changes.entry(at, path, None, Some(node), &mut names);
                }
                Event::Link { ino, path } => {
                    let file = inodes.get(ino).ok_or_else(|| unknown(at, event))?;
                    changes.entry(at, path, None, Some(Node::File(*file)), &mut names);
                }
                Event::Mkdir(path) => changes.entry(at, path, None, Some(Node::Dir), &mut names),
                Event::Unlink(path) | Event::Rmdir(path) => {
                    changes.entry(at, path, Some(path), None, &mut names)
                }
                Event::Rename(from, to) => match names.get(from).copied() {
                    Some(node) => changes.entry(at, to, Some(from), Some(node), &mut names),
                    None => return Err(unknown(at, event)),
                },
                Event::SyncDir(path) => {
                    changes.dir_syncs.insert(path.clone(), at);
                }
                Event::Write { ino, .. } | Event::Truncate { ino, .. } => {
                    changes.file(&inodes, *ino).ok_or_else(|| unknown(at, event))?.events.push(at);
                }
                Event::Sync(ino) => {
                    let file = changes.file(&inodes, *ino).ok_or_else(|| unknown(at, event))?;
                    file.synced = file.events.len();
                }
                Event::Output(_) | Event::Fault(_) => {}
            }
        }
        Ok(changes)
    }

    fn file(&mut self, inodes: &BTreeMap<u64, usize>, ino: u64) -> Option<&mut FileChanges> {
        self.files.get_mut(*inodes.get(&ino)?)
    }

    fn entry(
        &mut self,
        event: usize,
        path: &Path,
        remove: Option<&PathBuf>,
        insert: Option<Node>,
        names: &mut BTreeMap<PathBuf, Node>,
    ) {
        let change = EntryChange {
            event,
            dir: path.parent().unwrap_or(Path::new("/")).to_owned(),
            remove: remove.cloned(),
            insert: insert.map(|node| (path.to_owned(), node)),
        };
        change.apply(names);
        self.entries.push(change);
    }

    /// The names that survive.
    fn names(&self, unsynced: Unsynced, random: &mut dyn FnMut() -> u64) -> BTreeMap<PathBuf, Node> {
        let mut names = BTreeMap::new();
        // By directory: how many of its changes that weren't synced are there all the same.
        let mut left: BTreeMap<&Path, u64> = BTreeMap::new();
        for change in self.entries.iter().filter(|change| !self.is_synced(change)) {
            *left.entry(&change.dir).or_default() += 1;
        }
        for count in left.values_mut() {
            *count = match unsynced {
                Unsynced::Kept => *count,
                Unsynced::Lost => 0,
                Unsynced::Torn => random() % (*count + 1),
            };
        }
        for change in &self.entries {
            let survives = self.is_synced(change)
                || left.get_mut(change.dir.as_path()).is_some_and(|left| match left.checked_sub(1) {
                    Some(fewer) => {
                        *left = fewer;
                        true
                    }
                    None => false,
                });
            if survives {
                change.apply(&mut names);
            }
        }
        names
    }

    fn is_synced(&self, change: &EntryChange) -> bool {
        self.dir_syncs.get(&change.dir).is_some_and(|sync| *sync > change.event)
    }
}

impl EntryChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        if let (Some(from), Some((to, Node::Dir))) = (&self.remove, &self.insert) {
            move_below(from, to, names);
        }
        if let Some(path) = &self.remove {
            names.remove(path);
        }
        if let Some((path, node)) = &self.insert {
            names.insert(path.clone(), *node);
        }
    }
}

/// What is in a directory goes with it.
fn move_below(from: &Path, to: &Path, names: &mut BTreeMap<PathBuf, Node>) {
    let below: Vec<PathBuf> = names.keys().filter(|path| path.starts_with(from)).cloned().collect();
    for path in below {
        if let (Ok(rest), Some(node)) = (path.strip_prefix(from), names.remove(&path)) {
            names.insert(to.join(rest), node);
        }
    }
}

fn unknown(at: usize, event: &Event) -> io::Error {
    io::Error::other(format!("event {at} is about something that the log does not know: {event:?}"))
}

fn write_file(
    target: &Path,
    events: &[Event],
    changes: Option<&FileChanges>,
    unsynced: Unsynced,
    random: &mut dyn FnMut() -> u64,
) -> io::Result<()> {
    let file = fs::File::create(target)?;
    let Some(changes) = changes else { return Ok(()) };
    for (number, at) in changes.events.iter().enumerate() {
        let synced = number < changes.synced;
        let fate = if synced { Unsynced::Kept } else { unsynced };
        match (events.get(*at), fate) {
            (_, Unsynced::Lost) => {}
            (Some(Event::Truncate { length, .. }), Unsynced::Kept) => file.set_len(*length)?,
            (Some(Event::Truncate { length, .. }), Unsynced::Torn) if random().is_multiple_of(2) => {
                file.set_len(*length)?
            }
            (Some(Event::Write { at, data, .. }), Unsynced::Kept) => file.write_all_at(data, *at)?,
            (Some(Event::Write { at, data, .. }), Unsynced::Torn) => tear(&file, *at, data, random)?,
            _ => {}
        }
    }
    Ok(())
}

/// Writes all, nothing, a beginning, or some of the sectors.
fn tear(file: &fs::File, at: u64, data: &[u8], random: &mut dyn FnMut() -> u64) -> io::Result<()> {
    match random() % 4 {
        0 => file.write_all_at(data, at),
        1 => Ok(()),
        2 => {
            let length = usize::try_from(random()).unwrap_or(0) % (data.len() + 1);
            file.write_all_at(data.get(..length).unwrap_or_default(), at)
        }
        _ => {
            let mut offset = at;
            let first = SECTOR - usize::try_from(at % SECTOR as u64).unwrap_or(0);
            let (head, rest) = data.split_at(first.min(data.len()));
            for sector in std::iter::once(head).chain(rest.chunks(SECTOR)) {
                if random().is_multiple_of(2) {
                    file.write_all_at(sector, offset)?;
                }
                offset += sector.len() as u64;
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log written by hand, in the shim's format.
    fn log(records: &[(u8, Vec<u8>)]) -> Log {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut bytes = Vec::new();
        for (kind, body) in records {
            bytes.push(*kind);
            bytes.extend((body.len() as u32).to_le_bytes());
            bytes.extend(body);
        }
        fs::write(&path, bytes).unwrap();
        Log::read(&path).unwrap()
    }

    fn numbered(numbers: &[u64], rest: &[u8]) -> Vec<u8> {
        [numbers.iter().flat_map(|n| n.to_le_bytes()).collect(), rest.to_vec()].concat()
    }

    fn rebuilt(log: &Log, point: usize, unsynced: Unsynced) -> Vec<(String, Vec<u8>)> {
        let dir = tempfile::tempdir().unwrap();
        let into = dir.path().join("into");
        replay(log, point, unsynced, &mut || 0, Path::new("/d"), &into).unwrap();
        let mut found: Vec<_> = fs::read_dir(into)
            .into_iter()
            .flatten()
            .map(|entry| {
                let path = entry.unwrap().path();
                (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap())
            })
            .collect();
        found.sort();
        found
    }

    #[test]
    fn only_what_was_synced_is_certain() {
        let log = log(&[
            (1, numbered(&[5], b"/d/a")),
            (2, numbered(&[5, 0], b"one")),
            (3, numbered(&[5], b"")),
            (4, b"/d".to_vec()),
            (2, numbered(&[5, 3], b"two")),
            (5, b"/d/a\0/d/b".to_vec()),
            (4, b"/d".to_vec()),
            (6, b"/d/b".to_vec()),
        ]);
        let one = |name: &str, data: &str| vec![(name.to_owned(), data.as_bytes().to_vec())];
        for (point, lost, kept) in [
            (0, vec![], vec![]),
            (3, vec![], one("a", "one")),
            (4, one("a", "one"), one("a", "one")),
            (6, one("a", "one"), one("b", "onetwo")),
            (7, one("b", "one"), one("b", "onetwo")),
            (8, one("b", "one"), vec![]),
        ] {
            assert_eq!(rebuilt(&log, point, Unsynced::Lost), lost, "{point}");
            assert_eq!(rebuilt(&log, point, Unsynced::Kept), kept, "{point}");
        }
    }

    #[test]
    fn what_is_in_a_directory_goes_with_it() {
        let log = log(&[
            (7, b"/d/in".to_vec()),
            (1, numbered(&[5], b"/d/in/a")),
            (2, numbered(&[5, 0], b"one")),
            (5, b"/d/in\0/d/out".to_vec()),
            (5, b"/d/out/a\0/d/b".to_vec()),
            (8, b"/d/out".to_vec()),
        ]);
        assert_eq!(rebuilt(&log, 6, Unsynced::Kept), [("b".to_owned(), b"one".to_vec())]);
    }

    #[test]
    fn an_inode_that_comes_again_is_another_file() {
        let log = log(&[
            (1, numbered(&[5], b"/d/a")),
            (2, numbered(&[5, 0], b"old")),
            (6, b"/d/a".to_vec()),
            (1, numbered(&[5], b"/d/b")),
            (2, numbered(&[5, 0], b"n")),
        ]);
        assert_eq!(rebuilt(&log, 5, Unsynced::Kept), [("b".to_owned(), b"n".to_vec())]);
        assert_eq!(log.events_within(0), 0);
        assert_eq!(log.events_within(u64::MAX), 5);
    }

    #[test]
    fn torn_writes_keep_whole_sectors() {
        let dir = tempfile::tempdir().unwrap();
        let data = vec![7; 2000];
        let mut seed = 1u64;
        let mut random = || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            seed >> 33
        };
        let mut partly = 0;
        for n in 0..100 {
            let path = dir.path().join(n.to_string());
            let file = fs::OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(&path)
                .unwrap();
            file.set_len(3000).unwrap();
            tear(&file, 100, &data, &mut random).unwrap();
            let found = fs::read(&path).unwrap();
            assert!(found[..100].iter().chain(&found[2100..]).all(|byte| *byte == 0));
            let kept = found.iter().filter(|byte| **byte == 7).count();
            partly += usize::from(kept > 0 && kept < 2000);
        }
        assert!(partly > 20);
    }
}
