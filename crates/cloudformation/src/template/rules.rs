//! The rules of a template: what must hold of its parameters before anything is made.
//!
//! Source: the template reference, "CloudFormation template Rules syntax" and "Rule-specific intrinsic functions".

use std::collections::BTreeMap;

use super::conditions::PSEUDO_PARAMETERS;
use super::model::Template;
use super::value::{Map, Value};
use super::{Environment, Result, TemplateError};

/// Operands of Fn::And and Fn::Or, at most.
const MAX_OPERANDS: usize = 10;

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// When it counts; none: always.
    condition: Option<Value>,
    assertions: Vec<Assertion>,
}

#[derive(Debug, Clone, PartialEq)]
struct Assertion {
    assert: Value,
    description: Option<String>,
}

fn wrong<T>(name: &str, why: impl std::fmt::Display) -> Result<T> {
    Err(TemplateError::new(format!("Template format error: [/Rules/{name}] {why}")))
}

impl Rule {
    /// Reads a declaration.
    pub(crate) fn parse(name: &str, declaration: &Value) -> Result<Self> {
        let Value::Map(map) = declaration else {
            return wrong(name, "Every Rules member must be an object.");
        };
        if let Some(unknown) = map.keys().find(|key| !["RuleCondition", "Assertions"].contains(&key.as_str()))
        {
            return wrong(name, format!("Unknown rule property '{unknown}'"));
        }
        let Some(Value::List(items)) = map.get("Assertions").filter(|items| items.as_list() != Some(&[]))
        else {
            return wrong(name, "Every Rules member must contain a list of Assertions.");
        };
        let assertions = items.iter().map(|item| Assertion::parse(name, item)).collect::<Result<_>>()?;
        Ok(Self { condition: map.get("RuleCondition").cloned(), assertions })
    }
}

impl Assertion {
    fn parse(rule: &str, value: &Value) -> Result<Self> {
        let known = |key: &String| ["Assert", "AssertDescription"].contains(&key.as_str());
        let Some(map) = value.as_map().filter(|map| map.keys().all(known)) else {
            return wrong(rule, "Every assertion must be an object of Assert and AssertDescription.");
        };
        let Some(assert) = map.get("Assert").cloned() else {
            return wrong(rule, "Every assertion must contain an Assert.");
        };
        let description = map.get("AssertDescription").and_then(Value::text).map(|text| text.into_owned());
        Ok(Self { assert, description })
    }
}

/// Checks the values of parameters against every rule. The error names all assertions that do not hold.
pub(crate) fn check(
    template: &Template,
    environment: &Environment,
    parameters: &BTreeMap<String, Value>,
) -> Result<()> {
    let run = Rules { template, environment, parameters };
    let mut problems = Vec::new();
    for (name, rule) in &template.rules {
        if let Some(condition) = &rule.condition
            && !run.holds(name, condition)?
        {
            continue;
        }
        for assertion in &rule.assertions {
            if !run.holds(name, &assertion.assert)? {
                let why = assertion.description.as_deref().unwrap_or("an assertion does not hold");
                problems.push(format!("Rule {name}: {why}"));
            }
        }
    }
    TemplateError::of_problems(&problems)
}

struct Rules<'a> {
    template: &'a Template,
    environment: &'a Environment,
    parameters: &'a BTreeMap<String, Value>,
}

impl Rules<'_> {
    fn holds(&self, rule: &str, value: &Value) -> Result<bool> {
        let Some((name, argument)) = single(value) else {
            return match value.text().as_deref() {
                Some("true") => Ok(true),
                Some("false") => Ok(false),
                _ => wrong(rule, "Every rule condition and assertion must be a rule-specific function."),
            };
        };
        let operands = || self.operands(rule, name, argument);
        match name {
            "Fn::And" => operands()?.iter().try_fold(true, |all, one| Ok(self.holds(rule, one)? && all)),
            "Fn::Or" => operands()?.iter().try_fold(false, |any, one| Ok(self.holds(rule, one)? || any)),
            "Fn::Not" => match argument.as_list() {
                Some([one]) => Ok(!self.holds(rule, one)?),
                _ => wrong(rule, "Fn::Not takes a list of one condition."),
            },
            "Fn::Equals" => {
                let (left, right) = self.pair(rule, name, argument)?;
                Ok(self.value(rule, left)?.same(&self.value(rule, right)?))
            }
            "Fn::Contains" => {
                let (list, one) = self.pair(rule, name, argument)?;
                let one = self.value(rule, one)?;
                Ok(self.list(rule, list)?.iter().any(|member| member.same(&one)))
            }
            "Fn::EachMemberEquals" => {
                let (list, one) = self.pair(rule, name, argument)?;
                let one = self.value(rule, one)?;
                Ok(self.list(rule, list)?.iter().all(|member| member.same(&one)))
            }
            "Fn::EachMemberIn" => {
                let (list, of) = self.pair(rule, name, argument)?;
                let of = self.list(rule, of)?;
                Ok(self.list(rule, list)?.iter().all(|member| of.iter().any(|other| other.same(member))))
            }
            other => wrong(rule, format!("{other} is no function that decides a rule.")),
        }
    }

    fn operands<'v>(&self, rule: &str, name: &str, argument: &'v Value) -> Result<&'v [Value]> {
        match argument.as_list() {
            Some(operands) if (2..=MAX_OPERANDS).contains(&operands.len()) => Ok(operands),
            _ => wrong(rule, format!("{name} takes a list of 2 to {MAX_OPERANDS} conditions.")),
        }
    }

    fn pair<'v>(&self, rule: &str, name: &str, argument: &'v Value) -> Result<(&'v Value, &'v Value)> {
        match argument.as_list() {
            Some([first, second]) => Ok((first, second)),
            _ => wrong(rule, format!("{name} takes a list of two.")),
        }
    }

    fn list(&self, rule: &str, value: &Value) -> Result<Vec<Value>> {
        match self.value(rule, value)? {
            Value::List(items) => Ok(items),
            one => Ok(vec![one]),
        }
    }

    /// A value: a parameter's, a pseudo parameter's, every one of a type's, or one that stands there.
    fn value(&self, rule: &str, value: &Value) -> Result<Value> {
        if let Value::List(items) = value {
            return items.iter().map(|item| self.value(rule, item)).collect::<Result<_>>().map(Value::List);
        }
        match single(value) {
            None => Ok(value.clone()),
            Some(("Ref", name)) => self.reference(rule, name),
            Some(("Fn::RefAll", kind)) => Ok(Value::List(self.all_of(kind))),
            Some((name @ ("Fn::ValueOf" | "Fn::ValueOfAll"), _)) => wrong(
                rule,
                format!("{name} asks for attributes of AWS resources (tags of a VPC), which are not there."),
            ),
            Some((name, _)) => wrong(rule, format!("{name} is no rule-specific function.")),
        }
    }

    fn reference(&self, rule: &str, name: &Value) -> Result<Value> {
        let environment = self.environment;
        let name = name.as_str().unwrap_or_default();
        if let Some(value) = self.parameters.get(name) {
            return Ok(value.clone());
        }
        match name {
            "AWS::AccountId" => Ok(environment.account_id.as_str().into()),
            "AWS::Region" => Ok(environment.region.as_str().into()),
            "AWS::Partition" => Ok(environment.partition.as_str().into()),
            "AWS::StackName" => Ok(environment.stack_name.as_str().into()),
            pseudo if PSEUDO_PARAMETERS.contains(&pseudo) => {
                wrong(rule, format!("Rules cannot refer to {pseudo}."))
            }
            other => wrong(rule, format!("Unresolved dependency {other}: rules refer to parameters alone.")),
        }
    }

    fn all_of(&self, kind: &Value) -> Vec<Value> {
        let declared = self.template.parameters.iter();
        let of_kind = declared.filter(|(_, parameter)| kind.as_str() == Some(&parameter.type_name));
        of_kind.filter_map(|(name, _)| self.parameters.get(name).cloned()).collect()
    }
}

/// The function that a value is, if it is an object of one member.
fn single(value: &Value) -> Option<(&str, &Value)> {
    let map: &Map = value.as_map()?;
    let (name, argument) = map.first()?;
    (map.len() == 1).then_some((name.as_str(), argument))
}
