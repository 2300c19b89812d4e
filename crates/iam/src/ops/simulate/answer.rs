//! Runs a simulation, and puts what comes of it into the API's shapes.

use std::collections::{BTreeMap, BTreeSet};

use ropeway_api::iam as api;
use ropeway_wire::Error;

use super::Sources;
use super::asked::{Scene, marker};
use crate::policy::{DecisionKind, List, Match, PolicySet, Position, Request, Simulation, simulate};

/// Requests that are decided for one page: Ropeway's own bound. A page ends with the action that reaches it.
const DECISIONS: usize = 10_000;

/// What answers call the kinds of policies.
const IDENTITY: &str = "IAM Policy";
const RESOURCE: &str = "Resource Policy";

impl Scene {
    /// One page: a result for each action.
    pub fn answer(&self, sources: &Sources) -> Result<api::SimulatePolicyResponse, Error> {
        let (first, most) = self.page;
        let most = most.min(DECISIONS / self.resources.len().max(1)).max(1);
        let actions = self.actions.iter().skip(first).take(most);
        let results: Vec<_> = actions.map(|action| self.result(sources, action)).collect();
        let next = first.saturating_add(results.len());
        let more = next < self.actions.len();
        Ok(api::SimulatePolicyResponse {
            evaluation_results: Some(results),
            is_truncated: Some(more),
            marker: more.then(|| marker(next)),
        })
    }

    fn result(&self, sources: &Sources, action: &str) -> api::EvaluationResult {
        let policies = PolicySet {
            identity: &sources.policies,
            boundary: self.boundary.as_ref(),
            session: None,
            resource: self.resource_policy.as_ref(),
            list: List::default(),
        };
        let simulate_on = |resource| {
            let request = Request {
                principal: &self.caller,
                action,
                resource,
                resource_account: self.owner_of(resource),
                context: &self.context,
            };
            (resource, simulate(&request, &policies))
        };
        let all: Vec<(&str, Simulation<'_>)> = self.resources.iter().map(|r| simulate_on(r)).collect();
        let kind = strictest(all.iter().map(|(_, one)| one.decision.kind));
        // Of several resources only those count that are decided as the whole is.
        let led = all.iter().filter(|(_, one)| one.decision.kind == kind);
        let matched: BTreeSet<Match> = led.flat_map(|(_, one)| one.matched.iter().copied()).collect();
        let missing: BTreeSet<&String> = all.iter().flat_map(|(_, one)| &one.missing).collect();
        let specific = self.resources.iter().any(|resource| resource != "*");
        let across: Vec<_> = all.iter().filter(|(resource, _)| self.is_across(resource)).collect();
        let details = match (across.is_empty(), specific) {
            (false, _) => Some(details(across.iter().map(|(_, one)| one))),
            (true, true) => Some(BTreeMap::new()),
            (true, false) => None,
        };
        let within = all.iter().filter_map(|(_, one)| one.within_boundary).reduce(|a, b| a && b);
        api::EvaluationResult {
            eval_action_name: action.to_owned(),
            eval_resource_name: Some(template(self.resources.first().map_or("*", String::as_str)).to_owned()),
            eval_decision: word(kind).to_owned(),
            matched_statements: Some(self.statements(sources, matched)),
            missing_context_values: Some(missing.into_iter().cloned().collect()),
            organizations_decision_detail: None,
            permissions_boundary_decision_detail: boundary(within),
            eval_decision_details: details,
            resource_specific_results: specific
                .then(|| all.iter().map(|(resource, one)| self.specific(sources, resource, one)).collect()),
        }
    }

    fn specific(
        &self,
        sources: &Sources,
        resource: &str,
        one: &Simulation<'_>,
    ) -> api::ResourceSpecificResult {
        api::ResourceSpecificResult {
            eval_resource_name: resource.to_owned(),
            eval_resource_decision: word(one.decision.kind).to_owned(),
            matched_statements: Some(self.statements(sources, one.matched.iter().copied())),
            missing_context_values: Some(one.missing.iter().cloned().collect()),
            eval_decision_details: self.is_across(resource).then(|| details(std::iter::once(one))),
            permissions_boundary_decision_detail: boundary(one.within_boundary),
        }
    }

    fn is_across(&self, resource: &str) -> bool {
        self.owner_of(resource) != self.caller.account
    }

    fn statements(&self, sources: &Sources, matched: impl IntoIterator<Item = Match>) -> Vec<api::Statement> {
        let statement = |found: Match| {
            let (name, kind, policy) = match found.identity {
                Some(n) => (sources.names.get(n)?.as_str(), IDENTITY, sources.policies.get(n)?),
                None => ("ResourcePolicy", RESOURCE, self.resource_policy.as_ref()?),
            };
            let span = policy.policy.span(found.statement);
            Some(api::Statement {
                source_policy_id: Some(name.to_owned()),
                source_policy_type: Some(kind.to_owned()),
                start_position: span.map(|span| position(span.start)),
                end_position: span.map(|span| position(span.end)),
            })
        };
        matched.into_iter().filter_map(statement).collect()
    }
}

fn position(at: Position) -> api::Position {
    api::Position { line: Some(i64::from(at.line)), column: Some(i64::from(at.column)) }
}

fn boundary(within: Option<bool>) -> Option<api::PermissionsBoundaryDecisionDetail> {
    within.map(|within| api::PermissionsBoundaryDecisionDetail {
        allowed_by_permissions_boundary: Some(within),
    })
}

fn word(kind: DecisionKind) -> &'static str {
    match kind {
        DecisionKind::Allow => "allowed",
        DecisionKind::ExplicitDeny => "explicitDeny",
        DecisionKind::ImplicitDeny => "implicitDeny",
    }
}

fn strictest(kinds: impl IntoIterator<Item = DecisionKind>) -> DecisionKind {
    let rank = |kind: &DecisionKind| match kind {
        DecisionKind::Allow => 0,
        DecisionKind::ImplicitDeny => 1,
        DecisionKind::ExplicitDeny => 2,
    };
    kinds.into_iter().max_by_key(rank).unwrap_or(DecisionKind::ImplicitDeny)
}

/// What each kind of policy decides of requests across accounts. A resource without a policy allows nothing.
fn details<'s, 'p: 's>(all: impl Iterator<Item = &'s Simulation<'p>> + Clone) -> BTreeMap<String, String> {
    let identity = strictest(all.clone().map(|one| one.by_identity));
    let resource = strictest(all.map(|one| one.by_resource.unwrap_or(DecisionKind::ImplicitDeny)));
    let entry = |name: &str, kind| (name.to_owned(), word(kind).to_owned());
    BTreeMap::from([entry(IDENTITY, identity), entry(RESOURCE, resource)])
}

/// The form of ARN that a resource has, as the Service Authorization Reference writes it for the services that
/// are here; `*` for any other.
fn template(resource: &str) -> &'static str {
    let mut parts = resource.splitn(6, ':').skip(2);
    let (service, rest) = (parts.next().unwrap_or_default(), parts.nth(2).unwrap_or_default());
    let kind = rest.split([':', '/']).next().unwrap_or_default();
    match (service, kind) {
        ("s3", _) if rest.contains('/') => "arn:${Partition}:s3:::${BucketName}/${KeyName}",
        ("s3", _) => "arn:${Partition}:s3:::${BucketName}",
        ("sqs", _) => "arn:${Partition}:sqs:${Region}:${Account}:${QueueName}",
        ("sns", _) => "arn:${Partition}:sns:${Region}:${Account}:${TopicName}",
        ("firehose", _) => {
            "arn:${Partition}:firehose:${Region}:${Account}:deliverystream/${DeliveryStreamName}"
        }
        ("lambda", "function") => "arn:${Partition}:lambda:${Region}:${Account}:function:${FunctionName}",
        ("lambda", "layer") => "arn:${Partition}:lambda:${Region}:${Account}:layer:${LayerName}",
        ("lambda", _) => "arn:${Partition}:lambda:${Region}:${Account}:event-source-mapping:${UUID}",
        ("logs", _) => "arn:${Partition}:logs:${Region}:${Account}:log-group:${LogGroupName}",
        ("cloudformation", _) => {
            "arn:${Partition}:cloudformation:${Region}:${Account}:stack/${StackName}/${Id}"
        }
        ("iam", "user") => "arn:${Partition}:iam::${Account}:user/${UserNameWithPath}",
        ("iam", "role") => "arn:${Partition}:iam::${Account}:role/${RoleNameWithPath}",
        ("iam", "group") => "arn:${Partition}:iam::${Account}:group/${GroupNameWithPath}",
        ("iam", _) => "arn:${Partition}:iam::${Account}:policy/${PolicyNameWithPath}",
        _ => "*",
    }
}
