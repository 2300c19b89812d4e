//! The platform's own log lines, as text and as JSON ("Working with Lambda function logs"; the JSON
//! documents are those of "Lambda Telemetry API: Event schema reference").

use std::time::Duration;

use ropeway_core::Time;
use ropeway_core::functions::FunctionSpec;
use serde_json::{Value, json};

/// How an invocation, or an init, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// As it should, be it with an error of the handler's.
    Success,
    /// It took too long.
    Timeout,
    /// The runtime failed, with an error of this type.
    Error(String),
}

impl Status {
    fn name(&self) -> &'static str {
        match self {
            Status::Success => "success",
            Status::Timeout => "timeout",
            Status::Error(_) => "error",
        }
    }

    fn error(&self) -> Option<&str> {
        match self {
            Status::Error(kind) => Some(kind),
            _ => None,
        }
    }
}

/// What is reported of an invocation.
#[derive(Debug)]
pub struct Report<'a> {
    /// The request's id.
    pub request_id: &'a str,
    /// From the start to the answer.
    pub duration: Duration,
    /// How long the init took, in the first invocation of a process.
    pub init: Option<Duration>,
    /// The most memory in use at once, in MiB.
    pub memory_mib: u64,
    /// How it ended.
    pub status: Status,
    /// The X-Ray header, where traces are active.
    pub trace: Option<&'a str>,
}

/// Levels of the platform's own events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Debug,
    Info,
    Warn,
}

/// Writes the platform's lines as a function wants them.
#[derive(Debug, Clone)]
pub struct Writer {
    json: bool,
    level: Level,
    version: String,
    memory_mib: u32,
    runtime: String,
}

impl Writer {
    /// As this function logs.
    pub fn new(spec: &FunctionSpec) -> Self {
        let level = match spec.logging.system_level.as_deref() {
            Some("DEBUG") => Level::Debug,
            Some("WARN") => Level::Warn,
            _ => Level::Info,
        };
        Writer {
            json: spec.logging.json,
            level,
            version: spec.version.clone(),
            memory_mib: spec.memory_mib,
            runtime: spec.runtime.clone(),
        }
    }

    fn document(&self, level: Level, now: Time, kind: &str, record: Value) -> Option<String> {
        (self.json && level >= self.level).then(|| {
            json!({ "time": rfc3339(now), "type": format!("platform.{kind}"), "record": record }).to_string()
        })
    }

    /// An init begins.
    pub fn init_start(&self, now: Time, kind: &str, phase: &str) -> Option<String> {
        let record = json!({
            "initializationType": kind, "phase": phase,
            "runtimeVersion": self.runtime, "functionVersion": self.version,
        });
        self.document(Level::Info, now, "initStart", record)
    }

    /// An init has ended, badly if the status says so; text tells of those only.
    pub fn init_report(
        &self,
        now: Time,
        kind: &str,
        phase: &str,
        took: Duration,
        status: &Status,
    ) -> Option<String> {
        if self.json {
            let level = if *status == Status::Success { Level::Info } else { Level::Warn };
            let mut record = json!({
                "initializationType": kind, "phase": phase, "status": status.name(),
                "metrics": { "durationMs": millis(took) },
            });
            with_error(&mut record, status);
            return self.document(level, now, "initReport", record);
        }
        let mut line = format!(
            "INIT_REPORT Init Duration: {:.2} ms\tPhase: {phase}\tStatus: {}",
            float(took),
            status.name()
        );
        if let Some(kind) = status.error() {
            line.push_str(&format!("\tError Type: {kind}"));
        }
        (*status != Status::Success).then_some(line)
    }

    /// An invocation begins.
    pub fn start(&self, now: Time, request_id: &str) -> Option<String> {
        if self.json {
            let record = json!({ "requestId": request_id, "version": self.version });
            return self.document(Level::Info, now, "start", record);
        }
        Some(format!("START RequestId: {request_id} Version: {}", self.version))
    }

    /// An invocation has ended: the lines about it.
    pub fn end(&self, now: Time, report: &Report<'_>) -> Vec<String> {
        if self.json {
            return self.end_documents(now, report);
        }
        let Report { request_id, duration, init, memory_mib, status, trace } = report;
        let mut lines = Vec::new();
        if *status == Status::Timeout {
            let took = float(*duration) / 1000.0;
            lines.push(format!("{} {request_id} Task timed out after {took:.2} seconds", rfc3339(now)));
            lines.push(String::new());
        }
        lines.push(format!("END RequestId: {request_id}"));
        let mut line = format!(
            "REPORT RequestId: {request_id}\tDuration: {:.2} ms\tBilled Duration: {} ms\tMemory Size: {} MB\tMax \
             Memory Used: {memory_mib} MB\t",
            float(*duration),
            billed(report),
            self.memory_mib
        );
        if let Some(init) = init {
            line.push_str(&format!("Init Duration: {:.2} ms\t", float(*init)));
        }
        match status {
            Status::Success => {}
            Status::Timeout => line.push_str("Status: timeout"),
            Status::Error(kind) => line.push_str(&format!("Status: error\tError Type: {kind}")),
        }
        if let Some(root) = trace.and_then(trace_root) {
            line.push_str(&format!("\nXRAY TraceId: {root}\t"));
        }
        lines.push(line);
        lines
    }

    fn end_documents(&self, now: Time, report: &Report<'_>) -> Vec<String> {
        let mut metrics = json!({
            "durationMs": millis(report.duration),
            "billedDurationMs": billed(report),
            "memorySizeMB": self.memory_mib,
            "maxMemoryUsedMB": report.memory_mib,
        });
        if let (Some(init), Some(metrics)) = (report.init, metrics.as_object_mut()) {
            metrics.insert("initDurationMs".to_owned(), millis(init));
        }
        let mut done = json!({
            "requestId": report.request_id, "status": report.status.name(),
            "metrics": { "durationMs": millis(report.duration) },
        });
        let mut whole =
            json!({ "requestId": report.request_id, "status": report.status.name(), "metrics": metrics });
        with_error(&mut done, &report.status);
        with_error(&mut whole, &report.status);
        let (quiet, loud) = match report.status {
            Status::Success => (Level::Debug, Level::Info),
            _ => (Level::Warn, Level::Warn),
        };
        let lines =
            [self.document(quiet, now, "runtimeDone", done), self.document(loud, now, "report", whole)];
        lines.into_iter().flatten().collect()
    }
}

fn with_error(record: &mut Value, status: &Status) {
    if let (Some(kind), Some(record)) = (status.error(), record.as_object_mut()) {
        record.insert("errorType".to_owned(), json!(kind));
    }
}

/// Whole milliseconds, rounded up, the init's with them ("AWS Lambda standardizes billing for INIT phase").
fn billed(report: &Report<'_>) -> u64 {
    let all = report.duration.saturating_add(report.init.unwrap_or_default());
    u64::try_from(all.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
}

fn float(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Milliseconds with three decimals.
fn millis(duration: Duration) -> Value {
    json!((float(duration) * 1000.0).round() / 1000.0)
}

fn trace_root(header: &str) -> Option<&str> {
    header.split(';').find_map(|part| part.trim().strip_prefix("Root="))
}

fn rfc3339(now: Time) -> String {
    let moment = jiff::Timestamp::from_millisecond(now.millis()).unwrap_or_default();
    moment.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
