//! Requests: what a client writes is decoded into the parameters it was given.

use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ropeway_wire::protocol::{RequestBody, RequestParts, decode_input};
use ropeway_wire::schema::Protocol;
use serde_json::Value as Json;

use crate::common::{Value, text};
use crate::model::Model;

/// Cases that do not hold for a server, or not for AWS's.
const LEFT_OUT: &[(&str, &str)] = &[
    ("SDKAppliedContentEncoding_awsJson1_1", GZIP),
    ("SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_1", GZIP),
    ("SDKAppliedContentEncoding_awsJson1_0", GZIP),
    ("SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_0", GZIP),
    ("SDKAppliedContentEncoding_awsQuery", GZIP),
    ("SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsQuery", GZIP),
    ("SDKAppliedContentEncoding_restJson1", GZIP),
    ("SDKAppendedGzipAfterProvidedEncoding_restJson1", GZIP),
    ("SDKAppliedContentEncoding_restXml", GZIP),
    ("SDKAppendedGzipAfterProvidedEncoding_restXml", GZIP),
    ("QueryProtocolIdempotencyTokenAutoFill", TOKEN),
    ("RestJsonQueryIdempotencyTokenAutoFill", TOKEN),
    ("QueryIdempotencyTokenAutoFill", TOKEN),
    ("QueryEmptyQueryMaps", EMPTY),
    ("RestJsonHttpPrefixHeadersAreNotPresent", EMPTY),
    ("RestJsonOmitsEmptyListQueryValues", EMPTY),
    ("HttpPrefixHeadersAreNotPresent", EMPTY),
    ("RestJsonQueryPrecedence", PRECEDENCE),
    ("RestXmlQueryPrecedence", PRECEDENCE),
    ("RestJsonAllQueryStringTypes", PRECEDENCE),
    ("RestJsonQueryStringEscaping", PRECEDENCE),
    ("RestJsonSupportsNaNFloatQueryValues", PRECEDENCE),
    ("RestJsonSupportsInfinityFloatQueryValues", PRECEDENCE),
    ("RestJsonSupportsNegativeInfinityFloatQueryValues", PRECEDENCE),
    ("RestJsonZeroAndFalseQueryValues", PRECEDENCE),
    ("RestJsonHttpWithEmptyStructurePayload", OBJECT),
    ("RestJsonHttpWithHeadersButNoPayload", OBJECT),
    ("QueryFlattenedListArgWithXmlName", BY_ELEMENT),
];

const GZIP: &str = "the vector gives the headers of a compressed request, without its body";
const TOKEN: &str = "the parameters lack the token that the client adds";
const EMPTY: &str = "an empty list or map that the wire cannot tell from none";
const PRECEDENCE: &str = "a parameter that a member and a map of parameters give is sent once";
const OBJECT: &str = "an absent payload is sent as an empty object";
const BY_ELEMENT: &str = "AWS's own models name flattened lists by their element, as botocore does";

#[test]
fn every_request_decodes_to_its_parameters() {
    crate::run("input", LEFT_OUT, case);
}

fn case(suite: &Json, vector: &Json) -> Result<(), String> {
    let model = Model::new(suite);
    let operation = model.operation(&vector["given"]);
    let serialized = &vector["serialized"];
    let uri = serialized["uri"].as_str().unwrap_or("/");
    let (path, query) = uri.split_once('?').map_or((uri, None), |(path, query)| (path, Some(query)));
    let labels = labels(operation.uri, path)?;
    let mut headers = HeaderMap::new();
    for (name, value) in serialized["headers"].as_object().into_iter().flatten() {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| e.to_string())?;
        headers.insert(
            name,
            HeaderValue::from_str(value.as_str().unwrap_or_default()).map_err(|e| e.to_string())?,
        );
    }
    let body = serialized["body"].as_str().unwrap_or_default();
    let body = match model.protocol {
        Protocol::RpcV2Cbor => base64::prelude::BASE64_STANDARD.decode(body).map_err(|e| e.to_string())?,
        _ => body.as_bytes().to_vec(),
    };
    let method = Method::from_bytes(operation.method.as_bytes()).map_err(|e| e.to_string())?;
    let request = RequestParts {
        method: &method,
        uri_path: path,
        query,
        headers: &headers,
        labels: &labels,
        body: RequestBody::Bytes(Bytes::from(body)),
    };
    let value: Value =
        decode_input(model.service(), operation, model.protocol, request).map_err(|e| e.to_string())?;
    let expected = crate::expected(&vector["params"], &operation.input);
    if value == expected { Ok(()) } else { Err(format!("\n  got      {value:?}\n  expected {expected:?}")) }
}

/// What a template's labels stand for in a path.
fn labels(template: &str, path: &str) -> Result<Vec<(&'static str, String)>, String> {
    let template = template.split('?').next().unwrap_or_default();
    let mut parts = path.split('/');
    let mut out = Vec::new();
    for segment in template.split('/') {
        let Some(label) = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) else {
            parts.next();
            continue;
        };
        let after = template.rsplit('/').take_while(|s| *s != segment).count();
        let value = match label.strip_suffix('+') {
            Some(_) => {
                let rest: Vec<&str> = parts.by_ref().collect();
                let (value, end) = rest.split_at(rest.len() - after);
                parts = end.join("/").leak().split('/');
                value.join("/")
            }
            None => parts.next().ok_or("the path is too short")?.to_owned(),
        };
        let value = percent_encoding::percent_decode_str(&value).decode_utf8().map_err(|e| e.to_string())?;
        out.push((text(label.trim_end_matches('+')), value.into_owned()));
    }
    Ok(out)
}
