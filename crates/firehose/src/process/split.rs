//! `RecordDeAggregation`: several records that came as one.
//!
//! <https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning-multirecord-deaggergation.html>

use bytes::Bytes;
use serde::de::IgnoredAny;

/// Most records that come as one, as the page says.
pub const MAX_PARTS: usize = 500;
/// How deep JSON may be nested.
pub const MAX_DEPTH: usize = 128;

/// How records that came as one are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Split {
    /// JSON objects, one after the other, white space between them or not
    Json,
    /// something between them
    Delimited(Vec<u8>),
}

impl Split {
    /// The records of one. `Err`: why it cannot be divided.
    pub fn apply(&self, record: &Bytes) -> Result<Vec<Bytes>, String> {
        let parts = match self {
            Split::Json => objects(record)?,
            Split::Delimited(delimiter) => divided(record, delimiter),
        };
        if parts.len() > MAX_PARTS {
            return Err(format!("A record may hold {MAX_PARTS} records at most"));
        }
        Ok(parts)
    }
}

/// What stands between delimiters; nothing is no record.
fn divided(record: &Bytes, delimiter: &[u8]) -> Vec<Bytes> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < record.len() && parts.len() <= MAX_PARTS {
        if record.get(at..).is_some_and(|rest| rest.starts_with(delimiter)) {
            parts.extend((start < at).then(|| record.slice(start..at)));
            at += delimiter.len().max(1);
            start = at;
        } else {
            at += 1;
        }
    }
    parts.extend((start < record.len()).then(|| record.slice(start..)));
    parts
}

/// JSON objects, one after the other.
fn objects(record: &Bytes) -> Result<Vec<Bytes>, String> {
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(skipped) = record.get(at..).and_then(|rest| rest.iter().position(|b| !is_space(*b))) {
        at += skipped;
        if record.get(at) != Some(&b'{') {
            return Err(format!("There is no JSON object at byte {at}"));
        }
        let length = length_of_value(record.get(at..).unwrap_or_default())?;
        let part = record.slice(at..at + length);
        serde_json::from_slice::<IgnoredAny>(&part).map_err(|why| format!("Not JSON: {why}"))?;
        parts.push(part);
        if parts.len() > MAX_PARTS {
            break;
        }
        at += length;
    }
    Ok(parts)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Bytes up to the bracket that closes the first one. `Err`: it isn't closed, or nested too deeply.
pub fn length_of_value(text: &[u8]) -> Result<usize, String> {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(format!("Nested more than {MAX_DEPTH} deep"));
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Ok(at + 1);
                }
            }
            _ => {}
        }
    }
    Err("A JSON value has no end".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn apply(split: &Split, record: &str) -> Result<Vec<String>, String> {
        let parts = split.apply(&Bytes::copy_from_slice(record.as_bytes()))?;
        Ok(parts.iter().map(|part| String::from_utf8(part.to_vec()).unwrap()).collect())
    }

    #[test]
    fn objects_follow_each_other() {
        fn json(record: &str) -> Result<Vec<String>, String> {
            apply(&Split::Json, record)
        }
        // The page's own examples of what is taken, and of what isn't.
        assert_eq!(json(r#"{"a":1}{"a":2}"#).unwrap(), [r#"{"a":1}"#, r#"{"a":2}"#]);
        assert_eq!(json("{\"a\":1}\n{\"a\":2}").unwrap(), [r#"{"a":1}"#, r#"{"a":2}"#]);
        assert!(json(r#"[{"a":1}, {"a":2}]"#).unwrap_err().contains("byte 0"));
        assert_eq!(json(r#" {"a":"}{\"\\"} {} "#).unwrap(), [r#"{"a":"}{\"\\"}"#, "{}"]);
        assert!(json(r#"{"a":1}x"#).unwrap_err().contains("byte 7"));
        assert!(json(r#"{"a":1"#).unwrap_err().contains("no end"));
        assert!(json(r#"{"a":01}"#).unwrap_err().contains("Not JSON"));
        assert!(json(&"{\"a\":".repeat(2_000)).unwrap_err().contains("deep"));
        assert!(json("").unwrap().is_empty());
        assert_eq!(json(&"{}".repeat(MAX_PARTS)).unwrap().len(), MAX_PARTS);
        assert!(json(&"{}".repeat(MAX_PARTS + 1)).unwrap_err().contains("500"));
    }

    #[test]
    fn delimiters_divide() {
        let hashes = Split::Delimited(b"####".to_vec());
        assert_eq!(apply(&hashes, "a####b####").unwrap(), ["a", "b"]);
        assert_eq!(apply(&hashes, "####a###b").unwrap(), ["a###b"]);
        assert!(apply(&hashes, "####").unwrap().is_empty());
        let many = Split::Delimited(b",".to_vec());
        assert_eq!(apply(&many, &"x,".repeat(MAX_PARTS)).unwrap().len(), MAX_PARTS);
        assert!(apply(&many, &"x,".repeat(MAX_PARTS + 1)).is_err());
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            any::<i64>().prop_map(|n| n.to_string()),
            ".{0,8}".prop_map(|text| serde_json::Value::from(text).to_string()),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4)
                    .prop_map(|parts| format!("[{}]", parts.join(" , "))),
                inner.prop_map(|value| format!("{{\"k\\\"}}\": {value}}}")),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_was_put_together_comes_apart(
            values in prop::collection::vec(json(), 0..20), between in "[ \\n\\t]{0,2}",
        ) {
            let values: Vec<String> = values.iter().map(|value| format!("{{\"v\":{value}}}")).collect();
            prop_assert_eq!(apply(&Split::Json, &values.join(&between)).unwrap(), values);
        }

        #[test]
        fn arbitrary_records_do_no_harm(record in prop_oneof![
            "[{}\\[\\]\",:\\\\a1 ]{0,60}".prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..60),
        ]) {
            let record = Bytes::from(record);
            if let Ok(parts) = Split::Json.apply(&record) {
                for part in &parts {
                    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(part).unwrap();
                }
            }
            for delimiter in ["", "a", "}{"] {
                let split = Split::Delimited(delimiter.into());
                let parts = split.apply(&record).unwrap();
                prop_assert!(parts.iter().all(|part| !part.is_empty()));
            }
        }
    }
}
