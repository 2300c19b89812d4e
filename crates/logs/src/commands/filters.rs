//! Subscription filters: made, read, removed.

use ropeway_api::logs::error;
use ropeway_core::{Fault, Tx};
use ropeway_wire::Error;

use super::{Output, group};
use crate::keys::{GroupName, GroupRows};
use crate::model::Filter;

/// Most subscription filters of a log group:
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutSubscriptionFilter.html>.
const MAX_FILTERS: usize = 2;

/// All filters of a group, by name.
pub async fn all(tx: &Tx, rows: &GroupRows) -> Result<Vec<Filter>, Fault> {
    let page = tx.scan_prefix(&rows.filters(), None, MAX_FILTERS).await?;
    page.rows.iter().map(|(_, row)| Ok(postcard::from_bytes(row)?)).collect()
}

/// Makes a filter, or replaces the one of its name.
pub async fn put(tx: &mut Tx, name: &GroupName, mut filter: Filter) -> Result<Output, Error> {
    let (mut group, rows) = group(tx, name).await?;
    match tx.read::<Filter>(&rows.filter(&filter.name)).await? {
        Some(before) => (filter.id, filter.created) = (before.id, before.created),
        None if all(tx, &rows).await?.len() >= MAX_FILTERS => {
            return Err(error::limit_exceeded_exception("Resource limit exceeded."));
        }
        None => {
            (filter.id, filter.created) = (tx.ids().number(), tx.now());
            group.filters += 1;
            tx.write(name.key(), &group)?;
        }
    }
    tx.write(rows.filter(&filter.name), &filter)?;
    Ok(Output::Nothing)
}

pub async fn delete(tx: &mut Tx, name: &GroupName, filter: &str) -> Result<Output, Error> {
    let (mut group, rows) = group(tx, name).await?;
    let key = rows.filter(filter);
    if tx.get(&key).await?.is_none() {
        return Err(error::resource_not_found_exception("The specified subscription filter does not exist."));
    }
    group.filters = group.filters.saturating_sub(1);
    tx.write(name.key(), &group)?;
    tx.delete(key);
    Ok(Output::Nothing)
}
