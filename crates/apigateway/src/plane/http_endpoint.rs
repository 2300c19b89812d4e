//! Integrations of HTTP endpoints, proxies and others.

use bytes::Bytes;
use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ropeway_wire::Answer;

use super::custom::{Answered, Prepared, prepared, responded};
use super::hit::{Hit, Pairs, title};
use super::integrate::{Mapped, mapped};
use super::journal::{pairs, text};
use super::lambda::with_variables;
use super::refusal::Refusal;
use super::{Plane, answer};
use crate::model::Integration;

/// What of a query string is written as it is.
pub const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Headers that belong to one connection, or that the client makes itself.
pub const HOP: [&str; 7] =
    ["host", "content-length", "connection", "transfer-encoding", "keep-alive", "te", "upgrade"];

/// The address with its variables filled in, and the query.
fn address(hit: &Hit<'_>, integration: &Integration, mapped: &Mapped) -> String {
    let mut uri = with_variables(integration.uri.as_deref().unwrap_or_default(), &hit.served.stage.variables);
    for (name, value) in &mapped.path {
        uri = uri.replace(&format!("{{{name}}}"), value).replace(&format!("{{{name}+}}"), value);
    }
    for (index, (name, value)) in mapped.query.iter().enumerate() {
        uri.push(if index == 0 && !uri.contains('?') { '?' } else { '&' });
        uri.push_str(&utf8_percent_encode(name, QUERY).to_string());
        uri.push('=');
        uri.push_str(&utf8_percent_encode(value, QUERY).to_string());
    }
    uri
}

impl Plane {
    /// Calls the endpoint.
    async fn fetch(
        &self,
        hit: &Hit<'_>,
        integration: &Integration,
        mapped: &Mapped,
        body: Bytes,
    ) -> Result<http::Response<Bytes>, Refusal> {
        let verb = match integration.http_method.as_deref() {
            None | Some("ANY") => hit.request.method.as_str(),
            Some(verb) => verb,
        };
        let uri = address(hit, integration, mapped);
        let sent = mapped.headers.iter().map(|(name, value)| (name, value));
        hit.note_data(|| format!("Endpoint request URI: {uri}"));
        hit.note_data(|| format!("Endpoint request headers: {}", pairs(sent)));
        hit.note_data(|| format!("Endpoint request body after transformations: {}", text(&body)));
        hit.note(|| format!("Sending request to {uri}"));
        let mut request = http::Request::builder().method(verb).uri(uri);
        for (name, value) in &mapped.headers {
            if !HOP.contains(&name.to_ascii_lowercase().as_str()) {
                request = request.header(name, value);
            }
        }
        let request = request.body(body).map_err(|error| {
            tracing::info!(api = hit.served.name.id, %error, "an integration's request cannot be made");
            Refusal::integration("Internal server error", 500)
        })?;
        let clock = self.gateway.core.clock();
        let began = clock.now();
        let answered = self.outgoing.call(request).await.map_err(|why| {
            tracing::info!(api = hit.served.name.id, why, "an endpoint could not be reached");
            Refusal::integration("Network error communicating with endpoint", 504)
        })?;
        let (status, took) =
            (answered.status().as_u16(), clock.now().millis().saturating_sub(began.millis()));
        hit.received(i64::from(status), took);
        hit.note_data(|| format!("Endpoint response body before transformations: {}", text(answered.body())));
        Ok(answered)
    }

    /// A proxy: the request goes on as it is, and so does the answer.
    pub async fn http_proxy(&self, hit: &Hit<'_>, integration: &Integration) -> Result<Answer, Refusal> {
        let mut mapped = mapped(hit, integration, hit.headers.clone(), hit.query.clone());
        // What the mappings do not name stands for itself.
        for (name, value) in &hit.path_params {
            if !mapped.path.iter().any(|(one, _)| one == name) {
                mapped.path.push((name.clone(), value.clone()));
            }
        }
        let answered = self.fetch(hit, integration, &mapped, hit.request.body.clone()).await?;
        let mut headers = HeaderMap::new();
        for (name, value) in answered.headers() {
            if let Ok(value) = value.to_str() {
                answer::put(&mut headers, name.as_str(), value);
            }
        }
        Ok(answer::made(answered.status().as_u16(), headers, answered.into_body()))
    }

    /// An endpoint that gets what the template makes.
    pub async fn http_custom(&self, hit: &Hit<'_>, integration: &Integration) -> Result<Answer, Refusal> {
        let Prepared { body, mut mapped } = prepared(hit, integration)?;
        let mut default = |name: &str, value: String| {
            if !mapped.headers.iter().any(|(one, _)| one.eq_ignore_ascii_case(name)) {
                mapped.headers.push((name.to_owned(), value));
            }
        };
        default("Content-Type", hit.header("content-type").unwrap_or("application/json").to_owned());
        default("User-Agent", format!("AmazonAPIGateway_{}", hit.served.name.id));
        default("Accept", "application/json".to_owned());
        let answered = self.fetch(hit, integration, &mapped, body).await?;
        let headers: Pairs = answered
            .headers()
            .iter()
            .map(|(name, value)| {
                (title(name.as_str()), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect();
        let outcome = Some(answered.status().as_u16().to_string());
        responded(hit, integration, Answered { outcome, headers, body: answered.into_body() })
    }
}
