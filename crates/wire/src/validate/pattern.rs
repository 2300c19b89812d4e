//! The models' regular expressions, compiled once each.
//!
//! They are Java's, look-around included, and a value must match as a whole.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, RwLock};

use fancy_regex::{Regex, RegexBuilder};

use crate::Error;
use crate::codec::Result;
use crate::schema::{Kind, Schema, Service};

/// Largest compiled expression in bytes: models count repetitions up to thousands.
const MAX_SIZE: usize = 32 << 20;
/// Most steps of one match with look-around; a value that needs more does not match.
const MAX_STEPS: usize = 10_000;

/// By the place and length of the model's text in memory, which is constant.
type Compiled = BTreeMap<(usize, usize), Arc<Regex>>;

static COMPILED: LazyLock<RwLock<Compiled>> = LazyLock::new(RwLock::default);

/// Whether the whole of a text matches a model's pattern.
///
/// # Errors
/// 500 if the pattern cannot be compiled: see [`unsupported_pattern`].
pub(super) fn matches(pattern: &'static str, text: &str) -> Result<bool> {
    let address = (pattern.as_ptr() as usize, pattern.len());
    let known = COMPILED.read().unwrap_or_else(|poisoned| poisoned.into_inner()).get(&address).cloned();
    if let Some(regex) = known {
        return Ok(regex.is_match(text).unwrap_or(false));
    }
    let regex = compile(pattern)
        .map_err(|e| Error::internal(format!("the pattern {pattern} is not supported: {e}")))?;
    let regex = Arc::new(regex);
    COMPILED.write().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(address, regex.clone());
    Ok(regex.is_match(text).unwrap_or(false))
}

fn compile(pattern: &str) -> std::result::Result<Regex, Box<fancy_regex::Error>> {
    RegexBuilder::new(&format!("^(?:{})$", from_java(pattern)))
        .delegate_size_limit(MAX_SIZE)
        .backtrack_limit(MAX_STEPS)
        .build()
        .map_err(Box::new)
}

/// Writes Java's dialect in Rust's: the short classes are of ASCII alone, and what lies above
/// U+FFFF is not a pair of surrogates.
fn from_java(pattern: &str) -> String {
    let pattern = pattern
        .replace("\\uD800\\uDC00-\\uDBFF\\uDFFF", "\\x{10000}-\\x{10FFFF}")
        .replace("\\ud800\\udc00-\\udbff\\udfff", "\\x{10000}-\\x{10FFFF}")
        .replace("\\p{Print}", "[\\x20-\\x7e]")
        .replace("\\p{ASCII}", "[\\x00-\\x7f]");
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            out.push(char);
            continue;
        }
        match chars.next() {
            Some('w') => out.push_str("[0-9A-Za-z_]"),
            Some('W') => out.push_str("[^0-9A-Za-z_]"),
            Some('d') => out.push_str("[0-9]"),
            Some('D') => out.push_str("[^0-9]"),
            Some('s') => out.push_str("[ \\t\\n\\x0b\\x0c\\r]"),
            Some('S') => out.push_str("[^ \\t\\n\\x0b\\x0c\\r]"),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

/// The first pattern of a service's inputs that cannot be checked, with the reason; for a test
/// of the generated schemas, so that no such pattern meets a request.
pub fn unsupported_pattern(service: &Service) -> Option<String> {
    let mut seen = Vec::new();
    service.operations.iter().find_map(|operation| unsupported(operation.input.schema, &mut seen))
}

fn unsupported(schema: &'static Schema, seen: &mut Vec<*const Schema>) -> Option<String> {
    if seen.contains(&std::ptr::from_ref(schema)) {
        return None;
    }
    seen.push(schema);
    if let Some(pattern) = schema.constraints.pattern
        && let Err(error) = compile(pattern)
    {
        return Some(format!("{}: {pattern}: {error}", schema.name));
    }
    match &schema.kind {
        Kind::List { element } => unsupported(element.schema, seen),
        Kind::Map { key, value } => unsupported(key.schema, seen).or_else(|| unsupported(value.schema, seen)),
        Kind::Structure { members, .. } => members.iter().find_map(|m| unsupported(m.schema, seen)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Patterns of Lambda's, Firehose's, IAM's, Logs', DynamoDB's and KMS's models.
    #[test]
    fn patterns_of_the_models() {
        for (pattern, good, bad) in [
            ("(?!^[0-9]+$)([a-zA-Z0-9-_]+)", "live-1", "12"),
            ("^(?!aws:)[\\p{L}\\p{Z}\\p{N}_.:\\/=+\\-@%]*$", "équipe", "aws:x"),
            ("[0-9A-Za-z\\.\\-_]*(?<!\\.)", "bucket", "bucket."),
            ("[\\w-_]*", "a-b_c", "é"),
            ("\\p{Print}+", "a b", "a\tb"),
            (
                "[\\u0020-\\uD7FF\\uE000-\\uFFFD\\uD800\\uDC00-\\uDBFF\\uDFFF\\r\\n\\t]*",
                "a\u{1F600}\n",
                "\u{1}",
            ),
            ("^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$", "a-b", "a--b"),
            ("\\d{12}", "123456789012", "١٢٣٤٥٦٧٨٩٠١٢"),
            ("a|ab", "ab", "abc"),
            ("a+", "aa", "aa\n"),
        ] {
            assert!(matches(pattern, good).expect("a pattern"), "{pattern} {good}");
            assert!(!matches(pattern, bad).expect("a pattern"), "{pattern} {bad}");
        }
    }

    #[test]
    fn steps_are_bounded() {
        let text = format!("{}!", "a".repeat(50_000));
        assert!(!matches("(?=(a+)+$)(a+)+b", &text).expect("a pattern"));
    }
}
