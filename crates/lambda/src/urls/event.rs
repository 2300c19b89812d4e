//! A request as the function gets it, payload format 2.0:
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads>.

use ropeway_wire::gateway::SiteRequest;
use ropeway_wire::gateway::payload::{body, decoded, headers, iam, query, time};
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
        context.insert("authorizer".to_owned(), json!({ "iam": iam(&request.cx.principal) }));
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
        let (body, base64) = body(&request.body, &header("content-type"));
        fields.insert("isBase64Encoded".to_owned(), json!(base64));
        fields.insert("body".to_owned(), json!(body));
    }
    event
}
