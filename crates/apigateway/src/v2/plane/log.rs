//! Access logs: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging.html>.

use ropeway_core::log_lines::LogWriter;
use ropeway_wire::Answer;
use serde_json::{Map, Value as Json, json};

use super::hit::Hit;
use super::refusal::Refusal;
use crate::plane::Plane;
use crate::plane::log::{group, length, line};

/// What the log of an HTTP API knows beside what every access log does.
fn context(hit: &Hit<'_>, answer: &Answer, refusal: Option<&Refusal>) -> Map<String, Json> {
    let mut context = hit.context();
    let mut put = |name: &str, value: Json| context.insert(name.to_owned(), value);
    put("dataProcessed", (length(answer) + hit.request.body.len()).into());
    if let Some(refusal) = refusal {
        let message = refusal.message;
        put("error", json!({ "message": message, "messageString": json!(message).to_string() }));
        put("integrationErrorMessage", refusal.why.as_ref().into());
        put("integration", json!({ "error": refusal.why }));
    } else {
        let status = answer.status().as_u16();
        put("integrationStatus", status.into());
        put("integration", json!({ "status": status, "integrationStatus": status }));
    }
    context
}

impl Plane {
    /// Hands on the line of a request.
    ///
    /// Whoever sets an HTTP API's access log lets the log delivery of AWS write into the group; here the account
    /// itself writes.
    pub fn log_http(&self, hit: &Hit<'_>, answer: &Answer, refusal: Option<&Refusal>) {
        let stage = &hit.stage.stage;
        let (Some(destination), Some(format)) = (&stage.log_destination, &stage.log_format) else { return };
        let Some(group) = group(destination) else { return };
        let (cx, name) = (&hit.request.cx, &hit.api.name);
        let line = line(format, context(hit, answer, refusal), answer, self.taken(cx));
        let place = (group.to_owned(), format!("{}/{}", name.id, hit.stage.name));
        self.hand_on_as(LogWriter::Account, &name.scope, place, cx.now, vec![line]);
    }
}
