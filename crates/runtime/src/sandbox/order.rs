//! What the server and the first process of a sandbox say to each other.

use std::net::SocketAddrV4;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The longest order, in bytes: a function's environment is 4 KiB at most.
pub const MAX_ORDER: usize = 128 << 10;
/// The longest message to the server, in bytes.
pub const MAX_TOLD: usize = 8 << 10;
/// The most sockets that a sandbox listens on.
pub const MAX_LISTENERS: usize = 8;

/// What is made before it is known for which function: the first message to a sandbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Prepare {
    /// The `cgroup.procs` files of the control groups that it belongs to.
    pub cgroups: Vec<PathBuf>,
    /// Whether the server is the machine's root, and may do without a user namespace of its own.
    pub privileged: bool,
    /// The user (and group) of the host that the function runs as; none where the server may not choose.
    pub host_uid: Option<u32>,
    /// A directory to mount the new root on.
    pub root: PathBuf,
    /// What is bound read-only for every function, in this order.
    pub binds: Vec<(PathBuf, PathBuf)>,
    /// Files with their contents, made before the root is closed.
    pub files: Vec<(PathBuf, String)>,
    /// The machine's name inside.
    pub hostname: String,
    /// Where the server listens inside.
    pub listen: Vec<SocketAddrV4>,
    /// Where it answers questions for names.
    pub names: SocketAddrV4,
    /// The port among those where everything that leaves is led to.
    pub outside: Option<u16>,
}

/// What a sandbox has for its function alone: the second message to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// What is bound read-only, in this order.
    pub binds: Vec<(PathBuf, PathBuf)>,
    /// Size of `/tmp` in bytes.
    pub tmp_bytes: u64,
    /// Files and directories that `/tmp` may hold.
    pub tmp_files: u64,
    /// The runtime first, then the extensions; none only to find out what the machine lacks.
    pub programs: Vec<Program>,
}

/// A program of a sandbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Program {
    /// Its path inside.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<std::ffi::OsString>,
    /// Its whole environment.
    pub env: Vec<(String, String)>,
}

/// What the server tells a sandbox afterwards: a message of two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Start the program of this number.
    Start(u8),
    /// Stop all processes where they are.
    Freeze,
    /// Let them go on.
    Thaw,
    /// Ask the runtime to end (SIGTERM).
    Terminate,
    /// Kill the runtime alone.
    Kill,
    /// Tell how much memory they use.
    Measure,
}

impl Command {
    /// As bytes.
    pub fn encode(self) -> [u8; 2] {
        match self {
            Command::Start(number) => [b's', number],
            Command::Freeze => [b'f', 0],
            Command::Thaw => [b't', 0],
            Command::Terminate => [b'e', 0],
            Command::Kill => [b'k', 0],
            Command::Measure => [b'm', 0],
        }
    }

    /// From bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [b's', number] => Some(Command::Start(*number)),
            [b'f', 0] => Some(Command::Freeze),
            [b't', 0] => Some(Command::Thaw),
            [b'e', 0] => Some(Command::Terminate),
            [b'k', 0] => Some(Command::Kill),
            [b'm', 0] => Some(Command::Measure),
            _ => None,
        }
    }
}

/// What a sandbox tells the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// It is made; the listening sockets come with this message, that for names behind them. What the
    /// machine could not give.
    Ready { missing: Vec<String> },
    /// It could not be made.
    Failed(String),
    /// Memory of all processes that is no file's, in bytes.
    Memory(u64),
    /// A program could not be started.
    NotStarted { program: u8, why: String },
    /// A program has ended, with a code or by a signal.
    Ended { program: u8, code: Option<i32>, signal: Option<i32> },
}
