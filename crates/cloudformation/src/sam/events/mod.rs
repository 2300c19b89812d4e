//! The events of a function: what calls it, and what lets it.

mod api;
mod http;
mod logs;
mod queue;
mod s3;
mod sns;

use super::digest;
use super::function::{Surroundings, Target};
use super::node::{Dict, Node, Text};
use super::problem::{Problem, Result};
use super::resource::{Resource, Source, is_alphanumeric, is_logical_id};
use super::tables::{self, Property};

/// SAM's event types that are not there.
const REFUSED: [&str; 17] = [
    "AlexaSkill",
    "CloudWatchEvent",
    "Cognito",
    "DocumentDB",
    "DynamoDB",
    "EventBridgeRule",
    "IoTRule",
    "Kinesis",
    "MQ",
    "MSK",
    "Schedule",
    "ScheduleV2",
    "SelfManagedKafka",
    "VpcLattice",
    "WebSocketApi",
    "CodeCommit",
    "CodePipeline",
];

/// An event of a function.
pub struct Event<'a> {
    /// Its name.
    pub name: Text,
    /// The logical id of what it generates: the function's and its name.
    pub id: String,
    /// Its properties.
    pub properties: Dict,
    /// What it calls.
    pub target: &'a Target,
}

impl Event<'_> {
    /// A property that is there and not null.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.properties.some(name)
    }

    /// A property that Python takes as true.
    pub fn truthy(&self, name: &str) -> Option<&Node> {
        self.properties.truthy(name)
    }

    /// The error that something is wrong with this event.
    pub fn problem<T>(&self, what: impl Into<String>) -> Result<T> {
        Err(Problem::event(&self.name.text, what))
    }

    /// What lets a service call the function.
    pub fn permission(&self, principal: &str, suffix: &str) -> Resource {
        let prefix = format!("{}Permission", self.id);
        let id =
            if is_alphanumeric(suffix) { format!("{prefix}{suffix}") } else { digest::id(&prefix, suffix) };
        Resource::new(id, "AWS::Lambda::Permission", self.target.attributes.clone())
            .with("Action", "lambda:InvokeFunction")
            .with("FunctionName", self.target.name.clone())
            .with("Principal", principal)
    }
}

/// The table of an event type.
fn table(kind: &str) -> Option<&'static [Property]> {
    Some(match kind {
        "Api" => tables::API_EVENT,
        "CloudWatchLogs" => tables::LOGS_EVENT,
        "HttpApi" => tables::HTTP_API_EVENT,
        "S3" => tables::S3_EVENT,
        "SNS" => tables::SNS_EVENT,
        "SQS" => tables::SQS_EVENT,
        _ => return None,
    })
}

/// Everything that is wrong with the events of a function, before any is transformed.
pub fn problems(source: &Source) -> Vec<Problem> {
    let Some(events) = source.get("Events").and_then(Node::dict) else { return Vec::new() };
    let mut found = Vec::new();
    for (name, event) in events.members() {
        let event = event.dict();
        let kind = event.and_then(|event| event.get("Type")).and_then(Node::text);
        let wrong = |what: String| Problem::event(&name.text, what).of_function(&source.id.text);
        match (kind, kind.and_then(table)) {
            (Some(kind), Some(table)) => {
                let id = format!("{}{}", source.id.text, name.text);
                let own = event.and_then(|event| event.get("Properties"));
                let what = properties(&id, own, table, kind);
                found.extend(what.into_iter().map(|what| Problem::resource(&id, what)));
            }
            (Some(kind), None) if REFUSED.contains(&kind) => {
                found.push(wrong(format!("Event type '{kind}' is not supported.")));
            }
            (kind, _) => found.push(wrong(format!(
                "Resource dict has missing or invalid value for key Type. Event Type is: {}.",
                kind.unwrap_or("None")
            ))),
        }
    }
    found
}

/// What is wrong with the id and the properties of an event. Events of APIs have been completed before.
fn properties(id: &str, own: Option<&Node>, table: &[Property], kind: &str) -> Vec<String> {
    if !is_logical_id(id) {
        return vec!["Logical ids must be alphanumeric.".to_owned()];
    }
    match own.map_or(Some(&Dict::new()), Node::dict) {
        Some(own) => tables::problems(own, table, kind),
        None => vec!["Properties of a resource must be an object.".to_owned()],
    }
}

/// What the events of a function generate, in the order of their paths.
pub fn transform(
    source: &Source,
    target: &Target,
    role: &mut Resource,
    around: &mut Surroundings<'_>,
) -> Result<Vec<Resource>> {
    let Some(events) = source.truthy("Events").and_then(Node::dict) else { return Ok(Vec::new()) };
    let mut sorted: Vec<(Text, &Dict)> =
        events.members().filter_map(|(name, event)| Some((name, event.dict()?))).collect();
    sorted.sort_by_key(|(name, event)| order(name, event));
    let mut resources = Vec::new();
    for (name, event) in sorted {
        let kind = event.get("Type").and_then(Node::text).unwrap_or_default();
        let properties = event.get("Properties").and_then(Node::dict).cloned().unwrap_or_default();
        let id = format!("{}{}", source.id.text, name.text);
        let event = Event { name, id, properties, target };
        let generated = match kind {
            "Api" => api::transform(&event, around),
            "CloudWatchLogs" => Ok(logs::transform(&event)),
            "HttpApi" => http::transform(&event, around),
            "S3" => s3::transform(&event, around),
            "SNS" => sns::transform(&event, role, around),
            "SQS" => queue::transform(&event, role),
            other => event.problem(format!("Event type '{other}' is not supported.")),
        };
        resources.extend(generated.map_err(|problem| problem.of_function(&source.id.text))?);
    }
    Ok(resources)
}

fn order(name: &Text, event: &Dict) -> String {
    let path = event.get("Properties").and_then(Node::dict).and_then(|properties| properties.get("Path"));
    path.and_then(Node::text).unwrap_or(&name.text).to_owned()
}
