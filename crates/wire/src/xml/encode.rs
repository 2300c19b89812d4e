//! Writes XML by schema.

use bytes::Bytes;
use ropeway_core::Time;

use crate::codec::{Document, Encode, Encoder};
use crate::rest::{Scope, TextEncoder};
use crate::schema::{Kind, Member, TimestampFormat};
use crate::{ByteStream, text};

/// Prefix (empty for the default one) and URI.
pub(crate) type Namespace = Option<(&'static str, &'static str)>;

/// Writes the value of a member as an element.
pub(crate) struct XmlEncoder<'o> {
    out: &'o mut String,
    member: &'static Member,
    /// The element's name; `None` writes a structure's members without an element around them.
    name: Option<&'static str>,
    namespace: Namespace,
    /// Which members this value holds: in a rest protocol, the root's may be elsewhere.
    scope: Scope,
}

impl<'o> XmlEncoder<'o> {
    pub(crate) fn new(out: &'o mut String, member: &'static Member) -> Self {
        Self::named(out, member, member.xml_name)
    }

    fn named(out: &'o mut String, member: &'static Member, name: &'static str) -> Self {
        XmlEncoder { out, member, name: Some(name), namespace: member.xml_namespace, scope: Scope::All }
    }

    /// The root of a body, in the service's namespace unless it has its own. A root that is
    /// flattened has no element around its members.
    pub(crate) fn root(
        out: &'o mut String,
        member: &'static Member,
        namespace: Namespace,
        scope: Scope,
    ) -> Self {
        let name = (!member.flattened).then_some(member.xml_name);
        XmlEncoder { out, member, name, namespace: member.xml_namespace.or(namespace), scope }
    }

    /// The members of a structure, without an element around them.
    pub(crate) fn bare(out: &'o mut String, member: &'static Member) -> Self {
        XmlEncoder { out, member, name: None, namespace: None, scope: Scope::All }
    }

    fn leaf(&mut self, text: &str) {
        self.open(&[]);
        escape(self.out, text, false);
        self.close();
    }

    fn open(&mut self, members: &[Option<&dyn Encode>]) {
        let Some(name) = self.name else { return };
        self.out.push('<');
        self.out.push_str(name);
        match self.namespace {
            Some(("", uri)) => attribute(self.out, "xmlns", uri),
            Some((prefix, uri)) => attribute(self.out, &format!("xmlns:{prefix}"), uri),
            None => {}
        }
        for (member, value) in self.member.schema.members().iter().zip(members) {
            if let (true, Some(value)) = (member.xml_attribute, value)
                && let Some(text) = TextEncoder::text(*value, member, TimestampFormat::Iso8601)
            {
                attribute(self.out, member.xml_name, &text);
            }
        }
        self.out.push('>');
    }

    fn close(&mut self) {
        if let Some(name) = self.name {
            self.out.push_str("</");
            self.out.push_str(name);
            self.out.push('>');
        }
    }
}

/// Writes an element with text in it.
pub(crate) fn element(out: &mut String, name: &str, text: &str) {
    out.push('<');
    out.push_str(name);
    out.push('>');
    escape(out, text, false);
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

fn attribute(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    escape(out, value, true);
    out.push('"');
}

/// Escapes text. Control characters, which XML 1.0 cannot hold, go as references, as S3 sends
/// them; a carriage return, too, or a reader would make it a line feed.
fn escape(out: &mut String, text: &str, in_attribute: bool) {
    for char in text.chars() {
        match char {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' if !in_attribute => out.push(char),
            _ if (char as u32) < 0x20 || matches!(char, '\u{7f}'..='\u{9f}' | '\u{2028}') => {
                out.push_str(&format!("&#x{:x};", char as u32));
            }
            _ => out.push(char),
        }
    }
}

impl Encoder for XmlEncoder<'_> {
    fn member(&self) -> &'static Member {
        self.member
    }

    fn null(&mut self) {
        // XML has no null: the place stays, empty.
        self.leaf("");
    }

    fn boolean(&mut self, value: bool) {
        self.leaf(if value { "true" } else { "false" });
    }

    fn integer(&mut self, value: i64) {
        self.leaf(&value.to_string());
    }

    fn float(&mut self, value: f64) {
        self.leaf(&text::format_float(value));
    }

    fn string(&mut self, value: &str) {
        self.leaf(value);
    }

    fn blob(&mut self, value: &Bytes) {
        self.leaf(&text::encode_base64(value));
    }

    fn timestamp(&mut self, value: Time) {
        let format = self.member.timestamp.unwrap_or(TimestampFormat::Iso8601);
        self.leaf(&text::format_time(value, format));
    }

    fn document(&mut self, value: &Document) {
        self.leaf(&value.to_string());
    }

    fn stream(&mut self, _: &ByteStream) {
        self.null();
    }

    fn list(&mut self, elements: &mut dyn Iterator<Item = &dyn Encode>) {
        let Kind::List { element } = &self.member.schema.kind else { return self.null() };
        let flattened = self.member.flattened;
        if !flattened {
            self.open(&[]);
        }
        let name = if flattened { self.member.xml_name } else { element.xml_name };
        for value in elements {
            value.encode(&mut XmlEncoder::named(self.out, element, name));
        }
        if !flattened {
            self.close();
        }
    }

    fn map(&mut self, entries: &mut dyn Iterator<Item = (&str, &dyn Encode)>) {
        let Kind::Map { key, value: member } = &self.member.schema.kind else { return self.null() };
        if !self.member.flattened {
            self.open(&[]);
        }
        for (name, value) in entries {
            if self.member.flattened {
                self.open(&[]);
            } else {
                self.out.push_str("<entry>");
            }
            XmlEncoder::new(self.out, key).leaf(name);
            value.encode(&mut XmlEncoder::new(self.out, member));
            if self.member.flattened {
                self.close();
            } else {
                self.out.push_str("</entry>");
            }
        }
        if !self.member.flattened {
            self.close();
        }
    }

    fn structure(&mut self, members: &[Option<&dyn Encode>]) {
        self.open(members);
        for (member, value) in self.member.schema.members().iter().zip(members) {
            let Some(value) = value else { continue };
            if member.xml_attribute || (!self.scope.holds(member)) {
                continue;
            }
            value.encode(&mut XmlEncoder::new(self.out, member));
        }
        self.close();
    }
}
