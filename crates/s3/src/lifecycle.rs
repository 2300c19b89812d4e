//! Lifecycle rules: what they say of an object at a moment.
//!
//! S3 user guide, "Managing the lifecycle of objects", "Lifecycle configuration elements".

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ropeway_core::Time;
use serde::{Deserialize, Serialize};

use crate::conditions::http_date;
use crate::model::{Object, Tag};

/// A day, in milliseconds.
pub const DAY: i64 = 24 * 60 * 60 * 1000;
/// What stands for itself in a rule's id, URL-encoded.
const ID: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Unique in its bucket.
    pub id: String,
    /// Whether it counts.
    pub enabled: bool,
    /// Which objects it is about.
    pub filter: Filter,
    /// When current objects expire.
    pub expires: Option<Expiry>,
    /// `ExpiredObjectDeleteMarker`, as it was given.
    pub markers: Option<bool>,
    /// When older versions are removed.
    pub noncurrent: Option<Noncurrent>,
    /// Days from an upload's beginning to its end, if it is not completed.
    pub abort: Option<u32>,
}

/// Which objects a rule is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// How it was given.
    pub form: Form,
    /// Keys that begin so.
    pub prefix: Option<String>,
    /// Objects that have all of these tags.
    pub tags: Vec<Tag>,
    /// Objects of more bytes.
    pub greater: Option<u64>,
    /// Objects of fewer bytes.
    pub less: Option<u64>,
}

/// How a filter was given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// As `Filter`.
    #[default]
    Plain,
    /// As `And` in a `Filter`.
    And,
    /// As the rule's own `Prefix`, of older times.
    Old,
}

/// When current objects expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expiry {
    /// So many days after they were written.
    Days(u32),
    /// From this midnight on.
    Date(Time),
}

/// When older versions are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noncurrent {
    /// Days after another version took their place.
    pub days: u32,
    /// Newer ones that are no longer current and are kept anyway.
    pub newer: Option<u32>,
}

/// The last midnight (UTC).
pub fn midnight(time: Time) -> Time {
    Time(time.millis().div_euclid(DAY) * DAY)
}

/// So many days later, rounded up to the next midnight: "Lifecycle rules based on an object's age".
pub fn due(since: Time, days: u32) -> Time {
    let later = since.plus_millis(i64::from(days) * DAY);
    if midnight(later) == later { later } else { midnight(later).plus_millis(DAY) }
}

impl Filter {
    fn takes_key(&self, key: &str) -> bool {
        self.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix))
    }

    fn takes(&self, key: &str, object: &Object) -> bool {
        self.takes_key(key)
            && self.tags.iter().all(|tag| object.tags.contains(tag))
            && self.greater.is_none_or(|size| object.size > size)
            && self.less.is_none_or(|size| object.size < size)
    }

    /// Whether it asks for more than a prefix.
    pub fn is_narrow(&self) -> bool {
        !self.tags.is_empty() || self.greater.is_some() || self.less.is_some()
    }
}

impl Rule {
    /// When an object expires, as long as it is current.
    fn expiry(&self, key: &str, object: &Object) -> Option<Time> {
        let due = match self.expires? {
            Expiry::Days(days) => due(object.modified, days),
            Expiry::Date(date) => date,
        };
        (self.enabled && self.filter.takes(key, object)).then_some(due)
    }

    /// Whether a current object has expired.
    pub fn expires(&self, key: &str, object: &Object, now: Time) -> bool {
        self.expiry(key, object).is_some_and(|due| due <= now)
    }

    /// Whether a delete marker that hides nothing is to be removed: "An expired object delete marker is
    /// removed" by the flag, or by the age of what expires.
    pub fn clears(&self, key: &str, made: Time, now: Time) -> bool {
        let old = match self.expires {
            Some(Expiry::Days(days)) => due(made, days) <= now,
            _ => self.markers == Some(true),
        };
        self.enabled && old && !self.filter.is_narrow() && self.filter.takes_key(key)
    }

    /// Whether an older version is to be removed; `None` stands for a delete marker. `since`: when it was
    /// replaced; `newer`: how many newer ones are no longer current.
    pub fn removes(&self, key: &str, object: Option<&Object>, since: Time, newer: u32, now: Time) -> bool {
        let Some(noncurrent) = self.noncurrent else { return false };
        let concerned = match object {
            Some(object) => self.filter.takes(key, object),
            None => !self.filter.is_narrow() && self.filter.takes_key(key),
        };
        self.enabled
            && concerned
            && due(since, noncurrent.days) <= now
            && noncurrent.newer.is_none_or(|kept| newer >= kept)
    }

    /// When an upload is to be aborted, if it is not completed.
    fn abortion(&self, key: &str, initiated: Time) -> Option<Time> {
        let days = self.abort.filter(|_| self.enabled && self.filter.takes_key(key));
        days.map(|days| due(initiated, days))
    }

    /// Whether an upload is to be aborted.
    pub fn aborts(&self, key: &str, initiated: Time, now: Time) -> bool {
        self.abortion(key, initiated).is_some_and(|due| due <= now)
    }
}

/// `x-amz-expiration` of a current object: when it expires by the first rule to come into effect, and the rule's id,
/// URL-encoded. API reference, `PutObject`, response syntax.
pub fn expiration(rules: &[Rule], key: &str, object: &Object) -> Option<String> {
    let all = rules.iter().filter_map(|rule| rule.expiry(key, object).map(|due| (due, &rule.id)));
    let (due, id) = all.min_by_key(|(due, _)| *due)?;
    let id = utf8_percent_encode(id, ID);
    Some(format!("expiry-date=\"{}\", rule-id=\"{id}\"", http_date(due)))
}

/// When an upload is aborted by the first rule to come into effect, and the rule's id: `x-amz-abort-date`,
/// `x-amz-abort-rule-id`.
pub fn abortion(rules: &[Rule], key: &str, initiated: Time) -> Option<(Time, String)> {
    let all = rules.iter().filter_map(|rule| rule.abortion(key, initiated).map(|due| (due, &rule.id)));
    all.min_by_key(|(due, _)| *due).map(|(due, id)| (due, id.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The user guide's example: written 2014-01-15 10:30 UTC, three days, due 2014-01-19 00:00 UTC.
    #[test]
    fn rounds_up_to_midnight() {
        assert_eq!(due(Time::from_secs(1_389_781_800), 3), Time::from_secs(1_390_089_600));
        let first = Time::from_secs(1_390_089_600);
        assert_eq!(due(first, 1), first.plus_millis(DAY));
    }
}
