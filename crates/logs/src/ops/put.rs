//! PutLogEvents.
//!
//! Source of the limits: the API reference, PutLogEvents; of the messages: what the service answers.

use ropeway_api::logs::{InputLogEvent, PutLogEventsInput, PutLogEventsOutput, RejectedLogEventsInfo};
use ropeway_wire::{Cx, Error};

use super::{Logs, invalid, named};
use crate::chunk::{self, EVENT_OVERHEAD, Event};
use crate::commands::Command;
use crate::model::{DAY, Group};

/// Most bytes of a batch: its messages, and [`EVENT_OVERHEAD`] for each.
const MAX_BATCH_BYTES: usize = 1024 * 1024;
/// Most bytes of an event, counted likewise.
const MAX_EVENT_BYTES: usize = 1024 * 1024;
/// Events may be so far in the future, in milliseconds.
const MAX_AHEAD: i64 = 2 * 60 * 60 * 1000;
/// Events may be so old, in milliseconds.
const MAX_AGE: i64 = 14 * DAY;

pub async fn put_log_events(
    logs: &Logs,
    cx: &Cx,
    input: PutLogEventsInput,
) -> Result<PutLogEventsOutput, Error> {
    check(&input.log_events)?;
    let name = named(cx, &input.log_group_name);
    let (group, _) = logs.read(cx, &name).await?;
    let now = logs.core.clock().now();
    let (accepted, rejected) = divide(&group, now.millis(), input.log_events);
    let first = accepted.first().map_or(0, |event| event.time);
    if accepted.last().is_some_and(|last| last.time.saturating_sub(first) > DAY) {
        return Err(invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ));
    }
    let key = chunk::seal_key(&logs.setup.master, &name.arn());
    let chunks = chunk::chunks(&key, logs.core.ids(), accepted)?;
    let stream = input.log_stream_name;
    // Asked for without events, too: the stream must be there.
    logs.submit(cx, &name, Command::Put { group: name.clone(), stream, chunks }).await?;
    Ok(PutLogEventsOutput {
        next_sequence_token: Some(logs.core.ids().text("0123456789", 56)),
        rejected_log_events_info: rejected,
        ..PutLogEventsOutput::default()
    })
}

/// Checks what does not depend on the group.
fn check(events: &[InputLogEvent]) -> Result<(), Error> {
    let bytes = |event: &InputLogEvent| event.message.len() + EVENT_OVERHEAD;
    if let Some(large) = events.iter().map(bytes).find(|bytes| *bytes > MAX_EVENT_BYTES) {
        return Err(invalid(format!(
            "Log event too large: {large} bytes exceeds limit of {MAX_EVENT_BYTES}"
        )));
    }
    let total: usize = events.iter().map(bytes).sum();
    if total > MAX_BATCH_BYTES {
        return Err(invalid(format!("Upload too large: {total} bytes exceeds limit of {MAX_BATCH_BYTES}")));
    }
    if !events.is_sorted_by_key(|event| event.timestamp) {
        return Err(invalid("Log events in a single PutLogEvents request must be in chronological order."));
    }
    Ok(())
}

/// Events that are taken, and which of the others are too old, expired or too new.
fn divide(
    group: &Group,
    now: i64,
    events: Vec<InputLogEvent>,
) -> (Vec<Event>, Option<RejectedLogEventsInfo>) {
    let index = |count: usize| i64::try_from(count).ok();
    let before = |moment: i64| events.partition_point(|event| event.timestamp < moment);
    let too_old = before(now - MAX_AGE);
    let expired = before(group.horizon(ropeway_core::Time(now)));
    let too_new = events.partition_point(|event| event.timestamp <= now + MAX_AHEAD);
    let count = events.len();
    let rejected = RejectedLogEventsInfo {
        too_new_log_event_start_index: index(too_new).filter(|_| too_new < count),
        too_old_log_event_end_index: index(too_old).filter(|_| too_old > 0),
        expired_log_event_end_index: index(expired).filter(|_| expired > 0),
    };
    let first = too_old.max(expired);
    let any = first > 0 || too_new < count;
    let accepted = events.into_iter().take(too_new).skip(first);
    let accepted = accepted.map(|event| Event { time: event.timestamp, message: event.message });
    (accepted.collect(), any.then_some(rejected))
}
