//! From a fork of the sandbox's first process to a program without any privilege.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};

use super::order::Program;
use super::spawner::{map_ids, said};
use super::{filter, sys};

/// The user that a function sees itself as: that of Lambda's own sandboxes, `sbx_user1051`.
pub const USER: u32 = 993;
/// Its group.
pub const GROUP: u32 = 990;
/// Where custom runtimes have their program.
const BOOTSTRAPS: [&str; 2] = ["/var/task/bootstrap", "/opt/bootstrap"];
/// Open files, processes with threads: Lambda's quotas ("Lambda quotas: file descriptors; execution
/// processes/threads").
const OPEN_FILES: u64 = 1024;
const PROCESSES: u64 = 1024;

/// Turns this process, which is [shut in](shut_in), into the program. Comes back only with the reason why it
/// could not.
pub fn run(program: &Program) -> String {
    let placed = std::env::set_current_dir("/var/task").map_err(said("/var/task"));
    // Of the root, which the sandbox has only now.
    if let Err(why) = placed.and_then(|()| filter::landlock()) {
        return why;
    }
    let mut command = Command::new(&program.path);
    command.args(&program.args).env_clear();
    command.envs(program.env.iter().map(|(name, value)| (name, value)));
    let error = command.exec();
    // A script whose interpreter is not there is there itself.
    if error.kind() == ErrorKind::NotFound
        && program.path == Path::new(BOOTSTRAPS[0])
        && !program.path.exists()
    {
        return format!("Couldn't find valid bootstrap(s): [{}]", BOOTSTRAPS.join(" "));
    }
    format!("fork/exec {}: {}", program.path.display(), reason(&error))
}

/// The system's word for an error, without Rust's number behind it.
fn reason(error: &std::io::Error) -> String {
    let said = error.to_string();
    said.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// Takes from this process all that programs do not have, whichever it will become, but for what hangs on the
/// root.
pub fn shut_in(host_uid: Option<u32>, output: &OwnedFd) -> Result<(), String> {
    rustix::process::setsid().map_err(said("a session"))?;
    rustix::stdio::dup2_stdout(output).map_err(said("standard output"))?;
    rustix::stdio::dup2_stderr(output).map_err(said("standard error"))?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    limits()?;
    user(host_uid, output)?;
    capabilities()?;
    rustix::thread::set_no_new_privs(true).map_err(said("no new privileges"))?;
    filter::seccomp()
}

fn limits() -> Result<(), String> {
    let limits = [(Resource::Nofile, OPEN_FILES), (Resource::Nproc, PROCESSES), (Resource::Core, 0)];
    for (resource, most) in limits {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        rustix::process::setrlimit(resource, limit).map_err(said("a limit of resources"))?;
    }
    Ok(())
}

/// Becomes a user of its own, in a user namespace of its own.
fn user(host_uid: Option<u32>, output: &OwnedFd) -> Result<(), String> {
    let outer = match host_uid {
        None => (0, 0),
        Some(uid) => {
            let (user, group) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(uid));
            // Or it could not open `/dev/stdout` anew.
            rustix::fs::fchown(output, Some(user), Some(group)).map_err(said("standard output"))?;
            rustix::thread::set_thread_groups(&[]).map_err(said("groups"))?;
            rustix::thread::set_thread_res_gid(group, group, group).map_err(said("the group"))?;
            rustix::thread::set_thread_res_uid(user, user, user).map_err(said("the user"))?;
            (uid, uid)
        }
    };
    // Or the files of this process below /proc, the maps among them, were root's.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(said("dumpable"))?;
    match sys::unshare(UnshareFlags::NEWUSER) {
        Ok(()) => map_ids((USER, outer.0), (GROUP, outer.1)).map_err(said("the user namespace's ids")),
        // Under a user of its own it is shut in without it; `missing` tells.
        Err(_) if host_uid.is_some() => Ok(()),
        Err(error) => Err(format!("a user namespace of the function's own: {error}")),
    }
}

/// Gives up every capability, those that a program could get back too.
fn capabilities() -> Result<(), String> {
    for bit in 0..64 {
        // Beyond the last one that the kernel knows, and without the right to drop, it says no: then no new
        // privileges hold.
        let one = CapabilitySet::from_bits_retain(1 << bit);
        if rustix::thread::remove_capability_from_bounding_set(one).is_err() {
            break;
        }
    }
    rustix::thread::clear_ambient_capability_set().map_err(said("the ambient capabilities"))?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).map_err(said("capabilities"))
}

/// What of this the machine does not have, found out in a child that then ends.
pub fn missing() -> Vec<String> {
    let mut missing = filter::missing();
    if std::fs::read_to_string("/proc/sys/user/max_user_namespaces").is_ok_and(|most| most.trim() == "0") {
        missing.push("user namespaces (user.max_user_namespaces is 0)".to_owned());
    }
    missing
}
