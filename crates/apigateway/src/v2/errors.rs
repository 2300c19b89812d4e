//! The service's errors. Words that AWS's clients were seen to print have their source beside them; those of other
//! things that are not there follow getmoto/moto, `moto/apigatewayv2/exceptions.py`.

use ropeway_api::apigatewayv2::error;
use ropeway_wire::Error;

use crate::keys::ApiName;

/// `BadRequestException`
pub fn bad(why: impl Into<String>) -> Error {
    error::bad_request_exception(why)
}

/// `ConflictException`
pub fn conflict(why: impl Into<String>) -> Error {
    error::conflict_exception(why)
}

/// `TooManyRequestsException`: a limit of the account's
pub fn limit(why: impl Into<String>) -> Error {
    error::too_many_requests_exception(why)
}

/// `NotFoundException`
pub fn missing(why: impl Into<String>) -> Error {
    error::not_found_exception(why)
}

/// No such API. Source: <https://github.com/aws/aws-sam-cli/issues/7030>.
pub fn no_api(api: &ApiName) -> Error {
    missing(format!("Invalid API identifier specified {}:{}", api.scope.account, api.id))
}

/// No such route, integration, …
pub fn no(what: &str, id: &str) -> Error {
    missing(format!("Invalid {what} identifier specified {id}"))
}

/// No such stage.
pub fn no_stage() -> Error {
    missing("Invalid stage identifier specified")
}

/// No such mapping of a custom domain name. AWS's words were not found: these are as the others.
pub fn no_mapping() -> Error {
    missing("Invalid API mapping identifier specified")
}

/// A domain name maps something at this key already. Source: <https://github.com/aws/aws-cdk/issues/22660>.
pub fn mapped() -> Error {
    conflict("ApiMapping key already exists for this domain name")
}

/// What isn't implemented is refused by its name.
pub fn unimplemented(what: &str) -> Error {
    bad(format!("{what} is not implemented"))
}
