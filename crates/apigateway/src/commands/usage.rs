//! What keys used of their plans' quotas.

use std::collections::BTreeMap;

use ropeway_core::keys::Scope;
use ropeway_core::{Fault, Time, Tx};
use ropeway_wire::Error;
use serde::{Deserialize, Serialize};

use super::account::AccountOutput;
use crate::errors::{bad, missing};
use crate::keys;
use crate::model::{Plan, Quota};
use crate::patch::Patch;

/// Days that are remembered.
const DAYS: usize = 90;
/// Keys of a plan that are told of at once: as many as a plan has.
const KEYS: usize = 1000;

/// What a key used of a plan's quota.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// The day on which the period began, since 1970-01-01.
    pub period: i64,
    /// Requests in it; less than none after an extension.
    pub used: i64,
    /// The last days on which there were requests.
    pub days: BTreeMap<i64, Day>,
}

/// A day's usage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// Requests that day.
    pub used: u32,
    /// Requests that were left of the period after them.
    pub left: i64,
}

/// The day of a moment, since 1970-01-01, in UTC.
pub fn day_of(now: Time) -> i64 {
    now.secs().div_euclid(86_400)
}

/// The day on which the period of a day began: days, weeks from Sunday, months of the calendar, in UTC.
fn period(kind: &str, day: i64) -> i64 {
    match kind {
        "DAY" => day,
        // 1970-01-01 was a Thursday.
        "WEEK" => day - (day + 4).rem_euclid(7),
        _ => {
            let at = jiff::Timestamp::from_second(day.saturating_mul(86_400));
            let at = at.map(|at| at.to_zoned(jiff::tz::TimeZone::UTC));
            at.map_or(day, |at| day - i64::from(at.day()) + 1)
        }
    }
}

impl Usage {
    /// The day on which the period of a day began.
    pub fn period_of(&self, quota: &Quota, day: i64) -> i64 {
        period(&quota.period, day)
    }

    /// The usage as of today: of a new period, nothing.
    fn current(before: Option<Usage>, quota: &Quota, today: i64) -> Usage {
        let period = period(&quota.period, today);
        match before {
            // "The number of requests subtracted from the given limit in the initial time period."
            None => Usage { period, used: i64::from(quota.offset), days: BTreeMap::new() },
            Some(before) if before.period == period => before,
            Some(before) => Usage { period, used: 0, ..before },
        }
    }

    fn left(&self, quota: &Quota) -> i64 {
        i64::from(quota.limit).saturating_sub(self.used)
    }

    /// Counts requests of a day.
    fn note(&mut self, quota: &Quota, today: i64, more: u32) {
        let left = self.left(quota);
        let day = self.days.entry(today).or_default();
        (day.used, day.left) = (day.used.saturating_add(more), left);
        while self.days.len() > DAYS {
            self.days.pop_first();
        }
    }
}

/// Counts a request of the period; false if the quota is used up.
pub async fn count(tx: &mut Tx, scope: &Scope, quota: &Quota, plan: &str, key: &str) -> Result<bool, Error> {
    let (row, today) = (keys::usage(scope, plan, key), day_of(tx.now()));
    let mut usage = Usage::current(tx.read(&row).await?, quota, today);
    if usage.left(quota) <= 0 {
        return Ok(false);
    }
    usage.used += 1;
    usage.note(quota, today, 1);
    tx.write(row, &usage)?;
    Ok(true)
}

/// The usage of a plan's keys.
pub async fn read(tx: &Tx, scope: &Scope, plan: Plan) -> Result<AccountOutput, Error> {
    let mut out = BTreeMap::new();
    for key in plan.keys.iter().take(KEYS) {
        if let Some(usage) = tx.read::<Usage>(&keys::usage(scope, &plan.id, key)).await? {
            out.insert(key.clone(), usage);
        }
    }
    Ok(AccountOutput::Usage(Box::new(plan), out))
}

/// Says how many requests a key has left in this period.
pub async fn patch(
    tx: &mut Tx,
    scope: &Scope,
    plan: Plan,
    key: &str,
    patches: &[Patch],
) -> Result<AccountOutput, Error> {
    if !plan.keys.iter().any(|one| one == key) {
        return Err(missing("Invalid Usage Plan Key specified"));
    }
    let Some(quota) = &plan.quota else { return Err(bad("Usage Plan has no quota")) };
    let (row, today) = (keys::usage(scope, &plan.id, key), day_of(tx.now()));
    let mut usage = Usage::current(tx.read(&row).await?, quota, today);
    for patch in patches {
        patch.replaces(&["/remaining"])?;
        let left: u32 = patch
            .text()
            .parse()
            .map_err(|_| bad(format!("Invalid value for {}: {}", patch.path, patch.text())))?;
        usage.used = i64::from(quota.limit) - i64::from(left);
    }
    usage.note(quota, today, 0);
    tx.put(row, postcard::to_stdvec(&usage).map_err(Fault::from)?.into());
    Ok(AccountOutput::Usage(Box::new(plan), BTreeMap::from([(key.to_owned(), usage)])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_begin_at_midnight_sunday_and_the_first() {
        // 2026-11-21, a Saturday.
        let day = day_of(Time::from_secs(1_795_273_200));
        assert_eq!(period("DAY", day), 20_778);
        assert_eq!(period("WEEK", day), 20_778 - 6);
        assert_eq!(period("MONTH", day), 20_778 - 20);
    }

    #[test]
    fn days_are_told_of_as_far_as_they_are_remembered() {
        let quota = Quota { limit: 1000, offset: 10, period: "MONTH".to_owned() };
        let mut usage = Usage::current(None, &quota, 0);
        assert_eq!(usage.left(&quota), 990);
        for day in 0..200 {
            usage = Usage::current(Some(usage), &quota, day);
            usage.used += 1;
            usage.note(&quota, day, 1);
        }
        assert_eq!((usage.days.len(), usage.days.first_key_value().unwrap().0), (90, &110));
        assert_eq!(usage.days[&119], Day { used: 1, left: 970 }, "April's 30th request");
        assert_eq!(usage.days[&120], Day { used: 1, left: 999 });
    }
}
