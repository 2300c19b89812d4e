//! `cargo xtask bench`: what the server does a second, beside what the machine can do, in one run.
//!
//! The load generator shares the machine's cores with the server, so a figure is a ratio to a
//! ceiling of the same run, and the server's own CPU time per request stands beside it.

#![allow(
    clippy::disallowed_methods,
    reason = "a tool that measures: it reads clocks and starts threads of its own"
)]

mod apis;
mod buckets;
mod ceiling;
mod client;
mod cold;
mod functions;
mod load;
mod report;
mod scenario;
mod server;
mod stacks;
mod topics;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "ropeway-bench")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts a server on an empty directory and measures every scenario beside the ceilings.
    All(All),
    /// Starts a server and measures functions: warm invocations, cold starts, memory, what idle ones cost.
    Functions(Functions),
    /// Starts a server and measures APIs: a mock integration, the proxy's overhead, pre-signing, throttles.
    Apis(Apis),
    /// Measures one scenario against any endpoint.
    One(One),
    /// Measures stacks against any endpoint: how long one takes.
    Stacks(Stacks),
    /// Serves a fixed answer: the ceiling's own server.
    Fixed,
}

#[derive(clap::Args)]
struct All {
    /// The server's binary.
    #[arg(long)]
    server: PathBuf,
    /// Seconds for each figure.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Where the server keeps its data: a disk, not memory [default: a new folder here].
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Messages stored before the second part, in which rates and start are measured again; 0: none.
    #[arg(long, default_value_t = 0)]
    stored: u64,
    /// Bytes of each of them.
    #[arg(long, default_value_t = 256)]
    stored_bytes: usize,
    /// Keys of the bucket whose listings are measured; at least 2,000, at most a million.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(2_000..=1_000_000))]
    keys: u64,
    /// MiB of the object that is uploaded in parts.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(8..=5_000))]
    upload_mib: u64,
    /// Only scenarios whose name has this in it.
    #[arg(long, default_value = "")]
    only: String,
}

#[derive(clap::Args)]
struct Functions {
    /// The server's binary.
    #[arg(long)]
    server: PathBuf,
    /// An empty function made with the official Rust runtime: the package's `bootstrap`.
    #[arg(long)]
    function: PathBuf,
    /// Seconds of warm invocations.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Cold starts of each language, of which the median counts.
    #[arg(long, default_value_t = 11)]
    starts: usize,
    /// Where the server keeps its data [default: a new folder here].
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Where interpreters and SDKs are kept; what is not there is fetched [default: with the data].
    #[arg(long)]
    runtimes_dir: Option<PathBuf>,
}

#[derive(clap::Args)]
struct Apis {
    /// The server's binary.
    #[arg(long)]
    server: PathBuf,
    /// The function of `systems/producer-consumer`, in Rust: the package's `bootstrap`.
    #[arg(long)]
    function: PathBuf,
    /// Seconds for each figure.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Where the server keeps its data [default: a new folder here].
    #[arg(long)]
    dir: Option<PathBuf>,
}

#[derive(clap::Args)]
struct One {
    /// The endpoint (`http://127.0.0.1:4566`).
    #[arg(long)]
    endpoint: String,
    /// The scenario's name.
    #[arg(long)]
    scenario: String,
    /// Connections, each with one request at a time.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Requests a second, spread evenly whatever the answers do (open loop); 0: as fast as answered.
    #[arg(long, default_value_t = 0.0)]
    rate: f64,
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

#[derive(clap::Args)]
struct Stacks {
    /// The endpoint (`http://127.0.0.1:4566`).
    #[arg(long)]
    endpoint: String,
}

fn main() -> Result<(), String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    match Cli::parse().command {
        Command::All(all) => runtime.block_on(report::all(all)),
        Command::Functions(asked) => runtime.block_on(functions::all(asked)),
        Command::Apis(asked) => runtime.block_on(apis::all(asked)),
        Command::Stacks(of) => runtime.block_on(stacks::run(&of.endpoint)),
        Command::Fixed => runtime.block_on(ceiling::serve_fixed()),
        Command::One(one) => runtime.block_on(async {
            let plan = load::Plan {
                connections: one.connections,
                duration: Duration::from_secs(one.seconds),
                rate: one.rate,
            };
            let scenario = scenario::find(&one.scenario)?;
            let result = scenario::run(scenario, &one.endpoint, &plan, None).await?;
            println!("{}", result.line(&one.scenario));
            Ok(())
        }),
    }
}
