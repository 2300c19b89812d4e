//! Names, ARNs and URLs of queues.

use ropeway_api::sqs::error;
use ropeway_core::keys::Scope;
use ropeway_wire::{Cx, Error, resource};

use crate::limits;

/// A queue's scope and name, of its ARN; `None` if it is no queue's.
pub fn parse_arn(arn: &str) -> Option<(Scope, &str)> {
    let mut parts = arn.splitn(6, ':');
    let [aws, partition, service, region, account, name] =
        std::array::from_fn(|_| parts.next().unwrap_or(""));
    let known = aws == "arn" && partition.starts_with("aws") && service == "sqs";
    let account_ok = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    (known && account_ok && !region.is_empty() && is_name(name)).then(|| (Scope::new(account, region), name))
}

/// A queue's ARN.
pub fn arn(scope: &Scope, name: &str) -> String {
    format!("arn:aws:sqs:{}:{}:{name}", scope.region, scope.account)
}

/// The ARN of the queue at a URL: whatever host and path, the last two segments are account and name.
///
/// # Errors
/// `QueueDoesNotExist` if no queue can be there.
pub fn of_url(url: &str, cx: &Cx) -> Result<String, Error> {
    if url.is_empty() {
        return Err(limits::missing_parameter("QueueUrl"));
    }
    let arn = if url.contains('/') { resource::queue_url(url, cx) } else { resource::queue_name(url, cx) };
    if parse_arn(&arn).is_none() {
        return Err(if url.contains("://") { limits::no_queue() } else { bad_address(url) });
    }
    Ok(arn)
}

fn bad_address(url: &str) -> Error {
    error::invalid_address(format!("The address {url} is not valid for this endpoint."))
}

/// The URL of a queue, at the address that the client used.
pub fn url(cx: &Cx, account: &str, name: &str) -> String {
    format!("{}/{account}/{name}", cx.endpoint)
}

/// Whether a name can be a queue's.
pub fn is_name(name: &str) -> bool {
    let stem = name.strip_suffix(limits::FIFO_SUFFIX).unwrap_or(name);
    let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !stem.is_empty() && name.len() <= limits::QUEUE_NAME && stem.bytes().all(letter)
}

/// Whether a queue of this name is a FIFO queue.
pub fn is_fifo(name: &str) -> bool {
    name.ends_with(limits::FIFO_SUFFIX)
}

/// The directory list of an account's queues.
pub fn list_of_queues(scope: &Scope) -> String {
    format!("sqs/{}/{}/queues", scope.account, scope.region)
}

/// The directory list of the queues that name a queue in their redrive policy.
pub fn list_of_sources(arn: &str) -> String {
    format!("sqs/dlq-sources/{arn}")
}

/// The signal for those who wait for a queue's messages.
pub fn signal(arn: &str) -> String {
    format!("sqs/{arn}")
}
