//! Access logs: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging.html>.

use std::sync::Arc;

use ropeway_wire::protocol::ResponseBody;
use ropeway_wire::{Answer, Cx, Principal};
use serde_json::{Value as Json, json};

use super::hit::Hit;
use super::refusal::Refusal;
use crate::plane::Plane;
use crate::plane::log::{Target, cut, group};
use crate::plane::refusal::filled;

/// The line of a request. What has no value is a dash.
fn line(hit: &Hit<'_>, format: &str, answer: &Answer, refusal: Option<&Refusal>, millis: i64) -> String {
    let length = match answer.body() {
        ResponseBody::Bytes(body) => body.len(),
        ResponseBody::Stream(_) => 0,
    };
    let mut context = hit.context();
    let mut put = |name: &str, value: Json| context.insert(name.to_owned(), value);
    put("status", answer.status().as_u16().into());
    put("responseLength", length.into());
    put("responseLatency", millis.into());
    put("dataProcessed", (length + hit.request.body.len()).into());
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
    cut(filled(format, &json!({ "context": context }), "-"))
}

impl Plane {
    /// Writes the line of a request, before it is answered. A line that cannot be written is told in the server's own
    /// log: the request is answered all the same.
    ///
    /// Whoever sets an HTTP API's access log lets the log delivery of AWS write into the group; here the account
    /// itself writes.
    pub async fn log_http(&self, hit: &Hit<'_>, answer: &Answer, refusal: Option<&Refusal>) {
        let stage = &hit.stage.stage;
        let (Some(destination), Some(format)) = (&stage.log_destination, &stage.log_format) else { return };
        let cx = &hit.request.cx;
        let millis = self.gateway.core.clock().now().millis().saturating_sub(cx.now.millis());
        let name = &hit.api.name;
        let line = line(hit, format, answer, refusal, millis);
        let principal = Principal::root(&name.scope.account);
        let within = Cx::from_within(Arc::clone(&cx.gate), principal, &name.scope.region, &cx.trace, cx.now);
        let stream = format!("{}/{}", name.id, hit.stage.name);
        let Some(group) = group(destination) else { return };
        let target = Target { group, stream: &stream, makes_group: false };
        if let Err(error) = self.put_within(within, target, vec![line]).await {
            let api = &name.id;
            tracing::warn!(api, code = %error.code, why = error.message, "an access log was not written");
        }
    }
}
