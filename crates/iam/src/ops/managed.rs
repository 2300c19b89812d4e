//! Managed policies, attached to users, roles and groups.

use ropeway_api::iam as api;
use ropeway_wire::{Cx, Error, Keys};

use super::{IamService, answer, convert};
use crate::commands::{Name, Output, What};
use crate::model::Kind;

/// `iam:PolicyARN`.
fn policy_key(arn: &str) -> Keys {
    let mut keys = Keys::default();
    keys.add("iam:PolicyARN", arn);
    keys
}

fn attached((name, arn): (String, String)) -> api::AttachedPolicy {
    api::AttachedPolicy { policy_name: Some(name), policy_arn: Some(arn) }
}

/// The three operations of users, roles or groups.
macro_rules! attachments {
    ($kind:expr, $name:ident, $attach:ident $attach_in:ident $attach_out:ident,
     $detach:ident $detach_in:ident $detach_out:ident, $list:ident $list_in:ident $list_out:ident) => {
        pub(super) async fn $attach(
            iam: &IamService,
            cx: &Cx,
            input: api::$attach_in,
        ) -> Result<api::$attach_out, Error> {
            iam.allow_with::<api::$attach_in>(cx, $kind, &input.$name, policy_key(&input.policy_arn))?;
            iam.submit(cx, What::Attach { name: Name($kind, input.$name), arn: input.policy_arn }).await?;
            Ok(api::$attach_out {})
        }

        pub(super) async fn $detach(
            iam: &IamService,
            cx: &Cx,
            input: api::$detach_in,
        ) -> Result<api::$detach_out, Error> {
            iam.allow_with::<api::$detach_in>(cx, $kind, &input.$name, policy_key(&input.policy_arn))?;
            iam.submit(cx, What::Detach { name: Name($kind, input.$name), arn: input.policy_arn }).await?;
            Ok(api::$detach_out {})
        }

        pub(super) async fn $list(
            iam: &IamService,
            cx: &Cx,
            input: api::$list_in,
        ) -> Result<api::$list_out, Error> {
            iam.allow::<api::$list_in>(cx, $kind, &input.$name)?;
            let page = convert::page(input.marker, input.max_items)?;
            let prefix = input.path_prefix.unwrap_or_default();
            let what = What::ListAttached { name: Name($kind, input.$name), prefix, page };
            let listed = answer!(iam.submit(cx, what).await?, Output::Attached(listed) => listed);
            let (is_truncated, marker) = convert::more(&listed);
            let items = listed.items.into_iter().map(attached).collect();
            Ok(api::$list_out { attached_policies: Some(items), is_truncated, marker })
        }
    };
}

attachments!(
    Kind::User, user_name,
    attach_user_policy AttachUserPolicyInput AttachUserPolicyOutput,
    detach_user_policy DetachUserPolicyInput DetachUserPolicyOutput,
    list_attached_user_policies ListAttachedUserPoliciesInput ListAttachedUserPoliciesOutput
);
attachments!(
    Kind::Role, role_name,
    attach_role_policy AttachRolePolicyInput AttachRolePolicyOutput,
    detach_role_policy DetachRolePolicyInput DetachRolePolicyOutput,
    list_attached_role_policies ListAttachedRolePoliciesInput ListAttachedRolePoliciesOutput
);
attachments!(
    Kind::Group, group_name,
    attach_group_policy AttachGroupPolicyInput AttachGroupPolicyOutput,
    detach_group_policy DetachGroupPolicyInput DetachGroupPolicyOutput,
    list_attached_group_policies ListAttachedGroupPoliciesInput ListAttachedGroupPoliciesOutput
);
