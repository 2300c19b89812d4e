//! What an evaluation finds outside of its template.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::{Run, Stop};
use crate::commands::{Command, Output};
use crate::model::Resource;
use crate::providers;
use crate::template::{Lookup, Reference, TemplateError, Value, is_custom};

/// Deployed resources, and the exports that have been read.
pub(crate) struct Deployed<'a> {
    resources: &'a BTreeMap<String, Resource>,
    imports: &'a BTreeMap<String, String>,
    /// Exports that were asked for and have not been read.
    wanted: RefCell<BTreeSet<String>>,
}

impl<'a> Deployed<'a> {
    pub fn new(resources: &'a BTreeMap<String, Resource>, imports: &'a BTreeMap<String, String>) -> Self {
        Self { resources, imports, wanted: RefCell::default() }
    }

    /// The exports that were asked for in vain.
    pub fn wanted(self) -> BTreeSet<String> {
        self.wanted.into_inner()
    }

    fn attribute_of(&self, id: &str, name: &str) -> Option<Value> {
        let resource = self.resources.get(id)?;
        let text = resource.state.attributes.get(name)?.as_str();
        if !is_custom(&resource.resource_type) {
            return Some(text.into());
        }
        serde_json::from_str::<serde_json::Value>(text).ok().map(Value::from)
    }
}

impl Lookup for Deployed<'_> {
    fn reference(&self, logical_id: &str) -> Option<Value> {
        let resource = self.resources.get(logical_id)?;
        match providers::of(&resource.resource_type)?.resource_type().reference {
            Reference::PhysicalId => Some(resource.state.physical_id.as_deref()?.into()),
            Reference::Attribute(name) => self.attribute_of(logical_id, name),
        }
    }

    fn attribute(&self, logical_id: &str, name: &str) -> Option<Value> {
        self.attribute_of(logical_id, name)
    }

    fn import(&self, name: &str) -> Option<String> {
        let found = self.imports.get(name).cloned();
        if found.is_none() {
            self.wanted.borrow_mut().insert(name.to_owned());
        }
        found
    }
}

impl Run<'_> {
    /// Evaluates something, reading the exports that it imports. The stack holds them from then on.
    pub(super) async fn evaluate<T>(
        &mut self,
        evaluate: impl Fn(&dyn Lookup) -> Result<T, TemplateError>,
    ) -> Result<T, Stop> {
        loop {
            let (result, wanted) = {
                let lookup = Deployed::new(&self.snapshot.resources, &self.imports);
                (evaluate(&lookup), lookup.wanted())
            };
            let unread: Vec<String> = wanted.difference(&self.absent).cloned().collect();
            if unread.is_empty() {
                return Ok(result?);
            }
            for name in unread {
                let command = Command::Import(self.key.clone(), name.clone());
                match self.submit_exports(command).await? {
                    Output::Value(Some(value)) => self.imports.insert(name, value).map_or((), drop),
                    _ => drop(self.absent.insert(name)),
                }
            }
        }
    }
}
