//! Counts of requests, in Prometheus' text form.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// Upper bounds of the latency histogram's buckets, in milliseconds.
const BOUNDS: [i64; 10] = [1, 2, 5, 10, 25, 50, 100, 500, 2500, 20_000];

#[derive(Debug, Default, Clone)]
struct Row {
    statuses: BTreeMap<u16, u64>,
    buckets: [u64; BOUNDS.len()],
    count: u64,
    millis: i64,
}

/// Requests by operation: how many, with which status, how long.
#[derive(Debug, Default)]
pub struct Metrics(Mutex<BTreeMap<(&'static str, &'static str), Row>>);

impl Metrics {
    /// Counts a request.
    pub(super) fn count(&self, service: &'static str, operation: &'static str, status: u16, millis: i64) {
        let mut rows = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let row = rows.entry((service, operation)).or_default();
        *row.statuses.entry(status).or_default() += 1;
        row.count += 1;
        row.millis = row.millis.saturating_add(millis);
        let fitting = BOUNDS.iter().zip(row.buckets.iter_mut()).filter(|(bound, _)| millis <= **bound);
        fitting.for_each(|(_, bucket)| *bucket += 1);
    }

    /// The counts in Prometheus' text form.
    pub fn text(&self) -> String {
        let rows = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        let mut out = String::from("# TYPE ropeway_requests_total counter\n");
        for ((service, operation), row) in &rows {
            for (status, count) in &row.statuses {
                out.push_str(&format!("ropeway_requests_total{{service=\"{service}\",operation=\"{operation}\",status=\"{status}\"}} {count}\n"));
            }
        }
        out.push_str("# TYPE ropeway_request_duration_seconds histogram\n");
        for ((service, operation), row) in &rows {
            let labels = format!("service=\"{service}\",operation=\"{operation}\"");
            for (bound, count) in BOUNDS.iter().zip(row.buckets) {
                let seconds = *bound as f64 / 1000.0;
                out.push_str(&format!(
                    "ropeway_request_duration_seconds_bucket{{{labels},le=\"{seconds}\"}} {count}\n"
                ));
            }
            out.push_str(&format!(
                "ropeway_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} {}\n",
                row.count
            ));
            out.push_str(&format!(
                "ropeway_request_duration_seconds_sum{{{labels}}} {}\n",
                row.millis as f64 / 1000.0
            ));
            out.push_str(&format!("ropeway_request_duration_seconds_count{{{labels}}} {}\n", row.count));
        }
        out
    }
}
