//! Custom resources: made by a function, or by whoever reads a topic.
//!
//! Source: the user guide, "Create custom provisioning logic with custom resources", its pages on request and response
//! objects; the template reference, `AWS::CloudFormation::CustomResource`.

use std::collections::BTreeMap;

use ropeway_api::lambda::InvokeInput;
use ropeway_api::sns::{ListSubscriptionsByTopicInput, PublishInput};
use ropeway_wire::{BoxFuture, Error};
use serde_json::{Map, Value as Json, json};
use sha1::{Digest, Sha1};

use super::{CREATION_CANCELLED, Failure, Made, Provider, Subject, UPDATE_CANCELLED, property, text};
use crate::commands::{Command, Output};
use crate::model::{Answer, Ask};
use crate::template::{CUSTOM, Kind, Naming, Property, ResourceType};

/// Seconds that an answer may take, at most and unless the template says otherwise.
const MAX_TIMEOUT: i64 = 3600;
/// The longest physical id, in bytes. Source: the user guide, "Custom resource response objects".
const MAX_PHYSICAL_ID: usize = 1024;
/// The attribute that stands for `NoEcho`: no template can name it.
pub const NO_ECHO: &str = "\0NoEcho";

static TYPE: ResourceType = ResourceType::new(
    CUSTOM,
    &[Property::new("ServiceToken", Kind::String).required(), Property::new("ServiceTimeout", Kind::Integer)],
)
.naming(Naming::new(255))
.open();

/// `AWS::CloudFormation::CustomResource`, and every `Custom::…`.
pub struct CustomResource;

/// What is asked for.
struct Request<'a> {
    /// `Create`, `Update` or `Delete`.
    kind: &'static str,
    /// The physical id, if it has one.
    physical_id: Option<&'a str>,
    /// The properties from before an update.
    old: Option<&'a Json>,
}

/// Who is asked.
enum Asked<'a> {
    Function(&'a str),
    Topic(&'a str),
}

fn said(physical_id: Option<&str>, reason: impl Into<String>) -> Failure {
    Failure::Said(physical_id.map(str::to_owned), reason.into())
}

/// The same with every scalar as a string: so the service hands properties on.
fn as_strings(value: &Json) -> Json {
    match value {
        Json::Object(map) => map.iter().map(|(key, value)| (key.clone(), as_strings(value))).collect(),
        Json::Array(items) => items.iter().map(as_strings).collect(),
        scalar => Json::String(text(scalar)),
    }
}

fn asked<'a>(subject: &Subject<'_>, token: &'a str) -> Result<Asked<'a>, Failure> {
    let mut parts = token.splitn(6, ':').skip(2);
    let (service, region) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match service {
        "lambda" | "sns" if region != subject.stack.scope.region => Err(said(
            None,
            format!("Invalid service token: it must be of region {}.", subject.stack.scope.region),
        )),
        "lambda" => Ok(Asked::Function(token)),
        "sns" => Ok(Asked::Topic(token)),
        _ => Err(said(None, "Invalid service token.")),
    }
}

fn timeout(properties: &Json) -> Result<i64, Failure> {
    match property(properties, "ServiceTimeout").as_i64() {
        None => Ok(MAX_TIMEOUT),
        Some(seconds) if (1..=MAX_TIMEOUT).contains(&seconds) => Ok(seconds),
        Some(_) => Err(said(None, format!("ServiceTimeout must be between 1 and {MAX_TIMEOUT} seconds."))),
    }
}

/// Asks, and gives the answer once it is there.
async fn exchange(subject: &Subject<'_>, request: Request<'_>) -> Result<Made, Failure> {
    let token = text(subject.property("ServiceToken"));
    let to = asked(subject, &token)?;
    let about =
        json!([subject.operation, request.kind, request.physical_id, subject.properties, request.old]);
    let about = hex::encode(Sha1::digest(about.to_string()));
    let id = subject.logical_id.to_owned();
    let command = Command::Ask(subject.stack.clone(), id, about, timeout(subject.properties)?);
    let Output::Asked(ask) = subject.submit(command).await? else {
        return Err(crate::error::unexpected().into());
    };
    if let Some(answer) = &ask.answer {
        return read(subject, &request, &ask, answer);
    }
    if subject.core.clock().now() >= ask.deadline {
        let reason = format!(
            "CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId \
             [{}]. If you are using the Python cfn-response module, you may need to update your Lambda function code so \
             that CloudFormation can attach the updated version.",
            ask.request_id
        );
        return Err(said(Some(request.physical_id.unwrap_or(subject.name)), reason));
    }
    if subject.is_cancelled() {
        // Who was asked may have made something, or may still: it is asked to undo that.
        let there = request.physical_id.or(ask.sent.then_some(subject.name));
        let why = if request.physical_id.is_some() { UPDATE_CANCELLED } else { CREATION_CANCELLED };
        return Err(said(there, why));
    }
    if !ask.sent {
        send(subject, &request, &ask, &to).await?;
        let sent =
            Command::Sent(subject.stack.clone(), subject.logical_id.to_owned(), ask.request_id.clone());
        subject.submit(sent).await?;
    }
    Err(Failure::Waiting(ask.deadline))
}

async fn send(subject: &Subject<'_>, request: &Request<'_>, ask: &Ask, to: &Asked<'_>) -> Result<(), Error> {
    let (addresses, key, id) = (subject.addresses, subject.stack, subject.logical_id);
    let url = match to {
        Asked::Topic(topic) if !only_functions(subject, topic).await? => {
            addresses.from_outside(&subject.cx.endpoint, key, id, ask)
        }
        Asked::Topic(_) | Asked::Function(_) => addresses.for_function(key, id, ask),
    };
    let mut body = Map::new();
    let mut put = |name: &str, value: Json| drop(body.insert(name.to_owned(), value));
    put("RequestType", json!(request.kind));
    put("ServiceToken", subject.property("ServiceToken").clone());
    put("ResponseURL", json!(url));
    put("StackId", json!(key.arn()));
    put("RequestId", json!(ask.request_id));
    put("LogicalResourceId", json!(id));
    if let Some(physical_id) = request.physical_id {
        put("PhysicalResourceId", json!(physical_id));
    }
    put("ResourceType", json!(subject.resource_type));
    put("ResourceProperties", as_strings(subject.properties));
    if let Some(old) = request.old {
        put("OldResourceProperties", as_strings(old));
    }
    hand_over(subject, Json::Object(body).to_string(), to).await
}

async fn hand_over(subject: &Subject<'_>, message: String, to: &Asked<'_>) -> Result<(), Error> {
    match to {
        Asked::Function(function) => {
            let input = InvokeInput {
                function_name: (*function).to_owned(),
                invocation_type: Some("Event".to_owned()),
                payload: Some(message.into()),
                ..InvokeInput::default()
            };
            subject.services.call(subject.cx.clone(), input).await.map(drop)
        }
        Asked::Topic(topic) => {
            let input = PublishInput {
                topic_arn: Some((*topic).to_owned()),
                subject: Some("AWS CloudFormation custom resource request".to_owned()),
                message,
                ..PublishInput::default()
            };
            subject.services.call(subject.cx.clone(), input).await.map(drop)
        }
    }
}

/// Whether functions alone read a topic. Who may not look at its subscriptions is taken for somebody outside.
async fn only_functions(subject: &Subject<'_>, topic: &str) -> Result<bool, Error> {
    let input = ListSubscriptionsByTopicInput {
        topic_arn: topic.to_owned(),
        ..ListSubscriptionsByTopicInput::default()
    };
    let found = match subject.services.call(subject.cx.clone(), input).await {
        Ok(found) => found.subscriptions.unwrap_or_default(),
        Err(error) if error.status < 500 => return Ok(false),
        Err(error) => return Err(error),
    };
    let is_function = |protocol: Option<&str>| protocol == Some("lambda");
    Ok(!found.is_empty() && found.iter().all(|found| is_function(found.protocol.as_deref())))
}

fn read(subject: &Subject<'_>, request: &Request<'_>, ask: &Ask, answer: &Answer) -> Result<Made, Failure> {
    let there = request.physical_id.unwrap_or(subject.name);
    let invalid = |why: &str| said(Some(there), why);
    let Answer::Body(body) = answer else { return Err(invalid("Response object is too long.")) };
    let answer: Json = serde_json::from_str(body)
        .map_err(|_| invalid("Invalid response object: it is not a JSON object."))?;
    let own = [
        ("StackId", subject.stack.arn()),
        ("RequestId", ask.request_id.clone()),
        ("LogicalResourceId", subject.logical_id.to_owned()),
    ];
    if let Some((name, _)) = own.iter().find(|(name, value)| property(&answer, name).as_str() != Some(value))
    {
        return Err(invalid(&format!(
            "Invalid response object: Value of property {name} must be the request's."
        )));
    }
    let physical_id = property(&answer, "PhysicalResourceId").as_str();
    let physical_id = physical_id.filter(|id| (1..=MAX_PHYSICAL_ID).contains(&id.len()));
    match property(&answer, "Status").as_str() {
        Some("FAILED") => {
            let why = property(&answer, "Reason").as_str().unwrap_or_default();
            let reason = format!(
                "Received response status [FAILED] from custom resource. Message returned: {why} (RequestId: {})",
                ask.request_id
            );
            // An update that failed is rolled back from what was there.
            let there = request.physical_id.or(physical_id).unwrap_or(there);
            Err(said(Some(there), reason))
        }
        Some("SUCCESS") => match physical_id.or(request.physical_id.filter(|_| request.kind == "Delete")) {
            Some(id) => Ok(Made { physical_id: id.to_owned(), attributes: attributes(&answer) }),
            None => Err(invalid("Invalid PhysicalResourceId")),
        },
        _ => Err(invalid("Invalid response object: Value of property Status must be SUCCESS or FAILED.")),
    }
}

/// The answer's `Data`, each value as JSON: lists and objects are attributes, too.
fn attributes(answer: &Json) -> BTreeMap<String, String> {
    let data = property(answer, "Data").as_object();
    let pairs = data.into_iter().flatten().map(|(name, value)| (name.clone(), value.to_string()));
    let mut attributes: BTreeMap<String, String> = pairs.collect();
    let no_echo = match property(answer, "NoEcho") {
        Json::Bool(flag) => *flag,
        other => text(other).eq_ignore_ascii_case("true"),
    };
    if no_echo {
        attributes.insert(NO_ECHO.to_owned(), Json::Bool(true).to_string());
    }
    attributes
}

impl Provider for CustomResource {
    fn resource_type(&self) -> &'static ResourceType {
        &TYPE
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(exchange(subject, Request { kind: "Create", physical_id: None, old: None }))
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            if property(old, "ServiceToken") != subject.property("ServiceToken") {
                return Err(said(None, "Modifying service token is not allowed."));
            }
            let request = Request { kind: "Update", physical_id: Some(subject.physical_id), old: Some(old) };
            exchange(subject, request).await
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        let request = Request { kind: "Delete", physical_id: Some(subject.physical_id), old: None };
        Box::pin(async move { exchange(subject, request).await.map(drop) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_strings_and_data_are_attributes() {
        let given = json!({ "a": true, "b": [1, "x", { "c": 2.5 }] });
        assert_eq!(as_strings(&given), json!({ "a": "true", "b": ["1", "x", { "c": "2.5" }] }));
        let found = attributes(&json!({ "Data": { "A": "x", "B": [1] }, "NoEcho": "true" }));
        assert_eq!(found["A"], "\"x\"");
        assert_eq!(found["B"], "[1]");
        assert!(found.contains_key(NO_ECHO));
    }
}
