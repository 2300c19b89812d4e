//! Log streams: made, removed.

use bytes::Bytes;
use ropeway_api::logs::error;
use ropeway_core::Tx;
use ropeway_wire::Error;

use super::{Output, clean, group, stats, stream};
use crate::keys::GroupName;
use crate::model::Stream;

pub async fn create(tx: &mut Tx, name: &GroupName, stream: String) -> Result<Output, Error> {
    let (_, rows) = group(tx, name).await?;
    if tx.get(&rows.stream(&stream)).await?.is_some() {
        return Err(error::resource_already_exists_exception("The specified log stream already exists"));
    }
    let mut stats = stats(tx, &rows).await?;
    let made = Stream { name: stream, id: stats.next, created: tx.now(), events: None };
    stats.next += 1;
    tx.write(rows.stats(), &stats)?;
    tx.write(rows.stream(&made.name), &made)?;
    tx.put(rows.recent(made.last_event(), &made.name), Bytes::new());
    Ok(Output::Nothing)
}

/// Removes a stream; its events follow in steps.
pub async fn delete(tx: &mut Tx, name: &GroupName, gone: &str) -> Result<Output, Error> {
    let (group, rows) = group(tx, name).await?;
    let gone = stream(tx, &rows, gone).await?;
    if group.protected {
        return Err(error::validation_exception(
            "The log group has deletion protection enabled. Disable it before you delete a log stream.",
        ));
    }
    tx.delete(rows.recent(gone.last_event(), &gone.name));
    tx.delete(rows.stream(&gone.name));
    clean::clean_later(tx, &rows, Some(gone.id), None)?;
    Ok(Output::Nothing)
}
