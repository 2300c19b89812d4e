//! The machines of one shard, their types forgotten.

use std::any::Any;

use ropeway_store::Room;

use crate::keys::Space;
use crate::machine::{Machine, MachineError, Settled};
use crate::outbox::Lanes;
use crate::tx::{Trace, Tx};
use crate::{BoxFuture, Fault, Time};

/// A machine whose timers failed, or led nowhere, is left alone for so long, in milliseconds.
const PAUSE: i64 = 1000;
/// Turns of a machine's timers in a row that may change nothing that can be seen from here.
const MAX_IDLE: u32 = 64;

/// A machine, its type forgotten.
pub(crate) trait AnyMachine: Any + Send {
    fn space(&self) -> Space;
    fn load<'a>(&'a mut self, tx: &'a mut Tx) -> BoxFuture<'a, Result<(), Fault>>;
    fn deliver<'a>(
        &'a mut self,
        tx: &'a mut Tx,
        room: Room,
        payload: &'a [u8],
    ) -> BoxFuture<'a, Result<(), Refusal>>;
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

    fn deliver<'a>(
        &'a mut self,
        tx: &'a mut Tx,
        room: Room,
        payload: &'a [u8],
    ) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let command = postcard::from_bytes(payload)
                .map_err(|e| Refusal::ForGood(format!("damaged command: {e}")))?;
            if room == Room::DeletesOnly && M::grows(&command) {
                return Err(Refusal::ForNow(Fault::NoRoom));
            }
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

/// A machine and how its timers fare.
struct Slot {
    machine: Box<dyn AnyMachine>,
    /// Its timers are left alone until then.
    paused_until: Time,
    /// Turns in a row that wrote nothing and left the same moment due.
    idle: u32,
}

impl Slot {
    fn next_due(&self) -> Option<Time> {
        self.machine.next_due().map(|due| due.max(self.paused_until))
    }

    /// Gives the machine's timers a turn, if it is time.
    async fn on_time(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        if self.next_due().is_none_or(|due| due > tx.now) {
            return Ok(());
        }
        let due = self.machine.next_due();
        let writes = tx.batch_size().0;
        tx.lanes.sender = self.machine.space();
        tx.trace = Trace::from("");
        let result = match self.machine.on_time(tx).await {
            Ok(()) => tx.keep(),
            Err(fault) => {
                tx.drop_staged();
                Err(fault)
            }
        };
        let moved = self.machine.next_due() != due || tx.batch_size().0 != writes;
        self.idle = if moved { 0 } else { self.idle + 1 };
        if self.idle > MAX_IDLE || result.is_err() {
            self.idle = 0;
            self.paused_until = tx.now.plus_millis(PAUSE);
        }
        result
    }
}

/// The machines of one shard.
pub(crate) struct Machines {
    slots: Vec<Slot>,
    /// Whose timers have their turn next.
    turn: usize,
}

impl Machines {
    pub fn new(machines: Vec<Box<dyn AnyMachine>>) -> Self {
        let slot = |machine| Slot { machine, paused_until: Time::default(), idle: 0 };
        Machines { slots: machines.into_iter().map(slot).collect(), turn: 0 }
    }

    /// Exchanges every machine for a new one. The pauses of their timers stay: what failed before
    /// the exchange may fail again at once.
    pub fn renew(&mut self, fresh: Machines) {
        for (slot, fresh) in self.slots.iter_mut().zip(fresh.slots) {
            slot.machine = fresh.machine;
        }
    }

    pub fn of<M: Machine>(&mut self) -> Option<&mut M> {
        self.slots.iter_mut().find_map(|slot| slot.machine.as_any().downcast_mut::<M>())
    }

    pub fn at(&mut self, space: Space) -> Option<&mut dyn AnyMachine> {
        let slot = self.slots.iter_mut().find(|slot| slot.machine.space() == space)?;
        Some(&mut *slot.machine)
    }

    pub fn next_due(&self) -> Option<Time> {
        self.slots.iter().filter_map(Slot::next_due).min()
    }

    pub async fn load(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        for slot in &mut self.slots {
            tx.lanes.sender = slot.machine.space();
            slot.machine.load(tx).await?;
        }
        Lanes::load(tx).await
    }

    /// Gives each machine's timers a turn; those for which the batch has no room are first next time.
    pub async fn on_time(&mut self, tx: &mut Tx) {
        let count = self.slots.len();
        let first = self.turn;
        for at in (0..count).map(|n| (first + n) % count) {
            let Some(slot) = self.slots.get_mut(at) else { continue };
            if let Err(fault) = slot.on_time(tx).await {
                let space = slot.machine.space();
                tracing::error!(shard = tx.shard().0, ?space, %fault, "what became due was not done");
            }
            if tx.is_full() {
                self.turn = (at + 1) % count;
                return;
            }
        }
    }

    pub fn before_commit(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        for slot in &mut self.slots {
            tx.lanes.sender = slot.machine.space();
            slot.machine.before_commit(tx);
        }
        tx.keep()
    }
}
