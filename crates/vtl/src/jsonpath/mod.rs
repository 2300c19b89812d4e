//! JSONPath as API Gateway reads it: with Jayway's library
//! (<https://github.com/json-path/JsonPath>).

mod evaluate;
mod filter;
mod parse;

use serde_json::Value as Json;

use crate::context::Heap;
use crate::error::Result;

/// A path that has been read.
#[derive(Debug)]
pub(crate) struct Path {
    steps: Vec<Step>,
    function: Option<Function>,
}

#[derive(Debug)]
pub(crate) enum Step {
    /// `.a`, `['a','b']`.
    Members(Vec<String>),
    /// `.*`, `[*]`.
    All,
    /// `..`: the next step, at every depth.
    Descend,
    /// `[0]`, `[0,-1]`: below 0 from the end.
    Elements(Vec<i64>),
    /// `[1:3]`.
    Slice(Option<i64>, Option<i64>),
    /// `[?(…)]`.
    Filter(filter::Predicate),
}

/// What a path may end with: `.length()`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Function {
    Length,
    Sum,
    Min,
    Max,
    Average,
}

impl Path {
    /// Reads a path; one that begins with neither `$` nor `@` is taken to begin with `$.`.
    ///
    /// # Errors
    /// [`crate::RenderError::Path`].
    pub(crate) fn parse(text: &str) -> Result<Self> {
        parse::path(text)
    }

    /// What the path finds: for a path that can find several, always an array of them; for another nothing,
    /// if nothing is there.
    pub(crate) fn find(&self, document: &Json, heap: &Heap) -> Result<Option<Json>> {
        evaluate::find(self, document, heap)
    }

    /// Whether the path can find one value only.
    fn is_definite(&self) -> bool {
        let Some((last, steps)) = self.steps.split_last() else { return true };
        steps.iter().all(Step::is_definite) && (last.is_definite() || matches!(last, Step::Members(_)))
    }
}

impl Step {
    /// Whether the step leads to one value only.
    fn is_definite(&self) -> bool {
        match self {
            Step::Members(names) => names.len() == 1,
            Step::Elements(at) => at.len() == 1,
            Step::All | Step::Descend | Step::Slice(..) | Step::Filter(_) => false,
        }
    }
}
