//! CloudFormation: stacks of resources, described by templates.
//!
//! [`template`] is the language, as pure functions.

pub mod template;
