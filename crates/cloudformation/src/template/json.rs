//! JSON templates.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::value::Value;
use super::{Result, TemplateError};

/// Parses strict JSON. Keys that occur twice in one object are refused.
pub(crate) fn parse(body: &str) -> Result<Value> {
    serde_json::from_str::<UniqueKeys>(body).map_err(|error| malformed(&error))?;
    let json: serde_json::Value = serde_json::from_str(body).map_err(|error| malformed(&error))?;
    Ok(json.into())
}

/// The service's words for broken JSON, then the parser's own for what was wrong.
fn malformed(error: &serde_json::Error) -> TemplateError {
    let detail = error.to_string();
    let detail = detail.split(" at line ").next().unwrap_or_default();
    TemplateError::new(format!(
        "Template format error: JSON not well-formed. (line {}, column {}) {detail}",
        error.line(),
        error.column()
    ))
}

/// Reads any JSON and keeps nothing: it only fails on a key that occurs twice, which
/// `serde_json::Value` would silently resolve in favour of the last one.
struct UniqueKeys;

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueKeysVisitor)
    }
}

struct UniqueKeysVisitor;

impl<'de> Visitor<'de> for UniqueKeysVisitor {
    type Value = UniqueKeys;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> std::result::Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_i64<E>(self, _: i64) -> std::result::Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_u64<E>(self, _: u64) -> std::result::Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_f64<E>(self, _: f64) -> std::result::Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_str<E>(self, _: &str) -> std::result::Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<UniqueKeys, A::Error> {
        while seq.next_element::<UniqueKeys>()?.is_some() {}
        Ok(UniqueKeys)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<UniqueKeys, A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if seen.contains(&key) {
                map.next_value::<IgnoredAny>()?;
                return Err(serde::de::Error::custom(format!("duplicate key \"{key}\"")));
            }
            seen.insert(key);
            map.next_value::<UniqueKeys>()?;
        }
        Ok(UniqueKeys)
    }
}
