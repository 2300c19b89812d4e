//! Functions: called as API Gateway itself, or as a role.

use std::sync::Arc;

use bytes::Bytes;
use ropeway_api::lambda::{InvokeInput, InvokeOutput};
use ropeway_wire::{AccessRequest, Cx, Error, Gate, Keys, Principal};

use super::Plane;
use super::hit::Hit;
use super::refusal::Refusal;
use crate::mapping;
use crate::model::Texts;

/// Adds the keys of whoever a call is made for: `aws:SourceArn`, `aws:SourceAccount`.
struct Behalf {
    gate: Arc<dyn Gate>,
    keys: Keys,
}

impl Gate for Behalf {
    fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), String> {
        let mut keys = self.keys.clone();
        for (key, values) in request.keys.iter() {
            keys.add_all(key, values.to_vec());
        }
        self.gate.authorize(&AccessRequest { keys: &keys, ..*request })
    }

    fn set_resource_policy(&self, resource: &str, policy: Option<&str>) {
        self.gate.set_resource_policy(resource, policy);
    }

    fn set_resource_owner(&self, resource: &str, account: Option<&str>) {
        self.gate.set_resource_owner(resource, account);
    }
}

/// A text with `${stageVariables.name}` in it.
pub fn with_variables(text: &str, variables: &Texts) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${stageVariables.") {
        out.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            out.push_str("${stageVariables.");
            rest = after;
            break;
        };
        out.push_str(variables.get(name).map_or("", String::as_str));
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// How a call is made.
pub struct Order<'a> {
    /// The address of an integration or an authoriser.
    pub uri: &'a str,
    /// The role to call as.
    pub role: Option<&'a str>,
    /// On whose behalf: `aws:SourceArn`.
    pub source_arn: String,
    /// The event.
    pub payload: Bytes,
    /// Asynchronously.
    pub event: bool,
}

impl Plane {
    /// Invokes the function of an address.
    pub async fn invoke(&self, hit: &Hit<'_>, order: Order<'_>) -> Result<InvokeOutput, Refusal> {
        let uri = with_variables(order.uri, &hit.served.stage.variables);
        let Some(function) = mapping::function_of(&uri) else {
            tracing::info!(api = hit.served.name.id, uri, "an integration's address names no function");
            return Err(Refusal::configuration().because(format!("{uri} names no function")));
        };
        let scope = &hit.served.name.scope;
        let principal = match order.role {
            None => Principal::service(crate::PRINCIPAL, &scope.account),
            Some(role) => self.assume(hit, role)?,
        };
        let mut keys = Keys::default();
        keys.add("aws:SourceArn", &order.source_arn);
        keys.add("aws:SourceAccount", &scope.account);
        let gate = Arc::new(Behalf { gate: Arc::clone(&hit.request.cx.gate), keys });
        let cx = &hit.request.cx;
        let region = function.split(':').nth(3).unwrap_or(&scope.region);
        let mut within = Cx::from_within(gate, principal, region, &cx.trace, cx.now);
        within.request_id.clone_from(&cx.request_id);
        let input = InvokeInput {
            function_name: function.to_owned(),
            invocation_type: order.event.then(|| "Event".to_owned()),
            payload: Some(order.payload),
            ..InvokeInput::default()
        };
        self.services.call(within, input).await.map_err(|error| failed(hit, &error))
    }

    /// The session in which API Gateway acts as a role.
    fn assume(&self, hit: &Hit<'_>, role: &str) -> Result<Principal, Refusal> {
        let mut keys = Keys::default();
        keys.add("aws:SourceArn", &hit.served.name.execute_arn());
        keys.add("aws:SourceAccount", &hit.served.name.scope.account);
        let session = "BackplaneAssumeRoleSession";
        self.roles.assume_for_service(role, crate::PRINCIPAL, session, &keys).map_err(|why| {
            tracing::info!(api = hit.served.name.id, role, why, "an integration's role cannot be assumed");
            Refusal::configuration()
                .because("API Gateway does not have permission to assume the provided role")
        })
    }
}

/// API Gateway tells its caller little of a call that did not succeed; the log says more.
fn failed(hit: &Hit<'_>, error: &Error) -> Refusal {
    let api = &hit.served.name.id;
    tracing::info!(api, code = %error.code, why = error.message, "a function could not be invoked");
    match error.status {
        429 | 500.. => Refusal::integration("Internal server error", 500)
            .because(format!("Lambda invocation failed with status: {}", error.status)),
        413 => Refusal::new("REQUEST_TOO_LARGE", "RequestTooLargeException", "Request Too Long"),
        403 => Refusal::configuration().because("Invalid permissions on Lambda function"),
        _ => Refusal::configuration().because(error.message.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stage_variables_are_filled_in() {
        let variables = Texts::from([("f".to_owned(), "orders".to_owned())]);
        assert_eq!(with_variables("a:${stageVariables.f}:b${stageVariables.x}", &variables), "a:orders:b");
        assert_eq!(with_variables("plain ${context.x}", &variables), "plain ${context.x}");
        assert_eq!(with_variables("open ${stageVariables.f", &variables), "open ${stageVariables.f");
    }
}
