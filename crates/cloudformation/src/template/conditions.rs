//! The conditions of a template.

use std::collections::{BTreeMap, BTreeSet};

use super::evaluate::{Environment, Nothing};
use super::graph::{self, Graph};
use super::model::Template;
use super::references::{Use, condition_uses};
use super::run::Run;
use super::value::Value;
use super::{Result, TemplateError};

/// The pseudo parameters.
pub(crate) const PSEUDO_PARAMETERS: [&str; 8] = [
    "AWS::AccountId",
    "AWS::NoValue",
    "AWS::NotificationARNs",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
];

/// What a function of `AWS::LanguageExtensions` is told without the transform.
pub(crate) fn needs_extensions(function: &str) -> String {
    format!("Template error: {function} requires the AWS::LanguageExtensions transform")
}

/// The names of conditions, each after those that it names. Fails on what conditions may not refer to.
pub(crate) fn order(template: &Template) -> Result<Vec<&str>> {
    let mut needs: Graph<'_> = BTreeMap::new();
    let mut unresolved = BTreeSet::new();
    for (name, value) in &template.conditions {
        let needed = needs.entry(name).or_default();
        let mut wrong = None;
        condition_uses(value, &mut |found| match found {
            Use::Condition(other, _) if template.conditions.contains_key(other) => {
                needed.insert(other);
            }
            Use::Condition(other, function) => {
                wrong.get_or_insert(format!(
                    "Template error: unresolved condition dependency {other} in {function}"
                ));
            }
            Use::Ref(other) | Use::GetAtt(other, _) => {
                let known = template.parameters.contains_key(other) || PSEUDO_PARAMETERS.contains(&other);
                if !known || matches!(found, Use::GetAtt(..)) {
                    unresolved.insert(other);
                }
            }
            Use::Import(_) => {
                wrong.get_or_insert("Template error: Cannot use Fn::ImportValue in Conditions.".to_owned());
            }
            Use::Extension(function) if !template.extended => {
                wrong.get_or_insert(needs_extensions(function));
            }
            Use::Mapping(_) | Use::Azs | Use::Text(_) | Use::Extension(_) => {}
        })?;
        if let Some(message) = wrong {
            return Err(TemplateError::new(message));
        }
    }
    if !unresolved.is_empty() {
        let names = unresolved.into_iter().collect::<Vec<_>>().join(", ");
        return Err(TemplateError::new(format!(
            "Template format error: Unresolved dependencies [{names}]. Cannot reference resources in the Conditions \
             block of the template"
        )));
    }
    graph::order(&needs).map_err(|cycle| {
        TemplateError::new(format!(
            "Template error: Found circular condition dependency between {}",
            cycle.join(" and ")
        ))
    })
}

/// Evaluates every condition.
pub(crate) fn evaluate(
    template: &Template,
    environment: &Environment,
    parameters: &BTreeMap<String, Value>,
) -> Result<BTreeMap<String, bool>> {
    let mut conditions = BTreeMap::new();
    for name in order(template)? {
        let Some(value) = template.conditions.get(name) else { continue };
        let holds = Run::new(template, environment, parameters, &conditions, &Nothing).holds(value)?;
        conditions.insert(name.to_owned(), holds);
    }
    Ok(conditions)
}
