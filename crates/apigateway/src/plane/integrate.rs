//! Integrations: what a method calls, and what becomes of the answer.

use bytes::Bytes;
use ropeway_wire::Answer;

use super::hit::{Hit, Pairs, last};
use super::lambda::Order;
use super::refusal::Refusal;
use super::{Plane, answer, custom, event};
use crate::mapping::{self, Place, Source};
use crate::model::{Integration, Method};

/// What a request's mappings give the integration.
pub struct Mapped {
    /// Headers.
    pub headers: Pairs,
    /// Parameters of the query string.
    pub query: Pairs,
    /// What stands for the variables of the address.
    pub path: Pairs,
}

/// The value that a mapping takes from a request.
pub fn request_value(hit: &Hit<'_>, source: &str) -> Option<Vec<String>> {
    let one = |value: Option<&str>| value.map(|value| vec![value.to_owned()]);
    let all = |pairs: &Pairs, name: &str, exact: bool| {
        let same = |one: &String| if exact { one == name } else { one.eq_ignore_ascii_case(name) };
        let found: Vec<_> = pairs.iter().filter(|(one, _)| same(one)).map(|(_, v)| v.clone()).collect();
        Some(found).filter(|found| !found.is_empty())
    };
    match mapping::parse(source, "method.request")? {
        Source::Literal(text) => Some(vec![text]),
        Source::Named(Place::Path, name) => one(hit.path_params.get(&name).map(String::as_str)),
        Source::Named(Place::Query, name) => {
            one(hit.query.iter().rev().find(|(one, _)| *one == name).map(|(_, v)| v.as_str()))
        }
        Source::Named(Place::Queries, name) => all(&hit.query, &name, true),
        Source::Named(Place::Header, name) => one(last(&hit.headers, &name)),
        Source::Named(Place::Headers, name) => all(&hit.headers, &name, false),
        Source::Body(None) => Some(vec![String::from_utf8_lossy(&hit.request.body).into_owned()]),
        Source::Body(Some(path)) => {
            let json: serde_json::Value = serde_json::from_slice(&hit.request.body).ok()?;
            let found = super::refusal::at(&json, path.trim_start_matches("$."))?;
            Some(vec![found.as_str().map_or_else(|| found.to_string(), str::to_owned)])
        }
        Source::Context(path) => {
            let context = serde_json::Value::Object(hit.context());
            let found = super::refusal::at(&context, &path).filter(|found| !found.is_null())?;
            Some(vec![found.as_str().map_or_else(|| found.to_string(), str::to_owned)])
        }
        Source::Variable(name) => one(hit.served.stage.variables.get(&name).map(String::as_str)),
    }
}

/// Sets a name in place of all that has it.
pub fn set(pairs: &mut Pairs, name: &str, values: Vec<String>) {
    pairs.retain(|(one, _)| !one.eq_ignore_ascii_case(name));
    pairs.extend(values.into_iter().map(|value| (name.to_owned(), value)));
}

/// Adds what the integration's mappings say to headers and query.
pub fn mapped(hit: &Hit<'_>, integration: &Integration, headers: Pairs, query: Pairs) -> Mapped {
    let mut out = Mapped { headers, query, path: Vec::new() };
    for (target, source) in &integration.request_parameters {
        let (Some((place, name)), Some(values)) =
            (mapping::request_target(target), request_value(hit, source))
        else {
            continue;
        };
        match place {
            Place::Header | Place::Headers => set(&mut out.headers, name, values),
            Place::Query | Place::Queries => set(&mut out.query, name, values),
            Place::Path => set(&mut out.path, name, values),
        }
    }
    out
}

impl Plane {
    /// Calls what a method calls, for as long as it may take.
    pub async fn integrate(&self, hit: &Hit<'_>, method: &Method) -> Result<Answer, Refusal> {
        let integration = method.integration.as_ref().ok_or_else(Refusal::configuration)?;
        let clock = self.gateway.core.clock();
        let deadline = clock.now().plus_millis(i64::from(integration.timeout_millis));
        tokio::select! {
            answer = self.call(hit, integration) => answer,
            () = clock.sleep_until(deadline) => Err(Refusal::timeout()),
        }
    }

    async fn call(&self, hit: &Hit<'_>, integration: &Integration) -> Result<Answer, Refusal> {
        match integration.kind.as_str() {
            "AWS_PROXY" => self.lambda_proxy(hit, integration).await,
            "AWS" => self.lambda_custom(hit, integration).await,
            "HTTP_PROXY" => self.http_proxy(hit, integration).await,
            "HTTP" => self.http_custom(hit, integration).await,
            "MOCK" => custom::mock(hit, integration),
            _ => Err(Refusal::configuration()),
        }
    }

    async fn lambda_proxy(&self, hit: &Hit<'_>, integration: &Integration) -> Result<Answer, Refusal> {
        // A function is invoked by POST, whatever the method's verb.
        if integration.http_method.as_deref() != Some("POST") {
            return Err(Refusal::configuration());
        }
        let Mapped { headers, query, .. } = mapped(hit, integration, hit.headers.clone(), hit.query.clone());
        let asynchronous = last(&headers, "X-Amz-Invocation-Type") == Some("Event");
        let payload = Bytes::from(event::event(hit, &headers, &query).to_string());
        let order = Order {
            uri: integration.uri.as_deref().unwrap_or_default(),
            role: integration.credentials.as_deref(),
            source_arn: hit.source_arn(),
            payload,
            event: asynchronous,
        };
        let output = self.invoke_logged(hit, order).await?;
        if output.function_error.is_some() {
            return Err(Refusal::integration("Internal server error", 502));
        }
        answer::proxied(hit, &output.payload.unwrap_or_default())
    }
}
