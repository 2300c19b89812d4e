//! Who may call a route: IAM, tokens, Lambda authorizers.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control.html>

use bytes::Bytes;
use ropeway_core::Time;
use ropeway_wire::{AccessRequest, Keys, Listed};
use serde_json::{Map, Value as Json};

use super::hit::{Hit, Pass};
use super::refusal::Refusal;
use super::{event, mapping};
use crate::plane::Plane;
use crate::plane::authorizer::{MOST_KEPT, Statement, allowed, statements};
use crate::plane::lambda::Order;
use crate::v2::model::{Authorizer, Route};

/// What a signature must be for.
const SERVICE: &str = "execute-api";

/// What an authorizer's function said, and until when it holds.
#[derive(Debug, Clone)]
pub struct Verdict {
    said: Said,
    context: Map<String, Json>,
    principal: Option<String>,
    until: Time,
}

#[derive(Debug, Clone)]
enum Said {
    /// `isAuthorized`
    Simple(bool),
    /// a policy
    Policy(Vec<Statement>),
}

/// A route with IAM authorization: a good signature, and policies that allow.
fn signed(hit: &Hit<'_>) -> Result<Pass, Refusal> {
    let cx = &hit.request.cx;
    match &hit.request.signed {
        Some(Ok(service)) if service == SERVICE => {}
        _ => return Err(Refusal::forbidden()),
    }
    let (resource, keys) = (hit.method_arn(), Keys::default());
    let (resource, keys, listed) = (&resource, &keys, Listed::default());
    let asked = AccessRequest { cx, action: "execute-api:Invoke", resource, keys, listed };
    match cx.gate.authorize(&asked) {
        Ok(()) => Ok(Pass::Iam(cx.principal.as_ref().clone())),
        Err(why) => {
            tracing::info!(api = hit.api.name.id, why, "a call is not allowed");
            Err(Refusal::forbidden())
        }
    }
}

/// The authorizer's answer cannot be used: AWS tells its caller nothing more.
fn broken(hit: &Hit<'_>, why: &'static str) -> Refusal {
    tracing::info!(api = hit.api.name.id, why, "an authorizer's answer cannot be used");
    Refusal { why: why.into(), ..Refusal::internal() }
}

/// Reads what the function answered.
fn verdict(said: &Json, simple: bool, until: Time) -> Result<Verdict, &'static str> {
    let context = match said.get("context") {
        None | Some(Json::Null) => Map::new(),
        Some(Json::Object(context)) => context.clone(),
        Some(_) => return Err("the context is no object"),
    };
    let principal = said.get("principalId").and_then(Json::as_str).map(str::to_owned);
    let said = match simple {
        true => {
            let is = said.get("isAuthorized").and_then(Json::as_bool);
            Said::Simple(is.ok_or("there is no isAuthorized")?)
        }
        false => {
            let policy = said.get("policyDocument").ok_or("there is no policyDocument")?;
            Said::Policy(statements(policy)?)
        }
    };
    Ok(Verdict { said, context, principal, until })
}

/// The values that an authorizer goes by; a missing one is a refusal.
pub fn identity(hit: &Hit<'_>, authorizer: &Authorizer) -> Result<Vec<String>, Refusal> {
    let value = |source: &String| {
        let variable = source.strip_prefix('$').unwrap_or(source);
        mapping::request_value(hit, variable).filter(|value| !value.is_empty())
    };
    authorizer.identity.iter().map(|source| value(source).ok_or_else(Refusal::unauthorized)).collect()
}

impl Plane {
    /// Whether the route may be called.
    pub async fn authorize_http(&self, hit: &mut Hit<'_>, route: &Route) -> Result<(), Refusal> {
        let pass = match route.authorization.as_str() {
            "AWS_IAM" => Some(signed(hit)?),
            "JWT" => Some(self.token(hit, route).await?),
            "CUSTOM" => Some(self.ask_function(hit, route).await?),
            _ => None,
        };
        hit.pass = pass;
        Ok(())
    }

    /// Asks the route's function, or remembers what it said.
    async fn ask_function(&self, hit: &Hit<'_>, route: &Route) -> Result<Pass, Refusal> {
        let id = route.authorizer.as_deref().unwrap_or_default();
        let authorizer = hit.stage.definition.authorizers.get(id).ok_or_else(Refusal::internal)?;
        let identity = identity(hit, authorizer)?;
        let now = hit.request.cx.now;
        let ttl = authorizer.ttl_secs.unwrap_or(0);
        let key = (id.to_owned(), identity.clone());
        let known = (ttl > 0).then(|| hit.stage.verdicts().get(&key).cloned()).flatten();
        let verdict = match known.filter(|verdict| verdict.until > now) {
            Some(verdict) => verdict,
            None => {
                let verdict =
                    self.judged(hit, id, authorizer, &identity, now.plus_secs(i64::from(ttl))).await?;
                if ttl > 0 {
                    let mut verdicts = hit.stage.verdicts();
                    if verdicts.len() >= MOST_KEPT {
                        verdicts.clear();
                    }
                    verdicts.insert(key, verdict.clone());
                }
                verdict
            }
        };
        let allows = match &verdict.said {
            Said::Simple(is) => *is,
            Said::Policy(statements) => allowed(statements, &hit.method_arn()) == Some(true),
        };
        match allows {
            true => Ok(Pass::Lambda(verdict.context, verdict.principal)),
            false => Err(Refusal::forbidden()),
        }
    }

    async fn judged(
        &self,
        hit: &Hit<'_>,
        id: &str,
        authorizer: &Authorizer,
        identity: &[String],
        until: Time,
    ) -> Result<Verdict, Refusal> {
        let version = authorizer.payload.as_deref().unwrap_or("1.0");
        let order = Order {
            uri: authorizer.uri.as_deref().unwrap_or_default(),
            role: authorizer.credentials.as_deref(),
            source_arn: format!("{}/authorizers/{id}", hit.api.name.execute_arn()),
            payload: Bytes::from(event::asked(hit, version, identity).to_string()),
            event: false,
        };
        let output = self.invoke_for(&hit.origin(), order).await;
        let output = output.map_err(|_| broken(hit, "it could not be invoked"))?;
        let said: Json = serde_json::from_slice(&output.payload.unwrap_or_default())
            .map_err(|_| broken(hit, "it is no JSON"))?;
        if output.function_error.is_some() {
            // "If … throws Unauthorized, the caller gets a 401", as with REST APIs.
            return match said.get("errorMessage").and_then(Json::as_str) {
                Some("Unauthorized") => Err(Refusal::unauthorized()),
                _ => Err(broken(hit, "it failed")),
            };
        }
        verdict(&said, authorizer.simple == Some(true), until).map_err(|why| broken(hit, why))
    }
}
