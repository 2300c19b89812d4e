//! The data plane of HTTP APIs: requests of deployed stages.
//!
//! `<id>.execute-api.<region>.localhost/…`, where the stage `$default` has no part of the path and another is its first,
//! `/restapis/<id>/<stage>/_user_request_/…`, and custom domain names.

mod authorize;
mod cors;
mod endpoint;
mod event;
mod hit;
pub mod integrations;
mod jwt;
mod log;
pub mod mapping;
mod refusal;
mod routes;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use ropeway_wire::gateway::{SiteRequest, payload};
use ropeway_wire::protocol::ResponseBody;
use ropeway_wire::{Answer, Cx, Error};

use super::model::{DEFAULT, Definition, Integration, Settings, Stage};
use crate::keys::{self, ApiName};
use crate::model::{Domain, Throttle};
use crate::plane::address::{self, LABEL};
use crate::plane::lambda::{Order, Uncalled};
use crate::plane::{MAX_BODY, Plane};
use hit::Hit;
pub use jwt::Issuers;
use refusal::Refusal;
use routes::Routes;

/// An HTTP API, ready to serve.
pub struct ServedApi {
    /// The API.
    pub name: ApiName,
    /// What is set for it.
    pub settings: Settings,
    /// Those of its stages that have a deployment, by name.
    pub stages: BTreeMap<String, ServedStage>,
}

/// A stage, ready to serve.
pub struct ServedStage {
    /// Its name.
    pub name: String,
    /// The stage.
    pub stage: Stage,
    /// What its deployment froze.
    pub definition: Definition,
    routes: Routes,
    verdicts: Mutex<Verdicts>,
}

/// What authorizers said, by their ids and what they went by.
type Verdicts = BTreeMap<(String, Vec<String>), authorize::Verdict>;

impl ServedStage {
    fn verdicts(&self) -> MutexGuard<'_, Verdicts> {
        self.verdicts.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Where a request leads: the API's id, the stage if the address names it, the path, and the base path of a custom
/// domain name.
struct Address {
    id: String,
    stage: Option<String>,
    path: String,
    base: Option<String>,
}

fn address_of(request: &SiteRequest, domain: Option<&Domain>) -> Option<Address> {
    if let Some(domain) = domain {
        let address::Address { id, stage, path, base } = address::mapped(domain, &request.path)?;
        return Some(Address { id, stage: Some(stage), path, base });
    }
    if let Some((id, _)) = request.host.split_once(LABEL) {
        return Some(Address { id: id.to_owned(), stage: None, path: request.path.clone(), base: None });
    }
    let found = address::own(&request.host, &request.path)?;
    let stage = Some(payload::decoded(&found.stage));
    Some(Address { id: found.id, stage, path: found.path, base: None })
}

impl ServedApi {
    /// The stage of a path, and the path behind its name.
    fn stage<'p>(&self, address: &'p Address) -> Option<(&ServedStage, &'p str)> {
        if let Some(name) = &address.stage {
            return Some((self.stages.get(name)?, &address.path));
        }
        let rest = address.path.strip_prefix('/').unwrap_or(&address.path);
        let name = rest.split('/').next().unwrap_or_default();
        if let Some(stage) = self.stages.get(name) {
            let rest = rest.get(name.len()..).unwrap_or_default();
            return Some((stage, if rest.is_empty() { "/" } else { rest }));
        }
        Some((self.stages.get(DEFAULT)?, &address.path))
    }
}

impl Plane {
    /// Answers a request that is for an HTTP API; `None` if it is not.
    pub async fn http_answer(&self, request: &SiteRequest, request_id: &str) -> Option<Answer> {
        let address = address_of(request, self.gateway.live.domain(&request.host).as_deref())?;
        let api = match self.served_http(&request.cx, &address.id).await {
            Ok(api) => api?,
            Err(error) => {
                tracing::warn!(api = address.id, why = error.message, "an HTTP API could not be read");
                return Some(Refusal::internal().answer());
            }
        };
        let Some((stage, path)) = api.stage(&address) else { return Some(Refusal::not_found().answer()) };
        if address.stage.is_none() && stage.definition.disable_endpoint {
            return Some(Refusal::not_found().answer());
        }
        let mut hit = Hit::new(request, &api, stage, path, request_id);
        hit.at_base(address.base.as_deref());
        if let Some(answer) = stage.definition.cors.as_ref().and_then(|cors| cors::preflight(cors, request)) {
            return Some(answer);
        }
        let (mut answer, refusal) = match self.carry_out_http(&mut hit).await {
            Ok(answer) => (answer, None),
            Err(refusal) => (refusal.answer(), Some(refusal)),
        };
        if let Some(cors) = &stage.definition.cors {
            cors::add(cors, request, answer.headers_mut());
        }
        self.log_http(&hit, &answer, refusal.as_ref());
        Some(answer)
    }

    /// An HTTP API, from memory or from rows; `None` if it is not there.
    async fn served_http(&self, cx: &Cx, id: &str) -> Result<Option<Arc<ServedApi>>, Error> {
        let epoch = match self.gateway.live.http(id) {
            Ok(served) => return Ok(Some(served)),
            Err(epoch) => epoch,
        };
        if self.gateway.live.is_rest(id) {
            return Ok(None);
        }
        let name = self.whose(&cx.trace, keys::http_id_list(id), id).await?;
        let Some(name) = name else { return Ok(None) };
        let api = match self.gateway.read_http(&cx.trace, &name).await {
            Ok(api) => api,
            Err(error) if error.code == "NotFoundException" => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut stages = BTreeMap::new();
        for (stage_name, stage) in api.stages {
            let Some(deployment) = &stage.deployment else { continue };
            let definition = self.gateway.http_snapshot(&cx.trace, &name, deployment).await?;
            let routes = Routes::new(&definition);
            let verdicts = Mutex::default();
            let served = ServedStage { name: stage_name.clone(), stage, definition, routes, verdicts };
            stages.insert(stage_name, served);
        }
        let served = Arc::new(ServedApi { name, settings: api.settings, stages });
        self.gateway.live.keep_http(id, epoch, Arc::clone(&served));
        Ok(Some(served))
    }

    async fn carry_out_http(&self, hit: &mut Hit<'_>) -> Result<Answer, Refusal> {
        if hit.request.body.len() > MAX_BODY {
            return Err(Refusal::new(413, "Request Entity Too Large"));
        }
        let stage = hit.stage;
        let found =
            stage.routes.find(hit.request.method.as_str(), hit.path).ok_or_else(Refusal::not_found)?;
        let route = stage.definition.routes.get(found.id).ok_or_else(Refusal::not_found)?;
        hit.route = Some(route);
        hit.path_params = found.values;
        self.throttle_http(hit, &route.key)?;
        self.authorize_http(hit, route).await?;
        let integration = route.integration.as_ref().and_then(|id| stage.definition.integrations.get(id));
        let integration = integration.ok_or_else(Refusal::not_found)?;
        let clock = self.gateway.core.clock();
        let deadline = clock.now().plus_millis(i64::from(integration.timeout_millis));
        let answer = tokio::select! {
            answer = self.call_http(hit, integration) => answer?,
            () = clock.sleep_until(deadline) => return Err(Refusal::unavailable("Integration timed out")),
        };
        Ok(mapping::respond(hit, integration, answer))
    }

    /// What the stage says of the route, or of all, and what the account has.
    fn throttle_http(&self, hit: &Hit<'_>, key: &str) -> Result<(), Refusal> {
        let stage = &hit.stage.stage;
        let base = format!("http/{}/{}", hit.api.name.id, hit.stage.name);
        let set = |limit: &&Throttle| limit.rate.is_some() || limit.burst.is_some();
        let limit = stage.route_throttles.get(key).filter(set);
        let limit = limit.or_else(|| Some(&stage.default_throttle).filter(set));
        // Routes share nothing but what the account has: each has a bucket of its own.
        let now = hit.request.cx.now;
        let of_route =
            limit.is_none_or(|limit| self.buckets.take(format!("{base}/{key}"), self.limits(limit), now));
        let taken = of_route && self.account_admits(&hit.api.name.scope, now);
        match taken {
            true => Ok(()),
            false => Err(Refusal::new(429, "Too Many Requests")),
        }
    }

    async fn call_http(&self, hit: &Hit<'_>, integration: &Integration) -> Result<Answer, Refusal> {
        match (integration.kind.as_str(), &integration.subtype) {
            ("AWS_PROXY", None) => self.call_function(hit, integration).await,
            ("AWS_PROXY", Some(subtype)) => self.call_service(hit, integration, subtype).await,
            _ => self.call_endpoint(hit, integration).await,
        }
    }

    async fn call_function(&self, hit: &Hit<'_>, integration: &Integration) -> Result<Answer, Refusal> {
        let sent = mapping::request(hit, &integration.request_parameters);
        let event = match integration.payload.as_str() {
            "2.0" => event::second(hit, &sent),
            _ => event::first(hit, &sent),
        };
        let order = Order {
            uri: integration.uri.as_deref().unwrap_or_default(),
            role: integration.credentials.as_deref(),
            source_arn: hit.source_arn(),
            payload: Bytes::from(event.to_string()),
            event: false,
        };
        let output = self.invoke_for(&hit.origin(), order).await.map_err(|why| match why {
            Uncalled::TooLarge => Refusal::new(413, "Request Entity Too Large"),
            Uncalled::Throttled => Refusal::unavailable("The function is throttled"),
            Uncalled::Failed(_) | Uncalled::Configuration(_) => {
                Refusal::integration("The function could not be invoked")
            }
        })?;
        if output.function_error.is_some() {
            return Err(Refusal::integration("The function failed"));
        }
        let said = output.payload.unwrap_or_default();
        let answer = match integration.payload.as_str() {
            "2.0" => payload::answer(&said),
            _ => event::first_answer(&said),
        };
        answer.ok_or_else(|| Refusal::integration("The function's answer cannot be understood"))
    }
}

/// An answer of these parts.
fn made(status: u16, headers: http::HeaderMap, body: Bytes) -> Answer {
    let mut out = http::Response::new(ResponseBody::Bytes(body));
    *out.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::BAD_GATEWAY);
    *out.headers_mut() = headers;
    out
}
