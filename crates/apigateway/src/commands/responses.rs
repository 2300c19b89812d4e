//! Gateway responses: what refusals look like.

use ropeway_wire::Error;

use crate::errors::{bad, missing};
use crate::mapping;
use crate::model::{Api, GatewayResponse};
use crate::patch::{NO_CONTENT_TYPE, NO_PARAMETER, Patch};

/// The template of those that say nothing else.
pub const TEMPLATE: &str = r#"{"message":$context.error.messageString}"#;

/// Every type, with its own status where it has one:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html>.
pub const TYPES: [(&str, Option<u16>); 21] = [
    ("ACCESS_DENIED", Some(403)),
    ("API_CONFIGURATION_ERROR", Some(500)),
    ("AUTHORIZER_CONFIGURATION_ERROR", Some(500)),
    ("AUTHORIZER_FAILURE", Some(500)),
    ("BAD_REQUEST_BODY", Some(400)),
    ("BAD_REQUEST_PARAMETERS", Some(400)),
    ("DEFAULT_4XX", None),
    ("DEFAULT_5XX", None),
    ("EXPIRED_TOKEN", Some(403)),
    ("INTEGRATION_FAILURE", Some(504)),
    ("INTEGRATION_TIMEOUT", Some(504)),
    ("INVALID_API_KEY", Some(403)),
    ("INVALID_SIGNATURE", Some(403)),
    ("MISSING_AUTHENTICATION_TOKEN", Some(403)),
    ("QUOTA_EXCEEDED", Some(429)),
    ("REQUEST_TOO_LARGE", Some(413)),
    ("RESOURCE_NOT_FOUND", Some(404)),
    ("THROTTLED", Some(429)),
    ("UNAUTHORIZED", Some(401)),
    ("UNSUPPORTED_MEDIA_TYPE", Some(415)),
    ("WAF_FILTERED", Some(403)),
];

/// Checks a response; called for imports too.
pub fn check(response: &GatewayResponse) -> Result<(), Error> {
    for (target, source) in &response.parameters {
        let header = target.strip_prefix("gatewayresponse.header.").unwrap_or_default();
        if header.is_empty() || mapping::parse(source, "method.request").is_none() {
            return Err(bad(format!(
                "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid \
                 mapping expression specified: {}]",
                if header.is_empty() { target } else { source }
            )));
        }
    }
    response.templates.values().try_for_each(|template| mapping::check_template(template))
}

pub fn put(api: &mut Api, kind: &str, response: GatewayResponse) -> Result<(), Error> {
    check(&response)?;
    api.definition.gateway_responses.insert(kind.to_owned(), response);
    Ok(())
}

pub fn patch(api: &mut Api, kind: &str, patch: &Patch) -> Result<(), Error> {
    let response = api.definition.gateway_responses.entry(kind.to_owned()).or_default();
    let parts = patch.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["statusCode"] => {
            patch.only(&["replace"])?;
            let status = patch.text();
            if !status.parse::<u16>().is_ok_and(|status| (100..600).contains(&status)) {
                return Err(bad("Invalid status code specified"));
            }
            response.status = Some(status);
        }
        ["responseParameters", name] => patch.text_entry(&mut response.parameters, name, NO_PARAMETER)?,
        ["responseTemplates", kind] => patch.text_entry(&mut response.templates, kind, NO_CONTENT_TYPE)?,
        _ => return Err(patch.invalid()),
    }
    check(response)
}

pub fn remove(api: &mut Api, kind: &str) -> Result<(), Error> {
    let gone = api.definition.gateway_responses.remove(kind);
    gone.map(drop).ok_or_else(|| missing("Gateway response type not defined on api"))
}
