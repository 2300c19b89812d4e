//! Filter policies: read and checked once, then asked of every message.
//!
//! Source of rules, limits and their combinations:
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html> and
//! <https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html>.

mod parse;
mod pattern;
mod values;

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use parse::parse;
use pattern::{Network, Wildcard};
pub use values::Subject;
use values::{Found, Value};

/// What a filter policy looks at: `FilterPolicyScope`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// the message's attributes
    #[default]
    MessageAttributes,
    /// the message, which is JSON
    MessageBody,
}

impl Scope {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Scope::MessageAttributes => "MessageAttributes",
            Scope::MessageBody => "MessageBody",
        }
    }
}

/// A compiled filter policy.
#[derive(Debug, Clone)]
pub struct Filter {
    scope: Scope,
    root: Node,
}

/// Conditions on the keys of one object: all must hold, and one of each group of alternatives.
#[derive(Debug, Clone, Default)]
struct Node {
    keys: Vec<(String, Test)>,
    alternatives: Vec<Vec<Node>>,
}

/// A condition on one key.
#[derive(Debug, Clone)]
enum Test {
    /// on the object that is its value
    Nested(Node),
    /// on its value: one of these must match
    Any(Vec<Rule>),
}

/// What a value may be.
#[derive(Debug, Clone)]
enum Rule {
    Null,
    Boolean(bool),
    Number(f64),
    Text(String),
    /// In lower case.
    IgnoreCase(String),
    Prefix(String),
    Suffix(String),
    Wildcard(Wildcard),
    Cidr(Network),
    /// Bounds, and whether they themselves are within.
    Between {
        low: Option<(f64, bool)>,
        high: Option<(f64, bool)>,
    },
    Exists(bool),
    /// Matches what is none of these, and none of these match.
    AnythingBut(Literals, Vec<Rule>),
}

/// Texts and numbers, of which there may be thousands: looked up, not gone through.
#[derive(Debug, Clone, Default)]
struct Literals {
    texts: BTreeSet<String>,
    /// In their order.
    numbers: Vec<f64>,
}

impl Literals {
    fn contain(&self, value: &Value<'_>) -> bool {
        match value {
            Value::Text(text) => self.texts.contains(text.as_ref()),
            Value::Number(is) => self.numbers.binary_search_by(|one| order(*one, *is)).is_ok(),
            Value::Null | Value::Boolean(_) => false,
        }
    }
}

/// The order of numbers; what is none is behind them.
fn order(one: f64, other: f64) -> Ordering {
    one.partial_cmp(&other).unwrap_or(Ordering::Less)
}

impl Filter {
    /// Whether a message passes.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        match self.scope {
            Scope::MessageAttributes => self.root.matches(&|key| subject.attribute(key), &|_| Vec::new()),
            // A message that is no JSON object is not delivered where the body is filtered.
            Scope::MessageBody => subject.body().is_some_and(|body| self.root.matches_object(body)),
        }
    }
}

/// Objects below a key, over which nested conditions go.
type Below<'a> = dyn Fn(&str) -> Vec<&'a serde_json::Map<String, serde_json::Value>> + 'a;

impl Node {
    fn matches_object(&self, object: &serde_json::Map<String, serde_json::Value>) -> bool {
        self.matches(&|key| values::leaves(object, key), &|key| values::objects(object, key))
    }

    /// Conditions below one key hold together in one element of an array of objects.
    fn matches<'a>(&self, found: &dyn Fn(&str) -> Found<'a>, below: &Below<'_>) -> bool {
        let all = self.keys.iter().all(|(key, test)| match test {
            Test::Any(rules) => {
                let found = found(key);
                rules.iter().any(|rule| rule.holds(&found))
            }
            Test::Nested(node) => {
                let objects = below(key);
                match objects.is_empty() {
                    true => node.matches_object(&serde_json::Map::new()),
                    false => objects.into_iter().any(|object| node.matches_object(object)),
                }
            }
        });
        all && self.alternatives.iter().all(|group| group.iter().any(|node| node.matches(found, below)))
    }
}

impl Rule {
    fn holds(&self, found: &Found<'_>) -> bool {
        match (self, found) {
            (Rule::Exists(wanted), found) => *wanted == found.is_some(),
            (_, None) => false,
            (rule, Some(values)) => values.iter().any(|value| rule.matches(value)),
        }
    }

    fn matches(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Rule::AnythingBut(literals, rules), value) => {
                !literals.contain(value) && !rules.iter().any(|rule| rule.matches(value))
            }
            (Rule::Null, Value::Null) => true,
            (Rule::Boolean(wanted), Value::Boolean(is)) => wanted == is,
            (Rule::Number(wanted), Value::Number(is)) => wanted == is,
            (Rule::Between { low, high }, Value::Number(is)) => {
                low.is_none_or(|(low, within)| *is > low || (within && *is == low))
                    && high.is_none_or(|(high, within)| *is < high || (within && *is == high))
            }
            (rule, Value::Text(text)) => rule.matches_text(text),
            _ => false,
        }
    }

    fn matches_text(&self, text: &str) -> bool {
        match self {
            Rule::Text(wanted) => wanted == text,
            Rule::IgnoreCase(wanted) => *wanted == text.to_lowercase(),
            Rule::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Rule::Suffix(suffix) => text.ends_with(suffix.as_str()),
            Rule::Wildcard(pattern) => pattern.matches(text),
            Rule::Cidr(network) => text.parse::<IpAddr>().is_ok_and(|address| network.contains(address)),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
