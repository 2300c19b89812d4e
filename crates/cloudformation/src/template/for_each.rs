//! `AWS::LanguageExtensions`: loops, which are unrolled before the template is read.
//!
//! Source: the template reference, "AWS::LanguageExtensions transform", "Fn::ForEach", and the user guide's examples
//! of it. The transform's functions that give values (`Fn::Length`, `Fn::ToJsonString`, the default of
//! `Fn::FindInMap`) are evaluated with all others.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use super::evaluate::{Environment, Nothing};
use super::model::Template;
use super::parameters::{Parameter, ParameterValues, bind};
use super::parse::MAX_EXPANDED_BYTES;
use super::run::Run;
use super::value::{Map, NODE_BYTES, Value};
use super::{Result, TemplateError};

/// The transform's name.
pub const LANGUAGE_EXTENSIONS: &str = "AWS::LanguageExtensions";
/// What the names of loops begin with.
const FOR_EACH: &str = "Fn::ForEach::";
/// How deep loops may be nested. Source: the template reference, "Fn::ForEach".
const MAX_NESTED: usize = 5;

fn error<T>(message: impl std::fmt::Display) -> Result<T> {
    Err(TemplateError::new(format!("Transform {LANGUAGE_EXTENSIONS} failed with: {message}")))
}

/// Unrolls the loops of a template.
///
/// # Errors
/// Loops that are malformed, or go over what is not known before any resource is made; a result that is too large.
pub fn unroll(map: &Map, values: &ParameterValues, environment: &Environment) -> Result<Map> {
    let known = Known::new(map, values, environment)?;
    let mut unrolling = Unrolling { known: &known, spent: 0, names: BTreeSet::new() };
    let mut unrolled = Map::new();
    for (section, value) in map {
        let value = match (section.as_str(), value) {
            ("Resources" | "Outputs" | "Conditions", Value::Map(members)) => {
                Value::Map(unrolling.map(members, &Loops::default())?)
            }
            _ => value.clone(),
        };
        unrolled.insert(section.clone(), value);
    }
    if let Some(Value::Map(resources)) = unrolled.get_mut("Resources") {
        for resource in resources.values_mut() {
            known.settle_policies(resource)?;
        }
    }
    Ok(unrolled)
}

/// What a template says without its resources.
struct Known<'a> {
    template: Template,
    environment: &'a Environment,
    parameters: BTreeMap<String, Value>,
    conditions: BTreeMap<String, bool>,
}

impl<'a> Known<'a> {
    fn new(map: &Map, values: &ParameterValues, environment: &'a Environment) -> Result<Self> {
        let members = |section: &str| map.get(section).and_then(Value::as_map).cloned().unwrap_or_default();
        let declared = members("Parameters");
        let declared: IndexMap<String, Parameter> = declared
            .iter()
            .map(|(name, value)| Ok((name.clone(), Parameter::parse(name, value)?)))
            .collect::<Result<_>>()?;
        let parameters = bind(&declared, values)?;
        let template = Template { mappings: members("Mappings"), extended: true, ..Template::default() };
        Ok(Self { template, environment, parameters, conditions: BTreeMap::new() })
    }

    fn value(&self, value: &Value) -> Result<Option<Value>> {
        Run::new(&self.template, self.environment, &self.parameters, &self.conditions, &Nothing).value(value)
    }

    /// Policies may be functions of parameters with the transform.
    fn settle_policies(&self, resource: &mut Value) -> Result<()> {
        let Value::Map(resource) = resource else { return Ok(()) };
        for name in ["DeletionPolicy", "UpdateReplacePolicy"] {
            if let Some(policy @ Value::Map(_)) = resource.get(name) {
                match self.value(policy)? {
                    Some(value) => drop(resource.insert(name.to_owned(), value)),
                    None => drop(resource.shift_remove(name)),
                }
            }
        }
        Ok(())
    }
}

/// The variables of the loops around.
#[derive(Default, Clone)]
struct Loops(Vec<(String, String)>);

impl Loops {
    fn with(&self, name: &str, value: &str) -> Self {
        let mut all = self.0.clone();
        all.push((name.to_owned(), value.to_owned()));
        Self(all)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// `${Name}` and `&{Name}`, the second without what is not alphanumeric.
    fn replace(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| {
            let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
            text.replace(&format!("${{{name}}}"), value).replace(&format!("&{{{name}}}"), &plain)
        })
    }
}

struct Unrolling<'a> {
    known: &'a Known<'a>,
    /// Bytes of the result, about.
    spent: usize,
    /// The names of all loops: no two may have the same.
    names: BTreeSet<String>,
}

impl Unrolling<'_> {
    fn spend(&mut self, bytes: usize) -> Result<()> {
        self.spent = self.spent.saturating_add(bytes + NODE_BYTES);
        if self.spent > MAX_EXPANDED_BYTES {
            return error(format!(
                "the template has more than {MAX_EXPANDED_BYTES} bytes once its loops are unrolled"
            ));
        }
        Ok(())
    }

    fn value(&mut self, value: &Value, loops: &Loops) -> Result<Value> {
        Ok(match value {
            Value::Map(map) => match (map.len(), map.get("Ref")) {
                (1, Some(Value::String(name))) if loops.get(name).is_some() => {
                    loops.get(name).unwrap_or_default().into()
                }
                _ => {
                    let unrolled = self.map(map, loops)?;
                    self.named(unrolled)?
                }
            },
            Value::List(items) => {
                Value::List(items.iter().map(|item| self.value(item, loops)).collect::<Result<_>>()?)
            }
            Value::String(text) => {
                let text = loops.replace(text);
                self.spend(text.len())?;
                Value::String(text)
            }
            other => {
                self.spend(other.cost())?;
                other.clone()
            }
        })
    }

    fn map(&mut self, map: &Map, loops: &Loops) -> Result<Map> {
        let mut unrolled = Map::new();
        for (key, value) in map {
            let members = match key.strip_prefix(FOR_EACH) {
                Some(name) => self.for_each(name, value, loops)?,
                None => {
                    let key = loops.replace(key);
                    self.spend(key.len())?;
                    Map::from([(key, self.value(value, loops)?)])
                }
            };
            for (key, value) in members {
                if unrolled.contains_key(&key) {
                    return error(format!("Fn::ForEach gives the key {key} twice"));
                }
                unrolled.insert(key, value);
            }
        }
        Ok(unrolled)
    }

    /// A reference whose name is a function: its name.
    fn named(&self, mut map: Map) -> Result<Value> {
        let single = map.len() == 1;
        let name = match map.first_mut() {
            Some((key, argument @ Value::Map(_))) if single && key == "Ref" => Some(argument),
            Some((key, Value::List(items))) if single && key == "Fn::GetAtt" => {
                items.first_mut().filter(|id| id.as_map().is_some())
            }
            _ => None,
        };
        if let Some(name) = name {
            match self.known.value(name)? {
                Some(Value::String(resolved)) => *name = resolved.into(),
                _ => return error("the name in a Ref or Fn::GetAtt must be a string"),
            }
        }
        Ok(Value::Map(map))
    }

    fn for_each(&mut self, name: &str, value: &Value, loops: &Loops) -> Result<Map> {
        let shape = "Fn::ForEach takes a list of an identifier, a collection and an object of outputs";
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
            return error(format!("Fn::ForEach::{name}: the name of a loop must be alphanumeric"));
        }
        if loops.0.is_empty() && !self.names.insert(name.to_owned()) {
            return error(format!("Fn::ForEach::{name}: the name of a loop must be unique in the template"));
        }
        if loops.0.len() >= MAX_NESTED {
            return error(format!("Fn::ForEach::{name}: loops may be nested {MAX_NESTED} deep at most"));
        }
        let Some([Value::String(variable), collection, Value::Map(body)]) = value.as_list() else {
            return error(format!("Fn::ForEach::{name}: {shape}"));
        };
        if self.known.parameters.contains_key(variable) || loops.get(variable).is_some() {
            return error(format!("Fn::ForEach::{name}: the identifier {variable} is taken"));
        }
        let mut unrolled = Map::new();
        for item in self.collection(name, collection, loops)? {
            for (key, value) in self.map(body, &loops.with(variable, &item))? {
                if unrolled.contains_key(&key) {
                    return error(format!("Fn::ForEach::{name} gives the key {key} twice"));
                }
                unrolled.insert(key, value);
            }
        }
        Ok(unrolled)
    }

    /// What a loop goes over: each once.
    fn collection(&mut self, name: &str, value: &Value, loops: &Loops) -> Result<Vec<String>> {
        let value = self.value(value, loops)?;
        let items = match self.known.value(&value) {
            Ok(Some(Value::List(items))) => items,
            Ok(_) => return error(format!("Fn::ForEach::{name}: the collection must be a list")),
            Err(why) => {
                return error(format!("Fn::ForEach::{name}: the collection cannot be resolved: {why}"));
            }
        };
        let mut seen = BTreeSet::new();
        let mut texts = Vec::new();
        for item in items.iter().filter_map(|item| item.text()) {
            if seen.insert(item.to_string()) {
                texts.push(item.into_owned());
            }
        }
        if texts.is_empty() {
            return error(format!("Fn::ForEach::{name}: the collection is empty"));
        }
        Ok(texts)
    }
}
