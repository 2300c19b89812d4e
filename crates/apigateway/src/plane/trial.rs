//! TestInvokeMethod and TestInvokeAuthorizer: a method or an authoriser as it is edited, called without a stage and
//! without asking whether the caller may, with its execution log in the answer.

use std::sync::Mutex;

use bytes::Bytes;
use ropeway_wire::gateway::{SiteRequest, payload};
use ropeway_wire::protocol::ResponseBody;
use ropeway_wire::{Answer, Cx};
use serde_json::Value as Json;

use super::hit::{Hit, Pairs};
use super::journal::Journal;
use super::ready::Ready;
use super::router::Router;
use super::{Plane, Served, address, answer, validate};
use crate::model::{Api, Authorizer, Stage, Texts};

/// The stage's name in such calls' ARNs and contexts.
const STAGE: &str = "test-invoke-stage";

/// The simulated request.
pub struct Trial {
    /// The path and the query string.
    pub path: String,
    /// The verb.
    pub verb: String,
    /// The body.
    pub body: String,
    /// Headers.
    pub headers: Pairs,
    /// Stage variables.
    pub variables: Texts,
}

/// What came of it.
pub struct Tried<T> {
    /// What the client would have got.
    pub found: T,
    /// The execution log.
    pub log: String,
    /// Milliseconds.
    pub latency: i64,
}

/// What an authoriser said.
pub struct Said {
    /// The status that the client would have got; 0: the authoriser let it pass, or not, as its policy says.
    pub status: u16,
    /// `principalId`
    pub principal: Option<String>,
    /// The policy.
    pub policy: Option<String>,
}

impl Plane {
    /// Calls a method.
    pub async fn try_method(&self, cx: &Cx, api: Api, resource: &str, trial: Trial) -> Tried<Answer> {
        let (request, served) = made(cx, api, &trial);
        let mut hit = hit(&request, &served, trial);
        let place = served.definition.path(resource);
        let mut router = Router::default();
        router.add(&place, resource);
        hit.path_params = router.find(&request.path).map(|(_, values)| values).unwrap_or_default();
        hit.resource = Some((resource, place));
        let methods = served.definition.resources.get(resource).map(|resource| &resource.methods);
        let found = methods
            .and_then(|all| all.get_key_value(request.method.as_str()).or_else(|| all.get_key_value("ANY")));
        let result = match found {
            None => Err(super::refusal::Refusal::configuration()),
            Some((verb, method)) => {
                (hit.method, hit.verb) = (Some(method), verb);
                hit.open();
                match validate::check(&hit, method) {
                    Ok(()) => self.integrate(&hit, method).await,
                    Err(refusal) => Err(refusal),
                }
            }
        };
        let (mut answer, refusal) = match result {
            Ok(answer) => (answer, None),
            Err(refusal) => (refusal.answer(&hit), Some(refusal)),
        };
        answer::put(answer.headers_mut(), "X-Amzn-Trace-Id", &format!("Root={}", cx.trace));
        hit.close(&answer, refusal.as_ref());
        Tried { found: answer, log: log(&hit), latency: self.taken(cx) }
    }

    /// Calls an authoriser.
    pub async fn try_authorizer(
        &self,
        cx: &Cx,
        api: Api,
        (id, authorizer): (&str, &Authorizer),
        trial: Trial,
    ) -> Tried<Said> {
        let (request, served) = made(cx, api, &trial);
        let hit = hit(&request, &served, trial);
        hit.note(|| format!("Starting authorizer: {id} for request: {}", request.cx.request_id));
        let said = match super::authorizer::identity(&hit, authorizer) {
            Ok(identity) => self.ask(&hit, id, authorizer, &identity).await,
            Err(refusal) => Err(refusal),
        };
        let said = said.and_then(|said| {
            super::authorizer::verdict(&said, cx.now).map_err(|why| super::authorizer::broken(&hit, why))?;
            Ok(said)
        });
        let found = match said {
            Ok(said) => {
                hit.note(|| "Successfully completed authorizer execution".to_owned());
                let policy = said.get("policyDocument").map(Json::to_string);
                let principal = said.get("principalId").and_then(Json::as_str).map(str::to_owned);
                Said { status: 0, principal, policy }
            }
            Err(refusal) => {
                hit.note_failure(|| match refusal.status {
                    401 => format!("Unauthorized request: {}", request.cx.request_id),
                    _ => "Execution failed due to configuration error: Authorizer error".to_owned(),
                });
                Said { status: refusal.status, principal: None, policy: None }
            }
        };
        Tried { found, log: log(&hit), latency: self.taken(cx) }
    }
}

/// The request, and the API as if a stage served it.
fn made(cx: &Cx, api: Api, trial: &Trial) -> (SiteRequest, Served) {
    let (path, query) = trial.path.split_once('?').unwrap_or((&trial.path, ""));
    let request = SiteRequest {
        cx: cx.clone(),
        signed: None,
        method: trial.verb.parse().unwrap_or_default(),
        host: format!("{}{}{}.localhost", api.name.id, address::LABEL, api.name.scope.region),
        local: None,
        path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
        query: query.to_owned(),
        headers: http::HeaderMap::new(),
        body: Bytes::from(trial.body.clone()),
    };
    let stage = Stage { variables: trial.variables.clone(), ..Stage::default() };
    let served = Served {
        name: api.name,
        settings: api.settings,
        stage_name: STAGE.to_owned(),
        stage,
        router: Router::default(),
        ready: Ready::new(&api.definition),
        definition: api.definition,
        verdicts: Mutex::default(),
    };
    (request, served)
}

fn hit<'a>(request: &'a SiteRequest, served: &'a Served, trial: Trial) -> Hit<'a> {
    Hit {
        request,
        served,
        path: &request.path,
        base: None,
        domain: request.host.clone(),
        resource: None,
        method: None,
        verb: request.method.as_str(),
        journal: Journal::whole(),
        path_params: Texts::default(),
        query: payload::pairs(&request.query),
        headers: trial.headers,
        extended_id: String::new(),
        caller: None,
        api_key: None,
        authorizer: None,
    }
}

/// The lines as such an answer has them, each with the moment: `Sat Nov 21 15:00:00 UTC 2026 : …`.
fn log(hit: &Hit<'_>) -> String {
    let now = jiff::Timestamp::from_millisecond(hit.request.cx.now.millis()).unwrap_or_default();
    let now = now.strftime("%a %b %d %H:%M:%S UTC %Y").to_string();
    let mut out = format!("Execution log for request {}\n", hit.request.cx.request_id);
    for line in hit.take_lines() {
        out.push_str(&format!("{now} : {line}\n"));
    }
    out
}

/// The body of an answer, as text.
pub fn body_of(answer: &Answer) -> String {
    match answer.body() {
        ResponseBody::Bytes(body) => String::from_utf8_lossy(body).into_owned(),
        ResponseBody::Stream(_) => String::new(),
    }
}
