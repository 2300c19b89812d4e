//! Reads templates as the grammar of Velocity 1.7 does.
//!
//! That grammar is a lexer with states: what a character means depends on what was read before it. What
//! shows of that in templates is kept: where white space is taken by a directive, that `5-3` is no
//! expression (the lexer reads `5` and `-3`), that the longest string literal wins.

mod directive;
mod expression;
mod reference;
mod string;
mod text;

use std::sync::Arc;

use crate::Dialect;
use crate::ast::{Block, Macros, Names};
use crate::error::ParseError;

/// Blocks, expressions and strings within each other, at most: each is a few frames of the stack.
const MAX_DEPTH: usize = 48;

pub(crate) type Result<T> = std::result::Result<T, ParseError>;

/// Reads a whole template.
pub(crate) fn template(
    source: &str,
    dialect: &Dialect,
    macros: &mut Macros,
    names: &mut Names,
) -> Result<Block> {
    Parser { source, pos: 0, depth: 0, at: None, dialect, macros, names }.whole()
}

pub(crate) struct Parser<'a> {
    source: &'a str,
    pos: usize,
    depth: usize,
    /// Where the string that is read stands in the template: faults within it are told from there.
    at: Option<(usize, usize)>,
    dialect: &'a Dialect,
    macros: &'a mut Macros,
    names: &'a mut Names,
}

/// What ended a block.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    End,
    Else,
    ElseIf,
    Eof,
}

impl Parser<'_> {
    fn whole(mut self) -> Result<Block> {
        let start = self.pos;
        match self.block()? {
            (block, Ended::Eof) => Ok(block),
            (_, ended) => {
                self.pos = self.pos.max(start);
                Err(self.error(format!("Encountered \"{}\" outside of a block", ended.name())))
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.byte(0)
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.source.as_bytes().get(self.pos + ahead).copied()
    }

    fn rest(&self) -> &str {
        self.source.get(self.pos..).unwrap_or_default()
    }

    fn slice(&self, from: usize, to: usize) -> Arc<str> {
        Arc::from(self.source.get(from..to).unwrap_or_default())
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.pos += text.len();
        }
        found
    }

    fn need(&mut self, text: &str) -> Result<()> {
        if self.take(text) { Ok(()) } else { Err(self.unexpected(&format!("\"{text}\""))) }
    }

    /// White space as it is within directives: newlines too.
    fn white(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.pos += 1;
        }
    }

    /// The white space and the newline after a directive; nothing where text follows in the line.
    fn newline_after(&mut self) {
        let mut ahead = 0;
        while matches!(self.byte(ahead), Some(b' ' | b'\t')) {
            ahead += 1;
        }
        match (self.byte(ahead), self.byte(ahead + 1)) {
            (Some(b'\r'), Some(b'\n')) => self.pos += ahead + 2,
            (Some(b'\n' | b'\r'), _) => self.pos += ahead + 1,
            _ => {}
        }
    }

    /// Reads deeper by one.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_DEPTH {
            return Err(
                self.error(format!("more than {MAX_DEPTH} directives and expressions within each other"))
            );
        }
        self.depth += 1;
        let outcome = read(self);
        self.depth -= 1;
        outcome
    }

    fn unexpected(&self, wanted: &str) -> ParseError {
        let found = match self.rest().chars().next() {
            Some(c) => format!("\"{c}\""),
            None => "the end of the template".into(),
        };
        self.error(format!("Encountered {found}, was expecting {wanted}"))
    }

    fn error(&self, message: impl Into<String>) -> ParseError {
        let (line, column) = self.at.unwrap_or_else(|| self.position(self.pos));
        ParseError { line, column, message: message.into() }
    }

    fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.source.get(..offset).unwrap_or(self.source);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}

impl Ended {
    fn name(&self) -> &'static str {
        match self {
            Ended::End => "#end",
            Ended::Else => "#else",
            Ended::ElseIf => "#elseif",
            Ended::Eof => "the end of the template",
        }
    }
}

fn is_identifier_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn is_identifier(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// A character of a directive's name.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'@')
}
