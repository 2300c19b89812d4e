//! The core as a whole: its shards, machines and actors.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, RwLock};

use ropeway_store::{Lease, Room, Shard, Store};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::dispatch::MAX_STEPS;
use crate::homes::{Homes, home};
use crate::keys::{self, Space};
use crate::machine::{Actor, Machine};
use crate::machines::{AnyMachine, Machines};
use crate::shard::{Envelope, INBOX, Loop, Own, Typed};
use crate::tasks::Task;
use crate::trail::Witness;
use crate::tx::Trace;
use crate::{Clock, Fault, Ids, ShardId, Signals};

type Factory = Box<dyn Fn(ShardId) -> Box<dyn AnyMachine> + Send + Sync>;
type Inboxes = RwLock<Vec<Inbox>>;

/// The way into a shard's loop.
#[derive(Clone)]
struct Inbox {
    sender: mpsc::Sender<Envelope>,
    store: Arc<dyn Shard>,
}

/// What all shards share.
pub(crate) struct Shared {
    store: Arc<dyn Store>,
    pub clock: Clock,
    pub ids: Ids,
    pub signals: Arc<Signals>,
    factories: Vec<Factory>,
    actors: OnceLock<BTreeMap<Space, Arc<dyn Actor>>>,
    inboxes: Inboxes,
    runtimes: Vec<Handle>,
    pub homes: Homes,
    pub witness: Option<Witness>,
    /// One for each step of a lane that has deliveries in memory.
    pub steps: Semaphore,
    stopping: watch::Sender<bool>,
}

/// Puts a core together.
pub struct Builder {
    store: Arc<dyn Store>,
    clock: Clock,
    ids: Ids,
    factories: Vec<Factory>,
    witness: Option<Witness>,
}

impl Builder {
    /// A core over a store.
    pub fn new(store: Arc<dyn Store>, clock: Clock, ids: Ids) -> Self {
        Builder { store, clock, ids, factories: Vec::new(), witness: None }
            .machine(crate::directory::Directory::new)
    }

    /// Adds a service's machine; `make` makes the one of a shard.
    #[must_use]
    pub fn machine<M: Machine>(mut self, make: impl Fn(ShardId) -> M + Send + Sync + 'static) -> Self {
        self.factories.push(Box::new(move |shard| Box::new(make(shard))));
        self
    }

    /// Has every delivery told that came to its end.
    #[must_use]
    pub fn witness(mut self, witness: Witness) -> Self {
        self.witness = Some(witness);
        self
    }

    /// Opens every shard, rebuilds the machines from their rows, and starts the loops on the given
    /// runtimes (at least one), dealt out in turn. Deliveries begin once [`Core::start_actors`] is called.
    pub async fn start(self, runtimes: Vec<Handle>) -> Result<Core, Fault> {
        let shared = Arc::new(Shared {
            store: self.store,
            clock: self.clock,
            ids: self.ids,
            signals: Arc::new(Signals::default()),
            factories: self.factories,
            actors: OnceLock::new(),
            inboxes: RwLock::default(),
            homes: Homes::start(&runtimes),
            witness: self.witness,
            runtimes,
            steps: Semaphore::new(MAX_STEPS),
            stopping: watch::Sender::new(false),
        });
        let mut loops = Vec::new();
        let mut inboxes = Vec::new();
        for (lease, store) in open_all(&shared.store).await? {
            let (sender, inbox) = mpsc::channel(INBOX);
            inboxes.push(Inbox { sender, store: Arc::clone(&store) });
            let mut shard = Loop::new(lease, Arc::clone(&shared), store, inbox);
            shard.load().await?;
            loops.push(shard);
        }
        *write(&shared.inboxes) = inboxes;
        Ok(Core { shared, loops: Arc::new(std::sync::Mutex::new(Loops::Loaded(loops))) })
    }
}

/// Opens every shard. All are asked for before any is waited for, so that their leases share a sync.
async fn open_all(store: &Arc<dyn Store>) -> Result<Vec<(Lease, Arc<dyn Shard>)>, Fault> {
    let opening = (0..store.shards()).map(|number| async move {
        let lease = store.acquire(ShardId(number), "local").await?;
        let shard = store.open(lease.clone()).await?;
        Ok((lease, shard))
    });
    futures_util::future::try_join_all(opening)
        .await
        .map_err(|error: ropeway_store::CommitError| error.into())
}

enum Loops {
    Loaded(Vec<Loop>),
    Running(Vec<JoinHandle<()>>),
}

/// The running core. Clones are handles to the same.
#[derive(Clone)]
pub struct Core {
    shared: Arc<Shared>,
    loops: Arc<std::sync::Mutex<Loops>>,
}

impl Core {
    /// Starts the loops and the deliveries, with the actors that deliveries may need.
    pub fn start_actors(&self, actors: BTreeMap<Space, Arc<dyn Actor>>) {
        let _ = self.shared.actors.set(actors);
        let mut loops = self.loops.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Loops::Loaded(loaded) = &mut *loops {
            let loaded = std::mem::take(loaded);
            *loops = Loops::Running(
                loaded.into_iter().map(|shard| self.shared.runtime(shard.id()).spawn(shard.run())).collect(),
            );
        }
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Randomness and ids.
    pub fn ids(&self) -> &Ids {
        &self.shared.ids
    }

    /// Wake-ups.
    pub fn signals(&self) -> &Arc<Signals> {
        &self.shared.signals
    }

    /// The shard that owns a name.
    pub fn shard_of(&self, name: &str) -> ShardId {
        keys::shard_of(name, self.shared.shards())
    }

    /// Number of shards.
    pub fn shards(&self) -> u16 {
        self.shared.shards()
    }

    /// Applies a command in a shard; the answer comes once it, and all that it saw, is durable. A
    /// caller that does not wait for it has the command applied all the same.
    ///
    /// # Errors
    /// The machine's own; [`Fault::Overloaded`] if too much waits for the shard or for the disk;
    /// [`Fault::NoRoom`] for a command that grows on a disk that is nearly full; [`Fault::Store`] if the
    /// commit failed: whether the change happened is then not known.
    pub async fn submit<M: Machine>(
        &self,
        shard: ShardId,
        trace: &Trace,
        command: M::Command,
    ) -> Result<M::Output, M::Error> {
        if M::grows(&command) && self.shared.room() == Room::DeletesOnly {
            return Err(Fault::NoRoom.into());
        }
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Typed::<M> { command, reply, home: home() });
        let inbox = self.shared.inbox(shard)?;
        inbox.try_send(Envelope { job, trace: Arc::clone(trace) }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Fault::Overloaded,
            mpsc::error::TrySendError::Closed(_) => Fault::Stopping,
        })?;
        answer.await.unwrap_or_else(|_| Err(self.shared.unanswered().into()))
    }

    /// Takes no further commands, lets those under way finish, interrupts the deliveries (they go on
    /// at the next start), and closes the store.
    pub async fn stop(&self) -> Result<(), Fault> {
        self.shared.stopping.send_replace(true);
        write(&self.shared.inboxes).clear();
        self.shared.signals.close();
        let running = {
            let mut loops = self.loops.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            std::mem::replace(&mut *loops, Loops::Running(Vec::new()))
        };
        let mut ended = Ok(());
        if let Loops::Running(tasks) = running {
            for task in tasks {
                if let Err(error) = task.await {
                    ended = Err(Fault::Store(format!("a shard's loop ended badly: {error}")));
                }
            }
        }
        self.shared.store.close().await?;
        ended
    }
}

impl Shared {
    pub fn shards(&self) -> u16 {
        self.store.shards()
    }

    pub fn room(&self) -> Room {
        self.store.room()
    }

    pub fn make_machines(&self, shard: ShardId) -> Machines {
        Machines::new(self.factories.iter().map(|make| make(shard)).collect())
    }

    /// Returns once the core is stopping.
    pub async fn stopped(&self) {
        // The sender is ours, so waiting for it cannot fail.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    /// Why a command was dropped without an answer.
    fn unanswered(&self) -> Fault {
        if *self.stopping.borrow() {
            return Fault::Stopping;
        }
        Fault::Store("the command's batch was lost".to_owned())
    }

    pub fn actor(&self, space: Space) -> Option<&Arc<dyn Actor>> {
        self.actors.get()?.get(&space)
    }

    /// The way into a shard; none while more waits for the disk than may.
    fn inbox(&self, shard: ShardId) -> Result<mpsc::Sender<Envelope>, Fault> {
        let inboxes = self.inboxes.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        let inbox = inboxes.get(usize::from(shard.0)).ok_or(Fault::Stopping)?;
        if inbox.store.busy() { Err(Fault::Overloaded) } else { Ok(inbox.sender.clone()) }
    }

    /// Opens a shard again, after a commit was lost.
    pub async fn reopen(&self, lease: &Lease) -> Result<Arc<dyn Shard>, Fault> {
        let store = self.store.open(lease.clone()).await?;
        if let Some(inbox) = write(&self.inboxes).get_mut(usize::from(lease.shard.0)) {
            inbox.store = Arc::clone(&store);
        }
        Ok(store)
    }

    /// Runs one of the core's own tasks in a shard's loop.
    pub async fn run<T: Task>(&self, shard: ShardId, task: T) -> Result<T::Output, Fault> {
        let (reply, answer) = oneshot::channel();
        let envelope = Envelope { job: Box::new(Own { task, reply }), trace: Arc::from("") };
        self.inbox(shard)?.send(envelope).await.map_err(|_| Fault::Stopping)?;
        answer.await.unwrap_or_else(|_| Err(self.unanswered()))
    }

    /// The runtime that a shard's tasks run on.
    pub fn runtime(&self, shard: ShardId) -> Handle {
        let number = usize::from(shard.0) % self.runtimes.len().max(1);
        self.runtimes.get(number).cloned().unwrap_or_else(Handle::current)
    }
}

fn write(inboxes: &Inboxes) -> std::sync::RwLockWriteGuard<'_, Vec<Inbox>> {
    inboxes.write().unwrap_or_else(|poisoned| poisoned.into_inner())
}
