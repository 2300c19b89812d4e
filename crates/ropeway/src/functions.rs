//! Functions: the service, what runs them, and what ties the two together.

use std::sync::Arc;

use ropeway_core::functions::{FunctionHost, Functions};
use ropeway_core::seal::MasterKey;
use ropeway_core::{Core, Trace};
use ropeway_iam::Access;
use ropeway_lambda::{Concurrency, Lambda, LambdaHost, Parts};
use ropeway_logs::Sink;
use ropeway_runtime::Runtime;
use ropeway_runtime::runtimes::Runtimes;
use ropeway_store::blobs::BlobStore;
use ropeway_wire::{Gate, Roles, Services};

use crate::running::Switch;
use crate::{Failure, wiring};

/// The runner's folder in the data directory: what it can make again.
pub(crate) const RUNNER_DIR: &str = "functions";

/// The service and its runner.
pub(crate) struct Made {
    pub lambda: Arc<Lambda>,
    pub runner: Arc<Runtime>,
}

/// What the making of functions needs.
pub(crate) struct From<'a> {
    pub switch: &'a Switch,
    pub core: &'a Core,
    pub access: &'a Arc<Access>,
    pub blobs: &'a Arc<BlobStore>,
    pub master: &'a MasterKey,
    pub services: &'a Arc<Services>,
    pub concurrency: &'a Concurrency,
    pub sink: &'a Sink,
}

/// Makes the service and its runner.
pub(crate) fn make(from: &From<'_>) -> Result<Made, Failure> {
    let gate: Arc<dyn Gate> = from.access.clone();
    let roles: Arc<dyn Roles> = from.access.clone();
    let core = from.core;
    let host = Arc::new(LambdaHost::new(
        Arc::clone(from.blobs),
        from.master,
        Arc::clone(from.services),
        Arc::clone(&gate),
        (core.clock().clone(), core.ids().clone()),
    ));
    let sink = from.sink.clone();
    host.log_to(Arc::new(move |lines| sink.log(lines)));
    let runner = Arc::new(runner(from, host)?);
    let lambda = Arc::new(Lambda::new(Parts {
        core: core.clone(),
        blobs: Arc::clone(from.blobs),
        master: from.master.clone(),
        concurrency: from.concurrency.clone(),
        gate,
        roles,
        services: Arc::clone(from.services),
        functions: Arc::clone(&runner) as Arc<dyn Functions>,
    }));
    collect_now_and_then(core.clone(), Arc::clone(&lambda));
    Ok(Made { lambda, runner })
}

/// The server's address as functions and their clients know it.
pub(crate) fn own_address(switch: &Switch) -> String {
    let settings = switch.settings();
    let here = || {
        let port = switch.local_addr().unwrap_or(settings.listen).port();
        format!("{}://localhost:{port}", if settings.serves_tls() { "https" } else { "http" })
    };
    settings.public_url.clone().unwrap_or_else(here)
}

fn runner(from: &From<'_>, host: Arc<dyn FunctionHost>) -> Result<Runtime, Failure> {
    let settings = from.switch.settings();
    let directory = settings.data_dir.join(RUNNER_DIR);
    let endpoint = from.switch.local_addr().unwrap_or(settings.listen);
    let given = ropeway_runtime::Settings {
        directory,
        // This very program, also where a newer one has taken its place on disk meanwhile.
        program: "/proc/self/exe".into(),
        endpoint,
        endpoint_tls: settings.serves_tls(),
        vouched: from.switch.vouched().clone(),
        endpoint_url: own_address(from.switch),
        network: ropeway_runtime::Network::Machine,
        aws_names: true,
        idle_millis: ropeway_runtime::Settings::IDLE_MILLIS,
        most_processes: ropeway_runtime::Settings::MOST_PROCESSES,
    };
    let runtimes = Runtimes::new(settings.runtimes.clone());
    let (clock, ids) = (from.core.clock().clone(), from.core.ids().clone());
    Ok(Runtime::new(given, host, clock, ids, runtimes)?)
}

/// Deletes packages that nobody uses: at start, when a crash may have left some, and every hour.
#[allow(clippy::disallowed_methods, reason = "the binary's own task; it ends when the core stops")]
fn collect_now_and_then(core: Core, lambda: Arc<Lambda>) {
    tokio::spawn(async move {
        let stopping = core.signals().named("lambda/collection");
        while !core.signals().is_closed() {
            match lambda.collect(&Trace::from("collection")).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "packages that nobody uses were deleted"),
                Err(error) => tracing::warn!(%error, "packages that nobody uses were not collected"),
            }
            let next = core.clock().now().plus_secs(wiring::COLLECTED_EVERY_SECS);
            tokio::select! {
                () = core.clock().sleep_until(next) => {}
                () = stopping.notified() => {}
            }
        }
    });
}
