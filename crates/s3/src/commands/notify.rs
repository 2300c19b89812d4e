//! Notifications: what an object's event leaves in the outbox, in the commit of its cause.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ropeway_core::effects::{
    FunctionDelivery, LambdaCommand, QueueDelivery, SnsCommand, SqsCommand, TopicDelivery,
};
use ropeway_core::keys::Space;
use ropeway_core::{Fault, Settled, Tx};

use super::{Output, S3Machine, Target, bucket, bucket_arn};
use crate::error::S3Error;
use crate::keys;
use crate::model::Bucket;
use crate::notification::record::{self, Happened, InEvent};
use crate::notification::{Cause, Event, Kind, PRINCIPAL, Rule};

/// Configurations of a bucket at most.
pub const MAX_RULES: usize = 100;
/// Buckets and their configurations, together, that a shard's machine keeps.
const CACHED: usize = 256;
/// The subject of what goes to topics.
const SUBJECT: &str = "Amazon S3 Notification";

/// Copies of the buckets' configurations: every write to a bucket asks for them. A command that sets
/// them drops its bucket's.
#[derive(Default)]
pub(super) struct Cache {
    rules: BTreeMap<String, Arc<Vec<Rule>>>,
    held: usize,
}

impl Cache {
    pub fn clear(&mut self) {
        *self = Cache::default();
    }

    fn forget(&mut self, bucket: &str) {
        if let Some(rules) = self.rules.remove(bucket) {
            self.held = self.held.saturating_sub(1 + rules.len());
        }
    }

    async fn of(&mut self, tx: &Tx, bucket: &str) -> Result<Arc<Vec<Rule>>, Fault> {
        if let Some(rules) = self.rules.get(bucket) {
            return Ok(Arc::clone(rules));
        }
        let rules = Arc::new(read(tx, bucket).await?);
        let weight = 1 + rules.len();
        if self.held + weight > CACHED {
            self.clear();
        }
        self.held += weight;
        self.rules.insert(bucket.to_owned(), Arc::clone(&rules));
        Ok(rules)
    }
}

async fn read(tx: &Tx, bucket: &str) -> Result<Vec<Rule>, Fault> {
    let page = tx.scan_prefix(&keys::notifications(bucket).build(), None, MAX_RULES).await?;
    page.rows.iter().map(|(_, row)| postcard::from_bytes(row).map_err(Fault::from)).collect()
}

pub(super) async fn get(tx: &Tx, target: &Target) -> Result<Output, S3Error> {
    bucket::find(tx, target).await?;
    Ok(Output::Notification(read(tx, &target.bucket).await?))
}

/// Removes a bucket's configurations.
pub(super) async fn clear(tx: &mut Tx, bucket: &str) -> Result<(), Fault> {
    let page = tx.scan_prefix(&keys::notifications(bucket).build(), None, MAX_RULES).await?;
    page.rows.into_iter().for_each(|(key, _)| tx.delete(key));
    Ok(())
}

impl S3Machine {
    /// Sets all of a bucket's configurations; with a cause, their queues and topics get S3's test
    /// message, before anything else that goes to them.
    pub(super) async fn set_notification(
        &mut self,
        tx: &mut Tx,
        target: &Target,
        rules: &[Rule],
        test: Option<&Cause>,
    ) -> Result<Output, S3Error> {
        let found = bucket::find(tx, target).await?;
        let name = &target.bucket;
        clear(tx, name).await?;
        for (number, rule) in (0..).zip(rules) {
            tx.write(keys::notification(name, number), rule)?;
        }
        if let Some(cause) = test {
            let message = record::test_message(name, tx.now(), cause).map_err(damaged)?;
            let tried = rules.iter().filter(|rule| rule.kind != Kind::Function);
            let tried: BTreeSet<_> = tried.map(|rule| rule.destination.as_str()).collect();
            for rule in tried.into_iter().filter_map(|arn| rules.iter().find(|rule| rule.destination == arn))
            {
                send(tx, rule, (name, &found), message.clone(), cause)?;
            }
        }
        self.notifications.forget(name);
        Ok(Output::Done)
    }

    /// Leaves the message of an event, if the bucket has a configuration that asks for it; two never do.
    pub(super) async fn notify(
        &mut self,
        tx: &mut Tx,
        (name, bucket): (&str, &Bucket),
        key: &str,
        event: Event,
        object: &InEvent<'_>,
        cause: &Cause,
    ) -> Result<(), Fault> {
        let rules = self.notifications.of(tx, name).await?;
        let Some(rule) = rules.iter().find(|rule| rule.takes(event, key)) else { return Ok(()) };
        let sequence = tx.sequence()?;
        let happened =
            Happened { event, at: tx.now(), bucket: name, row: bucket, key, object, sequence, cause };
        let message = record::message(&happened, &rule.id).map_err(damaged)?;
        send(tx, rule, (name, bucket), message, cause)
    }
}

fn damaged(error: serde_json::Error) -> Fault {
    Fault::Damaged(error.to_string())
}

fn send(
    tx: &mut Tx,
    rule: &Rule,
    (name, bucket): (&str, &Bucket),
    message: String,
    cause: &Cause,
) -> Result<(), Fault> {
    let to = rule.destination.clone();
    let principal = PRINCIPAL.to_owned();
    let (source_arn, source_account) = (bucket_arn(name), bucket.account.clone());
    let trace_header = (!tx.trace().is_empty()).then(|| format!("Root={}", tx.trace()));
    match rule.kind {
        Kind::Queue => {
            let delivery = QueueDelivery {
                queue: to,
                principal,
                source_arn,
                source_account,
                body: message,
                attributes: BTreeMap::new(),
                group: None,
                deduplication_id: None,
                trace_header,
            };
            let shard = tx.shard_of(&rule.destination);
            tx.send(&rule.destination, Space::Sqs, shard, &SqsCommand::Deliver(delivery))
        }
        Kind::Topic => {
            let delivery = TopicDelivery {
                topic: to,
                principal,
                source_arn,
                source_account,
                message,
                subject: Some(SUBJECT.to_owned()),
                base_url: cause.endpoint.clone(),
            };
            let shard = tx.shard_of(&rule.destination);
            tx.send(&rule.destination, Space::Sns, shard, &SnsCommand::Deliver(delivery))
        }
        Kind::Function => {
            let shard = tx.shard_of(&unqualified(&to));
            let delivery = FunctionDelivery {
                function: to,
                principal,
                source_arn,
                source_account,
                payload: message.into(),
                trace_header,
            };
            tx.send(&rule.destination, Space::Lambda, shard, &LambdaCommand::Deliver(delivery))
        }
    }
}

/// A function's ARN without a version or an alias: the function's shard is that ARN's.
fn unqualified(function: &str) -> String {
    function.split(':').take(7).collect::<Vec<_>>().join(":")
}

/// A message that its destination refused for good is lost, as on AWS: the destination is gone, or its
/// policy no longer lets S3 in.
pub(super) fn settled(settled: Settled<'_>) {
    if let Err(why) = settled.result {
        tracing::warn!(lane = settled.lane, why, "a delivery was refused for good, and dropped");
    }
}
