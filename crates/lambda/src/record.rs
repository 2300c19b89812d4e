//! What destinations and dead-letter queues are told of an event:
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>.

use bytes::Bytes;
use ropeway_core::Time;
use serde_json::{Value as Json, json};

use crate::model::{Event, Function, Handled, LATEST, Sending};

/// The event was handled.
pub const SUCCESS: &str = "Success";
/// Its function failed too often.
pub const EXHAUSTED: &str = "RetriesExhausted";
/// It waited too long.
pub const TOO_OLD: &str = "EventAgeExceeded";
/// Bytes of an error's message in a dead letter.
const MESSAGE_BYTES: usize = 1024;

/// An event that has come to its end.
pub struct Ended<'a> {
    /// The function.
    pub of: &'a Function,
    /// The event.
    pub event: &'a Event,
    /// How its last try ended.
    pub handled: &'a Handled,
    /// `Success`, or why it is given up.
    pub condition: &'a str,
    /// The event's payload.
    pub payload: &'a Bytes,
    /// Now.
    pub at: Time,
}

impl Ended<'_> {
    fn sending(
        &self,
        role: &str,
        to: &str,
        body: String,
        attributes: Vec<(String, bool, String)>,
    ) -> Sending {
        Sending {
            function: self.of.name.clone(),
            role: role.to_owned(),
            to: to.to_owned(),
            body: Bytes::from(body),
            attributes,
            at: self.at,
            trace: self.event.trace.clone(),
        }
    }

    /// The record for a destination.
    pub fn to_destination(&self, role: &str, to: &str) -> Sending {
        let qualifier = self.event.qualifier.as_deref().unwrap_or(LATEST);
        let tries = self.event.failures + u32::from(self.condition == SUCCESS);
        let mut record = json!({
            "version": "1.0",
            "timestamp": timestamp(self.at),
            "requestContext": {
                "requestId": self.event.request_id,
                "functionArn": self.of.name.qualified(Some(qualifier)),
                "condition": self.condition,
                "approximateInvokeCount": tries,
            },
            "requestPayload": document(self.payload),
        });
        if let (Handled::Ran { failed, version, payload }, Json::Object(record)) = (self.handled, &mut record)
        {
            let mut context = json!({ "statusCode": 200, "executedVersion": version });
            if let (true, Json::Object(context)) = (*failed, &mut context) {
                context.insert("functionError".to_owned(), json!("Unhandled"));
            }
            record.insert("responseContext".to_owned(), context);
            if let Some(payload) = payload {
                record.insert("responsePayload".to_owned(), document(payload));
            }
        }
        self.sending(role, to, record.to_string(), Vec::new())
    }

    /// The event itself, with what was wrong in attributes:
    /// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-dlq>.
    pub fn to_dead_letters(&self, role: &str, to: &str) -> Sending {
        let (code, message) = match self.handled {
            Handled::Ran { payload, .. } => (200, payload.as_ref().and_then(error_message)),
            Handled::Barred => (429, Some("Rate Exceeded.".to_owned())),
            Handled::Missed(why) => (500, Some(why.clone())),
            Handled::Gone => (404, None),
        };
        let mut message = message.unwrap_or_else(|| self.condition.to_owned());
        let cut = (0..=MESSAGE_BYTES.min(message.len())).rev().find(|at| message.is_char_boundary(*at));
        message.truncate(cut.unwrap_or_default());
        let attributes = vec![
            ("RequestID".to_owned(), false, self.event.request_id.clone()),
            ("ErrorCode".to_owned(), true, code.to_string()),
            ("ErrorMessage".to_owned(), false, message),
        ];
        let body = String::from_utf8_lossy(self.payload).into_owned();
        self.sending(role, to, body, attributes)
    }
}

fn document(payload: &Bytes) -> Json {
    serde_json::from_slice(payload)
        .unwrap_or_else(|_| Json::String(String::from_utf8_lossy(payload).into_owned()))
}

fn error_message(payload: &Bytes) -> Option<String> {
    let error: Json = serde_json::from_slice(payload).ok()?;
    error.get("errorMessage")?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// `2026-11-21T12:00:00.000Z`
pub fn timestamp(at: Time) -> String {
    let edge = if at.millis() < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    let at = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or(edge);
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
