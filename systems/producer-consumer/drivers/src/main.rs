//! The drivers of producer-consumer: `produce` uploads files by pre-signed URLs, `consume` downloads what
//! the queue tells of.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of a user's own: it has its own terminal"
)]

mod api;
mod consume;
mod event;
mod produce;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Upload files by pre-signed URLs, or download those that others uploaded.
#[derive(Debug, Parser)]
#[command(name = "producer-consumer", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Upload files.
    Produce(produce::Arguments),
    /// Download every file that the queue tells of, and delete its message.
    Consume(consume::Arguments),
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Produce(arguments) => produce::run(arguments).await,
        Command::Consume(arguments) => consume::run(arguments).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("producer-consumer: {}", full(&*error));
            ExitCode::FAILURE
        }
    }
}

/// An error with all its causes: the SDK's own text is only "service error".
fn full(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        text.push_str(&format!(": {one}"));
        cause = one.source();
    }
    text
}
