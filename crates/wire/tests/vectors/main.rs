//! botocore's protocol vectors: every request is decoded, every answer encoded and decoded.
//!
//! The vectors are read from the directory that `ROPEWAY_VECTORS` names, or from where
//! `cargo xtask test` puts those of the pinned botocore release. Without them the tests fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
mod input;
mod model;
mod output;

use std::path::PathBuf;

use bytes::Bytes;
use ropeway_core::Time;
use ropeway_wire::schema::{Kind, Member};
use serde_json::Value as Json;

use common::Value;

/// Files of the protocols that Ropeway speaks.
const FILES: [&str; 9] = [
    "json",
    "json_1_0",
    "json_1_0-query-compatible",
    "query",
    "rest-json",
    "rest-xml",
    "smithy-rpc-v2-cbor",
    "smithy-rpc-v2-cbor-query-compatible",
    "smithy-rpc-v2-cbor-non-query-compatible",
];

fn directory() -> PathBuf {
    let fetched = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/vectors/botocore/tests/unit/protocols");
    std::env::var_os("ROPEWAY_VECTORS").map_or_else(|| PathBuf::from(fetched), PathBuf::from)
}

fn suites(side: &str, file: &str) -> Vec<Json> {
    let path = directory().join(side).join(format!("{file}.json"));
    let text = std::fs::read(&path).unwrap_or_else(|error| {
        panic!("no protocol vectors at {}: {error}; `cargo xtask test` fetches them", path.display())
    });
    serde_json::from_slice(&text).expect("the vectors are JSON")
}

/// Runs every case of one side that is not left out, and tells all failures at once.
fn run(side: &str, left_out: &[(&str, &str)], case: impl Fn(&Json, &Json) -> Result<(), String>) {
    let mut failures = Vec::new();
    let mut seen = Vec::new();
    let mut count = 0;
    for file in FILES {
        for suite in suites(side, file) {
            for vector in suite["cases"].as_array().expect("cases") {
                let id = vector["id"].as_str().expect("an id");
                if left_out.iter().any(|(name, _)| *name == id) {
                    seen.push(id.to_owned());
                    continue;
                }
                count += 1;
                if let Err(why) = case(&suite, vector) {
                    failures.push(format!("{file}: {id}: {why}"));
                }
            }
        }
    }
    let stale: Vec<_> = left_out.iter().filter(|(name, _)| !seen.iter().any(|id| id == name)).collect();
    assert!(stale.is_empty(), "left out, but not in the vectors: {stale:?}");
    assert!(failures.is_empty(), "{} of {count} failed:\n{}", failures.len(), failures.join("\n"));
    assert!(count > 300, "only {count} cases");
}

/// The value that a vector's parameters or result stand for.
fn expected(json: &Json, member: &'static Member) -> Value {
    match &member.schema.kind {
        _ if json.is_null() => Value::Null,
        Kind::Boolean => Value::Boolean(json.as_bool().expect("a boolean")),
        Kind::Integer => Value::Integer(json.as_i64().expect("an integer")),
        Kind::Float => Value::Float(match json.as_str() {
            Some("NaN") => f64::NAN,
            Some("Infinity") => f64::INFINITY,
            Some("-Infinity") => f64::NEG_INFINITY,
            _ => json.as_f64().expect("a float"),
        }),
        Kind::String => Value::String(json.as_str().map_or_else(|| json.to_string(), str::to_owned)),
        Kind::Blob => Value::Blob(Bytes::copy_from_slice(json.as_str().expect("a blob").as_bytes())),
        Kind::Stream => Value::Stream(Bytes::copy_from_slice(json.as_str().expect("a stream").as_bytes())),
        Kind::Timestamp => {
            let seconds = json.as_f64().expect("a moment");
            Value::Timestamp(Time((seconds * 1000.0).round() as i64))
        }
        Kind::Document => Value::Document(json.clone()),
        Kind::List { element } => {
            Value::List(json.as_array().expect("a list").iter().map(|v| expected(v, element)).collect())
        }
        Kind::Map { value, .. } => Value::Map(
            json.as_object().expect("a map").iter().map(|(k, v)| (k.clone(), expected(v, value))).collect(),
        ),
        Kind::Structure { members, .. } => Value::Structure(
            members
                .iter()
                .map(|m| Some(expected(json.get(m.name)?, m)).filter(|v| *v != Value::Null))
                .collect(),
        ),
    }
}
