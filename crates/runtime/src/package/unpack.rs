//! Zip archives into directories; nothing leads outside, nothing is larger than Lambda's limit.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use ropeway_core::functions::NotRun;
use zip::ZipArchive;
use zip::read::ZipFile;

use super::no_room;

/// The most that a function and its layers unpack to, in bytes ("Lambda quotas: deployment package").
pub const MAX_UNPACKED: u64 = 250 << 20;
/// The most files and directories of an archive: what a file system takes without a thought.
const MAX_ENTRIES: usize = 200_000;
/// The longest target of a link, in bytes.
const MAX_LINK: u64 = 4096;
/// The file type in a Unix mode, and that of a link.
const TYPE: u32 = 0o170_000;
const LINK: u32 = 0o120_000;

type Archive = ZipArchive<Cursor<Bytes>>;

/// Looks an archive through without writing anything.
///
/// # Errors
/// [`NotRun::BadPackage`] with the reason.
pub fn inspect(archive: Bytes) -> Result<(), NotRun> {
    let mut archive = open(archive)?;
    let mut left = MAX_UNPACKED;
    for number in 0..archive.len() {
        let mut entry = entry(&mut archive, number)?;
        let path = inside(&entry)?;
        if is_link(&entry) {
            target(&mut entry, &path)?;
        } else {
            copy(&mut entry, &mut io::sink(), &mut left)?;
        }
    }
    Ok(())
}

/// Unpacks archives over each other into a new directory; says what in them is for another processor.
///
/// # Errors
/// As [`inspect`]; [`NotRun::NoRoom`] with what the file system says.
pub fn unpack(archives: &[Bytes], into: &Path) -> Result<Option<String>, NotRun> {
    fs::create_dir_all(into).map_err(no_room)?;
    let mut left = MAX_UNPACKED;
    let mut links = BTreeMap::new();
    let mut machines = Machines::default();
    for archive in archives {
        let mut archive = open(archive.clone())?;
        for number in 0..archive.len() {
            let mut entry = entry(&mut archive, number)?;
            let path = inside(&entry)?;
            if is_link(&entry) {
                links.insert(path.clone(), target(&mut entry, &path)?);
            } else {
                links.remove(&path);
                write(&mut entry, &path, into, &mut left, &mut machines)?;
            }
        }
    }
    // Links come last, so that nothing was written through one.
    for (path, target) in links {
        link(into, &path, &target)?;
    }
    Ok(machines.foreign)
}

fn open(archive: Bytes) -> Result<Archive, NotRun> {
    let archive = ZipArchive::new(Cursor::new(archive)).map_err(|error| bad(&error))?;
    if archive.len() > MAX_ENTRIES {
        return Err(NotRun::BadPackage(format!("it has more than {MAX_ENTRIES} files")));
    }
    Ok(archive)
}

fn entry(archive: &mut Archive, number: usize) -> Result<ZipFile<'_, Cursor<Bytes>>, NotRun> {
    archive.by_index(number).map_err(|error| bad(&error))
}

/// An entry's path, which must stay inside.
fn inside(entry: &ZipFile<'_, Cursor<Bytes>>) -> Result<PathBuf, NotRun> {
    let name = entry.name().map_err(|error| bad(&error))?;
    let path = Path::new(&*name);
    let normal = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if name.contains(['\0', '\\']) || !path.components().all(normal) {
        return Err(NotRun::BadPackage(format!("the path {name:?} leads outside of it")));
    }
    Ok(path.components().filter(|part| matches!(part, Component::Normal(_))).collect())
}

fn is_link(entry: &ZipFile<'_, Cursor<Bytes>>) -> bool {
    entry.unix_mode().is_some_and(|mode| mode & TYPE == LINK)
}

/// Where a link leads, which must be inside.
fn target(entry: &mut ZipFile<'_, Cursor<Bytes>>, path: &Path) -> Result<PathBuf, NotRun> {
    let mut text = String::new();
    entry.take(MAX_LINK).read_to_string(&mut text).map_err(|error| bad(&error))?;
    let target = PathBuf::from(&text);
    let mut depth = path.components().count().saturating_sub(1);
    let stays = !text.is_empty()
        && target.components().all(|part| match part {
            Component::CurDir => true,
            Component::Normal(_) => {
                depth += 1;
                true
            }
            Component::ParentDir => depth.checked_sub(1).map(|less| depth = less).is_some(),
            Component::RootDir | Component::Prefix(_) => false,
        });
    if stays {
        Ok(target)
    } else {
        Err(NotRun::BadPackage(format!("the link {} leads outside of it, to {text:?}", path.display())))
    }
}

fn write(
    entry: &mut ZipFile<'_, Cursor<Bytes>>,
    path: &Path,
    into: &Path,
    left: &mut u64,
    machines: &mut Machines,
) -> Result<(), NotRun> {
    let whole = into.join(path);
    if entry.is_dir() {
        return fs::create_dir_all(&whole).map_err(no_room);
    }
    if let Some(parent) = whole.parent() {
        fs::create_dir_all(parent).map_err(no_room)?;
    }
    let executable = entry.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
    let mode = if executable { 0o755 } else { 0o644 };
    match fs::remove_file(&whole) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(no_room(error)),
        _ => {}
    }
    let file = File::options().write(true).create_new(true).mode(mode).open(&whole).map_err(no_room)?;
    let mut file = Headed { file, head: Vec::with_capacity(HEAD) };
    copy(entry, &mut file, left)?;
    machines.see(path, &file.head);
    Ok(())
}

fn link(into: &Path, path: &Path, target: &Path) -> Result<(), NotRun> {
    let whole = into.join(path);
    if let Some(parent) = whole.parent() {
        fs::create_dir_all(parent).map_err(no_room)?;
    }
    match fs::remove_file(&whole) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(NotRun::BadPackage(format!("{} is a link and a directory", path.display())))
        }
        _ => symlink(target, &whole).map_err(no_room),
    }
}

/// Copies an entry's contents, at most what is left of the limit.
fn copy(
    entry: &mut ZipFile<'_, Cursor<Bytes>>,
    to: &mut impl io::Write,
    left: &mut u64,
) -> Result<(), NotRun> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        // An archive that cannot be read is bad; a disk that cannot be written is full.
        let length = entry.read(&mut buffer).map_err(|error| bad(&error))?;
        let Some(read) = buffer.get(..length).filter(|read| !read.is_empty()) else { return Ok(()) };
        *left = left.checked_sub(read.len() as u64).ok_or_else(|| {
            let limit = format!("Unzipped size must be smaller than {MAX_UNPACKED} bytes");
            NotRun::BadPackage(limit)
        })?;
        to.write_all(read).map_err(no_room)?;
    }
}

fn bad(error: &dyn std::fmt::Display) -> NotRun {
    NotRun::BadPackage(format!(
        "Could not unzip uploaded file. Please check your file, then try to upload again. ({error})"
    ))
}

/// How much of a file says which machine it is for.
const HEAD: usize = 20;
/// The machine's number in ELF files.
const MACHINE: u16 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };

/// A file that remembers how it begins.
struct Headed {
    file: File,
    head: Vec<u8>,
}

impl io::Write for Headed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        let wanted = HEAD.saturating_sub(self.head.len()).min(written);
        self.head.extend_from_slice(bytes.get(..wanted).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// For which machines an archive's programs and libraries are. Libraries may come for several; there must
/// be one for this machine then.
#[derive(Default)]
struct Machines {
    foreign: Option<String>,
    native: bool,
    decided: bool,
}

impl Machines {
    fn see(&mut self, path: &Path, head: &[u8]) {
        let Some(machine) = machine(head) else { return };
        let program = path == Path::new("bootstrap");
        let name = path.to_string_lossy();
        let library = name.ends_with(".so") || name.contains(".so.") || name.ends_with(".node");
        if self.decided || !(program || library) {
            return;
        }
        self.decided = program;
        self.native |= machine == MACHINE;
        if machine == MACHINE {
            self.foreign = None;
        } else if program || !self.native {
            let kind = match machine {
                62 => "x86_64".to_owned(),
                183 => "arm64".to_owned(),
                other => format!("ELF machine {other}"),
            };
            self.foreign = Some(format!("{name} is built for {kind}"));
        }
    }
}

/// The machine that an ELF file is for.
fn machine(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"\x7fELF")?;
    let bytes = [*rest.get(14)?, *rest.get(15)?];
    Some(if rest.get(1) == Some(&2) { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
}
