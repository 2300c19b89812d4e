//! The tree that both template syntaxes parse into.

use std::borrow::Cow;

use indexmap::IndexMap;

/// A mapping that keeps the order of the template. Equality does not depend on the order.
pub type Map = IndexMap<String, Value>;

/// What a node counts for besides its text where limits on expansion count bytes.
pub(crate) const NODE_BYTES: usize = 16;

/// A node of a template, or of what its evaluation gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`: refused in templates, but parsed so that it can be refused with its path.
    Null,
    /// `true` or `false`; in YAML also `yes`, `no`, `on` and `off`.
    Bool(bool),
    /// A number as it was written: no digit is lost between the template and the resource.
    /// (JSON's exponents alone are respelled: `1E3` as `1e+3`.)
    Number(String),
    /// Text.
    String(String),
    /// A list.
    List(Vec<Value>),
    /// A mapping.
    Map(Map),
}

impl Value {
    /// The text of a scalar as CloudFormation turns it into a string; none for lists, maps and null.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Bool(true) => Some(Cow::Borrowed("true")),
            Self::Bool(false) => Some(Cow::Borrowed("false")),
            Self::Number(text) | Self::String(text) => Some(Cow::Borrowed(text)),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// The string, if this is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The list, if this is one.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The mapping, if this is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Whether both are the same to a resource: scalars compare by their text, so that `5` and `"5"` do not differ.
    pub fn same(&self, other: &Value) -> bool {
        match (self, other) {
            (Self::List(a), Self::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b)),
            (Self::Map(a), Self::Map(b)) => {
                a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| a.same(b)))
            }
            _ => self == other || self.text().is_some_and(|text| Some(text) == other.text()),
        }
    }

    /// About how many bytes of memory the tree takes: what limits on expansion count.
    pub(crate) fn cost(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) => NODE_BYTES,
            Self::Number(text) | Self::String(text) => NODE_BYTES + text.len(),
            Self::List(items) => items.iter().fold(NODE_BYTES, |sum, item| sum.saturating_add(item.cost())),
            Self::Map(map) => map.iter().fold(NODE_BYTES, |sum, (key, item)| {
                sum.saturating_add(key.len()).saturating_add(item.cost())
            }),
        }
    }

    /// What the service's validator calls this kind of value.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self {
            Self::Null => "Null",
            Self::Bool(_) => "Boolean",
            Self::Number(text) if text.parse::<i64>().is_ok() => "Integer",
            Self::Number(_) => "BigDecimal",
            Self::String(_) => "String",
            Self::List(_) => "JSONArray",
            Self::Map(_) => "JSONObject",
        }
    }

    /// The same tree as JSON; a number that JSON cannot write becomes a string.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(flag) => (*flag).into(),
            Self::Number(text) => match text.parse::<serde_json::Number>() {
                Ok(number) => serde_json::Value::Number(number),
                Err(_) => text.as_str().into(),
            },
            Self::String(text) => text.as_str().into(),
            Self::List(items) => items.iter().map(Value::to_json).collect(),
            Self::Map(map) => map.iter().map(|(key, item)| (key.clone(), item.to_json())).collect(),
        }
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(flag) => Self::Bool(flag),
            serde_json::Value::Number(number) => Self::Number(number.to_string()),
            serde_json::Value::String(text) => Self::String(text),
            serde_json::Value::Array(items) => Self::List(items.into_iter().map(Value::from).collect()),
            serde_json::Value::Object(map) => {
                Self::Map(map.into_iter().map(|(key, item)| (key, Value::from(item))).collect())
            }
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}
