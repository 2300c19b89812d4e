//! Control groups: memory, processes and CPU of a sandbox, bounded by the kernel where the server may.
//!
//! With version 2 the server needs its group delegated (`Delegate=yes` of systemd); it moves itself into a
//! leaf, as the kernel wants. With version 1 it needs to write to the groups it is in.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Where control groups are mounted.
const MOUNT: &str = "/sys/fs/cgroup";
/// The controllers in use.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];
/// Memory that comes with one processor, in MiB ("At 1,769 MB, a function has the equivalent of one
/// vCPU": Configure Lambda function memory). What the shares of a group are reckoned from.
const MIB_PER_CPU: u64 = 1769;

/// The groups that the server makes its functions' in.
#[derive(Debug, Clone)]
pub struct Groups(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    parents: Vec<Parent>,
    number: AtomicU64,
    /// Left behind while their last processes were dying.
    left: Mutex<Vec<PathBuf>>,
}

/// A directory of the server's own, in version 2's single tree or in that of a controller.
#[derive(Debug, Clone)]
struct Parent {
    controllers: Vec<&'static str>,
    unified: bool,
    directory: PathBuf,
}

/// What a group bounds.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Memory with files in `/tmp`, in bytes.
    pub memory: u64,
    /// Processes and threads.
    pub processes: u64,
    /// The function's memory, in MiB, which its part of the processors goes by.
    pub memory_mib: u64,
}

/// The groups of one sandbox, removed with it.
#[derive(Debug)]
pub struct Group {
    groups: Groups,
    directories: Vec<Parent>,
    /// Where the kernel says the most memory in use: open, since it is asked after each invocation.
    peak: Option<fs::File>,
}

impl Groups {
    /// Finds what may be used; and what not, in words. `unique` tells this runner from others.
    pub fn find(unique: u64) -> (Self, Vec<String>) {
        let mine = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let name = format!("ropeway-{}-{unique:016x}", std::process::id());
        let mut parents = Vec::new();
        let mut missing = Vec::new();
        match unified(&mine, &name) {
            Some(Ok(parent)) => {
                let lacking = CONTROLLERS.iter().filter(|one| !parent.controllers.contains(one));
                missing.extend(lacking.map(|one| format!("control groups for {one}: not delegated")));
                parents.push(parent);
            }
            Some(Err(why)) => missing.push(format!("control groups: {why}")),
            None => {
                for controller in CONTROLLERS {
                    match separate(&mine, controller, &name) {
                        Ok(directory) => {
                            parents.push(Parent { controllers: vec![controller], unified: false, directory });
                        }
                        Err(why) => missing.push(format!("control groups for {controller}: {why}")),
                    }
                }
            }
        }
        (Groups(Arc::new(Shared { parents, number: AtomicU64::new(0), left: Mutex::default() })), missing)
    }

    /// A group for one sandbox, without bounds yet.
    ///
    /// # Errors
    /// What the system says.
    pub fn make(&self) -> io::Result<Group> {
        self.0.clear();
        let number = self.0.number.fetch_add(1, Ordering::Relaxed).to_string();
        let mut group = Group { groups: self.clone(), directories: Vec::new(), peak: None };
        for parent in &self.0.parents {
            let own = Parent { directory: parent.directory.join(&number), ..parent.clone() };
            fs::create_dir(&own.directory)?;
            group.directories.push(own);
        }
        group.peak = group.memory().and_then(|(unified, directory)| {
            let name = if unified { "memory.peak" } else { "memory.max_usage_in_bytes" };
            // Version 2 has it since Linux 5.19.
            fs::File::open(directory.join(name)).ok()
        });
        Ok(group)
    }
}

impl Shared {
    /// Removes the groups whose last processes have died meanwhile.
    fn clear(&self) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.retain(|directory| matches!(fs::remove_dir(directory), Err(error) if busy(&error)));
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.clear();
        for parent in &self.parents {
            // What is still busy is taken away at the next start.
            drop(fs::remove_dir(&parent.directory));
        }
    }
}

fn busy(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EBUSY)
}

/// The directory under version 2's single tree, where that one has the controllers.
fn unified(mine: &str, name: &str) -> Option<io::Result<Parent>> {
    let root = Path::new(MOUNT);
    let available = fs::read_to_string(root.join("cgroup.controllers")).ok()?;
    if !available.split_whitespace().any(|controller| controller == "memory") {
        return None;
    }
    let path = mine.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(delegate(&root.join(path), name))
}

fn delegate(base: &Path, name: &str) -> io::Result<Parent> {
    remove_stale(base);
    let available = fs::read_to_string(base.join("cgroup.controllers"))?;
    let has = |controller: &&str| available.split_whitespace().any(|one| one == *controller);
    let controllers: Vec<&'static str> = CONTROLLERS.into_iter().filter(has).collect();
    let switch: Vec<String> = controllers.iter().map(|controller| format!("+{controller}")).collect();
    let switch = switch.join(" ");
    if fs::write(base.join("cgroup.subtree_control"), &switch).is_err() {
        // A group with processes of its own hands no controllers down.
        let leaf = base.join("ropeway-server");
        fs::create_dir_all(&leaf)?;
        fs::write(leaf.join("cgroup.procs"), "0")?;
        fs::write(base.join("cgroup.subtree_control"), &switch)?;
    }
    let directory = base.join(name);
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("cgroup.subtree_control"), &switch)?;
    Ok(Parent { controllers, unified: true, directory })
}

/// The directory under one controller's tree of version 1.
fn separate(mine: &str, controller: &str, name: &str) -> Result<PathBuf, String> {
    let path = mine.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let controllers = parts.next()?;
        controllers.split(',').any(|one| one == controller).then(|| parts.next())?
    });
    let path = path.ok_or_else(|| "not mounted".to_owned())?;
    let base = Path::new(MOUNT).join(controller).join(path.trim_start_matches('/'));
    remove_stale(&base);
    let directory = base.join(name);
    fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", base.display()))?;
    Ok(directory)
}

/// Removes the groups of servers that were killed.
fn remove_stale(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name
            .to_str()
            .and_then(|name| name.strip_prefix("ropeway-")?.split('-').next()?.parse::<u32>().ok());
        if pid.is_none_or(|pid| Path::new("/proc").join(pid.to_string()).exists()) {
            continue;
        }
        let below = fs::read_dir(entry.path()).into_iter().flatten().flatten();
        for group in below.filter(|group| group.path().is_dir()) {
            drop(fs::remove_dir(group.path()));
        }
        drop(fs::remove_dir(entry.path()));
    }
}

fn bound(directory: &Path, controller: &str, unified: bool, bounds: Bounds) -> io::Result<()> {
    let Bounds { memory, processes, memory_mib } = bounds;
    match (controller, unified) {
        ("memory", true) => {
            fs::write(directory.join("memory.max"), memory.to_string())?;
            ignore_absent(fs::write(directory.join("memory.oom.group"), "1"))?;
            ignore_absent(fs::write(directory.join("memory.swap.max"), "0"))
        }
        ("memory", false) => {
            fs::write(directory.join("memory.limit_in_bytes"), memory.to_string())?;
            ignore_absent(fs::write(directory.join("memory.swappiness"), "0"))
        }
        ("pids", _) => fs::write(directory.join("pids.max"), processes.to_string()),
        ("cpu", true) => {
            let weight = (100 * memory_mib / MIB_PER_CPU).clamp(1, 10_000);
            fs::write(directory.join("cpu.weight"), weight.to_string())
        }
        ("cpu", false) => {
            let shares = (1024 * memory_mib / MIB_PER_CPU).clamp(2, 262_144);
            fs::write(directory.join("cpu.shares"), shares.to_string())
        }
        _ => Ok(()),
    }
}

/// Kernels without swap have no limit of it.
fn ignore_absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            Ok(())
        }
        other => other,
    }
}

impl Group {
    /// Sets its bounds.
    ///
    /// # Errors
    /// What the system says.
    pub fn bound(&self, bounds: Bounds) -> io::Result<()> {
        for own in &self.directories {
            for controller in &own.controllers {
                bound(&own.directory, controller, own.unified, bounds)?;
            }
        }
        Ok(())
    }

    /// The files that a process joins by.
    pub fn join_files(&self) -> Vec<PathBuf> {
        self.directories.iter().map(|own| own.directory.join("cgroup.procs")).collect()
    }

    /// The most memory that was in use at once, files in `/tmp` with it, in bytes.
    pub fn peak(&self) -> Option<u64> {
        let mut text = [0; 32];
        let length = self.peak.as_ref()?.read_at(&mut text, 0).ok()?;
        std::str::from_utf8(text.get(..length)?).ok()?.trim().parse().ok()
    }

    /// Memory in use that is no file's, in bytes.
    pub fn anonymous(&self) -> Option<u64> {
        let (unified, directory) = self.memory()?;
        let name = if unified { "anon" } else { "rss" };
        let stat = fs::read_to_string(directory.join("memory.stat")).ok()?;
        stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// How many processes the kernel killed here for want of memory.
    pub fn killed(&self) -> u64 {
        let Some((unified, directory)) = self.memory() else { return 0 };
        let file = if unified { "memory.events" } else { "memory.oom_control" };
        let text = fs::read_to_string(directory.join(file)).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok()).unwrap_or(0)
    }

    fn memory(&self) -> Option<(bool, &Path)> {
        let found = self.directories.iter().find(|own| own.controllers.contains(&"memory"))?;
        Some((found.unified, &found.directory))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let mut left = self.groups.0.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.extend(self.directories.drain(..).map(|own| own.directory));
        drop(left);
        self.groups.0.clear();
    }
}
