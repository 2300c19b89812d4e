//! Errors in the service's words.
//!
//! Messages are those that the service gives, as its users quote them: the model tells codes alone.

use ropeway_api::cloudformation::error as api;
use ropeway_wire::Error;

use crate::model::Stack;
use crate::template::TemplateError;

/// The code of most errors, status 400.
pub fn validation(message: impl Into<String>) -> Error {
    Error::new(400, "ValidationError", message)
}

impl From<TemplateError> for Error {
    fn from(error: TemplateError) -> Self {
        validation(error.message())
    }
}

/// No stack of this id, where the service says so.
pub fn stack_id_missing(name: &str) -> Error {
    validation(format!("Stack with id {name} does not exist"))
}

/// No stack of this name, where the service says so.
pub fn stack_missing(name: &str) -> Error {
    validation(format!("Stack [{name}] does not exist"))
}

/// The name is taken.
pub fn stack_exists(name: &str) -> Error {
    api::already_exists_exception(format!("Stack [{name}] already exists"))
}

/// A change set would make a stack that is there.
pub fn stack_exists_with_status(stack: &Stack) -> Error {
    validation(format!(
        "Stack [{}] already exists and cannot be created again with the changeSet [CREATE]. Its status is {}.",
        stack.key.name, stack.status
    ))
}

/// A token of another operation.
pub fn token_exists(token: &str) -> Error {
    api::token_already_exists_exception(format!("Token {token} is already used for another operation"))
}

/// The stack takes no update now.
pub fn not_updatable(stack: &Stack) -> Error {
    validation(format!("Stack:{} is in {} state and can not be updated.", stack.key.arn(), stack.status))
}

/// The stack cannot be deleted now.
pub fn not_deletable(stack: &Stack) -> Error {
    validation(format!("Stack [{}] cannot be deleted while in status {}", stack.key.arn(), stack.status))
}

/// There is no update to cancel.
pub fn not_cancellable(stack: &Stack) -> Error {
    validation(format!("CancelUpdateStack cannot be called from current stack status {}", stack.status))
}

/// There is no failed rollback to go on with.
pub fn not_continuable(stack: &Stack) -> Error {
    validation(format!(
        "Stack:{} is in {} state and can not continue update rollback.",
        stack.key.arn(),
        stack.status
    ))
}

/// The stack is protected.
pub fn protected(name: &str) -> Error {
    validation(format!("Stack [{name}] cannot be deleted while TerminationProtection is enabled"))
}

/// Resources can be left only by a second try.
pub fn retain_not_failed() -> Error {
    validation(
        "Invalid operation on stack. RetainResources can only be specified for stacks in DELETE_FAILED state",
    )
}

/// The change set's name is taken.
pub fn change_set_exists(name: &str) -> Error {
    api::already_exists_exception(format!("ChangeSet {name} already exists"))
}

/// No such change set.
pub fn change_set_missing(name: &str) -> Error {
    api::change_set_not_found_exception(format!("ChangeSet [{name}] does not exist"))
}

/// The change set cannot be executed.
pub fn change_set_unavailable(arn: &str, status: &str, execution: &str) -> Error {
    api::invalid_change_set_status_exception(format!(
        "ChangeSet [{arn}] cannot be executed in its current execution status of [{execution}]; its status is [{status}]"
    ))
}

/// The change set is a nested stack's.
pub fn change_set_nested(arn: &str, root: &str) -> Error {
    api::invalid_change_set_status_exception(format!(
        "ChangeSet [{arn}] belongs to a nested stack: it is executed and deleted from its root change set [{root}]"
    ))
}

/// The change set is being made.
pub fn change_set_in_progress(arn: &str) -> Error {
    api::invalid_change_set_status_exception(format!(
        "ChangeSet [{arn}] cannot be deleted while its status is [CREATE_IN_PROGRESS]"
    ))
}

/// Too many change sets.
pub fn too_many_change_sets() -> Error {
    api::limit_exceeded_exception("Limit for change sets of the stack has been exceeded")
}

/// The template needs what the caller has not acknowledged.
pub fn insufficient_capabilities(missing: &str) -> Error {
    api::insufficient_capabilities_exception(format!("Requires capabilities : [{missing}]"))
}

/// A command answered something else than it answers: a fault of this crate.
pub fn unexpected() -> Error {
    Error::internal("a command gave another's answer")
}
