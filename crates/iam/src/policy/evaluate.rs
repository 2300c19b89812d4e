//! The evaluation of a request.
//!
//! Sources, all in the IAM User Guide: "How AWS enforcement code logic evaluates requests to allow or deny
//! access", "Policy evaluation for requests within a single account", "Cross-account policy evaluation
//! logic", "Permissions boundaries for IAM entities". Of the policies of AWS Organizations there are none
//! here.

use std::sync::Arc;

use super::compile::{Effect, Policy, PolicyKind};
use super::context::{Evaluation, Request};
use super::decision::{Decision, DecisionKind, Explanation, PolicySource};
use super::principal::{Naming, PrincipalKind};

/// A policy and what to call it in explanations.
#[derive(Debug, Clone)]
pub struct AttachedPolicy {
    /// The policy's ARN, or the name under which it is attached.
    pub name: Arc<str>,
    /// The policy.
    pub policy: Arc<Policy>,
}

/// The policies that apply to a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct PolicySet<'p> {
    /// Those of the user and its groups, or of the role.
    pub identity: &'p [AttachedPolicy],
    /// The permissions boundary of the user or role.
    pub boundary: Option<&'p AttachedPolicy>,
    /// Those passed when the session was made, if any were: one of them has to allow, too.
    pub session: Option<&'p [AttachedPolicy]>,
    /// That of the resource, or the trust policy of a role to be assumed.
    pub resource: Option<&'p AttachedPolicy>,
    /// What the resource's access control list says, if it has one.
    pub list: List,
}

/// What the access control list of an object says of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct List {
    /// It lets the caller's account do it.
    pub allows: bool,
    /// The object is not the bucket owner's: then the bucket's policy can only deny (S3 user guide, "How
    /// Amazon S3 authorizes a request for an object operation").
    pub foreign: bool,
}

/// Decides a request.
///
/// A statement that denies wins over everything. Then:
/// - services, anonymous and federated callers need the resource's policy to allow;
/// - the root user may do all in its own account (save assume a role, which takes the trust policy), and
///   elsewhere what the resource's policy allows;
/// - users and role sessions, in their own account, need an identity-based or the resource's policy to
///   allow; elsewhere, both. Boundary and session policies limit this, except where the resource's policy
///   names the user or session itself, or everyone, in its own account. A resource's policy that names the
///   role is limited by them. One that names the account only leaves it to the identity-based policies. A
///   role's trust policy has to allow always.
pub fn evaluate<'p>(request: &Request<'_>, policies: &PolicySet<'p>) -> Decision<'p> {
    let evaluation = Evaluation::new(request, policies.boundary.is_some());
    if let Some(by) = explicit_deny(&evaluation, policies) {
        return Decision { kind: DecisionKind::ExplicitDeny, by };
    }
    let of_policy = policies.resource.filter(|_| !policies.list.foreign);
    let of_policy = of_policy.and_then(|attached| resource_grant(&evaluation, attached));
    let grant = of_policy.or(policies.list.allows.then_some((Naming::Account, Explanation::List)));
    let outcome = match request.principal.kind {
        PrincipalKind::Service { .. } | PrincipalKind::Federated { .. } | PrincipalKind::Anonymous => {
            granted(grant, policies)
        }
        PrincipalKind::Root => decide_root(request, policies, grant),
        PrincipalKind::User { .. } | PrincipalKind::AssumedRole { .. } => {
            decide_identity(&evaluation, policies, grant)
        }
    };
    match outcome {
        Ok(by) => Decision { kind: DecisionKind::Allow, by },
        Err(source) => Decision { kind: DecisionKind::ImplicitDeny, by: Explanation::NoAllow(source) },
    }
}

/// What allows the request, or what kind of policy would have had to.
type Outcome<'p> = Result<Explanation<'p>, PolicySource>;

/// What the resource's policy allows, and how closely it names who asks.
type Grant<'p> = Option<(Naming, Explanation<'p>)>;

fn explicit_deny<'p>(evaluation: &Evaluation<'_>, policies: &PolicySet<'p>) -> Option<Explanation<'p>> {
    let deny = |attached: &'p AttachedPolicy, source| first(evaluation, attached, source, Effect::Deny);
    let deny_all = |all: &'p [AttachedPolicy], source| all.iter().find_map(|attached| deny(attached, source));
    deny_all(policies.identity, PolicySource::Identity)
        .or_else(|| deny(policies.boundary?, PolicySource::Boundary))
        .or_else(|| deny_all(policies.session?, PolicySource::Session))
        .or_else(|| match above_bucket_policy(&evaluation.request) {
            true => None,
            false => deny(policies.resource?, resource_source(policies)),
        })
}

/// Whether the bucket's policy has no say, so that an account cannot lock itself out: its root user may
/// always read, set and delete the policies of its buckets (S3 API reference, `PutBucketPolicy`).
fn above_bucket_policy(request: &Request<'_>) -> bool {
    const ACTIONS: [&str; 3] = ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"];
    request.principal.kind == PrincipalKind::Root
        && request.principal.account == request.resource_account
        && ACTIONS.iter().any(|action| action.eq_ignore_ascii_case(request.action))
}

/// The first statement with this effect that applies.
fn first<'p>(
    evaluation: &Evaluation<'_>,
    attached: &'p AttachedPolicy,
    source: PolicySource,
    effect: Effect,
) -> Option<Explanation<'p>> {
    let mut statements = attached.policy.statements().iter().enumerate();
    let (index, statement) =
        statements.find(|(_, s)| s.effect == effect && s.applies(evaluation).is_some())?;
    Some(Explanation::Statement { source, policy: &attached.name, sid: statement.sid.as_deref(), index })
}

/// The statement of the resource's policy that allows the request and names who asks most closely.
fn resource_grant<'p>(evaluation: &Evaluation<'_>, attached: &'p AttachedPolicy) -> Grant<'p> {
    let mut best: Grant<'p> = None;
    for (index, statement) in attached.policy.statements().iter().enumerate() {
        if statement.effect != Effect::Allow {
            continue;
        }
        let Some(naming) = statement.applies(evaluation) else { continue };
        if best.is_none_or(|(known, _)| naming > known) {
            let source = source_of(&attached.policy);
            let sid = statement.sid.as_deref();
            best = Some((naming, Explanation::Statement { source, policy: &attached.name, sid, index }));
        }
        if naming == Naming::Direct {
            break;
        }
    }
    best
}

fn source_of(policy: &Policy) -> PolicySource {
    if policy.kind() == PolicyKind::Trust { PolicySource::Trust } else { PolicySource::Resource }
}

fn resource_source(policies: &PolicySet<'_>) -> PolicySource {
    policies.resource.map_or(PolicySource::Resource, |attached| source_of(&attached.policy))
}

/// For those who need the resource's policy and nothing else.
fn granted<'p>(grant: Grant<'p>, policies: &PolicySet<'p>) -> Outcome<'p> {
    grant.map(|(_, by)| by).ok_or(resource_source(policies))
}

fn decide_root<'p>(request: &Request<'_>, policies: &PolicySet<'p>, grant: Grant<'p>) -> Outcome<'p> {
    let own = request.principal.account == request.resource_account;
    if own && resource_source(policies) != PolicySource::Trust {
        return Ok(Explanation::Root);
    }
    granted(grant, policies)
}

fn decide_identity<'p>(
    evaluation: &Evaluation<'_>,
    policies: &PolicySet<'p>,
    grant: Grant<'p>,
) -> Outcome<'p> {
    let own = evaluation.request.principal.account == evaluation.request.resource_account;
    let needs_grant = !own || resource_source(policies) == PolicySource::Trust;
    let sufficient = match grant {
        Some((Naming::Direct, by)) if own => return Ok(by),
        Some((Naming::Role, by)) if own => Some(by),
        _ => None,
    };
    let allow = |attached: &'p AttachedPolicy, source| first(evaluation, attached, source, Effect::Allow);
    let identity = || policies.identity.iter().find_map(|p| allow(p, PolicySource::Identity));
    let by = sufficient.or_else(identity).ok_or(PolicySource::Identity)?;
    if let Some(boundary) = policies.boundary {
        allow(boundary, PolicySource::Boundary).ok_or(PolicySource::Boundary)?;
    }
    if let Some(session) = policies.session {
        let found = session.iter().find_map(|p| allow(p, PolicySource::Session));
        found.ok_or(PolicySource::Session)?;
    }
    if needs_grant {
        granted(grant, policies)?;
    }
    Ok(by)
}
