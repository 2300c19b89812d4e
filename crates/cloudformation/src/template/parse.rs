//! From a template body to a tree of values, whichever syntax it is written in.

use super::value::Value;
use super::{Result, TemplateError, json, yaml};

/// The largest template, in bytes (the service's quota for a template in an S3 object).
///
/// The lower limit of a `TemplateBody` parameter (51,200 bytes) is the operation's business.
pub const MAX_TEMPLATE_BYTES: usize = 1_000_000;

/// How deep lists and mappings may nest.
pub const MAX_DEPTH: usize = 100;

/// What a YAML template may grow to through its aliases, in bytes of the tree.
pub const MAX_EXPANDED_BYTES: usize = 16 << 20;

/// Parses a template body: JSON if it begins with `{`, YAML otherwise.
///
/// The tree keeps the order of keys and the text of numbers. Duplicate keys, more than
/// [`MAX_TEMPLATE_BYTES`] or [`MAX_DEPTH`], and `null` anywhere are errors.
pub fn parse(body: &str) -> Result<Value> {
    if body.len() > MAX_TEMPLATE_BYTES {
        return Err(TemplateError::new(format!(
            "Template may not exceed {MAX_TEMPLATE_BYTES} bytes in size."
        )));
    }
    let value = if is_json(body) { json::parse(body)? } else { yaml::parse(body)? };
    if !matches!(value, Value::Map(_)) {
        return Err(TemplateError::new("Template format error: unsupported structure."));
    }
    let mut nulls = Vec::new();
    find_nulls(&value, &mut String::new(), 1, &mut nulls)?;
    TemplateError::of_problems(&nulls)?;
    Ok(value)
}

/// Whether a body is taken for JSON.
fn is_json(body: &str) -> bool {
    body.trim_start().starts_with('{')
}

/// The error of a template that nests too deep.
pub(crate) fn too_deep() -> TemplateError {
    TemplateError::new(format!("Template format error: the template nests more than {MAX_DEPTH} levels deep"))
}

/// Collects where `null` stands, and refuses what nests too deep.
fn find_nulls(value: &Value, path: &mut String, depth: usize, nulls: &mut Vec<String>) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    let parent = path.len();
    match value {
        Value::Null if nulls.len() <= super::MAX_PROBLEMS => {
            nulls.push(format!("[{path}] 'null' values are not allowed in templates"));
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push_str(&format!("/{index}"));
                find_nulls(item, path, depth + 1, nulls)?;
                path.truncate(parent);
            }
        }
        Value::Map(map) => {
            for (key, item) in map {
                path.push('/');
                path.push_str(key);
                find_nulls(item, path, depth + 1, nulls)?;
                path.truncate(parent);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    Ok(())
}
