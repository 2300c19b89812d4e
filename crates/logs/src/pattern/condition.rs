//! Comparisons of a value, as JSON and space-delimited patterns have them.

use regex::Regex;

use super::scan::Scanner;
use super::{invalid, invalid_term};

/// What an operator compares with.
#[derive(Debug, Clone)]
pub enum Condition {
    /// `=`, or `!=` if not
    Is(bool, Wanted),
    /// `<`, `<=`, `>`, `>=`
    Order(Order, f64),
}

/// An order of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// What a value is to be.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// This number, in any of its forms; or, of a text, this text.
    Number(f64, String),
    /// This text, in which an asterisk at the beginning or at the end stands for anything.
    Text(String),
    /// A text that the regular expression finds something in.
    Regex(Regex),
}

impl Wanted {
    fn is(&self, text: &str, number: Option<f64>) -> bool {
        match (self, number) {
            (Wanted::Number(wanted, _), Some(number)) => number == *wanted,
            (Wanted::Number(_, wanted), None) => text == wanted,
            (Wanted::Text(wanted), _) => matches(wanted, text),
            (Wanted::Regex(regex), _) => regex.is_match(text),
        }
    }
}

/// Whether a text is what a pattern says with asterisks at its ends.
fn matches(wanted: &str, text: &str) -> bool {
    let (open_start, wanted) = wanted.strip_prefix('*').map_or((false, wanted), |rest| (true, rest));
    let (open_end, wanted) = wanted.strip_suffix('*').map_or((false, wanted), |rest| (true, rest));
    match (open_start, open_end) {
        (false, false) => text == wanted,
        // `*` alone has one end only.
        (true, false) => text.ends_with(wanted),
        (false, true) => text.starts_with(wanted),
        (true, true) => text.contains(wanted),
    }
}

impl Condition {
    /// Whether a value fulfils it; `number` is the value as a number, if it is one.
    pub fn holds(&self, text: &str, number: Option<f64>) -> bool {
        match self {
            Condition::Is(positive, wanted) => wanted.is(text, number) == *positive,
            Condition::Order(order, bound) => number.is_some_and(|number| match order {
                Order::Less => number < *bound,
                Order::LessOrEqual => number <= *bound,
                Order::Greater => number > *bound,
                Order::GreaterOrEqual => number >= *bound,
            }),
        }
    }

    /// Takes an operator and what it compares with; `end` says where a word ends.
    pub fn parse(scanner: &mut Scanner<'_>, end: impl Fn(char) -> bool) -> Result<Condition, String> {
        scanner.skip_spaces();
        let order = if scanner.take("<=") {
            Some(Order::LessOrEqual)
        } else if scanner.take(">=") {
            Some(Order::GreaterOrEqual)
        } else if scanner.take("<") {
            Some(Order::Less)
        } else if scanner.take(">") {
            Some(Order::Greater)
        } else {
            None
        };
        if let Some(order) = order {
            scanner.skip_spaces();
            let word = scanner.take_while(|next| !end(next));
            return number(word)
                .map(|bound| Condition::Order(order, bound))
                .ok_or_else(|| invalid_term(word));
        }
        // `=!` stands in the guide's examples for space-delimited events.
        let positive = if scanner.take("!=") || scanner.take("=!") {
            false
        } else if scanner.take("=") {
            true
        } else {
            return Err(invalid());
        };
        scanner.skip_spaces();
        Ok(Condition::Is(positive, wanted(scanner, end)?))
    }
}

fn wanted(scanner: &mut Scanner<'_>, end: impl Fn(char) -> bool) -> Result<Wanted, String> {
    match scanner.peek() {
        Some('"') => scanner.quoted().map(Wanted::Text),
        Some('%') => scanner.regex().map(Wanted::Regex),
        _ => {
            let word = scanner.take_while(|next| !end(next));
            let sound = |next: char| next.is_alphanumeric() || "_*.-+:/#@$".contains(next);
            if word.is_empty() || !word.chars().all(sound) {
                return Err(invalid_term(word));
            }
            Ok(match number(word) {
                Some(value) => Wanted::Number(value, word.to_owned()),
                None => Wanted::Text(word.to_owned()),
            })
        }
    }
}

/// A number as patterns and events write it: an integer, a decimal, or one in scientific notation.
pub fn number(text: &str) -> Option<f64> {
    let sound = |next: char| next.is_ascii_digit() || "+-.eE".contains(next);
    let digit = text.contains(|next: char| next.is_ascii_digit());
    if digit && text.chars().all(sound) { text.parse().ok() } else { None }
}
