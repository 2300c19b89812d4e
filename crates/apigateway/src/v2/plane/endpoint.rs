//! Integrations of HTTP endpoints: the request goes on as the mappings change it, and so does the answer.

use std::net::IpAddr;

use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ropeway_wire::Answer;
use ropeway_wire::gateway::payload;

use super::hit::Hit;
use super::mapping::{self, Sent};
use super::refusal::Refusal;
use crate::plane::Plane;
use crate::plane::http_endpoint::HOP;
use crate::plane::lambda::with_variables;
use crate::v2::model::Integration;

/// What of a path is written as it is.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b'+')
    .remove(b'$')
    .remove(b'&')
    .remove(b',')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@')
    .remove(b'!')
    .remove(b'*')
    .remove(b'(')
    .remove(b')');

fn encoded(path: &str) -> String {
    utf8_percent_encode(path, PATH).to_string()
}

/// The address with its variables filled in, the path of the mappings, and the query.
fn address(hit: &Hit<'_>, integration: &Integration, sent: &Sent) -> String {
    let mut uri = with_variables(integration.uri.as_deref().unwrap_or_default(), &hit.stage.stage.variables);
    for (name, value) in &hit.path_params {
        let value = encoded(value);
        uri = uri.replace(&format!("{{{name}}}"), &value).replace(&format!("{{{name}+}}"), &value);
    }
    if sent.path_set {
        let start = uri.find("://").map_or(0, |at| at + 3);
        let end = uri.get(start..).and_then(|rest| rest.find(['/', '?'])).map_or(uri.len(), |at| start + at);
        uri.truncate(end);
        if !sent.path.starts_with('/') {
            uri.push('/');
        }
        uri.push_str(&encoded(&sent.path));
    }
    if !sent.raw_query.is_empty() {
        uri.push(if uri.contains('?') { '&' } else { '?' });
        uri.push_str(&sent.raw_query);
    }
    uri
}

/// An address as `Forwarded` names it (RFC 7239, section 6).
fn node(name: &str, address: Option<IpAddr>) -> String {
    match address {
        Some(IpAddr::V4(address)) => format!("{name}={address};"),
        Some(IpAddr::V6(address)) => format!("{name}=\"[{address}]\";"),
        None => String::new(),
    }
}

impl Plane {
    /// Calls the endpoint.
    pub async fn call_endpoint(&self, hit: &Hit<'_>, integration: &Integration) -> Result<Answer, Refusal> {
        let sent = mapping::request(hit, &integration.request_parameters);
        let verb = match integration.method.as_deref() {
            None | Some("ANY") => hit.request.method.as_str(),
            Some(verb) => verb,
        };
        let mut request = http::Request::builder().method(verb).uri(address(hit, integration, &sent));
        for (name, value) in sent.headers.iter().filter(|(name, _)| !HOP.contains(&name.as_str())) {
            request = request.header(name, value);
        }
        if !hit.cookies.is_empty() {
            request = request.header(http::header::COOKIE, hit.cookies.join("; "));
        }
        let cx = &hit.request.cx;
        let scheme = if cx.secure { "https" } else { "http" };
        let (by, asker) = (node("by", hit.request.local), node("for", cx.source_ip));
        let forwarded = format!("{by}{asker}host={};proto={scheme}", hit.domain);
        request = request.header(http::header::FORWARDED, forwarded);
        request = request.header(http::header::VIA, "HTTP/1.1 AmazonAPIGateway");
        let request = request.body(hit.request.body.clone()).map_err(|error| {
            tracing::info!(api = hit.api.name.id, %error, "an integration's request cannot be made");
            Refusal::integration("The request cannot be made")
        })?;
        let answered = self.outgoing.call(request).await.map_err(|why| {
            tracing::info!(api = hit.api.name.id, why, "an endpoint could not be reached");
            Refusal::unavailable("The endpoint could not be reached")
        })?;
        let mut headers = HeaderMap::new();
        for (name, value) in answered.headers() {
            if !payload::is_own(name.as_str()) {
                headers.append(name, value.clone());
            }
        }
        Ok(super::made(answered.status().as_u16(), headers, answered.into_body()))
    }
}
