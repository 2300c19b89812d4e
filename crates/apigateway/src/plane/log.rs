//! Access logs: a line for each request of a stage that has one, written as the account's role.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html>

use std::sync::Arc;

use ropeway_api::logs::{CreateLogStreamInput, InputLogEvent, PutLogEventsInput};
use ropeway_wire::protocol::ResponseBody;
use ropeway_wire::{Answer, Cx, Error, Keys};
use serde_json::Value as Json;

use super::Plane;
use super::hit::Hit;
use super::refusal::{Refusal, filled};
use crate::commands::{AccountChange, AccountOutput};

/// Bytes of a line: <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>.
const MAX_LINE: usize = 3 * 1024;

/// The group of an access log's destination.
fn group(arn: &str) -> Option<&str> {
    let name = arn.strip_prefix("arn:aws:logs:")?.splitn(4, ':').nth(3)?;
    Some(name.strip_suffix(":*").unwrap_or(name)).filter(|name| !name.is_empty())
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
    if let Some(refusal) = refusal {
        let error = serde_json::json!({
            "message": refusal.message,
            "messageString": serde_json::json!(refusal.message).to_string(),
            "responseType": refusal.kind,
            "validationErrorString": refusal.validation,
        });
        put("error", error);
    }
    let mut text = filled(format, &serde_json::json!({ "context": context }), "-");
    while text.len() > MAX_LINE {
        text.pop();
    }
    text
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
        let (name, cx) = (&hit.served.name, &hit.request.cx);
        let group = group(destination).ok_or_else(|| Error::internal("the destination is no log group"))?;
        let account = self.gateway.account(&cx.trace, &name.scope, AccountChange::Read).await?;
        let AccountOutput::Account(account) = account else { return Err(crate::ops::unexpected()) };
        let role = account.role.ok_or_else(|| Error::internal("the account has no role for logs"))?;
        let mut keys = Keys::default();
        keys.add("aws:SourceAccount", &name.scope.account);
        let session = "BackplaneAssumeRoleSession";
        let principal = self.roles.assume_for_service(&role, crate::PRINCIPAL, session, &keys);
        let principal = principal.map_err(|why| Error::new(403, "AccessDenied", why))?;
        let within = Cx::from_within(Arc::clone(&cx.gate), principal, &name.scope.region, &cx.trace, cx.now);
        let stream = format!("{}/{}", name.id, hit.served.stage_name);
        let input = || PutLogEventsInput {
            log_group_name: group.to_owned(),
            log_stream_name: stream.clone(),
            log_events: vec![InputLogEvent { timestamp: cx.now.millis(), message: line.clone() }],
            ..PutLogEventsInput::default()
        };
        match self.services.call(within.clone(), input()).await {
            Err(error) if error.code == "ResourceNotFoundException" => {
                let create = CreateLogStreamInput {
                    log_group_name: group.to_owned(),
                    log_stream_name: stream.clone(),
                };
                match self.services.call(within.clone(), create).await {
                    Err(error) if error.code != "ResourceAlreadyExistsException" => return Err(error),
                    _ => {}
                }
                self.services.call(within, input()).await.map(drop)
            }
            answer => answer.map(drop),
        }
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
