//! The server's log: to the terminal, and its last lines in memory for `ropeway logs`.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::cli::LogsArgs;
use crate::client::Client;
use crate::{Failure, output, tail};

/// Lines kept in memory.
const KEPT: usize = 2000;
/// Longest line kept, in bytes.
const MAX_LINE: usize = 4096;

/// The last lines of the log, each with its number.
#[derive(Debug, Default, Clone)]
pub(crate) struct Recent(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    next: u64,
    lines: VecDeque<String>,
}

impl Recent {
    fn push(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if lines.lines.len() >= KEPT {
            lines.lines.pop_front();
        }
        let end = line.floor_char_boundary(MAX_LINE);
        let kept = line.get(..end).unwrap_or_default().trim_end().to_owned();
        lines.lines.push_back(kept);
        lines.next += 1;
    }

    /// Lines from number `from` on, and the number of the one that comes next.
    pub fn since(&self, from: u64) -> (Vec<String>, u64) {
        let lines = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let first = lines.next.saturating_sub(lines.lines.len() as u64);
        let skip = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        (lines.lines.iter().skip(skip).cloned().collect(), lines.next)
    }
}

/// Starts logging to standard error, at the level that `RUST_LOG` says (`info` otherwise).
pub(crate) fn begin() -> Recent {
    let recent = Recent::default();
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,fjall=warn,lsm_tree=warn"));
    let writer = Writer(recent.clone());
    let started =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(writer).try_init();
    if let Err(error) = started {
        output::error(&format!("the log could not be started: {error}"));
    }
    recent
}

#[derive(Clone)]
struct Writer(Recent);

impl<'a> MakeWriter<'a> for Writer {
    type Writer = Writer;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.push(&String::from_utf8_lossy(bytes));
        std::io::stderr().write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// `ropeway logs`.
pub(crate) async fn follow(arguments: LogsArgs) -> Result<(), Failure> {
    if let Some(of) = &arguments.of {
        return tail::tail(of, &arguments).await;
    }
    let client = Client::new(&arguments.server)?;
    let mut from = 0u64;
    loop {
        let answer = client.get_internal(&format!("/_ropeway/log/{from}")).await?;
        if answer.status() != http::StatusCode::OK {
            return Err(Failure::Failed(String::from_utf8_lossy(answer.body()).into_owned()));
        }
        let parsed: serde_json::Value =
            serde_json::from_slice(answer.body()).map_err(|e| Failure::Failed(e.to_string()))?;
        for line in parsed.get("lines").and_then(|l| l.as_array()).into_iter().flatten() {
            let text = line.as_str().unwrap_or_default();
            output::line(&if arguments.server.json { line.to_string() } else { text.to_owned() });
        }
        from = parsed.get("next").and_then(serde_json::Value::as_u64).unwrap_or(from);
        if !arguments.follow {
            return Ok(());
        }
        client.clock().sleep_until(client.clock().now().plus_millis(500)).await;
    }
}
