//! The calls into the system that no safe wrapper covers. Everything unsafe of this crate is here.
#![allow(
    unsafe_code,
    reason = "four system calls without a safe wrapper, each sound for the reason it gives"
)]

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// Makes a child, which goes on here with `None`.
///
/// Sound in a process with one thread only, as the spawner and what it forks are: the child may then do
/// all that its parent may.
pub fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: the callers have one thread, so no lock is held by a thread that the child lacks.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        child => Ok(Pid::from_raw(child)),
    }
}

/// Leaves namespaces for new ones.
pub fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: no table of open files is unshared, which alone could break what others hold.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(io::Error::from)
}

/// Ends this process at once, without the destructors that belong to its parent.
pub fn exit(code: i32) -> ! {
    // SAFETY: ends the process and touches none of its memory.
    unsafe { libc::_exit(code) }
}

/// Sends a signal to every process of this process's pid namespace but itself and the namespace's first
/// one. The kernel lets no process that is being forked slip through.
pub fn signal_all(signal: i32) -> io::Result<()> {
    // SAFETY: takes two numbers.
    match unsafe { libc::kill(-1, signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()).or_else(|error| match error.raw_os_error() {
            // There is nobody.
            Some(libc::ESRCH) => Ok(()),
            _ => Err(error),
        }),
    }
}

/// Whether children that end are forgotten at once, or wait to be asked about.
pub fn forget_children(forget: bool) {
    let how = if forget { libc::SIG_IGN } else { libc::SIG_DFL };
    // SAFETY: installs no handler of ours.
    unsafe { libc::signal(libc::SIGCHLD, how) };
}

/// Makes a mount, and with `recursive` all below it, read-only, without device files and set-user-id, and
/// deaf to what is mounted elsewhere.
pub fn read_only(path: &CStr, recursive: bool) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    let flags = if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path ends with a zero byte, and the structure is as long as is said.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Switches a network interface of the socket's namespace on.
pub fn interface_up(socket: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    // SAFETY: all zeros are a valid value of this plain structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name) {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the request lives through the call and is of the type that this call takes.
    match unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
