//! The Velocity Template Language, and API Gateway's mapping templates on it.
//!
//! The language is that of Apache Velocity 1.7, which is what API Gateway runs: `$velocityCount`,
//! `$velocityHasNext` and the white space of that version work there, and what came with 2.x does not
//! (`${a|'x'}`, `#if` taking an empty string for false). The recorded answers of the service are in
//! <https://github.com/localstack/airspeed> (`tests/test_templating.snapshot.json`); the language is
//! described in <https://velocity.apache.org/engine/1.7/vtl-reference.html>.
//!
//! - What is false: `false`, and what has no value. An empty string, 0 and an empty list are true. A literal
//!   that stands alone as a condition (`#if("x")`, `#if(1)`) is false.
//! - A reference without a value renders as its own text, or as nothing with `$!`. In API Gateway
//!   ([`Dialect::api_gateway`]) it is an empty string, everywhere: `#if($undefined)` is true there, and
//!   `$undefined == ""`. It knows no `#macro` and no `#evaluate` of a template's own.
//! - A method that is not known has no value; one that fails, as Java's would throw, ends the rendering
//!   with an error.
//! - Nothing that a template does runs or grows without bound: see [`Limits`].
//!
//! Left out: `#include` and `#parse` are refused by name; Java's arrays are lists, and render as such;
//! whole numbers have 128 bits instead of any number of them.

pub mod apigateway;
mod ast;
mod context;
mod display;
mod error;
mod jsonpath;
mod methods;
mod number;
mod parse;
mod render;
mod value;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use context::{Context, Heap, Limits};
pub use error::{ParseError, RenderError};
pub use value::{BlockValue, Entry, Key, List, Map, Object, Scope, Value};

/// Which engine's settings a template is read and rendered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Whether `#macro` defines macros. Where not, its block is left out and calls are text.
    pub macros: bool,
    /// Whether `#evaluate` is a directive. Where not, it is text.
    pub evaluate: bool,
    /// Whether a reference without a value is an empty string instead.
    pub empty_for_missing: bool,
}

impl Dialect {
    /// Velocity 1.7 with its default settings.
    pub fn velocity() -> Self {
        Dialect { macros: true, evaluate: true, empty_for_missing: false }
    }

    /// Velocity as API Gateway has it set up.
    pub fn api_gateway() -> Self {
        Dialect { macros: false, evaluate: false, empty_for_missing: true }
    }
}

/// A template that has been read. It can be rendered any number of times, from any thread.
#[derive(Debug, Clone)]
pub struct Template {
    body: ast::Block,
    macros: Arc<ast::Macros>,
    names: Arc<ast::Names>,
    dialect: Dialect,
}

impl Template {
    /// Reads a template as Velocity does with its default settings.
    ///
    /// # Errors
    /// What Velocity's parser refuses; `#include` and `#parse`; blocks, expressions and strings more than 48
    /// deep within each other.
    pub fn parse(source: &str) -> Result<Self, ParseError> {
        Self::parse_as(source, Dialect::velocity())
    }

    /// Reads a template with other settings.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub fn parse_as(source: &str, dialect: Dialect) -> Result<Self, ParseError> {
        let mut macros = ast::Macros::new();
        let mut names = ast::Names::new();
        let body = parse::template(source, &dialect, &mut macros, &mut names)?;
        Ok(Template { body, macros: Arc::new(macros), names: Arc::new(names), dialect })
    }

    /// Whether the template refers to a variable: one that it does not need not be made. What `#evaluate` may
    /// be given, where the dialect has it, is not known.
    pub fn mentions(&self, variable: &str) -> bool {
        self.names.contains(variable)
    }

    /// Renders the template. What it sets stays in the context, and can be read there afterwards.
    ///
    /// # Errors
    /// A method that fails, and each of the context's [`Limits`].
    pub fn render(&self, context: &mut Context) -> Result<String, RenderError> {
        render::template(self, context)
    }
}
