//! Reads XML by schema.

use bytes::Bytes;
use ropeway_core::Time;

use super::Element;
use crate::codec::{Decoder, Document, Result};
use crate::rest::Scope;
use crate::schema::{Kind, Member};
use crate::text::{self, Form};
use crate::{ByteStream, Error};

/// What a member's value is written as.
enum At<'p> {
    /// An element of its own.
    Element(&'p Element),
    /// The elements of a flattened list or map.
    Repeated(Vec<&'p Element>),
    /// An attribute's text.
    Attribute(&'p str),
}

/// Stands at the value of a member.
pub(crate) struct XmlDecoder<'p> {
    at: At<'p>,
    member: &'static Member,
    /// Which members this value holds: in a rest protocol, the root's may be elsewhere.
    scope: Scope,
}

impl<'p> XmlDecoder<'p> {
    pub(crate) fn new(element: &'p Element, member: &'static Member) -> Self {
        XmlDecoder { at: At::Element(element), member, scope: Scope::All }
    }

    pub(crate) fn root(element: &'p Element, member: &'static Member, scope: Scope) -> Self {
        XmlDecoder { at: At::Element(element), member, scope }
    }

    /// Where a member of the structure that this element is stands in it.
    fn find(element: &'p Element, member: &'static Member) -> Option<At<'p>> {
        if member.xml_attribute {
            return element.attribute(member.xml_name).map(At::Attribute);
        }
        if member.flattened {
            let all: Vec<_> =
                element.children.iter().filter(|child| child.name == local(member.xml_name)).collect();
            return if all.is_empty() { None } else { Some(At::Repeated(all)) };
        }
        element.child(local(member.xml_name)).map(At::Element)
    }

    fn text(&self) -> Result<&'p str> {
        match &self.at {
            At::Element(element) if element.children.is_empty() => Ok(&element.text),
            At::Attribute(text) => Ok(text),
            _ => Err(Form::Xml.malformed("")),
        }
    }

    /// Text of a scalar that is not itself text: white space around it does not count.
    fn parsed<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        parse(self.text()?.trim()).ok_or_else(|| Form::Xml.malformed(""))
    }

    /// The elements of a list, or the entries of a map, that are named so where not flattened.
    fn items(&self, name: &str) -> Result<Vec<&'p Element>> {
        match &self.at {
            At::Element(element) => {
                Ok(element.children.iter().filter(|child| child.name == local(name)).collect())
            }
            At::Repeated(elements) => Ok(elements.clone()),
            At::Attribute(_) => Err(Form::Xml.malformed("")),
        }
    }
}

/// A name without its namespace prefix.
fn local(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, local)| local)
}

impl Decoder for XmlDecoder<'_> {
    fn member(&self) -> &'static Member {
        self.member
    }

    fn null(&mut self) -> Result<bool> {
        Ok(false)
    }

    fn boolean(&mut self) -> Result<bool> {
        self.parsed(text::parse_boolean)
    }

    fn integer(&mut self) -> Result<i64> {
        self.parsed(|v| v.parse().ok())
    }

    fn float(&mut self) -> Result<f64> {
        self.parsed(text::parse_float)
    }

    fn string(&mut self) -> Result<String> {
        self.text().map(str::to_owned)
    }

    fn blob(&mut self) -> Result<Bytes> {
        self.parsed(text::decode_base64)
    }

    fn timestamp(&mut self) -> Result<Time> {
        self.parsed(text::parse_time)
    }

    fn document(&mut self) -> Result<Document> {
        self.parsed(|v| serde_json::from_str(v).ok())
    }

    fn stream(&mut self) -> Result<ByteStream> {
        self.blob().map(ByteStream::from)
    }

    fn list(&mut self, each: &mut dyn FnMut(&mut dyn Decoder) -> Result<()>) -> Result<()> {
        let Kind::List { element } = &self.member.schema.kind else {
            return Err(text::not_a(self.member, "list"));
        };
        for item in self.items(element.xml_name)? {
            each(&mut XmlDecoder::new(item, element))?;
        }
        Ok(())
    }

    fn map(&mut self, each: &mut dyn FnMut(String, &mut dyn Decoder) -> Result<()>) -> Result<()> {
        let Kind::Map { key, value } = &self.member.schema.kind else {
            return Err(text::not_a(self.member, "map"));
        };
        let missing = || -> Error { Form::Xml.malformed("") };
        for entry in self.items("entry")? {
            let name = entry.child(local(key.xml_name)).ok_or_else(missing)?;
            let at = entry.child(local(value.xml_name)).ok_or_else(missing)?;
            each(name.text.clone(), &mut XmlDecoder::new(at, value))?;
        }
        Ok(())
    }

    fn structure(&mut self, each: &mut dyn FnMut(usize, &mut dyn Decoder) -> Result<()>) -> Result<()> {
        let At::Element(element) = self.at else { return Err(Form::Xml.malformed("")) };
        for (index, member) in self.member.schema.members().iter().enumerate() {
            if !self.scope.holds(member) {
                continue;
            }
            if let Some(at) = Self::find(element, member) {
                each(index, &mut XmlDecoder { at, member, scope: Scope::All })?;
            }
        }
        Ok(())
    }
}
