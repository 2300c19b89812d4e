//! A request on its way: what is known of it, and `$context`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ropeway_wire::gateway::{SiteRequest, payload};
use ropeway_wire::{Principal, PrincipalKind};
use serde_json::{Map, Value as Json, json};

use super::Served;
use super::journal::Journal;
use crate::commands::setting_key;
use crate::model::{ApiKey, Method, MethodSettings, Texts};

/// Names and values, in the order in which they came.
pub type Pairs = Vec<(String, String)>;

/// A request of a stage.
pub struct Hit<'a> {
    /// The request.
    pub request: &'a SiteRequest,
    /// The stage.
    pub served: &'a Served,
    /// The path behind the stage, percent-encoded, with its slash.
    pub path: &'a str,
    /// The base path that led here, of a custom domain name.
    pub base: Option<&'a str>,
    /// The host that it came to, as an API's.
    pub domain: String,
    /// The resource's id and path, once it is found.
    pub resource: Option<(&'a str, String)>,
    /// The method, once it is found.
    pub method: Option<&'a Method>,
    /// The method's own verb: the request's, or `ANY`.
    pub verb: &'a str,
    /// What the path's variables stand for, percent-encoded.
    pub path_params: Texts,
    /// The query string's parameters, decoded.
    pub query: Pairs,
    /// The headers, their words in capitals.
    pub headers: Pairs,
    /// `x-amz-apigw-id`
    pub extended_id: String,
    /// Who signed, where the method wants to know.
    pub caller: Option<&'a Principal>,
    /// The API key, where the method wants one.
    pub api_key: Option<ApiKey>,
    /// What an authoriser said: the principal's id, and its own values.
    pub authorizer: Option<(String, Map<String, Json>)>,
    /// What its execution log says.
    pub journal: Journal,
}

/// A header's name as it is mostly written: each word begins with a capital letter. HTTP/1.1 and 2 servers
/// alike read names in small letters, so that how the client wrote it is not known.
pub fn title(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

/// The headers of a request, and those that API Gateway adds.
pub fn headers(request: &SiteRequest) -> Pairs {
    let given = request.headers.iter();
    let mut out: Pairs = given
        .filter(|(name, _)| !matches!(name.as_str(), "connection" | "transfer-encoding" | "content-length"))
        .map(|(name, value)| (title(name.as_str()), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let mut put = |name: &str, value: String| {
        out.retain(|(one, _)| one != name);
        out.push((name.to_owned(), value));
    };
    let source = request.cx.source_ip.map(|ip| ip.to_string()).unwrap_or_default();
    let before = request.headers.get("x-forwarded-for").and_then(|v| v.to_str().ok());
    put("X-Forwarded-For", before.map_or_else(|| source.clone(), |before| format!("{before}, {source}")));
    put("X-Forwarded-Proto", if request.cx.secure { "https" } else { "http" }.to_owned());
    let port = request.cx.endpoint.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.contains('/'));
    put("X-Forwarded-Port", port.unwrap_or(if request.cx.secure { "443" } else { "80" }).to_owned());
    put("X-Amzn-Trace-Id", format!("Root={}", request.cx.trace));
    if !out.iter().any(|(name, _)| name == "Host") {
        out.push(("Host".to_owned(), request.host.clone()));
    }
    out.sort_by(|a, b| a.0.cmp(&b.0));
    out
}

/// The last value of a name, whatever its letters' case.
pub fn last<'p>(pairs: &'p Pairs, name: &str) -> Option<&'p str> {
    pairs.iter().rev().find(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Null, or a text.
fn text(value: Option<impl Into<String>>) -> Json {
    value.map_or(Json::Null, |value| Json::String(value.into()))
}

impl Hit<'_> {
    /// The last value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        last(&self.headers, name)
    }

    /// The path that policies and authorisers see: `/<stage>/<verb>/<path>` behind the API's ARN.
    pub fn method_arn(&self) -> String {
        let path = self.path.trim_start_matches('/');
        let (api, stage) = (self.served.name.execute_arn(), &self.served.stage_name);
        format!("{api}/{stage}/{}/{path}", self.request.method)
    }

    /// What an integration is called on behalf of: the resource's path, its variables `*`.
    pub fn source_arn(&self) -> String {
        let path = self.resource.as_ref().map_or("/", |(_, path)| path.as_str());
        let part = |part: &str| if part.starts_with('{') { "*".to_owned() } else { part.to_owned() };
        let path: Vec<String> = path.split('/').map(part).collect();
        let (api, stage) = (self.served.name.execute_arn(), &self.served.stage_name);
        format!("{api}/{stage}/{}{}", self.request.method, path.join("/"))
    }

    /// Whether a content type is one that the API treats as binary.
    pub fn is_binary(&self, kind: &str) -> bool {
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let types = &self.served.definition.binary_media_types;
        types.iter().any(|one| {
            let one = one.to_ascii_lowercase();
            one == "*/*"
                || one == kind
                || one.strip_suffix("/*").is_some_and(|family| kind.split('/').next() == Some(family))
        })
    }

    /// Whether the client takes binary content: the first type of its `Accept` says so
    /// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/lambda-proxy-binary-media.html>).
    pub fn accepts_binary(&self) -> bool {
        let accept = self.header("accept").unwrap_or("application/json");
        self.is_binary(accept.split(',').next().unwrap_or_default())
    }

    /// The body as text, or in base64 if its type is binary.
    pub fn body(&self) -> (Option<String>, bool) {
        let bytes = &self.request.body;
        if bytes.is_empty() {
            return (None, false);
        }
        match self.is_binary(self.header("content-type").unwrap_or("application/json")) {
            true => (Some(BASE64.encode(bytes)), true),
            false => (Some(String::from_utf8_lossy(bytes).into_owned()), false),
        }
    }

    /// The name of the method in a stage's settings: `pets/{id}/GET`, its inner slashes `~1`.
    pub fn setting_key(&self) -> String {
        let path = self.resource.as_ref().map_or("/", |(_, path)| path.as_str());
        setting_key(path, self.verb)
    }

    /// What the stage says of the method, or of all.
    pub fn settings(&self) -> Option<&MethodSettings> {
        let settings = &self.served.stage.method_settings;
        settings.get(&self.setting_key()).or_else(|| settings.get("*/*"))
    }

    /// The path as a function gets it: what a custom domain name was asked for, base path included.
    pub fn event_path(&self) -> &str {
        if self.base.is_some() { &self.request.path } else { self.path }
    }

    /// `$context.identity`
    pub fn identity(&self) -> Json {
        let caller = self.caller.filter(|caller| caller.kind != PrincipalKind::Anonymous);
        let user = caller.map(|caller| caller.id.clone());
        let mut identity = json!({
            "cognitoIdentityPoolId": null,
            "accountId": text(caller.map(|caller| caller.account.clone())),
            "cognitoIdentityId": null,
            "caller": text(user.clone()),
            "sourceIp": text(self.request.cx.source_ip.map(|ip| ip.to_string())),
            "principalOrgId": null,
            "accessKey": text(caller.and_then(|caller| caller.access_key.clone())),
            "cognitoAuthenticationType": null,
            "cognitoAuthenticationProvider": null,
            "userArn": text(caller.map(|caller| caller.arn.clone())),
            "userAgent": text(self.header("user-agent")),
            "user": text(user),
        });
        if let (Some(key), Json::Object(identity)) = (&self.api_key, &mut identity) {
            identity.insert("apiKey".to_owned(), key.value.clone().into());
            identity.insert("apiKeyId".to_owned(), key.id.clone().into());
        }
        identity
    }

    /// `$context`, and `requestContext` of events:
    /// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html>.
    pub fn context(&self) -> Map<String, Json> {
        let now = self.request.cx.now;
        let served = self.served;
        let mut context = Map::new();
        let mut put = |name: &str, value: Json| context.insert(name.to_owned(), value);
        if let Some((id, path)) = &self.resource {
            put("resourceId", (*id).into());
            if let Some((principal, values)) = &self.authorizer {
                let mut authorizer = values.clone();
                authorizer.insert("principalId".to_owned(), principal.clone().into());
                put("authorizer", Json::Object(authorizer));
            }
            put("resourcePath", path.clone().into());
        }
        if let Some(operation) = self.method.and_then(|method| method.operation_name.clone()) {
            put("operationName", operation.into());
        }
        put("httpMethod", self.request.method.as_str().into());
        put("extendedRequestId", self.extended_id.clone().into());
        put("requestTime", payload::time(now).into());
        put(
            "path",
            match self.base {
                None => format!("/{}{}", served.stage_name, self.path).into(),
                Some(_) => self.request.path.clone().into(),
            },
        );
        if let Some(base) = self.base {
            let matched = if base.is_empty() { "(none)" } else { base };
            put("customDomain", json!({ "basePathMatched": matched }));
        }
        put("accountId", served.name.scope.account.clone().into());
        put("protocol", "HTTP/1.1".into());
        put("stage", served.stage_name.clone().into());
        put("domainPrefix", self.domain.split('.').next().unwrap_or_default().into());
        put("requestTimeEpoch", now.millis().into());
        put("requestId", self.request.cx.request_id.clone().into());
        put("identity", self.identity());
        put("domainName", self.domain.clone().into());
        put("deploymentId", served.stage.deployment.clone().into());
        put("apiId", served.name.id.clone().into());
        context
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_queries_are_read() {
        assert_eq!(title("x-amzn-trace-id"), "X-Amzn-Trace-Id");
        assert_eq!(title("host"), "Host");
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(payload::pairs("a=1&b=x%20y+z&&c"), [pair("a", "1"), pair("b", "x y z"), pair("c", "")]);
        assert_eq!(payload::time(ropeway_core::Time(0)), "01/Jan/1970:00:00:00 +0000");
    }
}
