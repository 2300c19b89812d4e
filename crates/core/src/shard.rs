//! The shard's loop: takes a bounded batch of commands, applies each, commits once, then answers.

use std::any::Any;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use ropeway_store::{Lease, Shard};
use tokio::sync::{mpsc, oneshot};

use crate::host::Shared;
use crate::keys::Space;
use crate::machine::{Machine, MachineError, Settled};
use crate::outbox::{self, Ended, Item, Lanes};
use crate::tx::{Trace, Tx};
use crate::{BoxFuture, Fault, ShardId, Time};

/// Commands that may wait for a shard.
pub(crate) const INBOX: usize = 4096;
/// Commands in a batch.
const MAX_COMMANDS: usize = 128;
/// A batch takes no further command past this many keys: room is left for one command's most.
const FULL_OPS: usize = 700;
/// A batch takes no further command past this many bytes.
const FULL_BYTES: usize = 1024 * 1024;
/// Commits under way at once.
const MAX_UNDER_WAY: usize = 8;

/// Called with how the commit went.
type Answer = Box<dyn FnOnce(Result<(), Fault>) + Send>;

/// Something to do in a shard's loop.
pub(crate) trait Job: Send {
    fn run<'a>(self: Box<Self>, machines: &'a mut Machines, tx: &'a mut Tx) -> BoxFuture<'a, Answer>;
}

/// A job, and the trace it belongs to.
pub(crate) struct Envelope {
    pub job: Box<dyn Job>,
    pub trace: Trace,
}

/// A machine, its type forgotten.
pub(crate) trait AnyMachine: Any + Send {
    fn space(&self) -> Space;
    fn load<'a>(&'a mut self, tx: &'a mut Tx) -> BoxFuture<'a, Result<(), Fault>>;
    fn deliver<'a>(&'a mut self, tx: &'a mut Tx, payload: &'a [u8]) -> BoxFuture<'a, Result<(), Refusal>>;
    fn settled<'a>(&'a mut self, tx: &'a mut Tx, settled: Settled<'a>) -> BoxFuture<'a, Result<(), Fault>>;
    fn next_due(&self) -> Option<Time>;
    fn on_time<'a>(&'a mut self, tx: &'a mut Tx) -> BoxFuture<'a, Result<(), Fault>>;
    fn before_commit(&mut self, tx: &mut Tx);
    fn as_any(&mut self) -> &mut dyn Any;
}

/// Why a delivery was not applied.
pub(crate) enum Refusal {
    /// It may be later.
    ForNow(Fault),
    /// It never will.
    ForGood(String),
}

impl<M: Machine> AnyMachine for M {
    fn space(&self) -> Space {
        M::SPACE
    }

    fn load<'a>(&'a mut self, tx: &'a mut Tx) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(Machine::load(self, tx))
    }

    fn deliver<'a>(&'a mut self, tx: &'a mut Tx, payload: &'a [u8]) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let command = postcard::from_bytes(payload)
                .map_err(|e| Refusal::ForGood(format!("damaged command: {e}")))?;
            match self.apply(tx, command).await {
                Ok(_) => Ok(()),
                Err(error) if error.is_transient() => Err(Refusal::ForNow(Fault::Store(error.to_string()))),
                Err(error) => Err(Refusal::ForGood(error.to_string())),
            }
        })
    }

    fn settled<'a>(&'a mut self, tx: &'a mut Tx, settled: Settled<'a>) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(Machine::settled(self, tx, settled))
    }

    fn next_due(&self) -> Option<Time> {
        Machine::next_due(self)
    }

    fn on_time<'a>(&'a mut self, tx: &'a mut Tx) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(Machine::on_time(self, tx))
    }

    fn before_commit(&mut self, tx: &mut Tx) {
        Machine::before_commit(self, tx);
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

/// The machines of one shard.
pub(crate) struct Machines(pub Vec<Box<dyn AnyMachine>>);

impl Machines {
    fn of<M: Machine>(&mut self) -> Option<&mut M> {
        self.0.iter_mut().find_map(|machine| machine.as_any().downcast_mut::<M>())
    }

    fn at(&mut self, space: Space) -> Option<&mut Box<dyn AnyMachine>> {
        self.0.iter_mut().find(|machine| machine.space() == space)
    }

    fn next_due(&self) -> Option<Time> {
        self.0.iter().filter_map(|machine| machine.next_due()).min()
    }

    async fn load(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        for machine in &mut self.0 {
            tx.lanes.sender = machine.space();
            machine.load(tx).await?;
        }
        Lanes::load(tx).await
    }

    async fn on_time(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        for machine in &mut self.0 {
            if machine.next_due().is_some_and(|due| due <= tx.now) {
                tx.lanes.sender = machine.space();
                match machine.on_time(tx).await {
                    Ok(()) => tx.keep(),
                    Err(fault) => {
                        tx.drop_staged();
                        return Err(fault);
                    }
                }
            }
        }
        Ok(())
    }

    fn before_commit(&mut self, tx: &mut Tx) {
        for machine in &mut self.0 {
            machine.before_commit(tx);
        }
        tx.keep();
    }
}

/// A typed command and who waits for its answer.
pub(crate) struct Typed<M: Machine> {
    pub command: M::Command,
    pub reply: oneshot::Sender<Result<M::Output, M::Error>>,
}

impl<M: Machine> Job for Typed<M> {
    fn run<'a>(self: Box<Self>, machines: &'a mut Machines, tx: &'a mut Tx) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            let Typed { command, reply } = *self;
            let result = match machines.of::<M>() {
                None => Err(Fault::Damaged(format!("no machine for {:?}", M::SPACE)).into()),
                Some(machine) => {
                    tx.lanes.sender = M::SPACE;
                    machine.apply(tx, command).await
                }
            };
            finish(tx, result.is_ok());
            answer(reply, result)
        })
    }
}

fn finish(tx: &mut Tx, keep: bool) {
    if keep { tx.keep() } else { tx.drop_staged() }
}

fn answer<T: Send + 'static, E: From<Fault> + Send + 'static>(
    reply: oneshot::Sender<Result<T, E>>,
    result: Result<T, E>,
) -> Answer {
    Box::new(move |committed| {
        // A caller that has gone away needs no answer.
        let _ = reply.send(committed.map_err(E::from).and(result));
    })
}

/// A job of the core's own.
pub(crate) trait Task: Send + 'static {
    type Output: Send + 'static;
    fn run(
        self,
        machines: &mut Machines,
        tx: &mut Tx,
    ) -> impl Future<Output = Result<Self::Output, Fault>> + Send;
}

/// A task and who waits for it.
pub(crate) struct Own<T: Task> {
    pub task: T,
    pub reply: oneshot::Sender<Result<T::Output, Fault>>,
}

impl<T: Task> Job for Own<T> {
    fn run<'a>(self: Box<Self>, machines: &'a mut Machines, tx: &'a mut Tx) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            let result = self.task.run(machines, tx).await;
            finish(tx, result.is_ok());
            answer(self.reply, result)
        })
    }
}

/// Takes the next deliveries of a lane.
pub(crate) struct Take {
    pub lane: String,
}

impl Task for Take {
    type Output = Vec<Item>;

    async fn run(self, _: &mut Machines, tx: &mut Tx) -> Result<Vec<Item>, Fault> {
        Lanes::take(tx, &self.lane).await
    }
}

/// Removes deliveries that have come to their end.
pub(crate) struct Settle {
    pub lane: String,
    pub results: Vec<Ended>,
}

impl Task for Settle {
    type Output = ();

    async fn run(self, machines: &mut Machines, tx: &mut Tx) -> Result<(), Fault> {
        for (seq, result) in &self.results {
            let Some(delivery) = Lanes::settle(tx, &self.lane, *seq) else { continue };
            let Some(machine) = machines.at(delivery.from) else { continue };
            tx.lanes.sender = delivery.from;
            tx.trace = Trace::from(delivery.trace.as_str());
            let result = result.as_ref().map(Bytes::as_ref).map_err(String::as_str);
            machine.settled(tx, Settled { lane: &self.lane, payload: &delivery.payload, result }).await?;
        }
        Ok(())
    }
}

/// Applies what came by a lane, each delivery once.
pub(crate) struct Deliver {
    pub from: ShardId,
    pub lane: String,
    pub space: Space,
    pub items: Vec<Item>,
}

/// How far a [`Deliver`] came.
pub(crate) struct Delivered {
    pub ended: Vec<Ended>,
    pub stopped_by: Option<Fault>,
}

impl Task for Deliver {
    type Output = Delivered;

    async fn run(self, machines: &mut Machines, tx: &mut Tx) -> Result<Delivered, Fault> {
        let key = outbox::inbox_key(self.from, &self.lane);
        let mut last: u64 = tx.read(&key).await?.unwrap_or(0);
        let machine = machines
            .at(self.space)
            .ok_or_else(|| Fault::Damaged(format!("no machine for {:?}", self.space)))?;
        let mut out = Delivered { ended: Vec::new(), stopped_by: None };
        for item in &self.items {
            if item.seq <= last {
                out.ended.push((item.seq, Ok(Bytes::new())));
                continue;
            }
            let (ops, bytes) = tx.batch_size();
            if ops > FULL_OPS || bytes > FULL_BYTES {
                break;
            }
            tx.lanes.sender = self.space;
            tx.trace = Trace::from(item.delivery.trace.as_str());
            match machine.deliver(tx, &item.delivery.payload).await {
                Ok(()) => out.ended.push((item.seq, Ok(Bytes::new()))),
                Err(Refusal::ForGood(why)) => {
                    tx.drop_staged();
                    out.ended.push((item.seq, Err(why)));
                }
                Err(Refusal::ForNow(fault)) => {
                    tx.drop_staged();
                    out.stopped_by = Some(fault);
                    return Ok(out);
                }
            }
            last = item.seq;
            tx.write(key.clone(), &last)?;
            tx.keep();
        }
        Ok(out)
    }
}

/// Who is answered when a commit is durable, or how it went.
enum Riding {
    UnderWay(Vec<Answer>),
    Over(Result<(), Fault>),
}

type Riders = Arc<Mutex<Riding>>;

/// One shard's loop.
pub(crate) struct Loop {
    lease: Lease,
    shared: Arc<Shared>,
    store: Arc<dyn Shard>,
    tx: Tx,
    machines: Machines,
    inbox: mpsc::Receiver<Envelope>,
    under_way: std::collections::VecDeque<Riders>,
    done: mpsc::UnboundedReceiver<Result<(), Fault>>,
    done_sender: mpsc::UnboundedSender<Result<(), Fault>>,
}

impl Loop {
    pub fn new(
        lease: Lease,
        shared: Arc<Shared>,
        store: Arc<dyn Shard>,
        inbox: mpsc::Receiver<Envelope>,
    ) -> Self {
        let id = lease.shard;
        let tx =
            Tx::new(id, shared.shards(), Arc::clone(&store), shared.ids.clone(), Arc::clone(&shared.signals));
        let machines = shared.make_machines(id);
        let (done_sender, done) = mpsc::unbounded_channel();
        Loop { lease, shared, store, tx, machines, inbox, under_way: Default::default(), done, done_sender }
    }

    /// Which shard's it is.
    pub fn id(&self) -> ShardId {
        self.lease.shard
    }

    /// Rebuilds the machines from rows. A store that was never written has none.
    pub async fn load(&mut self) -> Result<(), Fault> {
        self.tx.now = self.shared.clock.now();
        if self.store.last_seq().0 > 0 {
            self.machines.load(&mut self.tx).await?;
            self.tx.keep();
        }
        Ok(())
    }

    /// Runs until every sender is gone and the last commit is durable.
    pub async fn run(mut self) {
        self.start_dispatchers();
        loop {
            let room = self.under_way.len() < MAX_UNDER_WAY;
            let due = self.machines.next_due();
            let clock = self.shared.clock.clone();
            tokio::select! {
                biased;
                Some(result) = self.done.recv() => self.retire(result).await,
                envelope = self.inbox.recv(), if room => match envelope {
                    Some(envelope) => self.batch(Some(envelope)).await,
                    None => break,
                },
                () = async { clock.sleep_until(due.unwrap_or_default()).await }, if room && due.is_some() => self.batch(None).await,
            }
        }
        while !self.under_way.is_empty() {
            let Some(result) = self.done.recv().await else { return };
            self.retire(result).await;
        }
    }

    /// Applies a batch and commits it.
    async fn batch(&mut self, first: Option<Envelope>) {
        self.tx.now = self.shared.clock.now();
        let mut answers = Vec::new();
        if let Err(fault) = self.machines.on_time(&mut self.tx).await {
            tracing::error!(shard = self.lease.shard.0, %fault, "what became due was not done");
        }
        let mut next = first;
        while let Some(envelope) = next.take() {
            self.tx.trace = envelope.trace;
            answers.push(envelope.job.run(&mut self.machines, &mut self.tx).await);
            let (ops, bytes) = self.tx.batch_size();
            if answers.len() < MAX_COMMANDS && ops < FULL_OPS && bytes < FULL_BYTES {
                next = self.inbox.try_recv().ok();
            }
        }
        self.machines.before_commit(&mut self.tx);
        self.commit(answers);
        self.start_dispatchers();
    }

    fn commit(&mut self, answers: Vec<Answer>) {
        if self.tx.batch_size().0 == 0 {
            return self.answer_reads(answers);
        }
        let (batch, after) = self.tx.close();
        let riders: Riders = Arc::new(Mutex::new(Riding::UnderWay(answers)));
        self.under_way.push_back(Arc::clone(&riders));
        let done = self.done_sender.clone();
        self.store.commit(
            batch,
            Box::new(move |result| {
                let result = result.map(|_| ()).map_err(Fault::from);
                if result.is_ok() {
                    after.into_iter().for_each(|action| action());
                }
                let before = std::mem::replace(&mut *lock(&riders), Riding::Over(result.clone()));
                if let Riding::UnderWay(waiting) = before {
                    waiting.into_iter().for_each(|answer| answer(result.clone()));
                }
                // The loop outlives its commits; should it be gone, nobody needs to know.
                let _ = done.send(result);
            }),
        );
    }

    /// Nothing was written: answers wait only for the writes that they may have seen.
    fn answer_reads(&mut self, answers: Vec<Answer>) {
        let after = self.tx.take_after();
        let mut answers: Vec<Answer> = answers;
        answers.push(Box::new(move |committed| {
            if committed.is_ok() {
                after.into_iter().for_each(|action| action());
            }
        }));
        let mut result = Ok(());
        if let Some(riders) = self.under_way.back() {
            match &mut *lock(riders) {
                Riding::UnderWay(waiting) => return waiting.append(&mut answers),
                Riding::Over(over) => result = over.clone(),
            }
        }
        answers.into_iter().for_each(|answer| answer(result.clone()));
    }

    async fn retire(&mut self, result: Result<(), Fault>) {
        self.under_way.pop_front();
        self.tx.retire();
        if let Err(fault) = result {
            self.start_over(fault).await;
        }
    }

    /// A commit was lost: nothing in memory can be trusted.
    async fn start_over(&mut self, fault: Fault) {
        tracing::error!(shard = self.lease.shard.0, %fault, "a commit failed; the shard is read again from the store");
        while !self.under_way.is_empty() {
            let _ = self.done.recv().await;
            self.under_way.pop_front();
        }
        loop {
            match self.read_again().await {
                Ok(()) => return self.start_dispatchers(),
                Err(fault) => {
                    tracing::error!(shard = self.lease.shard.0, %fault, "the shard cannot be read");
                    self.shared.clock.sleep_until(self.shared.clock.now().plus_secs(1)).await;
                }
            }
        }
    }

    /// Opens the shard anew, which fences the handle that lost a commit, and reads it.
    async fn read_again(&mut self) -> Result<(), Fault> {
        self.store = self.shared.reopen(&self.lease).await?;
        self.tx.reset(Arc::clone(&self.store));
        self.machines = self.shared.make_machines(self.id());
        self.load().await
    }

    fn start_dispatchers(&mut self) {
        for lane in self.tx.lanes.take_idle() {
            self.shared.spawn(outbox::dispatch(Arc::clone(&self.shared), self.lease.shard, lane));
        }
    }
}

fn lock(riders: &Riders) -> std::sync::MutexGuard<'_, Riding> {
    riders.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
