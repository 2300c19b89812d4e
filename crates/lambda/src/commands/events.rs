//! Asynchronous events: taken, handed to the actor, tried again, sent on to their destinations.
//!
//! An event waits under the moment at which it is due, or is being handled in one of its function's
//! slots. Each slot is a lane to the actor, so that as many are handled at once as there are slots;
//! what the actor says of an event decides, in the commit that empties the slot, what becomes of it.

use std::collections::BTreeSet;

use bytes::Bytes;
use ropeway_core::effects::FunctionDelivery;
use ropeway_core::keys::Space;
use ropeway_core::{Fault, Settled, Time, Tx};
use ropeway_wire::{Cx, Error, Keys, Principal};
use serde::{Deserialize, Serialize};

use super::policies::check_qualifier;
use super::settings::invoke_config;
use super::{EventAtHand, LambdaMachine, Output, PAGE, function};
use crate::keys::{self, FunctionName};
use crate::model::{Event, Function, Handled, InvokeConfig, Order};
use crate::record;
use crate::{errors, limits};

/// Bytes of a sealed payload in one row.
const PIECE_BYTES: usize = 60 * 1024;
/// Bytes of what is sent of an event: what a destination takes at most, and a bit.
const SENT_BYTES: usize = 1280 * 1024;
/// Events that one turn of the timer starts for a function.
const STARTED_AT_ONCE: usize = 16;
/// Seconds between tries of a function that failed: after the first, and after every later one.
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>.
const RETRY_AFTER: [i64; 2] = [60, 120];
/// Longest pause, in seconds, before a function that was not reached is tried again.
const LONGEST_PAUSE: i64 = 300;

/// An event that comes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewEvent {
    /// The function.
    pub function: FunctionName,
    /// The version or alias that is meant.
    pub qualifier: Option<String>,
    /// The id of the request that it is.
    pub request_id: String,
    /// The event: JSON.
    pub payload: Bytes,
    /// The client's context.
    pub client_context: Option<String>,
    /// The X-Ray header that the function gets.
    pub trace_header: Option<String>,
}

/// A function's events, as memory has them.
#[derive(Debug, Clone)]
pub struct Queue {
    generation: u64,
    /// Slots in which events are being handled.
    running: BTreeSet<u32>,
    waiting: u64,
    /// When the first that waits is due.
    head: Option<Time>,
    /// Everything that waits stands behind this key: what is before it has been started.
    bound: Option<Bytes>,
}

impl Queue {
    fn new(generation: u64) -> Self {
        Queue { generation, running: BTreeSet::new(), waiting: 0, head: None, bound: None }
    }

    /// A free slot, if one more event may be handled.
    fn free_slot(&self, of: &Function) -> Option<u32> {
        let most = of.reserved.unwrap_or(limits::AT_ONCE).clamp(1, limits::AT_ONCE);
        (0..most).find(|slot| !self.running.contains(slot))
    }

    /// An event waits at this key.
    fn waits(&mut self, due: Time, key: &Bytes) {
        self.waiting += 1;
        self.head = Some(self.head.map_or(due, |head| head.min(due)));
        if self.bound.as_ref().is_some_and(|bound| bound >= key) {
            self.bound = None;
        }
    }
}

fn seal_name(name: &FunctionName) -> String {
    format!("lambda/events/{}", name.arn())
}

fn lane(name: &FunctionName, slot: u32) -> String {
    format!("event/{}/{slot}", name.arn())
}

/// Hands an event to the actor.
fn start(tx: &mut Tx, name: &FunctionName, generation: u64, slot: u32, event: &Event) -> Result<(), Fault> {
    tx.write(name.running(generation, slot), event)?;
    let order = Order::Event { function: name.clone(), generation, slot };
    tx.send_to_actor(&lane(name, slot), Space::Lambda, &order)
}

/// Reads the event in a slot.
pub async fn read(tx: &Tx, name: &FunctionName, generation: u64, slot: u32) -> Result<Output, Error> {
    let Some(event) = tx.read::<Event>(&name.running(generation, slot)).await? else {
        return Ok(Output::Event(None));
    };
    let sealed = gather(tx, name, generation, &event).await?;
    Ok(Output::Event(Some(Box::new(EventAtHand { event, sealed }))))
}

async fn gather(tx: &Tx, name: &FunctionName, generation: u64, event: &Event) -> Result<Bytes, Fault> {
    let mut sealed = Vec::new();
    let prefix = name.payload(generation, event.number);
    for (_, piece) in tx.scan_prefix(&prefix, None, event.pieces as usize).await?.rows {
        sealed.extend_from_slice(&piece);
    }
    Ok(Bytes::from(sealed))
}

fn forget_payload(tx: &mut Tx, name: &FunctionName, generation: u64, event: &Event) {
    (0..event.pieces).for_each(|piece| tx.delete(name.piece(generation, event.number, piece)));
}

impl LambdaMachine {
    /// An event from a service, if the function's policy lets it.
    pub(super) async fn deliver(&mut self, tx: &mut Tx, of: FunctionDelivery) -> Result<Output, Error> {
        let (name, qualifier) =
            FunctionName::parse(&of.function).ok_or_else(|| errors::no_function(&of.function))?;
        let principal = Principal::service(&of.principal, &of.source_account);
        let gate = std::sync::Arc::clone(&self.gate);
        let cx = Cx::from_within(gate, principal, &name.scope.region, tx.trace(), tx.now());
        let mut source = Keys::default();
        source.add("aws:SourceArn", &of.source_arn);
        source.add("aws:SourceAccount", &of.source_account);
        cx.authorize(&ropeway_api::lambda::SERVICE, "lambda:InvokeFunction", &of.function, &source)?;
        if of.payload.len() > limits::ASYNC_PAYLOAD {
            return Err(errors::too_large(of.payload.len(), "Event", limits::ASYNC_PAYLOAD));
        }
        let request_id = tx.ids().uuid();
        let event = NewEvent {
            function: name,
            qualifier,
            request_id,
            payload: of.payload,
            client_context: None,
            trace_header: of.trace_header,
        };
        match self.enqueue(tx, event).await {
            // The sender tries again later.
            Err(error) if error.status == 429 => Err(Fault::Overloaded.into()),
            other => other,
        }
    }

    /// Takes an event: it is handed to the actor at once where a slot is free, or waits.
    pub(super) async fn enqueue(&mut self, tx: &mut Tx, new: NewEvent) -> Result<Output, Error> {
        let name = new.function;
        let of = function(tx, &name).await?;
        check_qualifier(tx, &name, &of, new.qualifier.as_deref()).await?;
        let queue = self.queues.get(&name).filter(|queue| queue.generation == of.generation);
        let mut queue = queue.cloned().unwrap_or_else(|| Queue::new(of.generation));
        if queue.waiting >= limits::WAITING {
            return Err(errors::throttled("FunctionInvocationRateLimitExceeded"));
        }
        let number = tx.ids().number();
        let key = self.master.derive(&seal_name(&name));
        let sealed = Bytes::from(key.seal(tx.ids(), &number.to_be_bytes(), &new.payload)?);
        let mut pieces = 0;
        for piece in sealed.chunks(PIECE_BYTES) {
            tx.put(name.piece(of.generation, number, pieces), sealed.slice_ref(piece));
            pieces += 1;
        }
        let event = Event {
            number,
            request_id: new.request_id.clone(),
            qualifier: new.qualifier,
            received: tx.now(),
            failures: 0,
            misses: 0,
            pieces,
            trace: tx.trace().to_string(),
            trace_header: new.trace_header,
            client_context: new.client_context,
        };
        let overdue = queue.head.is_some_and(|head| head <= tx.now());
        match queue.free_slot(&of).filter(|_| !overdue) {
            Some(slot) => {
                start(tx, &name, of.generation, slot, &event)?;
                queue.running.insert(slot);
            }
            None => {
                let now = tx.now();
                wait(tx, &name, &mut queue, &event, now)?;
            }
        }
        self.set_queue(&name, queue);
        Ok(Output::Accepted { request_id: new.request_id })
    }

    /// Replaces what memory has of a function's events.
    fn set_queue(&mut self, name: &FunctionName, queue: Queue) {
        self.forget_queue(name);
        let startable = queue.running.len() < limits::AT_ONCE as usize;
        if let (Some(head), true) = (queue.head, startable) {
            self.due.insert((head, name.clone()));
        }
        if queue.waiting > 0 || !queue.running.is_empty() {
            self.queues.insert(name.clone(), queue);
        }
    }

    pub(super) fn forget_queue(&mut self, name: &FunctionName) {
        if let Some(head) = self.queues.remove(name).and_then(|queue| queue.head) {
            self.due.remove(&(head, name.clone()));
        }
    }

    /// Finds the events that a function has.
    pub(super) async fn load_queue(
        &mut self,
        tx: &mut Tx,
        name: &FunctionName,
        generation: u64,
    ) -> Result<(), Fault> {
        let mut queue = Queue::new(generation);
        for slot in 0..limits::AT_ONCE {
            if tx.get(&name.running(generation, slot)).await?.is_some() {
                queue.running.insert(slot);
            }
        }
        let mut after = None;
        loop {
            let page = tx.scan_prefix(&name.waiting_events(generation), after.as_ref(), PAGE).await?;
            queue.waiting += page.rows.len() as u64;
            if queue.head.is_none() {
                queue.head = page.rows.first().and_then(|(key, _)| keys::due_of(key));
            }
            after = page.rows.last().map(|(key, _)| key.clone());
            if !page.more || after.is_none() {
                break;
            }
        }
        self.set_queue(name, queue);
        Ok(())
    }

    /// Starts events whose time has come, of one function.
    pub(super) async fn start_due(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        let Some((due, name)) = self.due.first().cloned() else { return Ok(()) };
        if due > tx.now() {
            return Ok(());
        }
        let of: Option<Function> = tx.read(&name.key()).await?;
        let queue = self.queues.get(&name).cloned();
        let (Some(of), Some(mut queue)) = (of, queue) else {
            self.due.remove(&(due, name));
            return Ok(());
        };
        start_some(tx, &name, &of, &mut queue).await?;
        let full = queue.free_slot(&of).is_none();
        self.set_queue(&name, queue);
        if full {
            // Goes on once a slot is empty.
            self.due.retain(|(_, other)| *other != name);
        }
        Ok(())
    }

    /// The actor's order came to its end.
    pub(super) async fn order_settled(&mut self, tx: &mut Tx, settled: Settled<'_>) -> Result<(), Fault> {
        let of_event = settled.lane.starts_with("event/");
        if Self::prepares(settled.lane) {
            return self.prepared(tx, settled).await;
        }
        if !of_event {
            if let Err(why) = settled.result {
                tracing::warn!(lane = settled.lane, why, "an order of Lambda's was refused for good");
            }
            return Ok(());
        }
        let Order::Event { function: name, generation, slot } = postcard::from_bytes(settled.payload)? else {
            return Err(Fault::Damaged("an order in another one's lane".to_owned()));
        };
        let handled = match settled.result {
            Ok(bytes) => postcard::from_bytes(bytes)?,
            Err(why) => Handled::Missed(why.to_owned()),
        };
        let key = name.running(generation, slot);
        let Some(event) = tx.read::<Event>(&key).await? else { return Ok(()) };
        let of: Option<Function> = tx.read(&name.key()).await?;
        let Some(of) = of.filter(|of| of.generation == generation) else {
            tx.delete(key);
            forget_payload(tx, &name, generation, &event);
            return Ok(());
        };
        tx.delete(key);
        let mut queue = self.queues.get(&name).cloned().unwrap_or_else(|| Queue::new(generation));
        queue.running.remove(&slot);
        self.conclude(tx, &of, &mut queue, event, handled).await?;
        start_some(tx, &name, &of, &mut queue).await?;
        self.set_queue(&name, queue);
        Ok(())
    }

    /// Decides what becomes of an event that was tried.
    async fn conclude(
        &self,
        tx: &mut Tx,
        of: &Function,
        queue: &mut Queue,
        mut event: Event,
        handled: Handled,
    ) -> Result<(), Fault> {
        let name = &of.name;
        let config = invoke_config(tx, name, of.generation, event.qualifier.as_deref()).await?;
        let pause = match &handled {
            Handled::Gone => {
                forget_payload(tx, name, of.generation, &event);
                return Ok(());
            }
            Handled::Ran { failed: false, .. } => {
                return self.finish(tx, of, &config, &event, &handled, record::SUCCESS).await;
            }
            Handled::Ran { .. } => {
                event.failures += 1;
                event.misses = 0;
                if event.failures > config.retries.unwrap_or(limits::RETRIES) {
                    return self.finish(tx, of, &config, &event, &handled, record::EXHAUSTED).await;
                }
                *RETRY_AFTER.get(event.failures as usize - 1).unwrap_or(&120)
            }
            Handled::Barred => {
                return self.finish(tx, of, &config, &event, &handled, record::EXHAUSTED).await;
            }
            Handled::Missed(_) => {
                event.misses += 1;
                (1_i64 << event.misses.min(9)).min(LONGEST_PAUSE)
            }
        };
        let due = tx.now().plus_secs(pause);
        let last = event.received.plus_secs(i64::from(config.age.unwrap_or(limits::EVENT_AGE)));
        if due > last {
            return self.finish(tx, of, &config, &event, &handled, record::TOO_OLD).await;
        }
        wait(tx, name, queue, &event, due)
    }

    /// Sends what became of an event to where it is to go, and forgets it.
    async fn finish(
        &self,
        tx: &mut Tx,
        of: &Function,
        config: &InvokeConfig,
        event: &Event,
        handled: &Handled,
        condition: &str,
    ) -> Result<(), Fault> {
        let failed = condition != record::SUCCESS;
        let destination = if failed { &config.on_failure } else { &config.on_success };
        let found = super::functions::read(tx, &of.name, event.qualifier.as_deref()).await;
        let version = match found {
            Ok(Output::Found(found)) => found.version.config,
            _ => of.latest.config.clone(),
        };
        let dead_letters = version.dead_letters.as_ref().filter(|_| failed);
        if destination.is_some() || dead_letters.is_some() {
            let sealed = gather(tx, &of.name, of.generation, event).await?;
            let key = self.master.derive(&seal_name(&of.name));
            let payload = Bytes::from(key.open(&event.number.to_be_bytes(), &sealed)?);
            let ended = record::Ended { of, event, handled, condition, payload: &payload, at: tx.now() };
            let records = destination.iter().map(|to| ended.to_destination(&version.role, to));
            let letters = dead_letters.iter().map(|to| ended.to_dead_letters(&version.role, to));
            for sending in records.chain(letters).collect::<Vec<_>>() {
                if sending.body.len() > SENT_BYTES {
                    let (to, bytes) = (sending.to, sending.body.len());
                    tracing::error!(
                        function = of.name.arn(),
                        to,
                        bytes,
                        "what became of an event is too large to be sent"
                    );
                    continue;
                }
                let lane = format!("send/{}", sending.to);
                tx.send_to_actor(&lane, Space::Lambda, &Order::Send(Box::new(sending)))?;
            }
        } else if failed {
            tracing::warn!(
                function = of.name.arn(),
                request = event.request_id,
                condition,
                "an event was not handled and is dropped: it has no destination"
            );
        }
        forget_payload(tx, &of.name, of.generation, event);
        Ok(())
    }

    /// Opens an event's payload.
    pub(crate) fn open_payload(
        master: &ropeway_core::seal::MasterKey,
        name: &FunctionName,
        at_hand: &EventAtHand,
    ) -> Result<Bytes, Fault> {
        let key = master.derive(&seal_name(name));
        key.open(&at_hand.event.number.to_be_bytes(), &at_hand.sealed).map(Bytes::from)
    }
}

/// Leaves an event to wait until it is due.
fn wait(tx: &mut Tx, name: &FunctionName, queue: &mut Queue, event: &Event, due: Time) -> Result<(), Fault> {
    let key = name.waiting(queue.generation, due, event.number);
    tx.write(key.clone(), event)?;
    queue.waits(due, &key);
    Ok(())
}

/// Starts waiting events that are due, as long as there are slots.
async fn start_some(tx: &mut Tx, name: &FunctionName, of: &Function, queue: &mut Queue) -> Result<(), Fault> {
    if queue.head.is_none_or(|head| head > tx.now()) || queue.free_slot(of).is_none() {
        return Ok(());
    }
    let prefix = name.waiting_events(queue.generation);
    let page = tx.scan_prefix(&prefix, queue.bound.as_ref(), STARTED_AT_ONCE + 1).await?;
    queue.head = None;
    for (count, (key, row)) in page.rows.iter().enumerate() {
        let due = keys::due_of(key).ok_or_else(|| Fault::Damaged("a waiting event's key".to_owned()))?;
        let slot = queue.free_slot(of).filter(|_| due <= tx.now() && count < STARTED_AT_ONCE);
        let Some(slot) = slot else {
            queue.head = Some(due);
            return Ok(());
        };
        let event: Event = postcard::from_bytes(row)?;
        tx.delete(key.clone());
        start(tx, name, queue.generation, slot, &event)?;
        queue.running.insert(slot);
        queue.waiting = queue.waiting.saturating_sub(1);
        queue.bound = Some(key.clone());
    }
    Ok(())
}
