//! Who may do what: policies, their evaluation and its explanation.

pub mod policy;
