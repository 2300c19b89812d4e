//! `ropeway logs FUNCTION|GROUP`: prints a log group's events, and follows them.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ropeway_api::lambda;
use ropeway_api::logs::{DescribeLogGroupsInput, FilterLogEventsInput, FilteredLogEvent};
use serde_json::json;

use crate::cli::LogsArgs;
use crate::client::{Client, ServiceError};
use crate::{Failure, output};

/// Without `--since`: what `aws logs tail` shows.
const SINCE: SignedDuration = SignedDuration::from_mins(10);
/// Pause between looks for new events, in milliseconds: functions' lines come once a second.
const PAUSE: i64 = 1000;
/// How far back a look goes behind the latest event that was seen, in milliseconds: what functions print
/// comes up to a second late, and of several streams one may be later than another.
const OVERLAP: i64 = 3000;

/// Prints events, in the order of their times; with `--follow`, goes on as they come.
pub(crate) async fn tail(of: &str, arguments: &LogsArgs) -> Result<(), Failure> {
    let client = Client::new(&arguments.server)?;
    let from = since(&client, arguments.since.as_deref()).await?;
    let mut follower = Follower::new(of, from);
    let print = |event: &FilteredLogEvent| print(event, arguments.server.json);
    loop {
        let there = follower.look(&client, arguments.filter.as_deref(), print).await?;
        if !arguments.follow {
            return match there {
                true => Ok(()),
                false => Err(Failure::Failed(format!("there is no log group of {of}"))),
            };
        }
        if output::lost() {
            return Ok(());
        }
        client.clock().sleep_until(client.clock().now().plus_millis(PAUSE)).await;
    }
}

/// Follows a log group, from look to look.
pub(crate) struct Follower {
    /// The function, or the group.
    of: String,
    group: Option<String>,
    from: i64,
    /// Events that a look may see again, with their times.
    seen: BTreeMap<String, i64>,
}

impl Follower {
    /// Follows a function's or a group's events from a moment on, in milliseconds since 1970.
    pub fn new(of: &str, from: i64) -> Self {
        Follower { of: of.to_owned(), group: None, from, seen: BTreeMap::new() }
    }

    /// Hands over the events that have not been seen, in the order of their times. False: there is no such group
    /// (yet; a function's comes with its first line).
    pub async fn look(
        &mut self,
        client: &Client,
        filter: Option<&str>,
        print: impl Fn(&FilteredLogEvent),
    ) -> Result<bool, Failure> {
        if self.group.is_none() {
            self.group = find(client, &self.of).await?;
        }
        let Some(group) = self.group.clone() else { return Ok(false) };
        let mut next_token = None;
        loop {
            let input = FilterLogEventsInput {
                log_group_name: Some(group.clone()),
                start_time: Some(self.from),
                filter_pattern: filter.map(str::to_owned),
                next_token,
                ..FilterLogEventsInput::default()
            };
            let page = match client.call_json(&input).await {
                Ok(page) => page,
                // The group may go while it is followed, and come again.
                Err(error) if is_missing(&error) => return Ok(true),
                Err(error) => return Err(error.into()),
            };
            for event in page.events.unwrap_or_default() {
                let (id, time) = (event.event_id.clone().unwrap_or_default(), event.timestamp.unwrap_or(0));
                if self.seen.insert(id, time).is_none() {
                    print(&event);
                }
            }
            // Of a long time, only what the next look may see again is remembered.
            let latest = self.seen.values().copied().max().unwrap_or(self.from).saturating_sub(OVERLAP);
            self.seen.retain(|_, time| *time >= latest);
            next_token = page.next_token;
            if next_token.is_none() || output::lost() {
                self.from = self.from.max(latest);
                return Ok(true);
            }
        }
    }
}

/// The log group of a name: the one that the function of this name logs to, or the group itself. `None`:
/// there is none yet.
async fn find(client: &Client, of: &str) -> Result<Option<String>, Failure> {
    let name = of.strip_prefix("arn:aws:lambda:").and_then(|arn| arn.split(':').nth(3)).unwrap_or(of);
    let own = group_of_function(client, name).await;
    for candidate in [own.unwrap_or_else(|| format!("/aws/lambda/{name}")), name.to_owned()] {
        let input = DescribeLogGroupsInput {
            log_group_identifiers: Some(vec![candidate.clone()]),
            ..DescribeLogGroupsInput::default()
        };
        let found = client.call_json(&input).await?;
        if found.log_groups.is_some_and(|groups| !groups.is_empty()) {
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}

/// The log group that a function is configured with; `None` if there is no such function, or the caller
/// may not look.
async fn group_of_function(client: &Client, name: &str) -> Option<String> {
    let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
    let path = format!("/2015-03-31/functions/{name}/configuration");
    let answer = client.send(&lambda::SERVICE, "GET", &path, &[], Bytes::new()).await.ok()?;
    let told: serde_json::Value = serde_json::from_slice(answer.body()).ok()?;
    Some(told.get("LoggingConfig")?.get("LogGroup")?.as_str()?.to_owned())
}

fn is_missing(error: &ServiceError) -> bool {
    error.code == "ResourceNotFoundException"
}

fn print(event: &FilteredLogEvent, as_json: bool) {
    let stream = event.log_stream_name.as_deref().unwrap_or_default();
    let message = event.message.as_deref().unwrap_or_default();
    if as_json {
        let line = json!({
            "timestamp": event.timestamp,
            "ingestionTime": event.ingestion_time,
            "logStreamName": stream,
            "eventId": event.event_id,
            "message": message,
        });
        output::line(&line.to_string());
        return;
    }
    let time = Timestamp::from_millisecond(event.timestamp.unwrap_or(0)).unwrap_or(Timestamp::MAX);
    let time = time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ");
    output::line(&format!("{time} {stream} {}", message.trim_end_matches('\n')));
}

/// When to begin, in milliseconds since 1970: so long before the server's now, or a moment.
async fn since(client: &Client, text: Option<&str>) -> Result<i64, Failure> {
    let before = match text {
        None => SINCE,
        Some(text) => match (duration(text), text.parse::<Timestamp>()) {
            (Some(before), _) => before,
            (None, Ok(moment)) => return Ok(moment.as_millisecond().max(0)),
            (None, Err(_)) => {
                let why = format!(
                    "--since {text}: neither a time like 5m, 2h, 1d nor one like 2026-01-31T12:00:00Z"
                );
                return Err(Failure::Usage(why));
            }
        },
    };
    let millis = i64::try_from(before.as_millis()).unwrap_or(i64::MAX);
    Ok(now(client).await?.saturating_sub(millis).max(0))
}

/// The server's clock may have been moved. Only one for development tells it; the others' is the machine's.
pub(crate) async fn now(client: &Client) -> Result<i64, Failure> {
    let answer = client.get_internal("/_ropeway/clock").await?;
    let told: Option<serde_json::Value> = serde_json::from_slice(answer.body()).ok();
    let told = told.as_ref().and_then(|told| told.get("now_millis")).and_then(serde_json::Value::as_i64);
    Ok(told.unwrap_or_else(|| client.clock().machine_time().millis()))
}

/// `30s`, `5m`, `2h`, `1d`, `2w`
fn duration(text: &str) -> Option<SignedDuration> {
    let unit = text.chars().next_back()?;
    let count: i64 = text.strip_suffix(unit)?.parse().ok()?;
    let secs = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    count.checked_mul(secs).filter(|secs| *secs >= 0).map(SignedDuration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("90s"), Some(SignedDuration::from_secs(90)));
        assert_eq!(duration("2w"), Some(SignedDuration::from_secs(1_209_600)));
        for none in ["", "5", "m", "-5m", "5y", "5é", "99999999999999999999m"] {
            assert_eq!(duration(none), None, "{none}");
        }
    }
}
