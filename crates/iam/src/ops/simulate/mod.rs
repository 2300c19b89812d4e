//! The policy simulator's operations: what policies would decide, and which condition keys they name.
//!
//! Sources: IAM API reference, `SimulateCustomPolicy`, `SimulatePrincipalPolicy`, `EvaluationResult`; examples of
//! the AWS CLI reference for what the documentation of types leaves open (positions, names of sources).

mod answer;
mod asked;

use std::collections::BTreeSet;

use ropeway_api::iam as api;
use ropeway_wire::{Cx, Error};

use super::IamService;
use crate::access::{Access, Known};
use crate::commands::errors;
use crate::model::Kind;
use crate::policy::AttachedPolicy;
use asked::{Asked, Scene, invalid, parse_policies};

/// Identity-based policies, and what answers call each of them.
#[derive(Default)]
struct Sources {
    names: Vec<String>,
    policies: Vec<AttachedPolicy>,
}

impl Sources {
    fn add(&mut self, name: String, policy: AttachedPolicy) {
        self.names.push(name);
        self.policies.push(policy);
    }

    /// Those of a user and its groups, of a role, or of a group.
    fn of(access: &Access, known: &Known) -> Self {
        let mut sources = Sources::default();
        sources.add_all(access, known);
        for group in known.groups.iter().filter_map(|group| access.by_id.get(group)) {
            sources.add_all(access, &group);
        }
        sources
    }

    /// An inline policy goes by kind and name of what it is in, a managed one by its name.
    fn add_all(&mut self, access: &Access, known: &Known) {
        let behind = format!(" of {}", known.arn);
        for inline in &known.inline {
            let name = inline.name.strip_suffix(&behind).unwrap_or(&inline.name);
            self.add(format!("{}_{}_{name}", known.kind.word(), known.name), inline.clone());
        }
        for arn in &known.attached {
            if let Some(managed) = access.policies.get(arn) {
                let name = arn.rsplit('/').next().unwrap_or(arn);
                self.add(name.to_owned(), managed.policy.clone());
            }
        }
    }

    /// Documents of a request.
    fn add_documents(&mut self, documents: &[String]) -> Result<(), Error> {
        for (n, policy) in parse_policies("PolicyInputList", documents)?.into_iter().enumerate() {
            self.add(format!("PolicyInputList.{}", n + 1), policy);
        }
        Ok(())
    }

    fn context_keys(&self) -> Vec<String> {
        let keys: BTreeSet<_> = self.policies.iter().flat_map(|p| p.policy.context_keys()).collect();
        keys.into_iter().collect()
    }
}

/// The user, role or group whose policies are simulated.
fn source(iam: &IamService, cx: &Cx, arn: &str) -> Result<std::sync::Arc<Known>, Error> {
    let (kind, name) = named(arn).ok_or_else(|| {
        invalid(format!("Invalid Entity Arn: {arn} does not clearly define entity type and name."))
    })?;
    let known = iam.access.named(&cx.account, kind, name).filter(|known| known.arn == arn);
    known.ok_or_else(|| errors::no_entity(kind, name))
}

/// The kind and the name in the ARN of a user, role or group.
pub(super) fn named(arn: &str) -> Option<(Kind, &str)> {
    let (kind, path) = arn.strip_prefix("arn:aws:iam::")?.split_once(':')?.1.split_once('/')?;
    let kind = [Kind::User, Kind::Role, Kind::Group].into_iter().find(|one| one.word() == kind)?;
    path.rsplit('/').next().filter(|name| !name.is_empty()).map(|name| (kind, name))
}

pub(super) async fn simulate_custom_policy(
    iam: &IamService,
    cx: &Cx,
    input: api::SimulateCustomPolicyInput,
) -> Result<api::SimulateCustomPolicyOutput, Error> {
    let mut sources = Sources::default();
    sources.add_documents(&input.policy_input_list)?;
    let asked = Asked {
        boundary: input.permissions_boundary_policy_input_list,
        actions: input.action_names,
        resources: input.resource_arns,
        resource_policy: input.resource_policy,
        owner: input.resource_owner,
        caller: input.caller_arn,
        context: input.context_entries,
        max_items: input.max_items,
        marker: input.marker,
    };
    Scene::new(iam, cx, asked, None)?.answer(&sources)
}

pub(super) async fn simulate_principal_policy(
    iam: &IamService,
    cx: &Cx,
    input: api::SimulatePrincipalPolicyInput,
) -> Result<api::SimulatePrincipalPolicyOutput, Error> {
    iam.allow_arn::<api::SimulatePrincipalPolicyInput>(cx, &input.policy_source_arn)?;
    let known = source(iam, cx, &input.policy_source_arn)?;
    let mut sources = Sources::of(&iam.access, &known);
    sources.add_documents(&input.policy_input_list.unwrap_or_default())?;
    let asked = Asked {
        boundary: input.permissions_boundary_policy_input_list,
        actions: input.action_names,
        resources: input.resource_arns,
        resource_policy: input.resource_policy,
        owner: input.resource_owner,
        caller: input.caller_arn,
        context: input.context_entries,
        max_items: input.max_items,
        marker: input.marker,
    };
    Scene::new(iam, cx, asked, Some(&known))?.answer(&sources)
}

pub(super) async fn get_context_keys_for_custom_policy(
    _iam: &IamService,
    _cx: &Cx,
    input: api::GetContextKeysForCustomPolicyInput,
) -> Result<api::GetContextKeysForCustomPolicyOutput, Error> {
    let mut sources = Sources::default();
    sources.add_documents(&input.policy_input_list)?;
    Ok(api::GetContextKeysForPolicyResponse { context_key_names: Some(sources.context_keys()) })
}

pub(super) async fn get_context_keys_for_principal_policy(
    iam: &IamService,
    cx: &Cx,
    input: api::GetContextKeysForPrincipalPolicyInput,
) -> Result<api::GetContextKeysForPrincipalPolicyOutput, Error> {
    iam.allow_arn::<api::GetContextKeysForPrincipalPolicyInput>(cx, &input.policy_source_arn)?;
    let known = source(iam, cx, &input.policy_source_arn)?;
    let mut sources = Sources::of(&iam.access, &known);
    sources.add_documents(&input.policy_input_list.unwrap_or_default())?;
    Ok(api::GetContextKeysForPolicyResponse { context_key_names: Some(sources.context_keys()) })
}
