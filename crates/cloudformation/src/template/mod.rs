//! The template engine: CloudFormation's template language as pure functions.
//!
//! A body is parsed ([`Template::parse`]), checked against the resource types that exist
//! ([`check`]), bound to parameters and surroundings ([`Evaluation::new`]) and then evaluated
//! resource by resource as the resources that it refers to come into being. Nothing here reads
//! a clock, draws a random number or does I/O, and every answer is a function of its arguments.
//!
//! Every error is a [`TemplateError`]: the message of the service's `ValidationError` (400).
//!
//! Invariants: nothing here panics or recurses deeper than [`MAX_DEPTH`] levels of a template;
//! what one evaluation may produce is bounded by [`MAX_EVALUATED_BYTES`]; what is not
//! implemented (hooks, dynamic references) is refused by name.

mod check;
mod cidr;
mod conditions;
mod creation;
mod diff;
mod evaluate;
mod for_each;
mod functions;
mod graph;
mod json;
mod lines;
mod model;
mod names;
mod parameters;
mod parse;
mod properties;
mod references;
mod rules;
mod run;
mod sub;
mod types;
mod value;
mod yaml;

use std::fmt;

pub use check::check;
pub use creation::Awaited;
pub(crate) use diff::recreation;
pub use diff::{
    Action, ChangeSource, ChangedAttribute, Detail, EvaluationKind, KNOWN_AFTER_APPLY, Recreation,
    Replacement, ResourceChange, diff, forecast,
};
pub use evaluate::{Environment, Evaluation, Lookup, Output};
pub use for_each::{LANGUAGE_EXTENSIONS, unroll};
pub use model::{CUSTOM, DeletionPolicy, OutputDefinition, Resource, Template, is_custom};
pub use names::{Naming, RANDOM_LENGTH};
pub use parameters::{Parameter, ParameterType, ParameterValues};
pub use parse::{MAX_DEPTH, MAX_EXPANDED_BYTES, MAX_TEMPLATE_BYTES, parse};
pub use properties::{Problem, coerce};
pub use run::MAX_EVALUATED_BYTES;
pub use types::{Kind, Property, Reference, ResourceType, Types, Update};
pub use value::{Map, Value};

/// Why a template, or a value given for one of its parameters, is refused.
///
/// On the wire it is CloudFormation's `ValidationError`, status 400, with this message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    message: String,
}

impl TemplateError {
    /// An error with the service's own words, cut after [`MAX_MESSAGE_BYTES`]: names in it may be as long as a template.
    pub fn new(message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > MAX_MESSAGE_BYTES {
            message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
            message.push_str("...");
        }
        Self { message }
    }

    /// One error out of many problems: the first [`MAX_PROBLEMS`] of them, a line each.
    pub(crate) fn of_problems(problems: &[String]) -> Result<()> {
        if problems.is_empty() {
            return Ok(());
        }
        let mut message = problems.iter().take(MAX_PROBLEMS).cloned().collect::<Vec<_>>().join("\n");
        if problems.len() > MAX_PROBLEMS {
            message.push_str(&format!("\nand {} more problems", problems.len() - MAX_PROBLEMS));
        }
        Err(Self::new(message))
    }

    /// The message as the caller of the service sees it.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TemplateError {}

/// How many problems one error names before it only counts them.
pub(crate) const MAX_PROBLEMS: usize = 100;

/// How long an error's message may be.
const MAX_MESSAGE_BYTES: usize = 16 << 10;

pub(crate) type Result<T> = std::result::Result<T, TemplateError>;
