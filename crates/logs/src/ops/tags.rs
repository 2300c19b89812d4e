//! TagLogGroup, UntagLogGroup, ListTagsLogGroup, TagResource, UntagResource, ListTagsForResource.

use std::collections::BTreeMap;

use ropeway_api::logs::{
    ListTagsForResourceInput, ListTagsForResourceOutput, ListTagsLogGroupInput, ListTagsLogGroupOutput,
    TagLogGroupInput, TagLogGroupOutput, TagResourceInput, TagResourceOutput, UntagLogGroupInput,
    UntagLogGroupOutput, UntagResourceInput, UntagResourceOutput,
};
use ropeway_wire::{Cx, Error};

use super::{Logs, invalid, named};
use crate::commands::{Change, Command};
use crate::keys::GroupName;

async fn change(
    logs: &Logs,
    cx: &Cx,
    group: GroupName,
    add: BTreeMap<String, String>,
    remove: Vec<String>,
) -> Result<(), Error> {
    check_reserved(cx, add.keys().chain(&remove))?;
    let command = Command::SetGroup { group: group.clone(), change: Change::Tags(add, remove) };
    logs.submit(cx, &group, command).await.map(drop)
}

pub(super) fn check_reserved<'a>(cx: &Cx, keys: impl IntoIterator<Item = &'a String>) -> Result<(), Error> {
    match cx.reserved_tag(keys) {
        Some(key) => Err(invalid(format!("Tag keys that begin with aws: are reserved: {key}"))),
        None => Ok(()),
    }
}

/// The group of an ARN. Of the resources that AWS tags by ARN, destinations are not implemented.
fn resource(cx: &Cx, arn: &str) -> Result<GroupName, Error> {
    let group = GroupName::parse(arn);
    let own = |group: &GroupName| group.scope.account == cx.account && group.scope.region == cx.region;
    group.filter(own).ok_or_else(|| invalid(format!("{arn} is not the ARN of a log group.")))
}

pub async fn tag_log_group(
    logs: &Logs,
    cx: &Cx,
    input: TagLogGroupInput,
) -> Result<TagLogGroupOutput, Error> {
    change(logs, cx, named(cx, &input.log_group_name), input.tags, Vec::new()).await?;
    Ok(TagLogGroupOutput {})
}

pub async fn untag_log_group(
    logs: &Logs,
    cx: &Cx,
    input: UntagLogGroupInput,
) -> Result<UntagLogGroupOutput, Error> {
    change(logs, cx, named(cx, &input.log_group_name), BTreeMap::new(), input.tags).await?;
    Ok(UntagLogGroupOutput {})
}

pub async fn list_tags_log_group(
    logs: &Logs,
    cx: &Cx,
    input: ListTagsLogGroupInput,
) -> Result<ListTagsLogGroupOutput, Error> {
    let (group, _) = logs.read(cx, &named(cx, &input.log_group_name)).await?;
    Ok(ListTagsLogGroupOutput { tags: Some(group.tags) })
}

pub async fn tag_resource(logs: &Logs, cx: &Cx, input: TagResourceInput) -> Result<TagResourceOutput, Error> {
    change(logs, cx, resource(cx, &input.resource_arn)?, input.tags, Vec::new()).await?;
    Ok(TagResourceOutput {})
}

pub async fn untag_resource(
    logs: &Logs,
    cx: &Cx,
    input: UntagResourceInput,
) -> Result<UntagResourceOutput, Error> {
    change(logs, cx, resource(cx, &input.resource_arn)?, BTreeMap::new(), input.tag_keys).await?;
    Ok(UntagResourceOutput {})
}

pub async fn list_tags_for_resource(
    logs: &Logs,
    cx: &Cx,
    input: ListTagsForResourceInput,
) -> Result<ListTagsForResourceOutput, Error> {
    let (group, _) = logs.read(cx, &resource(cx, &input.resource_arn)?).await?;
    Ok(ListTagsForResourceOutput { tags: Some(group.tags) })
}
