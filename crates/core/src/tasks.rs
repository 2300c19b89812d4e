//! The core's own tasks in a shard's loop: what the dispatchers of its lanes ask for.

use bytes::Bytes;
use ropeway_store::Room;
use serde::{Deserialize, Serialize};

use crate::keys::Space;
use crate::machine::Settled;
use crate::machines::{Machines, Refusal};
use crate::outbox::{self, Ended, Item, Lanes};
use crate::tx::{Trace, Tx};
use crate::{Fault, ShardId};

/// Bytes that are kept of why a delivery was refused.
const MAX_WHY: usize = 512;
/// Refusals that the receiver remembers at once: as many as fit into a row.
const MAX_REFUSED: usize = 64;

/// A job of the core's own.
pub(crate) trait Task: Send + 'static {
    type Output: Send + 'static;
    fn run(
        self,
        machines: &mut Machines,
        tx: &mut Tx,
    ) -> impl Future<Output = Result<Self::Output, Fault>> + Send;
}

/// Takes the next deliveries of a lane, for the dispatcher that has this number.
pub(crate) struct Take {
    pub lane: String,
    pub dispatcher: u64,
}

impl Task for Take {
    type Output = Vec<Item>;

    async fn run(self, _: &mut Machines, tx: &mut Tx) -> Result<Vec<Item>, Fault> {
        Lanes::take(tx, &self.lane, self.dispatcher).await
    }
}

/// Removes deliveries that have come to their end, and tells their sender; says how many it got to.
/// May be asked for again: what was settled before is passed over.
pub(crate) struct Settle {
    pub lane: String,
    pub results: Vec<Ended>,
}

impl Task for Settle {
    type Output = usize;

    async fn run(self, machines: &mut Machines, tx: &mut Tx) -> Result<usize, Fault> {
        for (done, ended) in self.results.iter().enumerate() {
            if done > 0 && tx.is_full() {
                return Ok(done);
            }
            match settle(machines, tx, &self.lane, ended).await {
                Ok(()) => tx.keep()?,
                Err(fault) if done == 0 => return Err(fault),
                Err(_) => {
                    tx.drop_staged();
                    return Ok(done);
                }
            }
        }
        Ok(self.results.len())
    }
}

async fn settle(machines: &mut Machines, tx: &mut Tx, lane: &str, ended: &Ended) -> Result<(), Fault> {
    let (seq, result) = ended;
    let Some(delivery) = Lanes::find(tx, lane, *seq).await? else { return Ok(()) };
    Lanes::settle(tx, lane, *seq, &delivery);
    let Some(machine) = machines.at(delivery.from) else { return Ok(()) };
    tx.lanes.sender = delivery.from;
    tx.trace = Trace::from(delivery.trace.as_str());
    let result = result.as_ref().map(Bytes::as_ref).map_err(String::as_str);
    machine.settled(tx, Settled { lane, payload: &delivery.payload, result }).await
}

/// Applies what came by a lane, each delivery once.
pub(crate) struct Deliver {
    pub from: ShardId,
    pub lane: String,
    pub space: Space,
    pub room: Room,
    pub items: Vec<Item>,
}

/// How far a [`Deliver`] came.
pub(crate) struct Delivered {
    pub ended: Vec<Ended>,
    pub stopped_by: Option<Fault>,
}

/// What a receiver remembers of a lane.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Received {
    /// The last delivery that was applied or refused.
    last: u64,
    /// Those refused whose sender may not know it yet: it may have to ask again after a crash.
    refused: Vec<(u64, String)>,
}

impl Received {
    /// What became of a delivery, if it has been here before.
    fn outcome(&self, seq: u64) -> Option<Result<Bytes, String>> {
        if seq > self.last {
            return None;
        }
        let refused = self.refused.iter().find(|(refused, _)| *refused == seq);
        Some(refused.map_or(Ok(Bytes::new()), |(_, why)| Err(why.clone())))
    }

    fn note(&mut self, seq: u64, result: &Result<Bytes, String>) {
        self.last = seq;
        if let Err(why) = result {
            self.refused.push((seq, why.clone()));
        }
    }
}

impl Task for Deliver {
    type Output = Delivered;

    async fn run(self, machines: &mut Machines, tx: &mut Tx) -> Result<Delivered, Fault> {
        let key = outbox::inbox_key(self.from, &self.lane);
        let mut received: Received = tx.read(&key).await?.unwrap_or_default();
        // What the lane begins with now is all that its sender has not settled.
        let begin = self.items.first().map_or(0, |item| item.seq);
        received.refused.retain(|(seq, _)| *seq >= begin);
        let mut out = Delivered { ended: Vec::new(), stopped_by: None };
        let mut applied = false;
        for item in &self.items {
            if let Some(outcome) = received.outcome(item.seq) {
                out.ended.push((item.seq, outcome));
                continue;
            }
            if applied && (tx.is_full() || received.refused.len() >= MAX_REFUSED) {
                break;
            }
            match self.deliver(machines, tx, item).await {
                Ok(result) => {
                    received.note(item.seq, &result);
                    out.ended.push((item.seq, result));
                }
                Err(fault) => {
                    out.stopped_by = Some(fault);
                    break;
                }
            }
            applied = true;
            tx.write(key.clone(), &received)?;
            tx.keep()?;
        }
        Ok(out)
    }
}

impl Deliver {
    /// Applies one delivery, its writes being staged, or says why it never will be. The error: it
    /// must be tried again.
    async fn deliver(
        &self,
        machines: &mut Machines,
        tx: &mut Tx,
        item: &Item,
    ) -> Result<Result<Bytes, String>, Fault> {
        let missing = || Fault::Damaged(format!("no machine for {:?}", self.space));
        let machine = machines.at(self.space).ok_or_else(missing)?;
        tx.lanes.sender = self.space;
        tx.trace = Trace::from(item.delivery.trace.as_str());
        let refusal = match machine.deliver(tx, self.room, &item.delivery.payload).await {
            Ok(()) => return Ok(Ok(Bytes::new())),
            Err(refusal) => refusal,
        };
        tx.drop_staged();
        match refusal {
            Refusal::ForNow(fault) => Err(fault),
            Refusal::ForGood(mut why) => {
                why.truncate(why.floor_char_boundary(MAX_WHY));
                Ok(Err(why))
            }
        }
    }
}
