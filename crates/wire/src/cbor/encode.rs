//! Writes CBOR by schema.

use bytes::Bytes;
use minicbor::data::Tag;
use minicbor::encode::Encoder as Writer;
use ropeway_core::Time;

use crate::codec::{Document, Encode, Encoder};
use crate::schema::{Kind, Member};
use crate::{ByteStream, Error};

type Written<'w> = Result<&'w mut Writer<Vec<u8>>, minicbor::encode::Error<std::convert::Infallible>>;

/// Writes the value of a member.
pub(crate) struct CborEncoder<'o> {
    out: &'o mut Writer<Vec<u8>>,
    member: &'static Member,
}

impl<'o> CborEncoder<'o> {
    pub(crate) fn new(out: &'o mut Writer<Vec<u8>>, member: &'static Member) -> Self {
        CborEncoder { out, member }
    }
}

/// A vector takes all that is written to it.
fn done(written: Written<'_>) {
    debug_assert!(written.is_ok());
}

/// The body of an error: its code as `__type`, its message, its members.
pub(crate) fn error_body(code: &str, error: &Error) -> Vec<u8> {
    let mut out = Writer::new(Vec::new());
    done(out.map(2 + error.members.len() as u64));
    for (name, value) in [("__type", code), ("message", &error.message)] {
        done(out.str(name));
        done(out.str(value));
    }
    for (name, value) in &error.members {
        done(out.str(name));
        done(out.str(value));
    }
    out.into_writer()
}

impl Encoder for CborEncoder<'_> {
    fn member(&self) -> &'static Member {
        self.member
    }

    fn null(&mut self) {
        done(self.out.null());
    }

    fn boolean(&mut self, value: bool) {
        done(self.out.bool(value));
    }

    fn integer(&mut self, value: i64) {
        done(self.out.i64(value));
    }

    fn float(&mut self, value: f64) {
        done(self.out.f64(value));
    }

    fn string(&mut self, value: &str) {
        done(self.out.str(value));
    }

    fn blob(&mut self, value: &Bytes) {
        done(self.out.bytes(value));
    }

    fn timestamp(&mut self, value: Time) {
        done(self.out.tag(Tag::new(1)));
        let millis = value.millis();
        if millis % 1000 == 0 {
            done(self.out.i64(millis / 1000));
        } else {
            done(self.out.f64(millis as f64 / 1000.0));
        }
    }

    fn document(&mut self, _: &Document) {
        // The protocol has no documents.
        self.null();
    }

    fn stream(&mut self, _: &ByteStream) {
        self.null();
    }

    fn list(&mut self, elements: &mut dyn Iterator<Item = &dyn Encode>) {
        let Kind::List { element } = &self.member.schema.kind else { return self.null() };
        done(self.out.begin_array());
        for value in elements {
            value.encode(&mut CborEncoder::new(self.out, element));
        }
        done(self.out.end());
    }

    fn map(&mut self, entries: &mut dyn Iterator<Item = (&str, &dyn Encode)>) {
        let Kind::Map { value: member, .. } = &self.member.schema.kind else { return self.null() };
        done(self.out.begin_map());
        for (key, value) in entries {
            done(self.out.str(key));
            value.encode(&mut CborEncoder::new(self.out, member));
        }
        done(self.out.end());
    }

    fn structure(&mut self, members: &[Option<&dyn Encode>]) {
        done(self.out.map(members.iter().flatten().count() as u64));
        for (member, value) in self.member.schema.members().iter().zip(members) {
            if let Some(value) = value {
                done(self.out.str(member.json_name));
                value.encode(&mut CborEncoder::new(self.out, member));
            }
        }
    }
}
