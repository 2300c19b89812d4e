//! What those outside are asked, and what they answer.

use ropeway_core::Tx;
use ropeway_wire::Error;
use sha1::{Digest, Sha1};

use super::Output;
use super::record::{put_event, stack as read_stack};
use crate::keys::StackKey;
use crate::model::{Answer, Ask, Event, Resource, Signal, Signals, Stack};
use crate::{error, rows};

/// Characters of a token: 160 bits.
const TOKEN_LENGTH: usize = 32;
const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz234567";
/// Signals that a handle takes, by their unique ids.
const MAX_SIGNALS: usize = 500;

fn denied(why: &str) -> Error {
    Error::new(403, "AccessDenied", why)
}

/// Whether two tokens are the same; how long it takes does not tell where they differ.
fn same(a: &str, b: &str) -> bool {
    Sha1::digest(a) == Sha1::digest(b)
}

/// Asks, unless the same has been asked.
pub async fn ask(tx: &mut Tx, key: &StackKey, id: &str, about: String, secs: i64) -> Result<Output, Error> {
    read_stack(tx, key).await?;
    let found: Option<Ask> = rows::read(tx, &key.ask(id)).await?;
    if let Some(found) = found.filter(|found| found.about == about) {
        return Ok(Output::Asked(Box::new(found)));
    }
    let ask = Ask {
        about,
        request_id: tx.ids().uuid(),
        token: tx.ids().text(ALPHABET, TOKEN_LENGTH),
        deadline: tx.now().plus_secs(secs),
        sent: false,
        answer: None,
    };
    rows::write(tx, &key.ask(id), &ask).await?;
    Ok(Output::Asked(Box::new(ask)))
}

pub async fn sent(tx: &mut Tx, key: &StackKey, id: &str, request: &str) -> Result<Output, Error> {
    let found: Option<Ask> = rows::read(tx, &key.ask(id)).await?;
    if let Some(ask) = found.filter(|ask| ask.request_id == request) {
        rows::write(tx, &key.ask(id), &Ask { sent: true, ..ask }).await?;
    }
    Ok(Output::Done)
}

/// Who answers what.
pub struct Given {
    pub request: String,
    pub token: String,
    pub answer: Answer,
}

/// The first answer counts; a later one is taken and changes nothing.
pub async fn answer(tx: &mut Tx, key: &StackKey, id: &str, given: &Given) -> Result<Output, Error> {
    let found: Option<Ask> = rows::read(tx, &key.ask(id)).await?;
    let Some(ask) = found.filter(|ask| ask.request_id == given.request && same(&ask.token, &given.token))
    else {
        return Err(denied("Access Denied"));
    };
    if tx.now() > ask.deadline {
        return Err(denied("Request has expired"));
    }
    if ask.answer.is_none() {
        let answer = Some(given.answer.clone());
        rows::write(tx, &key.ask(id), &Ask { answer, ..ask }).await?;
        tx.wake(&key.wake_up(), 1);
    }
    Ok(Output::Done)
}

/// Makes a handle, unless it is there.
pub async fn handle(tx: &mut Tx, key: &StackKey, id: &str, name: String) -> Result<Output, Error> {
    read_stack(tx, key).await?;
    let found: Option<Signals> = rows::read(tx, &key.signals(id)).await?;
    if let Some(found) = found.filter(|found| found.name == name) {
        return Ok(Output::Signals(found));
    }
    let made = Signals { name, token: tx.ids().text(ALPHABET, TOKEN_LENGTH), ..Signals::default() };
    rows::write(tx, &key.signals(id), &made).await?;
    Ok(Output::Signals(made))
}

/// The name of what a resource that waits is signalled by: another creation of it begins anew.
pub fn signalled(operation: &str, name: &str) -> String {
    format!("{operation}/{name}")
}

/// Takes a signal to a resource whose creation waits for it.
///
/// # Errors
/// `ValidationError` for a stack or resource that waits for nothing, and for a signal that came before.
pub async fn signal_resource(
    tx: &mut Tx,
    key: &StackKey,
    id: &str,
    unique: String,
    success: bool,
) -> Result<Output, Error> {
    let mut stack = read_stack(tx, key).await?;
    let found: Option<Resource> = rows::read(tx, &key.resource(id)).await?;
    let resource = awaiting(&stack, id, found)?;
    let name = signalled(&resource.operation, &resource.state.name);
    let Output::Signals(mut signals) = handle(tx, key, id, name).await? else {
        return Err(error::unexpected());
    };
    // Source: the error as users of `cfn-signal` report it.
    if success && signals.received.contains_key(&unique) {
        return Err(error::validation(format!(
            "Signal with ID {unique} for resource {id} already exists. Signals may only be updated with a FAILURE status."
        )));
    }
    if signals.received.len() >= MAX_SIGNALS && !signals.received.contains_key(&unique) {
        return Err(error::validation(format!("Resource {id} takes no more than {MAX_SIGNALS} signals")));
    }
    if success {
        let reason = format!("Received SUCCESS signal with UniqueId {unique}");
        put_event(tx, &mut stack, progress(&resource, reason))?;
        rows::write(tx, &key.stack(), &stack).await?;
    }
    signals.received.insert(unique, Signal { success, reason: String::new(), data: String::new() });
    rows::write(tx, &key.signals(id), &signals).await?;
    tx.wake(&key.wake_up(), 1);
    Ok(Output::Done)
}

/// The resource, if it waits for signals.
fn awaiting(stack: &Stack, id: &str, found: Option<Resource>) -> Result<Resource, Error> {
    if !["CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"].contains(&stack.status.as_str()) {
        let (stack, status) = (stack.key.arn(), &stack.status);
        return Err(error::validation(format!("Stack {stack} is in {status} state and cannot be signaled")));
    }
    let Some(resource) = found else {
        let stack = &stack.key.name;
        return Err(error::validation(format!("Resource {id} does not exist for stack {stack}")));
    };
    if resource.awaits.is_none() {
        return Err(error::validation(format!("Resource {id} has no CreationPolicy and cannot be signaled")));
    }
    if resource.status != "CREATE_IN_PROGRESS" {
        let status = &resource.status;
        return Err(error::validation(format!("Resource {id} is in {status} state and cannot be signaled")));
    }
    Ok(resource)
}

/// An event of a creation that goes on.
fn progress(resource: &Resource, reason: String) -> Event {
    Event {
        id: String::new(),
        time: resource.updated,
        logical_id: resource.logical_id.clone(),
        physical_id: resource.state.physical_id.clone().unwrap_or_default(),
        resource_type: resource.resource_type.clone(),
        status: resource.status.clone(),
        reason: Some(reason),
        properties: None,
        token: None,
    }
}

/// Takes a signal; another one of the same unique id takes its place.
pub async fn signal(
    tx: &mut Tx,
    key: &StackKey,
    id: &str,
    token: &str,
    unique: Option<String>,
    signal: Signal,
) -> Result<Output, Error> {
    let found: Option<Signals> = rows::read(tx, &key.signals(id)).await?;
    let Some(mut signals) = found.filter(|signals| same(&signals.token, token)) else {
        return Err(denied("Access Denied"));
    };
    let unique = unique.unwrap_or_else(|| tx.ids().uuid());
    if signals.received.len() >= MAX_SIGNALS && !signals.received.contains_key(&unique) {
        return Err(Error::new(503, "SlowDown", "The handle takes no more signals."));
    }
    signals.received.insert(unique, signal);
    rows::write(tx, &key.signals(id), &signals).await?;
    tx.wake(&key.wake_up(), 1);
    Ok(Output::Done)
}
