//! What an update would change: the contents of a change set.

use std::collections::{BTreeMap, BTreeSet};

use super::evaluate::{Evaluation, Lookup};
use super::functions::function;
use super::model::{DeletionPolicy, Resource};
use super::references::{Use, uses};
use super::types::{Kind, Property, ResourceType, Types, Update};
use super::value::{Map, Value};
use super::{Result, TemplateError};

/// What stands for a value that is known only once the change set has been executed.
pub const KNOWN_AFTER_APPLY: &str = "{{changeSet:KNOWN_AFTER_APPLY}}";

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is created.
    Add,
    /// It is there, and becomes one of the stack's.
    Import,
    /// It is updated or replaced.
    Modify,
    /// It is deleted, or leaves the stack.
    Remove,
}

/// Whether a modified resource is replaced by a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Replacement {
    /// It is not.
    False,
    /// That depends on values that are not known yet.
    Conditional,
    /// It is.
    True,
}

/// A resource that an update changes.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceChange {
    /// What happens.
    pub action: Action,
    /// The resource's logical id.
    pub logical_id: String,
    /// The resource's type.
    pub resource_type: String,
    /// Whether it is replaced; only for [`Action::Modify`].
    pub replacement: Option<Replacement>,
    /// What becomes of a resource that is removed or replaced.
    pub policy: Option<DeletionPolicy>,
    /// Why and where; only for [`Action::Modify`].
    pub details: Vec<Detail>,
}

/// A change within a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Detail {
    /// Which of the resource's attributes changes.
    pub attribute: ChangedAttribute,
    /// The property, if it is one.
    pub name: Option<String>,
    /// Whether it makes a new resource.
    pub requires_recreation: Recreation,
    /// Whether the new value is known.
    pub evaluation: EvaluationKind,
    /// Where the change comes from.
    pub source: ChangeSource,
    /// The parameter, resource or attribute that it comes from.
    pub causing_entity: Option<String>,
    /// The value before.
    pub before: Option<Value>,
    /// The value after, in which [`KNOWN_AFTER_APPLY`] stands for what is not known.
    pub after: Option<Value>,
}

/// A part of a resource's declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangedAttribute {
    /// A property.
    Properties,
    /// `Metadata`.
    Metadata,
    /// `DeletionPolicy`.
    DeletionPolicy,
    /// `UpdateReplacePolicy`.
    UpdateReplacePolicy,
}

/// Whether a property's change makes a new resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recreation {
    /// It does not.
    Never,
    /// It may.
    Conditionally,
    /// It does.
    Always,
}

/// Whether the new value is known before the update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvaluationKind {
    /// It is.
    Static,
    /// It depends on a resource that the update creates or replaces.
    Dynamic,
}

/// Where a change comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeSource {
    /// `Ref` of a resource that is created or replaced.
    ResourceReference,
    /// `Fn::GetAtt` of a resource that is created or replaced.
    ResourceAttribute,
    /// `Ref` of a parameter with another value.
    ParameterReference,
    /// The template says something else.
    DirectModification,
    /// The template may say the same: what a nested stack's template says is not known.
    Automatic,
}

/// What turns a stack from `old` into `new`.
///
/// `lookup` knows the resources as they are deployed. Additions and modifications come in the order in which an
/// update makes them, removals after them in the order of deletion. Values of resources
/// that the update creates or may replace are not known: what refers to them changes dynamically.
///
/// Fails if a logical id changes its type, and if a value of the new template cannot be evaluated.
pub fn diff(
    old: &Evaluation<'_>,
    new: &Evaluation<'_>,
    types: &dyn Types,
    lookup: &dyn Lookup,
) -> Result<Vec<ResourceChange>> {
    refuse_changed_types(old, new)?;
    let mut changes = Vec::new();
    let mut unknown = BTreeSet::new();
    for id in new.creation_order() {
        let Some(resource) = new.resource(id) else { continue };
        let Some(before) = old.resource(id) else {
            unknown.insert(id.clone());
            changes.push(change(Action::Add, id, resource));
            continue;
        };
        let forecast = Forecast { lookup, unknown: &unknown };
        let resource_type = types.resource_type(&resource.resource_type);
        let comparison =
            Comparison { id, before, after: resource, old, new, resource_type, forecast: &forecast };
        let details = comparison.details()?;
        if details.is_empty() {
            continue;
        }
        let replacement = replacement(&details);
        if replacement != Replacement::False || resource_type.is_some_and(|t| t.open || t.revisited) {
            unknown.insert(id.clone());
        }
        let policy = (replacement != Replacement::False).then_some(resource.update_replace_policy);
        let modify = change(Action::Modify, id, resource);
        changes.push(ResourceChange { replacement: Some(replacement), policy, details, ..modify });
    }
    for id in old.creation_order().iter().rev().filter(|id| new.resource(id).is_none()) {
        let Some(resource) = old.resource(id) else { continue };
        let remove = change(Action::Remove, id, resource);
        changes.push(ResourceChange { policy: Some(resource.deletion_policy), ..remove });
    }
    Ok(changes)
}

/// The properties that a resource will have: [`KNOWN_AFTER_APPLY`] stands in them for what comes from resources of which
/// nothing is known yet.
pub fn forecast(
    new: &Evaluation<'_>,
    id: &str,
    lookup: &dyn Lookup,
    unknown: &BTreeSet<String>,
) -> Result<Map> {
    let forecast = Forecast { lookup, unknown };
    // A function may need more of an unknown value than its placeholder can give.
    let foreseen = |value: &Value| new.value(value, &forecast).unwrap_or(Some(KNOWN_AFTER_APPLY.into()));
    let mut properties = Map::new();
    for (name, expression) in new.resource(id).into_iter().flat_map(|resource| &resource.properties) {
        let value = match expression {
            Value::Map(map) if matches!(function(expression), Ok(None)) => {
                let each = map.iter().filter_map(|(key, value)| Some((key.clone(), foreseen(value)?)));
                Some(Value::Map(each.collect()))
            }
            expression => foreseen(expression),
        };
        properties.extend(value.map(|value| (name.clone(), value)));
    }
    Ok(properties)
}

fn change(action: Action, id: &str, resource: &Resource) -> ResourceChange {
    ResourceChange {
        action,
        logical_id: id.to_owned(),
        resource_type: resource.resource_type.clone(),
        replacement: None,
        policy: None,
        details: Vec::new(),
    }
}

fn refuse_changed_types(old: &Evaluation<'_>, new: &Evaluation<'_>) -> Result<()> {
    let both = new.creation_order().iter().filter_map(|id| Some((id, old.resource(id)?, new.resource(id)?)));
    let changed = both.filter(|(_, old, new)| old.resource_type != new.resource_type);
    let changed: Vec<&str> = changed.map(|(id, ..)| id.as_str()).collect();
    if changed.is_empty() {
        return Ok(());
    }
    Err(TemplateError::new(format!(
        "Update of resource type is not permitted. The new template modifies resource type of the following \
         resources: [{}]",
        changed.join(", ")
    )))
}

fn replacement(details: &[Detail]) -> Replacement {
    let each = details.iter().map(|detail| match (detail.requires_recreation, detail.evaluation) {
        (Recreation::Never, _) => Replacement::False,
        (Recreation::Always, EvaluationKind::Static) => Replacement::True,
        (Recreation::Always, EvaluationKind::Dynamic) | (Recreation::Conditionally, _) => {
            Replacement::Conditional
        }
    });
    each.max().unwrap_or(Replacement::False)
}

/// The deployed resources, except for those whose values an update changes.
struct Forecast<'a> {
    lookup: &'a dyn Lookup,
    unknown: &'a BTreeSet<String>,
}

impl Lookup for Forecast<'_> {
    fn reference(&self, logical_id: &str) -> Option<Value> {
        if self.unknown.contains(logical_id) {
            return Some(KNOWN_AFTER_APPLY.into());
        }
        self.lookup.reference(logical_id)
    }

    fn attribute(&self, logical_id: &str, name: &str) -> Option<Value> {
        if self.unknown.contains(logical_id) {
            return Some(KNOWN_AFTER_APPLY.into());
        }
        self.lookup.attribute(logical_id, name)
    }

    fn import(&self, name: &str) -> Option<String> {
        self.lookup.import(name)
    }

    fn availability_zones(&self, region: &str) -> Vec<String> {
        self.lookup.availability_zones(region)
    }
}

/// One resource before and after.
struct Comparison<'a> {
    id: &'a str,
    before: &'a Resource,
    after: &'a Resource,
    old: &'a Evaluation<'a>,
    new: &'a Evaluation<'a>,
    resource_type: Option<&'a ResourceType>,
    forecast: &'a Forecast<'a>,
}

impl Comparison<'_> {
    fn details(&self) -> Result<Vec<Detail>> {
        let mut details = Vec::new();
        let old = self.old.properties(self.id, self.forecast.lookup)?;
        let names: BTreeSet<&str> =
            self.after.properties.keys().chain(old.keys()).map(String::as_str).collect();
        for name in names {
            self.property(name, old.get(name), &mut details)?;
        }
        let policies = [
            (ChangedAttribute::DeletionPolicy, self.before.deletion_policy, self.after.deletion_policy),
            (
                ChangedAttribute::UpdateReplacePolicy,
                self.before.update_replace_policy,
                self.after.update_replace_policy,
            ),
        ];
        for (attribute, before, after) in policies.into_iter().filter(|(_, before, after)| before != after) {
            details.push(direct(attribute, Some(before.as_str().into()), Some(after.as_str().into())));
        }
        let before = self.old.metadata(self.id, self.forecast.lookup)?;
        let after = match &self.after.metadata {
            Some(metadata) => self.expect(metadata, !self.causes(metadata)?.1.is_empty())?,
            None => None,
        };
        if before != after {
            details.push(direct(ChangedAttribute::Metadata, before, after));
        }
        if details.is_empty() && self.resource_type.is_some_and(|resource_type| resource_type.revisited) {
            let (source, evaluation) = (ChangeSource::Automatic, EvaluationKind::Dynamic);
            details.push(Detail { source, evaluation, ..direct(ChangedAttribute::Properties, None, None) });
        }
        Ok(details)
    }

    /// What an expression will give. A function may need more of an unknown value than its placeholder
    /// can give: then the whole is not known.
    fn expect(&self, expression: &Value, unknown: bool) -> Result<Option<Value>> {
        match self.new.value(expression, self.forecast) {
            Err(_) if unknown => Ok(Some(KNOWN_AFTER_APPLY.into())),
            evaluated => evaluated,
        }
    }

    fn property(&self, name: &str, before: Option<&Value>, details: &mut Vec<Detail>) -> Result<()> {
        let expression = self.after.properties.get(name);
        let found = expression.map(|expression| self.causes(expression)).transpose()?.unwrap_or_default();
        let (parameters, dynamic) = found;
        let after = match expression {
            Some(expression) => self.expect(expression, !dynamic.is_empty())?,
            None => None,
        };
        let unchanged = match (before, &after) {
            (Some(before), Some(after)) => before.same(after),
            (None, None) => true,
            _ => false,
        };
        if unchanged {
            return Ok(());
        }
        let property = self.resource_type.and_then(|resource_type| resource_type.property(name));
        let detail = Detail {
            name: Some(name.to_owned()),
            requires_recreation: property
                .map_or(Recreation::Never, |p| recreation(p, before, after.as_ref())),
            ..direct(ChangedAttribute::Properties, before.cloned(), after)
        };
        let rewritten = self.before.properties.get(name) != expression;
        if rewritten || (parameters.is_empty() && dynamic.is_empty()) {
            let unknown = !dynamic.is_empty();
            let evaluation = if unknown { EvaluationKind::Dynamic } else { EvaluationKind::Static };
            details.push(Detail { evaluation, ..detail.clone() });
        }
        let caused =
            parameters.into_iter().map(|p| (ChangeSource::ParameterReference, EvaluationKind::Static, p));
        let dynamic = dynamic.into_iter().map(|(entity, source)| (source, EvaluationKind::Dynamic, entity));
        for (source, evaluation, entity) in caused.chain(dynamic) {
            details.push(Detail { source, evaluation, causing_entity: Some(entity), ..detail.clone() });
        }
        Ok(())
    }

    /// The parameters with other values, and the resources with unknown ones, that an expression refers to.
    fn causes(&self, expression: &Value) -> Result<(BTreeSet<String>, BTreeMap<String, ChangeSource>)> {
        let mut parameters = BTreeSet::new();
        let mut dynamic = BTreeMap::new();
        uses(expression, Some(self.new.conditions()), &mut |found| match found {
            Use::Ref(name) if self.forecast.unknown.contains(name) => {
                dynamic.insert(name.to_owned(), ChangeSource::ResourceReference);
            }
            Use::Ref(name) => {
                let (old, new) = (self.old.parameters().get(name), self.new.parameters().get(name));
                if new.is_some() && old != new {
                    parameters.insert(name.to_owned());
                }
            }
            Use::GetAtt(id, name) if self.forecast.unknown.contains(id) => {
                let entity = name.map_or_else(|| id.to_owned(), |name| format!("{id}.{name}"));
                dynamic.insert(entity, ChangeSource::ResourceAttribute);
            }
            _ => {}
        })?;
        Ok((parameters, dynamic))
    }
}

/// A change that the template makes itself and that is known.
fn direct(attribute: ChangedAttribute, before: Option<Value>, after: Option<Value>) -> Detail {
    Detail {
        attribute,
        name: None,
        requires_recreation: Recreation::Never,
        evaluation: EvaluationKind::Static,
        source: ChangeSource::DirectModification,
        causing_entity: None,
        before,
        after,
    }
}

/// Whether a property's change makes a new resource: its own rule, or the hardest among those
/// of the changed properties of its structure.
pub(crate) fn recreation(property: &Property, before: Option<&Value>, after: Option<&Value>) -> Recreation {
    let own = match property.update {
        Update::NoInterruption => Recreation::Never,
        Update::Conditional => Recreation::Conditionally,
        Update::Replacement => Recreation::Always,
    };
    let Kind::Structure(nested) = property.kind else { return own };
    let empty = Map::new();
    let before = before.and_then(Value::as_map).unwrap_or(&empty);
    let after = after.and_then(Value::as_map).unwrap_or(&empty);
    let changed = nested.iter().filter_map(|property| {
        let (before, after) = (before.get(property.name), after.get(property.name));
        let same = match (before, after) {
            (Some(before), Some(after)) => before.same(after),
            (before, after) => before.is_none() && after.is_none(),
        };
        (!same).then(|| recreation(property, before, after))
    });
    changed.max().map_or(own, |nested| nested.max(own))
}
