//! The tree that the transform works on: values as the SAM translator sees them.
//!
//! The logical id of a REST API's deployment is a digest of its OpenAPI document as Python 2.7 prints it.
//! So that the id is SAM's own, a text knows whether it came out of the template (Python 2.7 prints it
//! with a `u`), and a mapping may keep its members in the order of Python 2.7's dictionaries (see
//! [`super::order`]).

use indexmap::IndexMap;

use super::order::Slots;
use crate::template::{Map, Value};

/// A node of a template on its way through the transform.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it was written.
    Number(String),
    /// Text.
    Text(Text),
    /// A list.
    List(Vec<Node>),
    /// A mapping.
    Dict(Dict),
}

/// Text, and whether it came out of the template.
#[derive(Debug, Clone)]
pub struct Text {
    /// The text.
    pub text: String,
    /// It came out of the template.
    pub own: bool,
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), own: false }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self { text, own: false }
    }
}

impl Text {
    /// Text that came out of the template.
    pub fn own(text: impl Into<String>) -> Self {
        Self { text: text.into(), own: true }
    }

    /// Another text of the same origin.
    pub fn with(&self, text: impl Into<String>) -> Self {
        Self { text: text.into(), own: self.own }
    }
}

/// A mapping: in the order of its insertions, or in that of Python 2.7's dictionaries.
#[derive(Debug, Clone, Default)]
pub struct Dict {
    entries: IndexMap<String, (bool, Node)>,
    slots: Option<Slots>,
}

impl PartialEq for Dict {
    fn eq(&self, other: &Self) -> bool {
        self.entries.len() == other.entries.len()
            && self.entries.iter().all(|(key, (_, value))| other.get(key) == Some(value))
    }
}

impl Dict {
    /// A mapping in the order of its insertions.
    pub fn new() -> Self {
        Self::default()
    }

    /// A mapping in the order of Python 2.7's dictionaries.
    pub fn ordered() -> Self {
        Self { entries: IndexMap::new(), slots: Some(Slots::default()) }
    }

    /// A member.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// A member that is not null.
    pub fn some(&self, key: &str) -> Option<&Node> {
        self.get(key).filter(|value| **value != Node::Null)
    }

    /// A member that Python takes as true.
    pub fn truthy(&self, key: &str) -> Option<&Node> {
        self.get(key).filter(|value| value.is_truthy())
    }

    /// A member, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    /// Whether there is a member of this name.
    pub fn contains(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Sets a member; one that is there keeps its place.
    pub fn insert(&mut self, key: impl Into<Text>, value: impl Into<Node>) {
        let Text { text, own } = key.into();
        if let Some(slots) = &mut self.slots
            && !slots.add(&text)
        {
            self.slots = None;
        }
        match self.entries.get_mut(&text) {
            Some(entry) => entry.1 = value.into(),
            None => {
                self.entries.insert(text, (own, value.into()));
            }
        }
    }

    /// The member of this name, made by `value` if there is none.
    pub fn entry(&mut self, key: impl Into<Text>, value: impl FnOnce() -> Node) -> Option<&mut Node> {
        let key = key.into();
        if !self.contains(&key.text) {
            self.insert(key.clone(), value());
        }
        self.get_mut(&key.text)
    }

    /// Takes a member out.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        if let Some(slots) = &mut self.slots {
            slots.remove(key);
        }
        self.entries.shift_remove(key).map(|(_, value)| value)
    }

    /// Sets every member of another mapping.
    pub fn update(&mut self, other: &Dict) {
        if let Some(slots) = &mut self.slots
            && !slots.merge(&other.keys())
        {
            self.slots = None;
        }
        for (key, value) in other.members() {
            self.insert(key, value.clone());
        }
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The names of the members, in order.
    pub fn keys(&self) -> Vec<&str> {
        match &self.slots {
            Some(slots) => slots.keys(),
            None => self.entries.keys().map(String::as_str).collect(),
        }
    }

    /// The members, in order.
    pub fn members(&self) -> impl Iterator<Item = (Text, &Node)> {
        self.keys().into_iter().filter_map(|key| {
            let (own, value) = self.entries.get(key)?;
            Some((Text { text: key.to_owned(), own: *own }, value))
        })
    }

    /// Every value, to be changed, in no particular order.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.entries.values_mut().map(|(_, value)| value)
    }

    /// A copy whose order is that of a dictionary's `copy`.
    pub fn copied(&self) -> Self {
        let mut copy =
            Self { entries: IndexMap::new(), slots: self.slots.as_ref().map(|_| Slots::default()) };
        copy.update(self);
        copy
    }

    /// Brings the members, at every depth, into the order that a deep copy has.
    pub fn recopy(&mut self) {
        if let Some(slots) = &mut self.slots {
            slots.recopy();
        }
        self.values_mut().for_each(Node::recopy);
    }

    /// The only member, if it is an intrinsic function: name and argument.
    pub fn intrinsic(&self) -> Option<(&str, &Node)> {
        let (key, (_, value)) = self.entries.first().filter(|_| self.entries.len() == 1)?;
        (matches!(key.as_str(), "Ref" | "Condition") || key.starts_with("Fn::"))
            .then_some((key.as_str(), value))
    }
}

impl Node {
    /// The text, if this is one.
    pub fn text(&self) -> Option<&str> {
        self.as_text().map(|text| text.text.as_str())
    }

    /// The text with its origin, if this is one.
    pub fn as_text(&self) -> Option<&Text> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The mapping, if this is one.
    pub fn dict(&self) -> Option<&Dict> {
        match self {
            Self::Dict(dict) => Some(dict),
            _ => None,
        }
    }

    /// The mapping, if this is one, to be changed.
    pub fn dict_mut(&mut self) -> Option<&mut Dict> {
        match self {
            Self::Dict(dict) => Some(dict),
            _ => None,
        }
    }

    /// The list, if this is one.
    pub fn list(&self) -> Option<&[Node]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The list, if this is one, to be changed.
    pub fn list_mut(&mut self) -> Option<&mut Vec<Node>> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// Whether this is `true`.
    pub fn is_true(&self) -> bool {
        *self == Self::Bool(true)
    }

    /// Whether Python takes this as true.
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(flag) => *flag,
            Self::Number(text) => text.parse::<f64>() != Ok(0.0),
            Self::Text(text) => !text.text.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Dict(dict) => !dict.is_empty(),
        }
    }

    /// Name and argument, if this is an intrinsic function.
    pub fn intrinsic(&self) -> Option<(&str, &Node)> {
        self.dict()?.intrinsic()
    }

    /// Whether this is `AWS::NoValue`.
    pub fn is_no_value(&self) -> bool {
        matches!(self.intrinsic(), Some(("Ref", name)) if name.text() == Some("AWS::NoValue"))
    }

    /// See [`Dict::recopy`].
    pub fn recopy(&mut self) {
        match self {
            Self::List(items) => items.iter_mut().for_each(Self::recopy),
            Self::Dict(dict) => dict.recopy(),
            _ => {}
        }
    }

    /// The same out of the template: texts with their origin, mappings in the order of Python 2.7.
    pub fn owned(&self) -> Self {
        match self {
            Self::Text(text) => Self::Text(Text::own(text.text.clone())),
            Self::List(items) => Self::List(items.iter().map(Self::owned).collect()),
            Self::Dict(dict) => {
                let mut ordered = Dict::ordered();
                for (key, value) in dict.members() {
                    ordered.insert(Text::own(key.text), value.owned());
                }
                Self::Dict(ordered)
            }
            other => other.clone(),
        }
    }

    /// The same as a template's value.
    pub fn into_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => Value::Bool(flag),
            Self::Number(text) => Value::Number(text),
            Self::Text(text) => Value::String(text.text),
            Self::List(items) => Value::List(items.into_iter().map(Self::into_value).collect()),
            Self::Dict(dict) => Value::Map(dict.into_map()),
        }
    }
}

impl Dict {
    /// The same as a template's mapping.
    pub fn into_map(self) -> Map {
        self.entries.into_iter().map(|(key, (_, value))| (key, value.into_value())).collect()
    }
}

impl From<&Value> for Node {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(text) => Self::Number(text.clone()),
            Value::String(text) => Self::Text(text.as_str().into()),
            Value::List(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Map(map) => Self::Dict(map.into()),
        }
    }
}

impl From<&Map> for Dict {
    fn from(map: &Map) -> Self {
        let mut dict = Self::new();
        for (key, value) in map {
            dict.insert(key.as_str(), value);
        }
        dict
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Text> for Node {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Node {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<Dict> for Node {
    fn from(dict: Dict) -> Self {
        Self::Dict(dict)
    }
}

impl From<Vec<Node>> for Node {
    fn from(items: Vec<Node>) -> Self {
        Self::List(items)
    }
}

/// A mapping of the transform's own, in the order of its insertions.
pub fn dict<const N: usize>(members: [(&str, Node); N]) -> Node {
    let mut dict = Dict::new();
    members.into_iter().for_each(|(key, value)| dict.insert(key, value));
    dict.into()
}

/// A mapping of the transform's own, in the order of Python 2.7's dictionaries.
pub fn ordered<const N: usize>(members: [(&str, Node); N]) -> Node {
    let mut dict = Dict::ordered();
    members.into_iter().for_each(|(key, value)| dict.insert(key, value));
    dict.into()
}

/// `Ref` of a logical id.
pub fn reference(id: impl Into<Text>) -> Node {
    dict([("Ref", Node::Text(id.into()))])
}

/// `Fn::GetAtt` of a resource's attribute.
pub fn get_att(id: impl Into<Text>, attribute: &str) -> Node {
    dict([("Fn::GetAtt", vec![Node::Text(id.into()), attribute.into()].into())])
}

/// `Fn::Sub` with variables.
pub fn sub<const N: usize>(text: impl Into<Text>, variables: [(&str, Node); N]) -> Node {
    dict([("Fn::Sub", vec![Node::Text(text.into()), dict(variables)].into())])
}

/// `Fn::If` between a value and nothing.
pub fn conditional(condition: impl Into<Node>, value: Node) -> Node {
    dict([("Fn::If", vec![condition.into(), value, reference("AWS::NoValue")].into())])
}
