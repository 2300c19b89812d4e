//! The history: the management events of an account in a region, of 90 days.

use std::ops::Bound;

use ropeway_core::keys::Scope;
use ropeway_core::{Fault, Time, Tx};
use ropeway_wire::Error;

use super::{CloudTrailMachine, Output, Wanted};
use crate::keys;
use crate::model::{Entry, Event, History};

/// How long events stay: <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/view-cloudtrail-events.html>.
pub const KEPT_SECS: i64 = 90 * 24 * 60 * 60;
/// Most events of an account in a region; beyond them the oldest go.
const MAX_HISTORY: u64 = 500_000;
/// Events that one step removes.
const REMOVED_AT_ONCE: usize = 400;
/// Between two looks for events whose time is over, in seconds.
const LOOKED_EVERY: i64 = 60 * 60;

/// When there is something to remove.
pub fn due(history: &History) -> Option<Time> {
    if history.count > MAX_HISTORY {
        return Some(Time::default());
    }
    // An hour more, so that many go at once.
    Some(history.oldest?.plus_secs(KEPT_SECS + LOOKED_EVERY))
}

impl CloudTrailMachine {
    /// Takes events: into the history, and for the trails that take them.
    pub(super) fn record(
        &mut self,
        tx: &mut Tx,
        scope: &Scope,
        entries: Vec<Entry>,
    ) -> Result<Output, Error> {
        let mut history = self.histories.get(scope).cloned().unwrap_or_default();
        let mut changed = super::buffers::Changes::default();
        for entry in &entries {
            if entry.management {
                tx.write(keys::event(scope, entry.at, history.next), &entry.event)?;
                history.next += 1;
                history.count += 1;
                history.oldest = Some(history.oldest.map_or(entry.at, |oldest| oldest.min(entry.at)));
            }
            self.append(tx, scope, entry, &mut changed)?;
        }
        tx.write(keys::history(scope), &(scope, &history))?;
        self.keep(tx, changed)?;
        self.histories.insert(scope.clone(), history);
        Ok(Output::Nothing)
    }

    /// Removes events whose time is over, and those beyond the most.
    pub(super) async fn expire(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        let now = tx.now();
        let come = self.histories.iter().find(|(_, history)| due(history).is_some_and(|due| due <= now));
        let Some((scope, history)) = come.map(|(scope, history)| (scope.clone(), history.clone())) else {
            return Ok(());
        };
        let mut history = history;
        let prefix = keys::events(&scope);
        let begin = history.oldest.map(|oldest| keys::event(&scope, oldest, 0));
        let from = Bound::Included(begin.unwrap_or_else(|| prefix.clone()));
        let to = ropeway_core::keys::after_prefix(&prefix).map_or(Bound::Unbounded, Bound::Excluded);
        let range = ropeway_store::Range { from, to, reverse: false };
        let page = tx.scan(range, REMOVED_AT_ONCE).await?;
        let mut left = None;
        for (key, _) in &page.rows {
            let (at, _) = keys::event_of(key).ok_or_else(|| Fault::Damaged("an event's key".to_owned()))?;
            if at.plus_secs(KEPT_SECS) > now && history.count <= MAX_HISTORY {
                left = Some(at);
                break;
            }
            tx.delete(key.clone());
            history.count = history.count.saturating_sub(1);
            left = page.more.then_some(at);
        }
        history.oldest = left;
        tx.write(keys::history(&scope), &(&scope, &history))?;
        self.histories.insert(scope, history);
        Ok(())
    }
}

/// Events that are looked for, newest first.
pub async fn lookup(
    tx: &Tx,
    scope: &Scope,
    (from, to): (Time, Time),
    before: Option<(Time, u64)>,
    wanted: &Wanted,
    limit: u32,
) -> Result<Output, Fault> {
    let end = match before {
        Some((at, number)) => Bound::Excluded(keys::event(scope, at, number)),
        None => Bound::Included(keys::event(scope, to, u64::MAX)),
    };
    let range =
        ropeway_store::Range { from: Bound::Included(keys::event(scope, from, 0)), to: end, reverse: true };
    let page = tx.scan(range, limit as usize).await?;
    let mut found = Vec::new();
    let mut next = None;
    for (key, row) in &page.rows {
        let place = keys::event_of(key).ok_or_else(|| Fault::Damaged("an event's key".to_owned()))?;
        let event: Event = postcard::from_bytes(row)?;
        if is_wanted(&event, wanted) {
            found.push((place, event));
        }
        next = Some(place);
    }
    let more = next.filter(|_| page.more);
    Ok(Output::Events(found, more))
}

fn is_wanted(event: &Event, wanted: &Wanted) -> bool {
    match wanted {
        Wanted::All => true,
        Wanted::Id(id) => event.id == *id,
        Wanted::Name(name) => event.name == *name,
        Wanted::ReadOnly(value) => event.read_only.to_string() == *value,
        Wanted::User(user) => event.user == *user,
        Wanted::ResourceType(kind) => event.resources.iter().any(|(of, _)| of == kind),
        Wanted::ResourceName(name) => event.resources.iter().any(|(_, named)| named == name),
        Wanted::Source(source) => event.source == *source,
        Wanted::AccessKey(key) => event.access_key.as_ref() == Some(key),
    }
}
