//! Event source mappings: queues whose messages a function handles.

use ropeway_api::lambda as api;
use ropeway_api::sqs;
use ropeway_core::directory;
use ropeway_wire::{Cx, Error, Keys};

use super::{Lambda, named, page, tags};
use crate::commands::{Command, MappingChange, Output};
use crate::engine::unexpected;
use crate::errors::{self, invalid};
use crate::keys::{self, FunctionName};
use crate::model::{Mapping, MappingState, Version};
use crate::pattern::Pattern;
use crate::poller::queue_url;

/// What a function's role needs of a queue.
const NEEDED: [&str; 3] = ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"];
/// Filters of a mapping: <https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html>.
const FILTERS: usize = 5;
/// Messages in a batch of a standard queue, of a FIFO queue, and of one without a window.
const BATCH: i64 = 10_000;
const FIFO_BATCH: i64 = 10;

/// The function of a mapping: the account's list says it.
pub async fn place(lambda: &Lambda, cx: &Cx, id: &str) -> Result<(FunctionName, String), Error> {
    let command = directory::Command::Read {
        list: keys::mappings_list(&cx.account, &cx.region),
        prefix: id.to_owned(),
        after: None,
        limit: 1,
    };
    let names = directory::apply(&lambda.engine.parts.core, &cx.trace, command).await?;
    match names.names.into_iter().next() {
        Some((found, place)) if found == id => {
            postcard::from_bytes(&place).map_err(|e| ropeway_core::Fault::from(e).into())
        }
        _ => Err(errors::no_resource()),
    }
}

fn described(name: &FunctionName, mapping: Mapping) -> api::EventSourceMappingConfiguration {
    let arn = format!(
        "arn:aws:lambda:{}:{}:event-source-mapping:{}",
        name.scope.region, name.scope.account, mapping.id
    );
    let filters: Vec<api::Filter> =
        mapping.filters.into_iter().map(|pattern| api::Filter { pattern: Some(pattern) }).collect();
    api::EventSourceMappingConfiguration {
        uuid: Some(mapping.id),
        batch_size: Some(i64::from(mapping.batch)),
        maximum_batching_window_in_seconds: Some(i64::from(mapping.window)),
        event_source_arn: Some(mapping.source),
        filter_criteria: (!filters.is_empty()).then_some(api::FilterCriteria { filters: Some(filters) }),
        scaling_config: mapping
            .concurrency
            .map(|most| api::ScalingConfig { maximum_concurrency: Some(i64::from(most)) }),
        function_arn: Some(name.qualified(mapping.qualifier.as_deref())),
        last_modified: Some(mapping.modified),
        last_processing_result: (!mapping.last_result.is_empty()).then_some(mapping.last_result),
        state: Some(mapping.state.name().to_owned()),
        state_transition_reason: Some(mapping.reason),
        function_response_types: Some(
            mapping.partial.then(|| "ReportBatchItemFailures".to_owned()).into_iter().collect(),
        ),
        event_source_mapping_arn: Some(arn),
        ..api::EventSourceMappingConfiguration::default()
    }
}

fn shown(name: &FunctionName, output: Output) -> Result<api::EventSourceMappingConfiguration, Error> {
    match output {
        Output::Mapping(mapping, _) => Ok(described(name, *mapping)),
        _ => Err(unexpected()),
    }
}

/// The queue of a mapping; other sources are refused by name.
fn source(cx: &Cx, arn: Option<String>) -> Result<String, Error> {
    let arn =
        arn.ok_or_else(|| invalid("EventSourceArn is required: the one source that is implemented is SQS"))?;
    let words: Vec<&str> = arn.split(':').collect();
    match words.as_slice() {
        ["arn", _, "sqs", region, _, _] if *region == cx.region => Ok(arn),
        ["arn", _, "sqs", ..] => Err(invalid(format!("The queue {arn} is in another region"))),
        ["arn", _, service, ..] => Err(invalid(format!(
            "Event sources of {service} are not implemented: {arn}; the one source that is implemented is SQS"
        ))),
        _ => Err(invalid(format!(
            "Unrecognized event source, must be kinesis, dynamodb stream or sqs. Unsupported source arn: {arn}"
        ))),
    }
}

fn filters(criteria: Option<api::FilterCriteria>) -> Result<Option<Vec<String>>, Error> {
    let Some(criteria) = criteria else { return Ok(None) };
    let patterns: Vec<String> =
        criteria.filters.unwrap_or_default().into_iter().filter_map(|filter| filter.pattern).collect();
    if patterns.len() > FILTERS {
        return Err(invalid(format!("Exceeded maximum allowed filters: {FILTERS}")));
    }
    for pattern in &patterns {
        Pattern::parse(pattern)
            .map_err(|why| invalid(format!("Invalid filter pattern definition. {why}")))?;
    }
    Ok(Some(patterns))
}

/// Checks what batch and window may be together, for this queue.
fn check_batch(batch: i64, window: i64, queue: &str) -> Result<(), Error> {
    if queue.ends_with(".fifo") {
        if window > 0 {
            return Err(invalid("Batching window is not supported for FIFO queues."));
        }
        if batch > FIFO_BATCH {
            return Err(invalid(format!(
                "Batch size for FIFO queues must be less than or equal to {FIFO_BATCH}."
            )));
        }
    }
    if batch > BATCH {
        return Err(invalid(format!("Batch size must be less than or equal to {BATCH}.")));
    }
    if batch > 10 && window == 0 {
        return Err(invalid(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        ));
    }
    Ok(())
}

/// `ScalingConfig` without a number takes the limit away.
fn concurrency(scaling: Option<api::ScalingConfig>) -> Option<Option<u32>> {
    scaling.map(|scaling| scaling.maximum_concurrency.and_then(|most| u32::try_from(most).ok()))
}

impl Lambda {
    /// The function's role may do what a poller does, and the queue's messages stay invisible for long enough.
    async fn check_source(
        &self,
        cx: &Cx,
        name: &FunctionName,
        version: &Version,
        queue: &str,
    ) -> Result<(), Error> {
        let role = self.engine.assume(name, &version.config.role);
        let role =
            role.map_err(|_| invalid("The role defined for the function cannot be assumed by Lambda."))?;
        let as_role = self.engine.cx_of(name, role, &cx.trace);
        for call in NEEDED {
            let action = format!("sqs:{call}");
            as_role.authorize(&api::SERVICE, &action, queue, &Keys::default()).map_err(|_| {
                invalid(format!(
                    "The provided execution role does not have permissions to call {call} on SQS"
                ))
            })?;
        }
        let input = sqs::GetQueueAttributesInput {
            queue_url: queue_url(queue),
            attribute_names: Some(vec!["VisibilityTimeout".to_owned()]),
        };
        let found = self.engine.parts.services.call(as_role, input).await.map_err(|error| {
            match error.is_sender_fault() {
                true => invalid(format!(
                    "Error occurred while ReceiveMessage. SQS Error Code: {}. SQS Error Message: {}",
                    error.code, error.message
                )),
                false => error,
            }
        })?;
        let attributes = found.attributes.unwrap_or_default();
        let visible: u32 = attributes.get("VisibilityTimeout").and_then(|v| v.parse().ok()).unwrap_or(30);
        if visible < version.config.timeout {
            return Err(invalid(format!(
                "Queue visibility timeout: {visible} seconds is less than Function timeout: {} seconds",
                version.config.timeout
            )));
        }
        Ok(())
    }
}

pub async fn create_event_source_mapping(
    lambda: &Lambda,
    cx: &Cx,
    input: api::CreateEventSourceMappingInput,
) -> Result<api::CreateEventSourceMappingOutput, Error> {
    let (name, qualifier) = named(cx, &input.function_name, None)?;
    let source = source(cx, input.event_source_arn)?;
    let batch = input.batch_size.unwrap_or(10);
    let window = input.maximum_batching_window_in_seconds.unwrap_or(0);
    check_batch(batch, window, &source)?;
    let filters = filters(input.filter_criteria)?.unwrap_or_default();
    let tags = tags::of_new(cx, input.tags)?;
    let found = lambda.read(cx, &name, qualifier.as_deref()).await?;
    lambda.check_source(cx, &name, &found.version, &source).await?;
    let enabled = input.enabled.unwrap_or(true);
    let mapping = Mapping {
        id: lambda.engine.parts.core.ids().uuid(),
        qualifier,
        source,
        batch: u32::try_from(batch).unwrap_or(10),
        window: u32::try_from(window).unwrap_or(0),
        filters,
        concurrency: concurrency(input.scaling_config).flatten(),
        partial: input.function_response_types.is_some_and(|types| !types.is_empty()),
        state: if enabled { MappingState::Creating } else { MappingState::Disabled },
        reason: "USER_INITIATED".to_owned(),
        last_result: String::new(),
        modified: cx.now,
        tags,
        polled: false,
    };
    let line = directory::Command::Add {
        list: keys::mappings_list(&name.scope.account, &name.scope.region),
        name: mapping.id.clone(),
        value: postcard::to_stdvec(&(&name, &mapping.source)).map_err(ropeway_core::Fault::from)?,
    };
    let command = Command::CreateMapping { function: name.clone(), mapping: Box::new(mapping) };
    let made = shown(&name, lambda.submit(cx, &name, command).await?)?;
    directory::apply(&lambda.engine.parts.core, &cx.trace, line).await?;
    Ok(made)
}

pub async fn get_event_source_mapping(
    lambda: &Lambda,
    cx: &Cx,
    input: api::GetEventSourceMappingInput,
) -> Result<api::GetEventSourceMappingOutput, Error> {
    let (name, _) = place(lambda, cx, &input.uuid).await?;
    let command = Command::ReadMapping { function: name.clone(), id: input.uuid };
    shown(&name, lambda.submit(cx, &name, command).await?)
}

pub async fn update_event_source_mapping(
    lambda: &Lambda,
    cx: &Cx,
    input: api::UpdateEventSourceMappingInput,
) -> Result<api::UpdateEventSourceMappingOutput, Error> {
    let (name, source) = place(lambda, cx, &input.uuid).await?;
    let qualifier = match &input.function_name {
        None => None,
        Some(given) => {
            let (to, qualifier) = named(cx, given, None)?;
            if to != name {
                return Err(invalid(
                    "FunctionName of another function is not implemented: a mapping stays with its function; delete it and make another",
                ));
            }
            Some(qualifier)
        }
    };
    let read = Command::ReadMapping { function: name.clone(), id: input.uuid.clone() };
    let Output::Mapping(now, _) = lambda.submit(cx, &name, read).await? else { return Err(unexpected()) };
    let batch = input.batch_size.unwrap_or(i64::from(now.batch));
    let window = input.maximum_batching_window_in_seconds.unwrap_or(i64::from(now.window));
    check_batch(batch, window, &source)?;
    let change = MappingChange {
        qualifier,
        enabled: input.enabled,
        batch: u32::try_from(batch).ok(),
        window: u32::try_from(window).ok(),
        filters: filters(input.filter_criteria)?,
        concurrency: concurrency(input.scaling_config),
        partial: input.function_response_types.map(|types| !types.is_empty()),
    };
    let command = Command::UpdateMapping { function: name.clone(), id: input.uuid, change };
    shown(&name, lambda.submit(cx, &name, command).await?)
}

pub async fn delete_event_source_mapping(
    lambda: &Lambda,
    cx: &Cx,
    input: api::DeleteEventSourceMappingInput,
) -> Result<api::DeleteEventSourceMappingOutput, Error> {
    let (name, _) = place(lambda, cx, &input.uuid).await?;
    let command = Command::DeleteMapping { function: name.clone(), id: input.uuid };
    shown(&name, lambda.submit(cx, &name, command).await?)
}

pub async fn list_event_source_mappings(
    lambda: &Lambda,
    cx: &Cx,
    input: api::ListEventSourceMappingsInput,
) -> Result<api::ListEventSourceMappingsOutput, Error> {
    let wanted = input.function_name.map(|given| named(cx, &given, None)).transpose()?;
    let limit = page::limit(input.max_items) as usize;
    let mut after = page::after(input.marker.as_deref())?;
    let mut out = Vec::new();
    loop {
        let command = directory::Command::Read {
            list: keys::mappings_list(&cx.account, &cx.region),
            prefix: String::new(),
            after: after.clone(),
            limit: 100,
        };
        let names = directory::apply(&lambda.engine.parts.core, &cx.trace, command).await?;
        for (id, place) in names.names {
            let (name, source): (FunctionName, String) =
                postcard::from_bytes(&place).map_err(ropeway_core::Fault::from)?;
            after = Some(id.clone());
            let of_source = input.event_source_arn.as_ref().is_none_or(|arn| *arn == source);
            if !of_source || wanted.as_ref().is_some_and(|(function, _)| *function != name) {
                continue;
            }
            let command = Command::ReadMapping { function: name.clone(), id };
            match lambda.submit(cx, &name, command).await {
                Ok(Output::Mapping(mapping, _))
                    if wanted.as_ref().is_none_or(|(_, q)| q.is_none() || *q == mapping.qualifier) =>
                {
                    out.push(described(&name, *mapping));
                }
                Ok(_) => {}
                Err(error) if error.status == 404 => {}
                Err(error) => return Err(error),
            }
            if out.len() == limit {
                let next_marker = page::marker(after.as_deref(), true);
                return Ok(api::ListEventSourceMappingsOutput {
                    next_marker,
                    event_source_mappings: Some(out),
                });
            }
        }
        if !names.more {
            return Ok(api::ListEventSourceMappingsOutput {
                next_marker: None,
                event_source_mappings: Some(out),
            });
        }
    }
}
