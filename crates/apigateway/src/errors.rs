//! The service's errors, in the words that API Gateway answers with. Where they come from: answers of AWS that
//! public test suites recorded (localstack/localstack, `tests/aws/services/apigateway/*.snapshot.json`).

use ropeway_api::apigateway::error;
use ropeway_wire::Error;

use crate::keys::ApiName;

/// `BadRequestException`
pub fn bad(why: impl Into<String>) -> Error {
    error::bad_request_exception(why)
}

/// `NotFoundException`
pub fn missing(why: impl Into<String>) -> Error {
    error::not_found_exception(why)
}

/// `ConflictException`
pub fn conflict(why: impl Into<String>) -> Error {
    error::conflict_exception(why)
}

/// `LimitExceededException`
pub fn limit(why: impl Into<String>) -> Error {
    error::limit_exceeded_exception(why)
}

/// No such API.
pub fn no_api(api: &ApiName) -> Error {
    missing(format!("Invalid API identifier specified {}:{}", api.scope.account, api.id))
}

/// No such resource.
pub fn no_resource() -> Error {
    missing("Invalid Resource identifier specified")
}

/// No such method.
pub fn no_method() -> Error {
    missing("Invalid Method identifier specified")
}

/// The method has no integration.
pub fn no_integration() -> Error {
    missing("Invalid Integration identifier specified")
}

/// No such response of a method or an integration.
pub fn no_response() -> Error {
    missing("Invalid Response status code specified")
}

/// No such stage.
pub fn no_stage() -> Error {
    missing("Invalid stage identifier specified")
}

/// No such deployment.
pub fn no_deployment() -> Error {
    missing("Invalid Deployment identifier specified")
}

/// No such model.
pub fn no_model(name: &str) -> Error {
    missing(format!("Invalid model name specified: {name}"))
}

/// No such validator.
pub fn no_validator() -> Error {
    missing("Invalid Request Validator identifier specified")
}

/// No such authoriser.
pub fn no_authorizer() -> Error {
    missing("Invalid Authorizer identifier specified")
}

/// No such API key.
pub fn no_key() -> Error {
    missing("Invalid API Key identifier specified")
}

/// No such usage plan.
pub fn no_plan() -> Error {
    missing("Invalid Usage Plan ID specified")
}

/// No such documentation part.
pub fn no_part() -> Error {
    missing("Invalid Documentation part identifier specified")
}

/// No such documentation version.
pub fn no_version() -> Error {
    missing("Invalid Documentation version specified")
}

/// No such custom domain name.
pub fn no_domain() -> Error {
    missing("Invalid domain name identifier specified")
}

/// No such base path of a custom domain name.
pub fn no_mapping() -> Error {
    missing("Invalid base path mapping identifier specified")
}

/// A method's CUSTOM authorisation without an authoriser.
pub fn authorizer_wanted() -> Error {
    bad("Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS \
         requires a valid authorizer.")
}

/// What isn't implemented is refused by its name.
pub fn unimplemented(what: &str) -> Error {
    bad(format!("{what} is not implemented"))
}
