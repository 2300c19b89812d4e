//! What every target does: one request of an operation with members of every kind. What it
//! decodes to is written again, and read to the same.

#[path = "../../tests/common/mod.rs"]
pub mod common;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use ropeway_wire::protocol::{RequestBody, RequestParts, decode_input, from_json, to_json};
use ropeway_wire::schema::Protocol;

use common::{Value, kinds, service};

pub fn run(protocol: Protocol, data: &[u8]) {
    // The first line is the query string and a header's value, where the protocol has them.
    let (line, body) = match data.iter().position(|b| *b == b'\n') {
        Some(at) if !matches!(protocol, Protocol::AwsJson11 | Protocol::RpcV2Cbor) => data.split_at(at + 1),
        _ => (&data[..0], data),
    };
    let line = String::from_utf8_lossy(line);
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(line.trim_end()) {
        headers.insert("x-l", value.clone());
        headers.insert("x-n", value);
    }
    let operation = kinds::every_kind();
    let request = RequestParts {
        method: &Method::POST,
        uri_path: "/",
        query: Some(line.trim_end()),
        headers: &headers,
        labels: &[],
        body: RequestBody::Bytes(Bytes::copy_from_slice(body)),
    };
    let Ok(value) = decode_input::<Value>(service(), operation, protocol, request) else { return };
    let text = to_json(&value, &operation.input);
    let read: Value = from_json(&text, &operation.input).expect("what is written is read");
    assert_eq!(read, value);
}
