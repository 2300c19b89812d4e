//! What was decided, and why.

use std::fmt;

use super::context::Request;

/// The outcome of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecisionKind {
    /// A policy, or being the account's root user, allows it.
    Allow,
    /// A statement denies it; nothing can change that.
    ExplicitDeny,
    /// Nothing allows it.
    ImplicitDeny,
}

/// Where a policy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicySource {
    /// Attached to the user, its groups or the role.
    Identity,
    /// The permissions boundary of the user or role.
    Boundary,
    /// Passed when the session was made.
    Session,
    /// Attached to the resource.
    Resource,
    /// The trust policy of the role to be assumed.
    Trust,
}

impl PolicySource {
    /// As AWS writes it in "because no ... allows" (IAM User Guide, "Access denied error message examples").
    pub(crate) fn name(self) -> &'static str {
        match self {
            PolicySource::Identity => "identity-based policy",
            PolicySource::Boundary => "permissions boundary",
            PolicySource::Session => "session policy",
            PolicySource::Resource => "resource-based policy",
            PolicySource::Trust => "role trust policy",
        }
    }

    /// As AWS writes it in "with an explicit deny in ...".
    fn with_article(self) -> &'static str {
        match self {
            PolicySource::Identity => "an identity-based policy",
            PolicySource::Boundary => "a permissions boundary",
            PolicySource::Session => "a session policy",
            PolicySource::Resource => "a resource-based policy",
            PolicySource::Trust => "the role trust policy",
        }
    }
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Explanation<'p> {
    /// A statement allows or denies it.
    Statement {
        /// Where its policy stands.
        source: PolicySource,
        /// The policy's name or ARN, as the caller of [`evaluate`](super::evaluate) gave it.
        policy: &'p str,
        /// The statement's `Sid`.
        sid: Option<&'p str>,
        /// The statement's place in its policy, from 0.
        index: usize,
    },
    /// No policy of this kind allows it, and one had to.
    NoAllow(PolicySource),
    /// The root user may do all in its own account.
    Root,
    /// The resource's access control list allows it.
    List,
}

/// A decision and its explanation. `Display` is for the operator's log; callers are told
/// [`Decision::denied_message`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision<'p> {
    /// The outcome.
    pub kind: DecisionKind,
    /// What decided.
    pub by: Explanation<'p>,
}

impl Decision<'_> {
    /// Whether the request may go on.
    pub fn allowed(&self) -> bool {
        self.kind == DecisionKind::Allow
    }

    /// What AWS tells the caller of a denied request; `None` when it was allowed. It names the kind of
    /// policy and neither policy nor statement.
    pub fn denied_message(&self, request: &Request<'_>) -> Option<String> {
        let action = request.action;
        let (source, context) = match (self.kind, &self.by) {
            (DecisionKind::ExplicitDeny, Explanation::Statement { source, .. }) => {
                (*source, format!("with an explicit deny in {}", source.with_article()))
            }
            (DecisionKind::ImplicitDeny, Explanation::NoAllow(source)) => {
                (*source, format!("because no {} allows the {action} action", source.name()))
            }
            _ => return None,
        };
        // AWS's messages about trust policies, and about actions without a resource, name none.
        let resource = match (source, request.resource) {
            (PolicySource::Trust, _) | (_, "*") => String::new(),
            (_, resource) => format!(" on resource: {resource}"),
        };
        let user = &request.principal.arn;
        Some(format!("User: {user} is not authorized to perform: {action}{resource} {context}"))
    }
}

impl fmt::Display for Decision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            DecisionKind::Allow => "allowed",
            DecisionKind::ExplicitDeny => "explicitly denied",
            DecisionKind::ImplicitDeny => "implicitly denied",
        })?;
        match &self.by {
            Explanation::Statement { source, policy, sid, index } => {
                write!(f, ": statement {index}")?;
                if let Some(sid) = sid {
                    write!(f, " ({sid})")?;
                }
                write!(f, " of {} {policy}", source.name())
            }
            Explanation::NoAllow(source) => write!(f, ": no {} allows it", source.name()),
            Explanation::Root => f.write_str(": root user in its own account"),
            Explanation::List => f.write_str(": the access control list"),
        }
    }
}
