//! `DeleteMessage`, `ChangeMessageVisibility`, and their batches.

use ropeway_api::sqs::{
    ChangeMessageVisibilityBatchInput, ChangeMessageVisibilityBatchOutput,
    ChangeMessageVisibilityBatchResultEntry, ChangeMessageVisibilityInput, ChangeMessageVisibilityOutput,
    DeleteMessageBatchInput, DeleteMessageBatchOutput, DeleteMessageBatchResultEntry, DeleteMessageInput,
    DeleteMessageOutput, error,
};
use ropeway_wire::{Cx, Error};

use super::{Result, batch};
use crate::commands::Command;
use crate::receipt::Receipt;
use crate::{SqsService, address, limits};

fn receipt(handle: &str, arn: &str) -> Result<Receipt> {
    if handle.is_empty() {
        return Err(limits::missing_parameter("ReceiptHandle"));
    }
    Receipt::parse(handle, arn).ok_or_else(|| {
        error::receipt_handle_is_invalid(format!(
            "The input receipt handle \"{}\" is not a valid receipt handle.",
            shown(handle)
        ))
    })
}

/// A handle as errors show it: a handle of SQS's is far shorter than what anyone could send.
fn shown(handle: &str) -> String {
    handle.chars().take(256).collect()
}

fn timeout(given: i64) -> Result<u32> {
    let (_, most) = limits::VISIBILITY;
    u32::try_from(given).ok().filter(|secs| *secs <= most).ok_or_else(|| {
        let reason = format!("VisibilityTimeout must be an integer between 0 and {most}.");
        limits::invalid_value(given, "VisibilityTimeout", &reason)
    })
}

/// The one answer of a command about one message.
fn only(answers: Vec<Result<()>>) -> Result<()> {
    answers.into_iter().next().unwrap_or_else(|| Err(Error::internal("a command without an answer")))
}

/// `DeleteMessage`
pub async fn delete(service: &SqsService, cx: &Cx, input: DeleteMessageInput) -> Result<DeleteMessageOutput> {
    let arn = address::of_url(&input.queue_url, cx)?;
    let receipts = vec![receipt(&input.receipt_handle, &arn)?];
    let command = Command::DeleteMessages { queue: arn.clone(), receipts };
    only(service.submit_entries(cx, &arn, command).await?)?;
    Ok(DeleteMessageOutput {})
}

/// `ChangeMessageVisibility`
pub async fn change_visibility(
    service: &SqsService,
    cx: &Cx,
    input: ChangeMessageVisibilityInput,
) -> Result<ChangeMessageVisibilityOutput> {
    let arn = address::of_url(&input.queue_url, cx)?;
    let changes = vec![(receipt(&input.receipt_handle, &arn)?, timeout(input.visibility_timeout)?)];
    let command = Command::ChangeVisibility { queue: arn.clone(), changes };
    only(service.submit_entries(cx, &arn, command).await?)?;
    Ok(ChangeMessageVisibilityOutput {})
}

/// `DeleteMessageBatch`
pub async fn delete_batch(
    service: &SqsService,
    cx: &Cx,
    input: DeleteMessageBatchInput,
) -> Result<DeleteMessageBatchOutput> {
    let arn = address::of_url(&input.queue_url, cx)?;
    batch::check("DeleteMessageBatchRequestEntry", input.entries.iter().map(|entry| entry.id.as_str()))?;
    let mut out = DeleteMessageBatchOutput::default();
    let (mut receipts, mut ids) = (Vec::new(), Vec::new());
    for entry in input.entries {
        match receipt(&entry.receipt_handle, &arn) {
            Ok(receipt) => {
                receipts.push(receipt);
                ids.push(entry.id);
            }
            Err(error) => out.failed.push(batch::failed(entry.id, error)),
        }
    }
    let command = Command::DeleteMessages { queue: arn.clone(), receipts };
    let answers = service.submit_entries(cx, &arn, command).await?;
    for (id, answer) in ids.into_iter().zip(answers) {
        match answer {
            Ok(()) => out.successful.push(DeleteMessageBatchResultEntry { id }),
            Err(error) => out.failed.push(batch::failed(id, error)),
        }
    }
    Ok(out)
}

/// `ChangeMessageVisibilityBatch`
pub async fn change_visibility_batch(
    service: &SqsService,
    cx: &Cx,
    input: ChangeMessageVisibilityBatchInput,
) -> Result<ChangeMessageVisibilityBatchOutput> {
    let arn = address::of_url(&input.queue_url, cx)?;
    let ids = input.entries.iter().map(|entry| entry.id.as_str());
    batch::check("ChangeMessageVisibilityBatchRequestEntry", ids)?;
    let mut out = ChangeMessageVisibilityBatchOutput::default();
    let (mut changes, mut ids) = (Vec::new(), Vec::new());
    for entry in input.entries {
        let given = entry.visibility_timeout.ok_or_else(|| limits::missing_parameter("VisibilityTimeout"));
        let change =
            receipt(&entry.receipt_handle, &arn).and_then(|receipt| Ok((receipt, given.and_then(timeout)?)));
        match change {
            Ok(change) => {
                changes.push(change);
                ids.push(entry.id);
            }
            Err(error) => out.failed.push(batch::failed(entry.id, error)),
        }
    }
    let command = Command::ChangeVisibility { queue: arn.clone(), changes };
    let answers = service.submit_entries(cx, &arn, command).await?;
    for (id, answer) in ids.into_iter().zip(answers) {
        match answer {
            Ok(()) => out.successful.push(ChangeMessageVisibilityBatchResultEntry { id }),
            Err(error) => out.failed.push(batch::failed(id, error)),
        }
    }
    Ok(out)
}
