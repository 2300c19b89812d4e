//! `ropeway start`: serve until told to stop.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use ropeway_core::Clock;
use ropeway_wire::server::{Options, Server, Threads, Tls};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::StartArgs;
use crate::running::{Running, Switch};
use crate::settings::{Settings, TlsSetting};
use crate::{Failure, log, output};

/// How long requests in flight may take to end when the server stops.
const DRAIN: Duration = Duration::from_secs(8);

/// Serves.
pub(crate) fn run(arguments: StartArgs) -> Result<(), Failure> {
    let settings = Settings::from(arguments)?;
    let recent = log::begin();
    ropeway_store::make_dir(&settings.data_dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Connections and shards share these threads, so that a request and its command seldom change theirs.
    let threads = Threads::start(settings.threads)?;
    let switch = Switch::new(settings, recent, threads.runtimes().to_vec());
    runtime.block_on(serve(switch, &threads))
}

async fn serve(switch: Arc<Switch>, threads: &Threads) -> Result<(), Failure> {
    let settings = switch.settings().clone();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let options = Options {
        max_connections: connections(&settings, raise_open_files()),
        tls: tls(&settings)?,
        vouched: switch.vouched().clone(),
        ..Options::default()
    };
    let server = Server::bind(settings.listen, options)
        .map_err(|e| Failure::Failed(format!("{}: {e}", settings.listen)))?;
    // Functions are told where they find the server.
    switch.listens_at(server.local_addr());
    let running = switch.start().await?;
    if settings.require_sandbox {
        require_sandbox(&running).await?;
    }
    let handler: Arc<dyn ropeway_wire::server::Handler> = switch.clone();
    let handle = server.serve(handler, threads)?;
    announce(&settings, &running, handle.local_addr());
    let told = async {
        if !settings.require_sandbox {
            tell_of_sandbox(&running).await;
        }
        drop(running);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = told => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    // Long polls are answered empty as soon as the core wakes them.
    if let Some(running) = switch.running() {
        running.core.signals().close();
    }
    let cut = handle.stop(DRAIN).await;
    if cut > 0 {
        tracing::warn!(cut, "connections were cut");
    }
    switch.stop().await
}

/// Fails where functions' sandboxes lack a part.
async fn require_sandbox(running: &Running) -> Result<(), Failure> {
    match running.runner.probe().await {
        Ok(missing) if missing.is_empty() => Ok(()),
        Ok(missing) => Err(Failure::Failed(format!("sandboxes would lack {}", missing.join("; ")))),
        Err(why) => Err(Failure::Failed(format!("functions cannot run here: {why}"))),
    }
}

/// Says what functions' sandboxes lack. After the ready line: it takes some milliseconds, and serving need not wait.
async fn tell_of_sandbox(running: &Running) {
    match running.runner.probe().await {
        Ok(missing) if missing.is_empty() => {}
        Ok(missing) => tracing::warn!(missing = missing.join("; "), "functions' sandboxes are not whole"),
        Err(why) => tracing::warn!(why, "functions cannot run here"),
    }
}

/// Lets the server open as many files as the system admits, and says how many: a connection takes one, a process of a
/// function about ten.
fn raise_open_files() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let raised = setrlimit(Resource::Nofile, most);
    let files = match raised {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files could not be raised");
            limit.current
        }
    };
    files.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX)
}

/// How many connections there may be: as many as is said, or as go with a limit of open files, of which the store and
/// the functions need some, too.
fn connections(settings: &Settings, files: usize) -> usize {
    let left = files.saturating_sub(4096).max(files / 2).min(16_384);
    settings.max_connections.map_or(left, NonZeroUsize::get)
}

fn tls(settings: &Settings) -> Result<Option<Tls>, Failure> {
    match &settings.tls {
        TlsSetting::Off => Ok(None),
        TlsSetting::Own { cert, key } => {
            Ok(Some(Tls::from_pem(&std::fs::read(cert)?, &std::fs::read(key)?)?))
        }
        TlsSetting::LocalAuthority => {
            let names = ["localhost", "s3.localhost", "*.s3.localhost", "127.0.0.1", "::1"];
            let mut names = names.map(str::to_owned).to_vec();
            names.extend(settings.public_host().into_iter().flat_map(|host| {
                // Below an address there are no names.
                let below = host.parse::<std::net::IpAddr>().is_err().then(|| format!("*.{host}"));
                std::iter::once(host).chain(below)
            }));
            let now = Clock::real(0).machine_time();
            Ok(Some(Tls::local_ca(&settings.data_dir.join("tls"), &names, now)?))
        }
    }
}

/// The lines that a person or a script waits for. The ready line comes last.
fn announce(settings: &Settings, running: &Running, local: std::net::SocketAddr) {
    let scheme = if settings.serves_tls() { "https" } else { "http" };
    if let Some((id, secret)) = &running.root_credentials {
        output::line("The root credentials of this server, shown this once:");
        output::line(&format!("  export AWS_ACCESS_KEY_ID={id}"));
        output::line(&format!("  export AWS_SECRET_ACCESS_KEY={secret}"));
    }
    if settings.dev {
        output::line(
            "For development: AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test are root credentials.",
        );
    }
    output::line(&format!("  export AWS_ENDPOINT_URL={scheme}://{local} AWS_REGION=us-east-1"));
    output::line(&format!(
        "Ropeway is ready at {scheme}://{local} (data in {})",
        settings.data_dir.display()
    ));
}
