//! What is wrong with a serverless template, in SAM's words.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// With a resource: its logical id, and what.
    Resource(String, String),
    /// With a function's event: its name, and what.
    Event(String, String),
    /// With the template as a whole.
    Template(String),
    /// With the section of defaults.
    Globals(String),
    /// A resource is generated under an id that is taken: whose, which and its type.
    Duplicate(String, String, String),
}

pub type Result<T> = std::result::Result<T, Problem>;

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource(id, what) => write!(f, "Resource with id [{id}] is invalid. {what}"),
            Self::Event(id, what) => write!(f, "Event with id [{id}] is invalid. {what}"),
            Self::Template(what) => write!(f, "Structure of the SAM template is invalid. {what}"),
            Self::Globals(what) => write!(f, "'Globals' section is invalid. {what}"),
            Self::Duplicate(id, taken, resource_type) => write!(
                f,
                "Transforming resource with id [{id}] attempts to create a new resource with id [{taken}] and type \
                 \"{resource_type}\". A resource with that id already exists within this template. Please use a different \
                 id for that resource."
            ),
        }
    }
}

impl Problem {
    /// What is wrong with a resource.
    pub fn resource(id: &str, what: impl Into<String>) -> Self {
        Self::Resource(id.to_owned(), what.into())
    }

    /// What is wrong with an event.
    pub fn event(id: &str, what: impl Into<String>) -> Self {
        Self::Event(id.to_owned(), what.into())
    }

    /// What is wrong with an event, told of its function.
    pub fn of_function(self, function: &str) -> Self {
        match self {
            Self::Event(..) => Self::resource(function, self.to_string()),
            other => other,
        }
    }
}

/// How many problems one message names before it only counts them.
const MAX_NAMED: usize = 100;

/// The message of the transform for everything that is wrong; the same is said once.
pub fn message(problems: &[Problem]) -> String {
    let mut said: Vec<String> = Vec::new();
    for problem in problems.iter().map(Problem::to_string) {
        if !said.contains(&problem) {
            said.push(problem);
        }
    }
    let mut message = format!(
        "Invalid Serverless Application Specification document. Number of errors found: {}.",
        said.len()
    );
    for problem in said.iter().take(MAX_NAMED) {
        message.push(' ');
        message.push_str(problem);
    }
    message
}
