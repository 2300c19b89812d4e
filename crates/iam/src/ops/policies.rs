//! Managed policies and their versions.

use ropeway_api::iam as api;
use ropeway_wire::{Cx, Error, Keys};

use super::{IamService, answer, convert};
use crate::commands::{Output, PolicyFilter, What};
use crate::model::policy_arn;
use crate::policy::PolicyKind;

pub(super) async fn create_policy(
    iam: &IamService,
    cx: &Cx,
    input: api::CreatePolicyInput,
) -> Result<api::CreatePolicyOutput, Error> {
    let path = input.path.unwrap_or_else(|| "/".to_owned());
    let tags = convert::tags(input.tags)?;
    let arn = policy_arn(&cx.account, &path, &input.policy_name);
    iam.allow_new_policy::<api::CreatePolicyInput>(cx, &arn, &tags)?;
    convert::check_policy(&input.policy_document, PolicyKind::Managed)?;
    let (name, document, description) = (input.policy_name, input.policy_document, input.description);
    let what = What::CreatePolicy { name, path, document, description, tags };
    answer!(iam.submit(cx, what).await?, Output::Policy(policy) => {
        Ok(api::CreatePolicyOutput { policy: Some(convert::policy(&policy, true)) })
    })
}

pub(super) async fn get_policy(
    iam: &IamService,
    cx: &Cx,
    input: api::GetPolicyInput,
) -> Result<api::GetPolicyOutput, Error> {
    iam.allow_policy::<api::GetPolicyInput>(cx, &input.policy_arn, Keys::default())?;
    let output = iam.submit(cx, What::GetPolicy { arn: input.policy_arn }).await?;
    answer!(output, Output::Policy(policy) => {
        Ok(api::GetPolicyOutput { policy: Some(convert::policy(&policy, true)) })
    })
}

pub(super) async fn list_policies(
    iam: &IamService,
    cx: &Cx,
    input: api::ListPoliciesInput,
) -> Result<api::ListPoliciesOutput, Error> {
    let page = convert::page(input.marker, input.max_items)?;
    let filter = PolicyFilter {
        own: input.scope.as_deref() != Some("AWS"),
        aws: input.scope.as_deref() != Some("Local"),
        prefix: input.path_prefix.unwrap_or_default(),
        attached: input.only_attached.unwrap_or(false),
        boundaries: input.policy_usage_filter.map(|usage| usage == "PermissionsBoundary"),
    };
    let output = iam.submit(cx, What::ListPolicies { filter, page }).await?;
    let listed = answer!(output, Output::Policies(listed) => listed);
    let (is_truncated, marker) = convert::more(&listed);
    let policies = listed.items.iter().map(|policy| convert::policy(policy, false)).collect();
    Ok(api::ListPoliciesOutput { policies: Some(policies), is_truncated, marker })
}

pub(super) async fn delete_policy(
    iam: &IamService,
    cx: &Cx,
    input: api::DeletePolicyInput,
) -> Result<api::DeletePolicyOutput, Error> {
    iam.allow_policy::<api::DeletePolicyInput>(cx, &input.policy_arn, Keys::default())?;
    iam.submit(cx, What::DeletePolicy { arn: input.policy_arn }).await?;
    Ok(api::DeletePolicyOutput {})
}

pub(super) async fn create_policy_version(
    iam: &IamService,
    cx: &Cx,
    input: api::CreatePolicyVersionInput,
) -> Result<api::CreatePolicyVersionOutput, Error> {
    iam.allow_policy::<api::CreatePolicyVersionInput>(cx, &input.policy_arn, Keys::default())?;
    convert::check_policy(&input.policy_document, PolicyKind::Managed)?;
    let (arn, document) = (input.policy_arn, input.policy_document);
    let what = What::CreateVersion { arn, document, default: input.set_as_default.unwrap_or(false) };
    answer!(iam.submit(cx, what).await?, Output::Version(version) => {
        Ok(api::CreatePolicyVersionOutput { policy_version: Some(convert::version(&version, false)) })
    })
}

pub(super) async fn get_policy_version(
    iam: &IamService,
    cx: &Cx,
    input: api::GetPolicyVersionInput,
) -> Result<api::GetPolicyVersionOutput, Error> {
    iam.allow_policy::<api::GetPolicyVersionInput>(cx, &input.policy_arn, Keys::default())?;
    let number = convert::version_number(&input.version_id);
    let output = iam.submit(cx, What::GetVersion { arn: input.policy_arn, number }).await?;
    answer!(output, Output::Version(version) => {
        Ok(api::GetPolicyVersionOutput { policy_version: Some(convert::version(&version, true)) })
    })
}

pub(super) async fn list_policy_versions(
    iam: &IamService,
    cx: &Cx,
    input: api::ListPolicyVersionsInput,
) -> Result<api::ListPolicyVersionsOutput, Error> {
    iam.allow_policy::<api::ListPolicyVersionsInput>(cx, &input.policy_arn, Keys::default())?;
    let page = convert::page(input.marker, input.max_items)?;
    let output = iam.submit(cx, What::ListVersions { arn: input.policy_arn, page }).await?;
    let listed = answer!(output, Output::Versions(listed) => listed);
    let (is_truncated, marker) = convert::more(&listed);
    let versions = listed.items.iter().map(|version| convert::version(version, false)).collect();
    Ok(api::ListPolicyVersionsOutput { versions: Some(versions), is_truncated, marker })
}

pub(super) async fn set_default_policy_version(
    iam: &IamService,
    cx: &Cx,
    input: api::SetDefaultPolicyVersionInput,
) -> Result<api::SetDefaultPolicyVersionOutput, Error> {
    iam.allow_policy::<api::SetDefaultPolicyVersionInput>(cx, &input.policy_arn, Keys::default())?;
    let number = convert::version_number(&input.version_id);
    iam.submit(cx, What::SetDefault { arn: input.policy_arn, number }).await?;
    Ok(api::SetDefaultPolicyVersionOutput {})
}

pub(super) async fn delete_policy_version(
    iam: &IamService,
    cx: &Cx,
    input: api::DeletePolicyVersionInput,
) -> Result<api::DeletePolicyVersionOutput, Error> {
    iam.allow_policy::<api::DeletePolicyVersionInput>(cx, &input.policy_arn, Keys::default())?;
    let number = convert::version_number(&input.version_id);
    iam.submit(cx, What::DeleteVersion { arn: input.policy_arn, number }).await?;
    Ok(api::DeletePolicyVersionOutput {})
}
