//! A runner in a test: packages in memory, log lines kept, a clock of the machine's.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use ropeway_core::functions::{
    Answer, FunctionHost, FunctionSpec, Functions as _, Invocation, Invoked, Logging, NotRun, Package,
    RoleKeys,
};
use ropeway_core::log_lines::LogLines;
use ropeway_core::{BoxFuture, Clock, Ids, Time, Vouched};
use ropeway_runtime::runtimes::{self, Runtimes};
use ropeway_runtime::{Network, Runtime, Settings};
use tokio::net::TcpListener;

/// The fixture: spawner and function in one.
pub const FIXTURE: &str = env!("CARGO_BIN_EXE_ropeway-runtime-fixture");

pub struct World {
    pub runtime: Runtime,
    pub host: Arc<Host>,
    pub clock: Clock,
    pub directory: tempfile::TempDir,
    pub server: TcpListener,
}

pub struct Host {
    packages: Mutex<BTreeMap<String, Bytes>>,
    logged: tokio::sync::watch::Sender<Vec<LogLines>>,
    pub keys_end: Mutex<Time>,
    pub keys_given: Mutex<u32>,
}

impl FunctionHost for Host {
    fn package(&self, _: String, package: Package) -> BoxFuture<'_, std::io::Result<Bytes>> {
        let found = self.packages.lock().unwrap().get(&package.sha256).cloned();
        Box::pin(async move { found.ok_or_else(|| std::io::ErrorKind::NotFound.into()) })
    }

    fn credentials(&self, _: Arc<FunctionSpec>) -> BoxFuture<'_, Result<RoleKeys, String>> {
        let mut given = self.keys_given.lock().unwrap();
        *given += 1;
        let keys = RoleKeys {
            access_key_id: format!("ASIA{given}"),
            secret: "secret".to_owned(),
            token: "token".to_owned(),
            expires: *self.keys_end.lock().unwrap(),
        };
        Box::pin(async move { Ok(keys) })
    }

    fn log(&self, lines: LogLines) {
        self.logged.send_modify(|logged| logged.push(lines));
    }
}

impl Host {
    pub fn lines(&self) -> Vec<String> {
        let logged = self.logged.borrow();
        logged.iter().flat_map(|lines| lines.lines.iter().map(|(_, line)| line.clone())).collect()
    }

    /// Waits until a line with this in it has been logged.
    pub async fn logged(&self, what: &str) {
        let has = |logged: &Vec<LogLines>| {
            logged.iter().any(|lines| lines.lines.iter().any(|(_, line)| line.contains(what)))
        };
        self.logged.subscribe().wait_for(has).await.unwrap();
    }

    /// Keeps an archive.
    pub fn keep(&self, archive: Bytes) -> Package {
        use sha2::Digest as _;
        let sha256 = hex::encode(sha2::Sha256::digest(&archive));
        let size = archive.len() as u64;
        self.packages.lock().unwrap().insert(sha256.clone(), archive);
        Package { sha256, size }
    }
}

impl World {
    pub async fn new() -> Self {
        World::with(|_| {}, Clock::real(0)).await
    }

    pub async fn with(change: impl FnOnce(&mut Settings), clock: Clock) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = server.local_addr().unwrap();
        let mut settings = Settings {
            directory: directory.path().join("functions"),
            program: FIXTURE.into(),
            endpoint,
            endpoint_tls: false,
            vouched: Vouched::default(),
            endpoint_url: format!("http://localhost:{}", endpoint.port()),
            network: Network::Machine,
            aws_names: true,
            idle_millis: Settings::IDLE_MILLIS,
            most_processes: 20,
        };
        change(&mut settings);
        let host = Arc::new(Host {
            packages: Mutex::default(),
            logged: tokio::sync::watch::Sender::new(Vec::new()),
            keys_end: Mutex::new(clock.now().plus_secs(12 * 3600)),
            keys_given: Mutex::default(),
        });
        // Without the SDKs, which come from registries; interpreters are the machine's.
        let runtimes = Runtimes::new(runtimes::Settings {
            directory: directory.path().join("runtimes"),
            deprecated: true,
            no_sdk: true,
            ..Default::default()
        });
        let given = Arc::clone(&host) as Arc<dyn FunctionHost>;
        let runtime =
            Runtime::new(settings, given, clock.clone(), Ids::from_os().unwrap(), runtimes).unwrap();
        World { runtime, host, clock, directory, server }
    }

    /// A function whose bootstrap is the fixture.
    pub fn function(&self, name: &str) -> FunctionSpec {
        let fixture = std::fs::read(FIXTURE).unwrap();
        let code = self.host.keep(archive(&[("bootstrap", 0o755, &fixture)]));
        FunctionSpec {
            account: "000000000000".to_owned(),
            region: "eu-west-1".to_owned(),
            name: name.to_owned(),
            version: "$LATEST".to_owned(),
            arn: format!("arn:aws:lambda:eu-west-1:000000000000:function:{name}"),
            revision: "1".to_owned(),
            runtime: "provided.al2023".to_owned(),
            handler: Some("handler".to_owned()),
            architecture: if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }.to_owned(),
            timeout_secs: 30,
            memory_mib: 128,
            tmp_mib: 64,
            environment: BTreeMap::new(),
            code,
            layers: Vec::new(),
            role: "arn:aws:iam::000000000000:role/r".to_owned(),
            logging: Logging {
                group: format!("/aws/lambda/{name}"),
                json: false,
                application_level: None,
                system_level: None,
            },
            traced: false,
        }
    }

    pub async fn invoke(&self, spec: &FunctionSpec, event: &str) -> Result<Invoked, NotRun> {
        self.runtime.invoke(Arc::new(spec.clone()), invocation(spec, event)).await
    }

    /// The answer's text, of an invocation that did not fail.
    pub async fn ask(&self, spec: &FunctionSpec, event: &str) -> String {
        let invoked = self.invoke(spec, event).await.unwrap();
        let failed = invoked.failed;
        let text = whole(invoked);
        assert!(!failed, "{text} {:#?}", self.host.lines());
        text
    }

    /// The answer's text, of one that did.
    pub async fn fail(&self, spec: &FunctionSpec, event: &str) -> String {
        let invoked = self.invoke(spec, event).await.unwrap();
        assert!(invoked.failed);
        whole(invoked)
    }
}

pub const ID: &str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";

pub fn invocation(spec: &FunctionSpec, event: &str) -> Invocation {
    Invocation {
        request_id: ID.to_owned(),
        invoked_arn: spec.arn.clone(),
        payload: Bytes::from(serde_json::to_vec(event).unwrap()),
        client_context: None,
        trace_header: Some(
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1".to_owned(),
        ),
        place: None,
    }
}

pub fn whole(invoked: Invoked) -> String {
    match invoked.payload {
        Answer::Whole(bytes) => String::from_utf8(bytes.into()).unwrap(),
        Answer::Stream(_) => panic!("a stream"),
    }
}

/// A zip archive of these files, with their modes.
pub fn archive(files: &[(&str, u32, &[u8])]) -> Bytes {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, mode, contents) in files {
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored)
            .unix_permissions(*mode);
        if name.ends_with('/') {
            zip.add_directory(*name, options).unwrap();
        } else {
            zip.start_file(*name, options).unwrap();
            zip.write_all(contents).unwrap();
        }
    }
    Bytes::from(zip.finish().unwrap().into_inner())
}

/// Waits until something holds.
pub async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}
