//! From an HTTP request to its operation and back: route, authenticate, read the body, dispatch.

mod digest;
mod front;
mod hoisted;
mod metrics;
pub mod payload;
mod route;
mod site;

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use hyper::body::Incoming;
use ropeway_core::{BoxFuture, Clock, Ids, Trace};

pub use front::{ErrorCode, Finish, Front, FrontRequest, Known, Seen};
pub use metrics::Metrics;
pub use site::{Site, SiteRequest};

use crate::call::{Answer, Call, Services, error_answer};
use crate::protocol::{self, RequestBody};
use crate::schema::{Operation, Protocol, Service};
use crate::server::{self, ConnInfo, Handler};
use crate::sigv4::{self, Body, Claim, Family, SigningKeys, Trailers};
use crate::{ByteStream, Credentials, Cx, Error, Gate, KeyError, Principal, text};
use route::{Found, Route};

/// Services that take unsigned requests where a resource's policy allows everybody.
const OPEN_TO_ANYBODY: &[&str] = &["s3", "sqs", "sns"];

/// What a gateway is made of.
pub struct Gateway {
    /// The services.
    pub services: Arc<Services>,
    /// Decides what is allowed.
    pub gate: Arc<dyn Gate>,
    /// Knows the access keys.
    pub credentials: Arc<dyn Credentials>,
    /// The clock.
    pub clock: Clock,
    /// Ids of requests.
    pub ids: Ids,
    /// The account of unsigned requests.
    pub default_account: String,
    /// Counts requests.
    pub metrics: Arc<Metrics>,
    /// Answers what is the server's own.
    pub internal: Arc<dyn Internal>,
    /// The server's own host, beside `localhost`: buckets are `BUCKET.HOST` below it too.
    pub host: Option<String>,
    /// What has addresses of its own: asked first.
    pub sites: Vec<Arc<dyn Site>>,
    /// What stands before services.
    pub fronts: Vec<Arc<dyn Front>>,
    /// Signing keys, derived once a day and region.
    pub signing_keys: SigningKeys,
}

/// Largest body that is read whole, in bytes: above every service's own limit.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// Largest body of the operations that upload code, in bytes: 50 MiB in base64, and what is around it.
const MAX_CODE_BODY: usize = 72 * 1024 * 1024;
/// The operations that upload code.
const UPLOADS: [&str; 3] = ["CreateFunction", "UpdateFunctionCode", "PublishLayerVersion"];

/// Answers what is the server's own, under `/_ropeway/`.
pub trait Internal: Send + Sync {
    /// Answers one request.
    fn answer(
        &self,
        method: http::Method,
        path: String,
        body: Bytes,
        conn: ConnInfo,
    ) -> BoxFuture<'_, http::Response<Bytes>>;
}

/// A request's head, where it came from, and its id.
#[derive(Clone, Copy)]
struct Head<'a> {
    parts: &'a Parts,
    origin: ConnInfo,
    request_id: &'a str,
}

/// An operation, and what the path gave for its URI's labels.
type Chosen = (&'static Operation, Vec<(&'static str, String)>);

/// How a request's body is taken.
#[derive(Clone, Copy)]
struct Take {
    /// As it arrives.
    streams: bool,
    /// Otherwise at most so many bytes.
    most: usize,
}

impl Take {
    fn of(found: &Found, protocol: Protocol) -> Self {
        let Found::Operation(operation, _) = found else { return Take { streams: false, most: MAX_BODY } };
        let uploads = UPLOADS.contains(&operation.name);
        Take {
            streams: protocol::streams_input(operation, protocol),
            most: if uploads { MAX_CODE_BODY } else { MAX_BODY },
        }
    }
}

/// A request that is known to be from somebody: what its call is made of.
struct Authenticated {
    cx: Cx,
    body: RequestBody,
    /// What follows a body in chunks.
    trailers: Trailers,
}

impl Handler for Gateway {
    fn handle(
        self: Arc<Self>,
        request: http::Request<Incoming>,
        conn: ConnInfo,
    ) -> BoxFuture<'static, http::Response<server::Body>> {
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            if parts.uri.path().starts_with("/_ropeway/") {
                return self.answer_internal(parts, body, conn).await.map(server::Body::from);
            }
            if let Some(site) = self.site(&parts) {
                return self.answer_site(site, parts, body, conn).await.map(server::Body::from);
            }
            self.answer(parts, body, conn).await.map(server::Body::from)
        })
    }
}

impl Gateway {
    async fn answer_internal(&self, parts: Parts, body: Incoming, conn: ConnInfo) -> http::Response<Bytes> {
        match server::read_body(body, MAX_BODY, conn.stall_timeout).await {
            Ok(body) => self.internal.answer(parts.method, parts.uri.path().to_owned(), body, conn).await,
            Err(error) => {
                let mut answer = http::Response::new(Bytes::from(error.message));
                *answer.status_mut() =
                    http::StatusCode::from_u16(error.status).unwrap_or(http::StatusCode::BAD_REQUEST);
                answer
            }
        }
    }

    /// Answers a request of an AWS API.
    async fn answer(&self, parts: Parts, raw: Incoming, origin: ConnInfo) -> Answer {
        let request_id = self.ids.uuid();
        let started = self.clock.machine_time();
        let scope = route::scope(&parts);
        let route = match route::route(&self.services, &parts, scope.as_ref(), self.host.as_deref()) {
            Ok(route) => route,
            Err(error) => return plain_error(&error, &request_id),
        };
        let service = route.service();
        let (protocol, path, head) =
            (route.protocol, parts.uri.path().to_owned(), parts.method == http::Method::HEAD);
        let mut known = Known { operation: "unknown", principal: None };
        let front = self.front(service.id);
        let seen = Seen {
            parts: &parts,
            bucket: route.bucket.as_deref(),
            request_id: &request_id,
            remote: origin.remote.ip(),
            tls: origin.tls,
        };
        let watch = front.and_then(|front| front.watch(&seen));
        let answered = match front.filter(|front| front.takes(&seen)) {
            Some(front) => {
                self.answer_front(front, (parts, raw), (&request_id, origin), route.bucket, &mut known).await
            }
            None => self.carry_out(route, parts, raw, origin, &request_id, &mut known).await,
        };
        let answer = answered
            .unwrap_or_else(|error| error_answer(service, protocol, &error, &request_id, &path, head));
        let millis = self.clock.machine_time().millis().saturating_sub(started.millis());
        self.metrics.count(service.id, known.operation, answer.status().as_u16(), millis);
        match watch {
            Some(watch) => watch.finish(known, answer),
            None => answer,
        }
    }

    async fn carry_out(
        &self,
        route: Route,
        mut parts: Parts,
        raw: Incoming,
        origin: ConnInfo,
        request_id: &str,
        known: &mut Known,
    ) -> Result<Answer, Error> {
        let service = route.service();
        let Route { dispatch, protocol, found, .. } = route;
        let take = Take::of(&found, protocol);
        let head = Head { parts: &parts, origin, request_id };
        let checked = self.authenticate(service, protocol, head, raw, take).await?;
        known.principal = Some(Arc::clone(&checked.cx.principal));
        if protocol == Protocol::RestXml {
            hoisted::take(&mut parts)?;
        }
        let body = with_queue_of_path(service, protocol, &parts, checked.body);
        let (operation, labels) = operation(service, &parts, found, &body)?;
        if let (Protocol::RestXml, RequestBody::Bytes(bytes)) = (protocol, &body) {
            digest::check(operation, &parts.headers, &checked.trailers, bytes)?;
        }
        known.operation = operation.name;
        let (path, query) = (parts.uri.path().to_owned(), parts.uri.query().map(str::to_owned));
        let call = Call {
            service,
            operation,
            protocol,
            cx: checked.cx,
            method: parts.method,
            path,
            query,
            headers: parts.headers,
            labels,
            body,
            audit: self.services.audit(),
        };
        Ok(dispatch.call(call).await)
    }

    /// Finds out who sent a request, and makes its body what they signed.
    async fn authenticate(
        &self,
        service: &'static Service,
        protocol: Protocol,
        head: Head<'_>,
        raw: Incoming,
        take: Take,
    ) -> Result<Authenticated, Error> {
        let Head { parts, origin, .. } = head;
        let family = family(protocol);
        let Some(claim) = sigv4::parse(parts, family)? else {
            if !OPEN_TO_ANYBODY.contains(&service.id) {
                return Err(family.missing_credentials());
            }
            let cx = self.cx(head, Arc::new(Principal::anonymous()), None);
            let (stream, trailers) =
                sigv4::open_anonymous(parts, server::incoming(raw, origin.stall_timeout))?;
            let body = body(parts, stream.with_trailers(trailers.clone()), take, origin).await?;
            return Ok(Authenticated { cx, body, trailers });
        };
        claim.require_service(service.signing_name)?;
        let now = self.clock.machine_time();
        let token = claim.session_token().map(str::to_owned);
        let identity = self.credentials.find(claim.access_key_id(), token.as_deref(), self.clock.now());
        let identity = identity.map_err(|error| refuse_key(family, error, &claim, token.as_deref()))?;
        let cx = self.cx(head, identity.principal, Some(claim.region()));
        // Only S3 signs a body that it does not have at hand.
        let streams = take.streams && claim.payload() != sigv4::Payload::Body;
        let (body, trailers) = if streams || whole_in_chunks(&claim) {
            let verified = claim.verify(&self.signing_keys, &identity.secret, Body::Streamed, now)?;
            let (stream, trailers) = verified.open(parts, server::incoming(raw, origin.stall_timeout))?;
            (body(parts, stream.with_trailers(trailers.clone()), take, origin).await?, trailers)
        } else {
            let bytes = server::read_body(raw, take.most, origin.stall_timeout).await?;
            let _ = claim.verify(&self.signing_keys, &identity.secret, Body::Whole(&bytes), now)?;
            let body = RequestBody::Bytes(server::decoded(&parts.headers, bytes, take.most)?);
            (body, Trailers::default())
        };
        Ok(Authenticated { cx, body, trailers })
    }

    fn cx(&self, head: Head<'_>, principal: Arc<Principal>, region: Option<&str>) -> Cx {
        let Head { parts, origin, request_id } = head;
        let header = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let host = parts.uri.authority().map_or_else(|| header("host"), |authority| authority.as_str());
        let account = if principal.account.is_empty() { &self.default_account } else { &principal.account };
        Cx {
            account: account.clone(),
            region: region.unwrap_or("us-east-1").to_owned(),
            principal,
            request_id: request_id.to_owned(),
            trace: trace(header("x-amzn-trace-id"), request_id, self.clock.machine_time()),
            endpoint: format!("{}://{host}", if origin.tls { "https" } else { "http" }),
            source_ip: Some(origin.remote.ip()),
            secure: origin.tls,
            user_agent: header("user-agent").to_owned(),
            now: self.clock.now(),
            gate: Arc::clone(&self.gate),
            source: None,
            system_tags: false,
        }
    }
}

/// The trace that the client names, or a new one: `1-<8 hex digits of the time>-<24 of the request id>`, so that it can
/// be found by that.
fn trace(header: &str, request_id: &str, now: ropeway_core::Time) -> Trace {
    let root = header.split(';').find_map(|part| part.trim().strip_prefix("Root="));
    let usable = root.filter(|r| r.len() <= 64 && r.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'));
    usable.map_or_else(
        || {
            let digits: String = request_id.chars().filter(char::is_ascii_hexdigit).take(24).collect();
            Trace::from(format!("1-{:08x}-{digits}", now.secs()))
        },
        Trace::from,
    )
}

/// A body that came as a stream, in the form that the operation takes.
async fn body(parts: &Parts, stream: ByteStream, take: Take, origin: ConnInfo) -> Result<RequestBody, Error> {
    if take.streams {
        return Ok(RequestBody::Stream(stream));
    }
    let whole = http_body_util::BodyExt::map_err(server::Body::from(stream), |error| error.to_string());
    let bytes = server::read_body(whole, take.most, origin.stall_timeout).await?;
    Ok(RequestBody::Bytes(server::decoded(&parts.headers, bytes, take.most)?))
}

/// A body in signed chunks of an operation that wants it whole.
fn whole_in_chunks(claim: &Claim<'_>) -> bool {
    use sigv4::Payload;
    matches!(claim.payload(), Payload::Chunked | Payload::ChunkedTrailer | Payload::UnsignedTrailer)
}

fn family(protocol: Protocol) -> Family {
    match protocol {
        Protocol::RestXml => Family::S3,
        Protocol::AwsQuery => Family::Query,
        Protocol::RestJson => Family::RestJson,
        _ => Family::Json,
    }
}

fn refuse_key(family: Family, error: KeyError, claim: &Claim<'_>, token: Option<&str>) -> Error {
    match error {
        KeyError::Unknown => family.unknown_key(claim.access_key_id()),
        KeyError::InvalidToken => family.invalid_token(token.unwrap_or_default()),
        KeyError::ExpiredToken => family.expired_token(token.unwrap_or_default()),
    }
}

/// SQS's Query protocol may name the queue by the path (`POST /000000000000/orders`) instead of by
/// `QueueUrl` (Developer Guide, "Making Query API requests").
fn with_queue_of_path(
    service: &Service,
    protocol: Protocol,
    parts: &Parts,
    body: RequestBody,
) -> RequestBody {
    let path = parts.uri.path();
    let names_queue = path.trim_matches('/').split('/').count() == 2;
    let RequestBody::Bytes(form) = &body else { return body };
    if service.id != "sqs" || protocol != Protocol::AwsQuery || !names_queue {
        return body;
    }
    let said = |text: &[u8]| text.split(|b| *b == b'&').any(|pair| pair.starts_with(b"QueueUrl="));
    if said(form) || said(parts.uri.query().unwrap_or_default().as_bytes()) {
        return body;
    }
    let mut longer = form.to_vec();
    if !longer.is_empty() {
        longer.push(b'&');
    }
    longer.extend_from_slice(format!("QueueUrl={path}").as_bytes());
    RequestBody::Bytes(Bytes::from(longer))
}

/// The operation, now that the body is there.
fn operation(
    service: &'static Service,
    parts: &Parts,
    found: Found,
    body: &RequestBody,
) -> Result<Chosen, Error> {
    let found = match found {
        Found::ByAction => {
            let in_query = action(parts.uri.query().unwrap_or_default().as_bytes());
            let in_body = if let RequestBody::Bytes(bytes) = body { action(bytes) } else { None };
            match in_query.or(in_body) {
                Some(name) => route::by_name(service, &name),
                None => {
                    return Err(Error::new(
                        400,
                        "MissingAction",
                        "The request must contain the parameter Action",
                    ));
                }
            }
        }
        found => found,
    };
    match found {
        Found::Operation(operation, labels) => Ok((operation, labels)),
        Found::Refused(error) => Err(error),
        Found::ByAction => Err(Error::internal("an action that names an action")),
    }
}

fn action(form: &[u8]) -> Option<String> {
    let form = std::str::from_utf8(form).ok()?;
    let pairs = text::form_pairs(form)?;
    pairs.into_iter().find(|(key, _)| key == "Action").map(|(_, value)| value.into_owned())
}

/// An error for a request of which no service is known: JSON, as most clients read it.
fn plain_error(error: &Error, request_id: &str) -> Answer {
    let body = serde_json::json!({ "__type": error.code, "message": error.message }).to_string();
    let mut answer = http::Response::new(protocol::ResponseBody::Bytes(Bytes::from(body)));
    *answer.status_mut() = http::StatusCode::from_u16(error.status).unwrap_or(http::StatusCode::BAD_REQUEST);
    answer
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/x-amz-json-1.0"));
    if let Ok(id) = http::HeaderValue::from_str(request_id) {
        answer.headers_mut().insert("x-amzn-requestid", id);
    }
    answer
}
