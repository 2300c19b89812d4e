//! Execution logs: what became of a request, step by step, in a group of API Gateway's own.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html>; how lines read:
//! <https://repost.aws/knowledge-center/api-gateway-logs>.

use std::sync::Mutex;

use bytes::Bytes;
use ropeway_api::lambda::InvokeOutput;
use ropeway_wire::Answer;
use ropeway_wire::protocol::ResponseBody;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::Plane;
use super::hit::Hit;
use super::lambda::Order;
use super::refusal::Refusal;
use crate::model::Logging;

/// Bytes of a line: "API Gateway truncates logged payloads to 1024 bytes" (same source).
const MAX_LINE: usize = 1024;
/// Characters of an API key that are shown.
const SHOWN: usize = 6;

/// The lines of a request, and which of them are wanted.
#[derive(Default)]
pub struct Journal {
    level: Logging,
    data: bool,
    lines: Mutex<Vec<String>>,
    outcome: Mutex<Option<Outcome>>,
}

/// What came of calling the integration.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// The status that the service or the endpoint answered with.
    pub status: i64,
    /// Milliseconds.
    pub latency: i64,
}

/// Names and values as logs show them: `{a=b, c=d}`.
pub fn pairs<'p>(pairs: impl IntoIterator<Item = (&'p String, &'p String)>) -> String {
    let all: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{{{}}}", all.join(", "))
}

/// A body as text.
pub fn text(body: &Bytes) -> String {
    let whole = body.get(..body.len().min(MAX_LINE)).unwrap_or_default();
    String::from_utf8_lossy(whole).into_owned()
}

/// A key but for its last characters.
fn masked(key: &str) -> String {
    let hidden = key.chars().count().saturating_sub(SHOWN);
    key.chars().enumerate().map(|(index, letter)| if index < hidden { '*' } else { letter }).collect()
}

/// Why a request was refused.
fn failure(refusal: &Refusal) -> String {
    let message = refusal.message.as_deref().unwrap_or_default();
    let cause = refusal.cause.as_deref().unwrap_or(message);
    match refusal.kind {
        "INTEGRATION_TIMEOUT" => "Execution failed due to a timeout error".to_owned(),
        "BAD_REQUEST_BODY" => {
            let why = refusal.validation.as_deref().unwrap_or(message);
            format!("Request body does not match model schema: {why}")
        }
        "INTEGRATION_FAILURE" if refusal.status == 504 => {
            "Execution failed due to a network error communicating with endpoint".to_owned()
        }
        "API_CONFIGURATION_ERROR" | "INTEGRATION_FAILURE" | "AUTHORIZER_CONFIGURATION_ERROR" => {
            format!("Execution failed due to configuration error: {cause}")
        }
        _ => format!("Execution failed: {cause}"),
    }
}

impl Journal {
    /// A journal of everything.
    pub fn whole() -> Self {
        Journal { level: Logging::Info, data: true, ..Journal::default() }
    }

    fn add(&self, line: String) {
        let mut lines = self.lines.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        lines.push(line);
    }
}

impl Hit<'_> {
    /// Logs as the method's settings say, from now on.
    pub fn start(&mut self) {
        let found = self.settings().map(|found| (found.logging, found.data_trace));
        (self.journal.level, self.journal.data) = found.unwrap_or_default();
        self.note(|| format!("Extended Request Id: {}", self.extended_id));
    }

    /// Logs a step.
    pub fn note(&self, line: impl FnOnce() -> String) {
        if self.journal.level == Logging::Info {
            self.journal.add(line());
        }
    }

    /// Logs that the integration answered, and keeps it for `$context`.
    pub fn received(&self, status: i64, latency: i64) {
        let outcome = Some(Outcome { status, latency });
        *self.journal.outcome.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = outcome;
        self.note(|| format!("Received response. Status: {status}, Integration latency: {latency} ms"));
    }

    /// What came of calling the integration, if it was called and answered.
    pub fn outcome(&self) -> Option<Outcome> {
        *self.journal.outcome.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Logs a part of a request or an answer.
    pub fn note_data(&self, line: impl FnOnce() -> String) {
        if self.journal.data {
            self.note(line);
        }
    }

    /// Logs what failed.
    pub fn note_failure(&self, line: impl FnOnce() -> String) {
        if self.journal.level >= Logging::Error {
            self.journal.add(line());
        }
    }

    /// Logs the request, once it is admitted.
    pub fn begin(&self) {
        let id = &self.request.cx.request_id;
        let stage = format!("{}/{}", self.served.name.id, self.served.stage_name);
        let key = self.api_key.as_ref().map(|key| masked(&key.value)).unwrap_or_default();
        let path = self.resource.as_ref().map_or("/", |(_, path)| path.as_str());
        self.note(|| format!("Verifying Usage Plan for request: {id}. API Key: {key} API Stage: {stage}"));
        if self.api_key.is_none() {
            self.note(|| {
                format!(
                    "API Key {key} authorized because method '{} {path}' does not require API Key. Request will not \
                     contribute to throttle or quota limits",
                    self.verb
                )
            });
        }
        self.note(|| format!("Usage Plan check succeeded for API Key {key} and API Stage {stage}"));
        self.open();
    }

    /// Logs what is called, and with what.
    pub fn open(&self) {
        let id = &self.request.cx.request_id;
        self.note(|| format!("Starting execution for request: {id}"));
        self.note(|| format!("HTTP Method: {}, Resource Path: {}", self.request.method, self.path));
        self.note_data(|| format!("Method request path: {}", pairs(&self.path_params)));
        let query = self.query.iter().map(|(name, value)| (name, value));
        self.note_data(|| format!("Method request query string: {}", pairs(query)));
        let hidden = "x-api-key";
        let headers = self.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(hidden));
        self.note_data(|| format!("Method request headers: {}", pairs(headers.map(|(n, v)| (n, v)))));
        self.note_data(|| {
            format!("Method request body before transformations: {}", text(&self.request.body))
        });
    }

    /// The lines.
    pub fn take_lines(&self) -> Vec<String> {
        let mut lines = self.journal.lines.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        std::mem::take(&mut *lines)
    }

    /// The lines, each with the request's id, none too long.
    fn lines(&self) -> Vec<String> {
        let id = &self.request.cx.request_id;
        let whole = |line: String| {
            let mut line = format!("({id}) {line}");
            if line.len() > MAX_LINE {
                let mark = " [TRUNCATED]";
                line.truncate(line.floor_char_boundary(MAX_LINE - mark.len()));
                line.push_str(mark);
            }
            line
        };
        self.take_lines().into_iter().map(whole).collect()
    }

    /// Logs how the request ended.
    pub fn close(&self, answer: &Answer, refusal: Option<&Refusal>) {
        let status = answer.status().as_u16();
        let headers = || {
            let value = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let all: Vec<_> = answer.headers().iter().map(|(n, v)| (n.to_string(), value(v))).collect();
            pairs(all.iter().map(|(name, value)| (name, value)))
        };
        let body = match answer.body() {
            ResponseBody::Bytes(body) => body.clone(),
            ResponseBody::Stream(_) => Bytes::new(),
        };
        match refusal {
            Some(refusal) => {
                self.note_failure(|| failure(refusal));
                self.note(|| format!("Gateway response type: {} with status code: {status}", refusal.kind));
                self.note_data(|| format!("Gateway response body: {}", text(&body)));
                self.note_data(|| format!("Gateway response headers: {}", headers()));
                self.note_failure(|| format!("Method completed with status: {status}"));
            }
            None => {
                self.note_data(|| format!("Method response body after transformations: {}", text(&body)));
                self.note_data(|| format!("Method response headers: {}", headers()));
                self.note(|| "Successfully completed execution".to_owned());
                self.note(|| format!("Method completed with status: {status}"));
            }
        }
    }
}

impl Plane {
    /// Invokes an integration's function, and logs it.
    pub async fn invoke_logged(&self, hit: &Hit<'_>, order: Order<'_>) -> Result<InvokeOutput, Refusal> {
        let clock = self.gateway.core.clock();
        let (uri, began) = (order.uri.to_owned(), clock.now());
        hit.note_data(|| format!("Endpoint request URI: {uri}"));
        hit.note_data(|| format!("Endpoint request body after transformations: {}", text(&order.payload)));
        hit.note(|| format!("Sending request to {uri}"));
        let output = self.invoke(hit, order).await?;
        let status = output.status_code.unwrap_or(200);
        let took = clock.now().millis().saturating_sub(began.millis());
        hit.received(status, took);
        let payload = output.payload.clone().unwrap_or_default();
        hit.note_data(|| format!("Endpoint response body before transformations: {}", text(&payload)));
        if output.function_error.is_some() {
            let said: Option<Json> = serde_json::from_slice(&payload).ok();
            let message = said.as_ref().and_then(|said| said.get("errorMessage")).and_then(Json::as_str);
            hit.note_failure(|| {
                let message = message.unwrap_or_default();
                format!(
                    "Lambda execution failed with status {status} due to customer function error: {message}"
                )
            });
        }
        Ok(output)
    }

    /// Logs how a request ended, and hands on its lines.
    pub async fn log_execution(&self, hit: &Hit<'_>, answer: &Answer, refusal: Option<&Refusal>) {
        if hit.journal.level == Logging::Off {
            return;
        }
        hit.close(answer, refusal);
        let lines = hit.lines();
        if lines.is_empty() {
            return;
        }
        let (id, stage) = (&hit.served.name.id, &hit.served.stage_name);
        let digest = Sha256::digest(format!("{id}/{stage}"));
        let stream: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let group = format!("API-Gateway-Execution-Logs_{id}/{stage}");
        self.hand_on(hit, (group, stream), lines, true).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_hidden_but_for_their_end() {
        assert_eq!(masked("0123456789abcdefghij"), "**************efghij");
        assert_eq!(masked("abc"), "abc");
    }
}
