//! Looking at stacks, their events and resources.

use std::collections::BTreeMap;

use ropeway_api::cloudformation::*;
use ropeway_core::directory;
use ropeway_wire::{Cx, Error};

use super::page::{PAGE, cut, number, position, token};
use super::{CloudFormation, scope};
use crate::commands::{Command, Output as Answered};
use crate::error;
use crate::keys::{self, StackKey};
use crate::model::{Definition, Event, ParameterValue, Resource, Stack as StackRow};

/// A parameter as it is shown.
pub(super) fn shown(parameter: &ParameterValue) -> Parameter {
    let value = if parameter.no_echo { "****".to_owned() } else { parameter.value.clone() };
    Parameter {
        parameter_key: Some(parameter.key.clone()),
        parameter_value: Some(value),
        ..Parameter::default()
    }
}

/// Tags as they are shown.
pub(super) fn shown_tags(tags: &[(String, String)]) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
}

fn stack(row: StackRow, definition: Definition) -> Stack {
    let outputs = definition.outputs.into_iter().map(|o| Output {
        output_key: Some(o.key),
        output_value: Some(o.value),
        description: o.description,
        export_name: o.export_name,
    });
    Stack {
        stack_id: Some(row.key.arn()),
        change_set_id: row.change_set,
        description: definition.description,
        parameters: Some(definition.parameters.iter().map(shown).collect()),
        creation_time: row.created,
        deletion_time: row.deleted,
        last_updated_time: row.updated,
        stack_status: row.status,
        stack_status_reason: row.reason,
        disable_rollback: Some(row.disable_rollback),
        notification_ar_ns: Some(definition.notifications),
        timeout_in_minutes: row.timeout_minutes,
        capabilities: Some(definition.capabilities),
        outputs: Some(outputs.collect()),
        role_arn: row.role_arn,
        tags: Some(shown_tags(&definition.tags)),
        enable_termination_protection: Some(row.protected),
        drift_information: Some(StackDriftInformation {
            stack_drift_status: "NOT_CHECKED".to_owned(),
            ..StackDriftInformation::default()
        }),
        stack_name: row.key.name,
        parent_id: row.parent.map(|parent| parent.arn()),
        root_id: row.root.map(|root| root.arn()),
        ..Stack::default()
    }
}

pub async fn describe_stacks(
    service: &CloudFormation,
    cx: &Cx,
    input: DescribeStacksInput,
) -> Result<DescribeStacksOutput, Error> {
    if let Some(name) = &input.stack_name {
        let (row, definition) = service.stack_of(cx, name, error::stack_id_missing).await?;
        return Ok(DescribeStacksOutput { stacks: Some(vec![stack(row, definition)]), next_token: None });
    }
    let alive = |row: &StackRow| row.deleted.is_none();
    let (found, next_token) = page_of_stacks(service, cx, input.next_token.as_deref(), alive).await?;
    let stacks = found.into_iter().map(|(row, definition)| stack(row, definition)).collect();
    Ok(DescribeStacksOutput { stacks: Some(stacks), next_token })
}

/// Stacks of the caller's account and region that are wanted, the newest first.
async fn page_of_stacks(
    service: &CloudFormation,
    cx: &Cx,
    next: Option<&str>,
    wanted: impl Fn(&StackRow) -> bool,
) -> Result<(Vec<(StackRow, Definition)>, Option<String>), Error> {
    let (scope, mut after) = (scope(cx), position(next)?);
    let mut found = Vec::new();
    loop {
        let (list, limit) = (keys::stacks_list(&scope), PAGE as u32);
        let read = directory::Command::Read { list, prefix: String::new(), after, limit };
        let names = service.list(cx, read).await?;
        for (entry, _) in &names.names {
            let Some(key) = keys::parse_stacks_entry(entry, &scope) else { continue };
            match service.stack_of(cx, &key.arn(), error::stack_id_missing).await {
                Ok(stack) if wanted(&stack.0) => found.push(stack),
                // Not wanted, or forgotten while the list was read.
                Ok(_) => {}
                Err(error) if error.status < 500 => {}
                Err(error) => return Err(error),
            }
            if found.len() == PAGE {
                return Ok((found, Some(token(entry))));
            }
        }
        match names.names.last() {
            Some((entry, _)) if names.more => after = Some(entry.clone()),
            _ => return Ok((found, None)),
        }
    }
}

pub async fn list_stacks(
    service: &CloudFormation,
    cx: &Cx,
    input: ListStacksInput,
) -> Result<ListStacksOutput, Error> {
    let filter = input.stack_status_filter.unwrap_or_default();
    let wanted = |row: &StackRow| filter.is_empty() || filter.contains(&row.status);
    let (found, next_token) = page_of_stacks(service, cx, input.next_token.as_deref(), wanted).await?;
    let summary = |(row, definition): (StackRow, Definition)| StackSummary {
        stack_id: Some(row.key.arn()),
        stack_name: row.key.name.clone(),
        parent_id: row.parent.map(|parent| parent.arn()),
        root_id: row.root.map(|root| root.arn()),
        template_description: definition.description,
        creation_time: row.created,
        last_updated_time: row.updated,
        deletion_time: row.deleted,
        stack_status: row.status,
        stack_status_reason: row.reason,
        drift_information: Some(StackDriftInformationSummary {
            stack_drift_status: "NOT_CHECKED".to_owned(),
            ..StackDriftInformationSummary::default()
        }),
        ..StackSummary::default()
    };
    Ok(ListStacksOutput { stack_summaries: Some(found.into_iter().map(summary).collect()), next_token })
}

pub async fn describe_stack_events(
    service: &CloudFormation,
    cx: &Cx,
    input: DescribeStackEventsInput,
) -> Result<DescribeStackEventsOutput, Error> {
    let (row, _) = service.stack_of(cx, &input.stack_name, error::stack_missing).await?;
    let before = number(input.next_token.as_deref())?.unwrap_or(u64::MAX);
    let command = Command::Events(row.key.clone(), before, PAGE as u32);
    let Answered::Events(events, more) = service.on_stack(cx, &row.key, command).await? else {
        return Err(error::unexpected());
    };
    let last = events.last().map(|(number, _)| *number);
    let next_token = last.filter(|_| more).map(|number| token(&number.to_string()));
    let stack_events = events.into_iter().map(|(_, event)| shown_event(&row.key, event)).collect();
    Ok(DescribeStackEventsOutput { stack_events: Some(stack_events), next_token })
}

fn shown_event(key: &StackKey, event: Event) -> StackEvent {
    StackEvent {
        stack_id: key.arn(),
        event_id: event.id,
        stack_name: key.name.clone(),
        logical_resource_id: Some(event.logical_id),
        physical_resource_id: Some(event.physical_id),
        resource_type: Some(event.resource_type),
        timestamp: event.time,
        resource_status: Some(event.status),
        resource_status_reason: event.reason,
        resource_properties: event.properties,
        client_request_token: event.token,
        ..StackEvent::default()
    }
}

async fn resources(
    service: &CloudFormation,
    cx: &Cx,
    stack: &str,
    missing: impl Fn(&str) -> Error,
) -> Result<(StackKey, BTreeMap<String, Resource>), Error> {
    let (row, _) = service.stack_of(cx, stack, missing).await?;
    match service.on_stack(cx, &row.key, Command::Resources(row.key.clone())).await? {
        Answered::Resources(resources) => Ok((row.key, resources)),
        _ => Err(error::unexpected()),
    }
}

pub async fn describe_stack_resource(
    service: &CloudFormation,
    cx: &Cx,
    input: DescribeStackResourceInput,
) -> Result<DescribeStackResourceOutput, Error> {
    let missing = |name: &str| error::validation(format!("Stack '{name}' does not exist"));
    let (key, mut resources) = resources(service, cx, &input.stack_name, missing).await?;
    let id = &input.logical_resource_id;
    let resource = resources.remove(id);
    let resource = resource
        .ok_or_else(|| error::validation(format!("Resource {id} does not exist for stack {}", key.name)))?;
    let detail = StackResourceDetail {
        stack_name: Some(key.name.clone()),
        stack_id: Some(key.arn()),
        logical_resource_id: resource.logical_id,
        physical_resource_id: resource.state.physical_id,
        resource_type: resource.resource_type,
        last_updated_timestamp: resource.updated,
        resource_status: resource.status,
        resource_status_reason: resource.reason,
        metadata: resource.state.metadata,
        drift_information: Some(not_checked()),
        ..StackResourceDetail::default()
    };
    Ok(DescribeStackResourceOutput { stack_resource_detail: Some(detail) })
}

fn not_checked() -> StackResourceDriftInformation {
    StackResourceDriftInformation {
        stack_resource_drift_status: "NOT_CHECKED".to_owned(),
        ..StackResourceDriftInformation::default()
    }
}

pub async fn describe_stack_resources(
    service: &CloudFormation,
    cx: &Cx,
    input: DescribeStackResourcesInput,
) -> Result<DescribeStackResourcesOutput, Error> {
    // Source: the API reference; a list of more than 100 resources is cut without a token.
    let (key, resources) = match (&input.stack_name, &input.physical_resource_id) {
        (Some(_), Some(_)) => {
            return Err(error::validation("Both StackName and PhysicalResourceId cannot be specified."));
        }
        (Some(name), None) => resources(service, cx, name, error::stack_id_missing).await?,
        (None, Some(id)) => holder_of(service, cx, id).await?,
        (None, None) => {
            return Err(error::validation("You must specify either StackName or PhysicalResourceId."));
        }
    };
    let wanted = |r: &Resource| input.logical_resource_id.as_ref().is_none_or(|id| *id == r.logical_id);
    let shown = resources.into_values().filter(wanted).take(PAGE).map(|resource| StackResource {
        stack_name: Some(key.name.clone()),
        stack_id: Some(key.arn()),
        logical_resource_id: resource.logical_id,
        physical_resource_id: resource.state.physical_id,
        resource_type: resource.resource_type,
        timestamp: resource.updated,
        resource_status: resource.status,
        resource_status_reason: resource.reason,
        drift_information: Some(not_checked()),
        ..StackResource::default()
    });
    let stack_resources: Vec<StackResource> = shown.collect();
    if let (Some(id), true) = (&input.logical_resource_id, stack_resources.is_empty()) {
        return Err(error::validation(format!("Resource {id} does not exist for stack {}", key.name)));
    }
    Ok(DescribeStackResourcesOutput { stack_resources: Some(stack_resources) })
}

/// The stack that a physical id belongs to, found by looking at every stack.
async fn holder_of(
    service: &CloudFormation,
    cx: &Cx,
    physical_id: &str,
) -> Result<(StackKey, BTreeMap<String, Resource>), Error> {
    let mut next = None;
    loop {
        let alive = |row: &StackRow| row.deleted.is_none();
        let (found, more) = page_of_stacks(service, cx, next.as_deref(), alive).await?;
        for (row, _) in found {
            let (key, resources) = resources(service, cx, &row.key.arn(), error::stack_id_missing).await?;
            if resources.values().any(|r| r.state.physical_id.as_deref() == Some(physical_id)) {
                return Ok((key, resources));
            }
        }
        next = more;
        if next.is_none() {
            return Err(error::validation(format!("Stack for {physical_id} does not exist")));
        }
    }
}

pub async fn list_stack_resources(
    service: &CloudFormation,
    cx: &Cx,
    input: ListStackResourcesInput,
) -> Result<ListStackResourcesOutput, Error> {
    let (_, resources) = resources(service, cx, &input.stack_name, error::stack_id_missing).await?;
    let (page, next_token) = cut(resources.into_values().collect(), input.next_token.as_deref())?;
    let summary = |resource: Resource| StackResourceSummary {
        logical_resource_id: resource.logical_id,
        physical_resource_id: resource.state.physical_id,
        resource_type: resource.resource_type,
        last_updated_timestamp: resource.updated,
        resource_status: resource.status,
        resource_status_reason: resource.reason,
        drift_information: Some(StackResourceDriftInformationSummary {
            stack_resource_drift_status: "NOT_CHECKED".to_owned(),
            ..StackResourceDriftInformationSummary::default()
        }),
        ..StackResourceSummary::default()
    };
    let stack_resource_summaries = Some(page.into_iter().map(summary).collect());
    Ok(ListStackResourcesOutput { stack_resource_summaries, next_token })
}
