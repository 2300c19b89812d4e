//! The trail: which way effects went from service to service, kept beside the store in two files of bounded size, so
//! that it can be asked for afterwards. Durable within a second; `ropeway trace` reads it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use ropeway_core::{Clock, Hop, Witness};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::cli::TraceArgs;
use crate::client::Client;
use crate::{Failure, output};

/// The trail's folder in the data directory.
pub(crate) const TRAIL_DIR: &str = "trail";
/// Hops that wait for being written; more are not in the trail, and the server's log says so.
const MAX_WAITING: usize = 8192;
/// Hops that are written at once.
const MAX_AT_ONCE: usize = 1024;
/// Bytes of a file; then it takes the place of the older one.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;
/// Hops in an answer.
const MAX_ANSWER: usize = 1000;
/// Between a hop and its sync, in milliseconds.
const SYNC_AFTER: i64 = 500;

/// What can be asked for.
pub(crate) const WHICH: &str = "a trace is named by its id, or by the id of the request that began it";

/// A line of the trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub trace: String,
    pub from: String,
    pub to: String,
    /// Where to: the name of the way within the service.
    pub lane: String,
    /// Milliseconds since 1970 at which the cause was committed.
    pub posted: i64,
    /// And at which it was delivered.
    pub ended: i64,
    /// Why the receiver refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl From<Hop> for Line {
    fn from(hop: Hop) -> Self {
        Line {
            trace: hop.trace,
            from: format!("{:?}", hop.from).to_lowercase(),
            to: format!("{:?}", hop.to).to_lowercase(),
            lane: hop.lane,
            posted: hop.posted.millis(),
            ended: hop.ended.millis(),
            refused: hop.refused,
        }
    }
}

enum Order {
    Hop(Hop),
    Find(String, oneshot::Sender<io::Result<Vec<Line>>>),
    Sync(oneshot::Sender<io::Result<()>>),
}

/// The way to the trail.
#[derive(Clone)]
pub(crate) struct Trail {
    orders: mpsc::Sender<Order>,
    /// Hops that were too many, and that the log has not told of yet.
    missed: Arc<AtomicU64>,
}

impl Trail {
    /// Opens the trail, and starts what writes it; that ends with the last handle.
    #[allow(clippy::disallowed_methods, reason = "the binary's own task; it ends with the last handle")]
    pub fn open(dir: PathBuf, clock: Clock) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        let files = Files::open(dir)?;
        let (sender, orders) = mpsc::channel(MAX_WAITING);
        let missed = Arc::default();
        tokio::spawn(run(files, clock, orders, Arc::clone(&missed)));
        Ok(Trail { orders: sender, missed })
    }

    /// Takes hops without waiting.
    pub fn witness(&self) -> Witness {
        let Trail { orders, missed } = self.clone();
        Arc::new(move |hop| {
            if orders.try_send(Order::Hop(hop)).is_err() {
                missed.fetch_add(1, Ordering::Relaxed);
            }
        })
    }

    /// The hops of a trace, in the order in which they ended.
    pub async fn find(&self, trace: String) -> io::Result<Vec<Line>> {
        self.ask(|answer| Order::Find(trace, answer)).await
    }

    /// Makes every hop so far durable.
    pub async fn sync(&self) -> io::Result<()> {
        self.ask(Order::Sync).await
    }

    async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<io::Result<T>>) -> Order) -> io::Result<T> {
        let (answer, answered) = oneshot::channel();
        let closed = || io::Error::other("the trail is closed");
        self.orders.send(order(answer)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

async fn run(mut files: Files, clock: Clock, mut orders: mpsc::Receiver<Order>, missed: Arc<AtomicU64>) {
    let mut taken = Vec::new();
    let mut sync_at = None;
    loop {
        let due = async {
            match sync_at {
                Some(at) => clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let count = tokio::select! {
            count = orders.recv_many(&mut taken, MAX_AT_ONCE) => Some(count),
            () = due => None,
        };
        if count == Some(0) && sync_at.is_none() {
            return;
        }
        let sync = !matches!(count, Some(1..));
        let batch = std::mem::take(&mut taken);
        let done = tokio::task::spawn_blocking(move || (files.take(batch, sync), files)).await;
        let Ok((result, back)) = done else { return };
        files = back;
        if let Err(error) = result {
            tracing::error!(%error, "the trail could not be written");
        }
        let missed = missed.swap(0, Ordering::Relaxed);
        if missed > 0 {
            tracing::warn!(missed, "hops are not in the trail: too many at once");
        }
        sync_at = if sync { None } else { sync_at.or_else(|| Some(clock.now().plus_millis(SYNC_AFTER))) };
    }
}

/// The two files.
struct Files {
    dir: PathBuf,
    newer: File,
    bytes: u64,
}

impl Files {
    fn open(dir: PathBuf) -> io::Result<Self> {
        let newer = OpenOptions::new().append(true).create(true).open(newer(&dir))?;
        let bytes = newer.metadata()?.len();
        let mut files = Files { dir, newer, bytes };
        // A line that a crash cut off ends here.
        files.append("\n")?;
        Ok(files)
    }

    fn take(&mut self, orders: Vec<Order>, sync: bool) -> io::Result<()> {
        let mut text = String::new();
        for order in orders {
            match order {
                Order::Hop(hop) => {
                    text.push_str(&serde_json::to_string(&Line::from(hop))?);
                    text.push('\n');
                }
                // Who asked, here and below, may have gone away.
                Order::Find(trace, answer) => {
                    let written = self.append(&std::mem::take(&mut text));
                    drop(answer.send(written.and_then(|()| self.find(&trace))));
                }
                Order::Sync(answer) => {
                    let written = self.append(&std::mem::take(&mut text));
                    drop(answer.send(written.and_then(|()| self.newer.sync_data())));
                }
            }
        }
        self.append(&text)?;
        if sync { self.newer.sync_data() } else { Ok(()) }
    }

    fn append(&mut self, text: &str) -> io::Result<()> {
        if self.bytes >= MAX_FILE_BYTES {
            self.newer.sync_data()?;
            fs::rename(newer(&self.dir), older(&self.dir))?;
            self.newer = OpenOptions::new().append(true).create(true).open(newer(&self.dir))?;
            File::open(&self.dir)?.sync_all()?;
            self.bytes = 0;
        }
        self.newer.write_all(text.as_bytes())?;
        self.bytes += text.len() as u64;
        Ok(())
    }

    fn find(&self, trace: &str) -> io::Result<Vec<Line>> {
        let mut found = Vec::new();
        for path in [older(&self.dir), newer(&self.dir)] {
            let file = match File::open(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file?,
            };
            for line in BufReader::new(file).lines() {
                let line = line?;
                // Lines that a crash cut off are none.
                if line.contains(trace)
                    && let Ok(line) = serde_json::from_str::<Line>(&line)
                    && line.trace.contains(trace)
                    && found.len() < MAX_ANSWER
                {
                    found.push(line);
                }
            }
        }
        found.sort_by_key(|line| line.ended);
        Ok(found)
    }
}

fn newer(dir: &Path) -> PathBuf {
    dir.join("newer.jsonl")
}

fn older(dir: &Path) -> PathBuf {
    dir.join("older.jsonl")
}

/// What to look for, of a trace's id (with or without `Root=`) or of the request's id that began it, whose digits a
/// trace ends with.
pub(crate) fn trace_of(id: &str) -> Option<String> {
    let root = id.split(';').find_map(|part| part.trim().strip_prefix("Root=")).unwrap_or(id);
    if !(8..=64).contains(&root.len()) || !root.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
        return None;
    }
    let is_request = root.len() == 36 && root.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    Some(match is_request {
        true => root.chars().filter(char::is_ascii_hexdigit).take(24).collect(),
        false => root.to_owned(),
    })
}

/// `ropeway trace`.
pub(crate) async fn print(arguments: TraceArgs) -> Result<(), Failure> {
    let client = Client::new(&arguments.server)?;
    let trace = trace_of(&arguments.id).ok_or_else(|| Failure::Usage(WHICH.to_owned()))?;
    let answer = client.get_internal(&format!("/_ropeway/trail/{trace}")).await?;
    let body: serde_json::Value =
        serde_json::from_slice(answer.body()).map_err(|e| Failure::Failed(e.to_string()))?;
    if answer.status() != http::StatusCode::OK {
        let why = body.get("message").and_then(serde_json::Value::as_str).unwrap_or_default();
        return Err(Failure::Failed(why.to_owned()));
    }
    if arguments.server.json {
        output::line(&body.to_string());
        return Ok(());
    }
    let hops = body.get("hops").cloned().unwrap_or_default();
    let hops: Vec<Line> = serde_json::from_value(hops).map_err(|e| Failure::Failed(e.to_string()))?;
    if hops.is_empty() {
        return Err(Failure::Failed(format!("no effect of {} went from service to service", arguments.id)));
    }
    for hop in &hops {
        output::line(&hop.text());
    }
    Ok(())
}

impl Line {
    fn text(&self) -> String {
        let at = Timestamp::from_millisecond(self.ended)
            .map_or_else(|_| self.ended.to_string(), |at| at.to_string());
        let took = self.ended.saturating_sub(self.posted);
        let refused = self.refused.as_ref().map(|why| format!("  refused: {why}")).unwrap_or_default();
        format!("{at}  {} → {}  {}  after {took} ms{refused}", self.from, self.to, self.lane)
    }
}

#[cfg(test)]
mod tests {
    use ropeway_core::Time;
    use ropeway_core::keys::Space;

    use super::*;

    fn hop(number: i64) -> Hop {
        Hop {
            trace: format!("1-00000000-{number:024x}"),
            from: Space::Sns,
            to: Space::Sqs,
            lane: "x".repeat(200),
            posted: Time(number),
            ended: Time(number + 1),
            refused: (number % 2 == 1).then(|| "no".to_owned()),
        }
    }

    #[test]
    fn requests_are_looked_for_by_their_digits() {
        let request = "0f8fad5b-d9cb-469f-a165-70867728950e";
        assert_eq!(trace_of(request).as_deref(), Some("0f8fad5bd9cb469fa1657086"));
        let trace = "1-5759e988-bd862e3fe1be46a994272793";
        assert_eq!(trace_of(trace).as_deref(), Some(trace));
        assert_eq!(trace_of(&format!("Root={trace};Sampled=1")).as_deref(), Some(trace));
        for wrong in ["", "1-5759", "../../etc/passwd", &"a".repeat(65)] {
            assert_eq!(trace_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn hops_are_found_again_until_the_files_are_full() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Files::open(dir.path().to_owned()).unwrap();
        let count = 3 * MAX_FILE_BYTES as i64 / 250;
        for number in 0..count {
            files.take(vec![Order::Hop(hop(number))], false).unwrap();
        }
        let find = |files: &Files, number: i64| files.find(&hop(number).trace).unwrap();
        assert_eq!(find(&files, count - 1), [Line::from(hop(count - 1))]);
        assert_eq!(find(&files, 0), []);
        let size = |path: PathBuf| fs::metadata(path).unwrap().len();
        assert!(size(newer(dir.path())) + size(older(dir.path())) < 2 * MAX_FILE_BYTES + 1000);
        // Cut off by a crash.
        drop(files);
        OpenOptions::new().append(true).open(newer(dir.path())).unwrap().write_all(b"{\"trace\":").unwrap();
        let mut files = Files::open(dir.path().to_owned()).unwrap();
        files.take(vec![Order::Hop(hop(count))], true).unwrap();
        assert_eq!(find(&files, count), [Line::from(hop(count))]);
        assert_eq!(find(&files, count - 1).len(), 1);
    }
}
