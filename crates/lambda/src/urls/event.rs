//! A request as the function gets it, payload format 2.0:
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads>.

use std::collections::BTreeMap;

use base64::Engine as _;
use percent_encoding::percent_decode_str;
use ropeway_core::Time;
use ropeway_wire::gateway::SiteRequest;
use serde_json::{Value as Json, json};

/// The event of a request at `path` of the URL `id`.
pub fn event(request: &SiteRequest, id: &str, path: &str) -> Json {
    let (headers, cookies) = headers(request);
    let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
    let now = request.cx.now;
    let account = match request.signed {
        Some(Ok(_)) => request.cx.principal.account.as_str(),
        _ => "anonymous",
    };
    let mut context = json!({
        "accountId": account,
        "apiId": id,
        "domainName": request.host,
        "domainPrefix": id,
        "http": {
            "method": request.method.as_str(),
            "path": decoded(path),
            "protocol": "HTTP/1.1",
            "sourceIp": request.cx.source_ip.map(|ip| ip.to_string()),
            "userAgent": header("user-agent"),
        },
        "requestId": request.cx.request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": time(now),
        "timeEpoch": now.millis(),
    });
    if let (Some(Ok(_)), Json::Object(context)) = (&request.signed, &mut context) {
        context.insert("authorizer".to_owned(), authorizer(request));
    }
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": decoded(path),
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": context,
        "isBase64Encoded": false,
    });
    let Json::Object(fields) = &mut event else { return event };
    if !cookies.is_empty() {
        fields.insert("cookies".to_owned(), json!(cookies));
    }
    let query = query(&request.query);
    if !query.is_empty() {
        fields.insert("queryStringParameters".to_owned(), json!(query));
    }
    if !request.body.is_empty() {
        let text = std::str::from_utf8(&request.body).ok().filter(|_| is_text(&header("content-type")));
        fields.insert("isBase64Encoded".to_owned(), json!(text.is_none()));
        let body = match text {
            Some(text) => text.to_owned(),
            None => base64::engine::general_purpose::STANDARD.encode(&request.body),
        };
        fields.insert("body".to_owned(), json!(body));
    }
    event
}

fn authorizer(request: &SiteRequest) -> Json {
    let principal = &request.cx.principal;
    json!({
        "iam": {
            "accessKey": principal.access_key,
            "accountId": principal.account,
            "callerId": principal.id,
            "cognitoIdentity": null,
            "principalOrgId": null,
            "userArn": principal.arn,
            "userId": principal.id,
        }
    })
}

/// Headers by their names in lower case, several of a name joined; cookies apart.
fn headers(request: &SiteRequest) -> (BTreeMap<String, String>, Vec<String>) {
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    let mut cookies = Vec::new();
    for (name, value) in &request.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        if name == http::header::COOKIE {
            cookies.extend(value.split("; ").map(str::to_owned));
            continue;
        }
        out.entry(name.as_str().to_owned())
            .and_modify(|all| {
                all.push(',');
                all.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    (out, cookies)
}

/// Parameters by name, several of a name joined by commas.
fn query(query: &str) -> BTreeMap<String, String> {
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(&value.replace('+', " "));
        out.entry(decoded(&name.replace('+', " ")))
            .and_modify(|all| {
                all.push(',');
                all.push_str(&value);
            })
            .or_insert(value);
    }
    out
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Media types whose bodies functions get as text.
fn is_text(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("text/")
        || ["application/json", "application/javascript", "application/xml"].contains(&kind.as_str())
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
}

/// `12/Mar/2020:19:03:58 +0000`
fn time(at: Time) -> String {
    let at = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or(jiff::Timestamp::MAX);
    at.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}
