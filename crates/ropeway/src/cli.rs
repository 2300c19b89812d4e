//! The command line: one definition for flags, environment and help.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Event-driven serverless applications — queues, topics, buckets, delivery streams and the
/// templates that make them — from one binary, on disks you own, speaking the AWS wire protocols.
#[derive(Debug, Parser)]
#[command(name = "ropeway", version, about, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  ropeway start --data-dir ./data --dev          serve on http://127.0.0.1:4566, with test/test as root
  ropeway deploy systems/order-events            create or update a stack from a folder's template
  ropeway outputs order-events                   what the stack says of itself
  export AWS_ENDPOINT_URL=http://localhost:4566  all that an AWS SDK or the aws CLI needs to know

Exit codes: 0 done, 1 failed, 2 used wrongly.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve, in the foreground, until SIGTERM or SIGINT.
    Start(StartArgs),
    /// Create or update a stack from a template, and wait until it stands. Code that the template names by a
    /// local path is built and uploaded first: Rust by cargo, Node by npm, Python by pip.
    Deploy(DeployArgs),
    /// Deploy a folder, and go on: what changes in it is built and deployed anew, and the logs of its functions are
    /// followed, until Ctrl-C.
    Dev(DevArgs),
    /// Empty a stack's buckets, delete the stack, and wait until it is gone.
    Destroy(DestroyArgs),
    /// Print a stack's outputs.
    Outputs(StackArgs),
    /// List stacks, or the resources of one.
    Ls(LsArgs),
    /// Print the log of a function or of a log group; of neither, the server's own.
    Logs(LogsArgs),
    /// Show which way a message went: each delivery that a request caused.
    Trace(TraceArgs),
    /// Who may what, and why.
    Iam(IamArgs),
    /// Users of the server's APIs.
    User(UserArgs),
    /// The access keys of the root.
    RootKeys(RootKeysArgs),
    /// Check that this machine and data directory are fit to serve.
    Doctor(DoctorArgs),
    /// Add functions' runtimes to this machine, or list them.
    Runtime(RuntimeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// Settings, one a line, named as the flags (`data-dir = "/var/lib/ropeway"`). Flags and
    /// environment come first.
    #[arg(long, env = "ROPEWAY_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where everything is kept; made if it is not there.
    #[arg(long, env = "ROPEWAY_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address to serve on [default: 127.0.0.1:4566].
    #[arg(long, env = "ROPEWAY_LISTEN", value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// The account of the root credentials [default: 000000000000].
    #[arg(long, env = "ROPEWAY_ACCOUNT", value_name = "ID")]
    pub account: Option<String>,
    /// For development, on loopback alone: `test`/`test` are root credentials, a 12-digit access key
    /// id with secret `test` is the root of that account, the clock can be moved, the server emptied.
    #[arg(long, env = "ROPEWAY_DEV", num_args = 0..=1, default_missing_value = "true")]
    pub dev: Option<bool>,
    /// File of the key that data at rest is encrypted with [default: DIR/master.key].
    #[arg(long, env = "ROPEWAY_MASTER_KEY", value_name = "FILE")]
    pub master_key: Option<PathBuf>,
    /// Serve TLS, with a certificate of a local authority kept in DIR/tls.
    #[arg(long, env = "ROPEWAY_TLS", num_args = 0..=1, default_missing_value = "true")]
    pub tls: Option<bool>,
    /// Serve TLS with this certificate chain (PEM).
    #[arg(long, env = "ROPEWAY_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's key (PEM).
    #[arg(long, env = "ROPEWAY_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Where clients find this server (`https://ropeway.example.com`): what functions are told
    /// (`AWS_ENDPOINT_URL`), so that pre-signed URLs that they make are good outside. `BUCKET.HOST` is a
    /// bucket [default: http://localhost:PORT, with https where TLS is served].
    #[arg(long, env = "ROPEWAY_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Threads that serve [default: one for each core].
    #[arg(long, env = "ROPEWAY_THREADS", value_name = "N")]
    pub threads: Option<usize>,
    /// Connections at once; one more is answered 503 and closed [default: what the system's limit of open files leaves
    /// beside 4,096 for all else, at most 16,384].
    #[arg(long, env = "ROPEWAY_MAX_CONNECTIONS", value_name = "N")]
    pub max_connections: Option<NonZeroUsize>,
    /// Where interpreters and SDKs for functions are kept; data directories may share it [default:
    /// DIR/runtimes].
    #[arg(long, env = "ROPEWAY_RUNTIMES_DIR", value_name = "DIR")]
    pub runtimes_dir: Option<PathBuf>,
    /// Do not start where functions' sandboxes would lack a part; `ropeway doctor` says which.
    #[arg(long, env = "ROPEWAY_REQUIRE_SANDBOX", num_args = 0..=1, default_missing_value = "true")]
    pub require_sandbox: Option<bool>,
    /// Run functions of a runtime on the interpreter of another where its own is missing, as in
    /// `nodejs18.x=nodejs20.x`; may be given many times.
    #[arg(long, env = "ROPEWAY_STAND_IN", value_name = "RUNTIME=RUNTIME", value_delimiter = ',')]
    pub stand_in: Vec<String>,
    /// Take functions of runtimes that AWS has deprecated, such as nodejs16.x.
    #[arg(long, env = "ROPEWAY_DEPRECATED_RUNTIMES", num_args = 0..=1, default_missing_value = "true")]
    pub deprecated_runtimes: Option<bool>,
    /// Do not give functions the AWS SDK that Lambda's runtimes bring: for machines that reach no package
    /// registry.
    #[arg(long, env = "ROPEWAY_NO_RUNTIME_SDK", num_args = 0..=1, default_missing_value = "true")]
    pub no_runtime_sdk: Option<bool>,
    /// Below this much free space, in MiB, only deletes are taken [default: 256].
    #[arg(long, env = "ROPEWAY_RESERVE_MIB", value_name = "MIB")]
    pub reserve_mib: Option<u64>,
    /// Requests a second that the APIs of an account in a region take together; half as many at once
    /// [default: 10000].
    #[arg(long, env = "ROPEWAY_API_REQUESTS_PER_SECOND", value_name = "COUNT")]
    pub api_requests_per_second: Option<u32>,
    /// MiB a second that a delivery stream takes from those who put records, requests and records in proportion; 0
    /// for no limit [default: AWS's quotas, with --dev none].
    #[arg(long, env = "ROPEWAY_FIREHOSE_MIB_PER_SECOND", value_name = "MIB")]
    pub firehose_mib_per_second: Option<u32>,
    /// Make new buckets as Amazon S3 did before April 2023, for templates of that time: with access control
    /// lists, without a block of public access or of keys that customers keep.
    #[arg(long, env = "ROPEWAY_S3_CLASSIC_BUCKETS", num_args = 0..=1, default_missing_value = "true")]
    pub s3_classic_buckets: Option<bool>,
}

/// How to reach the server.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// The server's address.
    #[arg(long, env = "AWS_ENDPOINT_URL", default_value = "http://127.0.0.1:4566", value_name = "URL")]
    pub endpoint: String,
    /// The region.
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1", value_name = "NAME")]
    pub region: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    /// A template, or a folder with a template.yaml, template.yml or template.json in it.
    pub path: PathBuf,
    /// The stack's name [default: the folder's].
    #[arg(long, value_name = "NAME")]
    pub stack_name: Option<String>,
    /// A parameter's value; may be given many times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub parameter: Vec<String>,
    /// Shows the changes first, and asks on the terminal whether to apply them.
    #[arg(long)]
    pub confirm: bool,
    /// With --confirm: shows the changes, and applies them without asking.
    #[arg(long, requires = "confirm")]
    pub yes: bool,
    #[command(flatten)]
    pub server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// A folder with a template.yaml, template.yml or template.json in it, or the template.
    #[arg(value_name = "DIR")]
    pub path: PathBuf,
    /// The stack's name [default: the folder's].
    #[arg(long, value_name = "NAME")]
    pub stack_name: Option<String>,
    /// A parameter's value; may be given many times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub parameter: Vec<String>,
    #[command(flatten)]
    pub server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DestroyArgs {
    /// The stack's name, or the folder that it was deployed from.
    pub stack: String,
    #[command(flatten)]
    pub server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct StackArgs {
    /// The stack's name.
    pub stack: String,
    #[command(flatten)]
    pub server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    /// A stack: its resources are listed.
    pub stack: Option<String>,
    #[command(flatten)]
    pub server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// The id of the request that began it (`x-amzn-requestid` of its answer), or the trace's (`1-…`).
    pub id: String,
    #[command(flatten)]
    pub server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// A function's name, or a log group's. Without it: the server's own log.
    #[arg(value_name = "FUNCTION|GROUP")]
    pub of: Option<String>,
    /// Go on as lines come.
    #[arg(short, long)]
    pub follow: bool,
    /// Begin so long ago (30s, 5m, 2h, 1d, 2w), or at a moment (2026-01-31T12:00:00Z) [default: 10m].
    #[arg(long, value_name = "TIME", requires = "of")]
    pub since: Option<String>,
    /// Only events that a CloudWatch Logs filter pattern wants ('?ERROR ?WARN', '{ $.level = "error" }').
    #[arg(long, value_name = "PATTERN", requires = "of")]
    pub filter: Option<String>,
    #[command(flatten)]
    pub server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct IamArgs {
    #[command(subcommand)]
    pub command: IamCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum IamCommand {
    /// Say whether someone may do something, by the policies in force, and which statement decides. On the
    /// server's machine only.
    Explain(ExplainArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Who: an ARN, the name of a user or role, an access key id, an account for its root, a service as in
    /// sns.amazonaws.com, or anonymous.
    #[arg(long, value_name = "ARN|NAME")]
    pub principal: String,
    /// The action, as in sqs:SendMessage.
    #[arg(long, value_name = "ACTION")]
    pub action: String,
    /// The resource's ARN.
    #[arg(long, value_name = "ARN", default_value = "*")]
    pub resource: String,
    /// A condition key's value; may be given many times, for one key too. The time is known.
    #[arg(long, value_name = "KEY=VALUE")]
    pub context: Vec<String>,
    #[command(flatten)]
    pub server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UserArgs {
    #[command(subcommand)]
    pub command: UserCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Make a user with an access key, and print its credentials, once.
    Add(UserAddArgs),
}

#[derive(Debug, Args)]
pub(crate) struct UserAddArgs {
    /// The user's name.
    pub name: String,
    /// A managed policy to attach, as in arn:aws:iam::aws:policy/AdministratorAccess; may be given many times.
    /// Without any, the user may do nothing yet.
    #[arg(long, value_name = "ARN")]
    pub policy: Vec<String>,
    #[command(flatten)]
    pub server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RootKeysArgs {
    #[command(subcommand)]
    pub command: RootKeysCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RootKeysCommand {
    /// Make the root a new access key, print it, once, and delete the old ones: they are refused from then on.
    Rotate(RotateArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// Leave the old key good; delete it later (aws iam delete-access-key).
    #[arg(long)]
    pub keep: bool,
    #[command(flatten)]
    pub server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RuntimeArgs {
    #[command(subcommand)]
    pub command: RuntimeCommand,
    /// The data directory, below which interpreters and SDKs are kept.
    #[arg(long, env = "ROPEWAY_DATA_DIR", value_name = "DIR", global = true, default_value = "data")]
    pub data_dir: PathBuf,
    /// Where interpreters and SDKs for functions are kept; data directories may share it [default:
    /// DIR/runtimes].
    #[arg(long, env = "ROPEWAY_RUNTIMES_DIR", value_name = "DIR", global = true)]
    pub runtimes_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RuntimeCommand {
    /// Fetch what a runtime needs: Node's interpreter (others come with the system or a version manager),
    /// and the SDK, or Java's runtime interface client.
    Add {
        /// The runtime's name, as in nodejs20.x.
        name: String,
    },
    /// List the runtimes, and what of them this machine has.
    Ls {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The data directory to check.
    #[arg(long, env = "ROPEWAY_DATA_DIR", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Where interpreters and SDKs for functions are kept; data directories may share it [default:
    /// DIR/runtimes].
    #[arg(long, env = "ROPEWAY_RUNTIMES_DIR", value_name = "DIR")]
    pub runtimes_dir: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
