//! The codecs on schemas and values of every kind, and on bytes of none.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod answers;
mod arbitrary;
#[path = "../common/mod.rs"]
mod common;
mod form;
mod json;
mod query;
mod robust;
mod round_trip;
mod stream;
mod validation;
mod xml;

use bytes::Bytes;
use http::{HeaderMap, Method};
use ropeway_wire::Error;
use ropeway_wire::protocol::{RequestBody, RequestParts, decode_input};
use ropeway_wire::schema::{Operation, Protocol};

use common::Value;

/// A request with this body, decoded.
pub fn decode(operation: &'static Operation, protocol: Protocol, body: &[u8]) -> Result<Value, Error> {
    decode_parts(operation, protocol, None, &HeaderMap::new(), body)
}

/// A request, decoded.
pub fn decode_parts(
    operation: &'static Operation,
    protocol: Protocol,
    query: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Value, Error> {
    let request = RequestParts {
        method: &Method::POST,
        uri_path: "/",
        query,
        headers,
        labels: &[],
        body: RequestBody::Bytes(Bytes::copy_from_slice(body)),
    };
    decode_input(common::service(), operation, protocol, request)
}
