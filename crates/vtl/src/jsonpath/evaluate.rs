//! Finds what a path leads to.

use serde_json::Value as Json;

use super::{Function, Path, Step};
use crate::context::Heap;
use crate::error::Result;

pub(super) fn find(path: &Path, document: &Json, heap: &Heap) -> Result<Option<Json>> {
    let mut found = Vec::new();
    // The last step may make an object of several members.
    let (steps, members) = match path.steps.split_last() {
        Some((Step::Members(names), steps)) if names.len() > 1 => (steps, Some(names)),
        _ => (path.steps.as_slice(), None),
    };
    let definite = steps.iter().take_while(|step| step.is_definite()).count();
    let (first, rest) = steps.split_at(definite);
    walk(first, document, document, heap, &mut found)?;
    // Only what comes after a step that can find several may find none of them.
    let Some(from) = found.pop() else { return Ok(None) };
    walk(rest, from, document, heap, &mut found)?;
    let mut copies = Vec::with_capacity(found.len());
    for value in found {
        copies.extend(match members {
            Some(names) => chosen(names, value),
            None => Some(value.clone()),
        });
    }
    let result = if path.is_definite() { copies.into_iter().next() } else { Some(Json::Array(copies)) };
    Ok(match (path.function, result) {
        (Some(function), Some(value)) => Some(calculate(function, &value).unwrap_or_default()),
        (_, result) => result,
    })
}

fn chosen(names: &[String], value: &Json) -> Option<Json> {
    let members = value.as_object()?;
    let members = names.iter().filter_map(|name| Some((name.clone(), members.get(name)?.clone())));
    Some(Json::Object(members.collect()))
}

fn walk<'a>(
    steps: &[Step],
    value: &'a Json,
    document: &Json,
    heap: &Heap,
    found: &mut Vec<&'a Json>,
) -> Result<()> {
    heap.steps(1)?;
    let Some((step, rest)) = steps.split_first() else {
        heap.charge(size_of::<Json>())?;
        found.push(value);
        return Ok(());
    };
    match (step, value) {
        (Step::Members(names), Json::Object(members)) => {
            for member in names.iter().filter_map(|name| members.get(name)) {
                walk(rest, member, document, heap, found)?;
            }
        }
        (Step::All, _) => {
            for child in children(value) {
                walk(rest, child, document, heap, found)?;
            }
        }
        (Step::Descend, _) => descend(rest, value, document, heap, found)?,
        (Step::Elements(at), Json::Array(elements)) => {
            for at in at {
                let at = if *at < 0 { *at + elements.len() as i64 } else { *at };
                let element = usize::try_from(at).ok().and_then(|at| elements.get(at));
                if let Some(element) = element {
                    walk(rest, element, document, heap, found)?;
                }
            }
        }
        (Step::Slice(from, to), Json::Array(elements)) => {
            let length = elements.len() as i64;
            let place = |at: i64| (if at < 0 { at + length } else { at }).clamp(0, length) as usize;
            let range = place(from.unwrap_or(0))..place(to.unwrap_or(length));
            for element in elements.get(range).unwrap_or_default() {
                walk(rest, element, document, heap, found)?;
            }
        }
        (Step::Filter(predicate), Json::Array(elements)) => {
            for element in elements {
                if predicate.holds(element, document, heap)? {
                    walk(rest, element, document, heap, found)?;
                }
            }
        }
        (Step::Filter(predicate), Json::Object(_)) if predicate.holds(value, document, heap)? => {
            walk(rest, value, document, heap, found)?;
        }
        _ => {}
    }
    Ok(())
}

/// The steps at this value, and at everything below it.
fn descend<'a>(
    steps: &[Step],
    value: &'a Json,
    document: &Json,
    heap: &Heap,
    found: &mut Vec<&'a Json>,
) -> Result<()> {
    walk(steps, value, document, heap, found)?;
    for child in children(value) {
        if child.is_array() || child.is_object() {
            descend(steps, child, document, heap, found)?;
        }
    }
    Ok(())
}

fn children(value: &Json) -> Vec<&Json> {
    match value {
        Json::Array(elements) => elements.iter().collect(),
        Json::Object(members) => members.values().collect(),
        _ => Vec::new(),
    }
}

fn calculate(function: Function, value: &Json) -> Option<Json> {
    if let (Function::Length, Json::Object(members)) = (function, value) {
        return Some(members.len().into());
    }
    let elements = value.as_array()?;
    let numbers: Vec<f64> = elements.iter().filter_map(Json::as_f64).collect();
    let result = match function {
        Function::Length => return Some(elements.len().into()),
        Function::Sum => numbers.iter().sum(),
        Function::Min => numbers.iter().copied().reduce(f64::min)?,
        Function::Max => numbers.iter().copied().reduce(f64::max)?,
        Function::Average => numbers.iter().sum::<f64>() / numbers.len() as f64,
    };
    serde_json::Number::from_f64(result).map(Json::Number)
}
