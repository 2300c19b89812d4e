//! Events in CloudTrail's form.
//!
//! Source: "CloudTrail record contents" and "CloudTrail userIdentity element" in the user guide.

use jiff::Timestamp;
use ropeway_core::Time;
use ropeway_wire::audit::Told;
use ropeway_wire::{Cx, Error, Principal, PrincipalKind};
use serde_json::{Map, Value as Json, json};

use crate::model::Event;
use crate::names::{self, Kind};
use crate::selectors::{FUNCTIONS, OBJECTS};

/// `eventVersion`
const VERSION: &str = "1.11";
/// Most bytes of an event: what a row has room for beside what is looked for.
const MAX_BYTES: usize = 44 * 1024;
/// Most bytes of the fields that clients give, as on AWS.
const MAX_FIELD: usize = 1024;
/// Most resources that an event of the history is found by.
const MAX_RESOURCES: usize = 10;
/// The region of IAM's events.
const GLOBAL: &str = "us-east-1";

/// An event, and what selectors look at.
pub struct Made {
    /// The event.
    pub event: Event,
    /// Account and region that it belongs to.
    pub scope: ropeway_core::keys::Scope,
    /// A management event.
    pub management: bool,
    /// Of a service that belongs to no region.
    pub global: bool,
    /// Who called.
    pub user: String,
    /// Type and ARN of a data event's resource.
    pub resource: Option<(&'static str, String)>,
}

/// The event of a call.
pub fn make(told: Told, id: String) -> Made {
    let Told { service, operation, cx, input, resources, result } = told;
    let management = names::kind(service, operation) == Kind::Management;
    let global = service.id == "iam";
    let region = if global { GLOBAL } else { cx.region.as_str() };
    let read_only = names::is_read(service, operation);
    let (name, source) = (names::event_name(service, operation), names::source(service));
    let arn = resources.first().cloned().unwrap_or_default();
    let mut record = Map::new();
    let mut put = |name: &str, value: Json| record.insert(name.to_owned(), value);
    put("eventVersion", json!(VERSION));
    put("userIdentity", identity(&cx));
    put("eventTime", json!(moment(cx.now)));
    put("eventSource", json!(source));
    put("eventName", json!(name));
    put("awsRegion", json!(region));
    put("sourceIPAddress", json!(address(&cx)));
    put("userAgent", json!(agent(&cx)));
    if let Err(error) = &result {
        put("errorCode", json!(error_code(error, service.denial.0)));
        put("errorMessage", json!(cut(&error.message)));
    }
    put("requestParameters", input.map_or(Json::Null, |input| parameters(service.id, input)));
    // The sessions that STS hands out are told, though they count as reads.
    let tells = !read_only || operation.name.starts_with("Assume");
    let answered = result.ok().filter(|output| tells && output.as_object().is_some_and(|o| !o.is_empty()));
    put("responseElements", answered.unwrap_or(Json::Null));
    put("requestID", json!(cx.request_id));
    put("eventID", json!(id));
    put("readOnly", json!(read_only));
    let resource = if management { None } else { data_resource(service.id, &arn) };
    if let Some((kind, arn)) = &resource {
        put("resources", told_resources(kind, arn, &cx.account));
    }
    put("eventType", json!("AwsApiCall"));
    put("managementEvent", json!(management));
    put("recipientAccountId", json!(cx.account));
    put("eventCategory", json!(if management { "Management" } else { "Data" }));
    if cx.secure && cx.source_ip.is_some() {
        let host = cx.endpoint.split("://").nth(1).unwrap_or_default();
        put("tlsDetails", json!({ "clientProvidedHostHeader": host }));
    }
    let event = Event {
        id,
        name,
        source,
        user: user_name(&cx.principal),
        access_key: cx.principal.access_key.clone(),
        read_only,
        resources: resources.iter().filter_map(|arn| names::resource(arn)).take(MAX_RESOURCES).collect(),
        json: fitting(record),
    };
    let scope = ropeway_core::keys::Scope::new(&cx.account, region);
    Made { event, scope, management, global, user: cx.principal.arn.clone(), resource }
}

/// The record as text, without what makes it too long.
fn fitting(mut record: Map<String, Json>) -> String {
    for name in ["responseElements", "requestParameters", "resources"] {
        let text = Json::Object(record.clone()).to_string();
        if text.len() <= MAX_BYTES {
            return text;
        }
        record.insert(name.to_owned(), Json::Null);
    }
    Json::Object(record).to_string()
}

/// S3's events name the bucket otherwise than its API does.
fn parameters(service: &str, input: Json) -> Json {
    match input {
        Json::Object(input) if service == "s3" => {
            let renamed = input.into_iter().map(|(name, value)| match name.as_str() {
                "bucket" => ("bucketName".to_owned(), value),
                _ => (name, value),
            });
            Json::Object(renamed.collect())
        }
        Json::Object(input) if input.is_empty() => Json::Null,
        other => other,
    }
}

/// What was denied is `AccessDenied` in every service's events.
fn error_code(error: &Error, denial: &str) -> String {
    if error.code == denial { "AccessDenied".to_owned() } else { error.code.to_string() }
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_FIELD)).unwrap_or_default()
}

/// `2026-11-21T12:00:00Z`
pub fn moment(at: Time) -> String {
    format_time(at, "%Y-%m-%dT%H:%M:%SZ")
}

/// A moment in UTC.
pub fn format_time(at: Time, format: &str) -> String {
    let at = Timestamp::from_millisecond(at.millis()).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime(format).to_string()
}

fn address(cx: &Cx) -> String {
    match (cx.source_ip, &cx.principal.kind) {
        (Some(ip), _) => ip.to_string(),
        (None, PrincipalKind::Service) => cx.principal.arn.clone(),
        (None, _) => "AWS Internal".to_owned(),
    }
}

fn agent(cx: &Cx) -> String {
    if cx.source_ip.is_some() { cut(&cx.user_agent).to_owned() } else { address(cx) }
}

fn identity(cx: &Cx) -> Json {
    let principal = &cx.principal;
    let mut out = Map::new();
    let mut put = |name: &str, value: Json| out.insert(name.to_owned(), value);
    let kind = match &principal.kind {
        PrincipalKind::Root => "Root",
        PrincipalKind::User => "IAMUser",
        PrincipalKind::AssumedRole { .. } => "AssumedRole",
        PrincipalKind::Service => return json!({ "type": "AWSService", "invokedBy": principal.arn }),
        PrincipalKind::Anonymous => {
            return json!({ "type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL" });
        }
    };
    put("type", json!(kind));
    put("principalId", json!(principal.id));
    put("arn", json!(principal.arn));
    put("accountId", json!(principal.account));
    if let Some(key) = &principal.access_key {
        put("accessKeyId", json!(key));
    }
    if principal.kind == PrincipalKind::User {
        put("userName", json!(user_name(principal)));
    }
    if let PrincipalKind::AssumedRole { role } = &principal.kind {
        put("sessionContext", session(principal, role));
    }
    if cx.source_ip.is_none() {
        put("invokedBy", json!("AWS Internal"));
    }
    Json::Object(out)
}

fn session(principal: &Principal, role: &str) -> Json {
    let issued = principal.session.as_ref().map(|session| moment(session.issued));
    json!({
        "sessionIssuer": {
            "type": "Role",
            "principalId": principal.id.split(':').next(),
            "arn": role,
            "accountId": principal.account,
            "userName": role.rsplit('/').next(),
        },
        "attributes": { "creationDate": issued, "mfaAuthenticated": "false" },
    })
}

/// Who called, as `LookupEvents` names them.
fn user_name(principal: &Principal) -> String {
    match &principal.kind {
        PrincipalKind::Root => "root".to_owned(),
        PrincipalKind::Anonymous => String::new(),
        PrincipalKind::Service => principal.arn.clone(),
        _ => principal.arn.rsplit('/').next().unwrap_or_default().to_owned(),
    }
}

/// Type and ARN of what a data event is about. Of a bucket as a whole the ARN ends with a slash, as all its objects'
/// begin.
fn data_resource(service: &str, arn: &str) -> Option<(&'static str, String)> {
    match service {
        "lambda" => Some((FUNCTIONS, arn.split(':').take(7).collect::<Vec<_>>().join(":"))),
        "s3" if arn.contains('/') => Some((OBJECTS, arn.to_owned())),
        "s3" => Some((OBJECTS, format!("{arn}/"))),
        _ => None,
    }
}

fn told_resources(kind: &str, arn: &str, account: &str) -> Json {
    if kind == FUNCTIONS {
        return json!([{ "accountId": account, "type": kind, "ARN": arn }]);
    }
    let bucket = arn.split('/').next().unwrap_or(arn);
    let object = match arn.ends_with('/') && arn.len() == bucket.len() + 1 {
        true => json!({ "type": kind, "ARNPrefix": arn }),
        false => json!({ "type": kind, "ARN": arn }),
    };
    json!([object, { "accountId": account, "type": "AWS::S3::Bucket", "ARN": bucket }])
}
