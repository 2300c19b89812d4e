//! The blob store: bodies too large for a value, each written and synced before the row that names it.
//!
//! A blob is written once and never changed, and has one row that owns it. It is at
//! `<first two hex digits>/<id in 32 hex digits>` of a local directory (or, behind the same crate,
//! of an S3-compatible store). What a writer left unfinished is removed when the store is opened;
//! blobs that no row names are found with [`BlobStore::list`].

use std::fmt;
use std::fs;
use std::io::{self, Read as _, Seek as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{
    GetOptions, GetRange, GetResult, GetResultPayload, MultipartUpload, ObjectStore, ObjectStoreExt,
    PutPayload,
};
use tokio::sync::OnceCell;

use crate::files;

/// A writer hands over what it has gathered once it is this much, in bytes.
const PART_BYTES: usize = 1024 * 1024;
/// Size of the pieces that a reader gives, in bytes.
const PIECE_BYTES: u64 = 256 * 1024;

/// A blob's name, chosen by the caller and never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub u128);

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl BlobId {
    fn path(self) -> ObjectPath {
        ObjectPath::from(format!("{:02x}/{self}", self.first()))
    }

    fn first(self) -> u8 {
        let [first, ..] = self.0.to_be_bytes();
        first
    }

    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<BlobId> {
        let id = BlobId(u128::from_str_radix(text, 16).ok()?);
        (id.to_string() == text).then_some(id)
    }
}

/// Why something could not be done with a blob.
#[derive(Debug)]
pub enum BlobError {
    /// There is no such blob.
    NotFound(BlobId),
    /// The blob ends before the range that is asked for.
    Short(BlobId),
    /// The directory cannot be used.
    Directory(PathBuf, io::Error),
    /// Reading or writing failed.
    Store(object_store::Error),
}

impl fmt::Display for BlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BlobError::NotFound(id) => write!(f, "there is no blob {id}"),
            BlobError::Short(id) => write!(f, "the blob {id} is shorter than what is asked for"),
            BlobError::Directory(path, e) => write!(f, "{}: {e}", path.display()),
            BlobError::Store(e) => write!(f, "the blob store: {e}"),
        }
    }
}

impl std::error::Error for BlobError {}

/// Where blobs are kept. Clones are the same store.
#[derive(Clone)]
pub struct BlobStore {
    objects: Arc<dyn ObjectStore>,
    folders: Arc<Folders>,
}

/// The directories of the first digits, each made once. Left to the writers, one could use what another has just made,
/// and be done before its name is on disk.
struct Folders {
    dir: PathBuf,
    made: Vec<OnceCell<()>>,
}

impl Folders {
    async fn make(&self, id: BlobId) -> Result<(), BlobError> {
        let Some(made) = self.made.get(usize::from(id.first())) else {
            unreachable!("there is a cell for every byte")
        };
        let folder = self.dir.join(format!("{:02x}", id.first()));
        let make = || async {
            let path = folder.clone();
            let made = tokio::task::spawn_blocking(move || files::make_dir(&path)).await;
            made.map_err(io::Error::other).flatten()
        };
        let made = made.get_or_try_init(make).await.map(drop);
        made.map_err(|e| BlobError::Directory(folder.clone(), e))
    }
}

impl BlobStore {
    /// Opens the store in a directory, or makes it; removes what writers left unfinished. Blocks.
    /// Whoever calls this makes sure that no other process uses the directory.
    pub fn open_local(dir: &Path) -> Result<BlobStore, BlobError> {
        let failed = |e| BlobError::Directory(dir.to_owned(), e);
        files::make_dir(dir).map_err(failed)?;
        remove_unfinished(dir).map_err(failed)?;
        let objects = LocalFileSystem::new_with_prefix(dir).map_err(BlobError::Store)?.with_fsync(true);
        let made = (0..=u8::MAX).map(|_| OnceCell::new()).collect();
        let folders = Folders { dir: dir.to_owned(), made };
        Ok(BlobStore { objects: Arc::new(objects), folders: Arc::new(folders) })
    }

    /// Begins a blob. It is there once [`BlobWriter::finish`] has returned.
    pub fn writer(&self, id: BlobId) -> BlobWriter {
        BlobWriter {
            id,
            objects: self.objects.clone(),
            folders: self.folders.clone(),
            gathered: Vec::new(),
            gathered_bytes: 0,
            length: 0,
            upload: None,
        }
    }

    /// Reads part of a blob, in pieces of at most 256 KiB. Deleting it meanwhile does no harm.
    pub async fn read(
        &self,
        id: BlobId,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, BlobError>>, BlobError> {
        if range.is_empty() {
            return Ok(stream::empty().boxed());
        }
        let options = GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
        let found = self.objects.get_opts(&id.path(), options).await;
        let GetResult { payload, range: found, .. } = match found {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Err(BlobError::NotFound(id)),
            // A range past the end has no error of its own.
            Err(e) => {
                let short = self.objects.head(&id.path()).await.is_ok_and(|blob| blob.size < range.end);
                return Err(if short { BlobError::Short(id) } else { BlobError::Store(e) });
            }
        };
        if found != range {
            return Err(BlobError::Short(id));
        }
        Ok(match payload {
            GetResultPayload::File(file, _) => pieces(id, Arc::new(file), range).boxed(),
            GetResultPayload::Stream(pieces) => pieces.map_err(BlobError::Store).boxed(),
        })
    }

    /// Makes a second blob with the same bytes, durable on return. On a local disk it shares them
    /// (a hard link) where the file system can.
    pub async fn copy(&self, from: BlobId, to: BlobId) -> Result<(), BlobError> {
        self.folders.make(to).await?;
        match self.objects.copy(&from.path(), &to.path()).await {
            Ok(()) => return Ok(()),
            Err(object_store::Error::NotFound { .. }) => return Err(BlobError::NotFound(from)),
            // A file has only so many links; its bytes can still be copied.
            Err(e) => tracing::debug!("copying {from} byte by byte: {e}"),
        }
        let length = self.objects.head(&from.path()).await.map_err(BlobError::Store)?.size;
        let mut pieces = self.read(from, 0..length).await?;
        let mut writer = self.writer(to);
        while let Some(piece) = pieces.try_next().await? {
            writer.push(piece).await?;
        }
        writer.finish().await.map(|_| ())
    }

    /// Removes a blob; says whether it was there. A loss of power may bring it back, without a row
    /// that names it.
    pub async fn delete(&self, id: BlobId) -> Result<bool, BlobError> {
        match self.objects.delete(&id.path()).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(e) => Err(BlobError::Store(e)),
        }
    }

    /// The next `limit` blobs behind `after`, in order; fewer only if there are no more. Holds the
    /// names of a 256th of all blobs in memory.
    pub async fn list(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobId>, BlobError> {
        let mut found = Vec::new();
        for first in after.map_or(0, BlobId::first)..=u8::MAX {
            if found.len() >= limit {
                break;
            }
            let prefix = ObjectPath::from(format!("{first:02x}"));
            let objects = self.objects.list(Some(&prefix)).map_err(BlobError::Store);
            let ids = objects.try_filter_map(|object| async move {
                let id = object.location.filename().and_then(BlobId::parse);
                Ok(id.filter(|id| after.is_none_or(|after| *id > after)))
            });
            let mut ids: Vec<BlobId> = ids.try_collect().await?;
            ids.sort();
            found.append(&mut ids);
        }
        found.truncate(limit);
        Ok(found)
    }
}

/// A blob that is being written. Dropping it removes what was written.
pub struct BlobWriter {
    id: BlobId,
    objects: Arc<dyn ObjectStore>,
    folders: Arc<Folders>,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    length: u64,
    upload: Option<Box<dyn MultipartUpload>>,
}

impl BlobWriter {
    /// Adds bytes; holds at most 1 MiB and one chunk of them in memory.
    pub async fn push(&mut self, chunk: Bytes) -> Result<(), BlobError> {
        self.length += chunk.len() as u64;
        self.gathered_bytes += chunk.len();
        self.gathered.push(chunk);
        if self.gathered_bytes < PART_BYTES {
            return Ok(());
        }
        if self.upload.is_none() {
            self.folders.make(self.id).await?;
            let upload = self.objects.put_multipart(&self.id.path()).await.map_err(BlobError::Store)?;
            self.upload = Some(upload);
        }
        self.write_gathered().await
    }

    /// Makes the blob durable, under its name. Returns its length in bytes.
    pub async fn finish(mut self) -> Result<u64, BlobError> {
        if self.upload.is_none() {
            self.folders.make(self.id).await?;
            let payload = self.take_gathered();
            self.objects.put(&self.id.path(), payload).await.map_err(BlobError::Store)?;
            return Ok(self.length);
        }
        if self.gathered_bytes > 0 {
            self.write_gathered().await?;
        }
        if let Some(mut upload) = self.upload.take() {
            upload.complete().await.map_err(BlobError::Store)?;
        }
        Ok(self.length)
    }

    /// Removes what was written, and says so if that failed.
    pub async fn abort(mut self) -> Result<(), BlobError> {
        match self.upload.take() {
            Some(mut upload) => upload.abort().await.map_err(BlobError::Store),
            None => Ok(()),
        }
    }

    async fn write_gathered(&mut self) -> Result<(), BlobError> {
        let payload = self.take_gathered();
        match &mut self.upload {
            Some(upload) => upload.put_part(payload).await.map_err(BlobError::Store),
            None => Ok(()),
        }
    }

    fn take_gathered(&mut self) -> PutPayload {
        self.gathered_bytes = 0;
        std::mem::take(&mut self.gathered).into_iter().collect()
    }
}

/// Reads a file piece by piece, on the runtime's blocking threads.
fn pieces(
    id: BlobId,
    file: Arc<fs::File>,
    range: Range<u64>,
) -> impl stream::Stream<Item = Result<Bytes, BlobError>> + Send + 'static {
    stream::try_unfold((file, range.start), move |(file, at)| async move {
        let bytes = PIECE_BYTES.min(range.end - at);
        if bytes == 0 {
            return Ok(None);
        }
        let reading = file.clone();
        let piece = tokio::task::spawn_blocking(move || read_piece(&reading, at, bytes));
        match piece.await.map_err(io::Error::other).flatten() {
            Ok(piece) => Ok(Some((Bytes::from(piece), (file, at + bytes)))),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(BlobError::Short(id)),
            Err(e) => {
                Err(BlobError::Store(object_store::Error::Generic { store: "local", source: e.into() }))
            }
        }
    })
}

/// Reads so many bytes of a file that nobody else reads. Reading to an end, unlike reading into a slice, needs no
/// zeros in the buffer beforehand.
fn read_piece(mut file: &fs::File, at: u64, bytes: u64) -> io::Result<Vec<u8>> {
    let mut piece = Vec::with_capacity(usize::try_from(bytes).unwrap_or_default());
    file.seek(io::SeekFrom::Start(at))?;
    if file.take(bytes).read_to_end(&mut piece)? as u64 == bytes {
        Ok(piece)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Removes the files that `object_store` writes before it renames them: those with a `#`.
fn remove_unfinished(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(entry.path())? {
            let file = file?;
            if file.file_name().to_string_lossy().contains('#') {
                fs::remove_file(file.path())?;
            }
        }
    }
    Ok(())
}
