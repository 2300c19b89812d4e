//! The write-ahead log: a commit is written and synced here, and answered; the engine gets it afterwards,
//! unsynced (see [`super::feed`]). What the engine has lost by a crash is put into it again from here.
//!
//! A record is one commit:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | magic |
//! | 8 | number of the commit, little-endian like all numbers here |
//! | 4 | length of the writes |
//! | 8 | XXH3 of number, length and writes, seeded with a number of the store's own |
//! | … | the writes: kind (1 byte), length of the key (2), length of the value (4), key, value |
//!
//! Records begin at multiples of [`BLOCK`] and are filled up with zeros to the next one. So no block is written
//! again while it holds something acknowledged, and damage in one record hides no other. The seed keeps what a
//! value holds from being taken for a record.
//!
//! Records lie in segments, which are files of zeros when they are first used: then a sync writes nothing but the
//! data, which halves its time, and room cannot lack. A segment is used again once the engine has synced all
//! that is in it; what is left of its former records has numbers that the engine knows already.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::segments::{Segment, Segments};
use crate::files::{make_dir, sync_dir};
use crate::{MAX_KEY_BYTES, MAX_VALUE_BYTES};

/// Records begin at multiples of this.
pub(super) const BLOCK: usize = 4096;
const MAGIC: [u8; 8] = *b"rwcommit";
const HEADER: usize = 28;
const DELETE: u8 = 0;
const PUT: u8 = 1;

/// One commit, in its binary form.
pub(super) struct Record(Vec<u8>);

/// One write of a record: the engine's key, and the value unless it is a delete.
pub(super) type Write<'a> = (&'a [u8], Option<&'a [u8]>);

impl Record {
    pub(super) fn new() -> Record {
        let mut bytes = Vec::with_capacity(BLOCK);
        bytes.resize(HEADER, 0);
        Record(bytes)
    }

    /// Adds a write. The key is the concatenation of the two parts.
    pub(super) fn add(&mut self, prefix: &[u8], key: &[u8], value: Option<&[u8]>) {
        let key_length = u16::try_from(prefix.len() + key.len()).unwrap_or(u16::MAX);
        let value_length = value.map_or(0, |value| u32::try_from(value.len()).unwrap_or(u32::MAX));
        self.0.push(if value.is_some() { PUT } else { DELETE });
        self.0.extend_from_slice(&key_length.to_le_bytes());
        self.0.extend_from_slice(&value_length.to_le_bytes());
        self.0.extend_from_slice(prefix);
        self.0.extend_from_slice(key);
        self.0.extend_from_slice(value.unwrap_or_default());
    }

    /// Its length, header included.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The number that [`Wal::append`] gave it.
    pub(super) fn commit(&self) -> u64 {
        number(&self.0, 8)
    }

    /// Its writes, in order. Ends at the first that is none, which a record that was checked does not have.
    pub(super) fn writes(&self) -> impl Iterator<Item = Write<'_>> {
        let mut rest = self.0.get(HEADER..HEADER + length(&self.0)).unwrap_or_default();
        std::iter::from_fn(move || {
            let (write, behind) = split_write(rest)?;
            rest = behind;
            Some(write)
        })
    }

    fn seal(&mut self, commit: u64, seed: u64) {
        let writes = u32::try_from(self.0.len() - HEADER).unwrap_or(u32::MAX);
        let padded = self.0.len().next_multiple_of(BLOCK);
        let head = [commit.to_le_bytes().as_slice(), &writes.to_le_bytes()].concat();
        if let Some(place) = self.0.get_mut(..HEADER) {
            let (magic, rest) = place.split_at_mut(8);
            magic.copy_from_slice(&MAGIC);
            let (start, _) = rest.split_at_mut(12);
            start.copy_from_slice(&head);
        }
        let sum = sum(&self.0, seed);
        if let Some(place) = self.0.get_mut(20..HEADER) {
            place.copy_from_slice(&sum.to_le_bytes());
        }
        self.0.resize(padded, 0);
    }
}

/// The first write in some bytes, and what is behind it.
fn split_write(bytes: &[u8]) -> Option<(Write<'_>, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<7>()?;
    let [kind, k0, k1, v0, v1, v2, v3] = *head;
    let (key, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([k0, k1])))?;
    let (value, rest) = rest.split_at_checked(u32::from_le_bytes([v0, v1, v2, v3]) as usize)?;
    let possible = key.len() <= MAX_KEY_BYTES + 2 && value.len() <= MAX_VALUE_BYTES;
    match kind {
        PUT if possible => Some(((key, Some(value)), rest)),
        DELETE if possible && value.is_empty() => Some(((key, None), rest)),
        _ => None,
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u64::from_le_bytes)
}

/// Length of a record's writes, as its header has it.
fn length(bytes: &[u8]) -> usize {
    let bytes = bytes.get(16..20).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u32::from_le_bytes) as usize
}

/// The sum of a record whose header but for the sum is in place.
fn sum(bytes: &[u8], seed: u64) -> u64 {
    let head = xxh3_64_with_seed(bytes.get(8..20).unwrap_or_default(), seed);
    xxh3_64_with_seed(bytes.get(HEADER..HEADER + length(bytes)).unwrap_or_default(), head)
}

/// The log, open for appending.
pub(super) struct Wal {
    segments: Arc<Segments>,
    active: Segment,
    position: u64,
    seed: u64,
    sync: bool,
}

impl Wal {
    /// An empty log: removes what is there, which the engine has synced.
    pub(super) fn renew(dir: &Path, seed: u64, sync: bool) -> io::Result<Wal> {
        make_dir(dir)?;
        for path in files(dir)? {
            fs::remove_file(path)?;
        }
        let segments = Arc::new(Segments::new(dir.to_owned()));
        let active = segments.first()?;
        Ok(Wal { segments, active, position: 0, seed, sync })
    }

    pub(super) fn segments(&self) -> &Arc<Segments> {
        &self.segments
    }

    /// Writes a commit; durable on return.
    pub(super) fn append(&mut self, record: &mut Record, commit: u64) -> io::Result<()> {
        record.seal(commit, self.seed);
        let length = record.len() as u64;
        if self.position > 0 && self.position + length > self.active.bytes {
            let next = self.segments.next()?;
            let full = std::mem::replace(&mut self.active, next);
            self.segments.seal(full, commit - 1);
            self.position = 0;
        }
        self.active.file.write_all_at(&record.0, self.position)?;
        if self.sync {
            self.active.file.sync_data()?;
        }
        self.position += length;
        if self.position > self.active.bytes / 2 {
            self.segments.want();
        }
        Ok(())
    }
}

/// Where a record lies.
struct Place {
    path: PathBuf,
    at: u64,
    bytes: usize,
}

/// Every whole record that a log holds.
pub(super) struct Found(BTreeMap<u64, Place>);

impl Found {
    /// Looks through a log's directory; one that is not there holds nothing.
    pub(super) fn scan(dir: &Path, seed: u64) -> io::Result<Found> {
        let mut found = BTreeMap::new();
        for path in files(dir)? {
            let bytes = fs::read(&path)?;
            let mut at = 0;
            while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
                let Some(length) = whole(rest, seed) else {
                    at += BLOCK;
                    continue;
                };
                found.insert(
                    number(rest, 8),
                    Place { path: path.clone(), at: at as u64, bytes: HEADER + length },
                );
                at += (HEADER + length).next_multiple_of(BLOCK);
            }
        }
        Ok(Found(found))
    }

    /// The newest commit of those that follow `commit` without a gap; that itself if none does.
    pub(super) fn newest_from(&self, commit: u64) -> u64 {
        let following = self.0.range(commit + 1..).map(|(number, _)| *number);
        following
            .zip(commit + 1..)
            .take_while(|(number, expected)| number == expected)
            .fold(commit, |_, (n, _)| n)
    }

    /// The newest of all.
    pub(super) fn newest(&self) -> Option<u64> {
        self.0.last_key_value().map(|(number, _)| *number)
    }

    /// Reads the commits that follow `commit` without a gap.
    pub(super) fn read_from(&self, commit: u64) -> impl Iterator<Item = io::Result<Record>> {
        let newest = self.newest_from(commit);
        self.0.range(commit + 1..=newest.max(commit + 1)).take_while(move |(n, _)| **n <= newest).map(
            |(_, place)| {
                let mut bytes = vec![0; place.bytes];
                File::open(&place.path)?.read_exact_at(&mut bytes, place.at)?;
                Ok(Record(bytes))
            },
        )
    }
}

/// Length of the writes of the record that some bytes begin with, if it is whole.
fn whole(bytes: &[u8], seed: u64) -> Option<usize> {
    let length = length(bytes);
    let there = bytes.starts_with(&MAGIC) && bytes.len() >= HEADER + length;
    (there && number(bytes, 20) == sum(bytes, seed)).then_some(length)
}

/// The files of a log.
fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Makes a file of a length, with its entry in the directory, durable. `filled`: of zeros that are
/// written, not of a hole.
pub(super) fn make(path: &Path, bytes: u64, filled: bool) -> io::Result<File> {
    const CHUNK: u64 = 1024 * 1024;
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
    if filled {
        let zeros = vec![0; CHUNK as usize];
        for at in (0..bytes).step_by(CHUNK as usize) {
            let end = usize::try_from((bytes - at).min(CHUNK)).unwrap_or_default();
            file.write_all_at(zeros.get(..end).unwrap_or_default(), at)?;
        }
    } else {
        file.set_len(bytes)?;
    }
    file.sync_all()?;
    path.parent().map_or(Ok(()), sync_dir)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(writes: &[(&[u8], Option<&[u8]>)]) -> Record {
        let mut record = Record::new();
        for (key, value) in writes {
            record.add(&[0, 7], key, *value);
        }
        record
    }

    fn log(dir: &Path, commits: u64, bytes: usize) {
        let mut wal = Wal::renew(dir, 5, true).unwrap();
        for commit in 1..=commits {
            wal.append(&mut record(&[(b"key", Some(&vec![1; bytes])), (b"gone", None)]), commit).unwrap();
        }
    }

    #[test]
    fn what_is_appended_is_found() {
        let dir = tempfile::tempdir().unwrap();
        // Longer than the first segment, and one record longer than any.
        log(dir.path(), 400, 5000);
        let found = Found::scan(dir.path(), 5).unwrap();
        assert_eq!((found.newest(), found.newest_from(0), found.newest_from(400)), (Some(400), 400, 400));
        let records: Vec<Record> = found.read_from(390).map(Result::unwrap).collect();
        assert_eq!(records.iter().map(Record::commit).collect::<Vec<_>>(), (391..=400).collect::<Vec<_>>());
        let value = vec![1; 5000];
        let expected: Vec<Write<'_>> = vec![(b"\0\x07key", Some(&value)), (b"\0\x07gone", None)];
        assert_eq!(records[0].writes().collect::<Vec<_>>(), expected);
        assert_eq!(found.read_from(400).count(), 0);
        assert!(Found::scan(dir.path(), 6).unwrap().newest().is_none(), "another store's");
    }

    #[test]
    fn damage_hides_one_record_alone() {
        let dir = tempfile::tempdir().unwrap();
        log(dir.path(), 9, 6000);
        let path = files(dir.path()).unwrap().remove(0);
        let sound = fs::read(&path).unwrap();
        for at in (0..9 * 2 * BLOCK).step_by(97) {
            let mut bytes = sound.clone();
            bytes[at] ^= 4;
            fs::write(&path, bytes).unwrap();
            let found = Found::scan(dir.path(), 5).unwrap();
            let hit = (at / (2 * BLOCK)) as u64 + 1;
            let padding = at % (2 * BLOCK) >= HEADER + 6000 + 2 * 7 + 5 + 6;
            let expected = if padding { 9 } else { hit - 1 };
            assert_eq!(found.newest_from(0), expected, "byte {at}");
            assert!(padding || found.0.len() == 8);
        }
    }
}
