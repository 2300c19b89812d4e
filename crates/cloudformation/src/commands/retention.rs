//! Deleted stacks can be read by their ids for 90 days, then they are forgotten.

use ropeway_core::{Fault, Time, Tx, directory};

use crate::keys::{self, StackKey};
use crate::model::Stack;
use crate::rows;

/// Days for which a deleted stack can be read.
/// Source: the service's guide, `ListStacks`: "information about stacks is kept for 90 days after deletion".
const DAYS: i64 = 90;
/// Rows that one step removes.
const STEP: usize = 500;

/// Notes when a stack is forgotten.
pub fn begin(tx: &mut Tx, stack: &StackKey) {
    let due = tx.now().plus_secs(DAYS * 24 * 60 * 60);
    tx.put(keys::expiry(due, stack).build(), bytes::Bytes::new());
}

/// When the next stack is forgotten.
pub async fn next(tx: &Tx) -> Result<Option<Time>, Fault> {
    Ok(first(tx).await?.map(|(_, due, _)| due))
}

async fn first(tx: &Tx) -> Result<Option<(bytes::Bytes, Time, StackKey)>, Fault> {
    let page = tx.scan_prefix(&keys::expiries().build(), None, 1).await?;
    let Some((key, _)) = page.rows.into_iter().next() else { return Ok(None) };
    let (due, stack) =
        keys::parse_expiry(&key).ok_or_else(|| Fault::Damaged("an expiry's key".to_owned()))?;
    Ok(Some((key, due, stack)))
}

/// Removes rows of the stack that is due; the last step removes what says that it is.
pub async fn forget(tx: &mut Tx) -> Result<(), Fault> {
    let Some((key, due, stack)) = first(tx).await? else { return Ok(()) };
    if due > tx.now() {
        return Ok(());
    }
    if let Some(row) = rows::read::<Stack>(tx, &stack.stack()).await? {
        let entry = keys::stacks_entry(row.created, &stack);
        directory::remove_with(tx, &keys::stacks_list(&stack.scope), &entry)?;
    }
    for prefix in stack.everything() {
        let page = tx.scan_prefix(&prefix.build(), None, STEP).await?;
        let more = page.more;
        page.rows.into_iter().for_each(|(key, _)| tx.delete(key));
        if more {
            return Ok(());
        }
    }
    tx.delete(key);
    Ok(())
}
