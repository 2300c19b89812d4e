//! Limits, periods and the errors that have no shape in the model.
//!
//! As documented in the Amazon SQS Developer Guide ("Amazon SQS message quotas", "queue quotas", "FIFO
//! queue quotas", "policy quotas") and the API reference, read in November 2025. All in one place, so
//! that a new reading changes one file.

use ropeway_wire::Error;

/// Longest name of a queue, the suffix `.fifo` included, in characters.
pub const QUEUE_NAME: usize = 80;
/// What the name of a FIFO queue ends with.
pub const FIFO_SUFFIX: &str = ".fifo";
/// `DelaySeconds`, of queues and messages, in seconds.
pub const DELAY: (u32, u32) = (0, 900);
/// `MaximumMessageSize`, in bytes.
pub const MESSAGE_SIZE: (u32, u32) = (1024, 1_048_576);
/// `MessageRetentionPeriod`, in seconds.
pub const RETENTION: (u32, u32) = (60, 1_209_600);
/// `MessageRetentionPeriod` unless told otherwise: 4 days.
pub const DEFAULT_RETENTION: u32 = 345_600;
/// `WaitTimeSeconds` and `ReceiveMessageWaitTimeSeconds`.
pub const WAIT: (u32, u32) = (0, 20);
/// `VisibilityTimeout`, in seconds; also the most that a message stays in flight in all.
pub const VISIBILITY: (u32, u32) = (0, 43_200);
/// `VisibilityTimeout` unless told otherwise, in seconds.
pub const DEFAULT_VISIBILITY: u32 = 30;
/// `maxReceiveCount` of a redrive policy.
pub const MAX_RECEIVES: (u32, u32) = (1, 1000);
/// Most source queues that a redrive-allow policy names.
pub const ALLOWED_SOURCES: usize = 10;
/// Most messages in flight, standard and FIFO queues alike (120,000 for both since November 2024).
pub const IN_FLIGHT: usize = 120_000;
/// Messages that a FIFO queue looks through for groups that are free.
pub const FIFO_WINDOW: usize = 120_000;
/// Messages of a standard queue whose order is held in memory (Ropeway's own).
pub const STANDARD_WINDOW: usize = 20_000;
/// Most messages that a receive gives, and most entries in a batch.
pub const BATCH: usize = 10;
/// Most bytes in a batch of messages.
pub const BATCH_BYTES: usize = 1_048_576;
/// Longest id of a batch's entry, in characters.
pub const BATCH_ID: usize = 80;
/// Longest group, deduplication and receive-attempt id, in characters.
pub const ID: usize = 128;
/// Most attributes of a message.
pub const ATTRIBUTES: usize = 10;
/// Longest name and longest type of a message's attribute, in characters.
pub const ATTRIBUTE_NAME: usize = 256;
/// A message is not enqueued twice within so long, and a receive attempt is remembered so long, in milliseconds.
pub const DEDUPLICATION_MILLIS: i64 = 300_000;
/// A queue is purged once in so many seconds at most.
pub const PURGE_SECS: i64 = 60;
/// A deleted queue's name is free again after so many seconds.
pub const DELETED_SECS: i64 = 60;
/// Most tags of a queue.
pub const TAGS: usize = 50;
/// Longest key and longest value of a tag, in characters.
pub const TAG: (usize, usize) = (128, 256);
/// Most queues in one page of a list, and the number when none is asked for.
pub const LIST: i64 = 1000;
/// Most move tasks that are listed and remembered for each queue.
pub const MOVE_TASKS: usize = 10;
/// Most messages that a move task moves in a second.
pub const MOVE_RATE: u32 = 500;
/// Longest queue policy, in bytes.
pub const POLICY: usize = 8192;
/// Most bytes of a queue's attributes and tags in their binary form (Ropeway's own: a row of the store).
pub const QUEUE_ROW: usize = 60 * 1024;
/// Most statements, principals and actions of a policy that `AddPermission` edits.
pub const POLICY_STATEMENTS: usize = 20;
/// Most principals in one `AddPermission`.
pub const POLICY_PRINCIPALS: usize = 50;
/// Most actions in one `AddPermission`.
pub const POLICY_ACTIONS: usize = 7;
/// Longest label of a permission, in characters.
pub const LABEL: usize = 80;

/// `InvalidParameterValue`, 400: one of SQS's common errors.
pub fn invalid_parameter(message: impl Into<String>) -> Error {
    Error::new(400, "InvalidParameterValue", message)
}

/// `InvalidParameterValue` in the words that SQS has for most of its parameters.
pub fn invalid_value(value: impl std::fmt::Display, parameter: &str, reason: &str) -> Error {
    invalid_parameter(format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}"))
}

/// `MissingParameter`, 400: one of SQS's common errors.
pub fn missing_parameter(name: &str) -> Error {
    Error::new(400, "MissingParameter", format!("The request must contain the parameter {name}."))
}

/// The error for a queue that is not there.
pub fn no_queue() -> Error {
    ropeway_api::sqs::error::queue_does_not_exist("The specified queue does not exist.")
}

/// The error for a message that is too long.
pub fn too_long(most: u32) -> Error {
    invalid_parameter(format!(
        "One or more parameters are invalid. Reason: Message must be shorter than {most} bytes."
    ))
}
