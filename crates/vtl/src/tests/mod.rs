//! Tests of the language and of API Gateway's variables.

mod apigateway;
mod bounds;
mod jsonpath;
mod language;
mod methods;
mod properties;

use crate::{Context, Dialect, Limits, Template};

/// The variables that the tables know.
const VARIABLES: &str = r#"{
    "a": "A", "n": 5, "z": 0, "e": "", "t": true, "f": false,
    "l": [1, 2, 3], "el": [], "m": {"x": 1, "y": "Y"}, "nl": [null, 1]
}"#;

fn context() -> Context {
    context_within(Limits::default())
}

fn context_within(limits: Limits) -> Context {
    let mut context = Context::new(limits);
    let variables: serde_json::Value = serde_json::from_str(VARIABLES).unwrap();
    for (name, value) in variables.as_object().unwrap() {
        let value = context.json(value).unwrap();
        context.set(name, value);
    }
    context
}

/// What a template renders; a fault begins with `PARSE` or `RENDER`.
fn rendered(source: &str, dialect: Dialect) -> String {
    match Template::parse_as(source, dialect) {
        Err(error) => format!("PARSE {error}"),
        Ok(template) => match template.render(&mut context()) {
            Ok(text) => text,
            Err(error) => format!("RENDER {error}"),
        },
    }
}

/// Renders each template with Velocity's settings, and compares.
fn table(rows: &[(&str, &str)]) {
    check(rows, Dialect::velocity());
}

fn check(rows: &[(&str, &str)], dialect: Dialect) {
    let wrong: Vec<_> = rows
        .iter()
        .map(|(source, expected)| (source, expected, rendered(source, dialect)))
        .filter(|(_, expected, got)| got != *expected)
        .map(|(source, expected, got)| format!("{source:?}\n  expected {expected:?}\n  got      {got:?}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// These templates are refused when they are read, at these lines and columns.
fn refused(rows: &[(&str, usize, usize)]) {
    for (source, line, column) in rows {
        match Template::parse(source) {
            Ok(_) => panic!("{source:?} is read"),
            Err(error) => assert_eq!((error.line, error.column), (*line, *column), "{source:?}: {error}"),
        }
    }
}
