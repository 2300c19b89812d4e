//! A request on its way: what is known of it, and `$context`.

use std::collections::BTreeMap;

use ropeway_wire::gateway::{SiteRequest, payload};
use ropeway_wire::{Principal, PrincipalKind};
use serde_json::{Map, Value as Json, json};

use super::mapping::Sent;
use super::{ServedApi, ServedStage};
use crate::model::Texts;
use crate::plane::address::LABEL;
use crate::plane::lambda::Origin;
use crate::v2::model::{DEFAULT, Route};

/// What let a request in.
#[derive(Debug, Clone)]
pub enum Pass {
    /// a token: its claims, as texts, and its scopes
    Jwt(Texts, Option<Vec<String>>),
    /// a function: its own values, and the principal that a policy was for
    Lambda(Map<String, Json>, Option<String>),
    /// a signature
    Iam(Principal),
}

/// A request of a stage.
pub struct Hit<'a> {
    /// The request.
    pub request: &'a SiteRequest,
    /// The API.
    pub api: &'a ServedApi,
    /// The stage.
    pub stage: &'a ServedStage,
    /// The path behind the stage, percent-encoded.
    pub path: &'a str,
    /// The base path that led here, of a custom domain name; empty for none of its own.
    pub base: Option<&'a str>,
    /// `apigw-requestid`
    pub request_id: &'a str,
    /// Headers by their names in lower case; several of a name are joined.
    pub headers: BTreeMap<String, String>,
    /// Cookies.
    pub cookies: Vec<String>,
    /// Parameters of the query string; several of a name are joined.
    pub query: BTreeMap<String, String>,
    /// The host that it came to, as an API's.
    pub domain: String,
    /// The route, once it is found.
    pub route: Option<&'a Route>,
    /// What the path's variables stand for, decoded.
    pub path_params: Texts,
    /// What let it in.
    pub pass: Option<Pass>,
}

/// Null, or a text.
fn text(value: Option<impl Into<String>>) -> Json {
    value.map_or(Json::Null, |value| Json::String(value.into()))
}

impl<'a> Hit<'a> {
    /// A request, before its route is found.
    pub fn new(
        request: &'a SiteRequest,
        api: &'a ServedApi,
        stage: &'a ServedStage,
        path: &'a str,
        request_id: &'a str,
    ) -> Self {
        let (mut headers, cookies) = payload::headers(request);
        for own in ["connection", "transfer-encoding"] {
            headers.remove(own);
        }
        let source = request.cx.source_ip.map(|ip| ip.to_string()).unwrap_or_default();
        let before = headers.get("x-forwarded-for").map(|before| format!("{before}, {source}"));
        let scheme = if request.cx.secure { "https" } else { "http" };
        let port =
            request.cx.endpoint.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.contains('/'));
        let port = port.unwrap_or(if request.cx.secure { "443" } else { "80" });
        for (name, value) in [
            ("x-forwarded-for", before.unwrap_or(source)),
            ("x-forwarded-proto", scheme.to_owned()),
            ("x-forwarded-port", port.to_owned()),
            ("x-amzn-trace-id", format!("Root={}", request.cx.trace)),
        ] {
            headers.insert(name.to_owned(), value);
        }
        let region = &api.name.scope.region;
        let domain = match request.host.contains(LABEL) {
            true => request.host.clone(),
            false => format!("{}{LABEL}{region}.localhost", api.name.id),
        };
        headers.entry("host".to_owned()).or_insert_with(|| domain.clone());
        let query = payload::query(&request.query);
        let (route, path_params, pass) = (None, Texts::new(), None);
        Hit {
            request,
            api,
            stage,
            path,
            base: None,
            request_id,
            headers,
            cookies,
            query,
            domain,
            route,
            path_params,
            pass,
        }
    }

    /// Has it come to a custom domain name, by this base path.
    pub fn at_base(&mut self, base: Option<&'a str>) {
        self.base = base;
        if base.is_some() {
            self.domain.clone_from(&self.request.host);
        }
    }

    /// Where calls come from.
    pub fn origin(&self) -> Origin<'a> {
        Origin { cx: &self.request.cx, name: &self.api.name, variables: &self.stage.stage.variables }
    }

    /// The path with the stage before it, where it has a name, decoded.
    pub fn raw_path(&self) -> String {
        let path = payload::decoded(self.path);
        match self.stage.name.as_str() {
            DEFAULT => path,
            name => format!("/{name}{path}"),
        }
    }

    /// The path that format 1.0 shows. Of a custom domain name it is all that was asked for, its base path too, which
    /// format 2.0 leaves out:
    /// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>.
    pub fn first_path(&self, sent: &Sent) -> String {
        match self.base {
            Some(_) if !sent.path_set => payload::decoded(&self.request.path),
            _ => sent.path.clone(),
        }
    }

    /// The ARN that policies are about: `…:<id>/<stage>/<verb>/<path>`.
    pub fn method_arn(&self) -> String {
        let path = payload::decoded(self.path);
        let (api, stage) = (self.api.name.execute_arn(), &self.stage.name);
        format!("{api}/{stage}/{}{path}", self.request.method)
    }

    /// What an integration is called on behalf of: the route's own path, or `$default`.
    pub fn source_arn(&self) -> String {
        let (api, stage) = (self.api.name.execute_arn(), &self.stage.name);
        match self.route_key().split_once(' ') {
            Some((_, path)) => format!("{api}/{stage}/{}{path}", self.request.method),
            None => format!("{api}/{stage}/{DEFAULT}"),
        }
    }

    /// The route's key; empty before it is found.
    pub fn route_key(&self) -> &str {
        self.route.map_or("", |route| route.key.as_str())
    }

    /// `requestContext.authorizer` of payload format 2.0.
    pub fn authorizer(&self) -> Option<Json> {
        Some(match self.pass.as_ref()? {
            Pass::Jwt(claims, scopes) => json!({ "jwt": { "claims": claims, "scopes": scopes } }),
            Pass::Lambda(context, _) => json!({ "lambda": context }),
            Pass::Iam(principal) => json!({ "iam": payload::iam(principal) }),
        })
    }

    /// `$context`, as access logs and mappings name it:
    /// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html>.
    pub fn context(&self) -> Map<String, Json> {
        let now = self.request.cx.now;
        let caller = match &self.pass {
            Some(Pass::Iam(principal)) if principal.kind != PrincipalKind::Anonymous => Some(principal),
            _ => None,
        };
        let authorizer = match &self.pass {
            Some(Pass::Jwt(claims, _)) => json!({ "claims": claims }),
            Some(Pass::Lambda(context, principal)) => {
                let mut context = context.clone();
                if let Some(principal) = principal {
                    context.insert("principalId".to_owned(), principal.clone().into());
                }
                Json::Object(context)
            }
            _ => json!({}),
        };
        let context = json!({
            "accountId": self.api.name.scope.account,
            "apiId": self.api.name.id,
            "authorizer": authorizer,
            "domainName": self.domain,
            "domainPrefix": self.domain.split('.').next().unwrap_or_default(),
            "extendedRequestId": self.request_id,
            "httpMethod": self.request.method.as_str(),
            "identity": {
                "accountId": text(caller.map(|caller| caller.account.clone())),
                "caller": text(caller.map(|caller| caller.id.clone())),
                "sourceIp": text(self.request.cx.source_ip.map(|ip| ip.to_string())),
                "user": text(caller.map(|caller| caller.id.clone())),
                "userAgent": text(self.headers.get("user-agent").cloned()),
                "userArn": text(caller.map(|caller| caller.arn.clone())),
            },
            "path": self.raw_path(),
            "protocol": "HTTP/1.1",
            "requestId": self.request_id,
            "requestTime": payload::time(now),
            "requestTimeEpoch": now.millis() / 1000,
            "routeKey": self.route_key(),
            "stage": self.stage.name,
        });
        match context {
            Json::Object(mut context) => {
                if let Some(base) = self.base {
                    let matched = if base.is_empty() { "(none)" } else { base };
                    context.insert("customDomain".to_owned(), json!({ "basePathMatched": matched }));
                }
                context
            }
            _ => Map::new(),
        }
    }
}
