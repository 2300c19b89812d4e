//! GetLogEvents, FilterLogEvents.

use ropeway_api::logs::{
    FilterLogEventsInput, FilterLogEventsOutput, FilteredLogEvent, GetLogEventsInput, GetLogEventsOutput,
    OutputLogEvent,
};
use ropeway_wire::{Cx, Error};

use super::{Logs, authorize, bad_token, either, invalid, parse_token, token, unexpected};
use crate::chunk;
use crate::commands::{Command, Output, Range, Read};
use crate::keys::GroupName;
use crate::page::{Found, MAX_EVENTS, Page, Place};
use crate::pattern::Pattern;

/// Bytes of events that one request looks through, before it answers with what it has found.
const MAX_SEARCHED: u64 = 16 * 1024 * 1024;
/// Looks at the shard's rows that one request takes, before it does so.
const MAX_FETCHES: usize = 64;
/// The last place there is.
const END: Place = Place { time: i64::MAX, chunk: u64::MAX, at: u32::MAX };
/// `FilterLogEvents` gives the latest first only from this moment on, 2024-01-01:
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html>.
const LATEST_FIRST_FROM: i64 = 1_704_067_200_000;

/// What is looked for.
struct Search {
    read: Read,
    from: Place,
    to: Place,
    reverse: bool,
    limit: usize,
    pattern: Pattern,
}

impl Logs {
    /// A page of events, in order, and where the next one begins if there may be more.
    async fn search(
        &self,
        cx: &Cx,
        group: &GroupName,
        of: Search,
    ) -> Result<(Vec<(Place, Found)>, Option<Place>), Error> {
        let key = chunk::seal_key(&self.setup.master, &group.arn());
        let mut page = Page::new(of.from, of.to, of.reverse, of.limit);
        let mut range =
            Range { read: of.read, from: of.from.time, to: of.to.time, reverse: of.reverse, after: None };
        let mut searched = 0;
        for fetches in 1.. {
            let command = Command::Fetch { group: group.clone(), range: range.clone() };
            let Output::Fetched(fetched) = self.submit(cx, group, command).await? else {
                return Err(unexpected());
            };
            let longest = fetched.longest;
            page.begin_at(Place::of(fetched.horizon));
            for ((first, number), head, body) in fetched.chunks {
                if page.is_settled(first, longest) {
                    break;
                }
                searched += head.bytes;
                let events = chunk::open(&key, &body)?;
                page.add(number, &head, events, |message| of.pattern.matches(message));
            }
            let Some(last) = fetched.next else { break };
            let enough = searched >= MAX_SEARCHED || fetches >= MAX_FETCHES;
            if page.is_settled(last.0, longest) || (enough && page.cut(last.0, longest)) {
                break;
            }
            range.after = Some(last);
        }
        let next = page.next();
        Ok((page.into_events(), next))
    }
}

/// The range of places that two moments say: the second is behind the last.
fn places(start: Option<i64>, end: Option<i64>) -> (Place, Place) {
    (Place::of(start.unwrap_or(0)), end.map_or(END, Place::of))
}

fn refuse_unmask(unmask: Option<bool>) -> Result<(), Error> {
    match unmask {
        Some(true) => Err(invalid("unmask is not implemented: there are no data protection policies.")),
        _ => Ok(()),
    }
}

fn limit(limit: Option<i64>) -> usize {
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(MAX_EVENTS)
}

/// A token of `GetLogEvents`: its direction, and where it begins or ends. AWS's own have this form.
fn parse_position(token: &str) -> Result<(bool, Place), Error> {
    let (direction, rest) = token.split_once('/').ok_or_else(bad_token)?;
    let place = rest.strip_suffix("/s").and_then(Place::parse).ok_or_else(bad_token)?;
    match direction {
        "f" => Ok((false, place)),
        "b" => Ok((true, place)),
        _ => Err(bad_token()),
    }
}

pub async fn get_log_events(
    logs: &Logs,
    cx: &Cx,
    input: GetLogEventsInput,
) -> Result<GetLogEventsOutput, Error> {
    refuse_unmask(input.unmask)?;
    let group = either(cx, input.log_group_name, input.log_group_identifier)?;
    authorize(cx, "logs:GetLogEvents", &group.stream_arn(&input.log_stream_name))?;
    let (mut from, mut to) = places(input.start_time, input.end_time);
    let mut reverse = !input.start_from_head.unwrap_or(false);
    let mut asked = None;
    if let Some(token) = &input.next_token {
        let place;
        (reverse, place) = parse_position(token)?;
        asked = Some(place);
        if reverse { to = to.min(place) } else { from = from.max(place) }
    }
    let search = Search {
        read: Read::Stream(input.log_stream_name),
        from,
        to,
        reverse,
        limit: limit(input.limit),
        pattern: Pattern::everything(),
    };
    let (found, next) = logs.search(cx, &group, search).await?;
    // At the end of the stream the token that was passed comes again. A page may be empty before.
    let edge = next.or(asked).unwrap_or(from);
    let first = found.first().map_or(edge, |(place, _)| *place);
    let behind = found.last().map_or(edge, |(place, _)| place.next());
    let (forward, backward) = match (reverse, found.is_empty()) {
        (false, false) => (next.filter(|next| *next > behind).unwrap_or(behind), first),
        (true, false) => (behind, next.filter(|next| *next < first).unwrap_or(first)),
        (_, true) => (edge, edge),
    };
    let event = |(_, found): (Place, Found)| OutputLogEvent {
        timestamp: Some(found.event.time),
        message: Some(found.event.message),
        ingestion_time: Some(found.ingested.millis()),
    };
    Ok(GetLogEventsOutput {
        events: Some(found.into_iter().map(event).collect()),
        next_forward_token: Some(format!("f/{}/s", forward.id())),
        next_backward_token: Some(format!("b/{}/s", backward.id())),
    })
}

pub async fn filter_log_events(
    logs: &Logs,
    cx: &Cx,
    input: FilterLogEventsInput,
) -> Result<FilterLogEventsOutput, Error> {
    refuse_unmask(input.unmask)?;
    let group = either(cx, input.log_group_name, input.log_group_identifier)?;
    authorize(cx, "logs:FilterLogEvents", &group.stream_arn(""))?;
    let read = match (input.log_stream_names, input.log_stream_name_prefix) {
        (None, None) => Read::All,
        (None, Some(prefix)) => Read::Prefix(prefix),
        (Some(mut names), None) => match (names.len(), names.pop()) {
            (1, Some(name)) => Read::Stream(name),
            (_, last) => Read::Streams(names.into_iter().chain(last).collect()),
        },
        (Some(_), Some(_)) => {
            return Err(invalid("logStreamNames and logStreamNamePrefix are mutually exclusive parameters."));
        }
    };
    let pattern = Pattern::parse(input.filter_pattern.as_deref().unwrap_or_default()).map_err(invalid)?;
    let (mut from, mut to) = places(input.start_time, input.end_time);
    let mut reverse = !input.start_from_head.unwrap_or(true);
    if reverse && input.start_time.is_none_or(|start| start < LATEST_FIRST_FROM) {
        return Err(invalid("startFromHead can be false only with a startTime on or after January 1, 2024."));
    }
    if let Some(token) = &input.next_token {
        let place;
        (reverse, place) = parse_position(&parse_token(token)?)?;
        if reverse { to = to.min(place) } else { from = from.max(place) }
    }
    let search = Search { read, from, to, reverse, limit: limit(input.limit), pattern };
    let (mut found, next) = logs.search(cx, &group, search).await?;
    if reverse {
        found.reverse();
    }
    let event = |(place, found): (Place, Found)| FilteredLogEvent {
        log_stream_name: Some(found.stream),
        timestamp: Some(found.event.time),
        message: Some(found.event.message),
        ingestion_time: Some(found.ingested.millis()),
        event_id: Some(place.id()),
    };
    let direction = if reverse { 'b' } else { 'f' };
    Ok(FilterLogEventsOutput {
        events: Some(found.into_iter().map(event).collect()),
        // No longer told: `FilterLogEvents`, "searchedLogStreams".
        searched_log_streams: Some(Vec::new()),
        next_token: next.map(|next| token(&format!("{direction}/{}/s", next.id()))),
    })
}
