//! Integrations that are no proxies: mock, HTTP and functions, with mapping templates and responses.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/models-mappings.html>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::HeaderMap;
use ropeway_vtl::Template;
use ropeway_vtl::apigateway::{Input, Params, Rendered};
use ropeway_wire::Answer;
use serde_json::Value as Json;

use super::hit::{Hit, Pairs, last};
use super::integrate::{Mapped, mapped, set};
use super::lambda::Order;
use super::ready::Ready;
use super::refusal::{Refusal, at};
use super::{Plane, answer};
use crate::mapping::{self, Place, Source};
use crate::model::{Integration, IntegrationResponse, Texts};

/// What an integration answered.
pub struct Answered {
    /// What selection patterns are held against; `None`: it succeeded, and only the default response is for it.
    pub outcome: Option<String>,
    /// The headers.
    pub headers: Pairs,
    /// The body.
    pub body: Bytes,
}

/// A request as the integration gets it.
pub struct Prepared {
    /// The body.
    pub body: Bytes,
    /// Headers, query and path variables of the address.
    pub mapped: Mapped,
}

fn unsupported() -> Refusal {
    Refusal::new("UNSUPPORTED_MEDIA_TYPE", "UnsupportedMediaTypeException", "Unsupported Media Type")
}

/// The template for a content type: by the type without its parameters.
fn template_for<'t>(templates: &'t Texts, kind: &str) -> Option<&'t String> {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    templates.iter().find(|(one, _)| one.eq_ignore_ascii_case(kind)).map(|(_, template)| template)
}

/// What a template is rendered with: what it mentions, since the rest is a good part of a request's work.
fn input(hit: &Hit<'_>, template: &Template, body: String) -> Input {
    let mut input = Input { body, ..Input::default() };
    if template.mentions("input") {
        input.params = Params {
            path: hit.path_params.clone().into_iter().collect(),
            querystring: hit.query.clone(),
            header: hit.headers.clone(),
        };
    }
    if template.mentions("context") {
        input.context = Json::Object(hit.context());
    }
    if template.mentions("stageVariables") {
        input.stage_variables = hit.served.stage.variables.clone().into_iter().collect();
    }
    input
}

/// Renders a template over a body.
pub fn rendered(hit: &Hit<'_>, template: &str, body: String) -> Result<Rendered, Refusal> {
    let failed = |why: String| {
        tracing::info!(api = hit.served.name.id, why, "a mapping template could not be rendered");
        Refusal::integration("Internal server error", 500)
    };
    let template = hit.served.ready.template(template).map_err(|why| failed(why.to_owned()))?;
    let input = input(hit, template, body);
    let limits = ropeway_vtl::Limits::default();
    ropeway_vtl::apigateway::render(template, &input, limits).map_err(|error| match error {
        ropeway_vtl::RenderError::Body(why) => {
            Refusal::new("BAD_REQUEST_BODY", "BadRequestException", format!("Invalid request body: {why}"))
        }
        other => failed(other.to_string()),
    })
}

/// A header, a parameter and so on that a template overrides: a text, or several.
fn overrides(json: &Json, place: &str) -> Vec<(String, Vec<String>)> {
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let entries = json.get(place).and_then(Json::as_object).into_iter().flatten();
    let all = entries.map(|(name, value)| match value {
        Json::Array(values) => (name.clone(), values.iter().map(text).collect()),
        value => (name.clone(), vec![text(value)]),
    });
    all.collect()
}

/// The body in the form that `contentHandling` asks for.
fn converted(hit: &Hit<'_>, handling: Option<&str>, kind: &str, body: Bytes) -> Result<Bytes, Refusal> {
    match handling {
        Some("CONVERT_TO_TEXT") if hit.is_binary(kind) => Ok(Bytes::from(BASE64.encode(&body))),
        Some("CONVERT_TO_BINARY") if !hit.is_binary(kind) => BASE64
            .decode(&body)
            .map(Bytes::from)
            .map_err(|_| Refusal::integration("Internal server error", 500)),
        _ => Ok(body),
    }
}

/// Makes the integration's request: mapped, or passed through.
pub fn prepared(hit: &Hit<'_>, integration: &Integration) -> Result<Prepared, Refusal> {
    let kind = hit.header("content-type").unwrap_or("application/json");
    let handling = integration.content_handling.as_deref();
    let body = converted(hit, handling, kind, hit.request.body.clone())?;
    let mut mapped = mapped(hit, integration, Pairs::new(), Pairs::new());
    let Some(template) = template_for(&integration.request_templates, kind) else {
        let passes = match integration.passthrough.as_str() {
            "WHEN_NO_MATCH" => true,
            "WHEN_NO_TEMPLATES" => integration.request_templates.is_empty(),
            _ => false,
        };
        return if passes { Ok(Prepared { body, mapped }) } else { Err(unsupported()) };
    };
    let text = String::from_utf8_lossy(&body).into_owned();
    let Rendered { body, request_override, .. } = rendered(hit, template, text)?;
    for (name, values) in overrides(&request_override, "header") {
        set(&mut mapped.headers, &name, values);
    }
    for (name, values) in overrides(&request_override, "querystring") {
        set(&mut mapped.query, &name, values);
    }
    for (name, values) in overrides(&request_override, "path") {
        set(&mut mapped.path, &name, values);
    }
    Ok(Prepared { body: Bytes::from(body), mapped })
}

/// The response for an outcome: the one whose pattern fits, or the default one.
pub fn selected<'i>(
    ready: &Ready,
    integration: &'i Integration,
    outcome: Option<&str>,
) -> Option<(&'i str, &'i IntegrationResponse)> {
    let pattern = |response: &'i IntegrationResponse| {
        response.selection_pattern.as_deref().filter(|pattern| !pattern.is_empty())
    };
    let mut responses = integration.responses.iter();
    let by_pattern = outcome.and_then(|outcome| {
        responses.find(|(_, response)| pattern(response).is_some_and(|pattern| ready.fits(pattern, outcome)))
    });
    let default = || integration.responses.iter().find(|(_, response)| pattern(response).is_none());
    by_pattern.or_else(default).map(|(status, response)| (status.as_str(), response))
}

/// The value that a mapping takes from an integration's answer.
fn response_value(hit: &Hit<'_>, answered: &Answered, source: &str) -> Option<Vec<String>> {
    let text = |json: &Json| json.as_str().map_or_else(|| json.to_string(), str::to_owned);
    match mapping::parse(source, "integration.response")? {
        Source::Literal(text) => Some(vec![text]),
        Source::Named(Place::Header, name) => Some(vec![last(&answered.headers, &name)?.to_owned()]),
        Source::Named(Place::Headers, name) => {
            let all = answered.headers.iter().filter(|(one, _)| one.eq_ignore_ascii_case(&name));
            Some(all.map(|(_, value)| value.clone()).collect())
        }
        Source::Named(..) => None,
        Source::Body(None) => Some(vec![String::from_utf8_lossy(&answered.body).into_owned()]),
        Source::Body(Some(path)) => {
            let json: Json = serde_json::from_slice(&answered.body).ok()?;
            Some(vec![text(at(&json, path.trim_start_matches("$."))?)])
        }
        Source::Context(path) => {
            let context = Json::Object(hit.context());
            Some(vec![text(at(&context, &path).filter(|found| !found.is_null())?)])
        }
        Source::Variable(name) => Some(vec![hit.served.stage.variables.get(&name)?.clone()]),
    }
}

/// Makes the method's response of an integration's answer.
pub fn responded(hit: &Hit<'_>, integration: &Integration, answered: Answered) -> Result<Answer, Refusal> {
    let Some((status, response)) = selected(&hit.served.ready, integration, answered.outcome.as_deref())
    else {
        tracing::info!(api = hit.served.name.id, "no integration response is for an answer");
        return Err(Refusal::configuration()
            .because("No match for output mapping and no default output mapping configured"));
    };
    let mut status: u16 = status.parse().unwrap_or(500);
    let accept = hit.header("accept").unwrap_or("application/json");
    let json = "application/json";
    let template = response.templates.get_key_value(accept.split(',').next().unwrap_or_default().trim());
    let template = template.or_else(|| response.templates.get_key_value(json));
    let template = template.or_else(|| response.templates.iter().next());
    let mut headers = HeaderMap::new();
    let kind = template.map_or(json, |(kind, _)| kind.as_str());
    answer::put(&mut headers, "content-type", kind);
    let mut put = |name: &str, values: Vec<String>| {
        headers.remove(name);
        values.iter().for_each(|value| answer::put(&mut headers, name, value));
    };
    for (target, source) in &response.parameters {
        let values = response_value(hit, &answered, source);
        if let (Some(name), Some(values)) = (mapping::response_target(target), values) {
            put(name, values);
        }
    }
    let body = match template.filter(|(_, template)| !template.is_empty()) {
        None => answered.body.clone(),
        Some((_, template)) => {
            let text = String::from_utf8_lossy(&answered.body).into_owned();
            let Rendered { body, response_override, .. } = rendered(hit, template, text)?;
            for (name, values) in overrides(&response_override, "header") {
                put(&name, values);
            }
            let other = response_override.get("status");
            let other = other.and_then(|s| s.as_u64().or_else(|| s.as_str()?.parse().ok()));
            status = other.and_then(|other| u16::try_from(other).ok()).unwrap_or(status);
            Bytes::from(body)
        }
    };
    let kind = last(&answered.headers, "content-type").unwrap_or(json).to_owned();
    let body = converted(hit, response.content_handling.as_deref(), &kind, body)?;
    Ok(answer::made(status, headers, body))
}

/// A mock integration: the mapped request says the status.
pub fn mock(hit: &Hit<'_>, integration: &Integration) -> Result<Answer, Refusal> {
    let prepared = prepared(hit, integration)?;
    let text = String::from_utf8_lossy(&prepared.body);
    // What stands there is often JavaScript's JSON: single quotes, names without any.
    let said: Option<Json> =
        serde_json::from_str(&text).or_else(|_| serde_json::from_str(&text.replace('\'', "\""))).ok();
    let status = said
        .as_ref()
        .and_then(|said| said.get("statusCode"))
        .and_then(|status| status.as_u64().or_else(|| status.as_str()?.parse().ok()));
    let status = status.ok_or_else(|| Refusal::integration("Internal server error", 500))?;
    let answered = Answered { outcome: Some(status.to_string()), headers: Pairs::new(), body: Bytes::new() };
    responded(hit, integration, answered)
}

impl Plane {
    /// A function that gets what the template makes.
    pub async fn lambda_custom(&self, hit: &Hit<'_>, integration: &Integration) -> Result<Answer, Refusal> {
        let Prepared { body, mapped } = prepared(hit, integration)?;
        let asynchronous = last(&mapped.headers, "X-Amz-Invocation-Type") == Some("Event");
        let order = Order {
            uri: integration.uri.as_deref().unwrap_or_default(),
            role: integration.credentials.as_deref(),
            source_arn: hit.source_arn(),
            payload: body,
            event: asynchronous,
        };
        let output = self.invoke_logged(hit, order).await?;
        let body = output.payload.unwrap_or_default();
        let outcome = output.function_error.is_some().then(|| {
            let said: Option<Json> = serde_json::from_slice(&body).ok();
            let message = said.as_ref().and_then(|said| said.get("errorMessage")).and_then(Json::as_str);
            message.unwrap_or_default().to_owned()
        });
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        responded(hit, integration, Answered { outcome, headers, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_selected_by_what_fits_all_of_the_outcome() {
        let mut integration = Integration::default();
        let mut add = |status: &str, pattern: Option<&str>| {
            let response =
                IntegrationResponse { selection_pattern: pattern.map(str::to_owned), ..Default::default() };
            integration.responses.insert(status.to_owned(), response);
        };
        add("200", None);
        add("400", Some("Error: 4.*"));
        add("500", Some("5\\d\\d"));
        let ready = Ready::of([&integration]);
        let of = |outcome| selected(&ready, &integration, outcome).map(|(status, _)| status);
        assert_eq!(of(None), Some("200"));
        assert_eq!(of(Some("Error: 404")), Some("400"));
        assert_eq!(of(Some("an Error: 404")), Some("200"));
        assert_eq!(of(Some("503")), Some("500"));
        assert_eq!(of(Some("503 ")), Some("200"));
    }
}
