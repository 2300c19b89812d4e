//! Requests to inputs, outputs and errors to answers, in every protocol.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::cbor::{self, CborDecoder, CborEncoder};
use crate::codec::{Decode, Decoder, Encode, Result};
use crate::json::{self, JsonDecoder, JsonEncoder, Parser};
use crate::query::Params;
use crate::rest::{BodyForm, Message, RestDecoder, RestEncoder};
use crate::schema::{Kind, Member, Operation, Protocol, Service};
use crate::text;
use crate::xml::{self, Namespace, XmlDecoder, XmlEncoder};
use crate::{ByteStream, Error, validate};

/// A request, apart.
#[derive(Debug)]
pub struct RequestParts<'a> {
    /// HTTP method.
    pub method: &'a http::Method,
    /// Path, percent-encoded as it came.
    pub uri_path: &'a str,
    /// Query string, percent-encoded as it came.
    pub query: Option<&'a str>,
    /// Headers.
    pub headers: &'a HeaderMap,
    /// What the labels of the operation's URI stand for, decoded.
    pub labels: &'a [(&'static str, String)],
    /// The body.
    pub body: RequestBody,
}

/// A request's body. It is a stream if [`streams_input`] says so, and otherwise all there.
#[derive(Debug)]
pub enum RequestBody {
    /// All of it.
    Bytes(Bytes),
    /// As it arrives.
    Stream(ByteStream),
}

/// An answer's body.
#[derive(Debug)]
pub enum ResponseBody {
    /// All of it.
    Bytes(Bytes),
    /// As it leaves.
    Stream(ByteStream),
}

/// Whether an operation takes its body as a stream in this protocol.
pub fn streams_input(operation: &Operation, protocol: Protocol) -> bool {
    matches!(protocol, Protocol::RestJson | Protocol::RestXml) && has_stream(&operation.input)
}

fn has_stream(root: &Member) -> bool {
    let Kind::Structure { members, payload } = root.schema.kind else { return false };
    let payload = payload.and_then(|index| members.get(index));
    payload.is_some_and(|member| matches!(member.schema.kind, Kind::Stream))
}

/// Decodes and validates a request.
///
/// # Errors
/// The protocol's error for a body that cannot be read; `service.validation` with every violated
/// constraint; `service.refusal` for a parameter that is not implemented; 500 if the body is a
/// stream where the operation does not take one.
pub fn decode_input<T: Decode>(
    service: &'static Service,
    operation: &'static Operation,
    protocol: Protocol,
    request: RequestParts<'_>,
) -> Result<T> {
    taken(|take| read_request(service, operation, protocol, request, take))
}

/// Decodes one value from what it is given.
type Take<'t> = dyn FnMut(&mut dyn Decoder) -> Result<()> + 't;

/// A value out of what `read` has decoded. That is code which does not know the value's type: there is one copy of it,
/// and not one for each operation.
fn taken<T: Decode>(read: impl FnOnce(&mut Take<'_>) -> Result<()>) -> Result<T> {
    let mut value = None;
    read(&mut |decoder| {
        value = Some(T::decode(decoder)?);
        Ok(())
    })?;
    value.ok_or_else(|| Error::internal("nothing was decoded"))
}

fn read_request(
    service: &'static Service,
    operation: &'static Operation,
    protocol: Protocol,
    request: RequestParts<'_>,
    take: &mut Take<'_>,
) -> Result<()> {
    let root = &operation.input;
    let mut checked = |decoder: &mut dyn Decoder| validate::decode(service, operation, decoder, take);
    let (bytes, stream) = match request.body {
        RequestBody::Bytes(bytes) if streams_input(operation, protocol) => {
            (Bytes::new(), ByteStream::from(bytes))
        }
        RequestBody::Bytes(bytes) => (bytes, ByteStream::default()),
        RequestBody::Stream(stream) if streams_input(operation, protocol) => (Bytes::new(), stream),
        RequestBody::Stream(_) => return Err(Error::internal("the request's body was not collected")),
    };
    let body = match protocol {
        Protocol::AwsJson10 | Protocol::AwsJson11 => {
            return with_json(&bytes, root, &mut checked);
        }
        Protocol::AwsQuery => {
            let params = Params::parse(request.query, &bytes)?;
            return checked(&mut params.decoder(root));
        }
        Protocol::RpcV2Cbor => return with_cbor(&bytes, root, &mut checked),
        Protocol::RestJson => BodyForm::Json,
        Protocol::RestXml => BodyForm::Xml,
    };
    let query = text::form_pairs(request.query.unwrap_or_default());
    let query = query.ok_or_else(|| Error::new(400, "InvalidURI", "Couldn't parse the specified URI."))?;
    let message =
        Message { labels: request.labels, query, headers: request.headers, status: None, bytes, stream };
    checked(&mut RestDecoder::new(message, root, body))
}

/// Reads a JSON body; an empty one counts as `{}`.
fn with_json(bytes: &[u8], root: &'static Member, take: &mut Take<'_>) -> Result<()> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    let mut parser = Parser::new(bytes);
    take(&mut JsonDecoder::new(&mut parser, root))?;
    parser.end()
}

/// Reads a CBOR body; an empty one counts as an empty map.
fn with_cbor(bytes: &[u8], root: &'static Member, take: &mut Take<'_>) -> Result<()> {
    const EMPTY: &[u8] = &[0xa0];
    let bytes = if bytes.is_empty() { EMPTY } else { bytes };
    let mut reader = minicbor::Decoder::new(bytes);
    take(&mut CborDecoder::new(&mut reader, root))?;
    if reader.position() != bytes.len() {
        return Err(Error::serialization("Unexpected data behind the CBOR body"));
    }
    Ok(())
}

/// Decodes a JSON text by a schema, without validation: in-process calls and documents.
///
/// # Errors
/// `SerializationException` for a text that is not JSON, or not of this schema.
pub fn from_json<T: Decode>(bytes: &[u8], root: &'static Member) -> Result<T> {
    taken(|take| with_json(bytes, root, take))
}

/// Encodes a value as JSON by a schema.
pub fn to_json(value: &dyn Encode, root: &'static Member) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    value.encode(&mut JsonEncoder::new(&mut out, root));
    out
}

/// Checks a structure as if it had come over the wire: constraints and refused parameters.
///
/// # Errors
/// As [`decode_input`].
pub fn check<T: Decode + Encode>(
    service: &'static Service,
    operation: &'static Operation,
    input: &T,
) -> Result<()> {
    let json = to_json(input, &operation.input);
    let read = |take: &mut Take<'_>| {
        with_json(&json, &operation.input, &mut |d| validate::decode(service, operation, d, take))
    };
    taken::<T>(read).map(|_| ())
}

/// Decodes an answer: the client's side of [`encode_output`].
///
/// # Errors
/// The protocol's error for an answer that cannot be read.
pub fn decode_response<T: Decode>(
    operation: &'static Operation,
    protocol: Protocol,
    status: u16,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<T> {
    let root = &operation.output;
    let form = match protocol {
        Protocol::AwsJson10 | Protocol::AwsJson11 => return from_json(&body, root),
        Protocol::RpcV2Cbor => return taken(|take| with_cbor(&body, root, take)),
        Protocol::AwsQuery => {
            let answer = xml::Element::parse(&body)?;
            let result = operation.result_wrapper.and_then(|name| answer.child(name)).unwrap_or(&answer);
            return T::decode(&mut XmlDecoder::new(result, root));
        }
        Protocol::RestJson => BodyForm::Json,
        Protocol::RestXml => BodyForm::Xml,
    };
    let (bytes, stream) =
        if has_stream(root) { (Bytes::new(), body.into()) } else { (body, ByteStream::default()) };
    let message = Message { labels: &[], query: Vec::new(), headers, status: Some(status), bytes, stream };
    T::decode(&mut RestDecoder::new(message, root, form))
}

/// Writes a successful answer. The answer to a HEAD request has no body.
pub fn encode_output(
    service: &'static Service,
    operation: &'static Operation,
    protocol: Protocol,
    output: &dyn Encode,
    request_id: &str,
) -> Response<ResponseBody> {
    let root = &operation.output;
    let form = match protocol {
        Protocol::AwsJson10 | Protocol::AwsJson11 => {
            return answer(protocol, operation.status, request_id, to_json(output, root));
        }
        Protocol::RpcV2Cbor => {
            return cbor_answer(operation, output, request_id);
        }
        Protocol::AwsQuery => {
            let body = query_answer(service, operation, output, request_id);
            return answer(protocol, operation.status, request_id, body);
        }
        Protocol::RestJson => BodyForm::Json,
        Protocol::RestXml => BodyForm::Xml,
    };
    let namespace = service.xml_namespace.map(|uri| ("", uri));
    let mut encoder = RestEncoder::new(root, form, namespace);
    output.encode(&mut encoder);
    match encoder.failure.take() {
        Some(error) => encode_error(service, protocol, &error, request_id, None),
        None => rest_answer(operation, protocol, encoder, request_id),
    }
}

fn cbor_answer(
    operation: &'static Operation,
    output: &dyn Encode,
    request_id: &str,
) -> Response<ResponseBody> {
    let mut writer = minicbor::Encoder::new(Vec::with_capacity(256));
    output.encode(&mut CborEncoder::new(&mut writer, &operation.output));
    // An operation without an output must answer without a body.
    let body = if has_output(operation) { writer.into_writer() } else { Vec::new() };
    let mut response = answer(Protocol::RpcV2Cbor, operation.status, request_id, body);
    if !has_output(operation) {
        response.headers_mut().remove(CONTENT_TYPE);
    }
    response
}

/// An operation that has no output has one without a name.
fn has_output(operation: &Operation) -> bool {
    !operation.output.name.is_empty()
}

fn rest_answer(
    operation: &Operation,
    protocol: Protocol,
    encoder: RestEncoder,
    request_id: &str,
) -> Response<ResponseBody> {
    // The models do not say it: an answer with part of an object is a 206.
    let partial = encoder.headers.contains_key(http::header::CONTENT_RANGE);
    let status = encoder.status.unwrap_or(if partial { 206 } else { operation.status });
    let bodiless = operation.method == "HEAD" || status == 204 || status == 304;
    let body = if bodiless { ResponseBody::Bytes(Bytes::new()) } else { encoder.body };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    *headers = encoder.headers;
    if let (Some(content_type), false) = (encoder.content_type, bodiless) {
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
    }
    if bodiless && status == 204 {
        headers.remove(CONTENT_LENGTH);
    }
    request_id_headers(headers, protocol, request_id);
    response
}

fn query_answer(
    service: &Service,
    operation: &'static Operation,
    output: &dyn Encode,
    request_id: &str,
) -> String {
    let name = operation.name;
    let mut out = format!("<{name}Response");
    push_namespace(&mut out, service.xml_namespace.map(|uri| ("", uri)));
    out.push('>');
    if let Some(wrapper) = operation.result_wrapper {
        out.push_str(&format!("<{wrapper}>"));
        output.encode(&mut XmlEncoder::bare(&mut out, &operation.output));
        out.push_str(&format!("</{wrapper}>"));
    } else {
        output.encode(&mut XmlEncoder::bare(&mut out, &operation.output));
    }
    out.push_str("<ResponseMetadata>");
    xml::encode_element(&mut out, "RequestId", request_id);
    out.push_str(&format!("</ResponseMetadata></{name}Response>"));
    out
}

fn push_namespace(out: &mut String, namespace: Namespace) {
    if let Some((_, uri)) = namespace {
        out.push_str(&format!(" xmlns=\"{uri}\""));
    }
}

/// Writes an error answer. `resource` is the path that S3's errors name.
///
/// The answer to a HEAD request has no body: that is the server's to see to, which knows the method.
pub fn encode_error(
    service: &'static Service,
    protocol: Protocol,
    error: &Error,
    request_id: &str,
    resource: Option<&str>,
) -> Response<ResponseBody> {
    let code = qualified(service, error);
    let body = match protocol {
        Protocol::AwsJson10 | Protocol::AwsJson11 => json_error(Some(&code), error),
        Protocol::RestJson => json_error(None, error),
        Protocol::RpcV2Cbor => cbor::error_body(&code, error),
        Protocol::RestXml if service.id == "s3" => s3_error(error, request_id, resource).into_bytes(),
        Protocol::AwsQuery | Protocol::RestXml => {
            query_error(service, protocol, error, request_id).into_bytes()
        }
    };
    let mut response = answer(protocol, error.status, request_id, body);
    let headers = response.headers_mut();
    if protocol == Protocol::RestJson {
        insert(headers, HeaderName::from_static("x-amzn-errortype"), &error.code);
    }
    let not_xml = !matches!(protocol, Protocol::AwsQuery | Protocol::RestXml);
    if let (true, Some(query_code)) = (not_xml && service.query_compatible, &error.query_code) {
        let value = format!("{query_code};{}", fault(error));
        insert(headers, HeaderName::from_static("x-amzn-query-error"), &value);
    }
    for (name, value) in &error.headers {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            insert(headers, name, value);
        }
    }
    response
}

fn fault(error: &Error) -> &'static str {
    if error.is_sender_fault() { "Sender" } else { "Receiver" }
}

/// Codes that the framework under AWS's services answers, and not the services themselves.
const FRAMEWORK: [&str; 4] =
    ["SerializationException", "UnknownOperationException", "InternalFailure", "ServiceUnavailableException"];

/// The code with a namespace, as SQS tells it (`com.amazonaws.sqs#QueueDoesNotExist`).
fn qualified(service: &Service, error: &Error) -> String {
    if FRAMEWORK.contains(&&*error.code) {
        format!("com.amazon.coral.service#{}", error.code)
    } else if service.query_compatible {
        format!("com.amazonaws.{}#{}", service.id, error.code)
    } else {
        error.code.to_string()
    }
}

fn json_error(code: Option<&str>, error: &Error) -> Vec<u8> {
    let mut out = vec![b'{'];
    let first = code.map(|code| ("__type", code));
    let own = error.members.iter().map(|(name, value)| (*name, value.as_str()));
    let fields = first.into_iter().chain([("message", error.message.as_str())]).chain(own);
    for (n, (name, value)) in fields.enumerate() {
        if n > 0 {
            out.push(b',');
        }
        json::encode_string(&mut out, name);
        out.push(b':');
        json::encode_string(&mut out, value);
    }
    out.push(b'}');
    out
}

fn s3_error(error: &Error, request_id: &str, resource: Option<&str>) -> String {
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>".to_owned();
    xml::encode_element(&mut out, "Code", &error.code);
    xml::encode_element(&mut out, "Message", &error.message);
    for (name, value) in &error.members {
        xml::encode_element(&mut out, name, value);
    }
    if let Some(resource) = resource {
        xml::encode_element(&mut out, "Resource", resource);
    }
    xml::encode_element(&mut out, "RequestId", request_id);
    xml::encode_element(&mut out, "HostId", request_id);
    out.push_str("</Error>");
    out
}

fn query_error(service: &Service, protocol: Protocol, error: &Error, request_id: &str) -> String {
    let mut out = "<ErrorResponse".to_owned();
    push_namespace(&mut out, service.xml_namespace.map(|uri| ("", uri)));
    out.push_str("><Error>");
    xml::encode_element(&mut out, "Type", fault(error));
    let code = error.query_code.as_ref().filter(|_| protocol == Protocol::AwsQuery);
    xml::encode_element(&mut out, "Code", code.unwrap_or(&error.code));
    xml::encode_element(&mut out, "Message", &error.message);
    for (name, value) in &error.members {
        xml::encode_element(&mut out, name, value);
    }
    out.push_str("</Error>");
    xml::encode_element(&mut out, "RequestId", request_id);
    out.push_str("</ErrorResponse>");
    out
}

/// An answer whose body is all there.
fn answer(
    protocol: Protocol,
    status: u16,
    request_id: &str,
    body: impl Into<Bytes>,
) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Bytes(body.into()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = match protocol {
        Protocol::AwsJson10 => "application/x-amz-json-1.0",
        Protocol::AwsJson11 => "application/x-amz-json-1.1",
        Protocol::AwsQuery => "text/xml",
        Protocol::RestJson => "application/json",
        Protocol::RestXml => "application/xml",
        Protocol::RpcV2Cbor => "application/cbor",
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if protocol == Protocol::RpcV2Cbor {
        headers.insert(HeaderName::from_static("smithy-protocol"), HeaderValue::from_static("rpc-v2-cbor"));
    }
    request_id_headers(headers, protocol, request_id);
    response
}

fn request_id_headers(headers: &mut HeaderMap, protocol: Protocol, request_id: &str) {
    if protocol == Protocol::RestXml {
        insert(headers, HeaderName::from_static("x-amz-request-id"), request_id);
        insert(headers, HeaderName::from_static("x-amz-id-2"), request_id);
    } else {
        insert(headers, HeaderName::from_static("x-amzn-requestid"), request_id);
    }
}

/// Sets a header. Text that no header can hold has its control characters replaced: an error's
/// answer is better told imperfectly than not at all.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    let clean = value.replace(|c: char| c.is_ascii_control(), " ");
    if let Ok(value) = HeaderValue::from_bytes(clean.as_bytes()) {
        headers.insert(name, value);
    }
}
