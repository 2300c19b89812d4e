//! What can be said of a template before any resource is made.

use std::collections::BTreeSet;

use super::conditions::{self, PSEUDO_PARAMETERS};
use super::model::Template;
use super::references::{Use, uses};
use super::run::refuse_dynamic_reference;
use super::types::Types;
use super::value::Value;
use super::{Result, TemplateError, properties};

/// Checks a template against the resource types that there are.
///
/// The error names everything that is wrong at once, in the service's words: types and properties
/// that are not supported, references, attributes, conditions and mappings that do not
/// exist, functions that are malformed or not supported.
pub fn check(template: &Template, types: &dyn Types) -> Result<()> {
    let mut checker = Checker { template, types, problems: Vec::new(), seen: BTreeSet::new() };
    if let Err(error) = conditions::order(template) {
        checker.problems.push(error.message().to_owned());
    }
    checker.resource_types();
    checker.references();
    checker.outputs();
    checker.schemas();
    TemplateError::of_problems(&checker.problems)
}

struct Checker<'a> {
    template: &'a Template,
    types: &'a dyn Types,
    problems: Vec<String>,
    seen: BTreeSet<String>,
}

impl<'a> Checker<'a> {
    fn problem(&mut self, message: String) {
        if self.seen.insert(message.clone()) {
            self.problems.push(message);
        }
    }

    fn resource_types(&mut self) {
        let declared = self.template.resources.values().map(|resource| resource.resource_type.as_str());
        let unknown: BTreeSet<&str> =
            declared.filter(|name| self.types.resource_type(name).is_none()).collect();
        if !unknown.is_empty() {
            let names = unknown.into_iter().collect::<Vec<_>>().join(", ");
            self.problem(format!("Template format error: Unrecognized resource types: [{names}]"));
        }
    }

    fn references(&mut self) {
        let mut unresolved = BTreeSet::new();
        for resource in self.template.resources.values() {
            let named = resource.depends_on.iter().map(String::as_str);
            unresolved.extend(named.filter(|id| !self.template.resources.contains_key(*id)));
            self.condition(resource.condition.as_deref(), "Resources");
            for value in resource.expressions() {
                self.value(value, &mut unresolved);
            }
        }
        self.unresolved(&unresolved, "Resources");
    }

    fn outputs(&mut self) {
        let mut unresolved = BTreeSet::new();
        for (name, output) in &self.template.outputs {
            self.condition(output.condition.as_deref(), "Outputs");
            self.value(&output.value, &mut unresolved);
            let Some(export) = &output.export_name else { continue };
            self.value(export, &mut unresolved);
            if self.depends_on_resources(export) {
                self.problem(format!(
                    "Template format error: Output {name} is malformed. The Name field of every Export member must not \
                     depend on any resources, imported values, or Fn::GetAZs"
                ));
            }
        }
        self.unresolved(&unresolved, "Outputs");
    }

    fn unresolved(&mut self, names: &BTreeSet<&str>, block: &str) {
        if !names.is_empty() {
            let names = names.iter().copied().collect::<Vec<_>>().join(", ");
            self.problem(format!(
                "Template format error: Unresolved resource dependencies [{names}] in the {block} block of the template"
            ));
        }
    }

    fn condition(&mut self, condition: Option<&str>, block: &str) {
        if let Some(name) = condition.filter(|name| !self.template.conditions.contains_key(*name)) {
            self.problem(format!(
                "Template format error: Unresolved condition dependency {name} in the {block} block of the template"
            ));
        }
    }

    /// Checks what one value refers to, in both branches of each `Fn::If`.
    fn value(&mut self, value: &'a Value, unresolved: &mut BTreeSet<&'a str>) {
        let mut found = Vec::new();
        if let Err(error) = uses(value, None, &mut |one| found.push(one)) {
            self.problem(error.message().to_owned());
        }
        for one in found {
            self.reference(one, unresolved);
        }
    }

    fn reference(&mut self, found: Use<'a>, unresolved: &mut BTreeSet<&'a str>) {
        let template = self.template;
        match found {
            Use::Ref(name) => {
                let known = template.parameters.contains_key(name)
                    || template.resources.contains_key(name)
                    || PSEUDO_PARAMETERS.contains(&name);
                if !known {
                    unresolved.insert(name);
                }
            }
            Use::GetAtt(id, attribute) => self.attribute(id, attribute),
            Use::Condition(name, function) if !template.conditions.contains_key(name) => {
                self.problem(format!("Template error: unresolved condition dependency {name} in {function}"));
            }
            Use::Mapping(name) if !template.mappings.contains_key(name) => {
                self.problem(format!(
                    "Template error: Mapping named '{name}' is not present in the 'Mappings' section of template."
                ));
            }
            Use::Import(name) if self.depends_on_resources(name) => self.problem(
                "Template error: the attribute in Fn::ImportValue must not depend on any resources, imported values, \
                 or Fn::GetAZs"
                    .to_owned(),
            ),
            Use::Text(text) => {
                if let Err(error) = refuse_dynamic_reference(text) {
                    self.problem(error.message().to_owned());
                }
            }
            Use::Extension(function) if !template.extended => {
                self.problem(conditions::needs_extensions(function));
            }
            Use::Condition(..) | Use::Mapping(_) | Use::Import(_) | Use::Azs | Use::Extension(_) => {}
        }
    }

    fn attribute(&mut self, id: &str, attribute: Option<&str>) {
        let Some(resource) = self.template.resources.get(id) else {
            return self.problem(format!(
                "Template error: instance of Fn::GetAtt references undefined resource {id}"
            ));
        };
        let (Some(name), Some(found)) = (attribute, self.types.resource_type(&resource.resource_type)) else {
            return;
        };
        if !found.gives(name) {
            self.problem(format!(
                "Template error: resource {id} does not support attribute type {name} in Fn::GetAtt"
            ));
        }
    }

    /// Whether a name that must be known before any resource is not.
    fn depends_on_resources(&self, value: &Value) -> bool {
        let mut depends = false;
        let walked = uses(value, None, &mut |found| {
            depends |= match found {
                Use::Ref(name) => self.template.resources.contains_key(name),
                Use::GetAtt(..) | Use::Import(_) | Use::Azs => true,
                Use::Condition(..) | Use::Mapping(_) | Use::Text(_) | Use::Extension(_) => false,
            }
        });
        walked.is_ok() && depends
    }

    /// Properties against the descriptions of their types.
    fn schemas(&mut self) {
        let mut problems = Vec::new();
        for (id, resource) in &self.template.resources {
            if let Some(resource_type) = self.types.resource_type(&resource.resource_type) {
                problems.extend(properties::check_template(id, resource, &resource.described(resource_type)));
            }
        }
        if !problems.is_empty() {
            let lines = properties::lines(self.template, &problems);
            self.problems.extend(properties::describe(&problems, &lines));
        }
    }
}
