//! What is the server's own, under `/_ropeway/`: health, metrics, log, trail, explanations, clock,
//! reset.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use ropeway_core::BoxFuture;
use ropeway_iam::Question;
use ropeway_wire::gateway::Internal;
use ropeway_wire::server::ConnInfo;
use serde::Deserialize;
use serde_json::json;

use crate::running::Switch;
use crate::trail;

/// Answers `/_ropeway/…`. Log, trail and explanations are for loopback alone; clock and reset are there with `--dev`.
pub(crate) struct Own {
    pub switch: Arc<Switch>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    /// Seconds to move the clock forward by.
    advance_seconds: f64,
}

impl Internal for Own {
    fn answer(
        &self,
        method: Method,
        path: String,
        body: Bytes,
        conn: ConnInfo,
    ) -> BoxFuture<'_, Response<Bytes>> {
        Box::pin(async move {
            let name = path.trim_start_matches("/_ropeway/");
            match (method.as_str(), name) {
                ("GET" | "HEAD", "health") => self.health(),
                ("GET", "metrics") => text(StatusCode::OK, self.switch.metrics().text()),
                ("GET", log) if log.starts_with("log/") && conn.remote.ip().is_loopback() => self.log(log),
                ("GET", trail) if trail.starts_with("trail/") && conn.remote.ip().is_loopback() => {
                    self.trail(trail.trim_start_matches("trail/")).await
                }
                ("POST", "iam/explain") if conn.remote.ip().is_loopback() => self.explain(&body),
                ("GET", "clock") => self.clock(),
                ("POST", "clock") => self.move_clock(&body),
                ("POST", "reset") => self.reset().await,
                _ => json_answer(
                    StatusCode::NOT_FOUND,
                    json!({ "message": format!("there is no {method} {path}") }),
                ),
            }
        })
    }
}

impl Own {
    fn health(&self) -> Response<Bytes> {
        let Some(running) = self.switch.running() else {
            return json_answer(StatusCode::SERVICE_UNAVAILABLE, json!({ "status": "starting" }));
        };
        let services: Vec<&str> = running.services.iter().map(|d| d.service().id).collect();
        json_answer(
            StatusCode::OK,
            json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION"), "services": services }),
        )
    }

    fn log(&self, name: &str) -> Response<Bytes> {
        let from = name.trim_start_matches("log/").parse().unwrap_or(0);
        let (lines, next) = self.switch.recent_log().since(from);
        json_answer(StatusCode::OK, json!({ "lines": lines, "next": next }))
    }

    /// What would be decided of a request, and why.
    fn explain(&self, body: &Bytes) -> Response<Bytes> {
        let Some(running) = self.switch.running() else {
            return json_answer(StatusCode::SERVICE_UNAVAILABLE, json!({ "message": "starting" }));
        };
        let question: Question = match serde_json::from_slice(body) {
            Ok(question) => question,
            Err(error) => {
                return json_answer(StatusCode::BAD_REQUEST, json!({ "message": error.to_string() }));
            }
        };
        match running.access.explain(&self.switch.settings().account, &question) {
            Ok(explained) => json_answer(StatusCode::OK, json!(explained)),
            Err(message) => json_answer(StatusCode::NOT_FOUND, json!({ "message": message })),
        }
    }

    /// The hops of a trace, or of a request by its id.
    async fn trail(&self, id: &str) -> Response<Bytes> {
        let Some(trace) = trail::trace_of(id) else {
            return json_answer(StatusCode::BAD_REQUEST, json!({ "message": trail::WHICH }));
        };
        let Some(running) = self.switch.running() else {
            return json_answer(StatusCode::SERVICE_UNAVAILABLE, json!({ "message": "starting" }));
        };
        match running.trail.find(trace).await {
            Ok(hops) => json_answer(StatusCode::OK, json!({ "hops": hops })),
            Err(error) => {
                json_answer(StatusCode::INTERNAL_SERVER_ERROR, json!({ "message": error.to_string() }))
            }
        }
    }

    fn clock(&self) -> Response<Bytes> {
        match self.switch.running() {
            Some(running) => {
                let clock = running.core.clock();
                json_answer(
                    StatusCode::OK,
                    json!({ "now_millis": clock.now().millis(), "offset_millis": clock.offset_millis() }),
                )
            }
            None => json_answer(StatusCode::SERVICE_UNAVAILABLE, json!({ "message": "starting" })),
        }
    }

    fn move_clock(&self, body: &Bytes) -> Response<Bytes> {
        if !self.switch.settings().dev {
            return only_with_dev();
        }
        let advance = match serde_json::from_slice::<Advance>(body) {
            Ok(Advance { advance_seconds })
                if advance_seconds.is_finite() && (0.0..=1e9).contains(&advance_seconds) =>
            {
                Duration::from_secs_f64(advance_seconds)
            }
            _ => {
                let message = "the body must be {\"advance_seconds\": N}, N from 0 to 1,000,000,000: the clock only goes forward";
                return json_answer(StatusCode::BAD_REQUEST, json!({ "message": message }));
            }
        };
        match self.switch.advance(advance) {
            Ok(()) => self.clock(),
            Err(error) => json_answer(StatusCode::INTERNAL_SERVER_ERROR, json!({ "message": error })),
        }
    }

    async fn reset(&self) -> Response<Bytes> {
        if !self.switch.settings().dev {
            return only_with_dev();
        }
        match Arc::clone(&self.switch).reset().await {
            Ok(()) => json_answer(StatusCode::OK, json!({ "status": "empty" })),
            Err(error) => json_answer(StatusCode::INTERNAL_SERVER_ERROR, json!({ "message": error })),
        }
    }
}

fn only_with_dev() -> Response<Bytes> {
    json_answer(StatusCode::FORBIDDEN, json!({ "message": "only a server started with --dev does this" }))
}

fn text(status: StatusCode, text: String) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from(text));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain; version=0.0.4"));
    answer
}

fn json_answer(status: StatusCode, value: serde_json::Value) -> Response<Bytes> {
    let mut answer = text(status, format!("{value}\n"));
    answer
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    answer
}
