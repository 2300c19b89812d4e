//! StartLogging, StopLogging, GetTrailStatus.

use ropeway_api::cloudtrail::{
    GetTrailStatusInput, GetTrailStatusOutput, StartLoggingInput, StartLoggingOutput, StopLoggingInput,
    StopLoggingOutput,
};
use ropeway_core::Time;
use ropeway_wire::{Cx, Error};

use super::{CloudTrail, own, unexpected};
use crate::commands::{Change, Command, Output};
use crate::event::moment;
use crate::model::Fared;

pub async fn start_logging(
    service: &CloudTrail,
    cx: &Cx,
    input: StartLoggingInput,
) -> Result<StartLoggingOutput, Error> {
    let trail = service.find_at_home(cx, &input.name)?;
    service.change(cx, &trail, Change::Logging(true)).await?;
    Ok(StartLoggingOutput {})
}

pub async fn stop_logging(
    service: &CloudTrail,
    cx: &Cx,
    input: StopLoggingInput,
) -> Result<StopLoggingOutput, Error> {
    let trail = service.find_at_home(cx, &input.name)?;
    service.change(cx, &trail, Change::Logging(false)).await?;
    Ok(StopLoggingOutput {})
}

/// What a trail does, and how its deliveries from the request's region went.
pub async fn get_trail_status(
    service: &CloudTrail,
    cx: &Cx,
    input: GetTrailStatusInput,
) -> Result<GetTrailStatusOutput, Error> {
    let trail = service.find(cx, &input.name)?;
    let scope = own(cx);
    let read = Command::Read { scope: scope.clone(), trail: trail.id };
    let Output::Buffer(buffer) = service.submit(cx, &scope, read).await? else { return Err(unexpected()) };
    let text = |at: Option<Time>| Some(at.map(moment).unwrap_or_default());
    let succeeded =
        |fared: &Fared| Some(if fared.error.is_none() { moment_of(fared.done) } else { String::new() });
    Ok(GetTrailStatusOutput {
        is_logging: Some(trail.logging),
        latest_delivery_error: buffer.files.error.clone(),
        latest_delivery_time: buffer.files.done,
        latest_delivery_attempt_time: text(buffer.files.tried),
        latest_delivery_attempt_succeeded: succeeded(&buffer.files),
        latest_digest_delivery_error: buffer.digested.error.clone(),
        latest_digest_delivery_time: buffer.digested.done,
        latest_notification_error: buffer.notified.error.clone(),
        latest_notification_time: buffer.notified.done,
        latest_notification_attempt_time: text(buffer.notified.tried),
        latest_notification_attempt_succeeded: succeeded(&buffer.notified),
        start_logging_time: trail.started,
        stop_logging_time: trail.stopped,
        time_logging_started: text(trail.started),
        time_logging_stopped: text(trail.stopped),
        ..GetTrailStatusOutput::default()
    })
}

fn moment_of(at: Option<Time>) -> String {
    at.map(moment).unwrap_or_default()
}
