//! Listings: one scan, which jumps over what a common prefix stands for.

use std::collections::VecDeque;
use std::ops::Bound;

use bytes::Bytes;
use ropeway_core::{Fault, Time, Tx, keys as core_keys};
use ropeway_store::Range;
use serde::{Deserialize, Serialize};

use super::{Output, Target, UploadId, bucket};
use crate::error::S3Error;
use crate::keys;
use crate::model::{Object, Upload, Version};

/// Rows of the first scan of a listing that may have to jump.
const FIRST_STEP: usize = 64;
/// Rows of a scan behind a jump, where folders are large.
const AFTER_JUMP: usize = 4;
/// Rows that take about as long to read as a jump over them: a folder of so many is as well read.
const WORTH_A_JUMP: usize = 16;
/// Bytes of a position that matter.
const MAX_POSITION: usize = 1500;
/// Rows of a scan at most.
const MAX_STEP: usize = 1000;

/// What to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Query {
    /// Keys that begin so.
    pub prefix: String,
    /// Keys that have it behind the prefix are told as one.
    pub delimiter: Option<String>,
    /// Only what is behind.
    pub after: Option<Position>,
    /// Entries at most.
    pub limit: u32,
}

/// A place in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// A row's key within the bucket.
    pub row: Vec<u8>,
    /// Everything that begins so is passed too.
    pub whole: bool,
}

/// A page of a listing.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// In order.
    pub entries: Vec<Entry>,
    /// Where the next page begins, if there is one.
    pub next: Option<Position>,
}

/// An entry of a listing.
#[derive(Debug, Clone)]
pub enum Entry {
    /// An object and its key.
    Object(String, Box<Object>),
    /// An upload, its object's key and its id.
    Upload(String, UploadId, Box<Upload>),
    /// What several keys have in common.
    Prefix(String),
    /// A version of an object, its key, and whether it is the latest.
    Version(String, Version, bool),
}

pub(super) async fn objects(tx: &Tx, target: &Target, query: &Query) -> Result<Output, S3Error> {
    let bucket = bucket::find(tx, target).await?;
    let base = keys::objects(&target.bucket).build();
    let listing = scan(tx, &base, 0, query, |key, _, value| {
        Ok(Entry::Object(key, Box::new(postcard::from_bytes(value)?)))
    });
    Ok(Output::Listing(listing.await?, bucket))
}

pub(super) async fn uploads(tx: &Tx, target: &Target, query: &Query) -> Result<Output, S3Error> {
    let bucket = bucket::find(tx, target).await?;
    let base = keys::uploads(&target.bucket).build();
    let listing = scan(tx, &base, keys::UPLOAD_SUFFIX, query, |key, row, value| {
        let id = upload_id(row).ok_or_else(|| Fault::Damaged("an upload's key".to_owned()))?;
        Ok(Entry::Upload(key, id, Box::new(postcard::from_bytes(value)?)))
    });
    Ok(Output::Listing(listing.await?, bucket))
}

/// The id at the end of an upload's key.
pub(super) fn upload_id(row: &[u8]) -> Option<UploadId> {
    let (rest, id) = row.split_at_checked(row.len().checked_sub(16)?)?;
    let time = core_keys::last_number(rest)?;
    Some(UploadId {
        initiated: Time(i64::try_from(time).ok()?),
        id: u128::from_be_bytes(id.try_into().ok()?),
    })
}

fn joined(base: &[u8], rest: &[u8]) -> Bytes {
    Bytes::from([base, rest].concat())
}

fn start_of(base: &[u8], query: &Query) -> Bound<Bytes> {
    let start = joined(base, query.prefix.as_bytes());
    let Some(after) = &query.after else { return Bound::Included(start) };
    // No row's key is longer, so that what follows the rest of a marker follows this.
    let after_row = after.row.get(..MAX_POSITION).unwrap_or(&after.row);
    let row = joined(base, after_row);
    match core_keys::after_prefix(&row) {
        Some(end) if after.whole => Bound::Included(start.max(end)),
        _ if row < start => Bound::Included(start),
        _ => Bound::Excluded(row),
    }
}

/// Rows in order, some at a time: more and more, as long as reading on is worth it.
pub(super) struct Rows {
    range: Range,
    read: VecDeque<(Bytes, Bytes)>,
    /// Rows of the next scan.
    step: usize,
    /// Rows of the last scan, and entries that they have made so far.
    page: (usize, usize),
    more: bool,
}

impl Rows {
    /// The rows from `from` on whose keys begin with `prefix`, for a listing of this query.
    pub fn new(from: Bound<Bytes>, prefix: &[u8], query: &Query) -> Self {
        let to = core_keys::after_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded);
        let whole = query.limit as usize + 1;
        let step = if query.delimiter.is_some() { FIRST_STEP.min(whole) } else { whole };
        Rows {
            range: Range { from, to, reverse: false },
            read: VecDeque::new(),
            step,
            page: (0, 0),
            more: true,
        }
    }

    /// The row that is next.
    pub async fn peek(&mut self, tx: &Tx) -> Result<Option<&(Bytes, Bytes)>, Fault> {
        if self.read.is_empty() && self.more {
            let page = tx.scan(self.range.clone(), self.step).await?;
            self.more = page.more;
            self.page = (page.rows.len(), 0);
            if let Some((last, _)) = page.rows.last() {
                self.range.from = Bound::Excluded(last.clone());
            }
            self.read = page.rows.into();
        }
        Ok(self.read.front())
    }

    /// Takes the row that is next.
    pub fn take(&mut self) -> Option<(Bytes, Bytes)> {
        let taken = self.read.pop_front();
        self.count();
        taken
    }

    /// Counts an entry. Behind a page's last one, it is known how many rows folders have here: the next scan reads
    /// more where they have few, and next to nothing where a jump is the shorter way.
    fn count(&mut self) {
        self.page.1 += 1;
        let (rows, entries) = self.page;
        if self.read.is_empty() {
            let small = entries > 1 && entries * WORTH_A_JUMP >= rows;
            self.step = if small { (rows * 4).min(MAX_STEP) } else { AFTER_JUMP };
        }
    }

    /// Passes every row whose key begins so.
    pub fn skip(&mut self, prefix: &[u8]) {
        let passed = self.read.iter().take_while(|(row, _)| row.starts_with(prefix)).count();
        if passed == 0 {
            return;
        }
        self.read.drain(..passed);
        self.count();
        if self.read.is_empty() && self.more {
            match core_keys::after_prefix(prefix) {
                Some(behind) => self.range.from = Bound::Included(behind),
                None => self.more = false,
            }
        }
    }
}

/// `suffix`: bytes of a row's key behind the object's key.
async fn scan(
    tx: &Tx,
    base: &Bytes,
    suffix: usize,
    query: &Query,
    read: impl Fn(String, &[u8], &[u8]) -> Result<Entry, Fault>,
) -> Result<Listing, Fault> {
    let mut listing = Listing::default();
    if query.limit == 0 {
        return Ok(listing);
    }
    let mut rows = Rows::new(start_of(base, query), &joined(base, query.prefix.as_bytes()), query);
    while let Some((row, value)) = rows.peek(tx).await? {
        if listing.entries.len() == query.limit as usize {
            return Ok(listing);
        }
        let name = row.get(base.len()..row.len().saturating_sub(suffix)).unwrap_or_default();
        let name = std::str::from_utf8(name).map_err(|e| Fault::Damaged(e.to_string()))?;
        match common_prefix(name, query) {
            Some(prefix) => {
                listing.next = Some(Position { row: prefix.as_bytes().to_vec(), whole: true });
                listing.entries.push(Entry::Prefix(prefix.to_owned()));
                let passed = joined(base, prefix.as_bytes());
                rows.skip(&passed);
            }
            None => {
                let rest = row.get(base.len()..).unwrap_or_default();
                listing.next = Some(Position { row: rest.to_vec(), whole: false });
                listing.entries.push(read(name.to_owned(), row, value)?);
                rows.take();
            }
        }
    }
    listing.next = None;
    Ok(listing)
}

/// What a key is told as, if a delimiter stands behind the prefix.
pub(super) fn common_prefix<'n>(name: &'n str, query: &Query) -> Option<&'n str> {
    let delimiter = query.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())?;
    let skip = query.prefix.len();
    let at = name.get(skip..)?.find(delimiter)?;
    name.get(..skip + at + delimiter.len())
}
