//! The methods of `java.lang.String`. Positions count UTF-16 units, as Java's do.

use super::collection::bounds;
use super::{failed, format, pattern};
use crate::context::Heap;
use crate::error::Result;
use crate::value::Value;

/// What `repeat` may make.
const MAX_LENGTH: usize = 16 << 20;

pub(super) fn call(heap: &Heap, text: &str, method: &str, arguments: &[Value]) -> Result<Option<Value>> {
    let read: usize =
        text.len() + arguments.iter().map(|a| if let Value::Str(a) = a { a.len() } else { 0 }).sum::<usize>();
    heap.steps(read as u64 / 64)?;
    if let Some(value) = ask(text, method, arguments)? {
        return Ok(Some(value));
    }
    let made = match (method, arguments) {
        ("substring", [Value::Int(from)]) => {
            let length = text.encode_utf16().count();
            substring(text, *from, length as i128)?
        }
        ("substring" | "subSequence", [Value::Int(from), Value::Int(to)]) => substring(text, *from, *to)?,
        ("charAt", [Value::Int(at)]) => substring(text, *at, at.saturating_add(1))?,
        ("concat", [Value::Str(other)]) => format!("{text}{other}"),
        ("replace", [Value::Str(from), Value::Str(to)]) => {
            // As many bytes as it could be, before they are there.
            let times = text.matches(&**from).count();
            heap.charge(times.saturating_mul(to.len()))?;
            text.replace(&**from, to)
        }
        ("replaceAll", [Value::Str(regex), Value::Str(to)]) => {
            pattern::replace(heap, text, regex, to, usize::MAX)?
        }
        ("replaceFirst", [Value::Str(regex), Value::Str(to)]) => pattern::replace(heap, text, regex, to, 1)?,
        ("matches", [Value::Str(regex)]) => {
            return Ok(Some(Value::Bool(pattern::matches(heap, text, regex)?)));
        }
        ("split", [Value::Str(regex)]) => return pattern::split(heap, text, regex, 0).map(Some),
        ("split", [Value::Str(regex), Value::Int(limit)]) => {
            return pattern::split(heap, text, regex, *limit).map(Some);
        }
        ("toLowerCase", []) => text.to_lowercase(),
        ("toUpperCase", []) => text.to_uppercase(),
        ("trim", []) => text.trim_matches(|c: char| c <= ' ').to_owned(),
        ("strip", []) => text.trim().to_owned(),
        ("stripLeading", []) => text.trim_start().to_owned(),
        ("stripTrailing", []) => text.trim_end().to_owned(),
        ("repeat", [Value::Int(times)]) => {
            let times = usize::try_from(*times).map_err(|_| failed(format!("count is negative: {times}")))?;
            let length = text.len().saturating_mul(times).min(MAX_LENGTH + 1);
            heap.charge(length)?;
            if length > MAX_LENGTH {
                return Err(crate::RenderError::Limit("output"));
            }
            text.repeat(times)
        }
        ("toString" | "intern", []) => return Ok(Some(Value::Str(text.into()))),
        ("valueOf", [value]) => crate::display::text(value)?,
        ("join", [Value::Str(delimiter), Value::List(parts)]) => join(heap, delimiter, &parts.to_vec())?,
        ("format", [Value::Str(pattern), values @ ..]) => format::format(heap, pattern, values)?,
        ("toCharArray", []) => {
            let units: Vec<_> = text.chars().map(|c| Value::Str(c.to_string().into())).collect();
            heap.charge(units.len() * 24)?;
            return heap.list(units).map(Some);
        }
        ("getBytes", []) => {
            return heap.list(text.bytes().map(|b| Value::Int((b as i8).into())).collect()).map(Some);
        }
        _ => return Ok(None),
    };
    heap.string(made).map(Some)
}

/// The methods that make no string.
fn ask(text: &str, method: &str, arguments: &[Value]) -> Result<Option<Value>> {
    Ok(Some(match (method, arguments) {
        ("length", []) => Value::Int(text.encode_utf16().count() as i128),
        ("isEmpty", []) => Value::Bool(text.is_empty()),
        ("isBlank", []) => Value::Bool(text.trim().is_empty()),
        ("contains", [Value::Str(part)]) => Value::Bool(text.contains(&**part)),
        ("startsWith", [Value::Str(part)]) => Value::Bool(text.starts_with(&**part)),
        ("startsWith", [Value::Str(part), Value::Int(from)]) => {
            let rest =
                usize::try_from(*from).ok().and_then(|from| offset(text, from)).and_then(|at| text.get(at..));
            Value::Bool(rest.is_some_and(|rest| rest.starts_with(&**part)))
        }
        ("endsWith", [Value::Str(part)]) => Value::Bool(text.ends_with(&**part)),
        ("equalsIgnoreCase", [Value::Str(other)]) => Value::Bool(text.to_lowercase() == other.to_lowercase()),
        ("equalsIgnoreCase", [_]) => Value::Bool(false),
        ("contentEquals", [Value::Str(other)]) => Value::Bool(*text == **other),
        ("compareTo", [Value::Str(other)]) => Value::Int(compare(text, other)),
        ("compareToIgnoreCase", [Value::Str(other)]) => {
            Value::Int(compare(&text.to_lowercase(), &other.to_lowercase()))
        }
        ("indexOf", [Value::Str(part)]) => Value::Int(index_of(text, part, 0)),
        ("indexOf", [Value::Str(part), Value::Int(from)]) => Value::Int(index_of(text, part, *from)),
        ("lastIndexOf", [Value::Str(part)]) => {
            Value::Int(text.rfind(&**part).map_or(-1, |at| units(text, at)))
        }
        ("codePointAt", [Value::Int(at)]) => {
            let at = usize::try_from(*at).ok().and_then(|at| offset(text, at));
            match at.and_then(|at| text.get(at..)).and_then(|rest| rest.chars().next()) {
                Some(c) => Value::Int(u32::from(c).into()),
                None => return Err(failed("codePointAt: index out of range")),
            }
        }
        _ => return Ok(None),
    }))
}

/// The part between two positions. Half of a character beyond the basic plane becomes U+FFFD.
fn substring(text: &str, from: i128, to: i128) -> Result<String> {
    if text.is_ascii() {
        let range = bounds(from, to, text.len())?;
        return Ok(text.get(range).unwrap_or_default().to_owned());
    }
    let units: Vec<u16> = text.encode_utf16().collect();
    let range = bounds(from, to, units.len())?;
    Ok(String::from_utf16_lossy(units.get(range).unwrap_or_default()))
}

/// The byte at which a position is, if it is between two characters.
fn offset(text: &str, position: usize) -> Option<usize> {
    let mut units = 0;
    for (at, c) in text.char_indices() {
        if units == position {
            return Some(at);
        }
        units += c.len_utf16();
    }
    (units == position).then_some(text.len())
}

/// The position of a byte.
fn units(text: &str, byte: usize) -> i128 {
    text.get(..byte).unwrap_or_default().encode_utf16().count() as i128
}

fn index_of(text: &str, part: &str, from: i128) -> i128 {
    let start = usize::try_from(from).unwrap_or(0);
    let Some(at) = offset(text, start) else { return -1 };
    let found = text.get(at..).and_then(|rest| rest.find(part));
    found.map_or(-1, |found| units(text, at + found))
}

fn compare(left: &str, right: &str) -> i128 {
    let (mut a, mut b) = (left.encode_utf16(), right.encode_utf16());
    loop {
        match (a.next(), b.next()) {
            (Some(x), Some(y)) if x != y => return i128::from(x) - i128::from(y),
            (Some(_), Some(_)) => {}
            (x, y) => {
                let rest =
                    |first: Option<u16>, others: usize| (usize::from(first.is_some()) + others) as i128;
                return rest(x, a.count()) - rest(y, b.count());
            }
        }
    }
}

fn join(heap: &Heap, delimiter: &str, parts: &[Value]) -> Result<String> {
    let mut joined = String::new();
    for (index, part) in parts.iter().enumerate() {
        let Value::Str(part) = part else { return Err(failed("String.join: an element is no string")) };
        joined.push_str(if index == 0 { "" } else { delimiter });
        heap.charge(part.len() + delimiter.len())?;
        joined.push_str(part);
    }
    Ok(joined)
}
