//! The drivers of order-events: `message` publishes made-up consumers, `consume` plays the APIs.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of a user's own: it has its own clock, randomness and terminal"
)]

mod consume;
mod consumer;
mod message;

use std::process::ExitCode;

use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use clap::{Parser, Subcommand, ValueEnum};

/// Publish created consumers, or consume them as the orders or payment API.
#[derive(Debug, Parser)]
#[command(name = "order-events", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Publish made-up consumers to the topic: one every five seconds unless told otherwise.
    Message(message::Arguments),
    /// Poll a queue, print what its API would do, and delete.
    Consume(consume::Arguments),
}

/// An API that consumes.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Api {
    Orders,
    Payment,
}

impl Api {
    fn queue(self) -> &'static str {
        match self {
            Api::Orders => "api-orders-created-consumer",
            Api::Payment => "api-payment-created-consumer",
        }
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let config = aws_config::from_env().http_client(http).load().await;
    let result = match cli.command {
        Command::Message(arguments) => message::run(&config, arguments).await,
        Command::Consume(arguments) => consume::run(&config, arguments).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("order-events: {}", full(&*error));
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
