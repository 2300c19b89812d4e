//! What a filter policy is asked about: a message's attributes, or its body.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use ropeway_core::effects::{AttributeValue, MessageAttribute};
use serde_json::{Map, Value as Json};

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    Null,
    Boolean(bool),
    Number(f64),
    Text(std::borrow::Cow<'a, str>),
}

/// The values of a key; `None` if it isn't there.
pub type Found<'a> = Option<Vec<Value<'a>>>;

/// A message, as filter policies see it. Its body is parsed once, when one asks.
pub struct Subject<'a> {
    attributes: &'a BTreeMap<String, MessageAttribute>,
    message: &'a str,
    body: OnceCell<Option<Map<String, Json>>>,
}

impl<'a> Subject<'a> {
    /// A message.
    pub fn new(attributes: &'a BTreeMap<String, MessageAttribute>, message: &'a str) -> Self {
        Subject { attributes, message, body: OnceCell::new() }
    }

    /// The body, if it is a JSON object.
    pub fn body(&self) -> Option<&Map<String, Json>> {
        self.body.get_or_init(|| serde_json::from_str(self.message).ok()).as_ref()
    }

    /// An attribute's values: those of its array for the type `String.Array`, none for `Binary`.
    pub fn attribute(&self, name: &str) -> Found<'a> {
        let attribute = self.attributes.get(name)?;
        let AttributeValue::Text(text) = &attribute.value else { return Some(Vec::new()) };
        if attribute.data_type == "String.Array" {
            let mut values = Vec::new();
            let array: Option<Json> = serde_json::from_str(text).ok();
            match array {
                Some(array) => collect(array, &mut values),
                None => values.push(Value::Text(text.as_str().into())),
            }
            return Some(values);
        }
        let is_number = attribute.data_type.split('.').next() == Some("Number");
        Some(match text.trim().parse().ok().filter(|_| is_number) {
            Some(number) => vec![Value::Number(number)],
            None => vec![Value::Text(text.as_str().into())],
        })
    }
}

/// The scalars of a value that is owned, arrays flattened.
fn collect(json: Json, out: &mut Vec<Value<'_>>) {
    match json {
        Json::Array(elements) => elements.into_iter().for_each(|element| collect(element, out)),
        Json::String(text) => out.push(Value::Text(text.into())),
        other => out.extend(scalar(&other).map(owned)),
    }
}

fn owned(value: Value<'_>) -> Value<'static> {
    match value {
        Value::Null => Value::Null,
        Value::Boolean(is) => Value::Boolean(is),
        Value::Number(number) => Value::Number(number),
        Value::Text(text) => Value::Text(text.into_owned().into()),
    }
}

fn scalar(json: &Json) -> Option<Value<'_>> {
    match json {
        Json::Null => Some(Value::Null),
        Json::Bool(is) => Some(Value::Boolean(*is)),
        Json::Number(number) => number.as_f64().map(Value::Number),
        Json::String(text) => Some(Value::Text(text.as_str().into())),
        Json::Array(_) | Json::Object(_) => None,
    }
}

/// The scalars at a key of an object, arrays flattened; `None` where there are none.
pub fn leaves<'a>(object: &'a Map<String, Json>, key: &str) -> Found<'a> {
    let mut out = Vec::new();
    walk(object.get(key)?, &mut |json| out.extend(scalar(json)));
    (!out.is_empty()).then_some(out)
}

/// The objects at a key of an object, arrays flattened.
pub fn objects<'a>(object: &'a Map<String, Json>, key: &str) -> Vec<&'a Map<String, Json>> {
    let mut out = Vec::new();
    if let Some(json) = object.get(key) {
        walk(json, &mut |json| out.extend(json.as_object()));
    }
    out
}

fn walk<'a>(json: &'a Json, each: &mut dyn FnMut(&'a Json)) {
    match json {
        Json::Array(elements) => elements.iter().for_each(|element| walk(element, each)),
        other => each(other),
    }
}
