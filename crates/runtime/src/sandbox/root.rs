//! The root that a sandbox sees: a small file system in memory with the host's programs and libraries, the
//! package and its layers bound read-only, `/tmp` of its own, and nothing else.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::mount::{mount, mount_bind_recursive, mount_change, unmount};

use super::order::{Order, Prepare};
use super::spawner::said;
use super::sys;

/// The host's own programs and libraries: directories, or links into `/usr`.
const SYSTEM: [&str; 8] = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32", "/nix/store"];
/// What programs of the host look for under `/etc`, and holds no secret.
const ETC: [&str; 8] = [
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki",
    "/etc/mime.types",
];
/// Device files, bound from the host.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
/// Where a function finds its package and its layers, and scratch room.
const PLACES: [&str; 5] = ["var/task", "var/runtime", "opt", "tmp", "proc"];

/// Makes what every function has, on a directory of the host that then is the current one.
pub fn make(prepare: &Prepare, missing: &mut Vec<String>) -> Result<(), String> {
    // What the host takes off until the order comes goes here too; nothing goes the other way.
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
        .map_err(said("mounts of its own"))?;
    let small = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", &prepare.root, "tmpfs", small, c"size=4m,nr_inodes=4096,mode=755")
        .map_err(said("the root"))?;
    // From here on by paths within it: should the host's directory go meanwhile, and the mount with it, nothing
    // may be made in its place.
    std::env::set_current_dir(&prepare.root).map_err(said("the root"))?;
    let root = Path::new(".");
    for place in PLACES {
        fs::create_dir_all(root.join(place)).map_err(said(place))?;
    }
    system(root)?;
    devices(root)?;
    for (path, contents) in &prepare.files {
        write(&beneath(root, path), contents).map_err(said(&path.display().to_string()))?;
    }
    for (host, inside) in &prepare.binds {
        bind(host, &beneath(root, inside))?;
    }
    processes(root, missing)
}

/// Adds what the function alone has, and moves into the root.
pub fn finish(order: &Order) -> Result<(), String> {
    let root = Path::new(".");
    for (host, inside) in &order.binds {
        bind(host, &beneath(root, inside))?;
    }
    scratch(root, order)?;
    enter()
}

fn system(root: &Path) -> Result<(), String> {
    for path in SYSTEM.iter().chain(&ETC).map(Path::new) {
        let Ok(found) = fs::symlink_metadata(path) else { continue };
        let inside = beneath(root, path);
        if found.is_symlink() {
            let target = fs::read_link(path).map_err(said(&path.display().to_string()))?;
            parent(&inside).and_then(|()| symlink(target, &inside)).map_err(said("a link"))?;
        } else {
            bind(path, &inside)?;
        }
    }
    Ok(())
}

/// Binds a file or directory, read-only.
fn bind(host: &Path, inside: &Path) -> Result<(), String> {
    let what = host.display().to_string();
    let made = if host.is_dir() { fs::create_dir_all(inside) } else { empty_file(inside) };
    made.map_err(said(&what))?;
    mount_bind_recursive(host, inside).map_err(said(&what))?;
    let path = CString::new(inside.as_os_str().as_bytes()).map_err(said(&what))?;
    sys::read_only(&path, true).map_err(said(&what))
}

fn devices(root: &Path) -> Result<(), String> {
    let dev = root.join("dev");
    fs::create_dir(&dev).map_err(said("/dev"))?;
    for device in DEVICES {
        let inside = dev.join(device);
        empty_file(&inside).map_err(said(device))?;
        mount_bind_recursive(Path::new("/dev").join(device), &inside).map_err(said(device))?;
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, dev.join(name)).map_err(said(name))?;
    }
    Ok(())
}

/// `/tmp`: of the configured size, bounded in the number of files, gone with the sandbox.
fn scratch(root: &Path, order: &Order) -> Result<(), String> {
    let limits = format!("size={},nr_inodes={},mode=1777", order.tmp_bytes, order.tmp_files);
    let limits = CString::new(limits).map_err(said("/tmp"))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", root.join("tmp"), "tmpfs", flags, limits.as_c_str()).map_err(said("/tmp"))
}

/// `/proc`, where a process sees only those of its own user.
fn processes(root: &Path, missing: &mut Vec<String>) -> Result<(), String> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let proc = root.join("proc");
    if mount("proc", &proc, "proc", flags, c"hidepid=2").is_ok() {
        return Ok(());
    }
    missing.push("a /proc that hides other users' processes (hidepid)".to_owned());
    mount("proc", &proc, "proc", flags, None).map_err(said("/proc"))
}

/// Makes the directory that it is in the root, and closes it.
fn enter() -> Result<(), String> {
    rustix::process::pivot_root(".", ".").map_err(said("the root"))?;
    unmount(".", UnmountFlags::DETACH).map_err(said("the old root"))?;
    std::env::set_current_dir("/").map_err(said("the root"))?;
    sys::read_only(c"/", false).map_err(said("the root"))
}

fn write(path: &Path, contents: &str) -> io::Result<()> {
    parent(path)?;
    fs::write(path, contents)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

fn empty_file(path: &Path) -> io::Result<()> {
    if path.is_file() {
        return Ok(());
    }
    parent(path)?;
    fs::OpenOptions::new().create(true).append(true).open(path).map(drop)
}

fn parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

/// An absolute path, in the new root.
fn beneath(root: &Path, inside: &Path) -> PathBuf {
    root.join(inside.strip_prefix("/").unwrap_or(inside))
}
