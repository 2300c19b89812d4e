//! `SendMessage`, `SendMessageBatch`.

use ropeway_api::sqs::{
    SendMessageBatchInput, SendMessageBatchOutput, SendMessageBatchResultEntry, SendMessageInput,
    SendMessageOutput, error,
};
use ropeway_wire::{Cx, Error};

use super::incoming::{Incoming, Sums};
use super::{batch, unexpected};
use crate::commands::{Command, Output, Send, SendEntry, Sent};
use crate::{SqsService, address, limits};

/// Sequence numbers have 20 digits on the wire.
const FIRST_SEQUENCE_NUMBER: u64 = 10_000_000_000_000_000_000;

/// The sequence number of a FIFO queue's message, as clients see it.
pub fn sequence_number(seq: u64) -> String {
    FIRST_SEQUENCE_NUMBER.saturating_add(seq).to_string()
}

/// A message's id, as clients see it.
pub fn message_id(id: &[u8; 16]) -> String {
    ropeway_core::format_uuid(id)
}

impl SqsService {
    async fn store(
        &self,
        cx: &Cx,
        arn: &str,
        entries: Vec<SendEntry>,
    ) -> super::Result<Vec<Result<Sent, Error>>> {
        let send = Send { queue: arn.to_owned(), sender: cx.principal.id.clone(), entries };
        match self.submit(cx, arn, Command::Send(send)).await? {
            Output::Sent(sent) => Ok(sent),
            other => Err(unexpected(&other)),
        }
    }
}

/// `SendMessage`
pub async fn send(
    service: &SqsService,
    cx: &Cx,
    input: SendMessageInput,
) -> super::Result<SendMessageOutput> {
    let arn = address::of_url(&input.queue_url, cx)?;
    let fifo = address::is_fifo(&arn);
    let incoming = Incoming {
        body: input.message_body,
        delay: input.delay_seconds,
        attributes: input.message_attributes,
        system_attributes: input.message_system_attributes,
        dedup: input.message_deduplication_id,
        group: input.message_group_id,
    };
    let (entry, sums) = incoming.prepare(fifo)?;
    let sent = service.store(cx, &arn, vec![entry]).await?.pop();
    let sent = sent.ok_or_else(|| Error::internal("a message without an answer"))??;
    Ok(SendMessageOutput {
        md5_of_message_body: Some(sums.body),
        md5_of_message_attributes: sums.attributes,
        md5_of_message_system_attributes: sums.system_attributes,
        message_id: Some(message_id(&sent.id)),
        sequence_number: fifo.then(|| sequence_number(sent.seq)),
    })
}

/// `SendMessageBatch`
pub async fn send_batch(
    service: &SqsService,
    cx: &Cx,
    input: SendMessageBatchInput,
) -> super::Result<SendMessageBatchOutput> {
    let arn = address::of_url(&input.queue_url, cx)?;
    let fifo = address::is_fifo(&arn);
    batch::check("SendMessageBatchRequestEntry", input.entries.iter().map(|entry| entry.id.as_str()))?;
    // The whole batch's error, of another code than a single message's: so AWS's answers were recorded by LocalStack's
    // `test_send_batch_missing_message_group_id_for_fifo_queue`.
    if fifo && input.entries.iter().any(|entry| entry.message_group_id.is_none()) {
        return Err(limits::invalid_parameter("The request must contain the parameter MessageGroupId."));
    }
    let mut out = SendMessageBatchOutput::default();
    let (mut entries, mut waiting) = (Vec::new(), Vec::new());
    for entry in input.entries {
        let incoming = Incoming {
            body: entry.message_body,
            delay: entry.delay_seconds,
            attributes: entry.message_attributes,
            system_attributes: entry.message_system_attributes,
            dedup: entry.message_deduplication_id,
            group: entry.message_group_id,
        };
        match incoming.prepare(fifo) {
            Ok((prepared, sums)) => {
                entries.push(prepared);
                waiting.push((entry.id, sums));
            }
            Err(error) => out.failed.push(batch::failed(entry.id, error)),
        }
    }
    let size = entries.iter().map(|entry| entry.size as usize).sum::<usize>();
    if size > limits::BATCH_BYTES {
        return Err(error::batch_request_too_long(format!(
            "Batch requests cannot be longer than {} bytes. You have sent {size} bytes.",
            limits::BATCH_BYTES
        )));
    }
    let answers = service.store(cx, &arn, entries).await?;
    for ((id, sums), answer) in waiting.into_iter().zip(answers) {
        match answer {
            Ok(sent) => out.successful.push(stored(id, sums, sent, fifo)),
            Err(error) => out.failed.push(batch::failed(id, error)),
        }
    }
    Ok(out)
}

fn stored(id: String, sums: Sums, sent: Sent, fifo: bool) -> SendMessageBatchResultEntry {
    SendMessageBatchResultEntry {
        id,
        message_id: message_id(&sent.id),
        md5_of_message_body: sums.body,
        md5_of_message_attributes: sums.attributes,
        md5_of_message_system_attributes: sums.system_attributes,
        sequence_number: fifo.then(|| sequence_number(sent.seq)),
    }
}
