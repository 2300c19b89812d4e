//! `AddPermission`, `RemovePermission`.

use ropeway_api::sqs::{
    AddPermissionInput, AddPermissionOutput, RemovePermissionInput, RemovePermissionOutput, error,
};
use ropeway_wire::Cx;

use super::Result;
use crate::commands::Command;
use crate::limits::{self, invalid_value};
use crate::{SqsService, address};

/// What can be granted: all else belongs to the queue's owner (API reference, "AddPermission").
const ACTIONS: [&str; 7] = [
    "*",
    "ChangeMessageVisibility",
    "DeleteMessage",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ReceiveMessage",
    "SendMessage",
];

fn check_label(label: &str) -> Result<()> {
    let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if label.is_empty() {
        return Err(limits::missing_parameter("Label"));
    }
    if label.len() > limits::LABEL || !label.bytes().all(letter) {
        let reason = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.";
        return Err(invalid_value(label, "Label", reason));
    }
    Ok(())
}

/// `AddPermission`
pub async fn add(service: &SqsService, cx: &Cx, input: AddPermissionInput) -> Result<AddPermissionOutput> {
    let arn = address::of_url(&input.queue_url, cx)?;
    let AddPermissionInput { label, aws_account_ids: accounts, actions, .. } = input;
    check_label(&label)?;
    check_accounts(&accounts)?;
    check_actions(&actions)?;
    let command = Command::AddPermission { queue: arn.clone(), label, accounts, actions };
    service.submit(cx, &arn, command).await?;
    Ok(AddPermissionOutput {})
}

fn check_accounts(accounts: &[String]) -> Result<()> {
    if accounts.is_empty() {
        return Err(limits::missing_parameter("AWSAccountIds"));
    }
    if accounts.len() > limits::POLICY_PRINCIPALS {
        let (found, most) = (accounts.len(), limits::POLICY_PRINCIPALS);
        return Err(error::over_limit(format!("{found} Principals were found, maximum allowed is {most}.")));
    }
    let is_account = |text: &String| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    match accounts.iter().find(|account| !is_account(account)) {
        Some(bad) => Err(invalid_value(format!("[{bad}]"), "PrincipalId", "Unable to verify.")),
        None => Ok(()),
    }
}

fn check_actions(actions: &[String]) -> Result<()> {
    if actions.is_empty() {
        return Err(limits::missing_parameter("Actions"));
    }
    if actions.len() > limits::POLICY_ACTIONS {
        let (found, most) = (actions.len(), limits::POLICY_ACTIONS);
        return Err(error::over_limit(format!("{found} Actions were found, maximum allowed is {most}.")));
    }
    match actions.iter().find(|action| !ACTIONS.contains(&action.as_str())) {
        Some(bad) => {
            let reason = "Only the queue owner is allowed to invoke this action.";
            Err(invalid_value(format!("SQS:{bad}"), "ActionName", reason))
        }
        None => Ok(()),
    }
}

/// `RemovePermission`
pub async fn remove(
    service: &SqsService,
    cx: &Cx,
    input: RemovePermissionInput,
) -> Result<RemovePermissionOutput> {
    let arn = address::of_url(&input.queue_url, cx)?;
    check_label(&input.label)?;
    let command = Command::RemovePermission { queue: arn.clone(), label: input.label };
    service.submit(cx, &arn, command).await?;
    Ok(RemovePermissionOutput {})
}
