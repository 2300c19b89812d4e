//! LookupEvents.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ropeway_api::cloudtrail::{Event as Told, LookupEventsInput, LookupEventsOutput, Resource, error};
use ropeway_core::Time;
use ropeway_wire::{Cx, Error};

use super::{CloudTrail, own, unexpected};
use crate::commands::{Command, KEPT_SECS, Output, Wanted};
use crate::model::Event;

/// Most events of an answer, and how many there are if nothing is asked for.
const PAGE: usize = 50;
/// Events that one step looks at.
const STEP: u32 = 500;
/// Steps of a request: an answer may be short of events, and yet say where to go on.
const STEPS: usize = 20;

/// A place in the history: a page ends there.
type Place = (Time, u64);

pub async fn lookup_events(
    service: &CloudTrail,
    cx: &Cx,
    input: LookupEventsInput,
) -> Result<LookupEventsOutput, Error> {
    let wanted = wanted(&input)?;
    let oldest = cx.now.plus_secs(-KEPT_SECS);
    let (from, to) = (input.start_time.unwrap_or(oldest), input.end_time.unwrap_or(cx.now));
    if from > to {
        let why = "The start time must be before the end time.";
        return Err(error::invalid_time_range_exception(why));
    }
    let most = input.max_results.and_then(|most| usize::try_from(most).ok()).unwrap_or(PAGE);
    let scope = own(cx);
    let mut before = input.next_token.as_deref().map(place).transpose()?;
    let mut events: Vec<(Place, Event)> = Vec::new();
    for _ in 0..STEPS {
        let command = Command::Lookup {
            scope: scope.clone(),
            from: from.max(oldest),
            to,
            before,
            wanted: wanted.clone(),
            limit: STEP,
        };
        let Output::Events(found, more) = service.submit(cx, &scope, command).await? else {
            return Err(unexpected());
        };
        events.extend(found);
        before = more;
        if before.is_none() || events.len() >= most {
            break;
        }
    }
    if events.len() > most {
        events.truncate(most);
        before = events.last().map(|(place, _)| *place);
    }
    let next_token = before.map(|(at, number)| BASE64.encode(format!("{}/{number}", at.millis())));
    let events = events.into_iter().map(|((at, _), event)| told(at, event)).collect();
    Ok(LookupEventsOutput { events: Some(events), next_token })
}

fn place(token: &str) -> Result<Place, Error> {
    let read = || {
        let text = String::from_utf8(BASE64.decode(token).ok()?).ok()?;
        let (at, number) = text.split_once('/')?;
        Some((Time(at.parse().ok()?), number.parse().ok()?))
    };
    read().ok_or_else(|| error::invalid_next_token_exception("Invalid next token"))
}

fn wanted(input: &LookupEventsInput) -> Result<Wanted, Error> {
    let mut attributes = input.lookup_attributes.iter().flatten();
    let Some(first) = attributes.next() else { return Ok(Wanted::All) };
    if attributes.next().is_some() {
        let why = "You can specify only one lookup attribute.";
        return Err(error::invalid_lookup_attributes_exception(why));
    }
    let value = first.attribute_value.clone();
    Ok(match first.attribute_key.as_str() {
        "EventId" => Wanted::Id(value),
        "EventName" => Wanted::Name(value),
        "ReadOnly" => Wanted::ReadOnly(value),
        "Username" => Wanted::User(value),
        "ResourceType" => Wanted::ResourceType(value),
        "ResourceName" => Wanted::ResourceName(value),
        "EventSource" => Wanted::Source(value),
        "AccessKeyId" => Wanted::AccessKey(value),
        other => {
            let why = format!("{other} is no attribute to look for.");
            return Err(error::invalid_lookup_attributes_exception(why));
        }
    })
}

fn told(at: Time, event: Event) -> Told {
    let resources = event
        .resources
        .into_iter()
        .map(|(kind, name)| Resource { resource_type: Some(kind), resource_name: Some(name) });
    Told {
        event_id: Some(event.id),
        event_name: Some(event.name),
        read_only: Some(event.read_only.to_string()),
        access_key_id: event.access_key,
        event_time: Some(Time::from_secs(at.secs())),
        event_source: Some(event.source),
        username: Some(event.user).filter(|user| !user.is_empty()),
        resources: Some(resources.collect()),
        cloud_trail_event: Some(event.json),
    }
}
