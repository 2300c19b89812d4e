//! Functions: called as API Gateway itself, or as a role.

use std::sync::Arc;

use bytes::Bytes;
use ropeway_api::lambda::{InvokeInput, InvokeOutput};
use ropeway_wire::{AccessRequest, Cx, Gate, Keys, Principal};

use super::Plane;
use super::hit::Hit;
use super::refusal::Refusal;
use crate::keys::ApiName;
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

/// Where a call comes from.
pub struct Origin<'a> {
    /// The request's.
    pub cx: &'a Cx,
    /// The API.
    pub name: &'a ApiName,
    /// The stage's variables.
    pub variables: &'a Texts,
}

/// Why a function was not called.
#[derive(Debug, Clone)]
pub enum Uncalled {
    /// The API is not set up as it ought to be: no such function, or no leave.
    Configuration(String),
    /// The event is larger than a function takes.
    TooLarge,
    /// There are too many calls at once.
    Throttled,
    /// The function's service failed with this status.
    Failed(u16),
}

impl From<Uncalled> for Refusal {
    fn from(why: Uncalled) -> Self {
        let failed = |status: u16| {
            Refusal::integration("Internal server error", 500)
                .because(format!("Lambda invocation failed with status: {status}"))
        };
        match why {
            Uncalled::Configuration(why) => Refusal::configuration().because(why),
            Uncalled::TooLarge => {
                Refusal::new("REQUEST_TOO_LARGE", "RequestTooLargeException", "Request Too Long")
            }
            Uncalled::Throttled => failed(429),
            Uncalled::Failed(status) => failed(status),
        }
    }
}

impl Origin<'_> {
    /// The context of a call in the name of API Gateway, or of a session of a role.
    pub fn within(&self, principal: Principal, source_arn: &str, region: &str) -> Cx {
        let mut keys = Keys::default();
        keys.add("aws:SourceArn", source_arn);
        keys.add("aws:SourceAccount", &self.name.scope.account);
        let gate = Arc::new(Behalf { gate: Arc::clone(&self.cx.gate), keys });
        let mut within = Cx::from_within(gate, principal, region, &self.cx.trace, self.cx.now);
        within.request_id.clone_from(&self.cx.request_id);
        within
    }
}

impl Plane {
    /// Invokes the function of an address.
    pub async fn invoke(&self, hit: &Hit<'_>, order: Order<'_>) -> Result<InvokeOutput, Refusal> {
        let served = hit.served;
        let origin = Origin { cx: &hit.request.cx, name: &served.name, variables: &served.stage.variables };
        Ok(self.invoke_for(&origin, order).await?)
    }

    /// Invokes the function of an address. API Gateway tells its caller little of a call that did not succeed; the
    /// log says more.
    pub async fn invoke_for(&self, origin: &Origin<'_>, order: Order<'_>) -> Result<InvokeOutput, Uncalled> {
        let (api, scope) = (&origin.name.id, &origin.name.scope);
        let uri = with_variables(order.uri, origin.variables);
        let function =
            if uri.starts_with("arn:aws:lambda:") { Some(&*uri) } else { mapping::function_of(&uri) };
        let Some(function) = function else {
            tracing::info!(api, uri, "an integration's address names no function");
            return Err(Uncalled::Configuration(format!("{uri} names no function")));
        };
        let principal = match order.role {
            None => Principal::service(crate::PRINCIPAL, &scope.account),
            Some(role) => self.assume(origin, role)?,
        };
        let region = function.split(':').nth(3).unwrap_or(&scope.region);
        let within = origin.within(principal, &order.source_arn, region);
        let input = InvokeInput {
            function_name: function.to_owned(),
            invocation_type: order.event.then(|| "Event".to_owned()),
            payload: Some(order.payload),
            ..InvokeInput::default()
        };
        self.services.call(within, input).await.map_err(|error| {
            tracing::info!(api, code = %error.code, why = error.message, "a function could not be invoked");
            match error.status {
                403 => Uncalled::Configuration("Invalid permissions on Lambda function".to_owned()),
                413 => Uncalled::TooLarge,
                429 => Uncalled::Throttled,
                500.. => Uncalled::Failed(error.status),
                _ => Uncalled::Configuration(error.message),
            }
        })
    }

    /// The session in which API Gateway acts as a role.
    pub fn assume(&self, origin: &Origin<'_>, role: &str) -> Result<Principal, Uncalled> {
        let mut keys = Keys::default();
        keys.add("aws:SourceArn", &origin.name.execute_arn());
        keys.add("aws:SourceAccount", &origin.name.scope.account);
        let session = "BackplaneAssumeRoleSession";
        self.roles.assume_for_service(role, crate::PRINCIPAL, session, &keys).map_err(|why| {
            tracing::info!(api = origin.name.id, role, why, "an integration's role cannot be assumed");
            let why = "API Gateway does not have permission to assume the provided role";
            Uncalled::Configuration(why.to_owned())
        })
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
