//! String literals.

use std::sync::Arc;

use super::Parser;
use super::Result;
use crate::ast::Expr;

impl Parser<'_> {
    pub(super) fn string(&mut self) -> Result<Expr> {
        let start = self.pos;
        let Some(length) = literal_length(self.rest()) else {
            return Err(self.error("the end of the template comes before the end of a string"));
        };
        self.pos += length;
        let inner = self.slice(start + 1, self.pos - 1);
        if self.source.as_bytes().get(start) == Some(&b'\'') {
            return Ok(Expr::Str(inner.replace("''", "'").into()));
        }
        let text = unescape(&inner).replace("\"\"", "\"");
        if !text.contains(['$', '#']) {
            return Ok(Expr::Str(text.into()));
        }
        let trim = !text.contains("##");
        let source = if trim { format!("{text} ") } else { text };
        let at = self.at.unwrap_or_else(|| self.position(start));
        let inner = Parser {
            source: &source,
            pos: 0,
            depth: self.depth,
            at: Some(at),
            dialect: self.dialect,
            macros: self.macros,
            names: self.names,
        };
        Ok(Expr::Interpolated { body: inner.whole()?, trim })
    }
}

/// The length of the literal that begins here. Two quotes after each other are one in the string. Velocity's
/// lexer takes the longest literal: if the string can go on after a quote, it does, and else the first of
/// the two quotes ends it. A backslash has no meaning.
fn literal_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let quote = *bytes.first()?;
    let mut longest = None;
    // Whether the characters up to this one, and up to the next one, can be inside of the string.
    let (mut inside, mut inside_next) = (true, false);
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        if !inside && !inside_next {
            break;
        }
        let next = bytes.get(at + 1).copied();
        let mut after_next = false;
        if inside {
            if byte == quote {
                longest = Some(at + 1);
            } else {
                inside_next = true;
            }
            after_next = byte == quote && next == Some(quote);
        }
        (inside, inside_next) = (inside_next, after_next);
        at += 1;
    }
    longest
}

/// `\u` with four hexadecimal digits is the only escape that has a meaning in a string.
fn unescape(text: &str) -> Arc<str> {
    let mut units: Vec<u16> = Vec::new();
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\u") {
        let code = rest.get(at + 2..at + 6).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = code.and_then(|hex| u16::from_str_radix(hex, 16).ok());
        let (before, after) = rest.split_at(at);
        if !before.is_empty() {
            flush(&mut units, &mut result);
        }
        result.push_str(before);
        match code {
            Some(code) => {
                units.push(code);
                rest = after.get(6..).unwrap_or_default();
            }
            None => {
                flush(&mut units, &mut result);
                result.push_str("\\u");
                rest = after.get(2..).unwrap_or_default();
            }
        }
    }
    flush(&mut units, &mut result);
    result.push_str(rest);
    result.into()
}

fn flush(units: &mut Vec<u16>, result: &mut String) {
    result.push_str(&String::from_utf16_lossy(units));
    units.clear();
}
