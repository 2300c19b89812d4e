//! Reads an HTTP message by the bindings of its schema.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use http::HeaderMap;
use ropeway_core::Time;

use super::Scope;
use super::read::{PairsDecoder, RawDecoder, TextDecoder, refuse};
use crate::ByteStream;
use crate::codec::{Decoder, Document, Result};
use crate::json::{JsonDecoder, Parser};
use crate::schema::{Kind, Location, Member};
use crate::text::{self, Form};
use crate::xml::{Element, XmlDecoder};

/// What a body is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyForm {
    Json,
    Xml,
}

/// A request or an answer, apart.
pub(crate) struct Message<'p> {
    /// Labels of the path, decoded.
    pub(crate) labels: &'p [(&'static str, String)],
    /// Parameters of the query string, decoded.
    pub(crate) query: Vec<(Cow<'p, str>, Cow<'p, str>)>,
    pub(crate) headers: &'p HeaderMap,
    /// Status of an answer.
    pub(crate) status: Option<u16>,
    /// The body; empty where it is a stream.
    pub(crate) bytes: Bytes,
    /// The body of a message whose schema has a streaming payload.
    pub(crate) stream: ByteStream,
}

/// Stands at the root of a rest protocol's input or output.
pub(crate) struct RestDecoder<'p> {
    message: Message<'p>,
    member: &'static Member,
    body: BodyForm,
    form: Form,
}

type Each<'e> = &'e mut dyn FnMut(usize, &mut dyn Decoder) -> Result<()>;

impl<'p> RestDecoder<'p> {
    pub(crate) fn new(message: Message<'p>, member: &'static Member, body: BodyForm) -> Self {
        let form = if body == BodyForm::Json { Form::Json } else { Form::Xml };
        RestDecoder { message, member, body, form }
    }

    fn text(
        &self,
        values: Vec<Cow<'p, str>>,
        index: usize,
        member: &'static Member,
        each: Each<'_>,
    ) -> Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        each(index, &mut TextDecoder { values, member, location: member.location, form: self.form })
    }

    fn pairs(
        &self,
        pairs: Vec<(String, Vec<Cow<'p, str>>)>,
        index: usize,
        member: &'static Member,
        each: Each<'_>,
    ) -> Result<()> {
        if pairs.is_empty() {
            return Ok(());
        }
        each(index, &mut PairsDecoder { pairs, member, form: self.form })
    }

    fn header(&self, name: &str) -> Vec<Cow<'p, str>> {
        let headers: &'p HeaderMap = self.message.headers;
        headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect()
    }

    /// Headers of a prefix, by the rest of their names.
    fn prefixed(&self, prefix: &str) -> Vec<(String, Vec<Cow<'p, str>>)> {
        let names: std::collections::BTreeSet<&str> =
            self.message.headers.keys().map(|k| k.as_str()).collect();
        names
            .into_iter()
            .filter_map(|name| Some((name.strip_prefix(prefix)?.to_owned(), self.header(name))))
            .collect()
    }

    /// Parameters that no member takes by name, each with its values in order.
    fn parameters(&self) -> Vec<(String, Vec<Cow<'p, str>>)> {
        let taken = |name: &str| {
            self.member.schema.members().iter().any(|m| matches!(m.location, Location::Query(n) if n == name))
        };
        let mut all: BTreeMap<String, Vec<Cow<'p, str>>> = BTreeMap::new();
        for (name, value) in self.message.query.iter().filter(|(name, _)| !taken(name)) {
            all.entry(name.clone().into_owned()).or_default().push(value.clone());
        }
        all.into_iter().collect()
    }

    fn bound(&self, index: usize, member: &'static Member, each: Each<'_>) -> Result<()> {
        match member.location {
            Location::Label(name) => {
                let label = self.message.labels.iter().find(|(label, _)| *label == name);
                self.text(
                    label.map(|(_, v)| Cow::Borrowed(v.as_str())).into_iter().collect(),
                    index,
                    member,
                    each,
                )
            }
            Location::Query(name) => {
                let values = self.message.query.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone());
                self.text(values.collect(), index, member, each)
            }
            Location::Header(name) => self.text(self.header(name), index, member, each),
            Location::StatusCode => {
                let status = self.message.status.map(|s| Cow::Owned(s.to_string()));
                self.text(status.into_iter().collect(), index, member, each)
            }
            Location::PrefixHeaders(prefix) => self.pairs(self.prefixed(prefix), index, member, each),
            Location::QueryParams => self.pairs(self.parameters(), index, member, each),
            Location::Body => Ok(()),
        }
    }

    /// The member that is the whole body.
    fn payload(&mut self, index: usize, member: &'static Member, each: Each<'_>) -> Result<()> {
        let streaming = matches!(member.schema.kind, Kind::Stream);
        if self.message.bytes.is_empty() && !streaming {
            return Ok(());
        }
        if streaming || matches!(member.schema.kind, Kind::Blob | Kind::String) {
            let (body, bytes) =
                (std::mem::take(&mut self.message.stream), std::mem::take(&mut self.message.bytes));
            return each(index, &mut RawDecoder { body, bytes, member, form: self.form });
        }
        match self.body {
            BodyForm::Json => {
                let mut parser = Parser::new(&self.message.bytes);
                each(index, &mut JsonDecoder::new(&mut parser, member))?;
                parser.end()
            }
            BodyForm::Xml => {
                let root = root(&self.message.bytes, member)?;
                each(index, &mut XmlDecoder::new(&root, member))
            }
        }
    }

    /// The members that make up the body together.
    fn body(&self, each: Each<'_>) -> Result<()> {
        let scope = if self.message.status.is_some() { Scope::Response } else { Scope::Request };
        if !self.member.schema.members().iter().any(|m| scope.holds(m)) {
            return Ok(());
        }
        if self.message.bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        match self.body {
            BodyForm::Json => {
                let mut parser = Parser::new(&self.message.bytes);
                JsonDecoder::root(&mut parser, self.member, scope).structure(each)?;
                parser.end()
            }
            BodyForm::Xml => {
                let root = Element::parse(&self.message.bytes)?;
                XmlDecoder::root(&root, self.member, scope).structure(each)
            }
        }
    }
}

/// The root element of a payload, which must be the member's.
fn root(bytes: &[u8], member: &Member) -> Result<Element> {
    let root = Element::parse(bytes)?;
    let name = member.xml_name.split_once(':').map_or(member.xml_name, |(_, local)| local);
    if root.name == name || root.name == member.schema.name { Ok(root) } else { Err(Form::Xml.malformed("")) }
}

impl Decoder for RestDecoder<'_> {
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
    refuse!(map);

    fn structure(&mut self, each: &mut dyn FnMut(usize, &mut dyn Decoder) -> Result<()>) -> Result<()> {
        let Kind::Structure { members, payload } = self.member.schema.kind else {
            return Err(text::not_a(self.member, "structure"));
        };
        for (index, member) in members.iter().enumerate() {
            self.bound(index, member, each)?;
        }
        match payload.and_then(|index| Some((index, members.get(index)?))) {
            Some((index, member)) => self.payload(index, member, each),
            None => self.body(each),
        }
    }
}
