//! Policies: parsed once into a compiled form, evaluated for every request.
//!
//! [`Policy::parse`] validates a JSON policy document by the rules of its [`PolicyKind`] and compiles
//! it. [`evaluate`] decides a [`Request`] against the [`PolicySet`] that applies to it, as AWS documents
//! in "Policy evaluation logic" (IAM User Guide), and says in its [`Decision`] which statement, or whose
//! absence, decided.
//!
//! Everything here is pure: no clock, no store, no lock. Evaluation allocates only where a policy variable
//! is substituted.
//!
//! What is refused at parsing, rather than accepted without effect: unknown elements, duplicate keys,
//! unknown condition operators, values that do not fit their operator, malformed policy variables,
//! wildcards within a principal, and `NotPrincipal` with `Allow`.

mod arn;
mod compile;
mod condition;
mod context;
mod decision;
mod document;
mod error;
mod evaluate;
mod glob;
mod position;
mod principal;
mod simulate;
mod template;
mod values;

pub use compile::{MAX_POLICY_BYTES, Policy, PolicyKind};
pub use context::{Context, Request};
pub use decision::{Decision, DecisionKind, Explanation, PolicySource};
pub use error::PolicyError;
pub use evaluate::{AttachedPolicy, List, PolicySet, evaluate};
pub use position::{Position, Span};
pub use principal::{Principal, PrincipalKind};
pub use simulate::{Match, Simulation, missing_keys, simulate};
pub(crate) use values::is_date;

#[cfg(test)]
mod tests;
