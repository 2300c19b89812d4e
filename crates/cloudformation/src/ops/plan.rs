//! What an update would change.

use std::collections::{BTreeMap, BTreeSet};

use ropeway_wire::{Cx, Error};

use super::CloudFormation;
use crate::commands::{Command, Output};
use crate::error;
use crate::keys::{StackKey, exports_shard};
use crate::model::{self, Definition, Resource};
use crate::providers::Registry;
use crate::runner::{Deployed, environment};
use crate::template::{self, Evaluation, Lookup, ResourceChange, Template, TemplateError, diff};

/// A stack before an update, and what the update makes of it.
pub struct Plan {
    /// The changes.
    pub changes: Vec<ResourceChange>,
    /// Nothing would change but resources: no output or tag.
    pub same: bool,
    /// The resources as they are deployed.
    pub resources: BTreeMap<String, Resource>,
}

impl Plan {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.same
    }
}

impl CloudFormation {
    /// Compares what a stack is made of with what it shall be made of.
    pub(crate) async fn plan(
        &self,
        cx: &Cx,
        key: &StackKey,
        deployed: &Definition,
        planned: &Definition,
    ) -> Result<Plan, Error> {
        let Output::Resources(resources) = self.on_stack(cx, key, Command::Resources(key.clone())).await?
        else {
            return Err(error::unexpected());
        };
        let new = Template::parse(&planned.template)?;
        let new = Evaluation::new(&new, environment(key, planned), &planned.values())?;
        if deployed.template.is_empty() {
            // The import that should have made the stack has failed.
            return Ok(Plan { changes: additions(&new), same: false, resources });
        }
        let old = Template::parse(&deployed.template)?;
        let old = Evaluation::new(&old, environment(key, deployed), &deployed.values())?;
        let changes =
            self.with_imports(cx, key, &resources, |lookup| diff(&old, &new, &Registry, lookup)).await?;
        let made = match self.with_imports(cx, key, &resources, |lookup| new.outputs(lookup)).await {
            // They may be of resources that are not there yet.
            Err(error) if error.status < 500 && !changes.is_empty() => None,
            made => Some(outputs(made?)),
        };
        let same = deployed.tags == planned.tags
            && deployed.notifications == planned.notifications
            && made.is_some_and(|made| made == deployed.outputs);
        Ok(Plan { changes, same, resources })
    }

    /// The properties that a resource will have, as far as they are known before an update that changes others.
    pub(crate) async fn forecast(
        &self,
        cx: &Cx,
        key: &StackKey,
        resources: &BTreeMap<String, Resource>,
        planned: &Definition,
        id: &str,
        unknown: &BTreeSet<String>,
    ) -> Result<template::Map, Error> {
        let new = Template::parse(&planned.template)?;
        let new = Evaluation::new(&new, environment(key, planned), &planned.values())?;
        self.with_imports(cx, key, resources, |lookup| template::forecast(&new, id, lookup, unknown)).await
    }

    /// Evaluates something, reading the exports that it imports without holding them.
    async fn with_imports<T>(
        &self,
        cx: &Cx,
        key: &StackKey,
        resources: &BTreeMap<String, Resource>,
        evaluate: impl Fn(&dyn Lookup) -> Result<T, TemplateError>,
    ) -> Result<T, Error> {
        let mut imports: BTreeMap<String, String> = BTreeMap::new();
        loop {
            let (result, wanted) = {
                let lookup = Deployed::new(resources, &imports);
                (evaluate(&lookup), lookup.wanted())
            };
            let before = imports.len();
            for name in wanted {
                let command = Command::Export(key.scope.clone(), name.clone());
                if let Output::Value(Some(value)) =
                    self.submit(cx, &exports_shard(&key.scope), command).await?
                {
                    imports.insert(name, value);
                }
            }
            if imports.len() == before {
                return Ok(result?);
            }
        }
    }
}

/// The changes that make a stack of nothing.
pub fn additions(evaluation: &Evaluation<'_>) -> Vec<ResourceChange> {
    let added = evaluation.creation_order().iter().filter_map(|id| {
        let resource_type = evaluation.resource(id)?.resource_type.clone();
        Some(ResourceChange {
            action: template::Action::Add,
            logical_id: id.clone(),
            resource_type,
            replacement: None,
            policy: None,
            details: Vec::new(),
        })
    });
    added.collect()
}

fn outputs(outputs: Vec<template::Output>) -> Vec<model::Output> {
    let row = |o: template::Output| model::Output {
        key: o.key,
        value: o.value,
        description: o.description,
        export_name: o.export_name,
    };
    outputs.into_iter().map(row).collect()
}
