//! Listings: one scan, which jumps over what a common prefix stands for.

use std::ops::Bound;

use bytes::Bytes;
use ropeway_core::{Fault, Time, Tx, keys as core_keys};
use ropeway_store::Range;
use serde::{Deserialize, Serialize};

use super::{Output, Target, UploadId, bucket};
use crate::error::S3Error;
use crate::keys;
use crate::model::{Object, Upload};

/// Rows of the first scan of a listing that may have to jump.
const FIRST_STEP: usize = 64;
/// Rows of a scan behind a jump.
const AFTER_JUMP: usize = 8;
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

/// `suffix`: bytes of a row's key behind the object's key.
async fn scan(
    tx: &Tx,
    base: &Bytes,
    suffix: usize,
    query: &Query,
    read: impl Fn(String, &[u8], &[u8]) -> Result<Entry, Fault>,
) -> Result<Listing, Fault> {
    let limit = query.limit as usize;
    let mut listing = Listing::default();
    if limit == 0 {
        return Ok(listing);
    }
    let mut from = start_of(base, query);
    let end = core_keys::after_prefix(&joined(base, query.prefix.as_bytes()));
    let to = end.map_or(Bound::Unbounded, Bound::Excluded);
    let mut step = if query.delimiter.is_some() { FIRST_STEP.min(limit + 1) } else { limit + 1 };
    loop {
        let page = tx.scan(Range { from, to: to.clone(), reverse: false }, step).await?;
        let mut jump: Option<Bytes> = None;
        for (row, value) in &page.rows {
            if jump.as_ref().is_some_and(|prefix| row.starts_with(prefix)) {
                continue;
            }
            if listing.entries.len() == limit {
                return Ok(listing);
            }
            let name = row.get(base.len()..row.len().saturating_sub(suffix)).unwrap_or_default();
            let name = std::str::from_utf8(name).map_err(|e| Fault::Damaged(e.to_string()))?;
            let common = common_prefix(name, query);
            jump = common.map(|prefix| joined(base, prefix.as_bytes()));
            let rest = row.get(base.len()..).unwrap_or_default();
            let passed = common.map_or(rest, str::as_bytes).to_vec();
            listing.next = Some(Position { row: passed, whole: common.is_some() });
            listing.entries.push(match common {
                Some(prefix) => Entry::Prefix(prefix.to_owned()),
                None => read(name.to_owned(), row, value)?,
            });
        }
        let Some((last, _)) = page.rows.last().filter(|_| page.more) else { break };
        step = if jump.is_some() { AFTER_JUMP } else { (step * 4).min(MAX_STEP) };
        from = match jump.and_then(|prefix| core_keys::after_prefix(&prefix)) {
            Some(behind) => Bound::Included(behind),
            None => Bound::Excluded(last.clone()),
        };
    }
    listing.next = None;
    Ok(listing)
}

/// What a key is told as, if a delimiter stands behind the prefix.
fn common_prefix<'n>(name: &'n str, query: &Query) -> Option<&'n str> {
    let delimiter = query.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())?;
    let skip = query.prefix.len();
    let at = name.get(skip..)?.find(delimiter)?;
    name.get(..skip + at + delimiter.len())
}
