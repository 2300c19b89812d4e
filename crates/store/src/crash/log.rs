//! What a recorded process did to its directory.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// One change, or one line of output. A file is named by its inode where it is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A file was made.
    Create {
        /// Its inode.
        ino: u64,
        /// Its path.
        path: PathBuf,
    },
    /// Bytes were written.
    Write {
        /// The file.
        ino: u64,
        /// Where.
        at: u64,
        /// What.
        data: Vec<u8>,
    },
    /// A file was synced.
    Sync(u64),
    /// A directory was synced.
    SyncDir(PathBuf),
    /// From the first path to the second.
    Rename(PathBuf, PathBuf),
    /// A file was removed.
    Unlink(PathBuf),
    /// A directory was made.
    Mkdir(PathBuf),
    /// A directory was removed.
    Rmdir(PathBuf),
    /// A file's length was set.
    Truncate {
        /// The file.
        ino: u64,
        /// Its length.
        length: u64,
    },
    /// A file got another name.
    Link {
        /// Its inode.
        ino: u64,
        /// The new path.
        path: PathBuf,
    },
    /// Bytes went to the standard output.
    Output(Vec<u8>),
    /// A call was made to fail.
    Fault(String),
}

/// The events, in order.
#[derive(Debug, Default)]
pub struct Log {
    events: Vec<Event>,
    /// Length of the log file behind each event.
    ends: Vec<u64>,
}

impl Log {
    /// Reads the log of a directory that was empty at first; a record that a kill cut off is left
    /// out. Fails if the process did what can't be replayed (a shared mapping, a reflink).
    pub fn read(path: &Path) -> io::Result<Log> {
        Log::default().followed_by(path)
    }

    /// A log that ends with a directory as it is now, all of it synced: for processes that begin
    /// with more than nothing.
    pub fn of_directory(dir: &Path) -> io::Result<Log> {
        let mut log = Log::default();
        log.add_directory(dir)?;
        log.ends = vec![0; log.events.len()];
        Ok(log)
    }

    fn add_directory(&mut self, dir: &Path) -> io::Result<()> {
        let mut paths =
            fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
        paths.sort();
        for path in paths {
            if path.is_dir() {
                self.events.push(Event::Mkdir(path.clone()));
                self.add_directory(&path)?;
                continue;
            }
            let ino = fs::metadata(&path)?.ino();
            let data = fs::read(&path)?;
            let write = Event::Write { ino, at: 0, data };
            self.events.extend([Event::Create { ino, path }, write, Event::Sync(ino)]);
        }
        self.events.push(Event::SyncDir(dir.to_owned()));
        Ok(())
    }

    /// Adds what a process did afterwards.
    pub fn followed_by(mut self, path: &Path) -> io::Result<Log> {
        let log = &mut self;
        let bytes = fs::read(path)?;
        let mut rest = bytes.as_slice();
        while let Some((kind, body, behind)) = split(rest) {
            rest = behind;
            log.events.push(decode(kind, body)?);
            log.ends.push((bytes.len() - rest.len()) as u64);
        }
        Ok(self)
    }

    /// The events.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Number of events that were recorded when the log file had a length: an answer that arrived
    /// then must survive every crash at that event or later.
    pub fn events_within(&self, bytes: u64) -> usize {
        self.ends.partition_point(|end| *end <= bytes)
    }

    /// What the process had written to its standard output before an event.
    pub fn output_before(&self, event: usize) -> Vec<u8> {
        let outputs = self.events.iter().take(event).filter_map(|event| match event {
            Event::Output(bytes) => Some(bytes.as_slice()),
            _ => None,
        });
        outputs.collect::<Vec<_>>().concat()
    }

    /// The same log as if nothing had ever been synced: for showing that a check would notice.
    #[must_use]
    pub fn without_syncs(mut self) -> Log {
        let pairs = self.events.into_iter().zip(self.ends);
        let kept = pairs.filter(|(event, _)| !matches!(event, Event::Sync(_) | Event::SyncDir(_)));
        (self.events, self.ends) = kept.unzip();
        self
    }

    /// Whether a call was made to fail.
    pub fn faulted(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Fault(_)))
    }
}

/// The first record's kind and body, and what follows it.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    rest.split_at_checked(length).map(|(body, behind)| (*kind, body, behind))
}

fn decode(kind: u8, body: &[u8]) -> io::Result<Event> {
    let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
    let bad = || io::Error::new(io::ErrorKind::InvalidData, format!("a record of kind {kind}"));
    let number = |bytes| -> io::Result<(u64, &[u8])> {
        let (number, rest) = <[u8]>::split_first_chunk::<8>(bytes).ok_or_else(bad)?;
        Ok((u64::from_le_bytes(*number), rest))
    };
    Ok(match kind {
        1 => number(body).map(|(ino, rest)| Event::Create { ino, path: path(rest) })?,
        2 => {
            let (ino, rest) = number(body)?;
            let (at, data) = number(rest)?;
            Event::Write { ino, at, data: data.to_vec() }
        }
        3 => Event::Sync(number(body)?.0),
        4 => Event::SyncDir(path(body)),
        5 => {
            let end = body.iter().position(|byte| *byte == 0).ok_or_else(bad)?;
            let (from, to) = body.split_at(end);
            Event::Rename(path(from), path(to.get(1..).unwrap_or_default()))
        }
        6 => Event::Unlink(path(body)),
        7 => Event::Mkdir(path(body)),
        8 => Event::Rmdir(path(body)),
        9 => {
            let (ino, rest) = number(body)?;
            Event::Truncate { ino, length: number(rest)?.0 }
        }
        10 => number(body).map(|(ino, rest)| Event::Link { ino, path: path(rest) })?,
        11 => Event::Output(body.to_vec()),
        13 => Event::Fault(String::from_utf8_lossy(body).into_owned()),
        12 => return Err(io::Error::other(format!("cannot be replayed: {}", String::from_utf8_lossy(body)))),
        _ => return Err(bad()),
    })
}
