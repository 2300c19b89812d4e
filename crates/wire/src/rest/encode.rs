//! Writes an HTTP answer by the bindings of its schema.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use ropeway_core::Time;

use super::write::{PrefixEncoder, TextEncoder};
use super::{BodyForm, Scope};
use crate::codec::{Document, Encode, Encoder};
use crate::json::JsonEncoder;
use crate::protocol::ResponseBody;
use crate::schema::{Kind, Location, Member, TimestampFormat};
use crate::xml::{Namespace, XmlEncoder};
use crate::{ByteStream, Error};

/// Writes the root of a rest protocol's output.
pub(crate) struct RestEncoder {
    member: &'static Member,
    form: BodyForm,
    namespace: Namespace,
    pub(crate) headers: HeaderMap,
    pub(crate) status: Option<u16>,
    pub(crate) body: ResponseBody,
    pub(crate) content_type: Option<&'static str>,
    /// What could not be written: an answer with a part missing must not leave.
    pub(crate) failure: Option<Error>,
}

impl RestEncoder {
    pub(crate) fn new(member: &'static Member, form: BodyForm, namespace: Namespace) -> Self {
        RestEncoder {
            member,
            form,
            namespace,
            headers: HeaderMap::new(),
            status: None,
            body: ResponseBody::Bytes(Bytes::new()),
            content_type: None,
            failure: None,
        }
    }

    fn header(&mut self, name: &str, value: &str) {
        let name = HeaderName::from_bytes(name.as_bytes());
        match (name, HeaderValue::from_bytes(value.as_bytes())) {
            (Ok(name), Ok(value)) => {
                self.headers.append(name, value);
            }
            _ => self.failure = Some(Error::internal("a value of the answer cannot stand in an HTTP header")),
        }
    }

    fn bound(&mut self, value: &dyn Encode, member: &'static Member) {
        match member.location {
            Location::Header(name) => {
                if let Some(text) = TextEncoder::header(value, member) {
                    self.header(name, &text);
                }
            }
            Location::PrefixHeaders(prefix) => {
                let mut out = Vec::new();
                value.encode(&mut PrefixEncoder { member, prefix, out: &mut out });
                for (name, text) in out {
                    self.header(&name, &text);
                }
            }
            Location::StatusCode => {
                let text = TextEncoder::text(value, member, TimestampFormat::Iso8601);
                self.status = text.and_then(|t| t.parse().ok());
            }
            Location::Body | Location::Label(_) | Location::Query(_) | Location::QueryParams => {}
        }
    }

    fn text_body(&mut self, content_type: &'static str, body: impl Into<Bytes>) {
        self.content_type = Some(content_type);
        self.body = ResponseBody::Bytes(body.into());
    }

    fn payload(&mut self, value: &dyn Encode, member: &'static Member) {
        match (&member.schema.kind, self.form) {
            (Kind::Stream | Kind::Blob | Kind::String, _) => {
                let mut raw = RawEncoder { member, out: None, content_type: "application/octet-stream" };
                value.encode(&mut raw);
                if let Some(body) = raw.out {
                    (self.body, self.content_type) = (body, Some(raw.content_type));
                }
            }
            (_, BodyForm::Json) => {
                let mut out = Vec::new();
                value.encode(&mut JsonEncoder::new(&mut out, member));
                self.text_body("application/json", out);
            }
            (_, BodyForm::Xml) => {
                let mut out = declaration();
                value.encode(&mut XmlEncoder::root(&mut out, member, self.namespace, Scope::All));
                self.text_body("application/xml", out);
            }
        }
    }

    fn whole_body(&mut self, members: &[Option<&dyn Encode>]) {
        match self.form {
            BodyForm::Json => {
                let mut out = Vec::new();
                JsonEncoder::root(&mut out, self.member, Scope::Response).structure(members);
                self.text_body("application/json", out);
            }
            BodyForm::Xml => {
                let mut out = declaration();
                XmlEncoder::root(&mut out, self.member, self.namespace, Scope::Response).structure(members);
                self.text_body("application/xml", out);
            }
        }
    }
}

fn declaration() -> String {
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned()
}

impl Encoder for RestEncoder {
    fn member(&self) -> &'static Member {
        self.member
    }

    fn null(&mut self) {}
    fn boolean(&mut self, _: bool) {}
    fn integer(&mut self, _: i64) {}
    fn float(&mut self, _: f64) {}
    fn string(&mut self, _: &str) {}
    fn blob(&mut self, _: &Bytes) {}
    fn timestamp(&mut self, _: Time) {}
    fn document(&mut self, _: &Document) {}
    fn stream(&mut self, _: &ByteStream) {}
    fn list(&mut self, _: &mut dyn Iterator<Item = &dyn Encode>) {}
    fn map(&mut self, _: &mut dyn Iterator<Item = (&str, &dyn Encode)>) {}

    fn structure(&mut self, members: &[Option<&dyn Encode>]) {
        let Kind::Structure { members: schema, payload } = self.member.schema.kind else { return };
        // restJson answers an object whenever there is an output, were it empty.
        let mut in_body = self.form == BodyForm::Json && !self.member.name.is_empty();
        for (index, (member, value)) in schema.iter().zip(members).enumerate() {
            in_body |= Scope::Response.holds(member) && !member.xml_attribute;
            match value {
                Some(value) if payload == Some(index) => self.payload(*value, member),
                Some(value) => self.bound(*value, member),
                None => {}
            }
        }
        if payload.is_none() && in_body {
            self.whole_body(members);
        }
    }
}

/// Writes a body that is itself the value.
struct RawEncoder {
    member: &'static Member,
    out: Option<ResponseBody>,
    content_type: &'static str,
}

impl Encoder for RawEncoder {
    fn member(&self) -> &'static Member {
        self.member
    }

    fn null(&mut self) {}
    fn boolean(&mut self, _: bool) {}
    fn integer(&mut self, _: i64) {}
    fn float(&mut self, _: f64) {}

    fn string(&mut self, value: &str) {
        self.content_type = "text/plain";
        self.out = Some(ResponseBody::Bytes(Bytes::copy_from_slice(value.as_bytes())));
    }

    fn blob(&mut self, value: &Bytes) {
        self.out = Some(ResponseBody::Bytes(value.clone()));
    }

    fn timestamp(&mut self, _: Time) {}
    fn document(&mut self, _: &Document) {}

    fn stream(&mut self, value: &ByteStream) {
        self.out = Some(ResponseBody::Stream(value.clone()));
    }

    fn list(&mut self, _: &mut dyn Iterator<Item = &dyn Encode>) {}
    fn map(&mut self, _: &mut dyn Iterator<Item = (&str, &dyn Encode)>) {}
    fn structure(&mut self, _: &[Option<&dyn Encode>]) {}
}
