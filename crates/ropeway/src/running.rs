//! The server that is running at the moment, and how it is exchanged for an empty one.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use ropeway_core::{BoxFuture, Core, Vouched};
use ropeway_iam::Access;
use ropeway_runtime::Runtime;
use ropeway_wire::Services;
use ropeway_wire::gateway::{Gateway, Metrics};
use ropeway_wire::server::{Body, ConnInfo, Handler};
use tokio::runtime::Handle;

use crate::log::Recent;
use crate::settings::Settings;
use crate::trail::{TRAIL_DIR, Trail};
use crate::{Failure, functions, wiring};

/// Services over an open store.
pub(crate) struct Running {
    pub core: Core,
    /// Decides who may what.
    pub access: Arc<Access>,
    pub services: Arc<Services>,
    pub gateway: Arc<Gateway>,
    /// Takes functions' log lines.
    pub sink: ropeway_logs::Sink,
    /// Keeps the audit log.
    pub recorder: Arc<ropeway_cloudtrail::Recorder>,
    /// Keeps buckets' access logs.
    pub logs: ropeway_s3::AccessLogs,
    /// Runs functions.
    pub runner: Arc<Runtime>,
    /// Which way effects went.
    pub trail: Trail,
    /// Lines that tell how to use the root credentials, when they were made at this start.
    pub root_credentials: Option<(String, String)>,
}

/// Holds what is running; requests meet 503 while nothing is.
pub(crate) struct Switch {
    running: ArcSwapOption<Running>,
    settings: Settings,
    metrics: Arc<Metrics>,
    log: Recent,
    /// What the shards run on.
    runtimes: Vec<Handle>,
    /// Where the server listens.
    local: OnceLock<SocketAddr>,
    vouched: Vouched,
    moving: tokio::sync::Mutex<()>,
}

impl Switch {
    pub fn new(settings: Settings, log: Recent, runtimes: Vec<Handle>) -> Arc<Self> {
        Arc::new(Switch {
            running: ArcSwapOption::empty(),
            settings,
            metrics: Arc::default(),
            log,
            runtimes,
            local: OnceLock::new(),
            vouched: Vouched::default(),
            moving: tokio::sync::Mutex::default(),
        })
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    pub fn recent_log(&self) -> &Recent {
        &self.log
    }

    pub fn runtimes(&self) -> &[Handle] {
        &self.runtimes
    }

    /// Connections whose encryption is taken off before they come here.
    pub fn vouched(&self) -> &Vouched {
        &self.vouched
    }

    /// Notes where the server listens.
    pub fn listens_at(&self, local: SocketAddr) {
        // A server listens at one address, for all that is started behind it.
        let _ = self.local.set(local);
    }

    /// Where the server listens, once it does.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local.get().copied()
    }

    pub fn running(&self) -> Option<Arc<Running>> {
        self.running.load_full()
    }

    /// Opens the store and starts the services.
    pub async fn start(self: &Arc<Self>) -> Result<Arc<Running>, Failure> {
        let running = Arc::new(wiring::start(self).await?);
        self.running.store(Some(Arc::clone(&running)));
        Ok(running)
    }

    /// Stops the services and closes the store.
    pub async fn stop(&self) -> Result<(), Failure> {
        if let Some(running) = self.running.swap(None) {
            running.runner.stop().await;
            running.sink.flush().await;
            running.recorder.flush().await;
            running.logs.flush().await;
            running.core.stop().await?;
            running.trail.sync().await?;
        }
        Ok(())
    }

    /// Moves the clock; it stands so after a restart too.
    pub fn advance(&self, by: Duration) -> Result<(), String> {
        let running = self.running().ok_or("starting")?;
        let clock = running.core.clock();
        let by_millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        write_offset(&self.settings.data_dir, clock.offset_millis().saturating_add(by_millis))
            .map_err(|e| e.to_string())?;
        clock.advance(by);
        Ok(())
    }

    /// Empties the server: everything is stopped, deleted and made anew.
    pub async fn reset(self: Arc<Self>) -> Result<(), String> {
        let _alone = self.moving.lock().await;
        self.stop().await.map_err(|e| format!("{e:?}"))?;
        for name in [wiring::STORE_DIR, wiring::BLOBS_DIR, functions::RUNNER_DIR, TRAIL_DIR, OFFSET_FILE] {
            remove(&self.settings.data_dir.join(name)).map_err(|e| format!("{name}: {e}"))?;
        }
        std::fs::File::open(&self.settings.data_dir)
            .and_then(|dir| dir.sync_all())
            .map_err(|e| e.to_string())?;
        self.start().await.map_err(|e| format!("{e:?}"))?;
        Ok(())
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Keeps the clock's offset.
const OFFSET_FILE: &str = "clock";

/// The clock's offset, in milliseconds; 0 where it was never moved.
pub(crate) fn read_offset(data_dir: &Path) -> std::io::Result<i64> {
    match std::fs::read_to_string(data_dir.join(OFFSET_FILE)) {
        Ok(text) => text
            .trim()
            .parse()
            .map_err(|_| std::io::Error::other("the file of the clock's offset is damaged")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

fn write_offset(data_dir: &Path, millis: i64) -> std::io::Result<()> {
    let fresh = data_dir.join("clock.new");
    let mut file = std::fs::File::create(&fresh)?;
    file.write_all(millis.to_string().as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&fresh, data_dir.join(OFFSET_FILE))?;
    std::fs::File::open(data_dir)?.sync_all()
}

impl Handler for Switch {
    fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        conn: ConnInfo,
    ) -> BoxFuture<'static, Response<Body>> {
        match self.running() {
            Some(running) => Arc::clone(&running.gateway).handle(request, conn),
            None => Box::pin(async {
                let mut answer = Response::new(Body::from("the server is starting or stopping\n"));
                *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                answer
            }),
        }
    }
}
