//! Log groups: made, changed, removed.

use std::collections::BTreeMap;

use ropeway_api::logs::error;
use ropeway_core::{Tx, directory};
use ropeway_wire::Error;
use ropeway_wire::tags::counted;

use super::{Change, LogsMachine, Output, clean, filters, group, stats};
use crate::keys::{self, GroupName};
use crate::model::{Group, Stats};

/// Most tags of a log group:
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_TagResource.html>.
const MAX_TAGS: usize = 50;
/// Most bytes of a group's tags, keys and values: what its row has room for.
const MAX_TAG_BYTES: usize = 48 * 1024;

fn check_tags(group: &Group) -> Result<(), Error> {
    let bytes: usize = group.tags.iter().map(|(key, value)| key.len() + value.len()).sum();
    if counted(group.tags.keys()) > MAX_TAGS || bytes > MAX_TAG_BYTES {
        let why = format!("A resource can have at most {MAX_TAGS} tags, of {MAX_TAG_BYTES} bytes.");
        return Err(error::too_many_tags_exception(why).with_member("resourceName", group.name.arn()));
    }
    Ok(())
}

pub async fn create(
    tx: &mut Tx,
    name: GroupName,
    tags: BTreeMap<String, String>,
    protected: bool,
) -> Result<Output, Error> {
    if tx.get(&name.key()).await?.is_some() {
        return Err(error::resource_already_exists_exception("The specified log group already exists"));
    }
    let id = tx.ids().number();
    let created = tx.now();
    let group = Group { name: name.clone(), id, created, retention: None, protected, tags, filters: 0 };
    check_tags(&group)?;
    tx.write(name.key(), &group)?;
    let list = keys::list(&name.scope.account, &name.scope.region);
    directory::add_with(tx, &list, &name.name, &[])?;
    Ok(Output::Group(Box::new(group), Stats::default()))
}

/// Removes a group; its streams and events follow in steps.
pub async fn delete(tx: &mut Tx, name: &GroupName) -> Result<Output, Error> {
    let (group, rows) = group(tx, name).await?;
    if group.protected {
        return Err(error::validation_exception(
            "The log group has deletion protection enabled. Disable it before you delete the log group.",
        ));
    }
    let stats = stats(tx, &rows).await?;
    for filter in filters::all(tx, &rows).await? {
        tx.delete(rows.filter(&filter.name));
    }
    if let Some(due) = stats.due {
        tx.delete(name.due(due));
    }
    tx.delete(rows.stats());
    tx.delete(name.key());
    let list = keys::list(&name.scope.account, &name.scope.region);
    directory::remove_with(tx, &list, &name.name)?;
    clean::clean_later(tx, &rows, None, None)?;
    Ok(Output::Nothing)
}

impl LogsMachine {
    /// Changes what is set for a group.
    pub(super) async fn set(
        &mut self,
        tx: &mut Tx,
        name: &GroupName,
        change: Change,
    ) -> Result<Output, Error> {
        let (mut group, rows) = group(tx, name).await?;
        let mut due = None;
        match change {
            Change::Protection(on) => group.protected = on,
            Change::Tags(add, remove) => {
                group.tags.extend(add);
                group.tags.retain(|key, _| !remove.contains(key));
                check_tags(&group)?;
            }
            Change::Retention(retention) => {
                group.retention = retention;
                let mut stats = stats(tx, &rows).await?;
                due = retention.map(|_| tx.now());
                clean::schedule(tx, name, &rows, &mut stats, due)?;
            }
        }
        tx.write(name.key(), &group)?;
        self.expect(due);
        Ok(Output::Nothing)
    }
}
