//! A request as a function gets it, payload formats 1.0 and 2.0, and the answers of format 1.0:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use ropeway_wire::Answer;
use ropeway_wire::gateway::payload;
use serde_json::{Map, Value as Json, json};

use super::hit::{Hit, Pass};
use super::mapping::Sent;
use crate::model::Texts;
use crate::plane::event;
use crate::plane::hit::{Pairs, title};

/// A map; null if it is empty.
fn texts(map: &Texts) -> Json {
    if map.is_empty() { Json::Null } else { json!(map) }
}

/// `requestContext` of format 2.0.
fn second_context(hit: &Hit<'_>, path: &str) -> Json {
    let now = hit.request.cx.now;
    let mut context = json!({
        "accountId": hit.api.name.scope.account,
        "apiId": hit.api.name.id,
        "domainName": hit.domain,
        "domainPrefix": hit.domain.split('.').next().unwrap_or_default(),
        "http": {
            "method": hit.request.method.as_str(),
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": hit.request.cx.source_ip.map(|ip| ip.to_string()),
            "userAgent": hit.headers.get("user-agent").cloned().unwrap_or_default(),
        },
        "requestId": hit.request_id,
        "routeKey": hit.route_key(),
        "stage": hit.stage.name,
        "time": payload::time(now),
        "timeEpoch": now.millis(),
    });
    if let (Some(authorizer), Json::Object(context)) = (hit.authorizer(), &mut context) {
        context.insert("authorizer".to_owned(), authorizer);
    }
    context
}

/// The event of format 2.0.
pub fn second(hit: &Hit<'_>, sent: &Sent) -> Json {
    let mut event = json!({
        "version": "2.0",
        "routeKey": hit.route_key(),
        "rawPath": sent.path,
        "rawQueryString": sent.raw_query,
        "headers": sent.headers,
        "requestContext": second_context(hit, &sent.path),
        "isBase64Encoded": false,
    });
    let Json::Object(fields) = &mut event else { return event };
    let mut put = |name: &str, value: Json| fields.insert(name.to_owned(), value);
    if !hit.cookies.is_empty() {
        put("cookies", json!(hit.cookies));
    }
    if !sent.query.is_empty() {
        put("queryStringParameters", json!(sent.query));
    }
    if !hit.path_params.is_empty() {
        put("pathParameters", json!(hit.path_params));
    }
    if !hit.stage.stage.variables.is_empty() {
        put("stageVariables", json!(hit.stage.stage.variables));
    }
    if let Some((body, base64)) = body(hit) {
        put("body", json!(body));
        put("isBase64Encoded", json!(base64));
    }
    event
}

/// The body, if there is one, and whether it is in base64.
fn body(hit: &Hit<'_>) -> Option<(String, bool)> {
    let kind = hit.headers.get("content-type").map_or("", String::as_str);
    (!hit.request.body.is_empty()).then(|| payload::body(&hit.request.body, kind))
}

/// `requestContext` of format 1.0.
fn first_context(hit: &Hit<'_>, path: &str) -> Json {
    let mut context = hit.context();
    let now = hit.request.cx.now;
    let key = hit.route_key().to_owned();
    let resource = key.split_once(' ').map_or(key.clone(), |(_, path)| path.to_owned());
    let principal = match &hit.pass {
        Some(Pass::Iam(principal)) => principal.access_key.clone(),
        _ => None,
    };
    if let Some(Json::Object(identity)) = context.get_mut("identity") {
        for absent in [
            "cognitoAuthenticationProvider",
            "cognitoAuthenticationType",
            "cognitoIdentityId",
            "cognitoIdentityPoolId",
            "principalOrgId",
        ] {
            identity.insert(absent.to_owned(), Json::Null);
        }
        identity.insert("accessKey".to_owned(), json!(principal));
    }
    let authorizer = match &hit.pass {
        Some(Pass::Jwt(claims, scopes)) => json!({ "claims": claims, "scopes": scopes }),
        Some(Pass::Iam(_)) | None => Json::Null,
        Some(Pass::Lambda(..)) => context.get("authorizer").cloned().unwrap_or_default(),
    };
    context.remove("authorizer");
    for (name, value) in [
        ("authorizer", authorizer),
        ("path", json!(path)),
        ("requestTimeEpoch", json!(now.millis())),
        ("resourceId", json!(key)),
        ("resourcePath", json!(resource)),
    ] {
        if name != "authorizer" || !value.is_null() {
            context.insert(name.to_owned(), value);
        }
    }
    context.remove("customDomain");
    context.remove("routeKey");
    Json::Object(context)
}

/// The names and values of the headers and of the query, as format 1.0 has them.
fn first_pairs(hit: &Hit<'_>, sent: &Sent) -> (Pairs, Pairs) {
    let mut headers: Pairs = Vec::new();
    for (name, joined) in &sent.headers {
        let given = hit.request.headers.get_all(name.as_str()).iter();
        let given: Vec<String> = given.map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned()).collect();
        // What the mappings changed is one value.
        let as_given = given.len() > 1 && given.join(",") == *joined;
        let values = if as_given { given } else { vec![joined.clone()] };
        headers.extend(values.into_iter().map(|value| (title(name), value)));
    }
    for cookie in hit.request.headers.get_all(http::header::COOKIE) {
        headers.push(("Cookie".to_owned(), String::from_utf8_lossy(cookie.as_bytes()).into_owned()));
    }
    (headers, payload::pairs(&sent.raw_query))
}

/// The event of format 1.0.
pub fn first(hit: &Hit<'_>, sent: &Sent) -> Json {
    let (headers, query) = first_pairs(hit, sent);
    let key = hit.route_key();
    let path = hit.first_path(sent);
    let (body, base64) = body(hit).map_or((Json::Null, false), |(body, base64)| (json!(body), base64));
    json!({
        "version": "1.0",
        "resource": key.split_once(' ').map_or(key, |(_, path)| path),
        "path": path,
        "httpMethod": hit.request.method.as_str(),
        "headers": event::single(&headers),
        "multiValueHeaders": event::multi(&headers),
        "queryStringParameters": event::single(&query),
        "multiValueQueryStringParameters": event::multi(&query),
        "requestContext": first_context(hit, &path),
        "pathParameters": texts(&hit.path_params),
        "stageVariables": texts(&hit.stage.stage.variables),
        "body": body,
        "isBase64Encoded": base64,
    })
}

/// What an authorizer's function gets of a request: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html>.
pub fn asked(hit: &Hit<'_>, version: &str, identity: &[String]) -> Json {
    let sent = super::mapping::request(hit, &Texts::new());
    let whole = if version == "2.0" { second(hit, &sent) } else { first(hit, &sent) };
    let Json::Object(mut event) = whole else { return Json::Null };
    for gone in ["body", "isBase64Encoded", "multiValueHeaders", "multiValueQueryStringParameters"] {
        event.remove(gone);
    }
    let mut own = Map::new();
    own.insert("type".to_owned(), "REQUEST".into());
    if version == "2.0" {
        own.insert("routeArn".to_owned(), hit.method_arn().into());
        own.insert("identitySource".to_owned(), json!(identity));
    } else {
        own.insert("methodArn".to_owned(), hit.method_arn().into());
        own.insert("identitySource".to_owned(), identity.join(",").into());
        own.insert("authorizationToken".to_owned(), identity.join(",").into());
    }
    event.extend(own);
    Json::Object(event)
}

/// An answer of format 1.0: an object with a status, or nothing that can be understood.
pub fn first_answer(said: &Bytes) -> Option<Answer> {
    let json: Json = serde_json::from_slice(said).ok()?;
    json.get("statusCode")?;
    let mut answer = payload::answer(said)?;
    for (name, values) in json.get("multiValueHeaders").and_then(Json::as_object).into_iter().flatten() {
        let Ok(name) = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes()) else { continue };
        if payload::is_own(name.as_str()) {
            continue;
        }
        let given = values.as_array().into_iter().flatten();
        let given: Vec<HeaderValue> =
            given.filter_map(|value| HeaderValue::from_str(value.as_str()?).ok()).collect();
        // Of a name in both forms, all the values of this one, and the other's if it is none of them.
        let single = answer.headers_mut().remove(&name).filter(|single| !given.contains(single));
        for value in single.into_iter().chain(given) {
            answer.headers_mut().append(name.clone(), value);
        }
    }
    Some(answer)
}
