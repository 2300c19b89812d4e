//! Errors in Lambda's words.

use ropeway_api::lambda::error;
use ropeway_wire::Error;

use crate::keys::FunctionName;
use crate::model::Preparation;

/// Adds what Lambda's errors say of who is at fault.
fn user(error: Error) -> Error {
    error.with_member("Type", "User")
}

/// A parameter that cannot be.
pub fn invalid(message: impl Into<String>) -> Error {
    user(error::invalid_parameter_value_exception(message))
}

/// A violated constraint, in the words of the framework.
pub fn constraint(value: &str, member: &str, constraint: &str) -> Error {
    let why = format!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
    );
    Error::new(400, "ValidationException", why)
}

/// A function or version that is not there.
pub fn no_function(arn: &str) -> Error {
    user(error::resource_not_found_exception(format!("Function not found: {arn}")))
}

/// An alias that is not there.
pub fn no_alias(function: &FunctionName, alias: &str) -> Error {
    let arn = function.qualified(Some(alias));
    user(error::resource_not_found_exception(format!("Cannot find alias arn: {arn}")))
}

/// Something that is not there.
pub fn not_found(message: impl Into<String>) -> Error {
    user(error::resource_not_found_exception(message))
}

/// Something of the kind that has no name in the message.
pub fn no_resource() -> Error {
    not_found("The resource you requested does not exist.")
}

/// Something that is there already, or is in the way.
pub fn conflict(message: impl Into<String>) -> Error {
    user(error::resource_conflict_exception(message))
}

/// A function that is being made, or could not be, is neither invoked nor changed
/// (<https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html>).
pub fn not_active(now: &Preparation) -> Error {
    conflict(format!(
        "The operation cannot be performed at this time. The function is currently in the following state: {}",
        now.state()
    ))
}

/// A function that is being made or changed.
pub fn under_way(function: &FunctionName, now: &Preparation) -> Error {
    if !now.update {
        return not_active(now);
    }
    conflict(format!(
        "The operation cannot be performed at this time. An update is in progress for resource: {}",
        function.arn()
    ))
}

/// The caller knew another revision.
pub fn stale_revision() -> Error {
    user(error::precondition_failed_exception(
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
    ))
}

/// The caller is too fast; `reason` is one of the model's `ThrottleReason`s.
pub fn throttled(reason: &'static str) -> Error {
    user(error::too_many_requests_exception("Rate Exceeded.")).with_member("Reason", reason)
}

/// A payload that is too large.
pub fn too_large(size: usize, invocation: &str, most: usize) -> Error {
    user(error::request_too_large_exception(format!(
        "{size} byte payload is too large for the {invocation} invocation type (limit {most} bytes)"
    )))
}

/// Lambda's own fault.
pub fn service(message: impl Into<String>) -> Error {
    error::service_exception(message).with_member("Type", "Service")
}
