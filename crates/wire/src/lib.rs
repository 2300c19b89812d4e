//! The wire layer: what every service's requests and answers have in common.
//!
//! Shapes come from `ropeway-api` as constants ([`schema`]) and structures that implement
//! [`codec::Decode`] and [`codec::Encode`]; codecs implement the other side. See ARCHITECTURE.md.

mod cbor;
pub mod codec;
mod error;
mod json;
pub mod protocol;
mod query;
mod rest;
pub mod schema;
mod stream;
mod text;
pub mod validate;
mod xml;

pub use codec::{Decode, Decoder, Document, Encode, Encoder};
pub use error::Error;
pub use stream::ByteStream;
