//! Roles.

use ropeway_api::iam as api;
use ropeway_wire::{Cx, Error};

use super::{IamService, answer, convert};
use crate::commands::{Name, Output, What};
use crate::model::{Entity, Kind, RoleParts, entity_arn};
use crate::policy::PolicyKind;

/// `MaxSessionDuration` unless asked otherwise, in seconds.
const MAX_SESSION: i64 = 3600;

pub(super) async fn create_role(
    iam: &IamService,
    cx: &Cx,
    input: api::CreateRoleInput,
) -> Result<api::CreateRoleOutput, Error> {
    let path = input.path.unwrap_or_else(|| "/".to_owned());
    let (tags, boundary) = (convert::tags(input.tags)?, input.permissions_boundary);
    let arn = entity_arn(Kind::Role, &cx.account, &path, &input.role_name);
    iam.allow_new::<api::CreateRoleInput>(cx, Kind::Role, &arn, &tags, boundary.as_deref())?;
    convert::check_policy(&input.assume_role_policy_document, PolicyKind::Trust)?;
    let role = RoleParts {
        trust: input.assume_role_policy_document,
        description: input.description,
        max_session: input.max_session_duration.unwrap_or(MAX_SESSION),
    };
    let name = Name(Kind::Role, input.role_name);
    let output = iam.submit(cx, What::Create { name, path, tags, boundary, role: Some(role) }).await?;
    answer!(output, Output::Entity(role) => Ok(api::CreateRoleOutput { role: convert::role(&role, true) }))
}

pub(super) async fn get_role(
    iam: &IamService,
    cx: &Cx,
    input: api::GetRoleInput,
) -> Result<api::GetRoleOutput, Error> {
    iam.allow::<api::GetRoleInput>(cx, Kind::Role, &input.role_name)?;
    let output = iam.submit(cx, What::Get { name: Name(Kind::Role, input.role_name) }).await?;
    answer!(output, Output::Entity(role) => Ok(api::GetRoleOutput { role: convert::role(&role, true) }))
}

pub(super) async fn list_roles(
    iam: &IamService,
    cx: &Cx,
    input: api::ListRolesInput,
) -> Result<api::ListRolesOutput, Error> {
    let page = convert::page(input.marker, input.max_items)?;
    let prefix = input.path_prefix.unwrap_or_default();
    let output = iam.submit(cx, What::List { kind: Kind::Role, prefix, page }).await?;
    let listed = answer!(output, Output::Entities(listed) => listed);
    let (is_truncated, marker) = convert::more(&listed);
    let roles = listed.items.iter().map(|role| convert::role(role, false)).collect();
    Ok(api::ListRolesOutput { roles, is_truncated, marker })
}

async fn update(
    iam: &IamService,
    cx: &Cx,
    name: String,
    description: Option<String>,
    max_session: Option<i64>,
    trust: Option<String>,
) -> Result<Box<Entity>, Error> {
    let output = iam.submit(cx, What::UpdateRole { name, description, max_session, trust }).await?;
    answer!(output, Output::Entity(role) => Ok(role))
}

pub(super) async fn update_role(
    iam: &IamService,
    cx: &Cx,
    input: api::UpdateRoleInput,
) -> Result<api::UpdateRoleOutput, Error> {
    iam.allow::<api::UpdateRoleInput>(cx, Kind::Role, &input.role_name)?;
    update(iam, cx, input.role_name, input.description, input.max_session_duration, None).await?;
    Ok(api::UpdateRoleOutput {})
}

pub(super) async fn update_role_description(
    iam: &IamService,
    cx: &Cx,
    input: api::UpdateRoleDescriptionInput,
) -> Result<api::UpdateRoleDescriptionOutput, Error> {
    iam.allow::<api::UpdateRoleDescriptionInput>(cx, Kind::Role, &input.role_name)?;
    let role = update(iam, cx, input.role_name, Some(input.description), None, None).await?;
    Ok(api::UpdateRoleDescriptionOutput { role: Some(convert::role(&role, true)) })
}

pub(super) async fn update_assume_role_policy(
    iam: &IamService,
    cx: &Cx,
    input: api::UpdateAssumeRolePolicyInput,
) -> Result<api::UpdateAssumeRolePolicyOutput, Error> {
    iam.allow::<api::UpdateAssumeRolePolicyInput>(cx, Kind::Role, &input.role_name)?;
    convert::check_policy(&input.policy_document, PolicyKind::Trust)?;
    update(iam, cx, input.role_name, None, None, Some(input.policy_document)).await?;
    Ok(api::UpdateAssumeRolePolicyOutput {})
}

pub(super) async fn delete_role(
    iam: &IamService,
    cx: &Cx,
    input: api::DeleteRoleInput,
) -> Result<api::DeleteRoleOutput, Error> {
    iam.allow::<api::DeleteRoleInput>(cx, Kind::Role, &input.role_name)?;
    iam.submit(cx, What::Delete { name: Name(Kind::Role, input.role_name) }).await?;
    Ok(api::DeleteRoleOutput {})
}
