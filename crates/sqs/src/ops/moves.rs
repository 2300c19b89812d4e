//! `StartMessageMoveTask`, `CancelMessageMoveTask`, `ListMessageMoveTasks`.

use ropeway_api::sqs::{
    CancelMessageMoveTaskInput, CancelMessageMoveTaskOutput, ListMessageMoveTasksInput,
    ListMessageMoveTasksOutput, ListMessageMoveTasksResultEntry, SERVICE, StartMessageMoveTaskInput,
    StartMessageMoveTaskOutput, error,
};
use ropeway_core::directory;
use ropeway_wire::{Cx, Error, Keys, resource};

use super::{Result, unexpected};
use crate::commands::{Command, Output, Task, TaskStatus};
use crate::limits::{invalid_parameter, invalid_value};
use crate::{SqsService, address, limits};

fn no_resource(parameter: &str) -> Error {
    error::resource_not_found_exception(format!(
        "The resource that you specified for the {parameter} parameter doesn't exist."
    ))
}

/// A queue that a parameter names must be there.
async fn check_queue(service: &SqsService, cx: &Cx, arn: &str, parameter: &str) -> Result<()> {
    if address::parse_arn(arn).is_none() {
        return Err(invalid_parameter(format!(
            "You must use this format to specify the {parameter}: \
             arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
        )));
    }
    match service.description(cx, arn).await {
        Ok(_) => Ok(()),
        Err(error) if error.status < 500 => Err(no_resource(parameter)),
        Err(error) => Err(error),
    }
}

/// `StartMessageMoveTask`. Besides its own permission it needs those of what it does for the caller:
/// to receive and delete at the source, and to send at the destination.
pub async fn start(
    service: &SqsService,
    cx: &Cx,
    input: StartMessageMoveTaskInput,
) -> Result<StartMessageMoveTaskOutput> {
    let StartMessageMoveTaskInput { source_arn: arn, destination_arn: destination, .. } = input;
    let rate = input.max_number_of_messages_per_second.map(check_rate).transpose()?;
    check_queue(service, cx, &arn, "SourceArn").await?;
    let list = address::list_of_sources(&arn);
    let read =
        directory::Command::Read { list, prefix: String::new(), after: None, limit: limits::LIST as u32 };
    let sources = directory::apply(&service.core, &cx.trace, read).await?.names;
    if sources.is_empty() {
        return Err(invalid_parameter("Source queue must be configured as a Dead Letter Queue."));
    }
    for action in ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"] {
        cx.authorize(&SERVICE, action, &arn, &Keys::default())?;
    }
    match &destination {
        Some(destination) => {
            check_queue(service, cx, destination, "DestinationArn").await?;
            if address::is_fifo(destination) != address::is_fifo(&arn) {
                return Err(invalid_parameter("Source and destination must be queues of the same type."));
            }
            cx.authorize(&SERVICE, "sqs:SendMessage", destination, &Keys::default())?;
        }
        None => {
            for (source, _) in &sources {
                cx.authorize(&SERVICE, "sqs:SendMessage", source, &Keys::default())?;
            }
        }
    }
    let command = Command::StartMove { queue: arn.clone(), destination, rate };
    match service.submit(cx, &arn, command).await? {
        Output::Task(task) => Ok(StartMessageMoveTaskOutput { task_handle: Some(handle(&task, &arn)) }),
        other => Err(unexpected(&other)),
    }
}

fn handle(task: &Task, arn: &str) -> String {
    resource::move_task_handle(&task.id, arn)
}

fn check_rate(rate: i64) -> Result<u32> {
    u32::try_from(rate).ok().filter(|rate| (1..=limits::MOVE_RATE).contains(rate)).ok_or_else(|| {
        let reason = format!("Must be between 1 and {}, if provided.", limits::MOVE_RATE);
        invalid_value(rate, "MaxNumberOfMessagesPerSecond", &reason)
    })
}

/// `CancelMessageMoveTask`
pub async fn cancel(
    service: &SqsService,
    cx: &Cx,
    input: CancelMessageMoveTaskInput,
) -> Result<CancelMessageMoveTaskOutput> {
    let (task, arn) = resource::parse_move_task_handle(&input.task_handle)
        .filter(|(_, arn)| address::parse_arn(arn).is_some())
        .ok_or_else(|| invalid_value(&input.task_handle, "TaskHandle", "The task handle is invalid."))?;
    check_queue(service, cx, &arn, "SourceArn").await?;
    let command = Command::CancelMove { queue: arn.clone(), task };
    match service.submit(cx, &arn, command).await? {
        Output::Task(task) => {
            let moved = i64::try_from(task.moved).unwrap_or(i64::MAX);
            Ok(CancelMessageMoveTaskOutput { approximate_number_of_messages_moved: Some(moved) })
        }
        other => Err(unexpected(&other)),
    }
}

/// `ListMessageMoveTasks`
pub async fn list(
    service: &SqsService,
    cx: &Cx,
    input: ListMessageMoveTasksInput,
) -> Result<ListMessageMoveTasksOutput> {
    let arn = input.source_arn;
    let max = input.max_results.unwrap_or(1);
    let max = usize::try_from(max)
        .ok()
        .filter(|n| (1..=limits::MOVE_TASKS).contains(n))
        .ok_or_else(|| invalid_value(max, "MaxResults", "MaxResults must be an integer between 1 and 10."))?;
    check_queue(service, cx, &arn, "SourceArn").await?;
    match service.submit(cx, &arn, Command::ListMoves { queue: arn.clone() }).await? {
        Output::Tasks(tasks) => {
            let shown = tasks.into_iter().take(max).map(|task| show(task, &arn)).collect();
            Ok(ListMessageMoveTasksOutput { results: Some(shown) })
        }
        other => Err(unexpected(&other)),
    }
}

fn show(task: Task, arn: &str) -> ListMessageMoveTasksResultEntry {
    let status = match task.status {
        TaskStatus::Running => "RUNNING",
        TaskStatus::Completed => "COMPLETED",
        TaskStatus::Cancelled => "CANCELLED",
        TaskStatus::Failed => "FAILED",
    };
    ListMessageMoveTasksResultEntry {
        // Only a running task can be cancelled, and only it has a handle (API reference).
        task_handle: task.is_running().then(|| handle(&task, arn)),
        status: Some(status.to_owned()),
        source_arn: Some(arn.to_owned()),
        destination_arn: task.destination,
        max_number_of_messages_per_second: task.rate.map(i64::from),
        approximate_number_of_messages_moved: i64::try_from(task.moved).ok(),
        approximate_number_of_messages_to_move: i64::try_from(task.to_move).ok(),
        failure_reason: task.failure,
        started_timestamp: Some(task.started.millis()),
    }
}
