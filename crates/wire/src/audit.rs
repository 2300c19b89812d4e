//! The audit log's end in the wire layer: what is told of each call of an operation.
//!
//! Who keeps the log says beforehand whether it wants a call ([`Audit::wants`]); the others cost that question and
//! nothing more. A call that is wanted is told when it has ended and before it is answered, and its answer waits until
//! [`Audit::record`] has done what it promises.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ropeway_core::{BoxFuture, Time};
use serde_json::{Map, Value as Json};

use crate::call::Done;
use crate::codec::{Document, Encode, Encoder};
use crate::schema::{Kind, Member, Operation, Service};
use crate::{ByteStream, Cx, Error};

/// Stands for what must not be in a log, as in AWS CloudTrail's events.
pub const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// Keeps the audit log.
pub trait Audit: Send + Sync {
    /// Whether this call is to be told. On the way of every request: it neither locks nor waits.
    fn wants(&self, service: &'static Service, operation: &'static Operation, cx: &Cx) -> bool;

    /// Takes a call that has ended.
    ///
    /// # Errors
    /// Why it could not be kept as it must be: the caller gets that instead of the answer.
    fn record(&self, call: Told) -> BoxFuture<'_, Result<(), Error>>;
}

/// A call that has ended.
pub struct Told {
    /// The service.
    pub service: &'static Service,
    /// The operation.
    pub operation: &'static Operation,
    /// Who called.
    pub cx: Cx,
    /// The input, in the log's form; `None` if it could not be read.
    pub input: Option<Json>,
    /// ARNs of the resources that the call's permission was asked for.
    pub resources: Vec<String>,
    /// The output in the log's form, or the error.
    pub result: Result<Json, Error>,
}

/// A call on its way that is to be told.
pub(crate) struct Watch {
    audit: Arc<dyn Audit>,
    told: Told,
}

impl Watch {
    /// Watches a call, if it is wanted.
    pub fn begin(
        audit: Option<Arc<dyn Audit>>,
        service: &'static Service,
        operation: &'static Operation,
        cx: &Cx,
    ) -> Option<Watch> {
        let audit = audit.filter(|audit| audit.wants(service, operation, cx))?;
        let (cx, result) = (cx.clone(), Ok(Json::Null));
        let told = Told { service, operation, cx, input: None, resources: Vec::new(), result };
        Some(Watch { audit, told })
    }

    /// Remembers the input.
    pub fn takes(&mut self, input: &dyn Encode, resources: Vec<String>) {
        self.told.input = Some(shown(input, &self.told.operation.input));
        self.told.resources = resources;
    }

    /// Tells the call's end.
    pub async fn end(mut self, result: Done) -> Done {
        self.told.result = match &result {
            Ok(output) => Ok(shown(&**output, &self.told.operation.output)),
            Err(error) => Err(error.clone()),
        };
        self.audit.record(self.told).await?;
        result
    }
}

/// A value in the log's form: names as CloudTrail writes them (their first letter small), moments as text, without
/// bodies and without what is secret.
pub fn shown(value: &dyn Encode, root: &'static Member) -> Json {
    let mut out = Json::Null;
    value.encode(&mut Shower { out: &mut out, member: root });
    out
}

struct Shower<'o> {
    out: &'o mut Json,
    member: &'static Member,
}

/// What is left out whole: code and the secret halves of credentials.
const OMITTED: &[&str] = &["SecretAccessKey", "ZipFile", "TemplateBody", "ParameterValue"];
/// What is hidden: passwords, variables, messages.
const SECRET: &[&str] = &[
    "Password",
    "NewPassword",
    "OldPassword",
    "SecretString",
    "SecretBinary",
    "MessageBody",
    "Environment",
    "Token",
    "AuthenticateOnUnsubscribe",
    "authorizerCredentials",
];
/// Structures whose `Token` and the like are not what pages are named by.
const TOKENS_OF: &[&str] = &["ConfirmSubscriptionInput"];

impl Shower<'_> {
    fn member_value(parent: &'static Member, member: &'static Member, value: &dyn Encode) -> Option<Json> {
        if OMITTED.contains(&member.name) || matches!(member.schema.kind, Kind::Stream | Kind::Blob) {
            return None;
        }
        let is_token = member.name == "Token" && !TOKENS_OF.contains(&parent.schema.name);
        if SECRET.contains(&member.name) && !is_token {
            return Some(Json::from(HIDDEN));
        }
        let mut out = Json::Null;
        value.encode(&mut Shower { out: &mut out, member });
        Some(out)
    }
}

/// A name with its first letter small.
fn lower_camel(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

impl Encoder for Shower<'_> {
    fn member(&self) -> &'static Member {
        self.member
    }

    fn null(&mut self) {
        *self.out = Json::Null;
    }

    fn boolean(&mut self, value: bool) {
        *self.out = Json::from(value);
    }

    fn integer(&mut self, value: i64) {
        *self.out = Json::from(value);
    }

    fn float(&mut self, value: f64) {
        *self.out = Json::from(value);
    }

    fn string(&mut self, value: &str) {
        *self.out = Json::from(value);
    }

    fn blob(&mut self, _: &Bytes) {
        *self.out = Json::from(HIDDEN);
    }

    fn timestamp(&mut self, value: Time) {
        let at = Timestamp::from_millisecond(value.millis()).unwrap_or(Timestamp::UNIX_EPOCH);
        let text = at.to_zoned(TimeZone::UTC).strftime("%b %-d, %Y %-I:%M:%S %p").to_string();
        *self.out = Json::from(text);
    }

    fn document(&mut self, value: &Document) {
        *self.out = value.clone();
    }

    fn stream(&mut self, _: &ByteStream) {
        *self.out = Json::Null;
    }

    fn list(&mut self, elements: &mut dyn Iterator<Item = &dyn Encode>) {
        let Kind::List { element } = &self.member.schema.kind else { return self.null() };
        let values = elements.filter_map(|value| Shower::member_value(self.member, element, value));
        *self.out = Json::Array(values.collect());
    }

    fn map(&mut self, entries: &mut dyn Iterator<Item = (&str, &dyn Encode)>) {
        let Kind::Map { value: member, .. } = &self.member.schema.kind else { return self.null() };
        let values = entries.filter_map(|(key, value)| {
            Some((key.to_owned(), Shower::member_value(self.member, member, value)?))
        });
        *self.out = Json::Object(values.collect());
    }

    fn structure(&mut self, members: &[Option<&dyn Encode>]) {
        let mut object = Map::new();
        for (member, value) in self.member.schema.members().iter().zip(members) {
            let Some(value) = value else { continue };
            if let Some(value) = Shower::member_value(self.member, member, *value) {
                object.insert(lower_camel(member.name), value);
            }
        }
        *self.out = Json::Object(object);
    }
}
