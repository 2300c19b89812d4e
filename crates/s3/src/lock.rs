//! Object lock: what keeps a version from being deleted.
//!
//! S3 user guide, "Locking objects with Object Lock".

use ropeway_core::Time;
use ropeway_wire::Error;
use serde::{Deserialize, Serialize};

use crate::error;
use crate::lifecycle::DAY;

/// The longest default retention, in days.
const MAX_DAYS: i64 = 36_500;

/// How firmly a version is retained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Those who may, bypass it.
    Governance,
    /// Nobody does.
    Compliance,
}

impl Mode {
    /// The name in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Governance => "GOVERNANCE",
            Mode::Compliance => "COMPLIANCE",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Mode> {
        [Mode::Governance, Mode::Compliance].into_iter().find(|mode| mode.name() == name)
    }
}

/// Until when a version is retained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// How firmly.
    pub mode: Mode,
    /// Until when.
    pub until: Time,
}

/// What a version is locked by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// A retention.
    pub retention: Option<Retention>,
    /// A legal hold, if one was ever set: whether it is on.
    pub hold: Option<bool>,
}

/// What new versions of a bucket are retained by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByDefault {
    /// How firmly.
    pub mode: Mode,
    /// How long.
    pub period: Period,
}

/// How long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Period {
    /// So many days.
    Days(i64),
    /// So many years of 365 days.
    Years(i64),
}

impl ByDefault {
    /// Checks what is asked for.
    ///
    /// # Errors
    /// 400 `MalformedXML`; `InvalidArgument` for a period that is none.
    pub fn new(mode: Option<&str>, days: Option<i64>, years: Option<i64>) -> Result<Self, Error> {
        let mode = mode.and_then(Mode::parse).ok_or_else(error::malformed_xml)?;
        let (name, number, most, period) = match (days, years) {
            (Some(days), None) => ("Days", days, MAX_DAYS, Period::Days(days)),
            (None, Some(years)) => ("Years", years, MAX_DAYS / 365, Period::Years(years)),
            _ => return Err(error::malformed_xml()),
        };
        if number < 1 {
            let message = "Default retention period must be a positive integer value.";
            return Err(error::invalid_argument(name, &number.to_string(), message));
        }
        if number > most {
            let message = "Default retention period too large.";
            return Err(error::invalid_argument(name, &number.to_string(), message));
        }
        Ok(ByDefault { mode, period })
    }

    /// The retention of what is written now.
    pub fn from(self, now: Time) -> Retention {
        let days = match self.period {
            Period::Days(days) => days,
            Period::Years(years) => years.saturating_mul(365),
        };
        Retention { mode: self.mode, until: now.plus_millis(days.saturating_mul(DAY)) }
    }
}

impl Lock {
    /// Whether a version may not be deleted; `bypass`: by one who may pass over governance.
    pub fn holds(&self, now: Time, bypass: bool) -> bool {
        let retained = self.retention.is_some_and(|retention| {
            retention.until > now && !(bypass && retention.mode == Mode::Governance)
        });
        retained || self.hold == Some(true)
    }

    /// Whether a retention may take the place of the one there is: longer always, shorter or looser only
    /// past governance.
    pub fn admits(&self, new: Option<Retention>, now: Time, bypass: bool) -> bool {
        let Some(old) = self.retention.filter(|old| old.until > now) else { return true };
        let firmer = new.is_some_and(|new| {
            new.until >= old.until && (new.mode == old.mode || new.mode == Mode::Compliance)
        });
        firmer || bypass && old.mode == Mode::Governance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks() {
        let now = Time::from_secs(1000);
        let retention = |mode, secs| Some(Retention { mode, until: Time::from_secs(secs) });
        let governed = Lock { retention: retention(Mode::Governance, 2000), hold: None };
        let kept = Lock { retention: retention(Mode::Compliance, 2000), hold: None };
        assert!(governed.holds(now, false) && !governed.holds(now, true));
        assert!(kept.holds(now, true) && !kept.holds(Time::from_secs(2000), false));
        assert!(Lock { retention: None, hold: Some(true) }.holds(now, true));
        assert!(kept.admits(retention(Mode::Compliance, 3000), now, false));
        assert!(!kept.admits(retention(Mode::Compliance, 1500), now, true));
        assert!(!kept.admits(retention(Mode::Governance, 3000), now, true));
        assert!(!governed.admits(None, now, false) && governed.admits(None, now, true));
        assert!(governed.admits(retention(Mode::Compliance, 2000), now, false));
    }
}
