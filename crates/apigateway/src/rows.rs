//! Documents larger than a row: written in parts.

use bytes::Bytes;
use ropeway_core::{Fault, Tx};
use ropeway_wire::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{errors, keys};

/// Bytes of a part.
const PART: usize = 60 * 1024;
/// Most bytes of a document: two of them fit a command.
pub const MAX_BYTES: usize = 1024 * 1024;
/// Parts that are read at once: more than a document has.
const PARTS: usize = MAX_BYTES / PART + 2;

/// Reads a document.
pub async fn read<T: DeserializeOwned>(tx: &Tx, prefix: &Bytes) -> Result<Option<T>, Fault> {
    let page = tx.scan_prefix(prefix, None, PARTS).await?;
    if page.rows.is_empty() {
        return Ok(None);
    }
    let whole: Vec<u8> = page.rows.iter().flat_map(|(_, part)| part.iter().copied()).collect();
    Ok(Some(postcard::from_bytes(&whole)?))
}

/// Writes a document in the place of what was there.
///
/// # Errors
/// `LimitExceededException` if it is larger than [`MAX_BYTES`].
pub async fn write<T: Serialize>(tx: &mut Tx, prefix: &Bytes, document: &T) -> Result<(), Error> {
    let whole = Bytes::from(postcard::to_stdvec(document).map_err(Fault::from)?);
    if whole.len() > MAX_BYTES {
        return Err(errors::limit(format!("An API's definition is limited to {MAX_BYTES} bytes")));
    }
    let before = tx.scan_prefix(prefix, None, PARTS).await?.rows;
    let mut number = 0;
    let mut rest = whole;
    while !rest.is_empty() {
        let part = rest.split_to(PART.min(rest.len()));
        tx.put(keys::part(prefix, number), part);
        number += 1;
    }
    for (key, _) in before.into_iter().skip(number as usize) {
        tx.delete(key);
    }
    Ok(())
}

/// Removes up to `limit` rows of a prefix; true if there are more.
pub async fn remove(tx: &mut Tx, prefix: &Bytes, limit: usize) -> Result<bool, Fault> {
    let page = tx.scan_prefix(prefix, None, limit).await?;
    for (key, _) in page.rows {
        tx.delete(key);
    }
    Ok(page.more)
}
