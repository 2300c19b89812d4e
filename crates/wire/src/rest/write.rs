//! Values as plain text, for headers, attributes and status codes.

use bytes::Bytes;
use ropeway_core::Time;

use crate::ByteStream;
use crate::codec::{Document, Encode, Encoder};
use crate::schema::{Kind, Member, TimestampFormat};
use crate::text;

/// Writes a scalar, or a list of scalars, as text.
pub(crate) struct TextEncoder {
    member: &'static Member,
    out: Option<String>,
    /// How timestamps are written that have no format of their own.
    format: TimestampFormat,
    /// In a header: JSON goes as base64.
    header: bool,
    /// An element of a list: a string is quoted where it would be split.
    element: bool,
}

impl TextEncoder {
    /// The text of a value; `None` for one that has no text.
    pub(crate) fn text(
        value: &dyn Encode,
        member: &'static Member,
        format: TimestampFormat,
    ) -> Option<String> {
        let mut encoder = TextEncoder { member, out: None, format, header: false, element: false };
        value.encode(&mut encoder);
        encoder.out
    }

    /// The text of a value in a header.
    pub(super) fn header(value: &dyn Encode, member: &'static Member) -> Option<String> {
        let format = TimestampFormat::Rfc822;
        let mut encoder = TextEncoder { member, out: None, format, header: true, element: false };
        value.encode(&mut encoder);
        encoder.out
    }
}

impl Encoder for TextEncoder {
    fn member(&self) -> &'static Member {
        self.member
    }

    fn null(&mut self) {}

    fn boolean(&mut self, value: bool) {
        self.out = Some(value.to_string());
    }

    fn integer(&mut self, value: i64) {
        self.out = Some(value.to_string());
    }

    fn float(&mut self, value: f64) {
        self.out = Some(text::format_float(value));
    }

    fn string(&mut self, value: &str) {
        let quote = self.element && value.contains([',', '"']);
        self.out = Some(if self.header && self.member.json_value {
            text::encode_base64(value.as_bytes())
        } else if quote {
            format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
        } else {
            value.to_owned()
        });
    }

    fn blob(&mut self, value: &Bytes) {
        self.out = Some(text::encode_base64(value));
    }

    fn timestamp(&mut self, value: Time) {
        self.out = Some(text::format_time(value, self.member.timestamp.unwrap_or(self.format)));
    }

    fn document(&mut self, value: &Document) {
        self.out = Some(value.to_string());
    }

    fn stream(&mut self, _: &ByteStream) {}

    fn list(&mut self, elements: &mut dyn Iterator<Item = &dyn Encode>) {
        let Kind::List { element } = &self.member.schema.kind else { return };
        let (format, header) = (self.format, self.header);
        let texts: Vec<String> = elements
            .filter_map(|value| {
                let mut encoder = TextEncoder { member: element, out: None, format, header, element: true };
                value.encode(&mut encoder);
                encoder.out
            })
            .collect();
        self.out = (!texts.is_empty()).then(|| texts.join(", "));
    }

    fn map(&mut self, _: &mut dyn Iterator<Item = (&str, &dyn Encode)>) {}

    fn structure(&mut self, _: &[Option<&dyn Encode>]) {}
}

/// Writes a map as headers with a common prefix.
pub(super) struct PrefixEncoder<'o> {
    pub(super) member: &'static Member,
    pub(super) prefix: &'static str,
    pub(super) out: &'o mut Vec<(String, String)>,
}

impl Encoder for PrefixEncoder<'_> {
    fn member(&self) -> &'static Member {
        self.member
    }

    fn null(&mut self) {}
    fn boolean(&mut self, _: bool) {}
    fn integer(&mut self, _: i64) {}
    fn float(&mut self, _: f64) {}
    fn string(&mut self, _: &str) {}
    fn blob(&mut self, _: &Bytes) {}
    fn timestamp(&mut self, _: Time) {}
    fn document(&mut self, _: &Document) {}
    fn stream(&mut self, _: &ByteStream) {}
    fn list(&mut self, _: &mut dyn Iterator<Item = &dyn Encode>) {}

    fn map(&mut self, entries: &mut dyn Iterator<Item = (&str, &dyn Encode)>) {
        let Kind::Map { value: member, .. } = &self.member.schema.kind else { return };
        for (name, value) in entries {
            if let Some(text) = TextEncoder::header(value, member) {
                self.out.push((format!("{}{}", self.prefix, name.to_ascii_lowercase()), text));
            }
        }
    }

    fn structure(&mut self, _: &[Option<&dyn Encode>]) {}
}
