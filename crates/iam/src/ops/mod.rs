//! The operations.

mod access;
mod boundaries;
mod convert;
mod groups;
mod inline;
mod keys;
mod managed;
mod policies;
mod roles;
mod simulate;
mod sts;
mod tags;
mod users;

use std::sync::Arc;

use ropeway_api::iam::{self as api, Iam};
use ropeway_core::Core;
use ropeway_wire::{Cx, Error};

use crate::commands::{Command, Output, What};
use crate::{Access, IamMachine, shard_name};

pub use sts::StsService;

/// IAM.
pub struct IamService {
    core: Core,
    access: Arc<Access>,
}

impl IamService {
    /// The service over a core that runs [`Access::machines`].
    pub fn new(core: Core, access: Arc<Access>) -> Self {
        IamService { core, access }
    }

    /// Applies a command to the caller's account.
    async fn submit(&self, cx: &Cx, what: What) -> Result<Output, Error> {
        let shard = self.core.shard_of(&shard_name(&cx.account));
        let command = Command { account: cx.account.clone(), what };
        self.core.submit::<IamMachine>(shard, &cx.trace, command).await
    }
}

/// A command that answered with what another one does.
fn mismatch() -> Error {
    Error::internal("an answer of another kind")
}

/// Takes the answer of a command, of the kind that it gives.
macro_rules! answer {
    ($output:expr, $($kind:pat => $value:expr)+) => {
        match $output {
            $($kind => $value,)+
            _ => return Err($crate::ops::mismatch()),
        }
    };
}
pub(crate) use answer;

/// The trait's methods, each in the file of its family.
macro_rules! operations {
    ($($family:ident { $($method:ident $input:ident $output:ident,)+ })+) => {
        impl Iam for IamService {
            $($(
                async fn $method(&self, cx: &Cx, input: api::$input) -> Result<api::$output, Error> {
                    $family::$method(self, cx, input).await
                }
            )+)+
        }
    };
}

operations! {
    users {
        create_user CreateUserInput CreateUserOutput,
        get_user GetUserInput GetUserOutput,
        list_users ListUsersInput ListUsersOutput,
        update_user UpdateUserInput UpdateUserOutput,
        delete_user DeleteUserInput DeleteUserOutput,
    }
    keys {
        create_access_key CreateAccessKeyInput CreateAccessKeyOutput,
        list_access_keys ListAccessKeysInput ListAccessKeysOutput,
        update_access_key UpdateAccessKeyInput UpdateAccessKeyOutput,
        delete_access_key DeleteAccessKeyInput DeleteAccessKeyOutput,
    }
    tags {
        tag_user TagUserInput TagUserOutput,
        untag_user UntagUserInput UntagUserOutput,
        list_user_tags ListUserTagsInput ListUserTagsOutput,
        tag_role TagRoleInput TagRoleOutput,
        untag_role UntagRoleInput UntagRoleOutput,
        list_role_tags ListRoleTagsInput ListRoleTagsOutput,
        tag_policy TagPolicyInput TagPolicyOutput,
        untag_policy UntagPolicyInput UntagPolicyOutput,
        list_policy_tags ListPolicyTagsInput ListPolicyTagsOutput,
    }
    boundaries {
        put_user_permissions_boundary PutUserPermissionsBoundaryInput PutUserPermissionsBoundaryOutput,
        delete_user_permissions_boundary DeleteUserPermissionsBoundaryInput DeleteUserPermissionsBoundaryOutput,
        put_role_permissions_boundary PutRolePermissionsBoundaryInput PutRolePermissionsBoundaryOutput,
        delete_role_permissions_boundary DeleteRolePermissionsBoundaryInput DeleteRolePermissionsBoundaryOutput,
    }
    inline {
        put_user_policy PutUserPolicyInput PutUserPolicyOutput,
        get_user_policy GetUserPolicyInput GetUserPolicyOutput,
        list_user_policies ListUserPoliciesInput ListUserPoliciesOutput,
        delete_user_policy DeleteUserPolicyInput DeleteUserPolicyOutput,
        put_role_policy PutRolePolicyInput PutRolePolicyOutput,
        get_role_policy GetRolePolicyInput GetRolePolicyOutput,
        list_role_policies ListRolePoliciesInput ListRolePoliciesOutput,
        delete_role_policy DeleteRolePolicyInput DeleteRolePolicyOutput,
        put_group_policy PutGroupPolicyInput PutGroupPolicyOutput,
        get_group_policy GetGroupPolicyInput GetGroupPolicyOutput,
        list_group_policies ListGroupPoliciesInput ListGroupPoliciesOutput,
        delete_group_policy DeleteGroupPolicyInput DeleteGroupPolicyOutput,
    }
    managed {
        attach_user_policy AttachUserPolicyInput AttachUserPolicyOutput,
        detach_user_policy DetachUserPolicyInput DetachUserPolicyOutput,
        list_attached_user_policies ListAttachedUserPoliciesInput ListAttachedUserPoliciesOutput,
        attach_role_policy AttachRolePolicyInput AttachRolePolicyOutput,
        detach_role_policy DetachRolePolicyInput DetachRolePolicyOutput,
        list_attached_role_policies ListAttachedRolePoliciesInput ListAttachedRolePoliciesOutput,
        attach_group_policy AttachGroupPolicyInput AttachGroupPolicyOutput,
        detach_group_policy DetachGroupPolicyInput DetachGroupPolicyOutput,
        list_attached_group_policies ListAttachedGroupPoliciesInput ListAttachedGroupPoliciesOutput,
    }
    roles {
        create_role CreateRoleInput CreateRoleOutput,
        get_role GetRoleInput GetRoleOutput,
        list_roles ListRolesInput ListRolesOutput,
        update_role UpdateRoleInput UpdateRoleOutput,
        update_role_description UpdateRoleDescriptionInput UpdateRoleDescriptionOutput,
        update_assume_role_policy UpdateAssumeRolePolicyInput UpdateAssumeRolePolicyOutput,
        delete_role DeleteRoleInput DeleteRoleOutput,
    }
    policies {
        create_policy CreatePolicyInput CreatePolicyOutput,
        get_policy GetPolicyInput GetPolicyOutput,
        list_policies ListPoliciesInput ListPoliciesOutput,
        delete_policy DeletePolicyInput DeletePolicyOutput,
        create_policy_version CreatePolicyVersionInput CreatePolicyVersionOutput,
        get_policy_version GetPolicyVersionInput GetPolicyVersionOutput,
        list_policy_versions ListPolicyVersionsInput ListPolicyVersionsOutput,
        set_default_policy_version SetDefaultPolicyVersionInput SetDefaultPolicyVersionOutput,
        delete_policy_version DeletePolicyVersionInput DeletePolicyVersionOutput,
    }
    simulate {
        simulate_custom_policy SimulateCustomPolicyInput SimulateCustomPolicyOutput,
        simulate_principal_policy SimulatePrincipalPolicyInput SimulatePrincipalPolicyOutput,
        get_context_keys_for_custom_policy GetContextKeysForCustomPolicyInput GetContextKeysForCustomPolicyOutput,
        get_context_keys_for_principal_policy GetContextKeysForPrincipalPolicyInput GetContextKeysForPrincipalPolicyOutput,
    }
    groups {
        create_group CreateGroupInput CreateGroupOutput,
        get_group GetGroupInput GetGroupOutput,
        list_groups ListGroupsInput ListGroupsOutput,
        update_group UpdateGroupInput UpdateGroupOutput,
        delete_group DeleteGroupInput DeleteGroupOutput,
        list_groups_for_user ListGroupsForUserInput ListGroupsForUserOutput,
        add_user_to_group AddUserToGroupInput AddUserToGroupOutput,
        remove_user_from_group RemoveUserFromGroupInput RemoveUserFromGroupOutput,
    }
}
