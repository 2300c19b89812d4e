//! Regular expressions, of the kind that Java's methods take.

use fancy_regex::{Captures, Regex, RegexBuilder};

use super::failed;
use crate::context::Heap;
use crate::error::{RenderError, Result};
use crate::value::Value;

/// Steps of one search in which alternatives have to be tried again.
const BACKTRACKS: usize = 100_000;
/// Bytes that a compiled expression may take.
const SIZE: usize = 1 << 20;
/// Characters of an expression, at most.
const MAX_LENGTH: usize = 4096;
/// What compiling counts as.
const COMPILING: u64 = 1000;

fn compile(heap: &Heap, pattern: &str) -> Result<Regex> {
    heap.steps(COMPILING)?;
    if pattern.len() > MAX_LENGTH {
        return Err(RenderError::Limit("4096 bytes of a regular expression"));
    }
    RegexBuilder::new(&ascii(pattern))
        .backtrack_limit(BACKTRACKS)
        .delegate_size_limit(SIZE)
        .build()
        .map_err(|error| failed(format!("{pattern:?} is no regular expression: {error}")))
}

/// Java's classes `\w`, `\d` and `\s` know ASCII alone; and what stands between `\Q` and `\E` is text.
fn ascii(pattern: &str) -> String {
    let mut result = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            result.push(c);
            continue;
        }
        match chars.next() {
            Some('w') => result.push_str("[A-Za-z0-9_]"),
            Some('W') => result.push_str("[^A-Za-z0-9_]"),
            Some('d') => result.push_str("[0-9]"),
            Some('D') => result.push_str("[^0-9]"),
            Some('s') => result.push_str(r"[ \t\n\x0B\f\r]"),
            Some('S') => result.push_str(r"[^ \t\n\x0B\f\r]"),
            Some('Q') => {
                let rest = chars.as_str();
                let (text, after) = rest.split_once("\\E").unwrap_or((rest, ""));
                result.push_str(&fancy_regex::escape(text));
                chars = after.chars();
            }
            Some(other) => result.extend(['\\', other]),
            None => result.push('\\'),
        }
    }
    result
}

fn tried(error: fancy_regex::Error) -> RenderError {
    match error {
        fancy_regex::Error::RuntimeError(_) => RenderError::Limit("steps of a regular expression"),
        other => failed(other.to_string()),
    }
}

pub(crate) fn matches(heap: &Heap, text: &str, pattern: &str) -> Result<bool> {
    // The expression by itself first: one that a bracket ends early is none.
    compile(heap, pattern)?;
    compile(heap, &format!(r"\A(?:{pattern})\z"))?.is_match(text).map_err(tried)
}

pub(super) fn replace(heap: &Heap, text: &str, pattern: &str, to: &str, most: usize) -> Result<String> {
    let regex = compile(heap, pattern)?;
    let mut result = String::new();
    let mut end = 0;
    for found in regex.captures_iter(text).take(most) {
        let found = found.map_err(tried)?;
        heap.steps(1)?;
        let Some(whole) = found.get(0) else { continue };
        result.push_str(text.get(end..whole.start()).unwrap_or_default());
        let before = result.len();
        replacement(&found, to, &mut result)?;
        heap.charge(result.len() - before)?;
        end = whole.end();
    }
    result.push_str(text.get(end..).unwrap_or_default());
    Ok(result)
}

/// Java's replacement: `$1` and `${name}` are groups, a backslash takes what follows literally.
fn replacement(found: &Captures<'_, str>, to: &str, result: &mut String) -> Result<()> {
    let mut rest = to;
    while let Some(at) = rest.find(['$', '\\']) {
        let (before, special) = rest.split_at(at);
        result.push_str(before);
        let mut chars = special.chars();
        let mark = chars.next();
        let after = chars.as_str();
        if mark == Some('\\') {
            let Some(literal) = chars.next() else {
                return Err(failed("character to be escaped is missing"));
            };
            result.push(literal);
            rest = chars.as_str();
            continue;
        }
        let (group, length) = group(found, after)?;
        result.push_str(group);
        rest = after.get(length..).unwrap_or_default();
    }
    result.push_str(rest);
    Ok(())
}

/// The group that a `$` before this text is about, and how much of the text names it.
fn group<'t>(found: &Captures<'t, str>, after: &str) -> Result<(&'t str, usize)> {
    if let Some(named) = after.strip_prefix('{') {
        let name = named.split('}').next().unwrap_or_default();
        let group = found.name(name).map(|group| group.as_str());
        return Ok((group.unwrap_or_default(), name.len() + 2));
    }
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    // As many digits as there are groups for.
    for length in (1..=digits.min(3)).rev() {
        let number: usize = after.get(..length).and_then(|d| d.parse().ok()).unwrap_or(0);
        if number < found.len() {
            return Ok((found.get(number).map_or("", |group| group.as_str()), length));
        }
    }
    Err(failed(if digits == 0 { "Illegal group reference" } else { "No such group" }))
}

/// `split`: without a limit, empty parts at the end are left out; below 0 they stay.
pub(super) fn split(heap: &Heap, text: &str, pattern: &str, limit: i128) -> Result<Value> {
    let regex = compile(heap, pattern)?;
    let most = usize::try_from(limit).ok().filter(|most| *most > 0).unwrap_or(usize::MAX);
    let mut parts: Vec<&str> = Vec::new();
    let mut start = 0;
    for found in regex.find_iter(text) {
        let found = found.map_err(tried)?;
        heap.steps(1)?;
        if parts.len() + 1 >= most {
            break;
        }
        // An empty match at the beginning makes no part.
        if found.end() == 0 || (found.start() == found.end() && found.start() >= text.len()) {
            continue;
        }
        parts.push(text.get(start..found.start()).unwrap_or_default());
        start = found.end();
    }
    parts.push(text.get(start..).unwrap_or_default());
    if limit == 0 && parts.len() > 1 {
        while parts.len() > 1 && parts.last().is_some_and(|part| part.is_empty()) {
            parts.pop();
        }
        if parts.iter().all(|part| part.is_empty()) {
            parts.clear();
        }
    }
    let parts: Result<Vec<Value>> = parts.into_iter().map(|part| heap.string(part)).collect();
    heap.list(parts?)
}
