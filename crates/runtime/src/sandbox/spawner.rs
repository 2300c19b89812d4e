//! The spawner: a small process of the server's, with one thread, that forks a sandbox's first process
//! for each request. Forking it costs less than starting the server's large program again, and is sound
//! as forking the server with its threads is not.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::thread::UnshareFlags;

use super::order::{MAX_ORDER, Prepare, Told};
use super::{inside, sys, wire};

/// The spawner's whole life: takes pairs of descriptors (the sandbox's control socket, and where its
/// output goes) from its standard input, until the server has closed it.
pub fn run() -> io::Result<()> {
    let requests = io::stdin().as_fd().try_clone_to_owned()?;
    // The terminal's own signals end the server, which then ends the functions.
    rustix::process::setsid()?;
    // What it forks is orphaned in between; the orphans come here, and nobody asks how they ended.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    sys::forget_children(true);
    loop {
        let (length, fds) = match wire::receive(&requests, &mut [0; 8]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if length == 0 {
            return Ok(());
        }
        let Ok([control, output]) = <[OwnedFd; 2]>::try_from(fds) else { continue };
        match sys::fork() {
            Ok(Some(_)) => {}
            Ok(None) => {
                drop(requests);
                sys::exit(begin(&control, output));
            }
            Err(error) => tell(&control, &Told::Failed(format!("fork: {error}"))),
        }
    }
}

/// Says something to the server. That it has gone is noticed where it is listened to.
pub fn tell(control: &OwnedFd, told: &Told) {
    let message = serde_json::to_vec(told).unwrap_or_default();
    drop(wire::send(control, &message, &[]));
}

/// Enters new namespaces and forks their first process.
fn begin(control: &OwnedFd, output: OwnedFd) -> i32 {
    match enter(control) {
        Ok(Some((prepare, missing))) => inside::run(control, &output, &prepare, missing),
        Ok(None) => 0,
        Err(why) => {
            tell(control, &Told::Failed(why));
            1
        }
    }
}

/// The next message from the server; `None` when it has gone.
pub fn hear<T: serde::de::DeserializeOwned>(control: &OwnedFd) -> Result<Option<T>, String> {
    let mut buffer = vec![0; MAX_ORDER];
    let (length, _) = wire::receive(control, &mut buffer).map_err(said("an order"))?;
    match buffer.get(..length) {
        None | Some([]) => Ok(None),
        Some(message) => serde_json::from_slice(message).map(Some).map_err(said("an order")),
    }
}

/// What is to be prepared, and what the machine could not give, in the first process of the new namespaces;
/// `None` in its parent, which has nothing left to do.
fn enter(control: &OwnedFd) -> Result<Option<(Prepare, Vec<String>)>, String> {
    sys::forget_children(false);
    let nothing = File::open("/dev/null").map_err(said("/dev/null"))?;
    rustix::stdio::dup2_stdin(&nothing).map_err(said("standard input"))?;
    let Some(prepare) = hear::<Prepare>(control)? else { return Ok(None) };
    let mut missing = Vec::new();
    for group in &prepare.cgroups {
        if let Err(error) = std::fs::write(group, "0") {
            missing.push(format!("control group {}: {error}", group.display()));
        }
    }
    if !prepare.privileged {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        sys::unshare(UnshareFlags::NEWUSER).map_err(said("a user namespace"))?;
        map_ids((0, uid), (0, gid)).map_err(said("the user namespace's ids"))?;
    }
    let namespaces = UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWCGROUP;
    sys::unshare(namespaces).map_err(said("new namespaces"))?;
    match sys::fork().map_err(said("fork"))? {
        Some(_) => Ok(None),
        None => Ok(Some((prepare, missing))),
    }
}

/// Maps one user and one group (inside, outside) into the user namespace that was entered just now.
pub fn map_ids(uid: (u32, u32), gid: (u32, u32)) -> io::Result<()> {
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{} {} 1\n", uid.0, uid.1))?;
    std::fs::write("/proc/self/gid_map", format!("{} {} 1\n", gid.0, gid.1))
}

/// Says at what an error arose.
pub fn said<E: std::fmt::Display>(what: &str) -> impl Fn(E) -> String {
    move |error| format!("{what}: {error}")
}
