//! The store's directory: what is in it, how it is made, and how it is opened.
//!
//! | name       | what it is                                                                   |
//! |------------|------------------------------------------------------------------------------|
//! | `lock`     | locked by the process that has the store open                                |
//! | `format`   | text: format version, number of shards, which keys are bulk, the log's seed |
//! | `durable`  | the mark (see [`super::mark`])                                               |
//! | `db/`      | fjall's                                                                      |
//! | `wal/`     | the write-ahead log (see [`super::wal`])                                     |
//! | `creating` | there while the store is being made; what is found beside it may be removed  |

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::engine::{COMMIT_KEY, Engine};
use super::mark::Mark;
use super::wal::{Found, Wal};
use super::{BulkKeys, OpenError, Options, journal};
use crate::files::{make_dir, sync_dir};

/// The version of everything that this crate and its pinned engine write, and of the services' rows.
pub(super) const FORMAT: u32 = 7;

const INDEX: &str = "index";
const BULK: &str = "bulk";
/// fjall's directories of them; the first is of its own.
const KEYSPACES: [&str; 3] = ["0", "1", "2"];

/// What the `format` file says.
#[derive(Debug, PartialEq, Eq, Clone)]
pub(super) struct Format {
    pub(super) shards: u16,
    pub(super) bulk_keys: BulkKeys,
    /// Of the log's sums.
    pub(super) seed: u64,
}

/// An open store's parts.
pub(super) struct Opened {
    pub(super) engine: Engine,
    pub(super) format: Format,
    pub(super) mark: Mark,
    pub(super) wal: Wal,
    /// The newest commit.
    pub(super) commit: u64,
}

struct Paths {
    dir: PathBuf,
    lock: PathBuf,
    format: PathBuf,
    durable: PathBuf,
    db: PathBuf,
    wal: PathBuf,
    creating: PathBuf,
}

/// Opens the store in a directory, or makes it.
pub(super) fn open(dir: &Path, options: &Options) -> Result<Opened, OpenError> {
    let paths = Paths::new(dir);
    make_dir(dir).map_err(|e| OpenError::io(dir, e))?;
    let lock = lock(&paths.lock)?;
    let made = if create_is_due(&paths)? { Some(create(&paths, options)?) } else { None };
    let format = read_format(&paths.format)?;
    let mark = Mark::open(&paths.durable).map_err(|e| OpenError::io(&paths.durable, e))?;
    let mark =
        mark.ok_or_else(|| OpenError::Damaged(format!("{} cannot be read", paths.durable.display())))?;
    let logged = Found::scan(&paths.wal, format.seed).map_err(|e| OpenError::io(&paths.wal, e))?;
    let durable = mark.commit();
    let db = match made {
        // Opening it once more would take as long as making it.
        Some(db) => db,
        None => {
            check_keyspaces(&paths.db)?;
            sync_entries(&paths.db)?;
            journal::check(&paths.db, |last| newest(&logged, last, durable).is_ok())?;
            open_db(&paths.db, options)?
        }
    };
    let engine = engine(db, format.bulk_keys.clone(), options, lock)?;
    let fed = engine.fed().map_err(|e| OpenError::Damaged(e.0))?;
    let commit = newest(&logged, fed, durable)?;
    feed(&engine, &logged, fed).map_err(|e| OpenError::io(&paths.wal, e))?;
    let wal = Wal::renew(&paths.wal, format.seed, options.syncs());
    let wal = wal.map_err(|e| OpenError::io(&paths.wal, e))?;
    Ok(Opened { engine, format, mark, wal, commit })
}

/// The newest commit of an engine that has those up to `fed`, with what the log has; an error if that is not
/// all there was.
fn newest(logged: &Found, fed: u64, durable: u64) -> Result<u64, OpenError> {
    let newest = logged.newest_from(fed);
    if let Some(later) = logged.newest().filter(|later| *later > newest) {
        let missing = newest + 1;
        return Err(OpenError::Damaged(format!(
            "commit {missing} cannot be read, and commit {later} is there"
        )));
    }
    if newest < durable {
        return Err(OpenError::Lost { recovered: newest, durable });
    }
    Ok(newest)
}

/// Puts into the engine what it lacks, and has it synced: the log is emptied next. An engine that lacks nothing is
/// synced too: after a kill, what it has may be in the kernel's memory alone.
fn feed(engine: &Engine, logged: &Found, fed: u64) -> io::Result<()> {
    for record in logged.read_from(fed) {
        engine.write(std::iter::once(&record?)).map_err(io::Error::other)?;
    }
    engine.sync(PersistMode::SyncAll).map_err(io::Error::other)
}

impl Paths {
    fn new(dir: &Path) -> Paths {
        Paths {
            dir: dir.to_owned(),
            lock: dir.join("lock"),
            format: dir.join("format"),
            durable: dir.join("durable"),
            db: dir.join("db"),
            wal: dir.join("wal"),
            creating: dir.join("creating"),
        }
    }
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let file = file.map_err(|e| OpenError::io(path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(e)) => Err(OpenError::io(path, e)),
    }
}

/// Whether there is no store yet, or only one that was never finished and so holds nothing.
fn create_is_due(paths: &Paths) -> Result<bool, OpenError> {
    let there = |path: &Path| path.try_exists().map_err(|e| OpenError::io(path, e));
    if there(&paths.format)? {
        return Ok(false);
    }
    if there(&paths.creating)? {
        return Ok(true);
    }
    for path in [&paths.db, &paths.wal, &paths.durable] {
        if there(path)? {
            return Err(OpenError::Damaged(format!(
                "{} is there, but {} is missing",
                path.display(),
                paths.format.display()
            )));
        }
    }
    Ok(true)
}

/// The `format` file comes last: a directory without it holds no store yet.
fn create(paths: &Paths, options: &Options) -> Result<Database, OpenError> {
    let io = |e| OpenError::io(&paths.dir, e);
    begin(paths).map_err(io)?;
    let db = open_db(&paths.db, options)?;
    fill(&db, options).map_err(OpenError::Engine)?;
    finish(paths, options).map_err(io)?;
    Ok(db)
}

fn begin(paths: &Paths) -> io::Result<()> {
    File::create(&paths.creating)?.sync_all()?;
    sync_dir(&paths.dir)?;
    match fs::remove_dir_all(&paths.db) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn fill(db: &Database, options: &Options) -> Result<(), fjall::Error> {
    let keyspace = || KeyspaceCreateOptions::default().max_memtable_size(options.memtable_bytes);
    let keyspaces = [db.keyspace(INDEX, keyspace)?, db.keyspace(BULK, keyspace)?];
    let mut batch = db.batch().durability(Some(PersistMode::SyncAll));
    for keyspace in &keyspaces {
        batch.insert(keyspace, COMMIT_KEY, 1u64.to_be_bytes());
    }
    batch.commit()
}

fn finish(paths: &Paths, options: &Options) -> io::Result<()> {
    // fjall syncs what is in a keyspace's directory, but not the entry of that directory itself.
    sync_dir(&paths.db.join("keyspaces"))?;
    sync_dir(&paths.db)?;
    Mark::create(&paths.durable, 1)?;
    let format = Format {
        shards: options.shards.clamp(1, u16::MAX - 1),
        bulk_keys: options.bulk_keys.clone(),
        seed: seed()?,
    };
    let half = paths.format.with_extension("new");
    let mut file = File::create(&half)?;
    file.write_all(format.text().as_bytes())?;
    file.sync_all()?;
    sync_dir(&paths.dir)?;
    fs::rename(&half, &paths.format)?;
    sync_dir(&paths.dir)?;
    fs::remove_file(&paths.creating)?;
    sync_dir(&paths.dir)
}

fn seed() -> io::Result<u64> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

fn builder(path: &Path, options: &Options) -> fjall::DatabaseBuilder<Database> {
    Database::builder(path)
        .cache_size(options.cache_bytes)
        .max_journaling_size(options.journal_bytes.max(64 * 1024 * 1024))
        .worker_threads(options.workers.max(1))
        .manual_journal_persist(true)
}

/// Opens the database on a thread of its own: its background threads inherit that one's low
/// priority, and if it meets damage with a panic, that ends there.
fn open_db(path: &Path, options: &Options) -> Result<Database, OpenError> {
    let builder = builder(path, options);
    let open = move || {
        // On Linux this sets the thread's priority, not the process's. Refused, it does without.
        if let Err(e) = rustix::process::setpriority_process(None, 10) {
            tracing::debug!("no lower priority for compaction: {e}");
        }
        builder.open()
    };
    let thread = super::spawn("store-open", open).map_err(|e| OpenError::io(path, e))?;
    match thread.join() {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(e)) => Err(OpenError::Engine(e)),
        Err(_) => Err(OpenError::Damaged(format!("the engine panicked on {}", path.display()))),
    }
}

/// Makes the names in the engine's directories durable. The process before may have been killed between the rename
/// of a list of tables and its sync: the engine would remove the journal whose commits those tables have, and a loss of
/// power could take the list away. (The store's own directory and the log's are synced when the log is made anew.)
fn sync_entries(db: &Path) -> Result<(), OpenError> {
    let keyspaces = db.join("keyspaces");
    let each = KEYSPACES.iter().map(|id| keyspaces.join(id));
    let with_tables = each.flat_map(|keyspace| [keyspace.join("tables"), keyspace]);
    with_tables
        .chain([keyspaces.clone(), db.to_owned()])
        .try_for_each(|dir| sync_dir(&dir).map_err(|e| OpenError::io(&dir, e)))
}

/// fjall removes the directory of a keyspace that has no `current` file, or that its list of
/// keyspaces doesn't name; damage must not look like that to it.
fn check_keyspaces(db: &Path) -> Result<(), OpenError> {
    for id in KEYSPACES {
        let current = db.join("keyspaces").join(id).join("current");
        if !current.try_exists().map_err(|e| OpenError::io(&current, e))? {
            return Err(OpenError::Damaged(format!("{} is missing", current.display())));
        }
    }
    Ok(())
}

fn engine(db: Database, bulk_keys: BulkKeys, options: &Options, lock: File) -> Result<Engine, OpenError> {
    let keyspace = |name: &str| -> Result<Keyspace, OpenError> {
        match db.keyspace_exists(name) {
            true => db.keyspace(name, KeyspaceCreateOptions::default).map_err(OpenError::Engine),
            false => Err(OpenError::Damaged(format!("the keyspace {name} is missing"))),
        }
    };
    let (index, bulk) = (keyspace(INDEX)?, keyspace(BULK)?);
    Ok(Engine { db, index, bulk, bulk_keys, sync: options.syncs(), _lock: lock })
}

impl Format {
    fn text(&self) -> String {
        let begin = hex(&self.bulk_keys.begin);
        let end = self.bulk_keys.end.as_deref().map_or("-".to_owned(), hex);
        let Format { shards, seed, .. } = self;
        format!("ropeway store\nformat {FORMAT}\nshards {shards}\nbulk {begin} to {end}\nseed {seed:016x}\n")
    }

    fn parse(text: &str) -> Result<Format, ParseError> {
        let mut lines = text.lines();
        let mut field = |name: &str| -> Option<&str> { lines.next()?.strip_prefix(name)?.strip_prefix(' ') };
        if field("ropeway") != Some("store") {
            return Err(ParseError::Damaged);
        }
        let version: u32 = field("format").and_then(|text| text.parse().ok()).ok_or(ParseError::Damaged)?;
        if version != FORMAT {
            return Err(ParseError::Version(version));
        }
        let shards = field("shards").and_then(|text| text.parse().ok());
        let bulk_keys = field("bulk").and_then(|text| {
            let (begin, end) = text.split_once(" to ")?;
            let end = if end == "-" { None } else { Some(unhex(end)?) };
            Some(BulkKeys { begin: unhex(begin)?, end })
        });
        let seed = field("seed").and_then(|text| u64::from_str_radix(text, 16).ok());
        let format = shards.zip(bulk_keys).zip(seed);
        let format = format.map(|((shards, bulk_keys), seed)| Format { shards, bulk_keys, seed });
        format.filter(|format| format.text() == text).ok_or(ParseError::Damaged)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Bytes> {
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    text.as_bytes().chunks(2).map(digits).collect()
}

#[derive(Debug, PartialEq, Eq)]
enum ParseError {
    Version(u32),
    Damaged,
}

fn read_format(path: &Path) -> Result<Format, OpenError> {
    let text = fs::read_to_string(path).map_err(|e| OpenError::io(path, e))?;
    Format::parse(&text).map_err(|e| match e {
        ParseError::Version(found) => OpenError::Format { found, expected: FORMAT },
        ParseError::Damaged => OpenError::Damaged(format!("{} cannot be read", path.display())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_file_is_read_back_and_nothing_else_is() {
        let bulk_keys =
            BulkKeys { begin: Bytes::from_static(&[0x11, 2]), end: Some(Bytes::from_static(&[0x11, 4])) };
        let format = Format { shards: 256, bulk_keys, seed: 0x1F };
        let text = format.text();
        assert_eq!(text, "ropeway store\nformat 7\nshards 256\nbulk 1102 to 1104\nseed 000000000000001f\n");
        assert_eq!(Format::parse(&text), Ok(format.clone()));
        let open = Format { bulk_keys: BulkKeys { end: None, ..format.bulk_keys }, ..format };
        assert_eq!(Format::parse(&open.text()), Ok(open));
        assert_eq!(Format::parse(&text.replace("format 7", "format 1")), Err(ParseError::Version(1)));
        for at in 0..text.len() {
            assert_eq!(Format::parse(&text[..at]), Err(ParseError::Damaged));
        }
        assert_eq!(Format::parse(&format!("{text}more")), Err(ParseError::Damaged));
    }
}
