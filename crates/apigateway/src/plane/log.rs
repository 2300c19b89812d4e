//! Access logs: a line for each request of a stage that has one, written as the account's role.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html>

use std::sync::Arc;

use ropeway_api::logs::{CreateLogGroupInput, CreateLogStreamInput, InputLogEvent, PutLogEventsInput};
use ropeway_wire::protocol::ResponseBody;
use ropeway_wire::{Answer, Cx, Error, Keys};
use serde_json::Value as Json;

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
    cut(filled(format, &serde_json::json!({ "context": context }), "-"))
}

/// Cuts a line where AWS does.
pub fn cut(mut line: String) -> String {
    while line.len() > MAX_LINE {
        line.pop();
    }
    line
}

/// Where lines go.
pub struct Target<'a> {
    /// The log group.
    pub group: &'a str,
    /// The log stream.
    pub stream: &'a str,
    /// The group is API Gateway's own to make.
    pub makes_group: bool,
}

impl Plane {
    /// Writes the line of a request, before it is answered. A line that cannot be written is told in the
    /// server's own log: the request is answered all the same.
    pub async fn log(&self, hit: &Hit<'_>, answer: &Answer, refusal: Option<&Refusal>) {
        let stage = &hit.served.stage;
        let (Some(destination), Some(format)) = (&stage.log_destination, &stage.log_format) else { return };
        let began = hit.request.cx.now;
        let millis = self.gateway.core.clock().now().millis().saturating_sub(began.millis());
        let line = line(hit, format, answer, refusal, millis);
        if let Err(error) = self.write(hit, destination, line).await {
            let api = &hit.served.name.id;
            tracing::warn!(api, code = %error.code, why = error.message, "an access log was not written");
        }
    }

    async fn write(&self, hit: &Hit<'_>, destination: &str, line: String) -> Result<(), Error> {
        let group = group(destination).ok_or_else(|| Error::internal("the destination is no log group"))?;
        let stream = format!("{}/{}", hit.served.name.id, hit.served.stage_name);
        self.put_lines(hit, Target { group, stream: &stream, makes_group: false }, vec![line]).await
    }

    /// What API Gateway does for an account's logs, it does as the account's role.
    async fn as_role(&self, hit: &Hit<'_>) -> Result<Cx, Error> {
        let (name, cx) = (&hit.served.name, &hit.request.cx);
        let account = self.gateway.account(&cx.trace, &name.scope, AccountChange::Read).await?;
        let AccountOutput::Account(account) = account else { return Err(crate::ops::unexpected()) };
        let role = account.role.ok_or_else(|| Error::internal("the account has no role for logs"))?;
        let mut keys = Keys::default();
        keys.add("aws:SourceAccount", &name.scope.account);
        let session = "BackplaneAssumeRoleSession";
        let principal = self.roles.assume_for_service(&role, crate::PRINCIPAL, session, &keys);
        let principal = principal.map_err(|why| Error::new(403, "AccessDenied", why))?;
        Ok(Cx::from_within(Arc::clone(&cx.gate), principal, &name.scope.region, &cx.trace, cx.now))
    }

    /// Puts lines, and makes what they go to if it is not there.
    pub async fn put_lines(
        &self,
        hit: &Hit<'_>,
        target: Target<'_>,
        lines: Vec<String>,
    ) -> Result<(), Error> {
        let within = self.as_role(hit).await?;
        self.put_within(within, target, lines).await
    }

    /// Puts lines in the name of whoever the context says.
    pub async fn put_within(&self, within: Cx, target: Target<'_>, lines: Vec<String>) -> Result<(), Error> {
        let timestamp = within.now.millis();
        let events: Vec<InputLogEvent> =
            lines.into_iter().map(|message| InputLogEvent { timestamp, message }).collect();
        let input = PutLogEventsInput {
            log_group_name: target.group.to_owned(),
            log_stream_name: target.stream.to_owned(),
            log_events: events,
            ..PutLogEventsInput::default()
        };
        match self.services.call(within.clone(), input.clone()).await {
            Err(error) if error.code == "ResourceNotFoundException" => {}
            answer => return answer.map(drop),
        }
        let is_there = |error: &Error| error.code == "ResourceAlreadyExistsException";
        if target.makes_group {
            let log_group_name = target.group.to_owned();
            let create = CreateLogGroupInput { log_group_name, ..CreateLogGroupInput::default() };
            self.services
                .call(within.clone(), create)
                .await
                .map(drop)
                .or_else(|error| if is_there(&error) { Ok(()) } else { Err(error) })?;
        }
        let create = CreateLogStreamInput {
            log_group_name: target.group.to_owned(),
            log_stream_name: target.stream.to_owned(),
        };
        self.services
            .call(within.clone(), create)
            .await
            .map(drop)
            .or_else(|error| if is_there(&error) { Ok(()) } else { Err(error) })?;
        self.services.call(within, input).await.map(drop)
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
