//! Filters: `[?(@.price < 10 && @.isbn)]`.

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::Path;
use super::parse::Reader;
use crate::context::Heap;
use crate::error::Result;

#[derive(Debug)]
pub(crate) enum Predicate {
    Or(Vec<Predicate>),
    And(Vec<Predicate>),
    Not(Box<Predicate>),
    Exists(Operand),
    Compare(Operand, Operator, Operand),
}

#[derive(Debug)]
pub(crate) enum Operand {
    /// A path from `@`, the element, or `$`, the document.
    Path {
        root: bool,
        path: Path,
    },
    Literal(Json),
    Regex(String),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Matches,
    In,
    NotIn,
    Contains,
    Size,
    Empty,
    SubsetOf,
}

const OPERATORS: &[(&str, Operator)] = &[
    ("===", Operator::Equal),
    ("!==", Operator::NotEqual),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("=~", Operator::Matches),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("in ", Operator::In),
    ("in[", Operator::In),
    ("nin ", Operator::NotIn),
    ("nin[", Operator::NotIn),
    ("contains ", Operator::Contains),
    ("size ", Operator::Size),
    ("empty ", Operator::Empty),
    ("subsetof ", Operator::SubsetOf),
];

impl Reader<'_> {
    pub(super) fn either(&mut self) -> Result<Predicate> {
        let mut any = vec![self.both()?];
        loop {
            self.white();
            if !self.take("||") {
                return Ok(Predicate::Or(any));
            }
            any.push(self.both()?);
        }
    }

    fn both(&mut self) -> Result<Predicate> {
        let mut all = vec![self.one()?];
        loop {
            self.white();
            if !self.take("&&") {
                return Ok(Predicate::And(all));
            }
            all.push(self.one()?);
        }
    }

    fn one(&mut self) -> Result<Predicate> {
        self.white();
        if self.peek() == Some(b'!') {
            self.pos += 1;
            let inner = if self.take("(") {
                let inner = self.predicate()?;
                self.need(")")?;
                inner
            } else {
                Predicate::Exists(self.operand()?)
            };
            return Ok(Predicate::Not(inner.into()));
        }
        if self.take("(") {
            let inner = self.predicate()?;
            self.need(")")?;
            return Ok(inner);
        }
        let left = self.operand()?;
        self.white();
        let rest = self.rest().to_ascii_lowercase();
        let Some((text, operator)) = OPERATORS.iter().find(|(text, _)| rest.starts_with(text)) else {
            return Ok(Predicate::Exists(left));
        };
        self.pos += text.trim_end_matches([' ', '[']).len();
        self.white();
        Ok(Predicate::Compare(left, *operator, self.operand()?))
    }

    fn operand(&mut self) -> Result<Operand> {
        self.white();
        match self.peek() {
            Some(root @ (b'@' | b'$')) => {
                self.pos += 1;
                Ok(Operand::Path { root: root == b'$', path: self.steps(true)? })
            }
            Some(b'/') => self.regex(),
            Some(b'[') => self.list(),
            Some(b'\'' | b'"') => Ok(Operand::Literal(self.string()?.into())),
            _ => self.scalar(),
        }
    }

    fn list(&mut self) -> Result<Operand> {
        self.pos += 1;
        let mut elements = Vec::new();
        loop {
            self.white();
            if self.take("]") {
                return Ok(Operand::Literal(elements.into()));
            }
            if !elements.is_empty() {
                self.need(",")?;
                self.white();
            }
            let element = match self.peek() {
                Some(b'\'' | b'"') => self.string()?.into(),
                _ => match self.scalar()? {
                    Operand::Literal(literal) => literal,
                    _ => return Err(self.error("expected a value")),
                },
            };
            elements.push(element);
        }
    }

    fn scalar(&mut self) -> Result<Operand> {
        let length = self.rest().find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)));
        let text = self.rest().get(..length.unwrap_or(self.rest().len())).unwrap_or_default();
        let literal = match text {
            "" => return Err(self.error("expected a value")),
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            "null" => Json::Null,
            number => match serde_json::from_str::<serde_json::Number>(number) {
                Ok(number) => Json::Number(number),
                Err(_) => return Err(self.error("expected a value")),
            },
        };
        self.pos += text.len();
        Ok(Operand::Literal(literal))
    }

    fn regex(&mut self) -> Result<Operand> {
        let mut pattern = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '/' => {
                    let flags = self.rest().bytes().skip(at + 1).take_while(u8::is_ascii_alphabetic).count();
                    let letters = self.rest().get(at + 1..at + 1 + flags).unwrap_or_default();
                    let known: String = letters.chars().filter(|c| "imsxu".contains(*c)).collect();
                    if !known.is_empty() {
                        pattern = format!("(?{known}){pattern}");
                    }
                    self.pos += at + 1 + flags;
                    return Ok(Operand::Regex(pattern));
                }
                '\\' => {
                    pattern.push(c);
                    pattern.extend(chars.next().map(|(_, escaped)| escaped));
                }
                c => pattern.push(c),
            }
        }
        Err(self.error("a regular expression has no end"))
    }
}

impl Predicate {
    pub(super) fn holds(&self, element: &Json, document: &Json, heap: &Heap) -> Result<bool> {
        heap.steps(1)?;
        match self {
            Predicate::Or(any) => {
                for predicate in any {
                    if predicate.holds(element, document, heap)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Predicate::And(all) => {
                for predicate in all {
                    if !predicate.holds(element, document, heap)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Predicate::Not(inner) => Ok(!inner.holds(element, document, heap)?),
            Predicate::Exists(operand) => Ok(operand.value(element, document, heap)?.is_some()),
            Predicate::Compare(left, operator, right) => {
                let value = left.value(element, document, heap)?;
                if let Operand::Regex(pattern) = right {
                    let Some(Json::String(text)) = value else { return Ok(false) };
                    return crate::methods::matches(heap, &text, pattern);
                }
                Ok(compare(value.as_ref(), *operator, right.value(element, document, heap)?.as_ref()))
            }
        }
    }
}

impl Operand {
    fn value(&self, element: &Json, document: &Json, heap: &Heap) -> Result<Option<Json>> {
        match self {
            Operand::Path { root, path } => path.find(if *root { document } else { element }, heap),
            Operand::Literal(literal) => Ok(Some(literal.clone())),
            Operand::Regex(_) => Ok(None),
        }
    }
}

fn compare(left: Option<&Json>, operator: Operator, right: Option<&Json>) -> bool {
    let (left, right) = match (left, right) {
        (Some(left), Some(right)) => (left, right),
        _ => return operator == Operator::NotEqual && left.is_some() != right.is_some(),
    };
    let order = || match (left, right) {
        (Json::Number(a), Json::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Json::String(a), Json::String(b)) => Some(a.cmp(b)),
        _ => None,
    };
    let among =
        |list: &Json, value: &Json| list.as_array().is_some_and(|l| l.iter().any(|e| equal(e, value)));
    match operator {
        Operator::Equal => equal(left, right),
        Operator::NotEqual => !equal(left, right),
        Operator::Less => order() == Some(Ordering::Less),
        Operator::LessOrEqual => matches!(order(), Some(Ordering::Less | Ordering::Equal)),
        Operator::Greater => order() == Some(Ordering::Greater),
        Operator::GreaterOrEqual => matches!(order(), Some(Ordering::Greater | Ordering::Equal)),
        Operator::Matches => false,
        Operator::In => among(right, left),
        Operator::NotIn => !among(right, left),
        Operator::Contains => match (left, right) {
            (Json::String(text), Json::String(part)) => text.contains(part.as_str()),
            (list, value) => among(list, value),
        },
        Operator::Size => {
            let size = match left {
                Json::String(text) => text.encode_utf16().count(),
                Json::Array(elements) => elements.len(),
                _ => return false,
            };
            right.as_u64() == Some(size as u64)
        }
        Operator::Empty => {
            let empty = match left {
                Json::String(text) => text.is_empty(),
                Json::Array(elements) => elements.is_empty(),
                Json::Object(members) => members.is_empty(),
                _ => return false,
            };
            right.as_bool() == Some(empty)
        }
        Operator::SubsetOf => {
            left.as_array().is_some_and(|elements| elements.iter().all(|e| among(right, e)))
        }
    }
}

/// Numbers are equal by value, and to a string that writes them.
fn equal(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        (Json::Number(number), Json::String(text)) | (Json::String(text), Json::Number(number)) => {
            text.parse().ok().is_some_and(|parsed: f64| number.as_f64() == Some(parsed))
        }
        _ => left == right,
    }
}
