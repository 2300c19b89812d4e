//! A template bound to parameters and surroundings.

use std::collections::{BTreeMap, BTreeSet};

use super::creation::{self, Awaited};
use super::graph::{self, Graph};
use super::model::{OutputDefinition, Resource, Template};
use super::parameters::{ParameterValues, bind};
use super::references::{Use, uses};
use super::run::Run;
use super::value::{Map, Value};
use super::{Result, TemplateError, conditions, rules};

/// What the pseudo parameters give.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// `AWS::AccountId`.
    pub account_id: String,
    /// `AWS::Region`.
    pub region: String,
    /// `AWS::Partition`, as `aws`.
    pub partition: String,
    /// `AWS::URLSuffix`, as `amazonaws.com`.
    pub url_suffix: String,
    /// `AWS::StackId`.
    pub stack_id: String,
    /// `AWS::StackName`.
    pub stack_name: String,
    /// `AWS::NotificationARNs`.
    pub notification_arns: Vec<String>,
}

/// What evaluation finds outside the template: the resources that exist so far, exports and zones.
pub trait Lookup {
    /// What `Ref` of a resource gives; none if it does not exist yet.
    fn reference(&self, logical_id: &str) -> Option<Value>;
    /// What `Fn::GetAtt` gives; none if the resource does not exist yet or has no such attribute.
    fn attribute(&self, logical_id: &str, name: &str) -> Option<Value>;
    /// The value that another stack exports under this name.
    fn import(&self, name: &str) -> Option<String>;
    /// The availability zones of a region.
    fn availability_zones(&self, region: &str) -> Vec<String> {
        ["a", "b", "c"].iter().map(|zone| format!("{region}{zone}")).collect()
    }
}

/// What conditions and loops are evaluated with: before there is anything to look up.
pub(super) struct Nothing;

impl Lookup for Nothing {
    fn reference(&self, _: &str) -> Option<Value> {
        None
    }

    fn attribute(&self, _: &str, _: &str) -> Option<Value> {
        None
    }

    fn import(&self, _: &str) -> Option<String> {
        None
    }
}

/// An output of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The output's name in the template.
    pub key: String,
    /// Its value.
    pub value: String,
    /// For people.
    pub description: Option<String>,
    /// The name under which other stacks import it.
    pub export_name: Option<String>,
}

/// A template with its parameters bound and its conditions decided.
#[derive(Debug, Clone)]
pub struct Evaluation<'t> {
    template: &'t Template,
    environment: Environment,
    parameters: BTreeMap<String, Value>,
    conditions: BTreeMap<String, bool>,
    order: Vec<String>,
}

impl<'t> Evaluation<'t> {
    /// Binds a template to the values of its parameters, decides its conditions and orders its resources.
    ///
    /// Fails on values that are missing, unknown or refused by a constraint, on references to
    /// resources that a condition leaves out, and on circular dependencies.
    pub fn new(template: &'t Template, environment: Environment, values: &ParameterValues) -> Result<Self> {
        let parameters = bind(&template.parameters, values)?;
        let conditions = conditions::evaluate(template, &environment, &parameters)?;
        let mut evaluation = Self { template, environment, parameters, conditions, order: Vec::new() };
        evaluation.check_outputs()?;
        evaluation.order = evaluation.sort()?;
        Ok(evaluation)
    }

    /// Checks the values of the parameters against the template's rules.
    ///
    /// # Errors
    /// Every assertion that does not hold, by its description; rules that are malformed.
    pub fn check_rules(&self) -> Result<()> {
        rules::check(self.template, &self.environment, &self.parameters)
    }

    /// The template.
    pub fn template(&self) -> &'t Template {
        self.template
    }

    /// What `Ref` of each parameter gives.
    pub fn parameters(&self) -> &BTreeMap<String, Value> {
        &self.parameters
    }

    /// Whether each condition holds.
    pub fn conditions(&self) -> &BTreeMap<String, bool> {
        &self.conditions
    }

    /// A resource, if the template has it and its condition holds.
    pub fn resource(&self, logical_id: &str) -> Option<&'t Resource> {
        self.template.resources.get(logical_id).filter(|resource| self.holds(resource.condition.as_deref()))
    }

    /// The logical ids of the resources that exist, each after all that it depends on. Deletion goes backwards.
    pub fn creation_order(&self) -> &[String] {
        &self.order
    }

    /// The logical ids that a resource depends on, by reference or `DependsOn`.
    ///
    /// Fails if it refers to a resource that a condition leaves out.
    pub fn dependencies(&self, logical_id: &str) -> Result<BTreeSet<&'t str>> {
        let Some(resource) = self.resource(logical_id) else { return Ok(BTreeSet::new()) };
        // A DependsOn that a condition leaves out is nothing to wait for.
        let named = resource.depends_on.iter().map(String::as_str).filter(|id| self.resource(id).is_some());
        let mut needs: BTreeSet<&str> = named.collect();
        let mut missing = BTreeSet::new();
        for value in resource.expressions() {
            uses(value, Some(&self.conditions), &mut |found| match found {
                Use::Ref(id) | Use::GetAtt(id, _) if self.template.resources.contains_key(id) => {
                    let set = if self.resource(id).is_some() { &mut needs } else { &mut missing };
                    set.insert(id);
                }
                _ => {}
            })?;
        }
        refuse_missing(&missing, "Resources")?;
        Ok(needs)
    }

    /// The properties of a resource, evaluated. All that it depends on must be found by `lookup`.
    ///
    /// Fails with what the functions in it say, among them imports that do not exist.
    pub fn properties(&self, logical_id: &str, lookup: &dyn Lookup) -> Result<Map> {
        match self.resource(logical_id) {
            Some(resource) => self.run(lookup).map(&resource.properties),
            None => Ok(Map::new()),
        }
    }

    /// The metadata of a resource, evaluated.
    pub fn metadata(&self, logical_id: &str, lookup: &dyn Lookup) -> Result<Option<Value>> {
        match self.resource(logical_id).and_then(|resource| resource.metadata.as_ref()) {
            Some(metadata) => self.value(metadata, lookup),
            None => Ok(None),
        }
    }

    /// What the creation of a resource waits for; none: for nothing.
    pub fn awaited(&self, logical_id: &str, lookup: &dyn Lookup) -> Result<Option<Awaited>> {
        let Some(policy) = self.resource(logical_id).and_then(|resource| resource.creation_policy.as_ref())
        else {
            return Ok(None);
        };
        let policy = self.value(policy, lookup)?.unwrap_or(Value::Null);
        creation::evaluated(logical_id, &policy).map(Some)
    }

    /// Any value of the template, evaluated; none if it is `AWS::NoValue`.
    pub fn value(&self, value: &Value, lookup: &dyn Lookup) -> Result<Option<Value>> {
        self.run(lookup).value(value)
    }

    /// The outputs that exist, in the order of the template.
    pub fn outputs(&self, lookup: &dyn Lookup) -> Result<Vec<Output>> {
        let mut exports = BTreeSet::new();
        let mut outputs = Vec::new();
        for (key, definition) in self.active_outputs() {
            let output = self.output(key, definition, lookup)?;
            if let Some(name) = &output.export_name
                && !exports.insert(name.clone())
            {
                return Err(TemplateError::new(format!("Template error: Duplicate Export names: [{name}]")));
            }
            outputs.push(output);
        }
        Ok(outputs)
    }

    fn output(&self, key: &str, definition: &OutputDefinition, lookup: &dyn Lookup) -> Result<Output> {
        let text =
            |value: &Value, field: &str| match self.value(value, lookup)?.as_ref().and_then(Value::text) {
                Some(text) => Ok(text.into_owned()),
                None => Err(TemplateError::new(format!(
                    "Template format error: Output {key} is malformed. The {field} must evaluate to a String."
                ))),
            };
        let value = text(&definition.value, "Value field of every Outputs member")?;
        let export_name = definition.export_name.as_ref();
        let export_name =
            export_name.map(|name| text(name, "Name field of every Export member")).transpose()?;
        if export_name.as_deref().is_some_and(|name| !is_export_name(name)) {
            return Err(TemplateError::new(format!(
                "Template format error: Output {key} is malformed. The Name field of every Export member must be \
                 specified and consist only of alphanumeric characters, colons, or hyphens."
            )));
        }
        Ok(Output { key: key.to_owned(), value, description: definition.description.clone(), export_name })
    }

    fn active_outputs(&self) -> impl Iterator<Item = (&'t String, &'t OutputDefinition)> {
        self.template.outputs.iter().filter(|(_, output)| self.holds(output.condition.as_deref()))
    }

    /// Fails if an output that exists refers to a resource that does not.
    fn check_outputs(&self) -> Result<()> {
        let mut missing = BTreeSet::new();
        for (_, output) in self.active_outputs() {
            uses(&output.value, Some(&self.conditions), &mut |found| match found {
                Use::Ref(id) | Use::GetAtt(id, _)
                    if self.template.resources.contains_key(id) && self.resource(id).is_none() =>
                {
                    missing.insert(id);
                }
                _ => {}
            })?;
        }
        refuse_missing(&missing, "Outputs")
    }

    fn sort(&self) -> Result<Vec<String>> {
        let mut needs: Graph<'_> = BTreeMap::new();
        for id in self.template.resources.keys().filter(|id| self.resource(id).is_some()) {
            needs.insert(id, self.dependencies(id)?);
        }
        match graph::order(&needs) {
            Ok(order) => Ok(order.into_iter().map(str::to_owned).collect()),
            Err(cycle) => Err(TemplateError::new(format!(
                "Circular dependency between resources: [{}]",
                cycle.join(", ")
            ))),
        }
    }

    /// Whether a condition holds; what has none exists. That conditions exist is `check`'s to say:
    /// here an unknown one does not hold.
    fn holds(&self, condition: Option<&str>) -> bool {
        condition.is_none_or(|name| self.conditions.get(name).copied().unwrap_or(false))
    }

    fn run<'a>(&'a self, lookup: &'a dyn Lookup) -> Run<'a> {
        Run::new(self.template, &self.environment, &self.parameters, &self.conditions, lookup)
    }
}

fn refuse_missing(missing: &BTreeSet<&str>, block: &str) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.iter().copied().collect::<Vec<_>>().join(", ");
    Err(TemplateError::new(format!(
        "Template format error: Unresolved resource dependencies [{names}] in the {block} block of the template"
    )))
}

fn is_export_name(name: &str) -> bool {
    const MAX: usize = 255;
    (1..=MAX).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ':' | '-'))
}
