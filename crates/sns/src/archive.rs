//! The archive of a FIFO topic and its replay: the two policies, and what a topic and a subscription keep of them.
//!
//! Sources: <https://docs.aws.amazon.com/sns/latest/dg/fifo-message-archiving-replay.html> and the pages below it for
//! topic owners and for subscribers. The words for mistakes are those that AWS's users report.

use ropeway_core::Time;
use ropeway_wire::Error;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::settings::invalid;

const DAY_SECS: i64 = 24 * 60 * 60;

/// What a topic keeps of its archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    /// `MessageRetentionPeriod`, in days. `None`: the policy was taken away, and messages are kept only for replays that
    /// have not ended.
    pub days: Option<u16>,
    /// When it was begun.
    pub since: Time,
    /// The first sequence number of what may be replayed.
    pub from: u64,
    /// Number of the row that says when to look for what is too old.
    pub watch: u64,
    /// Subscriptions that messages are held back from, because of a replay.
    pub replays: u32,
    /// There are messages from before [`Archive::from`], which go as soon as no replay is left.
    pub stale: bool,
}

impl Archive {
    /// `ArchivePolicy`; `None`: there is none any more.
    pub fn policy(&self) -> Option<String> {
        self.days.map(|days| json!({ "MessageRetentionPeriod": days.to_string() }).to_string())
    }

    /// When a message of this moment is too old.
    pub fn end_of(&self, at: Time) -> Time {
        at.plus_secs(i64::from(self.days.unwrap_or_default()) * DAY_SECS)
    }

    /// `BeginningArchiveTime`: the earliest moment that a replay may begin at.
    pub fn beginning(&self, now: Time) -> Time {
        let kept = i64::from(self.days.unwrap_or_default()) * DAY_SECS;
        self.since.max(now.plus_secs(-kept))
    }
}

/// What a replay is about: messages of these moments, both included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// `StartingPoint`
    pub start: Time,
    /// `EndingPoint`
    pub end: Option<Time>,
}

impl Range {
    /// Whether a message of this moment is meant.
    pub fn contains(&self, at: Time) -> bool {
        self.start <= at && self.end.is_none_or(|end| at <= end)
    }

    /// Whether a topic's archive has what is meant.
    pub fn check(&self, archive: Option<&Archive>, now: Time) -> Result<(), Error> {
        let archive = archive.filter(|archive| archive.days.is_some());
        let archive = archive.ok_or_else(|| invalid("ReplayPolicy: Topic does not have an ArchivePolicy"))?;
        if self.start < archive.beginning(now) || self.start > now {
            return Err(invalid("ReplayPolicy: Invalid StartingPoint value"));
        }
        if self.end.is_some_and(|end| end < self.start) {
            return Err(invalid("ReplayPolicy: Invalid EndingPoint value"));
        }
        Ok(())
    }
}

/// How a replay stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// It has not begun yet.
    Pending,
    /// It goes on.
    InProgress,
    /// All was delivered, and what is published is delivered again.
    Completed,
    /// The archive went away before all was delivered.
    Failed,
}

impl Status {
    /// `ReplayStatus`
    pub fn name(self) -> &'static str {
        match self {
            Status::Pending => "Pending",
            Status::InProgress => "In progress",
            Status::Completed => "Completed",
            Status::Failed => "Failed",
        }
    }
}

/// What a subscription keeps of its replays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaying {
    /// `ReplayPolicy`, which [`crate::model::Settings`] has.
    pub(crate) policy: Option<String>,
    /// How the replay of that policy stands.
    pub status: Option<Status>,
    /// The replay that messages are held back for.
    pub run: Option<Run>,
    /// Messages up to this sequence number that were held back have been delivered.
    pub through: u64,
}

/// A replay that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Number of its work.
    pub work: u64,
    /// Messages from this sequence number on are delivered at its end.
    pub live_from: u64,
}

impl Replaying {
    /// Whether a message that is published now is for a replay to deliver, or was delivered by one.
    pub fn has(&self, sequence: u64) -> bool {
        sequence <= self.through || self.run.is_some_and(|run| sequence >= run.live_from)
    }
}

/// An object of an attribute; an empty text is an empty object.
fn object(name: &str, text: &str) -> Result<Map<String, Json>, Error> {
    if text.is_empty() {
        return Ok(Map::new());
    }
    let found: Json =
        serde_json::from_str(text).map_err(|_| invalid(format_args!("{name}: Unable to parse JSON")))?;
    match found {
        Json::Object(fields) => Ok(fields),
        _ => Err(missing(name)),
    }
}

fn missing(name: &str) -> Error {
    invalid(format_args!("{name}: JSON is missing required fields"))
}

fn check_fields(name: &str, fields: &Map<String, Json>, known: &[&str]) -> Result<(), Error> {
    match fields.keys().find(|field| !known.contains(&field.as_str())) {
        Some(field) => Err(invalid(format_args!("{name}: Unknown field {field}"))),
        None => Ok(()),
    }
}

/// The days of an `ArchivePolicy`; `None` for one that ends the archive.
pub fn days(policy: &str) -> Result<Option<u16>, Error> {
    const NAME: &str = "ArchivePolicy";
    let fields = object(NAME, policy)?;
    if fields.is_empty() {
        return Ok(None);
    }
    let days = match fields.get("MessageRetentionPeriod").ok_or_else(|| missing(NAME))? {
        Json::Number(days) => days.to_string(),
        Json::String(days) => days.clone(),
        _ => String::new(),
    };
    check_fields(NAME, &fields, &["MessageRetentionPeriod"])?;
    let digits = days.bytes().all(|b| b.is_ascii_digit());
    match days.parse() {
        Ok(days @ 1..=365) if digits => Ok(Some(days)),
        _ => Err(invalid(format_args!("{NAME}: MessageRetentionPeriod value is invalid"))),
    }
}

/// What a `ReplayPolicy` is about; `None` for one that ends the replay.
pub fn range(policy: &str) -> Result<Option<Range>, Error> {
    const NAME: &str = "ReplayPolicy";
    let fields = object(NAME, policy)?;
    if fields.is_empty() {
        return Ok(None);
    }
    let (Some(kind), Some(_)) = (fields.get("PointType"), fields.get("StartingPoint")) else {
        return Err(missing(NAME));
    };
    check_fields(NAME, &fields, &["PointType", "StartingPoint", "EndingPoint"])?;
    if kind != "Timestamp" {
        return Err(invalid(format_args!("{NAME}: Invalid PointType")));
    }
    let point = |name: &str| {
        let at =
            fields.get(name).and_then(Json::as_str).and_then(|text| text.parse::<jiff::Timestamp>().ok());
        let at = at.ok_or_else(|| invalid(format_args!("{NAME}: Invalid {name} value")))?;
        Ok::<Time, Error>(Time(at.as_millisecond()))
    };
    let end = fields.contains_key("EndingPoint").then(|| point("EndingPoint")).transpose()?;
    Ok(Some(Range { start: point("StartingPoint")?, end }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archive_policies() {
        for (policy, found) in [
            ("", None),
            ("{}", None),
            (r#"{"MessageRetentionPeriod":"1"}"#, Some(1)),
            (r#"{"MessageRetentionPeriod":365}"#, Some(365)),
        ] {
            assert_eq!(days(policy).unwrap(), found, "{policy}");
        }
        for (policy, why) in [
            ("{", "Unable to parse JSON"),
            ("[]", "JSON is missing required fields"),
            (r#"{"x":1}"#, "JSON is missing required fields"),
            (r#"{"MessageRetentionPeriod":1,"x":1}"#, "Unknown field x"),
            (r#"{"MessageRetentionPeriod":"0"}"#, "MessageRetentionPeriod value is invalid"),
            (r#"{"MessageRetentionPeriod":366}"#, "MessageRetentionPeriod value is invalid"),
            (r#"{"MessageRetentionPeriod":"+5"}"#, "MessageRetentionPeriod value is invalid"),
            (r#"{"MessageRetentionPeriod":1.5}"#, "MessageRetentionPeriod value is invalid"),
            (r#"{"MessageRetentionPeriod":null}"#, "MessageRetentionPeriod value is invalid"),
        ] {
            let error = days(policy).unwrap_err();
            assert_eq!(error.message, format!("Invalid parameter: ArchivePolicy: {why}"), "{policy}");
        }
    }

    #[test]
    fn replay_policies() {
        assert_eq!(range("{}").unwrap(), None);
        let policy = r#"{"PointType":"Timestamp","StartingPoint":"1970-01-01T00:00:01.000Z","EndingPoint":"1970-01-01T00:01:00Z"}"#;
        let found = range(policy).unwrap().unwrap();
        assert_eq!(found, Range { start: Time(1000), end: Some(Time(60_000)) });
        let inside: Vec<i64> =
            [999, 1000, 60_000, 60_001].into_iter().filter(|at| found.contains(Time(*at))).collect();
        assert_eq!(inside, [1000, 60_000]);
        for (policy, why) in [
            ("{", "Unable to parse JSON"),
            (r#"{"PointType":"Timestamp"}"#, "JSON is missing required fields"),
            (r#"{"StartingPoint":"1970-01-01T00:00:00Z"}"#, "JSON is missing required fields"),
            (r#"{"PointType":"Sequence","StartingPoint":"1970-01-01T00:00:00Z"}"#, "Invalid PointType"),
            (r#"{"PointType":"Timestamp","StartingPoint":"yesterday"}"#, "Invalid StartingPoint value"),
            (r#"{"PointType":"Timestamp","StartingPoint":5}"#, "Invalid StartingPoint value"),
            (
                r#"{"PointType":"Timestamp","StartingPoint":"1970-01-01T00:00:00Z","EndingPoint":1}"#,
                "Invalid EndingPoint value",
            ),
        ] {
            let error = range(policy).unwrap_err();
            assert_eq!(error.message, format!("Invalid parameter: ReplayPolicy: {why}"), "{policy}");
        }
    }
}
