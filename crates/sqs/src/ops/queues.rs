//! Queues come and go, and are listed.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use ropeway_api::sqs::{
    CreateQueueInput, CreateQueueOutput, DeleteQueueInput, DeleteQueueOutput, GetQueueUrlInput,
    GetQueueUrlOutput, ListDeadLetterSourceQueuesInput, ListDeadLetterSourceQueuesOutput, ListQueuesInput,
    ListQueuesOutput, PurgeQueueInput, PurgeQueueOutput, SERVICE,
};
use ropeway_core::directory::{self, Names};
use ropeway_core::keys::Scope;
use ropeway_wire::{Cx, Keys};

use super::{Result, attributes, tags, unexpected};
use crate::commands::{Command, Create, Output};
use crate::limits::{self, invalid_parameter, invalid_value};
use crate::{SqsService, address};

/// `CreateQueue`
pub async fn create(service: &SqsService, cx: &Cx, input: CreateQueueInput) -> Result<CreateQueueOutput> {
    let CreateQueueInput { queue_name: name, attributes, tags } = input;
    let attributes = attributes.unwrap_or_default();
    let tags = tags.unwrap_or_default();
    check_name(&name, &attributes)?;
    tags::check(&tags)?;
    if !tags.is_empty() {
        let arn = address::arn(&scope(cx), &name);
        cx.authorize(&SERVICE, "sqs:TagQueue", &arn, &Keys::default())?;
    }
    let scope = scope(cx);
    let arn = address::arn(&scope, &name);
    attributes::check_redrive(service, cx, &arn, &attributes).await?;
    let create = Create { scope: scope.clone(), name: name.clone(), attributes, tags };
    match service.submit(cx, &arn, Command::Create(create)).await? {
        Output::Created { new: true } => {
            let list = address::list_of_queues(&scope);
            let add = directory::Command::Add { list, name: name.clone(), value: Vec::new() };
            directory::apply(&service.core, &cx.trace, add).await?;
        }
        Output::Created { new: false } => {}
        other => return Err(unexpected(&other)),
    }
    attributes::list_as_source(service, cx, &arn).await?;
    Ok(CreateQueueOutput { queue_url: Some(address::url(cx, &scope.account, &name)) })
}

fn scope(cx: &Cx) -> Scope {
    Scope::new(&cx.account, &cx.region)
}

/// A queue is a FIFO queue if its name and the attribute `FifoQueue` both say so. A standard queue does not have the
/// attribute, not even as `false` (<https://github.com/aws/aws-sdk-php/issues/1331>).
fn check_name(name: &str, attributes: &BTreeMap<String, String>) -> Result<()> {
    let wants_fifo = match attributes.get("FifoQueue").map(String::as_str) {
        None => false,
        Some("true") => true,
        Some("false") if !address::is_fifo(name) => {
            return Err(ropeway_api::sqs::error::invalid_attribute_name("Unknown Attribute FifoQueue."));
        }
        Some(_) => {
            return Err(ropeway_api::sqs::error::invalid_attribute_value(
                "Invalid value for the parameter FifoQueue.",
            ));
        }
    };
    if wants_fifo && !(address::is_fifo(name) && address::is_name(name)) {
        return Err(invalid_parameter(
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must \
             end with .fifo suffix and be 1 to 80 in length.",
        ));
    }
    if !wants_fifo && (address::is_fifo(name) || !address::is_name(name)) {
        return Err(invalid_parameter(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        ));
    }
    Ok(())
}

/// `GetQueueUrl`, which asks for its permission itself: the owner of the queue is an input of its own.
pub async fn get_url(service: &SqsService, cx: &Cx, input: GetQueueUrlInput) -> Result<GetQueueUrlOutput> {
    if input.queue_name.is_empty() {
        return Err(limits::missing_parameter("QueueName"));
    }
    let account = input.queue_owner_aws_account_id.unwrap_or_else(|| cx.account.clone());
    let arn = address::arn(&Scope::new(&account, &cx.region), &input.queue_name);
    if address::parse_arn(&arn).is_none() {
        return Err(limits::no_queue());
    }
    cx.authorize(&SERVICE, "sqs:GetQueueUrl", &arn, &Keys::default())?;
    service.description(cx, &arn).await?;
    Ok(GetQueueUrlOutput { queue_url: Some(address::url(cx, &account, &input.queue_name)) })
}

/// `DeleteQueue`
pub async fn delete(service: &SqsService, cx: &Cx, input: DeleteQueueInput) -> Result<DeleteQueueOutput> {
    let arn = address::of_url(&input.queue_url, cx)?;
    service.submit(cx, &arn, Command::Delete { queue: arn.clone() }).await?;
    let (scope, name) = address::parse_arn(&arn).ok_or_else(limits::no_queue)?;
    let list = address::list_of_queues(&scope);
    let remove = directory::Command::Remove { list, name: name.to_owned() };
    directory::apply(&service.core, &cx.trace, remove).await?;
    Ok(DeleteQueueOutput {})
}

/// `PurgeQueue`
pub async fn purge(service: &SqsService, cx: &Cx, input: PurgeQueueInput) -> Result<PurgeQueueOutput> {
    let arn = address::of_url(&input.queue_url, cx)?;
    service.submit(cx, &arn, Command::Purge { queue: arn.clone() }).await?;
    Ok(PurgeQueueOutput {})
}

/// `ListQueues`
pub async fn list(service: &SqsService, cx: &Cx, input: ListQueuesInput) -> Result<ListQueuesOutput> {
    let list = address::list_of_queues(&scope(cx));
    let prefix = input.queue_name_prefix.unwrap_or_default();
    let (urls, next_token) = page(service, cx, list, prefix, input.next_token, input.max_results, |name| {
        Some(address::url(cx, &cx.account, name))
    })
    .await?;
    Ok(ListQueuesOutput { queue_urls: (!urls.is_empty()).then_some(urls), next_token })
}

/// `ListDeadLetterSourceQueues`
pub async fn list_sources(
    service: &SqsService,
    cx: &Cx,
    input: ListDeadLetterSourceQueuesInput,
) -> Result<ListDeadLetterSourceQueuesOutput> {
    let arn = address::of_url(&input.queue_url, cx)?;
    service.description(cx, &arn).await?;
    let list = address::list_of_sources(&arn);
    let url =
        |source: &str| address::parse_arn(source).map(|(scope, name)| address::url(cx, &scope.account, name));
    let (queue_urls, next_token) =
        page(service, cx, list, String::new(), input.next_token, input.max_results, url).await?;
    Ok(ListDeadLetterSourceQueuesOutput { queue_urls, next_token })
}

/// Names of a list, page by page. Without `MaxResults` the first page is the only one (API reference,
/// "ListQueues").
async fn page(
    service: &SqsService,
    cx: &Cx,
    list: String,
    prefix: String,
    token: Option<String>,
    max: Option<i64>,
    show: impl Fn(&str) -> Option<String>,
) -> Result<(Vec<String>, Option<String>)> {
    if max.is_some_and(|max| !(1..=limits::LIST).contains(&max)) {
        let reason = "MaxResults must be an integer between 1 and 1000.";
        return Err(invalid_value(max.unwrap_or_default(), "MaxResults", reason));
    }
    let after = token.map(|token| read_token(&token)).transpose()?;
    let limit = u32::try_from(max.unwrap_or(limits::LIST)).unwrap_or_default();
    let read = directory::Command::Read { list, prefix, after, limit };
    let Names { names, more } = directory::apply(&service.core, &cx.trace, read).await?;
    let last = names.last().filter(|_| more && max.is_some());
    let next = last.map(|(name, _)| URL_SAFE.encode(name));
    Ok((names.iter().filter_map(|(name, _)| show(name)).collect(), next))
}

fn read_token(token: &str) -> Result<String> {
    let name = URL_SAFE.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    name.filter(|name| !name.contains('\0'))
        .ok_or_else(|| invalid_parameter("Invalid or expired next token."))
}
