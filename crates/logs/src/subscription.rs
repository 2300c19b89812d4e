//! What subscription filters pass on: left to the actor with the events, sent when it has been made.
//!
//! A put leaves to the outbox which of its chunks each filter is to have. The actor reads and filters
//! them and makes what the destination gets; in the commit that takes its order out of the outbox, that is
//! sent to the destination's machine. So a destination gets each event once, in the order of the puts.

use bytes::Bytes;
use ropeway_core::effects::{FirehoseCommand, FunctionDelivery, LambdaCommand, StreamDelivery};
use ropeway_core::keys::Space;
use ropeway_core::{Fault, Settled, Tx};

use crate::model::{Filter, Forward, Group, Stream};

/// The principal that functions' policies and roles' trust policies name.
pub const PRINCIPAL: &str = "logs.amazonaws.com";
/// What the names of the actor's lanes begin with.
const LANE: &str = "subscription/";

/// What a filter's events go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// A function.
    Lambda,
    /// A delivery stream.
    Firehose,
}

impl Destination {
    /// The kind of an ARN.
    pub fn of(arn: &str) -> Option<Destination> {
        let mut parts = arn.strip_prefix("arn:aws:")?.split(':');
        let (service, region, account) = (parts.next()?, parts.next()?, parts.next()?);
        let resource = parts.next()?;
        let sound = !region.is_empty() && !account.is_empty();
        match service {
            "lambda" if sound && resource == "function" && parts.next().is_some() => {
                Some(Destination::Lambda)
            }
            "firehose" if sound && resource.starts_with("deliverystream/") => Some(Destination::Firehose),
            _ => None,
        }
    }
}

/// The ARN on whose behalf a group's events are sent: `aws:SourceArn`.
pub fn source_arn(group: &str) -> String {
    format!("{group}:*")
}

/// Leaves the chunks of a put to a filter.
pub fn forward(
    tx: &mut Tx,
    group: &Group,
    stream: &Stream,
    filter: Filter,
    chunks: &[(u64, u32)],
) -> Result<(), Fault> {
    if chunks.is_empty() {
        return Ok(());
    }
    let lane = format!("{LANE}{:016x}/{:016x}", group.id, filter.id);
    let order = Forward {
        group: group.name.clone(),
        id: group.id,
        stream: stream.name.clone(),
        filter,
        chunks: chunks.to_vec(),
        at: tx.now(),
    };
    tx.send_to_actor(&lane, Space::Logs, &order)
}

/// Sends what the actor has made, or says what was not delivered.
pub fn settled(tx: &mut Tx, settled: Settled<'_>) -> Result<(), Fault> {
    let made = match settled.result {
        Ok(made) => made,
        Err(why) => {
            tracing::error!(lane = settled.lane, why, "an order was refused for good and is dropped");
            return Ok(());
        }
    };
    if !settled.lane.starts_with(LANE) {
        return Ok(());
    }
    let order: Forward = postcard::from_bytes(settled.payload)?;
    let payloads: Vec<Bytes> = postcard::from_bytes(made)?;
    payloads.into_iter().try_for_each(|payload| send(tx, &order, payload))
}

fn send(tx: &mut Tx, order: &Forward, payload: Bytes) -> Result<(), Fault> {
    let to = order.filter.destination.clone();
    let lane = to.clone();
    let (principal, source_account) = (PRINCIPAL.to_owned(), order.group.scope.account.clone());
    let source_arn = source_arn(&order.group.arn());
    match Destination::of(&to) {
        Some(Destination::Firehose) => {
            let role = order.filter.role.clone().unwrap_or_default();
            let shard = tx.shard_of(&to);
            let delivery =
                StreamDelivery { stream: to, principal, role, source_arn, source_account, data: payload };
            tx.send(&lane, Space::Firehose, shard, &FirehoseCommand::Deliver(delivery))
        }
        Some(Destination::Lambda) => {
            let shard = tx.shard_of(&unqualified(&to));
            let delivery = FunctionDelivery {
                function: to,
                principal,
                source_arn,
                source_account,
                payload,
                trace_header: None,
            };
            tx.send(&lane, Space::Lambda, shard, &LambdaCommand::Deliver(delivery))
        }
        None => Err(Fault::Damaged(format!("{to} is no destination"))),
    }
}

/// A function's ARN without a version or an alias: the function's shard is that ARN's.
fn unqualified(function: &str) -> String {
    function.split(':').take(7).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_known_by_their_arns() {
        let of = |arn| Destination::of(arn);
        assert_eq!(of("arn:aws:lambda:r:1:function:f"), Some(Destination::Lambda));
        assert_eq!(of("arn:aws:lambda:r:1:function:f:prod"), Some(Destination::Lambda));
        assert_eq!(of("arn:aws:firehose:r:1:deliverystream/s"), Some(Destination::Firehose));
        for none in ["arn:aws:kinesis:r:1:stream/s", "arn:aws:lambda:r:1:function", "f", ""] {
            assert_eq!(of(none), None);
        }
        assert_eq!(unqualified("arn:aws:lambda:r:1:function:f:prod"), "arn:aws:lambda:r:1:function:f");
    }
}
