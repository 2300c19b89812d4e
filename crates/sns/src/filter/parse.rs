//! Reading filter policies, with the service's own words for what is wrong with them.
//!
//! The words are those that AWS's answers have, less the position (`at [Source: …]`) at their end.

use serde_json::{Map, Value as Json};

use super::pattern::{Network, Wildcard};
use super::{Filter, Literals, Node, Rule, Scope, Test, order};

/// Most keys at the top of a policy.
const MAX_KEYS: usize = 5;
/// Most combinations of a policy's values.
const MAX_COMBINATIONS: u64 = 150;
/// Largest policy, in bytes: what a subscription's row has room for. AWS takes 256 KB.
const MAX_BYTES: usize = 48 * 1024;
/// Deepest nesting of a policy.
const MAX_DEPTH: u64 = 32;
/// Most points of a policy's wildcards: one for a pattern with one star, three for one with more.
const MAX_WILDCARD_POINTS: u64 = 100;
/// Names that are operators; an `$or` whose alternatives use one as a key is an ordinary key.
const OPERATORS: &[&str] =
    &["anything-but", "cidr", "equals-ignore-case", "exists", "numeric", "prefix", "suffix", "wildcard"];

type Parsed<T> = Result<T, String>;

/// Reads a policy. `Err`: what is wrong with it.
pub fn parse(scope: Scope, text: &str) -> Parsed<Filter> {
    let bad = || "FilterPolicy: failed to parse JSON.".to_owned();
    if text.len() > MAX_BYTES {
        return Err("FilterPolicy: Filter policy is too large".to_owned());
    }
    let policy: Map<String, Json> = serde_json::from_str(text).map_err(|_| bad())?;
    if policy.len() > MAX_KEYS {
        return Err(format!("FilterPolicy: Filter policy can not have more than {MAX_KEYS} keys"));
    }
    let mut reader = Reader { scope, wildcards: 0 };
    let (root, combinations) = reader.node(&policy, 1, 1)?;
    if combinations > MAX_COMBINATIONS || reader.wildcards > MAX_WILDCARD_POINTS {
        return Err("FilterPolicy: Filter policy is too complex".to_owned());
    }
    Ok(Filter { scope, root })
}

struct Reader {
    scope: Scope,
    wildcards: u64,
}

impl Reader {
    /// Reads the conditions of one object. The number of combinations is that of all values, each
    /// array's counted as many times as it lies deep; alternatives add up.
    fn node(&mut self, policy: &Map<String, Json>, depth: u64, before: u64) -> Parsed<(Node, u64)> {
        if self.scope == Scope::MessageAttributes && depth > 1 {
            let why = "Filter policy scope MessageAttributes does not support nested filter policy";
            return Err(why.to_owned());
        }
        if depth > MAX_DEPTH {
            return Err("FilterPolicy: Filter policy is too complex".to_owned());
        }
        let mut node = Node::default();
        let mut combinations = before;
        for (key, value) in policy {
            match value {
                Json::Array(values) if values.is_empty() => {
                    return Err("FilterPolicy: Empty arrays are not allowed".to_owned());
                }
                Json::Array(values) if key == "$or" && is_alternatives(values) => {
                    let (group, sum) = self.alternatives(values, depth, combinations)?;
                    node.alternatives.push(group);
                    combinations = sum;
                }
                Json::Array(values) => {
                    let rules = values.iter().map(|value| self.rule(value)).collect::<Parsed<_>>()?;
                    node.keys.push((key.clone(), Test::Any(rules)));
                    combinations = combinations.saturating_mul(values.len() as u64).saturating_mul(depth);
                }
                Json::Object(nested) => {
                    let (nested, product) = self.node(nested, depth + 1, combinations)?;
                    node.keys.push((key.clone(), Test::Nested(nested)));
                    combinations = product;
                }
                _ => return Err(format!("FilterPolicy: \"{key}\" must be an object or an array")),
            }
        }
        Ok((node, combinations))
    }

    fn alternatives(&mut self, values: &[Json], depth: u64, before: u64) -> Parsed<(Vec<Node>, u64)> {
        let mut sum: u64 = 0;
        let mut group = Vec::new();
        for alternative in values.iter().filter_map(Json::as_object) {
            let (node, combinations) = self.node(alternative, depth, before)?;
            sum = sum.saturating_add(combinations);
            group.push(node);
        }
        Ok((group, sum))
    }

    fn rule(&mut self, value: &Json) -> Parsed<Rule> {
        match value {
            Json::Object(operation) => {
                let mut entries = operation.iter();
                match (entries.next(), entries.next()) {
                    (Some((operator, operand)), None) => self.operation(operator, operand),
                    _ => Err("FilterPolicy: Only one key allowed in match expression".to_owned()),
                }
            }
            value => literal(value),
        }
    }

    fn operation(&mut self, operator: &str, operand: &Json) -> Parsed<Rule> {
        match operator {
            "anything-but" => self.anything_but(operand),
            "numeric" => numeric(operand),
            "exists" => operand
                .as_bool()
                .map(Rule::Exists)
                .ok_or_else(|| "FilterPolicy: exists match pattern must be either true or false.".to_owned()),
            _ => self.on_text(operator, operand),
        }
    }

    /// An operator whose operand is one text.
    fn on_text(&mut self, operator: &str, operand: &Json) -> Parsed<Rule> {
        if !OPERATORS.contains(&operator) {
            return Err(format!("FilterPolicy: Unrecognized match type {operator}"));
        }
        // AWS says "prefix" for what is no text in a cidr too.
        let said = if operator == "cidr" { "prefix" } else { operator };
        let Some(text) = operand.as_str() else {
            return Err(format!("FilterPolicy: {said} match pattern must be a string"));
        };
        let of = |why: &str| format!("FilterPolicy: {why}");
        Ok(match operator {
            "prefix" => Rule::Prefix(text.to_owned()),
            "suffix" => Rule::Suffix(text.to_owned()),
            "equals-ignore-case" => Rule::IgnoreCase(text.to_lowercase()),
            "cidr" => Rule::Cidr(Network::parse(text).map_err(|why| of(&why))?),
            _ => {
                self.wildcards += if text.matches('*').count() > 1 { 3 } else { 1 };
                Rule::Wildcard(Wildcard::parse(text).map_err(of)?)
            }
        })
    }

    fn anything_but(&mut self, operand: &Json) -> Parsed<Rule> {
        let rules = match operand {
            Json::Array(values) if values.is_empty() => {
                return Err("FilterPolicy: Empty arrays are not allowed".to_owned());
            }
            Json::Array(values) => values.iter().map(literal).collect::<Parsed<_>>()?,
            Json::Object(inner) => {
                let mut entries = inner.iter();
                let (Some((operator, operand)), None) = (entries.next(), entries.next()) else {
                    return Err("FilterPolicy: Only one key allowed in match expression".to_owned());
                };
                if !matches!(operator.as_str(), "prefix" | "suffix" | "wildcard" | "equals-ignore-case") {
                    return Err(format!("FilterPolicy: Unsupported anything-but pattern: {operator}"));
                }
                match operand {
                    Json::Array(several) if several.len() as u64 > MAX_COMBINATIONS => {
                        return Err("FilterPolicy: Filter policy is too complex".to_owned());
                    }
                    Json::Array(several) if !several.is_empty() => {
                        several.iter().map(|one| self.on_text(operator, one)).collect::<Parsed<_>>()?
                    }
                    one => vec![self.on_text(operator, one)?],
                }
            }
            one => vec![literal(one)?],
        };
        Ok(anything_but(rules))
    }
}

/// Literals apart from the rest, each of which there is once.
fn anything_but(rules: Vec<Rule>) -> Rule {
    let (mut literals, mut rest) = (Literals::default(), Vec::new());
    for rule in rules {
        match rule {
            Rule::Text(text) => drop(literals.texts.insert(text)),
            Rule::Number(number) => literals.numbers.push(number),
            Rule::Null if rest.iter().any(|rule| matches!(rule, Rule::Null)) => {}
            Rule::Boolean(is)
                if rest.iter().any(|rule| matches!(rule, Rule::Boolean(also) if *also == is)) => {}
            other => rest.push(other),
        }
    }
    literals.numbers.sort_by(|one, other| order(*one, *other));
    Rule::AnythingBut(literals, rest)
}

/// AWS takes `$or` for an operator where it has two or more objects without operators for keys.
fn is_alternatives(values: &[Json]) -> bool {
    let plain = |value: &Json| match value {
        Json::Object(keys) => !keys.is_empty() && !keys.keys().any(|key| OPERATORS.contains(&key.as_str())),
        _ => false,
    };
    values.len() > 1 && values.iter().all(plain)
}

fn literal(value: &Json) -> Parsed<Rule> {
    match value {
        Json::Null => Some(Rule::Null),
        Json::Bool(is) => Some(Rule::Boolean(*is)),
        Json::Number(number) => number.as_f64().map(Rule::Number),
        Json::String(text) => Some(Rule::Text(text.clone())),
        Json::Array(_) | Json::Object(_) => None,
    }
    .ok_or_else(|| "FilterPolicy: Match value must be String, number, true, false, or null".to_owned())
}

fn number(value: Option<&Json>, operator: &str) -> Parsed<f64> {
    let said = if operator == "=" { "equals" } else { operator };
    value
        .filter(|value| value.is_number())
        .and_then(Json::as_f64)
        .ok_or_else(|| format!("FilterPolicy: Value of {said} must be numeric"))
}

fn shown(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn numeric(operand: &Json) -> Parsed<Rule> {
    let Some(parts) = operand.as_array() else {
        return Err("FilterPolicy: Value of numeric must be an array.".to_owned());
    };
    let Some((first, rest)) = parts.split_first() else {
        return Err("FilterPolicy: Invalid member in numeric match: ]".to_owned());
    };
    let Some(operator) = first.as_str() else {
        return Err(format!("FilterPolicy: Invalid member in numeric match: {}", shown(first)));
    };
    if !matches!(operator, "=" | "<" | "<=" | ">" | ">=") {
        return Err(format!("FilterPolicy: Unrecognized numeric range operator: {operator}"));
    }
    let bound = number(rest.first(), operator)?;
    let further = rest.get(1..).unwrap_or_default();
    if !further.is_empty() && !operator.starts_with('>') {
        return Err("FilterPolicy: Too many elements in numeric expression".to_owned());
    }
    Ok(match operator {
        "=" => Rule::Number(bound),
        "<" | "<=" => Rule::Between { low: None, high: Some((bound, operator == "<=")) },
        _ => Rule::Between { low: Some((bound, operator == ">=")), high: upper(further, bound)? },
    })
}

fn upper(parts: &[Json], low: f64) -> Parsed<Option<(f64, bool)>> {
    let Some(first) = parts.first() else { return Ok(None) };
    let Some(operator) = first.as_str() else {
        return Err(format!("FilterPolicy: Bad value in numeric range: {}", shown(first)));
    };
    if !matches!(operator, "<" | "<=") {
        return Err(format!("FilterPolicy: Bad numeric range operator: {operator}"));
    }
    let high = number(parts.get(1), operator)?;
    if high <= low {
        return Err("FilterPolicy: Bottom must be less than top".to_owned());
    }
    if parts.len() > 2 {
        return Err("FilterPolicy: Too many terms in numeric range expression".to_owned());
    }
    Ok(Some((high, operator == "<=")))
}
