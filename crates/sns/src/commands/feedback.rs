//! Tells how deliveries ended.

use std::sync::Arc;

use ropeway_core::effects::{FirehoseCommand, LambdaCommand, SqsCommand};
use ropeway_core::log_lines::{LogLines, LogWriter};
use ropeway_core::{Fault, Settled, Tx};
use serde::de::DeserializeOwned;

use super::{SnsMachine, topics};
use crate::feedback::{self, End, Note};
use crate::keys::TopicName;
use crate::model::Protocol;

/// A command, and what travels behind it.
fn read<C: DeserializeOwned>(payload: &[u8]) -> Result<(C, Option<Note>), Fault> {
    let (command, rest) = postcard::take_from_bytes(payload)?;
    Ok((command, if rest.is_empty() { None } else { Some(postcard::from_bytes(rest)?) }))
}

impl SnsMachine {
    /// A delivery within the server came to its end.
    pub(super) async fn tell_delivery(&self, tx: &mut Tx, settled: &Settled<'_>) -> Result<(), Fault> {
        let (protocol, topic, note) = if settled.lane.starts_with("arn:aws:firehose:") {
            let (FirehoseCommand::Deliver(of), note) = read(settled.payload)?;
            (Protocol::Firehose, of.source_arn, note)
        } else if settled.lane.starts_with("arn:aws:lambda:") {
            let (LambdaCommand::Deliver(of), note) = read(settled.payload)?;
            (Protocol::Lambda, of.source_arn, note)
        } else if settled.lane.starts_with("arn:aws:sqs:") {
            let (SqsCommand::Deliver(of), note) = read(settled.payload)?;
            (Protocol::Sqs, of.source_arn, note)
        } else {
            return Ok(());
        };
        let (Some(note), Some(topic)) = (note, TopicName::parse(&topic)) else { return Ok(()) };
        let (response, status) = match settled.result {
            Ok(_) if protocol == Protocol::Lambda => ("{}".to_owned(), 202),
            Ok(_) => ("{}".to_owned(), 200),
            Err(why) => feedback::refusal(why),
        };
        let end = End {
            topic: &topic,
            protocol,
            destination: settled.lane,
            note: &note,
            attempts: 1,
            taken: settled.result.is_ok(),
            status: Some(status),
            response,
        };
        self.tell(tx, &end).await
    }

    /// Writes how a delivery ended, if its topic wants to know.
    pub(super) async fn tell(&self, tx: &mut Tx, end: &End<'_>) -> Result<(), Fault> {
        let Some(topic) = topics::read(tx, end.topic).await? else { return Ok(()) };
        let chance = tx.ids().number() % 100;
        let role = feedback::role_for(&topic.latest.feedback, end.protocol, end.taken, chance);
        let Some(role) = role.cloned() else { return Ok(()) };
        let lines = LogLines {
            account: end.topic.scope.account.clone(),
            region: end.topic.scope.region.clone(),
            group: end.group(),
            stream: self.stream.clone(),
            lines: vec![(tx.now(), end.line(&tx.ids().uuid(), tx.now()))],
            writer: LogWriter::Sns { role, topic: topic.arn },
        };
        let logs = Arc::clone(&self.logs);
        tx.after_commit(move || logs(lines));
        Ok(())
    }
}
