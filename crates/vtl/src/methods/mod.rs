//! The methods and properties of values that templates use: those of Java's classes.
//!
//! Signatures decide as they do in Java: a call that no method takes is a method that is not known, and has
//! no value.

mod collection;
mod format;
mod iterator;
mod pattern;
mod primitive;
mod string;

pub(crate) use pattern::matches;

use crate::context::{ENTRY, Heap};
use crate::error::{RenderError, Result};
use crate::value::{Key, Value};

/// Lists and maps within each other that are compared.
const MAX_DEPTH: usize = 100;

/// Calls a method on a value that is not null.
pub(crate) fn call(heap: &Heap, object: &Value, method: &str, arguments: &[Value]) -> Result<Value> {
    let found = match object {
        Value::Str(text) => string::call(heap, text, method, arguments)?,
        Value::Bool(bool) => primitive::bool(*bool, method, arguments)?,
        Value::Int(number) => primitive::int(heap, *number, method, arguments)?,
        Value::Double(number) => primitive::double(*number, method, arguments)?,
        Value::List(list) => collection::list(heap, list, method, arguments)?,
        Value::Map(map) => collection::map(heap, map, method, arguments)?,
        Value::Entry(entry) => match (method, arguments) {
            ("getKey", []) => Some(entry.key.value()),
            ("getValue", []) => Some(entry.value()),
            _ => None,
        },
        Value::Scope(_) => match (method, arguments) {
            ("hasNext", []) => Some(property(heap, object, "hasNext")?),
            (getter, []) => match getter.strip_prefix("get").or_else(|| getter.strip_prefix("is")) {
                Some(name) => Some(property(heap, object, &decapitalized(name))?),
                None => None,
            },
            _ => None,
        },
        Value::Object(object) => return object.call(method, arguments, heap),
        Value::Null | Value::Block(_) => return Ok(Value::Null),
    };
    if let Some(value) = found {
        return Ok(value);
    }
    match (method, arguments) {
        ("toString", []) => heap.string(crate::display::text(object)?),
        ("equals", [other]) => Ok(Value::Bool(equals(heap, object, other, 0)?)),
        ("hashCode", []) => Ok(Value::Int(hash(heap, object, 0)?.into())),
        _ => Ok(Value::Null),
    }
}

/// A property of a value that is not null.
pub(crate) fn property(heap: &Heap, object: &Value, name: &str) -> Result<Value> {
    Ok(match object {
        Value::Map(map) => map.get(name).unwrap_or_default(),
        Value::Entry(entry) => match name {
            "key" | "Key" => entry.key.value(),
            "value" | "Value" => entry.value(),
            _ => Value::Null,
        },
        Value::Scope(scope) => {
            let index = scope.index.get();
            match name {
                "index" => Value::Int(index as i128),
                "count" => Value::Int(index as i128 + 1),
                "hasNext" => Value::Bool(index + 1 < scope.length),
                "first" => Value::Bool(index == 0),
                "last" => Value::Bool(index + 1 >= scope.length),
                "parent" => scope.parent.clone().map_or(Value::Null, Value::Scope),
                "topmost" => {
                    let mut top = scope.clone();
                    while let Some(parent) = top.parent.clone() {
                        top = parent;
                    }
                    Value::Scope(top)
                }
                _ => scope.variables.get(name).unwrap_or_default(),
            }
        }
        Value::Object(object) => object.property(name, heap)?,
        Value::Str(_) | Value::List(_) if matches!(name, "empty" | "Empty") => {
            call(heap, object, "isEmpty", &[])?
        }
        _ => Value::Null,
    })
}

/// `$object[index]`; a list counts from its end below 0.
pub(crate) fn index(heap: &Heap, object: &Value, index: &Value) -> Result<Value> {
    match object {
        Value::Map(_) => call(heap, object, "get", std::slice::from_ref(index)),
        Value::List(list) => {
            let Value::Int(at) = index else { return Ok(Value::Null) };
            let at = if *at < 0 { *at + list.len() as i128 } else { *at };
            call(heap, object, "get", &[Value::Int(at)])
        }
        _ => Ok(Value::Null),
    }
}

/// `#set($object[index] = value)`.
pub(crate) fn set_index(heap: &Heap, object: &Value, index: &Value, value: Value) -> Result<()> {
    match object {
        Value::Map(_) => call(heap, object, "put", &[index.clone(), value])?,
        Value::List(list) => {
            let Value::Int(at) = index else { return Ok(()) };
            let at = if *at < 0 { *at + list.len() as i128 } else { *at };
            call(heap, object, "set", &[Value::Int(at), value])?
        }
        _ => Value::Null,
    };
    Ok(())
}

/// `#set($object.name = value)`.
pub(crate) fn set_property(heap: &Heap, object: &Value, name: &str, value: Value) -> Result<()> {
    let map = match object {
        Value::Map(map) => map,
        Value::Scope(scope) => &scope.variables,
        _ => return Ok(()),
    };
    heap.charge(ENTRY)?;
    map.entries.borrow_mut().insert(Key::Str(name.into()), value);
    Ok(())
}

/// Whether two values are equal as Java's `equals` has it.
pub(crate) fn equals(heap: &Heap, left: &Value, right: &Value, depth: usize) -> Result<bool> {
    heap.steps(1)?;
    if depth > MAX_DEPTH {
        return Err(RenderError::Limit("the depth of lists and maps"));
    }
    Ok(match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Double(a), Value::Double(b)) => a.to_bits() == b.to_bits(),
        (Value::Str(a), Value::Str(b)) => {
            heap.steps(a.len() as u64 / 64)?;
            a == b
        }
        (Value::List(a), Value::List(b)) => {
            let (a, b) = (a.to_vec(), b.to_vec());
            heap.steps(a.len().max(b.len()) as u64 / 16)?;
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(&b) {
                if !equals(heap, a, b, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Map(a), Value::Map(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (key, value) in a.entries() {
                let other = b.entries.borrow().get(&key).cloned();
                match other {
                    Some(other) if equals(heap, &value, &other, depth + 1)? => {}
                    _ => return Ok(false),
                }
            }
            true
        }
        (Value::Entry(a), Value::Entry(b)) => {
            a.key == b.key && equals(heap, &a.value(), &b.value(), depth + 1)?
        }
        _ => false,
    })
}

/// Java's `hashCode()`.
pub(crate) fn hash(heap: &Heap, value: &Value, depth: usize) -> Result<i32> {
    heap.steps(1)?;
    if depth > MAX_DEPTH {
        return Err(RenderError::Limit("the depth of lists and maps"));
    }
    let entry = |key: &Value, value: &Value| -> Result<i32> {
        Ok(hash(heap, key, depth + 1)? ^ hash(heap, value, depth + 1)?)
    };
    Ok(match value {
        Value::Null | Value::Block(_) | Value::Object(_) | Value::Scope(_) => 0,
        Value::Bool(bool) => {
            if *bool {
                1231
            } else {
                1237
            }
        }
        Value::Int(number) => match i32::try_from(*number) {
            Ok(number) => number,
            Err(_) => (*number ^ (*number >> 32)) as i32,
        },
        Value::Double(number) => (number.to_bits() ^ (number.to_bits() >> 32)) as i32,
        Value::Str(text) => {
            heap.steps(text.len() as u64 / 64)?;
            text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
        }
        Value::List(list) => {
            let mut sum = 1i32;
            for element in list.to_vec() {
                sum = sum.wrapping_mul(31).wrapping_add(hash(heap, &element, depth + 1)?);
            }
            sum
        }
        Value::Map(map) => {
            let mut sum = 0i32;
            for (key, value) in map.entries() {
                sum = sum.wrapping_add(entry(&key.value(), &value)?);
            }
            sum
        }
        Value::Entry(pair) => entry(&pair.key.value(), &pair.value())?,
    })
}

fn decapitalized(name: &str) -> String {
    let mut chars = name.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// A method that throws in Java.
fn failed(message: impl Into<String>) -> RenderError {
    RenderError::Method(message.into())
}
