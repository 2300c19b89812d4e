//! The data plane: requests of deployed stages.
//!
//! `<id>.execute-api.<region>.<domain>/<stage>/…`, `/restapis/<id>/<stage>/_user_request_/…`, and custom domain
//! names.

pub mod access;
pub mod address;
pub mod answer;
pub mod authorizer;
mod custom;
pub mod event;
pub mod hit;
pub mod http_endpoint;
mod integrate;
mod journal;
pub mod lambda;
pub mod log;
mod ready;
pub mod refusal;
mod router;
pub mod trial;
mod validate;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderValue;
use ropeway_core::keys::Scope;
use ropeway_core::log_lines::LogSink;
use ropeway_core::{Fault, Trace, directory};
use ropeway_wire::gateway::{Site, SiteRequest, payload};
use ropeway_wire::{Answer, BoxFuture, Cx, Error, Outgoing, Roles, Services};

use crate::keys::{self, ApiName};
use crate::model::{Definition, Settings, Stage};
use crate::ops::ApiGateway;
use crate::v2::Issuers;
use address::Address;
use hit::Hit;
use journal::Journal;
use ready::Ready;
use refusal::Refusal;
use router::Router;

/// Largest body of a request, in bytes:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>.
pub(crate) const MAX_BODY: usize = 10 * 1024 * 1024;

/// A stage, ready to serve.
pub struct Served {
    /// The API.
    pub name: ApiName,
    /// What is set for the API.
    pub settings: Settings,
    /// The stage's name.
    pub stage_name: String,
    /// The stage.
    pub stage: Stage,
    /// What its deployment froze.
    pub definition: Definition,
    router: Router,
    ready: Ready,
    verdicts: Mutex<Verdicts>,
}

/// What authorisers said, by their ids and what they went by.
type Verdicts = BTreeMap<(String, Vec<String>), authorizer::Verdict>;

impl Served {
    fn verdicts(&self) -> MutexGuard<'_, Verdicts> {
        self.verdicts.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// What the data plane is made of.
#[derive(Clone)]
pub struct Parts {
    /// The service.
    pub gateway: Arc<ApiGateway>,
    /// Every service: functions.
    pub services: Arc<Services>,
    /// Hands out roles.
    pub roles: Arc<dyn Roles>,
    /// Calls what is outside.
    pub outgoing: Arc<dyn Outgoing>,
    /// Takes the lines of access and execution logs.
    pub logs: LogSink,
}

/// Serves deployed stages: a site of the gateway.
pub struct Plane {
    pub(crate) gateway: Arc<ApiGateway>,
    pub(crate) services: Arc<Services>,
    pub(crate) roles: Arc<dyn Roles>,
    pub(crate) outgoing: Arc<dyn Outgoing>,
    pub(crate) logs: LogSink,
    pub(crate) buckets: access::Buckets,
    pub(crate) issuers: Issuers,
}

impl Plane {
    /// The site of a service, which test invocations of the service pass too.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { gateway, services, roles, outgoing, logs } = parts;
        let plane = Arc::new(Plane {
            gateway,
            services,
            roles,
            outgoing,
            logs,
            buckets: access::Buckets::default(),
            issuers: Issuers::default(),
        });
        // A second plane would be a fault of the wiring; the first one stays.
        let _ = plane.gateway.plane.set(Arc::downgrade(&plane));
        plane
    }

    /// Whose an API is, by the list of its kind.
    pub(crate) async fn whose(
        &self,
        trace: &Trace,
        list: String,
        id: &str,
    ) -> Result<Option<ApiName>, Error> {
        let command = directory::Command::Read { list, prefix: id.to_owned(), after: None, limit: 1 };
        let found = directory::apply(&self.gateway.core, trace, command).await?;
        match found.names.into_iter().next() {
            Some((name, place)) if name == id => {
                let scope: Scope = postcard::from_bytes(&place).map_err(Fault::from)?;
                Ok(Some(ApiName { scope, id: name }))
            }
            _ => Ok(None),
        }
    }

    /// A stage, from memory or from rows; `None` if it is not there.
    async fn served(&self, cx: &Cx, id: &str, stage: &str) -> Result<Option<Arc<Served>>, Error> {
        let trace = &cx.trace;
        let epoch = match self.gateway.live.get(id, stage) {
            Ok(served) => return Ok(Some(served)),
            Err(epoch) => epoch,
        };
        let Some(name) = self.whose(trace, keys::id_list(id), id).await? else { return Ok(None) };
        let api = match self.gateway.read(trace, &name).await {
            Ok(api) => api,
            Err(error) if error.code == "NotFoundException" => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(found) = api.stages.get(stage).cloned() else { return Ok(None) };
        let definition = self.gateway.snapshot(trace, &name, &found.deployment).await?;
        access::know_policy(cx, &name, stage, definition.policy.as_deref());
        let served = Arc::new(Served {
            name,
            settings: api.settings,
            stage_name: stage.to_owned(),
            stage: found,
            router: Router::new(&definition),
            ready: Ready::new(&definition),
            definition,
            verdicts: Mutex::default(),
        });
        self.gateway.live.keep(id, stage, epoch, Arc::clone(&served));
        Ok(Some(served))
    }

    async fn serve(&self, request: &SiteRequest, extended_id: &str) -> Answer {
        let domain = self.gateway.live.domain(&request.host);
        let found = match &domain {
            Some(domain) => address::mapped(domain, &request.path),
            None => address::own(&request.host, &request.path),
        };
        let Some(Address { id, stage, path, base }) = found else { return Refusal::forbidden().plain() };
        let served = match self.served(&request.cx, &id, &stage).await {
            Ok(Some(served)) => served,
            Ok(None) => return Refusal::forbidden().plain(),
            Err(error) => {
                tracing::warn!(api = id, stage, why = error.message, "a stage could not be read");
                return Refusal::integration("Internal server error", 500).plain();
            }
        };
        let by_host = request.host.contains(address::LABEL);
        if by_host && served.settings.disable_endpoint {
            return Refusal::forbidden().plain();
        }
        let (by_host, region) = (by_host || domain.is_some(), &served.name.scope.region);
        let mut hit = Hit {
            request,
            served: &served,
            path: &path,
            base: base.as_deref(),
            domain: match by_host {
                true => request.host.clone(),
                false => format!("{id}{}{region}.localhost", address::LABEL),
            },
            resource: None,
            method: None,
            verb: request.method.as_str(),
            journal: Journal::default(),
            path_params: Default::default(),
            query: payload::pairs(&request.query),
            headers: hit::headers(request),
            extended_id: extended_id.to_owned(),
            caller: None,
            api_key: None,
            authorizer: None,
        };
        let (answer, refusal) = match self.carry_out(&mut hit).await {
            Ok(answer) => (answer, None),
            Err(refusal) => (refusal.answer(&hit), Some(refusal)),
        };
        self.log(&hit, &answer, refusal.as_ref()).await;
        self.log_execution(&hit, &answer, refusal.as_ref()).await;
        answer
    }

    async fn carry_out(&self, hit: &mut Hit<'_>) -> Result<Answer, Refusal> {
        let served = hit.served;
        let (id, values) = served.router.find(hit.path).ok_or_else(Refusal::missing_token)?;
        let resource = served.definition.resources.get(id).ok_or_else(Refusal::missing_token)?;
        hit.path_params = values;
        hit.resource = Some((id, served.definition.path(id)));
        let verb = hit.request.method.as_str();
        let method = resource.methods.get_key_value(verb).or_else(|| resource.methods.get_key_value("ANY"));
        let (verb, method) = method.ok_or_else(Refusal::missing_token)?;
        (hit.method, hit.verb) = (Some(method), verb);
        hit.start();
        if hit.request.body.len() > MAX_BODY {
            let error = "RequestTooLargeException";
            return Err(Refusal::new("REQUEST_TOO_LARGE", error, "Request Too Long"));
        }
        self.admit(hit, method).await?;
        hit.begin();
        validate::check(hit, method)?;
        let answer = self.integrate(hit, method).await?;
        Ok(answer::compressed(hit, answer))
    }
}

impl Site for Plane {
    fn owns(&self, host: &str, path: &str) -> bool {
        address::own(host, path).is_some() || self.gateway.live.domain(host).is_some()
    }

    fn answer(&self, request: SiteRequest) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            let mut random = [0; 11];
            self.gateway.core.ids().fill(&mut random);
            let extended_id = BASE64.encode(random);
            let (mut answer, own) = match self.http_answer(&request, &extended_id).await {
                Some(answer) => (answer, vec![("apigw-requestid", extended_id)]),
                None => (
                    self.serve(&request, &extended_id).await,
                    vec![
                        ("x-amzn-requestid", request.cx.request_id.clone()),
                        ("x-amz-apigw-id", extended_id),
                        ("x-amzn-trace-id", format!("Root={}", request.cx.trace)),
                    ],
                ),
            };
            for (name, value) in own {
                if let Ok(value) = HeaderValue::from_str(&value) {
                    answer.headers_mut().insert(name, value);
                }
            }
            if request.method == http::Method::HEAD {
                *answer.body_mut() = ropeway_wire::protocol::ResponseBody::Bytes(bytes::Bytes::new());
            }
            answer
        })
    }
}
