//! The first process inside a sandbox: makes the root, most of it before its function is known, opens the sockets that the server listens on,
//! starts programs, stops and continues them all, and tells how they ended. When it ends, the kernel
//! kills everything in its pid namespace; it ends when the server closes the control socket, by dying too.

use std::io;
use std::net::{SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, socket};
use rustix::process::{DumpableBehavior, Pid, PidfdFlags, Signal, WaitOptions};

use super::order::{Command, Order, Prepare, Program, Told};
use super::spawner::{hear, said, tell};
use super::{child, netlink, root, sys, wire};

/// A program that was started.
struct Running {
    number: u8,
    pid: Pid,
    handle: OwnedFd,
}

/// The runtime's process, which has all but its program.
struct Waiting {
    pid: Pid,
    handle: OwnedFd,
    /// Where it is told its program.
    start: OwnedFd,
}

/// What the sandbox's programs are started from.
struct Start<'a> {
    control: &'a OwnedFd,
    output: &'a OwnedFd,
    /// The user of the host that they run as.
    host_uid: Option<u32>,
    order: Order,
    runtime: Option<Waiting>,
}

/// Makes what every function has, waits for the order, makes the rest and serves the sandbox; the exit code.
pub fn run(control: &OwnedFd, output: &OwnedFd, prepare: &Prepare, mut missing: Vec<String>) -> i32 {
    let host_uid = prepare.host_uid;
    let prepared = make(prepare, &mut missing).and_then(|sockets| {
        let runtime = wait_for_program(control, output, host_uid).map_err(said("the runtime's process"))?;
        Ok((sockets, runtime))
    });
    let made = hear::<Order>(control).and_then(|order| {
        let Some(order) = order else { return Ok(None) };
        // What has failed is told to the one who wants the sandbox, not before.
        let (sockets, runtime) = prepared?;
        root::finish(&order)?;
        Ok(Some((sockets, Start { control, output, host_uid, order, runtime: Some(runtime) })))
    });
    let (sockets, start) = match made {
        Ok(Some(made)) => made,
        Ok(None) => return 0,
        Err(why) => {
            tell(control, &Told::Failed(why));
            return 1;
        }
    };
    if start.order.programs.is_empty() {
        missing.extend(child::missing());
    }
    let message = serde_json::to_vec(&Told::Ready { missing }).unwrap_or_default();
    let fds: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
    if wire::send(control, &message, &fds).is_err() {
        return 1;
    }
    drop(sockets);
    i32::from(serve(start).is_err())
}

/// Forks the runtime's process, which shuts itself in and waits for its program.
fn wait_for_program(control: &OwnedFd, output: &OwnedFd, host_uid: Option<u32>) -> io::Result<Waiting> {
    let (start, program) = wire::pair()?;
    match sys::fork()? {
        Some(pid) => {
            Ok(Waiting { pid, handle: rustix::process::pidfd_open(pid, PidfdFlags::empty())?, start })
        }
        None => {
            drop(start);
            let shut_in = child::shut_in(host_uid, output);
            let Ok(Some(program)) = hear::<Program>(&program) else { sys::exit(0) };
            not_started(control, 0, shut_in.map_or_else(|why| why, |()| child::run(&program)))
        }
    }
}

/// Tells why a program's process did not become it, and ends it.
fn not_started(control: &OwnedFd, program: u8, why: String) -> ! {
    tell(control, &Told::NotStarted { program, why });
    sys::exit(127)
}

fn make(prepare: &Prepare, missing: &mut Vec<String>) -> Result<Vec<OwnedFd>, String> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(said("dumpable"))?;
    rustix::system::sethostname(prepare.hostname.as_bytes()).map_err(said("the host's name"))?;
    let mut sockets = listen(&prepare.listen)?;
    let address = prepare.names;
    let names = UdpSocket::bind(address).map_err(said(&format!("listening on {address}")))?;
    names.set_nonblocking(true).map_err(said("a socket"))?;
    sockets.push(names.into());
    if let Some(Err(error)) = prepare.outside.map(netlink::lead_to) {
        missing.push(format!("the network beyond the server (nf_tables: {error})"));
    }
    root::make(prepare, missing)?;
    Ok(sockets)
}

fn listen(addresses: &[SocketAddrV4]) -> Result<Vec<OwnedFd>, String> {
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None).map_err(said("a socket"))?;
    sys::interface_up(any.as_fd(), b"lo").map_err(said("the loopback interface"))?;
    let bound = addresses.iter().map(|address| {
        let listener = TcpListener::bind(address).map_err(said(&format!("listening on {address}")))?;
        listener.set_nonblocking(true).map_err(said("a listener"))?;
        Ok(OwnedFd::from(listener))
    });
    bound.collect()
}

fn serve(mut start: Start<'_>) -> io::Result<()> {
    let mut running: Vec<Running> = Vec::new();
    loop {
        if wait(start.control, &running)? && !obey(&mut start, &mut running)? {
            return Ok(());
        }
        reap(start.control, &mut running)?;
    }
}

/// Waits for a command or an end; whether there is a command.
fn wait(control: &OwnedFd, running: &[Running]) -> io::Result<bool> {
    let mut watched = vec![PollFd::new(control, PollFlags::IN)];
    watched.extend(running.iter().map(|program| PollFd::new(&program.handle, PollFlags::IN)));
    match poll(&mut watched, None) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    Ok(watched.first().is_some_and(|control| !control.revents().is_empty()))
}

/// Does what the server says; false when it has gone.
fn obey(start: &mut Start<'_>, running: &mut Vec<Running>) -> io::Result<bool> {
    let mut buffer = [0; 2];
    let (length, _) = wire::receive(start.control, &mut buffer)?;
    if length == 0 {
        return Ok(false);
    }
    match Command::decode(buffer.get(..length).unwrap_or_default()) {
        Some(Command::Start(number)) => running.push(start.program(number)?),
        Some(Command::Freeze) => sys::signal_all(libc::SIGSTOP)?,
        Some(Command::Thaw) => sys::signal_all(libc::SIGCONT)?,
        Some(Command::Terminate) => signal_runtime(running, Signal::TERM)?,
        Some(Command::Kill) => signal_runtime(running, Signal::KILL)?,
        Some(Command::Measure) => tell(start.control, &Told::Memory(anonymous()?)),
        None => return Err(io::Error::from(io::ErrorKind::InvalidData)),
    }
    Ok(true)
}

impl Start<'_> {
    /// Starts a program: the runtime in the process that waits for it, an extension in a new one.
    fn program(&mut self, number: u8) -> io::Result<Running> {
        let nothing = || io::Error::from(io::ErrorKind::InvalidData);
        let program = self.order.programs.get(usize::from(number)).ok_or_else(nothing)?;
        if number == 0 {
            let Waiting { pid, handle, start } = self.runtime.take().ok_or_else(nothing)?;
            wire::send(&start, &serde_json::to_vec(program)?, &[])?;
            return Ok(Running { number, pid, handle });
        }
        match sys::fork()? {
            Some(pid) => {
                let handle = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
                Ok(Running { number, pid, handle })
            }
            None => {
                let why = match child::shut_in(self.host_uid, self.output) {
                    Ok(()) => child::run(program),
                    Err(why) => why,
                };
                not_started(self.control, number, why)
            }
        }
    }
}

fn signal_runtime(running: &[Running], signal: Signal) -> io::Result<()> {
    for runtime in running.iter().filter(|program| program.number == 0) {
        rustix::process::pidfd_send_signal(&runtime.handle, signal)?;
    }
    Ok(())
}

/// Takes in those that have ended, orphans of the programs too, and tells of the programs.
fn reap(control: &OwnedFd, running: &mut Vec<Running>) -> io::Result<()> {
    loop {
        let (pid, status) = match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some(ended)) => ended,
            Ok(None) | Err(Errno::CHILD) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let Some(at) = running.iter().position(|program| program.pid == pid) else { continue };
        let program = running.swap_remove(at).number;
        tell(
            control,
            &Told::Ended { program, code: status.exit_status(), signal: status.terminating_signal() },
        );
    }
}

/// Memory of all processes here that is no file's, in bytes; what several share, once.
fn anonymous() -> io::Result<u64> {
    let mut kib = 0;
    for entry in std::fs::read_dir("/proc")? {
        // What ends meanwhile has none any more.
        let Ok(maps) = std::fs::read_to_string(entry?.path().join("smaps_rollup")) else { continue };
        let line = maps.lines().find_map(|line| line.strip_prefix("Pss_Anon:"));
        kib += line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0);
    }
    Ok(kib << 10)
}
