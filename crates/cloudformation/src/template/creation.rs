//! Creation policies: what a resource waits for before it is whole.
//!
//! Source: the template reference, "CreationPolicy attribute". Of the types that take one, only wait conditions are
//! there.

use serde::{Deserialize, Serialize};

use super::value::{Map, Value};
use super::{Result, TemplateError};

/// The type that may have one.
const TYPE: &str = "AWS::CloudFormation::WaitCondition";
/// The attribute.
const KEY: &str = "CreationPolicy";
/// The only kind of policy that signals are for.
const SIGNAL: &str = "ResourceSignal";
/// Signals that a policy may wait for, at most.
const MAX_COUNT: u32 = 500;
/// Seconds that they may take: unless the policy says so, and at most.
const DEFAULT_TIMEOUT: i64 = 300;
const MAX_TIMEOUT: i64 = 43_200;

/// Signals that the creation of a resource waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    /// How many.
    pub count: u32,
    /// How long they may take, in seconds.
    pub seconds: i64,
}

fn wrong<T>(id: &str, what: &str) -> Result<T> {
    Err(TemplateError::new(format!("Template format error: {KEY} of resource {id} {what}")))
}

/// The policy of a declared resource, not evaluated; what no resource can honour is refused.
pub(super) fn declared(id: &str, resource_type: &str, resource: &Map) -> Result<Option<Value>> {
    let Some(policy) = resource.get(KEY) else { return Ok(None) };
    if resource_type != TYPE {
        return wrong(id, &format!("is not supported: resources of type {resource_type} have none"));
    }
    let Some(kinds) = policy.as_map() else { return wrong(id, "must be an object") };
    if let Some(other) = kinds.keys().find(|kind| kind.as_str() != SIGNAL) {
        return wrong(id, &format!("does not support {other}"));
    }
    let Some(signal) = kinds.get(SIGNAL) else { return wrong(id, &format!("must have {SIGNAL}")) };
    let Some(members) = signal.as_map() else {
        return wrong(id, &format!("has a {SIGNAL} that is no object"));
    };
    if let Some(other) = members.keys().find(|name| !["Count", "Timeout"].contains(&name.as_str())) {
        return wrong(id, &format!("does not support {other}"));
    }
    // What functions give is looked at when it is known.
    let known = members.iter().filter(|(_, value)| value.as_map().is_none());
    read(id, &known.map(|(name, value)| (name.clone(), value.clone())).collect())?;
    Ok(Some(policy.clone()))
}

/// What an evaluated policy waits for.
pub(super) fn evaluated(id: &str, policy: &Value) -> Result<Awaited> {
    let members = policy.as_map().and_then(|kinds| kinds.get(SIGNAL)).and_then(Value::as_map);
    read(id, members.unwrap_or(&Map::new()))
}

fn read(id: &str, members: &Map) -> Result<Awaited> {
    let count = match members.get("Count").map(Value::text) {
        None => 1,
        Some(text) => match text.and_then(|text| text.parse().ok()) {
            Some(count) if count <= MAX_COUNT => count,
            _ => return wrong(id, &format!("must have a Count from 0 to {MAX_COUNT}")),
        },
    };
    let seconds = match members.get("Timeout").map(Value::text) {
        None => DEFAULT_TIMEOUT,
        Some(text) => match text.and_then(|text| seconds(&text)) {
            Some(seconds) if (0..=MAX_TIMEOUT).contains(&seconds) => seconds,
            _ => return wrong(id, "must have a Timeout of the form PT#H#M#S, of 12 hours at most"),
        },
    };
    Ok(Awaited { count, seconds })
}

/// The seconds of a duration in hours, minutes and seconds, as ISO 8601 writes it.
fn seconds(text: &str) -> Option<i64> {
    let time = text.strip_prefix("PT").filter(|time| time.starts_with(|c: char| c.is_ascii_digit()))?;
    if !time.bytes().all(|byte| byte.is_ascii_digit() || b"HMS".contains(&byte)) {
        return None;
    }
    text.parse::<jiff::SignedDuration>().ok().map(|duration| duration.as_secs())
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn durations() {
        let given = [
            "PT5M",
            "PT1H30M5S",
            "PT0S",
            "PT12H",
            "PT",
            "P1D",
            "5 minutes",
            "-PT5M",
            "PT-5M",
            "PT1.5S",
            "PT5",
            "",
        ];
        let wanted =
            [Some(300), Some(5405), Some(0), Some(43_200), None, None, None, None, None, None, None, None];
        assert_eq!(given.map(seconds), wanted);
        assert_eq!(seconds("PT99999999999999999999H"), None);
    }
}
