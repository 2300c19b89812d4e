//! References that the transform follows itself: to parameters, and to what SAM resources generate.

use std::collections::BTreeMap;

use super::node::{Dict, Node};
use super::problem::{Problem, Result};

/// What the template's parameters give.
pub struct Parameters(pub BTreeMap<String, Node>);

impl Parameters {
    /// A value with its references to parameters followed, as far as they are known.
    pub fn resolve(&self, node: &Node) -> Result<Node> {
        if let Some(("Ref", name)) = node.intrinsic()
            && let Some(value) = name.text().and_then(|name| self.0.get(name))
        {
            return Ok(value.clone());
        }
        match node {
            Node::Dict(dict) => match node.intrinsic() {
                Some(("Fn::Sub", argument)) => {
                    let mut resolved = dict.clone();
                    resolved.insert("Fn::Sub", self.sub_argument(argument)?);
                    Ok(resolved.into())
                }
                _ => self.members(dict),
            },
            Node::List(items) => {
                Ok(Node::List(items.iter().map(|item| self.resolve(item)).collect::<Result<_>>()?))
            }
            other => Ok(other.clone()),
        }
    }

    fn members(&self, dict: &Dict) -> Result<Node> {
        let mut resolved = dict.clone();
        for value in resolved.values_mut() {
            *value = self.resolve(value)?;
        }
        Ok(resolved.into())
    }

    fn sub_argument(&self, argument: &Node) -> Result<Node> {
        let substitute = |text: &super::node::Text| -> Result<Node> {
            let replaced = replace_variables(&text.text, |name| match self.0.get(name) {
                None => Ok(None),
                Some(Node::Text(value)) => Ok(Some(value.text.clone())),
                Some(other) => Err(Problem::Template(format!(
                    "Invalid Fn::Sub variable value {}. Fn::Sub expects all variables to be strings.",
                    super::digest::python(other)
                ))),
            })?;
            Ok(text.with(replaced).into())
        };
        match argument {
            Node::Text(text) => substitute(text),
            Node::List(items) => {
                let mut resolved = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    resolved.push(match item {
                        Node::Text(text) if index == 0 => substitute(text)?,
                        other => self.resolve(other)?,
                    });
                }
                Ok(Node::List(resolved))
            }
            other => self.resolve(other),
        }
    }
}

/// Replaces the variables of a `Fn::Sub` text for which there is something else.
pub fn replace_variables(text: &str, other: impl Fn(&str) -> Result<Option<String>>) -> Result<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        match after.split_once('}').filter(|(name, _)| is_variable(name)) {
            Some((name, tail)) => {
                match other(name)? {
                    Some(value) => out.push_str(&value),
                    None => out.push_str(&format!("${{{name}}}")),
                }
                rest = tail;
            }
            None => {
                out.push_str("${");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn is_variable(name: &str) -> bool {
    let pseudo = |rest: &str| {
        rest.starts_with(|c: char| c.is_ascii_uppercase()) && rest.chars().all(|c| c.is_ascii_alphabetic())
    };
    (!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '.'))
        || name.strip_prefix("AWS::").is_some_and(pseudo)
}

/// What SAM resources have become: the new ids of those that got one, and the ids of what they generate.
#[derive(Default)]
pub struct Generated {
    /// Logical id → new logical id.
    pub renamed: BTreeMap<String, String>,
    /// Logical id, property (`Stage`) → logical id.
    pub named: BTreeMap<(String, String), String>,
}

impl Generated {
    /// Points every reference of a template to what SAM resources have become.
    pub fn apply(&self, node: &mut Node) {
        match node {
            Node::List(items) => items.iter_mut().for_each(|item| self.apply(item)),
            Node::Dict(dict) => {
                self.depends_on(dict);
                self.references(dict);
                dict.values_mut().for_each(|value| self.apply(value));
            }
            _ => {}
        }
    }

    fn depends_on(&self, dict: &mut Dict) {
        let rename = |node: &mut Node| {
            if let Some(id) = node.text().and_then(|id| self.renamed.get(id)) {
                *node = id.as_str().into();
            }
        };
        match dict.get_mut("DependsOn") {
            Some(Node::List(items)) => items.iter_mut().for_each(rename),
            Some(other) => rename(other),
            None => {}
        }
    }

    fn references(&self, dict: &mut Dict) {
        let changed = match dict.intrinsic() {
            Some(("Ref", name)) => name.text().and_then(|name| self.reference(name)).map(Node::from),
            Some(("Fn::GetAtt", argument)) => argument.list().and_then(|list| self.get_att(list)),
            Some(("Fn::Sub", Node::Text(text))) => Some(text.with(self.sub(&text.text)).into()),
            Some(("Fn::Sub", Node::List(items))) => match items.split_first() {
                Some((Node::Text(text), rest)) => {
                    let mut items = vec![Node::Text(text.with(self.sub(&text.text)))];
                    items.extend_from_slice(rest);
                    Some(items.into())
                }
                _ => None,
            },
            _ => None,
        };
        let key = dict.keys().first().map(|key| (*key).to_owned());
        if let (Some(value), Some(key)) = (changed, key) {
            dict.insert(key, value);
        }
    }

    fn reference(&self, name: &str) -> Option<String> {
        match name.split_once('.') {
            None => self.renamed.get(name).cloned(),
            Some((id, property)) => self.named.get(&(id.to_owned(), property.to_owned())).cloned(),
        }
    }

    fn get_att(&self, argument: &[Node]) -> Option<Node> {
        let parts: Option<Vec<&str>> = argument.iter().map(Node::text).collect();
        let joined = parts.filter(|parts| parts.len() >= 2)?.join(".");
        let mut parts = joined.split('.');
        let (id, second) = (parts.next()?, parts.next()?);
        let with = |id: &str, rest: Vec<&str>| {
            let all = std::iter::once(id).chain(rest);
            Node::List(all.map(Node::from).collect())
        };
        if let Some(found) = self.renamed.get(id) {
            return Some(with(found, std::iter::once(second).chain(parts).collect()));
        }
        let found = self.named.get(&(id.to_owned(), second.to_owned()))?;
        Some(with(found, parts.collect()))
    }

    fn sub(&self, text: &str) -> String {
        let other = |name: &str| {
            let (id, rest) = name.split_once('.').unwrap_or((name, ""));
            let (property, tail) = rest.split_once('.').map_or((rest, None), |(a, b)| (a, Some(b)));
            let found = match self.renamed.get(id) {
                Some(found) if rest.is_empty() => Some(found.clone()),
                Some(found) => Some(format!("{found}.{rest}")),
                None => {
                    let found = self.named.get(&(id.to_owned(), property.to_owned()));
                    found.map(|found| tail.map_or(found.clone(), |tail| format!("{found}.{tail}")))
                }
            };
            Ok(found.map(|found| format!("${{{found}}}")))
        };
        // What is given never fails.
        replace_variables(text, other).unwrap_or_else(|_| text.to_owned())
    }
}
