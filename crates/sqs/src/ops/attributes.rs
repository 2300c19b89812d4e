//! `GetQueueAttributes`, `SetQueueAttributes`.

use std::collections::{BTreeMap, BTreeSet};

use ropeway_api::sqs::{
    GetQueueAttributesInput, GetQueueAttributesOutput, SetQueueAttributesInput, SetQueueAttributesOutput,
};
use ropeway_core::directory;
use ropeway_wire::{Cx, Error};

use super::Result;
use crate::commands::{Command, Description};
use crate::settings::{Redrive, SETTABLE, Settings, unknown_attribute};
use crate::{SqsService, address, limits};

/// The attributes that cannot be set.
const READ_ONLY: [&str; 6] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];
/// Attributes of queues that are encrypted under a customer's key, which none is.
const NEVER_SET: [&str; 2] = ["KmsDataKeyReusePeriodSeconds", "KmsMasterKeyId"];

/// `GetQueueAttributes`
pub async fn get(
    service: &SqsService,
    cx: &Cx,
    input: GetQueueAttributesInput,
) -> Result<GetQueueAttributesOutput> {
    let arn = address::of_url(&input.queue_url, cx)?;
    let names = names(input.attribute_names.unwrap_or_default())?;
    let queue = service.description(cx, &arn).await?;
    let shown = names.iter().filter_map(|name| Some(((*name).to_owned(), value(name, &arn, &queue)?)));
    let attributes: BTreeMap<_, _> = shown.collect();
    Ok(GetQueueAttributesOutput { attributes: (!attributes.is_empty()).then_some(attributes) })
}

fn names(asked: Vec<String>) -> Result<BTreeSet<&'static str>> {
    let known = || SETTABLE.iter().chain(&READ_ONLY).chain(&NEVER_SET);
    let mut out = BTreeSet::new();
    for name in asked {
        match known().find(|known| **known == name) {
            Some(known) => _ = out.insert(*known),
            None if name == "All" => out.extend(known()),
            None => return Err(unknown_attribute(&name)),
        }
    }
    Ok(out)
}

fn value(name: &str, arn: &str, queue: &Description) -> Option<String> {
    match name {
        "ApproximateNumberOfMessages" => Some(queue.visible.to_string()),
        "ApproximateNumberOfMessagesDelayed" => Some(queue.delayed.to_string()),
        "ApproximateNumberOfMessagesNotVisible" => Some(queue.in_flight.to_string()),
        "CreatedTimestamp" => Some(queue.created.secs().to_string()),
        "LastModifiedTimestamp" => Some(queue.modified.secs().to_string()),
        "QueueArn" => Some(arn.to_owned()),
        _ => queue.settings.get(name),
    }
}

/// `SetQueueAttributes`
pub async fn set(
    service: &SqsService,
    cx: &Cx,
    input: SetQueueAttributesInput,
) -> Result<SetQueueAttributesOutput> {
    let arn = address::of_url(&input.queue_url, cx)?;
    let attributes = input.attributes;
    check_redrive(service, cx, &arn, &attributes).await?;
    let before = service.description(cx, &arn).await?.settings.redrive;
    service.submit(cx, &arn, Command::SetAttributes { queue: arn.clone(), attributes }).await?;
    if let Some(before) = before {
        list_change(service, cx, &arn, &before, false).await?;
    }
    list_as_source(service, cx, &arn).await?;
    Ok(SetQueueAttributesOutput {})
}

/// Checks attributes, and that the dead-letter queue they name is there, is of the same kind, and takes
/// this queue's messages.
pub async fn check_redrive(
    service: &SqsService,
    cx: &Cx,
    arn: &str,
    attributes: &BTreeMap<String, String>,
) -> Result<()> {
    let mut settings = Settings::new(address::is_fifo(arn));
    for (name, value) in attributes {
        settings.set(name, value)?;
    }
    let Some(redrive) = &settings.redrive else { return Ok(()) };
    let refuse = |reason: &str| limits::invalid_value(&redrive.text, "RedrivePolicy", reason);
    let (target, source) = (address::parse_arn(&redrive.target), address::parse_arn(arn));
    let (Some((target_scope, target_name)), Some((source_scope, _))) = (target, source) else {
        return Err(refuse("Invalid value for deadLetterTargetArn."));
    };
    if target_scope != source_scope {
        return Err(refuse("Dead letter target must be in the same region and account as the source."));
    }
    if address::is_fifo(target_name) != address::is_fifo(arn) {
        return Err(refuse("Dead-letter queue must be same type of queue as the source."));
    }
    let target = match service.description(cx, &redrive.target).await {
        Ok(target) => target,
        Err(error) if error.status < 500 => return Err(refuse("Dead letter target does not exist.")),
        Err(error) => return Err(error),
    };
    match &target.settings.redrive_allow {
        Some(allow) if !allow.allows(arn) => Err(refuse(
            "Queue does not have permission to use the dead-letter queue: its redrive allow policy denies it.",
        )),
        _ => Ok(()),
    }
}

/// Shows the queue in its dead-letter queue's list of sources at once; the outbox does so, too.
pub async fn list_as_source(service: &SqsService, cx: &Cx, arn: &str) -> Result<()> {
    match service.description(cx, arn).await?.settings.redrive {
        Some(redrive) => list_change(service, cx, arn, &redrive, true).await,
        None => Ok(()),
    }
}

async fn list_change(service: &SqsService, cx: &Cx, arn: &str, redrive: &Redrive, add: bool) -> Result<()> {
    let (list, name) = (address::list_of_sources(&redrive.target), arn.to_owned());
    let command = match add {
        true => directory::Command::Add { list, name, value: Vec::new() },
        false => directory::Command::Remove { list, name },
    };
    directory::apply(&service.core, &cx.trace, command).await.map(|_| ()).map_err(Error::from)
}
