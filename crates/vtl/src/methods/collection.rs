//! The methods of `java.util.List` and `java.util.Map`.

use std::rc::Rc;

use super::{equals, failed, iterator};
use crate::context::{ENTRY, Heap};
use crate::error::Result;
use crate::value::{Entry, List, Map, Value};

pub(super) fn list(heap: &Heap, list: &Rc<List>, method: &str, arguments: &[Value]) -> Result<Option<Value>> {
    let length = list.len();
    Ok(Some(match (method, arguments) {
        ("size", []) => Value::Int(length as i128),
        ("isEmpty", []) => Value::Bool(length == 0),
        ("get", [Value::Int(at)]) => {
            let at = position(*at, length)?;
            list.elements.borrow().get(at).cloned().unwrap_or_default()
        }
        ("contains", [value]) => Value::Bool(find(heap, list, value)?.is_some()),
        ("containsAll", [Value::List(values)]) => {
            let mut all = true;
            for value in values.to_vec() {
                all = all && find(heap, list, &value)?.is_some();
            }
            Value::Bool(all)
        }
        ("indexOf", [value]) => Value::Int(find(heap, list, value)?.map_or(-1, |at| at as i128)),
        ("lastIndexOf", [value]) => {
            let mut last = -1;
            for (at, element) in list.to_vec().iter().enumerate() {
                if equals(heap, element, value, 0)? {
                    last = at as i128;
                }
            }
            Value::Int(last)
        }
        ("subList", [Value::Int(from), Value::Int(to)]) => {
            let range = bounds(*from, *to, length)?;
            heap.list(list.elements.borrow().get(range).unwrap_or_default().to_vec())?
        }
        ("toArray", []) => heap.list(list.to_vec())?,
        ("iterator" | "listIterator", []) => iterator::over(list.to_vec(), heap)?,
        _ => return change(heap, list, method, arguments),
    }))
}

fn change(heap: &Heap, list: &Rc<List>, method: &str, arguments: &[Value]) -> Result<Option<Value>> {
    let length = list.len();
    // Elements after the place of a change are moved.
    heap.steps(length as u64 / 64)?;
    Ok(Some(match (method, arguments) {
        ("add", [value]) => {
            heap.charge(size_of::<Value>())?;
            list.elements.borrow_mut().push(value.clone());
            Value::Bool(true)
        }
        ("add", [Value::Int(at), value]) => {
            heap.charge(size_of::<Value>())?;
            let at = position(*at, length + 1)?;
            list.elements.borrow_mut().insert(at, value.clone());
            Value::Str("".into())
        }
        ("addAll", [Value::List(values)]) => insert_all(heap, list, length, values)?,
        ("addAll", [Value::Int(at), Value::List(values)]) => {
            insert_all(heap, list, position(*at, length + 1)?, values)?
        }
        ("set", [Value::Int(at), value]) => {
            let at = position(*at, length)?;
            let mut elements = list.elements.borrow_mut();
            elements.get_mut(at).map(|element| std::mem::replace(element, value.clone())).unwrap_or_default()
        }
        ("remove", [Value::Int(at)]) => {
            let at = position(*at, length)?;
            list.elements.borrow_mut().remove(at)
        }
        ("remove", [value]) => {
            let at = find(heap, list, value)?;
            if let Some(at) = at {
                list.elements.borrow_mut().remove(at);
            }
            Value::Bool(at.is_some())
        }
        ("removeAll", [Value::List(values)]) => retain(heap, list, values, false)?,
        ("retainAll", [Value::List(values)]) => retain(heap, list, values, true)?,
        ("clear", []) => {
            list.elements.borrow_mut().clear();
            Value::Str("".into())
        }
        _ => return Ok(None),
    }))
}

fn insert_all(heap: &Heap, list: &Rc<List>, at: usize, values: &Rc<List>) -> Result<Value> {
    let values = values.to_vec();
    heap.charge(values.len() * size_of::<Value>())?;
    let changed = !values.is_empty();
    list.elements.borrow_mut().splice(at..at, values);
    Ok(Value::Bool(changed))
}

fn retain(heap: &Heap, list: &Rc<List>, values: &Rc<List>, wanted: bool) -> Result<Value> {
    let mut kept = Vec::new();
    let before = list.to_vec();
    for element in &before {
        if find(heap, values, element)?.is_some() == wanted {
            kept.push(element.clone());
        }
    }
    let changed = kept.len() != before.len();
    *list.elements.borrow_mut() = kept;
    Ok(Value::Bool(changed))
}

fn find(heap: &Heap, list: &List, value: &Value) -> Result<Option<usize>> {
    // A copy, because the elements that are compared may be the list itself.
    let elements = list.to_vec();
    heap.steps(elements.len() as u64 / 16)?;
    for (at, element) in elements.iter().enumerate() {
        if equals(heap, element, value, 0)? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

fn position(at: i128, length: usize) -> Result<usize> {
    usize::try_from(at)
        .ok()
        .filter(|position| *position < length)
        .ok_or_else(|| failed(format!("Index {at} out of bounds for length {length}")))
}

/// A range of a list or of a string.
pub(super) fn bounds(from: i128, to: i128, length: usize) -> Result<std::ops::Range<usize>> {
    let wrong = || failed(format!("begin {from}, end {to}, length {length}"));
    let range = usize::try_from(from).map_err(|_| wrong())?..usize::try_from(to).map_err(|_| wrong())?;
    if range.start > range.end || range.end > length { Err(wrong()) } else { Ok(range) }
}

pub(super) fn map(heap: &Heap, map: &Rc<Map>, method: &str, arguments: &[Value]) -> Result<Option<Value>> {
    Ok(Some(match (method, arguments) {
        ("size", []) => Value::Int(map.len() as i128),
        ("isEmpty", []) => Value::Bool(map.len() == 0),
        ("get", [key]) => get(map, key)?.unwrap_or_default(),
        ("getOrDefault", [key, default]) => get(map, key)?.unwrap_or_else(|| default.clone()),
        ("containsKey", [key]) => Value::Bool(get(map, key)?.is_some()),
        ("containsValue", [value]) => {
            let mut found = false;
            for (_, element) in map.entries() {
                found = found || equals(heap, &element, value, 0)?;
            }
            Value::Bool(found)
        }
        ("keySet", []) => heap.list(map.entries.borrow().keys().map(|key| key.value()).collect())?,
        ("values", []) => heap.list(map.entries.borrow().values().cloned().collect())?,
        ("entrySet", []) => {
            let entries = map.entries();
            heap.charge(entries.len() * ENTRY)?;
            let entry = |(key, _)| Value::Entry(Rc::new(Entry { key, map: map.clone() }));
            heap.list(entries.into_iter().map(entry).collect())?
        }
        ("put", [key, value]) => put(heap, map, key, value)?,
        ("putIfAbsent", [key, value]) => match get(map, key)? {
            Some(present) if !present.is_null() => present,
            _ => put(heap, map, key, value)?,
        },
        ("putAll", [Value::Map(other)]) => {
            let entries = other.entries();
            heap.charge(entries.len() * ENTRY)?;
            map.entries.borrow_mut().extend(entries);
            Value::Str("".into())
        }
        ("remove", [key]) => {
            heap.steps(map.len() as u64 / 64)?;
            let key = key.key()?;
            map.entries.borrow_mut().shift_remove(&key).unwrap_or_default()
        }
        ("clear", []) => {
            map.entries.borrow_mut().clear();
            Value::Str("".into())
        }
        _ => return Ok(None),
    }))
}

fn get(map: &Map, key: &Value) -> Result<Option<Value>> {
    let key = key.key()?;
    Ok(map.entries.borrow().get(&key).cloned())
}

fn put(heap: &Heap, map: &Map, key: &Value, value: &Value) -> Result<Value> {
    heap.charge(ENTRY)?;
    let key = key.key()?;
    Ok(map.entries.borrow_mut().insert(key, value.clone()).unwrap_or_default())
}
