//! Sites: what has addresses of its own and is no AWS API, such as function URLs.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;
use hyper::body::Incoming;
use ropeway_core::BoxFuture;

use super::{Gateway, Head, MAX_BODY, refuse_key, route};
use crate::call::Answer;
use crate::server::{self, ConnInfo};
use crate::sigv4::{self, Body, Family};
use crate::{Cx, Error, Principal};

/// Answers the requests of some addresses.
pub trait Site: Send + Sync {
    /// Whether a request is this site's, by its host (without a port) and its path.
    fn owns(&self, host: &str, path: &str) -> bool;

    /// Answers one.
    fn answer(&self, request: SiteRequest) -> BoxFuture<'_, Answer>;
}

/// A request of a site.
pub struct SiteRequest {
    /// Who calls, as far as the site wants to know: nobody, if the signature is missing or refused.
    pub cx: Cx,
    /// The name that the signature is for (`lambda`), or why the signature is refused; `None` without one.
    pub signed: Option<Result<String, Error>>,
    /// The method.
    pub method: http::Method,
    /// The host, without a port.
    pub host: String,
    /// The server's address that the client connected to; `None` for calls from within.
    pub local: Option<IpAddr>,
    /// The path, percent-encoded.
    pub path: String,
    /// The query string, percent-encoded.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Gateway {
    /// The site that a request is for.
    pub(super) fn site(&self, parts: &Parts) -> Option<Arc<dyn Site>> {
        let host = route::host(parts);
        self.sites.iter().find(|site| site.owns(&host, parts.uri.path())).cloned()
    }

    pub(super) async fn answer_site(
        &self,
        site: Arc<dyn Site>,
        parts: Parts,
        raw: Incoming,
        origin: ConnInfo,
    ) -> Answer {
        let request_id = self.ids.uuid();
        let body = match server::read_body(raw, MAX_BODY, origin.stall_timeout).await {
            Ok(body) => body,
            Err(error) => return super::plain_error(&error, &request_id),
        };
        let head = Head { parts: &parts, origin, request_id: &request_id };
        let scope = route::scope(&parts).filter(|_| is_signed(&parts));
        let (signed, principal, region) = match scope {
            None => (None, Arc::new(Principal::anonymous()), None),
            Some(scope) => match self.signer(&parts, &body) {
                Ok((principal, region)) => (Some(Ok(scope.service)), principal, Some(region)),
                Err(error) => (Some(Err(error)), Arc::new(Principal::anonymous()), None),
            },
        };
        let cx = self.cx(head, principal, region.as_deref());
        let host = route::host(&parts);
        let request = SiteRequest {
            cx,
            signed,
            host,
            local: Some(origin.local.ip()),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            method: parts.method,
            headers: parts.headers,
            body,
        };
        site.answer(request).await
    }

    /// Who signed a request, and for which region.
    fn signer(&self, parts: &Parts, body: &Bytes) -> Result<(Arc<Principal>, String), Error> {
        let family = Family::RestJson;
        let claim = sigv4::parse(parts, family)?.ok_or_else(|| family.missing_credentials())?;
        let token = claim.session_token().map(str::to_owned);
        let identity = self.credentials.find(claim.access_key_id(), token.as_deref(), self.clock.now());
        let identity = identity.map_err(|error| refuse_key(family, error, &claim, token.as_deref()))?;
        let region = claim.region().to_owned();
        let now = self.clock.machine_time();
        let _ = claim.verify(&self.signing_keys, &identity.secret, Body::Whole(body), now)?;
        Ok((identity.principal, region))
    }
}

/// A request that AWS's signature is on: others' schemes are the site's business.
fn is_signed(parts: &Parts) -> bool {
    let header = parts.headers.get(http::header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    header.is_some_and(|header| header.starts_with("AWS4-"))
        || parts.uri.query().is_some_and(|query| query.contains("X-Amz-Signature="))
}
