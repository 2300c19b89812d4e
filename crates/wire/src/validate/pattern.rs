//! The models' regular expressions, compiled once each.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, RwLock};

use regex::{Regex, RegexBuilder};

use crate::Error;
use crate::codec::Result;
use crate::schema::{Kind, Schema, Service};

/// Largest compiled expression in bytes: repetitions up to a million, as some models have, are
/// counted out.
const MAX_SIZE: usize = 64 << 20;

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
        return Ok(regex.is_match(text));
    }
    let regex = compile(pattern)
        .map_err(|e| Error::internal(format!("the pattern {pattern} is not supported: {e}")))?;
    let regex = Arc::new(regex);
    COMPILED.write().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(address, regex.clone());
    Ok(regex.is_match(text))
}

fn compile(pattern: &str) -> std::result::Result<Regex, regex::Error> {
    // Java writes what lies above U+FFFF as surrogate pairs.
    let scalar = pattern
        .replace("\\uD800\\uDC00-\\uDBFF\\uDFFF", "\\x{10000}-\\x{10FFFF}")
        .replace("\\ud800\\udc00-\\udbff\\udfff", "\\x{10000}-\\x{10FFFF}");
    RegexBuilder::new(&format!("^(?:{scalar})$")).size_limit(MAX_SIZE).build()
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
