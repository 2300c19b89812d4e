//! A core with two toy machines and an actor. The ledger sends and keeps time; the mailbox receives.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use ropeway_core::keys::{KeyBuilder, Space, last_number};
use ropeway_core::{
    Actor, BoxFuture, Builder, Clock, Core, Fault, Ids, Machine, MachineError, Outcome, Settled, ShardId,
    Time, Trace, Tx,
};
use ropeway_store::MemoryStore;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub const SHARDS: u16 = 4;
const SETTLED: u8 = 1;
const FIRED: u8 = 2;
const ROW: u8 = 3;
const TIMER: u8 = 4;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToyError {
    Fault(Fault),
    Refused(String),
}

impl From<Fault> for ToyError {
    fn from(fault: Fault) -> Self {
        ToyError::Fault(fault)
    }
}

impl std::fmt::Display for ToyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl MachineError for ToyError {
    fn is_transient(&self) -> bool {
        matches!(self, ToyError::Fault(_))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Ask {
    /// Counts in memory and in a row; answers the count.
    Count,
    /// Answers the count in memory.
    Look,
    /// Writes, posts an effect, and fails.
    Fail,
    Panic,
    /// Writes so many rows with values of so many bytes.
    Huge(u32, u32),
    /// Sends texts to the mailbox of a shard, by a lane.
    Send(String, u16, Vec<String>),
    /// Leaves a text to the actor, by a lane.
    Act(String, String),
    /// Fires a name at a moment.
    At(Time, String),
    /// From now on timers are always due, and do nothing (`false`) or fail (`true`).
    Stick(bool),
    /// What was settled, fired: in order.
    Settled,
    Fired,
}

#[derive(Default)]
pub struct Ledger {
    count: u64,
    /// The count's row is older.
    changed: bool,
    timers: std::collections::BTreeSet<(Time, String)>,
    stick: Option<bool>,
    turns: Arc<AtomicU32>,
}

fn key(space: Space, kind: u8) -> KeyBuilder {
    KeyBuilder::unscoped(space, kind)
}

/// Appends a text to a log of rows.
async fn append(tx: &mut Tx, space: Space, kind: u8, text: &str) -> Result<(), Fault> {
    let counter = key(space, 100 + kind).build();
    let number: u64 = tx.read(&counter).await?.unwrap_or(0);
    tx.write(counter, &(number + 1))?;
    // In parts, since a text may be longer than a row.
    for (part, chunk) in (0..).zip(text.as_bytes().chunks(50_000)) {
        tx.put(key(space, kind).number(number).number(part).build(), Bytes::copy_from_slice(chunk));
    }
    Ok(())
}

async fn log(tx: &Tx, space: Space, kind: u8) -> Result<Vec<String>, Fault> {
    let rows = tx.scan_prefix(&key(space, kind).build(), None, 1_000_000).await?.rows;
    let mut out: Vec<Vec<u8>> = Vec::new();
    for (key, value) in rows {
        match last_number(&key) {
            Some(0) => out.push(value.to_vec()),
            _ => out.last_mut().unwrap().extend(value),
        }
    }
    Ok(out.into_iter().map(|text| String::from_utf8(text).unwrap()).collect())
}

impl Machine for Ledger {
    type Command = Ask;
    type Output = Vec<String>;
    type Error = ToyError;
    const SPACE: Space = Space::Sqs;

    async fn load(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        self.count = tx.read(&key(Space::Sqs, 0).build()).await?.unwrap_or(0);
        for (key, _) in tx.scan_prefix(&key(Space::Sqs, TIMER).build(), None, 1000).await?.rows {
            let time = Time(u64::from_be_bytes(key[2..10].try_into().unwrap()) as i64);
            self.timers.insert((time, String::from_utf8(key[10..].to_vec()).unwrap()));
        }
        Ok(())
    }

    async fn apply(&mut self, tx: &mut Tx, command: Ask) -> Result<Vec<String>, ToyError> {
        match command {
            Ask::Count => {
                self.count += 1;
                self.changed = true;
            }
            Ask::Look => {}
            Ask::Fail => {
                tx.write(key(Space::Sqs, 0).build(), &77u64)?;
                tx.send_to_actor("lane", Space::Sqs, &"never".to_owned())?;
                tx.after_commit(|| unreachable!("the command failed"));
                return Err(ToyError::Refused("no".to_owned()));
            }
            Ask::Panic => panic!("as asked"),
            Ask::Huge(rows, bytes) => {
                self.count += 1000;
                for row in 0..rows {
                    tx.put(key(Space::Sqs, ROW).number32(row).build(), vec![0; bytes as usize].into());
                }
            }
            Ask::Send(lane, to, texts) => {
                for text in texts {
                    tx.send(&lane, Space::Sns, ShardId(to), &Post::Take(text))?;
                }
            }
            Ask::Act(lane, text) => tx.send_to_actor(&lane, Space::Sqs, &text)?,
            Ask::At(time, name) => {
                tx.put(key(Space::Sqs, TIMER).time(time).raw(name.as_bytes()).build(), Bytes::new());
                self.timers.insert((time, name));
            }
            Ask::Stick(fail) => self.stick = Some(fail),
            Ask::Settled => return Ok(log(tx, Space::Sqs, SETTLED).await?),
            Ask::Fired => return Ok(log(tx, Space::Sqs, FIRED).await?),
        }
        Ok(vec![self.count.to_string()])
    }

    fn grows(command: &Ask) -> bool {
        matches!(command, Ask::Count)
    }

    fn next_due(&self) -> Option<Time> {
        if self.stick.is_some() { Some(Time(1)) } else { self.timers.first().map(|(time, _)| *time) }
    }

    async fn on_time(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        self.turns.fetch_add(1, Ordering::Relaxed);
        assert_eq!(**tx.trace(), *"", "nobody asked for this");
        match self.stick {
            Some(true) => return Err(Fault::Damaged("as asked".to_owned())),
            Some(false) => return Ok(()),
            None => {}
        }
        let Some((time, name)) = self.timers.first().cloned() else { return Ok(()) };
        append(tx, Space::Sqs, FIRED, &name).await?;
        tx.delete(key(Space::Sqs, TIMER).time(time).raw(name.as_bytes()).build());
        self.timers.pop_first();
        Ok(())
    }

    fn before_commit(&mut self, tx: &mut Tx) {
        if std::mem::take(&mut self.changed) {
            tx.write(key(Space::Sqs, 0).build(), &self.count).unwrap();
        }
    }

    async fn settled(&mut self, tx: &mut Tx, settled: Settled<'_>) -> Result<(), Fault> {
        assert_eq!(*tx.trace(), trace(), "an effect's end belongs to what caused it");
        let text: String = match postcard::from_bytes::<Post>(settled.payload) {
            Ok(Post::Take(text)) if !settled.lane.starts_with("act") => text,
            _ => postcard::from_bytes(settled.payload)?,
        };
        let how = if settled.result.is_ok() { "ok" } else { "refused" };
        append(tx, Space::Sqs, SETTLED, &format!("{} {text} {how}", settled.lane)).await
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Post {
    /// Takes a text; refuses those that begin with `no`.
    Take(String),
    Read,
    /// From now on nothing is taken (`false`), or is again.
    Open(bool),
    /// Fires at a moment.
    At(Time),
}

pub struct Mailbox {
    open: bool,
    due: Option<Time>,
}

impl Machine for Mailbox {
    type Command = Post;
    type Output = Vec<String>;
    type Error = ToyError;
    const SPACE: Space = Space::Sns;

    async fn load(&mut self, _: &mut Tx) -> Result<(), Fault> {
        Ok(())
    }

    async fn apply(&mut self, tx: &mut Tx, command: Post) -> Result<Vec<String>, ToyError> {
        match command {
            Post::Take(_) if *tx.trace() != trace() => panic!("an effect belongs to what caused it"),
            Post::Take(_) if !self.open => return Err(Fault::Overloaded.into()),
            Post::Take(text) if text.starts_with("no") => return Err(ToyError::Refused(text)),
            Post::Take(text) => append(tx, Space::Sns, 0, &text).await?,
            Post::Read => return Ok(log(tx, Space::Sns, 0).await?),
            Post::Open(open) => self.open = open,
            Post::At(time) => self.due = Some(time),
        }
        Ok(Vec::new())
    }

    fn grows(command: &Post) -> bool {
        matches!(command, Post::Take(text) if !text.starts_with("delete"))
    }

    fn next_due(&self) -> Option<Time> {
        self.due
    }

    async fn on_time(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        self.due = None;
        append(tx, Space::Sns, 0, "on time").await
    }
}

/// Writes down what it is asked to do. `no…` is refused, `again…` succeeds the second time, `wait…`
/// waits for the gate, `panic…` panics the first time.
#[derive(Default)]
pub struct Witness {
    pub seen: Mutex<Vec<(String, String)>>,
    pub gate: Notify,
}

impl Witness {
    pub fn seen(&self) -> Vec<(String, String)> {
        self.seen.lock().unwrap().clone()
    }
}

impl Actor for Witness {
    fn act<'a>(&'a self, lane: &'a str, payload: &'a [u8]) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let text: String = postcard::from_bytes(payload).unwrap();
            let this = (lane.to_owned(), text.clone());
            let before = self.seen().contains(&this);
            self.seen.lock().unwrap().push(this);
            tokio::task::yield_now().await;
            match text.split(' ').next() {
                Some("no") => return Outcome::Refused(text),
                Some("again") if !before => return Outcome::Retry(30),
                Some("panic") if !before => panic!("as asked"),
                Some("wait") => self.gate.notified().await,
                _ => {}
            }
            Outcome::Done(Bytes::from(text))
        })
    }
}

/// A running core and what is around it.
pub struct World {
    pub store: MemoryStore,
    pub clock: Clock,
    pub core: Core,
    pub witness: Arc<Witness>,
    pub turns: Arc<AtomicU32>,
}

pub fn trace() -> Trace {
    Trace::from("Root=1-5759e988-bd862e3fe1be46a994272793")
}

pub fn start_time() -> Time {
    Time::from_secs(1_700_000_000)
}

/// Everything that can happen now happens.
pub async fn quiet() {
    for _ in 0..400 {
        tokio::task::yield_now().await;
    }
}

impl World {
    pub async fn new() -> World {
        World::over(MemoryStore::new(SHARDS), Clock::frozen(start_time()), Arc::default()).await
    }

    /// Starts a core over what there is.
    pub async fn over(store: MemoryStore, clock: Clock, witness: Arc<Witness>) -> World {
        let turns = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&turns);
        let core = Builder::new(Arc::new(store.clone()), clock.clone(), Ids::seeded(1))
            .machine(move |_| Ledger { turns: Arc::clone(&counted), ..Ledger::default() })
            .machine(|_| Mailbox { open: true, due: None })
            .start(vec![Handle::current()])
            .await
            .unwrap();
        core.start_actors(BTreeMap::from([(Space::Sqs, Arc::clone(&witness) as Arc<dyn Actor>)]));
        World { store, clock, core, witness, turns }
    }

    pub async fn ask(&self, shard: u16, ask: Ask) -> Result<Vec<String>, ToyError> {
        self.core.submit::<Ledger>(ShardId(shard), &trace(), ask).await
    }

    pub async fn post(&self, shard: u16, post: Post) -> Result<Vec<String>, ToyError> {
        self.core.submit::<Mailbox>(ShardId(shard), &trace(), post).await
    }

    /// Asks without waiting for the answer.
    #[allow(clippy::disallowed_methods, reason = "a caller of its own")]
    pub fn ask_aside(&self, shard: u16, ask: Ask) -> JoinHandle<Result<Vec<String>, ToyError>> {
        let core = self.core.clone();
        tokio::spawn(async move { core.submit::<Ledger>(ShardId(shard), &trace(), ask).await })
    }

    /// Lets every pause pass, until nothing more happens.
    pub async fn settle(&self) {
        for _ in 0..20 {
            quiet().await;
            self.clock.advance(std::time::Duration::from_secs(11));
        }
        quiet().await;
    }
}

/// The answer of a command that counts.
pub fn count(n: u64) -> Result<Vec<String>, ToyError> {
    Ok(vec![n.to_string()])
}
