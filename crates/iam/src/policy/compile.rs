//! From a document to a compiled policy, by the rules of its kind.

use std::collections::BTreeSet;

use super::arn::ResourcePattern;
use super::condition::{self, Condition};
use super::context::{Evaluation, Key};
use super::document::{Document, OneOrMany, RawEffect, RawStatement};
use super::error::PolicyError;
use super::glob::{self, Case, OwnedPiece};
use super::position::{self, Span};
use super::principal::{self, Naming, PrincipalElement};
use super::template::{Syntax, Template};

/// Longest policy document that is read, in bytes: the IAM API's own limit for its parameter. Services have
/// lower ones.
pub const MAX_POLICY_BYTES: usize = 131_072;

/// What a policy is attached to; this decides what it must and must not contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// Inline in a user, group or role, or passed for a session: no principal.
    Identity,
    /// A managed policy: as [`PolicyKind::Identity`], and of version 2012-10-17.
    Managed,
    /// Attached to a resource such as a bucket, queue or topic: with a principal.
    Resource,
    /// A role's trust policy: with a principal, without resources, for actions that assume a role.
    Trust,
}

impl PolicyKind {
    fn is_identity(self) -> bool {
        matches!(self, PolicyKind::Identity | PolicyKind::Managed)
    }
}

/// A policy, compiled.
#[derive(Debug, Clone)]
pub struct Policy {
    kind: PolicyKind,
    id: Option<Box<str>>,
    statements: Box<[Statement]>,
    spans: Box<[Span]>,
}

impl Policy {
    /// Reads a policy document. Without a `Version` it is of 2008-10-17, which has no policy variables.
    ///
    /// # Errors
    /// Whatever IAM refuses as a malformed policy document.
    pub fn parse(json: &str, kind: PolicyKind) -> Result<Self, PolicyError> {
        if json.len() > MAX_POLICY_BYTES {
            return Err(PolicyError::TooLarge);
        }
        let document: Document = serde_json::from_str(json).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => PolicyError::syntax(error.to_string()),
            _ if kind == PolicyKind::Trust => PolicyError::InvalidJson(error.to_string()),
            _ => PolicyError::syntax(error.to_string()),
        })?;
        let variables = match document.version.as_deref() {
            None | Some("2008-10-17") => false,
            Some("2012-10-17") => true,
            Some(other) => return Err(PolicyError::syntax(format!("unknown policy version {other:?}"))),
        };
        if kind == PolicyKind::Managed && !variables {
            return Err(PolicyError::Version);
        }
        let OneOrMany(raw) = document.statement;
        if raw.is_empty() {
            return Err(PolicyError::syntax("a policy needs a statement"));
        }
        check_sids(&raw, kind)?;
        let statements: Result<_, _> =
            raw.into_iter().map(|s| Statement::compile(s, kind, variables)).collect();
        let spans = position::statements(json);
        Ok(Policy { kind, id: document.id.map(Into::into), statements: statements?, spans })
    }

    /// What the policy is attached to.
    pub fn kind(&self) -> PolicyKind {
        self.kind
    }

    /// The document's `Id`.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Where a statement stands in the document, by its place among the statements.
    pub fn span(&self, statement: usize) -> Option<Span> {
        self.spans.get(statement).copied()
    }

    pub(super) fn statements(&self) -> &[Statement] {
        &self.statements
    }
}

fn check_sids(statements: &[RawStatement], kind: PolicyKind) -> Result<(), PolicyError> {
    let mut seen = BTreeSet::new();
    for sid in statements.iter().filter_map(|s| s.sid.as_deref()).filter(|sid| !sid.is_empty()) {
        if kind.is_identity() && !sid.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(PolicyError::SidCharacters);
        }
        if !seen.insert(sid) {
            return Err(PolicyError::DuplicateSid);
        }
    }
    Ok(())
}

/// What a statement does when it applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// A statement, compiled.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) sid: Option<Box<str>>,
    pub(super) effect: Effect,
    principal: PrincipalElement,
    actions: Listed<Box<[OwnedPiece]>>,
    resources: Listed<ResourcePattern>,
    conditions: Box<[Condition]>,
}

/// An element such as `Action`, or its opposite.
#[derive(Debug, Clone)]
struct Listed<T> {
    entries: Box<[T]>,
    not: bool,
}

impl<T> Listed<T> {
    fn applies(&self, matches: impl Fn(&T) -> bool) -> bool {
        self.entries.iter().any(matches) != self.not
    }
}

impl Statement {
    /// How the statement names who asks, if it applies to the request.
    pub(super) fn applies(&self, evaluation: &Evaluation<'_>) -> Option<Naming> {
        let request = &evaluation.request;
        if !self.actions.applies(|action| glob::matches(action, request.action, Case::Ignore)) {
            return None;
        }
        let naming = self.principal.names(request.principal, evaluation.bounded)?;
        let rest = self.resources.applies(|resource| resource.matches(evaluation))
            && self.conditions.iter().all(|condition| condition.met(evaluation));
        rest.then_some(naming)
    }

    /// Whether it is about the request's action and who asks, whatever its resources and conditions say.
    pub(super) fn concerns(&self, evaluation: &Evaluation<'_>) -> bool {
        let request = &evaluation.request;
        self.actions.applies(|action| glob::matches(action, request.action, Case::Ignore))
            && self.principal.names(request.principal, evaluation.bounded).is_some()
    }

    /// The condition keys that it names, in conditions or as variables.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        let resources = self.resources.entries.iter().flat_map(ResourcePattern::keys);
        resources.chain(self.conditions.iter().flat_map(Condition::keys))
    }

    fn compile(raw: RawStatement, kind: PolicyKind, variables: bool) -> Result<Self, PolicyError> {
        let effect = match raw.effect {
            RawEffect::Allow => Effect::Allow,
            RawEffect::Deny => Effect::Deny,
        };
        let mut raw = raw;
        Ok(Statement {
            sid: raw.sid.take().filter(|sid| !sid.is_empty()).map(Into::into),
            effect,
            principal: compile_principal(&mut raw, kind, effect)?,
            actions: compile_actions(&mut raw, kind)?,
            resources: compile_resources(&mut raw, kind, variables)?,
            conditions: condition::parse(raw.condition, variables)?,
        })
    }
}

fn compile_principal(
    raw: &mut RawStatement,
    kind: PolicyKind,
    effect: Effect,
) -> Result<PrincipalElement, PolicyError> {
    match (kind, raw.principal.take(), raw.not_principal.take()) {
        (PolicyKind::Identity | PolicyKind::Managed, None, None) => Ok(PrincipalElement::Attached),
        (PolicyKind::Identity | PolicyKind::Managed, ..) => Err(PolicyError::PrincipalInIdentityPolicy),
        (PolicyKind::Trust, _, Some(_)) => Err(PolicyError::ProhibitedField("NotPrincipal")),
        (_, None, None) => Err(PolicyError::MissingField("Principal")),
        (_, Some(is), None) => principal::parse(is).map(PrincipalElement::Is),
        (_, None, Some(not)) if effect == Effect::Deny => principal::parse(not).map(PrincipalElement::Not),
        (_, None, Some(_)) => Err(PolicyError::syntax("NotPrincipal goes with the effect Deny alone")),
        (_, Some(_), Some(_)) => Err(both("Principal")),
    }
}

fn compile_actions(
    raw: &mut RawStatement,
    kind: PolicyKind,
) -> Result<Listed<Box<[OwnedPiece]>>, PolicyError> {
    let (names, not) = either(raw.action.take(), raw.not_action.take(), "Action")?;
    if names.is_empty() {
        return Err(if kind.is_identity() {
            PolicyError::NoActions
        } else {
            PolicyError::MissingField("Action")
        });
    }
    let entries: Result<_, _> = names.iter().map(|name| compile_action(name, kind)).collect();
    Ok(Listed { entries: entries?, not })
}

/// IAM's checks of an action, in its words.
fn compile_action(name: &str, kind: PolicyKind) -> Result<Box<[OwnedPiece]>, PolicyError> {
    let mut parts = name.split(':');
    let vendor = parts.next().unwrap_or_default();
    let action = parts.next();
    if parts.next().is_some() {
        return Err(PolicyError::TwoColons);
    }
    if kind == PolicyKind::Trust && !assumes_a_role(name) {
        return Err(PolicyError::NotAnAssumeRoleAction);
    }
    match action {
        None if vendor == "*" => {}
        None => return Err(PolicyError::NoVendor),
        Some(action) => {
            // `*:*` is as good as `*`.
            let known = vendor == "*" && action == "*";
            if !known && (vendor.is_empty() || !vendor.bytes().all(is_vendor_byte)) {
                return Err(PolicyError::Vendor(vendor.to_owned()));
            }
            if action.is_empty() || !action.bytes().all(|b| b.is_ascii_alphanumeric() || b"*?-_".contains(&b))
            {
                return Err(PolicyError::syntax(format!("{name:?} is no action")));
            }
        }
    }
    match Template::parse(name, Syntax { wildcards: true, variables: false })? {
        Template::Fixed(pieces) => Ok(pieces),
        Template::Variable(_) => Err(PolicyError::syntax("an action has no variables")),
    }
}

fn is_vendor_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.'
}

/// Whether an action stands for something that a trust policy may allow.
fn assumes_a_role(name: &str) -> bool {
    const ACTIONS: [&str; 6] = [
        "sts:assumerole",
        "sts:assumerolewithsaml",
        "sts:assumerolewithwebidentity",
        "sts:tagsession",
        "sts:setsourceidentity",
        "sts:setcontext",
    ];
    let lower = name.to_ascii_lowercase();
    let wildcards = Template::parse(&lower, Syntax { wildcards: true, variables: false });
    let Ok(Template::Fixed(pieces)) = wildcards else { return false };
    lower.starts_with("sts:") && ACTIONS.iter().any(|action| glob::matches(&pieces, action, Case::Exact))
}

fn compile_resources(
    raw: &mut RawStatement,
    kind: PolicyKind,
    variables: bool,
) -> Result<Listed<ResourcePattern>, PolicyError> {
    let (is, not) = (raw.resource.take(), raw.not_resource.take());
    if kind == PolicyKind::Trust {
        return match (is, not) {
            (None, None) => Ok(Listed { entries: Box::new([ResourcePattern::Any]), not: false }),
            (Some(_), _) => Err(PolicyError::ProhibitedField("Resource")),
            (None, Some(_)) => Err(PolicyError::ProhibitedField("NotResource")),
        };
    }
    let (names, not) = either(is, not, "Resource")?;
    if names.is_empty() {
        let identity = kind.is_identity();
        return Err(if identity { PolicyError::NoResources } else { PolicyError::MissingField("Resource") });
    }
    let entries: Result<_, _> = names.iter().map(|name| ResourcePattern::parse(name, variables)).collect();
    Ok(Listed { entries: entries?, not })
}

/// An element or its opposite, not both; an empty list when it has neither.
fn either(
    is: Option<OneOrMany<String>>,
    not: Option<OneOrMany<String>>,
    element: &str,
) -> Result<(Vec<String>, bool), PolicyError> {
    match (is, not) {
        (Some(_), Some(_)) => Err(both(element)),
        (Some(OneOrMany(names)), None) => Ok((names, false)),
        (None, Some(OneOrMany(names))) => Ok((names, true)),
        (None, None) => Ok((Vec::new(), false)),
    }
}

fn both(element: &str) -> PolicyError {
    PolicyError::syntax(format!("a statement has {element} or Not{element}, not both"))
}
