//! `AWS::CloudFormation`: wait conditions and their handles; and `AWS::CDK::Metadata`.
//!
//! Source: the template reference, `AWS::CloudFormation::WaitCondition`; the user guide, "Create wait conditions in a
//! CloudFormation template"; "CreationPolicy attribute".

use ropeway_wire::{BoxFuture, Error};
use serde_json::{Map, Value as Json, json};

use super::{CREATION_CANCELLED, Failure, Made, Provider, Subject, text};
use crate::commands::{Command, Output, signalled};
use crate::model::{Ask, Phase, Signals};
use crate::responses::handle_of;
use crate::template::{Awaited, Kind, Property, ResourceType};

/// Seconds that a condition may take, at most.
const MAX_TIMEOUT: i64 = 43_200;

static HANDLE: ResourceType = ResourceType::new("AWS::CloudFormation::WaitConditionHandle", &[]);

static CONDITION: ResourceType = ResourceType::new(
    "AWS::CloudFormation::WaitCondition",
    &[
        Property::new("Count", Kind::Integer),
        Property::new("Handle", Kind::String).required(),
        Property::new("Timeout", Kind::Integer).required(),
    ],
)
.attributes(&["Data"]);

static CDK_METADATA: ResourceType =
    ResourceType::new("AWS::CDK::Metadata", &[Property::new("Analytics", Kind::String)]);

/// `AWS::CloudFormation::WaitConditionHandle`: its physical id is the URL to signal to.
pub struct WaitConditionHandle;

impl Provider for WaitConditionHandle {
    fn resource_type(&self) -> &'static ResourceType {
        &HANDLE
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let id = subject.logical_id.to_owned();
            let command = Command::Handle(subject.stack.clone(), id, subject.name.to_owned());
            let Output::Signals(made) = subject.submit(command).await? else {
                return Err(crate::error::unexpected().into());
            };
            let (addresses, endpoint) = (subject.addresses, &subject.cx.endpoint);
            let url = addresses.signals(endpoint, subject.stack, subject.logical_id, &made.token);
            Ok(Made::new(url, &[]))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, _: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move { Ok(Made::new(subject.physical_id, &[])) })
    }

    fn delete<'a>(&'a self, _subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }
}

/// `AWS::CloudFormation::WaitCondition`
pub struct WaitCondition;

fn number(subject: &Subject<'_>, name: &str, otherwise: i64) -> i64 {
    subject.property(name).as_i64().unwrap_or(otherwise)
}

async fn signals(subject: &Subject<'_>) -> Result<Signals, Failure> {
    let handle = handle_of(&text(subject.property("Handle")));
    let Some((stack, logical_id)) = handle.filter(|(stack, _)| stack.scope == subject.stack.scope) else {
        return Err(Failure::Said(None, "Invalid wait condition handle.".to_owned()));
    };
    let shard = stack.shard_in(subject.core);
    let command = Command::Signals(stack, logical_id);
    let found = subject.core.submit::<crate::commands::Stacks>(shard, &subject.cx.trace, command).await;
    match found.map_err(|error: Error| error)? {
        Output::Signals(found) => Ok(found),
        _ => Err(crate::error::unexpected().into()),
    }
}

/// Notes when a condition began to wait, as for a question that somebody outside answers.
async fn begin(subject: &Subject<'_>, seconds: i64) -> Result<Ask, Failure> {
    let about = signalled(subject.operation, subject.name);
    let id = subject.logical_id.to_owned();
    match subject.submit(Command::Ask(subject.stack.clone(), id, about, seconds)).await? {
        Output::Asked(ask) => Ok(*ask),
        _ => Err(crate::error::unexpected().into()),
    }
}

/// A condition that waits for signals to the resource itself.
async fn be_signalled(subject: &Subject<'_>, awaited: Awaited) -> Result<Made, Failure> {
    let ask = begin(subject, awaited.seconds).await?;
    let name = signalled(subject.operation, subject.name);
    let command = Command::Handle(subject.stack.clone(), subject.logical_id.to_owned(), name);
    let Output::Signals(found) = subject.submit(command).await? else {
        return Err(crate::error::unexpected().into());
    };
    if let Some((id, _)) = found.received.iter().find(|(_, signal)| !signal.success) {
        return Err(Failure::Said(None, format!("Received FAILURE signal with UniqueId {id}")));
    }
    let received = u32::try_from(found.received.len()).unwrap_or(u32::MAX);
    if received >= awaited.count {
        return Ok(Made::new(subject.name, &[("Data", "{}")]));
    }
    if subject.core.clock().now() >= ask.deadline {
        let missing = awaited.count - received;
        let why = format!("Failed to receive {missing} resource signal(s) within the specified duration");
        return Err(Failure::Said(None, why));
    }
    Err(Failure::Waiting(ask.deadline))
}

impl Provider for WaitCondition {
    fn resource_type(&self) -> &'static ResourceType {
        &CONDITION
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            // A deletion does not wait for what it deletes to be made: nothing has been.
            if subject.is_cancelled() || subject.whole.operation.phase != Phase::Forward {
                return Err(Failure::Said(None, CREATION_CANCELLED.to_owned()));
            }
            if let Some(awaited) = subject.awaits {
                return be_signalled(subject, awaited).await;
            }
            let timeout = number(subject, "Timeout", 0);
            if !(0..=MAX_TIMEOUT).contains(&timeout) {
                let why = format!("Timeout must be between 0 and {MAX_TIMEOUT} seconds.");
                return Err(Failure::Said(None, why));
            }
            let ask = begin(subject, timeout).await?;
            let (count, found) = (number(subject, "Count", 1), signals(subject).await?.received);
            if let Some((id, failure)) = found.iter().find(|(_, signal)| !signal.success) {
                let why =
                    format!("WaitCondition received failed message: '{}' for uniqueId: {id}", failure.reason);
                return Err(Failure::Said(None, why));
            }
            let received = i64::try_from(found.len()).unwrap_or(i64::MAX);
            if received >= count {
                let data: Map<String, Json> =
                    found.into_iter().map(|(id, signal)| (id, json!(signal.data))).collect();
                return Ok(Made::new(subject.name, &[("Data", &Json::Object(data).to_string())]));
            }
            if subject.core.clock().now() >= ask.deadline {
                let why =
                    format!("WaitCondition timed out. Received {received} conditions when expecting {count}");
                return Err(Failure::Said(None, why));
            }
            Err(Failure::Waiting(ask.deadline))
        })
    }

    fn update<'a>(&'a self, _: &'a Subject<'a>, _: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        let why = format!("Update to resource type {} is not supported.", CONDITION.name);
        Box::pin(async { Err(Failure::Said(None, why)) })
    }

    fn delete<'a>(&'a self, _subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }
}

/// `AWS::CDK::Metadata`: says by which version of the CDK a template was written, and makes nothing.
pub struct CdkMetadata;

impl Provider for CdkMetadata {
    fn resource_type(&self) -> &'static ResourceType {
        &CDK_METADATA
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move { Ok(Made::new(subject.name, &[])) })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, _: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move { Ok(Made::new(subject.physical_id, &[])) })
    }

    fn delete<'a>(&'a self, _subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }
}
