//! What a runtime answers: whole, piece by piece, or with an error.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use ropeway_core::functions::{Answer, StreamFault, StreamedAnswer};
use tokio::sync::mpsc;

use super::session::{Event, Session};
use super::{MAX_PAYLOAD, Reply, accepted, body, error_reply, header};

/// The most of a streaming answer, in bytes: 200 MiB ("Response streaming: payload limits").
const MAX_STREAM: u64 = 200 << 20;
/// Pieces of a streaming answer that its reader has not taken yet.
const MAX_PIECES: usize = 8;
/// The error of an answer that is too large (rapidcore of AWS's emulator).
const TOO_LARGE: &str = "Function.ResponseSizeTooLarge";

type Pieces = mpsc::Sender<Result<Bytes, StreamFault>>;

impl Session {
    /// `POST …/invocation/{id}/response`.
    pub(super) async fn response(&self, id: &str, request: Request<Incoming>) -> Reply {
        match header(request.headers(), "lambda-runtime-function-response-mode") {
            None => self.whole(id, request).await,
            Some(mode) if mode.eq_ignore_ascii_case("streaming") => self.stream(id, request).await,
            Some(_) => error_reply(
                StatusCode::BAD_REQUEST,
                "InvalidFunctionResponseMode",
                "Invalid function response mode",
            ),
        }
    }

    async fn whole(&self, id: &str, request: Request<Incoming>) -> Reply {
        match body(request.into_body()).await {
            Ok(payload) => {
                if let Err(reply) = self.settle(id) {
                    return reply;
                }
                self.tell(Event::Answered(Answer::Whole(payload), false)).await;
                accepted()
            }
            Err(reply) if reply.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                if let Err(reply) = self.settle(id) {
                    return reply;
                }
                self.tell(Event::Answered(Answer::Whole(too_large(MAX_PAYLOAD as u64)), true)).await;
                reply
            }
            Err(reply) => reply,
        }
    }

    async fn stream(&self, id: &str, request: Request<Incoming>) -> Reply {
        if let Err(reply) = self.settle(id) {
            return reply;
        }
        let kind = header(request.headers(), "content-type").unwrap_or("application/octet-stream");
        let content_type = kind.to_owned();
        let (pieces, receiver) = mpsc::channel(MAX_PIECES);
        let answer = Answer::Stream(StreamedAnswer { content_type, pieces: receiver });
        self.tell(Event::Answered(answer, false)).await;
        let reply = forward(request.into_body(), &pieces).await;
        drop(pieces);
        self.tell(Event::StreamEnded).await;
        reply
    }

    /// `POST …/invocation/{id}/error`.
    pub(super) async fn error(&self, id: &str, request: Request<Incoming>) -> Reply {
        let kind = error_type(request.headers());
        match body(request.into_body()).await {
            Ok(payload) => {
                if let Err(reply) = self.settle(id) {
                    return reply;
                }
                let payload = document(payload, kind.as_deref());
                self.tell(Event::Answered(Answer::Whole(payload), true)).await;
                accepted()
            }
            Err(reply) => reply,
        }
    }

    /// `POST …/init/error`.
    pub(super) async fn init_error(&self, request: Request<Incoming>) -> Reply {
        let kind = error_type(request.headers());
        match body(request.into_body()).await {
            Ok(payload) => {
                let payload = document(payload, kind.as_deref());
                self.tell(Event::InitError(payload, kind)).await;
                accepted()
            }
            Err(reply) => reply,
        }
    }
}

pub(super) fn error_type(headers: &HeaderMap) -> Option<String> {
    header(headers, "lambda-runtime-function-error-type").map(str::to_owned)
}

/// The error's document: what the runtime sent, if it is JSON at all.
fn document(payload: Bytes, kind: Option<&str>) -> Bytes {
    if serde_json::from_slice::<serde::de::IgnoredAny>(&payload).is_ok() {
        return payload;
    }
    let kind = kind.unwrap_or("Runtime.Unknown");
    let text = String::from_utf8_lossy(&payload);
    Bytes::from(serde_json::json!({ "errorMessage": text, "errorType": kind }).to_string())
}

fn too_large(limit: u64) -> Bytes {
    let message = format!("Response payload size exceeded maximum allowed payload size ({limit} bytes).");
    Bytes::from(serde_json::json!({ "errorType": TOO_LARGE, "errorMessage": message }).to_string())
}

/// Hands the pieces on as they come. An error comes in the trailers.
async fn forward(mut body: Incoming, pieces: &Pieces) -> Reply {
    let mut left = MAX_STREAM;
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                fault(pieces, "Runtime.TruncatedResponse", &error.to_string()).await;
                return error_reply(
                    StatusCode::BAD_REQUEST,
                    "TruncatedHTTPRequest",
                    "HTTP request detected as truncated",
                );
            }
        };
        match frame.into_data() {
            Ok(piece) => {
                let Some(rest) = left.checked_sub(piece.len() as u64) else {
                    let details = String::from_utf8_lossy(&too_large(MAX_STREAM)).into_owned();
                    let limit = format!("Exceeded maximum allowed payload size ({MAX_STREAM} bytes).");
                    send_fault(pieces, TOO_LARGE.to_owned(), details).await;
                    return error_reply(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &limit);
                };
                left = rest;
                // The reader has gone: the function may finish all the same.
                drop(pieces.send(Ok(piece)).await);
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers()
                    && let Some(kind) = error_type(&trailers)
                {
                    let details = header(&trailers, "lambda-runtime-function-error-body")
                        .and_then(|text| STANDARD.decode(text).ok())
                        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                    send_fault(pieces, kind, details.unwrap_or_default()).await;
                }
            }
        }
    }
    accepted()
}

async fn fault(pieces: &Pieces, kind: &str, message: &str) {
    let details = serde_json::json!({ "errorType": kind, "errorMessage": message }).to_string();
    send_fault(pieces, kind.to_owned(), details).await;
}

async fn send_fault(pieces: &Pieces, kind: String, details: String) {
    drop(pieces.send(Err(StreamFault { kind, details })).await);
}
