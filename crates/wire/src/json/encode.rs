//! Writes JSON by schema.

use bytes::Bytes;
use ropeway_core::Time;

use crate::codec::{Document, Encode, Encoder};
use crate::rest::Scope;
use crate::schema::{Kind, Member, TimestampFormat};
use crate::{ByteStream, text};

/// Writes the value of a member.
pub(crate) struct JsonEncoder<'o> {
    out: &'o mut Vec<u8>,
    member: &'static Member,
    /// Which members this value holds: in a rest protocol, the root's may be elsewhere.
    scope: Scope,
}

impl<'o> JsonEncoder<'o> {
    pub(crate) fn new(out: &'o mut Vec<u8>, member: &'static Member) -> Self {
        JsonEncoder { out, member, scope: Scope::All }
    }

    pub(crate) fn root(out: &'o mut Vec<u8>, member: &'static Member, scope: Scope) -> Self {
        JsonEncoder { out, member, scope }
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}

/// Writes a string with its quotes.
pub(crate) fn string(out: &mut Vec<u8>, value: &str) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        // A string always has a JSON form, and a vector takes any number of bytes.
        out.truncate(start);
        out.extend_from_slice(b"\"\"");
    }
}

impl Encoder for JsonEncoder<'_> {
    fn member(&self) -> &'static Member {
        self.member
    }

    fn null(&mut self) {
        self.raw("null");
    }

    fn boolean(&mut self, value: bool) {
        self.raw(if value { "true" } else { "false" });
    }

    fn integer(&mut self, value: i64) {
        self.raw(&value.to_string());
    }

    fn float(&mut self, value: f64) {
        match text::special_float(value) {
            Some(name) => string(self.out, name),
            None => self.raw(&format!("{value:?}")),
        }
    }

    fn string(&mut self, value: &str) {
        string(self.out, value);
    }

    fn blob(&mut self, value: &Bytes) {
        // Base64's alphabet needs no escapes.
        self.out.push(b'"');
        self.raw(&text::encode_base64(value));
        self.out.push(b'"');
    }

    fn timestamp(&mut self, value: Time) {
        match self.member.timestamp {
            None | Some(TimestampFormat::UnixTimestamp) => {
                self.raw(&text::format_time(value, TimestampFormat::UnixTimestamp));
            }
            Some(format) => string(self.out, &text::format_time(value, format)),
        }
    }

    fn document(&mut self, value: &Document) {
        self.raw(&value.to_string());
    }

    fn stream(&mut self, _: &ByteStream) {
        self.null();
    }

    fn list(&mut self, elements: &mut dyn Iterator<Item = &dyn Encode>) {
        let Kind::List { element } = &self.member.schema.kind else { return self.null() };
        self.out.push(b'[');
        for (n, value) in elements.enumerate() {
            if n > 0 {
                self.out.push(b',');
            }
            value.encode(&mut JsonEncoder::new(self.out, element));
        }
        self.out.push(b']');
    }

    fn map(&mut self, entries: &mut dyn Iterator<Item = (&str, &dyn Encode)>) {
        let Kind::Map { value: member, .. } = &self.member.schema.kind else { return self.null() };
        self.out.push(b'{');
        for (n, (key, value)) in entries.enumerate() {
            if n > 0 {
                self.out.push(b',');
            }
            string(self.out, key);
            self.out.push(b':');
            value.encode(&mut JsonEncoder::new(self.out, member));
        }
        self.out.push(b'}');
    }

    fn structure(&mut self, members: &[Option<&dyn Encode>]) {
        self.out.push(b'{');
        let mut first = true;
        for (member, value) in self.member.schema.members().iter().zip(members) {
            let Some(value) = value else { continue };
            if !self.scope.holds(member) {
                continue;
            }
            if !std::mem::take(&mut first) {
                self.out.push(b',');
            }
            string(self.out, member.json_name);
            self.out.push(b':');
            value.encode(&mut JsonEncoder::new(self.out, member));
        }
        self.out.push(b'}');
    }
}
