//! `TagQueue`, `UntagQueue`, `ListQueueTags`.

use std::collections::BTreeMap;

use ropeway_api::sqs::{
    ListQueueTagsInput, ListQueueTagsOutput, TagQueueInput, TagQueueOutput, UntagQueueInput, UntagQueueOutput,
};
use ropeway_wire::Cx;

use super::Result;
use crate::commands::Command;
use crate::limits::{self, invalid_parameter};
use crate::{SqsService, address};

/// Checks keys and values; their number is the machine's to check.
pub fn check(tags: &BTreeMap<String, String>) -> Result<()> {
    let (key_chars, value_chars) = limits::TAG;
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > key_chars || !key.chars().all(is_allowed) {
            return Err(invalid_parameter(format!(
                "Tag keys must be between 1 and {key_chars} characters in length, of letters, digits, \
                 whitespace and _ . : / = + - @."
            )));
        }
        if value.chars().count() > value_chars || !value.chars().all(is_allowed) {
            return Err(invalid_parameter(format!(
                "Tag values must be between 0 and {value_chars} characters in length, of letters, digits, \
                 whitespace and _ . : / = + - @."
            )));
        }
        if key.to_ascii_lowercase().starts_with("aws:") || value.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid_parameter(
                "Tag keys and values must not begin with the reserved prefix aws:.",
            ));
        }
    }
    if tags.len() > limits::TAGS {
        return Err(invalid_parameter(format!("A queue has {} tags at most.", limits::TAGS)));
    }
    Ok(())
}

fn is_allowed(c: char) -> bool {
    c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c)
}

/// `TagQueue`
pub async fn tag(service: &SqsService, cx: &Cx, input: TagQueueInput) -> Result<TagQueueOutput> {
    let arn = address::of_url(&input.queue_url, cx)?;
    if input.tags.is_empty() {
        return Err(limits::missing_parameter("Tags"));
    }
    check(&input.tags)?;
    let command = Command::ChangeTags { queue: arn.clone(), set: input.tags, remove: Vec::new() };
    service.submit(cx, &arn, command).await?;
    Ok(TagQueueOutput {})
}

/// `UntagQueue`
pub async fn untag(service: &SqsService, cx: &Cx, input: UntagQueueInput) -> Result<UntagQueueOutput> {
    let arn = address::of_url(&input.queue_url, cx)?;
    if input.tag_keys.is_empty() {
        return Err(invalid_parameter("Tag keys must be between 1 and 128 characters in length."));
    }
    let command = Command::ChangeTags { queue: arn.clone(), set: BTreeMap::new(), remove: input.tag_keys };
    service.submit(cx, &arn, command).await?;
    Ok(UntagQueueOutput {})
}

/// `ListQueueTags`
pub async fn list(service: &SqsService, cx: &Cx, input: ListQueueTagsInput) -> Result<ListQueueTagsOutput> {
    let arn = address::of_url(&input.queue_url, cx)?;
    let tags = service.description(cx, &arn).await?.tags;
    Ok(ListQueueTagsOutput { tags: (!tags.is_empty()).then_some(tags) })
}
