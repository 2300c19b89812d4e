//! Users.

use ropeway_api::iam as api;
use ropeway_wire::{Cx, Error, PrincipalKind};

use super::{IamService, answer, convert};
use crate::commands::{Name, Output, What};
use crate::model::{Kind, entity_arn};

pub(super) async fn create_user(
    iam: &IamService,
    cx: &Cx,
    input: api::CreateUserInput,
) -> Result<api::CreateUserOutput, Error> {
    let path = input.path.unwrap_or_else(|| "/".to_owned());
    let (tags, boundary) = (convert::tags(input.tags)?, input.permissions_boundary);
    let arn = entity_arn(Kind::User, &cx.account, &path, &input.user_name);
    iam.allow_new::<api::CreateUserInput>(cx, Kind::User, &arn, &tags, boundary.as_deref())?;
    let name = Name(Kind::User, input.user_name);
    let output = iam.submit(cx, What::Create { name, path, tags, boundary, role: None }).await?;
    answer!(output, Output::Entity(user) => Ok(api::CreateUserOutput { user: Some(convert::user(&user, true)) }))
}

pub(super) async fn get_user(
    iam: &IamService,
    cx: &Cx,
    input: api::GetUserInput,
) -> Result<api::GetUserOutput, Error> {
    let name = match input.user_name {
        Some(name) => name,
        None => own_name(cx)?,
    };
    iam.allow::<api::GetUserInput>(cx, Kind::User, &name)?;
    let output = iam.submit(cx, What::Get { name: Name(Kind::User, name) }).await?;
    answer!(output, Output::Entity(user) => Ok(api::GetUserOutput { user: convert::user(&user, true) }))
}

/// The name of the user who calls.
pub(super) fn own_name(cx: &Cx) -> Result<String, Error> {
    match cx.principal.kind {
        PrincipalKind::User => Ok(cx.principal.arn.rsplit('/').next().unwrap_or_default().to_owned()),
        _ => Err(convert::invalid("Must specify userName when calling with non-User credentials")),
    }
}

pub(super) async fn list_users(
    iam: &IamService,
    cx: &Cx,
    input: api::ListUsersInput,
) -> Result<api::ListUsersOutput, Error> {
    let page = convert::page(input.marker, input.max_items)?;
    let prefix = input.path_prefix.unwrap_or_default();
    let output = iam.submit(cx, What::List { kind: Kind::User, prefix, page }).await?;
    let listed = answer!(output, Output::Entities(listed) => listed);
    let (is_truncated, marker) = convert::more(&listed);
    let users = listed.items.iter().map(|user| convert::user(user, false)).collect();
    Ok(api::ListUsersOutput { users, is_truncated, marker })
}

pub(super) async fn update_user(
    iam: &IamService,
    cx: &Cx,
    input: api::UpdateUserInput,
) -> Result<api::UpdateUserOutput, Error> {
    iam.allow::<api::UpdateUserInput>(cx, Kind::User, &input.user_name)?;
    let (to, path) = (input.new_user_name, input.new_path);
    if to.is_some() || path.is_some() {
        // The new name has to be allowed, too ("UpdateUser", IAM API reference).
        let new_name = to.as_deref().unwrap_or(&input.user_name);
        let new_path =
            path.as_deref().map_or_else(|| iam.path(cx, Kind::User, &input.user_name), str::to_owned);
        let arn = entity_arn(Kind::User, &cx.account, &new_path, new_name);
        iam.allow_new::<api::UpdateUserInput>(cx, Kind::User, &arn, &Default::default(), None)?;
    }
    iam.submit(cx, What::Rename { name: Name(Kind::User, input.user_name), to, path }).await?;
    Ok(api::UpdateUserOutput {})
}

pub(super) async fn delete_user(
    iam: &IamService,
    cx: &Cx,
    input: api::DeleteUserInput,
) -> Result<api::DeleteUserOutput, Error> {
    iam.allow::<api::DeleteUserInput>(cx, Kind::User, &input.user_name)?;
    iam.submit(cx, What::Delete { name: Name(Kind::User, input.user_name) }).await?;
    Ok(api::DeleteUserOutput {})
}
