//! Terms: words, phrases and regular expressions that an event must, may or must not have.

use regex::Regex;

use super::scan::Scanner;
use super::{invalid, invalid_term};

/// Terms of a pattern.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    all: Vec<Term>,
    any: Vec<Term>,
    none: Vec<Term>,
}

#[derive(Debug, Clone)]
enum Term {
    Text(String),
    Regex(Regex),
}

impl Term {
    fn is_in(&self, message: &str) -> bool {
        match self {
            Term::Text(text) => message.contains(text.as_str()),
            Term::Regex(regex) => regex.is_match(message),
        }
    }
}

impl Terms {
    /// Optional terms (`?`) count only where there are no others.
    pub fn matches(&self, message: &str) -> bool {
        if self.all.is_empty() && self.none.is_empty() {
            return self.any.iter().any(|term| term.is_in(message));
        }
        self.all.iter().all(|term| term.is_in(message)) && !self.none.iter().any(|term| term.is_in(message))
    }
}

pub fn parse(text: &str) -> Result<Terms, String> {
    let mut scanner = Scanner::new(text);
    let mut out = Terms::default();
    loop {
        scanner.skip_spaces();
        let list = match scanner.peek() {
            None => return Ok(out),
            Some('?') => &mut out.any,
            Some('-') => &mut out.none,
            Some(_) => &mut out.all,
        };
        if !scanner.take("?") {
            scanner.take("-");
        }
        list.push(term(&mut scanner)?);
        if scanner.peek().is_some_and(|next| !next.is_whitespace()) {
            return Err(invalid());
        }
    }
}

fn term(scanner: &mut Scanner<'_>) -> Result<Term, String> {
    match scanner.peek() {
        Some('"') => match scanner.quoted()? {
            empty if empty.is_empty() => Err(format!("{}: {}", invalid(), invalid_term("\"\""))),
            text => Ok(Term::Text(text)),
        },
        Some('%') => scanner.regex().map(Term::Regex),
        _ => {
            let word = scanner.take_while(|next| !next.is_whitespace());
            let sound = |next: char| next.is_alphanumeric() || next == '_';
            if word.is_empty() || !word.chars().all(sound) {
                return Err(invalid_term(word));
            }
            Ok(Term::Text(word.to_owned()))
        }
    }
}
