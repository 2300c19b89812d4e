//! HTTP bindings: what restJson and restXml carry outside of the body.

mod decode;
mod encode;
mod read;
mod write;

use crate::schema::{Location, Member};

pub(crate) use decode::{BodyForm, Message, RestDecoder};
pub(crate) use encode::RestEncoder;
pub(crate) use write::TextEncoder;

/// Which members of a structure a body holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All: the structure is not the root of a rest protocol.
    All,
    /// Those that a request does not carry elsewhere.
    Request,
    /// Those that an answer does not carry elsewhere; it has no labels and no query string.
    Response,
}

impl Scope {
    pub(crate) fn holds(self, member: &Member) -> bool {
        match (self, member.location) {
            (Scope::All, _) | (_, Location::Body) => true,
            (Scope::Request, _) => false,
            (_, location) => {
                matches!(location, Location::Label(_) | Location::Query(_) | Location::QueryParams)
            }
        }
    }
}
