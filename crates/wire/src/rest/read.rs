//! Values that are plain text (labels, query strings, headers), pairs of them, and raw bodies.

use std::borrow::Cow;

use bytes::Bytes;
use ropeway_core::Time;

use crate::codec::{Decoder, Document, Result};
use crate::schema::{Kind, Location, Member, TimestampFormat};
use crate::text::{self, Form, Wanted};
use crate::{ByteStream, Error};

/// The methods of a decoder that stands where such a value cannot be.
macro_rules! refuse {
    ($($method:ident: $type:ty,)*) => {
        $(fn $method(&mut self) -> Result<$type> {
            Err(text::not_a(self.member, stringify!($method)))
        })*
    };
    (list) => {
        fn list(&mut self, _: &mut dyn FnMut(&mut dyn Decoder) -> Result<()>) -> Result<()> {
            Err(text::not_a(self.member, "list"))
        }
    };
    (map) => {
        fn map(&mut self, _: &mut dyn FnMut(String, &mut dyn Decoder) -> Result<()>) -> Result<()> {
            Err(text::not_a(self.member, "map"))
        }
    };
    (structure) => {
        fn structure(&mut self, _: &mut dyn FnMut(usize, &mut dyn Decoder) -> Result<()>) -> Result<()> {
            Err(text::not_a(self.member, "structure"))
        }
    };
}
pub(super) use refuse;

/// Stands at one text, or at several of the same name.
pub(super) struct TextDecoder<'p> {
    pub(super) values: Vec<Cow<'p, str>>,
    pub(super) member: &'static Member,
    /// Where the text comes from; elements of a list have it from the list.
    pub(super) location: Location,
    pub(super) form: Form,
}

impl TextDecoder<'_> {
    fn text(&self) -> &str {
        self.values.first().map_or("", |v| v)
    }

    fn bad(&self, wanted: Wanted) -> Error {
        bad(self.form, self.location, self.member, self.text(), wanted)
    }

    fn parsed<T>(&self, wanted: Wanted, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        parse(self.text().trim()).ok_or_else(|| self.bad(wanted))
    }
}

/// The error for a text that does not say what it should.
fn bad(form: Form, location: Location, member: &Member, text: &str, wanted: Wanted) -> Error {
    if form != Form::Xml {
        return form.malformed(format!("STRING_VALUE cannot be converted to {}", wanted.java()));
    }
    let name = match location {
        Location::Query(name) | Location::Header(name) | Location::Label(name) => name,
        _ => member.name,
    };
    // S3's wording for `max-keys` and its like.
    let message = match wanted {
        Wanted::Integer => format!("Provided {name} not an integer or within integer range"),
        _ => format!("Provided {name} is not valid"),
    };
    Error::new(400, "InvalidArgument", message)
        .with_member("ArgumentName", name)
        .with_member("ArgumentValue", text)
}

impl Decoder for TextDecoder<'_> {
    fn member(&self) -> &'static Member {
        self.member
    }

    fn null(&mut self) -> Result<bool> {
        Ok(false)
    }

    fn boolean(&mut self) -> Result<bool> {
        self.parsed(Wanted::Boolean, text::parse_boolean)
    }

    fn integer(&mut self) -> Result<i64> {
        self.parsed(Wanted::Integer, |v| v.parse().ok())
    }

    fn float(&mut self) -> Result<f64> {
        self.parsed(Wanted::Float, text::parse_float)
    }

    fn string(&mut self) -> Result<String> {
        if self.member.json_value && matches!(self.location, Location::Header(_)) {
            let bytes = self.blob()?;
            return String::from_utf8(bytes.into()).map_err(|_| self.bad(Wanted::String));
        }
        Ok(self.text().to_owned())
    }

    fn blob(&mut self) -> Result<Bytes> {
        self.parsed(Wanted::Blob, text::decode_base64)
    }

    fn timestamp(&mut self) -> Result<Time> {
        self.parsed(Wanted::Timestamp, text::parse_time)
    }

    fn document(&mut self) -> Result<Document> {
        self.parsed(Wanted::Document, |v| serde_json::from_str(v).ok())
    }

    refuse!(stream: ByteStream,);

    fn list(&mut self, each: &mut dyn FnMut(&mut dyn Decoder) -> Result<()>) -> Result<()> {
        let Kind::List { element } = &self.member.schema.kind else {
            return Err(text::not_a(self.member, "list"));
        };
        let (location, form) = (self.location, self.form);
        let mut at = |value| {
            let values = vec![value];
            each(&mut TextDecoder { values, member: element, location, form })
        };
        for value in std::mem::take(&mut self.values) {
            if let Location::Header(_) = location {
                split(&value, element).into_iter().map(Cow::Owned).try_for_each(&mut at)?;
            } else {
                at(value)?;
            }
        }
        Ok(())
    }

    refuse!(map);
    refuse!(structure);
}

/// The elements of a list in a header: split at commas, outside of quotes; HTTP dates hold a
/// comma of their own.
fn split(value: &str, element: &Member) -> Vec<String> {
    let http_date = element.timestamp.is_none_or(|f| f == TimestampFormat::Rfc822);
    if matches!(element.schema.kind, Kind::Timestamp) && http_date {
        let parts: Vec<&str> = value.split(',').collect();
        return parts.chunks(2).map(|pair| pair.join(",").trim().to_owned()).collect();
    }
    let mut out = Vec::new();
    if value.trim().is_empty() {
        return out;
    }
    let mut chars = value.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        let mut item = String::new();
        if chars.next_if_eq(&'"').is_some() {
            while let Some(char) = chars.next_if(|&c| c != '"') {
                item.extend(if char == '\\' { chars.next() } else { Some(char) });
            }
            while chars.next_if(|&c| c != ',').is_some() {}
        } else {
            item.extend(std::iter::from_fn(|| chars.next_if(|&c| c != ',')));
            item.truncate(item.trim_end().len());
        }
        out.push(item);
        if chars.next().is_none() {
            return out;
        }
    }
}

/// Stands at the headers of a prefix, or at the parameters that no other member takes.
pub(super) struct PairsDecoder<'p> {
    pub(super) pairs: Vec<(String, Vec<Cow<'p, str>>)>,
    pub(super) member: &'static Member,
    pub(super) form: Form,
}

impl Decoder for PairsDecoder<'_> {
    fn member(&self) -> &'static Member {
        self.member
    }

    fn null(&mut self) -> Result<bool> {
        Ok(false)
    }

    refuse! {
        boolean: bool,
        integer: i64,
        float: f64,
        string: String,
        blob: Bytes,
        timestamp: Time,
        document: Document,
        stream: ByteStream,
    }
    refuse!(list);

    fn map(&mut self, each: &mut dyn FnMut(String, &mut dyn Decoder) -> Result<()>) -> Result<()> {
        let Kind::Map { value: member, .. } = &self.member.schema.kind else {
            return Err(text::not_a(self.member, "map"));
        };
        let (location, form) = (self.member.location, self.form);
        for (name, values) in std::mem::take(&mut self.pairs) {
            each(name, &mut TextDecoder { values, member, location, form })?;
        }
        Ok(())
    }

    refuse!(structure);
}

/// Stands at a body that is itself the value: bytes, text or a stream.
pub(super) struct RawDecoder {
    pub(super) body: ByteStream,
    pub(super) bytes: Bytes,
    pub(super) member: &'static Member,
    pub(super) form: Form,
}

impl Decoder for RawDecoder {
    fn member(&self) -> &'static Member {
        self.member
    }

    fn null(&mut self) -> Result<bool> {
        Ok(false)
    }

    fn string(&mut self) -> Result<String> {
        let bytes = std::mem::take(&mut self.bytes);
        String::from_utf8(bytes.into()).map_err(|_| self.form.malformed("The body is not valid UTF-8"))
    }

    fn blob(&mut self) -> Result<Bytes> {
        Ok(std::mem::take(&mut self.bytes))
    }

    fn stream(&mut self) -> Result<ByteStream> {
        Ok(std::mem::take(&mut self.body))
    }

    refuse! {
        boolean: bool,
        integer: i64,
        float: f64,
        timestamp: Time,
        document: Document,
    }
    refuse!(list);
    refuse!(map);
    refuse!(structure);
}
