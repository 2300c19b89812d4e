//! Who may use IAM itself.

use ropeway_api::iam::{self as api, Iam};
use ropeway_wire::{Error, Input};

use crate::world::{World, allow};

/// Calls operations with an empty input: each asks for its own action before anything else, or the generic path
/// has asked for it.
macro_rules! denied {
    ($world:ident, $cx:ident, $($method:ident $input:ident,)+) => {{
        let mut count = 0;
        $(
            let input = api::$input::default();
            let asked_before = !input.resources(&$cx).is_empty();
            let answer: Result<(), Error> = $world.iam.$method(&$cx, input).await.map(drop);
            let why = answer.err().map(|error| (error.code, error.message));
            let action = concat!("iam:", stringify!($input));
            let action = action.strip_suffix("Input").unwrap();
            let asked = why.as_ref().is_some_and(|(code, message)| code == "AccessDenied" && message.contains(action));
            assert!(asked || asked_before, "{action}: {why:?}");
            count += 1;
        )+
        count
    }};
}

#[tokio::test]
async fn every_operation_asks() {
    let world = World::new().await;
    let ana = world.user("ana").await;
    let count = denied!(world, ana,
        add_user_to_group AddUserToGroupInput,
        attach_group_policy AttachGroupPolicyInput,
        attach_role_policy AttachRolePolicyInput,
        attach_user_policy AttachUserPolicyInput,
        create_access_key CreateAccessKeyInput,
        create_group CreateGroupInput,
        create_policy CreatePolicyInput,
        create_policy_version CreatePolicyVersionInput,
        create_role CreateRoleInput,
        create_user CreateUserInput,
        delete_access_key DeleteAccessKeyInput,
        delete_group DeleteGroupInput,
        delete_group_policy DeleteGroupPolicyInput,
        delete_policy DeletePolicyInput,
        delete_policy_version DeletePolicyVersionInput,
        delete_role DeleteRoleInput,
        delete_role_permissions_boundary DeleteRolePermissionsBoundaryInput,
        delete_role_policy DeleteRolePolicyInput,
        delete_user DeleteUserInput,
        delete_user_permissions_boundary DeleteUserPermissionsBoundaryInput,
        delete_user_policy DeleteUserPolicyInput,
        detach_group_policy DetachGroupPolicyInput,
        detach_role_policy DetachRolePolicyInput,
        detach_user_policy DetachUserPolicyInput,
        get_group GetGroupInput,
        get_group_policy GetGroupPolicyInput,
        get_policy GetPolicyInput,
        get_policy_version GetPolicyVersionInput,
        get_role GetRoleInput,
        get_role_policy GetRolePolicyInput,
        get_user GetUserInput,
        get_user_policy GetUserPolicyInput,
        list_access_keys ListAccessKeysInput,
        list_attached_group_policies ListAttachedGroupPoliciesInput,
        list_attached_role_policies ListAttachedRolePoliciesInput,
        list_attached_user_policies ListAttachedUserPoliciesInput,
        list_group_policies ListGroupPoliciesInput,
        list_groups ListGroupsInput,
        list_groups_for_user ListGroupsForUserInput,
        list_policies ListPoliciesInput,
        list_policy_tags ListPolicyTagsInput,
        list_policy_versions ListPolicyVersionsInput,
        list_role_policies ListRolePoliciesInput,
        list_role_tags ListRoleTagsInput,
        list_roles ListRolesInput,
        list_user_policies ListUserPoliciesInput,
        list_user_tags ListUserTagsInput,
        list_users ListUsersInput,
        put_group_policy PutGroupPolicyInput,
        put_role_permissions_boundary PutRolePermissionsBoundaryInput,
        put_role_policy PutRolePolicyInput,
        put_user_permissions_boundary PutUserPermissionsBoundaryInput,
        put_user_policy PutUserPolicyInput,
        remove_user_from_group RemoveUserFromGroupInput,
        set_default_policy_version SetDefaultPolicyVersionInput,
        get_context_keys_for_custom_policy GetContextKeysForCustomPolicyInput,
        get_context_keys_for_principal_policy GetContextKeysForPrincipalPolicyInput,
        simulate_custom_policy SimulateCustomPolicyInput,
        simulate_principal_policy SimulatePrincipalPolicyInput,
        tag_policy TagPolicyInput,
        tag_role TagRoleInput,
        tag_user TagUserInput,
        untag_policy UntagPolicyInput,
        untag_role UntagRoleInput,
        untag_user UntagUserInput,
        update_access_key UpdateAccessKeyInput,
        update_assume_role_policy UpdateAssumeRolePolicyInput,
        update_group UpdateGroupInput,
        update_role UpdateRoleInput,
        update_role_description UpdateRoleDescriptionInput,
        update_user UpdateUserInput,
    );
    assert_eq!(count, api::SERVICE.operations.len());
    assert!(api::SERVICE.operations.iter().all(|operation| operation.action.is_some()));
}

#[tokio::test]
async fn a_users_path_counts() {
    let world = World::new().await;
    let ana = world.user("ana").await;
    world.put_user_policy("ana", "team", &allow("iam:*", "arn:aws:iam::111122223333:user/team/*")).await;
    let create = |name: &str, path: &str| api::CreateUserInput {
        user_name: name.into(),
        path: Some(path.into()),
        ..Default::default()
    };
    world.iam.create_user(&ana, create("joe", "/team/")).await.unwrap();
    assert_eq!(world.iam.create_user(&ana, create("sue", "/")).await.unwrap_err().code, "AccessDenied");
    world.iam.create_user(&world.root(), create("sue", "/")).await.unwrap();
    let delete = |name: &str| api::DeleteUserInput { user_name: name.into() };
    let error = world.iam.delete_user(&ana, delete("sue")).await.unwrap_err();
    assert_eq!(
        error.message,
        "User: arn:aws:iam::111122223333:user/ana is not authorized to perform: iam:DeleteUser on resource: \
         arn:aws:iam::111122223333:user/sue because no identity-based policy allows the iam:DeleteUser action"
    );
    let update = |path: &str| api::UpdateUserInput {
        user_name: "joe".into(),
        new_path: Some(path.into()),
        new_user_name: None,
    };
    assert_eq!(world.iam.update_user(&ana, update("/else/")).await.unwrap_err().code, "AccessDenied");
    world.iam.update_user(&ana, update("/team/b/")).await.unwrap();
    world.iam.delete_user(&ana, delete("joe")).await.unwrap();
}

#[tokio::test]
async fn boundaries_and_tags_are_condition_keys() {
    let world = World::new().await;
    let ana = world.user("ana").await;
    let arn = world.policy("bound", &allow("sqs:*", "*")).await;
    let document = format!(
        r#"{{"Version":"2012-10-17","Statement":[
        {{"Effect":"Allow","Action":["iam:CreateUser","iam:PutUserPolicy"],"Resource":"*",
          "Condition":{{"StringEquals":{{"iam:PermissionsBoundary":"{arn}"}}}}}},
        {{"Effect":"Allow","Action":"iam:TagUser","Resource":"*",
          "Condition":{{"StringEquals":{{"aws:RequestTag/team":"a"}}}}}},
        {{"Effect":"Allow","Action":"iam:DeleteUser","Resource":"*",
          "Condition":{{"StringEquals":{{"aws:ResourceTag/team":"a"}}}}}}]}}"#
    );
    world.put_user_policy("ana", "delegate", &document).await;
    let create = |name: &str, boundary: Option<&str>, team: &str| api::CreateUserInput {
        user_name: name.into(),
        permissions_boundary: boundary.map(str::to_owned),
        tags: Some(vec![api::Tag { key: "team".into(), value: team.into() }]),
        ..Default::default()
    };
    let code = |answer: Result<api::CreateUserOutput, Error>| answer.unwrap_err().code;
    assert_eq!(code(world.iam.create_user(&ana, create("joe", None, "a")).await), "AccessDenied");
    assert_eq!(code(world.iam.create_user(&ana, create("joe", Some(&arn), "b")).await), "AccessDenied");
    world.iam.create_user(&ana, create("joe", Some(&arn), "a")).await.unwrap();
    world.iam.create_user(&world.root(), create("sue", None, "b")).await.unwrap();
    let put = |name: &str| api::PutUserPolicyInput {
        user_name: name.into(),
        policy_name: "p".into(),
        policy_document: allow("*", "*"),
    };
    world.iam.put_user_policy(&ana, put("joe")).await.unwrap();
    assert_eq!(world.iam.put_user_policy(&ana, put("sue")).await.unwrap_err().code, "AccessDenied");
    let error =
        world.iam.delete_user(&ana, api::DeleteUserInput { user_name: "joe".into() }).await.unwrap_err();
    assert_eq!(error.code, "DeleteConflict");
    let error =
        world.iam.delete_user(&ana, api::DeleteUserInput { user_name: "sue".into() }).await.unwrap_err();
    assert_eq!(error.code, "AccessDenied");
}
