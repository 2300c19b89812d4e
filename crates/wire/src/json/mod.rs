//! JSON bodies: awsJson 1.0 and 1.1, restJson, documents.

mod decode;
mod encode;
mod parse;

pub(crate) use decode::{JsonDecoder, find};
pub(crate) use encode::JsonEncoder;
pub(crate) use encode::string as encode_string;
pub(crate) use parse::Parser;
