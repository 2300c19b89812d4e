//! A small tree of elements: members of XML structures come in any order, and those of
//! flattened lists between one another.

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

use crate::codec::Result;
use crate::text::Form;

/// Deepest nesting of elements.
const MAX_DEPTH: usize = 64;
/// Most elements: ten thousand parts of an upload with all their members are 70,000.
const MAX_ELEMENTS: usize = 200_000;
/// Most attributes of one element: the reader compares each with all before it.
const MAX_ATTRIBUTES: usize = 64;

/// An element.
#[derive(Debug, Default)]
pub(crate) struct Element {
    /// Its name, without a namespace prefix.
    pub(crate) name: String,
    /// Attributes, by name with prefix.
    pub(crate) attributes: Vec<(String, String)>,
    /// Elements within.
    pub(crate) children: Vec<Element>,
    /// All text directly within.
    pub(crate) text: String,
}

impl Element {
    /// The root element of a document. A document type is refused, so that no entity beyond
    /// XML's own five can be declared, and nothing from outside is ever read; so is a control character.
    pub(crate) fn parse(input: &[u8]) -> Result<Element> {
        let text = std::str::from_utf8(input).map_err(|_| malformed("not UTF-8"))?;
        if text.contains(is_forbidden) {
            return Err(malformed("an invalid XML character"));
        }
        let mut reader = Reader::from_str(text);
        let mut open: Vec<Element> = Vec::new();
        let mut root = None;
        let mut count = 0;
        loop {
            let event = reader.read_event().map_err(|e| malformed(e.to_string()))?;
            if let Event::Start(_) | Event::Empty(_) = event {
                count += 1;
                if count > MAX_ELEMENTS || open.len() >= MAX_DEPTH || root.is_some() {
                    return Err(malformed("too many elements, or too deep"));
                }
            }
            match event {
                Event::Start(start) => open.push(Element::start(&start)?),
                Event::Empty(start) => close(&mut open, &mut root, Element::start(&start)?),
                Event::End(_) => {
                    let done = open.pop().ok_or_else(|| malformed("unmatched end tag"))?;
                    close(&mut open, &mut root, done);
                }
                Event::Text(text) => add_text(&mut open, &text.xml10_content())?,
                Event::CData(text) => add_text(&mut open, &text.xml10_content())?,
                Event::GeneralRef(reference) => {
                    let char = match reference.resolve_char_ref().map_err(|e| malformed(e.to_string()))? {
                        Some(char) => char,
                        None => predefined(&reference).ok_or_else(|| malformed("unknown entity"))?,
                    };
                    add_text(&mut open, char.encode_utf8(&mut [0; 4]))?;
                }
                Event::DocType(_) => return Err(malformed("document types are not accepted")),
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
                Event::Eof if open.is_empty() => return root.ok_or_else(|| malformed("no root element")),
                Event::Eof => return Err(malformed("unexpected end")),
            }
        }
    }

    fn start(start: &BytesStart<'_>) -> Result<Element> {
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|e| malformed(e.to_string()))?;
            if attributes.len() >= MAX_ATTRIBUTES {
                return Err(malformed("too many attributes"));
            }
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            let value = value.map_err(|e| malformed(e.to_string()))?;
            attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
        }
        let name = start.local_name().as_ref().to_owned();
        Ok(Element { name, attributes, ..Element::default() })
    }

    /// The first child of this name.
    pub(crate) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The attribute of this name; a name without prefix also finds one with.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let named = |(own, _): &&(String, String)| {
            own == name
                || own.split_once(':').is_some_and(|(prefix, local)| prefix != "xmlns" && local == name)
        };
        self.attributes.iter().find(named).map(|(_, value)| value.as_str())
    }
}

fn predefined(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => None,
    }
}

fn close(open: &mut [Element], root: &mut Option<Element>, done: Element) {
    match open.last_mut() {
        Some(parent) => parent.children.push(done),
        None => *root = Some(done),
    }
}

fn add_text(open: &mut [Element], text: &str) -> Result<()> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim_matches(['\u{feff}', ' ', '\t', '\r', '\n']).is_empty() => {}
        None => return Err(malformed("text outside of the root element")),
    }
    Ok(())
}

/// XML 1.0, 2.2 "Characters": there is no control character but tab and the ends of lines.
fn is_forbidden(char: char) -> bool {
    matches!(char, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f')
}

fn malformed(detail: impl Into<String>) -> crate::Error {
    Form::Xml.malformed(detail)
}
