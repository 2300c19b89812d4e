//! What a service brings to the core: machines and actors.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::keys::Space;
use crate::{BoxFuture, Fault, Time, Tx};

/// One service's state in one shard.
///
/// Commands are applied one after the other. An `apply` that fails must have left the machine as
/// it was: decide first, change then. Its writes are dropped by the core. One that succeeds writes at
/// most [`MAX_COMMAND_ROWS`](crate::MAX_COMMAND_ROWS) and
/// [`MAX_COMMAND_BYTES`](crate::MAX_COMMAND_BYTES). A machine reads no clock
/// and no randomness but the transaction's, and iterates no randomly ordered map.
pub trait Machine: Send + 'static {
    /// What can be asked of it: changes and reads alike. The binary form (postcard) goes into the
    /// outbox, so variants and fields are only ever added at the end.
    type Command: Serialize + DeserializeOwned + Send + 'static;
    /// What a command answers.
    type Output: Send + 'static;
    /// The service's own error.
    type Error: MachineError;

    /// Whose rows it owns; one machine type for each.
    const SPACE: Space;

    /// Rebuilds what it keeps in memory, from its rows: at start, and after a lost commit. Not called
    /// in a shard that was never written.
    fn load(&mut self, tx: &mut Tx) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Applies a command.
    fn apply(
        &mut self,
        tx: &mut Tx,
        command: Self::Command,
    ) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send;

    /// True if the command adds data: refused while the disk is nearly full.
    fn grows(command: &Self::Command) -> bool;

    /// The next moment at which [`Machine::on_time`] has something to do.
    fn next_due(&self) -> Option<Time> {
        None
    }

    /// Does what has become due, in steps of bounded size. Called again at once while something is
    /// due; after an error, or many calls that changed nothing, only a second later.
    fn on_time(&mut self, _tx: &mut Tx) -> impl Future<Output = Result<(), Fault>> + Send {
        async { Ok(()) }
    }

    /// Called at the end of each batch, also of one that only read: the place for rows that many
    /// commands change, such as counters. It writes only what commands have changed, small rows, and
    /// nothing where they changed nothing.
    fn before_commit(&mut self, _tx: &mut Tx) {}

    /// A delivery of this machine's reached its end; runs once, in the commit that removes it from the
    /// outbox. After an error it is called again later.
    fn settled(
        &mut self,
        _tx: &mut Tx,
        _settled: Settled<'_>,
    ) -> impl Future<Output = Result<(), Fault>> + Send {
        async { Ok(()) }
    }
}

/// A service's error, as far as the core must know it.
pub trait MachineError: From<Fault> + std::fmt::Display + Send + 'static {
    /// True if the same command may succeed later: a delivery is then tried again, not refused.
    fn is_transient(&self) -> bool;
}

impl MachineError for Fault {
    fn is_transient(&self) -> bool {
        true
    }
}

/// A delivery that has come to its end.
#[derive(Debug, Clone, Copy)]
pub struct Settled<'a> {
    /// The lane that it went by.
    pub lane: &'a str,
    /// What was sent: the command or the actor's payload, in its binary form.
    pub payload: &'a [u8],
    /// `Ok`: what the receiver gave back (empty for commands). `Err`: why it was refused for good.
    pub result: Result<&'a [u8], &'a str>,
}

/// Performs effects that are not commands: calls of other services, of functions, of the outside.
pub trait Actor: Send + Sync + 'static {
    /// Performs one effect, at least once; an effect may come again after a crash.
    fn act<'a>(&'a self, lane: &'a str, payload: &'a [u8]) -> BoxFuture<'a, Outcome>;
}

/// How an actor fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is done; the bytes go to [`Machine::settled`].
    Done(Bytes),
    /// It can never succeed.
    Refused(String),
    /// Try again after so many milliseconds.
    Retry(i64),
}
