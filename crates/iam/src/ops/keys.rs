//! Access keys.

use ropeway_api::iam as api;
use ropeway_wire::{Cx, Error, Input, PrincipalKind};

use super::{IamService, answer, convert, users};
use crate::commands::{Output, What};
use crate::model::{Kind, Owner};
use crate::root::new_key;

const ACTIVE: &str = "Active";
const INACTIVE: &str = "Inactive";

/// Whose keys a request is about: the named user's, or the caller's own. It has to be allowed.
fn owner<I: Input>(iam: &IamService, cx: &Cx, user: Option<String>) -> Result<Owner, Error> {
    if user.is_none() && cx.principal.kind == PrincipalKind::Root {
        return Ok(Owner::Root);
    }
    let name = match user {
        Some(name) => name,
        None => users::own_name(cx)?,
    };
    iam.allow::<I>(cx, Kind::User, &name)?;
    Ok(Owner::User(name))
}

fn status(active: bool) -> String {
    if active { ACTIVE } else { INACTIVE }.to_owned()
}

pub(super) async fn create_access_key(
    iam: &IamService,
    cx: &Cx,
    input: api::CreateAccessKeyInput,
) -> Result<api::CreateAccessKeyOutput, Error> {
    let owner = owner::<api::CreateAccessKeyInput>(iam, cx, input.user_name)?;
    let (id, secret) = new_key(iam.core.ids(), "AKIA");
    let sealed = iam.access.seal_secret(iam.core.ids(), &id, &secret)?;
    let output = iam.submit(cx, What::AddKey { owner, id, sealed }).await?;
    let (keys, user_name) = answer!(output, Output::Keys(keys, user) => (keys, user));
    let key = keys.items.into_iter().next().ok_or_else(super::mismatch)?;
    let access_key = api::AccessKey {
        user_name,
        access_key_id: key.id,
        status: status(key.active),
        secret_access_key: secret,
        create_date: Some(key.created),
    };
    Ok(api::CreateAccessKeyOutput { access_key })
}

pub(super) async fn list_access_keys(
    iam: &IamService,
    cx: &Cx,
    input: api::ListAccessKeysInput,
) -> Result<api::ListAccessKeysOutput, Error> {
    let owner = owner::<api::ListAccessKeysInput>(iam, cx, input.user_name)?;
    let page = convert::page(input.marker, input.max_items)?;
    let output = iam.submit(cx, What::ListKeys { owner, page }).await?;
    let (listed, user) = answer!(output, Output::Keys(keys, user) => (keys, user));
    let (is_truncated, marker) = convert::more(&listed);
    let metadata = |key: crate::model::AccessKey| api::AccessKeyMetadata {
        user_name: Some(user.clone()).filter(|user| !user.is_empty()),
        access_key_id: Some(key.id),
        status: Some(status(key.active)),
        create_date: Some(key.created),
    };
    let access_key_metadata = listed.items.into_iter().map(metadata).collect();
    Ok(api::ListAccessKeysOutput { access_key_metadata, is_truncated, marker })
}

pub(super) async fn update_access_key(
    iam: &IamService,
    cx: &Cx,
    input: api::UpdateAccessKeyInput,
) -> Result<api::UpdateAccessKeyOutput, Error> {
    let owner = owner::<api::UpdateAccessKeyInput>(iam, cx, input.user_name)?;
    let active = match input.status.as_str() {
        ACTIVE => true,
        INACTIVE => false,
        other => return Err(convert::invalid(format!("An access key cannot be made {other}."))),
    };
    iam.submit(cx, What::SetKey { owner, id: input.access_key_id, active }).await?;
    Ok(api::UpdateAccessKeyOutput {})
}

pub(super) async fn delete_access_key(
    iam: &IamService,
    cx: &Cx,
    input: api::DeleteAccessKeyInput,
) -> Result<api::DeleteAccessKeyOutput, Error> {
    let owner = owner::<api::DeleteAccessKeyInput>(iam, cx, input.user_name)?;
    iam.submit(cx, What::DeleteKey { owner, id: input.access_key_id }).await?;
    Ok(api::DeleteAccessKeyOutput {})
}
