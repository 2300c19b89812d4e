//! The mark: a small file that names a commit known to be durable.
//!
//! The engine drops what follows damage in its journal without a word. A store whose newest
//! commit is below the mark has lost acknowledged data, and is not opened.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

/// Two slots, written in turn and a sector apart, so that a torn write spoils only the older one.
const SLOTS: [u64; 2] = [0, 4096];
const SLOT_BYTES: usize = 24;
const MAGIC: [u8; 8] = *b"rwmark01";

/// The open mark file.
pub(super) struct Mark {
    file: File,
    commit: u64,
    next: usize,
}

impl Mark {
    /// Makes the file; the caller syncs its directory.
    pub(super) fn create(path: &Path, commit: u64) -> io::Result<Mark> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        let mut mark = Mark { file, commit: 0, next: 0 };
        mark.set(commit)?;
        Ok(mark)
    }

    /// Opens the file; `None` if neither slot is whole. What it names is durable then: a process that was killed
    /// may have written it without syncing it, and the next write goes to the other slot.
    pub(super) fn open(path: &Path) -> io::Result<Option<Mark>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        file.sync_all()?;
        let mut best: Option<(u64, usize)> = None;
        for (slot, offset) in SLOTS.iter().enumerate() {
            if let Some(commit) = read_slot(&file, *offset)?
                && best.is_none_or(|(highest, _)| commit > highest)
            {
                best = Some((commit, slot));
            }
        }
        Ok(best.map(|(commit, slot)| Mark { file, commit, next: 1 - slot }))
    }

    /// The commit that it names.
    pub(super) fn commit(&self) -> u64 {
        self.commit
    }

    /// Names a commit that is durable; durable itself on return.
    pub(super) fn set(&mut self, commit: u64) -> io::Result<()> {
        let mut slot = [0; SLOT_BYTES];
        encode(&mut slot, commit);
        let offset = SLOTS.get(self.next).copied().unwrap_or_default();
        self.file.write_all_at(&slot, offset)?;
        self.file.sync_data()?;
        self.commit = commit;
        self.next = 1 - self.next;
        Ok(())
    }
}

fn encode(slot: &mut [u8; SLOT_BYTES], commit: u64) {
    let (magic, rest) = slot.split_at_mut(8);
    let (number, check) = rest.split_at_mut(8);
    magic.copy_from_slice(&MAGIC);
    number.copy_from_slice(&commit.to_be_bytes());
    check.copy_from_slice(&xxh3_64(&commit.to_be_bytes()).to_be_bytes());
}

fn read_slot(file: &File, offset: u64) -> io::Result<Option<u64>> {
    let mut slot = [0; SLOT_BYTES];
    match file.read_exact_at(&mut slot, offset) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let [_, _, _, _, _, _, _, _, a, b, c, d, e, f, g, h, ..] = slot;
    let commit = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    let mut whole = [0; SLOT_BYTES];
    encode(&mut whole, commit);
    Ok((whole == slot).then_some(commit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_write_leaves_the_number_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("durable");
        let mut mark = Mark::create(&path, 7).unwrap();
        mark.set(8).unwrap();
        mark.set(9).unwrap();
        for (offset, expected) in [(SLOTS[0] + 9, 8), (SLOTS[1] + 20, 9)] {
            Mark::create(&path, 7).unwrap();
            let mut mark = Mark::open(&path).unwrap().unwrap();
            mark.set(8).unwrap();
            mark.set(9).unwrap();
            mark.file.write_all_at(&[0xAA], offset).unwrap();
            assert_eq!(Mark::open(&path).unwrap().unwrap().commit(), expected);
        }
    }

    #[test]
    fn two_spoilt_slots_are_no_mark() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("durable");
        std::fs::write(&path, [3; 5000]).unwrap();
        assert!(Mark::open(&path).unwrap().is_none());
        std::fs::write(&path, []).unwrap();
        assert!(Mark::open(&path).unwrap().is_none());
    }
}
