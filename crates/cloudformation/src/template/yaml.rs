//! YAML templates: YAML's events, CloudFormation's short-form tags and scalar rules.
//!
//! Scalars resolve as in YAML 1.1, as CloudFormation reads it: `yes`, `no`, `on` and `off` are
//! booleans, `y` and `n` are not. Dates stay strings, as do digits with a leading zero
//! (account ids), and numbers keep the text they were written with.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::parse::{MAX_DEPTH, MAX_EXPANDED_BYTES, too_deep};
use super::value::{Map, NODE_BYTES, Value};
use super::{Result, TemplateError};

/// The short-form tags and the keys of the functions that they stand for.
const SHORT_FORMS: [(&str, &str); 21] = [
    ("Ref", "Ref"),
    ("Condition", "Condition"),
    ("GetAtt", "Fn::GetAtt"),
    ("Sub", "Fn::Sub"),
    ("Join", "Fn::Join"),
    ("Select", "Fn::Select"),
    ("Split", "Fn::Split"),
    ("FindInMap", "Fn::FindInMap"),
    ("Base64", "Fn::Base64"),
    ("Cidr", "Fn::Cidr"),
    ("GetAZs", "Fn::GetAZs"),
    ("ImportValue", "Fn::ImportValue"),
    ("If", "Fn::If"),
    ("And", "Fn::And"),
    ("Or", "Fn::Or"),
    ("Not", "Fn::Not"),
    ("Equals", "Fn::Equals"),
    ("Transform", "Fn::Transform"),
    ("ForEach", "Fn::ForEach"),
    ("Length", "Fn::Length"),
    ("ToJsonString", "Fn::ToJsonString"),
];

/// The prefix of YAML's own tags.
const CORE: &str = "tag:yaml.org,2002:";

/// Parses one YAML document.
pub(crate) fn parse(body: &str) -> Result<Value> {
    let mut parser = Parser::new_from_str(body);
    let mut builder = Builder::default();
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| malformed(*error.marker(), error.info()))?;
        builder.event(event, span.start)?;
    }
    builder.root.ok_or_else(|| TemplateError::new("Template format error: unsupported structure."))
}

/// The service's words for broken YAML, then what was wrong.
fn malformed(at: Marker, detail: &str) -> TemplateError {
    TemplateError::new(format!(
        "Template format error: YAML not well-formed. (line {}, column {}) {detail}",
        at.line(),
        at.col() + 1
    ))
}

/// A list or mapping whose end has not come yet.
struct Frame {
    content: Content,
    anchor: usize,
    tag: Option<Tag>,
    start: Marker,
}

enum Content {
    List(Vec<Value>),
    Map { entries: Map, key: Option<Key>, merged: Vec<Value> },
}

enum Key {
    Name(String),
    Merge,
}

/// Builds the tree from events, without recursion.
#[derive(Default)]
struct Builder {
    frames: Vec<Frame>,
    anchors: BTreeMap<usize, Value>,
    root: Option<Value>,
    documents: usize,
    cost: usize,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, at: Marker) -> Result<()> {
        match event {
            Event::DocumentStart(_) => self.document(at),
            Event::Scalar(text, style, anchor, tag) => self.scalar(&text, style, anchor, tag.as_deref(), at),
            Event::SequenceStart(anchor, tag) => {
                self.open(Content::List(Vec::new()), anchor, tag.map(|tag| tag.into_owned()), at)
            }
            Event::MappingStart(anchor, tag) => {
                let content = Content::Map { entries: Map::new(), key: None, merged: Vec::new() };
                self.open(content, anchor, tag.map(|tag| tag.into_owned()), at)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(at),
            Event::Alias(id) => {
                let value = self.anchors.get(&id).cloned();
                let value = value.ok_or_else(|| malformed(at, "an alias stands inside the node it names"))?;
                self.charge(value.cost(), at)?;
                self.add(value, at)
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn document(&mut self, at: Marker) -> Result<()> {
        self.documents += 1;
        if self.documents > 1 {
            return Err(malformed(at, "expected a single document in the stream"));
        }
        Ok(())
    }

    fn open(&mut self, content: Content, anchor: usize, tag: Option<Tag>, start: Marker) -> Result<()> {
        if self.frames.len() >= MAX_DEPTH {
            return Err(too_deep());
        }
        if let Some(Frame { content: Content::Map { key: None, .. }, .. }) = self.frames.last() {
            return Err(malformed(start, "a key must be a scalar"));
        }
        self.charge(NODE_BYTES, start)?;
        self.frames.push(Frame { content, anchor, tag, start });
        Ok(())
    }

    fn close(&mut self, at: Marker) -> Result<()> {
        let Some(frame) = self.frames.pop() else {
            return Err(malformed(at, "unexpected end of a collection"));
        };
        let value = match frame.content {
            Content::List(items) => Value::List(items),
            Content::Map { entries, merged, .. } => Value::Map(merge(entries, merged, frame.start)?),
        };
        let value = tagged_collection(value, frame.tag.as_ref(), frame.start)?;
        self.finish(value, frame.anchor, frame.start)
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        at: Marker,
    ) -> Result<()> {
        if let Some(Frame { content: Content::Map { entries, key: key @ None, .. }, .. }) =
            self.frames.last_mut()
        {
            let plain = style == ScalarStyle::Plain && tag.is_none();
            if plain && text == "<<" {
                *key = Some(Key::Merge);
                return Ok(());
            }
            if entries.contains_key(text) {
                return Err(malformed(at, &format!("duplicate key \"{text}\"")));
            }
            *key = Some(Key::Name(text.to_owned()));
            if anchor != 0 {
                self.anchor(anchor, &Value::from(text), at)?;
            }
            return self.charge(text.len(), at);
        }
        let value = tagged_scalar(text, style, tag, at)?;
        self.charge(value.cost(), at)?;
        self.finish(value, anchor, at)
    }

    /// A node is complete: keep it under its anchor and hand it to the collection around it.
    fn finish(&mut self, value: Value, anchor: usize, at: Marker) -> Result<()> {
        if anchor != 0 {
            self.anchor(anchor, &value, at)?;
        }
        self.add(value, at)
    }

    fn anchor(&mut self, anchor: usize, value: &Value, at: Marker) -> Result<()> {
        self.charge(value.cost(), at)?;
        self.anchors.insert(anchor, value.clone());
        Ok(())
    }

    fn add(&mut self, value: Value, at: Marker) -> Result<()> {
        match self.frames.last_mut().map(|frame| &mut frame.content) {
            None => self.root = Some(value),
            Some(Content::List(items)) => items.push(value),
            Some(Content::Map { entries, key, merged }) => match key.take() {
                Some(Key::Name(name)) => {
                    entries.insert(name, value);
                }
                Some(Key::Merge) => merged.push(value),
                None => {
                    let name =
                        value.text().ok_or_else(|| malformed(at, "a key must be a scalar"))?.into_owned();
                    if entries.contains_key(&name) {
                        return Err(malformed(at, &format!("duplicate key \"{name}\"")));
                    }
                    *key = Some(Key::Name(name));
                }
            },
        }
        Ok(())
    }

    /// Counts what is built, copies under anchors and through aliases included, so that a few
    /// lines of aliases to aliases cannot fill the memory.
    fn charge(&mut self, bytes: usize, at: Marker) -> Result<()> {
        self.cost = self.cost.saturating_add(bytes);
        if self.cost > MAX_EXPANDED_BYTES {
            return Err(malformed(
                at,
                &format!("aliases expand the template past {MAX_EXPANDED_BYTES} bytes"),
            ));
        }
        Ok(())
    }
}

/// Adds the entries of merge keys (`<<`): explicit keys win, then earlier mappings.
fn merge(mut entries: Map, merged: Vec<Value>, at: Marker) -> Result<Map> {
    for value in merged {
        let maps = match value {
            Value::List(items) => items,
            value => vec![value],
        };
        for map in maps {
            let Value::Map(map) = map else {
                return Err(malformed(at, "a merge key takes a mapping or a list of mappings"));
            };
            for (key, value) in map {
                entries.entry(key).or_insert(value);
            }
        }
    }
    Ok(entries)
}

/// The key of the function that a short-form tag stands for.
fn short_form(tag: &Tag, at: Marker) -> Result<&'static str> {
    let found = SHORT_FORMS.iter().find(|(name, _)| tag.handle == "!" && *name == tag.suffix);
    found.map(|(_, key)| *key).ok_or_else(|| unsupported(tag, at))
}

fn unsupported(tag: &Tag, at: Marker) -> TemplateError {
    malformed(at, &format!("unsupported tag {tag}"))
}

fn function(key: &str, argument: Value) -> Value {
    Value::Map(Map::from_iter([(key.to_owned(), argument)]))
}

fn tagged_collection(value: Value, tag: Option<&Tag>, at: Marker) -> Result<Value> {
    let Some(tag) = tag else { return Ok(value) };
    if tag.handle == CORE {
        let fits = matches!((tag.suffix.as_str(), &value), ("seq", Value::List(_)) | ("map", Value::Map(_)));
        return if fits { Ok(value) } else { Err(unsupported(tag, at)) };
    }
    Ok(function(short_form(tag, at)?, value))
}

fn tagged_scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, at: Marker) -> Result<Value> {
    let Some(tag) = tag else {
        return Ok(if style == ScalarStyle::Plain { resolve(text) } else { Value::from(text) });
    };
    if tag.handle.is_empty() && tag.suffix == "!" {
        return Ok(Value::from(text));
    }
    if tag.handle == CORE {
        let value = if tag.suffix == "str" { Value::from(text) } else { resolve(text) };
        let fits = matches!(
            (tag.suffix.as_str(), &value),
            ("str", _)
                | ("int" | "float", Value::Number(_))
                | ("bool", Value::Bool(_))
                | ("null", Value::Null)
        );
        return if fits { Ok(value) } else { Err(unsupported(tag, at)) };
    }
    let key = short_form(tag, at)?;
    let argument = match (key, text.split_once('.')) {
        ("Fn::GetAtt", Some((resource, attribute))) => Value::List(vec![resource.into(), attribute.into()]),
        _ => text.into(),
    };
    Ok(function(key, argument))
}

/// What a plain scalar means.
fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Value::Bool(false),
        _ if is_number(text) => Value::Number(text.to_owned()),
        _ => Value::from(text),
    }
}

/// JSON's grammar of numbers, which has no leading zeros, signs or underscores to lose.
fn is_number(text: &str) -> bool {
    let starts = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    starts && text.parse::<serde_json::Number>().is_ok()
}
