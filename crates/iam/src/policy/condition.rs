//! The `Condition` element.
//!
//! Sources: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Set operators for
//! multivalued context keys".

use std::cmp::Ordering;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::arn::{self, ArnPattern};
use super::context::{Evaluation, Key};
use super::document::UniqueMap;
use super::error::PolicyError;
use super::glob::Case;
use super::template::{Syntax, Template, is_key};
use super::values::{Network, Number, parse_bool, parse_date};

/// One operator applied to one key.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    key: Key,
    set: Option<Set>,
    if_exists: bool,
    negated: bool,
    test: Test,
}

/// How the values of a key with several are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    ForAllValues,
    ForAnyValue,
}

/// What one value of the request is held against. It passes when it fits any value of the policy.
#[derive(Debug, Clone)]
enum Test {
    Text(Box<[Template]>, Case),
    Arn(Box<[ArnTest]>),
    Number(Compare, Box<[Number]>),
    Date(Compare, Box<[i64]>),
    Bool(Box<[bool]>),
    Binary(Box<[Vec<u8>]>),
    Ip(Box<[Network]>),
    /// Whether the key is absent.
    Null(Box<[bool]>),
}

#[derive(Debug, Clone)]
enum ArnTest {
    /// `*`.
    Any,
    Pattern(ArnPattern),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Equal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Compare {
    /// Whether the request's value stands so to the policy's.
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Compare::Equal => ordering.is_eq(),
            Compare::Less => ordering.is_lt(),
            Compare::LessEqual => ordering.is_le(),
            Compare::Greater => ordering.is_gt(),
            Compare::GreaterEqual => ordering.is_ge(),
        }
    }
}

impl Condition {
    /// Whether the request meets the condition. Without a set operator a key with several values meets it
    /// when any value does, or for a negated operator when all do: AWS asks for a set operator there and
    /// leaves this open.
    pub(super) fn met(&self, evaluation: &Evaluation<'_>) -> bool {
        let values = evaluation.values(&self.key);
        if let Test::Null(wanted) = &self.test {
            return wanted.contains(&values.is_none());
        }
        let Some(values) = values else {
            return self.if_exists
                || match self.set {
                    Some(Set::ForAllValues) => true,
                    Some(Set::ForAnyValue) => false,
                    None => self.negated,
                };
        };
        let passes = |value: &str| self.test.passes(value, evaluation) != self.negated;
        match (self.set, self.negated) {
            (Some(Set::ForAllValues), _) | (None, true) => values.all(passes),
            (Some(Set::ForAnyValue), _) | (None, false) => values.any(passes),
        }
    }
}

impl Condition {
    /// The condition key that it is about, and those that its values name.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        let (texts, arns): (&[Template], &[ArnTest]) = match &self.test {
            Test::Text(templates, _) => (templates, &[]),
            Test::Arn(tests) => (&[], tests),
            _ => (&[], &[]),
        };
        let patterns = arns.iter().filter_map(|test| match test {
            ArnTest::Any => None,
            ArnTest::Pattern(pattern) => Some(pattern),
        });
        let named = texts.iter().flat_map(Template::keys).chain(patterns.flat_map(ArnPattern::keys));
        std::iter::once(&self.key).chain(named)
    }
}

impl Test {
    fn passes(&self, value: &str, evaluation: &Evaluation<'_>) -> bool {
        match self {
            Test::Text(templates, case) => templates.iter().any(|t| t.matches(value, *case, evaluation)),
            Test::Arn(tests) => arn::split(value).is_some_and(|arn| {
                tests.iter().any(|test| match test {
                    ArnTest::Any => true,
                    ArnTest::Pattern(pattern) => pattern.matches(&arn, evaluation),
                })
            }),
            Test::Number(compare, numbers) => Number::parse(value)
                .is_some_and(|value| numbers.iter().any(|number| compare.holds(value.cmp(number)))),
            Test::Date(compare, dates) => {
                parse_date(value).is_some_and(|value| dates.iter().any(|date| compare.holds(value.cmp(date))))
            }
            Test::Bool(wanted) => parse_bool(value).is_some_and(|value| wanted.contains(&value)),
            Test::Binary(wanted) => STANDARD.decode(value).is_ok_and(|value| wanted.contains(&value)),
            Test::Ip(networks) => value
                .parse()
                .is_ok_and(|address| networks.iter().any(|network: &Network| network.contains(address))),
            Test::Null(_) => false,
        }
    }
}

/// Reads a `Condition` element. `variables` says that the policy's version has them.
pub(super) fn parse(
    raw: UniqueMap<UniqueMap<Value>>,
    variables: bool,
) -> Result<Box<[Condition]>, PolicyError> {
    let mut conditions = Vec::new();
    for (name, keys) in raw.0 {
        let operator = Operator::parse(&name)?;
        for (key, value) in keys.0 {
            conditions.push(operator.condition(&name, &key, &value, variables)?);
        }
    }
    Ok(conditions.into_boxed_slice())
}

/// The name of a condition operator, taken apart.
#[derive(Debug, Clone, Copy)]
struct Operator {
    set: Option<Set>,
    if_exists: bool,
    negated: bool,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text { wildcards: bool, case: Case },
    Number(Compare),
    Date(Compare),
    Bool,
    Binary,
    Ip,
    Arn,
    Null,
}

impl Operator {
    /// Letter case in operator names is disregarded.
    fn parse(name: &str) -> Result<Self, PolicyError> {
        let lower = name.to_ascii_lowercase();
        let (set, rest) = match lower.split_once(':') {
            None => (None, lower.as_str()),
            Some(("forallvalues", rest)) => (Some(Set::ForAllValues), rest),
            Some(("foranyvalue", rest)) => (Some(Set::ForAnyValue), rest),
            Some(_) => return Err(unknown_operator(name)),
        };
        let (base, if_exists) = match rest.strip_suffix("ifexists") {
            Some(base) => (base, true),
            None => (rest, false),
        };
        let (kind, negated) = base_operator(base).ok_or_else(|| unknown_operator(name))?;
        if kind == Kind::Null && (if_exists || set.is_some()) {
            return Err(unknown_operator(name));
        }
        Ok(Operator { set, if_exists, negated, kind })
    }

    fn condition(
        self,
        name: &str,
        key: &str,
        value: &Value,
        variables: bool,
    ) -> Result<Condition, PolicyError> {
        if !key.contains(':') {
            return Err(PolicyError::NoVendor);
        }
        if !is_key(key) {
            return Err(PolicyError::syntax(format!("{key:?} is no condition key")));
        }
        let values = scalars(value)
            .ok_or_else(|| PolicyError::syntax(format!("{name} on {key} needs a value or a list of them")))?;
        let test = self.kind.test(&values, variables)?.ok_or_else(|| {
            PolicyError::syntax(format!("{name} on {key} has a value that does not fit the operator"))
        })?;
        Ok(Condition {
            key: Key::new(key),
            set: self.set,
            if_exists: self.if_exists,
            negated: self.negated,
            test,
        })
    }
}

impl Kind {
    /// `Ok(None)` when a value does not fit the operator. Only text and ARNs may hold variables.
    fn test(self, values: &[String], variables: bool) -> Result<Option<Test>, PolicyError> {
        Ok(match self {
            Kind::Text { wildcards, case } => {
                let syntax = Syntax { wildcards, variables };
                let templates: Result<_, _> = values.iter().map(|v| Template::parse(v, syntax)).collect();
                Some(Test::Text(templates?, case))
            }
            Kind::Arn => {
                let tests: Result<_, _> = values.iter().map(|v| ArnTest::parse(v, variables)).collect();
                Some(Test::Arn(tests?))
            }
            Kind::Number(compare) => each(values, Number::parse).map(|v| Test::Number(compare, v)),
            Kind::Date(compare) => each(values, parse_date).map(|v| Test::Date(compare, v)),
            Kind::Bool => each(values, parse_bool).map(Test::Bool),
            Kind::Null => each(values, parse_bool).map(Test::Null),
            Kind::Binary => each(values, |v| STANDARD.decode(v).ok()).map(Test::Binary),
            Kind::Ip => each(values, Network::parse).map(Test::Ip),
        })
    }
}

impl ArnTest {
    fn parse(text: &str, variables: bool) -> Result<Self, PolicyError> {
        if text == "*" {
            return Ok(ArnTest::Any);
        }
        if arn::split_pattern(text, variables).len() != 6 {
            return Err(PolicyError::syntax(format!("{text:?} is no pattern of an ARN: it needs six parts")));
        }
        ArnPattern::parse(text, variables).map(ArnTest::Pattern)
    }
}

fn each<T>(values: &[String], parse: impl Fn(&str) -> Option<T>) -> Option<Box<[T]>> {
    values.iter().map(|value| parse(value)).collect()
}

fn unknown_operator(name: &str) -> PolicyError {
    PolicyError::syntax(format!("unknown condition operator {name:?}"))
}

/// The values of a key: one or a list, each a string, a Boolean or a number.
fn scalars(value: &Value) -> Option<Vec<String>> {
    let scalar = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match value {
        Value::Array(values) => values.iter().map(scalar).collect(),
        one => scalar(one).map(|one| vec![one]),
    }
}

/// Operators by their names in lower case, and whether they are negated.
fn base_operator(name: &str) -> Option<(Kind, bool)> {
    let text = |wildcards, case| Kind::Text { wildcards, case };
    Some(match name {
        "stringequals" => (text(false, Case::Exact), false),
        "stringnotequals" => (text(false, Case::Exact), true),
        "stringequalsignorecase" => (text(false, Case::Ignore), false),
        "stringnotequalsignorecase" => (text(false, Case::Ignore), true),
        "stringlike" => (text(true, Case::Exact), false),
        "stringnotlike" => (text(true, Case::Exact), true),
        "bool" => (Kind::Bool, false),
        "binaryequals" => (Kind::Binary, false),
        "ipaddress" => (Kind::Ip, false),
        "notipaddress" => (Kind::Ip, true),
        "arnequals" | "arnlike" => (Kind::Arn, false),
        "arnnotequals" | "arnnotlike" => (Kind::Arn, true),
        "null" => (Kind::Null, false),
        _ => {
            let numeric = name.strip_prefix("numeric").and_then(comparison);
            let date = || name.strip_prefix("date").and_then(comparison);
            return match numeric {
                Some((compare, negated)) => Some((Kind::Number(compare), negated)),
                None => date().map(|(compare, negated)| (Kind::Date(compare), negated)),
            };
        }
    })
}

fn comparison(name: &str) -> Option<(Compare, bool)> {
    Some(match name {
        "equals" => (Compare::Equal, false),
        "notequals" => (Compare::Equal, true),
        "lessthan" => (Compare::Less, false),
        "lessthanequals" => (Compare::LessEqual, false),
        "greaterthan" => (Compare::Greater, false),
        "greaterthanequals" => (Compare::GreaterEqual, false),
        _ => return None,
    })
}
