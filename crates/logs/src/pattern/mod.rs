//! Filter patterns: which log events are wanted.
//!
//! Three languages, told apart by their first character: terms (`ERROR -timeout`), JSON
//! (`{ $.status = 4* }`) and space-delimited fields (`[ip, ..., status = 4*, bytes]`). Source: the user
//! guide, "Filter pattern syntax for metric filters, subscription filters, filter log events, and Live
//! Tail". Parsing and matching take time in proportion to pattern and event: regular expressions have
//! no backtracking.

mod condition;
mod fields;
mod json;
mod scan;
mod terms;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

/// A filter pattern.
#[derive(Debug, Clone)]
pub struct Pattern(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Everything,
    Terms(terms::Terms),
    Json(json::Expression),
    Fields(fields::Fields),
}

impl Pattern {
    /// The pattern that every event matches.
    pub fn everything() -> Pattern {
        Pattern(Kind::Everything)
    }

    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, as the service says it.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let text = text.trim();
        let kind = match text.chars().next() {
            None => Kind::Everything,
            Some('{') => Kind::Json(json::parse(text)?),
            Some('[') => Kind::Fields(fields::parse(text)?),
            Some(_) => Kind::Terms(terms::parse(text)?),
        };
        Ok(Pattern(kind))
    }

    /// Whether an event is wanted.
    pub fn matches(&self, message: &str) -> bool {
        match &self.0 {
            Kind::Everything => true,
            Kind::Terms(terms) => terms.matches(message),
            Kind::Json(expression) => {
                serde_json::from_str(message).is_ok_and(|event| expression.matches(&event))
            }
            Kind::Fields(fields) => fields.matches(message).is_some(),
        }
    }

    /// Whether an event is wanted, and the fields that the pattern takes from it: those of a
    /// space-delimited one, by name (`$bytes`) or by number (`$3`).
    pub fn extract(&self, message: &str) -> Option<BTreeMap<String, String>> {
        match &self.0 {
            Kind::Fields(fields) => fields.matches(message),
            _ => self.matches(message).then(BTreeMap::new),
        }
    }

    /// Whether the pattern takes fields from events.
    pub fn extracts(&self) -> bool {
        matches!(self.0, Kind::Fields(_))
    }
}

/// The answer to a pattern that is none.
fn invalid() -> String {
    "Invalid filter pattern".to_owned()
}

/// The answer to a word with characters that it may not have.
fn invalid_term(term: &str) -> String {
    format!("Invalid character(s) in term '{term}'")
}
