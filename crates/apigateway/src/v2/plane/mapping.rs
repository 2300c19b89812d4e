//! Parameter mapping of requests and responses:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html>.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue, StatusCode};
use percent_encoding::utf8_percent_encode;
use ropeway_wire::protocol::ResponseBody;
use ropeway_wire::{Answer, Error};
use serde_json::Value as Json;

use super::hit::Hit;
use crate::model::Texts;
use crate::plane::http_endpoint::QUERY;
use crate::v2::errors::bad;
use crate::v2::model::Integration;

/// Bytes of a body that a JSON path looks at.
const LOOKED_AT: usize = 100 * 1024;
/// Headers that mappings cannot set; and all that begin with one of the second list.
const RESERVED: [&str; 14] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-location",
    "forwarded",
    "keep-alive",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailers",
    "transfer-encoding",
    "upgrade",
];
const RESERVED_PREFIXES: [&str; 7] = [
    "access-control-",
    "apigw-",
    "x-amz-",
    "x-amzn-",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// What a mapping does with what it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Append,
    Overwrite,
    Remove,
}

/// What a mapping names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Header(String),
    Query(String),
    Path,
    Status,
}

/// A piece of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// `request.header.name`, without the dollar sign
    Variable(String),
}

/// What an integration is sent.
pub struct Sent {
    /// Headers by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Parameters of the query string.
    pub query: BTreeMap<String, String>,
    /// The query string, percent-encoded.
    pub raw_query: String,
    /// The path, decoded.
    pub path: String,
    /// The path was set.
    pub path_set: bool,
}

fn target(key: &str) -> Option<(Act, Place)> {
    let (act, place) = key.split_once(':')?;
    let act = match act {
        "append" => Act::Append,
        "overwrite" => Act::Overwrite,
        "remove" => Act::Remove,
        _ => return None,
    };
    let place = match place {
        "path" => Place::Path,
        "statuscode" => Place::Status,
        named => match named.split_once('.')? {
            ("header", name) if !name.is_empty() => Place::Header(name.to_ascii_lowercase()),
            ("querystring", name) if !name.is_empty() => Place::Query(name.to_owned()),
            _ => return None,
        },
    };
    (act == Act::Overwrite || !matches!(place, Place::Path | Place::Status)).then_some((act, place))
}

/// The pieces of a value: one variable, or a text with `${variables}` in it.
fn pieces(value: &str) -> Vec<Piece> {
    let alone = value.strip_prefix('$').filter(|rest| !rest.starts_with('{'));
    if let Some(variable) = alone {
        return vec![Piece::Variable(variable.to_owned())];
    }
    let mut out = Vec::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((variable, tail)) = after.split_once('}') else { break };
        if !before.is_empty() {
            out.push(Piece::Text(before.to_owned()));
        }
        out.push(Piece::Variable(variable.to_owned()));
        rest = tail;
    }
    if !rest.is_empty() {
        out.push(Piece::Text(rest.to_owned()));
    }
    out
}

/// Whether a variable is one that there is, of a request or of a response.
fn is_known(variable: &str, owner: &str) -> bool {
    if variable.starts_with("context.") || variable.starts_with("stageVariables.") {
        return true;
    }
    let Some(rest) = variable.strip_prefix(owner).and_then(|rest| rest.strip_prefix('.')) else {
        return false;
    };
    match rest.split_once('.') {
        None => rest == "body" || (rest == "path" && owner == "request"),
        Some(("header", name)) => !name.is_empty(),
        Some(("body", path)) => !path.is_empty() && !path.contains("..") && !path.contains("?("),
        Some(("querystring" | "path", name)) => owner == "request" && !name.is_empty(),
        Some(_) => false,
    }
}

fn check(key: &str, value: &str, owner: &str, places: fn(&Place) -> bool) -> Result<(), Error> {
    let invalid = || bad(format!("Invalid mapping expression specified: {key}: {value}"));
    let (act, place) = target(key).filter(|(_, place)| places(place)).ok_or_else(invalid)?;
    if let Place::Header(name) = &place {
        let reserved = RESERVED.contains(&name.as_str())
            || name == "via"
            || RESERVED_PREFIXES.iter().any(|start| name.starts_with(start));
        if reserved || HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(bad(format!("Operations on header {name} are restricted")));
        }
    }
    let sound = pieces(value).iter().all(|piece| match piece {
        Piece::Text(_) => true,
        Piece::Variable(variable) => is_known(variable, owner),
    });
    // What is removed has no value; templates write the name's again, or nothing.
    match sound || act == Act::Remove {
        true => Ok(()),
        false => Err(invalid()),
    }
}

/// Checks a mapping of requests.
pub fn check_request(key: &str, value: &str) -> Result<(), Error> {
    check(key, value, "request", |place| *place != Place::Status)
}

/// Checks a mapping of responses.
pub fn check_response(key: &str, value: &str) -> Result<(), Error> {
    check(key, value, "response", |place| matches!(place, Place::Header(_) | Place::Status))
}

/// Whether a text is an identity source of an authorizer.
pub fn is_identity(source: &str) -> bool {
    source.strip_prefix('$').is_some_and(|variable| {
        is_known(variable, "request")
            && !variable.starts_with("request.body")
            && !variable.starts_with("request.path")
    })
}

/// A JSON value as a text.
fn as_text(json: &Json) -> Option<String> {
    match json {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The value at a path of names and numbers: `a.b[0]`.
fn at<'j>(json: &'j Json, path: &str) -> Option<&'j Json> {
    let names = path.split(['.', '[']).map(|name| name.trim_end_matches(']').trim_matches(['\'', '"']));
    names.filter(|name| !name.is_empty()).try_fold(json, |json, name| match json {
        Json::Array(all) => all.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    })
}

fn of_body(body: &[u8], path: Option<&str>) -> Option<String> {
    match path {
        None => Some(String::from_utf8_lossy(body).into_owned()),
        Some(path) => {
            let json: Json = serde_json::from_slice(body.get(..LOOKED_AT.min(body.len()))?).ok()?;
            at(&json, path).and_then(as_text)
        }
    }
}

/// A variable of `$context` or of the stage.
fn of_both(hit: &Hit<'_>, variable: &str) -> Option<String> {
    if let Some(name) = variable.strip_prefix("stageVariables.") {
        return hit.stage.stage.variables.get(name).cloned();
    }
    let path = variable.strip_prefix("context.")?;
    at(&Json::Object(hit.context()), path).and_then(as_text)
}

/// A variable of a request, without its dollar sign.
pub fn request_value(hit: &Hit<'_>, variable: &str) -> Option<String> {
    let Some(rest) = variable.strip_prefix("request.") else { return of_both(hit, variable) };
    match rest.split_once('.') {
        None if rest == "path" => Some(ropeway_wire::gateway::payload::decoded(hit.path)),
        None if rest == "body" => of_body(&hit.request.body, None),
        None => None,
        Some(("header", name)) if name.eq_ignore_ascii_case("cookie") => {
            Some(hit.cookies.join("; ")).filter(|all| !all.is_empty())
        }
        Some(("header", name)) => hit.headers.get(&name.to_ascii_lowercase()).cloned(),
        Some(("querystring", name)) => hit.query.get(name).cloned(),
        Some(("path", name)) => hit.path_params.get(name).cloned(),
        Some(("body", path)) => of_body(&hit.request.body, Some(path)),
        Some(_) => None,
    }
}

/// A value with its variables filled in; `None` where it is one variable that has no value.
pub fn evaluated(value: &str, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let pieces = pieces(value);
    if let [Piece::Variable(name)] = pieces.as_slice() {
        return variable(name);
    }
    let texts = pieces.into_iter().map(|piece| match piece {
        Piece::Text(text) => text,
        Piece::Variable(name) => variable(&name).unwrap_or_default(),
    });
    Some(texts.collect())
}

fn act_on(map: &mut BTreeMap<String, String>, act: Act, name: String, value: Option<String>) {
    match (act, value) {
        (Act::Remove, _) => drop(map.remove(&name)),
        (_, None) => {}
        (Act::Overwrite, Some(value)) => drop(map.insert(name, value)),
        (Act::Append, Some(value)) => {
            let all = map.entry(name).or_default();
            if !all.is_empty() {
                all.push(',');
            }
            all.push_str(&value);
        }
    }
}

/// What an integration is sent: the request as the mappings change it.
pub fn request(hit: &Hit<'_>, parameters: &Texts) -> Sent {
    let mut sent = Sent {
        headers: hit.headers.clone(),
        query: hit.query.clone(),
        raw_query: hit.request.query.clone(),
        path: hit.raw_path(),
        path_set: false,
    };
    let mut query_changed = false;
    for (key, value) in parameters {
        let Some((act, place)) = target(key) else { continue };
        let value = evaluated(value, |variable| request_value(hit, variable));
        match place {
            Place::Header(name) => act_on(&mut sent.headers, act, name, value),
            Place::Query(name) => {
                act_on(&mut sent.query, act, name, value);
                query_changed = true;
            }
            Place::Path => {
                if let Some(value) = value {
                    sent.path = value;
                    sent.path_set = true;
                }
            }
            Place::Status => {}
        }
    }
    if query_changed {
        let encoded = |text: &str| utf8_percent_encode(text, QUERY).to_string();
        let pairs = sent.query.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        sent.raw_query = pairs.collect::<Vec<_>>().join("&");
    }
    sent
}

/// An answer as the mappings of its status change it.
pub fn respond(hit: &Hit<'_>, integration: &Integration, mut answer: Answer) -> Answer {
    let status = answer.status().as_str().to_owned();
    let Some(parameters) = integration.response_parameters.get(&status) else { return answer };
    let body = match answer.body() {
        ResponseBody::Bytes(body) => body.clone(),
        ResponseBody::Stream(_) => Default::default(),
    };
    let before = answer.headers().clone();
    let variable = |variable: &str| {
        let Some(rest) = variable.strip_prefix("response.") else { return of_both(hit, variable) };
        match rest.split_once('.') {
            None if rest == "body" => of_body(&body, None),
            Some(("body", path)) => of_body(&body, Some(path)),
            Some(("header", name)) => {
                let all = before.get_all(name).iter().filter_map(|value| value.to_str().ok());
                Some(all.collect::<Vec<_>>().join(",")).filter(|all| !all.is_empty())
            }
            _ => None,
        }
    };
    for (key, value) in parameters {
        let Some((act, place)) = target(key) else { continue };
        let value = evaluated(value, variable);
        match place {
            Place::Status => {
                let status = value.and_then(|value| StatusCode::from_bytes(value.as_bytes()).ok());
                *answer.status_mut() = status.unwrap_or(answer.status());
            }
            Place::Header(name) => {
                let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { continue };
                let value = value.and_then(|value| HeaderValue::from_str(&value).ok());
                let headers = answer.headers_mut();
                match (act, value) {
                    (Act::Remove, _) => drop(headers.remove(name)),
                    (Act::Overwrite, Some(value)) => drop(headers.insert(name, value)),
                    (Act::Append, Some(value)) => drop(headers.append(name, value)),
                    (_, None) => {}
                }
            }
            Place::Query(_) | Place::Path => {}
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_checked() {
        for (key, value) in [
            ("append:header.header1", "$request.header.header1"),
            ("overwrite:header.h", "${request.path.a} ${context.requestId}"),
            ("overwrite:querystring.q", "static"),
            ("overwrite:path", "/x/$"),
            ("remove:querystring.q", "''"),
            ("append:header.h", "$request.body.a.b"),
        ] {
            assert!(check_request(key, value).is_ok(), "{key} {value}");
        }
        for (key, value) in [
            ("append:path", "/x"),
            ("set:header.h", "x"),
            ("append:header.authorization", "x"),
            ("append:header.x-amz-date", "x"),
            ("overwrite:header.h", "$request.cookie.a"),
            ("overwrite:header.h", "$response.header.a"),
            ("overwrite:statuscode", "200"),
        ] {
            assert!(check_request(key, value).is_err(), "{key} {value}");
        }
        assert!(check_response("overwrite:statuscode", "204").is_ok());
        assert!(check_response("overwrite:header.a", "$response.header.b").is_ok());
        assert!(check_response("overwrite:path", "/").is_err());
    }

    #[test]
    fn values_are_filled_in() {
        let variable = |name: &str| (name == "a").then(|| "1".to_owned());
        let value = |text| evaluated(text, variable);
        assert_eq!(value("$a").as_deref(), Some("1"));
        assert_eq!(value("$b"), None);
        assert_eq!(value("x${a}y${b}z").as_deref(), Some("x1yz"));
        assert_eq!(value("plain").as_deref(), Some("plain"));
        assert_eq!(value("open ${a").as_deref(), Some("open ${a"));
        let json = serde_json::json!({ "a": [{ "b": 7 }], "c": null });
        assert_eq!(at(&json, "a[0].b").and_then(as_text).as_deref(), Some("7"));
        assert_eq!(at(&json, "c").and_then(as_text), None);
    }
}
