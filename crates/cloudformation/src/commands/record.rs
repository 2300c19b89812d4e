//! What operations note, and the events that come of it.

use std::collections::BTreeMap;

use ropeway_core::effects::{SnsCommand, TopicDelivery};
use ropeway_core::keys::Space;
use ropeway_core::{Tx, directory};
use ropeway_wire::Error;

use super::{Change, Output, change_sets, retention};
use crate::keys::StackKey;
use crate::model::{ChangeSet, DEPLOYED, Definition, Event, HELD, Operation, PLANNED, Stack};
use crate::{keys, rows};

/// The subject of messages that tell of events.
const SUBJECT: &str = "AWS CloudFormation Notification";
/// Bytes of a message that a topic takes.
const MAX_MESSAGE: usize = 256 * 1024;
/// The type of a stack in its own events.
pub const STACK_TYPE: &str = "AWS::CloudFormation::Stack";

/// Reads a stack that must be there.
pub async fn stack(tx: &Tx, key: &StackKey) -> Result<Stack, Error> {
    let found = rows::read(tx, &key.stack()).await?;
    found.ok_or_else(|| crate::error::stack_id_missing(&key.arn()))
}

/// Notes an operation's changes, unless another operation has taken over.
pub async fn record(
    tx: &mut Tx,
    key: &StackKey,
    operation: &str,
    changes: Vec<Change>,
) -> Result<Output, Error> {
    let under_way: Option<Operation> = rows::read(tx, &key.operation()).await?;
    let Some(mut under_way) = under_way.filter(|found| found.id == operation) else {
        return Ok(Output::Stale);
    };
    let mut stack = stack(tx, key).await?;
    for change in changes {
        apply(tx, key, &mut stack, &mut under_way, change).await?;
    }
    rows::write(tx, &key.stack(), &stack).await?;
    Ok(Output::Recorded { cancelled: under_way.cancelled })
}

async fn apply(
    tx: &mut Tx,
    key: &StackKey,
    stack: &mut Stack,
    operation: &mut Operation,
    change: Change,
) -> Result<(), Error> {
    match change {
        Change::Put(mut resource) => {
            resource.updated = tx.now();
            rows::write(tx, &key.resource(&resource.logical_id), &resource).await?;
        }
        Change::Remove(id) => rows::delete(tx, &key.resource(&id)).await?,
        Change::Event(mut event) => {
            event.token = operation.token.clone();
            put_event(tx, stack, *event)?;
        }
        Change::Status(status, reason) => set_status(tx, stack, &status, reason, operation.token.clone())?,
        Change::Phase(phase) => {
            operation.phase = phase;
            rows::write(tx, &key.operation(), operation).await?;
        }
        Change::Deploy(outputs, imports) => {
            let planned: Option<Definition> = rows::read(tx, &key.definition(PLANNED)).await?;
            let deployed: Option<Definition> = rows::read(tx, &key.definition(DEPLOYED)).await?;
            let definition = Definition { outputs, imports, ..planned.or(deployed).unwrap_or_default() };
            rows::write(tx, &key.definition(DEPLOYED), &definition).await?;
        }
        Change::Finish(deleted) => finish(tx, key, stack, deleted).await?,
        Change::Hold => {
            let deployed: Option<Definition> = rows::read(tx, &key.definition(DEPLOYED)).await?;
            rows::write(tx, &key.definition(HELD), &deployed.unwrap_or_default()).await?;
            wake_parent(tx, stack);
        }
    }
    Ok(())
}

/// A parent waits for its nested stacks.
fn wake_parent(tx: &mut Tx, stack: &Stack) {
    if let Some(parent) = &stack.parent {
        tx.wake(&parent.wake_up(), 1);
    }
}

async fn finish(tx: &mut Tx, key: &StackKey, stack: &mut Stack, deleted: bool) -> Result<(), Error> {
    rows::delete(tx, &key.operation()).await?;
    rows::delete(tx, &key.definition(PLANNED)).await?;
    wake_parent(tx, stack);
    if deleted {
        stack.deleted = Some(tx.now());
        let holder: Option<String> = rows::read(tx, &keys::name(&key.scope, &key.name)).await?;
        if holder.as_deref() == Some(&key.id) {
            rows::delete(tx, &keys::name(&key.scope, &key.name)).await?;
        }
        let sets: BTreeMap<String, ChangeSet> = rows::all(tx, &key.change_sets()).await?;
        for set in sets.values() {
            change_sets::drop_set(tx, key, set).await?;
        }
        retention::begin(tx, key);
    }
    Ok(())
}

/// Gives the stack a status and notes the event.
pub fn set_status(
    tx: &mut Tx,
    stack: &mut Stack,
    status: &str,
    reason: Option<String>,
    token: Option<String>,
) -> Result<(), Error> {
    status.clone_into(&mut stack.status);
    stack.reason.clone_from(&reason);
    let event = Event {
        id: tx.ids().uuid(),
        time: tx.now(),
        logical_id: stack.key.name.clone(),
        physical_id: stack.key.arn(),
        resource_type: STACK_TYPE.to_owned(),
        status: status.to_owned(),
        reason,
        properties: None,
        token,
    };
    put_event(tx, stack, event)
}

pub fn put_event(tx: &mut Tx, stack: &mut Stack, mut event: Event) -> Result<(), Error> {
    event.time = tx.now();
    if event.resource_type != STACK_TYPE || event.id.is_empty() {
        // The form that the service's own ids have.
        event.id = format!("{}-{}-{}", event.logical_id, event.status, stamp(tx, stack.events));
    }
    tx.write(stack.key.event(stack.events).build(), &event)?;
    stack.events += 1;
    notify(tx, stack, &event)
}

/// Tells topics of an event, in its own commit. Whoever named them was allowed to publish to them: the account does.
fn notify(tx: &mut Tx, stack: &Stack, event: &Event) -> Result<(), Error> {
    let account = &stack.key.scope.account;
    for topic in &stack.told.topics {
        let delivery = TopicDelivery {
            topic: topic.clone(),
            principal: format!("arn:aws:iam::{account}:root"),
            source_arn: stack.key.arn(),
            source_account: account.clone(),
            message: message(stack, event),
            subject: Some(SUBJECT.to_owned()),
            base_url: stack.told.endpoint.clone(),
        };
        let shard = tx.shard_of(topic);
        tx.send(topic, Space::Sns, shard, &SnsCommand::Deliver(delivery))?;
    }
    Ok(())
}

/// An event as a message: `Name='value'` in lines of their own. Source: messages that users have shown
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-listing-event-history.html> names the fields).
fn message(stack: &Stack, event: &Event) -> String {
    let time = jiff::Timestamp::from_millisecond(event.time.millis()).unwrap_or_default();
    let time = time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
    let or_null = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_owned());
    let fields = [
        ("StackId", stack.key.arn()),
        ("Timestamp", time),
        ("EventId", event.id.clone()),
        ("LogicalResourceId", event.logical_id.clone()),
        ("Namespace", stack.key.scope.account.clone()),
        ("PhysicalResourceId", event.physical_id.clone()),
        ("ResourceProperties", or_null(&event.properties)),
        ("ResourceStatus", event.status.clone()),
        ("ResourceStatusReason", event.reason.clone().unwrap_or_default()),
        ("ResourceType", event.resource_type.clone()),
        ("StackName", stack.key.name.clone()),
        ("ClientRequestToken", or_null(&event.token)),
    ];
    let mut text: String = fields.iter().map(|(name, value)| format!("{name}='{value}'\n")).collect();
    text.truncate(text.floor_char_boundary(MAX_MESSAGE));
    text
}

/// The moment and, as many events may share it, the event's number.
fn stamp(tx: &Tx, number: u64) -> String {
    let time = jiff::Timestamp::from_millisecond(tx.now().millis()).unwrap_or_default();
    format!("{}-{number}", time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ"))
}

/// Makes a stack known under its name and in the list of stacks.
pub async fn enlist(tx: &mut Tx, stack: &Stack) -> Result<(), Error> {
    let key = &stack.key;
    rows::write(tx, &keys::name(&key.scope, &key.name), &key.id).await?;
    let entry = keys::stacks_entry(stack.created, key);
    directory::add_with(tx, &keys::stacks_list(&key.scope), &entry, &[])?;
    Ok(())
}
