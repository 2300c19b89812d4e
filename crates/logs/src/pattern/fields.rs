//! Space-delimited patterns: `[ip, user, ..., request = *html*, status = 4* && status != 404, bytes]`.

use std::collections::BTreeMap;

use super::condition::{Condition, number};
use super::invalid;
use super::scan::Scanner;

/// Fields of an event that are looked at.
const MAX_FIELDS: usize = 10_000;
/// Parentheses within each other at most.
const MAX_DEPTH: usize = 64;

/// The fields of a pattern.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    /// Those at an event's beginning.
    head: Vec<Field>,
    /// Those at its end, if any number of others may stand between.
    tail: Option<Vec<Field>>,
}

#[derive(Debug, Clone, Default)]
struct Field {
    name: String,
    condition: Option<Expression>,
}

#[derive(Debug, Clone)]
enum Expression {
    Or(Vec<Expression>),
    And(Vec<Expression>),
    Is(Condition),
}

impl Expression {
    fn holds(&self, text: &str) -> bool {
        match self {
            Expression::Or(parts) => parts.iter().any(|part| part.holds(text)),
            Expression::And(parts) => parts.iter().all(|part| part.holds(text)),
            Expression::Is(condition) => condition.holds(text, number(text)),
        }
    }
}

impl Fields {
    /// The event's fields by name, or by number where the pattern names none; `None` if the event does
    /// not match.
    pub fn matches(&self, message: &str) -> Option<BTreeMap<String, String>> {
        let values = split(message)?;
        let tail = self.tail.as_deref().unwrap_or_default();
        let between = values.len().checked_sub(self.head.len() + tail.len())?;
        if self.tail.is_none() && between > 0 {
            return None;
        }
        let unnamed = Field::default();
        let fields = self.head.iter().chain(std::iter::repeat_n(&unnamed, between)).chain(tail);
        let mut out = BTreeMap::new();
        for (number, (field, value)) in (1..).zip(fields.zip(values)) {
            if field.condition.as_ref().is_some_and(|condition| !condition.holds(value)) {
                return None;
            }
            let name = if field.name.is_empty() { format!("${number}") } else { format!("${}", field.name) };
            out.insert(name, value.to_owned());
        }
        Some(out)
    }
}

/// An event's fields: what stands between spaces, in square brackets or in double quotes. `None` for an
/// event of more than [`MAX_FIELDS`].
fn split(message: &str) -> Option<Vec<&str>> {
    let mut out = Vec::new();
    let mut rest = message.trim();
    while !rest.is_empty() {
        let closed = match rest.chars().next() {
            Some('[') => rest.get(1..).and_then(|inner| inner.split_once(']')),
            Some('"') => rest.get(1..).and_then(|inner| inner.split_once('"')),
            _ => None,
        };
        let (field, behind) =
            closed.unwrap_or_else(|| rest.split_once(char::is_whitespace).unwrap_or((rest, "")));
        out.push(field);
        rest = behind.trim_start();
        if out.len() > MAX_FIELDS {
            return None;
        }
    }
    Some(out)
}

pub fn parse(text: &str) -> Result<Fields, String> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).ok_or_else(invalid)?;
    let mut scanner = Scanner::new(inner);
    let mut out = Fields::default();
    loop {
        scanner.skip_spaces();
        if scanner.take("...") || scanner.take("…") {
            if out.tail.replace(Vec::new()).is_some() {
                return Err(invalid());
            }
        } else {
            let field = field(&mut scanner)?;
            out.tail.as_mut().unwrap_or(&mut out.head).push(field);
        }
        scanner.skip_spaces();
        if scanner.rest().is_empty() {
            return Ok(out);
        }
        if !scanner.take(",") {
            return Err(invalid());
        }
    }
}

/// A field: its name, if any, and what it must be.
fn field(scanner: &mut Scanner<'_>) -> Result<Field, String> {
    let mut name = String::new();
    let bare = scanner.rest();
    let word = name_of(scanner);
    scanner.skip_spaces();
    if scanner.peek().is_none_or(|next| next == ',') {
        return Ok(Field { name: word.to_owned(), condition: None });
    }
    *scanner = scanner.back_to(bare);
    let condition = any(scanner, &mut name, 0)?;
    Ok(Field { name, condition: Some(condition) })
}

fn name_of<'a>(scanner: &mut Scanner<'a>) -> &'a str {
    scanner.take_while(|next| next.is_alphanumeric() || "_-".contains(next))
}

fn any(scanner: &mut Scanner<'_>, name: &mut String, depth: usize) -> Result<Expression, String> {
    let mut parts = vec![all(scanner, name, depth)?];
    loop {
        scanner.skip_spaces();
        if !scanner.take("||") {
            return Ok(Expression::Or(parts));
        }
        parts.push(all(scanner, name, depth)?);
    }
}

fn all(scanner: &mut Scanner<'_>, name: &mut String, depth: usize) -> Result<Expression, String> {
    let mut parts = vec![one(scanner, name, depth)?];
    loop {
        scanner.skip_spaces();
        if !scanner.take("&&") {
            return Ok(Expression::And(parts));
        }
        parts.push(one(scanner, name, depth)?);
    }
}

/// A comparison of the field, whose name is the same in all of them.
fn one(scanner: &mut Scanner<'_>, name: &mut String, depth: usize) -> Result<Expression, String> {
    scanner.skip_spaces();
    if scanner.take("(") {
        if depth >= MAX_DEPTH {
            return Err(invalid());
        }
        let inner = any(scanner, name, depth + 1)?;
        scanner.skip_spaces();
        return if scanner.take(")") { Ok(inner) } else { Err(invalid()) };
    }
    let word = name_of(scanner);
    if name.is_empty() {
        name.push_str(word);
    }
    if word.is_empty() || name != word {
        return Err(invalid());
    }
    Condition::parse(scanner, |next| next.is_whitespace() || "()&|,=<>!".contains(next)).map(Expression::Is)
}
