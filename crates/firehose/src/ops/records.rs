//! PutRecord, PutRecordBatch.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use ropeway_api::firehose::{
    PutRecordBatchInput, PutRecordBatchOutput, PutRecordBatchResponseEntry, PutRecordInput, PutRecordOutput,
    error,
};
use ropeway_wire::{Cx, Error};

use super::{Firehose, named};
use crate::commands::{Command, Output};
use crate::destination::invalid;
use crate::keys::StreamName;

/// Most bytes of a batch: <https://docs.aws.amazon.com/firehose/latest/dev/limits.html>.
const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of records in one command: what one commit holds of it, with room to spare.
const MAX_COMMAND_BYTES: usize = 1024 * 1024;
/// Bytes that a record's id is made of.
const ID_BYTES: usize = 168;

pub async fn put_record(
    firehose: &Firehose,
    cx: &Cx,
    input: PutRecordInput,
) -> Result<PutRecordOutput, Error> {
    let name = named(cx, &input.delivery_stream_name);
    if firehose.quotas.take(&name, &[input.record.data.len()], cx.now) == 0 {
        return Err(slow_down());
    }
    let sealed = put(firehose, cx, &name, vec![input.record.data]).await?;
    Ok(PutRecordOutput { record_id: record_id(firehose), encrypted: Some(sealed) })
}

pub async fn put_record_batch(
    firehose: &Firehose,
    cx: &Cx,
    input: PutRecordBatchInput,
) -> Result<PutRecordBatchOutput, Error> {
    let name = named(cx, &input.delivery_stream_name);
    let mut records: Vec<Bytes> = input.records.into_iter().map(|record| record.data).collect();
    if records.iter().map(Bytes::len).sum::<usize>() > MAX_BATCH_BYTES {
        return Err(invalid("The total size of records in a batch cannot be larger than 4 MiB"));
    }
    // What is beyond the quota fails record by record, unless that is all of them.
    let sizes: Vec<usize> = records.iter().map(Bytes::len).collect();
    let beyond = records.split_off(firehose.quotas.take(&name, &sizes, cx.now));
    if records.is_empty() {
        return Err(slow_down());
    }
    let mut out = PutRecordBatchOutput { encrypted: Some(false), ..PutRecordBatchOutput::default() };
    for group in groups(records) {
        let count = group.len();
        let result = put(firehose, cx, &name, group).await;
        // What is wrong with the request as a whole is the whole answer; what may pass, its records'.
        let failed = match result {
            Err(error) if error.is_sender_fault() => return Err(error),
            Err(error) => Some(error),
            Ok(sealed) => {
                out.encrypted = Some(sealed);
                None
            }
        };
        for _ in 0..count {
            let entry = match &failed {
                None => PutRecordBatchResponseEntry {
                    record_id: Some(record_id(firehose)),
                    ..PutRecordBatchResponseEntry::default()
                },
                Some(error) => refused(error),
            };
            out.failed_put_count += i64::from(failed.is_some());
            out.request_responses.push(entry);
        }
    }
    out.failed_put_count += i64::try_from(beyond.len()).unwrap_or(i64::MAX);
    out.request_responses.extend(beyond.iter().map(|_| refused(&slow_down())));
    Ok(out)
}

/// <https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html>: the code of a record that may be
/// put again is `ServiceUnavailableException`.
fn slow_down() -> Error {
    error::service_unavailable_exception("Slow down.")
}

fn refused(error: &Error) -> PutRecordBatchResponseEntry {
    PutRecordBatchResponseEntry {
        error_code: Some(error.code.clone().into_owned()),
        error_message: Some(error.message.clone()),
        ..PutRecordBatchResponseEntry::default()
    }
}

/// Divides records so that each group fits a command.
fn groups(records: Vec<Bytes>) -> Vec<Vec<Bytes>> {
    let mut out: Vec<Vec<Bytes>> = Vec::new();
    let mut bytes = 0;
    for record in records {
        bytes += record.len();
        match out.last_mut() {
            Some(group) if bytes <= MAX_COMMAND_BYTES => group.push(record),
            _ => {
                bytes = record.len();
                out.push(vec![record]);
            }
        }
    }
    out
}

async fn put(firehose: &Firehose, cx: &Cx, name: &StreamName, records: Vec<Bytes>) -> Result<bool, Error> {
    let command = Command::Put { stream: name.clone(), records, of_logs: of_logs(cx) };
    let answer = firehose.submit(cx, name, command).await.map_err(|error| match &*error.code {
        "ThrottlingException" => slow_down(),
        "ServiceUnavailable" => error::service_unavailable_exception(error.message),
        _ => error,
    })?;
    Ok(matches!(answer, Output::Taken { sealed: true }))
}

/// Whether CloudWatch Logs itself asks: a probe, when a subscription is made. It has its role's session without a key.
fn of_logs(cx: &Cx) -> bool {
    cx.principal.access_key.is_none() && cx.principal.arn.ends_with("/logs")
}

fn record_id(firehose: &Firehose) -> String {
    let mut bytes = [0u8; ID_BYTES];
    firehose.core.ids().fill(&mut bytes);
    BASE64.encode(bytes)
}
