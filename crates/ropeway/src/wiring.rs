//! Which services there are, and what each is given.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use ropeway_core::keys::Space;
use ropeway_core::log_lines::LogSink;
use ropeway_core::seal::MasterKey;
use ropeway_core::{Actor, Builder, Clock, Core, Ids, Trace};
use ropeway_iam::Access;
use ropeway_store::blobs::BlobStore;
use ropeway_store::embedded::{BulkKeys, EmbeddedStore, Options};
use ropeway_wire::audit::Audit;
use ropeway_wire::gateway::Gateway;
use ropeway_wire::sigv4::SigningKeys;
use ropeway_wire::{Credentials, Dispatch, Gate, Roles, Services};

use crate::internal::Own;
use crate::outside::Outside;
use crate::running::{Running, Switch, read_offset};
use crate::settings::Settings;
use crate::trail::{TRAIL_DIR, Trail};
use crate::{Failure, functions, output};

/// The store's folder in the data directory.
pub(crate) const STORE_DIR: &str = "store";
/// The blob store's.
pub(crate) const BLOBS_DIR: &str = "blobs";
/// The exit code after a failed write or sync of the journal: what happened is settled at the next start.
const STORE_FAILED: i32 = 70;

/// Seconds between two collections of what nobody names any more.
pub(crate) const COLLECTED_EVERY_SECS: i64 = 3600;

/// Opens the store, makes the services over it, and starts their deliveries.
pub(crate) async fn start(switch: &Arc<Switch>) -> Result<Running, Failure> {
    let settings = switch.settings();
    let clock = Clock::real(read_offset(&settings.data_dir)?);
    let ids = Ids::from_os()?;
    let master = master_key(settings, &ids)?;
    let store = open_store(settings)?;
    let blobs = open_blobs(settings)?;
    let access = access(settings, &master, &clock);
    let gate: Arc<dyn Gate> = access.clone();
    let roles: Arc<dyn Roles> = access.clone();
    let concurrency = ropeway_lambda::Concurrency::default();
    let live = ropeway_apigateway::Live::default();
    let buckets = ropeway_s3::Live::default();
    let audited = Arc::new(ropeway_cloudtrail::Registry::default());
    let trail = Trail::open(settings.data_dir.join(TRAIL_DIR), clock.clone())?;
    let lines = Arc::new(OnceLock::new());
    let builder = Builder::new(Arc::new(store), clock, ids.clone())
        .witness(trail.witness())
        .machine(access.machines())
        .machine(ropeway_sqs::machine(sqs_setup(settings, &gate, &master)))
        .machine(ropeway_sns::machine(Arc::clone(&gate), later(&lines), &ids))
        .machine(ropeway_s3::machine(Arc::clone(&gate), buckets.clone()))
        .machine(ropeway_firehose::machine(Arc::clone(&gate), Arc::clone(&roles), master.clone()))
        .machine(ropeway_logs::machine())
        .machine(ropeway_apigateway::machine(live.clone()))
        .machine(ropeway_lambda::machine(Arc::clone(&gate), master.clone(), concurrency.clone()))
        .machine(ropeway_cloudtrail::machine(Arc::clone(&audited)))
        .machine(ropeway_cloudformation::machine());
    let core = builder.start(switch.runtimes().to_vec()).await?;
    let services = Arc::new(Services::default());
    let sink = take_lines(&core, &services, &gate, &roles);
    lines.get_or_init(|| sink.clone());
    let from = functions::From {
        switch,
        core: &core,
        access: &access,
        blobs: &blobs,
        master: &master,
        services: &services,
        concurrency: &concurrency,
        sink: &sink,
    };
    let functions = functions::make(&from)?;
    let signing = Arc::new(ropeway_sns::Signing::new(core.clone(), master.clone()));
    let mut made = make_services(&core, &access, (&blobs, &buckets), &master, &services, &signing, switch);
    made.dispatches.push(ropeway_lambda::dispatch(Arc::clone(&functions.lambda)));
    made.actors.insert(Space::Lambda, Arc::new(ropeway_lambda::LambdaActor::new(&functions.lambda)));
    let apis = add_apis(&core, live, settings, &mut made);
    let posting = ropeway_sns::SnsActor::new(core.clone(), Arc::clone(&signing), Arc::new(Outside::new()));
    made.actors.insert(Space::Sns, Arc::new(posting));
    let recorder = keep_audit_log(&from, audited, &mut made);
    let (front, logs) = stand_before_buckets(&core, &services, &access, made.s3, buckets);
    services.set(made.dispatches);
    core.start_actors(made.actors);
    let root = ropeway_iam::ensure_root(&core, &access, &settings.account).await;
    let root = root.map_err(|e| Failure::Failed(e.to_string()))?;
    let gateway = Arc::new(Gateway {
        services: Arc::clone(&services),
        gate,
        credentials: access.clone() as Arc<dyn Credentials>,
        clock: core.clock().clone(),
        ids,
        default_account: settings.account.clone(),
        metrics: Arc::clone(switch.metrics()),
        internal: Arc::new(Own { switch: Arc::clone(switch) }),
        host: settings.public_host(),
        sites: vec![
            Arc::new(ropeway_lambda::FunctionUrls::new(&functions.lambda)),
            stages(apis, &services, &roles, &sink),
            Arc::new(ropeway_cloudformation::Responses::new(core.clone())),
            Arc::new(ropeway_sns::Certificates(signing)),
            Arc::new(ropeway_s3::Websites(Arc::clone(&front))),
        ],
        fronts: vec![front],
        signing_keys: SigningKeys::default(),
    });
    let root_credentials = root.created.then_some((root.access_key_id, root.secret.to_string()));
    let runner = functions.runner;
    Ok(Running { core, access, services, gateway, sink, recorder, logs, runner, trail, root_credentials })
}

/// REST APIs and HTTP APIs: one service of two models.
fn add_apis(
    core: &Core,
    live: ropeway_apigateway::Live,
    settings: &Settings,
    made: &mut Made,
) -> Arc<ropeway_apigateway::ApiGateway> {
    let apis = Arc::new(ropeway_apigateway::service(core.clone(), live, settings.api_limits));
    made.dispatches.push(ropeway_apigateway::dispatch(Arc::clone(&apis)));
    made.dispatches.push(ropeway_apigateway::dispatch_http(Arc::clone(&apis)));
    apis
}

fn open_blobs(settings: &Settings) -> Result<Arc<BlobStore>, Failure> {
    let blobs = BlobStore::open_local(&settings.data_dir.join(BLOBS_DIR));
    blobs.map(Arc::new).map_err(|e| Failure::Failed(e.to_string()))
}

fn open_store(settings: &Settings) -> Result<EmbeddedStore, Failure> {
    let options = Options {
        // Messages and their parts: many, and short-lived.
        bulk_keys: BulkKeys {
            begin: Bytes::from_static(&[Space::Sqs as u8, 2]),
            end: Some(Bytes::from_static(&[Space::Sqs as u8, 4])),
        },
        reserve_bytes: settings.reserve_bytes,
        on_fatal: Arc::new(|why| {
            output::error(&format!("the store has failed, and the server ends: {why}"));
            std::process::exit(STORE_FAILED);
        }),
        ..Options::default()
    };
    let dir = settings.data_dir.join(STORE_DIR);
    EmbeddedStore::open(&dir, options).map_err(|e| Failure::Failed(e.to_string()))
}

/// The master key; a new one only where there is no data that the old one would be needed for.
fn master_key(settings: &Settings, ids: &Ids) -> Result<MasterKey, Failure> {
    let fresh = !settings.data_dir.join(STORE_DIR).exists();
    let path: &Path = &settings.master_key;
    MasterKey::load(path, ids, fresh).map_err(|error| {
        let lost = if fresh {
            ""
        } else {
            ". Without it, nothing that is stored can be read: bring it back from a copy"
        };
        Failure::Failed(format!("the master key {}: {error}{lost}", path.display()))
    })
}

fn access(settings: &Settings, master: &MasterKey, clock: &Clock) -> Arc<Access> {
    let access = Access::new(master, clock.clone());
    Arc::new(if settings.dev { access.with_development_keys(&settings.account) } else { access })
}

fn sqs_setup(settings: &Settings, gate: &Arc<dyn Gate>, master: &MasterKey) -> ropeway_sqs::Setup {
    let options = ropeway_sqs::Options { strict_delays: !settings.dev, ..ropeway_sqs::Options::default() };
    ropeway_sqs::Setup { gate: Arc::clone(gate), master: master.clone(), options }
}

struct Made {
    s3: Arc<ropeway_s3::S3Service>,
    dispatches: Vec<Arc<dyn Dispatch>>,
    actors: BTreeMap<Space, Arc<dyn Actor>>,
}

fn make_services(
    core: &Core,
    access: &Arc<Access>,
    (blobs, buckets): (&Arc<BlobStore>, &ropeway_s3::Live),
    master: &MasterKey,
    services: &Arc<Services>,
    signing: &Arc<ropeway_sns::Signing>,
    switch: &Switch,
) -> Made {
    let settings = switch.settings();
    let gate: Arc<dyn Gate> = access.clone();
    let roles: Arc<dyn Roles> = access.clone();
    let options = ropeway_s3::Options { dev: settings.dev, classic_buckets: settings.s3_classic_buckets };
    let blobs_of_s3 = Arc::clone(blobs);
    let s3_services = Arc::clone(services);
    let s3_service =
        ropeway_s3::S3Service::new(core.clone(), buckets.clone(), blobs_of_s3, master, s3_services, options);
    let s3_service = Arc::new(s3_service);
    let sqs_service =
        Arc::new(ropeway_sqs::SqsService::new(core.clone(), sqs_setup(settings, &gate, master)));
    let sns_service = Arc::new(ropeway_sns::service(core.clone(), Arc::clone(&roles), Arc::clone(signing)));
    let streams = Arc::new(ropeway_firehose::service(
        core.clone(),
        Arc::clone(&roles),
        master.clone(),
        settings.firehose_quota,
    ));
    let logs_setup = ropeway_logs::Setup {
        gate: Arc::clone(&gate),
        roles: Arc::clone(&roles),
        master: master.clone(),
        services: Arc::clone(services),
    };
    let logs_service = Arc::new(ropeway_logs::service(core.clone(), logs_setup));
    let stacks = Arc::new(ropeway_cloudformation::service(core.clone(), Arc::clone(services)));
    let iam_service = Arc::new(ropeway_iam::IamService::new(core.clone(), Arc::clone(access)));
    let sts_service = Arc::new(ropeway_iam::StsService::new(core.clone(), Arc::clone(access)));
    collect_now_and_then(core.clone(), Arc::clone(&s3_service));
    let dispatches: Vec<Arc<dyn Dispatch>> = vec![
        ropeway_sqs::dispatch(sqs_service),
        ropeway_sns::dispatch(sns_service),
        ropeway_s3::dispatch(Arc::clone(&s3_service)),
        ropeway_firehose::dispatch(streams),
        ropeway_logs::dispatch(logs_service),
        ropeway_cloudformation::dispatch_cloud_control(Arc::new(ropeway_cloudformation::cloud_control(
            services,
        ))),
        ropeway_cloudformation::dispatch(stacks),
        ropeway_iam::dispatch(iam_service),
        ropeway_iam::dispatch_sts(sts_service),
    ];
    let deliveries = ropeway_firehose::FirehoseActor::new(
        core.clone(),
        Arc::clone(services),
        Arc::clone(&gate),
        Arc::clone(&roles),
        master.clone(),
        Arc::new(Outside::new()),
    );
    let local = functions::own_address(switch);
    let surroundings = ropeway_cloudformation::Surroundings {
        services: Arc::clone(services),
        gate,
        roles,
        addresses: ropeway_cloudformation::Addresses { local },
    };
    let deployer = ropeway_cloudformation::actor(core.clone(), surroundings);
    let actors: [(Space, Arc<dyn Actor>); 4] = [
        (Space::S3, Arc::new(ropeway_s3::S3Actor::new(Arc::clone(blobs)))),
        (Space::Firehose, Arc::new(deliveries)),
        (Space::CloudFormation, Arc::new(deployer)),
        (Space::Logs, Arc::new(ropeway_logs::LogsActor::new(core.clone(), master.clone()))),
    ];
    Made { s3: s3_service, dispatches, actors: actors.into() }
}

/// What serves the deployed stages of REST and HTTP APIs.
fn stages(
    gateway: Arc<ropeway_apigateway::ApiGateway>,
    services: &Arc<Services>,
    roles: &Arc<dyn Roles>,
    sink: &ropeway_logs::Sink,
) -> Arc<ropeway_apigateway::Plane> {
    let sink = sink.clone();
    ropeway_apigateway::Plane::new(ropeway_apigateway::Parts {
        gateway,
        services: Arc::clone(services),
        roles: Arc::clone(roles),
        outgoing: Arc::new(Outside::new()),
        logs: Arc::new(move |lines| sink.log(lines)),
    })
}

/// Takes log lines on behalf of machines, which are made before the sink.
fn later(sink: &Arc<OnceLock<ropeway_logs::Sink>>) -> LogSink {
    let sink = Arc::clone(sink);
    Arc::new(move |lines| match sink.get() {
        Some(sink) => sink.log(lines),
        None => tracing::warn!(group = lines.group, "log lines came before the server had started"),
    })
}

/// Takes what functions print and what APIs log, and puts it once a second.
#[allow(clippy::disallowed_methods, reason = "the binary's own task; it ends when the core stops")]
fn take_lines(
    core: &Core,
    services: &Arc<Services>,
    gate: &Arc<dyn Gate>,
    roles: &Arc<dyn Roles>,
) -> ropeway_logs::Sink {
    let sink =
        ropeway_logs::Sink::new(core.clone(), Arc::clone(services), Arc::clone(gate), Arc::clone(roles));
    let running = sink.clone();
    tokio::spawn(async move { running.run().await });
    sink
}

/// What stands before S3, and the access logs of its buckets, which are written once a second.
#[allow(clippy::disallowed_methods, reason = "the binary's own task; it ends when the core stops")]
fn stand_before_buckets(
    core: &Core,
    services: &Arc<Services>,
    access: &Arc<Access>,
    s3: Arc<ropeway_s3::S3Service>,
    buckets: ropeway_s3::Live,
) -> (Arc<ropeway_s3::S3Front>, ropeway_s3::AccessLogs) {
    let logs = ropeway_s3::AccessLogs::new(core.clone(), Arc::clone(services), access.clone());
    let running = logs.clone();
    tokio::spawn(async move { running.run().await });
    (Arc::new(ropeway_s3::S3Front::new(s3, buckets, access.clone(), logs.clone())), logs)
}

/// Serves trails, and records what is called.
#[allow(clippy::disallowed_methods, reason = "the binary's own task; it ends when the core stops")]
fn keep_audit_log(
    from: &functions::From<'_>,
    registry: Arc<ropeway_cloudtrail::Registry>,
    made: &mut Made,
) -> Arc<ropeway_cloudtrail::Recorder> {
    let core = from.core;
    let setup = ropeway_cloudtrail::Setup {
        registry,
        services: Arc::clone(from.services),
        gate: from.access.clone(),
        master: from.master.clone(),
    };
    let service = Arc::new(ropeway_cloudtrail::service(core.clone(), setup.clone()));
    made.dispatches.push(ropeway_cloudtrail::dispatch(service));
    let deliveries = ropeway_cloudtrail::CloudTrailActor::new(core.clone(), setup.clone());
    made.actors.insert(Space::CloudTrail, Arc::new(deliveries));
    let recorder = ropeway_cloudtrail::Recorder::new(core.clone(), Arc::clone(&setup.registry));
    let recorder = Arc::new(recorder);
    let running = Arc::clone(&recorder);
    tokio::spawn(async move { running.run().await });
    from.services.set_audit(Arc::clone(&recorder) as Arc<dyn Audit>);
    recorder
}

/// Deletes bodies that no object names: at start, when a crash may have left some, and every hour.
#[allow(clippy::disallowed_methods, reason = "the binary's own task; it ends when the core stops")]
fn collect_now_and_then(core: Core, s3: Arc<ropeway_s3::S3Service>) {
    tokio::spawn(async move {
        let stopping = core.signals().named("s3/collection");
        while !core.signals().is_closed() {
            match s3.collect(&Trace::from("collection")).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "bodies that no object names were deleted"),
                Err(error) => tracing::warn!(%error, "bodies that no object names were not collected"),
            }
            let next = core.clock().now().plus_secs(COLLECTED_EVERY_SECS);
            tokio::select! {
                () = core.clock().sleep_until(next) => {}
                () = stopping.notified() => {}
            }
        }
    });
}
