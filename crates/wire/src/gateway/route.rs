//! Which service and operation a request is for.

use std::sync::Arc;

use http::request::Parts;
use percent_encoding::percent_decode_str;

use crate::call::{Dispatch, Services};
use crate::schema::{Kind, Location, Operation, Protocol, Service};
use crate::{Error, text};

/// A request's service and protocol; the operation too, unless the body names it (Query).
pub(super) struct Route {
    pub dispatch: Arc<dyn Dispatch>,
    pub protocol: Protocol,
    pub found: Found,
    /// The bucket that the host names.
    pub bucket: Option<String>,
}

/// What is known of the operation before the body is read.
pub(super) enum Found {
    Operation(&'static Operation, Vec<(&'static str, String)>),
    /// The Query protocol's `Action`, in the query string or in the body.
    ByAction,
    Refused(Error),
}

impl Route {
    pub fn service(&self) -> &'static Service {
        self.dispatch.service()
    }
}

/// The credential scope's service, wherever the request carries it.
pub(super) struct Scope {
    pub service: String,
}

/// The credential scope, read without checking anything: only for routing.
pub(super) fn scope(parts: &Parts) -> Option<Scope> {
    let header = parts.headers.get(http::header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let credential = match header {
        Some(header) => header.split_once("Credential=")?.1.split([',', ' ']).next()?.to_owned(),
        None => query_value(parts.uri.query()?, "X-Amz-Credential")?,
    };
    let mut words = credential.rsplit('/');
    words.next()?;
    Some(Scope { service: words.next()?.to_owned() })
}

fn query_value(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.into_iter().find(|(key, _)| *key == name)?.1;
    Some(percent_decode_str(value).decode_utf8().ok()?.into_owned())
}

/// Finds the service, the protocol and, where the head says it, the operation.
///
/// # Errors
/// A 4xx in no service's own form, if no service can be told.
pub(super) fn route(
    services: &Services,
    parts: &Parts,
    scope: Option<&Scope>,
    own_host: Option<&str>,
) -> Result<Route, Error> {
    if let Some(target) = parts.headers.get("x-amz-target") {
        return by_target(services, target.to_str().unwrap_or_default());
    }
    if parts.headers.get("smithy-protocol").is_some_and(|v| v.as_bytes() == b"rpc-v2-cbor") {
        return by_rpc_path(services, parts.uri.path());
    }
    let named = scope.and_then(|scope| by_signing_name(services, &scope.service, parts));
    let action = query_value(parts.uri.query().unwrap_or_default(), "Action").is_some() || is_form(parts);
    let dispatch = match named {
        Some(dispatch) => dispatch,
        None if scope.is_some() => return Err(unknown_service(scope)),
        None if action => by_host_or_version(services, parts).ok_or_else(|| unknown_service(None))?,
        None => services.get("s3").ok_or_else(|| unknown_service(None))?,
    };
    let service = dispatch.service();
    let speaks = |protocol| service.protocols.contains(&protocol);
    if action && speaks(Protocol::AwsQuery) {
        return Ok(Route {
            dispatch: Arc::clone(dispatch),
            protocol: Protocol::AwsQuery,
            found: Found::ByAction,
            bucket: None,
        });
    }
    let rest = service.protocols.iter().find(|p| matches!(p, Protocol::RestJson | Protocol::RestXml));
    let Some(protocol) = rest else {
        let protocol = service.protocols.first().copied().unwrap_or(Protocol::AwsJson10);
        let error = Error::new(404, "UnknownOperationException", "The request names no operation.");
        let found = Found::Refused(error);
        return Ok(Route { dispatch: Arc::clone(dispatch), protocol, found, bucket: None });
    };
    let host = host(parts);
    let bucket = if service.id == "s3" { bucket_of_host(&host, own_host) } else { None };
    let found = match is_for_s3_control(service, parts) {
        true => Found::Refused(Error::new(
            501,
            "NotImplemented",
            format!("Ropeway does not implement S3 Control, whose path {} is", parts.uri.path()),
        )),
        false => by_uri(service, parts, bucket),
    };
    let bucket = bucket.map(str::to_owned);
    Ok(Route { dispatch: Arc::clone(dispatch), protocol: *protocol, found, bucket })
}

/// S3's account-level API signs as S3 does. Its paths would pass for a bucket's; each of its operations has the account in a
/// header (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_GetPublicAccessBlock.html>).
fn is_for_s3_control(service: &Service, parts: &Parts) -> bool {
    service.id == "s3"
        && parts.uri.path().starts_with("/v20180820/")
        && parts.headers.contains_key("x-amz-account-id")
}

/// The service of a signing name. Of several that share one (API Gateway's versions), the one that has the path.
fn by_signing_name<'a>(services: &'a Services, name: &str, parts: &Parts) -> Option<&'a Arc<dyn Dispatch>> {
    let mut named = services.iter().filter(|d| d.service().signing_name == name);
    let first = named.next()?;
    let mut others = named.peekable();
    if others.peek().is_none() {
        return Some(first);
    }
    let keys = query_keys(parts.uri.query().unwrap_or_default());
    let has_path = |service: &Service| {
        let listed = service.operations.iter().map(|operation| (operation.method, operation.uri));
        let refused = service.refused_operations.iter().map(|refused| (refused.method, refused.uri));
        listed.chain(refused).any(|(method, uri)| fits(method, uri, parts, parts.uri.path(), &keys).is_some())
    };
    Some(std::iter::once(first).chain(others).find(|d| has_path(d.service())).unwrap_or(first))
}

fn unknown_service(scope: Option<&Scope>) -> Error {
    match scope {
        Some(scope) => Error::new(
            501,
            "NotImplemented",
            format!("Ropeway does not implement the service {}", scope.service),
        ),
        None => Error::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token"),
    }
}

fn is_form(parts: &Parts) -> bool {
    let kind =
        parts.headers.get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    parts.method == http::Method::POST && kind.starts_with("application/x-www-form-urlencoded")
}

fn by_host_or_version<'a>(services: &'a Services, parts: &Parts) -> Option<&'a Arc<dyn Dispatch>> {
    let host = host(parts);
    let version = query_value(parts.uri.query().unwrap_or_default(), "Version");
    let first = host.split('.').next().unwrap_or_default();
    services
        .get(first)
        .or_else(|| services.iter().find(|d| Some(d.service().api_version) == version.as_deref()))
}

/// An operation by its name, or the error that names what is not there.
pub(super) fn by_name(service: &'static Service, name: &str) -> Found {
    match service.operations.iter().find(|operation| operation.name == name) {
        Some(operation) => Found::Operation(operation, Vec::new()),
        None if service.refused_operations.iter().any(|o| o.name == name) => {
            Found::Refused(refusal(service, name))
        }
        None => Found::Refused(unknown_operation(service, name)),
    }
}

fn refusal(service: &Service, name: &str) -> Error {
    Error::new(
        501,
        "NotImplemented",
        format!("Ropeway does not implement the operation {name} of {}", service.name),
    )
}

fn unknown_operation(service: &Service, name: &str) -> Error {
    if service.protocols.first() == Some(&Protocol::AwsQuery) {
        let message = format!("Could not find operation {name} for version {}", service.api_version);
        return Error::new(400, "InvalidAction", message);
    }
    Error::new(
        400,
        "UnknownOperationException",
        format!("The operation {name} is not one of {}", service.name),
    )
    .with_query_code("InvalidAction")
}

fn by_target(services: &Services, target: &str) -> Result<Route, Error> {
    let (prefix, name) = target.rsplit_once('.').unwrap_or((target, ""));
    let dispatch = services.iter().find(|d| d.service().target_prefix == Some(prefix));
    let dispatch = dispatch.ok_or_else(|| {
        Error::new(
            400,
            "UnknownOperationException",
            format!("Ropeway does not implement the service of the target {prefix}"),
        )
    })?;
    let service = dispatch.service();
    let json = service.protocols.iter().find(|p| matches!(p, Protocol::AwsJson10 | Protocol::AwsJson11));
    let protocol = *json.unwrap_or(&Protocol::AwsJson10);
    Ok(Route { dispatch: Arc::clone(dispatch), protocol, found: by_name(service, name), bucket: None })
}

/// `/service/<name>/operation/<name>`, of rpc-v2-cbor.
fn by_rpc_path(services: &Services, path: &str) -> Result<Route, Error> {
    let words: Vec<&str> = path.trim_matches('/').split('/').collect();
    let &["service", id, "operation", name] = words.as_slice() else {
        return Err(Error::new(404, "UnknownOperationException", "The path is not /service/…/operation/…"));
    };
    let matches = |d: &&Arc<dyn Dispatch>| {
        let service = d.service();
        service.target_prefix == Some(id) || service.name.eq_ignore_ascii_case(id)
    };
    let dispatch = services.iter().find(matches);
    let dispatch = dispatch.filter(|d| d.service().protocols.contains(&Protocol::RpcV2Cbor));
    let dispatch = dispatch.ok_or_else(|| {
        Error::new(404, "UnknownOperationException", format!("No service {id} speaks rpc-v2-cbor"))
    })?;
    Ok(Route {
        dispatch: Arc::clone(dispatch),
        protocol: Protocol::RpcV2Cbor,
        found: by_name(dispatch.service(), name),
        bucket: None,
    })
}

/// The host that the client named, without its port.
pub(super) fn host(parts: &Parts) -> String {
    let named = parts.uri.authority().map(|a| a.as_str());
    let header = parts.headers.get(http::header::HOST).and_then(|v| v.to_str().ok());
    let host = named.or(header).unwrap_or_default();
    let host = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
        .map_or(host, |(h, _)| h);
    host.to_ascii_lowercase()
}

/// The bucket that a host names: `photos.s3.eu-west-1.amazonaws.com`, `photos.s3.localhost`,
/// `photos.localhost`, and the same below the server's own host.
fn bucket_of_host<'a>(host: &'a str, own: Option<&str>) -> Option<&'a str> {
    let below = |own: &str| host.strip_suffix(own)?.strip_suffix('.');
    let aws = below("amazonaws.com");
    let base = aws.or_else(|| below("localhost")).or_else(|| own.and_then(below))?;
    if base == "s3" || base.starts_with("s3.") || base.starts_with("s3-") {
        return None;
    }
    let named =
        base.rfind(".s3.").or_else(|| base.rfind(".s3-")).or_else(|| base.strip_suffix(".s3").map(str::len));
    match named {
        Some(end) => base.get(..end),
        None if aws.is_none() => Some(base),
        None => None,
    }
}

/// A rest operation, by method, path, query and required headers: the one that asks for most.
fn by_uri(service: &'static Service, parts: &Parts, bucket: Option<&str>) -> Found {
    let path = match bucket {
        Some(bucket) => format!("/{bucket}{}", parts.uri.path()),
        None => parts.uri.path().to_owned(),
    };
    let keys = query_keys(parts.uri.query().unwrap_or_default());
    let mut best: Option<(usize, Found)> = None;
    let mut consider = |weight: usize, found: Found| {
        if best.as_ref().is_none_or(|(w, _)| *w < weight) {
            best = Some((weight, found));
        }
    };
    for operation in service.operations {
        let Some((weight, labels)) = fits(operation.method, operation.uri, parts, &path, &keys) else {
            continue;
        };
        if let Some(extra) = required_given(operation, parts, &keys) {
            consider(weight + extra, Found::Operation(operation, labels));
        }
    }
    for refused in service.refused_operations {
        // Only those that their own query parameter tells apart: the rest look like listed ones.
        if let Some((weight, _)) =
            fits(refused.method, refused.uri, parts, &path, &keys).filter(|(weight, _)| *weight > 0)
        {
            consider(weight, Found::Refused(refusal(service, refused.name)));
        }
    }
    let found = best.map(|(_, found)| found);
    found
        .or_else(|| refused_by_uri(service, parts, &path, &keys))
        .unwrap_or_else(|| Found::Refused(no_such_method(service)))
}

/// Where no listed operation fits: the refused one that does. S3 tells its operations apart by their query
/// parameters, so that there a method and a path alone name none.
fn refused_by_uri(
    service: &'static Service,
    parts: &Parts,
    path: &str,
    keys: &[(String, String)],
) -> Option<Found> {
    let mut refused = service.refused_operations.iter().filter(|_| service.id != "s3");
    let one = refused.find(|one| fits(one.method, one.uri, parts, path, keys).is_some())?;
    Some(Found::Refused(refusal(service, one.name)))
}

fn no_such_method(service: &Service) -> Error {
    if service.id == "s3" {
        return Error::new(
            405,
            "MethodNotAllowed",
            "The specified method is not allowed against this resource.",
        );
    }
    Error::new(404, "UnknownOperationException", "No operation has this method and path.")
}

/// Names and values of a query string, decoded.
fn query_keys(query: &str) -> Vec<(String, String)> {
    let pairs = text::form_pairs(query).unwrap_or_default();
    pairs.into_iter().map(|(key, value)| (key.into_owned(), value.into_owned())).collect()
}

/// How many parameters of the query a template names, and its labels, if the request fits it.
fn fits(
    method: &str,
    uri: &'static str,
    parts: &Parts,
    path: &str,
    keys: &[(String, String)],
) -> Option<(usize, Vec<(&'static str, String)>)> {
    if parts.method.as_str() != method {
        return None;
    }
    let (pattern, literals) = uri.split_once('?').unwrap_or((uri, ""));
    let mut weight = 0;
    for literal in literals.split('&').filter(|l| !l.is_empty() && !l.starts_with("x-id=")) {
        let (name, value) = literal.split_once('=').unwrap_or((literal, ""));
        if !keys.iter().any(|(k, v)| k == name && (value.is_empty() || v == value)) {
            return None;
        }
        weight += 1;
    }
    labels(pattern, path).map(|labels| (weight, labels))
}

/// What a path gives for the labels of a pattern; `None` if it does not fit. No label is empty.
fn labels(pattern: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let mut out = Vec::new();
    let mut rest = path.trim_start_matches('/');
    let mut words = pattern.trim_matches('/').split('/').filter(|w| !w.is_empty()).peekable();
    while let Some(word) = words.next() {
        let label = word.strip_prefix('{').and_then(|w| w.strip_suffix('}'));
        let greedy = label.and_then(|l| l.strip_suffix('+'));
        let (part, tail) = match greedy {
            Some(_) if words.peek().is_none() => (rest, ""),
            _ => rest.split_once('/').unwrap_or((rest, "")),
        };
        match label {
            None if part == word => {}
            None => return None,
            Some(_) if part.is_empty() => return None,
            Some(label) => {
                let value = percent_decode_str(part).decode_utf8().ok()?;
                out.push((greedy.unwrap_or(label), value.into_owned()));
            }
        }
        rest = tail;
    }
    rest.is_empty().then_some(out)
}

/// How many required query parameters and headers an operation has, if the request gives them all.
fn required_given(operation: &Operation, parts: &Parts, keys: &[(String, String)]) -> Option<usize> {
    let Kind::Structure { members, .. } = &operation.input.schema.kind else { return Some(0) };
    let mut count = 0;
    for member in members.iter().filter(|m| m.required) {
        let given = match member.location {
            Location::Query(name) => keys.iter().any(|(k, _)| k == name),
            Location::Header(name) => parts.headers.contains_key(name),
            _ => continue,
        };
        if !given {
            return None;
        }
        count += 1;
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_name_buckets() {
        for (host, bucket) in [
            ("localhost", None),
            ("s3.localhost", None),
            ("s3.eu-west-1.amazonaws.com", None),
            ("photos.localhost", Some("photos")),
            ("photos.s3.localhost", Some("photos")),
            ("my.photos.s3.eu-west-1.amazonaws.com", Some("my.photos")),
            ("photos.s3.amazonaws.com", Some("photos")),
            ("127.0.0.1", None),
            ("photos.example.com", None),
            ("ropeway.example.com", None),
            ("s3.ropeway.example.com", None),
            ("photos.ropeway.example.com", Some("photos")),
            ("my.photos.s3.ropeway.example.com", Some("my.photos")),
        ] {
            assert_eq!(bucket_of_host(host, Some("ropeway.example.com")), bucket, "{host}");
        }
        assert_eq!(bucket_of_host("photos.ropeway.example.com", None), None);
    }

    #[test]
    fn paths_give_labels() {
        assert_eq!(labels("/{Bucket}", "/b"), Some(vec![("Bucket", "b".to_owned())]));
        assert_eq!(labels("/{Bucket}", "/b/"), Some(vec![("Bucket", "b".to_owned())]));
        assert_eq!(labels("/{Bucket}", "/b/k"), None);
        assert_eq!(labels("/{Bucket}/{Key+}", "/b/"), None);
        let found = labels("/{Bucket}/{Key+}", "/b/a//b%20c/").unwrap();
        assert_eq!(found, vec![("Bucket", "b".to_owned()), ("Key", "a//b c/".to_owned())]);
        assert_eq!(labels("/", "/"), Some(Vec::new()));
    }
}
