//! The evaluation of a request that nobody makes, with all that led to its outcome.

use std::collections::BTreeSet;

use super::compile::{Effect, Policy};
use super::context::{Evaluation, Request};
use super::decision::{Decision, DecisionKind};
use super::evaluate::{AttachedPolicy, PolicySet, evaluate};

/// A statement that led to a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Match {
    /// The place of its policy among the identity-based ones; `None`: it is of the resource's policy.
    pub identity: Option<usize>,
    /// The place of the statement in its policy.
    pub statement: usize,
}

/// The outcome of a simulation.
#[derive(Debug)]
pub struct Simulation<'p> {
    /// What would be decided.
    pub decision: Decision<'p>,
    /// The statements of identity-based and resource's policies that led to it: if one denies, those that
    /// deny; if it is allowed, those that allow.
    pub matched: Vec<Match>,
    /// Condition keys that statements about the action name, and that the request has no value for.
    pub missing: BTreeSet<String>,
    /// Whether the permissions boundary allows the request, where there is one.
    pub within_boundary: Option<bool>,
    /// What the identity-based policies alone decide.
    pub by_identity: DecisionKind,
    /// What the resource's policy alone decides, where there is one.
    pub by_resource: Option<DecisionKind>,
}

/// Decides a request as [`evaluate`] does, and says what led to the decision.
pub fn simulate<'p>(request: &Request<'_>, policies: &PolicySet<'p>) -> Simulation<'p> {
    let evaluation = Evaluation::new(request, policies.boundary.is_some());
    let decision = evaluate(request, policies);
    let matched = match decision.kind {
        DecisionKind::ExplicitDeny => matching(&evaluation, policies, Effect::Deny),
        DecisionKind::Allow => matching(&evaluation, policies, Effect::Allow),
        DecisionKind::ImplicitDeny => Vec::new(),
    };
    let alone = |all: &[AttachedPolicy]| {
        let any =
            |effect| all.iter().any(|attached| applying(&evaluation, attached, effect).next().is_some());
        match (any(Effect::Deny), any(Effect::Allow)) {
            (true, _) => DecisionKind::ExplicitDeny,
            (false, true) => DecisionKind::Allow,
            (false, false) => DecisionKind::ImplicitDeny,
        }
    };
    Simulation {
        decision,
        matched,
        missing: missing_keys(request, policies),
        within_boundary: policies.boundary.map(|b| alone(std::slice::from_ref(b)) == DecisionKind::Allow),
        by_identity: alone(policies.identity),
        by_resource: policies.resource.map(|resource| alone(std::slice::from_ref(resource))),
    }
}

/// The condition keys that statements about the request's action name, in conditions or as variables, and
/// that the request has no value for.
pub fn missing_keys(request: &Request<'_>, policies: &PolicySet<'_>) -> BTreeSet<String> {
    let evaluation = Evaluation::new(request, policies.boundary.is_some());
    let session = policies.session.into_iter().flatten();
    let all = policies.identity.iter().chain(policies.boundary).chain(session).chain(policies.resource);
    let statements = all.flat_map(|attached| attached.policy.statements());
    let concerned = statements.filter(|statement| statement.concerns(&evaluation));
    let keys = concerned.flat_map(|statement| statement.keys());
    keys.filter(|key| evaluation.values(key).is_none()).map(|key| key.name().into_owned()).collect()
}

fn matching(evaluation: &Evaluation<'_>, policies: &PolicySet<'_>, effect: Effect) -> Vec<Match> {
    let of = |attached, identity| {
        applying(evaluation, attached, effect).map(move |statement| Match { identity, statement })
    };
    let identity = policies.identity.iter().enumerate().flat_map(|(n, attached)| of(attached, Some(n)));
    identity.chain(policies.resource.into_iter().flat_map(|attached| of(attached, None))).collect()
}

/// The places of a policy's statements with this effect that apply.
fn applying<'a>(
    evaluation: &'a Evaluation<'_>,
    attached: &'a AttachedPolicy,
    effect: Effect,
) -> impl Iterator<Item = usize> + 'a {
    let statements = attached.policy.statements().iter().enumerate();
    statements.filter(move |(_, s)| s.effect == effect && s.applies(evaluation).is_some()).map(|(n, _)| n)
}

impl Policy {
    /// Every condition key that the policy names, in its conditions or as a policy variable.
    pub fn context_keys(&self) -> BTreeSet<String> {
        let keys = self.statements().iter().flat_map(|statement| statement.keys());
        keys.map(|key| key.name().into_owned()).collect()
    }
}
