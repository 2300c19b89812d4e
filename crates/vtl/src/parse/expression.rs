//! Expressions: the conditions of `#if`, the right side of `#set`, arguments.

use std::sync::Arc;

use super::{Parser, Result, is_identifier_start, is_word};
use crate::ast::{Comparison, Expr, Operands, Operation};

/// An operator between two operands.
#[derive(Clone, Copy)]
enum Operator {
    Or,
    And,
    Compare(Comparison),
    Math(Operation),
}

/// Operators by their text, the longer before those that begin like them, and how tightly each binds.
const OPERATORS: &[(&str, Operator, u8)] = &[
    ("||", Operator::Or, 1),
    ("or", Operator::Or, 1),
    ("&&", Operator::And, 2),
    ("and", Operator::And, 2),
    ("==", Operator::Compare(Comparison::Equal), 3),
    ("eq", Operator::Compare(Comparison::Equal), 3),
    ("!=", Operator::Compare(Comparison::NotEqual), 3),
    ("ne", Operator::Compare(Comparison::NotEqual), 3),
    ("<=", Operator::Compare(Comparison::LessOrEqual), 4),
    ("le", Operator::Compare(Comparison::LessOrEqual), 4),
    ("<", Operator::Compare(Comparison::Less), 4),
    ("lt", Operator::Compare(Comparison::Less), 4),
    (">=", Operator::Compare(Comparison::GreaterOrEqual), 4),
    ("ge", Operator::Compare(Comparison::GreaterOrEqual), 4),
    (">", Operator::Compare(Comparison::Greater), 4),
    ("gt", Operator::Compare(Comparison::Greater), 4),
    ("+", Operator::Math(Operation::Add), 5),
    ("-", Operator::Math(Operation::Subtract), 5),
    ("*", Operator::Math(Operation::Multiply), 6),
    ("/", Operator::Math(Operation::Divide), 6),
    ("%", Operator::Math(Operation::Modulo), 6),
];

/// Operators after each other in one expression, at most.
const MAX_OPERATORS: usize = 100;

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Result<Expr> {
        self.deeper(|parser| parser.operators(1))
    }

    /// Operands with the operators between them that bind at least as tightly as `least`.
    fn operators(&mut self, least: u8) -> Result<Expr> {
        self.white();
        let start = self.pos;
        let mut left = self.unary()?;
        // Each operator puts what was read one level deeper into the tree.
        let mut levels = 0;
        loop {
            let end = self.pos;
            self.white();
            let Some((operator, binds)) = self.operator(least) else { return Ok(left) };
            levels += 1;
            if levels > MAX_OPERATORS {
                return Err(self.error("too many operators in one expression"));
            }
            let left_literal = self.slice(start, end);
            self.white();
            let right_start = self.pos;
            let right = self.operators(binds + 1)?;
            let right_literal: Arc<str> = self.slice(right_start, self.pos).trim_end().into();
            left = match operator {
                Operator::Or => Expr::Or(left.into(), right.into()),
                Operator::And => Expr::And(left.into(), right.into()),
                Operator::Compare(comparison) => Expr::Compare(comparison, left.into(), right.into()),
                Operator::Math(operation) => {
                    Expr::Math(operation, Operands { left, right, left_literal, right_literal }.into())
                }
            };
        }
    }

    fn operator(&mut self, least: u8) -> Option<(Operator, u8)> {
        let rest = self.rest();
        // The lexer reads `-3` as a number, also after another operand.
        let number = matches!(self.byte(1), Some(b'0'..=b'9')) || self.byte(1) == Some(b'.');
        if rest.starts_with('-') && number {
            return None;
        }
        let (text, operator, binds) = OPERATORS.iter().find(|(text, ..)| {
            let alphabetic = text.starts_with(|c: char| c.is_ascii_alphabetic());
            rest.starts_with(text) && !(alphabetic && self.byte(text.len()).is_some_and(is_word))
        })?;
        if *binds < least {
            return None;
        }
        self.pos += text.len();
        Some((*operator, *binds))
    }

    fn unary(&mut self) -> Result<Expr> {
        self.white();
        let not = self.peek() == Some(b'!') && self.byte(1) != Some(b'=');
        if not {
            self.pos += 1;
        }
        if not || self.word("not") {
            return Ok(Expr::Not(self.deeper(Self::unary)?.into()));
        }
        if self.take("(") {
            let inner = self.expression()?;
            self.white();
            self.need(")")?;
            return Ok(Expr::Group(inner.into()));
        }
        self.operand(false)
    }

    /// An element of a list or map, or an argument of a method, with the white space around it. Among a
    /// method's arguments a bare word is a reference without a value.
    pub(super) fn parameter(&mut self, words: bool) -> Result<Expr> {
        self.white();
        let parameter = self.deeper(|parser| parser.operand(words))?;
        self.white();
        Ok(parameter)
    }

    fn operand(&mut self, words: bool) -> Result<Expr> {
        match self.peek() {
            Some(b'"' | b'\'') => self.string(),
            Some(b'$' | b'\\') => Ok(Expr::Reference(self.reference()?)),
            Some(b'-' | b'.' | b'0'..=b'9') => self.number(),
            Some(b'[') => self.range_or_list(words),
            Some(b'{') => self.map(words),
            _ if self.word("true") => Ok(Expr::Bool(true)),
            _ if self.word("false") => Ok(Expr::Bool(false)),
            Some(byte) if words && is_identifier_start(byte) => {
                self.identifier()?;
                self.path()?;
                Ok(Expr::Null)
            }
            _ => Err(self.unexpected("a value")),
        }
    }

    /// An argument of a directive; a word gives its name instead.
    pub(super) fn argument(&mut self) -> Result<std::result::Result<Expr, Arc<str>>> {
        let word = self.rest().bytes().take_while(|b| is_word(*b)).count();
        let name = self.slice(self.pos, self.pos + word);
        let digit = name.starts_with(|c: char| c.is_ascii_digit());
        if word > 0 && !digit && !matches!(&*name, "true" | "false") {
            self.pos += word;
            return Ok(Err(name));
        }
        self.deeper(|parser| parser.operand(false)).map(Ok)
    }

    /// Takes a keyword, if it is here and no longer word begins with it.
    pub(super) fn word(&mut self, word: &str) -> bool {
        let found = self.rest().starts_with(word) && !self.byte(word.len()).is_some_and(is_word);
        if found {
            self.pos += word.len();
        }
        found
    }

    pub(super) fn number(&mut self) -> Result<Expr> {
        let start = self.pos;
        let digits = |parser: &mut Self| {
            let count = parser.rest().bytes().take_while(u8::is_ascii_digit).count();
            parser.pos += count;
            count
        };
        self.take("-");
        let whole = digits(self);
        let mut double = false;
        let fraction = self.peek() == Some(b'.') && self.byte(1) != Some(b'.');
        if fraction && (whole > 0 || self.byte(1).is_some_and(|b| b.is_ascii_digit())) {
            self.pos += 1;
            digits(self);
            double = true;
        }
        let sign = usize::from(matches!(self.byte(1), Some(b'+' | b'-')));
        if (whole > 0 || double)
            && matches!(self.peek(), Some(b'e' | b'E'))
            && self.byte(1 + sign).is_some_and(|b| b.is_ascii_digit())
        {
            self.pos += 1 + sign;
            digits(self);
            double = true;
        }
        let text = self.slice(start, self.pos);
        if double {
            let number = text.parse().map_err(|_| self.unexpected("a number"))?;
            return Ok(Expr::Double(number));
        }
        match text.parse() {
            Ok(number) => Ok(Expr::Int(number)),
            Err(_) if whole > 0 => Err(self.error("a number of more than 128 bits")),
            Err(_) => Err(self.unexpected("a value")),
        }
    }

    /// A list, or `[1..$n]`: both bounds are whole numbers or references.
    fn range_or_list(&mut self, words: bool) -> Result<Expr> {
        self.pos += 1;
        let mut elements = Vec::new();
        if self.take("]") {
            return Ok(Expr::List(elements));
        }
        loop {
            let element = self.parameter(words)?;
            let bound = elements.is_empty() && matches!(element, Expr::Int(_) | Expr::Reference(_));
            if bound && self.take("..") {
                return self.range(element);
            }
            elements.push(element);
            if self.take("]") {
                return Ok(Expr::List(elements));
            }
            self.need(",")?;
        }
    }

    fn range(&mut self, from: Expr) -> Result<Expr> {
        let to = self.parameter(false)?;
        if !matches!(to, Expr::Int(_) | Expr::Reference(_)) {
            return Err(self.unexpected("a whole number or a reference"));
        }
        self.need("]")?;
        Ok(Expr::Range(from.into(), to.into()))
    }

    fn map(&mut self, words: bool) -> Result<Expr> {
        self.pos += 1;
        let mut entries = Vec::new();
        self.white();
        if self.take("}") {
            return Ok(Expr::Map(entries));
        }
        loop {
            let key = self.parameter(words)?;
            self.need(":")?;
            entries.push((key, self.parameter(words)?));
            if self.take("}") {
                return Ok(Expr::Map(entries));
            }
            self.need(",")?;
        }
    }
}
