//! The wire layer: what every service's requests and answers have in common.
//!
//! Shapes come from `ropeway-api` as constants ([`schema`]) and structures that implement
//! [`codec::Decode`] and [`codec::Encode`]; codecs implement the other side. See ARCHITECTURE.md.

pub mod audit;
mod call;
mod cbor;
pub mod checksum;
pub mod codec;
mod cx;
mod error;
pub mod eventstream;
pub mod gateway;
mod json;
mod outgoing;
pub mod protocol;
mod query;
pub mod resource;
mod rest;
pub mod schema;
pub mod server;
pub mod sigv4;
mod stream;
pub mod tags;
mod text;
pub mod validate;
mod xml;

pub use call::{
    Answer, Asked, Call, Dispatch, Done, Input, LocalAnswer, LocalCall, Operations, Output, Question,
    Services, error_answer, exec, unknown_operation,
};
pub use codec::{Decode, Decoder, Document, Encode, Encoder};
pub use cx::{
    AccessRequest, Credentials, Cx, Gate, Identity, KeyError, Keys, Listed, Principal, PrincipalKind, Roles,
    Session, canonical_id,
};
pub use error::Error;
pub use outgoing::Outgoing;
pub use ropeway_core::BoxFuture;
pub use stream::ByteStream;
