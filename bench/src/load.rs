//! The load: fixed connections, closed or open loop, latencies in a histogram.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::client::Connection;

/// How hard and how long.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Connections, each with one request at a time.
    pub connections: usize,
    /// How long.
    pub duration: Duration,
    /// Requests a second in all (open loop); 0: closed loop.
    pub rate: f64,
}

/// What was seen.
#[derive(Debug)]
pub struct Measured {
    /// Requests answered with success.
    pub count: u64,
    /// The first failures.
    pub failures: Vec<String>,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Latencies in microseconds; in an open loop, from when the request was due.
    pub latencies: Histogram<u64>,
    /// CPU time of the server meanwhile.
    pub server_cpu: Duration,
}

/// One connection's work.
pub trait Work {
    /// Prepares: outside of the measured time.
    fn prepare(&mut self, connection: &mut Connection) -> impl Future<Output = Result<(), String>>;
    /// Does one unit of work; `false`: there is no more to do.
    fn step(&mut self, connection: &mut Connection) -> impl Future<Output = Result<bool, String>>;
}

/// Runs the work on every connection, and gives it back for verification.
pub async fn drive<W: Work + 'static>(
    endpoint: &str,
    plan: &Plan,
    works: Vec<W>,
    pid: Option<u32>,
) -> Result<(Measured, Vec<W>), String> {
    let local = tokio::task::LocalSet::new();
    let mut ready = Vec::new();
    for mut work in works {
        let mut connection = Connection::open(endpoint).await?;
        work.prepare(&mut connection).await?;
        ready.push((work, connection));
    }
    let cpu_before = cpu_of(pid);
    let started = Instant::now();
    let gap = if plan.rate > 0.0 {
        Some(Duration::from_secs_f64(plan.connections as f64 / plan.rate))
    } else {
        None
    };
    let end = started + plan.duration;
    let each = plan.connections.max(1) as u32;
    let tasks: Vec<_> = ready
        .into_iter()
        .enumerate()
        .map(|(n, (work, connection))| {
            let first = gap.map(|gap| started + gap * n as u32 / each);
            local.spawn_local(one(work, connection, first, gap, end))
        })
        .collect();
    let mut measured = Measured {
        count: 0,
        failures: Vec::new(),
        elapsed: Duration::ZERO,
        latencies: histogram()?,
        server_cpu: Duration::ZERO,
    };
    let mut works = Vec::new();
    local
        .run_until(async {
            for task in tasks {
                let (work, latencies, failures) = task.await.map_err(|e| e.to_string())??;
                measured.count += latencies.len();
                measured.latencies.add(latencies).map_err(|e| e.to_string())?;
                measured.failures.extend(failures);
                works.push(work);
            }
            Ok::<(), String>(())
        })
        .await?;
    measured.elapsed = started.elapsed();
    measured.server_cpu = cpu_of(pid).saturating_sub(cpu_before);
    Ok((measured, works))
}

type One<W> = Result<(W, Histogram<u64>, Vec<String>), String>;

async fn one<W: Work>(
    mut work: W,
    mut connection: Connection,
    first: Option<Instant>,
    gap: Option<Duration>,
    end: Instant,
) -> One<W> {
    let mut latencies = histogram()?;
    let mut failures = Vec::new();
    let mut due = first;
    while Instant::now() < end {
        if let Some(due) = due {
            tokio::time::sleep_until(due.into()).await;
        }
        let from = due.unwrap_or_else(Instant::now);
        match work.step(&mut connection).await {
            Ok(true) => latencies.record(from.elapsed().as_micros() as u64).map_err(|e| e.to_string())?,
            Ok(false) => break,
            Err(why) => {
                failures.push(why);
                if failures.len() >= 3 {
                    break;
                }
            }
        }
        due = due.zip(gap).map(|(due, gap)| due + gap);
    }
    Ok((work, latencies, failures))
}

fn histogram() -> Result<Histogram<u64>, String> {
    Histogram::new(3).map_err(|e| e.to_string())
}

/// User and system time of a process, from `/proc`; zero if it is none of ours to see.
pub fn cpu_of(pid: Option<u32>) -> Duration {
    let read = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        // The kernel counts in hundredths of a second on every Linux that Rust supports.
        Some(Duration::from_millis(ticks * 10))
    };
    pid.and_then(read).unwrap_or_default()
}

impl Measured {
    /// Requests a second.
    pub fn rate(&self) -> f64 {
        self.count as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// CPU microseconds of the server for each request.
    pub fn cpu_micros(&self) -> f64 {
        self.server_cpu.as_secs_f64() * 1e6 / (self.count.max(1) as f64)
    }

    /// A line of figures.
    pub fn line(&self, name: &str) -> String {
        let ms = |quantile: f64| self.latencies.value_at_quantile(quantile) as f64 / 1000.0;
        let mut line = format!(
            "{name:<28} {:>9.0}/s  p50 {:>7.2} ms  p99 {:>7.2}  p99.9 {:>7.2}  max {:>7.2}  server CPU {:>6.1} µs each",
            self.rate(),
            ms(0.5),
            ms(0.99),
            ms(0.999),
            self.latencies.max() as f64 / 1000.0,
            self.cpu_micros(),
        );
        if let Some(first) = self.failures.first() {
            line.push_str(&format!("  {} FAILED, first: {first}", self.failures.len()));
        }
        line
    }
}
