//! The first process inside a sandbox: makes the root, opens the sockets that the server listens on,
//! starts programs, stops and continues them all, and tells how they ended. When it ends, the kernel
//! kills everything in its pid namespace; it ends when the server closes the control socket, by dying too.

use std::io;
use std::net::{SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, socket};
use rustix::process::{DumpableBehavior, Pid, PidfdFlags, Signal, WaitOptions};

use super::order::{Command, Order, Told};
use super::spawner::{hear, said, tell};
use super::{child, netlink, root, sys, wire};

/// A program that was started.
struct Running {
    number: u8,
    pid: Pid,
    handle: OwnedFd,
}

/// Waits for the order, makes the sandbox and serves it; the exit code.
pub fn run(control: &OwnedFd, output: OwnedFd, mut missing: Vec<String>) -> i32 {
    let made = hear::<Order>(control).and_then(|order| {
        let Some(order) = order else { return Ok(None) };
        make(&order, &mut missing).map(|sockets| Some((order, sockets)))
    });
    let (order, listeners) = match made {
        Ok(Some(made)) => made,
        Ok(None) => return 0,
        Err(why) => {
            tell(control, &Told::Failed(why));
            return 1;
        }
    };
    if order.programs.is_empty() {
        missing.extend(child::missing());
    }
    let message = serde_json::to_vec(&Told::Ready { missing }).unwrap_or_default();
    let fds: Vec<_> = listeners.iter().map(AsFd::as_fd).collect();
    if wire::send(control, &message, &fds).is_err() {
        return 1;
    }
    drop(listeners);
    i32::from(serve(control, &output, &order).is_err())
}

fn make(order: &Order, missing: &mut Vec<String>) -> Result<Vec<OwnedFd>, String> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(said("dumpable"))?;
    rustix::system::sethostname(order.hostname.as_bytes()).map_err(said("the host's name"))?;
    let mut sockets = listen(&order.listen)?;
    if let Some(address) = order.names {
        let names = UdpSocket::bind(address).map_err(said(&format!("listening on {address}")))?;
        names.set_nonblocking(true).map_err(said("a socket"))?;
        sockets.push(names.into());
    }
    if let Some(Err(error)) = order.outside.map(netlink::lead_to) {
        missing.push(format!("the network beyond the server (nf_tables: {error})"));
    }
    root::make(order, missing)?;
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

fn serve(control: &OwnedFd, output: &OwnedFd, order: &Order) -> io::Result<()> {
    let mut running: Vec<Running> = Vec::new();
    loop {
        if wait(control, &running)? && !obey(control, output, order, &mut running)? {
            return Ok(());
        }
        reap(control, &mut running)?;
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
fn obey(control: &OwnedFd, output: &OwnedFd, order: &Order, running: &mut Vec<Running>) -> io::Result<bool> {
    let mut buffer = [0; 2];
    let (length, _) = wire::receive(control, &mut buffer)?;
    if length == 0 {
        return Ok(false);
    }
    match Command::decode(buffer.get(..length).unwrap_or_default()) {
        Some(Command::Start(number)) => start(control, output, order, number, running)?,
        Some(Command::Freeze) => sys::signal_all(libc::SIGSTOP)?,
        Some(Command::Thaw) => sys::signal_all(libc::SIGCONT)?,
        Some(Command::Terminate) => signal_runtime(running, Signal::TERM)?,
        Some(Command::Kill) => signal_runtime(running, Signal::KILL)?,
        Some(Command::Measure) => tell(control, &Told::Memory(anonymous()?)),
        None => return Err(io::Error::from(io::ErrorKind::InvalidData)),
    }
    Ok(true)
}

fn start(
    control: &OwnedFd,
    output: &OwnedFd,
    order: &Order,
    number: u8,
    running: &mut Vec<Running>,
) -> io::Result<()> {
    let Some(program) = order.programs.get(usize::from(number)) else {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    };
    match sys::fork()? {
        Some(pid) => {
            let handle = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
            running.push(Running { number, pid, handle });
        }
        None => {
            let why = child::become_program(order.host_uid, output, program);
            tell(control, &Told::NotStarted { program: number, why });
            sys::exit(127);
        }
    }
    Ok(())
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
