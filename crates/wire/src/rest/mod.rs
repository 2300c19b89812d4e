//! HTTP bindings: what restJson and restXml carry outside of the body.

mod decode;
mod encode;
mod read;
mod write;

pub(crate) use decode::{BodyForm, Message, RestDecoder};
pub(crate) use encode::RestEncoder;
pub(crate) use write::TextEncoder;
