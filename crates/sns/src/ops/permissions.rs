//! AddPermission, RemovePermission.

use ropeway_api::sns::{
    AddPermissionInput, AddPermissionOutput, RemovePermissionInput, RemovePermissionOutput,
};
use ropeway_wire::{Cx, Error};

use super::{Sns, topic_of};
use crate::commands::{Command, TopicChange};
use crate::settings::invalid;

pub async fn add_permission(
    sns: &Sns,
    cx: &Cx,
    input: AddPermissionInput,
) -> Result<AddPermissionOutput, Error> {
    let topic = topic_of(cx, "TopicArn", &input.topic_arn)?;
    let is_account = |a: &String| a.len() == 12 && a.bytes().all(|b| b.is_ascii_digit());
    if input.aws_account_id.is_empty() || !input.aws_account_id.iter().all(is_account) {
        return Err(invalid("AWSAccountId"));
    }
    if input.label.is_empty() || input.label.len() > 80 {
        return Err(invalid("Label"));
    }
    let change = TopicChange::AddPermission {
        label: input.label,
        accounts: input.aws_account_id,
        actions: input.action_name,
    };
    sns.submit(cx, &topic, Command::ChangeTopic { topic: topic.clone(), change }).await?;
    Ok(AddPermissionOutput {})
}

pub async fn remove_permission(
    sns: &Sns,
    cx: &Cx,
    input: RemovePermissionInput,
) -> Result<RemovePermissionOutput, Error> {
    let topic = topic_of(cx, "TopicArn", &input.topic_arn)?;
    let change = TopicChange::RemovePermission { label: input.label };
    sns.submit(cx, &topic, Command::ChangeTopic { topic: topic.clone(), change }).await?;
    Ok(RemovePermissionOutput {})
}
