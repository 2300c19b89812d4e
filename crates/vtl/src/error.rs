//! Why a template cannot be read, or stopped rendering.

use std::fmt;

/// A template that Velocity's grammar has no reading for, or that asks for what is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The line of the fault, from 1.
    pub line: usize,
    /// The column of the fault in characters, from 1.
    pub column: usize,
    /// What was wrong.
    pub message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {}, column {}", self.message, self.line, self.column)
    }
}

impl std::error::Error for ParseError {}

/// Why a template stopped rendering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenderError {
    /// A method failed, as one that throws an exception in Java: an index out of bounds, a string that is
    /// no number.
    Method(String),
    /// The body that `$input.json` or `$input.path` asks about is not JSON.
    Body(String),
    /// A JSONPath that cannot be read.
    Path(String),
    /// `#evaluate` of text that is no template.
    Evaluate(ParseError),
    /// One of [`crate::Limits`] was reached; which one.
    Limit(&'static str),
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RenderError::Method(message) => f.write_str(message),
            RenderError::Body(message) => write!(f, "Could not parse request body into json: {message}"),
            RenderError::Path(message) => write!(f, "Invalid JSONPath: {message}"),
            RenderError::Evaluate(error) => write!(f, "#evaluate: {error}"),
            RenderError::Limit(limit) => write!(f, "the template goes over the limit of {limit}"),
        }
    }
}

impl std::error::Error for RenderError {}

pub(crate) type Result<T> = std::result::Result<T, RenderError>;
