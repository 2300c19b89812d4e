//! Refusals, and the gateway responses that they look like.

use std::borrow::Cow;
use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use regex::{Captures, Regex};
use ropeway_wire::Answer;
use serde_json::Value as Json;

use super::answer;
use super::hit::{Hit, last};
use crate::commands::{TEMPLATE, TYPES};
use crate::mapping::{self, Place, Source};

/// Why a request is not answered as its method says.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The gateway response's type.
    pub kind: &'static str,
    /// What the caller reads; `None`: null.
    pub message: Option<String>,
    /// The status, unless a gateway response says another.
    pub status: u16,
    /// `x-amzn-errortype`
    pub error: Cow<'static, str>,
    /// What a validator found.
    pub validation: Option<String>,
    /// What is at fault, for logs.
    pub cause: Option<String>,
}

impl Refusal {
    /// A refusal of a type, with its own status.
    pub fn new(kind: &'static str, error: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        let status = TYPES.iter().find(|(name, _)| *name == kind).and_then(|(_, status)| *status);
        let (error, message) = (error.into(), Some(message.into()));
        Refusal { kind, message, status: status.unwrap_or(500), error, validation: None, cause: None }
    }

    /// The refusal, with what is at fault.
    pub fn because(self, cause: impl Into<String>) -> Self {
        Refusal { cause: Some(cause.into()), ..self }
    }

    /// The integration failed.
    pub fn integration(message: &str, status: u16) -> Self {
        let refusal = Refusal::new("INTEGRATION_FAILURE", "InternalServerErrorException", message);
        Refusal { status, ..refusal }
    }

    /// The API is not set up as it ought to be.
    pub fn configuration() -> Self {
        Refusal::new("API_CONFIGURATION_ERROR", "InternalServerErrorException", "Internal server error")
    }

    /// The integration took too long.
    pub fn timeout() -> Self {
        Refusal::new("INTEGRATION_TIMEOUT", "InternalServerErrorException", "Endpoint request timed out")
    }

    /// No such resource or method.
    pub fn missing_token() -> Self {
        Refusal::new(
            "MISSING_AUTHENTICATION_TOKEN",
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        )
    }

    /// No such API or stage, or a key that is none.
    pub fn forbidden() -> Self {
        Refusal::new("INVALID_API_KEY", "ForbiddenException", "Forbidden")
    }

    /// The answer to a request of which no stage is known.
    pub fn plain(&self) -> Answer {
        let body = serde_json::json!({ "message": self.message }).to_string();
        let mut answer = answer::made(self.status, HeaderMap::new(), Bytes::from(body));
        let headers = answer.headers_mut();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer::put(headers, "x-amzn-errortype", &self.error);
        answer
    }

    /// The answer as the API's gateway responses say.
    pub fn answer(&self, hit: &Hit<'_>) -> Answer {
        let responses = &hit.served.definition.gateway_responses;
        let family = if self.status >= 500 { "DEFAULT_5XX" } else { "DEFAULT_4XX" };
        let Some(response) = responses.get(self.kind).or_else(|| responses.get(family)) else {
            return self.plain();
        };
        let status = response.status.as_deref().and_then(|status| status.parse().ok());
        let json = "application/json";
        let template = response.templates.get_key_value(json).or_else(|| response.templates.iter().next());
        let (kind, template) =
            template.map_or((json, TEMPLATE), |(kind, text)| (kind.as_str(), text.as_str()));
        let values = self.values(hit);
        let body = filled(template, &values, "");
        let mut headers = HeaderMap::new();
        answer::put(&mut headers, "content-type", kind);
        answer::put(&mut headers, "x-amzn-errortype", &self.error);
        for (target, source) in &response.parameters {
            let Some(name) = target.strip_prefix("gatewayresponse.header.") else { continue };
            if let Some(value) = mapping::parse(source, "method.request").and_then(|s| value(hit, &values, s))
            {
                headers.remove(name);
                answer::put(&mut headers, name, &value);
            }
        }
        answer::made(status.unwrap_or(self.status), headers, Bytes::from(body))
    }

    /// `$context` with the error, and the stage's variables.
    fn values(&self, hit: &Hit<'_>) -> Json {
        let mut context = hit.context();
        context.insert(
            "error".to_owned(),
            serde_json::json!({
                "message": self.message,
                "messageString": serde_json::json!(self.message).to_string(),
                "responseType": self.kind,
                // Templates put it between quotes.
                "validationErrorString": self.validation.as_ref().map(|why| why.replace('\\', "\\\\").replace('"', "\\\"")),
            }),
        );
        serde_json::json!({ "context": context, "stageVariables": hit.served.stage.variables })
    }
}

/// The value at a path of names with dots between them.
pub fn at<'j>(json: &'j Json, path: &str) -> Option<&'j Json> {
    path.split('.').try_fold(json, |json, name| json.get(name))
}

fn text(json: &Json) -> String {
    match json {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A header's value, if there is one.
fn value(hit: &Hit<'_>, values: &Json, source: Source) -> Option<String> {
    match source {
        Source::Literal(text) => Some(text),
        Source::Context(path) => at(values.get("context")?, &path).map(text),
        Source::Variable(name) => hit.served.stage.variables.get(&name).cloned(),
        Source::Named(Place::Header | Place::Headers, name) => last(&hit.headers, &name).map(str::to_owned),
        Source::Named(Place::Query | Place::Queries, name) => last(&hit.query, &name).map(str::to_owned),
        Source::Named(Place::Path, name) => hit.path_params.get(&name).cloned(),
        Source::Body(_) => None,
    }
}

/// A gateway response's template: variables are filled in, and nothing else is done
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gatewayResponse-definition.html>).
pub fn filled(template: &str, values: &Json, missing: &str) -> String {
    static VARIABLE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"\$(?:\{((?:context|stageVariables)[\w.]*)\}|((?:context|stageVariables)(?:\.\w+)*))")
            .ok()
    });
    let Some(variable) = VARIABLE.as_ref() else { return template.to_owned() };
    let fill = |found: &Captures<'_>| {
        let path = found.get(1).or_else(|| found.get(2)).map_or("", |path| path.as_str());
        at(values, path).map(text).filter(|text| !text.is_empty()).unwrap_or_else(|| missing.to_owned())
    };
    variable.replace_all(template, fill).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in() {
        let values = serde_json::json!({
            "context": { "error": { "messageString": "\"no\"" }, "stage": "dev" }, "stageVariables": { "a": "1" },
        });
        assert_eq!(filled(TEMPLATE, &values, ""), r#"{"message":"no"}"#);
        assert_eq!(filled("$context.stage-${stageVariables.a}.$context.none!", &values, ""), "dev-1.!");
    }
}
