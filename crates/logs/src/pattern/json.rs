//! JSON patterns: `{ ($.user.id = 1) && $.users[0].email = "*@example.com" }`.

use serde_json::Value as Json;

use super::condition::{Condition, number};
use super::invalid;
use super::scan::Scanner;

/// Parentheses within each other at most.
const MAX_DEPTH: usize = 64;

/// An expression over an event.
#[derive(Debug, Clone)]
pub enum Expression {
    /// One of them holds.
    Or(Vec<Expression>),
    /// All of them hold.
    And(Vec<Expression>),
    /// What a selector leads to is so.
    Test(Vec<Step>, Test),
}

/// A step of a selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A member of an object.
    Member(String),
    /// An element of an array.
    Element(usize),
}

/// What is asked of a value.
#[derive(Debug, Clone)]
pub enum Test {
    /// A comparison.
    Is(Condition),
    /// `IS NULL`
    Null,
    /// `IS TRUE`, `IS FALSE`
    Flag(bool),
    /// `NOT EXISTS`
    Missing,
}

impl Expression {
    /// Whether an event fulfils it.
    pub fn matches(&self, event: &Json) -> bool {
        match self {
            Expression::Or(parts) => parts.iter().any(|part| part.matches(event)),
            Expression::And(parts) => parts.iter().all(|part| part.matches(event)),
            Expression::Test(path, test) => test.holds(select(event, path)),
        }
    }
}

fn select<'a>(event: &'a Json, path: &[Step]) -> Option<&'a Json> {
    path.iter().try_fold(event, |value, step| match step {
        Step::Member(name) => value.as_object()?.get(name),
        Step::Element(at) => value.as_array()?.get(*at),
    })
}

impl Test {
    /// Objects, arrays and what is not there fulfil no comparison, `!=` included.
    fn holds(&self, value: Option<&Json>) -> bool {
        match (self, value) {
            (Test::Missing, value) => value.is_none(),
            (Test::Null, value) => value.is_some_and(Json::is_null),
            (Test::Flag(wanted), value) => value.and_then(Json::as_bool) == Some(*wanted),
            (Test::Is(condition), Some(Json::String(text))) => condition.holds(text, None),
            (Test::Is(condition), Some(Json::Number(value))) => {
                let text = value.to_string();
                condition.holds(&text, number(&text))
            }
            (Test::Is(condition), Some(Json::Bool(flag))) => condition.holds(&flag.to_string(), None),
            (Test::Is(_), _) => false,
        }
    }
}

pub fn parse(text: &str) -> Result<Expression, String> {
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let inner = inner.ok_or("If a filter pattern starts with '{' it must end with '}'")?;
    let mut scanner = Scanner::new(inner);
    let expression = any(&mut scanner, 0)?;
    scanner.skip_spaces();
    if scanner.rest().is_empty() { Ok(expression) } else { Err(invalid()) }
}

fn any(scanner: &mut Scanner<'_>, depth: usize) -> Result<Expression, String> {
    let mut parts = vec![all(scanner, depth)?];
    loop {
        scanner.skip_spaces();
        if !scanner.take("||") {
            return Ok(Expression::Or(parts));
        }
        parts.push(all(scanner, depth)?);
    }
}

fn all(scanner: &mut Scanner<'_>, depth: usize) -> Result<Expression, String> {
    let mut parts = vec![one(scanner, depth)?];
    loop {
        scanner.skip_spaces();
        if !scanner.take("&&") {
            return Ok(Expression::And(parts));
        }
        parts.push(one(scanner, depth)?);
    }
}

fn one(scanner: &mut Scanner<'_>, depth: usize) -> Result<Expression, String> {
    scanner.skip_spaces();
    if !scanner.take("(") {
        let path = selector(scanner)?;
        return Ok(Expression::Test(path, test(scanner)?));
    }
    if depth >= MAX_DEPTH {
        return Err(invalid());
    }
    let inner = any(scanner, depth + 1)?;
    scanner.skip_spaces();
    if scanner.take(")") { Ok(inner) } else { Err(invalid()) }
}

/// `$.requestParameters.instanceId`, `$.users[0].id`, `$.['a name']`
fn selector(scanner: &mut Scanner<'_>) -> Result<Vec<Step>, String> {
    if !scanner.take("$") {
        return Err(invalid());
    }
    let mut path = Vec::new();
    loop {
        if scanner.take("[") || scanner.take(".[") {
            path.push(bracketed(scanner)?);
        } else if scanner.take(".") {
            let name = scanner.take_while(|next| next.is_alphanumeric() || "_-".contains(next));
            if name.is_empty() {
                return Err(invalid());
            }
            path.push(Step::Member(name.to_owned()));
        } else {
            return if path.is_empty() { Err(invalid()) } else { Ok(path) };
        }
    }
}

/// An element's number, or a member's name in quotes, and the bracket that closes it.
fn bracketed(scanner: &mut Scanner<'_>) -> Result<Step, String> {
    let step = if scanner.peek() == Some('"') {
        Step::Member(scanner.quoted()?)
    } else if scanner.take("'") {
        let name = scanner.take_while(|next| next != '\'');
        if !scanner.take("'") {
            return Err(invalid());
        }
        Step::Member(name.to_owned())
    } else {
        let digits = scanner.take_while(|next| next.is_ascii_digit());
        Step::Element(digits.parse().map_err(|_| invalid())?)
    };
    if scanner.take("]") { Ok(step) } else { Err(invalid()) }
}

fn test(scanner: &mut Scanner<'_>) -> Result<Test, String> {
    scanner.skip_spaces();
    if scanner.take_word("IS") {
        scanner.skip_spaces();
        let tests = [("NULL", Test::Null), ("TRUE", Test::Flag(true)), ("FALSE", Test::Flag(false))];
        let found = tests.into_iter().find(|(word, _)| scanner.take_word(word));
        return found.map(|(_, test)| test).ok_or_else(invalid);
    }
    if scanner.take_word("NOT") {
        scanner.skip_spaces();
        return if scanner.take_word("EXISTS") { Ok(Test::Missing) } else { Err(invalid()) };
    }
    Condition::parse(scanner, |next| next.is_whitespace() || "()&|=<>!".contains(next)).map(Test::Is)
}
