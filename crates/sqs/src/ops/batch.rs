//! What all batches have in common: their entries' ids, and one answer for each entry.

use std::collections::BTreeSet;

use ropeway_api::sqs::{BatchResultErrorEntry, error};
use ropeway_wire::Error;

use crate::limits;

/// Checks the entries' number and ids.
pub fn check<'a>(kind: &str, ids: impl ExactSizeIterator<Item = &'a str>) -> Result<(), Error> {
    let (count, most) = (ids.len(), limits::BATCH);
    if count == 0 {
        return Err(error::empty_batch_request(format!(
            "There should be at least one {kind} in the request."
        )));
    }
    if count > most {
        return Err(error::too_many_entries_in_batch_request(format!(
            "Maximum number of entries per request are {most}. You have sent {count}."
        )));
    }
    let mut seen = BTreeSet::new();
    for id in ids {
        let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if id.is_empty() || id.len() > limits::BATCH_ID || !id.bytes().all(letter) {
            return Err(error::invalid_batch_entry_id(
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can \
                 be at most 80 letters long.",
            ));
        }
        if !seen.insert(id) {
            return Err(error::batch_entry_ids_not_distinct(format!("Id {id} repeated.")));
        }
    }
    Ok(())
}

/// An entry's error.
pub fn failed(id: String, error: Error) -> BatchResultErrorEntry {
    BatchResultErrorEntry {
        id,
        sender_fault: error.is_sender_fault(),
        code: error.query_code.unwrap_or(error.code).into_owned(),
        message: Some(error.message),
    }
}
