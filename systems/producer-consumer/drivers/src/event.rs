//! S3's events, as they stand in the queue.

use percent_encoding::percent_decode_str;
use serde::Deserialize;

use crate::Failure;

#[derive(Debug, Deserialize)]
struct Event {
    #[serde(default, rename = "Records")]
    records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
struct Record {
    s3: Entity,
}

#[derive(Debug, Deserialize)]
struct Entity {
    object: Object,
}

/// An object that was created.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Object {
    /// The key, decoded.
    pub key: String,
    /// Its length in bytes.
    pub size: u64,
    /// The MD5 sum of its bytes, in hexadecimal.
    #[serde(rename = "eTag")]
    pub etag: String,
}

/// The objects that a message tells of; S3's test message tells of none.
pub fn objects(message: &str) -> Result<Vec<Object>, Failure> {
    let event: Event = serde_json::from_str(message)?;
    let decoded = event.records.into_iter().map(|record| {
        let object = record.s3.object;
        // As in a form: a plus is a space.
        let spaced = object.key.replace('+', " ");
        let key = percent_decode_str(&spaced).decode_utf8()?.into_owned();
        Ok(Object { key, ..object })
    });
    decoded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded() {
        let message = r#"{"Records":[{"s3":{"object":{"key":"input/a+b%2Bc%C3%A9","size":1,"eTag":"00"}}}]}"#;
        let object = Object { key: "input/a b+cé".to_owned(), size: 1, etag: "00".to_owned() };
        assert_eq!(objects(message).unwrap(), [object]);
        assert!(objects(r#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#).unwrap().is_empty());
        assert!(objects("{").is_err());
    }
}
