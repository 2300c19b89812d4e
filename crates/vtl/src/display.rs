//! Values as text: Java's `toString()`, and JSON.

use std::fmt::Write;

use crate::error::{RenderError, Result};
use crate::value::{Map, Value};

/// Lists and maps within each other that have a text; Java's stack ends somewhere too.
const MAX_DEPTH: usize = 100;
/// What the text of one value may take: shared lists can be far longer written out than they are.
const MAX_LENGTH: usize = 10 << 20;

/// The text of a value that is not null, as Java's `toString()` gives it. A block has none here: it
/// renders.
pub(crate) fn text(value: &Value) -> Result<String> {
    let mut out = String::new();
    write_text(value, 0, &mut out)?;
    Ok(out)
}

/// Compact JSON.
pub(crate) fn json(value: &Value) -> Result<String> {
    let mut out = String::new();
    write_json(value, 0, &mut out)?;
    Ok(out)
}

fn check(depth: usize, out: &str) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(RenderError::Limit("the depth of lists and maps"));
    }
    if out.len() > MAX_LENGTH {
        return Err(RenderError::Limit("output"));
    }
    Ok(())
}

fn write_text(value: &Value, depth: usize, out: &mut String) -> Result<()> {
    check(depth, out)?;
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
        Value::Int(number) => {
            let _infallible = write!(out, "{number}");
        }
        Value::Double(number) => out.push_str(&double(*number)),
        Value::Str(text) => out.push_str(text),
        Value::List(list) if list.json => write_json(value, depth, out)?,
        Value::List(list) => {
            out.push('[');
            for (index, element) in list.elements.borrow().iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write_text(element, depth + 1, out)?;
            }
            out.push(']');
        }
        Value::Map(map) => write_map(map, depth, out)?,
        Value::Scope(scope) => write_map(&scope.variables, depth, out)?,
        Value::Entry(entry) => {
            write_text(&entry.key.value(), depth + 1, out)?;
            out.push('=');
            write_text(&entry.value(), depth + 1, out)?;
        }
        Value::Object(object) => out.push_str(&object.text()),
        Value::Block(_) => {}
    }
    Ok(())
}

fn write_map(map: &Map, depth: usize, out: &mut String) -> Result<()> {
    out.push('{');
    for (index, (key, value)) in map.entries.borrow().iter().enumerate() {
        out.push_str(if index == 0 { "" } else { ", " });
        write_text(&key.value(), depth + 1, out)?;
        out.push('=');
        write_text(value, depth + 1, out)?;
    }
    out.push('}');
    Ok(())
}

fn write_json(value: &Value, depth: usize, out: &mut String) -> Result<()> {
    check(depth, out)?;
    match value {
        Value::Null | Value::Bool(_) | Value::Int(_) => write_text(value, depth, out)?,
        Value::Double(number) if number.is_finite() => out.push_str(&double(*number)),
        Value::Double(_) => out.push_str("null"),
        Value::List(list) => {
            out.push('[');
            for (index, element) in list.elements.borrow().iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                write_json(element, depth + 1, out)?;
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            for (index, (key, value)) in map.entries.borrow().iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                out.push_str(&quoted(&text(&key.value())?));
                out.push(':');
                write_json(value, depth + 1, out)?;
            }
            out.push('}');
        }
        other => out.push_str(&quoted(&text(other)?)),
    }
    Ok(())
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A double as `Double.toString` writes it: the fewest digits that tell it from others, with an exponent
/// outside of 10⁻³ to 10⁷.
pub(crate) fn double(number: f64) -> String {
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity".into() } else { "-Infinity".into() };
    }
    let size = number.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{number:?}");
    }
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{exponent}")
}
