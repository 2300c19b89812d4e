//! Access logs: a line for each request of a stage that has one, written as the account's role.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html>

use ropeway_core::Time;
use ropeway_core::keys::Scope;
use ropeway_core::log_lines::{LogLines, LogWriter};
use ropeway_wire::protocol::ResponseBody;
use ropeway_wire::{Answer, Cx, Error};
use serde_json::{Map, Value as Json};

use super::Plane;
use super::hit::Hit;
use super::journal::Outcome;
use super::refusal::{Refusal, filled};
use crate::commands::{AccountChange, AccountOutput};

/// Bytes of a line: <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>.
const MAX_LINE: usize = 3 * 1024;

/// The group of an access log's destination.
pub fn group(arn: &str) -> Option<&str> {
    let name = arn.strip_prefix("arn:aws:logs:")?.splitn(4, ':').nth(3)?;
    Some(name.strip_suffix(":*").unwrap_or(name)).filter(|name| !name.is_empty())
}

/// `$context.integration`: of a function behind a proxy, `status` is what its code answered, `integrationStatus` what
/// Lambda did (<https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html>).
fn integration(hit: &Hit<'_>, answer: &Answer, refusal: Option<&Refusal>, status: i64, latency: i64) -> Json {
    let kind = hit.method.and_then(|method| Some(method.integration.as_ref()?.kind.as_str()));
    let own = match (kind, refusal) {
        (Some("AWS_PROXY"), None) => i64::from(answer.status().as_u16()),
        _ => status,
    };
    serde_json::json!({
        "status": own,
        "integrationStatus": status,
        "latency": latency,
        "requestId": hit.request.cx.request_id,
        "error": refusal.and_then(|refusal| refusal.cause.clone().or(refusal.message.clone())),
    })
}

/// What the log of a REST API knows beside what every access log does.
fn context(hit: &Hit<'_>, answer: &Answer, refusal: Option<&Refusal>) -> Map<String, Json> {
    let mut context = hit.context();
    let mut put = |name: &str, value: Json| context.insert(name.to_owned(), value);
    put("xrayTraceId", format!("Root={}", hit.request.cx.trace).into());
    if let Some(Outcome { status, latency }) = hit.outcome() {
        put("integrationStatus", status.into());
        put("integrationLatency", latency.into());
        put("awsEndpointRequestId", hit.request.cx.request_id.clone().into());
        put("integration", integration(hit, answer, refusal, status, latency));
    }
    if let Some(refusal) = refusal {
        if refusal.kind.starts_with("INTEGRATION") {
            put("integrationErrorMessage", refusal.cause.clone().or(refusal.message.clone()).into());
        }
        let error = serde_json::json!({
            "message": refusal.message,
            "messageString": serde_json::json!(refusal.message).to_string(),
            "responseType": refusal.kind,
            "validationErrorString": refusal.validation,
        });
        put("error", error);
    }
    context
}

/// Bytes of an answer.
pub fn length(answer: &Answer) -> usize {
    match answer.body() {
        ResponseBody::Bytes(body) => body.len(),
        ResponseBody::Stream(_) => 0,
    }
}

/// The line of a request, of what is known of it and of its answer. What has no value is a dash.
pub fn line(format: &str, mut context: Map<String, Json>, answer: &Answer, millis: i64) -> String {
    let mut put = |name: &str, value: Json| context.insert(name.to_owned(), value);
    put("status", answer.status().as_u16().into());
    put("responseLength", length(answer).into());
    put("responseLatency", millis.into());
    let mut line = filled(format, &serde_json::json!({ "context": context }), "-");
    line.truncate(line.floor_char_boundary(MAX_LINE));
    line
}

impl Plane {
    /// Hands on the line of a request.
    pub async fn log(&self, hit: &Hit<'_>, answer: &Answer, refusal: Option<&Refusal>) {
        let stage = &hit.served.stage;
        let (Some(destination), Some(format)) = (&stage.log_destination, &stage.log_format) else { return };
        let Some(group) = group(destination) else { return };
        let millis = self.taken(&hit.request.cx);
        let line = line(format, context(hit, answer, refusal), answer, millis);
        let stream = format!("{}/{}", hit.served.name.id, hit.served.stage_name);
        self.hand_on(hit, (group.to_owned(), stream), vec![line], false).await;
    }

    /// Milliseconds since a request came.
    pub fn taken(&self, cx: &Cx) -> i64 {
        self.gateway.core.clock().now().millis().saturating_sub(cx.now.millis())
    }

    /// Hands on the lines of a request, in the name of the account's role: they are durable within a second. A role
    /// that cannot be looked up is told in the server's own log: the request is answered all the same.
    pub async fn hand_on(
        &self,
        hit: &Hit<'_>,
        (group, stream): (String, String),
        lines: Vec<String>,
        makes_group: bool,
    ) {
        let name = &hit.served.name;
        match self.log_role(&hit.request.cx, &name.scope).await {
            Ok(Some(role)) => {
                let writer = LogWriter::ApiGateway { role, makes_group };
                self.hand_on_as(writer, &name.scope, (group, stream), hit.request.cx.now, lines);
            }
            Ok(None) => tracing::warn!(api = name.id, group, "no log was written: the account has no role"),
            Err(error) => tracing::warn!(api = name.id, group, %error, "no log was written"),
        }
    }

    /// Hands on lines in a writer's name.
    pub fn hand_on_as(
        &self,
        writer: LogWriter,
        scope: &Scope,
        (group, stream): (String, String),
        now: Time,
        lines: Vec<String>,
    ) {
        let lines = lines.into_iter().map(|line| (now, line)).collect();
        let (account, region) = (scope.account.clone(), scope.region.clone());
        (self.logs)(LogLines { account, region, group, stream, lines, writer });
    }

    /// The role that the account gave API Gateway for logs, from memory or from rows.
    async fn log_role(&self, cx: &Cx, scope: &Scope) -> Result<Option<String>, Error> {
        let epoch = match self.gateway.live.log_role(scope) {
            Ok(role) => return Ok(role),
            Err(epoch) => epoch,
        };
        let account = self.gateway.account(&cx.trace, scope, AccountChange::Read).await?;
        let AccountOutput::Account(account) = account else { return Err(crate::ops::unexpected()) };
        self.gateway.live.keep_log_role(scope, epoch, account.role.clone());
        Ok(account.role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_named_by_arns() {
        assert_eq!(group("arn:aws:logs:r:a:log-group:/x/y"), Some("/x/y"));
        assert_eq!(group("arn:aws:logs:r:a:log-group:/x/y:*"), Some("/x/y"));
        assert_eq!(group("arn:aws:firehose:r:a:deliverystream/x"), None);
    }
}
