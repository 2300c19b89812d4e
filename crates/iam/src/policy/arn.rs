//! Amazon Resource Names and patterns of them, compared part by part.
//!
//! An ARN has six parts divided by colons, `arn:partition:service:region:account:resource`; the last part may
//! hold colons itself. A wildcard reaches to the end of its part and no further (IAM User Guide, "IAM JSON
//! policy elements: Resource" and "ARN condition operators").

use super::context::{Evaluation, Key};
use super::error::PolicyError;
use super::glob::Case;
use super::template::{Syntax, Template};

const PARTS: usize = 6;

/// The six parts of an ARN of a request.
pub(super) type ArnParts<'a> = [&'a str; PARTS];

/// Divides an ARN; `None` when it is none.
pub(super) fn split(arn: &str) -> Option<ArnParts<'_>> {
    let mut parts = arn.splitn(PARTS, ':');
    let arn = [parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    (arn[0] == "arn").then_some(arn)
}

/// A pattern of ARNs.
#[derive(Debug, Clone)]
pub(super) struct ArnPattern([Template; PARTS]);

impl ArnPattern {
    /// Reads a pattern. Parts that are missing at its end match everything, as documented for `Resource`:
    /// `arn:aws:sqs` is `arn:aws:sqs:*:*:*`.
    pub(super) fn parse(text: &str, variables: bool) -> Result<Self, PolicyError> {
        let syntax = Syntax { wildcards: true, variables };
        let mut parts = split_pattern(text, variables).into_iter();
        let mut next =
            || parts.next().map_or_else(|| Ok(Template::any()), |part| Template::parse(part, syntax));
        Ok(ArnPattern([next()?, next()?, next()?, next()?, next()?, next()?]))
    }

    /// The condition keys that its variables name.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.0.iter().flat_map(Template::keys)
    }

    pub(super) fn matches(&self, arn: &ArnParts<'_>, evaluation: &Evaluation<'_>) -> bool {
        self.0.iter().zip(arn).all(|(pattern, part)| pattern.matches(part, Case::Exact, evaluation))
    }
}

/// The parts of a pattern, at most six. A colon within a policy variable divides nothing.
pub(super) fn split_pattern(text: &str, variables: bool) -> Vec<&str> {
    let mut parts = Vec::with_capacity(PARTS);
    let mut start = 0;
    let mut inside = false;
    let mut previous = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '{' if variables && previous == '$' => inside = true,
            '}' => inside = false,
            ':' if !inside && parts.len() + 1 < PARTS => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
        previous = c;
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

/// One entry of a `Resource` or `NotResource` element.
#[derive(Debug, Clone)]
pub(super) enum ResourcePattern {
    /// `*`: every resource, and actions that have none.
    Any,
    Arn(ArnPattern),
}

impl ResourcePattern {
    pub(super) fn parse(text: &str, variables: bool) -> Result<Self, PolicyError> {
        if text == "*" {
            return Ok(ResourcePattern::Any);
        }
        check_form(text, variables)?;
        ArnPattern::parse(text, variables).map(ResourcePattern::Arn)
    }

    /// The condition keys that its variables name.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        let pattern = match self {
            ResourcePattern::Any => None,
            ResourcePattern::Arn(pattern) => Some(pattern),
        };
        pattern.into_iter().flat_map(ArnPattern::keys)
    }

    pub(super) fn matches(&self, evaluation: &Evaluation<'_>) -> bool {
        match self {
            ResourcePattern::Any => true,
            ResourcePattern::Arn(pattern) => {
                evaluation.resource_parts.as_ref().is_some_and(|arn| pattern.matches(arn, evaluation))
            }
        }
    }
}

/// IAM's checks of a resource, in its words.
fn check_form(text: &str, variables: bool) -> Result<(), PolicyError> {
    let parts = split_pattern(text, variables);
    if parts.len() < 2 || parts.first() != Some(&"arn") {
        return Err(PolicyError::ResourceNotArn(text.to_owned()));
    }
    let part = |at: usize| parts.get(at).copied().filter(|p| !p.is_empty());
    let partition = part(1).unwrap_or_default();
    if !is_partition(partition) {
        let rest = [2, 3, 4, 5].map(|at| parts.get(at).copied().unwrap_or("*")).join(":");
        return Err(PolicyError::ResourcePartition { partition: partition.to_owned(), rest });
    }
    match part(2) {
        Some(vendor) if !vendor.contains(['*', '?', '$']) => Ok(()),
        _ => Err(PolicyError::ResourceVendor),
    }
}

fn is_partition(text: &str) -> bool {
    text == "aws" || text.starts_with("aws-") || text.contains(['*', '?']) || text.starts_with("${")
}
