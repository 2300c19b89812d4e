//! A client's side of the Query protocol, to test the server's.

use base64::Engine as _;
use bytes::Bytes;
use ropeway_core::Time;
use ropeway_wire::schema::{Kind, Member};
use ropeway_wire::{ByteStream, Document, Encode, Encoder};

/// Writes a value as parameters.
pub struct FormEncoder<'o> {
    pub out: &'o mut Vec<(String, String)>,
    pub name: String,
    pub member: &'static Member,
}

/// The form that a value makes.
pub fn form(value: &dyn Encode, member: &'static Member) -> String {
    let mut out = Vec::new();
    value.encode(&mut FormEncoder { out: &mut out, name: String::new(), member });
    let escape = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    out.iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
        .collect::<Vec<_>>()
        .join("&")
}

impl FormEncoder<'_> {
    fn put(&mut self, value: impl ToString) {
        self.out.push((self.name.clone(), value.to_string()));
    }

    fn child(&mut self, name: &str, member: &'static Member) -> FormEncoder<'_> {
        let name = if self.name.is_empty() { name.to_owned() } else { format!("{}.{name}", self.name) };
        FormEncoder { out: self.out, name, member }
    }
}

impl Encoder for FormEncoder<'_> {
    fn member(&self) -> &'static Member {
        self.member
    }
    fn null(&mut self) {}
    fn boolean(&mut self, value: bool) {
        self.put(value);
    }
    fn integer(&mut self, value: i64) {
        self.put(value);
    }
    fn float(&mut self, value: f64) {
        match value {
            _ if value == f64::INFINITY => self.put("Infinity"),
            _ if value == f64::NEG_INFINITY => self.put("-Infinity"),
            _ => self.put(value),
        }
    }
    fn string(&mut self, value: &str) {
        self.put(value);
    }
    fn blob(&mut self, value: &Bytes) {
        self.put(base64::prelude::BASE64_STANDARD.encode(value));
    }
    fn timestamp(&mut self, value: Time) {
        self.put(format!("{:.3}", value.millis() as f64 / 1000.0));
    }
    fn document(&mut self, value: &Document) {
        self.put(value);
    }
    fn stream(&mut self, _: &ByteStream) {}
    fn list(&mut self, elements: &mut dyn Iterator<Item = &dyn Encode>) {
        let Kind::List { element } = &self.member.schema.kind else { panic!("a list") };
        let mut count = 0;
        for (n, value) in elements.enumerate() {
            count += 1;
            let name = if self.member.flattened {
                format!("{}", n + 1)
            } else {
                format!("{}.{}", element.xml_name, n + 1)
            };
            value.encode(&mut self.child(&name, element));
        }
        if count == 0 {
            self.put("");
        }
    }
    fn map(&mut self, entries: &mut dyn Iterator<Item = (&str, &dyn Encode)>) {
        let Kind::Map { key, value: member } = &self.member.schema.kind else { panic!("a map") };
        let mut count = 0;
        for (n, (name, value)) in entries.enumerate() {
            count += 1;
            let at = if self.member.flattened { format!("{}", n + 1) } else { format!("entry.{}", n + 1) };
            self.child(&format!("{at}.{}", key.xml_name), key).string(name);
            value.encode(&mut self.child(&format!("{at}.{}", member.xml_name), member));
        }
        if count == 0 {
            self.put("");
        }
    }
    fn structure(&mut self, members: &[Option<&dyn Encode>]) {
        for (member, value) in self.member.schema.members().iter().zip(members) {
            if let Some(value) = value {
                value.encode(&mut self.child(member.xml_name, member));
            }
        }
    }
}
