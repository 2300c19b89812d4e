//! The `ropeway` command.

mod cli;
mod client;
mod deploy;
mod dev;
mod doctor;
mod functions;
mod internal;
mod log;
mod output;
mod outside;
mod pack;
mod people;
mod running;
mod runtime_cmd;
mod settings;
mod start;
mod tail;
mod trail;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

/// Why a command failed; the exit code says which kind.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command was given wrongly: exit code 2.
    Usage(String),
    /// What was asked for could not be done: exit code 1.
    Failed(String),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::Failed(error.to_string())
    }
}

impl From<ropeway_core::Fault> for Failure {
    fn from(fault: ropeway_core::Fault) -> Self {
        Failure::Failed(fault.to_string())
    }
}

fn main() -> ExitCode {
    // A function's process begins as this program.
    if let Some(ended) = ropeway_runtime::sandbox_main() {
        return ended;
    }
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Start(arguments) => start::run(arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Runtime(arguments) => runtime_cmd::run(&arguments),
        command => client::runtime().and_then(|runtime| runtime.block_on(remote(command))),
    };
    match result {
        Ok(()) if output::lost() => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            output::error(&message);
            ExitCode::from(2)
        }
        Err(Failure::Failed(message)) => {
            output::error(&message);
            ExitCode::FAILURE
        }
    }
}

/// The commands that speak to a running server.
async fn remote(command: Command) -> Result<(), Failure> {
    match command {
        Command::Deploy(arguments) => deploy::deploy(arguments).await,
        Command::Dev(arguments) => dev::dev(arguments).await,
        Command::Destroy(arguments) => deploy::destroy(arguments).await,
        Command::Outputs(arguments) => deploy::outputs(arguments).await,
        Command::Ls(arguments) => deploy::ls(arguments).await,
        Command::Logs(arguments) => log::follow(arguments).await,
        Command::Trace(arguments) => trail::print(arguments).await,
        Command::Iam(arguments) => people::iam(arguments).await,
        Command::User(arguments) => people::user(arguments).await,
        Command::RootKeys(arguments) => people::root_keys(arguments).await,
        Command::Start(_) | Command::Doctor(_) | Command::Runtime(_) => Ok(()),
    }
}
