//! Event patterns: which events a mapping's filter lets through
//! (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>).

use std::net::IpAddr;

use serde_json::{Map, Value as Json};

/// Nested objects in a pattern.
const DEPTH: usize = 32;

/// A pattern, compiled: an event must have all of its fields, each with one of the values.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern(Vec<Field>);

#[derive(Debug, Clone, PartialEq)]
enum Field {
    /// A field whose value is an object with a pattern of its own.
    Inner(String, Pattern),
    /// A field with one of these values.
    OneOf(String, Vec<Test>),
    /// One of these patterns.
    Or(Vec<Pattern>),
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Is(Json),
    Prefix(String, bool),
    Suffix(String, bool),
    SameLetters(String),
    Wildcard(String),
    Exists(bool),
    /// Comparisons, all of which must hold.
    Numeric(Vec<(Comparison, f64)>),
    Cidr(IpAddr, u8),
    Not(Vec<Test>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        match serde_json::from_str(text) {
            Ok(Json::Object(object)) => Pattern::of(&object, DEPTH),
            Ok(_) => Err("A pattern is a JSON object.".to_owned()),
            Err(why) => Err(format!("Not JSON: {why}")),
        }
    }

    fn of(object: &Map<String, Json>, depth: usize) -> Result<Pattern, String> {
        let depth = depth.checked_sub(1).ok_or("The pattern is nested too deeply.")?;
        if object.is_empty() {
            return Err("Empty objects are not allowed.".to_owned());
        }
        let fields: Result<Vec<Field>, String> = object
            .iter()
            .map(|(name, value)| match value {
                Json::Array(patterns) if name == "$or" => {
                    let patterns: Result<Vec<Pattern>, String> = patterns
                        .iter()
                        .map(|one| match one {
                            Json::Object(one) => Pattern::of(one, depth),
                            _ => Err("$or takes objects.".to_owned()),
                        })
                        .collect();
                    patterns.map(Field::Or)
                }
                Json::Object(inner) => Ok(Field::Inner(name.clone(), Pattern::of(inner, depth)?)),
                Json::Array(tests) if tests.is_empty() => Err("Empty arrays are not allowed.".to_owned()),
                Json::Array(tests) => {
                    let tests: Result<Vec<Test>, String> = tests.iter().map(test).collect();
                    Ok(Field::OneOf(name.clone(), tests?))
                }
                _ => Err(format!("\"{name}\" must be an object or an array.")),
            })
            .collect();
        fields.map(Pattern)
    }

    /// Whether an event matches.
    pub fn matches(&self, event: &Json) -> bool {
        self.0.iter().all(|field| match field {
            Field::Or(patterns) => patterns.iter().any(|pattern| pattern.matches(event)),
            Field::Inner(name, pattern) => match event.get(name) {
                Some(Json::Array(items)) => items.iter().any(|item| pattern.matches(item)),
                Some(value @ Json::Object(_)) => pattern.matches(value),
                // What asks for a field's absence is satisfied by the absence of what would hold it.
                _ => pattern.matches(&Json::Object(Map::new())),
            },
            Field::OneOf(name, tests) => {
                let value = event.get(name);
                tests.iter().any(|test| test.holds(value))
            }
        })
    }
}

fn test(value: &Json) -> Result<Test, String> {
    let object = match value {
        Json::Object(object) => object,
        Json::Array(_) => return Err("Arrays in arrays are not allowed.".to_owned()),
        scalar => return Ok(Test::Is(scalar.clone())),
    };
    let mut entries = object.iter();
    let (Some((name, value)), None) = (entries.next(), entries.next()) else {
        return Err("A comparison has one operator.".to_owned());
    };
    let text = || value.as_str().map(str::to_owned).ok_or_else(|| format!("{name} takes a string."));
    let folded = || value.get("equals-ignore-case").and_then(Json::as_str).map(str::to_lowercase);
    Ok(match name.as_str() {
        "prefix" => match folded() {
            Some(text) => Test::Prefix(text, true),
            None => Test::Prefix(text()?, false),
        },
        "suffix" => match folded() {
            Some(text) => Test::Suffix(text, true),
            None => Test::Suffix(text()?, false),
        },
        "equals-ignore-case" => Test::SameLetters(text()?.to_lowercase()),
        "wildcard" => Test::Wildcard(text()?),
        "exists" => Test::Exists(value.as_bool().ok_or("exists takes true or false.")?),
        "numeric" => Test::Numeric(numeric(value)?),
        "cidr" => cidr(&text()?)?,
        "anything-but" => Test::Not(anything_but(value)?),
        other => return Err(format!("Unrecognized match type {other}.")),
    })
}

/// `anything-but` takes values, or one operator over texts.
fn anything_but(value: &Json) -> Result<Vec<Test>, String> {
    match value {
        Json::Array(values) if !values.is_empty() => {
            let plain = values.iter().all(|value| !value.is_object() && !value.is_array());
            match plain {
                true => values.iter().map(test).collect(),
                false => Err("anything-but takes strings and numbers.".to_owned()),
            }
        }
        Json::Object(object) => {
            let (name, values) = object.iter().next().ok_or("anything-but takes an operator.")?;
            let known = ["prefix", "suffix", "equals-ignore-case", "wildcard"];
            if object.len() != 1 || !known.contains(&name.as_str()) {
                return Err(format!("anything-but does not take {name}."));
            }
            let one = |value: &Json| test(&Json::Object(Map::from_iter([(name.clone(), value.clone())])));
            match values {
                Json::Array(values) => values.iter().map(one).collect(),
                value => Ok(vec![one(value)?]),
            }
        }
        Json::Array(_) => Err("anything-but takes a value.".to_owned()),
        scalar => Ok(vec![Test::Is(scalar.clone())]),
    }
}

fn numeric(value: &Json) -> Result<Vec<(Comparison, f64)>, String> {
    let words = value.as_array().filter(|words| matches!(words.len(), 2 | 4));
    let words = words.ok_or("numeric takes one or two comparisons.")?;
    words
        .chunks(2)
        .map(|pair| {
            let comparison = match pair.first().and_then(Json::as_str) {
                Some("<") => Comparison::Less,
                Some("<=") => Comparison::AtMost,
                Some("=") => Comparison::Equal,
                Some(">=") => Comparison::AtLeast,
                Some(">") => Comparison::More,
                _ => return Err("Unrecognized numeric range operator.".to_owned()),
            };
            let number = pair.get(1).and_then(Json::as_f64).ok_or("Bad value for numeric range operator.")?;
            Ok((comparison, number))
        })
        .collect()
}

fn cidr(text: &str) -> Result<Test, String> {
    let bad = || format!("Bad CIDR {text}.");
    let (address, bits) = text.split_once('/').ok_or_else(bad)?;
    let address: IpAddr = address.parse().map_err(|_| bad())?;
    let bits: u8 = bits.parse().map_err(|_| bad())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    if bits > most { Err(bad()) } else { Ok(Test::Cidr(address, bits)) }
}

impl Test {
    /// Whether a field's value, or its absence, is what the pattern asks for. Of an array, one element must be.
    fn holds(&self, value: Option<&Json>) -> bool {
        match (self, value) {
            (Test::Exists(wanted), value) => {
                // Only leaves exist: an object is not a value.
                value.is_some_and(|value| !value.is_object()) == *wanted
            }
            (_, None) => false,
            (test, Some(Json::Array(items))) => items.iter().any(|item| test.is(item)),
            (test, Some(value)) => test.is(value),
        }
    }

    fn is(&self, value: &Json) -> bool {
        let text = value.as_str();
        match self {
            Test::Is(Json::Number(wanted)) => value.as_f64().is_some() && value.as_f64() == wanted.as_f64(),
            Test::Is(wanted) => wanted == value,
            Test::Prefix(wanted, false) => text.is_some_and(|text| text.starts_with(wanted)),
            Test::Prefix(wanted, true) => text.is_some_and(|text| text.to_lowercase().starts_with(wanted)),
            Test::Suffix(wanted, false) => text.is_some_and(|text| text.ends_with(wanted)),
            Test::Suffix(wanted, true) => text.is_some_and(|text| text.to_lowercase().ends_with(wanted)),
            Test::SameLetters(wanted) => text.is_some_and(|text| text.to_lowercase() == *wanted),
            Test::Wildcard(pattern) => text.is_some_and(|text| wildcard(pattern, text)),
            Test::Numeric(all) => value.as_f64().is_some_and(|number| {
                all.iter().all(|(comparison, with)| match comparison {
                    Comparison::Less => number < *with,
                    Comparison::AtMost => number <= *with,
                    Comparison::Equal => number == *with,
                    Comparison::AtLeast => number >= *with,
                    Comparison::More => number > *with,
                })
            }),
            Test::Cidr(net, bits) => {
                text.and_then(|text| text.parse().ok()).is_some_and(|address| within(address, *net, *bits))
            }
            Test::Not(tests) => !value.is_object() && !tests.iter().any(|test| test.is(value)),
            Test::Exists(_) => false,
        }
    }
}

fn within(address: IpAddr, net: IpAddr, bits: u8) -> bool {
    let same = |a: u128, b: u128, all: u32| {
        let rest = all - u32::from(bits);
        a.checked_shr(rest).unwrap_or(0) == b.checked_shr(rest).unwrap_or(0)
    };
    match (address, net) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(u128::from(u32::from(a)), u128::from(u32::from(b)), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(u128::from(a), u128::from(b), 128),
        _ => false,
    }
}

/// Matches `*` with any text, in time that grows with the product of the lengths.
fn wildcard(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part).and_then(|at| rest.get(at + part.len()..)) {
            Some(behind) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn matches(pattern: Json, event: &Json) -> bool {
        Pattern::parse(&pattern.to_string()).unwrap().matches(event)
    }

    #[test]
    fn operators_as_the_user_guide_has_them() {
        let event = json!({
            "body": { "city": "Seattle", "temp": 42, "tags": ["a", "b"], "ip": "10.1.2.3", "none": null },
            "name": "data.png",
        });
        for (pattern, expected) in [
            (json!({ "body": { "city": ["Seattle", "Rome"] } }), true),
            (json!({ "body": { "city": ["Rome"] } }), false),
            (json!({ "body": { "temp": [42.0] } }), true),
            (json!({ "body": { "tags": ["b"] } }), true),
            (json!({ "body": { "none": [null] } }), true),
            (json!({ "body": { "city": [{ "prefix": "Sea" }] } }), true),
            (json!({ "body": { "city": [{ "prefix": { "equals-ignore-case": "SEA" } }] } }), true),
            (json!({ "name": [{ "suffix": ".png" }] }), true),
            (json!({ "body": { "city": [{ "equals-ignore-case": "sEATTLE" }] } }), true),
            (json!({ "body": { "city": [{ "wildcard": "S*t*e" }] } }), true),
            (json!({ "body": { "city": [{ "wildcard": "S*x*e" }] } }), false),
            (json!({ "body": { "city": [{ "anything-but": ["Rome", "Oslo"] }] } }), true),
            (json!({ "body": { "city": [{ "anything-but": { "prefix": "Sea" } }] } }), false),
            (json!({ "body": { "gone": [{ "anything-but": "x" }] } }), false),
            (json!({ "body": { "temp": [{ "numeric": [">", 0, "<=", 42] }] } }), true),
            (json!({ "body": { "temp": [{ "numeric": ["<", 42] }] } }), false),
            (json!({ "body": { "gone": [{ "exists": false }] } }), true),
            (json!({ "body": { "city": [{ "exists": true }] } }), true),
            (json!({ "body": { "ip": [{ "cidr": "10.1.0.0/16" }] } }), true),
            (json!({ "body": { "ip": [{ "cidr": "10.2.0.0/16" }] } }), false),
            (json!({ "$or": [{ "name": ["x"] }, { "body": { "temp": [42] } }] }), true),
            (json!({ "body": { "city": ["Seattle"], "temp": [1] } }), false),
        ] {
            assert_eq!(matches(pattern.clone(), &event), expected, "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"a":1}"#,
            r#"{"a":[]}"#,
            r#"{"a":{}}"#,
            r#"{"a":[{"like":"x"}]}"#,
            r#"{"a":[[1]]}"#,
            r#"{"a":[{"numeric":["~",1]}]}"#,
            r#"{"a":[{"cidr":"1.2.3.4/99"}]}"#,
            r#"{"a":[{"anything-but":[]}]}"#,
            r#"{"a":[{"exists":"yes"}]}"#,
        ] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in ".{0,200}") {
            let _ = Pattern::parse(&text);
        }

        #[test]
        fn wildcards_match_what_they_are_made_of(parts in prop::collection::vec("[a-c]{0,3}", 1..5), fill in "[a-c]{0,4}") {
            prop_assert!(wildcard(&parts.join("*"), &parts.join(&fill)));
        }
    }
}
