//! What can go wrong below a service.

/// Why a command could not be carried out, the service's own errors apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A queue of commands, a lane or the committer is full: the caller should slow down.
    Overloaded,
    /// Free space is below the reserve: only deletes are taken.
    NoRoom,
    /// The server is stopping.
    Stopping,
    /// The store failed; whether the change happened is settled at the next start.
    Store(String),
    /// A row or a command that cannot be read, or is larger than can be written: damage, a format from
    /// elsewhere, a limit that should have been checked before.
    Damaged(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Overloaded => f.write_str("too many requests are waiting"),
            Fault::NoRoom => f.write_str("the disk is full"),
            Fault::Stopping => f.write_str("the server is stopping"),
            Fault::Store(why) => write!(f, "the store failed: {why}"),
            Fault::Damaged(why) => write!(f, "damaged data: {why}"),
        }
    }
}

impl std::error::Error for Fault {}

impl From<ropeway_store::ReadError> for Fault {
    fn from(error: ropeway_store::ReadError) -> Self {
        Fault::Store(error.0)
    }
}

impl From<ropeway_store::CommitError> for Fault {
    fn from(error: ropeway_store::CommitError) -> Self {
        Fault::Store(error.to_string())
    }
}

impl From<postcard::Error> for Fault {
    fn from(error: postcard::Error) -> Self {
        Fault::Damaged(error.to_string())
    }
}
