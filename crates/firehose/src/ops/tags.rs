//! TagDeliveryStream, UntagDeliveryStream, ListTagsForDeliveryStream.

use std::collections::BTreeMap;

use ropeway_api::firehose::{
    ListTagsForDeliveryStreamInput, ListTagsForDeliveryStreamOutput, Tag, TagDeliveryStreamInput,
    TagDeliveryStreamOutput, UntagDeliveryStreamInput, UntagDeliveryStreamOutput,
};
use ropeway_wire::{Cx, Error};

use super::{Firehose, named};
use crate::commands::Command;
use crate::destination::invalid;

/// Tags by key; a key that comes twice is refused.
pub fn unique(tags: Vec<Tag>) -> Result<BTreeMap<String, String>, Error> {
    let count = tags.len();
    let out: BTreeMap<String, String> =
        tags.into_iter().map(|tag| (tag.key, tag.value.unwrap_or_default())).collect();
    if out.len() < count { Err(invalid("Duplicate tag keys are not allowed")) } else { Ok(out) }
}

pub async fn tag_delivery_stream(
    firehose: &Firehose,
    cx: &Cx,
    input: TagDeliveryStreamInput,
) -> Result<TagDeliveryStreamOutput, Error> {
    let name = named(cx, &input.delivery_stream_name);
    let add = unique(input.tags)?;
    let command = Command::Tag { stream: name.clone(), add, remove: Vec::new() };
    firehose.submit(cx, &name, command).await?;
    Ok(TagDeliveryStreamOutput {})
}

pub async fn untag_delivery_stream(
    firehose: &Firehose,
    cx: &Cx,
    input: UntagDeliveryStreamInput,
) -> Result<UntagDeliveryStreamOutput, Error> {
    let name = named(cx, &input.delivery_stream_name);
    let command = Command::Tag { stream: name.clone(), add: BTreeMap::new(), remove: input.tag_keys };
    firehose.submit(cx, &name, command).await?;
    Ok(UntagDeliveryStreamOutput {})
}

pub async fn list_tags_for_delivery_stream(
    firehose: &Firehose,
    cx: &Cx,
    input: ListTagsForDeliveryStreamInput,
) -> Result<ListTagsForDeliveryStreamOutput, Error> {
    let name = named(cx, &input.delivery_stream_name);
    let stream = firehose.read(cx, &name).await?;
    let start = input.exclusive_start_tag_key.unwrap_or_default();
    let limit = usize::try_from(input.limit.unwrap_or(50)).unwrap_or(50);
    let mut rest = stream.tags.into_iter().filter(|(key, _)| *key > start);
    let tags = rest.by_ref().take(limit).map(|(key, value)| Tag { key, value: Some(value) }).collect();
    Ok(ListTagsForDeliveryStreamOutput { tags, has_more_tags: rest.next().is_some() })
}
