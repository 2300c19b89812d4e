//! The shard's loop: takes a bounded batch of commands, applies each, commits once, then answers.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use ropeway_store::{Lease, Shard};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::dispatch::Dispatcher;
use crate::homes::Answer;
use crate::host::Shared;
use crate::machine::Machine;
use crate::machines::Machines;
use crate::tasks::Task;
use crate::tx::{Trace, Tx};
use crate::{BoxFuture, Fault, ShardId, Time};

/// Commands that may wait for a shard.
pub(crate) const INBOX: usize = 4096;
/// Commands in a batch.
const MAX_COMMANDS: usize = 128;
/// Pause before a shard that could not be read is tried again, in milliseconds.
const READ_AGAIN: i64 = 1000;
/// Commits under way at once.
const MAX_UNDER_WAY: usize = 8;

/// Something to do in a shard's loop.
pub(crate) trait Job: Send {
    fn run<'a>(self: Box<Self>, machines: &'a mut Machines, tx: &'a mut Tx) -> BoxFuture<'a, Answer>;
    /// Answers without doing anything.
    fn refuse(self: Box<Self>, fault: Fault);
}

/// A job, and the trace it belongs to.
pub(crate) struct Envelope {
    pub job: Box<dyn Job>,
    pub trace: Trace,
}

/// A typed command and who waits for its answer.
pub(crate) struct Typed<M: Machine> {
    pub command: M::Command,
    pub reply: oneshot::Sender<Result<M::Output, M::Error>>,
    /// Where it is waited for.
    pub home: Option<usize>,
}

impl<M: Machine> Job for Typed<M> {
    fn run<'a>(self: Box<Self>, machines: &'a mut Machines, tx: &'a mut Tx) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            let Typed { command, reply, home } = *self;
            let result = match machines.of::<M>() {
                None => Err(Fault::Damaged(format!("no machine for {:?}", M::SPACE)).into()),
                Some(machine) => {
                    tx.lanes.sender = M::SPACE;
                    machine.apply(tx, command).await
                }
            };
            let result = finish(tx, result);
            answer(home, reply, result)
        })
    }

    fn refuse(self: Box<Self>, fault: Fault) {
        // Here and below: a caller that has gone away needs no answer.
        let _ = self.reply.send(Err(fault.into()));
    }
}

/// Keeps what a command wrote, or drops it.
fn finish<T, E: From<Fault>>(tx: &mut Tx, result: Result<T, E>) -> Result<T, E> {
    match result {
        Ok(output) => tx.keep().map(|()| output).map_err(E::from),
        Err(error) => {
            tx.drop_staged();
            Err(error)
        }
    }
}

fn answer<T: Send + 'static, E: From<Fault> + Send + 'static>(
    home: Option<usize>,
    reply: oneshot::Sender<Result<T, E>>,
    result: Result<T, E>,
) -> Answer {
    Answer::at(home, move |committed| {
        let _ = reply.send(committed.map_err(E::from).and(result));
    })
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
            let result = finish(tx, result);
            answer(None, self.reply, result)
        })
    }

    fn refuse(self: Box<Self>, fault: Fault) {
        let _ = self.reply.send(Err(fault));
    }
}

/// Who is answered when a commit is durable, or how it went.
enum Riding {
    UnderWay(Vec<Answer>),
    Over(Result<(), Fault>),
}

type Riders = Arc<Mutex<Riding>>;

/// What a loop goes on with.
enum Event {
    /// The oldest commit under way is over.
    Done(Result<(), Fault>),
    /// A command came.
    Command(Envelope),
    /// A machine's timer is due.
    Due,
}

/// One shard's loop.
pub(crate) struct Loop {
    lease: Lease,
    shared: Arc<Shared>,
    store: Arc<dyn Shard>,
    tx: Tx,
    machines: Machines,
    inbox: mpsc::Receiver<Envelope>,
    under_way: VecDeque<Riders>,
    done: mpsc::UnboundedReceiver<Result<(), Fault>>,
    done_sender: mpsc::UnboundedSender<Result<(), Fault>>,
    /// Waits for the moment at which a machine's timer is due; made anew only when that changes.
    alarm: Option<(Time, BoxFuture<'static, ()>)>,
    /// The dispatchers of its lanes; they end with the loop.
    dispatchers: JoinSet<()>,
    /// Why nothing more can be done here: the shard could not be read again before the stop.
    lost: Option<Fault>,
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
        Loop {
            lease,
            shared,
            store,
            tx,
            machines,
            inbox,
            under_way: VecDeque::new(),
            done,
            done_sender,
            alarm: None,
            dispatchers: JoinSet::new(),
            lost: None,
        }
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
            self.tx.keep()?;
        }
        Ok(())
    }

    /// Runs until every sender is gone and the last commit is durable.
    pub async fn run(mut self) {
        self.start_dispatchers();
        while let Some(event) = self.next().await {
            match event {
                Event::Done(result) => self.retire(result).await,
                Event::Due => self.guarded(None).await,
                Event::Command(envelope) => self.guarded(Some(envelope)).await,
            }
        }
        while !self.under_way.is_empty() {
            let Some(result) = self.done.recv().await else { break };
            self.retire(result).await;
        }
        self.dispatchers.shutdown().await;
    }

    /// What to do next; nothing if every sender is gone.
    async fn next(&mut self) -> Option<Event> {
        let room = self.under_way.len() < MAX_UNDER_WAY;
        self.set_alarm();
        let alarm = self.alarm.as_mut().filter(|_| room);
        tokio::select! {
            biased;
            Some(result) = self.done.recv() => Some(Event::Done(result)),
            envelope = self.inbox.recv(), if room => envelope.map(Event::Command),
            () = async {
                match alarm {
                    Some((_, moment)) => moment.as_mut().await,
                    None => std::future::pending().await,
                }
            } => {
                self.alarm = None;
                Some(Event::Due)
            }
        }
    }

    fn set_alarm(&mut self) {
        let due = self.machines.next_due().filter(|_| self.lost.is_none());
        if self.alarm.as_ref().map(|(at, _)| *at) != due {
            let clock = self.shared.clock.clone();
            self.alarm = due.map(|at| -> (Time, BoxFuture<'static, ()>) {
                (at, Box::pin(async move { clock.sleep_until(at).await }))
            });
        }
    }

    /// Makes a batch. After a panic nothing in memory can be trusted; rows can.
    async fn guarded(&mut self, first: Option<Envelope>) {
        if AssertUnwindSafe(self.batch(first)).catch_unwind().await.is_err() {
            self.start_over(Fault::Damaged("a machine panicked".to_owned())).await;
        }
    }

    /// Applies a batch and commits it.
    async fn batch(&mut self, first: Option<Envelope>) {
        if self.lost.is_none() {
            self.tx.now = self.shared.clock.now();
            self.machines.on_time(&mut self.tx).await;
            if self.tx.is_full() || self.tx.spoiled().is_some() {
                self.close(Vec::new()).await;
            }
        }
        let mut answers = Vec::new();
        let mut next = first;
        while let Some(Envelope { job, trace }) = next.take() {
            if let Some(fault) = &self.lost {
                return job.refuse(fault.clone());
            }
            self.tx.trace = trace;
            answers.push(job.run(&mut self.machines, &mut self.tx).await);
            if answers.len() < MAX_COMMANDS && !self.tx.is_full() && self.tx.spoiled().is_none() {
                next = self.inbox.try_recv().ok();
            }
        }
        self.close(answers).await;
        self.start_dispatchers();
    }

    /// Commits what has been applied.
    async fn close(&mut self, answers: Vec<Answer>) {
        self.tx.trace = Trace::from("");
        let before =
            if self.tx.spoiled().is_none() { self.machines.before_commit(&mut self.tx) } else { Ok(()) };
        let Some(fault) = before.err().or_else(|| self.tx.spoiled()) else { return self.commit(answers) };
        answers.into_iter().for_each(|answer| self.shared.homes.answer(answer, Err(fault.clone())));
        self.start_over(fault).await;
    }

    fn commit(&mut self, answers: Vec<Answer>) {
        if self.tx.batch_size().0 == 0 {
            return self.answer_reads(answers);
        }
        let (batch, after) = self.tx.close();
        let riders: Riders = Arc::new(Mutex::new(Riding::UnderWay(answers)));
        self.under_way.push_back(Arc::clone(&riders));
        let done = self.done_sender.clone();
        let shared = Arc::clone(&self.shared);
        self.store.commit(
            batch,
            Box::new(move |result| {
                let result = result.map(|_| ()).map_err(Fault::from);
                if result.is_ok() {
                    after.into_iter().for_each(|action| action());
                }
                let before = std::mem::replace(&mut *lock(&riders), Riding::Over(result.clone()));
                if let Riding::UnderWay(waiting) = before {
                    waiting.into_iter().for_each(|answer| shared.homes.answer(answer, result.clone()));
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
        answers.push(Answer::new(move |committed| {
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
        answers.into_iter().for_each(|answer| self.shared.homes.answer(answer, result.clone()));
    }

    async fn retire(&mut self, result: Result<(), Fault>) {
        self.under_way.pop_front();
        self.tx.retire();
        if let Err(fault) = result {
            self.start_over(fault).await;
        }
    }

    /// Nothing in memory can be trusted, since a commit was lost or a batch could not be made.
    async fn start_over(&mut self, fault: Fault) {
        tracing::error!(shard = self.lease.shard.0, %fault, "a batch failed; the shard is read again from the store");
        while !self.under_way.is_empty() {
            let _ = self.done.recv().await;
            self.under_way.pop_front();
        }
        while let Err(fault) = self.read_again().await {
            tracing::error!(shard = self.lease.shard.0, %fault, "the shard cannot be read");
            while let Ok(envelope) = self.inbox.try_recv() {
                envelope.job.refuse(fault.clone());
            }
            let clock = &self.shared.clock;
            tokio::select! {
                biased;
                () = clock.sleep_until(clock.now().plus_millis(READ_AGAIN)) => {}
                () = self.shared.stopped() => {
                    self.lost = Some(fault);
                    return;
                }
            }
        }
        self.start_dispatchers();
    }

    /// Opens the shard anew, which fences the handle that lost a commit, and reads it.
    async fn read_again(&mut self) -> Result<(), Fault> {
        self.store = self.shared.reopen(&self.lease).await?;
        self.tx.reset(Arc::clone(&self.store));
        self.machines.renew(self.shared.make_machines(self.id()));
        self.load().await
    }

    fn start_dispatchers(&mut self) {
        while self.dispatchers.try_join_next().is_some() {}
        for (lane, number) in self.tx.lanes.take_idle() {
            let shard = self.lease.shard;
            let dispatcher = Dispatcher { shared: Arc::clone(&self.shared), shard, lane, number, pause: 0 };
            self.dispatchers.spawn_on(dispatcher.run(), &self.shared.runtime(shard));
        }
    }
}

fn lock(riders: &Riders) -> std::sync::MutexGuard<'_, Riding> {
    riders.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
