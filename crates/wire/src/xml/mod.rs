//! XML bodies: restXml both ways, the Query protocol's answers.

mod decode;
mod encode;
mod tree;

pub(crate) use decode::XmlDecoder;
pub(crate) use encode::{Namespace, XmlEncoder, element as encode_element};
pub(crate) use tree::Element;
