//! CreateLogStream, DeleteLogStream, DescribeLogStreams.

use ropeway_api::logs::{
    CreateLogStreamInput, CreateLogStreamOutput, DeleteLogStreamInput, DeleteLogStreamOutput,
    DescribeLogStreamsInput, DescribeLogStreamsOutput, LogStream,
};
use ropeway_store::MAX_KEY_BYTES;
use ropeway_wire::{Cx, Error};

use super::{Logs, authorize, bad_token, either, invalid, named, parse_token, token, unexpected};
use crate::commands::{Command, Output, Streams};
use crate::keys::GroupName;
use crate::model::Stream;

/// Streams that `DescribeLogStreams` gives where no limit is asked for:
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogStreams.html>.
const PAGE: i64 = 50;
/// The order by the time of the last event.
const BY_TIME: &str = "LastEventTime";

pub async fn create_log_stream(
    logs: &Logs,
    cx: &Cx,
    input: CreateLogStreamInput,
) -> Result<CreateLogStreamOutput, Error> {
    let group = named(cx, &input.log_group_name);
    let stream = input.log_stream_name;
    if group.rows(0).recent(0, &stream).len() > MAX_KEY_BYTES {
        return Err(invalid("The log stream's name is too long in UTF-8."));
    }
    logs.submit(cx, &group, Command::CreateStream { group: group.clone(), stream }).await?;
    Ok(CreateLogStreamOutput {})
}

pub async fn delete_log_stream(
    logs: &Logs,
    cx: &Cx,
    input: DeleteLogStreamInput,
) -> Result<DeleteLogStreamOutput, Error> {
    let group = named(cx, &input.log_group_name);
    let command = Command::DeleteStream { group: group.clone(), stream: input.log_stream_name };
    logs.submit(cx, &group, command).await?;
    Ok(DeleteLogStreamOutput {})
}

pub async fn describe_log_streams(
    logs: &Logs,
    cx: &Cx,
    input: DescribeLogStreamsInput,
) -> Result<DescribeLogStreamsOutput, Error> {
    let group = either(cx, input.log_group_name, input.log_group_identifier)?;
    authorize(cx, "logs:DescribeLogStreams", &group.stream_arn(""))?;
    let by_time = input.order_by.is_some_and(|order| order == BY_TIME);
    if by_time && input.log_stream_name_prefix.is_some() {
        return Err(invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
    }
    let streams = Streams {
        prefix: input.log_stream_name_prefix.unwrap_or_default(),
        by_time,
        descending: input.descending.unwrap_or(false),
        after: input.next_token.as_deref().map(parse_after).transpose()?,
        limit: u32::try_from(input.limit.unwrap_or(PAGE)).unwrap_or(1),
    };
    let answer = logs.submit(cx, &group, Command::ReadStreams { group: group.clone(), streams }).await?;
    let Output::Streams(found, more) = answer else { return Err(unexpected()) };
    let last = found.last().filter(|_| more);
    let next_token = last.map(|stream| token(&format!("{}/{}", stream.last_event(), stream.name)));
    let log_streams = Some(found.into_iter().map(|stream| described(&group, stream)).collect());
    Ok(DescribeLogStreamsOutput { log_streams, next_token })
}

/// A token has the time of the last stream's last event, and its name.
fn parse_after(token: &str) -> Result<(i64, String), Error> {
    let place = parse_token(token)?;
    let (time, name) = place.split_once('/').ok_or_else(bad_token)?;
    Ok((time.parse().map_err(|_| bad_token())?, name.to_owned()))
}

fn described(group: &GroupName, stream: Stream) -> LogStream {
    let events = stream.events.as_ref();
    LogStream {
        arn: Some(group.stream_arn(&stream.name)),
        creation_time: Some(stream.created.millis()),
        first_event_timestamp: events.map(|events| events.first),
        last_event_timestamp: events.map(|events| events.last),
        last_ingestion_time: events.map(|events| events.ingested.millis()),
        // Ignored when it comes back, as AWS does: its own are 56 digits.
        upload_sequence_token: Some(format!("{:056}", stream.id)),
        // No longer told of streams: `DescribeLogStreams`, "storedBytes".
        stored_bytes: Some(0),
        log_stream_name: Some(stream.name),
    }
}
