//! Properties against the description of their type: what is missing, unknown or of the wrong kind,
//! and the coercion of scalars into the kinds that the provider reads.

use std::collections::{BTreeMap, BTreeSet};

use super::functions::{Function, function};
use super::lines::lines_of;
use super::model::{Resource, Template};
use super::types::{Kind, Property, ResourceType};
use super::value::{Map, Value};
use super::{MAX_PROBLEMS, Result, TemplateError};

/// Something wrong with a property of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The resource's logical id.
    pub resource: String,
    /// Where in the properties, as `/Tags/0`; empty for the properties themselves.
    pub path: String,
    /// The key that the problem is about, if it is there.
    pub key: Option<String>,
    /// What is wrong, in the words of the service's validator.
    pub message: String,
}

/// Checks a resource's properties as they stand in the template: functions are taken for whatever is needed.
pub(crate) fn check_template(id: &str, resource: &Resource, resource_type: &ResourceType) -> Vec<Problem> {
    let mut checker = Checker { resource: id, evaluated: false, problems: Vec::new() };
    checker.resource(resource_type, &resource.properties);
    checker.problems
}

/// Checks evaluated properties and turns their scalars into the kinds of the type's description.
///
/// Fails with all that is wrong, in the words of the service's validator.
pub fn coerce(resource_type: &ResourceType, logical_id: &str, properties: &Map) -> Result<Map> {
    let mut checker = Checker { resource: logical_id, evaluated: true, problems: Vec::new() };
    let coerced = checker.resource(resource_type, properties);
    TemplateError::of_problems(&describe(&checker.problems, &BTreeMap::new()))?;
    Ok(coerced)
}

/// One text for each resource that has problems.
pub(crate) fn describe(problems: &[Problem], lines: &BTreeMap<String, usize>) -> Vec<String> {
    let mut texts: Vec<(&str, String)> = Vec::new();
    for problem in problems {
        let line = lines.get(&pointer(problem)).map(|line| format!(" (line {line})")).unwrap_or_default();
        let text = format!("\n#{}: {}{line}", problem.path, problem.message);
        match texts.last_mut().filter(|(resource, _)| *resource == problem.resource) {
            Some((_, texts)) => texts.push_str(&text),
            None => {
                let head =
                    format!("Properties validation failed for resource {} with message:", problem.resource);
                texts.push((&problem.resource, head + &text));
            }
        }
    }
    texts.into_iter().map(|(_, text)| text).collect()
}

/// The lines of the template on which the first problems are.
pub(crate) fn lines(template: &Template, problems: &[Problem]) -> BTreeMap<String, usize> {
    let paths: BTreeSet<String> = problems.iter().take(MAX_PROBLEMS).map(pointer).collect();
    lines_of(&template.body, &paths)
}

/// Where in the template a problem is.
fn pointer(problem: &Problem) -> String {
    let key = problem.key.as_ref().map(|key| format!("/{key}")).unwrap_or_default();
    format!("/Resources/{}/Properties{}{key}", problem.resource, problem.path)
}

/// The path of a member. A long key is cut, so that paths stay short whatever the template says.
fn child(path: &str, key: &str) -> String {
    const MAX_KEY_CHARS: usize = 128;
    let end = key.char_indices().nth(MAX_KEY_CHARS).map_or(key.len(), |(end, _)| end);
    format!("{path}/{}", key.get(..end).unwrap_or_default())
}

struct Checker<'a> {
    resource: &'a str,
    /// Whether functions have been evaluated, so that what looks like one is data.
    evaluated: bool,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn problem(&mut self, path: &str, key: Option<&str>, message: String) {
        self.problems.push(Problem {
            resource: self.resource.to_owned(),
            path: path.to_owned(),
            key: key.map(str::to_owned),
            message,
        });
    }

    fn resource(&mut self, resource_type: &ResourceType, properties: &Map) -> Map {
        if !resource_type.open {
            return self.structure(resource_type.properties, properties, "");
        }
        let (known, other): (Map, Map) = properties
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .partition(|(name, _)| resource_type.property(name).is_some());
        let mut coerced = self.structure(resource_type.properties, &known, "");
        coerced.extend(other);
        coerced
    }

    fn structure(&mut self, properties: &[Property], map: &Map, path: &str) -> Map {
        let mut coerced = Map::new();
        for (key, value) in map {
            match properties.iter().find(|property| property.name == key) {
                Some(property) => {
                    let value = self.kind(&property.kind, value, &child(path, key));
                    coerced.insert(key.clone(), value);
                }
                None => self.problem(path, Some(key), format!("extraneous key [{key}] is not permitted")),
            }
        }
        for property in
            properties.iter().filter(|property| property.required && !map.contains_key(property.name))
        {
            self.problem(path, None, format!("required key [{}] not found", property.name));
        }
        coerced
    }

    /// Checks a value and gives it in its kind; what does not fit is noted and given as it is.
    fn kind(&mut self, kind: &Kind, value: &Value, path: &str) -> Value {
        if !self.evaluated && self.is_function(kind, value, path) {
            return value.clone();
        }
        match (kind, value) {
            (Kind::List(element), Value::List(items)) => {
                let items = items.iter().enumerate();
                Value::List(
                    items
                        .map(|(index, item)| self.kind(element, item, &child(path, &index.to_string())))
                        .collect(),
                )
            }
            (Kind::Map(element), Value::Map(map)) => {
                let entries = map.iter();
                Value::Map(
                    entries.map(|(key, v)| (key.clone(), self.kind(element, v, &child(path, key)))).collect(),
                )
            }
            (Kind::Structure(properties), Value::Map(map)) => {
                Value::Map(self.structure(properties, map, path))
            }
            (Kind::Json, Value::Map(_)) => value.clone(),
            (Kind::Json, Value::String(text)) => match serde_json::from_str(text) {
                Ok(json @ serde_json::Value::Object(_)) => json.into(),
                _ => self.mismatch(kind, value, path),
            },
            _ => match scalar(kind, value) {
                Some(value) => value,
                None => self.mismatch(kind, value, path),
            },
        }
    }

    /// Whether a value is a function, whose result is not known yet. The branches of `Fn::If` are checked.
    fn is_function(&mut self, kind: &Kind, value: &Value, path: &str) -> bool {
        match function(value) {
            Ok(None) => false,
            Ok(Some(Function::If(_, yes, no))) => {
                self.kind(kind, yes, path);
                self.kind(kind, no, path);
                true
            }
            // A malformed function is reported with the references.
            Ok(Some(_)) | Err(_) => true,
        }
    }

    fn mismatch(&mut self, kind: &Kind, value: &Value, path: &str) -> Value {
        let expected = match kind {
            Kind::String => "String",
            Kind::Integer => "Integer",
            Kind::Double => "Number",
            Kind::Boolean => "Boolean",
            Kind::List(_) => "JSONArray",
            Kind::Json | Kind::Map(_) | Kind::Structure(_) => "JSONObject",
        };
        self.problem(path, None, format!("expected type: {expected}, found: {}", value.kind_name()));
        value.clone()
    }
}

/// A scalar in another's kind, if its text can be read as one.
fn scalar(kind: &Kind, value: &Value) -> Option<Value> {
    let text = value.text()?;
    match (kind, value) {
        (Kind::String, _) => Some(Value::String(text.into_owned())),
        (Kind::Integer, Value::Number(_) | Value::String(_)) => {
            text.trim().parse::<i64>().ok().map(|number| Value::Number(number.to_string()))
        }
        (Kind::Double, Value::Number(_) | Value::String(_)) => {
            let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
            number.map(|_| Value::Number(text.trim().to_owned()))
        }
        (Kind::Boolean, Value::Bool(flag)) => Some(Value::Bool(*flag)),
        (Kind::Boolean, Value::String(_)) if text.eq_ignore_ascii_case("true") => Some(Value::Bool(true)),
        (Kind::Boolean, Value::String(_)) if text.eq_ignore_ascii_case("false") => Some(Value::Bool(false)),
        _ => None,
    }
}
