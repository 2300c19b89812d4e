//! CBOR bodies, of Smithy's RPC v2 protocol
//! (<https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>).

mod decode;
mod encode;

pub(crate) use decode::CborDecoder;
pub(crate) use encode::{CborEncoder, error_body};
