//! One call of a provider, and what is noted of it.

use std::collections::BTreeSet;

use ropeway_wire::Error;
use serde_json::Value as Json;

use super::forward::in_effect;
use super::tags::without_system;
use super::{PAUSE, Run, Stop};
use crate::commands::Change;
use crate::model::{Event, Resource, State};
use crate::providers::{self, Failure, Made, Provider, Subject};
use crate::template::TemplateError;

/// How often a call is made whose failure may pass.
const MAX_ATTEMPTS: u32 = 10;
/// Properties longer than this are left out of events, whose rows are small.
const MAX_EVENT_PROPERTIES: usize = 16 << 10;

/// A call that failed for good.
pub(super) struct Broken {
    /// Why, in the words of events.
    pub reason: String,
    /// What is there nevertheless.
    pub physical_id: Option<String>,
}

/// The properties of a state, as JSON.
pub(super) fn properties(state: &State) -> Json {
    serde_json::from_str(&state.properties).unwrap_or_default()
}

/// A resource's event.
pub(super) fn event(resource: &Resource, physical_id: &str, status: &str, reason: Option<&str>) -> Change {
    let properties = without_system(&resource.state.properties);
    let shown = Some(properties).filter(|text| (1..=MAX_EVENT_PROPERTIES).contains(&text.len()));
    Change::Event(Box::new(Event {
        id: String::new(),
        time: resource.updated,
        logical_id: resource.logical_id.clone(),
        physical_id: physical_id.to_owned(),
        resource_type: resource.resource_type.clone(),
        status: status.to_owned(),
        reason: reason.map(str::to_owned),
        properties: shown,
        token: None,
    }))
}

/// The resource with another status, and the event of that.
pub(super) fn turned(mut resource: Resource, status: &str, reason: Option<&str>) -> Vec<Change> {
    status.clone_into(&mut resource.status);
    resource.reason = reason.map(str::to_owned);
    let physical_id = resource.state.physical_id.clone().unwrap_or_default();
    let event = event(&resource, &physical_id, status, reason);
    vec![Change::Put(Box::new(resource)), event]
}

/// What a deletion should find in the subject.
fn subject<'a>(
    run: &'a Run<'_>,
    resource: &'a Resource,
    state: &'a State,
    properties: &'a Json,
) -> Subject<'a> {
    Subject {
        core: &run.deployer.core,
        whole: &run.snapshot,
        addresses: &run.deployer.addresses,
        resource_type: &resource.resource_type,
        operation: &resource.operation,
        awaits: resource.awaits,
        services: &run.deployer.services,
        cx: &run.cx,
        stack: &run.key,
        logical_id: &resource.logical_id,
        name: &state.name,
        physical_id: state.physical_id.as_deref().unwrap_or_default(),
        properties,
    }
}

/// The provider of a resource's type. Every type was checked before the operation began.
pub(super) fn provider(resource_type: &str) -> Result<&'static dyn Provider, TemplateError> {
    providers::of(resource_type)
        .ok_or_else(|| TemplateError::new(format!("Unrecognized resource types: [{resource_type}]")))
}

impl Run<'_> {
    /// Asks whether a name is taken.
    pub(super) async fn is_taken(&mut self, resource: &Resource) -> Result<Result<bool, Broken>, Stop> {
        let properties = properties(&resource.state);
        let provider = provider(&resource.resource_type)?;
        let found = provider.exists(&subject(self, resource, &resource.state, &properties)).await;
        match found {
            Err(error) if is_transient(&error) => Err(Stop::Later(PAUSE)),
            Err(error) => Ok(Err(self.broken(&resource.resource_type, error, None))),
            Ok(found) => Ok(Ok(found)),
        }
    }

    /// Makes what the resource's state says.
    pub(super) async fn call_create(&mut self, resource: &Resource) -> Result<Result<Made, Broken>, Stop> {
        let properties = properties(&resource.state);
        let provider = provider(&resource.resource_type)?;
        let made = provider.create(&subject(self, resource, &resource.state, &properties)).await;
        self.judge(resource, made).await
    }

    /// Makes what is there what `new` says, from whatever may be in effect of it.
    pub(super) async fn call_update(
        &mut self,
        resource: &Resource,
        new: &State,
    ) -> Result<Result<Made, Broken>, Stop> {
        let provider = provider(&resource.resource_type)?;
        let after = properties(new);
        let mut made = Err(Failure::Pending);
        let mut all = in_effect(resource);
        if all.len() > 1 {
            all.retain(|before| *before != new.properties);
        }
        for before in all {
            let before = serde_json::from_str(&before).unwrap_or_default();
            made = provider.update(&subject(self, resource, new, &after), &before).await;
            if made.is_err() {
                break;
            }
        }
        self.judge(resource, made).await
    }

    /// Makes what is there what it was before the update that fails.
    pub(super) async fn call_restore(
        &mut self,
        resource: &Resource,
        old: &State,
    ) -> Result<Result<Made, Broken>, Stop> {
        let provider = provider(&resource.resource_type)?;
        if !provider.resource_type().revisited {
            return self.call_update(resource, old).await;
        }
        let before = properties(old);
        let restored = provider.restore(&subject(self, resource, old, &before)).await;
        self.judge(resource, restored).await
    }

    /// Tells what is there that the update stays.
    pub(super) async fn call_commit(&mut self, resource: &Resource) -> Result<Result<(), Broken>, Stop> {
        let provider = provider(&resource.resource_type)?;
        let properties = properties(&resource.state);
        let committed = provider.commit(&subject(self, resource, &resource.state, &properties)).await;
        self.judge(resource, committed).await
    }

    /// Deletes a state of the resource.
    pub(super) async fn call_delete(
        &mut self,
        resource: &Resource,
        state: &State,
    ) -> Result<Result<(), Broken>, Stop> {
        let properties = properties(state);
        let provider = provider(&resource.resource_type)?;
        let deleted = provider.delete(&subject(self, resource, state, &properties)).await;
        self.judge(resource, deleted).await
    }

    /// A failure that may pass is tried again, so many times.
    async fn judge<T>(
        &mut self,
        resource: &Resource,
        result: Result<T, Failure>,
    ) -> Result<Result<T, Broken>, Stop> {
        let (error, physical_id) = match result {
            Ok(value) => return Ok(Ok(value)),
            Err(Failure::Pending) => return Err(Stop::Later(PAUSE)),
            Err(Failure::Waiting(until)) => {
                let millis = until.millis() - self.deployer.core.clock().now().millis();
                return Err(Stop::Later(millis.max(1)));
            }
            Err(Failure::Said(physical_id, reason)) => return Ok(Err(Broken { reason, physical_id })),
            Err(Failure::Refused(error)) => (error, None),
            Err(Failure::Partial(physical_id, error)) => (error, Some(physical_id)),
        };
        if is_transient(&error)
            && let Some(noted) = self.resource(&resource.logical_id)
            && noted.attempts < MAX_ATTEMPTS
        {
            let again = Resource { attempts: noted.attempts + 1, ..noted.clone() };
            let pause = PAUSE * i64::from(again.attempts);
            self.record(vec![Change::Put(Box::new(again))]).await?;
            return Err(Stop::Later(pause));
        }
        Ok(Err(self.broken(&resource.resource_type, error, physical_id)))
    }

    /// Words a failure as the service's resource handlers do.
    fn broken(&self, resource_type: &str, error: Error, physical_id: Option<String>) -> Broken {
        let service = resource_type.split("::").nth(1).unwrap_or_default();
        let reason = format!(
            "Resource handler returned message: \"{} (Service: {service}, Status Code: {}, Error Code: {}, Request ID: {})\" \
             (RequestToken: {}, HandlerErrorCode: {})",
            error.message,
            error.status,
            error.code,
            self.cx.request_id,
            self.snapshot.operation.id,
            handler_code(&error),
        );
        Broken { reason, physical_id }
    }

    /// Logical ids, each after all that it depends on.
    pub(super) fn order(&self) -> Vec<String> {
        let resources = &self.snapshot.resources;
        let known = |ids: &'_ BTreeSet<String>| -> BTreeSet<String> {
            ids.iter().filter(|id| resources.contains_key(*id)).cloned().collect()
        };
        let mut open: Vec<(String, BTreeSet<String>)> =
            resources.iter().map(|(id, resource)| (id.clone(), known(&resource.state.depends_on))).collect();
        let mut order: Vec<String> = Vec::new();
        while !open.is_empty() {
            let before = order.len();
            let placed: BTreeSet<&String> = order.iter().collect();
            let ready: Vec<String> = open
                .iter()
                .filter(|(_, needs)| needs.iter().all(|id| placed.contains(id)))
                .map(|(id, _)| id.clone())
                .collect();
            order.extend(ready);
            if order.len() == before {
                // No template has a cycle; should one be, its members come in the order of their names.
                order.extend(open.iter().map(|(id, _)| id.clone()));
            }
            open.retain(|(id, _)| !order.contains(id));
        }
        order
    }
}

fn is_transient(error: &Error) -> bool {
    error.status >= 500 || error.code.contains("Throttl")
}

/// The code of CloudFormation's handlers for a service's error.
/// Source: the CloudFormation CLI's guide, "Handler error codes".
fn handler_code(error: &Error) -> &'static str {
    let code = error.code.as_ref();
    let has = |words: &[&str]| words.iter().any(|word| code.contains(word));
    match code {
        _ if has(&["AccessDenied", "Authorization", "Unauthorized"]) => "AccessDenied",
        _ if has(&["AlreadyExists", "NameExists", "ResourceInUse"]) => "AlreadyExists",
        _ if has(&["NotFound", "DoesNotExist", "NonExistent", "NoSuch"]) => "NotFound",
        _ if has(&["LimitExceeded"]) => "ServiceLimitExceeded",
        _ if has(&["Throttl"]) => "Throttling",
        _ if has(&["Invalid", "Validation", "Malformed", "Missing"]) => "InvalidRequest",
        _ if error.status >= 500 => "ServiceInternalError",
        _ => "GeneralServiceException",
    }
}
