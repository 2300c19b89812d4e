//! Settings: flags and environment first, then the file, then what is built in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use ropeway_runtime::{Url, runtimes};
use serde::Deserialize;

use crate::Failure;
use crate::cli::StartArgs;

/// What a server is started with.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub data_dir: PathBuf,
    pub listen: SocketAddr,
    pub account: String,
    pub dev: bool,
    pub master_key: PathBuf,
    pub tls: TlsSetting,
    /// Where clients find the server; `None`: at localhost.
    pub public_url: Option<String>,
    pub threads: usize,
    /// Connections at once; by default as many as the limit of open files allows.
    pub max_connections: Option<NonZeroUsize>,
    pub reserve_bytes: u64,
    pub api_limits: ropeway_apigateway::Limits,
    /// What delivery streams take in a second.
    pub firehose_quota: ropeway_firehose::Quota,
    pub s3_classic_buckets: bool,
    pub require_sandbox: bool,
    pub runtimes: runtimes::Settings,
}

/// The limits of an account's APIs: AWS's own, or what is set, half of it at once.
fn api_limits(per_second: Option<u32>) -> ropeway_apigateway::Limits {
    let limits = |rate: u32| ropeway_apigateway::Limits { rate: f64::from(rate), burst: (rate / 2).max(1) };
    per_second.map_or_else(Default::default, limits)
}

/// Development is about what a program does, not about how much of it AWS lets pass.
fn firehose_quota(mebibytes: Option<u32>, dev: bool) -> ropeway_firehose::Quota {
    match mebibytes {
        Some(0) => ropeway_firehose::Quota::Unlimited,
        Some(count) => ropeway_firehose::Quota::Mebibytes(count),
        None if dev => ropeway_firehose::Quota::Unlimited,
        None => ropeway_firehose::Quota::Aws,
    }
}

/// Whether and with what TLS is served.
#[derive(Debug, Clone)]
pub(crate) enum TlsSetting {
    Off,
    LocalAuthority,
    Own { cert: PathBuf, key: PathBuf },
}

/// The settings' file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    data_dir: Option<PathBuf>,
    listen: Option<SocketAddr>,
    account: Option<String>,
    dev: Option<bool>,
    master_key: Option<PathBuf>,
    tls: Option<bool>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    public_url: Option<String>,
    threads: Option<usize>,
    max_connections: Option<NonZeroUsize>,
    reserve_mib: Option<u64>,
    api_requests_per_second: Option<u32>,
    firehose_mib_per_second: Option<u32>,
    s3_classic_buckets: Option<bool>,
    require_sandbox: Option<bool>,
    runtimes_dir: Option<PathBuf>,
    stand_in: Option<BTreeMap<String, String>>,
    deprecated_runtimes: Option<bool>,
    no_runtime_sdk: Option<bool>,
}

impl Settings {
    /// Puts the settings together.
    pub fn from(arguments: StartArgs) -> Result<Self, Failure> {
        let file = match &arguments.config {
            None => File::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))?;
                toml::from_str(&text).map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))?
            }
        };
        let data_dir = arguments.data_dir.or(file.data_dir);
        let data_dir = data_dir
            .ok_or_else(|| Failure::Usage("say where to keep the data: --data-dir DIR".to_owned()))?;
        let default_listen = SocketAddr::from(([127, 0, 0, 1], 4566));
        let settings = Settings {
            listen: arguments.listen.or(file.listen).unwrap_or(default_listen),
            account: arguments.account.or(file.account).unwrap_or_else(|| "000000000000".to_owned()),
            s3_classic_buckets: arguments.s3_classic_buckets.or(file.s3_classic_buckets).unwrap_or(false),
            require_sandbox: arguments.require_sandbox.or(file.require_sandbox).unwrap_or(false),
            dev: arguments.dev.or(file.dev).unwrap_or(false),
            master_key: arguments
                .master_key
                .or(file.master_key)
                .unwrap_or_else(|| data_dir.join("master.key")),
            tls: tls(
                arguments.tls.or(file.tls).unwrap_or(false),
                arguments.tls_cert.or(file.tls_cert),
                arguments.tls_key.or(file.tls_key),
            )?,
            public_url: arguments.public_url.or(file.public_url),
            threads: arguments.threads.or(file.threads).unwrap_or(0),
            max_connections: arguments.max_connections.or(file.max_connections),
            reserve_bytes: arguments
                .reserve_mib
                .or(file.reserve_mib)
                .unwrap_or(256)
                .saturating_mul(1024 * 1024),
            firehose_quota: firehose_quota(
                arguments.firehose_mib_per_second.or(file.firehose_mib_per_second),
                arguments.dev.or(file.dev).unwrap_or(false),
            ),
            api_limits: api_limits(arguments.api_requests_per_second.or(file.api_requests_per_second)),
            runtimes: runtimes::Settings {
                directory: runtimes_directory(&data_dir, arguments.runtimes_dir.or(file.runtimes_dir))?,
                stand_ins: stand_ins(&arguments.stand_in, file.stand_in)?,
                deprecated: arguments.deprecated_runtimes.or(file.deprecated_runtimes).unwrap_or(false),
                no_sdk: arguments.no_runtime_sdk.or(file.no_runtime_sdk).unwrap_or(false),
            },
            data_dir,
        };
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), Failure> {
        if self.account.len() != 12 || !self.account.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Failure::Usage(format!(
                "an account id has 12 digits, and {:?} has not",
                self.account
            )));
        }
        if self.dev && !self.listen.ip().is_loopback() {
            return Err(Failure::Usage(format!(
                "--dev serves on loopback alone, and {} is not",
                self.listen.ip()
            )));
        }
        if let Some(url) = &self.public_url {
            Url::parse(url).map_err(|why| Failure::Usage(format!("--public-url: {why}")))?;
        }
        Ok(())
    }

    /// Whether TLS is served.
    pub fn serves_tls(&self) -> bool {
        !matches!(self.tls, TlsSetting::Off)
    }

    /// The host that clients find the server at, where it is said.
    pub fn public_host(&self) -> Option<String> {
        self.public_url.as_deref().and_then(|url| Url::parse(url).ok()).map(|url| url.host)
    }
}

/// Where interpreters and SDKs are kept: a path that holds wherever tools and sandboxes run.
pub(crate) fn runtimes_directory(data_dir: &Path, given: Option<PathBuf>) -> std::io::Result<PathBuf> {
    std::path::absolute(given.unwrap_or_else(|| data_dir.join("runtimes")))
}

/// The stand-ins of the flags, or of the file; both names must be runtimes of the same language.
fn stand_ins(
    flags: &[String],
    file: Option<BTreeMap<String, String>>,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut stand_ins = if flags.is_empty() { file.unwrap_or_default() } else { BTreeMap::new() };
    for flag in flags {
        let (runtime, other) = flag
            .split_once('=')
            .ok_or_else(|| Failure::Usage(format!("a stand-in is RUNTIME=RUNTIME, and {flag:?} is not")))?;
        stand_ins.insert(runtime.to_owned(), other.to_owned());
    }
    match runtimes::check_stand_ins(&stand_ins) {
        Ok(()) => Ok(stand_ins),
        Err(why) => Err(Failure::Usage(why)),
    }
}

fn tls(local: bool, cert: Option<PathBuf>, key: Option<PathBuf>) -> Result<TlsSetting, Failure> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(TlsSetting::Own { cert, key }),
        (None, None) if local => Ok(TlsSetting::LocalAuthority),
        (None, None) => Ok(TlsSetting::Off),
        _ => Err(Failure::Usage("tls-cert and tls-key go together".to_owned())),
    }
}
