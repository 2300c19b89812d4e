//! Rows of any size: cut into parts that a store takes as values.
//!
//! A row is a list of parts under its key and their numbers, from 0. The first part begins with the
//! number of parts, so that a shorter row that replaces a longer one leaves nothing behind.

use std::collections::BTreeMap;

use bytes::Bytes;
use ropeway_core::keys::KeyBuilder;
use ropeway_core::{Fault, Tx};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of a part: a store takes values up to 64 KiB.
const PART: usize = 60_000;
/// Bytes of the number of parts, which the first part begins with.
const HEADER: usize = 4;
/// Rows that a scan reads at once.
const PAGE: usize = 128;

fn damaged(key: &Bytes) -> Fault {
    Fault::Damaged(format!("a row in parts: {key:?}"))
}

fn part(key: &KeyBuilder, number: u32) -> Bytes {
    key.clone().number32(number).build()
}

/// Writes a row.
pub async fn write<T: Serialize>(tx: &mut Tx, key: &KeyBuilder, row: &T) -> Result<(), Fault> {
    let before = parts(tx, key).await?;
    let bytes = postcard::to_stdvec(row)?;
    let count = u32::try_from((bytes.len() + HEADER).div_ceil(PART)).map_err(|_| Fault::Overloaded)?;
    let mut whole = Vec::with_capacity(bytes.len() + HEADER);
    whole.extend_from_slice(&count.to_be_bytes());
    whole.extend_from_slice(&bytes);
    for (number, chunk) in (0u32..).zip(whole.chunks(PART)) {
        tx.put(part(key, number), Bytes::copy_from_slice(chunk));
    }
    (count..before).for_each(|number| tx.delete(part(key, number)));
    Ok(())
}

/// How many parts a row has; 0: there is none.
async fn parts(tx: &Tx, key: &KeyBuilder) -> Result<u32, Fault> {
    let first = part(key, 0);
    let Some(found) = tx.get(&first).await? else { return Ok(0) };
    count(&found).ok_or_else(|| damaged(&first))
}

fn count(first: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(first.get(..HEADER)?.try_into().ok()?))
}

/// Reads a row.
pub async fn read<T: DeserializeOwned>(tx: &Tx, key: &KeyBuilder) -> Result<Option<T>, Fault> {
    let first = part(key, 0);
    let Some(found) = tx.get(&first).await? else { return Ok(None) };
    let count = count(&found).ok_or_else(|| damaged(&first))?;
    let mut whole = found.to_vec();
    for number in 1..count {
        let next = part(key, number);
        whole.extend_from_slice(&tx.get(&next).await?.ok_or_else(|| damaged(&next))?);
    }
    Ok(Some(postcard::from_bytes(whole.get(HEADER..).unwrap_or_default())?))
}

/// Removes a row.
pub async fn delete(tx: &mut Tx, key: &KeyBuilder) -> Result<(), Fault> {
    for number in 0..parts(tx, key).await? {
        tx.delete(part(key, number));
    }
    Ok(())
}

/// Reads every row under a prefix, by the text that closes its key.
pub async fn all<T: DeserializeOwned>(tx: &Tx, prefix: &KeyBuilder) -> Result<BTreeMap<String, T>, Fault> {
    let base = prefix.clone().build();
    let mut wholes: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut after: Option<Bytes> = None;
    loop {
        let page = tx.scan_prefix(&base, after.as_ref(), PAGE).await?;
        for (key, value) in &page.rows {
            let name = key.get(base.len()..).and_then(|rest| rest.split(|byte| *byte == 0).next());
            let name =
                name.and_then(|name| String::from_utf8(name.to_vec()).ok()).ok_or_else(|| damaged(key))?;
            wholes.entry(name).or_default().extend_from_slice(value);
        }
        match page.rows.last() {
            Some((key, _)) if page.more => after = Some(key.clone()),
            _ => break,
        }
    }
    let rows = wholes.into_iter();
    rows.map(|(name, whole)| Ok((name, postcard::from_bytes(whole.get(HEADER..).unwrap_or_default())?)))
        .collect()
}
