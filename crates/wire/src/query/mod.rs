//! The Query protocol's requests: one flat list of named parameters.
//!
//! Sorted by name, everything below a prefix stands together, so that no tree is built: a
//! decoder is a range of that list and the length of the prefix.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::iter::once;

use bytes::Bytes;
use ropeway_core::Time;

use crate::codec::{Decoder, Document, Result};
use crate::schema::{Kind, Member};
use crate::text::{self, Form, Wanted};
use crate::{ByteStream, Error};

/// Deepest nesting: names have that many parts at most that a schema can ask for.
const MAX_DEPTH: usize = 32;

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The parameters of a request, sorted by name.
pub(crate) struct Params<'a> {
    pairs: Vec<Pair<'a>>,
}

impl<'a> Params<'a> {
    /// Reads `application/x-www-form-urlencoded` text: a body, and a query string before it.
    pub(crate) fn parse(query: Option<&'a str>, body: &'a [u8]) -> Result<Self> {
        let malformed = || Form::Query.malformed("The request's parameters are not valid UTF-8");
        let body = std::str::from_utf8(body).map_err(|_| malformed())?;
        let mut pairs = text::form_pairs(query.unwrap_or_default()).ok_or_else(malformed)?;
        pairs.extend(text::form_pairs(body.trim_end_matches(['\r', '\n'])).ok_or_else(malformed)?);
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Params { pairs })
    }

    pub(crate) fn decoder<'p>(&'p self, member: &'static Member) -> QueryDecoder<'p, 'a> {
        QueryDecoder { value: None, below: &self.pairs, skip: 0, member, depth: 0 }
    }
}

/// Stands at a name: its own value, and the parameters whose names go on after a dot.
pub(crate) struct QueryDecoder<'p, 'a> {
    value: Option<&'p str>,
    below: &'p [Pair<'a>],
    /// How many bytes of the names below come before what is still to be read.
    skip: usize,
    member: &'static Member,
    depth: usize,
}

impl<'p, 'a> QueryDecoder<'p, 'a> {
    /// What stands at `name` below this one; `None` if nothing does.
    fn child(&self, name: &str, member: &'static Member) -> Option<QueryDecoder<'p, 'a>> {
        let rest =
            |pair: &Pair<'a>| pair.0.as_bytes().get(self.skip..).unwrap_or_default().cmp(name.as_bytes());
        let exact = self.below.partition_point(|pair| rest(pair).is_lt());
        let value = self.below.get(exact).filter(|pair| rest(pair).is_eq()).map(|pair| &*pair.1);
        let before = |last: u8| {
            move |pair: &Pair<'a>| {
                let rest = pair.0.as_bytes().get(self.skip..).unwrap_or_default();
                rest.iter().lt(name.as_bytes().iter().chain(once(&last)))
            }
        };
        let from = self.below.partition_point(before(b'.'));
        let to = self.below.partition_point(before(b'.' + 1));
        let below = self.below.get(from..to).unwrap_or_default();
        if value.is_none() && below.is_empty() {
            return None;
        }
        Some(QueryDecoder { value, below, skip: self.skip + name.len() + 1, member, depth: self.depth + 1 })
    }

    /// The numbers that come next in the names below, in order.
    fn indices(&self) -> BTreeSet<u32> {
        self.below
            .iter()
            .filter_map(|pair| {
                let rest = pair.0.get(self.skip..)?;
                let digits = rest.split('.').next()?;
                let index: u32 = digits.parse().ok()?;
                // `+1` and `01` are other names than `1`, whatever number they tell.
                (index.to_string() == digits).then_some(index)
            })
            .collect()
    }

    /// Where the elements of a list or the entries of a map are.
    fn items(&self, name: &str) -> Result<Option<QueryDecoder<'p, 'a>>> {
        if self.depth > MAX_DEPTH {
            return Err(
                Form::Query.malformed(format!("Parameters are nested deeper than {MAX_DEPTH} levels"))
            );
        }
        if self.value.is_some_and(|v| !v.is_empty()) {
            return Err(
                Form::Query.malformed(format!("Unexpected value for the list or map {}", self.member.name))
            );
        }
        if self.member.flattened {
            let (value, below, skip) = (None, self.below, self.skip);
            return Ok(Some(QueryDecoder { value, below, skip, member: self.member, depth: self.depth }));
        }
        Ok(self.child(name, self.member))
    }

    fn scalar(&self, wanted: Wanted) -> Result<&'p str> {
        match self.value {
            Some(value) => Ok(value),
            // Coral's wording, as SES and IAM answer it.
            None if !self.below.is_empty() => {
                Err(Form::Query.malformed("Unexpected complex element termination"))
            }
            None => Err(Form::Query.malformed(format!("A value of type {} is missing", wanted.java()))),
        }
    }

    fn parsed<T>(&self, wanted: Wanted, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        parse(self.scalar(wanted)?).ok_or_else(|| {
            Form::Query.malformed(format!("STRING_VALUE cannot be converted to {}", wanted.java()))
        })
    }
}

impl Decoder for QueryDecoder<'_, '_> {
    fn member(&self) -> &'static Member {
        self.member
    }

    fn null(&mut self) -> Result<bool> {
        Ok(false)
    }

    fn boolean(&mut self) -> Result<bool> {
        match self.scalar(Wanted::Boolean)? {
            "1" => Ok(true),
            "0" => Ok(false),
            // SES's words.
            other => text::parse_boolean(other)
                .ok_or_else(|| Form::Query.malformed("boolean must follow xsd1.1 definition")),
        }
    }

    fn integer(&mut self) -> Result<i64> {
        self.parsed(Wanted::Integer, |v| v.parse().ok())
    }

    fn float(&mut self) -> Result<f64> {
        self.parsed(Wanted::Float, text::parse_float)
    }

    fn string(&mut self) -> Result<String> {
        self.scalar(Wanted::String).map(str::to_owned)
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

    fn stream(&mut self) -> Result<ByteStream> {
        self.blob().map(ByteStream::from)
    }

    fn list(&mut self, each: &mut dyn FnMut(&mut dyn Decoder) -> Result<()>) -> Result<()> {
        let Kind::List { element } = &self.member.schema.kind else {
            return Err(text::not_a(self.member, "list"));
        };
        let Some(items) = self.items(element.xml_name)? else { return Ok(()) };
        for index in items.indices() {
            if let Some(mut item) = items.child(&index.to_string(), element) {
                each(&mut item)?;
            }
        }
        Ok(())
    }

    fn map(&mut self, each: &mut dyn FnMut(String, &mut dyn Decoder) -> Result<()>) -> Result<()> {
        let Kind::Map { key, value } = &self.member.schema.kind else {
            return Err(text::not_a(self.member, "map"));
        };
        let Some(items) = self.items("entry")? else { return Ok(()) };
        for index in items.indices() {
            let Some(entry) = items.child(&index.to_string(), self.member) else { continue };
            let name = entry.child(key.xml_name, key);
            let name = name.and_then(|name| name.value).ok_or_else(|| incomplete(self.member, index))?;
            let mut value =
                entry.child(value.xml_name, value).ok_or_else(|| incomplete(self.member, index))?;
            each(name.to_owned(), &mut value)?;
        }
        Ok(())
    }

    fn structure(&mut self, each: &mut dyn FnMut(usize, &mut dyn Decoder) -> Result<()>) -> Result<()> {
        if self.depth > MAX_DEPTH {
            return Err(
                Form::Query.malformed(format!("Parameters are nested deeper than {MAX_DEPTH} levels"))
            );
        }
        for (index, member) in self.member.schema.members().iter().enumerate() {
            if let Some(mut child) = self.child(member.xml_name, member) {
                each(index, &mut child)?;
            }
        }
        Ok(())
    }
}

fn incomplete(member: &Member, index: u32) -> Error {
    Form::Query.malformed(format!("Entry {index} of {} lacks its key or its value", member.name))
}
