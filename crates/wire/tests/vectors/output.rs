//! Answers: the given one is read as its result, and ours is the same message.

use base64::Engine as _;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use quick_xml::Reader;
use quick_xml::events::Event;
use ropeway_wire::Error;
use ropeway_wire::protocol::{ResponseBody, decode_response, encode_error, encode_output};
use ropeway_wire::schema::Protocol;
use serde_json::Value as Json;

use crate::common::{Value, collect, text};
use crate::model::Model;

/// Cases that do not hold for a server.
const LEFT_OUT: &[(&str, &str)] = &[
    ("QueryXmlLists", "AWS's own models name flattened lists by their element, as botocore does"),
    ("HttpPrefixHeadersResponse", "an empty prefix takes the headers of every answer too"),
    ("HttpPrefixHeadersAreNotPresent", "an empty map that the wire cannot tell from none"),
    ("RestJsonDeserializesDenseSetMapAndSkipsNull", DENSE),
    ("RpcV2CborDeserializesDenseSetMapAndSkipsNull", DENSE),
];

const DENSE: &str = "a null in a map that has none is refused, as it is in requests";

/// Cases whose answer a client must bear, and no server writes: they are only read.
const READ_ONLY: &[&str] = &[
    "AwsJson11DateTimeWithNegativeOffset",
    "AwsJson11DateTimeWithPositiveOffset",
    "handles_unexpected_json_output",
    "json_1_1_service_responds_with_no_payload",
    "AwsJson11DeserializeIgnoreType",
    "AwsJson11StructuresDontDeserializeNullValues",
    "AwsJson10DeserializeIgnoreType",
    "AwsJson10DeserializeAllowNulls",
    "AwsJson10HandlesUnexpectedJsonOutput",
    "AwsJson10ServiceRespondsWithNoPayload",
    "RestJsonDeserializeIgnoreType",
    "RestJsonDoesntDeserializeNullStructureValues",
    "RestXmlDateTimeWithNegativeOffset",
    "RestXmlDateTimeWithPositiveOffset",
    "NoOutputClientAllowsEmptyCbor",
    // A request's header among the answer's.
    "AwsJson11IntEnums",
];

#[test]
fn every_answer_is_read_and_written() {
    crate::run("output", LEFT_OUT, |suite, vector| {
        let model = Model::new(suite);
        if vector["error"].is_null() { success(&model, vector) } else { error(&model, vector) }
    });
}

fn given(model: &Model<'_>, vector: &Json) -> Result<(u16, HeaderMap, Bytes), String> {
    let response = &vector["response"];
    let body = response["body"].as_str().unwrap_or_default();
    let body = match model.protocol {
        Protocol::RpcV2Cbor => base64::prelude::BASE64_STANDARD.decode(body).map_err(|e| e.to_string())?,
        Protocol::AwsQuery if body.is_empty() => b"<xml/>".to_vec(),
        _ => body.as_bytes().to_vec(),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in response["headers"].as_object().into_iter().flatten() {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| e.to_string())?;
        headers.insert(
            name,
            HeaderValue::from_str(value.as_str().unwrap_or_default()).map_err(|e| e.to_string())?,
        );
    }
    Ok((response["status_code"].as_u64().unwrap_or(200) as u16, headers, body.into()))
}

fn success(model: &Model<'_>, vector: &Json) -> Result<(), String> {
    let operation = model.operation(&vector["given"]);
    let (status, headers, body) = given(model, vector)?;
    let expected = crate::expected(&vector["result"], &operation.output);
    let read = |status, headers: &HeaderMap, body| -> Result<Value, String> {
        decode_response(operation, model.protocol, status, headers, body).map_err(|e| e.to_string())
    };
    let value = read(status, &headers, body.clone())?;
    if value != expected {
        return Err(format!("reading\n  got      {value:?}\n  expected {expected:?}"));
    }
    let request_id = headers.get("x-amzn-requestid").and_then(|v| v.to_str().ok()).unwrap_or("foo-id");
    let ours = encode_output(model.service(), operation, model.protocol, &expected, request_id);
    let (ours, our_body) = apart(ours);
    let value = read(ours.status().as_u16(), ours.headers(), our_body.clone())?;
    if value != expected {
        return Err(format!("writing\n  got      {value:?}\n  expected {expected:?}"));
    }
    if READ_ONLY.contains(&vector["id"].as_str().unwrap_or_default()) {
        return Ok(());
    }
    same(model, &(status, headers, body), &ours, &our_body)
}

fn apart(response: Response<ResponseBody>) -> (Response<()>, Bytes) {
    let (parts, body) = response.into_parts();
    let body = match body {
        ResponseBody::Bytes(bytes) => bytes,
        ResponseBody::Stream(stream) => collect(&stream),
    };
    (Response::from_parts(parts, ()), body)
}

/// Compares our answer with the given one, beyond what a reader makes of both.
fn same(
    model: &Model<'_>,
    (status, headers, body): &(u16, HeaderMap, Bytes),
    ours: &Response<()>,
    our_body: &Bytes,
) -> Result<(), String> {
    if ours.status().as_u16() != *status {
        return Err(format!("status {} and not {status}", ours.status()));
    }
    for (name, value) in headers {
        let our = ours.headers().get(name);
        // The type of a body that is not there says nothing.
        let of_nothing = name == CONTENT_TYPE && body.is_empty();
        if our != Some(value) && name != CONTENT_LENGTH && !of_nothing {
            return Err(format!("header {name}: {our:?} and not {value:?}"));
        }
    }
    match model.protocol {
        Protocol::AwsJson10 | Protocol::AwsJson11 => same_json(our_body, body),
        Protocol::RestJson if body.starts_with(b"{") => same_json(our_body, body),
        Protocol::RestXml if body.starts_with(b"<") => same_xml(our_body, body),
        _ => Ok(()),
    }
}

fn same_json(ours: &[u8], given: &[u8]) -> Result<(), String> {
    let ours: Json = serde_json::from_slice(ours).map_err(|e| e.to_string())?;
    let given: Json = serde_json::from_slice(given).map_err(|e| e.to_string())?;
    if ours == given { Ok(()) } else { Err(format!("body\n  {ours}\n  and not\n  {given}")) }
}

fn same_xml(ours: &[u8], given: &[u8]) -> Result<(), String> {
    let (ours, given) = (canonical(ours), canonical(given));
    if ours == given { Ok(()) } else { Err(format!("body\n  {ours}\n  and not\n  {given}")) }
}

/// XML with its attributes and elements in the order of their text, without layout.
fn canonical(xml: &[u8]) -> String {
    let mut reader = Reader::from_str(std::str::from_utf8(xml).expect("UTF-8"));
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<(String, String, Vec<String>)> = vec![Default::default()];
    loop {
        match reader.read_event().expect("XML") {
            Event::Start(start) => {
                let mut attributes: Vec<String> = start
                    .attributes()
                    .map(|a| a.expect("an attribute"))
                    .map(|a| format!(" {}={}", a.key.as_ref(), a.value))
                    .collect();
                attributes.sort();
                open.push((
                    format!("{}{}", start.name().as_ref(), attributes.concat()),
                    String::new(),
                    Vec::new(),
                ));
            }
            Event::End(_) => {
                let (head, text, mut children) = open.pop().expect("an element");
                children.sort();
                let parent = open.last_mut().expect("a parent");
                parent.2.push(format!("<{head}>{}{}</>", text.trim(), children.concat()));
            }
            Event::Text(text) => open.last_mut().expect("an element").1.push_str(&text.into_inner()),
            Event::GeneralRef(name) => {
                let char = name.resolve_char_ref().expect("a reference");
                let text = char.map_or_else(|| format!("&{};", &*name), String::from);
                open.last_mut().expect("an element").1.push_str(&text);
            }
            Event::Eof => return open.pop().expect("the root").2.concat(),
            _ => {}
        }
    }
}

/// Our error of the given code and message reads as the given one does.
fn error(model: &Model<'_>, vector: &Json) -> Result<(), String> {
    let (status, headers, body) = given(model, vector)?;
    // With a query-compatible code, the error's own code is in the body alone.
    let compatible = headers.contains_key("x-amzn-query-error");
    let code = if compatible { None } else { vector["errorCode"].as_str().map(str::to_owned) };
    let code = code.unwrap_or_else(|| told(model, &headers, &body).0);
    let mut error = Error::new(status, code, vector["errorMessage"].as_str().unwrap_or_default());
    if let Some(value) = headers.get("x-amzn-query-error").and_then(|v| v.to_str().ok()) {
        error = error.with_query_code(text(value.split(';').next().unwrap_or_default()));
    }
    let (ours, our_body) = apart(encode_error(model.service(), model.protocol, &error, "foo-id", None));
    if ours.status().as_u16() != status
        || ours.headers().get("x-amzn-query-error") != headers.get("x-amzn-query-error")
    {
        return Err(format!("{ours:?}"));
    }
    let (our_told, told) = (told(model, ours.headers(), &our_body), told(model, &headers, &body));
    let message = error.message.clone();
    if message.is_empty() && our_told.0 == told.0 || our_told == told && told.1 == message {
        return Ok(());
    }
    Err(format!("{our_told:?} and not {told:?}"))
}

/// Code and message, as a client reads them.
fn told(model: &Model<'_>, headers: &HeaderMap, body: &Bytes) -> (String, String) {
    let bare = |code: &str| -> String {
        code.split(':').next().and_then(|code| code.rsplit('#').next()).unwrap_or_default().to_owned()
    };
    let parts = || -> (String, String) {
        let fields = match model.protocol {
            Protocol::RpcV2Cbor => cbor_texts(body),
            _ => serde_json::from_slice(body).unwrap_or_default(),
        };
        let field =
            |names: &[&str]| names.iter().find_map(|n| fields[*n].as_str()).unwrap_or_default().to_owned();
        (bare(&field(&["__type", "code"])), field(&["message", "Message"]))
    };
    match model.protocol {
        Protocol::AwsQuery | Protocol::RestXml => {
            let xml = String::from_utf8_lossy(body);
            let between = |name: &str| {
                let after = xml.split_once(&format!("<{name}>")).map_or("", |(_, after)| after);
                after.split("</").next().unwrap_or_default().to_owned()
            };
            (between("Code"), between("Message"))
        }
        _ => {
            let (code, message) = parts();
            match headers.get("x-amzn-errortype").and_then(|v| v.to_str().ok()) {
                Some(header) => (bare(header), message),
                None => (code, message),
            }
        }
    }
}

/// The texts of a CBOR map.
fn cbor_texts(body: &[u8]) -> Json {
    let mut reader = minicbor::Decoder::new(body);
    let mut out = serde_json::Map::new();
    let count = reader.map().expect("a map");
    let mut n = 0;
    while count != Some(n) && reader.datatype().is_ok_and(|kind| kind != minicbor::data::Type::Break) {
        let key = reader.str().expect("a key").to_owned();
        if reader.datatype().is_ok_and(|kind| kind == minicbor::data::Type::String) {
            out.insert(key, Json::String(reader.str().expect("text").to_owned()));
        } else {
            reader.skip().expect("a value");
        }
        n += 1;
    }
    Json::Object(out)
}
