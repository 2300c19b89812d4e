//! Sandboxes: namespaces, a root, limits and filters around the processes of one function.
//!
//! The server starts its own program once more as the [spawner](spawner), which forks the [first
//! process](inside) of each sandbox. That one makes the root, opens the listening sockets in its network
//! namespace and hands them to the server, and starts the programs. The server holds one end of a control
//! socket per sandbox; when that is closed, be it by `kill -9` of the server, all inside dies.

pub mod cgroup;
mod child;
mod filter;
mod inside;
mod netlink;
pub mod order;
mod root;
mod spawner;
mod sys;
mod wire;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command as Program, ExitCode, Stdio};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use tokio::io::Interest;
use tokio::net::unix::pipe;
use tokio::net::{TcpListener, UdpSocket, UnixDatagram};

use order::{Command, MAX_TOLD, Order, Prepare, Told};

pub use child::{GROUP, USER};

/// The first argument that makes the program a spawner.
const ARGUMENT: &str = "--sandbox-spawner";

/// Must be called first in `main`: when the server has started its own program as the spawner, this is
/// all that the program does.
pub fn sandbox_main() -> Option<ExitCode> {
    if std::env::args_os().nth(1).is_none_or(|argument| argument != ARGUMENT) {
        return None;
    }
    Some(if spawner::run().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Starts sandboxes.
#[derive(Debug)]
pub struct Spawner {
    program: PathBuf,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    requests: OwnedFd,
    process: Child,
}

impl Spawner {
    /// A spawner that is this program, which calls [`sandbox_main`].
    pub fn new(program: PathBuf) -> Self {
        Spawner { program, running: Mutex::new(None) }
    }

    /// Begins a sandbox: its control groups, its namespaces and most of its root, before it is known for which
    /// function. The kernel takes its time over joining control groups. What could not be made is said to
    /// whoever wants the sandbox.
    ///
    /// # Errors
    /// What could not be made, in words for the operator.
    pub fn prepare(&self, prepare: &Prepare) -> Result<Prepared, String> {
        let (control, theirs) = wire::pair().map_err(|error| format!("a socket pair: {error}"))?;
        let (output, writes) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .map_err(|error| format!("a pipe: {error}"))?;
        self.request(&[&theirs, &writes]).map_err(|error| format!("the spawner: {error}"))?;
        send(&control, prepare)?;
        Sandbox::new(control, output).map(Prepared).map_err(|error| error.to_string())
    }

    /// Hands two descriptors to the spawner, which is started where none runs.
    fn request(&self, fds: &[&OwnedFd; 2]) -> io::Result<()> {
        let fds = fds.map(|fd| fd.as_fd());
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(spawner) = running.as_ref()
            && wire::send(&spawner.requests, b"x", &fds).is_ok()
        {
            return Ok(());
        }
        if let Some(mut dead) = running.take() {
            drop(dead.requests);
            dead.process.wait()?;
        }
        let spawner = running.insert(self.run()?);
        wire::send(&spawner.requests, b"x", &fds)
    }

    fn run(&self) -> io::Result<Running> {
        let (requests, theirs) = wire::pair()?;
        let process = Program::new(&self.program)
            .arg(ARGUMENT)
            .env_clear()
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Running { requests, process })
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        let running = self.running.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(Running { requests, mut process }) = running.take() {
            drop(requests);
            // It ends by itself; this only takes it in.
            drop(process.wait());
        }
    }
}

/// A sandbox that waits to be told which function it is for.
#[derive(Debug)]
pub struct Prepared(Sandbox);

impl Prepared {
    /// Makes the rest of the sandbox, for a function.
    ///
    /// # Errors
    /// What could not be made, in words for the operator.
    pub async fn make(self, order: &Order) -> Result<Sandbox, String> {
        send(&self.0.control, order)?;
        self.0.ready().await
    }
}

/// Sends an order.
fn send(control: &impl AsFd, order: &impl Serialize) -> Result<(), String> {
    let message = serde_json::to_vec(order).map_err(|error| error.to_string())?;
    wire::send(control, &message, &[]).map_err(|error| format!("an order: {error}"))
}

/// A sandbox. Dropped, all inside is killed.
#[derive(Debug)]
pub struct Sandbox {
    control: UnixDatagram,
    /// Where the programs' standard output and error go.
    pub output: Option<pipe::Receiver>,
    /// The sockets that listen inside, in the order's order.
    pub listeners: Vec<TcpListener>,
    /// The socket for names.
    pub names: Option<UdpSocket>,
    /// What the machine could not give.
    pub missing: Vec<String>,
}

impl Sandbox {
    fn new(control: OwnedFd, output: OwnedFd) -> io::Result<Self> {
        // The pair keeps the bounds of messages as datagrams do, and tells of the other end's death.
        let control = std::os::unix::net::UnixDatagram::from(control);
        control.set_nonblocking(true)?;
        Ok(Sandbox {
            control: UnixDatagram::from_std(control)?,
            output: Some(pipe::Receiver::from_owned_fd(output)?),
            listeners: Vec::new(),
            names: None,
            missing: Vec::new(),
        })
    }

    async fn ready(mut self) -> Result<Self, String> {
        let said = |error: io::Error| error.to_string();
        match self.receive().await.map_err(said)? {
            Some((Told::Ready { missing }, mut fds)) => {
                self.names = fds.pop().map(|fd| UdpSocket::from_std(fd.into())).transpose().map_err(said)?;
                let listeners = fds.into_iter().map(|fd| TcpListener::from_std(fd.into()));
                self.listeners = listeners.collect::<io::Result<_>>().map_err(said)?;
                self.missing = missing;
                Ok(self)
            }
            Some((Told::Failed(why), _)) => Err(why),
            Some((told, _)) => Err(format!("unexpected: {told:?}")),
            None => Err("the sandbox ended before it was made".to_owned()),
        }
    }

    /// Tells the sandbox something.
    ///
    /// # Errors
    /// What the system says; above all that the sandbox has ended.
    pub fn command(&self, command: Command) -> io::Result<()> {
        self.control.try_send(&command.encode()).map(drop)
    }

    /// Kills all inside.
    pub fn kill(&self) {
        // It fails only where the other end is closed: all is dead then.
        drop(self.control.shutdown(std::net::Shutdown::Both));
    }

    /// Waits for what the sandbox tells next; `None` once it has ended.
    ///
    /// # Errors
    /// What the system says.
    pub async fn told(&self) -> io::Result<Option<Told>> {
        Ok(self.receive().await?.map(|(told, _)| told))
    }

    async fn receive(&self) -> io::Result<Option<(Told, Vec<OwnedFd>)>> {
        let mut buffer = vec![0; MAX_TOLD];
        let read = || wire::receive(&self.control, &mut buffer);
        let (length, fds) = self.control.async_io(Interest::READABLE, read).await?;
        match buffer.get(..length) {
            None | Some([]) => Ok(None),
            Some(message) => Ok(Some((serde_json::from_slice(message)?, fds))),
        }
    }
}
