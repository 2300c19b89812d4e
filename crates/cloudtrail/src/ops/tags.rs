//! AddTags, RemoveTags, ListTags.

use std::collections::BTreeMap;

use ropeway_api::cloudtrail::{
    AddTagsInput, AddTagsOutput, ListTagsInput, ListTagsOutput, RemoveTagsInput, RemoveTagsOutput,
    ResourceTag, SERVICE, Tag, error,
};
use ropeway_wire::{Cx, Error, Keys};

use super::{CloudTrail, parse};
use crate::commands::Change;

/// Most trails whose tags are listed at once:
/// <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_ListTags.html>.
const MAX_LISTED: usize = 20;

/// Tags by key; a key that comes twice is refused, and one that is the system's own.
pub fn unique(cx: &Cx, tags: Vec<Tag>) -> Result<BTreeMap<String, String>, Error> {
    let count = tags.len();
    let out: BTreeMap<String, String> =
        tags.into_iter().map(|tag| (tag.key, tag.value.unwrap_or_default())).collect();
    if out.len() < count {
        return Err(error::invalid_tag_parameter_exception("Duplicate tag keys are not allowed"));
    }
    check_reserved(cx, out.keys())?;
    Ok(out)
}

fn check_reserved<'a>(cx: &Cx, keys: impl IntoIterator<Item = &'a String>) -> Result<(), Error> {
    match cx.reserved_tag(keys) {
        Some(key) => {
            let why = format!("Tag keys that begin with aws: are reserved: {key}");
            Err(error::invalid_tag_parameter_exception(why))
        }
        None => Ok(()),
    }
}

pub async fn add_tags(service: &CloudTrail, cx: &Cx, input: AddTagsInput) -> Result<AddTagsOutput, Error> {
    parse(&input.resource_id)?;
    let trail = service.find_at_home(cx, &input.resource_id)?;
    service.change(cx, &trail, Change::Tag(unique(cx, input.tags_list)?)).await?;
    Ok(AddTagsOutput {})
}

pub async fn remove_tags(
    service: &CloudTrail,
    cx: &Cx,
    input: RemoveTagsInput,
) -> Result<RemoveTagsOutput, Error> {
    parse(&input.resource_id)?;
    let trail = service.find_at_home(cx, &input.resource_id)?;
    let keys: Vec<String> = input.tags_list.into_iter().map(|tag| tag.key).collect();
    check_reserved(cx, &keys)?;
    service.change(cx, &trail, Change::Untag(keys)).await?;
    Ok(RemoveTagsOutput {})
}

pub async fn list_tags(service: &CloudTrail, cx: &Cx, input: ListTagsInput) -> Result<ListTagsOutput, Error> {
    if input.next_token.is_some() {
        return Err(error::invalid_token_exception("Invalid next token"));
    }
    if input.resource_id_list.len() > MAX_LISTED {
        let why = format!("ResourceIdList has at most {MAX_LISTED} ARNs.");
        return Err(error::invalid_tag_parameter_exception(why));
    }
    let mut out = Vec::new();
    for arn in input.resource_id_list {
        cx.authorize(&SERVICE, "cloudtrail:ListTags", &arn, &Keys::default())?;
        parse(&arn)?;
        let trail = service.find(cx, &arn)?;
        let tags = trail.tags.iter().map(|(key, value)| Tag { key: key.clone(), value: Some(value.clone()) });
        out.push(ResourceTag { resource_id: Some(arn), tags_list: Some(tags.collect()) });
    }
    Ok(ListTagsOutput { resource_tag_list: Some(out), next_token: None })
}
