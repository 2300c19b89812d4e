//! What the three languages share: a cursor over the pattern, quoted texts, regular expressions.

use regex::{Regex, RegexBuilder};

use super::{invalid, invalid_term};

/// Most bytes of a compiled regular expression.
const MAX_REGEX_BYTES: usize = 1024 * 1024;
/// Most regular expressions of a pattern: the user guide, "Filter pattern syntax", "Quotas".
const MAX_REGEXES: usize = 2;
/// What a regular expression may have beside letters and digits (same source): no space, which is `\s`.
const REGEX_SYMBOLS: &str = ":_#=@/;,-^$?[]{}|\\*+.";

/// A cursor over a pattern.
pub struct Scanner<'a> {
    rest: &'a str,
    regexes: usize,
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a str) -> Self {
        Scanner { rest: text, regexes: 0 }
    }

    /// What is left.
    pub fn rest(&self) -> &'a str {
        self.rest
    }

    /// The same cursor at another place of the pattern.
    pub fn back_to(&self, rest: &'a str) -> Self {
        Scanner { rest, regexes: self.regexes }
    }

    pub fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// The next character, which stays.
    pub fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes a text if it is next.
    pub fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes a word of the language (`IS`) if it is next, and ends there.
    pub fn take_word(&mut self, word: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(word) else { return false };
        if rest.starts_with(|next: char| next.is_alphanumeric() || next == '_') {
            return false;
        }
        self.rest = rest;
        true
    }

    /// Takes characters as long as they are of a kind; maybe none.
    pub fn take_while(&mut self, of: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|next| !of(next)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// Takes a text in double quotes, of which the first is next; a backslash takes what follows it as
    /// it is.
    pub fn quoted(&mut self) -> Result<String, String> {
        let mut out = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, next)) = characters.next() {
            match next {
                '"' => {
                    self.rest = self.rest.get(at + 1..).unwrap_or_default();
                    return Ok(out);
                }
                '\\' => match characters.next() {
                    Some((_, escaped @ ('"' | '\\'))) => out.push(escaped),
                    Some((_, other)) => out.extend(['\\', other]),
                    None => break,
                },
                other => out.push(other),
            }
        }
        Err(invalid())
    }

    /// Takes a regular expression between percent signs, of which the first is next.
    pub fn regex(&mut self) -> Result<Regex, String> {
        let inner = self.rest.get(1..).unwrap_or_default();
        let (expression, rest) = inner.split_once('%').ok_or_else(invalid)?;
        let sound = |next: char| next.is_ascii_alphanumeric() || REGEX_SYMBOLS.contains(next);
        if expression.is_empty() || !expression.chars().all(sound) {
            return Err(invalid_term(expression));
        }
        self.regexes += 1;
        if self.regexes > MAX_REGEXES {
            return Err(format!("A filter pattern can have at most {MAX_REGEXES} regular expressions"));
        }
        self.rest = rest;
        let built = RegexBuilder::new(expression).size_limit(MAX_REGEX_BYTES).build();
        built.map_err(|_| format!("Invalid regular expression '{expression}'"))
    }
}
