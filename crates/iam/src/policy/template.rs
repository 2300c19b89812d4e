//! Strings of a policy that may hold wildcards and policy variables.
//!
//! Source: IAM User Guide, "IAM policy elements: Variables and tags". Variables exist from version 2012-10-17
//! on; before it `${` is text like any other.

use super::context::{Evaluation, Key};
use super::error::PolicyError;
use super::glob::{self, Case, OwnedPiece, Piece};

/// Which characters of a string are more than text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Syntax {
    /// `*` and `?` are wildcards.
    pub(super) wildcards: bool,
    /// `${...}` is a policy variable.
    pub(super) variables: bool,
}

/// A string ready for matching.
#[derive(Debug, Clone)]
pub(super) enum Template {
    /// Without variables: nothing to do for each request.
    Fixed(Box<[OwnedPiece]>),
    /// With variables, filled in for each request.
    Variable(Box<[Part]>),
}

/// A part of a template with variables.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Piece(OwnedPiece),
    Variable { key: Key, default: Option<Box<str>> },
}

impl Template {
    /// Matches every text.
    pub(super) fn any() -> Self {
        Template::Fixed(Box::new([OwnedPiece::Many]))
    }

    /// Reads a string of a policy.
    pub(super) fn parse(text: &str, syntax: Syntax) -> Result<Self, PolicyError> {
        let mut builder = Builder::default();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if syntax.variables
                && let Some(inside) = rest.strip_prefix("${")
            {
                let Some((name, after)) = inside.split_once('}') else {
                    return Err(PolicyError::syntax(format!("the policy variable in {text:?} has no end")));
                };
                builder.variable(name)?;
                rest = after;
                continue;
            }
            match c {
                '*' if syntax.wildcards => builder.wildcard(OwnedPiece::Many),
                '?' if syntax.wildcards => builder.wildcard(OwnedPiece::One),
                _ => builder.text.push(c),
            }
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
        Ok(builder.finish())
    }

    /// Whether it matches the whole text. A variable that the request has no single value for, and that has
    /// no default, makes it match nothing.
    pub(super) fn matches(&self, text: &str, case: Case, evaluation: &Evaluation<'_>) -> bool {
        match self {
            Template::Fixed(pieces) => glob::matches(pieces, text, case),
            Template::Variable(parts) => {
                let pieces: Option<Vec<Piece<'_>>> = parts.iter().map(|p| p.resolve(evaluation)).collect();
                pieces.is_some_and(|pieces| glob::matches(&pieces, text, case))
            }
        }
    }
}

impl Template {
    /// The condition keys that its variables name.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        let parts: &[Part] = match self {
            Template::Fixed(_) => &[],
            Template::Variable(parts) => parts,
        };
        parts.iter().filter_map(|part| match part {
            Part::Piece(_) => None,
            Part::Variable { key, .. } => Some(key),
        })
    }
}

impl Part {
    fn resolve<'a>(&'a self, evaluation: &'a Evaluation<'_>) -> Option<Piece<'a>> {
        match self {
            Part::Piece(OwnedPiece::Text(text)) => Some(Piece::Text(text)),
            Part::Piece(OwnedPiece::One) => Some(Piece::One),
            Part::Piece(OwnedPiece::Many) => Some(Piece::Many),
            // What a request carries is text: a `*` in it is no wildcard.
            Part::Variable { key, default } => evaluation.single(key).or(default.as_deref()).map(Piece::Text),
        }
    }
}

/// Gathers characters into pieces.
#[derive(Default)]
struct Builder {
    text: String,
    parts: Vec<Part>,
    variables: bool,
}

impl Builder {
    fn wildcard(&mut self, piece: OwnedPiece) {
        self.flush();
        // Several `*` in a row match what one does.
        let repeated =
            piece == OwnedPiece::Many && matches!(self.parts.last(), Some(Part::Piece(OwnedPiece::Many)));
        if !repeated {
            self.parts.push(Part::Piece(piece));
        }
    }

    /// `inside` is what stands between `${` and `}`.
    fn variable(&mut self, inside: &str) -> Result<(), PolicyError> {
        if matches!(inside, "*" | "?" | "$") {
            self.text.push_str(inside);
            return Ok(());
        }
        let (name, default) = match inside.split_once(',') {
            None => (inside.trim(), None),
            Some((name, default)) => (name.trim(), Some(quoted(default.trim(), inside)?)),
        };
        if !is_key(name) {
            return Err(PolicyError::syntax(format!("${{{inside}}} names no condition key")));
        }
        self.flush();
        self.parts.push(Part::Variable { key: Key::new(name), default });
        self.variables = true;
        Ok(())
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text).into_boxed_str();
            self.parts.push(Part::Piece(OwnedPiece::Text(text)));
        }
    }

    fn finish(mut self) -> Template {
        self.flush();
        if self.variables {
            return Template::Variable(self.parts.into_boxed_slice());
        }
        let pieces = self.parts.into_iter().filter_map(|part| match part {
            Part::Piece(piece) => Some(piece),
            Part::Variable { .. } => None,
        });
        Template::Fixed(pieces.collect())
    }
}

/// The default of a variable, which stands in single quotes.
fn quoted(default: &str, inside: &str) -> Result<Box<str>, PolicyError> {
    let text = default.strip_prefix('\'').and_then(|d| d.strip_suffix('\''));
    match text {
        Some(text) if !text.contains('\'') => Ok(text.into()),
        _ => Err(PolicyError::syntax(format!("the default value in ${{{inside}}} must be in single quotes"))),
    }
}

/// Whether a text has the form of a condition key: a prefix, a colon and a name.
pub(super) fn is_key(name: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || " :/_-.+=@".contains(c);
    name.split_once(':').is_some_and(|(prefix, rest)| !prefix.is_empty() && !rest.is_empty())
        && name.chars().all(allowed)
}
