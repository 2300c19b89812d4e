//! Schemas from the vectors' models, by the rules of the code generator.

use ropeway_wire::schema::{
    Constraints, EMPTY, Kind, Location, Member, Operation, Protocol, Schema, Service, TimestampFormat,
};
use serde_json::Value as Json;

use crate::common::{leak, text};

/// How often a shape may stand within itself: the vectors' values are not deeper.
const RECURSION: usize = 3;

pub struct Model<'m> {
    pub metadata: &'m Json,
    shapes: &'m Json,
    pub protocol: Protocol,
}

impl<'m> Model<'m> {
    pub fn new(suite: &'m Json) -> Self {
        let metadata = &suite["metadata"];
        let protocol = match metadata["protocol"].as_str().expect("a protocol") {
            "json" if metadata["jsonVersion"] == "1.0" => Protocol::AwsJson10,
            "json" => Protocol::AwsJson11,
            "query" => Protocol::AwsQuery,
            "rest-json" => Protocol::RestJson,
            "rest-xml" => Protocol::RestXml,
            "smithy-rpc-v2-cbor" => Protocol::RpcV2Cbor,
            other => panic!("unknown protocol {other}"),
        };
        Model { metadata, shapes: &suite["shapes"], protocol }
    }

    fn shape(&self, name: &str) -> &'m Json {
        &self.shapes[name]
    }

    fn schema(&self, name: &str, above: &mut Vec<String>) -> &'static Schema {
        let shape = self.shape(name);
        if above.iter().filter(|n| *n == name).count() > RECURSION {
            return &EMPTY;
        }
        above.push(name.to_owned());
        let kind = match shape["type"].as_str().unwrap_or_default() {
            "boolean" => Kind::Boolean,
            "integer" | "long" | "short" | "byte" => Kind::Integer,
            "float" | "double" => Kind::Float,
            "string" | "character" => Kind::String,
            "blob" if shape["streaming"] == true => Kind::Stream,
            "blob" => Kind::Blob,
            "timestamp" => Kind::Timestamp,
            "list" => Kind::List { element: self.member("member", "member", &shape["member"], above) },
            "map" => Kind::Map {
                key: self.member("key", "key", &shape["key"], above),
                value: self.member("value", "value", &shape["value"], above),
            },
            "structure" if shape["document"] == true => Kind::Document,
            "structure" => self.structure(shape, above),
            other => panic!("unknown type {other} of {name}"),
        };
        above.pop();
        leak(Schema { name: text(name), kind, constraints: Constraints::NONE })
    }

    fn structure(&self, shape: &Json, above: &mut Vec<String>) -> Kind {
        let members = shape["members"].as_object().cloned().unwrap_or_default();
        let payload = shape["payload"].as_str().and_then(|name| members.keys().position(|key| key == name));
        let mut members: Vec<Member> =
            members.iter().map(|(name, reference)| self.member(name, name, reference, above)).collect();
        if let Some(member) = payload.and_then(|index| members.get_mut(index)) {
            self.name_by_shape(member);
        }
        Kind::Structure { members: members.leak(), payload }
    }

    fn member(&self, name: &str, default: &str, reference: &Json, above: &mut Vec<String>) -> Member {
        let target = reference["shape"].as_str().expect("a shape");
        let shape = self.shape(target);
        let own = reference["locationName"].as_str();
        let flattened = reference["flattened"] == true || shape["flattened"] == true;
        // The Query protocol of AWS names the parameters of a flattened list by its element.
        let element =
            if self.protocol == Protocol::AwsQuery { shape["member"]["locationName"].as_str() } else { None };
        let located = reference["location"].is_string();
        let body_name = if located { default } else { own.unwrap_or(default) };
        let xml_name = if flattened { element.unwrap_or(body_name) } else { body_name };
        let mut member =
            Member::new(text(name), self.schema(target, above)).json(text(body_name)).xml(text(xml_name));
        member.flattened = flattened;
        member.xml_attribute = reference["xmlAttribute"] == true;
        member.json_value = reference["jsonvalue"] == true;
        member.location = location(reference, default);
        member.xml_namespace =
            namespace(&reference["xmlNamespace"]).or_else(|| namespace(&shape["xmlNamespace"]));
        let format = reference["timestampFormat"].as_str().or(shape["timestampFormat"].as_str());
        member.timestamp = format.map(|format| match format {
            "iso8601" => TimestampFormat::Iso8601,
            "rfc822" => TimestampFormat::Rfc822,
            "unixTimestamp" => TimestampFormat::UnixTimestamp,
            other => panic!("unknown timestamp format {other}"),
        });
        member
    }

    fn root(&self, reference: &Json) -> Member {
        let Some(name) = reference["shape"].as_str() else { return Member::new("", &EMPTY) };
        let mut root = self.member(name, name, reference, &mut Vec::new());
        self.name_by_shape(&mut root);
        root
    }

    /// The root element of a body is named by its shape, unless its member has another name in XML.
    fn name_by_shape(&self, member: &mut Member) {
        let shape = member.schema.name;
        if member.xml_name == member.name {
            member.xml_name = self.shape(shape)["locationName"].as_str().map_or(shape, text);
        }
    }

    pub fn operation(&self, given: &Json) -> &'static Operation {
        let name = given["name"].as_str().expect("a name");
        let output = self.root(&given["output"]);
        leak(Operation {
            name: text(name),
            method: text(given["http"]["method"].as_str().unwrap_or("POST")),
            uri: text(given["http"]["requestUri"].as_str().unwrap_or("/")),
            status: given["http"]["responseCode"].as_u64().unwrap_or(200) as u16,
            input: self.root(&given["input"]),
            result_wrapper: (!output.schema.members().is_empty()).then(|| text(&format!("{name}Result"))),
            output,
            action: None,
            checksum_required: false,
        })
    }

    pub fn service(&self) -> &'static Service {
        leak(Service {
            id: "vectors",
            name: "Vectors",
            signing_name: "vectors",
            api_version: text(self.metadata["apiVersion"].as_str().unwrap_or_default()),
            target_prefix: self.metadata["targetPrefix"].as_str().map(text),
            protocols: vec![self.protocol].leak(),
            query_compatible: !self.metadata["awsQueryCompatible"].is_null(),
            xml_namespace: None,
            refusal: ("UnsupportedOperation", 400),
            validation: ("ValidationException", 400),
            denial: ("AccessDenied", 403),
            operations: &[],
            refused_operations: &[],
        })
    }
}

fn location(reference: &Json, default: &str) -> Location {
    let own = reference["locationName"].as_str();
    let name = text(own.unwrap_or(default));
    match reference["location"].as_str() {
        None => Location::Body,
        Some("uri") => Location::Label(name),
        Some("querystring") if own.is_none() => Location::QueryParams,
        Some("querystring") => Location::Query(name),
        Some("header") => Location::Header(text(&name.to_ascii_lowercase())),
        Some("headers") => Location::PrefixHeaders(text(&own.unwrap_or_default().to_ascii_lowercase())),
        Some("statusCode") => Location::StatusCode,
        Some(other) => panic!("unknown location {other}"),
    }
}

fn namespace(value: &Json) -> Option<(&'static str, &'static str)> {
    match value {
        Json::Null => None,
        Json::String(uri) => Some(("", text(uri))),
        other => Some((text(other["prefix"].as_str().unwrap_or_default()), text(other["uri"].as_str()?))),
    }
}
