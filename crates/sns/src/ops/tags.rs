//! TagResource, UntagResource, ListTagsForResource.

use std::collections::BTreeMap;

use ropeway_api::sns::{
    ListTagsForResourceInput, ListTagsForResourceOutput, Tag, TagResourceInput, TagResourceOutput,
    UntagResourceInput, UntagResourceOutput, error,
};
use ropeway_wire::{Cx, Error};

use super::{Sns, topic_of, unexpected};
use crate::commands::{Command, Output, TopicChange};
use crate::settings::invalid;

/// Tags by key; a key that comes twice is refused, and one that is the system's own.
pub fn unique(cx: &Cx, tags: Vec<Tag>) -> Result<BTreeMap<String, String>, Error> {
    let count = tags.len();
    let out: BTreeMap<String, String> = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
    check_reserved(cx, out.keys())?;
    if out.len() < count { Err(invalid("Duplicated keys are not allowed.")) } else { Ok(out) }
}

fn check_reserved<'a>(cx: &Cx, keys: impl IntoIterator<Item = &'a String>) -> Result<(), Error> {
    match cx.reserved_tag(keys) {
        Some(_) => Err(invalid("Tags Reason: Keys beginning with aws: are reserved for system use")),
        None => Ok(()),
    }
}

pub async fn tag_resource(sns: &Sns, cx: &Cx, input: TagResourceInput) -> Result<TagResourceOutput, Error> {
    let topic = topic_of(cx, "ResourceArn", &input.resource_arn)?;
    let change = TopicChange::Tag(unique(cx, input.tags)?);
    sns.submit(cx, &topic, Command::ChangeTopic { topic: topic.clone(), change }).await?;
    Ok(TagResourceOutput {})
}

pub async fn untag_resource(
    sns: &Sns,
    cx: &Cx,
    input: UntagResourceInput,
) -> Result<UntagResourceOutput, Error> {
    let topic = topic_of(cx, "ResourceArn", &input.resource_arn)?;
    check_reserved(cx, &input.tag_keys)?;
    let change = TopicChange::Untag(input.tag_keys);
    sns.submit(cx, &topic, Command::ChangeTopic { topic: topic.clone(), change }).await?;
    Ok(UntagResourceOutput {})
}

pub async fn list_tags_for_resource(
    sns: &Sns,
    cx: &Cx,
    input: ListTagsForResourceInput,
) -> Result<ListTagsForResourceOutput, Error> {
    let name = topic_of(cx, "ResourceArn", &input.resource_arn)?;
    let command = Command::ReadTopic { topic: name.clone() };
    let found = sns.submit(cx, &name, command).await.map_err(|error| match error.status {
        404 => error::resource_not_found_exception("Resource does not exist"),
        _ => error,
    })?;
    let Output::Topic(topic) = found else { return Err(unexpected()) };
    let tags = topic.tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
    Ok(ListTagsForResourceOutput { tags: Some(tags) })
}
