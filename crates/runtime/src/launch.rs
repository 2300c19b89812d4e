//! From a version of a function to a process whose init may begin.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ropeway_core::functions::{FunctionHost, FunctionSpec, NotRun};
use ropeway_core::{Clock, Ids};

use crate::api::{self, About, Session};
use crate::network::{self, OUTSIDE_PORTS, Own, ServerAt, Trust, Url, Way, loopback};
use crate::package::{Packages, Tree};
use crate::process::{Kind, Logs, Parts, Pieces, Process, stream_name};
use crate::runtimes::{Launch, Runtimes};
use crate::sandbox::cgroup::{Bounds, Group, Groups};
use crate::sandbox::order::{Order, Prepare, Program};
use crate::sandbox::{GROUP, Prepared, Sandbox, Spawner, USER};
use crate::tasks::Tasks;
use crate::{Network, Settings};

/// Processes and threads of a sandbox ("Lambda quotas"), with its first process.
const PROCESSES: u64 = 1025;
/// How many sandboxes are prepared before they are needed: one for a function's second process too.
const SPARES: usize = 2;
/// Files in `/tmp` for each MiB of its size.
const FILES_PER_MIB: u64 = 128;
/// The port of the Runtime API inside, and one for where the server has that itself.
const API_PORTS: [u16; 2] = [9001, 9003];
/// The port of questions for names.
const NAMES_PORT: u16 = 53;

/// Starts processes.
pub struct Launcher {
    pub(crate) settings: Settings,
    pub(crate) host: Arc<dyn FunctionHost>,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) runtimes: Runtimes,
    pub(crate) packages: Packages,
    spawner: Spawner,
    groups: Groups,
    /// What the machine cannot give in control groups.
    missing_groups: Vec<String>,
    users: Users,
    root: PathBuf,
    /// Sandboxes that wait for a function.
    spares: Mutex<Vec<Spare>>,
    /// Under which AWS's names lead to the server, and under which it is trusted where it speaks TLS.
    trust: Option<Trust>,
    /// The server, as it is reached from here, and as functions see it.
    server: ServerAt,
    url: Url,
    /// Whose names lead to it.
    own: Arc<Own>,
}

/// A sandbox that waits for a function, in control groups of its own.
#[derive(Debug)]
struct Spare {
    prepared: Prepared,
    group: Group,
}

/// What a process sees of the file system beyond its runtime.
struct Trees {
    code: Arc<Tree>,
    layers: Option<Arc<Tree>>,
}

impl Launcher {
    /// From the settings; makes the directories.
    ///
    /// # Errors
    /// What the file system says.
    pub fn new(
        mut settings: Settings,
        host: Arc<dyn FunctionHost>,
        clock: Clock,
        ids: Ids,
        runtimes: Runtimes,
    ) -> std::io::Result<Self> {
        // A sandbox binds from a directory of its own.
        settings.directory = std::path::absolute(settings.directory)?;
        let packages = Packages::open(settings.directory.join("packages"))?;
        let url = Url::parse(&settings.endpoint_url).map_err(std::io::Error::other)?;
        let trusts = settings.aws_names || url.tls;
        let trust = trusts.then(|| Trust::make(settings.directory.join("trust"))).transpose()?;
        let server = ServerAt::new(settings.endpoint, settings.endpoint_tls, settings.vouched.clone())?;
        let own = Arc::new(Own { aws: settings.aws_names, host: url.host.clone() });
        let root = settings.directory.join("root");
        std::fs::create_dir_all(&root)?;
        let (groups, missing_groups) = Groups::find(ids.number());
        let spawner = Spawner::new(settings.program.clone());
        let users = Users::find();
        Ok(Launcher {
            settings,
            host,
            clock,
            ids,
            runtimes,
            packages,
            spawner,
            groups,
            missing_groups,
            users,
            root,
            spares: Mutex::default(),
            trust,
            server,
            url,
            own,
        })
    }

    /// What this machine cannot give to sandboxes, found out by making one.
    ///
    /// # Errors
    /// Why none can be made at all.
    pub async fn probe(&self) -> Result<Vec<String>, String> {
        let order = self.order(16);
        let spare = self.prepare().map_err(|not_run| format!("{not_run:?}"))?;
        let mut sandbox = spare.prepared.make(&order).await?;
        let mut missing = self.missing_groups.clone();
        missing.append(&mut sandbox.missing);
        Ok(missing)
    }

    /// A process of a version.
    ///
    /// # Errors
    /// What is missing for it.
    pub async fn start(&self, spec: &Arc<FunctionSpec>, kind: Kind) -> Result<Process, NotRun> {
        let keys = self.host.credentials(Arc::clone(spec));
        let (launch, trees, keys) = tokio::join!(self.runtimes.launch(spec), self.trees(spec), keys);
        let (launch, trees) = (launch?, trees?);
        let keys = keys.map_err(NotRun::NoCredentials)?;
        let externals = trees.extensions()?;
        let stream = stream_name(&spec.version, self.clock.now(), &self.ids);
        let endpoint = &self.settings.endpoint_url;
        let trusts = self.trust.is_some();
        let runtime_api = loopback(self.api_port()).to_string();
        let parts = Parts {
            spec,
            launch: &launch,
            keys: &keys,
            stream: &stream,
            runtime_api,
            endpoint,
            kind,
            trusts,
        };

        let mut order = self.order(spec.tmp_mib);
        order.binds = launch.binds.iter().map(|bind| (bind.host.clone(), bind.inside.clone())).collect();
        order.binds.extend(trees.binds());
        if let (Some(trust), Some(store)) = (&self.trust, &launch.trust_store) {
            order.binds.extend(trust.java_bind(store));
        }
        order.programs.push(trees.runtime(spec, &launch, parts.runtime()));
        order.programs.extend(externals.iter().map(|name| Program {
            path: PathBuf::from("/opt/extensions").join(name),
            args: Vec::new(),
            env: parts.extension(),
        }));
        let (sandbox, group) = self.sandbox(spec, &order).await?;
        let joined = sandbox.missing.iter().all(|missing| !missing.starts_with("control group "));
        let about = About {
            account: spec.account.clone(),
            name: spec.name.clone(),
            version: spec.version.clone(),
            handler: spec.handler.clone(),
            external: externals.clone(),
        };
        let (session, events) = Session::new(about, self.ids.clone());
        let (sandbox, output, tasks) = self.serve(sandbox, &session)?;
        let logs = Logs::new(Arc::clone(&self.host), self.clock.clone(), spec, stream, output);
        let externals = u8::try_from(externals.len()).unwrap_or(u8::MAX);
        Ok(Process::new(
            self.clock.clone(),
            Pieces {
                spec: Arc::clone(spec),
                sandbox,
                session,
                events,
                logs,
                // One that could not be joined counts nothing.
                group: joined.then_some(group),
                trees: trees.all(),
                kind,
                keys_end: keys.expires,
                tasks,
                externals,
            },
        ))
    }

    /// A sandbox for a version, from one that was prepared if that still lives.
    async fn sandbox(&self, spec: &FunctionSpec, order: &Order) -> Result<(Sandbox, Group), NotRun> {
        let bounds = Bounds {
            memory: (u64::from(spec.memory_mib) + u64::from(spec.tmp_mib)) << 20,
            processes: PROCESSES,
            memory_mib: u64::from(spec.memory_mib),
        };
        let spare = self.spares().pop();
        if let Some(Spare { prepared, group }) = spare
            && group.bound(bounds).is_ok()
            && let Ok(sandbox) = prepared.make(order).await
        {
            return Ok((sandbox, group));
        }
        let Spare { prepared, group } = self.prepare()?;
        let bounded = group.bound(bounds);
        bounded.map_err(|error| NotRun::NoRoom(format!("control groups: {error}")))?;
        let sandbox = prepared.make(order).await.map_err(NotRun::NoRoom)?;
        Ok((sandbox, group))
    }

    fn spares(&self) -> MutexGuard<'_, Vec<Spare>> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn prepare(&self) -> Result<Spare, NotRun> {
        let group = self.groups.make();
        let group = group.map_err(|error| NotRun::NoRoom(format!("control groups: {error}")))?;
        let prepared = self.spawner.prepare(&self.prepare_order(&group)).map_err(NotRun::NoRoom)?;
        Ok(Spare { prepared, group })
    }

    /// Prepares sandboxes for the next processes to come.
    ///
    /// # Errors
    /// What the machine lacks for it.
    pub fn prepare_spares(&self) -> Result<(), NotRun> {
        while self.spares().len() < SPARES {
            let spare = self.prepare()?;
            self.spares().push(spare);
        }
        Ok(())
    }

    /// Lets go of them.
    pub fn drop_spares(&self) {
        self.spares().clear();
    }

    /// Serves the sandbox's listeners, which are in the order of [`Launcher::ways`] behind the API's.
    fn serve(
        &self,
        mut sandbox: Sandbox,
        session: &Arc<Session>,
    ) -> Result<(Sandbox, tokio::net::unix::pipe::Receiver, Tasks), NotRun> {
        let tasks = Tasks::new();
        let mut listeners = std::mem::take(&mut sandbox.listeners).into_iter();
        let api = listeners.next().ok_or_else(|| NotRun::NoRoom("the sandbox has no listener".to_owned()))?;
        api::serve(&tasks, api, Arc::clone(session));
        listeners.zip(self.ways()).for_each(|(listener, (_, way))| network::carry(&tasks, listener, way));
        if let Some(names) = sandbox.names.take() {
            network::serve_names(&tasks, names, Arc::clone(&self.own));
        }
        let output = sandbox.output.take().ok_or_else(|| NotRun::NoRoom("no output".to_owned()))?;
        Ok((sandbox, output, tasks))
    }

    /// The first of some ports that is not the server's own inside.
    fn free_port(&self, [usual, other]: [u16; 2]) -> u16 {
        if self.url.port == usual { other } else { usual }
    }

    fn api_port(&self) -> u16 {
        self.free_port(API_PORTS)
    }

    fn outside_port(&self) -> u16 {
        self.free_port(OUTSIDE_PORTS)
    }

    /// The ports that connections are taken at inside, beside the API's, and where each leads.
    fn ways(&self) -> Vec<(u16, Way)> {
        let plain = || Way::Server(self.server.clone());
        let trust = self.trust.as_ref();
        let decrypted = || trust.map(|trust| Way::Decrypted(self.server.clone(), trust.acceptor()));
        let own = if self.url.tls { decrypted() } else { Some(plain()) };
        let mut ways: Vec<(u16, Way)> = own.map(|way| (self.url.port, way)).into_iter().collect();
        if self.settings.aws_names {
            let aws = decrypted().map(|way| (443, way)).into_iter().chain([(80, plain())]);
            ways.extend(aws.filter(|(port, _)| *port != self.url.port));
        }
        if self.settings.network == Network::Machine {
            ways.push((self.outside_port(), Way::Outside));
        }
        ways
    }

    async fn trees(&self, spec: &FunctionSpec) -> Result<Trees, NotRun> {
        let tree = |packages| self.packages.tree(&*self.host, &self.clock, &spec.account, packages);
        let code = tree(std::slice::from_ref(&spec.code)).await?;
        let layers = if spec.layers.is_empty() { None } else { Some(tree(&spec.layers).await?) };
        for tree in [Some(&code), layers.as_ref()].into_iter().flatten() {
            if let Some(foreign) = &tree.foreign {
                let why = format!("{foreign}, and this machine is {}", std::env::consts::ARCH);
                return Err(NotRun::BadPackage(why));
            }
        }
        Ok(Trees { code, layers })
    }

    /// What every function's sandbox has.
    fn prepare_order(&self, group: &Group) -> Prepare {
        let ports = std::iter::once(self.api_port()).chain(self.ways().into_iter().map(|(port, _)| port));
        let outside = self.settings.network == Network::Machine;
        Prepare {
            cgroups: group.join_files(),
            privileged: self.users.first.is_some(),
            host_uid: self.users.next(),
            root: self.root.clone(),
            binds: self.trust.iter().flat_map(Trust::binds).collect(),
            files: files(),
            hostname: "localhost".to_owned(),
            listen: ports.map(loopback).collect(),
            names: loopback(NAMES_PORT),
            outside: outside.then(|| self.outside_port()),
        }
    }

    /// What one function's has, without what it binds and runs.
    fn order(&self, tmp_mib: u32) -> Order {
        Order {
            binds: Vec::new(),
            tmp_bytes: u64::from(tmp_mib) << 20,
            tmp_files: u64::from(tmp_mib) * FILES_PER_MIB,
            programs: Vec::new(),
        }
    }
}

impl Trees {
    fn binds(&self) -> Vec<(PathBuf, PathBuf)> {
        let mut binds = vec![(self.code.path().to_owned(), PathBuf::from("/var/task"))];
        let layers = self.layers.iter();
        binds.extend(layers.map(|layers| (layers.path().to_owned(), PathBuf::from("/opt"))));
        binds
    }

    /// The runtime's program: a package without a bootstrap uses that of its layers, and a managed runtime
    /// starts by the function's wrapper script ("Building a custom runtime"; "Modifying the runtime
    /// environment: wrapper scripts").
    fn runtime(&self, spec: &FunctionSpec, launch: &Launch, env: Vec<(String, String)>) -> Program {
        let mut program = Program { path: launch.program.clone(), args: launch.args.clone(), env };
        if spec.runtime.starts_with("provided") {
            let in_layers = self.layers.as_ref().is_some_and(|layers| layers.has("bootstrap"));
            if in_layers && !self.code.has("bootstrap") {
                program.path = PathBuf::from("/opt/bootstrap");
            }
        } else if let Some(wrapper) = spec.environment.get("AWS_LAMBDA_EXEC_WRAPPER") {
            let path = std::mem::replace(&mut program.path, PathBuf::from(wrapper));
            program.args.insert(0, path.into_os_string());
        }
        program
    }

    /// The programs in `/opt/extensions`, which run beside the runtime.
    fn extensions(&self) -> Result<Vec<String>, NotRun> {
        let names = self.layers.as_ref().map(|layers| layers.names("extensions")).transpose();
        names.map(Option::unwrap_or_default).map_err(|error| NotRun::NoRoom(error.to_string()))
    }

    fn all(self) -> Vec<Arc<Tree>> {
        [Some(self.code), self.layers].into_iter().flatten().collect()
    }
}

/// Files below `/etc` that say who the function is and where it is.
fn files() -> Vec<(PathBuf, String)> {
    let user = "sbx_user1051";
    let files = [
        (
            "/etc/passwd",
            format!("root:x:0:0:root:/root:/bin/bash\n{user}:x:{USER}:{GROUP}::/home/{user}:/sbin/nologin\n"),
        ),
        ("/etc/group", format!("root:x:0:\n{user}:x:{GROUP}:\n")),
        ("/etc/hosts", "127.0.0.1 localhost localhost.localdomain\n".to_owned()),
        ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n".to_owned()),
        ("/etc/resolv.conf", "nameserver 127.0.0.1\n".to_owned()),
    ];
    files.map(|(path, contents)| (PathBuf::from(path), contents)).into()
}

/// Users of the host that functions run as, one for each process where the server may choose.
#[derive(Debug)]
struct Users {
    first: Option<u32>,
    used: AtomicU32,
}

impl Users {
    /// Users that no package of an operating system or directory service gives out.
    const FIRST: u32 = 0x6000_0000;
    /// How many there are.
    const COUNT: u32 = 1 << 16;

    fn find() -> Self {
        let root = rustix::process::geteuid().is_root();
        let maps = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let first = if root { Self::first(&maps) } else { None };
        Users { first, used: AtomicU32::new(0) }
    }

    /// The first of the range, which is lower in a container that has few ids of its own.
    fn first(maps: &str) -> Option<u32> {
        let ranges = maps.lines().filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse::<u32>);
            let (start, _, count) = (numbers.next()?.ok()?, numbers.next()?, numbers.next()?.ok()?);
            Some((start, start.saturating_add(count)))
        });
        let (start, end) = ranges.max_by_key(|(start, end)| end - start)?;
        if start <= Self::FIRST && Self::FIRST + Self::COUNT <= end {
            return Some(Self::FIRST);
        }
        end.checked_sub(Self::COUNT / 4).filter(|first| *first > start && *first > 1000)
    }

    fn next(&self) -> Option<u32> {
        let number = self.used.fetch_add(1, Ordering::Relaxed);
        self.first.map(|first| {
            let count = if first == Self::FIRST { Self::COUNT } else { Self::COUNT / 4 };
            first + number % count
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_of_a_range_that_nobody_else_has() {
        assert_eq!(Users::first("         0          0 4294967295\n"), Some(Users::FIRST));
        // A container with 65,536 ids: its last quarter.
        assert_eq!(Users::first("0 100000 65536\n"), Some(49152));
        assert_eq!(Users::first("0 1000 1\n1 100000 65536\n"), Some(49153));
        assert_eq!(Users::first("0 1000 1\n"), None);
        assert_eq!(Users::first(""), None);
    }
}
