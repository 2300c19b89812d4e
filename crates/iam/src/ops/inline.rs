//! Inline policies.

use ropeway_api::iam as api;
use ropeway_wire::{Cx, Error};

use super::{IamService, answer, convert};
use crate::commands::{Name, Output, What};
use crate::model::{Inline, Kind};
use crate::policy::PolicyKind;

/// The four operations of users, roles or groups.
macro_rules! inline_policies {
    ($kind:expr, $name:ident, $put:ident $put_in:ident $put_out:ident, $get:ident $get_in:ident $get_out:ident,
     $list:ident $list_in:ident $list_out:ident, $delete:ident $delete_in:ident $delete_out:ident) => {
        pub(super) async fn $put(
            iam: &IamService,
            cx: &Cx,
            input: api::$put_in,
        ) -> Result<api::$put_out, Error> {
            iam.allow::<api::$put_in>(cx, $kind, &input.$name)?;
            convert::check_policy(&input.policy_document, PolicyKind::Identity)?;
            let policy = Inline { name: input.policy_name, document: input.policy_document };
            iam.submit(cx, What::PutInline { name: Name($kind, input.$name), policy }).await?;
            Ok(api::$put_out {})
        }

        pub(super) async fn $get(
            iam: &IamService,
            cx: &Cx,
            input: api::$get_in,
        ) -> Result<api::$get_out, Error> {
            iam.allow::<api::$get_in>(cx, $kind, &input.$name)?;
            let (name, policy) = (Name($kind, input.$name), input.policy_name);
            let output = iam.submit(cx, What::GetInline { name, policy }).await?;
            answer!(output, Output::Inline(policy, owner) => Ok(api::$get_out {
                $name: owner,
                policy_name: policy.name,
                policy_document: convert::encode(&policy.document),
            }))
        }

        pub(super) async fn $list(
            iam: &IamService,
            cx: &Cx,
            input: api::$list_in,
        ) -> Result<api::$list_out, Error> {
            iam.allow::<api::$list_in>(cx, $kind, &input.$name)?;
            let page = convert::page(input.marker, input.max_items)?;
            let output = iam.submit(cx, What::ListInline { name: Name($kind, input.$name), page }).await?;
            let listed = answer!(output, Output::Names(names) => names);
            let (is_truncated, marker) = convert::more(&listed);
            Ok(api::$list_out { policy_names: listed.items, is_truncated, marker })
        }

        pub(super) async fn $delete(
            iam: &IamService,
            cx: &Cx,
            input: api::$delete_in,
        ) -> Result<api::$delete_out, Error> {
            iam.allow::<api::$delete_in>(cx, $kind, &input.$name)?;
            let (name, policy) = (Name($kind, input.$name), input.policy_name);
            iam.submit(cx, What::DeleteInline { name, policy }).await?;
            Ok(api::$delete_out {})
        }
    };
}

inline_policies!(
    Kind::User, user_name,
    put_user_policy PutUserPolicyInput PutUserPolicyOutput,
    get_user_policy GetUserPolicyInput GetUserPolicyOutput,
    list_user_policies ListUserPoliciesInput ListUserPoliciesOutput,
    delete_user_policy DeleteUserPolicyInput DeleteUserPolicyOutput
);
inline_policies!(
    Kind::Role, role_name,
    put_role_policy PutRolePolicyInput PutRolePolicyOutput,
    get_role_policy GetRolePolicyInput GetRolePolicyOutput,
    list_role_policies ListRolePoliciesInput ListRolePoliciesOutput,
    delete_role_policy DeleteRolePolicyInput DeleteRolePolicyOutput
);
inline_policies!(
    Kind::Group, group_name,
    put_group_policy PutGroupPolicyInput PutGroupPolicyOutput,
    get_group_policy GetGroupPolicyInput GetGroupPolicyOutput,
    list_group_policies ListGroupPoliciesInput ListGroupPoliciesOutput,
    delete_group_policy DeleteGroupPolicyInput DeleteGroupPolicyOutput
);
