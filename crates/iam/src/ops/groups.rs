//! Groups.

use ropeway_api::iam as api;
use ropeway_wire::{Cx, Error};

use super::{IamService, answer, convert};
use crate::commands::{Name, Output, What};
use crate::model::{Kind, entity_arn};

pub(super) async fn create_group(
    iam: &IamService,
    cx: &Cx,
    input: api::CreateGroupInput,
) -> Result<api::CreateGroupOutput, Error> {
    let path = input.path.unwrap_or_else(|| "/".to_owned());
    let arn = entity_arn(Kind::Group, &cx.account, &path, &input.group_name);
    iam.allow_new::<api::CreateGroupInput>(cx, Kind::Group, &arn, &Default::default(), None)?;
    let name = Name(Kind::Group, input.group_name);
    let what = What::Create { name, path, tags: Default::default(), boundary: None, role: None };
    let output = iam.submit(cx, what).await?;
    answer!(output, Output::Entity(group) => Ok(api::CreateGroupOutput { group: convert::group(&group) }))
}

pub(super) async fn get_group(
    iam: &IamService,
    cx: &Cx,
    input: api::GetGroupInput,
) -> Result<api::GetGroupOutput, Error> {
    iam.allow::<api::GetGroupInput>(cx, Kind::Group, &input.group_name)?;
    let page = convert::page(input.marker, input.max_items)?;
    let output = iam.submit(cx, What::ListMembers { group: input.group_name, page }).await?;
    let (group, listed) = answer!(output, Output::Members(group, listed) => (group, listed));
    let (is_truncated, marker) = convert::more(&listed);
    let users = listed.items.iter().map(|user| convert::user(user, false)).collect();
    Ok(api::GetGroupOutput { group: convert::group(&group), users, is_truncated, marker })
}

pub(super) async fn list_groups(
    iam: &IamService,
    cx: &Cx,
    input: api::ListGroupsInput,
) -> Result<api::ListGroupsOutput, Error> {
    let page = convert::page(input.marker, input.max_items)?;
    let prefix = input.path_prefix.unwrap_or_default();
    let output = iam.submit(cx, What::List { kind: Kind::Group, prefix, page }).await?;
    let listed = answer!(output, Output::Entities(listed) => listed);
    let (is_truncated, marker) = convert::more(&listed);
    let groups = listed.items.iter().map(convert::group).collect();
    Ok(api::ListGroupsOutput { groups, is_truncated, marker })
}

pub(super) async fn update_group(
    iam: &IamService,
    cx: &Cx,
    input: api::UpdateGroupInput,
) -> Result<api::UpdateGroupOutput, Error> {
    iam.allow::<api::UpdateGroupInput>(cx, Kind::Group, &input.group_name)?;
    let (to, path) = (input.new_group_name, input.new_path);
    if to.is_some() || path.is_some() {
        // The new name has to be allowed, too ("UpdateGroup", IAM API reference).
        let new_name = to.as_deref().unwrap_or(&input.group_name);
        let new_path =
            path.as_deref().map_or_else(|| iam.path(cx, Kind::Group, &input.group_name), str::to_owned);
        let arn = entity_arn(Kind::Group, &cx.account, &new_path, new_name);
        iam.allow_new::<api::UpdateGroupInput>(cx, Kind::Group, &arn, &Default::default(), None)?;
    }
    iam.submit(cx, What::Rename { name: Name(Kind::Group, input.group_name), to, path }).await?;
    Ok(api::UpdateGroupOutput {})
}

pub(super) async fn delete_group(
    iam: &IamService,
    cx: &Cx,
    input: api::DeleteGroupInput,
) -> Result<api::DeleteGroupOutput, Error> {
    iam.allow::<api::DeleteGroupInput>(cx, Kind::Group, &input.group_name)?;
    iam.submit(cx, What::Delete { name: Name(Kind::Group, input.group_name) }).await?;
    Ok(api::DeleteGroupOutput {})
}

pub(super) async fn list_groups_for_user(
    iam: &IamService,
    cx: &Cx,
    input: api::ListGroupsForUserInput,
) -> Result<api::ListGroupsForUserOutput, Error> {
    iam.allow::<api::ListGroupsForUserInput>(cx, Kind::User, &input.user_name)?;
    let page = convert::page(input.marker, input.max_items)?;
    let output = iam.submit(cx, What::ListGroupsOf { user: input.user_name, page }).await?;
    let listed = answer!(output, Output::Entities(listed) => listed);
    let (is_truncated, marker) = convert::more(&listed);
    let groups = listed.items.iter().map(convert::group).collect();
    Ok(api::ListGroupsForUserOutput { groups, is_truncated, marker })
}

pub(super) async fn add_user_to_group(
    iam: &IamService,
    cx: &Cx,
    input: api::AddUserToGroupInput,
) -> Result<api::AddUserToGroupOutput, Error> {
    iam.allow::<api::AddUserToGroupInput>(cx, Kind::Group, &input.group_name)?;
    iam.submit(cx, What::AddMember { group: input.group_name, user: input.user_name }).await?;
    Ok(api::AddUserToGroupOutput {})
}

pub(super) async fn remove_user_from_group(
    iam: &IamService,
    cx: &Cx,
    input: api::RemoveUserFromGroupInput,
) -> Result<api::RemoveUserFromGroupOutput, Error> {
    iam.allow::<api::RemoveUserFromGroupInput>(cx, Kind::Group, &input.group_name)?;
    iam.submit(cx, What::RemoveMember { group: input.group_name, user: input.user_name }).await?;
    Ok(api::RemoveUserFromGroupOutput {})
}
