//! Tags of users, roles and managed policies.

use ropeway_api::iam as api;
use ropeway_wire::{Cx, Error, Keys};

use super::access::add_request_tags;
use super::{IamService, answer, convert};
use crate::commands::{Listed, Name, Output, Page, What};
use crate::model::{Kind, Tags};

/// `aws:TagKeys` of a request that takes tags away.
fn key_names(names: &[String]) -> Keys {
    let mut keys = Keys::default();
    keys.add_all("aws:TagKeys", names.to_vec());
    keys
}

fn request_tags(tags: &Tags) -> Keys {
    let mut keys = Keys::default();
    add_request_tags(&mut keys, tags);
    keys
}

/// A page of tags, by key.
fn page_of(tags: Tags, page: Page) -> Listed<api::Tag> {
    let mut items = convert::tag_list(&tags);
    items.retain(|tag| page.after.as_ref().is_none_or(|after| tag.key > *after));
    let more = items.len() > page.limit as usize;
    items.truncate(page.limit as usize);
    let next = items.last().filter(|_| more).map(|tag| tag.key.clone());
    Listed { items, next }
}

/// The three operations of users or roles.
macro_rules! entity_tags {
    ($kind:expr, $name:ident, $tag:ident $tag_in:ident $tag_out:ident, $untag:ident $untag_in:ident $untag_out:ident,
     $list:ident $list_in:ident $list_out:ident) => {
        pub(super) async fn $tag(
            iam: &IamService,
            cx: &Cx,
            input: api::$tag_in,
        ) -> Result<api::$tag_out, Error> {
            let add = convert::tags(Some(input.tags))?;
            iam.allow_with::<api::$tag_in>(cx, $kind, &input.$name, request_tags(&add))?;
            iam.submit(cx, What::Tag { name: Name($kind, input.$name), add, remove: Vec::new() }).await?;
            Ok(api::$tag_out {})
        }

        pub(super) async fn $untag(
            iam: &IamService,
            cx: &Cx,
            input: api::$untag_in,
        ) -> Result<api::$untag_out, Error> {
            iam.allow_with::<api::$untag_in>(cx, $kind, &input.$name, key_names(&input.tag_keys))?;
            let (name, remove) = (Name($kind, input.$name), input.tag_keys);
            iam.submit(cx, What::Tag { name, add: Tags::new(), remove }).await?;
            Ok(api::$untag_out {})
        }

        pub(super) async fn $list(
            iam: &IamService,
            cx: &Cx,
            input: api::$list_in,
        ) -> Result<api::$list_out, Error> {
            iam.allow::<api::$list_in>(cx, $kind, &input.$name)?;
            let page = convert::page(input.marker, input.max_items)?;
            let output = iam.submit(cx, What::Get { name: Name($kind, input.$name) }).await?;
            let listed = answer!(output, Output::Entity(entity) => page_of(entity.tags, page));
            let (is_truncated, marker) = convert::more(&listed);
            Ok(api::$list_out { tags: listed.items, is_truncated, marker })
        }
    };
}

entity_tags!(
    Kind::User, user_name,
    tag_user TagUserInput TagUserOutput,
    untag_user UntagUserInput UntagUserOutput,
    list_user_tags ListUserTagsInput ListUserTagsOutput
);
entity_tags!(
    Kind::Role, role_name,
    tag_role TagRoleInput TagRoleOutput,
    untag_role UntagRoleInput UntagRoleOutput,
    list_role_tags ListRoleTagsInput ListRoleTagsOutput
);

pub(super) async fn tag_policy(
    iam: &IamService,
    cx: &Cx,
    input: api::TagPolicyInput,
) -> Result<api::TagPolicyOutput, Error> {
    let add = convert::tags(Some(input.tags))?;
    iam.allow_policy::<api::TagPolicyInput>(cx, &input.policy_arn, request_tags(&add))?;
    iam.submit(cx, What::TagPolicy { arn: input.policy_arn, add, remove: Vec::new() }).await?;
    Ok(api::TagPolicyOutput {})
}

pub(super) async fn untag_policy(
    iam: &IamService,
    cx: &Cx,
    input: api::UntagPolicyInput,
) -> Result<api::UntagPolicyOutput, Error> {
    iam.allow_policy::<api::UntagPolicyInput>(cx, &input.policy_arn, key_names(&input.tag_keys))?;
    let what = What::TagPolicy { arn: input.policy_arn, add: Tags::new(), remove: input.tag_keys };
    iam.submit(cx, what).await?;
    Ok(api::UntagPolicyOutput {})
}

pub(super) async fn list_policy_tags(
    iam: &IamService,
    cx: &Cx,
    input: api::ListPolicyTagsInput,
) -> Result<api::ListPolicyTagsOutput, Error> {
    iam.allow_policy::<api::ListPolicyTagsInput>(cx, &input.policy_arn, Keys::default())?;
    let page = convert::page(input.marker, input.max_items)?;
    let output = iam.submit(cx, What::GetPolicy { arn: input.policy_arn }).await?;
    let listed = answer!(output, Output::Policy(policy) => page_of(policy.tags, page));
    let (is_truncated, marker) = convert::more(&listed);
    Ok(api::ListPolicyTagsOutput { tags: listed.items, is_truncated, marker })
}
