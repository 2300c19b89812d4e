//! Reads fjall's journals before fjall does, and decides whether the store may be opened.
//!
//! On opening, fjall cuts a journal off at the first thing that it cannot read, whether that is what a power
//! loss left of writes that were not synced or damage in the middle of what was, and fails on a commit whose
//! middle a power loss left out. Here what cannot be read is cut off before, if the write-ahead log has everything
//! from there on; else it is damage, and refused, while nothing has been changed yet. A journal that was completed
//! was synced then, and must be whole.
//!
//! The format is that of fjall 3.1 (`journal/entry.rs`): a batch is a start entry (tag 1, number of
//! items, sequence number), its items (tag 2), and an end entry (tag 3, XXH3 of the items' bytes,
//! magic). Integers are little-endian. Behind the last batch a file may hold zeros. The checksum
//! leaves out the sequence number, so that one has to lie between those of its neighbours, where it
//! does no harm even if it isn't what it was.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use super::OpenError;
use super::engine::COMMIT_KEY;
use crate::{MAX_KEY_BYTES, MAX_VALUE_BYTES};

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const MAGIC: [u8; 4] = [b'F', b'J', b'L', 3];
/// Sequence numbers grow with every commit, and with flushes and compactions between two commits:
/// by far less than this.
const MAX_STEP: u64 = 1 << 20;

/// A batch that is whole.
#[derive(Clone, Copy)]
struct Found {
    bytes: u64,
    /// Our number of it.
    commit: u64,
    /// The engine's.
    seqno: u64,
}

/// Checks every journal, and cuts what cannot be read off the last one, if `covered` says of the last
/// commit before it that the log has those that follow.
pub(super) fn check(db: &Path, covered: impl Fn(u64) -> bool) -> Result<(), OpenError> {
    let journals = list(db)?;
    let Some(((_, active), sealed)) = journals.split_last() else {
        return Err(OpenError::Damaged(format!("there is no journal in {}", db.display())));
    };
    let mut before: Option<(u64, Found)> = None;
    for (id, path) in sealed {
        let end = walk(path, follow(before, *id)).map_err(|e| OpenError::io(path, e))?;
        if end.unread {
            return Err(damaged(
                path,
                end.valid_bytes,
                "a journal that was completed cannot be read to its end",
            ));
        }
        before = end.last.or(follow(before, *id)).map(|last| (*id, last));
    }
    let id = journals.last().map_or(0, |(id, _)| *id);
    let end = walk(active, follow(before, id)).map_err(|e| OpenError::io(active, e))?;
    let last = end.last.or(before.map(|(_, last)| last)).map(|last| last.commit);
    // In front of the first journal there was nothing; what was in front of others is in tables.
    let last = last.or((id == 0).then_some(0));
    if end.unread {
        if last.is_some_and(|last| !covered(last)) {
            return Err(damaged(
                active,
                end.valid_bytes,
                "what follows is not in the write-ahead log either",
            ));
        }
        tracing::info!(journal = %active.display(), at = end.valid_bytes, "cutting off what was not synced");
        truncate(active, end.valid_bytes).map_err(|e| OpenError::io(active, e))?;
    }
    Ok(())
}

/// The journals with their numbers, in order.
fn list(db: &Path) -> Result<Vec<(u64, PathBuf)>, OpenError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(db).map_err(|e| OpenError::io(db, e))? {
        let path = entry.map_err(|e| OpenError::io(db, e))?.path();
        if path.extension().is_some_and(|ext| ext == "jnl") {
            let id = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            let id = id.ok_or_else(|| OpenError::Damaged(format!("unknown journal {}", path.display())))?;
            found.push((id, path));
        }
    }
    found.sort();
    Ok(found)
}

/// The last commit of the journal before, if it is the direct neighbour. Others in between were
/// emptied into tables and removed, and an older one may come back when the removal was not synced.
fn follow(before: Option<(u64, Found)>, id: u64) -> Option<Found> {
    before.filter(|(previous, _)| previous + 1 == id).map(|(_, last)| last)
}

fn damaged(path: &Path, at: u64, why: &str) -> OpenError {
    OpenError::Damaged(format!("{} at byte {at}: {why}", path.display()))
}

/// How far a journal could be read.
struct End {
    /// Length of the batches that are whole.
    valid_bytes: u64,
    /// The last one.
    last: Option<Found>,
    /// Something other than zeros follows.
    unread: bool,
}

fn walk(path: &Path, before: Option<Found>) -> io::Result<End> {
    let mut reader = BufReader::with_capacity(256 * 1024, File::open(path)?);
    let mut valid_bytes = 0;
    let mut last = None;
    while let Some(batch) = read_batch(&mut reader)? {
        if last.or(before).is_some_and(|before| !batch.follows(before)) {
            break;
        }
        last = Some(batch);
        valid_bytes += batch.bytes;
    }
    reader.seek(SeekFrom::Start(valid_bytes))?;
    let unread = !only_zeros(&mut reader)?;
    Ok(End { valid_bytes, last, unread })
}

fn only_zeros(reader: &mut impl Read) -> io::Result<bool> {
    // Compared as slices: a fresh journal is 64 MiB of zeros.
    let (mut chunk, zeros) = (vec![0; 256 * 1024], vec![0; 256 * 1024]);
    loop {
        let n = reader.read(&mut chunk)?;
        if n == 0 {
            return Ok(true);
        }
        if chunk.get(..n) != zeros.get(..n) {
            return Ok(false);
        }
    }
}

fn truncate(path: &Path, bytes: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(bytes)?;
    file.sync_all()
}

/// Reads one batch; `None` if there is none, or it is not whole.
fn read_batch(reader: &mut impl Read) -> io::Result<Option<Found>> {
    match whole_batch(&mut Counted { reader, bytes: 0 }) {
        Ok(found) => Ok(found),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(e) => Err(e),
    }
}

fn whole_batch<R: Read>(reader: &mut Counted<'_, R>) -> io::Result<Option<Found>> {
    let [START] = reader.array()? else { return Ok(None) };
    let items = u32::from_le_bytes(reader.array()?);
    let seqno = u64::from_le_bytes(reader.array()?);
    let mut hash = Xxh3::new();
    let mut commit = None;
    for _ in 0..items {
        let Some(found) = item(reader, &mut hash)? else { return Ok(None) };
        commit = found.or(commit);
    }
    let [END] = reader.array()? else { return Ok(None) };
    let sound = u64::from_le_bytes(reader.array()?) == hash.digest() && reader.array()? == MAGIC;
    Ok(commit.filter(|_| sound).map(|commit| Found { bytes: reader.bytes, commit, seqno }))
}

/// One item: tag, kind, compression, keyspace, lengths of key, value and stored value, key, value.
/// The commit's number, if it is the row that holds it.
fn item<R: Read>(reader: &mut Counted<'_, R>, hash: &mut Xxh3) -> io::Result<Option<Option<u64>>> {
    let head: [u8; 21] = reader.array()?;
    let [tag, _, compression, rest @ ..] = head;
    let [_, _, _, _, _, _, _, _, k0, k1, v0, v1, v2, v3, s0, s1, s2, s3] = rest;
    let key_len = usize::from(u16::from_le_bytes([k0, k1]));
    let value_len = u32::from_le_bytes([v0, v1, v2, v3]) as usize;
    let stored = u32::from_le_bytes([s0, s1, s2, s3]) as usize;
    let possible = tag == ITEM
        && compression == 0
        && key_len <= MAX_KEY_BYTES + 2
        && value_len <= MAX_VALUE_BYTES
        && stored == value_len;
    if !possible {
        return Ok(None);
    }
    let mut body = vec![0; key_len + value_len];
    reader.exact(&mut body)?;
    hash.update(&head);
    hash.update(&body);
    let (key, value) = body.split_at(key_len);
    let number = value.try_into().map(u64::from_be_bytes).ok();
    Ok(Some(number.filter(|_| key == COMMIT_KEY)))
}

impl Found {
    fn follows(self, before: Found) -> bool {
        let step = self.seqno.checked_sub(before.seqno);
        self.commit > before.commit && step.is_some_and(|step| (1..=MAX_STEP).contains(&step))
    }
}

struct Counted<'a, R> {
    reader: &'a mut R,
    bytes: u64,
}

impl<R: Read> Counted<'_, R> {
    fn exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.reader.read_exact(buffer)?;
        self.bytes += buffer.len() as u64;
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut buffer = [0; N];
        self.exact(&mut buffer)?;
        Ok(buffer)
    }
}
