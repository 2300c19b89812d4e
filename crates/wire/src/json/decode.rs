//! Reads JSON by schema.

use bytes::Bytes;
use ropeway_core::Time;

use super::Parser;
use crate::codec::{Decoder, Document, Result};
use crate::rest::Scope;
use crate::schema::{Kind, Member};
use crate::text::{self, Wanted};
use crate::{ByteStream, Error};

/// Stands before the value of a member.
pub(crate) struct JsonDecoder<'p, 'a> {
    parser: &'p mut Parser<'a>,
    member: &'static Member,
    /// Which members this value holds: in a rest protocol, the root's may be elsewhere.
    scope: Scope,
}

impl<'p, 'a> JsonDecoder<'p, 'a> {
    pub(crate) fn new(parser: &'p mut Parser<'a>, member: &'static Member) -> Self {
        JsonDecoder { parser, member, scope: Scope::All }
    }

    pub(crate) fn root(parser: &'p mut Parser<'a>, member: &'static Member, scope: Scope) -> Self {
        JsonDecoder { parser, member, scope }
    }

    /// The error for a value of another kind, as DynamoDB and its kin word it.
    fn mismatch(&mut self, wanted: Wanted) -> Error {
        let found = match self.parser.peek() {
            Some(b'"') => "STRING_VALUE",
            Some(b't') => "TRUE_VALUE",
            Some(b'f') => "FALSE_VALUE",
            Some(b'n') => "NULL_VALUE",
            Some(b'0'..=b'9' | b'-') => "NUMBER_VALUE",
            Some(b'{') => return Error::serialization("Start of structure or map found where not expected."),
            Some(b'[') => return Error::serialization("Start of list found where not expected"),
            _ => return self.parser.unexpected(),
        };
        match wanted {
            Wanted::List => Error::serialization("Unexpected field type"),
            Wanted::Map | Wanted::Structure => Error::serialization("Unexpected value type in payload"),
            _ => convert(found, wanted),
        }
    }

    fn quoted(&mut self, wanted: Wanted) -> Result<std::borrow::Cow<'a, str>> {
        if self.parser.peek() == Some(b'"') { self.parser.string() } else { Err(self.mismatch(wanted)) }
    }

    fn is_number(&mut self) -> bool {
        matches!(self.parser.peek(), Some(b'0'..=b'9' | b'-'))
    }
}

fn convert(found: &str, wanted: Wanted) -> Error {
    Error::serialization(format!("{found} cannot be converted to {}", wanted.java()))
}

/// A whole number; one written with a fraction or an exponent counts if it is exact.
fn whole(text: &str) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if !text.bytes().any(|b| matches!(b, b'.' | b'e' | b'E')) {
        return text.parse().ok();
    }
    let value: f64 = text.parse().ok()?;
    (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i64)
}

impl Decoder for JsonDecoder<'_, '_> {
    fn member(&self) -> &'static Member {
        self.member
    }

    fn null(&mut self) -> Result<bool> {
        self.parser.null()
    }

    fn boolean(&mut self) -> Result<bool> {
        if matches!(self.parser.peek(), Some(b't' | b'f')) {
            self.parser.boolean()
        } else {
            Err(self.mismatch(Wanted::Boolean))
        }
    }

    fn integer(&mut self) -> Result<i64> {
        if !self.is_number() {
            return Err(self.mismatch(Wanted::Integer));
        }
        let text = self.parser.number()?;
        whole(text).ok_or_else(|| convert("NUMBER_VALUE", Wanted::Integer))
    }

    fn float(&mut self) -> Result<f64> {
        if self.is_number() {
            return text::parse_float(self.parser.number()?)
                .ok_or_else(|| convert("NUMBER_VALUE", Wanted::Float));
        }
        match &*self.quoted(Wanted::Float)? {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            _ => Err(convert("STRING_VALUE", Wanted::Float)),
        }
    }

    fn string(&mut self) -> Result<String> {
        self.quoted(Wanted::String).map(|text| text.into_owned())
    }

    fn blob(&mut self) -> Result<Bytes> {
        let text = self.quoted(Wanted::Blob)?;
        text::decode_base64(&text).ok_or_else(|| convert("STRING_VALUE", Wanted::Blob))
    }

    fn timestamp(&mut self) -> Result<Time> {
        if self.is_number() {
            let seconds = text::parse_float(self.parser.number()?).and_then(text::from_seconds);
            return seconds.ok_or_else(|| convert("NUMBER_VALUE", Wanted::Timestamp));
        }
        let text = self.quoted(Wanted::Timestamp)?;
        text::parse_time(&text).ok_or_else(|| convert("STRING_VALUE", Wanted::Timestamp))
    }

    fn document(&mut self) -> Result<Document> {
        let raw = self.parser.raw()?;
        serde_json::from_slice(raw).map_err(|e| Error::serialization(e.to_string()))
    }

    fn stream(&mut self) -> Result<ByteStream> {
        self.blob().map(ByteStream::from)
    }

    fn list(&mut self, each: &mut dyn FnMut(&mut dyn Decoder) -> Result<()>) -> Result<()> {
        let Kind::List { element } = &self.member.schema.kind else {
            return Err(text::not_a(self.member, "list"));
        };
        if self.parser.peek() != Some(b'[') {
            return Err(self.mismatch(Wanted::List));
        }
        self.parser.array(|parser| each(&mut JsonDecoder::new(parser, element)))
    }

    fn map(&mut self, each: &mut dyn FnMut(String, &mut dyn Decoder) -> Result<()>) -> Result<()> {
        let Kind::Map { value, .. } = &self.member.schema.kind else {
            return Err(text::not_a(self.member, "map"));
        };
        if self.parser.peek() != Some(b'{') {
            return Err(self.mismatch(Wanted::Map));
        }
        self.parser.object(|parser, key| each(key.into_owned(), &mut JsonDecoder::new(parser, value)))
    }

    fn structure(&mut self, each: &mut dyn FnMut(usize, &mut dyn Decoder) -> Result<()>) -> Result<()> {
        let members = self.member.schema.members();
        let scope = self.scope;
        if self.parser.peek() != Some(b'{') {
            return Err(self.mismatch(Wanted::Structure));
        }
        let mut next = 0;
        self.parser.object(|parser, key| {
            let Some((index, member)) = find(members, &key, next, scope) else { return Ok(()) };
            next = index + 1;
            if parser.null()? { Ok(()) } else { each(index, &mut JsonDecoder::new(parser, member)) }
        })
    }
}

/// The member of this name, looked for first where clients that keep the model's order have it.
pub(crate) fn find(
    members: &'static [Member],
    name: &str,
    next: usize,
    scope: Scope,
) -> Option<(usize, &'static Member)> {
    let (before, after) = members.split_at_checked(next)?;
    let fits = |m: &Member| m.json_name == name && scope.holds(m);
    match after.iter().position(fits) {
        Some(at) => Some(next + at),
        None => before.iter().position(fits),
    }
    .and_then(|index| members.get(index).map(|member| (index, member)))
}
